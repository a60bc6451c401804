package postgres_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/archive"
	"mist/registry/audit"
	"mist/registry/audit/month"
	"mist/registry/order"
	"mist/registry/postgres"
	"mist/registry/postgres/pgtest"
	"mist/registry/query"
)

// back is the store of Attach.
func (m *turned) back() archive.AttachStore {
	return postgres.NewPort[archive.AttachTx](m.store).Everywhere()
}

// bring attaches the month by an order of so many signers.
func (m *turned) bring(signers int) error {
	m.t.Helper()
	return m.svc.Attach(context.Background(), m.beginOf(month.AttachOrder, signers), m.back(), m.open(m.file))
}

// all gives the rows of the month among the log's tables, those of searches too.
func (m *turned) all() (leaves, search string) {
	m.t.Helper()
	m.one(&leaves, `SELECT COALESCE(string_agg(concat_ws(' ', id, kind, act_id, writer, n, encode(entry, 'hex')), E'\n' ORDER BY id), '') FROM leaves WHERE id < log_month_id(date_trunc('month', now() AT TIME ZONE 'UTC')::date)`)
	m.one(&search, `SELECT COALESCE(string_agg(x::text, E'\n' ORDER BY leaf_id), '') FROM entry_search x WHERE leaf_id < log_month_id(date_trunc('month', now() AT TIME ZONE 'UTC')::date)`)
	return leaves, search
}

// A month goes and comes back from its file, dropped or kept, and goes again: the
// log is what it was, entry by entry, for the monitor, for searches, for readers.
func TestAMonthComesBackFromItsFile(t *testing.T) {
	t.Parallel()
	m := turn(t)
	ctx := t.Context()
	leaves, search := m.all()
	require.Equal(t, pastActs, strings.Count(leaves, "\n")+1)
	require.Equal(t, pastActs, strings.Count(search, "\n")+1)
	kept := func() (n int) {
		m.one(&n, `SELECT count(*) FROM leaves_`+m.table+` WHERE subject_salt IS NOT NULL`)
		return n
	}
	ties := kept()
	require.Equal(t, pastActs, ties)

	_, err := m.svc.PlanAttach(ctx, order.Order{}, m.open(m.file))
	require.Equal(t, "month_attached", registry.AsError(err).Reason)
	for turns, drop := range []bool{false, true, false} {
		m.detach(drop)
		gone, nothing := m.all()
		require.Empty(t, gone+nothing)
		_, err := m.svc.PlanAttach(ctx, order.Order{}, m.open(rewrite(t, m.file, month.FileEntries, changeLine(17))))
		require.Equal(t, "month_file", registry.AsError(err).Reason)
		effects, err := m.svc.PlanAttach(ctx, order.Order{}, m.open(m.file))
		require.NoError(t, err)
		require.Equal(t, map[string]int{"entries": pastActs, "acts": pastActs}, effects)
		require.Error(t, m.svc.Attach(ctx, order.Order{ID: source.NewID()}, m.back(), m.open(m.file)), "the database refuses without a begun order")
		require.Error(t, m.svc.Attach(ctx, m.beginOf(month.Order, 2), m.back(), m.open(m.file)), "and by an order to detach")

		o := m.beginOf(month.AttachOrder, 2)
		require.NoError(t, m.svc.Attach(ctx, o, m.back(), m.open(m.file)))
		require.NoError(t, m.svc.Attach(ctx, o, m.back(), m.open(m.file)), "what was cut off at its end")
		effects, err = m.svc.PlanAttach(ctx, order.Order{ID: o.ID, Effects: effects}, m.open(m.file))
		require.NoError(t, err)
		require.Equal(t, pastActs, effects["entries"])
		m.number()
		m.settle()
		again, found := m.all()
		require.Equal(t, leaves, again)
		require.Equal(t, search, found)
		if drop {
			ties = 0 // the salts went with the tables
		}
		require.Equal(t, ties, kept())
		require.Empty(t, m.findings(), "turn %d", turns)
		list, err := m.svc.Log.Months(ctx)
		require.NoError(t, err)
		require.True(t, list[4].Table)
		require.Zero(t, list[4].ArchivedAt)
		require.Equal(t, o.ID, list[4].AttachedBy)
	}
	// It is a month of the log like any other: nothing in it changes, and acts of it are served.
	for _, sql := range []string{`UPDATE leaves SET entry = entry`, `DELETE FROM leaves_` + m.table} {
		_, err := pgtest.Connect(t, m.dsn).Exec(ctx, sql)
		require.ErrorContains(t, err, "append-only", sql)
	}
	app := pgtest.Open(t, m.dsn)
	update(t, app, func(ctx context.Context, tx *postgres.Tx) {
		_, err := tx.AuditOfAct(ctx, m.acts[30].ID)
		require.NoError(t, err)
	})
	var left int
	m.one(&left, `SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname IN ('attaching', 'detached') AND c.relkind = 'r'`)
	require.Zero(t, left)
}

