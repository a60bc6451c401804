package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"mist/registry"
	"mist/registry/audit/sequencer"
	"mist/registry/job"
	"mist/registry/notify"
	"mist/registry/postgres"
	"mist/signature/sign"
)

// The alarms, each with its place in docs/RUNBOOK.md.
var (
	alarmDatabase = notify.Alarm{Name: "database", Runbook: "The database does not answer"}
	alarmLog      = notify.Alarm{Name: "log_stopped", Runbook: "Readiness says `log: an entry has waited …`"}
	alarmClock    = notify.Alarm{Name: "clock", Runbook: "The clock differs from a time-stamp unit's or the witnesses'"}
	alarmWitness  = notify.Alarm{Name: "witness_refuses", Runbook: "Witnesses"}
	alarmEvidence = notify.Alarm{Name: "evidence_mismatch", Runbook: "mist_evidence_mismatches_total is above 0"}
	alarmJobs     = notify.Alarm{Name: "jobs_dead", Runbook: "Jobs are dead"}
	alarmMonitor  = notify.Alarm{Name: "monitor_finding", Runbook: "The monitor found something"}
)

// knownAlarms lists all, for the metric and for the test of the runbook.
func knownAlarms() []notify.Alarm {
	return []notify.Alarm{alarmDatabase, alarmLog, alarmClock, alarmWitness, alarmEvidence, alarmJobs, alarmMonitor, alarmMonths, alarmOutboxDead, alarmOutboxStuck, alarmRegisterDown}
}

// watched is one alarm and how to ask for it.
type watchedState struct {
	alarm notify.Alarm
	ask   func(ctx context.Context) error
}

// alarms asks again and again and tells keepers and metrics.
type alarms struct {
	teller *notify.Alarms
	states []watchedState
	gauge  *prometheus.GaugeVec
}

func newAlarms(gateways map[notify.Channel]notify.Gateway, keepers []string, log *slog.Logger, to prometheus.Registerer) (*alarms, error) {
	a := &alarms{
		teller: &notify.Alarms{Gateways: gateways, Source: registry.SystemSource(), Log: log},
		gauge:  prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "mist_alarm", Help: "1 while the alarm lasts, by name; docs/RUNBOOK.md says what to do."}, []string{"alarm"}),
	}
	for _, k := range keepers {
		channel := notify.SMS
		if strings.Contains(k, "@") {
			channel = notify.EMail
		}
		a.teller.Keepers = append(a.teller.Keepers, notify.Keeper{Channel: channel, To: k})
	}
	to.MustRegister(a.gauge)
	if err := a.teller.Check(); err != nil {
		return nil, &failure{exitUsage, fmt.Errorf("notify.keepers: %w", err)}
	}
	return a, nil
}

func (a *alarms) add(alarm notify.Alarm, ask func(ctx context.Context) error) {
	a.gauge.WithLabelValues(alarm.Name).Set(0)
	a.states = append(a.states, watchedState{alarm, ask})
}

// alarmEvery is the pause between two looks.
const alarmEvery = 5 * time.Second

// run looks until the context ends.
func (a *alarms) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(alarmEvery):
		}
		a.look(ctx)
	}
}

func (a *alarms) look(ctx context.Context) {
	for _, s := range a.states {
		asking, cancel := context.WithTimeout(ctx, alarmEvery)
		err := s.ask(asking)
		cancel()
		if ctx.Err() != nil {
			return
		}
		value := 0.0
		if err != nil {
			value = 1
		}
		a.gauge.WithLabelValues(s.alarm.Name).Set(value)
		a.teller.Report(ctx, s.alarm, err)
	}
}

// refusals remembers what witnesses refused: people must look, so the alarm
// lasts until the next start.
type refusals struct{ witness atomic.Value }

func (r *refusals) add(witness string) { r.witness.Store(witness) }

func (r *refusals) err(context.Context) error {
	if w, _ := r.witness.Load().(string); w != "" {
		return fmt.Errorf("the witness %s refuses the log's checkpoint", w)
	}
	return nil
}

// mismatches remembers kept judgements that did not come out again.
type mismatches struct {
	mu   sync.Mutex
	what string
	n    int
}

func (m *mismatches) add(what string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.n++
	m.what = what
}

func (m *mismatches) err(context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.n == 0 {
		return nil
	}
	return fmt.Errorf("%d kept judgements did not come out again, the last: %s", m.n, m.what)
}

// logHealth is what readiness and the alarm ask of the log: the sequencer works,
// nothing waits, and the public checkpoint is younger than 5 s.
func (s *server) logHealth(seq *sequencer.Sequencer) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		if err := seq.Healthy(maxCheckpointAge); err != nil {
			return err
		}
		state, err := s.store.LogState(ctx)
		switch {
		case err != nil:
			return err
		case state.Waiting > maxCheckpointAge:
			return fmt.Errorf("an entry has waited %s for a checkpoint", state.Waiting.Round(time.Second))
		case state.SignedAt.IsZero():
			return errors.New("there is no public checkpoint yet")
		}
		if age := s.source.Now().Sub(state.SignedAt); age > maxCheckpointAge {
			return fmt.Errorf("the public checkpoint is %s old", age.Round(time.Second))
		}
		return nil
	}
}

// deadJobs is the alarm of jobs that were given up.
func deadJobs(store *postgres.Store) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		counts, err := store.JobCounts(ctx)
		if err != nil {
			return nil // the alarm of the database tells
		}
		dead := 0
		for _, c := range counts {
			if c.Status == job.StatusDead {
				dead += int(c.N)
			}
		}
		if dead > 0 {
			return fmt.Errorf("%d jobs are dead", dead)
		}
		return nil
	}
}

// unitClock is a time-stamp unit as an authority of time.
type unitClock struct {
	url string
	tsa sign.TSA
}

// Name implements sequencer.Clock.
func (c unitClock) Name() string { return c.url }

// Time implements sequencer.Clock.
func (c unitClock) Time(ctx context.Context) (time.Time, error) {
	return sign.AskTime(ctx, c.tsa, rand.Reader)
}

// clocked adds the authorities of time to a sequencer.
func (c LogConfig) clocked(cfg sequencer.Config, to prometheus.Registerer) sequencer.Config {
	ahead := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "mist_clock_ahead_seconds", Help: "How far our clock is ahead of a time-stamp unit's; beyond 5 s nothing is numbered."}, []string{"authority"})
	to.MustRegister(ahead)
	for _, url := range c.Clocks {
		cfg.Clocks = append(cfg.Clocks, unitClock{url, tsaClient(url)})
	}
	cfg.ClockRead = func(name string, by time.Duration) { ahead.WithLabelValues(name).Set(by.Seconds()) }
	return cfg
}

// keepUnsealing writes the book of unsealing from time to time; the store writes
// its last row when it closes.
func (s *server) keepUnsealing(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(s.cfg.Limits.Upkeep):
		}
		if err := s.store.WriteUnsealing(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("the book of unsealing was not written", "cause", err.Error())
		}
	}
}
