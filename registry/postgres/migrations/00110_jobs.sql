-- +goose Up

-- Jobs that are not done. The queue itself is River's, in its own schema; this
-- row holds what River must not see: the sealed arguments. River's row names
-- this one by id. A job that is done is taken away, a dead one stays.
CREATE SCHEMA IF NOT EXISTS river;
CREATE TABLE jobs (
    id         uuid PRIMARY KEY,
    river_id   bigint NOT NULL CONSTRAINT jobs_river_key UNIQUE,
    kind       text NOT NULL,
    key        text NOT NULL,
    attempts   integer NOT NULL, -- how many it began with
    body       bytea NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT jobs_kind_key UNIQUE (kind, key)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON jobs TO mist_app;
GRANT USAGE ON SCHEMA river TO mist_app;
