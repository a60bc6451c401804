package postgres_test

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/archive"
	"mist/registry/audit"
	"mist/registry/audit/monitor"
	"mist/registry/audit/month"
	"mist/registry/audit/sequencer"
	"mist/registry/order"
	"mist/registry/postgres"
	"mist/registry/postgres/pgtest"
)

// pastActs lie in the month before the present one, watchedActs in the present.
const pastActs = 330

// turned is a log that has seen a month turn: acts in the month before and in
// this one, followed to its end, and the file of the month before.
type turned struct {
	*watched
	name  string // of the month before
	table string // its suffix
	svc   *archive.Service
	file  []byte
	// given is what the monitor is given as the month's file; nil: none.
	given []byte
}

// turn makes one; also writes further entries in either month.
func turn(t *testing.T, also ...func(*postgres.Store, clinic)) *turned {
	t.Helper()
	w := &watched{t: t, dsn: cluster.DSN(t), now: time.Now, receipts: map[string]audit.Receipt{}}
	w.conn = pgtest.Connect(t, w.dsn)
	t.Cleanup(func() { _ = w.conn.Close(context.Background()) })
	now := time.Now().UTC()
	past := time.Date(now.Year(), now.Month()-1, 15, 12, 0, 0, 0, time.UTC)
	m := &turned{watched: w, name: past.Format("2006-01"), table: past.Format("2006_01")}
	// As if this log had begun in the summer before.
	w.sql(`ALTER TABLE leaves DETACH PARTITION leaves_first; ALTER TABLE entry_search DETACH PARTITION entry_search_first;
DO $$ DECLARE one record; BEGIN FOR one IN SELECT suffix FROM log_months WHERE suffix <> 'first' LOOP
    EXECUTE format('DROP TABLE leaves_%s, entry_search_%s', one.suffix, one.suffix);
END LOOP; END $$;
DELETE FROM log_months;
INSERT INTO log_months VALUES (date_trunc('month', now() AT TIME ZONE 'UTC')::date - interval '5 months', 'first', NULL, log_month_id((date_trunc('month', now() AT TIME ZONE 'UTC') - interval '4 months')::date));
DO $$ DECLARE below uuid := (SELECT below_id FROM log_months); BEGIN
    EXECUTE format('ALTER TABLE leaves ATTACH PARTITION leaves_first FOR VALUES FROM (MINVALUE) TO (%L)', below);
    EXECUTE format('ALTER TABLE entry_search ATTACH PARTITION entry_search_first FOR VALUES FROM (MINVALUE) TO (%L)', below);
END $$;
SELECT log_make_months(3)`)

	var offset atomic.Int64
	offset.Store(int64(time.Since(past)))
	clock := func() time.Time { return time.Now().Add(-time.Duration(offset.Load())) }
	w.store = pgtest.Open(t, w.dsn, func(o *postgres.Options) { o.Source.Clock = clock })
	w.clinic = populate(t, w.store)
	w.signer, w.key = logKey(t)
	number := func() func() error {
		return sequence(t, w.store, w.signer, func(c *sequencer.Config) { c.Batch, c.Now = 100, clock })
	}
	accept := func(n int) {
		acts := make([]registry.Act, n)
		for i := range acts {
			acts[i] = w.clinic.act()
			acts[i].AcceptedAt = clock().UTC().Truncate(time.Microsecond)
		}
		require.NoError(t, store(context.Background(), w.store, acts...))
		w.acts = append(w.acts, acts...)
	}
	stop := number()
	for range pastActs / 30 {
		accept(30)
	}
	settled(t, w.store)
	further := func() {
		for _, f := range also {
			f(w.store, w.clinic)
		}
		settled(t, w.store)
	}
	further()
	require.NoError(t, stop())
	offset.Store(0)
	stop = number()
	further()
	for range 10 {
		accept(30)
	}
	settled(t, w.store)
	require.NoError(t, stop())
	m.follow()

	op := pgtest.Open(t, w.dsn, func(o *postgres.Options) { o.Role = postgres.OperatorRole })
	m.svc = &archive.Service{Store: postgres.NewPort[archive.Tx](op).Everywhere(), Log: op, Key: w.key, Pause: func(context.Context) error { return nil }}
	w.store = op
	var b bytes.Buffer
	made, err := m.svc.Export(t.Context(), m.name, &b)
	require.NoError(t, err)
	require.EqualValues(t, pastActs+len(also), made.Entries)
	require.EqualValues(t, pastActs, made.Acts)
	require.Zero(t, made.First)
	m.file = b.Bytes()
	m.promise(w.acts[30])
	w.sql(`SET session_replication_role = replica`)
	return m
}

