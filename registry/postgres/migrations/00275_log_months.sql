-- +goose Up

-- Months of the log (ADR 0880): leaves, and what auditors search by, lie in a
-- table for each month by the version 7 id, which begins with its time (UTC).
-- A month that is over can be exported, verified and detached; places (entries),
-- tiles and checkpoints stay, so that the tree stays provable.

-- The least version 7 id of a month (RFC 9562, 5.7).
CREATE FUNCTION log_month_id(month date) RETURNS uuid LANGUAGE sql IMMUTABLE STRICT AS
    $$ SELECT (lpad(to_hex(extract(epoch FROM month::timestamp)::bigint * 1000), 12, '0') || '70000000000000000000')::uuid $$;

-- The months made so far. from_id is null for the first: everything before lies there too.
CREATE TABLE log_months (
    month    date PRIMARY KEY CHECK (extract(day FROM month) = 1),
    suffix   text NOT NULL CONSTRAINT log_months_suffix_key UNIQUE,
    from_id  uuid,
    below_id uuid NOT NULL
);

-- Months that were detached, by an order of two people. manifest is what the
-- order was given over: its digest stands in the log.
CREATE TABLE log_archives (
    month       date PRIMARY KEY CONSTRAINT log_archives_month_fkey REFERENCES log_months,
    order_id    uuid NOT NULL,
    manifest    bytea NOT NULL,
    detached_at timestamptz NOT NULL DEFAULT now()
);
CREATE TRIGGER log_archives_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON log_archives
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- What was detached and not dropped; nobody but the owner reaches it.
CREATE SCHEMA detached;

-- The tables that are stay as they are and become the first month; nothing is written anew.
ALTER TABLE leaves RENAME TO leaves_first;
ALTER TABLE leaves_first RENAME CONSTRAINT leaves_pkey TO leaves_first_pkey;
ALTER INDEX leaves_xid_idx RENAME TO leaves_first_xid_idx;
CREATE TABLE leaves (LIKE leaves_first INCLUDING DEFAULTS, CONSTRAINT leaves_pkey PRIMARY KEY (id)) PARTITION BY RANGE (id);
CREATE INDEX leaves_xid_idx ON leaves (epoch, xid);
CREATE TRIGGER leaves_append_only
    BEFORE UPDATE OF id, epoch, xid, kind, act_id, writer, n, entry OR DELETE OR TRUNCATE ON leaves
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

ALTER TABLE entry_search RENAME TO entry_search_first;
ALTER TABLE entry_search_first RENAME CONSTRAINT entry_search_pkey TO entry_search_first_pkey;
-- +goose StatementBegin
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY '{kind,code,client,user,employee,legal_entity,act,request,container}'::text[] LOOP
        EXECUTE format('ALTER INDEX entry_search_%s_idx RENAME TO entry_search_first_%s_idx', name, name);
    END LOOP;
END
$$;
-- +goose StatementEnd
CREATE TABLE entry_search (LIKE entry_search_first, CONSTRAINT entry_search_pkey PRIMARY KEY (leaf_id)) PARTITION BY RANGE (leaf_id);
CREATE INDEX entry_search_kind_idx ON entry_search (kind, leaf_id);
CREATE INDEX entry_search_code_idx ON entry_search (code, leaf_id) WHERE code IS NOT NULL;
CREATE INDEX entry_search_client_idx ON entry_search (client_id, leaf_id) WHERE client_id IS NOT NULL;
CREATE INDEX entry_search_user_idx ON entry_search (user_id, leaf_id) WHERE user_id IS NOT NULL;
CREATE INDEX entry_search_employee_idx ON entry_search (employee_id, leaf_id) WHERE employee_id IS NOT NULL;
CREATE INDEX entry_search_legal_entity_idx ON entry_search (legal_entity_id, leaf_id) WHERE legal_entity_id IS NOT NULL;
CREATE INDEX entry_search_act_idx ON entry_search (act_id) WHERE act_id IS NOT NULL;
CREATE INDEX entry_search_request_idx ON entry_search (request_id) WHERE request_id IS NOT NULL;
CREATE INDEX entry_search_container_idx ON entry_search (container) WHERE container IS NOT NULL;

-- Rights are those of the whole; a month by itself is only read, by the check of acts.
GRANT SELECT, INSERT ON leaves TO mist_app;
GRANT SELECT (id, epoch, xid, kind, act_id, writer, n, entry) ON leaves TO mist_monitor;
GRANT UPDATE (subject_id, subject_salt) ON leaves TO mist_operator;
GRANT SELECT, INSERT ON entry_search TO mist_app;
ALTER TABLE entry_search ENABLE ROW LEVEL SECURITY;
CREATE POLICY reach ON entry_search TO mist_app USING (current_setting('mist.reach', true) = 'all');
GRANT SELECT ON log_months, log_archives TO mist_app, mist_monitor;
REVOKE ALL ON leaves_first, entry_search_first FROM mist_app, mist_monitor, mist_operator;
GRANT SELECT ON leaves_first TO mist_app;

