-- +goose Up

-- What changed of everything that is neither a declaration nor a draft, in one
-- order with them (00005). person_id: whose patient's data it is about; such a
-- line is told to those who know the person, any other to its legal entity.
-- A line with neither is the NHSU's.
CREATE TABLE status_events (
    entity_type     text NOT NULL,
    entity_id       uuid NOT NULL,
    legal_entity_id uuid,
    person_id       uuid,
    status          text NOT NULL,
    reason          text NOT NULL,
    state           boolean NOT NULL, -- the status is as it was, something else changed
    inserted_at     timestamptz NOT NULL,
    id              bigint NOT NULL DEFAULT nextval('declaration_statuses_id_seq'),
    epoch           integer NOT NULL,
    xid             xid8 NOT NULL DEFAULT pg_current_xact_id()
);
CREATE UNIQUE INDEX status_events_feed_key ON status_events (epoch, xid, id);
CREATE INDEX status_events_legal_entity_idx ON status_events (legal_entity_id, epoch, xid, id);
CREATE TRIGGER status_events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON status_events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
-- The lines are written by the functions below, which have their owner's
-- rights: the serving role can only read them.
GRANT SELECT ON status_events TO mist_app;
ALTER TABLE status_events ENABLE ROW LEVEL SECURITY;
CREATE POLICY reach ON status_events TO mist_app USING (
    current_setting('mist.reach', true) = 'all'
    OR person_id IS NULL AND legal_entity_id = current_setting('mist.legal_entity', true)::uuid
    OR person_id IS NOT NULL AND person_known_to(person_id, current_setting('mist.legal_entity', true)::uuid));

-- +goose StatementBegin
CREATE FUNCTION tell_event(entity text, id uuid, legal_entity uuid, person uuid, status text, reason text, state boolean) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO public.status_events (entity_type, entity_id, legal_entity_id, person_id, status, reason, state, inserted_at, epoch)
    VALUES ($1, $2, $3, $4, $5, COALESCE($6, ''), $7, now(), (SELECT max(e.epoch) FROM public.log_epochs e));
$$;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION tell_event(text, uuid, uuid, uuid, text, text, boolean) FROM PUBLIC;

-- Rows of providers: the trigger's argument names the entity, the second one the
-- column of the legal entity.
-- +goose StatementBegin
CREATE FUNCTION provider_event() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    r jsonb := to_jsonb(NEW);
BEGIN
    PERFORM public.tell_event(TG_ARGV[0], NEW.id, (r->>TG_ARGV[1])::uuid, NULL, NEW.status, r->>'status_reason', false);
    RETURN NULL;
END
$$;

CREATE FUNCTION contract_event() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM public.tell_event('contract', NEW.id, NEW.legal_entity_id, NULL, NEW.status, CASE
        WHEN TG_OP = 'INSERT' OR OLD.status <> NEW.status THEN NEW.status_reason
        WHEN NEW.is_suspended AND NOT OLD.is_suspended THEN 'suspended'
        WHEN OLD.is_suspended AND NOT NEW.is_suspended THEN 'resumed'
        WHEN OLD.end_date <> NEW.end_date THEN 'prolonged'
        ELSE 'employees' END, TG_OP = 'UPDATE' AND OLD.status = NEW.status);
    RETURN NULL;
END
$$;

CREATE FUNCTION person_event() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM public.tell_event('person', NEW.id, NULL, NEW.id, NEW.status,
        CASE WHEN NEW.master_id IS NOT NULL THEN 'merged' ELSE '' END, OLD.status = NEW.status AND OLD.master_id IS NOT DISTINCT FROM NEW.master_id);
    RETURN NULL;
END
$$;

CREATE FUNCTION relationship_event() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM public.tell_event('confidant_person_relationship', NEW.id, NULL, NEW.person_id,
        CASE WHEN NEW.is_active THEN NEW.verification_status ELSE 'inactive' END, NEW.verification_reason, false);
    RETURN NULL;
