package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.yaml.in/yaml/v3"

	"mist/registry/audit"
	"mist/registry/audit/monitor"
	"mist/registry/postgres"
)

type monitorCommand struct {
	Database string        `type:"existingfile" help:"File with the connection string of the database or its replica; or --config."`
	Config   string        `type:"existingfile" help:"Configuration of a server whose database is watched on the same machine; or --database."`
	Key      string        `required:"" type:"existingfile" help:"Public key of the log, one line name+hash+data."`
	Retired  []string      `type:"existingfile" help:"Public key of the log that was rotated out; may be repeated. It counts for what came before the present key."`
	Witness  []string      `type:"existingfile" help:"Public key of a witness; may be repeated."`
	Quorum   int           `default:"-1" help:"How many of the witnesses must have cosigned (default: all that are given)."`
	Log      string        `help:"Address of the log as the world sees it (URL/checkpoint): compared with the database."`
	State    string        `help:"File that remembers the checkpoint seen last: what was seen once must stay."`
	Receipts string        `type:"existingdir" help:"Folder of receipts (JSON files) that holders handed in: an entry the log promised and does not have is a finding."`
	Archive  string        `type:"existingdir" help:"Folder with files of detached months (mist trail export): they are recounted entry by entry; without a file a month is recounted by its kept hashes."`
	Once     bool          `help:"One full recount, then stop: exit code 0 nothing found, 1 findings, 2 could not tell."`
	JSON     bool          `name:"json" help:"Findings and reports as JSON, one object a line."`
	Every    time.Duration `default:"2s" help:"Pause between two looks at what is new."`
	Full     time.Duration `default:"24h" help:"Pause between two full recounts."`
	Notify   string        `type:"existingfile" help:"YAML file with the section notify of a server's configuration: its keepers are told of findings."`
	Listen   string        `default:"127.0.0.1:8091" help:"Address of health and metrics."`
}

// exitUndecided: nothing is proven, for the source could not be read.
const exitUndecided = 2

// watcher is a monitor with what it needs from outside.
type watcher struct {
	c       *monitorCommand
	env     env
	dsn     string
	monitor *monitor.Monitor
	opened  func(signed []byte) (audit.Checkpoint, error)
	http    *http.Client
	log     *slog.Logger

	mu     sync.Mutex
	alarms int       // of all passes since the newest full one
	good   time.Time // end of the last pass that could read everything
	size   int64
	counts *prometheus.CounterVec
}

// Run implements the command.
func (c *monitorCommand) Run(e env) error {
	w, stop, err := c.open(e)
	if err != nil {
		return err
	}
	defer stop()
	if c.Once {
		alarms, err := w.pass(e.ctx, true)
		switch {
		case err != nil:
			return &failure{exitUndecided, err}
		case alarms > 0:
			return &failure{exitFail, fmt.Errorf("%d findings: the log or its database was touched", alarms)}
		}
		return nil
	}
	return w.watch()
}

