-- +goose Up

-- The National Health Service's electronic seal over the doctor's signed
-- document, once it is set (digest of the sealed container in media).
ALTER TABLE declarations
    ADD COLUMN seal bytea CONSTRAINT declarations_seal_digest CHECK (length(seal) = 32),
    ADD COLUMN sealed_at timestamptz;
-- What awaits the seal, for the job that looks for it.
CREATE INDEX declarations_unsealed_idx ON declarations (id) WHERE status = 'active' AND seal IS NULL AND NOT imported;
