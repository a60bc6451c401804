package postgres_test

import (
	"context"
	"crypto/rand"
	"fmt"
	mrand "math/rand/v2"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/audit/sequencer"
	"mist/registry/postgres"
	"mist/registry/postgres/local"
	"mist/registry/postgres/pgtest"
)

const origin = "registry.example/audit"

func logKey(t testing.TB) (*audit.Signer, note.Verifier) {
	t.Helper()
	private, public, err := audit.GenerateKey(rand.Reader, origin)
	require.NoError(t, err)
	signer, err := audit.NewSigner(origin, private)
	require.NoError(t, err)
	verifier, err := audit.ReadVerifier(public)
	require.NoError(t, err)
	return signer, verifier
}

// sequence runs a sequencer until the test ends or stop is called.
func sequence(t testing.TB, s *postgres.Store, signer *audit.Signer, change ...func(*sequencer.Config)) (stop func() error) {
	t.Helper()
	cfg := sequencer.Config{Store: s, Signer: signer, Now: time.Now, Period: 10 * time.Millisecond}
	for _, f := range change {
		f(&cfg)
	}
	q, err := sequencer.New(cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- q.Run(ctx) }()
	var once sync.Once
	var result error
	stop = func() error {
		once.Do(func() { cancel(); result = <-done })
		return result
	}
	t.Cleanup(func() { _ = stop() })
	return stop
}

// settled waits until no leaf waits for a checkpoint.
func settled(t testing.TB, s *postgres.Store) {
	t.Helper()
	require.Eventually(t, func() bool {
		st, err := s.LogState(context.Background())
		return err == nil && st.Waiting == 0 && !st.SignedAt.IsZero()
	}, 30*time.Second, 5*time.Millisecond)
}

func fetch(s *postgres.Store) audit.Fetch {
	return func(ctx context.Context, path string) ([]byte, error) {
		tile, err := audit.ParseTilePath(path)
		if err != nil {
			return nil, err
		}
		return s.LogTile(ctx, tile)
	}
}

// checkBooks demands that acts, leaves and entries agree, that places are
// dense, and that the last tree proves every checkpoint ever published and
// every entry (or a sample of a thousand).
func checkBooks(t testing.TB, dsn string, s *postgres.Store, key note.Verifier) (size int64) {
	t.Helper()
	ctx := context.Background()
	conn := pgtest.Connect(t, dsn)
	var acts, leaves, entries, actsWithout, leavesWithout, unplaced int64
	var last *int64
	require.NoError(t, conn.QueryRow(ctx, `SELECT (SELECT count(*) FROM acts), (SELECT count(*) FROM leaves), (SELECT count(*) FROM entries), (SELECT max(idx) FROM entries),
	(SELECT count(*) FROM acts a WHERE NOT EXISTS (SELECT FROM leaves l WHERE l.id = a.leaf_id AND l.act_id = a.id)),
	(SELECT count(*) FROM leaves l WHERE act_id IS NOT NULL AND NOT EXISTS (SELECT FROM acts a WHERE a.id = l.act_id)),
	(SELECT count(*) FROM leaves l WHERE NOT EXISTS (SELECT FROM entries e WHERE e.leaf_id = l.id))`).
		Scan(&acts, &leaves, &entries, &last, &actsWithout, &leavesWithout, &unplaced))
	require.Zero(t, actsWithout, "acts without a leaf")
	require.Zero(t, leavesWithout, "leaves without their act")
	require.Zero(t, unplaced, "leaves without a place")
	require.Equal(t, leaves, entries)
	if last != nil {
		require.Equal(t, entries-1, *last, "places are dense from 0")
	}
	rows, err := conn.Query(ctx, "SELECT note FROM checkpoints ORDER BY seq")
	require.NoError(t, err)
	notes, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
	require.NoError(t, err)
	var checkpoints []audit.Checkpoint
	for _, n := range notes {
		c, err := audit.OpenCheckpoint(n, key)
		require.NoError(t, err)
		checkpoints = append(checkpoints, c)
	}
	now := checkpoints[len(checkpoints)-1]
	require.Equal(t, entries, now.Size)
	for _, c := range checkpoints {
		_, err := audit.ProveConsistency(ctx, fetch(s), c, now)
		require.NoError(t, err, "checkpoint of %d", c.Size)
	}
	for i := range min(entries, 1000) {
		index := i
		if entries > 1000 {
			index = mrand.Int64N(entries)
		}
		entry, _, err := s.LogEntryAt(ctx, index)
		require.NoError(t, err)
		_, err = audit.Decode(entry)
		require.NoError(t, err)
		_, err = audit.ProveInclusion(ctx, fetch(s), now, index, audit.LeafHash(entry))
		require.NoError(t, err, "entry %d", index)
	}
	return entries
}

