package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"mist/registry/upkeep"
)

// runner runs the jobs one after the other, again and again. Each job holds
// its lock in the database, so that any number of servers may run them.
type runner struct {
	jobs   []upkeep.Job
	period time.Duration
	log    *slog.Logger
	done   *prometheus.CounterVec
	failed *prometheus.CounterVec
}

func newRunner(jobs []upkeep.Job, period time.Duration, log *slog.Logger, to prometheus.Registerer) *runner {
	r := &runner{
		jobs: jobs, period: period, log: log,
		done:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "mist_job_items_total", Help: "What the jobs have done, by job."}, []string{"job"}),
		failed: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "mist_job_failures_total", Help: "Runs of a job that failed, by job."}, []string{"job"}),
	}
	to.MustRegister(r.done, r.failed)
	return r
}

// run works until the context ends. A job that fails does not stop the others
// and is run again in the next round.
func (r *runner) run(ctx context.Context) {
	ticker := time.NewTicker(r.period)
	defer ticker.Stop()
	for {
		for _, job := range r.jobs {
			n, err := job.Run(ctx)
			r.done.WithLabelValues(job.Name).Add(float64(n))
			if n > 0 {
				r.log.Info("job", "job", job.Name, "items", n)
			}
			if ctx.Err() != nil {
				return
			}
			if err != nil {
				r.failed.WithLabelValues(job.Name).Inc()
				r.log.Warn("job failed", "job", job.Name, "cause", err.Error())
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
