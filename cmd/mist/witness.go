package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/mod/sumdb/note"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/audit/sequencer"
	"mist/registry/audit/witness"
)

type witnessCommand struct {
	Listen string   `default:"127.0.0.1:8090" help:"Address to serve add-checkpoint on; put a proxy with TLS before it."`
	Key    string   `required:"" type:"existingfile" help:"Private witness key (mist keys witness)."`
	Log    []string `required:"" help:"Public key of a log to watch (name+hash+data); more than once for several logs or a rotated key."`
	State  string   `required:"" help:"Folder that remembers the newest cosigned tree of each log. Losing it is losing the witness's word."`
}

// Run implements the command.
func (c *witnessCommand) Run(e env) error {
	text, err := readKeyFile(c.Key, false)
	if err != nil {
		return err
	}
	log := newLogger(e)
	handler, stop, err := newWitness(text, c.Log, c.State, time.Now, log)
	if err != nil {
		return &failure{exitUsage, err}
	}
	defer stop()
	l, err := bind("listen", c.Listen)
	if err != nil {
		return err
	}
	all := &endpoints{limits: defaultConfig().Limits, log: log}
	all.add("witness", l, handler)
	log.Info("the witness listens", "address", l.Addr().String())
	return all.serve(e.ctx)
}

// newWitness makes the service; stop gives the state's lock back.
func newWitness(private string, logs []string, state string, now func() time.Time, log *slog.Logger) (http.Handler, func(), error) {
	key, err := audit.NewCosigner(private)
	if err != nil {
		return nil, nil, err
	}
	var keys []note.Verifier
	for _, text := range logs {
		v, err := audit.ReadVerifier(text)
		if err != nil {
			return nil, nil, err
		}
		keys = append(keys, v)
	}
	files, err := witness.OpenFiles(state)
	if err != nil {
		return nil, nil, err
	}
	w, err := witness.New(witness.Config{
		Logs: keys, Key: key, State: files, Now: now,
		Refused: func(origin string, checkpoint []byte, reason error) {
			// The whole checkpoint: it is the proof against the log.
			log.Error("a log contradicts its past", "origin", origin, "reason", reason.Error(), "checkpoint", string(checkpoint))
		},
	})
	if err != nil {
		_ = files.Close()
		return nil, nil, err
	}
	return w.Handler(), func() { _ = files.Close() }, nil
}

type keysWitnessCommand struct {
	Name string `required:"" help:"Name of the witness: like a URL without scheme, under the name of the organisation that runs it."`
	Out  string `arg:"" help:"File to write, for mist witness --key."`
}

// Run implements the command. The public key goes to standard output: it
// belongs into log.witnesses and to auditors.
func (c *keysWitnessCommand) Run(e env) error {
	private, verifier, err := audit.GenerateWitnessKey(registry.SystemSource().Random, c.Name)
	if err != nil {
		return &failure{exitUsage, err}
	}
	if err := newKeyFile(c.Out, private); err != nil {
		return err
	}
	fmt.Fprintln(e.stdout, verifier)
	return nil
}

// checkWitnesses refuses a quorum that says nothing: one that cannot be had,
// or that a single organisation can give. Such a quorum would let it help the
// log to two histories.
func (c LogConfig) checkWitnesses(add func(string, ...any), sandbox bool) {
	var keys []*audit.WitnessKey
	organisations := map[string]int{}
	for i, w := range c.Witnesses {
		key, err := audit.ReadWitnessKey(w.Key)
		if err != nil {
			add("log.witnesses[%d].key: %v", i, err)
			continue
		}
		keys = append(keys, key)
		if u, err := url.Parse(w.URL); err != nil || u.Host == "" || u.Scheme != "https" && !(u.Scheme == "http" && (sandbox || isLoopback(u.Hostname()))) {
			add("log.witnesses[%d].url must be an https address", i)
		}
		if w.Organisation == "" {
			add("log.witnesses[%d].organisation is missing", i)
		}
		organisations[w.Organisation]++
	}
	if len(c.Witnesses) == 0 {
		if c.Quorum != 0 {
			add("log.quorum without log.witnesses")
		}
		if !sandbox && !c.Unwitnessed {
			add("log.witnesses: a log without witnesses can be rewritten by whoever holds its key; name witnesses, or set log.unwitnessed: true")
		}
		return
	}
	if c.Unwitnessed {
		add("log.unwitnessed and log.witnesses exclude each other")
	}
	if c.Quorum < 1 || c.Quorum > len(c.Witnesses) {
		add("log.quorum must lie between 1 and the number of witnesses")
		return
	}
	if err := (audit.Quorum{Need: c.Quorum, Witnesses: keys}).Check(); err != nil {
		add("log.witnesses: %v", err)
	}
	for name, n := range organisations {
		if !sandbox && n >= c.Quorum {
			add("log.quorum: %q alone can give the quorum of %d; witnesses of at least two organisations must be needed", name, c.Quorum)
		}
	}
}

