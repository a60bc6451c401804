package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/postgres"
	"mist/registry/postgres/pgtest"
	"mist/registry/query"
)

// What follows the log costs as much an entry in a long log as in a short one,
// also where the tables' statistics were made when they looked otherwise.
func TestFollowingTheLogDoesNotGrowWithIt(t *testing.T) {
	t.Parallel()
	dsn := cluster.DSN(t)
	s := pgtest.Open(t, dsn)
	conn := pgtest.Connect(t, dsn)
	person, other := source.NewID(), source.NewID()
	write := func(n int) {
		require.NoError(t, s.Update(t.Context(), func(ctx context.Context, tx *postgres.Tx) error {
			for i := range n {
				who := other
				if i%100 == 0 {
					who = person
				}
				if _, err := tx.Audit(ctx, audit.Entry{Kind: audit.Disclosure, SubjectID: who, LegalBasis: &audit.LegalBasis{Code: audit.BasisConsent}}); err != nil {
					return err
				}
			}
			_, err := tx.Audit(ctx, audit.Entry{Kind: audit.ActRefused, Code: "forbidden"})
			return err
		}))
		_, err := conn.Exec(t.Context(), `INSERT INTO entries (idx, leaf_id) SELECT (SELECT count(*) FROM entries) + row_number() OVER (ORDER BY id) - 1, id
FROM leaves l WHERE NOT EXISTS (SELECT FROM entries e WHERE e.leaf_id = l.id)`)
		require.NoError(t, err)
	}
	follow := func(limit int) (n int, took time.Duration) {
		began := time.Now()
		require.NoError(t, s.Update(t.Context(), func(ctx context.Context, tx *postgres.Tx) (err error) {
			n, err = tx.FollowLog(ctx, limit)
			return err
		}))
		return n, time.Since(began)
	}
	accesses := func(of registry.ID) int {
		var page query.AccessPage
		require.NoError(t, s.Update(t.Context(), func(ctx context.Context, tx *postgres.Tx) (err error) {
			page, err = tx.Accesses(ctx, of, query.AccessPeriod{Limit: 1000})
			return err
		}))
		return len(page.Lines)
	}

	// An import leaves entries about nobody, and statistics that say that all are.
	for range 100 {
		write(0)
	}
	_, err := conn.Exec(t.Context(), `ANALYZE leaves, entries, person_entries, person_entries_upto`)
	require.NoError(t, err)
	n, _ := follow(1000)
	require.Equal(t, 100, n)
	for range 12 {
		write(999)
	}
	var longest time.Duration
	for range 6 {
		n, took := follow(2000)
		require.Equal(t, 2000, n, "a batch is bounded")
		longest = max(longest, took)
	}
	n, _ = follow(1000)
	require.Zero(t, n)
	require.Equal(t, 12*10, accesses(person))
	require.Equal(t, 1000, accesses(other), "a page")
	// Every leaf looked at for every entry are 24,000,000 rows a batch.
	require.Less(t, longest, 500*time.Millisecond)
}
