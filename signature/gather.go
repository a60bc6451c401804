package signature

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"

	"mist/signature/algo"
	"mist/signature/cert"
	"mist/signature/cms"
	"mist/signature/facts"
	"mist/signature/trust"
)

// gatherer turns a reading into facts: it parses what was found, builds
// chains, checks every signature on the way and attaches revocation data. It
// asks the policy only one thing: whether an online answer is wanted.
type gatherer struct {
	ctx     context.Context
	v       *Verifier
	snap    *trust.Snapshot
	policy  Policy
	pool    *trust.Pool
	edges   *trust.Edges
	origins map[string][]string
	ocsps   []foundOCSP
	crls    []foundCRL
	f       *facts.Facts

	emitted   map[string]int // certificate id -> index in f.Certificates
	revs      map[string]bool
	fetched   map[string]bool // URLs tried
	queue     []pending
	fetchLeft int
}

type pending struct {
	c      *cert.Certificate
	signer bool // signer of a signature: an online answer may be demanded
}

type foundOCSP struct {
	*trust.OCSP
	origin, source string
}

type foundCRL struct {
	*trust.CRL
	origin, source string
}

// maxFetches bounds network work for one document.
const maxFetches = 24

func (v *Verifier) gather(ctx context.Context, r *facts.Reading, doc facts.Document, p Policy) (*facts.Facts, error) {
	snap := v.config.Trust.Snapshot()
	g := &gatherer{
		ctx: ctx, v: v, snap: snap, policy: p, pool: snap.Pool().Over(), edges: snap.Edges(),
		origins: map[string][]string{}, emitted: map[string]int{}, revs: map[string]bool{}, fetched: map[string]bool{},
		fetchLeft: maxFetches,
		f: &facts.Facts{
			Version: facts.Version, Document: doc, Container: r.Container, Signatures: r.Signatures,
			Timestamps: make([]facts.Timestamp, 0, len(r.Tokens)), Certificates: make([]facts.Certificate, 0, 8), Revocations: make([]facts.Revocation, 0, 4),
			UnsignedParts: append([]string{}, r.UnsignedParts...), Problems: r.Problems, TrustVersion: snap.Version(),
		},
	}
	if g.f.Signatures == nil {
		g.f.Signatures = []facts.Signature{}
	}
	for _, e := range r.Certificates {
		if c := g.known(e); c != nil && e.Signature != "" {
			g.link(e.Signature, func(s *facts.Signature) *[]string { return &s.Certificates }, c.ID)
		}
	}
	idOf := func(e facts.Encoded) string {
		if e.ID != "" {
			return e.ID
		}
		return facts.ID("R", e.DER)
	}
	for _, e := range r.Revocations {
		g.revocation(e.Kind, e.DER, e.Origin, "")
		if e.Signature != "" {
			g.link(e.Signature, func(s *facts.Signature) *[]string { return &s.Revocations }, idOf(e))
		}
	}
	for _, l := range snap.CRLs() {
		g.crls = append(g.crls, foundCRL{l, facts.OriginStore, ""})
	}
	for i := range r.Tokens {
		g.token(&r.Tokens[i])
	}
	for i := range g.f.Signatures {
		s := &g.f.Signatures[i]
		if c, ok := g.pool.Get(s.SigningCertificate.Certificate); ok {
			s.Chain = g.chain(c, s.Parent == "")
		}
		if s.Chain == nil {
			s.Chain = []string{}
		}
	}
	if err := g.drain(); err != nil {
		return nil, err
	}
	return g.f, nil
}

func (g *gatherer) link(id string, list func(*facts.Signature) *[]string, value string) {
	for i := range g.f.Signatures {
		if g.f.Signatures[i].ID == id {
			if l := list(&g.f.Signatures[i]); !contains(*l, value) {
				*l = append(*l, value)
			}
		}
	}
}

// known is certificate for what a reader may have parsed already.
func (g *gatherer) known(e facts.Encoded) *cert.Certificate {
	if c, ok := e.Parsed.(*cert.Certificate); ok {
		return g.add(c, e.Origin)
	}
	return g.certificate(e.DER, e.Origin)
}

func (g *gatherer) certificate(der []byte, origin string) *cert.Certificate {
	if c := g.pool.Known(der); c != nil {
		return g.add(c, origin)
	}
	if c := g.edges.Known(der); c != nil {
		return g.add(c, origin)
	}
	c, err := cert.Parse(der)
	if err != nil {
		return nil
	}
	return g.add(c, origin)
}

