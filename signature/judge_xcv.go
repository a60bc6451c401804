package signature

import (
	"time"

	"mist/signature/facts"
)

// purposeOf maps a rule context to the purpose an anchor must have.
func purposeOf(ctx string) string {
	switch ctx {
	case ctxTimestamp:
		return facts.PurposeTSA
	case ctxRevocation:
		return facts.PurposeOCSP
	}
	return facts.PurposeSigner
}

// anchored says whether a certificate is a trust anchor for the purpose, and
// whether it still was at time at. An anchor that issues signers also vouches
// for the time-stamp and OCSP units below it; one listed for a single purpose
// does not.
func anchored(c *facts.Certificate, purpose string, at time.Time) (is, inPeriod bool) {
	for _, t := range c.Trusted {
		if len(t.Purposes) > 0 && !contains(t.Purposes, purpose) {
			continue
		}
		is = true
		if (t.From == nil || !at.Before(*t.From)) && (t.Until == nil || !at.After(*t.Until)) {
			inPeriod = true
		}
	}
	return
}

// chainCheck is block XCV (5.2.6) at time at: path to an anchor, then every
// certificate below it.
func (j *judge) chainCheck(ctx, id string, chain []string, at time.Time) *builder {
	b := newBlock("XCV", id)
	purpose := purposeOf(ctx)
	anchor, sunset := -1, false
	for i, cid := range chain {
		c := j.certs[cid]
		if c == nil {
			break
		}
		if is, in := anchored(c, purpose, at); is {
			anchor, sunset = i, !in
			break
		}
	}
	if !b.check(j.p.rule(ctx, "ProspectiveCertificateChain"), "ProspectiveCertificateChain", id, anchor >= 0,
		indeterminate(NoCertificateChainFound), "no path to a trust anchor") {
		return b
	}
	if anchor < 0 {
		anchor = len(chain)
	}
	if sunset {
		sub := ctx + subCA
		if anchor == 0 {
			sub = ctx + subSigner
		}
		b.check(j.p.rule(sub, "SunsetDate"), "SunsetDate", chain[anchor], false,
			indeterminate(NoCertificateChainFoundNoPOE), "the anchor was not trusted at this time")
	}
	j.depth++
	defer func() { j.depth-- }()
	// The path first (RFC 5280, 6.1), then what became of its certificates:
	// revocation data below an issuer that may not issue is worth nothing.
	for i := 0; i < anchor && !b.done; i++ {
		b.adopt(j.path(position(ctx, i), j.certs[chain[i]], i, chain[:i]).Block)
	}
	for i := 0; i < anchor && !b.done; i++ {
		b.adopt(j.status(position(ctx, i), j.certs[chain[i]], i == 0, at).Block)
	}
	return b
}

// position is the context of certificate rules.
func position(ctx string, i int) string {
	if i == 0 {
		return ctx + subSigner
	}
	return ctx + subCA
}

// path is the part of XCV about one certificate in its chain.
func (j *judge) path(sub string, c *facts.Certificate, i int, below []string) *builder {
	b := newBlock("XCV-PATH", c.ID)
	rule := j.p.rules(sub)
	b.check(rule.of("Signature"), "Signature", c.ID, c.Signature == facts.OutcomeGood,
		indeterminate(CertificateChainGeneralFailure), "the issuer's signature of the certificate does not hold")
	no := indeterminate(ChainConstraintsFailure)
	b.check(rule.of("IssuerName"), "IssuerName", c.ID, c.IssuerNameMatch, no, "")
	j.usage(b, sub, c, i == 0, below, no)
	return b
}

// status is the part of XCV about one certificate at a time: revocation,
// algorithms, validity period.
func (j *judge) status(sub string, c *facts.Certificate, signer bool, at time.Time) *builder {
	b := newBlock("XCV-STATUS", c.ID)
	rule := j.p.rules(sub)
	used, usable := j.selectRevocation(sub, c, at)
	revoked := used != nil && used.Status == facts.StatusRevoked
	responderExpired := used != nil && j.accepted[sub+used.Revocation+c.ID].expired

	// Out of its period and with a usable answer "not revoked" is another
	// sub-indication than without one (5.2.6.4, step 2).
	outside := indeterminate(OutOfBoundsNoPOE)
	if usable && !revoked && !responderExpired {
		outside = indeterminate(OutOfBoundsNotRevoked)
	}
	inPeriod := !at.Before(c.NotBefore) && !at.After(c.NotAfter)
	silent := !usable && j.nobodyKnows(sub, c, at)
	if silent {
		// Nobody publishes the status of an expired certificate for ever:
		// where no data speaks about it, the period is the finding.
		b.check(rule.of("NotExpired"), "NotExpired", c.ID, inPeriod, outside, "outside the validity period")
	}
	j.profile(b, sub, c, signer)
	j.revocationChecks(b, sub, c, signer, used, usable, at)
	j.algorithms(b, rule.of("Cryptographic"), c.ID, c.Algorithm, at)
	if !silent {
		b.check(rule.of("NotExpired"), "NotExpired", c.ID, inPeriod, outside, "outside the validity period")
	}
	if used != nil {
		b.check(rule.of("RevocationIssuerNotExpired"), "RevocationIssuerNotExpired", used.Revocation, !responderExpired,
			indeterminate(RevocationOutOfBoundsNoPOE), "the responder's certificate is out of its period")
	}
	return b
}

