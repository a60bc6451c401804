-- +goose Up

-- One person may be in the index as several records (merges by hand). All that
-- are one today: the survivor and whoever points to it, eight steps at most.
-- +goose StatementBegin
CREATE FUNCTION person_cluster(person uuid) RETURNS uuid[] LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    top  uuid := person;
    next uuid;
BEGIN
    FOR step IN 1..8 LOOP
        SELECT p.master_id INTO next FROM public.persons p WHERE p.id = top;
        EXIT WHEN next IS NULL;
        top := next;
    END LOOP;
    RETURN ARRAY(WITH RECURSIVE merged (id, steps) AS (
            SELECT top, 0
        UNION ALL
            SELECT p.id, m.steps + 1 FROM merged m JOIN public.persons p ON p.master_id = m.id WHERE m.steps < 8)
        SELECT m.id FROM merged m);
END
$$;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION person_cluster(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION person_cluster(uuid) TO mist_app;

-- The second wall around records knows the rules of access too, as far as they
-- are of a legal entity: its active declaration with the patient, an approval of the
-- patient in force, a break-glass access that is open. Which of its people may read
-- what is judged by the room (package abac); whoever forgets to ask it shows nothing
-- of a patient whom the legal entity does not treat (ADR 0890).
-- +goose StatementBegin
CREATE FUNCTION records_open_to(patient uuid, legal_entity uuid, person uuid) RETURNS boolean LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    people uuid[] := public.person_cluster(patient);
BEGIN
    RETURN person = ANY (people)
        OR EXISTS (SELECT FROM public.declarations d WHERE d.person_id = ANY (people) AND d.legal_entity_id = legal_entity AND d.status = 'active')
        OR EXISTS (SELECT FROM public.approvals a JOIN public.consents c ON c.id = a.consent_id
            WHERE a.person_id = ANY (people) AND a.legal_entity_id = legal_entity AND c.status = 'active' AND c.expires_at > now())
        OR EXISTS (SELECT FROM public.emergency_accesses e WHERE e.person_id = ANY (people) AND e.legal_entity_id = legal_entity AND e.expires_at > now());
END
$$;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION records_open_to(uuid, uuid, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION records_open_to(uuid, uuid, uuid) TO mist_app;
CREATE POLICY entitled ON records FOR SELECT TO mist_app USING (
    origin_legal_entity_id = current_setting('mist.legal_entity', true)::uuid
    OR records_open_to(patient_id, current_setting('mist.legal_entity', true)::uuid, current_setting('mist.person', true)::uuid));
CREATE INDEX emergency_accesses_person_idx ON emergency_accesses (person_id, expires_at);
