-- +goose Up

-- Words of whoever verified or ended a declaration; sealed, for people write names there.
ALTER TABLE declarations ADD COLUMN note bytea;

-- Lists of one provider and of the whole registry go by id (version 7: time).
CREATE INDEX declarations_provider_list_idx ON declarations (legal_entity_id, id);
DROP INDEX declarations_legal_entity_idx;

-- What the jobs look for, and nothing else.
CREATE INDEX declarations_end_idx ON declarations (end_date) WHERE status = 'active';
CREATE INDEX declarations_pending_idx ON declarations (inserted_at) WHERE status = 'pending_verification';
CREATE INDEX drafts_expiry_idx ON drafts (expires_at) WHERE status IN ('NEW', 'APPROVED');

-- When the personal data of a finished draft was wiped.
ALTER TABLE drafts ADD COLUMN cleared_at timestamptz;
CREATE INDEX drafts_clearing_idx ON drafts (updated_at) WHERE cleared_at IS NULL AND status NOT IN ('NEW', 'APPROVED');

ALTER TABLE employees ADD COLUMN end_date date;
ALTER TABLE employees ADD COLUMN status_reason text NOT NULL DEFAULT '';
CREATE INDEX employees_dismissed_idx ON employees (id) WHERE status = 'DISMISSED';
