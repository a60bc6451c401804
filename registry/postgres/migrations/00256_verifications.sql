-- +goose Up

-- What other registers say of a person's record, one row a register; the word
-- itself and an operator's comment are sealed.
CREATE TABLE person_verifications (
    person_id  uuid NOT NULL CONSTRAINT person_verifications_person_fkey REFERENCES persons,
    stream     text NOT NULL CHECK (stream IN ('drfo', 'unzr', 'dracs_death', 'dracs_birth', 'dracs_name_change', 'nhs')),
    status     text NOT NULL CHECK (status IN ('VERIFIED', 'NOT_VERIFIED', 'VERIFICATION_NEEDED', 'VERIFICATION_NOT_NEEDED')),
    reason     text NOT NULL,
    version    integer NOT NULL, -- of the record it speaks of
    body       bytea NOT NULL,   -- sealed: result, comment
    checked_at timestamptz,
    updated_at timestamptz NOT NULL,
    due_at     timestamptz,      -- when it is asked again
    PRIMARY KEY (person_id, stream)
);
CREATE INDEX person_verifications_due_idx ON person_verifications (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX person_verifications_flagged_idx ON person_verifications (status, stream, updated_at, person_id);
ALTER TABLE person_verifications ENABLE ROW LEVEL SECURITY;
CREATE POLICY reach ON person_verifications TO mist_app USING (
    current_setting('mist.reach', true) = 'all' OR EXISTS (SELECT FROM persons p WHERE p.id = person_id));

-- The last day for which a daily list was asked.
CREATE TABLE register_feeds (
    feed     text PRIMARY KEY,
    last_day date NOT NULL
);

-- What the register of legal entities says of a clinic; nothing of a person.
CREATE TABLE legal_entity_checks (
    legal_entity_id uuid PRIMARY KEY CONSTRAINT legal_entity_checks_legal_entity_fkey REFERENCES legal_entities,
    message_id      uuid NOT NULL, -- the question whose answer counts
    status          text NOT NULL CHECK (status IN ('VERIFIED', 'NOT_VERIFIED', 'VERIFICATION_NEEDED')),
    result          text NOT NULL,
    asked_name      text NOT NULL,
    name            text NOT NULL,
    state_text      text NOT NULL,
    checked_at      timestamptz,
    updated_at      timestamptz NOT NULL
);

GRANT SELECT, INSERT, UPDATE ON person_verifications, register_feeds, legal_entity_checks TO mist_app;
