package postgres_test

import (
	"context"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/audit/monitor"
	"mist/registry/postgres"
	"mist/registry/postgres/local"
	"mist/registry/postgres/pgtest"
)

// PostgreSQL is stopped under load and stays away while a dozen clients try again
// and again: what they tried takes no numbers of the log. A transaction that was
// under way when it went may have taken one, and no other.
func TestAnAbsentDatabaseSpendsNoNumbers(t *testing.T) {
	t.Parallel()
	const clients, conns, tries = 12, 8, 3000
	cfg := local.Config{Dir: filepath.Join(t.TempDir(), "pg"), Settings: map[string]string{"max_connections": "60", "fsync": "off"}}
	server, err := local.Start(t.Context(), cfg)
	require.NoError(t, err)
	stop := func() { _ = server.Stop() }
	t.Cleanup(func() { stop() })
	require.NoError(t, server.EnsureDatabase(t.Context(), "mist"))
	dsn := server.DSN("mist")
	require.NoError(t, postgres.Migrate(t.Context(), dsn))
	s := pgtest.Open(t, dsn, func(o *postgres.Options) { o.MaxConns = conns })
	signer, key := logKey(t)

	var wg sync.WaitGroup
	var end atomic.Bool
	var stored, failed atomic.Int64
	for i := range clients {
		c := populate(t, s)
		wg.Go(func() {
			for !end.Load() {
				a := c.act()
				write := func() error { return store(context.Background(), s, a) }
				if i%2 == 1 {
					write = func() error {
						return s.Together(context.Background(), func(ctx context.Context, tx *postgres.Tx) error {
							if err := tx.InsertAct(ctx, a); err != nil {
								return err
							}
							_, err := tx.Audit(ctx, accepted(a))
							return err
						})
					}
				}
				if write() == nil {
					stored.Add(1)
				} else {
					failed.Add(1)
				}
			}
		})
	}
	reach := func(n *atomic.Int64, more int64) {
		t.Helper()
		until := n.Load() + more
		require.Eventually(t, func() bool { return n.Load() >= until }, 2*time.Minute, time.Millisecond)
	}
	reach(&stored, 50)
	require.NoError(t, server.Stop())
	reach(&failed, tries)
	server, err = local.Start(t.Context(), cfg)
	require.NoError(t, err)
	require.Equal(t, dsn, server.DSN("mist"))
	reach(&stored, 50)
	end.Store(true)
	wg.Wait()

	conn := pgtest.Connect(t, dsn)
	count := func(sql string) (n int) {
		require.NoError(t, conn.QueryRow(t.Context(), sql).Scan(&n))
		return n
	}
	require.NoError(t, s.FlushVoids(t.Context()))
	voids := count(`SELECT count(*) FROM leaves WHERE kind = 'void'`)
	require.LessOrEqual(t, voids, 2*(clients+conns), "of %d transactions that could not be made", failed.Load())
	checkCounters(t, dsn)

	// The database is there and says no: that takes none either.
	nobody := clinic{person: registry.ID{1}, doctor: registry.ID{2}, legalEntity: registry.ID{3}}
	before := count(`SELECT max(n) FROM leaves`)
	for range 200 {
		require.Error(t, store(t.Context(), s, nobody.act()))
		require.Error(t, s.Together(t.Context(), func(ctx context.Context, tx *postgres.Tx) error {
			a := nobody.act()
			if err := tx.InsertAct(ctx, a); err != nil {
				return err
			}
			_, err := tx.Audit(ctx, accepted(a))
			return err
		}))
	}
	update(t, s, func(ctx context.Context, tx *postgres.Tx) {
		_, err := tx.Audit(ctx, audit.Entry{Kind: audit.ActRefused, Code: "forbidden"})
		require.NoError(t, err)
	})
	require.LessOrEqual(t, count(`SELECT max(n) FROM leaves`), before+2)
	checkCounters(t, dsn)

	sequence(t, s, signer)
	settled(t, s)
	m, err := monitor.New(monitor.Config{Key: key, Now: time.Now, Stale: time.Hour, Longest: time.Minute})
	require.NoError(t, err)
	require.NoError(t, postgres.Snapshot(t.Context(), dsn, func(src monitor.Source) error {
		report, err := m.Pass(t.Context(), src, true)
		require.NoError(t, err)
		require.Empty(t, report.Findings)
		return nil
	}))
	t.Logf("%d stored, %d could not be made, %d numbers void", stored.Load(), failed.Load(), voids)
}
