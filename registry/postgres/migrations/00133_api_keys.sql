-- +goose Up

-- Keys by which the programs of a hospital ask without a human's login. The key
-- itself was shown once; here is argon2id of its secret part.
CREATE TABLE api_keys (
    id              uuid PRIMARY KEY,
    client_id       uuid NOT NULL CONSTRAINT api_keys_client_fkey REFERENCES clients,
    legal_entity_id uuid NOT NULL CONSTRAINT api_keys_legal_entity_fkey REFERENCES legal_entities,
    name            text NOT NULL,
    scopes          text[] NOT NULL,
    secret_hash     bytea NOT NULL,
    secret_salt     bytea NOT NULL,
    created_by      uuid, -- the employee; NULL: an operator
    created_at      timestamptz NOT NULL,
    expires_at      timestamptz NOT NULL,
    revoked_at      timestamptz
);
CREATE INDEX api_keys_legal_entity_idx ON api_keys (legal_entity_id, id);
ALTER TABLE api_keys ENABLE ROW LEVEL SECURITY;
CREATE POLICY reach ON api_keys TO mist_app USING (
    current_setting('mist.reach', true) = 'all' OR legal_entity_id = current_setting('mist.legal_entity', true)::uuid);
GRANT SELECT, INSERT, UPDATE ON api_keys TO mist_app;
