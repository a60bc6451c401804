-- +goose Up

-- One row for each life of the transaction counter. Transaction ids are only
-- comparable within one cluster: a dump restored into another cluster starts a
-- new epoch, and what the old one left unsequenced is taken first.
CREATE TABLE log_epochs (
    epoch             integer PRIMARY KEY,
    system_identifier bigint NOT NULL,
    begun_at          timestamptz NOT NULL DEFAULT now()
);
INSERT INTO log_epochs (epoch, system_identifier)
    SELECT 1, system_identifier FROM pg_control_system();

CREATE FUNCTION log_epoch() RETURNS integer LANGUAGE sql STABLE AS
    'SELECT max(epoch) FROM public.log_epochs';

-- Begins an epoch when the cluster is another one than the last writer's.
-- +goose StatementBegin
CREATE FUNCTION log_begin_epoch() RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
    here bigint;
    last log_epochs;
BEGIN
    SELECT system_identifier INTO here FROM pg_control_system();
    LOCK TABLE log_epochs IN SHARE ROW EXCLUSIVE MODE;
    SELECT * INTO last FROM log_epochs ORDER BY epoch DESC LIMIT 1;
    IF last.system_identifier = here THEN
        RETURN last.epoch;
    END IF;
    INSERT INTO log_epochs (epoch, system_identifier) VALUES (last.epoch + 1, here);
    RETURN last.epoch + 1;
END
$$;
-- +goose StatementEnd

-- The leaves of the log: one a recorded event, written in the event's own
-- transaction. entry holds the exact bytes that are hashed; there is no stored
-- hash that could differ from them. Every index here is paid by every act:
-- what searches need is made by the side of the sequencer, not here. The key is
-- a version 7 id, so that this table can become the first month of a partitioned
-- one without being written again.
-- subject_id and subject_salt may be wiped (erasure); nothing else ever changes.
CREATE TABLE leaves (
    id           uuid NOT NULL,
    epoch        integer NOT NULL, -- as the store learnt it when it opened (log_begin_epoch)
    xid          xid8 NOT NULL DEFAULT pg_current_xact_id(),
    kind         text NOT NULL,
    act_id       uuid,
    writer       uuid NOT NULL,
    n            bigint NOT NULL,
    entry        bytea NOT NULL,
    subject_id   uuid,
    subject_salt bytea,
    CONSTRAINT leaves_pkey PRIMARY KEY (id)
);
CREATE INDEX leaves_xid_idx ON leaves (epoch, xid);

CREATE TRIGGER leaves_append_only
    BEFORE UPDATE OF id, epoch, xid, kind, act_id, writer, n, entry OR DELETE OR TRUNCATE ON leaves
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- No act without its leaf: checked when the transaction commits.
-- +goose StatementBegin
CREATE FUNCTION acts_demand_leaf() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM public.leaves WHERE id = NEW.leaf_id AND act_id = NEW.id) THEN
        RAISE EXCEPTION 'act % has no audit leaf', NEW.id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'acts_demand_leaf', TABLE = 'acts';
    END IF;
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE CONSTRAINT TRIGGER acts_demand_leaf AFTER INSERT ON acts
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION acts_demand_leaf();

-- The place of each leaf in the tree: dense, from 0.
CREATE TABLE entries (
    idx     bigint PRIMARY KEY,
    leaf_id uuid NOT NULL CONSTRAINT entries_leaf_key UNIQUE
);
CREATE TRIGGER entries_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON entries
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- C2SP tlog-tiles of height 8, each at its greatest width so far: a narrower
-- version is its beginning. Only the last tile of a level ever changes.
CREATE TABLE tiles (
    level smallint NOT NULL,
    n     bigint NOT NULL,
    data  bytea NOT NULL,
    PRIMARY KEY (level, n)
);
ALTER TABLE tiles ALTER COLUMN data SET STORAGE EXTERNAL;

-- Every checkpoint ever signed. A sequencer writes number seq + 1 after having
-- read number seq: of two that try, one fails on the key (compare and set).
-- (epoch, xid) is where the next one begins to read.
CREATE TABLE checkpoints (
    seq       bigint CONSTRAINT checkpoints_pkey PRIMARY KEY,
    epoch     integer NOT NULL,
    xid       xid8 NOT NULL,
    size      bigint NOT NULL,
    root      bytea NOT NULL CHECK (length(root) = 32),
    note      bytea NOT NULL,
    signed_at timestamptz NOT NULL
);
CREATE INDEX checkpoints_size_idx ON checkpoints (size);
CREATE TRIGGER checkpoints_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON checkpoints
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

GRANT SELECT ON log_epochs TO mist_app;
GRANT SELECT, INSERT ON leaves, entries, checkpoints, tiles TO mist_app;
GRANT UPDATE ON tiles TO mist_app;
REVOKE UPDATE, DELETE, TRUNCATE ON leaves, entries, checkpoints FROM mist_app, PUBLIC;
