-- +goose Up

-- Signed documents that wait for the status of a certificate, which could not
-- be had. A row goes when the act is accepted or refused; the audit entry
-- act.pending (entry_id) stays.
CREATE TABLE pending_acts (
    draft_id        uuid PRIMARY KEY CONSTRAINT pending_acts_draft_fkey REFERENCES drafts,
    kind            text NOT NULL,
    container       bytea NOT NULL CHECK (length(container) = 32),
    client_id       uuid,
    employee_id     uuid, -- for whom the client worked
    legal_entity_id uuid,
    request_id      text NOT NULL,
    submitted_at    timestamptz NOT NULL,
    gives_up_at     timestamptz NOT NULL,
    entry_id        uuid NOT NULL
);
GRANT SELECT, INSERT, DELETE ON pending_acts TO mist_app;

-- A document that waits may become a declaration: it counts for the doctor's limit.
DROP INDEX drafts_approved_party_idx;
CREATE INDEX drafts_awaited_party_idx ON drafts (party_id) WHERE status IN ('APPROVED', 'PENDING');
CREATE INDEX acts_patient_kind_idx ON acts (patient_id, kind, accepted_at);

-- What happens to a request without its caller's doing is told in the feed of
-- events, in one order with the declarations' changes (00005).
CREATE TABLE draft_statuses (
    draft_id    uuid NOT NULL CONSTRAINT draft_statuses_draft_fkey REFERENCES drafts,
    status      text NOT NULL,
    reason      text NOT NULL,
    inserted_at timestamptz NOT NULL,
    id          bigint NOT NULL DEFAULT nextval('declaration_statuses_id_seq'),
    epoch       integer NOT NULL,
    xid         xid8 NOT NULL DEFAULT pg_current_xact_id()
);
CREATE UNIQUE INDEX draft_statuses_feed_key ON draft_statuses (epoch, xid, id);
CREATE INDEX draft_statuses_draft_idx ON draft_statuses (draft_id);
CREATE TRIGGER draft_statuses_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON draft_statuses
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
GRANT SELECT, INSERT ON draft_statuses TO mist_app;
GRANT USAGE ON SEQUENCE declaration_statuses_id_seq TO mist_app;

-- +goose StatementBegin
CREATE FUNCTION drafts_keep_status() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO draft_statuses (draft_id, status, reason, inserted_at, epoch)
    VALUES (NEW.id, NEW.status, NEW.status_reason, NEW.updated_at, (SELECT max(epoch) FROM log_epochs));
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER drafts_next_status AFTER UPDATE OF status ON drafts
    FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status AND ('PENDING' IN (OLD.status, NEW.status) OR NEW.status IN ('EXPIRED', 'CANCELLED')))
    EXECUTE FUNCTION drafts_keep_status();
