-- +goose Up

-- What a legal entity of a type must be and may do. A new type is one row.
CREATE TABLE legal_entity_types (
    type             text PRIMARY KEY,
    name_uk          text NOT NULL,
    name_en          text NOT NULL,
    creatable        boolean NOT NULL, -- by a signed registration
    kveds            text[] NOT NULL,  -- at least one of these; empty: any
    licence_required boolean NOT NULL,
    owner_type       text NOT NULL,    -- employee type of its head
    owner_positions  text[] NOT NULL,  -- empty: any
    division_types   text[] NOT NULL,
    employee_types   text[] NOT NULL,
    scopes           text[] NOT NULL,  -- of the client made for it
    capitation       boolean NOT NULL, -- may ask for a capitation contract
    in_directory     boolean NOT NULL  -- stands in the public directory
);
GRANT SELECT ON legal_entity_types TO mist_app;

INSERT INTO legal_entity_types VALUES
('MIS', 'медична інформаційна система', 'medical information system', false, '{}', false, 'OWNER', '{}', '{}', '{OWNER,ADMIN}', '{}', false, false),
('NHS', 'Національна служба здоровʼя України', 'National Health Service of Ukraine', false, '{}', false, 'OWNER', '{}', '{}', '{OWNER,ADMIN,"NHS ADMIN","NHS ADMIN SIGNER","NHS LE VERIFIER"}', '{}', false, false),
('MSP', 'заклад охорони здоровʼя', 'medical service provider', false, '{86.10,86.21}', false, 'OWNER', '{P1,P2,P3,P23,P24,P25,P26}', '{CLINIC,AMBULANT_CLINIC,FAP}',
 '{OWNER,ADMIN,HR,DOCTOR,SPECIALIST,ASSISTANT,RECEPTIONIST,ACCOUNTANT}', '{}', true, true),
('MSP_PHARMACY', 'заклад охорони здоровʼя з аптекою', 'medical service provider with a pharmacy', false, '{86.10,86.21}', true, 'OWNER', '{P1,P2,P3,P23,P24,P25,P26}', '{CLINIC,AMBULANT_CLINIC,FAP,DRUGSTORE,DRUGSTORE_POINT}',
 '{OWNER,ADMIN,HR,DOCTOR,SPECIALIST,ASSISTANT,RECEPTIONIST,ACCOUNTANT,PHARMACIST}', '{}', true, true),
('PRIMARY_CARE', 'надавач первинної медичної допомоги', 'primary care provider', true, '{86.10,86.21}', false, 'OWNER', '{P1,P2,P3,P23,P24,P25,P26}', '{CLINIC,AMBULANT_CLINIC,FAP}',
 '{OWNER,ADMIN,HR,DOCTOR,SPECIALIST,ASSISTANT,RECEPTIONIST,ACCOUNTANT}',
 '{legal_entity:read,legal_entity:write,division:read,division:write,division:activate,division:deactivate,employee:read,employee:deactivate,employee_request:write,employee_request:read,employee_request:approve,employee_request:reject,declaration_request:write,declaration_request:read,declaration_request:approve,declaration_request:sign,declaration_request:reject,declaration:read,person:read,person:search,person_request:write,person_request:read,person_request:approve,person_request:sign,person_request:reject,contract_request:create,contract_request:read,contract_request:sign,contract_request:terminate,contract:read,contract:write,signature:verify,event:read}', true, true),
('OUTPATIENT', 'надавач спеціалізованої амбулаторної допомоги', 'outpatient specialist provider', true, '{86.10,86.22}', true, 'OWNER', '{P1,P2,P3,P23,P24,P25,P26}', '{CLINIC,AMBULANT_CLINIC}',
 '{OWNER,ADMIN,HR,SPECIALIST,ASSISTANT,RECEPTIONIST,ACCOUNTANT}',
 '{legal_entity:read,legal_entity:write,division:read,division:write,division:activate,division:deactivate,employee:read,employee:deactivate,employee_request:write,employee_request:read,employee_request:approve,employee_request:reject,person:read,person:search,person_request:write,person_request:read,person_request:approve,person_request:sign,person_request:reject,signature:verify,event:read}', false, true),
('EMERGENCY', 'заклад екстреної медичної допомоги', 'emergency care provider', true, '{86.10,86.90}', true, 'OWNER', '{P1,P2,P3,P23,P24,P25,P26}', '{CLINIC,AMBULANT_CLINIC}',
 '{OWNER,ADMIN,HR,SPECIALIST,ASSISTANT,RECEPTIONIST,ACCOUNTANT}',
 '{legal_entity:read,legal_entity:write,division:read,division:write,division:activate,division:deactivate,employee:read,employee:deactivate,employee_request:write,employee_request:read,employee_request:approve,employee_request:reject,person:read,person:search,person_request:write,person_request:read,person_request:approve,person_request:sign,person_request:reject,signature:verify,event:read}', false, true),