func (g *gatherer) add(c *cert.Certificate, origin string) *cert.Certificate {
	// The store's own copy comes first: that is the one the pool answers with,
	// so that is the one whose key gets its tables.
	have, ok := g.pool.Get(c.ID)
	if ok {
		c = g.edges.Intern(have)
	} else {
		c = g.edges.Keep(c)
		g.pool.Add(c)
	}
	if !contains(g.origins[c.ID], origin) {
		g.origins[c.ID] = append(g.origins[c.ID], origin)
	}
	return c
}

func (g *gatherer) revocation(kind string, der []byte, origin, source string) {
	switch kind {
	case facts.KindCRL:
		if l, err := trust.ParseCRL(trust.PEMOrDER(der)); err == nil {
			for _, have := range g.crls {
				if have.ID == l.ID {
					return
				}
			}
			g.crls = append(g.crls, foundCRL{l, origin, source})
		}
	case facts.KindOCSP:
		if o, err := trust.ParseOCSP(der); err == nil {
			for _, have := range g.ocsps {
				if have.ID == o.ID {
					return
				}
			}
			g.ocsps = append(g.ocsps, foundOCSP{o, origin, source})
			for _, der := range o.Certificates {
				g.certificate(der, facts.OriginOCSP)
			}
		}
	}
}

// chain builds the path of c, emits its certificates and returns their ids.
func (g *gatherer) chain(c *cert.Certificate, signer bool) []string {
	isAnchor := func(id string) bool { return g.snap.Anchor(id) != nil }
	path := g.pool.Chain(c, isAnchor, g.edges)
	if !isAnchor(path[len(path)-1].ID) && g.complete(path[len(path)-1]) {
		path = g.pool.Chain(c, isAnchor, g.edges)
	}
	ids := make([]string, len(path))
	for i, x := range path {
		ids[i] = x.ID
		g.emit(x, path[i:], path[:i], signer && i == 0)
	}
	return ids
}

// complete fetches the issuer of the last certificate of a broken path.
func (g *gatherer) complete(last *cert.Certificate) bool {
	if g.v.config.Fetcher == nil || last.SelfIssued() {
		return false
	}
	for _, url := range last.Ext.CAIssuers {
		if !g.mayFetch(url) {
			continue
		}
		b, err := g.v.config.Fetcher.Certificate(g.ctx, url)
		if err != nil {
			continue
		}
		certs, _, err := trust.ParseCertificates(b)
		if err != nil {
			continue
		}
		for _, c := range certs {
			g.certificate(c.Raw, facts.OriginFetched)
		}
		return true
	}
	return false
}

func (g *gatherer) mayFetch(url string) bool {
	if g.fetched[url] || g.fetchLeft <= 0 || g.ctx.Err() != nil {
		return false
	}
	g.fetched[url] = true
	g.fetchLeft--
	return true
}

// emit adds a certificate to the facts once; up is its path, itself first,
// below the certificates under it in this chain.
func (g *gatherer) emit(c *cert.Certificate, up, below []*cert.Certificate, signer bool) {
	if at, ok := g.emitted[c.ID]; ok {
		f := &g.f.Certificates[at]
		if c.Ext.NameConstraints {
			f.Ext.NameConstraintsOK = f.Ext.NameConstraintsOK && permits(c, below)
		}
		return
	}
	subject, issuedBy, serial := c.Texts()
	f := facts.Certificate{
		ID: c.ID, DER: c.Raw, Subject: subject, Issuer: issuedBy, Serial: serial,
		NotBefore: facts.Time(c.NotBefore), NotAfter: facts.Time(c.NotAfter),
		Key:       c.KeyAlgorithm(),
		Algorithm: facts.Algorithm{Encryption: c.Scheme.Encryption, Digest: string(c.Scheme.Digest)},
		Signature: facts.OutcomeUnknown, Identity: c.Identity, Ext: c.Ext,
		Trusted: g.snap.Anchor(c.ID), Origins: g.origins[c.ID],
	}
	if len(f.Origins) == 0 {
		f.Origins = []string{facts.OriginStore}
	}
	if c.Ext.NameConstraints {
		f.Ext.NameConstraintsOK = permits(c, below)
	}
	issuer := c
	switch {
	case len(up) > 1:
		issuer = up[1]
		f.Signature = facts.OutcomeGood
	case c.SelfIssued() && g.edges.Signed(c, c):
		f.Signature, f.SelfSign = facts.OutcomeGood, true
	default:
		issuer = nil
		// An issuer of that name and key is at hand but did not sign it.
		for _, i := range g.pool.Subject(c.Issuer.Key()) {
			if len(c.Ext.AuthorityKeyID) > 0 && bytes.Equal(c.Ext.AuthorityKeyID, i.Ext.SubjectKeyID) {
				f.Signature = facts.OutcomeBad
			}
		}
	}
	f.SelfSign = f.SelfSign || c.SelfIssued() && g.edges.Signed(c, c)
	if issuer != nil {
		f.IssuerID = issuer.ID
		f.IssuerNameMatch = c.Issuer.Equal(issuer.Subject)
		f.Algorithm.KeyBits, f.Algorithm.Curve = issuer.KeyAlgorithm().KeyBits, issuer.KeyAlgorithm().Curve
	}
	for _, x := range up[1:] {
		f.Chain = append(f.Chain, x.ID)
	}
	g.emitted[c.ID] = len(g.f.Certificates)
	g.f.Certificates = append(g.f.Certificates, f)
	g.queue = append(g.queue, pending{c, signer})
}

