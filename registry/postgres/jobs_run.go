package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivertype"

	"mist/registry"
	"mist/registry/job"
)

// JobsConfig says how a server runs jobs.
type JobsConfig struct {
	Handlers job.Handlers
	Periodic []job.Periodic
	// Workers is how many jobs run at the same time here; zero means 8.
	Workers int
	// Poll is the pause between two looks at the queue; zero means 100 ms.
	Poll time.Duration
	// Backoff between attempts; zero means [job.DefaultBackoff].
	Backoff job.Backoff
	Log     *slog.Logger
	// Observe is told of every run; may be nil.
	Observe func(JobRun)
}

// JobRun is one attempt.
type JobRun struct {
	Kind    job.Kind
	Outcome string // done, retried, dead, later
	Took    time.Duration
	Items   int // what a periodic job did
}

// Outcomes of a run.
const (
	RunDone    = "done"
	RunRetried = "retried"
	RunDead    = "dead"
	RunLater   = "later"
)

// Times of the queue. A job that is cut off by the end of its server is given
// to another one after jobRescue.
const (
	jobTimeout = 50 * time.Second
	jobRescue  = 2 * time.Minute
	jobStop    = 15 * time.Second
)

// Jobs is a running set of workers.
type Jobs struct {
	client *river.Client[pgx.Tx]
	pool   *pgxpool.Pool
}

// RunJobs starts working until [Jobs.Stop].
func (s *Store) RunJobs(ctx context.Context, c JobsConfig) (*Jobs, error) {
	if c.Log == nil {
		c.Log = s.opt.Log
	}
	if c.Workers == 0 {
		c.Workers = 8
	}
	if c.Poll == 0 {
		c.Poll = 100 * time.Millisecond
	}
	if c.Backoff == (job.Backoff{}) {
		c.Backoff = job.DefaultBackoff()
	}
	if c.Observe == nil {
		c.Observe = func(JobRun) {}
	}
	w := &worker{store: s, handlers: c.Handlers, periodic: map[job.Kind]job.Periodic{}, log: c.Log, observe: c.Observe}
	cfg := s.pool.Config()
	cfg.MaxConns, cfg.MinConns = 4, 0
	// The queue's statements are short; none may hold back the log's horizon for long.
	cfg.ConnConfig.RuntimeParams["statement_timeout"] = "5000"
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("starting the jobs: %w", err)
	}
	workers := river.NewWorkers()
	river.AddWorker(workers, w)
	queues := map[string]river.QueueConfig{riverQueue: {MaxWorkers: c.Workers, FetchPollInterval: c.Poll, FetchCooldown: min(c.Poll, 50*time.Millisecond)}}
	var periodic []*river.PeriodicJob
	for _, p := range c.Periodic {
		w.periodic[p.Kind] = p
		args := riverArgs{Periodic: p.Kind}
		opts := &river.InsertOpts{Queue: periodicQueue, MaxAttempts: 1, UniqueOpts: river.UniqueOpts{ByArgs: true, ByQueue: true, ByState: []rivertype.JobState{
			rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRetryable, rivertype.JobStateRunning, rivertype.JobStateScheduled}}}
		periodic = append(periodic, river.NewPeriodicJob(river.PeriodicInterval(p.Every),
			func() (river.JobArgs, *river.InsertOpts) { return args, opts }, &river.PeriodicJobOpts{RunOnStart: true}))
		// One after the other, as they lie on the same tables.
		queues[periodicQueue] = river.QueueConfig{MaxWorkers: 1, FetchPollInterval: c.Poll, FetchCooldown: min(c.Poll, 50*time.Millisecond)}
	}
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{
		Schema: riverSchema, PollOnly: true, Queues: queues, Workers: workers, PeriodicJobs: periodic,
		JobTimeout: jobTimeout, RescueStuckJobsAfter: jobRescue, SoftStopTimeout: jobStop,
		RetryPolicy:                 policy{c.Backoff},
		DiscardedJobRetentionPeriod: -1, CancelledJobRetentionPeriod: -1, CompletedJobRetentionPeriod: 10 * time.Minute,
		// Rebuilding indexes is for the owner of the tables, not for a server.
		ReindexerIndexNames: []string{},
		Logger:              slog.New(onlyErrors{c.Log.Handler()}),
	})
	if err == nil {
		err = client.Start(context.WithoutCancel(ctx))
	}
	if err != nil {
		pool.Close()
		return nil, fmt.Errorf("starting the jobs: %w", err)
	}
	return &Jobs{client, pool}, nil
}

// Stop takes no new jobs and waits for those that run, at most until ctx ends;
// what is cut off then is run again later.
func (j *Jobs) Stop(ctx context.Context) error {
	err := j.client.Stop(ctx)
	if err != nil {
		now, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		err = errors.Join(err, j.client.StopAndCancel(now))
	}
	j.pool.Close()
	return err
}