-- An id of a month that has no table yet lies here: no act is refused for want of one.
CREATE TABLE leaves_rest (LIKE leaves INCLUDING DEFAULTS);
CREATE TRIGGER leaves_append_only
    BEFORE UPDATE OF id, epoch, xid, kind, act_id, writer, n, entry OR DELETE OR TRUNCATE ON leaves_rest
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE leaves ATTACH PARTITION leaves_rest DEFAULT;
CREATE TABLE entry_search_rest (LIKE entry_search);
ALTER TABLE entry_search ATTACH PARTITION entry_search_rest DEFAULT;

-- The first month reaches to the end of the present one, or of the newest leaf's.
-- +goose StatementBegin
DO $$
DECLARE
    newest uuid := (SELECT id FROM public.leaves_first ORDER BY id DESC LIMIT 1);
    present date := date_trunc('month', now() AT TIME ZONE 'UTC')::date;
BEGIN
    WHILE newest >= public.log_month_id((present + interval '1 month')::date) LOOP
        present := (present + interval '1 month')::date;
    END LOOP;
    INSERT INTO public.log_months VALUES (present, 'first', NULL, public.log_month_id((present + interval '1 month')::date));
    EXECUTE format('ALTER TABLE public.leaves ATTACH PARTITION public.leaves_first FOR VALUES FROM (MINVALUE) TO (%L)', public.log_month_id((present + interval '1 month')::date));
    EXECUTE format('ALTER TABLE public.entry_search ATTACH PARTITION public.entry_search_first FOR VALUES FROM (MINVALUE) TO (%L)', public.log_month_id((present + interval '1 month')::date));
END
$$;
-- +goose StatementEnd

-- Has the check of acts look into one month first: looked for among all of them,
-- a leaf would cost every act a lock on each. It is a hint: what is not found
-- there is looked for everywhere.
-- +goose StatementBegin
CREATE FUNCTION log_aim(suffix text) RETURNS void LANGUAGE plpgsql AS $aim$
BEGIN
    EXECUTE format($made$
CREATE OR REPLACE FUNCTION public.acts_demand_leaf() RETURNS trigger LANGUAGE plpgsql AS $body$
DECLARE
    lacking uuid;
BEGIN
    SELECT a.id INTO lacking FROM accepted a WHERE (SELECT l.act_id FROM public.%1$I l WHERE l.id = a.leaf_id) IS DISTINCT FROM a.id LIMIT 1;
    IF FOUND THEN
        SELECT a.id INTO lacking FROM accepted a WHERE (SELECT l.act_id FROM public.leaves l WHERE l.id = a.leaf_id) IS DISTINCT FROM a.id LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION 'act %% has no audit leaf', lacking
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'acts_demand_leaf', TABLE = 'acts';
        END IF;
    END IF;
    RETURN NULL;
END
$body$ $made$, 'leaves_' || suffix);
END
$aim$;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION log_aim(text) FROM PUBLIC;

-- Makes the tables of the months up to so many after the present one, and aims
-- the check of acts at the present one. Readers and writers go on: attaching
-- locks only what is new and the table of the rest, which is empty unless the
-- months were not made in time; what lies there then goes to its month.
-- +goose StatementBegin
CREATE FUNCTION log_make_months(ahead integer) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '500ms' AS $$
DECLARE
    present date := date_trunc('month', now() AT TIME ZONE 'UTC')::date;
    next date;
    made integer := 0;
    tail text;
    aimed text;
