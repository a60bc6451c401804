package signature

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"

	"mist/signature/cert"
	"mist/signature/facts"
	"mist/signature/trust"
)

// attach adds everything revocation data says about one certificate. Without
// an issuer nothing can be said: an OCSP answer is about an issuer's key.
func (g *gatherer) attach(n pending) {
	at := g.emitted[n.c.ID]
	f := &g.f.Certificates[at]
	if len(f.Trusted) > 0 || f.SelfSign || f.IssuerID == "" {
		return
	}
	issuer, ok := g.pool.Get(f.IssuerID)
	if !ok {
		return
	}
	infos := g.answers(n.c, issuer)
	online := n.signer && g.policy.rule(ctxSignature+subSigner, "OnlineStatus").Level != LevelIgnore
	if (len(infos) == 0 || online) && g.wanted(n) && g.fetch(n.c, issuer) {
		infos = g.answers(n.c, issuer)
	}
	g.f.Certificates[at].Revocation = infos // emit may have moved the slice
}

// wanted says whether the policy has any use for revocation data.
func (g *gatherer) wanted(n pending) bool {
	if g.v.config.Fetcher == nil || n.c.Ext.OCSPNoCheck {
		return false
	}
	for _, ctx := range []string{ctxSignature, ctxTimestamp, ctxRevocation} {
		for _, sub := range []string{subSigner, subCA} {
			if g.policy.rule(ctx+sub, "RevocationDataAvailable").Level == LevelFail {
				return true
			}
		}
	}
	return false
}

// fetch gets an OCSP answer, or a CRL when no responder answers.
func (g *gatherer) fetch(c, issuer *cert.Certificate) bool {
	request := trust.OCSPRequest(c, issuer, nil)
	for _, url := range c.Ext.OCSP {
		if !g.mayFetch(url + "#" + c.ID) {
			continue
		}
		b, err := g.v.config.Fetcher.OCSP(g.ctx, url, request)
		if err != nil {
			continue
		}
		before := len(g.ocsps)
		g.revocation(facts.KindOCSP, b, facts.OriginFetched, url)
		if len(g.ocsps) > before {
			return true
		}
	}
	got := false
	for _, list := range [][]string{c.Ext.CRL, c.Ext.FreshestCRL} {
		for _, url := range list {
			if !g.mayFetch(url) {
				continue
			}
			b, err := g.v.config.Fetcher.CRL(g.ctx, url)
			if err != nil {
				continue
			}
			g.revocation(facts.KindCRL, b, facts.OriginFetched, url)
			got = true
			break
		}
	}
	return got
}

// answers looks through all OCSP responses and CRLs at hand.
func (g *gatherer) answers(c, issuer *cert.Certificate) []facts.CertificateInfo {
	var out []facts.CertificateInfo
	for i := range g.ocsps {
		o := g.ocsps[i]
		for k, a := range o.Answers {
			if a.Matches(c, issuer) {
				out = append(out, g.ocspFact(o, k, c, issuer))
			}
		}
	}
	var bases, deltas []foundCRL
	for _, l := range g.crls {
		if !l.Covers(c) {
			continue
		}
		if l.IsDelta() {
			deltas = append(deltas, l)
		} else {
			bases = append(bases, l)
		}
	}
	for _, l := range bases {
		info := facts.CertificateInfo{Revocation: l.ID, Status: facts.StatusGood}
		if e, ok := l.Lookup(c.SerialRaw); ok && !e.Issuer {
			info.Status, info.RevokedAt, info.Reason = facts.StatusRevoked, facts.TimePtr(e.At), e.Reason
		}
		g.crlFact(l, "", issuer)
		out = append(out, info)
	}
	for _, d := range deltas {
		if info, base, ok := combine(d, bases, c); ok {
			g.crlFact(d, base, issuer)
			out = append(out, info)
		}
	}
	return out
}

