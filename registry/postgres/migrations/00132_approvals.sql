-- +goose Up

-- A patient's approval for an employee or a clinic is a consent like any other:
-- recipient is employee/ID or legal_entity/ID, scope the records (patient/ID,
-- episode/ID …). 'new' has not been confirmed by the patient yet.
ALTER TABLE consents ADD COLUMN access_level text NOT NULL DEFAULT 'read' CHECK (access_level IN ('read', 'write'));
ALTER TABLE consents DROP CONSTRAINT consents_status_check;
ALTER TABLE consents ADD CONSTRAINT consents_status_check CHECK (status IN ('new', 'active', 'used', 'revoked'));
CREATE INDEX consents_recipient_idx ON consents (person_id, recipient) WHERE status = 'active';

-- What an approval has beside its consent: who asked, and the patient's code.
CREATE TABLE approvals (
    consent_id      uuid PRIMARY KEY CONSTRAINT approvals_consent_fkey REFERENCES consents,
    person_id       uuid NOT NULL,
    legal_entity_id uuid NOT NULL CONSTRAINT approvals_legal_entity_fkey REFERENCES legal_entities,
    created_by      uuid NOT NULL CONSTRAINT approvals_employee_fkey REFERENCES employees,
    auth_method     text NOT NULL,
    otp_mac         bytea,
    otp_tries_left  integer NOT NULL DEFAULT 0,
    otp_expires_at  timestamptz,
    otp_sent        integer NOT NULL DEFAULT 0
);
CREATE INDEX approvals_person_idx ON approvals (person_id, consent_id);
ALTER TABLE approvals ENABLE ROW LEVEL SECURITY;
CREATE POLICY reach ON approvals TO mist_app USING (
    current_setting('mist.reach', true) = 'all'
    OR legal_entity_id = current_setting('mist.legal_entity', true)::uuid OR person_id = current_setting('mist.person', true)::uuid);

-- Break-glass access: open until expires_at, reviewed by the NHSU. body: sealed
-- explanation and the reviewer's words.
CREATE TABLE emergency_accesses (
    id              uuid PRIMARY KEY,
    person_id       uuid NOT NULL CONSTRAINT emergency_accesses_person_fkey REFERENCES persons,
    employee_id     uuid NOT NULL CONSTRAINT emergency_accesses_employee_fkey REFERENCES employees,
    legal_entity_id uuid NOT NULL CONSTRAINT emergency_accesses_legal_entity_fkey REFERENCES legal_entities,
    reason          text NOT NULL,
    body            bytea NOT NULL,
    opened_at       timestamptz NOT NULL,
    expires_at      timestamptz NOT NULL,
    status          text NOT NULL CHECK (status IN ('open', 'closed')),
    decision        text NOT NULL DEFAULT '' CHECK (decision IN ('', 'justified', 'unjustified')),
    reviewed_by     uuid,
    reviewed_at     timestamptz
);
CREATE INDEX emergency_accesses_employee_idx ON emergency_accesses (employee_id, opened_at);
CREATE INDEX emergency_accesses_status_idx ON emergency_accesses (status, id);
ALTER TABLE emergency_accesses ENABLE ROW LEVEL SECURITY;
CREATE POLICY reach ON emergency_accesses TO mist_app USING (
    current_setting('mist.reach', true) = 'all'
    OR legal_entity_id = current_setting('mist.legal_entity', true)::uuid OR person_id = current_setting('mist.person', true)::uuid);

GRANT SELECT, INSERT, UPDATE ON approvals, emergency_accesses TO mist_app;