const periodicQueue = "periodic"

// riverArgs is all River knows of a job: the id of our row, or which periodic
// work it is.
type riverArgs struct {
	ID       registry.ID `json:"id,omitzero"`
	Periodic job.Kind    `json:"periodic,omitempty" river:"unique"`
}

// Kind implements river.JobArgs.
func (riverArgs) Kind() string { return riverKind }

type worker struct {
	river.WorkerDefaults[riverArgs]
	store    *Store
	handlers job.Handlers
	periodic map[job.Kind]job.Periodic
	log      *slog.Logger
	observe  func(JobRun)
}

// Work implements river.Worker.
func (w *worker) Work(ctx context.Context, j *river.Job[riverArgs]) error {
	if j.Args.Periodic != "" {
		w.workPeriodic(ctx, j.Args.Periodic)
		return nil
	}
	var it job.Job
	var found bool
	// One look, and the end with those of other jobs that end now.
	err := w.store.Look(ctx, func(ctx context.Context, tx *Tx) (err error) {
		it, found, err = tx.job(ctx, j.Args.ID)
		return err
	})
	if err != nil {
		return kept(err)
	}
	if !found {
		return nil
	}
	it.Attempt, it.MaxAttempts = j.Attempt, j.MaxAttempts
	began := time.Now()
	err = w.handle(ctx, it)
	if err == nil {
		err = w.store.Together(registry.WithReach(ctx, registry.Reach{All: true}), func(ctx context.Context, tx *Tx) error { return tx.finishJob(ctx, it.ID) })
	}
	run := JobRun{Kind: it.Kind, Outcome: RunDone, Took: time.Since(began)}
	defer func() { w.observe(run) }()
	pause, putOff := job.AsLater(err)
	switch {
	case err == nil:
		return nil
	case putOff:
		run.Outcome = RunLater
		return river.JobSnooze(pause)
	case job.IsPermanent(err):
		run.Outcome = RunDead
		err = river.JobCancel(kept(err))
	case it.Last():
		run.Outcome = RunDead
		err = kept(err)
	default:
		run.Outcome = RunRetried
		err = kept(err)
	}
	w.log.Warn("job failed", "kind", string(it.Kind), "job", it.ID.String(), "attempt", it.Attempt, "outcome", run.Outcome, "cause", err.Error())
	return err
}

// handle runs the handler; a panic is an error that does not repeat its value,
// which may be personal data.
func (w *worker) handle(ctx context.Context, j job.Job) (err error) {
	defer func() {
		if v := recover(); v != nil {
			w.log.Error("job panicked", "kind", string(j.Kind), "job", j.ID.String(), "type", fmt.Sprintf("%T", v), "stack", string(debug.Stack()))
			err = fmt.Errorf("the handler panicked with a %T; the stack is in the server's log", v)
		}
	}()
	h, ok := w.handlers[j.Kind]
	if !ok {
		return fmt.Errorf("this server has no handler for jobs of the kind %s", j.Kind)
	}
	ctx, books := registry.WithLedger(ctx)
	err = h(ctx, j)
	books.Close(err == nil, "job "+string(j.Kind))
	return err
}

func (w *worker) workPeriodic(ctx context.Context, kind job.Kind) {
	p, ok := w.periodic[kind]
	if !ok {
		return // another version of the server asked for it
	}
	began := time.Now()
	n, err := p.Run(ctx)
	run := JobRun{Kind: kind, Outcome: RunDone, Took: time.Since(began), Items: n}
	if err != nil && ctx.Err() == nil {
		run.Outcome = RunRetried
		w.log.Warn("job failed", "kind", string(kind), "cause", kept(err).Error())
	}
	if n > 0 {
		w.log.Info("job", "kind", string(kind), "items", n)
	}
	w.observe(run)
}

// kept cuts an error to what is kept of it.
func kept(err error) error {
	text := err.Error()
	if len(text) > job.MaxError {
		text = strings.ToValidUTF8(text[:job.MaxError], "")
	}
	return errors.New(text)
}

// policy is the back-off as River asks for it.
type policy struct{ backoff job.Backoff }

// NextRetry implements river.ClientRetryPolicy.
func (p policy) NextRetry(row *rivertype.JobRow) time.Time {
	return time.Now().Add(p.backoff.Wait(row.Attempt, rand.Float64()))
}

// onlyErrors passes on what River calls an error; the rest is told by the worker.
type onlyErrors struct{ slog.Handler }

func (h onlyErrors) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelError && h.Handler.Enabled(ctx, l)
}

func (h onlyErrors) WithAttrs(a []slog.Attr) slog.Handler { return onlyErrors{h.Handler.WithAttrs(a)} }

func (h onlyErrors) WithGroup(name string) slog.Handler { return onlyErrors{h.Handler.WithGroup(name)} }
