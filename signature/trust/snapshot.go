// Package trust holds what a verifier trusts and what it needs to build and
// check certificate chains: trust anchors with purpose and period, known
// certificates, CRLs, OCSP responses, trusted lists. Snapshots are immutable;
// a newer one replaces the old as a whole.
//
// It does no network: bytes come from files, from documents or from a fetcher
// that the caller owns, and every one of them is parsed and checked here.
package trust

import (
	"crypto/sha256"
	"encoding/hex"
	"sort"
	"sync/atomic"
	"time"

	"mist/signature/cert"
	"mist/signature/facts"
)

// Anchor is a certificate and why it is trusted.
type Anchor struct {
	Certificate *cert.Certificate
	Trust       []facts.Trust
}

// Snapshot is an immutable set of trust anchors and known certificates.
type Snapshot struct {
	version string
	anchors map[string]Anchor // by certificate id
	pool    *Pool
	crls    []*CRL
	Remarks []string // files or entries left out when it was made
	// Lists are the trusted lists that anchors came from.
	Lists     []ListInfo
	cacheable *Edges
}

// ListInfo is a trusted list a snapshot was made of (TS 119 612, 5.3).
type ListInfo struct {
	Territory  string
	Sequence   int
	Issued     time.Time
	NextUpdate time.Time // zero: a closed list
	Signer     string    // SHA-256 of the certificate that signed it, upper-case hex
}

// NewSnapshot makes a snapshot. Certificates are helpers for path building and
// not trusted by themselves; name is part of the version.
func NewSnapshot(name string, anchors []Anchor, certificates []*cert.Certificate, crls []*CRL) *Snapshot {
	s := &Snapshot{anchors: map[string]Anchor{}, pool: NewPool(), crls: crls, cacheable: NewEdges()}
	ids := []string{}
	for _, a := range anchors {
		if have, ok := s.anchors[a.Certificate.ID]; ok {
			have.Trust = append(have.Trust[:len(have.Trust):len(have.Trust)], a.Trust...)
			s.anchors[a.Certificate.ID] = have
		} else {
			s.anchors[a.Certificate.ID] = a
		}
		s.pool.Add(a.Certificate)
		ids = append(ids, "anchor "+a.Certificate.ID)
	}
	for _, c := range certificates {
		s.pool.Add(c)
		ids = append(ids, c.ID)
	}
	for _, c := range crls {
		ids = append(ids, c.ID)
	}
	sort.Strings(ids)
	h := sha256.New()
	for _, id := range ids {
		h.Write([]byte(id))
	}
	s.version = name + "@" + hex.EncodeToString(h.Sum(nil)[:8])
	return s
}

// Version identifies the content of the snapshot.
func (s *Snapshot) Version() string { return s.version }

// Anchor returns why a certificate is trusted, nil if it is not.
func (s *Snapshot) Anchor(id string) []facts.Trust { return s.anchors[id].Trust }

// Anchors in no particular order.
func (s *Snapshot) Anchors() []Anchor {
	out := make([]Anchor, 0, len(s.anchors))
	for _, a := range s.anchors {
		out = append(out, a)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Certificate.ID < out[j].Certificate.ID })
	return out
}

// Pool of all known certificates; read only.
func (s *Snapshot) Pool() *Pool { return s.pool }

// CRLs known locally.
func (s *Snapshot) CRLs() []*CRL { return s.crls }

// Edges is the cache of checked issuer signatures that goes with the
// snapshot.
func (s *Snapshot) Edges() *Edges { return s.cacheable }

// Find serves facts.Environment.Certificates.
func (s *Snapshot) Find(ref facts.CertificateRef) [][]byte {
	var out [][]byte
	for _, c := range s.pool.Match(ref) {
		out = append(out, c.Raw)
	}
	return out
}

// Parsed serves facts.Environment.Parsed: certificates of the snapshot, those
// of units met in documents and those of signers met lately; what is none of
// them is parsed. nil is what cannot be.
func (s *Snapshot) Parsed(der []byte) any {
	if c := s.pool.Known(der); c != nil {
		return c
	}
	if c, err := s.cacheable.Parse(der); err == nil {
		return c
	}
	return nil
}

// Store holds the current snapshot and swaps it while verifiers run.
type Store struct{ current atomic.Pointer[Snapshot] }

// NewStore starts with a snapshot.
func NewStore(s *Snapshot) *Store {
	st := &Store{}
	st.current.Store(s)
	return st
}

// Snapshot returns the current one.
func (s *Store) Snapshot() *Snapshot { return s.current.Load() }

// Replace swaps it. Verifications under way keep the one they began with.
func (s *Store) Replace(n *Snapshot) { s.current.Store(n) }

// Snapshot makes a Snapshot usable where a store is wanted.
type fixed struct{ s *Snapshot }

func (f fixed) Snapshot() *Snapshot { return f.s }

// Fixed is a store that never changes.
func Fixed(s *Snapshot) interface{ Snapshot() *Snapshot } { return fixed{s} }

// Merge makes one snapshot of several.
func Merge(list ...*Snapshot) *Snapshot {
	if len(list) == 1 {
		return list[0]
	}
	var anchors []Anchor
	var certs []*cert.Certificate
	var crls []*CRL
	var remarks []string
	var lists []ListInfo
	name := ""
	for i, s := range list {
		if i > 0 {
			name += "+"
		}
		name += s.version
		anchors = append(anchors, s.Anchors()...)
		for _, c := range s.pool.All() {
			if s.Anchor(c.ID) == nil {
				certs = append(certs, c)
			}
		}
		crls = append(crls, s.crls...)
		remarks = append(remarks, s.Remarks...)
		lists = append(lists, s.Lists...)
	}
	m := NewSnapshot(name, anchors, certs, crls)
	m.Remarks, m.Lists = remarks, lists
	return m
}
