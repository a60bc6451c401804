-- +goose Up

-- A month that was detached can be attached again from its file, and go again
-- (ADR 0901). A row of log_archives is one detaching, by its order.
ALTER TABLE log_archives DROP CONSTRAINT log_archives_pkey, ADD CONSTRAINT log_archives_pkey PRIMARY KEY (order_id);

CREATE TABLE log_attachments (
    order_id    uuid CONSTRAINT log_attachments_pkey PRIMARY KEY,
    detached_by uuid NOT NULL CONSTRAINT log_attachments_detached_key UNIQUE CONSTRAINT log_attachments_detached_fkey REFERENCES log_archives,
    attached_at timestamptz NOT NULL DEFAULT now()
);
CREATE TRIGGER log_attachments_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON log_attachments
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- The months that are away.
CREATE VIEW log_archived AS SELECT DISTINCT ON (month) a.month, a.order_id, a.manifest, a.detached_at FROM log_archives a
    WHERE NOT EXISTS (SELECT FROM log_attachments b WHERE b.detached_by = a.order_id) ORDER BY month, detached_at DESC;
GRANT SELECT ON log_attachments, log_archived TO mist_app, mist_monitor;

-- Where a month is built up before it is attached, by operators alone.
CREATE SCHEMA attaching;
GRANT USAGE ON SCHEMA attaching TO mist_operator;

-- +goose StatementBegin
CREATE FUNCTION log_attach_ordered(of date, by_order uuid) RETURNS log_months LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    m log_months;
BEGIN
    SELECT * INTO m FROM log_months WHERE month = of AND month IN (SELECT month FROM log_archived);
    IF NOT FOUND OR EXISTS (SELECT FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'leaves'::regclass AND c.relname = 'leaves_' || m.suffix) THEN
        RAISE EXCEPTION 'the month % is not away', of USING ERRCODE = 'check_violation', CONSTRAINT = 'log_attach_month_away';
    END IF;
    IF NOT EXISTS (SELECT FROM orders WHERE id = by_order AND command = 'attach-month' AND done_at IS NULL) THEN
        RAISE EXCEPTION 'a month is attached by an order of two people' USING ERRCODE = 'check_violation', CONSTRAINT = 'log_attach_month_order';
    END IF;
    RETURN m;
END
$$;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION log_attach_ordered(date, uuid) FROM PUBLIC;

-- Makes the empty tables of a month that comes back, or finds them half full, and
-- tells whether its own rows are still kept (not dropped): their ties to persons
-- are all that is taken from there. The bounds are checked as rows come, so that
-- attaching reads nothing.
-- +goose StatementBegin
CREATE FUNCTION log_attach_begin(of date, by_order uuid) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '500ms' AS $$
DECLARE
    m log_months := log_attach_ordered(of, by_order);
    kept boolean;
BEGIN
    IF to_regclass(format('attaching.leaves_%s', m.suffix)) IS NULL THEN
        EXECUTE format('CREATE TABLE attaching.leaves_%s (LIKE leaves INCLUDING DEFAULTS INCLUDING INDEXES, CHECK (id >= %L AND id < %L))',
            m.suffix, COALESCE(m.from_id, '00000000-0000-0000-0000-000000000000'), m.below_id);
        EXECUTE format('CREATE TABLE attaching.entry_search_%s (LIKE entry_search INCLUDING DEFAULTS INCLUDING INDEXES, CHECK (leaf_id >= %L AND leaf_id < %L))',
            m.suffix, COALESCE(m.from_id, '00000000-0000-0000-0000-000000000000'), m.below_id);
        EXECUTE format('GRANT SELECT, INSERT ON attaching.leaves_%s, attaching.entry_search_%s TO mist_operator', m.suffix, m.suffix);
    END IF;
    kept := to_regclass(format('detached.leaves_%s', m.suffix)) IS NOT NULL;
    IF kept THEN
        GRANT USAGE ON SCHEMA detached TO mist_operator;
        EXECUTE format('GRANT SELECT (id, subject_id, subject_salt) ON detached.leaves_%s TO mist_operator', m.suffix);
    END IF;
    RETURN kept;
END
$$;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION log_attach_begin(date, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION log_attach_begin(date, uuid) TO mist_operator;

-- Puts the month that was built up among the log's tables. What was kept of it goes.
-- +goose StatementBegin
CREATE FUNCTION log_attach_month(of date, by_order uuid) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '500ms' AS $$
DECLARE
    m log_months := log_attach_ordered(of, by_order);
    lower text := CASE WHEN m.from_id IS NULL THEN 'MINVALUE' ELSE quote_literal(m.from_id) END;
BEGIN
    EXECUTE format('REVOKE ALL ON attaching.leaves_%s, attaching.entry_search_%s FROM mist_operator', m.suffix, m.suffix);
    EXECUTE format('CREATE TRIGGER leaves_append_only BEFORE UPDATE OF id, epoch, xid, kind, act_id, writer, n, entry OR DELETE OR TRUNCATE ON attaching.leaves_%s
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', m.suffix);
    EXECUTE format('GRANT SELECT ON attaching.leaves_%s TO mist_app', m.suffix);
    EXECUTE format('ALTER TABLE attaching.leaves_%s SET SCHEMA public', m.suffix);
    EXECUTE format('ALTER TABLE attaching.entry_search_%s SET SCHEMA public', m.suffix);
    EXECUTE format('ALTER TABLE leaves ATTACH PARTITION leaves_%s FOR VALUES FROM (%s) TO (%L)', m.suffix, lower, m.below_id);
    EXECUTE format('ALTER TABLE entry_search ATTACH PARTITION entry_search_%s FOR VALUES FROM (%s) TO (%L)', m.suffix, lower, m.below_id);
    EXECUTE format('DROP TABLE IF EXISTS detached.leaves_%s, detached.entry_search_%s', m.suffix, m.suffix);
    REVOKE USAGE ON SCHEMA detached FROM mist_operator;
    INSERT INTO log_attachments (order_id, detached_by) SELECT by_order, order_id FROM log_archived WHERE month = of;
END
$$;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION log_attach_month(date, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION log_attach_month(date, uuid) TO mist_operator;
