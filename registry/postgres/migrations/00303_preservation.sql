-- +goose Up

-- Signed containers lifted to the archival level, again and again (ADR 0911).
-- original is the container an act was accepted by; extended stands in media.
CREATE TABLE container_extensions (
    id          uuid PRIMARY KEY,
    act_id      uuid NOT NULL CONSTRAINT container_extensions_act_fkey REFERENCES acts,
    original    bytea NOT NULL CHECK (octet_length(original) = 32),
    generation  int NOT NULL CHECK (generation > 0),
    predecessor bytea NOT NULL CHECK (octet_length(predecessor) = 32),
    extended    bytea NOT NULL CONSTRAINT container_extensions_media_fkey REFERENCES media,
    level       text NOT NULL,
    kept_until  timestamptz,
    because     text NOT NULL DEFAULT '',
    algorithms  text[] NOT NULL DEFAULT '{}',
    made_at     timestamptz NOT NULL,
    proved_at   timestamptz,
    newest      boolean NOT NULL DEFAULT true,
    CONSTRAINT container_extensions_generation_key UNIQUE (original, generation)
);
CREATE INDEX container_extensions_until_idx ON container_extensions (kept_until) WHERE newest;
CREATE INDEX container_extensions_unproven_idx ON container_extensions (id) WHERE proved_at IS NULL;
GRANT SELECT, INSERT ON container_extensions TO mist_app, mist_operator;
GRANT UPDATE (proved_at, newest) ON container_extensions TO mist_app, mist_operator;

-- Containers that could not be lifted when they were last tried.
CREATE TABLE container_attempts (
    original bytea PRIMARY KEY CHECK (octet_length(original) = 32),
    tried_at timestamptz NOT NULL,
    reason   text NOT NULL
);
GRANT SELECT, INSERT, UPDATE, DELETE ON container_attempts TO mist_app, mist_operator;

-- Acts up to here were lifted or tried: the search for new ones begins after it.
CREATE TABLE container_upto (act_id uuid NOT NULL);
INSERT INTO container_upto VALUES ('00000000-0000-0000-0000-000000000000');
GRANT SELECT, UPDATE ON container_upto TO mist_app, mist_operator;
