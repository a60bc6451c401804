package main

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"mist/registry"
	"mist/registry/job"
	"mist/registry/postgres"
)

// JobsConfig says how this server runs jobs.
type JobsConfig struct {
	// Workers is how many run at the same time; Poll the pause between two
	// looks at the queue.
	Workers int           `yaml:"workers"`
	Poll    time.Duration `yaml:"poll"`
	// FirstRetry is the pause after a job's first failure; each further one is
	// twice as long, up to LastRetry.
	FirstRetry time.Duration `yaml:"first_retry"`
	LastRetry  time.Duration `yaml:"last_retry"`
}

func defaultJobs() JobsConfig {
	b := job.DefaultBackoff()
	return JobsConfig{Workers: 32, Poll: 100 * time.Millisecond, FirstRetry: b.First, LastRetry: b.Most}
}

func (c JobsConfig) check(add func(format string, args ...any)) {
	if c.Workers < 1 || c.Workers > 100 {
		add("jobs.workers must lie between 1 and 100")
	}
	if c.Poll < 10*time.Millisecond || c.Poll > time.Minute {
		add("jobs.poll must lie between 10ms and 1m")
	}
	if c.FirstRetry <= 0 || c.LastRetry < c.FirstRetry {
		add("jobs.first_retry must be positive and not longer than jobs.last_retry")
	}
}

// runJobs starts the jobs; they end with the listeners, before the sequencer.
func (s *server) runJobs(ctx context.Context, handlers job.Handlers, periodic []job.Periodic, to prometheus.Registerer) error {
	items := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "mist_job_items_total", Help: "What the periodic jobs have done, by job."}, []string{"job"})
	runs := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "mist_job_runs_total", Help: "Runs of jobs by job and outcome: done, retried, dead, later."}, []string{"job", "outcome"})
	took := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "mist_job_seconds", Help: "How long runs of jobs took.", Buckets: []float64{.005, .02, .1, .5, 2, 10, 50}}, []string{"job"})
	to.MustRegister(items, runs, took, newJobCollector(s.store))
	c := s.cfg.Jobs
	jobs, err := s.store.RunJobs(ctx, postgres.JobsConfig{
		Handlers: handlers, Periodic: periodic, Workers: c.Workers, Poll: c.Poll, Backoff: job.Backoff{First: c.FirstRetry, Most: c.LastRetry}, Log: s.log,
		Observe: func(r postgres.JobRun) {
			items.WithLabelValues(string(r.Kind)).Add(float64(r.Items))
			runs.WithLabelValues(string(r.Kind), r.Outcome).Inc()
			took.WithLabelValues(string(r.Kind)).Observe(r.Took.Seconds())
		},
	})
	if err != nil {
		return err
	}
	s.onClose(func() {
		stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.Limits.Drain)
		defer cancel()
		if err := jobs.Stop(stopping); err != nil {
			s.log.Warn("stopping the jobs", "cause", err.Error())
		}
	})
	return nil
}

// jobCollector counts the jobs that are not done when metrics are scraped.
type jobCollector struct {
	store *postgres.Store
	jobs  *prometheus.Desc
}

func newJobCollector(store *postgres.Store) *jobCollector {
	return &jobCollector{store, prometheus.NewDesc("mist_jobs", "Jobs that are not done by job and status: waiting, running, retrying, dead.", []string{"job", "status"}, nil)}
}

// Describe implements prometheus.Collector.
func (c *jobCollector) Describe(out chan<- *prometheus.Desc) { out <- c.jobs }

// Collect implements prometheus.Collector.
func (c *jobCollector) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	counts, err := c.store.JobCounts(ctx)
	if err != nil {
		return
	}
	for _, n := range counts {
		out <- prometheus.MustNewConstMetric(c.jobs, prometheus.GaugeValue, float64(n.N), string(n.Kind), string(n.Status))
	}
}

type jobsCommand struct {
	List    jobsListCommand    `cmd:"" help:"Jobs that are not done: waiting, running, retrying, dead."`
	Show    jobsShowCommand    `cmd:"" help:"One job with all its failures."`
	Replay  jobsReplayCommand  `cmd:"" help:"Run dead jobs again; without --yes only tell which."`
	Discard jobsDiscardCommand `cmd:"" help:"Give jobs up: their work will not be done; without --yes only tell which."`
}

// jobDesk opens the registry for a command about jobs.
type jobDesk struct {
	Config string `required:"" type:"existingfile" help:"Configuration file (YAML)." env:"MIST_CONFIG"`
}

func (d jobDesk) open(e env) (*job.Desk, registry.Caller, func(), error) {
	op, err := openOperator(e, d.Config, 4)
	if err != nil {
		return nil, registry.Caller{}, nil, err
	}
	return d.desk(op)
}

func (d jobDesk) desk(op *operator) (*job.Desk, registry.Caller, func(), error) {
	desk, err := job.NewDesk(postgres.NewPort[job.DeskTx](op.store))
	if err != nil {
		op.close()
		return nil, registry.Caller{}, nil, err
	}
	c := registry.Caller{Channel: registry.ChannelJob, RequestID: "operator-" + registry.SystemSource().NewID().String(), Scopes: []string{job.ScopeRead, job.ScopeWrite}}
	return desk, c, op.close, nil
}

