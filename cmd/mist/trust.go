package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"mist/registry"
	"mist/registry/material"
	"mist/registry/postgres"
	"mist/signature"
	"mist/signature/trust"
	"mist/signature/trust/fetch"
)

const (
	// trustPeriod is how soon a changed trust folder is taken over.
	trustPeriod = 30 * time.Second
	// trustWarning is how long before its end a CA or list is named in the log.
	trustWarning = 60 * 24 * time.Hour
)

// trustKeeper holds the trust material and takes over a changed folder without
// a restart. A folder that cannot be read leaves the former material in force.
type trustKeeper struct {
	cfg   Config
	store *trust.Store
	log   *slog.Logger
	now   func() time.Time

	warnings prometheus.Gauge
	failures prometheus.Counter
	warned   time.Time

	// material records changes and counts what responders answer; nil in
	// commands that only verify. owed says that a change is not recorded yet.
	material *material.Service
	owed     bool
}

// record has the room of trust material write what is in force into the log.
func (k *trustKeeper) record(ctx context.Context, store *postgres.Store, source registry.Source) (err error) {
	if k.material, err = material.New(postgres.NewPort[material.Tx](store).Everywhere(), source, k.store); err != nil {
		return err
	}
	k.material.Trial = k.trial
	if err := k.material.Took(ctx); err != nil {
		return fmt.Errorf("recording the trust material: %w", err)
	}
	return nil
}

// openTrust reads the folder; it refuses a sandbox root in another profile.
func openTrust(ctx context.Context, cfg Config, log *slog.Logger, now func() time.Time) (*trustKeeper, error) {
	k := &trustKeeper{
		cfg: cfg, log: log, now: now,
		warnings: prometheus.NewGauge(prometheus.GaugeOpts{Name: "mist_trust_expiring", Help: "CA certificates, trusted lists and CRLs that end within 60 days or have ended."}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{Name: "mist_trust_reload_failures_total", Help: "Times the trust folder could not be taken over."}),
	}
	s, err := k.read(ctx)
	if err != nil {
		return nil, err
	}
	k.store = trust.NewStore(s)
	k.warn()
	return k, nil
}

func (k *trustKeeper) read(ctx context.Context) (*trust.Snapshot, error) {
	return k.snapshot(ctx, os.DirFS(k.cfg.Trust.Dir))
}

// verifier over the kept material, asking only the configured hosts.
func (k *trustKeeper) verifier() (*signature.Verifier, error) {
	fetcher, err := fetch.New(fetch.Config{Hosts: k.cfg.Trust.Hosts, AllowPrivate: k.cfg.Trust.AllowPrivate})
	if err != nil {
		return nil, err
	}
	var watched signature.Fetcher = fetcher
	if k.material != nil {
		watched = k.material.Watched(fetcher)
	}
	return signature.NewVerifier(signature.Config{Trust: k.store, Fetcher: watched, Now: k.now, Parallel: verifying, Queue: waiting})
}

// verifying at once and waiting for it: a verification may stand a while at a
// responder, so there are more of them than processors; beyond both the caller
// is asked to come again.
const verifying, waiting = 64, 1024

// consentStatus is how long a citizen's certificate that was found good counts
// so: consents come in many and again and again.
const consentStatus = 5 * time.Minute

// consents is a verifier that asks about the same certificate once in a while.
func (k *trustKeeper) consents() (*signature.Verifier, error) {
	fetcher, err := fetch.New(fetch.Config{Hosts: k.cfg.Trust.Hosts, AllowPrivate: k.cfg.Trust.AllowPrivate})
	if err != nil {
		return nil, err
	}
	return signature.NewVerifier(signature.Config{Trust: k.store, Fetcher: fetcher.Cache(consentStatus, k.now), Now: k.now, Parallel: verifying, Queue: waiting})
}

// run looks at the folder until ctx ends.
func (k *trustKeeper) run(ctx context.Context) {
	for tick := time.NewTicker(trustPeriod); ; {
		select {
		case <-ctx.Done():
			tick.Stop()
			return
		case <-tick.C:
			k.refresh(ctx)
		}
	}
}

// refresh takes over the folder if it says something new.
func (k *trustKeeper) refresh(ctx context.Context) {
	s, err := k.read(ctx)
	if err != nil {
		k.failures.Inc()
		k.log.Error("the trust folder cannot be taken over; the former material stays in force", "cause", err.Error())
		return
	}
	if s.Version() != k.store.Snapshot().Version() {
		k.store.Replace(s)
		k.log.Info("trust material taken over", "version", s.Version(), "anchors", len(s.Anchors()))
		k.owed = k.material != nil
	}
	if k.owed {
		if err := k.material.Took(ctx); err != nil {
			k.log.Error("a change of the trust material is not recorded yet", "cause", err.Error())
		} else {
			k.owed = false
		}
	}
	k.warn()
}

// warn counts what ends soon, and names it in the log once a day.
func (k *trustKeeper) warn() {
	now := k.now()
	soon := trust.Expiring(k.store.Snapshot(), now, trustWarning)
	k.warnings.Set(float64(len(soon)))
	if len(soon) == 0 || now.Sub(k.warned) < 24*time.Hour {
		return
	}
	k.warned = now
	for _, w := range soon {
		k.log.Warn("trust material ends", "what", w.String())
	}
}