func permits(ca *cert.Certificate, below []*cert.Certificate) bool {
	for _, b := range below {
		if !b.SelfIssued() && !ca.PermitsNames(b) {
			return false
		}
	}
	return true
}

// drain attaches revocation data to every emitted certificate; that may emit
// the certificates of responders, which are treated the same way.
func (g *gatherer) drain() error {
	for len(g.queue) > 0 {
		if err := g.ctx.Err(); err != nil {
			return err
		}
		n := g.queue[0]
		g.queue = g.queue[1:]
		if len(g.emitted) > 256 {
			return fmt.Errorf("gathering revocation data: %w", facts.ErrTooLarge)
		}
		g.attach(n)
	}
	return nil
}

// token parses a time-stamp and checks imprint and signature.
func (g *gatherer) token(t *facts.Token) {
	out := facts.Timestamp{
		ID: facts.ID("T", t.DER), Signature: t.Signature, Type: t.Type, ArchiveType: t.ArchiveType, Token: t.DER,
		Covers: t.Covers, MoreDigests: t.Digests, Chain: []string{}, SignatureValue: facts.OutcomeUnknown, HashIndexValid: t.HashIndex,
		Imprint: facts.DigestMatch{Kind: facts.MatchImprint},
	}
	// The same token twice keeps two ids.
	first := out.ID
	for n := 2; g.hasToken(out.ID); n++ {
		out.ID = fmt.Sprintf("%s#%d", first, n)
		out.Problems = []facts.Problem{{Code: facts.RemarkStructure, Detail: "the same token occurs more than once"}}
	}
	g.readToken(t, &out)
	if out.Time.IsZero() && out.SignatureValue == facts.OutcomeUnknown {
		out.Problems = append(out.Problems, facts.Problem{Code: facts.ProblemMalformed, Detail: "token cannot be read"})
	}
	g.f.Timestamps = append(g.f.Timestamps, out)
	if t.Signature != "" {
		g.link(t.Signature, func(s *facts.Signature) *[]string { return &s.Timestamps }, out.ID)
	}
}

func (g *gatherer) hasToken(id string) bool {
	for i := range g.f.Timestamps {
		if g.f.Timestamps[i].ID == id {
			return true
		}
	}
	return false
}

