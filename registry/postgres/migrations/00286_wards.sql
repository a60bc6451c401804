-- +goose Up

-- A confidant acts for a ward in the citizens' channel, and sees the ward's
-- requests: the wall knows who speaks for whom, so that the room of citizens stands
-- behind it too (ADR 0890). Whether a verified relationship counts on a day is judged by the room.
-- +goose StatementBegin
CREATE FUNCTION person_speaks_for(ward uuid, citizen uuid) RETURNS boolean LANGUAGE plpgsql STABLE SECURITY DEFINER COST 1000
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN EXISTS (SELECT FROM public.person_relationships r WHERE r.person_id = ward AND r.confidant_person_id = citizen AND r.is_active AND r.verification_status = 'VERIFIED');
END
$$;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION person_speaks_for(uuid, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION person_speaks_for(uuid, uuid) TO mist_app;
CREATE POLICY ward ON drafts TO mist_app USING (
    current_setting('mist.reach', true) = 'own' AND current_setting('mist.person', true) <> '00000000-0000-0000-0000-000000000000'
    AND person_speaks_for(person_id, current_setting('mist.person', true)::uuid));
