-- +goose Up

-- Wrong one-time codes of a telephone (blind key) by legal entity since a time:
-- package guess. What is past its window is thrown away.
CREATE TABLE code_misses (
    phone_key       bytea NOT NULL,
    legal_entity_id uuid NOT NULL,
    missed          integer NOT NULL,
    since           timestamptz NOT NULL,
    CONSTRAINT code_misses_pkey PRIMARY KEY (phone_key, legal_entity_id)
);
CREATE INDEX code_misses_since_idx ON code_misses (since);
ALTER TABLE code_misses ENABLE ROW LEVEL SECURITY;
CREATE POLICY reach ON code_misses TO mist_app USING (
    current_setting('mist.reach', true) = 'all' OR legal_entity_id = current_setting('mist.legal_entity', true)::uuid);
GRANT SELECT, INSERT, UPDATE, DELETE ON code_misses TO mist_app;