// checkCounters demands that no writer's number is missing.
func checkCounters(t testing.TB, dsn string) {
	t.Helper()
	var gaps int64
	require.NoError(t, pgtest.Connect(t, dsn).QueryRow(context.Background(),
		`SELECT count(*) FROM (SELECT writer, max(n) AS last, count(DISTINCT n) AS have FROM leaves GROUP BY writer) w WHERE last <> have`).Scan(&gaps))
	require.Zero(t, gaps, "writers with missing numbers")
}

func TestConcurrentWritersAreSequencedWithoutGap(t *testing.T) {
	t.Parallel()
	dsn := cluster.DSN(t)
	s := pgtest.Open(t, dsn)
	other := pgtest.Open(t, dsn)
	signer, key := logKey(t)
	// Two sequencers: one leads.
	sequence(t, s, signer, func(c *sequencer.Config) { c.Batch = 50 })
	sequence(t, other, signer, func(c *sequencer.Config) { c.Batch = 50 })
	const writers, each = 12, 60
	var wg sync.WaitGroup
	for w := range writers {
		st := []*postgres.Store{s, other}[w%2]
		c := populate(t, st) // acts of one patient wait for each other; these do not
		wg.Go(func() {
			for i := range each {
				acts := []registry.Act{c.act()}
				if i%10 == 0 {
					acts = append(acts, c.act(), c.act())
				}
				if i%7 == 3 {
					// Its number is free again: nobody has the act's patient.
					b := c.act()
					b.PatientID = source.NewID()
					require.Error(t, store(context.Background(), st, b))
				}
				require.NoError(t, store(context.Background(), st, acts...))
			}
		})
	}
	wg.Wait()
	require.NoError(t, s.FlushVoids(t.Context()))
	require.NoError(t, other.FlushVoids(t.Context()))
	settled(t, s)
	size := checkBooks(t, dsn, s, key)
	require.GreaterOrEqual(t, size, int64(writers*(each+each/10*2)))
	checkCounters(t, dsn)
}

func TestOpenTransactionHoldsTheHorizonNotTheOrder(t *testing.T) {
	t.Parallel()
	dsn := cluster.DSN(t)
	s := pgtest.Open(t, dsn)
	c := populate(t, s)
	signer, key := logKey(t)
	slow := c.act()
	wrote, goOn, done := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		done <- s.Update(context.Background(), func(ctx context.Context, tx *postgres.Tx) error {
			if _, err := tx.Audit(ctx, accepted(slow)); err != nil {
				return err
			}
			if err := tx.InsertAct(ctx, slow); err != nil {
				return err
			}
			if _, err := tx.Person(ctx, c.person); err != nil { // sends: the transaction has its number now
				return err
			}
			close(wrote)
			<-goOn
			return nil
		})
	}()
	<-wrote
	var later []registry.Act
	for range 20 {
		a := c.act()
		later = append(later, a)
		require.NoError(t, store(t.Context(), s, a))
	}
	sequence(t, s, signer)
	time.Sleep(200 * time.Millisecond)
	st, err := s.LogState(t.Context())
	require.NoError(t, err)
	require.Zero(t, st.Size, "nothing after the open transaction is numbered")
	require.Greater(t, st.Waiting, 100*time.Millisecond, "and the wait is seen")
	close(goOn)
	require.NoError(t, <-done)
	settled(t, s)
	require.EqualValues(t, 1+len(later), checkBooks(t, dsn, s, key))
	first, _, err := s.LogEntryAt(t.Context(), 0)
	require.NoError(t, err)
	e, err := audit.Decode(first)
	require.NoError(t, err)
	require.Equal(t, slow.ID, e.Act.ID, "the slow act comes before those written after it")
}

func TestOfTwoLeadersOneIsOvertaken(t *testing.T) {
	t.Parallel()
	dsn := cluster.DSN(t)
	s := pgtest.Open(t, dsn)
	c := populate(t, s)
	signer, _ := logKey(t)
	stop := sequence(t, s, signer)
	settled(t, s)
	require.NoError(t, stop())
	var a sequencer.Leader
	require.Eventually(t, func() bool { // the stopped one's connection may live a moment longer
		var err error
		a, err = s.Lead(t.Context())
		return err == nil
	}, 5*time.Second, 5*time.Millisecond)
	defer a.Resign()
	_, err := pgtest.Open(t, dsn).Lead(t.Context())
	require.ErrorIs(t, err, sequencer.ErrNotLeader)
	b, err := s.LeadWithoutLock(t.Context())
	require.NoError(t, err)
	defer b.Resign()
	require.NoError(t, store(t.Context(), s, c.act(), c.act()))
	// Both have read the same last checkpoint and the same leaves.
	publish := func(l sequencer.Leader) error {
		last, ok, err := l.Last(t.Context())
		require.NoError(t, err)
		require.True(t, ok)
		batch, err := l.Next(t.Context(), last, 10)
		require.NoError(t, err)
		return l.Publish(t.Context(), sequencer.Position{Seq: 2, Cursor: batch.Cursor, Size: 2, Root: last.Root, Note: last.Note, At: time.Now()}, 0, nil, nil)
	}
	require.NoError(t, publish(a))
	require.ErrorIs(t, publish(b), sequencer.ErrOvertaken)
}