// follow has searches and access logs go through the log.
func (m *turned) follow() {
	m.t.Helper()
	for _, follow := range []func(*postgres.Tx, context.Context) (int, error){
		func(tx *postgres.Tx, ctx context.Context) (int, error) { return tx.IndexLog(ctx, 10_000) },
		func(tx *postgres.Tx, ctx context.Context) (int, error) { return tx.FollowLog(ctx, 10_000) },
	} {
		require.NoError(m.t, m.store.Update(context.Background(), func(ctx context.Context, tx *postgres.Tx) error {
			_, err := follow(tx, ctx)
			return err
		}))
	}
}

func (m *turned) open(file []byte) *month.File {
	m.t.Helper()
	f, err := month.Open(bytes.NewReader(file), int64(len(file)))
	require.NoError(m.t, err)
	return f
}

// begin is what order.Service does before a command runs, with so many signers.
func (m *turned) begin(signers int) order.Order { return m.beginOf(month.Order, signers) }

func (m *turned) beginOf(command string, signers int) order.Order {
	m.t.Helper()
	o := order.Order{ID: source.NewID(), Command: command}
	require.NoError(m.t, m.store.Update(context.Background(), func(ctx context.Context, tx *postgres.Tx) error {
		if _, err := tx.SpendOrder(ctx, o.ID, o.Command, registry.Digest{}); err != nil {
			return err
		}
		for range signers {
			if _, err := tx.Audit(ctx, audit.Entry{Kind: order.Confirmed, Channel: "operator", Actor: audit.Actor{EmployeeID: source.NewID()},
				Object: &audit.ObjectRef{Type: "order:" + o.Command, ID: o.ID.String()}}); err != nil {
				return err
			}
		}
		return nil
	}))
	return o
}

func (m *turned) detach(drop bool) {
	m.t.Helper()
	o := m.begin(2)
	require.NoError(m.t, m.svc.Detach(context.Background(), o, m.name, m.open(m.file), drop))
	require.NoError(m.t, m.svc.Detach(context.Background(), o, m.name, m.open(m.file), drop), "what was cut off at its end")
	m.number()
	m.settle()
}

// findings of a full pass.
func (m *turned) findings() []monitor.Finding {
	m.t.Helper()
	return m.pass(m.monitor(func(c *monitor.Config) {
		c.Archive = func(name string) (*month.File, error) {
			if m.given == nil || name != m.name {
				return nil, nil
			}
			return month.Open(bytes.NewReader(m.given), int64(len(m.given)))
		}
	}), true).Findings
}

// rewrite makes the file anew with other texts in it.
func rewrite(t *testing.T, file []byte, name string, change func(string) string) []byte {
	t.Helper()
	in, err := zip.NewReader(bytes.NewReader(file), int64(len(file)))
	require.NoError(t, err)
	var b bytes.Buffer
	out := zip.NewWriter(&b)
	for _, f := range in.File {
		r, err := f.Open()
		require.NoError(t, err)
		body, err := io.ReadAll(r)
		require.NoError(t, err)
		if f.Name == name {
			body = []byte(change(string(body)))
		}
		w, err := out.Create(f.Name)
		require.NoError(t, err)
		_, err = w.Write(body)
		require.NoError(t, err)
	}
	require.NoError(t, out.Close())
	return b.Bytes()
}

// changeLine gives the entry at a place of the file other bytes, and the hash
// that goes with them.
func changeLine(place int64) func(string) string {
	return func(text string) string {
		lines := strings.SplitAfter(text, "\n")
		entry := strings.Replace(strings.SplitN(lines[place], " ", 3)[2], `"channel":"rest"`, `"channel":"soap"`, 1)
		lines[place] = fmt.Sprintf("%d %s %s", place, audit.LeafHash([]byte(strings.TrimSuffix(entry, "\n"))), entry)
		return strings.Join(lines, "")
	}
}