// nobodyKnows says whether there is no revocation data, or only answers got
// from outside after their issuer stopped keeping the certificate's status.
func (j *judge) nobodyKnows(sub string, c *facts.Certificate, at time.Time) bool {
	for _, i := range c.Revocation {
		rev := j.revs[i.Revocation]
		if rev == nil || rev.Origin != facts.OriginFetched && rev.Origin != facts.OriginStore {
			return false
		}
		if j.acceptable(sub, c, i, at).Conclusion.Reason != "REVOCATION_HAS_INFORMATION_ABOUT_CERTIFICATE" {
			return false
		}
	}
	return true
}

// usage asks what the certificate may be used for (RFC 5280, 6.1.4).
func (j *judge) usage(b *builder, sub string, c *facts.Certificate, signer bool, below []string, no verdict) {
	rule := j.p.rules(sub)
	x := c.Ext
	if !signer {
		b.check(rule.of("CA"), "CA", c.ID, x.CA, no, "not a CA certificate")
		if x.PathLen != nil {
			intermediates := 0
			for i, id := range below {
				if d := j.certs[id]; i > 0 && d != nil && !d.SelfSign {
					intermediates++
				}
			}
			b.check(rule.of("MaxPathLength"), "MaxPathLength", c.ID, intermediates <= *x.PathLen, no, "")
		}
	}
	if r := rule.of("KeyUsage"); len(r.Values) > 0 {
		ok := false
		for _, v := range r.Values {
			ok = ok || contains(x.KeyUsage, v)
		}
		b.check(r, "KeyUsage", c.ID, ok, no, "")
	}
	if r := rule.of("ExtendedKeyUsage"); len(r.Values) > 0 {
		ok := false
		for _, v := range r.Values {
			ok = ok || contains(x.ExtKeyUsage, ekuOID(v))
		}
		b.check(r, "ExtendedKeyUsage", c.ID, ok, no, "")
		if ok {
			b.check(rule.of("ExtendedKeyUsageCriticalAlone"), "ExtendedKeyUsageCriticalAlone", c.ID,
				x.ExtKeyUsageCritical && len(x.ExtKeyUsage) == 1, no, "")
		}
	}
	if x.NameConstraints {
		b.check(rule.of("NameConstraints"), "NameConstraints", c.ID, x.NameConstraintsOK, no, "")
	}
	if x.PolicyTreeOK != nil {
		b.check(rule.of("PolicyTree"), "PolicyTree", c.ID, *x.PolicyTreeOK, no, "")
	}
}

// profile asks for what issuers should have written into a certificate.
func (j *judge) profile(b *builder, sub string, c *facts.Certificate, signer bool) {
	rule := j.p.rules(sub)
	no := indeterminate(ChainConstraintsFailure)
	x := c.Ext
	if !c.SelfSign {
		b.check(rule.of("AuthorityKeyIdentifierPresent"), "AuthorityKeyIdentifierPresent", c.ID, len(x.AuthorityKeyID) > 0, no, "")
	}
	b.check(rule.of("SubjectKeyIdentifierPresent"), "SubjectKeyIdentifierPresent", c.ID, len(x.SubjectKeyID) > 0, no, "")
	if r := rule.of("SupportedCriticalExtensions"); len(r.Values) > 0 {
		ok := true
		for _, e := range x.Critical {
			ok = ok && contains(r.Values, e)
		}
		b.check(r, "SupportedCriticalExtensions", c.ID, ok, no, "")
	}
	if r := rule.of("ForbiddenExtensions"); len(r.Values) > 0 {
		ok := true
		for _, e := range x.All {
			ok = ok && !contains(r.Values, e)
		}
		b.check(r, "ForbiddenExtensions", c.ID, ok, no, "")
	}
	if signer {
		b.check(rule.of("NotSelfSigned"), "NotSelfSigned", c.ID, !c.SelfSign, no, "")
		b.check(rule.of("SerialNumberPresent"), "SerialNumberPresent", c.ID, c.Serial != "", no, "")
		b.check(rule.of("UsePseudonym"), "UsePseudonym", c.ID, c.Identity.Pseudonym == "", no, "")
	}
}

var ekuNames = map[string]string{
	"timeStamping": "1.3.6.1.5.5.7.3.8", "ocspSigning": "1.3.6.1.5.5.7.3.9",
	"clientAuth": "1.3.6.1.5.5.7.3.2", "emailProtection": "1.3.6.1.5.5.7.3.4",
}

func ekuOID(name string) string {
	if o, ok := ekuNames[name]; ok {
		return o
	}
	return name
}

