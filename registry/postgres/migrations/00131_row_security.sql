-- +goose Up

-- The second wall between legal entities (ADR 0731). Every transaction of the
-- serving role says whose rows it may see: mist.reach is 'all' (jobs, operators,
-- the NHSU) or 'own', and then mist.legal_entity or mist.person says whose; the
-- nil UUID is nobody. Who says nothing sees nothing. The settings are read for
-- each row on purpose: a subquery would be computed once, but costs a read of
-- one row more than it saves a list of fifty (BenchmarkRowSecurity).
ALTER ROLE mist_app NOBYPASSRLS;
-- Operators' commands load by COPY, which knows no policies. Where the account
-- that migrates may not give this, mist import says so when it is called.
-- +goose StatementBegin
DO $$
BEGIN
    ALTER ROLE mist_operator BYPASSRLS;
EXCEPTION WHEN insufficient_privilege THEN
    RAISE NOTICE 'mist import needs: ALTER ROLE mist_operator BYPASSRLS';
END
$$;
-- +goose StatementEnd

ALTER TABLE drafts ENABLE ROW LEVEL SECURITY;
CREATE POLICY reach ON drafts TO mist_app USING (
    current_setting('mist.reach', true) = 'all'
    OR legal_entity_id = current_setting('mist.legal_entity', true)::uuid OR person_id = current_setting('mist.person', true)::uuid);

ALTER TABLE declarations ENABLE ROW LEVEL SECURITY;
CREATE POLICY reach ON declarations TO mist_app USING (
    current_setting('mist.reach', true) = 'all'
    OR legal_entity_id = current_setting('mist.legal_entity', true)::uuid OR person_id = current_setting('mist.person', true)::uuid);

ALTER TABLE acts ENABLE ROW LEVEL SECURITY;
CREATE POLICY reach ON acts TO mist_app USING (
    current_setting('mist.reach', true) = 'all'
    OR legal_entity_id = current_setting('mist.legal_entity', true)::uuid OR patient_id = current_setting('mist.person', true)::uuid);

-- What hangs on a row is seen with it.
ALTER TABLE declaration_statuses ENABLE ROW LEVEL SECURITY;
CREATE POLICY reach ON declaration_statuses TO mist_app USING (
    current_setting('mist.reach', true) = 'all' OR EXISTS (SELECT FROM declarations d WHERE d.id = declaration_id));

ALTER TABLE draft_documents ENABLE ROW LEVEL SECURITY;
CREATE POLICY reach ON draft_documents TO mist_app USING (
    current_setting('mist.reach', true) = 'all' OR EXISTS (SELECT FROM drafts d WHERE d.id = draft_id));

-- A person's record is seen by the person, and by the legal entity that has or
-- had a declaration of theirs, or drafts one. The function looks with its
-- owner's eyes, so that the policies of what it looks at are not planned into
-- every read of a person. Every name in it is qualified: a search_path of its
-- own would cost half as much as its work.
-- +goose StatementBegin
CREATE FUNCTION person_known_to(person uuid, legal_entity uuid) RETURNS boolean LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
BEGIN
    RETURN EXISTS (SELECT FROM public.declarations d WHERE d.person_id OPERATOR(pg_catalog.=) $1 AND d.legal_entity_id OPERATOR(pg_catalog.=) $2)
        OR EXISTS (SELECT FROM public.drafts d WHERE d.person_id OPERATOR(pg_catalog.=) $1 AND d.legal_entity_id OPERATOR(pg_catalog.=) $2
            AND d.status OPERATOR(pg_catalog.=) ANY (ARRAY['NEW', 'APPROVED']::pg_catalog.text[]));
END
$$;
-- +goose StatementEnd
ALTER TABLE persons ENABLE ROW LEVEL SECURITY;
CREATE POLICY reach ON persons TO mist_app USING (
    current_setting('mist.reach', true) = 'all' OR id = current_setting('mist.person', true)::uuid
    OR person_known_to(id, current_setting('mist.legal_entity', true)::uuid));
