package signature

import (
	"time"

	"mist/signature/facts"
)

const maxRevocationDepth = 6

// selectRevocation takes the newest acceptable answer about c. usable is
// false when there is none; used may then still be nil.
func (j *judge) selectRevocation(sub string, c *facts.Certificate, at time.Time) (used *facts.CertificateInfo, usable bool) {
	var when time.Time
	for i := range c.Revocation {
		info := c.Revocation[i]
		rev := j.revs[info.Revocation]
		if rev == nil {
			continue
		}
		if j.acceptable(sub, c, info, at).Conclusion.Indication != Passed {
			continue
		}
		t := rev.ProducedAt
		if used == nil || t.After(when) {
			used, when = &c.Revocation[i], t
		}
	}
	return used, used != nil
}

// bestRefusal returns the block of the newest answer that was not acceptable.
func (j *judge) bestRefusal(sub string, c *facts.Certificate, at time.Time) *acceptance {
	var best *acceptance
	var when time.Time
	for _, info := range c.Revocation {
		rev := j.revs[info.Revocation]
		if rev == nil {
			continue
		}
		x := j.acceptable(sub, c, info, at)
		if x.Conclusion.Indication != Passed && (best == nil || rev.ProducedAt.After(when)) {
			best, when = x, rev.ProducedAt
		}
	}
	return best
}

// acceptable decides whether one revocation answer may be used for c: it is
// genuine, from someone entitled to give it, and speaks about the right time.
func (j *judge) acceptable(sub string, c *facts.Certificate, info facts.CertificateInfo, at time.Time) *acceptance {
	key := sub + info.Revocation + c.ID
	if x := j.accepted[key]; x != nil {
		return x
	}
	out := &acceptance{}
	b := newBlock("RAC", info.Revocation)
	// A revocation answer that is validated with itself proves nothing: the
	// memo answers "not acceptable" while it is being worked out.
	guard := newBlock("RAC", info.Revocation)
	guard.must("RevocationIssuerKnown", info.Revocation, false, indeterminate(CertificateChainGeneralFailure), "circular")
	out.Block = guard.Block
	j.accepted[key] = out
	out.expired = j.accept(b, c, info, at)
	out.Block = b.Block
	return out
}

// acceptance is the memo of one decision. expired: the responder's own
// certificate is out of its period at the validation time; the answer is
// still what was said then, and a rule of its own decides about it.
type acceptance struct {
	Block
	expired bool
}

func (j *judge) accept(b *builder, c *facts.Certificate, info facts.CertificateInfo, at time.Time) (expired bool) {
	rev := j.revs[info.Revocation]
	rule := j.p.rules(ctxRevocation)
	no := indeterminate(CertificateChainGeneralFailure)
	for _, p := range rev.Problems {
		if refusals[p.Code] || formatProblems[p.Code] {
			b.must("Format", rev.ID, false, no.because(string(p.Code)), p.Detail)
		}
	}
	b.check(rule.of("UnknownStatus"), "UnknownStatus", rev.ID, info.Status != facts.StatusUnknown, no, "")
	b.check(rule.of("ThisUpdatePresent"), "ThisUpdatePresent", rev.ID, rev.ThisUpdate != nil, no, "")
	if rev.ThisUpdate != nil {
		future := rule.of("NotInFuture")
		b.check(future, "NotInFuture", rev.ID, !rev.ThisUpdate.After(j.now.Add(time.Duration(future.Duration))), indeterminate(TryLater), "issued after the validation time")
	}
	signer := j.certs[rev.Signer]
	b.check(rule.of("RevocationIssuerKnown"), "RevocationIssuerKnown", rev.ID, signer != nil, no, "")
	if b.done {
		return false
	}
	b.check(rule.of("RevocationIssuerValidAtProductionTime"), "RevocationIssuerValidAtProductionTime", rev.ID,
		signer == nil || !rev.ProducedAt.Before(signer.NotBefore) && !rev.ProducedAt.After(signer.NotAfter), no, "")
	if rev.ThisUpdate != nil {
		b.check(rule.of("RevocationAfterCertificateIssuance"), "RevocationAfterCertificateIssuance", rev.ID, !rev.ThisUpdate.Before(c.NotBefore), no, "")
		b.check(rule.of("RevocationHasInformationAboutCertificate"), "RevocationHasInformationAboutCertificate", rev.ID, knows(rev, c), no, "")
	}
	if rev.Kind == facts.KindOCSP {
		b.check(rule.of("OCSPResponderIdMatch"), "OCSPResponderIdMatch", rev.ID, rev.ResponderMatch, no, "")
		self := len(rev.Chain) > 0 && contains(rev.Chain, c.ID)
		b.check(rule.of("SelfIssuedOCSP"), "SelfIssuedOCSP", rev.ID, !self, no, "")
		if self {
			return false
		}
	}
	b.must("Authorised", rev.ID, rev.Authorised, no, "the responder is not entitled to speak for the issuer")
	b.check(rule.of("SignatureIntact"), "SignatureIntact", rev.ID, rev.SignatureValue == facts.OutcomeGood, no, "")
	if b.done || j.depth > maxRevocationDepth {
		b.must("RevocationIssuerKnown", rev.ID, !(j.depth > maxRevocationDepth), no, "chain of revocation data is too long")
		return false
	}
	x := j.chainCheck(ctxRevocation, rev.ID, rev.Chain, at)
	b.Blocks = append(b.Blocks, x.Block)
	switch c := x.Conclusion; {
	case c.Indication == Passed:
	case c.SubIndication == OutOfBoundsNoPOE || c.SubIndication == OutOfBoundsNotRevoked || c.SubIndication == RevocationOutOfBoundsNoPOE:
		expired = true
	case c.SubIndication == CryptoConstraintsFailureNoPOE:
		b.must("RevocationIssuerChain", rev.ID, false, indeterminate(CryptoConstraintsFailureNoPOE), "")
	default:
		b.must("RevocationIssuerChain", rev.ID, false, no, "")
	}
	j.algorithms(b, rule.of("Cryptographic"), rev.ID, rev.Algorithm, at)
	return expired
}

// knows says whether the issuer of the answer still kept the status of c:
// made before c expired, or its issuer says it keeps expired ones
// (RFC 6960, 4.4.4, X.509 expiredCertsOnCRL), or it names c by hash.
func knows(rev *facts.Revocation, c *facts.Certificate) bool {
	if rev.ThisUpdate != nil && !rev.ThisUpdate.After(c.NotAfter) || rev.CertHash != nil && *rev.CertHash {
		return true
	}
	for _, t := range []*time.Time{rev.ExpiredCerts, rev.ArchiveCutOff} {
		if t != nil && !t.After(c.NotAfter) {
			return true
		}
	}
	return false
}
