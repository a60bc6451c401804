-- +goose Up

-- The feed of status changes. (epoch, xid, id) is an order in which nothing can
-- appear behind a reader who stays below the snapshot's horizon (ADR 0301).
ALTER TABLE declaration_statuses
    ADD COLUMN id bigint GENERATED ALWAYS AS IDENTITY,
    ADD COLUMN epoch integer NOT NULL DEFAULT 1,
    ADD COLUMN xid xid8 NOT NULL DEFAULT pg_current_xact_id();
CREATE UNIQUE INDEX declaration_statuses_feed_key ON declaration_statuses (epoch, xid, id);

-- +goose StatementBegin
CREATE OR REPLACE FUNCTION declarations_keep_status() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO declaration_statuses (declaration_id, status, reason, act_id, inserted_at, epoch)
    VALUES (NEW.id, NEW.status, NEW.reason, COALESCE(NEW.ended_by, NEW.act_id), NEW.updated_at, (SELECT max(epoch) FROM log_epochs));
    RETURN NULL;
END
$$;
-- +goose StatementEnd

-- Answers kept for a repeated request (Idempotency-Key); body is sealed and NULL
-- while the first request is still worked on. key: SHA-256 of client, employee and key.
CREATE TABLE replies (
    key        bytea PRIMARY KEY CHECK (length(key) = 32),
    request    bytea NOT NULL CHECK (length(request) = 32),
    body       bytea,
    created_at timestamptz NOT NULL
);
CREATE INDEX replies_created_idx ON replies (created_at);
GRANT SELECT, INSERT, UPDATE, DELETE ON replies TO mist_app;
