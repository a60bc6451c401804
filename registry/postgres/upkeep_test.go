package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/declaration"
	"mist/registry/intake"
	"mist/registry/postgres"
	"mist/registry/postgres/pgtest"
	"mist/registry/upkeep"
)

// jobs of a store, with a clock of the test's choosing.
func jobs(t *testing.T, s *postgres.Store, now time.Time) map[string]func(context.Context) (int, error) {
	t.Helper()
	life, err := declaration.NewLife(postgres.NewPort[declaration.LifeTx](s))
	require.NoError(t, err)
	clock := registry.Source{Clock: func() time.Time { return now }, Random: source.Random}
	u, err := upkeep.New(postgres.NewPort[upkeep.Tx](s), life, clock, upkeep.Terms{Verification: time.Hour, Retention: 2 * time.Hour})
	require.NoError(t, err)
	out := map[string]func(context.Context) (int, error){}
	for _, j := range u.Jobs(time.Minute) {
		out[string(j.Kind)] = j.Run
	}
	return out
}

func count(t *testing.T, dsn, sql string) (n int) {
	t.Helper()
	require.NoError(t, pgtest.Connect(t, dsn).QueryRow(t.Context(), sql).Scan(&n))
	return n
}

func TestDraftsExpireAndAreClearedInBatches(t *testing.T) {
	t.Parallel()
	dsn := cluster.DSN(t)
	s := pgtest.Open(t, dsn)
	c := populate(t, s)
	const many = 101 // one more than a batch
	var last intake.Draft
	update(t, s, func(ctx context.Context, tx *postgres.Tx) {
		for range many {
			last = c.draft()
			require.NoError(t, tx.InsertDraft(ctx, last))
		}
	})
	run := func(name string, now time.Time) int {
		n, err := jobs(t, s, now)[name](t.Context())
		require.NoError(t, err)
		return n
	}
	require.Zero(t, run("expire_drafts", last.ExpiresAt.Add(-time.Minute)))
	require.Equal(t, many, run("expire_drafts", last.ExpiresAt))
	require.Zero(t, run("expire_drafts", last.ExpiresAt))
	require.Equal(t, many, count(t, dsn, `SELECT count(*) FROM leaves WHERE kind = 'draft.expired'`))

	require.Zero(t, run("clear_drafts", last.ExpiresAt.Add(time.Hour)))
	require.Equal(t, many, run("clear_drafts", last.ExpiresAt.Add(2*time.Hour)))
	require.Zero(t, run("clear_drafts", last.ExpiresAt.Add(2*time.Hour)))
	update(t, s, func(ctx context.Context, tx *postgres.Tx) {
		got, err := tx.Draft(ctx, last.Kind, last.ID, false)
		require.NoError(t, err)
		require.Equal(t, intake.StatusExpired, got.Status)
		require.Equal(t, []byte("{}"), got.Data)
		require.Empty(t, got.ToBeSigned)
		require.Empty(t, got.Phone)
	})
}

func TestDeclarationsOfOneDoctor(t *testing.T) {
	t.Parallel()
	dsn := cluster.DSN(t)
	s := pgtest.Open(t, dsn)
	c := populate(t, s)
	const many = 101
	update(t, s, func(ctx context.Context, tx *postgres.Tx) {
		for range many {
			p := somebody(source.NewID())
			p.SecondName += " " + p.ID.String()
			require.NoError(t, tx.PutPerson(ctx, p))
			one := c
			one.person = p.ID
			_, err := one.declare(ctx, tx, one.act())
			require.NoError(t, err)
		}
	})
	now := source.Now()
	all := jobs(t, s, now)
	n, err := all["close_ended_declarations"](t.Context())
	require.NoError(t, err)
	require.Zero(t, n, "none has come to its end")
	n, err = all["end_declarations_of_dismissed"](t.Context())
	require.NoError(t, err)
	require.Zero(t, n, "nobody was dismissed")

	_, err = pgtest.Connect(t, dsn).Exec(t.Context(), `UPDATE declarations SET end_date = '2020-01-01' WHERE id = (SELECT min(id::text)::uuid FROM declarations)`)
	require.NoError(t, err)
	n, err = all["close_ended_declarations"](t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, n)

	_, err = pgtest.Connect(t, dsn).Exec(t.Context(), `UPDATE employees SET status = 'DISMISSED'`)
	require.NoError(t, err)
	n, err = all["end_declarations_of_dismissed"](t.Context())
	require.NoError(t, err)
	require.Equal(t, many-1, n)
	require.Equal(t, many-1, count(t, dsn, `SELECT count(*) FROM declarations WHERE status = 'terminated' AND reason = 'employee_dismissed'`))
	require.Equal(t, many-1, count(t, dsn, `SELECT count(*) FROM leaves WHERE kind = 'declaration.terminated'`))
	require.Equal(t, 2*many, count(t, dsn, `SELECT count(*) FROM declaration_statuses`), "every change has its line")
}

// A job that another server runs is left to it.
func TestJobsLockIsExclusive(t *testing.T) {
	t.Parallel()
	s := cluster.Store(t)
	update(t, s, func(ctx context.Context, tx *postgres.Tx) {
		free, err := tx.TryLock(ctx, "mist job expire_drafts")
		require.NoError(t, err)
		require.True(t, free)
		done := make(chan bool)
		go func() {
			defer close(done)
			_ = s.Update(t.Context(), func(ctx context.Context, tx *postgres.Tx) error {
				free, err := tx.TryLock(ctx, "mist job expire_drafts")
				if err == nil {
					done <- free
				}
				return err
			})
		}()
		require.False(t, <-done)
	})
}
