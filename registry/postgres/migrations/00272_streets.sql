-- +goose Up

-- Streets of settlements, as mist import streets loads them (package address).
CREATE TABLE streets (
    settlement_id uuid NOT NULL CONSTRAINT streets_settlement_fkey REFERENCES settlements,
    type          text NOT NULL,
    name          text NOT NULL,
    is_active     boolean NOT NULL,
    CONSTRAINT streets_pkey PRIMARY KEY (settlement_id, type, name)
);
CREATE INDEX streets_name_idx ON streets (settlement_id, lower(name) text_pattern_ops);
GRANT SELECT ON streets TO mist_app;
GRANT INSERT, UPDATE ON streets TO mist_operator;

-- A register (00205) is of deaths, or of frauds: declarations end, records stay.
ALTER TABLE registers ADD COLUMN type text NOT NULL DEFAULT 'DEATH_REGISTRATION' CHECK (type IN ('DEATH_REGISTRATION', 'FRAUD'));