// combine reads a delta CRL over the newest complete CRL it may be applied to
// (RFC 5280, 5.2.4): same issuer and key, base at least BaseCRLNumber, delta
// not older than the base. A delta without a base says nothing.
func combine(d foundCRL, bases []foundCRL, c *cert.Certificate) (facts.CertificateInfo, string, bool) {
	var base *foundCRL
	for i := range bases {
		b := &bases[i]
		if b.Number == nil || d.Number == nil || b.Number.Cmp(d.DeltaBase) < 0 || d.Number.Cmp(b.Number) < 0 ||
			!bytes.Equal(b.AuthorityKeyID, d.AuthorityKeyID) {
			continue
		}
		if base == nil || b.Number.Cmp(base.Number) > 0 {
			base = b
		}
	}
	if base == nil {
		return facts.CertificateInfo{}, "", false
	}
	info := facts.CertificateInfo{Revocation: d.ID, Status: facts.StatusGood}
	if e, ok := base.Lookup(c.SerialRaw); ok && !e.Issuer {
		info.Status, info.RevokedAt, info.Reason = facts.StatusRevoked, facts.TimePtr(e.At), e.Reason
	}
	if e, ok := d.Lookup(c.SerialRaw); ok && !e.Issuer {
		if e.Reason == trust.ReasonRemove {
			info = facts.CertificateInfo{Revocation: d.ID, Status: facts.StatusGood}
		} else {
			info.Status, info.RevokedAt, info.Reason = facts.StatusRevoked, facts.TimePtr(e.At), e.Reason
		}
	}
	return info, base.ID, true
}

func (g *gatherer) crlFact(l foundCRL, base string, issuer *cert.Certificate) {
	if g.revs[l.ID] {
		return
	}
	g.revs[l.ID] = true
	f := facts.Revocation{
		ID: l.ID, Kind: facts.KindCRL, Origin: l.origin, Source: l.source, DER: l.Raw, Base: base,
		ProducedAt: facts.Time(l.ThisUpdate), ThisUpdate: facts.TimePtr(l.ThisUpdate), NextUpdate: facts.TimePtr(l.NextUpdate),
		Algorithm:      facts.Algorithm{Encryption: l.Scheme.Encryption, Digest: string(l.Scheme.Digest)},
		SignatureValue: facts.OutcomeUnknown, ResponderMatch: true, ExpiredCerts: facts.TimePtr(l.ExpiredCerts),
	}
	candidates := append([]*cert.Certificate{issuer}, g.pool.Subject(l.Issuer.Key())...)
	signer := g.signedBy(candidates, func(c *cert.Certificate) error {
		if len(l.AuthorityKeyID) > 0 && len(c.Ext.SubjectKeyID) > 0 && !bytes.Equal(l.AuthorityKeyID, c.Ext.SubjectKeyID) {
			return errOtherKey
		}
		return g.edges.List(l.CRL, c)
	}, &f)
	if signer != nil {
		// The CRL issuer is the certificate issuer by name, and its key may
		// sign CRLs.
		f.Authorised = signer.Subject.Equal(issuer.Subject) && (!signer.Ext.KeyUsagePresent || contains(signer.Ext.KeyUsage, "crlSign"))
	}
	g.f.Revocations = append(g.f.Revocations, f)
	if signer != nil {
		g.setChain(l.ID, signer)
	}
}

// setChain builds the chain of a revocation signer; done after the fact is in
// the list, as it may lead to more.
func (g *gatherer) setChain(id string, signer *cert.Certificate) {
	chain := g.chain(signer, false)
	for i := range g.f.Revocations {
		if g.f.Revocations[i].ID == id {
			g.f.Revocations[i].Chain = chain
		}
	}
}

type otherKey struct{}

func (otherKey) Error() string { return "signed with another key of that name" }

var errOtherKey = otherKey{}

// signedBy finds which candidate signed; the first that verifies wins.
func (g *gatherer) signedBy(candidates []*cert.Certificate, check func(*cert.Certificate) error, f *facts.Revocation) *cert.Certificate {
	seen := map[string]bool{}
	for _, c := range candidates {
		if c == nil || seen[c.ID] || len(seen) > 16 {
			continue
		}
		seen[c.ID] = true
		c = g.edges.Intern(c)
		err := check(c)
		if err == nil {
			f.SignatureValue, f.Signer = facts.OutcomeGood, c.ID
			f.Algorithm.KeyBits, f.Algorithm.Curve = c.KeyAlgorithm().KeyBits, c.KeyAlgorithm().Curve
			return c
		}
		if err != errOtherKey {
			f.SignatureValue = facts.OutcomeBad
		}
	}
	return nil
}

