-- +goose Up

-- Reference data of prescriptions, loaded from a file: public, no person stands
-- in it. body is the row as the room knows it; the columns are what is looked for.
CREATE TABLE innms (
    id            uuid PRIMARY KEY,
    sctid         text NOT NULL,
    name          text NOT NULL,
    name_original text NOT NULL,
    is_active     boolean NOT NULL
);

CREATE TABLE innm_dosages (
    id        uuid PRIMARY KEY,
    innm_id   uuid NOT NULL CONSTRAINT innm_dosages_innm_fkey REFERENCES innms, -- the primary ingredient
    name      text NOT NULL,
    form      text NOT NULL,
    is_active boolean NOT NULL,
    body      jsonb NOT NULL
);
CREATE INDEX innm_dosages_innm_idx ON innm_dosages (innm_id);

CREATE TABLE medications (
    id        uuid PRIMARY KEY,
    dosage_id uuid NOT NULL CONSTRAINT medications_dosage_fkey REFERENCES innm_dosages, -- the primary ingredient
    name      text NOT NULL,
    form      text NOT NULL,
    code_atc  text[] NOT NULL,
    is_active boolean NOT NULL,
    body      jsonb NOT NULL
);
CREATE INDEX medications_dosage_idx ON medications (dosage_id);

CREATE TABLE medical_programs (
    id        uuid PRIMARY KEY,
    name      text NOT NULL,
    type      text NOT NULL CHECK (type IN ('MEDICATION', 'SERVICE', 'DEVICE')),
    is_active boolean NOT NULL,
    body      jsonb NOT NULL
);

CREATE TABLE program_medications (
    id                 uuid PRIMARY KEY,
    medication_id      uuid NOT NULL CONSTRAINT program_medications_medication_fkey REFERENCES medications,
    medical_program_id uuid NOT NULL CONSTRAINT program_medications_program_fkey REFERENCES medical_programs,
    is_active          boolean NOT NULL,
    body               jsonb NOT NULL
);
CREATE UNIQUE INDEX program_medications_one_active ON program_medications (medication_id, medical_program_id) WHERE is_active;
CREATE INDEX program_medications_program_idx ON program_medications (medical_program_id);

GRANT SELECT, INSERT, UPDATE ON innms, innm_dosages, medications, medical_programs, program_medications TO mist_app;
