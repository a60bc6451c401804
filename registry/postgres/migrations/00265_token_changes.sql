-- +goose Up

-- Servers remember tokens for as long as they hear what ends them (ADR 0871): a
-- change of any row that a token hangs on is told when it is committed, whoever
-- makes it.
-- +goose StatementBegin
CREATE FUNCTION tell_token_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_catalog.pg_notify('mist_tokens', '');
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER tokens_told AFTER UPDATE OR DELETE ON tokens FOR EACH STATEMENT EXECUTE FUNCTION tell_token_change();
CREATE TRIGGER grants_told AFTER UPDATE OR DELETE ON grants FOR EACH STATEMENT EXECUTE FUNCTION tell_token_change();
CREATE TRIGGER clients_told AFTER UPDATE OR DELETE ON clients FOR EACH STATEMENT EXECUTE FUNCTION tell_token_change();
-- A login writes its user's row, too.
CREATE TRIGGER users_told AFTER UPDATE ON users FOR EACH ROW WHEN (OLD.blocked IS DISTINCT FROM NEW.blocked) EXECUTE FUNCTION tell_token_change();
CREATE TRIGGER users_deleted_told AFTER DELETE ON users FOR EACH STATEMENT EXECUTE FUNCTION tell_token_change();
