-- +goose Up

-- What the world is shown: the checkpoint with the cosignatures that made it
-- public. While the log is idle the note is renewed in its place.
CREATE TABLE publications (
    seq          bigint PRIMARY KEY CONSTRAINT publications_checkpoint_fkey REFERENCES checkpoints,
    note         bytea NOT NULL,
    published_at timestamptz NOT NULL
);
INSERT INTO publications SELECT seq, note, signed_at FROM checkpoints ORDER BY seq DESC LIMIT 1;
GRANT SELECT, INSERT, UPDATE ON publications TO mist_app;

-- The role of mist monitor: it recounts the log and reads nothing of a person.
-- +goose StatementBegin
DO $$
BEGIN
    CREATE ROLE mist_monitor NOLOGIN;
    GRANT mist_monitor TO CURRENT_USER;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;
END
$$;
-- +goose StatementEnd
GRANT SELECT ON checkpoints, publications, entries, tiles, log_epochs TO mist_monitor;
GRANT SELECT (id, epoch, xid, kind, act_id, writer, n, entry) ON leaves TO mist_monitor;
GRANT SELECT (id, kind, version, container, content, accepted_at, leaf_id) ON acts TO mist_monitor;
