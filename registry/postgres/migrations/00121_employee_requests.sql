-- +goose Up

-- Requests by which people become employees. body: sealed request. invitation:
-- SHA-256 of the token in the e-mail.
CREATE TABLE employee_requests (
    id              uuid PRIMARY KEY,
    act_id          uuid NOT NULL CONSTRAINT employee_requests_act_fkey REFERENCES acts DEFERRABLE INITIALLY DEFERRED,
    legal_entity_id uuid NOT NULL CONSTRAINT employee_requests_legal_entity_fkey REFERENCES legal_entities,
    division_id     uuid CONSTRAINT employee_requests_division_fkey REFERENCES divisions,
    employee_id     uuid CONSTRAINT employee_requests_employee_fkey REFERENCES employees,
    type            text NOT NULL CONSTRAINT employee_requests_type_fkey REFERENCES employee_types,
    status          text NOT NULL CHECK (status IN ('NEW', 'APPROVED', 'REJECTED', 'EXPIRED')),
    invitation      bytea NOT NULL CONSTRAINT employee_requests_invitation_key UNIQUE CHECK (length(invitation) = 32),
    body            bytea NOT NULL,
    inserted_at     timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,
    expires_at      timestamptz NOT NULL
);
CREATE INDEX employee_requests_list_idx ON employee_requests (legal_entity_id, id);
CREATE INDEX employee_requests_expiry_idx ON employee_requests (expires_at) WHERE status = 'NEW';
GRANT SELECT, INSERT, UPDATE ON employee_requests TO mist_app;

-- People who may not work with the registry. body: sealed tax number and reason.
CREATE TABLE black_list_users (
    id          uuid PRIMARY KEY,
    tax_id_key  bytea NOT NULL,
    body        bytea NOT NULL,
    is_active   boolean NOT NULL,
    inserted_at timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL
);
CREATE UNIQUE INDEX black_list_users_active_key ON black_list_users (tax_id_key) WHERE is_active;
GRANT SELECT, INSERT, UPDATE ON black_list_users TO mist_app;

-- One head at a time.
CREATE UNIQUE INDEX employees_one_head ON employees (legal_entity_id)
    WHERE status = 'APPROVED' AND type IN ('OWNER', 'PHARMACY_OWNER');
ALTER TABLE employees ADD COLUMN additional jsonb NOT NULL DEFAULT '{}';