// What may be done to a month, and what names it. Each case stands beside its
// twin in which nothing was touched and nothing is found.
func TestSabotageOfMonthsIsNamed(t *testing.T) {
	t.Parallel()
	type outcome struct{ rule, row string }
	named := func(rule, format string, a ...any) []outcome { return []outcome{{rule, fmt.Sprintf(format, a...)}} }
	for name, sabotage := range map[string]func(m *turned) []outcome{
		"a month is dropped without an order": func(m *turned) []outcome {
			m.sql(`DROP TABLE leaves_` + m.table + `, entry_search_` + m.table)
			return named(monitor.MonthMissing, "month %s", m.name)
		},
		"a month is dropped and the row that excuses it is made up": func(m *turned) []outcome {
			m.sql(`DROP TABLE leaves_` + m.table + `, entry_search_` + m.table)
			m.sql(`INSERT INTO log_archives (month, order_id, manifest) SELECT month, gen_random_uuid(), $2 FROM log_months WHERE suffix = $1`, m.table, m.open(m.file).Form)
			return named(monitor.MonthUnordered, "month %s", m.name)
		},
		"a month is detached by an order of one": func(m *turned) []outcome {
			require.NoError(m.t, m.svc.Detach(context.Background(), m.begin(1), m.name, m.open(m.file), true))
			m.number()
			m.settle()
			m.given = m.file
			return named(monitor.MonthUnordered, "month %s", m.name)
		},
		"the manifest that was recorded is changed": func(m *turned) []outcome {
			m.detach(true)
			m.sql(`UPDATE log_archives SET manifest = convert_to(replace(convert_from(manifest, 'UTF8'), '"act.accepted":330', '"act.accepted":329'), 'UTF8')`)
			return named(monitor.MonthUnordered, "month %s", m.name)
		},
		"an entry in the file is changed": func(m *turned) []outcome {
			m.detach(true)
			id, _ := m.placed(17)
			m.given = rewrite(m.t, m.file, month.FileEntries, changeLine(17))
			return named(monitor.LeafChanged, "leaf %s", id)
		},
		"an entry is taken out of the file": func(m *turned) []outcome {
			m.detach(true)
			m.given = rewrite(m.t, m.file, month.FileEntries, func(s string) string {
				lines := strings.SplitAfter(s, "\n")
				return strings.Join(append(lines[:200:200], lines[201:]...), "")
			})
			return named(monitor.MonthChanged, "month %s", m.name)
		},
		"the file is of another log": func(m *turned) []outcome {
			m.detach(true)
			m.given = rewrite(m.t, m.file, month.FileManifest, func(s string) string { return strings.Replace(s, `"acts":330`, `"acts":329`, 1) })
			return named(monitor.MonthChanged, "month %s", m.name)
		},
		"a detached month is attached again with a changed entry": func(m *turned) []outcome {
			m.detach(false)
			id, _ := m.placed(40)
			m.sql(`UPDATE detached.leaves_`+m.table+` SET entry = replace(convert_from(entry, 'UTF8'), '"channel":"rest"', '"channel":"soap"')::bytea WHERE id = $1`, id)
			m.attach()
			return named(monitor.LeafChanged, "leaf %s", id)
		},
		"a detached month is attached again with an entry more": func(m *turned) []outcome {
			m.detach(false)
			m.attach()
			var id registry.ID
			m.one(&id, `INSERT INTO leaves (id, epoch, xid, kind, writer, n, entry) SELECT overlay(id::text PLACING '00000000' FROM 29)::uuid, epoch, xid, kind, writer, n, entry FROM leaves_`+m.table+` LIMIT 1 RETURNING id`)
			return named(monitor.LeafSkipped, "leaf %s", id)
		},
		"the row that says a detached month came back is made up": func(m *turned) []outcome {
			m.detach(true)
			m.sql(`INSERT INTO log_attachments (order_id, detached_by) SELECT gen_random_uuid(), order_id FROM log_archived`)
			return named(monitor.MonthMissing, "month %s", m.name)
		},
		"the row that says a month came back is deleted, and the month": func(m *turned) []outcome {
			m.detach(true)
			require.NoError(m.t, m.bring(2))
			m.number()
			m.settle()
			require.Empty(m.t, m.findings(), "the attached twin")
			m.sql(`DELETE FROM log_attachments`)
			m.sql(`DROP TABLE leaves_` + m.table + `, entry_search_` + m.table)
			m.given = m.file
			return named(monitor.MonthUnordered, "month %s", m.name)
		},
		"the kept hash of a detached month is changed": func(m *turned) []outcome {
			m.detach(true)
			m.given = m.file
			m.sql(`UPDATE tiles SET data = set_byte(data, 64, get_byte(data, 64) # 1) WHERE level = 0 AND n = 0`)
			return named(monitor.TileChanged, "tile 0/0")
		},
		"an act of a detached month is deleted": func(m *turned) []outcome {
			m.detach(true)
			m.sql(`DELETE FROM acts WHERE id = $1`, m.acts[44].ID)
			return named(monitor.ActMissing, "month %s", m.name)
		},
		"an act of a detached month is changed": func(m *turned) []outcome {
			m.detach(true)
			m.given = m.file
			m.sql(`UPDATE acts SET content = sha256(content) WHERE id = $1`, m.acts[3].ID)
			return named(monitor.ActChanged, "act %s", m.acts[3].ID)
		},
		"an act borrows the leaf of a detached month": func(m *turned) []outcome {
			m.detach(true)
			a := m.clinic.act()
			m.sql(`INSERT INTO acts (id, kind, version, patient_id, author_id, legal_entity_id, container, content, accepted_at, leaf_id)
SELECT $1, kind, version, patient_id, author_id, legal_entity_id, $2, $3, now(), leaf_id FROM acts WHERE id = $4`, a.ID, a.Container[:], a.Content[:], m.acts[0].ID)
			return named(monitor.ActWithoutLeaf, "month %s", m.name)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := turn(t)
			require.Empty(t, m.findings(), "the untouched twin")
			want := sabotage(m)
			var got []outcome
			for _, f := range m.findings() {
				if f.Alarm {
					got = append(got, outcome{f.Rule, f.Row})
				} else {
					require.Equal(t, monitor.MonthKept, f.Rule)
				}
			}
			require.Equal(t, want, got)
		})
	}
}

