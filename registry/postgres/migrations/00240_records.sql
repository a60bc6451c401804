-- +goose Up

-- Records of patients' treatment, of every kind (docs/acts.md): what the
-- registry knows of a clinical act beside the signed document. A new kind of act
-- needs no table of its own. Ids are the client's.
CREATE TABLE records (
    id                      uuid PRIMARY KEY,
    kind                    text NOT NULL,
    act_id                  uuid CONSTRAINT records_act_fkey REFERENCES acts DEFERRABLE INITIALLY DEFERRED,
    patient_id              uuid NOT NULL CONSTRAINT records_patient_fkey REFERENCES persons,
    author_id               uuid NOT NULL CONSTRAINT records_author_fkey REFERENCES employees,
    legal_entity_id         uuid NOT NULL CONSTRAINT records_legal_entity_fkey REFERENCES legal_entities,
    episode_id              uuid, -- the course of treatment, and who leads it
    episode_legal_entity_id uuid,
    origin_id               uuid, -- that of the referral it answers
    origin_legal_entity_id  uuid,
    context_id              uuid, -- the record it was made within
    based_on                uuid, -- the record it answers: a referral, a prescription
    holder_id               uuid CONSTRAINT records_holder_fkey REFERENCES legal_entities, -- who works on it
    number_key              bytea, -- blind key of the number a person is told
    status                  text NOT NULL,
    status_reason           text NOT NULL,
    body                    bytea NOT NULL, -- sealed: number and content
    inserted_at             timestamptz NOT NULL,
    updated_at              timestamptz NOT NULL,
    expires_at              timestamptz,
    CONSTRAINT records_number_key UNIQUE (kind, number_key)
);
CREATE INDEX records_patient_idx ON records (patient_id, kind, inserted_at DESC, id DESC);
CREATE INDEX records_legal_entity_idx ON records (legal_entity_id, kind, inserted_at DESC, id DESC);
CREATE INDEX records_holder_idx ON records (holder_id, kind, inserted_at DESC, id DESC) WHERE holder_id IS NOT NULL;
CREATE INDEX records_context_idx ON records (context_id) WHERE context_id IS NOT NULL;
CREATE INDEX records_based_on_idx ON records (based_on) WHERE based_on IS NOT NULL;
CREATE INDEX records_act_idx ON records (act_id) WHERE act_id IS NOT NULL;
CREATE INDEX records_due_idx ON records (kind, expires_at) WHERE expires_at IS NOT NULL;
GRANT SELECT, INSERT ON records TO mist_app;
GRANT UPDATE (status, status_reason, holder_id, body, updated_at, expires_at) ON records TO mist_app;

-- The second wall (00131): a record is seen where it was made, where its episode
-- is led, by who works on it, and by the patient. Everybody else reads it by the
-- rules of access, which look across.
ALTER TABLE records ENABLE ROW LEVEL SECURITY;
CREATE POLICY reach ON records TO mist_app USING (
    current_setting('mist.reach', true) = 'all'
    OR legal_entity_id = current_setting('mist.legal_entity', true)::uuid OR episode_legal_entity_id = current_setting('mist.legal_entity', true)::uuid
    OR holder_id = current_setting('mist.legal_entity', true)::uuid OR patient_id = current_setting('mist.person', true)::uuid)
    WITH CHECK (current_setting('mist.reach', true) = 'all' OR legal_entity_id = current_setting('mist.legal_entity', true)::uuid);

-- Their life is told in the feed of events, to where they were made and to who
-- works on them; it is read again as the history of a record.
-- +goose StatementBegin
CREATE FUNCTION record_event() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM public.tell_event(NEW.kind, NEW.id, NEW.legal_entity_id, NULL, NEW.status, NEW.status_reason, false);
    IF NEW.holder_id <> NEW.legal_entity_id THEN
        PERFORM public.tell_event(NEW.kind, NEW.id, NEW.holder_id, NULL, NEW.status, NEW.status_reason, false);
    END IF;
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER records_first_event AFTER INSERT ON records FOR EACH ROW EXECUTE FUNCTION record_event();
CREATE TRIGGER records_event AFTER UPDATE ON records FOR EACH ROW
    WHEN (OLD.status IS DISTINCT FROM NEW.status OR OLD.status_reason IS DISTINCT FROM NEW.status_reason) EXECUTE FUNCTION record_event();
CREATE INDEX status_events_entity_idx ON status_events (entity_id);
