package postgres_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/tlog"

	"mist/registry/audit"
	"mist/registry/postgres/pgtest"
)

// BenchmarkProofs measures proofs of inclusion made from the tables of tiles, of
// places taken at random among MIST_ENTRIES leaves (100,000 unless set): every
// tile is read from the database and checked against the signed root. The limit
// is p99 ≤ 5 ms at 10,000,000.
func BenchmarkProofs(b *testing.B) {
	if b.N == 1 {
		return // the tool's probe
	}
	leaves := int64(100_000)
	if text := os.Getenv("MIST_ENTRIES"); text != "" {
		var err error
		leaves, err = strconv.ParseInt(text, 10, 64)
		require.NoError(b, err)
	}
	dsn := cluster.DSN(b)
	s := pgtest.Open(b, dsn)
	conn := pgtest.Connect(b, dsn)
	leaf := func(i int64) tlog.Hash { return sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(i))) }
	// Level by level: the roots of full tiles are the leaves of the level above.
	row := make([]tlog.Hash, leaves)
	var all audit.Compact
	for i := range row {
		row[i] = leaf(int64(i))
		all.Push(row[i])
	}
	for level := 0; len(row) > 0; level++ {
		var rows [][]any
		var above []tlog.Hash
		for n := 0; n < len(row); n += audit.TileWidth {
			part := row[n:min(n+audit.TileWidth, len(row))]
			data := make([]byte, 0, len(part)*tlog.HashSize)
			var p audit.Compact
			for _, h := range part {
				data = append(data, h[:]...)
				p.Push(h)
			}
			if len(part) == audit.TileWidth {
				above = append(above, p.Root())
			}
			rows = append(rows, []any{int16(level), int64(n / audit.TileWidth), data})
		}
		_, err := conn.CopyFrom(b.Context(), pgx.Identifier{"tiles"}, []string{"level", "n", "data"}, pgx.CopyFromRows(rows))
		require.NoError(b, err)
		row = above
	}
	c := audit.Checkpoint{Origin: "log.example", Size: leaves, Root: all.Root()}
	read := fetch(s)
	prove := func(ctx context.Context) time.Duration {
		i := rand.Int64N(leaves)
		start := time.Now()
		_, err := audit.ProveInclusion(ctx, read, c, i, leaf(i))
		require.NoError(b, err)
		return time.Since(start)
	}
	_, err := audit.ProveInclusion(b.Context(), read, c, 1, leaf(2))
	require.Error(b, err, "another leaf")
	var took []time.Duration
	before := cpu(b)
	for b.Loop() {
		took = append(took, prove(b.Context()))
	}
	used := cpu(b) - before
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(float64(used.Microseconds())/float64(len(took))/1000, "own-cpu-ms/proof")
}