// placed gives the leaf at a place, whether its month stands or not.
func (m *turned) placed(place int64) (id registry.ID, n int64) {
	m.t.Helper()
	m.one(&id, `SELECT leaf_id FROM entries WHERE idx = $1`, place)
	return id, place
}

func (m *turned) attach() {
	m.t.Helper()
	m.sql(fmt.Sprintf(`ALTER TABLE detached.leaves_%[1]s SET SCHEMA public; ALTER TABLE detached.entry_search_%[1]s SET SCHEMA public;
DO $$ DECLARE one log_months; BEGIN SELECT * INTO one FROM log_months WHERE suffix = '%[1]s';
    EXECUTE format('ALTER TABLE leaves ATTACH PARTITION leaves_%[1]s FOR VALUES FROM (%%L) TO (%%L)', one.from_id, one.below_id);
    EXECUTE format('ALTER TABLE entry_search ATTACH PARTITION entry_search_%[1]s FOR VALUES FROM (%%L) TO (%%L)', one.from_id, one.below_id);
END $$`, m.table))
}

// A month goes and comes back, and the log stays what it was: recounted entry by
// entry with the file, by kept hashes without it, and whole again when attached.
func TestAMonthIsDetachedAndTheLogStaysProvable(t *testing.T) {
	t.Parallel()
	m := turn(t)
	ctx := t.Context()
	present := time.Now().UTC().Format("2006-01")
	for what, c := range map[string]struct{ month, reason string }{"present": {present, "month_not_over"}, "unknown": {"2001-01", ""}} {
		_, err := m.svc.Export(ctx, c.month, io.Discard)
		require.Error(t, err, what)
		require.Equal(t, c.reason, registry.AsError(err).Reason)
	}
	f := m.open(m.file)
	c, err := f.Verify(m.key, nil)
	require.NoError(t, err)
	require.GreaterOrEqual(t, c.Size, int64(pastActs))
	effects, err := m.svc.Plan(ctx, m.name, f)
	require.NoError(t, err)
	require.Equal(t, map[string]int{"entries": pastActs, "acts": pastActs}, effects)
	_, err = m.svc.Plan(ctx, m.name, m.open(rewrite(t, m.file, month.FileEntries, changeLine(17))))
	require.Equal(t, "month_file", registry.AsError(err).Reason)

	// Without a begun order the database itself refuses.
	err = m.svc.Detach(ctx, order.Order{ID: source.NewID()}, m.name, f, true)
	require.Error(t, err)
	var id registry.ID
	m.one(&id, `SELECT leaf_id FROM entries WHERE idx = 30`)
	before, _, err := m.store.LogEntry(ctx, id)
	require.NoError(t, err)
	receipt := func() (r audit.Receipt) {
		update(t, m.store, func(ctx context.Context, tx *postgres.Tx) {
			var err error
			r, err = tx.AuditOfAct(ctx, m.acts[30].ID)
			require.NoError(t, err)
		})
		return r
	}
	was := receipt()

	m.detach(false)
	require.Equal(t, was.LeafHash, receipt().LeafHash, "the receipt of an act lives on its kept hash")
	require.Equal(t, was.EntryID, receipt().EntryID)
	for _, ask := range []func() ([]byte, int64, error){
		func() ([]byte, int64, error) { return m.store.LogEntry(ctx, id) },
		func() ([]byte, int64, error) { return m.store.LogEntryAt(ctx, 30) },
	} {
		_, _, err = ask()
		require.Equal(t, archive.ReasonGone, registry.AsError(err).Reason)
		require.Contains(t, registry.AsError(err).Detail, m.name)
	}
	_, _, err = m.store.LogEntry(ctx, source.NewID())
	require.Empty(t, registry.AsError(err).Reason, "what the log never had")
	_, err = audit.ProveInclusion(ctx, fetch(m.store), m.checkpointNow(), 30, audit.LeafHash(before))
	require.NoError(t, err)

	found := m.findings()
	require.Len(t, found, 1)
	require.Equal(t, monitor.MonthKept, found[0].Rule)
	m.given = m.file
	require.Empty(t, m.findings())
	m.given = nil
	m.attach()
	require.Empty(t, m.findings(), "attached again as it was")
	list, err := m.svc.Log.Months(ctx)
	require.NoError(t, err)
	require.False(t, list[4].ArchivedAt.IsZero())
	require.True(t, list[4].Table)
}
