package trust

import (
	"bytes"
	"slices"
	"sort"
	"sync"

	"mist/signature/algo"
	"mist/signature/cert"
	"mist/signature/facts"
)

// Pool indexes certificates. It is filled first and read afterwards; only
// reading is safe from several goroutines.
type Pool struct {
	byID      map[string]*cert.Certificate
	bySubject map[string][]*cert.Certificate
	byKeyID   map[string][]*cert.Certificate
	bySerial  map[string][]*cert.Certificate
	byTail    map[tail]*cert.Certificate
	parent    *Pool
}

// NewPool makes an empty pool.
func NewPool() *Pool {
	return &Pool{
		byID:      map[string]*cert.Certificate{},
		bySubject: map[string][]*cert.Certificate{},
		byKeyID:   map[string][]*cert.Certificate{},
		bySerial:  map[string][]*cert.Certificate{},
		byTail:    map[tail]*cert.Certificate{},
	}
}

// Over makes an empty pool that also sees the certificates of p.
func (p *Pool) Over() *Pool {
	n := NewPool()
	n.parent = p
	return n
}

// Add puts a certificate in.
func (p *Pool) Add(c *cert.Certificate) {
	if _, ok := p.Get(c.ID); ok {
		return
	}
	p.byID[c.ID] = c
	p.bySubject[c.Subject.Key()] = append(p.bySubject[c.Subject.Key()], c)
	if len(c.Ext.SubjectKeyID) > 0 {
		k := string(c.Ext.SubjectKeyID)
		p.byKeyID[k] = append(p.byKeyID[k], c)
	}
	p.bySerial[string(c.SerialRaw)] = append(p.bySerial[string(c.SerialRaw)], c)
	p.byTail[tailOf(c.Raw)] = c
}

// tail is the end of a certificate, which is the end of its signature value:
// good enough to look one up by, and the octets are compared afterwards. The
// SHA-256 in an id says the same, but every document brings certificates that
// are known already, and hashing them all cost a twentieth of a verification.
type tail [16]byte

func tailOf(der []byte) (t tail) {
	copy(t[:], der[max(0, len(der)-len(t)):])
	return t
}

// Known returns the certificate with these octets, nil when there is none.
func (p *Pool) Known(der []byte) *cert.Certificate {
	t := tailOf(der)
	for q := p; q != nil; q = q.parent {
		if c := q.byTail[t]; c != nil && bytes.Equal(c.Raw, der) {
			return c
		}
	}
	return nil
}

// Get by id.
func (p *Pool) Get(id string) (*cert.Certificate, bool) {
	for q := p; q != nil; q = q.parent {
		if c, ok := q.byID[id]; ok {
			return c, true
		}
	}
	return nil, false
}

// Len counts certificates.
func (p *Pool) Len() int {
	n := 0
	for q := p; q != nil; q = q.parent {
		n += len(q.byID)
	}
	return n
}

// Subject returns the certificates of a subject name (Name.Key).
func (p *Pool) Subject(key string) []*cert.Certificate {
	var out []*cert.Certificate
	for q := p; q != nil; q = q.parent {
		out = append(out, q.bySubject[key]...)
	}
	return out
}

// KeyID returns the certificates with a subject key identifier.
func (p *Pool) KeyID(id []byte) []*cert.Certificate {
	var out []*cert.Certificate
	for q := p; q != nil; q = q.parent {
		out = append(out, q.byKeyID[string(id)]...)
	}
	return out
}

// Match returns candidates for a reference.
func (p *Pool) Match(ref facts.CertificateRef) []*cert.Certificate {
	var out []*cert.Certificate
	if ref.KeyID != nil {
		out = append(out, p.KeyID(ref.KeyID)...)
	}
	if ref.Serial != nil {
		var issuers []string
		if ref.IssuerText != "" {
			issuers = cert.TextKeys(ref.IssuerText)
		}
		for q := p; q != nil; q = q.parent {
			for _, c := range q.bySerial[string(ref.Serial)] {
				if ref.IssuerText == "" || slices.Contains(issuers, c.Issuer.Key()) {
					out = append(out, c)
				}
			}
		}
	}
	if ref.SubjectText != "" {
		for _, key := range cert.TextKeys(ref.SubjectText) {
			out = append(out, p.Subject(key)...)
		}
	}
	for _, d := range ref.Digests {
		if d.Algorithm != "SHA256" || len(d.Value) != 32 {
			if a := algo.Digest(d.Algorithm); ref.Scan && a.Known() {
				for _, c := range p.All() {
					if bytes.Equal(a.Sum(c.Raw), d.Value) {
						out = append(out, c)
					}
				}
			}
			continue
		}
		if c, ok := p.Get("C-" + upperHex(d.Value)); ok {
			out = append(out, c)
		}
	}
	return out
}