func (c *monitorCommand) open(e env) (*watcher, func(), error) {
	w := &watcher{c: c, env: e, log: newLogger(e), http: &http.Client{Timeout: 10 * time.Second}}
	text, err := os.ReadFile(c.Key)
	if err != nil {
		return nil, nil, &failure{exitUsage, err}
	}
	key, err := audit.ReadVerifier(string(text))
	if err != nil {
		return nil, nil, &failure{exitUsage, fmt.Errorf("reading %s: %w", c.Key, err)}
	}
	w.opened = func(signed []byte) (audit.Checkpoint, error) { return audit.OpenCheckpoint(signed, key) }
	cfg := monitor.Config{Key: key, Now: time.Now, Quorum: audit.Quorum{Need: c.Quorum}}
	for _, path := range c.Retired {
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, nil, &failure{exitUsage, err}
		}
		k, err := audit.ReadVerifier(string(b))
		if err != nil {
			return nil, nil, &failure{exitUsage, fmt.Errorf("reading %s: %w", path, err)}
		}
		cfg.Retired = append(cfg.Retired, k)
	}
	for _, path := range c.Witness {
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, nil, &failure{exitUsage, err}
		}
		k, err := audit.ReadWitnessKey(string(b))
		if err != nil {
			return nil, nil, &failure{exitUsage, fmt.Errorf("reading %s: %w", path, err)}
		}
		cfg.Quorum.Witnesses = append(cfg.Quorum.Witnesses, k)
	}
	if c.Quorum < 0 {
		cfg.Quorum.Need = len(c.Witness)
	}
	if c.Receipts != "" {
		cfg.Receipts = func() (map[string]audit.Receipt, error) { return readReceipts(c.Receipts) }
	}
	if c.Archive != "" {
		cfg.Archive = monthFiles(c.Archive)
	}
	if w.monitor, err = monitor.New(cfg); err != nil {
		return nil, nil, &failure{exitUsage, err}
	}
	if err := w.remembered(); err != nil {
		return nil, nil, err
	}
	stop := func() {}
	switch {
	case (c.Database == "") == (c.Config == ""):
		return nil, nil, &failure{exitUsage, errors.New("give --database or --config, one of them")}
	case c.Database != "":
		b, err := os.ReadFile(c.Database)
		if err != nil {
			return nil, nil, &failure{exitUsage, err}
		}
		w.dsn = strings.TrimSpace(string(b))
	default:
		conf, err := loadConfig(c.Config)
		if err != nil {
			return nil, nil, &failure{exitUsage, err}
		}
		if w.dsn, stop, err = joinDatabase(e, conf.Database); err != nil {
			return nil, nil, err
		}
	}
	return w, stop, nil
}

// remembered reads the checkpoint seen last time.
func (w *watcher) remembered() error {
	if w.c.State == "" {
		return nil
	}
	b, err := os.ReadFile(w.c.State)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var seen audit.Checkpoint
	if err == nil {
		seen, err = w.opened(b)
	}
	if err != nil {
		return &failure{exitUsage, fmt.Errorf("reading %s: %w", w.c.State, err)}
	}
	w.monitor.Remember(seen)
	return nil
}

// pass recounts once and reports; it gives how many alarms there are.
func (w *watcher) pass(ctx context.Context, full bool) (int, error) {
	var shown []byte
	if w.c.Log != "" {
		var err error
		if shown, err = w.fetch(ctx); err != nil {
			return 0, fmt.Errorf("reading the log's public checkpoint: %w", err)
		}
	}
	var report monitor.Report
	err := postgres.Snapshot(ctx, w.dsn, func(src monitor.Source) (err error) {
		if report, err = w.monitor.Pass(ctx, src, full); err != nil || shown == nil {
			return err
		}
		found, err := w.monitor.Shown(ctx, src, shown)
		report.Findings = append(report.Findings, found...)
		return err
	})
	if err != nil {
		return 0, err
	}
	if err := w.report(report); err != nil {
		return 0, err
	}
	alarms := report.Alarms()
	if alarms == 0 && report.Published != "" {
		if err := w.remember(report.Published); err != nil {
			return 0, err
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if report.Full {
		w.alarms = 0
	}
	w.alarms += alarms
	w.good, w.size = time.Now(), report.Size
	return alarms, nil
}

func (w *watcher) fetch(ctx context.Context) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(w.c.Log, "/")+"/checkpoint", nil)
	if err != nil {
		return nil, err
	}
	answer, err := w.http.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("HTTP %d", answer.StatusCode)
	}
	return io.ReadAll(io.LimitReader(answer.Body, 64<<10))
}

// remember keeps what was seen, in memory and in the state file.
func (w *watcher) remember(published string) error {
	c, err := w.opened([]byte(published))
	if err != nil {
		return err
	}
	w.monitor.Remember(c)
	if w.c.State == "" {
		return nil
	}
	return writeFile(w.c.State, []byte(published), 0o644)
}

