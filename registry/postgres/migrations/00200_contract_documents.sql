-- +goose Up

-- Statute and additional document of a contract request: the places are made
-- by the draft, before there is a request, and hold nothing until a PDF is put.
CREATE TABLE contract_documents (
    id              uuid PRIMARY KEY,
    request_id      uuid NOT NULL,
    legal_entity_id uuid NOT NULL CONSTRAINT contract_documents_legal_entity_fkey REFERENCES legal_entities,
    type            text NOT NULL CHECK (type IN ('statute', 'additional_document')),
    digest          bytea CHECK (length(digest) = 32),
    size            integer NOT NULL DEFAULT 0,
    uploaded_at     timestamptz,
    inserted_at     timestamptz NOT NULL,
    CONSTRAINT contract_documents_type_key UNIQUE (request_id, type),
    CHECK ((digest IS NULL) = (uploaded_at IS NULL))
);
CREATE INDEX contract_documents_digest_idx ON contract_documents (digest) WHERE digest IS NOT NULL;
GRANT SELECT, INSERT, UPDATE, DELETE ON contract_documents TO mist_app;
ALTER TABLE contract_documents ENABLE ROW LEVEL SECURITY;
CREATE POLICY reach ON contract_documents TO mist_app USING (
    current_setting('mist.reach', true) = 'all' OR legal_entity_id = current_setting('mist.legal_entity', true)::uuid);

-- Who works under a contract changes in time: a change ends a row and begins another.
ALTER TABLE contract_employees
    DROP CONSTRAINT contract_employees_pkey,
    ADD COLUMN id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT contract_employees_pkey PRIMARY KEY,
    ADD COLUMN end_date date,
    ADD COLUMN act_id uuid CONSTRAINT contract_employees_act_fkey REFERENCES acts DEFERRABLE INITIALLY DEFERRED;
CREATE UNIQUE INDEX contract_employees_one_current ON contract_employees (contract_id, employee_id, division_id) WHERE end_date IS NULL;
CREATE INDEX contract_employees_contract_idx ON contract_employees (contract_id);
GRANT UPDATE (end_date) ON contract_employees TO mist_app;

ALTER TABLE contracts ADD COLUMN parent_contract_id uuid CONSTRAINT contracts_parent_fkey REFERENCES contracts;

-- The NHSU's decision about a request and a change of a contract's doctors are
-- signed as well.
ALTER TABLE acts DROP CONSTRAINT acts_demand_person;
ALTER TABLE acts ADD CONSTRAINT acts_demand_person CHECK (patient_id IS NOT NULL AND author_id IS NOT NULL
    OR kind IN ('legal_entity', 'employee_request', 'contract_request', 'contract_signature', 'contract_decision', 'contract_employee'));

UPDATE legal_entity_types SET scopes = array_append(scopes, 'contract:update') WHERE 'contract:read' = ANY(scopes);