func (g *gatherer) readToken(t *facts.Token, out *facts.Timestamp) {
	tok, err := cms.ParseToken(t.DER)
	if err != nil {
		return
	}
	out.Time = facts.Time(tok.Time)
	out.Policy = tok.Policy
	out.Serial = tok.Serial.String()
	out.Imprint.Algorithm = string(tok.Digest)

	var embedded []*cert.Certificate
	for _, der := range tok.SignedData.Certificates {
		if c := g.certificate(der, facts.OriginTimestamp); c != nil {
			embedded = append(embedded, c)
		}
	}
	for _, der := range tok.SignedData.CRLs {
		g.revocation(facts.KindCRL, der, facts.OriginTimestamp, "")
	}
	for _, der := range tok.SignedData.OCSPs {
		g.revocation(facts.KindOCSP, der, facts.OriginTimestamp, "")
	}
	s := tok.SignedData.Signers[0]
	who, ref, problems := s.Identify(embedded, g.pool.Match)
	out.Signer = ref
	out.Problems = append(out.Problems, problems...)
	scheme, digest, problems := s.Scheme()
	out.Problems = append(out.Problems, problems...)
	out.Algorithm = facts.Algorithm{Encryption: scheme.Encryption, Digest: string(scheme.Digest)}

	if who != nil {
		who = g.edges.Intern(who) // one the store knew does not pass through add
		g.pool.Add(who)
		out.Algorithm.KeyBits, out.Algorithm.Curve = who.KeyAlgorithm().KeyBits, who.KeyAlgorithm().Curve
		if tok.TSA != nil {
			m := tok.TSA.Equal(who.Subject)
			out.TSANameMatch = &m
			out.TSAName = tok.TSA.String()
		}
		if who.Key != nil {
			out.SignatureValue = tokenValue(tok, s, who, scheme.Digest == "" || digest == "", &out.Problems)
		}
		out.Chain = g.chain(who, false)
	}
	if tok.Digest == "" || t.Message == nil {
		return
	}
	values, err := digests(tok.Digest, who, t.Message)
	if err != nil {
		return
	}
	out.Imprint.Found = true
	out.Imprint.Intact = anyEqual(values, tok.Imprint)
}

// digests of what write writes. GOST 34.311 values of time-stamp units were
// made with DKE 1 or with the S-box of the unit's key.
func digests(d algo.Digest, who *cert.Certificate, write func(io.Writer) error) ([][]byte, error) {
	hs := []hash.Hash{d.New(nil)}
	if d == algo.GOST34311 && who != nil && who.Key.OwnSBox() != nil {
		hs = append(hs, d.New(who.Key.OwnSBox()))
	}
	ws := make([]io.Writer, len(hs))
	for i, h := range hs {
		ws[i] = h
	}
	if err := write(io.MultiWriter(ws...)); err != nil {
		return nil, err
	}
	out := make([][]byte, len(hs))
	for i, h := range hs {
		out[i] = h.Sum(nil)
	}
	return out, nil
}

func anyEqual(values [][]byte, want []byte) bool {
	for _, v := range values {
		if cms.DigestEqual(v, want) {
			return true
		}
	}
	return false
}

// tokenValue checks message digest and signature value of the token's signer.
func tokenValue(tok *cms.Token, s *cms.SignerInfo, who *cert.Certificate, unsupported bool, problems *[]facts.Problem) facts.Outcome {
	if unsupported || s.SignedRaw == nil {
		return facts.OutcomeUnknown
	}
	scheme, digest, _ := s.Scheme()
	want, present, ok := s.MessageDigest()
	if !present || !ok {
		return facts.OutcomeBad
	}
	if v := cms.Values(s.Signed, cms.AttrContentType); len(v) == 1 {
		if oid, err := v[0].OID(); err != nil || oid != cms.OIDTSTInfo {
			*problems = append(*problems, facts.Problem{Code: facts.ProblemContentType})
		}
	}
	values, err := digests(digest, who, func(w io.Writer) error { _, err := w.Write(tok.SignedData.Content); return err })
	if err != nil || !anyEqual(values, want) {
		return facts.OutcomeBad
	}
	value, _ := s.VerifyValue(who.Key, scheme)
	return value
}

// describe hashes the input in one pass.
func describe(src facts.Source, name, format string) (facts.Document, error) {
	h := sha256.New()
	size := src.Size()
	n, err := copyTo(h, src, size)
	if err != nil {
		return facts.Document{}, fmt.Errorf("reading the document: %w", err)
	}
	if n != size {
		return facts.Document{}, errors.New("reading the document: shorter than announced")
	}
	return facts.Document{Name: name, Format: format, Size: n, SHA256: h.Sum(nil)}, nil
}

// copyTo writes the whole of src; bytes in memory are not copied on the way.
func copyTo(w io.Writer, src facts.Source, size int64) (int64, error) {
	if b, ok := facts.InMemory(src); ok {
		n, err := w.Write(b)
		return int64(n), err
	}
	buf := make([]byte, min(size, 64<<10)+1)
	return io.CopyBuffer(writerOnly{w}, io.NewSectionReader(src, 0, size), buf)
}

// writerOnly keeps io.CopyBuffer on the buffer it is given.
type writerOnly struct{ io.Writer }
