// Package material tells what the registry trusts when it judges signatures:
// trusted lists, certificates, revocation lists and responders, what of it ends
// when, and how it changed.
//
// Each change of the trust material leaves an entry in the log, in the same
// transaction as its row: an auditor sees under which material an act was
// judged, and who reads the pages sees what a version took in and left out. It
// holds nothing of a person. It does no network and trusts the snapshot it is
// given; whoever makes one has checked it.
package material

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"slices"
	"sync"
	"time"

	"mist/registry"
	"mist/registry/audit"
	"mist/signature/cert"
	"mist/signature/trust"
)

// Scope is the right to read the state of the trust material; auditors read it
// with their own right, audit:read.
const (
	Scope        = "trust:read"
	auditorScope = "audit:read"
)

// Changed is the kind of the entry a change leaves.
const Changed audit.Kind = "trust.changed"

// Change is one version of the trust material with what it took in and left out.
type Change struct {
	Version string
	At      time.Time
	EntryID registry.ID
	// Added and Removed are certificates that became, or are no longer, trusted
	// or known, by the beginning of their SHA-256 and their subject; those of the
	// first version are counted alone.
	Added, Removed []Named
	Certificates   int
}

// Named is a certificate by name.
type Named struct {
	SHA256  string `json:"sha256"`
	Subject string `json:"subject"`
}

// Tx is what the room needs of a transaction.
type Tx interface {
	// LockTrust holds the changes against other servers until commit and gives
	// the certificates of the newest version, "" where there is none.
	LockTrust(ctx context.Context) (version string, certificates []Named, err error)
	PutTrustChange(ctx context.Context, c Change, certificates []Named) error
	TrustChanges(ctx context.Context, limit int) ([]Change, error)
	Audit(ctx context.Context, e audit.Entry) (audit.Receipt, error)
}

// Store begins and ends transactions.
type Store interface {
	Update(ctx context.Context, f func(ctx context.Context, tx Tx) error) error
}

// Service is the room.
type Service struct {
	store  Store
	source registry.Source
	trust  interface{ Snapshot() *trust.Snapshot }
	// Trial is set before the first use; nil compares nothing.
	Trial Trial

	mu        sync.Mutex // guards responses
	responses map[string]*Responder
}

// New refuses a half-configured service.
func New(store Store, source registry.Source, trusted interface{ Snapshot() *trust.Snapshot }) (*Service, error) {
	if store == nil || trusted == nil || source.Clock == nil || source.Random == nil {
		return nil, errors.New("material: a part is missing")
	}
	return &Service{store: store, source: source, trust: trusted, responses: map[string]*Responder{}}, nil
}

// maxNamed bounds the names a change keeps, each way.
const maxNamed = 500

func named(s *trust.Snapshot) []Named {
	all := s.Pool().All()
	out := make([]Named, 0, len(all))
	for _, c := range all {
		out = append(out, Named{SHA256: hex.EncodeToString(c.SHA256[:]), Subject: title(c.Subject)})
	}
	slices.SortFunc(out, func(a, b Named) int { return cmp.Compare(a.SHA256, b.SHA256) })
	return out
}

// missing gives those of a that b has not.
func missing(a, b []Named) (out []Named) {
	have := map[string]bool{}
	for _, n := range b {
		have[n.SHA256] = true
	}
	for _, n := range a {
		if !have[n.SHA256] && len(out) < maxNamed {
			out = append(out, n)
		}
	}
	return out
}

// Took records the material in force if no server has recorded it yet. It is
// called at the start and whenever other material was taken over.
func (s *Service) Took(ctx context.Context) error {
	snapshot := s.trust.Snapshot()
	now := named(snapshot)
	return s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
		version, before, err := tx.LockTrust(ctx)
		if err != nil || version == snapshot.Version() {
			return err
		}
		c := Change{Version: snapshot.Version(), At: s.source.Now(), Certificates: len(now)}
		if version != "" {
			c.Added, c.Removed = missing(now, before), missing(before, now)
		}
		receipt, err := tx.Audit(ctx, audit.Entry{Kind: Changed, Channel: "operator", Object: &audit.ObjectRef{Type: "trust_material", ID: c.Version}})
		if err != nil {
			return err
		}
		c.EntryID = receipt.EntryID
		return tx.PutTrustChange(ctx, c, now)
	})
}

// What a certificate is for.
const (
	ForCA   = "ca"
	ForOCSP = "ocsp"
	ForTSA  = "tsa"
)

// Certificate is one certificate the registry trusts or builds chains with.
type Certificate struct {
	ID, Subject, Issuer, Serial string
	From, Until                 time.Time
	// For is ca, ocsp or tsa; Anchor that chains may end at it.
	For    string
	Anchor bool
	// Source is the list or folder that vouches for it.
	Source string
	// Successor says that another certificate of the same name ends later.
	Successor bool
}