// revocationChecks asks whether the certificate was revoked (5.2.6.4, step 1).
func (j *judge) revocationChecks(b *builder, sub string, c *facts.Certificate, signer bool, used *facts.CertificateInfo, usable bool, at time.Time) {
	rule := j.p.rules(sub)
	general := indeterminate(CertificateChainGeneralFailure)
	if j.revocationNotNeeded(sub, c) {
		b.check(rule.of("RevocationDataSkip"), "RevocationDataSkip", c.ID, true, general, "")
		return
	}
	if signer {
		b.check(rule.of("AuthorityInfoAccessPresent"), "AuthorityInfoAccessPresent", c.ID, len(c.Ext.OCSP)+len(c.Ext.CAIssuers) > 0, general, "")
		b.check(rule.of("RevocationInfoAccessPresent"), "RevocationInfoAccessPresent", c.ID, len(c.Ext.OCSP)+len(c.Ext.CRL) > 0, general, "")
	}
	b.check(rule.of("RevocationDataAvailable"), "RevocationDataAvailable", c.ID, len(c.Revocation) > 0, general, "no revocation data")
	if !b.done && len(c.Revocation) > 0 && !usable {
		// Not acceptable: say why, with the answer of the best candidate.
		x := j.bestRefusal(sub, c, at)
		v := general
		if x != nil {
			if s := x.Conclusion.SubIndication; s == CryptoConstraintsFailureNoPOE || s == TryLater {
				v = indeterminate(s)
			}
			b.Blocks = append(b.Blocks, x.Block)
		}
		b.check(rule.of("AcceptableRevocationDataFound"), "AcceptableRevocationDataFound", c.ID, false, v, "no acceptable revocation data")
	} else {
		b.check(rule.of("AcceptableRevocationDataFound"), "AcceptableRevocationDataFound", c.ID, usable, general, "no acceptable revocation data")
	}
	if b.done || used == nil {
		j.onlineStatus(b, sub, c)
		return
	}
	rev := j.revs[used.Revocation]
	if x := j.accepted[sub+used.Revocation+c.ID]; x != nil {
		b.Blocks = append(b.Blocks, x.Block)
	}
	revoked := used.Status == facts.StatusRevoked && (used.RevokedAt == nil || !used.RevokedAt.After(at))
	hold := revoked && used.Reason == "certificateHold"
	v := indeterminate(RevokedNoPOE)
	if !signer {
		v = indeterminate(RevokedCANoPOE)
	}
	b.check(rule.of("NotRevoked"), "NotRevoked", c.ID, !revoked || hold, v, used.Reason)
	b.check(rule.of("NotOnHold"), "NotOnHold", c.ID, !hold, indeterminate(TryLater), "")
	if rev.Kind == facts.KindCRL {
		b.check(rule.of("CRLNextUpdatePresent"), "CRLNextUpdatePresent", rev.ID, rev.NextUpdate != nil, general, "")
	}
	if r := rule.of("RevocationFreshness"); r.Level != LevelIgnore {
		fresh := rev.ThisUpdate != nil && fresh(rev, at, time.Duration(r.Duration))
		v := indeterminate(TryLater)
		v.retry = rev.NextUpdate
		b.check(r, "RevocationFreshness", rev.ID, fresh, v, "older than the policy allows")
	}
	if signer {
		j.onlineStatus(b, sub, c)
	}
}

// fresh is block RFC (5.2.5): issued no longer than max before at (zero: no
// maximum) and, by the issuer's own word, not yet due for renewal.
func fresh(r *facts.Revocation, at time.Time, max time.Duration) bool {
	if r.ThisUpdate == nil {
		return false
	}
	if max > 0 && r.ThisUpdate.Before(at.Add(-max)) {
		return false
	}
	return r.NextUpdate == nil || !r.NextUpdate.Before(at)
}

// reasonOnlineStatus is the reason of a conclusion of onlineStatus.
const reasonOnlineStatus = "ONLINE_STATUS"

// onlineStatus is the rule for acts: an acceptable OCSP answer of the wanted
// status, not only a CRL.
func (j *judge) onlineStatus(b *builder, sub string, c *facts.Certificate) {
	r := j.p.rule(sub, "OnlineStatus")
	if r.Level == LevelIgnore || b.done {
		return
	}
	ok := false
	for _, i := range c.Revocation {
		rev := j.revs[i.Revocation]
		if rev != nil && rev.Kind == facts.KindOCSP && contains(r.Values, i.Status) && j.acceptable(sub, c, i, j.now).Conclusion.Indication == Passed {
			ok = true
		}
	}
	b.check(r, "OnlineStatus", c.ID, ok, indeterminate(TryLater), "no acceptable OCSP answer")
}

// revocationNotNeeded: short-term certificates and those whose issuer says
// no-check, as far as the policy lists their extension.
func (j *judge) revocationNotNeeded(sub string, c *facts.Certificate) bool {
	r := j.p.rule(sub, "RevocationDataSkip")
	for _, e := range r.Values {
		if contains(c.Ext.All, e) {
			return true
		}
	}
	return false
}