func TestLeaderLosingItsConnectionIsReplaced(t *testing.T) {
	t.Parallel()
	dsn := cluster.DSN(t)
	s := pgtest.Open(t, dsn)
	c := populate(t, s)
	signer, key := logKey(t)
	sequence(t, s, signer)
	sequence(t, pgtest.Open(t, dsn), signer)
	conn := pgtest.Connect(t, dsn)
	for range 5 {
		require.NoError(t, store(t.Context(), s, c.act()))
		settled(t, s)
		_, err := conn.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`)
		require.NoError(t, err)
	}
	require.NoError(t, store(t.Context(), s, c.act()))
	settled(t, s)
	require.EqualValues(t, 6, checkBooks(t, dsn, s, key))
}

func TestBatchesNeverDivideATransaction(t *testing.T) {
	t.Parallel()
	dsn := cluster.DSN(t)
	s := pgtest.Open(t, dsn)
	c := populate(t, s)
	signer, key := logKey(t)
	for _, n := range []int{2, 1, 10, 1, 1, 4} {
		acts := make([]registry.Act, n)
		for i := range acts {
			acts[i] = c.act()
		}
		require.NoError(t, store(t.Context(), s, acts...))
	}
	var rounds []int
	stop := sequence(t, s, signer, func(cfg *sequencer.Config) {
		cfg.Batch = 3
		cfg.Observe = func(r sequencer.Round) { rounds = append(rounds, r.Leaves) }
	})
	settled(t, s)
	require.NoError(t, stop())
	require.Equal(t, []int{3, 10, 2, 4}, rounds)
	checkBooks(t, dsn, s, key)
}

func TestChangedTileStopsTheSequencer(t *testing.T) {
	t.Parallel()
	dsn := cluster.DSN(t)
	s := pgtest.Open(t, dsn)
	c := populate(t, s)
	signer, _ := logKey(t)
	stop := sequence(t, s, signer)
	require.NoError(t, store(t.Context(), s, c.act(), c.act(), c.act()))
	settled(t, s)
	require.NoError(t, stop())
	_, err := pgtest.Connect(t, dsn).Exec(t.Context(), `UPDATE tiles SET data = set_byte(data, 40, 255 - get_byte(data, 40))`)
	require.NoError(t, err)
	require.NoError(t, store(t.Context(), s, c.act()))
	q, err := sequencer.New(sequencer.Config{Store: s, Signer: signer, Now: time.Now, Period: time.Millisecond})
	require.NoError(t, err)
	var false_ *audit.DisprovenError
	require.ErrorAs(t, q.Run(t.Context()), &false_)
	st, err := s.LogState(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 3, st.Size, "nothing more was signed")

	other, _, err := audit.GenerateKey(rand.Reader, "elsewhere")
	require.NoError(t, err)
	foreign, err := audit.NewSigner("elsewhere", other)
	require.NoError(t, err)
	q, err = sequencer.New(sequencer.Config{Store: s, Signer: foreign, Now: time.Now, Period: time.Millisecond})
	require.NoError(t, err)
	require.ErrorContains(t, q.Run(t.Context()), "origin")
	require.ErrorContains(t, q.Healthy(time.Hour), "origin", "a stopped sequencer is not healthy")
}

// kill -9 of PostgreSQL in the middle of writing: what was answered is there,
// acts and leaves agree, the tree goes on from every checkpoint published.
func TestDatabaseKilledUnderLoad(t *testing.T) {
	t.Parallel()
	server, err := local.Start(t.Context(), local.Config{Dir: filepath.Join(t.TempDir(), "pg"), Settings: map[string]string{"max_connections": "60"}})
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Stop() })
	require.NoError(t, server.EnsureDatabase(t.Context(), "mist"))
	dsn := server.DSN("mist")
	require.NoError(t, postgres.Migrate(t.Context(), dsn))
	s := pgtest.Open(t, dsn)
	signer, key := logKey(t)
	sequence(t, s, signer)
	var wg sync.WaitGroup
	var stop atomic.Bool
	answered := make(chan registry.Act, 100_000)
	for range 8 {
		c := populate(t, s)
		wg.Go(func() {
			for !stop.Load() {
				a := c.act()
				if store(context.Background(), s, a) == nil {
					answered <- a
				} else {
					time.Sleep(5 * time.Millisecond)
				}
			}
		})
	}
	for range 3 {
		time.Sleep(400 * time.Millisecond)
		old := server.PID()
		require.NoError(t, syscall.Kill(old, syscall.SIGKILL))
		require.Eventually(t, func() bool {
			return server.PID() != 0 && server.PID() != old && s.Ping(context.Background()) == nil
		}, 30*time.Second, 10*time.Millisecond)
	}
	time.Sleep(300 * time.Millisecond)
	stop.Store(true)
	wg.Wait()
	close(answered)
	require.NoError(t, s.FlushVoids(t.Context()))
	settled(t, s)
	checkBooks(t, dsn, s, key)
	checkCounters(t, dsn)
	conn := pgtest.Connect(t, dsn)
	n := 0
	for a := range answered {
		n++
		var there bool
		require.NoError(t, conn.QueryRow(t.Context(), "SELECT EXISTS (SELECT FROM acts WHERE id = $1)", a.ID.String()).Scan(&there))
		require.True(t, there, "an act that was answered is lost")
	}
	require.Greater(t, n, 100)
	t.Logf("%d acts answered over three kills", n)
}

// A dump restored into another cluster has transaction numbers that mean
// nothing there: a new epoch begins and nothing is skipped or doubled.
func TestDumpAndRestoreIntoAnotherCluster(t *testing.T) {
	t.Parallel()
	bin, err := local.FindBinaries("")
	require.NoError(t, err)
	dsn := cluster.DSN(t)
	s := pgtest.Open(t, dsn)
	c := populate(t, s)
	signer, key := logKey(t)
	stop := sequence(t, s, signer)
	for range 5 {
		require.NoError(t, store(t.Context(), s, c.act()))
	}
	settled(t, s)
	require.NoError(t, stop())
	// The old cluster is far ahead of a new one in transaction numbers.
	require.NoError(t, store(t.Context(), s, c.act(), c.act()), "not sequenced before the dump")
	require.NoError(t, store(t.Context(), s, c.act()))

	server, err := local.Start(t.Context(), local.Config{Dir: filepath.Join(t.TempDir(), "pg"), Settings: map[string]string{"fsync": "off"}})
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Stop() })
	require.NoError(t, server.EnsureDatabase(t.Context(), "restored"))
	restored := server.DSN("restored")
	_, err = pgtest.Connect(t, restored).Exec(t.Context(), "CREATE ROLE mist_app NOLOGIN; CREATE ROLE mist_operator NOLOGIN IN ROLE mist_app; CREATE ROLE mist_monitor NOLOGIN")
	require.NoError(t, err)
	out, err := exec.Command("sh", "-c", fmt.Sprintf("'%s' -d '%s' | '%s' -v ON_ERROR_STOP=1 -q -d '%s'",
		filepath.Join(bin.Dir, "pg_dump"), dsn, filepath.Join(bin.Dir, "psql"), restored)).CombinedOutput()
	require.NoError(t, err, "%s", out)

	s2 := pgtest.Open(t, restored)
	require.NoError(t, store(t.Context(), s2, c.act(), c.act()), "written in the new cluster, under small transaction numbers")
	sequence(t, s2, signer)
	settled(t, s2)
	require.EqualValues(t, 5+3+2, checkBooks(t, restored, s2, key))
	var epochs int
	require.NoError(t, pgtest.Connect(t, restored).QueryRow(t.Context(), "SELECT count(DISTINCT epoch) FROM leaves").Scan(&epochs))
	require.Equal(t, 2, epochs)
	// And the next start stays in that epoch.
	s3 := pgtest.Open(t, restored)
	require.NoError(t, store(t.Context(), s3, c.act()))
	settled(t, s3)
	require.EqualValues(t, 11, checkBooks(t, restored, s3, key))
}

func slowly(c *sequencer.Config) { c.Period = 200 * time.Millisecond }

// covered reports whether the act's leaf has its place in the tree.
func covered(t testing.TB, s *postgres.Store, act registry.ID) (yes bool) {
	t.Helper()
	err := s.View(context.Background(), func(ctx context.Context, tx *postgres.Tx) error {
		r, err := tx.AuditOfAct(ctx, act)
		if err != nil {
			return err
		}
		_, index, err := s.LogEntry(context.Background(), r.EntryID)
		yes = index >= 0
		return err
	})
	require.NoError(t, err)
	return yes
}

func quantile(d []time.Duration, q float64) time.Duration {
	slices.Sort(d)
	return d[int(q*float64(len(d)-1))]
}
