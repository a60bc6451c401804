-- +goose Up

-- Acts of several clinics share a transaction (ADR 0760): mist.reach is then
-- 'several', and mist.legal_entities lists the clinics whose rows are reached.
ALTER POLICY reach ON drafts USING (
    current_setting('mist.reach', true) = 'all'
    OR legal_entity_id = current_setting('mist.legal_entity', true)::uuid OR person_id = current_setting('mist.person', true)::uuid
    OR current_setting('mist.reach', true) = 'several' AND legal_entity_id = ANY (NULLIF(current_setting('mist.legal_entities', true), '')::uuid[]));
ALTER POLICY reach ON declarations USING (
    current_setting('mist.reach', true) = 'all'
    OR legal_entity_id = current_setting('mist.legal_entity', true)::uuid OR person_id = current_setting('mist.person', true)::uuid
    OR current_setting('mist.reach', true) = 'several' AND legal_entity_id = ANY (NULLIF(current_setting('mist.legal_entities', true), '')::uuid[]));
ALTER POLICY reach ON acts USING (
    current_setting('mist.reach', true) = 'all'
    OR legal_entity_id = current_setting('mist.legal_entity', true)::uuid OR patient_id = current_setting('mist.person', true)::uuid
    OR current_setting('mist.reach', true) = 'several' AND legal_entity_id = ANY (NULLIF(current_setting('mist.legal_entities', true), '')::uuid[]));

-- No act without its leaf: demanded when the statement ends, of all its acts at
-- once. So the leaf stands before its act or in the same statement; it was
-- demanded at the end of the transaction before, act by act, which cost a
-- fifth of an act. The look-up is a subquery so that it goes by the key,
-- whatever the statistics say of a table that grows.
DROP TRIGGER acts_demand_leaf ON acts;
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION acts_demand_leaf() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    lacking uuid;
BEGIN
    SELECT a.id INTO lacking FROM accepted a WHERE (SELECT l.act_id FROM public.leaves l WHERE l.id = a.leaf_id) IS DISTINCT FROM a.id LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'act % has no audit leaf', lacking
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'acts_demand_leaf', TABLE = 'acts';
    END IF;
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER acts_demand_leaf AFTER INSERT ON acts REFERENCING NEW TABLE AS accepted
    FOR EACH STATEMENT EXECUTE FUNCTION acts_demand_leaf();

-- The first state of declarations, of all of one statement at once. The lines
-- are written with the owner's rights and by these triggers alone, so that they
-- need neither a wall to pass nor a foreign key to look up.
-- +goose StatementBegin
CREATE FUNCTION declarations_keep_first() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO public.declaration_statuses (declaration_id, status, reason, act_id, inserted_at, epoch)
    SELECT n.id, n.status, n.reason, COALESCE(n.ended_by, n.act_id), n.updated_at, (SELECT pg_catalog.max(e.epoch) FROM public.log_epochs e) FROM inserted n;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION declarations_keep_status() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO public.declaration_statuses (declaration_id, status, reason, act_id, inserted_at, epoch)
    VALUES (NEW.id, NEW.status, NEW.reason, COALESCE(NEW.ended_by, NEW.act_id), NEW.updated_at, (SELECT pg_catalog.max(e.epoch) FROM public.log_epochs e));
    RETURN NULL;
END
$$;
-- +goose StatementEnd
DROP TRIGGER declarations_first_status ON declarations;
CREATE TRIGGER declarations_first_status AFTER INSERT ON declarations REFERENCING NEW TABLE AS inserted
    FOR EACH STATEMENT EXECUTE FUNCTION declarations_keep_first();
REVOKE INSERT ON declaration_statuses FROM mist_app;
ALTER TABLE declaration_statuses DROP CONSTRAINT declaration_statuses_declaration_fkey;

-- The first column of another index.
DROP INDEX acts_patient_idx;
