-- +goose Up

-- The role of operator commands (mist import, mist keys): what serving needs,
-- and the few things a server must never do. Roles belong to the cluster.
-- +goose StatementBegin
DO $$
BEGIN
    CREATE ROLE mist_operator NOLOGIN INHERIT IN ROLE mist_app;
    GRANT mist_operator TO CURRENT_USER;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;
END
$$;
-- +goose StatementEnd

-- A declaration of before Mist has no signed act here: it is marked, and only
-- an operator's command may bring one in.
ALTER TABLE declarations ADD COLUMN imported boolean NOT NULL DEFAULT false;
ALTER TABLE declarations ALTER COLUMN act_id DROP NOT NULL, ALTER COLUMN request_id DROP NOT NULL;
ALTER TABLE declarations ADD CONSTRAINT declarations_demand_act CHECK (imported OR (act_id IS NOT NULL AND request_id IS NOT NULL));

-- +goose StatementBegin
CREATE FUNCTION declarations_imported_by_operator() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_user = 'mist_app' THEN
        RAISE EXCEPTION 'a declaration without a signed act comes in by an operator command'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER declarations_imported_insert BEFORE INSERT ON declarations
    FOR EACH ROW WHEN (NEW.imported) EXECUTE FUNCTION declarations_imported_by_operator();
CREATE TRIGGER declarations_imported_update BEFORE UPDATE OF imported ON declarations
    FOR EACH ROW WHEN (NEW.imported IS DISTINCT FROM OLD.imported) EXECUTE FUNCTION declarations_imported_by_operator();