type jobsListCommand struct {
	jobDesk `embed:""`
	Kind    string `help:"Only this kind."`
	Key     string `help:"Only keys that begin so, for instance with an act's id."`
	Status  string `enum:",waiting,running,retrying,dead" default:"" help:"Only this status."`
}

// Run implements the command.
func (c *jobsListCommand) Run(e env) error {
	desk, caller, end, err := c.open(e)
	if err != nil {
		return err
	}
	defer end()
	list, err := allJobs(e.ctx, desk, caller, job.Filter{Kind: job.Kind(c.Kind), Key: c.Key, Status: job.Status(c.Status)})
	if err != nil {
		return refused(err)
	}
	return printJobs(e, list)
}

func allJobs(ctx context.Context, desk *job.Desk, caller registry.Caller, f job.Filter) (all []job.Info, err error) {
	for f.Page, f.Size = 1, job.MaxPageSize; ; f.Page++ {
		list, total, err := desk.List(ctx, caller, f)
		if err != nil {
			return nil, err
		}
		if all = append(all, list...); len(all) >= total || len(list) == 0 {
			return all, nil
		}
	}
}

func printJobs(e env, list []job.Info) error {
	w := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
	for _, j := range list {
		last := ""
		if n := len(j.Errors); n > 0 {
			last = j.Errors[n-1].Error
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d/%d\t%s\t%s\n", j.ID, j.Kind, j.Key, j.Status, j.Attempt, j.MaxAttempts, j.RunAt.Format(time.RFC3339), last)
	}
	return w.Flush()
}

// refused is an answer of the registry: the command ran and it says no.
func refused(err error) error {
	if err == nil {
		return nil
	}
	if e := registry.AsError(err); e.Code != registry.CodeInternal && e.Code != registry.CodeUnavailable {
		return &failure{exitFail, err}
	}
	return err
}

type jobsShowCommand struct {
	jobDesk `embed:""`
	ID      string `arg:"" help:"The job."`
}

// Run implements the command.
func (c *jobsShowCommand) Run(e env) error {
	id, err := registry.ParseID(c.ID)
	if err != nil {
		return &failure{exitUsage, err}
	}
	desk, caller, end, err := c.open(e)
	if err != nil {
		return err
	}
	defer end()
	j, err := desk.Get(e.ctx, caller, id)
	if err != nil {
		return refused(err)
	}
	failures := j.Errors
	j.Errors = nil
	if err := printJobs(e, []job.Info{j}); err != nil {
		return err
	}
	for _, f := range failures {
		fmt.Fprintf(e.stdout, "  %s  attempt %d: %s\n", f.At.UTC().Format(time.RFC3339), f.Attempt, f.Error)
	}
	return nil
}

// jobChange picks jobs and does something with each.
type jobChange struct {
	jobDesk   `embed:""`
	IDs       []string `arg:"" optional:"" name:"id" help:"The jobs; none: all dead ones."`
	Kind      string   `help:"Without ids: only dead jobs of this kind."`
	Yes       bool     `help:"Do it; without this nothing is changed."`
	twoPeople `embed:""`
}

func (c jobChange) run(e env, verb string, change func(*job.Desk) func(context.Context, registry.Caller, registry.ID, bool) (job.Info, error)) error {
	ids, err := parseIDs(c.IDs)
	if err != nil {
		return err
	}
	op, err := openOperator(e, c.Config, 4)
	if err != nil {
		return err
	}
	desk, caller, end, err := c.desk(op)
	if err != nil {
		return err
	}
	defer end()
	return deadWork[job.Info]{
		desk: "jobs", noun: "job", verb: verb, by: "kind", only: c.Kind, print: printJobs,
		dead: func(ctx context.Context) (ids []registry.ID, err error) {
			dead, err := allJobs(ctx, desk, caller, job.Filter{Kind: job.Kind(c.Kind), Status: job.StatusDead})
			for _, j := range dead {
				ids = append(ids, j.ID)
			}
			return ids, err
		},
		change: func(ctx context.Context, id registry.ID, dry bool) (job.Info, error) {
			return change(desk)(ctx, caller, id, dry)
		},
	}.run(e, op, ids, c.Yes, c.twoPeople)
}

type jobsReplayCommand struct {
	jobChange `embed:""`
}

// Run implements the command.
func (c *jobsReplayCommand) Run(e env) error {
	return c.run(e, "replayed", func(d *job.Desk) func(context.Context, registry.Caller, registry.ID, bool) (job.Info, error) {
		return d.Replay
	})
}

type jobsDiscardCommand struct {
	jobChange `embed:""`
}

// Run implements the command.
func (c *jobsDiscardCommand) Run(e env) error {
	return c.run(e, "discarded", func(d *job.Desk) func(context.Context, registry.Caller, registry.ID, bool) (job.Info, error) {
		return d.Discard
	})
}
