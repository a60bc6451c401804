package postgres_test

import (
	"bytes"
	"context"
	"os"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/postgres"
	"mist/registry/postgres/pgtest"
	"mist/registry/trail"
)

func indexAll(t testing.TB, s *postgres.Store) {
	t.Helper()
	for n := 1; n > 0; {
		require.NoError(t, s.Update(t.Context(), func(ctx context.Context, tx *postgres.Tx) (err error) {
			n, err = tx.IndexLog(ctx, 7)
			return err
		}))
	}
}

// Pages neither repeat nor skip while entries arrive, and each filter finds its own.
func TestTrailSearch(t *testing.T) {
	t.Parallel()
	dsn := cluster.DSN(t)
	s := pgtest.Open(t, dsn)
	client := registry.ID{7}
	write := func(n int, e audit.Entry) (ids []registry.ID) {
		for range n {
			require.NoError(t, s.Update(t.Context(), func(ctx context.Context, tx *postgres.Tx) error {
				r, err := tx.Audit(ctx, e)
				ids = append(ids, r.EntryID)
				return err
			}))
		}
		return ids
	}
	conn := pgtest.Connect(t, dsn)
	number := func() {
		_, err := conn.Exec(t.Context(), `INSERT INTO entries (idx, leaf_id) SELECT (SELECT count(*) FROM entries) + row_number() OVER (ORDER BY id) - 1, id
FROM leaves l WHERE NOT EXISTS (SELECT FROM entries e WHERE e.leaf_id = l.id)`)
		require.NoError(t, err)
		indexAll(t, s)
	}
	logins := write(25, audit.Entry{Kind: "access.login", Channel: "rest", Actor: audit.Actor{EmployeeID: client}, RequestID: "req-1"})
	refused := write(3, audit.Entry{Kind: audit.ActRefused, Channel: "rest", Code: "forbidden"})
	number()

	port := postgres.NewPort[trail.Tx](s)
	find := func(f trail.Filter) (found trail.Found) {
		require.NoError(t, port.Update(t.Context(), func(ctx context.Context, tx trail.Tx) (err error) {
			found, err = tx.FindRecords(ctx, f)
			return err
		}))
		return found
	}
	var seen []registry.ID
	for f := (trail.Filter{Limit: 10}); ; {
		found := find(f)
		for _, r := range found.Records {
			seen = append(seen, r.ID)
		}
		if f.Before = found.Next; f.Before.IsZero() {
			break
		}
		write(2, audit.Entry{Kind: "access.login", Channel: "rest"})
		number()
	}
	want := append(slices.Clone(logins), refused...)
	slices.SortFunc(want, func(a, b registry.ID) int { return bytes.Compare(b[:], a[:]) }) // newest first, by id within a millisecond
	require.Equal(t, want, seen)

	require.Len(t, find(trail.Filter{Limit: 10, Kind: audit.ActRefused}).Records, 3)
	require.Len(t, find(trail.Filter{Limit: 10, Code: "forbidden"}).Records, 3)
	require.Empty(t, find(trail.Filter{Limit: 10, Code: "not-found"}).Records)
	require.Len(t, find(trail.Filter{Limit: 50, Actor: client}).Records, 25)
	require.Empty(t, find(trail.Filter{Limit: 50, To: time.Now().Add(-time.Hour)}).Records)
	require.Len(t, find(trail.Filter{Limit: 50, From: time.Now().Add(-time.Hour), Kind: audit.ActRefused}).Records, 3)
	require.NoError(t, port.Update(t.Context(), func(ctx context.Context, tx trail.Tx) error {
		ids, err := tx.Lookup(ctx, trail.Key{RequestID: "req-1"}, 50)
		require.Len(t, ids, 25)
		require.NoError(t, err)
		st, err := tx.TrailState(ctx, time.Now().AddDate(0, 0, -1))
		require.Equal(t, []trail.CodeCount{{Code: "forbidden", N: 3}}, st.Refusals)
		n := int64(0)
		for _, d := range st.Days {
			n += d.N
		}
		require.Equal(t, st.Searchable, n)
		return err
	}))
}

// BenchmarkTrailSearch measures pages of 50 over MIST_ENTRIES entries (100,000
// unless set), newest and deep, by kind, by code and by system. The limit is
// p99 ≤ 300 ms at 10,000,000.
func BenchmarkTrailSearch(b *testing.B) {
	if b.N == 1 {
		return // the tool's probe
	}
	entries := 100_000
	if text := os.Getenv("MIST_ENTRIES"); text != "" {
		var err error
		entries, err = strconv.Atoi(text)
		require.NoError(b, err)
	}
	durable := pgtest.Cluster{Durable: true}
	b.Cleanup(durable.Stop)
	dsn := durable.DSN(b)
	s := pgtest.Open(b, dsn)
	client := registry.ID{7}
	var sample registry.ID
	require.NoError(b, s.Update(b.Context(), func(ctx context.Context, tx *postgres.Tx) error {
		r, err := tx.Audit(ctx, audit.Entry{Kind: audit.ActAccepted, Channel: "rest", Actor: audit.Actor{EmployeeID: client}, Code: "x"})
		sample = r.EntryID
		return err
	}))
	conn := pgtest.Connect(b, dsn)
	// Ids of version 7, a hundred a second.
	_, err := conn.Exec(b.Context(), `WITH made AS (
    INSERT INTO leaves (id, epoch, kind, writer, n, entry)
    SELECT (lpad(to_hex(1700000000000 + i * 10), 12, '0') || '7000' || '8000' || lpad(to_hex(i), 12, '0'))::uuid, l.epoch, l.kind, l.writer, l.n, l.entry
    FROM leaves l, generate_series(1, $2::bigint) AS i WHERE l.id = $1 RETURNING id
)
INSERT INTO entry_search (leaf_id, idx, kind, code, employee_id, request_id)
SELECT id, row_number() OVER (), (ARRAY['act.accepted','act.accepted','disclosure','access.login','act.refused'])[1 + (('x' || right(id::text, 8))::bit(32)::int) % 5],
    CASE WHEN (('x' || right(id::text, 8))::bit(32)::int) % 997 = 0 THEN 'forbidden' END, $3, id::text FROM made`, sample, entries, client)
	require.NoError(b, err)
	_, err = conn.Exec(b.Context(), `VACUUM ANALYZE entry_search`)
	require.NoError(b, err)

	port := postgres.NewPort[trail.Tx](s)
	middle := time.UnixMilli(1700000000000 + int64(entries)*5)
	filters := []trail.Filter{
		{}, {To: middle}, {Kind: audit.ActAccepted, To: middle}, {Code: "forbidden"}, {Actor: client, From: middle.AddDate(0, 0, -7), To: middle},
		{Actor: client, Kind: audit.ActRefused, From: middle.AddDate(0, 0, -7), To: middle}, {Kind: audit.Disclosure, Code: "forbidden", To: middle},
	}
	var took []time.Duration
	before := cpu(b)
	for i := 0; b.Loop(); i++ {
		f := filters[i%len(filters)]
		f.Limit = trail.PageSize
		start := time.Now()
		require.NoError(b, port.Update(b.Context(), func(ctx context.Context, tx trail.Tx) error {
			found, err := tx.FindRecords(ctx, f)
			require.NotEmpty(b, found.Records)
			return err
		}))
		took = append(took, time.Since(start))
	}
	used := cpu(b) - before
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(float64(used.Microseconds())/float64(len(took))/1000, "own-cpu-ms/page")
}

// cpu is the processor time of this process so far.
func cpu(b *testing.B) time.Duration {
	var r syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &r))
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
