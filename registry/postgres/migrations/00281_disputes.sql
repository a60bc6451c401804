-- +goose Up

-- A citizen's cases over acts that were signed about them; what people wrote is sealed.
CREATE TABLE disputes (
    id          uuid PRIMARY KEY,
    number      text NOT NULL CONSTRAINT disputes_number_key UNIQUE,
    person_id   uuid NOT NULL CONSTRAINT disputes_person_fkey REFERENCES persons,
    act_id      uuid NOT NULL CONSTRAINT disputes_act_fkey REFERENCES acts,
    entry_id    uuid NOT NULL,
    kind        text NOT NULL,
    body        bytea NOT NULL,
    status      text NOT NULL,
    decision    text,
    opened_at   timestamptz NOT NULL,
    answered_at timestamptz,
    answered_by uuid
);
CREATE UNIQUE INDEX disputes_one_open ON disputes (person_id, act_id) WHERE status = 'open';
CREATE INDEX disputes_open_idx ON disputes (id) WHERE status = 'open';
ALTER TABLE disputes ENABLE ROW LEVEL SECURITY;
CREATE POLICY reach ON disputes TO mist_app USING (
    current_setting('mist.reach', true) = 'all' OR person_id = current_setting('mist.person', true)::uuid);
GRANT SELECT, INSERT ON disputes TO mist_app;
GRANT UPDATE (body, status, decision, answered_at, answered_by) ON disputes TO mist_app;