// What is built up is what the file says, whoever writes beside the command: rows
// put in before are refused, and one cut off in the middle goes on.
func TestAttachingGoesOnAndBelievesTheFileAlone(t *testing.T) {
	t.Parallel()
	m := turn(t)
	leaves, _ := m.all()
	m.detach(true)
	o := m.beginOf(month.AttachOrder, 2)
	begin := func(ctx context.Context, tx archive.AttachTx) error {
		kept, err := tx.BeginAttach(ctx, m.name, o.ID)
		require.False(t, kept)
		return err
	}
	require.NoError(t, m.back().Update(t.Context(), begin))
	id, _ := m.placed(17)
	m.sql(`INSERT INTO attaching.leaves_`+m.table+` (id, epoch, kind, writer, n, entry) VALUES ($1, 1, 'void', gen_random_uuid(), 1, 'other')`, id)
	err := m.svc.Attach(t.Context(), o, m.back(), m.open(m.file))
	require.Equal(t, "log_touched", registry.AsError(err).Reason)
	m.sql(`DELETE FROM attaching.leaves_`+m.table+` WHERE id = $1`, id)
	m.sql(`INSERT INTO attaching.leaves_`+m.table+` (id, epoch, kind, writer, n, entry) VALUES (overlay($1::text PLACING '00000000' FROM 29)::uuid, 1, 'void', gen_random_uuid(), 1, 'more')`, id)
	err = m.svc.Attach(t.Context(), o, m.back(), m.open(m.file))
	require.Equal(t, "log_touched", registry.AsError(err).Reason, "an entry more")
	m.sql(`DELETE FROM attaching.leaves_` + m.table + ` WHERE entry = 'more'`)
	require.NoError(t, m.svc.Attach(t.Context(), o, m.back(), m.open(m.file)))
	m.number()
	m.settle()
	again, _ := m.all()
	require.Equal(t, leaves, again)
	require.Empty(t, m.findings())
}

// Whose record went out of use while the month was away is not tied to its entries
// again: they may have been unlinked meanwhile. And a tie the entry contradicts is
// not taken from anybody.
func TestTiesOfAnAttachedMonth(t *testing.T) {
	t.Parallel()
	m := turn(t)
	m.detach(false)
	m.sql(`UPDATE detached.leaves_` + m.table + ` SET subject_salt = sha256(subject_salt) WHERE ctid = '(0,1)'`)
	err := m.bring(2)
	require.Equal(t, "log_touched", registry.AsError(err).Reason)
	m.sql(`UPDATE persons SET status = 'inactive' WHERE id = $1`, m.clinic.person)
	require.NoError(t, m.bring(2))
	m.number()
	m.settle()
	var tied int
	m.one(&tied, `SELECT count(*) FROM leaves_`+m.table+` WHERE subject_id IS NOT NULL OR subject_salt IS NOT NULL`)
	require.Zero(t, tied)
	require.Empty(t, m.findings())
}

// A citizen whose lines lie in the archive is told in which months, and finds them
// again when the month is back.
func TestAccessLogNamesArchivedMonths(t *testing.T) {
	t.Parallel()
	told := func(store *postgres.Store, c clinic) {
		update(t, store, func(ctx context.Context, tx *postgres.Tx) {
			_, err := tx.Audit(ctx, audit.Entry{Kind: audit.Disclosure, Channel: "rest", SubjectID: c.person, LegalBasis: &audit.LegalBasis{Code: audit.BasisStatute}})
			require.NoError(t, err)
		})
	}
	m := turn(t, told, told)
	read := func(p query.AccessPeriod) (page query.AccessPage) {
		p.Limit = 50
		update(t, m.store, func(ctx context.Context, tx *postgres.Tx) {
			var err error
			page, err = tx.Accesses(ctx, m.clinic.person, p)
			require.NoError(t, err)
		})
		return page
	}
	whole := read(query.AccessPeriod{})
	require.Len(t, whole.Lines, 4)
	require.Empty(t, whole.Archived)
	m.detach(true)
	page := read(query.AccessPeriod{})
	require.Equal(t, whole.Lines[:2], page.Lines)
	require.Equal(t, []query.ArchivedMonth{{Month: m.name, Lines: 2}}, page.Archived)
	require.Empty(t, read(query.AccessPeriod{From: time.Now().AddDate(0, 0, -1)}).Archived, "a period after it")
	require.Empty(t, read(query.AccessPeriod{Before: 1 << 40}).Archived, "said on the first page")
	require.NoError(t, m.bring(2))
	require.Equal(t, whole, read(query.AccessPeriod{}))
}
