package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/job"
	"mist/registry/postgres"
	"mist/registry/postgres/pgtest"
)

func runJobs(t *testing.T, s *postgres.Store, c postgres.JobsConfig) {
	t.Helper()
	if c.Poll == 0 {
		c.Poll = 10 * time.Millisecond
	}
	if c.Backoff == (job.Backoff{}) {
		c.Backoff = job.Backoff{First: 10 * time.Millisecond, Most: 20 * time.Millisecond}
	}
	jobs, err := s.RunJobs(t.Context(), c)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 10*time.Second)
		defer cancel()
		require.NoError(t, jobs.Stop(ctx))
	})
}

func enqueue(t *testing.T, s *postgres.Store, j job.Job) {
	t.Helper()
	update(t, s, func(ctx context.Context, tx *postgres.Tx) { require.NoError(t, tx.Enqueue(ctx, j)) })
}

func desk(t *testing.T, s *postgres.Store) *job.Desk {
	t.Helper()
	d, err := job.NewDesk(postgres.NewPort[job.DeskTx](s))
	require.NoError(t, err)
	return d
}

var operator = registry.Caller{Channel: registry.ChannelREST, RequestID: "test", Scopes: []string{job.ScopeRead, job.ScopeWrite}}

func list(t *testing.T, d *job.Desk, status job.Status) []job.Info {
	t.Helper()
	l, total, err := d.List(t.Context(), operator, job.Filter{Status: status, Page: 1, Size: 50})
	require.NoError(t, err)
	require.Len(t, l, total)
	return l
}

const wait, tick = 30 * time.Second, 10 * time.Millisecond

func TestJobIsCommittedWithItsCauseAndRunOnce(t *testing.T) {
	t.Parallel()
	dsn := cluster.DSN(t)
	s := pgtest.Open(t, dsn)
	var mu sync.Mutex
	got := map[string][]job.Job{}
	handlers := job.Handlers{"test.note": func(_ context.Context, j job.Job) error {
		mu.Lock()
		defer mu.Unlock()
		got[string(j.Args)] = append(got[string(j.Args)], j)
		return nil
	}}
	// Neither a rolled-back cause nor a second job of the same key leaves one.
	boom := errors.New("no")
	require.ErrorIs(t, s.Update(t.Context(), func(ctx context.Context, tx *postgres.Tx) error {
		require.NoError(t, tx.Enqueue(ctx, job.Job{Kind: "test.note", Args: []byte("rolled back")}))
		return boom
	}), boom)
	enqueue(t, s, job.Job{Kind: "test.note", Key: "one", Args: []byte("first")})
	enqueue(t, s, job.Job{Kind: "test.note", Key: "one", Args: []byte("second")})
	began := time.Now()
	enqueue(t, s, job.Job{Kind: "test.note", Args: []byte("third"), RunAt: began.Add(300 * time.Millisecond)})

	// What waits is sealed: the arguments are nowhere in the database in clear.
	conn, err := pgx.Connect(t.Context(), dsn)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	var clear int
	require.NoError(t, conn.QueryRow(t.Context(), `SELECT count(*) FROM jobs j JOIN river.river_job r ON r.id = j.river_id
WHERE position('first'::bytea IN j.body) > 0 OR r.args::text LIKE '%first%' OR r.args ? 'args'`).Scan(&clear))
	require.Zero(t, clear)
	require.Len(t, list(t, desk(t, s), job.StatusWaiting), 2)

	runJobs(t, s, postgres.JobsConfig{Handlers: handlers})
	require.Eventually(t, func() bool { return len(list(t, desk(t, s), "")) == 0 }, wait, tick)
	mu.Lock()
	defer mu.Unlock()
	require.Len(t, got, 2)
	require.Len(t, got["first"], 1)
	require.Equal(t, "one", got["first"][0].Key)
	require.Equal(t, 1, got["first"][0].Attempt)
	require.Len(t, got["third"], 1)
	require.GreaterOrEqual(t, time.Since(began), 200*time.Millisecond)
	// What has lost its sense is withdrawn.
	for i := range 3 {
		enqueue(t, s, job.Job{Kind: "test.note", Key: fmt.Sprintf("later/%d", i), RunAt: time.Now().Add(time.Hour)})
	}
	update(t, s, func(ctx context.Context, tx *postgres.Tx) {
		require.NoError(t, tx.Withdraw(ctx, "test.note", "later/1"))
		require.NoError(t, tx.Withdraw(ctx, "test.other", "later/"))
	})
	require.Len(t, list(t, desk(t, s), ""), 2)
	// The key of a job that is done is free again.
	enqueue(t, s, job.Job{Kind: "test.note", Key: "one", Args: []byte("again")})
}

