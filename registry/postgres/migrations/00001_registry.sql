-- +goose Up

-- The serving role. Roles belong to the cluster, so another database may have made it.
-- +goose StatementBegin
DO $$
BEGIN
    CREATE ROLE mist_app NOLOGIN;
    GRANT mist_app TO CURRENT_USER; -- so that one account may migrate and serve
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;
END
$$;
-- +goose StatementEnd

-- Rows that are written once. Sabotage by a superuser is for the audit tree to
-- show; this trigger is against a slip of the hand.
-- +goose StatementBegin
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'table % is append-only: % refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'insufficient_privilege';
END
$$;
-- +goose StatementEnd

-- Provider relationship management

CREATE TABLE legal_entities (
    id          uuid PRIMARY KEY,
    name        text NOT NULL,
    short_name  text NOT NULL,
    public_name text NOT NULL,
    edrpou      text NOT NULL,
    type        text NOT NULL,
    status      text NOT NULL,
    phones      jsonb NOT NULL,
    email       text NOT NULL,
    address     text NOT NULL,
    licence     jsonb NOT NULL,
    CONSTRAINT legal_entities_edrpou_type_key UNIQUE (edrpou, type)
);

CREATE TABLE divisions (
    id              uuid PRIMARY KEY,
    legal_entity_id uuid NOT NULL CONSTRAINT divisions_legal_entity_fkey REFERENCES legal_entities,
    name            text NOT NULL,
    type            text NOT NULL,
    status          text NOT NULL,
    address         text NOT NULL,
    phones          jsonb NOT NULL,
    email           text NOT NULL,
    working_hours   text NOT NULL,
    mountain_group  boolean NOT NULL
);
CREATE INDEX divisions_legal_entity_idx ON divisions (legal_entity_id);

-- body: sealed birth date, gender, tax number, e-mail, phones. Names of those
-- who treat are public.
CREATE TABLE parties (
    id          uuid PRIMARY KEY,
    last_name   text NOT NULL,
    first_name  text NOT NULL,
    second_name text NOT NULL,
    tax_id_key  bytea,
    body        bytea NOT NULL
);
CREATE INDEX parties_tax_id_idx ON parties (tax_id_key);

CREATE TABLE employees (
    id              uuid PRIMARY KEY,
    legal_entity_id uuid NOT NULL CONSTRAINT employees_legal_entity_fkey REFERENCES legal_entities,
    division_id     uuid CONSTRAINT employees_division_fkey REFERENCES divisions,
    party_id        uuid NOT NULL CONSTRAINT employees_party_fkey REFERENCES parties,
    type            text NOT NULL,
    position        text NOT NULL,
    speciality      text NOT NULL,
    status          text NOT NULL,
    start_date      date
);
CREATE INDEX employees_party_idx ON employees (party_id);
CREATE INDEX employees_legal_entity_idx ON employees (legal_entity_id);

-- Patients

-- body: the sealed record. identity: blind key over tax number, birth date and
-- names, so that "no exact duplicate among active persons" is a fact of the database.
CREATE TABLE persons (
    id                  uuid PRIMARY KEY,
    version             integer NOT NULL,
    status              text NOT NULL CHECK (status IN ('active', 'inactive')),
    verification_status text NOT NULL,
    death_date          date,
    master_id           uuid CONSTRAINT persons_master_fkey REFERENCES persons,
    identity            bytea,
    body                bytea NOT NULL,
    inserted_at         timestamptz NOT NULL,
    updated_at          timestamptz NOT NULL
);
CREATE UNIQUE INDEX persons_identity_key ON persons (identity) WHERE status = 'active';
CREATE INDEX persons_master_idx ON persons (master_id) WHERE master_id IS NOT NULL;

-- Blind look-up keys: tax_id, unzr, document (type and number).
CREATE TABLE person_keys (
    person_id uuid NOT NULL CONSTRAINT person_keys_person_fkey REFERENCES persons ON DELETE CASCADE,
    kind      text NOT NULL,
    key       bytea NOT NULL,
    PRIMARY KEY (kind, key, person_id)
);
CREATE INDEX person_keys_person_idx ON person_keys (person_id);

-- Acts

