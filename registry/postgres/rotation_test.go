package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"

	"mist/registry/audit"
	"mist/registry/audit/monitor"
	"mist/registry/postgres"
	"mist/registry/postgres/pgtest"
)

// The drill of the log's key. Rotated in order, the log goes on under the next
// key and its past under the former one is believed as far as it goes. A thief
// who signs with the former key afterwards is named.
func TestTheLogsKeyIsRotatedAndStolen(t *testing.T) {
	t.Parallel()
	dsn := cluster.DSN(t)
	s := pgtest.Open(t, dsn)
	c := populate(t, s)
	former, formerKey := logKey(t)
	present, presentKey := logKey(t)
	require.Equal(t, former.Origin(), present.Origin())
	for _, signer := range []*audit.Signer{former, present} {
		for range 3 {
			require.NoError(t, store(t.Context(), s, c.act()))
		}
		stop := sequence(t, s, signer)
		settled(t, s)
		require.NoError(t, stop())
	}
	recount := func(key note.Verifier, retired ...note.Verifier) (rows []string) {
		m, err := monitor.New(monitor.Config{Key: key, Retired: retired, Now: time.Now, Stale: time.Hour})
		require.NoError(t, err)
		require.NoError(t, postgres.Snapshot(context.Background(), dsn, func(src monitor.Source) error {
			r, err := m.Pass(context.Background(), src, true)
			for _, f := range r.Findings {
				rows = append(rows, f.Rule+" "+f.Row)
			}
			return err
		}))
		return rows
	}
	require.Empty(t, recount(presentKey, formerKey))
	require.Contains(t, recount(presentKey), "checkpoint-false checkpoint 1", "who does not know of the rotation believes nothing before it")

	// The checkpoints of both keys are of one log: the later continues the earlier.
	signed, err := s.LogCheckpoint(t.Context())
	require.NoError(t, err)
	now, err := audit.OpenCheckpoint(signed, presentKey)
	require.NoError(t, err)
	conn := pgtest.Connect(t, dsn)
	var first []byte
	require.NoError(t, conn.QueryRow(t.Context(), `SELECT note FROM checkpoints WHERE size = 3`).Scan(&first))
	older, err := audit.OpenCheckpoint(first, formerKey)
	require.NoError(t, err)
	_, err = audit.ProveConsistency(t.Context(), fetch(s), older, now)
	require.NoError(t, err)

	// The former key was stolen: what it signs after the rotation does not count.
	require.NoError(t, store(t.Context(), s, c.act()))
	stop := sequence(t, s, former)
	settled(t, s)
	require.NoError(t, stop())
	var seq int64
	require.NoError(t, conn.QueryRow(t.Context(), `SELECT max(seq) FROM checkpoints`).Scan(&seq))
	require.Contains(t, recount(presentKey, formerKey), "checkpoint-false checkpoint "+registryNumber(seq))
}