func upperHex(b []byte) string {
	const digits = "0123456789ABCDEF"
	out := make([]byte, 0, 2*len(b))
	for _, c := range b {
		out = append(out, digits[c>>4], digits[c&15])
	}
	return string(out)
}

// Edges remembers which certificate was signed by which: the outcome of one
// signature check depends on nothing but the two certificates, so it may be
// kept for ever. It is bounded and safe for concurrent use.
type Edges struct {
	mu sync.RWMutex
	m  map[edge]bool // guarded by mu
	// units are certificates of authorities, time-stamp units and OCSP
	// responders met in documents: few, and met again and again.
	units map[string]*unit // guarded by mu
	tails map[tail]*unit   // guarded by mu; the same units
	// people are certificates of signers met lately, the newer half and the older.
	people, before map[tail]*cert.Certificate // guarded by mu
}

// edge is signed by issuer: ids.
type edge struct{ signed, issuer string }

type unit struct {
	c    *cert.Certificate
	uses int
}

const (
	maxEdges = 1 << 16
	maxUnits = 256
	// maxPeople bounds the signers' certificates of either half, maxPerson the
	// octets of one.
	maxPeople = 1024
	maxPerson = 4 << 10
	// precomputeAt is the number of uses after which tables for a DSTU key
	// pay (measured in package dstu4145).
	precomputeAt = 3
)

// NewEdges makes an empty cache.
func NewEdges() *Edges {
	return &Edges{m: map[edge]bool{}, units: map[string]*unit{}, tails: map[tail]*unit{}, people: map[tail]*cert.Certificate{}}
}

// Parse gives the certificate with these octets, parsed now or before: a
// doctor signs again and again. What is kept has octets of its own.
func (e *Edges) Parse(der []byte) (*cert.Certificate, error) {
	if c := e.Known(der); c != nil {
		return c, nil
	}
	if len(der) > maxPerson || len(der) < len(tail{}) {
		return cert.Parse(der)
	}
	c, err := cert.Parse(bytes.Clone(der))
	if err != nil || isUnit(c) {
		return c, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.people) >= maxPeople {
		e.people, e.before = map[tail]*cert.Certificate{}, e.people
	}
	e.people[tailOf(der)] = c
	return c, nil
}

// Known returns the certificate with these octets that Intern or Parse kept,
// nil when there is none.
func (e *Edges) Known(der []byte) *cert.Certificate {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if u := e.tails[tailOf(der)]; u != nil && bytes.Equal(u.c.Raw, der) {
		return u.c
	}
	for _, half := range []map[tail]*cert.Certificate{e.people, e.before} {
		if c := half[tailOf(der)]; c != nil && bytes.Equal(c.Raw, der) {
			return c
		}
	}
	return nil
}

// Keep is Intern for a certificate out of a document: what is kept for the
// next ones has octets of its own. Those of the document are the caller's, who
// may use the memory again, and would hold the whole document.
func (e *Edges) Keep(c *cert.Certificate) *cert.Certificate {
	if !isUnit(c) {
		return c
	}
	e.mu.RLock()
	known := e.units[c.ID] != nil
	e.mu.RUnlock()
	if !known {
		if own, err := cert.Parse(bytes.Clone(c.Raw)); err == nil {
			c = own
		}
	}
	return e.Intern(c)
}

// isUnit says whether a certificate will be met again and again.
func isUnit(c *cert.Certificate) bool {
	return c.Ext.CA || c.HasExtKeyUsage(cert.EKUTimeStamping) || c.HasExtKeyUsage(cert.EKUOCSPSigning)
}

