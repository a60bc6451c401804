-- +goose Up

-- The register of settlements (КАТОТТГ, order 290 of the Ministry for communities
-- and territories, 2020), as mist import settlements loads it. Empty: addresses
-- are taken by their form alone.
CREATE TABLE settlements (
    id        uuid PRIMARY KEY,
    katottg   text NOT NULL CONSTRAINT settlements_katottg_key UNIQUE,
    koatuu    text NOT NULL DEFAULT '',
    name      text NOT NULL,
    type      text NOT NULL CHECK (type IN ('CITY', 'TOWNSHIP', 'VILLAGE', 'SETTLEMENT')),
    area      text NOT NULL, -- область, or a city of such standing
    region    text NOT NULL, -- район; empty where there is none
    is_active boolean NOT NULL
);
CREATE INDEX settlements_name_idx ON settlements (lower(name) text_pattern_ops);
CREATE INDEX settlements_place_idx ON settlements (area, region);
CREATE INDEX settlements_koatuu_idx ON settlements (koatuu) WHERE koatuu <> '';
GRANT SELECT ON settlements TO mist_app;
GRANT INSERT, UPDATE ON settlements TO mist_operator;
