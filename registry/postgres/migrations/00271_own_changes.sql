-- +goose Up

-- A citizen changes their own contacts by an act of their own (ADR 0875): it has
-- a patient, no author and no legal entity. What else an act may lack stays as it
-- is said by the migrations before.
ALTER TABLE acts ALTER COLUMN legal_entity_id DROP NOT NULL;
ALTER TABLE acts ADD CONSTRAINT acts_demand_legal_entity CHECK (legal_entity_id IS NOT NULL OR kind = 'person_own_change' AND patient_id IS NOT NULL);
-- +goose StatementBegin
DO $$
DECLARE demanded text;
BEGIN
    SELECT pg_get_expr(conbin, conrelid) INTO STRICT demanded FROM pg_constraint WHERE conname = 'acts_demand_person' AND conrelid = 'acts'::regclass;
    ALTER TABLE acts DROP CONSTRAINT acts_demand_person;
    EXECUTE format('ALTER TABLE acts ADD CONSTRAINT acts_demand_person CHECK ((%s) OR kind = ''person_own_change'' AND patient_id IS NOT NULL)', demanded);
END $$;
-- +goose StatementEnd