func (w *watcher) report(r monitor.Report) error {
	for _, f := range r.Findings {
		if w.counts != nil {
			w.counts.WithLabelValues(f.Rule).Inc()
		}
		if !w.c.Once {
			level := slog.LevelError
			if !f.Alarm {
				level = slog.LevelWarn
			}
			w.log.Log(w.env.ctx, level, "audit log finding", "rule", f.Rule, "row", f.Row, "text", f.Text)
		}
	}
	switch {
	case w.c.JSON && (w.c.Once || len(r.Findings) > 0):
		return json.NewEncoder(w.env.stdout).Encode(r)
	case w.c.Once:
		for _, f := range r.Findings {
			mark := "✘"
			if !f.Alarm {
				mark = "•"
			}
			fmt.Fprintf(w.env.stdout, "%s %-18s %s\n  %s\n", mark, f.Rule, f.Row, f.Text)
		}
		if r.More > 0 {
			fmt.Fprintf(w.env.stdout, "✘ ще %d · %d more\n", r.More, r.More)
		}
		verdict := "✔ усе сходиться · everything agrees"
		if r.Alarms() > 0 {
			verdict = "✘ журнал або базу змінено · the log or its database was touched"
		}
		fmt.Fprintf(w.env.stdout, "%s\n  записів · entries %d, актів · acts %d, контрольних точок · checkpoints %d, %s\n",
			verdict, r.Size, r.Acts, r.Checkpoints, r.Took.Round(time.Millisecond))
	}
	return nil
}

// watch goes on until the context ends.
func (w *watcher) watch() error {
	registry := newMetrics()
	w.counts = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "mist_monitor_findings_total", Help: "Findings by rule; any but writer-interrupted is an alarm."}, []string{"rule"})
	registry.MustRegister(w.counts,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "mist_monitor_age_seconds", Help: "Time since the last pass that could read everything."},
			func() float64 { w.mu.Lock(); defer w.mu.Unlock(); return time.Since(w.good).Seconds() }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "mist_monitor_entries", Help: "Entries recounted."},
			func() float64 { w.mu.Lock(); defer w.mu.Unlock(); return float64(w.size) }),
	)
	watch, err := w.openAlarms(registry)
	if err != nil {
		return err
	}
	l, err := bind("listen", w.c.Listen)
	if err != nil {
		return err
	}
	all := &endpoints{limits: defaultConfig().Limits, log: w.log}
	all.add("monitor", l, adminHandler(registry, all.draining.Load, []check{{"log", w.healthy}}))
	ctx, cancel := context.WithCancel(w.env.ctx)
	defer cancel()
	var passes sync.WaitGroup
	passes.Go(func() { w.loop(ctx) })
	passes.Go(func() { watch.run(ctx) })
	w.log.Info("the monitor watches", "address", l.Addr().String())
	err = all.serve(w.env.ctx)
	cancel()
	passes.Wait()
	return err
}

// openAlarms tells of findings, and of a monitor that cannot read.
func (w *watcher) openAlarms(to prometheus.Registerer) (*alarms, error) {
	var c NotifyConfig
	if w.c.Notify != "" {
		b, err := os.ReadFile(w.c.Notify)
		if err != nil {
			return nil, &failure{exitUsage, err}
		}
		d := yaml.NewDecoder(bytes.NewReader(b))
		d.KnownFields(true)
		if err := d.Decode(&c); err != nil {
			return nil, &failure{exitUsage, fmt.Errorf("reading %s: %w", w.c.Notify, err)}
		}
	}
	gateways, err := c.gateways(countMessages(to))
	if err != nil {
		return nil, err
	}
	a, err := newAlarms(gateways, c.Keepers, w.log, to)
	if err != nil {
		return nil, err
	}
	started := time.Now()
	a.add(alarmMonitor, func(ctx context.Context) error {
		if err := w.healthy(ctx); err != nil && time.Since(started) > time.Minute {
			return err
		}
		return nil
	})
	return a, nil
}

func (w *watcher) loop(ctx context.Context) {
	var last time.Time
	for ctx.Err() == nil {
		full := last.IsZero() || time.Since(last) >= w.c.Full
		if _, err := w.pass(ctx, full); err != nil && ctx.Err() == nil {
			w.log.Warn("the log could not be recounted", "err", err)
		} else if full {
			last = time.Now()
		}
		select {
		case <-ctx.Done():
		case <-time.After(w.c.Every):
		}
	}
}

func (w *watcher) healthy(context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.good.IsZero():
		return errors.New("the first recount has not ended")
	case w.alarms > 0:
		return fmt.Errorf("%d findings since the last full recount", w.alarms)
	case time.Since(w.good) > 10*w.c.Every+5*time.Second:
		return fmt.Errorf("the last recount that could read everything was %s ago", time.Since(w.good).Round(time.Second))
	}
	return nil
}