func TestDeadJobsAreKeptListedReplayedAndDiscarded(t *testing.T) {
	t.Parallel()
	s := pgtest.Open(t, cluster.DSN(t))
	var healed atomic.Bool
	var outcomes sync.Map
	runJobs(t, s, postgres.JobsConfig{
		Handlers: job.Handlers{
			"test.flaky": func(_ context.Context, j job.Job) error {
				if healed.Load() {
					return nil
				}
				return fmt.Errorf("attempt %d failed", j.Attempt)
			},
			"test.hopeless": func(context.Context, job.Job) error { return job.Permanent(errors.New("never")) },
			"test.panics":   func(context.Context, job.Job) error { panic("РНОКПП 1234567890") },
		},
		Observe: func(r postgres.JobRun) {
			n, _ := outcomes.LoadOrStore(string(r.Kind)+" "+r.Outcome, new(atomic.Int64))
			n.(*atomic.Int64).Add(1)
		},
	})
	enqueue(t, s, job.Job{Kind: "test.flaky", Key: "f", MaxAttempts: 3})
	enqueue(t, s, job.Job{Kind: "test.hopeless", MaxAttempts: 3})
	enqueue(t, s, job.Job{Kind: "test.panics", MaxAttempts: 1})
	enqueue(t, s, job.Job{Kind: "test.unknown", MaxAttempts: 1})
	d := desk(t, s)
	var dead []job.Info
	require.Eventually(t, func() bool { dead = list(t, d, job.StatusDead); return len(dead) == 4 }, wait, tick)
	require.Equal(t, "attempt 3 failed", dead[0].Errors[0].Error)
	require.Equal(t, 3, dead[0].Attempt)
	require.Equal(t, "never", dead[1].Errors[0].Error)
	require.Equal(t, 1, dead[1].Attempt)
	require.NotContains(t, dead[2].Errors[0].Error, "1234567890")
	require.Contains(t, dead[3].Errors[0].Error, "no handler")
	flaky, err := d.Get(t.Context(), operator, dead[0].ID)
	require.NoError(t, err)
	require.Len(t, flaky.Errors, 3)
	require.False(t, flaky.DiedAt.IsZero())
	n, ok := outcomes.Load("test.flaky dead")
	require.True(t, ok)
	require.EqualValues(t, 1, n.(*atomic.Int64).Load())

	// A key stays taken while its job is dead.
	enqueue(t, s, job.Job{Kind: "test.flaky", Key: "f"})
	require.Len(t, list(t, d, ""), 4)

	// A dry run changes nothing; a replay begins anew.
	healed.Store(true)
	_, err = d.Replay(t.Context(), operator, flaky.ID, true)
	require.NoError(t, err)
	require.Len(t, list(t, d, job.StatusDead), 4)
	_, err = d.Replay(t.Context(), operator, flaky.ID, false)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return len(list(t, d, "")) == 3 }, wait, tick)
	_, err = d.Replay(t.Context(), operator, flaky.ID, false)
	require.Equal(t, registry.CodeNotFound, registry.CodeOf(err))

	_, err = d.Discard(t.Context(), operator, dead[1].ID, true)
	require.NoError(t, err)
	require.Len(t, list(t, d, ""), 3)
	_, err = d.Discard(t.Context(), operator, dead[1].ID, false)
	require.NoError(t, err)
	require.Len(t, list(t, d, ""), 2)

	nobody := registry.Caller{Channel: registry.ChannelREST}
	_, _, err = d.List(t.Context(), nobody, job.Filter{Page: 1, Size: 1})
	require.Equal(t, registry.CodeForbidden, registry.CodeOf(err))
	_, err = d.Discard(t.Context(), nobody, dead[2].ID, false)
	require.Equal(t, registry.CodeForbidden, registry.CodeOf(err))
	reader := registry.Caller{Scopes: []string{job.ScopeRead}}
	_, err = d.Replay(t.Context(), reader, dead[2].ID, true)
	require.Equal(t, registry.CodeForbidden, registry.CodeOf(err))
}

