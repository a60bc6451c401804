-- +goose Up

-- Data keys, each wrapped by a key-encryption key that is never in this
-- database. id 0 is the root of the blind keys. A key seals new values from
-- active_from on; it is published earlier, so that every server knows it by then.
CREATE TABLE data_keys (
    id          integer PRIMARY KEY CHECK (id BETWEEN 0 AND 65535),
    wrapped     bytea NOT NULL,
    active_from timestamptz NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT ON data_keys TO mist_app;
GRANT INSERT, UPDATE (wrapped) ON data_keys TO mist_operator;

-- Documents, reports and answers are sealed again under a new key by an
-- operator's command; all else of them stays unchangeable.
DROP TRIGGER media_append_only ON media;
CREATE TRIGGER media_append_only BEFORE UPDATE OF digest, inserted_at OR DELETE OR TRUNCATE ON media
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
DROP TRIGGER reports_append_only ON reports;
CREATE TRIGGER reports_append_only BEFORE UPDATE OF id, act_id, container, digest, indication, policy, created_at OR DELETE OR TRUNCATE ON reports
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
GRANT UPDATE (body) ON media, reports TO mist_operator;
GRANT UPDATE (answer) ON exchanges TO mist_operator;