END
$$;

CREATE FUNCTION approval_event() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM public.tell_event('approval', a.consent_id, a.legal_entity_id, NULL, NEW.status, '', false) FROM public.approvals a WHERE a.consent_id = NEW.id;
    RETURN NULL;
END
$$;
-- +goose StatementEnd

CREATE TRIGGER legal_entities_first_event AFTER INSERT ON legal_entities FOR EACH ROW EXECUTE FUNCTION provider_event('legal_entity', 'id');
CREATE TRIGGER legal_entities_event AFTER UPDATE OF status ON legal_entities FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status)
    EXECUTE FUNCTION provider_event('legal_entity', 'id');
CREATE TRIGGER divisions_first_event AFTER INSERT ON divisions FOR EACH ROW EXECUTE FUNCTION provider_event('division', 'legal_entity_id');
CREATE TRIGGER divisions_event AFTER UPDATE OF status ON divisions FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status)
    EXECUTE FUNCTION provider_event('division', 'legal_entity_id');
CREATE TRIGGER employees_first_event AFTER INSERT ON employees FOR EACH ROW EXECUTE FUNCTION provider_event('employee', 'legal_entity_id');
CREATE TRIGGER employees_event AFTER UPDATE OF status ON employees FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status)
    EXECUTE FUNCTION provider_event('employee', 'legal_entity_id');
CREATE TRIGGER employee_requests_first_event AFTER INSERT ON employee_requests FOR EACH ROW EXECUTE FUNCTION provider_event('employee_request', 'legal_entity_id');
CREATE TRIGGER employee_requests_event AFTER UPDATE OF status ON employee_requests FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status)
    EXECUTE FUNCTION provider_event('employee_request', 'legal_entity_id');
CREATE TRIGGER contract_requests_first_event AFTER INSERT ON contract_requests FOR EACH ROW EXECUTE FUNCTION provider_event('contract_request', 'legal_entity_id');
CREATE TRIGGER contract_requests_event AFTER UPDATE OF status ON contract_requests FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status)
    EXECUTE FUNCTION provider_event('contract_request', 'legal_entity_id');
CREATE TRIGGER contracts_first_event AFTER INSERT ON contracts FOR EACH ROW EXECUTE FUNCTION contract_event();
CREATE TRIGGER contracts_event AFTER UPDATE ON contracts FOR EACH ROW EXECUTE FUNCTION contract_event();
CREATE TRIGGER person_merges_first_event AFTER INSERT ON person_merges FOR EACH ROW EXECUTE FUNCTION provider_event('merge_request', 'legal_entity_id');
CREATE TRIGGER person_merges_event AFTER UPDATE OF status ON person_merges FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status)
    EXECUTE FUNCTION provider_event('merge_request', 'legal_entity_id');
-- New persons come in thousands a second when they are imported, and are told
-- of by their person requests: here only what is changed.
CREATE TRIGGER persons_event AFTER UPDATE ON persons FOR EACH ROW
    WHEN (OLD.status IS DISTINCT FROM NEW.status OR OLD.master_id IS DISTINCT FROM NEW.master_id OR OLD.version IS DISTINCT FROM NEW.version)
    EXECUTE FUNCTION person_event();
CREATE TRIGGER person_relationships_first_event AFTER INSERT ON person_relationships FOR EACH ROW EXECUTE FUNCTION relationship_event();
CREATE TRIGGER person_relationships_event AFTER UPDATE ON person_relationships FOR EACH ROW
    WHEN (OLD.is_active IS DISTINCT FROM NEW.is_active OR OLD.verification_status IS DISTINCT FROM NEW.verification_status) EXECUTE FUNCTION relationship_event();
CREATE TRIGGER approvals_event AFTER UPDATE OF status ON consents FOR EACH ROW
    WHEN (OLD.status IS DISTINCT FROM NEW.status AND NEW.status <> 'used') EXECUTE FUNCTION approval_event();