('PHARMACY', 'аптечний заклад', 'pharmacy', true, '{47.73}', true, 'PHARMACY_OWNER', '{P1,P2,P23,P24,P26}', '{DRUGSTORE,DRUGSTORE_POINT}',
 '{PHARMACY_OWNER,ADMIN,HR,PHARMACIST,ACCOUNTANT}',
 '{legal_entity:read,legal_entity:write,division:read,division:write,division:activate,division:deactivate,employee:read,employee:deactivate,employee_request:write,employee_request:read,employee_request:approve,employee_request:reject,signature:verify,event:read}', false, true);

-- What an employee of a type must show.
CREATE TABLE employee_types (
    type         text PRIMARY KEY,
    name_uk      text NOT NULL,
    name_en      text NOT NULL,
    requestable  boolean NOT NULL, -- by an employee request
    head         boolean NOT NULL, -- at most one approved in a legal entity; cannot be dismissed alone
    specialities text[] NOT NULL,  -- of which exactly one is in office; empty: no speciality is asked
    division     boolean NOT NULL  -- works in a division
);
GRANT SELECT ON employee_types TO mist_app;

INSERT INTO employee_types VALUES
('OWNER', 'керівник закладу', 'head of a provider', true, true, '{}', false),
('PHARMACY_OWNER', 'керівник аптеки', 'head of a pharmacy', true, true, '{}', false),
('DOCTOR', 'лікар первинної допомоги', 'primary care doctor', true, false, '{THERAPIST,PEDIATRICIAN,FAMILY_DOCTOR}', true),
('SPECIALIST', 'лікар-спеціаліст', 'specialist', true, false, '{*}', true),
('ASSISTANT', 'асистент', 'assistant', true, false, '{}', true),
('RECEPTIONIST', 'реєстратор', 'receptionist', true, false, '{}', false),
('PHARMACIST', 'фармацевт', 'pharmacist', true, false, '{PHARMACIST,PROVISOR,CLINICAL_PROVISOR}', true),
('HR', 'працівник кадрової служби', 'human resources', true, false, '{}', false),
('ADMIN', 'адміністратор', 'administrator', true, false, '{}', false),
('ACCOUNTANT', 'бухгалтер', 'accountant', true, false, '{}', false),
('NHS ADMIN', 'працівник НСЗУ', 'officer of the NHSU', false, false, '{}', false),
('NHS ADMIN SIGNER', 'підписант НСЗУ', 'signer of the NHSU', false, false, '{}', false),
('NHS LE VERIFIER', 'перевіряльник НСЗУ', 'verifier of the NHSU', false, false, '{}', false);

-- details: the rest of the registration; no person stands in it.
ALTER TABLE legal_entities
    ADD CONSTRAINT legal_entities_type_fkey FOREIGN KEY (type) REFERENCES legal_entity_types,
    ADD CONSTRAINT legal_entities_status_check CHECK (status IN ('ACTIVE', 'SUSPENDED', 'CLOSED', 'REORGANIZED')),
    ADD COLUMN details jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN status_reason text NOT NULL DEFAULT '',
    ADD COLUMN mis_verified boolean NOT NULL DEFAULT true,
    ADD COLUMN nhs_verified boolean NOT NULL DEFAULT false,
    ADD COLUMN nhs_reviewed boolean NOT NULL DEFAULT false,
    ADD COLUMN nhs_comment text NOT NULL DEFAULT '',
    ADD COLUMN inserted_at timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN updated_at timestamptz NOT NULL DEFAULT now();
CREATE INDEX legal_entities_ending_idx ON legal_entities (id) WHERE status IN ('CLOSED', 'REORGANIZED');

-- Who went into whom. Of one loser one row.
CREATE TABLE related_legal_entities (
    merged_from uuid PRIMARY KEY CONSTRAINT related_legal_entities_from_fkey REFERENCES legal_entities,
    merged_to   uuid NOT NULL CONSTRAINT related_legal_entities_to_fkey REFERENCES legal_entities,
    reason      text NOT NULL,
    inserted_at timestamptz NOT NULL,
    CONSTRAINT related_legal_entities_differ CHECK (merged_from <> merged_to)
);
GRANT SELECT, INSERT ON related_legal_entities TO mist_app;

-- details: addresses by part, location, external id, licence of a pharmacy.
ALTER TABLE divisions
    ADD CONSTRAINT divisions_status_check CHECK (status IN ('ACTIVE', 'INACTIVE')),
    ADD COLUMN details jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN inserted_at timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN updated_at timestamptz NOT NULL DEFAULT now();

-- An act of a provider is about no patient, and its signer may be nobody's
-- employee yet. Every other kind has both.
ALTER TABLE acts ALTER COLUMN patient_id DROP NOT NULL, ALTER COLUMN author_id DROP NOT NULL;
ALTER TABLE acts ADD CONSTRAINT acts_demand_person CHECK (patient_id IS NOT NULL AND author_id IS NOT NULL
    OR kind IN ('legal_entity', 'employee_request', 'contract_request', 'contract_signature'));
CREATE INDEX acts_of_provider_idx ON acts (legal_entity_id, kind) WHERE patient_id IS NULL;

-- Settlements of the mountains, by the address register's id.
CREATE TABLE mountain_settlements (settlement_id uuid PRIMARY KEY);
GRANT SELECT, INSERT, DELETE ON mountain_settlements TO mist_app;
