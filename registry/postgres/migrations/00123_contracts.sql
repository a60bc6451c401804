-- +goose Up

-- body: what was asked and what the NHSU added; no person stands in it but by
-- employee id. document: the frozen bytes both sides sign.
CREATE TABLE contract_requests (
    id              uuid PRIMARY KEY,
    act_id          uuid NOT NULL CONSTRAINT contract_requests_act_fkey REFERENCES acts DEFERRABLE INITIALLY DEFERRED,
    legal_entity_id uuid NOT NULL CONSTRAINT contract_requests_legal_entity_fkey REFERENCES legal_entities,
    id_form         text NOT NULL,
    status          text NOT NULL CHECK (status IN ('NEW', 'IN_PROCESS', 'APPROVED', 'PENDING_NHS_SIGN', 'NHS_SIGNED', 'SIGNED', 'DECLINED', 'TERMINATED')),
    status_reason   text NOT NULL,
    start_date      date NOT NULL,
    body            jsonb NOT NULL,
    document        text NOT NULL,
    inserted_at     timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL
);
-- One request of a form at a time.
CREATE UNIQUE INDEX contract_requests_one_open ON contract_requests (legal_entity_id, id_form)
    WHERE status NOT IN ('SIGNED', 'DECLINED', 'TERMINATED');
CREATE INDEX contract_requests_list_idx ON contract_requests (legal_entity_id, id);
CREATE SEQUENCE contract_numbers MINVALUE 1;

-- Who has signed: the officer of the NHSU, its seal, the head of the provider.
CREATE TABLE contract_signatures (
    request_id uuid NOT NULL CONSTRAINT contract_signatures_request_fkey REFERENCES contract_requests,
    side       text NOT NULL CHECK (side IN ('nhs_signer', 'nhs_seal', 'contractor')),
    act_id     uuid NOT NULL CONSTRAINT contract_signatures_act_fkey REFERENCES acts DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT contract_signatures_pkey PRIMARY KEY (request_id, side)
);

CREATE TABLE contracts (
    id              uuid PRIMARY KEY,
    number          text NOT NULL CONSTRAINT contracts_number_key UNIQUE,
    request_id      uuid NOT NULL CONSTRAINT contracts_request_key UNIQUE CONSTRAINT contracts_request_fkey REFERENCES contract_requests,
    legal_entity_id uuid NOT NULL CONSTRAINT contracts_legal_entity_fkey REFERENCES legal_entities,
    status          text NOT NULL CHECK (status IN ('VERIFIED', 'TERMINATED')),
    status_reason   text NOT NULL,
    is_suspended    boolean NOT NULL,
    start_date      date NOT NULL,
    end_date        date NOT NULL,
    body            jsonb NOT NULL,
    inserted_at     timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL
);
CREATE INDEX contracts_list_idx ON contracts (legal_entity_id, id);
CREATE INDEX contracts_end_idx ON contracts (end_date) WHERE status = 'VERIFIED';

CREATE TABLE contract_employees (
    contract_id       uuid NOT NULL CONSTRAINT contract_employees_contract_fkey REFERENCES contracts,
    employee_id       uuid NOT NULL CONSTRAINT contract_employees_employee_fkey REFERENCES employees,
    division_id       uuid NOT NULL CONSTRAINT contract_employees_division_fkey REFERENCES divisions,
    staff_units       numeric(4,2) NOT NULL,
    declaration_limit integer NOT NULL,
    start_date        date NOT NULL,
    CONSTRAINT contract_employees_pkey PRIMARY KEY (contract_id, employee_id, division_id)
);
CREATE INDEX contract_employees_employee_idx ON contract_employees (employee_id);

GRANT SELECT, INSERT, UPDATE ON contract_requests, contracts TO mist_app;
GRANT SELECT, INSERT ON contract_signatures, contract_employees TO mist_app;
GRANT USAGE ON SEQUENCE contract_numbers TO mist_app;