// witnessed adds the witnesses and their figures to a sequencer's configuration.
func (c LogConfig) witnessed(cfg sequencer.Config, r prometheus.Registerer, refused *refusals) sequencer.Config {
	answers := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "mist_witness_answers_total", Help: "Answers of witnesses by outcome: cosigned, refused (people must look), unavailable.",
	}, []string{"witness", "outcome"})
	seconds := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "mist_witness_seconds", Help: "How long a witness took to cosign.", Buckets: prometheus.ExponentialBuckets(0.002, 2.5, 9),
	}, []string{"witness"})
	r.MustRegister(answers, seconds)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 2, DialContext: (&net.Dialer{Timeout: time.Second}).DialContext}}
	for _, w := range c.Witnesses {
		key, err := audit.ReadWitnessKey(w.Key)
		if err != nil {
			continue // validate has refused it
		}
		cfg.Witnesses = append(cfg.Witnesses, &witness.Client{URL: w.URL, Key: key, HTTP: client})
		for _, outcome := range []string{"cosigned", "refused", "unavailable"} {
			answers.WithLabelValues(key.Name(), outcome)
		}
	}
	cfg.Quorum = c.Quorum
	cfg.Cosigned = func(name string, took time.Duration, err error) {
		var refusal *witness.RefusedError
		outcome := "unavailable"
		switch {
		case err == nil:
			outcome = "cosigned"
			seconds.WithLabelValues(name).Observe(took.Seconds())
		case errors.As(err, &refusal):
			outcome = "refused"
			refused.add(name)
		case errors.Is(err, context.Canceled):
			return
		}
		answers.WithLabelValues(name, outcome).Inc()
	}
	return cfg
}

// sandboxWitness names the witness that a sandbox brings with it.
const sandboxWitness = "mist.sandbox/witness"

// openWitness starts the sandbox's own witness. Its memory lies beside the
// database: a database that is made anew needs a new one.
func (b *sandbox) openWitness(cfg Config, origin string, now func() time.Time, log *slog.Logger) (func(), error) {
	own := func(w WitnessConfig) bool {
		return strings.HasPrefix(w.URL, "http://"+cfg.Sandbox.Services.Listen+"/")
	}
	if !slices.ContainsFunc(cfg.Log.Witnesses, own) {
		// A further server of the sandbox: the first one's witness is everybody's.
		b.witness = http.NotFoundHandler()
		return func() {}, nil
	}
	text, err := readKeyFile(filepath.Join(b.dir, "keys", "witness.key"), true)
	if err != nil {
		return nil, fmt.Errorf("%w: this sandbox was made by an older Mist; delete %s and make it anew", err, b.dir)
	}
	state := filepath.Join(b.dir, "witness")
	if cfg.Database.Embedded != "" {
		state = filepath.Clean(cfg.Database.Embedded) + "-witness"
	}
	handler, stop, err := newWitness(text, []string{b.state.Public.Log.VerifierKey}, state, now, log)
	if err != nil {
		return nil, fmt.Errorf("the sandbox's witness of %s: %w", origin, err)
	}
	b.witness = handler
	return stop, nil
}
