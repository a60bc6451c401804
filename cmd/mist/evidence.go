package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/evidence"
	"mist/registry/postgres"
	"mist/registry/trail"
	"mist/signature"
	"mist/signature/algo"
	"mist/signature/cades"
	"mist/signature/extend"
	"mist/signature/sign"
)

// SealPackage implements evidence.Sealer: one CAdES signature over the manifest
// of all files (EN 319 162-1, 4.4). With a time-stamp authority it is of level
// LTA (A.7): it carries the time-stamp, the chains and the revocation data it was
// judged by, under an archive time-stamp, so that it is judged offline years
// later, and kept so by adding to it (mist-verify extend).
func (n *nhsuSeal) SealPackage(ctx context.Context, files []sign.DataObject) ([]byte, error) {
	var b bytes.Buffer
	o := sign.ASiCOptions{Extended: true, XAdESOptions: sign.XAdESOptions{Options: sign.Options{Time: n.now(), TSA: n.tsa}}}
	if err := sign.ASiC(ctx, &b, n.signer, o, files...); err != nil || n.tsa == nil || n.verifier == nil {
		return b.Bytes(), err
	}
	return n.complete(ctx, b.Bytes())
}

// complete judges the seal, with the network, and puts in what the verdict was
// made from, under an archive time-stamp; only what passes again with it goes out.
func (n *nhsuSeal) complete(ctx context.Context, container []byte) ([]byte, error) {
	p, err := signature.NamedPolicy("default")
	if err != nil {
		return nil, err
	}
	lift := extend.Extender{Verifier: n.verifier, Policy: p, Lift: sign.Lift{TSA: n.tsa, Digest: algo.SHA256, Random: rand.Reader}}
	sealed, r, err := lift.To(ctx, extend.LevelLTA, container, nil)
	var not *extend.NotPassedError
	switch {
	case errors.As(err, &not):
		return nil, registry.Errorf(registry.CodeUnavailable, "our own seal is %s: without the status of its certificate a package is not sealed for later; repeat when the responder answers", not.Result.Indication).
			WithReason("seal_status").WithCause(err)
	case err != nil:
		return nil, fmt.Errorf("sealing for later: %w", err)
	}
	if level := r.Signatures[0].Level; level != cades.LevelLTA {
		return nil, fmt.Errorf("our own seal is of level %s, not LTA", level)
	}
	return sealed, nil
}

// newEvidence makes the service that exports packages and judges again.
func newEvidence(cfg Config, store *postgres.Store, source registry.Source, logKey string, verifier *signature.Verifier, alarm func(context.Context, string)) (*evidence.Service, error) {
	key, err := audit.ReadVerifier(logKey)
	if err != nil {
		return nil, err
	}
	c := evidence.Config{Store: postgres.NewPort[evidence.Tx](store).Everywhere(), Log: store, Key: key, LogKey: logKey, Source: source, Alarm: alarm}
	for _, w := range cfg.Log.Witnesses {
		c.Witnesses = append(c.Witnesses, w.Key)
	}
	seal, err := cfg.Seal.open(cfg.Profile == profileSandbox, source)
	if err != nil {
		return nil, err
	}
	if seal != nil {
		seal.verifier = verifier
		c.Sealer = seal
	}
	return evidence.New(c)
}

// openEvidence is newEvidence for the server: the rules in force are kept, and
// what no longer comes out is counted.
func (s *server) openEvidence(ctx context.Context, logKey string, verifier *signature.Verifier, policies signature.PolicyTable, to prometheus.Registerer, failed *mismatches) (*evidence.Service, error) {
	failures := prometheus.NewCounter(prometheus.CounterOpts{Name: "mist_evidence_mismatches_total", Help: "Kept signature reports that came out otherwise when judged again; any is an alarm."})
	to.MustRegister(failures)
	e, err := newEvidence(s.cfg, s.store, s.source, logKey, verifier, func(_ context.Context, what string) {
		failures.Inc()
		failed.add(what)
		s.log.Error("a kept judgement does not come out again", "what", what)
	})
	if err != nil {
		return nil, err
	}
	return e, e.KeepRules(ctx, policies.Policies())
}

type evidenceCommand struct {
	Export evidenceExportCommand `cmd:"" help:"Make the package that proves an entry: report, proofs, checkpoint, protocol, by right the signed document, under the seal (ASiC-E)."`
}

type evidenceExportCommand struct {
	Config    string   `required:"" type:"existingfile" help:"Configuration file (YAML)." env:"MIST_CONFIG"`
	Out       string   `short:"o" default:"." type:"existingdir" help:"Folder for the packages."`
	Documents bool     `help:"Put the signed documents in: data of persons. Needs --reason; the citizen sees it in the access log."`
	Reason    string   `help:"What the package is made for: a case number, a request; it stands in the log and in the protocol."`
	Entries   []string `arg:"" name:"entry" help:"Entries by id or by place in the tree."`
}

// Run implements the command.
func (c *evidenceExportCommand) Run(e env) error {
	op, err := openOperator(e, c.Config, 2)
	if err != nil {
		return err
	}
	defer op.close()
	verifier, err := op.verifier(e)
	if err != nil {
		return err
	}
	s, err := newEvidence(op.cfg, op.store, registry.SystemSource(), op.logKey, verifier, nil)
	if err != nil {
		return err
	}
	caller := registry.Caller{Channel: registry.ChannelJob, RequestID: "operator-" + registry.SystemSource().NewID().String(), Scopes: []string{trail.Scope}}
	if c.Documents {
		caller.Scopes = append(caller.Scopes, evidence.ScopeDocuments)
	}
	for _, entry := range c.Entries {
		name, b, err := s.Export(e.ctx, caller, evidence.Request{Entry: entry, Documents: c.Documents, Reason: c.Reason})
		if err != nil {
			return refused(fmt.Errorf("entry %s: %w", entry, err))
		}
		path := filepath.Join(c.Out, name)
		// O_EXCL: a package that was handed out is never written over.
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return &failure{exitFail, err}
		}
		_, err = f.Write(b)
		if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
			return err
		}
		fmt.Fprintln(e.stdout, path)
	}
	return nil
}