CREATE TABLE drafts (
    id              uuid PRIMARY KEY,
    kind            text NOT NULL,
    status          text NOT NULL,
    status_reason   text NOT NULL,
    act_id          uuid NOT NULL CONSTRAINT drafts_act_key UNIQUE,
    number          text NOT NULL,
    person_id       uuid NOT NULL CONSTRAINT drafts_person_fkey REFERENCES persons,
    employee_id     uuid NOT NULL CONSTRAINT drafts_employee_fkey REFERENCES employees,
    party_id        uuid NOT NULL,
    division_id     uuid,
    legal_entity_id uuid NOT NULL CONSTRAINT drafts_legal_entity_fkey REFERENCES legal_entities,
    client_id       uuid,
    body            bytea NOT NULL,
    auth_method     text NOT NULL,
    otp_mac         bytea,
    otp_tries_left  integer NOT NULL,
    otp_expires_at  timestamptz,
    inserted_at     timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,
    expires_at      timestamptz NOT NULL
);
CREATE INDEX drafts_open_idx ON drafts (person_id, employee_id, legal_entity_id) WHERE status IN ('NEW', 'APPROVED');
CREATE INDEX drafts_approved_party_idx ON drafts (party_id) WHERE status = 'APPROVED';

-- Every act of every kind; written once. leaf_id is the audit entry of its
-- acceptance, written in the same transaction (acts_demand_leaf, next migration).
CREATE TABLE acts (
    id              uuid PRIMARY KEY,
    kind            text NOT NULL,
    version         smallint NOT NULL,
    patient_id      uuid NOT NULL CONSTRAINT acts_patient_fkey REFERENCES persons,
    author_id       uuid NOT NULL CONSTRAINT acts_author_fkey REFERENCES employees,
    legal_entity_id uuid NOT NULL CONSTRAINT acts_legal_entity_fkey REFERENCES legal_entities,
    container       bytea NOT NULL CHECK (length(container) = 32),
    content         bytea NOT NULL CHECK (length(content) = 32),
    refers_to       uuid CONSTRAINT acts_refers_to_fkey REFERENCES acts,
    accepted_at     timestamptz NOT NULL,
    leaf_id         uuid NOT NULL,
    CONSTRAINT acts_container_key UNIQUE (container)
);
CREATE INDEX acts_patient_idx ON acts (patient_id);
CREATE TRIGGER acts_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON acts
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Documents by the SHA-256 of what was received; body is sealed.
CREATE TABLE media (
    digest      bytea PRIMARY KEY CHECK (length(digest) = 32),
    body        bytea NOT NULL,
    inserted_at timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE media ALTER COLUMN body SET STORAGE EXTERNAL; -- ciphertext does not compress
CREATE TRIGGER media_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON media
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TABLE reports (
    id         uuid PRIMARY KEY,
    act_id     uuid,
    container  bytea NOT NULL CHECK (length(container) = 32),
    digest     text NOT NULL,
    indication text NOT NULL,
    policy     text NOT NULL,
    body       bytea NOT NULL,
    created_at timestamptz NOT NULL
);
ALTER TABLE reports ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE INDEX reports_container_idx ON reports (container);
CREATE TRIGGER reports_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON reports
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Declarations

CREATE SEQUENCE declaration_numbers MINVALUE 1;

CREATE TABLE declarations (
    id              uuid PRIMARY KEY,
    number          text NOT NULL CONSTRAINT declarations_number_key UNIQUE,
    request_id      uuid NOT NULL,
    act_id          uuid NOT NULL CONSTRAINT declarations_act_fkey REFERENCES acts,
    person_id       uuid NOT NULL CONSTRAINT declarations_person_fkey REFERENCES persons,
    employee_id     uuid NOT NULL CONSTRAINT declarations_employee_fkey REFERENCES employees,
    division_id     uuid NOT NULL CONSTRAINT declarations_division_fkey REFERENCES divisions,
    legal_entity_id uuid NOT NULL CONSTRAINT declarations_legal_entity_fkey REFERENCES legal_entities,
    scope           text NOT NULL,
    start_date      date NOT NULL,
    end_date        date NOT NULL,
    signed_at       timestamptz NOT NULL,
    status          text NOT NULL CHECK (status IN ('pending_verification', 'active', 'terminated', 'closed', 'rejected')),
    reason          text NOT NULL,
    seed            text NOT NULL,
    ended_by        uuid, -- the act that ended it
    inserted_at     timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL
);
-- The invariant that other registries hold by hope: one declaration a person.
CREATE UNIQUE INDEX declarations_one_active ON declarations (person_id)
    WHERE status IN ('active', 'pending_verification');
CREATE INDEX declarations_person_idx ON declarations (person_id, inserted_at);
CREATE INDEX declarations_employee_idx ON declarations (employee_id)
    WHERE status IN ('active', 'pending_verification');
CREATE INDEX declarations_legal_entity_idx ON declarations (legal_entity_id);
CREATE INDEX declarations_act_idx ON declarations (act_id);

CREATE TABLE declaration_statuses (
    declaration_id uuid NOT NULL CONSTRAINT declaration_statuses_declaration_fkey REFERENCES declarations,
    status         text NOT NULL,
    reason         text NOT NULL,
    act_id         uuid,
    inserted_at    timestamptz NOT NULL
);
CREATE INDEX declaration_statuses_declaration_idx ON declaration_statuses (declaration_id);
CREATE TRIGGER declaration_statuses_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON declaration_statuses
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Every change of state leaves its line, whoever makes it.
-- +goose StatementBegin
CREATE FUNCTION declarations_keep_status() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO declaration_statuses (declaration_id, status, reason, act_id, inserted_at)
    VALUES (NEW.id, NEW.status, NEW.reason, COALESCE(NEW.ended_by, NEW.act_id), NEW.updated_at);
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER declarations_first_status AFTER INSERT ON declarations
    FOR EACH ROW EXECUTE FUNCTION declarations_keep_status();
CREATE TRIGGER declarations_next_status AFTER UPDATE ON declarations
    FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION declarations_keep_status();

-- Consents and exchanges

CREATE TABLE consents (
    id         uuid PRIMARY KEY,
    person_id  uuid NOT NULL CONSTRAINT consents_person_fkey REFERENCES persons,
    method     text NOT NULL,
    recipient  text NOT NULL,
    purpose    text NOT NULL,
    scope      text[] NOT NULL,
    fields     text[] NOT NULL,
    granted_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    single_use boolean NOT NULL,
    status     text NOT NULL CHECK (status IN ('active', 'used', 'revoked')),
    revoked_at timestamptz,
    container  bytea NOT NULL,
    content    bytea NOT NULL,
    used_at    timestamptz,
    created_at timestamptz NOT NULL
);
CREATE INDEX consents_person_idx ON consents (person_id);

-- Spent nonces of single-use consents: SHA-256, never the nonce.
CREATE TABLE nonces (
    consent_id uuid NOT NULL,
    nonce      bytea NOT NULL,
    used_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (consent_id, nonce)
);

-- Answers given, for the repeated message; answer is sealed.
CREATE TABLE exchanges (
    client     text NOT NULL,
    message_id text NOT NULL,
    request    bytea NOT NULL CHECK (length(request) = 32),
    answer     bytea NOT NULL,
    entry_id   uuid NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT exchanges_pkey PRIMARY KEY (client, message_id, request)
);
CREATE INDEX exchanges_created_idx ON exchanges USING brin (created_at);

-- Client systems

CREATE TABLE clients (
    id              uuid PRIMARY KEY,
    name            text NOT NULL CONSTRAINT clients_name_key UNIQUE,
    type            text NOT NULL,
    legal_entity_id uuid CONSTRAINT clients_legal_entity_fkey REFERENCES legal_entities,
    scopes          text[] NOT NULL,
    secret_hash     bytea NOT NULL,
    secret_salt     bytea NOT NULL,
    blocked         boolean NOT NULL
);

CREATE TABLE tokens (
    hash            bytea PRIMARY KEY CHECK (length(hash) = 32),
    client_id       uuid NOT NULL CONSTRAINT tokens_client_fkey REFERENCES clients,
    employee_id     uuid,
    party_id        uuid,
    legal_entity_id uuid,
    scopes          text[] NOT NULL,
    issued_at       timestamptz NOT NULL,
    expires_at      timestamptz NOT NULL,
    revoked_at      timestamptz
);
CREATE INDEX tokens_expiry_idx ON tokens (expires_at);

GRANT USAGE ON SCHEMA public TO mist_app;
GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA public TO mist_app;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO mist_app;
GRANT UPDATE ON legal_entities, divisions, parties, employees, persons, drafts, declarations, consents, clients, tokens TO mist_app;
GRANT DELETE ON person_keys, exchanges, tokens TO mist_app;
REVOKE UPDATE, DELETE, TRUNCATE ON acts, media, reports, declaration_statuses FROM mist_app, PUBLIC;
