-- +goose Up

-- Lists of deaths: brought by one officer of the NHSU, agreed to by another. What
-- a line said (numbers) is not kept, only whom it meant and what became of it.
CREATE TABLE registers (
    id          uuid PRIMARY KEY,
    status      text NOT NULL CHECK (status IN ('NEW', 'APPROVED', 'PROCESSED', 'DECLINED')),
    body        bytea NOT NULL, -- sealed: the reason in words
    file        bytea NOT NULL CHECK (length(file) = 32),
    proposed_by uuid NOT NULL CONSTRAINT registers_proposed_by_fkey REFERENCES parties,
    approved_by uuid CONSTRAINT registers_approved_by_fkey REFERENCES parties,
    inserted_at timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    CONSTRAINT registers_two_people CHECK (status NOT IN ('APPROVED', 'PROCESSED') OR approved_by <> proposed_by)
);
CREATE INDEX registers_approved_idx ON registers (id) WHERE status = 'APPROVED';
CREATE TABLE register_lines (
    register_id uuid NOT NULL CONSTRAINT register_lines_register_fkey REFERENCES registers,
    line        integer NOT NULL,
    person_id   uuid CONSTRAINT register_lines_person_fkey REFERENCES persons,
    death_date  date,
    status      text NOT NULL CHECK (status IN ('MATCHED', 'NOT_FOUND', 'PROCESSED', 'ERROR')),
    error       text NOT NULL,
    CONSTRAINT register_lines_pkey PRIMARY KEY (register_id, line)
);
GRANT SELECT, INSERT, UPDATE ON registers, register_lines TO mist_app;
ALTER TABLE registers ENABLE ROW LEVEL SECURITY;
CREATE POLICY reach ON registers TO mist_app USING (current_setting('mist.reach', true) = 'all');
ALTER TABLE register_lines ENABLE ROW LEVEL SECURITY;
CREATE POLICY reach ON register_lines TO mist_app USING (current_setting('mist.reach', true) = 'all');