// Intern returns the certificate as it was parsed before, when it belongs to
// an authority or a unit. A key that keeps coming gets its tables.
func (e *Edges) Intern(c *cert.Certificate) *cert.Certificate {
	if !isUnit(c) {
		return c
	}
	e.mu.Lock()
	u := e.units[c.ID]
	if u == nil {
		if len(e.units) >= maxUnits {
			clear(e.units)
			clear(e.tails)
		}
		u = &unit{c: c}
		e.units[c.ID], e.tails[tailOf(c.Raw)] = u, u
	}
	u.uses++
	due := u.uses == precomputeAt
	e.mu.Unlock()
	if due {
		if k := u.c.Key.DSTU(); k != nil {
			k.Precompute()
		}
	}
	return u.c
}

// List checks the signature of a CRL with a key once: lists of the store are
// long and meet every document.
func (e *Edges) List(l *CRL, issuer *cert.Certificate) error {
	key := edge{l.ID, issuer.ID}
	e.mu.RLock()
	ok, known := e.m[key]
	e.mu.RUnlock()
	if known && ok {
		return nil
	}
	err := l.CheckSignature(issuer)
	if err == nil {
		e.mu.Lock()
		if len(e.m) >= maxEdges {
			clear(e.m)
		}
		e.m[key] = true
		e.mu.Unlock()
	}
	return err
}

// Signed says whether issuer's key verifies c.
func (e *Edges) Signed(c, issuer *cert.Certificate) bool {
	key := edge{c.ID, issuer.ID}
	e.mu.RLock()
	ok, known := e.m[key]
	e.mu.RUnlock()
	if known {
		return ok
	}
	ok = c.CheckSignature(issuer) == nil
	e.mu.Lock()
	if len(e.m) >= maxEdges {
		clear(e.m)
	}
	e.m[key] = ok
	e.mu.Unlock()
	return ok
}

// Chain builds the path from c towards an anchor: issuers by authority key
// identifier first, then by name, every step checked with the issuer's key.
// It returns c and its issuers, ending at the first anchor when one is
// reached, else the longest path found.
func (p *Pool) Chain(c *cert.Certificate, anchor func(id string) bool, edges *Edges) []*cert.Certificate {
	budget := 64 // signature checks
	path := p.chain(c, anchor, edges, map[string]bool{}, &budget, 0)
	return path
}

const maxChain = 10

func (p *Pool) chain(c *cert.Certificate, anchor func(string) bool, edges *Edges, seen map[string]bool, budget *int, depth int) []*cert.Certificate {
	path := []*cert.Certificate{c}
	if anchor(c.ID) || depth >= maxChain || c.SelfIssued() && edges.Signed(c, c) {
		return path
	}
	seen[c.ID] = true
	defer delete(seen, c.ID)
	var best []*cert.Certificate
	for _, i := range p.issuers(c, anchor) {
		if seen[i.ID] || *budget <= 0 {
			continue
		}
		*budget--
		if !edges.Signed(c, i) {
			continue
		}
		up := p.chain(i, anchor, edges, seen, budget, depth+1)
		if anchor(up[len(up)-1].ID) {
			return append(path, up...)
		}
		if len(up) > len(best) {
			best = up
		}
	}
	return append(path, best...)
}

// issuers lists candidates, most likely first: one name may stand for several
// keys, so the key identifier decides before the name, and anchors before
// cross certificates.
func (p *Pool) issuers(c *cert.Certificate, anchor func(string) bool) []*cert.Certificate {
	all := p.Subject(c.Issuer.Key())
	if aki := c.Ext.AuthorityKeyID; len(aki) > 0 && len(all) == 0 {
		all = p.KeyID(aki)
	}
	rank := func(i *cert.Certificate) int {
		r := 4
		if aki := c.Ext.AuthorityKeyID; len(aki) > 0 && bytes.Equal(aki, i.Ext.SubjectKeyID) {
			r -= 2
		}
		if anchor(i.ID) {
			r--
		}
		return r
	}
	out := make([]*cert.Certificate, 0, len(all))
	for want := 0; want <= 4; want++ {
		for _, i := range all {
			if i.ID != c.ID && rank(i) == want {
				out = append(out, i)
			}
		}
	}
	return out
}

// All certificates by id.
func (p *Pool) All() []*cert.Certificate {
	var out []*cert.Certificate
	for q := p; q != nil; q = q.parent {
		for _, c := range q.byID {
			out = append(out, c)
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].ID < out[j].ID })
	return out
}
