// Package offline is what the page /verify runs in the reader's browser: the
// verifier of package signature over trust material that the log's key signed.
// It asks no network: what a signature does not carry and the material does not
// hold is not known, and said so. It is compiled to WebAssembly (wasm/main.go)
// and tested as any Go.
//
// It trusts the key it was built or opened with, and nothing the material says
// before the statement about it was verified.
package offline

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"mist/registry/audit"
	"mist/signature"
	"mist/signature/etsi"
	"mist/signature/explain"
	"mist/signature/facts"
	"mist/signature/protocol"
	"mist/signature/trust"
)

// MaxFile is the largest file taken, in bytes: all of it stands in memory.
const MaxFile = 100 << 20

// Program names this verifier in reports.
const Program = "mist-verify (browser)"

// Served is what GET /verify/material answers: the bundle of signature/trust and
// the log's statement about exactly these bytes.
type Served struct {
	Statement string          `json:"statement"`
	Bundle    json.RawMessage `json:"bundle"`
}

// Errors of the material.
var (
	ErrMaterial = errors.New("the trust material is not what the log's key signed")
	ErrNoFile   = errors.New("there is no file to verify")
	ErrLarge    = fmt.Errorf("the file is larger than %d bytes", MaxFile)
)

// Checker verifies files by one snapshot of trust material.
type Checker struct {
	verifier *signature.Verifier
	policy   signature.Policy
	zone     *time.Location
	now      func() time.Time
	material audit.Material
	state    State
}

// State tells what a checker judges by.
type State struct {
	Version      string    `json:"version"`
	Signed       time.Time `json:"signed"`
	Anchors      int       `json:"anchors"`
	Certificates int       `json:"certificates"`
	// Revocations is when the newest revocation list was made; nil without one.
	Revocations *time.Time `json:"revocations,omitempty"`
}

// Open verifies the material with the log's public key and makes a checker.
func Open(served []byte, logKey string, now func() time.Time) (*Checker, error) {
	key, err := audit.ReadVerifier(logKey)
	if err != nil {
		return nil, err
	}
	var m Served
	if len(served) > trust.MaxMaterial {
		return nil, fmt.Errorf("%w: it is too large", ErrMaterial)
	}
	if err := json.Unmarshal(served, &m); err != nil {
		return nil, fmt.Errorf("%w: it cannot be read", ErrMaterial)
	}
	said, err := audit.OpenMaterial(m.Statement, key)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMaterial, err)
	}
	if said.SHA256 != sha256.Sum256(m.Bundle) {
		return nil, fmt.Errorf("%w: its digest is another", ErrMaterial)
	}
	snap, err := trust.ReadBundle(m.Bundle)
	if err != nil {
		return nil, err
	}
	if snap.Version() != said.Version {
		return nil, fmt.Errorf("%w: its version is another", ErrMaterial)
	}
	policy, err := signature.NamedPolicy("default")
	if err != nil {
		return nil, err
	}
	v, err := signature.NewVerifier(signature.Config{Trust: trust.Fixed(snap), Now: now, Limits: facts.Limits{Document: 4 * MaxFile}})
	if err != nil {
		return nil, err
	}
	zone, err := time.LoadLocation("Europe/Kyiv")
	if err != nil {
		return nil, err
	}
	c := &Checker{verifier: v, policy: policy, zone: zone, now: now, material: said,
		state: State{Version: said.Version, Signed: said.Time, Anchors: len(snap.Anchors()), Certificates: snap.Pool().Len()}}
	if t := snap.Newest(); !t.IsZero() {
		c.state.Revocations = &t
	}
	return c, nil
}

// State of the material.
func (c *Checker) State() State { return c.state }

// File is a file as the reader gave it.
type File struct {
	Name  string
	Bytes []byte
}

// Answer is what the page shows.
type Answer struct {
	Indication string           `json:"indication"`
	Mark       string           `json:"mark"`
	Protocol   explain.Protocol `json:"protocol"`
	Tree       []explain.Node   `json:"tree"`
	// Offline says that the answer lacks revocation data that this verifier may
	// not fetch: somebody with a network can know more.
	Offline bool `json:"offline"`
	// Needs says that a detached signature waits for its content.
	Needs bool `json:"needs"`
	// Content is the name of the file taken as content.
	Content string `json:"content,omitempty"`
	ETSI    []byte `json:"-"` // nil where no signature was found
	PDF     []byte `json:"-"`
}

// Verify judges one signed file, with the file it was made over when that is
// beside it. Of two files it finds out itself which one holds the signature.
func (c *Checker) Verify(ctx context.Context, lang string, words map[string]string, files ...File) (*Answer, error) {
	if len(files) == 0 || len(files) > 2 {
		return nil, ErrNoFile
	}
	for _, f := range files {
		if len(f.Bytes) > MaxFile {
			return nil, ErrLarge
		}
	}
	signed, content := files[0], File{}
	if len(files) == 2 {
		content = files[1]
		if holds(content.Name) && !holds(signed.Name) {
			signed, content = content, signed
		}
	}
	in := signature.Input{ID: signed.Name, Name: path.Base(signed.Name), Document: facts.Bytes(signed.Bytes)}
	if content.Bytes != nil {
		in.Content = map[string]facts.Source{"": facts.Bytes(content.Bytes)}
		if content.Name != "" {
			in.Content[path.Base(content.Name)] = facts.Bytes(content.Bytes)
		}
	}
	r, err := c.verifier.Verify(ctx, in, c.policy)
	if err != nil {
		return nil, err
	}
	a := &Answer{Indication: string(r.Indication), Mark: explain.Mark(string(r.Indication)), Content: content.Name}
	for i := range r.Signatures {
		s := &r.Signatures[i]
		switch s.SubIndication {
		case signature.TryLater, signature.CertificateChainGeneralFailure:
			a.Offline = true
		case signature.SignedDataNotFound:
			a.Needs = true
		}
	}
	a.Protocol = explain.NewProtocol(r, Program, explain.Options{Lang: lang, Zone: c.zone, Trusted: true})
	a.Tree = explain.Words{Lang: lang, Text: texts(words)}.Tree(r.Report)
	if a.PDF, err = protocol.PDF(a.Protocol); err != nil {
		return nil, err
	}
	if a.ETSI, err = etsi.Report(r, etsi.Validator{Name: Program}); err != nil && !errors.Is(err, etsi.ErrNoSignature) {
		return nil, err
	}
	return a, nil
}

// holds says whether a name is one that files with signatures have.
func holds(name string) bool {
	switch strings.ToLower(path.Ext(name)) {
	case ".p7s", ".p7m", ".p7c", ".sig", ".asics", ".asice", ".scs", ".sce":
		return true
	}
	return false
}

// texts fills texts of the page with values given as name, value, name, value ….
func texts(words map[string]string) func(key string, values ...any) string {
	return func(key string, values ...any) string {
		s := words[key]
		for i := 0; i+1 < len(values); i += 2 {
			s = strings.ReplaceAll(s, "{"+fmt.Sprint(values[i])+"}", fmt.Sprint(values[i+1]))
		}
		return s
	}
}
