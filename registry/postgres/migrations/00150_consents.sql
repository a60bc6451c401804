-- +goose Up

-- Consents are registered for use by their id: the digest of the nonce, and the
-- sealed text the citizen read.
ALTER TABLE consents ADD COLUMN nonce bytea CHECK (length(nonce) = 32);
ALTER TABLE consents ADD COLUMN body bytea;

-- "Who saw my data": the place in the log of every entry about a person. It is
-- filled behind the sequencer, so that no act and no disclosure pays for it.
CREATE TABLE person_entries (
    person_id uuid NOT NULL,
    idx       bigint NOT NULL,
    PRIMARY KEY (person_id, idx)
);

-- How far the log has been gone through.
CREATE TABLE person_entries_upto (
    one  boolean PRIMARY KEY DEFAULT true CHECK (one),
    size bigint NOT NULL
);
INSERT INTO person_entries_upto (size) VALUES (0);

GRANT SELECT, INSERT, DELETE ON person_entries TO mist_app;
GRANT SELECT, UPDATE ON person_entries_upto TO mist_app;
