-- +goose Up

-- What the registry tells of medical conclusions to whoever knows a number:
-- kinds of acts that are conclusions keep a row here beside the act.
CREATE TABLE compositions (
    id              uuid PRIMARY KEY,
    number_key      bytea NOT NULL CONSTRAINT compositions_number_key UNIQUE, -- blind key of the number
    person_id       uuid NOT NULL CONSTRAINT compositions_person_fkey REFERENCES persons,
    legal_entity_id uuid NOT NULL CONSTRAINT compositions_legal_entity_fkey REFERENCES legal_entities,
    status          text NOT NULL CHECK (status IN ('PRELIMINARY', 'FINAL', 'AMENDED', 'ENTERED_IN_ERROR')),
    body            bytea NOT NULL, -- sealed: number, type, category, dates
    updated_at      timestamptz NOT NULL
);
CREATE INDEX compositions_person_idx ON compositions (person_id);

GRANT SELECT, INSERT, UPDATE ON compositions TO mist_app;