// Days until the end, below zero for what has ended.
func (c Certificate) Days(now time.Time) int { return days(c.Until, now) }

func days(until, now time.Time) int {
	d := until.Sub(now)
	if d < 0 {
		return int(d.Hours()/24) - 1
	}
	return int(d.Hours() / 24)
}

// List is a trusted list in force.
type List struct {
	trust.ListInfo
}

// Days until the next update is due.
func (l List) Days(now time.Time) int { return days(l.NextUpdate, now) }

// Revocation is a revocation list at hand.
type Revocation struct {
	Issuer     string
	From, Next time.Time
}

// Stale says that a newer list should be there.
func (r Revocation) Stale(now time.Time) bool { return !r.Next.IsZero() && r.Next.Before(now) }

// Responder is how a responder or distribution point answered this server.
type Responder struct {
	URL              string
	Answered, Failed int64
	Last, LastFailed time.Time
	Took             time.Duration // the last answer
}

// Fresh says that the last question was answered.
func (r Responder) Fresh() bool { return r.Last.After(r.LastFailed) }

// State is the trust material now.
type State struct {
	Version string
	Now     time.Time
	Lists   []List
	// Certificates in force, what ends first first; Ended are those whose term
	// passed within a year: they are kept for old signatures.
	Certificates, Ended []Certificate
	Revocations         []Revocation
	Responders          []Responder
	Changes             []Change
	Remarks             []string
}

// maxChanges is how many changes are shown.
const maxChanges = 50

// State tells an operator or auditor what is trusted.
func (s *Service) State(ctx context.Context, c registry.Caller) (st State, err error) {
	if !c.Allows(auditorScope) {
		if err := c.Require(Scope); err != nil {
			return st, err
		}
	}
	st = s.look()
	err = s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
		var err error
		st.Changes, err = tx.TrustChanges(ctx, maxChanges)
		return err
	})
	return st, err
}

func (s *Service) look() State {
	now, snapshot := s.source.Now(), s.trust.Snapshot()
	st := State{Version: snapshot.Version(), Now: now, Remarks: snapshot.Remarks}
	latest := map[string]time.Time{}
	for _, c := range snapshot.Pool().All() {
		if c.NotAfter.After(latest[c.Subject.Key()]) {
			latest[c.Subject.Key()] = c.NotAfter
		}
	}
	for _, c := range snapshot.Pool().All() {
		one := shown(snapshot, c)
		one.Successor = latest[c.Subject.Key()].After(c.NotAfter)
		switch {
		case c.NotAfter.After(now):
			st.Certificates = append(st.Certificates, one)
		case c.NotAfter.After(now.AddDate(-1, 0, 0)):
			st.Ended = append(st.Ended, one)
		}
	}
	byEnd := func(a, b Certificate) int { return cmp.Or(a.Until.Compare(b.Until), cmp.Compare(a.ID, b.ID)) }
	slices.SortFunc(st.Certificates, byEnd)
	slices.SortFunc(st.Ended, func(a, b Certificate) int { return byEnd(b, a) })
	for _, l := range snapshot.Lists {
		st.Lists = append(st.Lists, List{l})
	}
	for _, l := range snapshot.CRLs() {
		st.Revocations = append(st.Revocations, Revocation{title(l.Issuer), l.ThisUpdate, l.NextUpdate})
	}
	s.mu.Lock()
	for _, r := range s.responses {
		st.Responders = append(st.Responders, *r)
	}
	s.mu.Unlock()
	slices.SortFunc(st.Responders, func(a, b Responder) int { return cmp.Compare(a.URL, b.URL) })
	return st
}

// Purposes of certificates (RFC 5280, 4.2.1.12).
const (
	oidTimeStamping = "1.3.6.1.5.5.7.3.8"
	oidOCSPSigning  = "1.3.6.1.5.5.7.3.9"
)

func shown(s *trust.Snapshot, c *cert.Certificate) Certificate {
	out := Certificate{ID: c.ID, Subject: title(c.Subject), Issuer: title(c.Issuer), Serial: c.Serial.Text(16), From: c.NotBefore, Until: c.NotAfter, For: ForCA}
	switch {
	case slices.Contains(c.Ext.ExtKeyUsage, oidOCSPSigning):
		out.For = ForOCSP
	case slices.Contains(c.Ext.ExtKeyUsage, oidTimeStamping):
		out.For = ForTSA
	}
	if why := s.Anchor(c.ID); len(why) > 0 {
		out.Anchor, out.Source = true, why[0].Source
	}
	return out
}

const oidCommonName = "2.5.4.3"

// title is what people call a certificate: its common name, else the whole name.
func title(n cert.Name) string {
	if name := n.Get(oidCommonName); name != "" {
		return name
	}
	return n.String()
}