BEGIN
    IF ahead NOT BETWEEN 0 AND 24 THEN
        RAISE EXCEPTION 'months ahead lie between 0 and 24';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('mist log months', 0));
    LOOP
        SELECT (max(month) + interval '1 month')::date INTO next FROM log_months;
        EXIT WHEN next > present + make_interval(months => ahead);
        tail := to_char(next, 'YYYY_MM');
        EXECUTE format('CREATE TABLE leaves_%s (LIKE leaves INCLUDING DEFAULTS)', tail);
        EXECUTE format('CREATE TRIGGER leaves_append_only BEFORE UPDATE OF id, epoch, xid, kind, act_id, writer, n, entry OR DELETE OR TRUNCATE ON leaves_%s
            FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', tail);
        EXECUTE format('GRANT SELECT ON leaves_%s TO mist_app', tail);
        EXECUTE format('CREATE TABLE entry_search_%s (LIKE entry_search)', tail);
        LOCK TABLE leaves_rest, entry_search_rest IN ACCESS EXCLUSIVE MODE;
        IF EXISTS (SELECT FROM leaves_rest WHERE id >= log_month_id(next) AND id < log_month_id((next + interval '1 month')::date))
            OR EXISTS (SELECT FROM entry_search_rest WHERE leaf_id >= log_month_id(next) AND leaf_id < log_month_id((next + interval '1 month')::date)) THEN
            EXECUTE format('INSERT INTO leaves_%s SELECT * FROM leaves_rest WHERE id >= $1 AND id < $2', tail) USING log_month_id(next), log_month_id((next + interval '1 month')::date);
            EXECUTE format('INSERT INTO entry_search_%s SELECT * FROM entry_search_rest WHERE leaf_id >= $1 AND leaf_id < $2', tail) USING log_month_id(next), log_month_id((next + interval '1 month')::date);
            ALTER TABLE leaves_rest DISABLE TRIGGER leaves_append_only;
            DELETE FROM leaves_rest WHERE id >= log_month_id(next) AND id < log_month_id((next + interval '1 month')::date);
            ALTER TABLE leaves_rest ENABLE TRIGGER leaves_append_only;
            DELETE FROM entry_search_rest WHERE leaf_id >= log_month_id(next) AND leaf_id < log_month_id((next + interval '1 month')::date);
        END IF;
        EXECUTE format('ALTER TABLE leaves ATTACH PARTITION leaves_%s FOR VALUES FROM (%L) TO (%L)', tail, log_month_id(next), log_month_id((next + interval '1 month')::date));
        EXECUTE format('ALTER TABLE entry_search ATTACH PARTITION entry_search_%s FOR VALUES FROM (%L) TO (%L)', tail, log_month_id(next), log_month_id((next + interval '1 month')::date));
        INSERT INTO log_months VALUES (next, tail, log_month_id(next), log_month_id((next + interval '1 month')::date));
        made := made + 1;
    END LOOP;
    SELECT m.suffix INTO aimed FROM log_months m WHERE m.month >= present ORDER BY m.month LIMIT 1;
    IF aimed IS NOT NULL AND NOT EXISTS (SELECT FROM pg_proc WHERE oid = 'acts_demand_leaf()'::regprocedure AND prosrc LIKE '%public.leaves\_' || replace(aimed, '_', '\_') || ' l%') THEN
        PERFORM log_aim(aimed);
    END IF;
    RETURN made;
END
$$;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION log_make_months(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION log_make_months(integer) TO mist_app, mist_operator;

-- Takes a month that is over out of the log's tables: by an order that was begun
-- and is not done, whoever asks. The archive's row and the absence come together.
-- A month waits for a moment in which nobody reads the log, half a second at most.
-- +goose StatementBegin
CREATE FUNCTION log_detach_month(of date, by_order uuid, said bytea, dropped boolean) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '500ms' AS $$
DECLARE
    m log_months;
BEGIN
    SELECT * INTO m FROM log_months WHERE month = of;
    IF NOT FOUND OR m.below_id > log_month_id(date_trunc('month', now() AT TIME ZONE 'UTC')::date) THEN
        RAISE EXCEPTION 'the log has no month % that is over', of USING ERRCODE = 'check_violation', CONSTRAINT = 'log_detach_month_over';
    END IF;
    IF NOT EXISTS (SELECT FROM orders WHERE id = by_order AND command = 'detach-month' AND done_at IS NULL) THEN
        RAISE EXCEPTION 'a month is detached by an order of two people' USING ERRCODE = 'check_violation', CONSTRAINT = 'log_detach_month_order';
    END IF;
    PERFORM log_make_months(1);
    EXECUTE format('ALTER TABLE leaves DETACH PARTITION leaves_%s', m.suffix);
    EXECUTE format('ALTER TABLE entry_search DETACH PARTITION entry_search_%s', m.suffix);
    IF dropped THEN
        EXECUTE format('DROP TABLE leaves_%s, entry_search_%s', m.suffix, m.suffix);
    ELSE
        EXECUTE format('REVOKE ALL ON leaves_%s, entry_search_%s FROM mist_app, mist_monitor, mist_operator', m.suffix, m.suffix);
        EXECUTE format('ALTER TABLE leaves_%s SET SCHEMA detached', m.suffix);
        EXECUTE format('ALTER TABLE entry_search_%s SET SCHEMA detached', m.suffix);
    END IF;
    INSERT INTO log_archives (month, order_id, manifest) VALUES (of, by_order, said);
END
$$;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION log_detach_month(date, uuid, bytea, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION log_detach_month(date, uuid, bytea, boolean) TO mist_operator;

SELECT log_make_months(3);