func (g *gatherer) ocspFact(o foundOCSP, k int, c, issuer *cert.Certificate) facts.CertificateInfo {
	a := o.Answers[k]
	id := o.ID
	if k > 0 {
		id = fmt.Sprintf("%s#%d", o.ID, k+1)
	}
	info := facts.CertificateInfo{Revocation: id, Status: a.Status, RevokedAt: facts.TimePtr(a.RevokedAt), Reason: a.Reason}
	if g.revs[id] {
		return info
	}
	g.revs[id] = true
	f := facts.Revocation{
		ID: id, Kind: facts.KindOCSP, Origin: o.origin, Source: o.source, DER: o.Raw,
		ProducedAt: facts.Time(o.ProducedAt), ThisUpdate: facts.TimePtr(a.ThisUpdate), NextUpdate: facts.TimePtr(a.NextUpdate),
		Algorithm:      facts.Algorithm{Encryption: o.Scheme.Encryption, Digest: string(o.Scheme.Digest)},
		SignatureValue: facts.OutcomeUnknown, ArchiveCutOff: facts.TimePtr(a.ArchiveCutOff), CertHash: a.CertHashMatch(c),
	}
	for _, p := range o.Problems {
		f.Problems = append(f.Problems, facts.Problem{Code: facts.ProblemMalformed, Detail: p})
	}
	var candidates []*cert.Certificate
	for _, der := range o.Certificates {
		if x := g.pool.Known(der); x != nil {
			candidates = append(candidates, x)
		}
	}
	candidates = append(candidates, issuer)
	if o.ResponderName != nil {
		candidates = append(candidates, g.pool.Subject(o.ResponderName.Key())...)
	} else {
		candidates = append(candidates, g.pool.KeyID(o.ResponderKey)...)
	}
	// Whom the responder id names is tried first: a check is a verification.
	slices.SortStableFunc(candidates, func(a, b *cert.Certificate) int {
		return cmp.Compare(rankResponder(o.OCSP, a), rankResponder(o.OCSP, b))
	})
	signer := g.signedBy(candidates, o.CheckSignature, &f)
	if signer != nil {
		f.ResponderMatch = o.RespondedBy(signer)
		f.Authorised = g.mayRespond(signer, issuer)
	}
	g.f.Revocations = append(g.f.Revocations, f)
	if signer != nil {
		g.setChain(id, signer)
	}
	return info
}

// rankResponder is 0 for certificates that the responder id seems to name.
func rankResponder(o *trust.OCSP, c *cert.Certificate) int {
	if o.ResponderName != nil && o.ResponderName.Equal(c.Subject) ||
		len(o.ResponderKey) > 0 && bytes.Equal(o.ResponderKey, c.Ext.SubjectKeyID) {
		return 0
	}
	return 1
}

// mayRespond is RFC 6960, 4.2.2.2: the CA itself, a responder the CA has
// delegated (issued under its name, extended key usage OCSPSigning), or one
// that is trusted locally for this.
func (g *gatherer) mayRespond(r, issuer *cert.Certificate) bool {
	if r.ID == issuer.ID || r.Subject.Equal(issuer.Subject) && bytes.Equal(r.SPKI, issuer.SPKI) {
		return true
	}
	for _, t := range g.snap.Anchor(r.ID) {
		if len(t.Purposes) == 1 && t.Purposes[0] == facts.PurposeOCSP {
			return true
		}
	}
	if !r.HasExtKeyUsage(cert.EKUOCSPSigning) || !r.Issuer.Equal(issuer.Subject) {
		return false
	}
	if g.edges.Signed(r, issuer) {
		return true
	}
	// One CA name may stand for several keys (DSTU, ECDSA and RSA chains of
	// one provider); the responder may be under another of them, if that CA
	// certificate leads to an anchor too.
	for _, i := range g.pool.Subject(r.Issuer.Key()) {
		if g.edges.Signed(r, i) {
			path := g.pool.Chain(i, func(id string) bool { return g.snap.Anchor(id) != nil }, g.edges)
			if g.snap.Anchor(path[len(path)-1].ID) != nil {
				return true
			}
		}
	}
	return false
}