func TestJobPutOffSpendsNoAttempt(t *testing.T) {
	t.Parallel()
	s := pgtest.Open(t, cluster.DSN(t))
	var runs atomic.Int64
	runJobs(t, s, postgres.JobsConfig{Handlers: job.Handlers{"test.waits": func(_ context.Context, j job.Job) error {
		if j.Attempt != 1 {
			return job.Permanent(fmt.Errorf("attempt %d", j.Attempt))
		}
		if runs.Add(1) < 5 {
			return job.Later(10 * time.Millisecond)
		}
		return nil
	}}})
	enqueue(t, s, job.Job{Kind: "test.waits", MaxAttempts: 2})
	require.Eventually(t, func() bool { return len(list(t, desk(t, s), "")) == 0 }, wait, tick)
	require.EqualValues(t, 5, runs.Load())
}

// Two servers share the queue: each job is run by one of them; periodic work by
// one at a time.
func TestTwoServersShareTheJobs(t *testing.T) {
	t.Parallel()
	dsn := cluster.DSN(t)
	first, second := pgtest.Open(t, dsn), pgtest.Open(t, dsn)
	const n = 200
	var runs sync.Map
	var ran, periodic, busy atomic.Int64
	c := postgres.JobsConfig{
		Handlers: job.Handlers{"test.shared": func(_ context.Context, j job.Job) error {
			_, twice := runs.LoadOrStore(j.Key, true)
			if twice {
				return job.Permanent(errors.New("run twice"))
			}
			ran.Add(1)
			return nil
		}},
		Periodic: []job.Periodic{{Kind: "test.tick", Every: 50 * time.Millisecond, Run: func(context.Context) (int, error) {
			if busy.Add(1) > 1 {
				periodic.Store(-1 << 40)
			}
			time.Sleep(5 * time.Millisecond)
			busy.Add(-1)
			periodic.Add(1)
			return 1, errors.New("a failure is left to the next run")
		}}},
	}
	for i := range n {
		enqueue(t, first, job.Job{Kind: "test.shared", Key: fmt.Sprint(i)})
	}
	runJobs(t, first, c)
	runJobs(t, second, c)
	require.Eventually(t, func() bool { return ran.Load() == n && periodic.Load() >= 3 }, wait, tick)
	require.Empty(t, list(t, desk(t, first), ""))
}

func TestBackoffGrowsWithJitter(t *testing.T) {
	t.Parallel()
	b := job.Backoff{First: time.Second, Most: time.Minute}
	require.Equal(t, time.Second, b.Wait(1, 0))
	require.Equal(t, 750*time.Millisecond, b.Wait(1, 1))
	require.Equal(t, 8*time.Second, b.Wait(4, 0))
	require.Equal(t, time.Minute, b.Wait(7, 0))
	require.Equal(t, time.Minute, b.Wait(64, 0))
	require.Equal(t, time.Minute, b.Wait(1000, 0))
}
