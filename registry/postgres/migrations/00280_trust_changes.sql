-- +goose Up

-- How the trust material changed: each version once it was taken over, with the
-- certificates it has and its entry in the log.
CREATE TABLE trust_changes (
    seq          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    version      text NOT NULL,
    at           timestamptz NOT NULL,
    entry_id     uuid NOT NULL,
    certificates jsonb NOT NULL, -- sha256 and subject of each
    added        jsonb NOT NULL,
    removed      jsonb NOT NULL
);
GRANT SELECT, INSERT ON trust_changes TO mist_app;
