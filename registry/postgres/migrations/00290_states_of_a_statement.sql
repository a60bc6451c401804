-- +goose Up

-- The next state of declarations, of all that one statement changed at once, as
-- their first state is kept (00180): a line a row cost a call of a function and a
-- statement each. The function's own settings keep the plan a hash join: the
-- statement that calls may have forbidden those (shared transactions), and a plan
-- made for three rows would be kept for two thousand.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION declarations_keep_status() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET enable_hashjoin = on SET enable_nestloop = off SET enable_mergejoin = off AS $$
BEGIN
    INSERT INTO public.declaration_statuses (declaration_id, status, reason, act_id, inserted_at, epoch)
    SELECT n.id, n.status, n.reason, COALESCE(n.ended_by, n.act_id), n.updated_at, (SELECT pg_catalog.max(e.epoch) FROM public.log_epochs e)
    FROM after n JOIN before o ON o.id OPERATOR(pg_catalog.=) n.id WHERE o.status IS DISTINCT FROM n.status;
    RETURN NULL;
END
$$;
-- +goose StatementEnd
DROP TRIGGER declarations_next_status ON declarations;
CREATE TRIGGER declarations_next_status AFTER UPDATE ON declarations REFERENCING OLD TABLE AS before NEW TABLE AS after
    FOR EACH STATEMENT EXECUTE FUNCTION declarations_keep_status();
