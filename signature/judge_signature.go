package signature

import (
	"time"

	"mist/signature/facts"
)

// continuing lists the conclusions of basic validation that time-stamps and
// long-term material may still turn (EN 319 102-1, 5.5.4, step 2).
var continuing = map[SubIndication]bool{
	CryptoConstraintsFailureNoPOE: true, RevokedNoPOE: true, RevokedCANoPOE: true,
	OutOfBoundsNoPOE: true, OutOfBoundsNotRevoked: true, TryLater: true,
	RevocationOutOfBoundsNoPOE: true, NoCertificateChainFoundNoPOE: true,
}

func mayContinue(c Conclusion) bool {
	return c.Indication == Passed || c.Indication == Indeterminate && continuing[c.SubIndication]
}

// signature validates one signature: basic, then with time, then with
// long-term material.
func (j *judge) signature(s *facts.Signature) SignatureReport {
	r := SignatureReport{ID: s.ID, Format: s.Format, Level: s.Level, Chain: s.Chain}
	if r.Chain == nil {
		r.Chain = []string{}
	}
	basic := j.basicSignature(s)
	r.Blocks = append(r.Blocks, basic.Block)
	final := basic.Conclusion
	best, provenBy := j.now, ""
	if mayContinue(final) {
		var lt *builder
		lt, best, provenBy = j.longTerm(s, basic)
		r.Blocks = append(r.Blocks, lt.Block)
		final = lt.Conclusion
		if final.Indication != Passed && mayContinue(final) {
			past, pastBest, pastProof := j.pastSignature(s, final, best, provenBy)
			r.Blocks = append(r.Blocks, past.Block)
			final = past.Conclusion
			best, provenBy = pastBest, pastProof
		}
	}
	switch final.Indication {
	case Passed:
		final.Indication = TotalPassed
	case Failed:
		final.Indication = TotalFailed
	}
	r.Conclusion = final
	if provenBy != "" {
		t := best
		r.BestSignatureTime, r.ProvenBy = &t, provenBy
	}
	r.Crypto = crypto(s)
	if c := j.certs[s.SigningCertificate.Certificate]; c != nil {
		r.Qualified = qualifiedCertificate(c) && c.Ext.QC.SSCD
		r.Seal = isSeal(c)
	}
	r.Warnings = warnings(r.Blocks)
	for _, p := range s.Problems {
		if !formatProblems[p.Code] && !refusals[p.Code] && !attributeProblems[p.Code] && !contains(r.Warnings, string(p.Code)) {
			r.Warnings = append(r.Warnings, string(p.Code))
		}
	}
	if j.p.Notice != "" {
		r.Warnings = append(r.Warnings, j.p.Notice)
	}
	return r
}

// crypto says whether the cryptography alone is intact, whatever the verdict.
func crypto(s *facts.Signature) string {
	missing := false
	for _, d := range s.Digests {
		if !d.Found {
			// A manifest vouches for its entries; whoever relies on one of
			// them checks that it is there (scope and unsigned parts tell).
			missing = missing || d.Kind != facts.MatchManifestEntry
		} else if !d.Intact {
			return CryptoBroken
		}
	}
	switch {
	case s.SignatureValue == facts.OutcomeBad:
		return CryptoBroken
	case missing || s.SignatureValue == facts.OutcomeUnknown:
		return CryptoNotEvaluable
	}
	return CryptoIntact
}

// basicSignature is the validation of basic signatures (5.3). Cryptography
// comes before the chain: a hash that differs is final, whoever signed.
func (j *judge) basicSignature(s *facts.Signature) *builder {
	b := newBlock("BASIC", s.ID)
	ctx := j.ctx(s)
	if !b.adopt(j.formatChecking(s).Block) {
		return b
	}
	if !b.adopt(j.identification(ctx, s.ID, s.SigningCertificate, true).Block) {
		// Broken cryptography stays broken without a certificate.
		return b
	}
	if !b.adopt(j.contextInitialisation(s).Block) {
		return b
	}
	if !b.adopt(j.cryptography(ctx, s.ID, s.Digests, s.SignatureValue, s.Problems).Block) {
		return b
	}
	b.adopt(j.chainCheck(ctx, s.ID, s.Chain, j.now).Block)
	// SAV is asked even when XCV leaves a question open; should time settle
	// that question, longTerm asks SAV again.
	b.adopt(j.acceptance(s, j.now).Block)
	j.contentStamps(b, s)
	return b
}

// contentStamps uses proven lower bounds of the signing time (5.3.4, steps 5
// and 6): content that existed only after revocation or expiry was signed
// later still.
func (j *judge) contentStamps(b *builder, s *facts.Signature) {
	sub := b.Conclusion.SubIndication
	if sub != RevokedNoPOE && sub != OutOfBoundsNoPOE && sub != OutOfBoundsNotRevoked {
		return
	}
	c := j.certs[s.SigningCertificate.Certificate]
	for _, id := range s.Timestamps {
		t := j.stamps[id]
		if t == nil || t.Type != facts.TimestampContent || !j.stampPassed(t) {
			continue
		}
		switch {
		case sub == RevokedNoPOE && t.Time.After(j.revokedAt(s)):
			b.Conclusion = Conclusion{Indication: Failed, SubIndication: Revoked, Reason: "SIGNED_AFTER_REVOCATION"}
		case sub != RevokedNoPOE && c != nil && t.Time.After(c.NotAfter):
			b.Conclusion = Conclusion{Indication: Failed, SubIndication: Expired, Reason: "SIGNED_AFTER_EXPIRY"}
		}
	}
}

// revokedAt is when the signer's certificate was revoked; far in the future
// when it is not known to be.
func (j *judge) revokedAt(s *facts.Signature) time.Time {
	c := j.certs[s.SigningCertificate.Certificate]
	out := time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	if c == nil {
		return out
	}
	for _, i := range c.Revocation {
		if i.Status == facts.StatusRevoked && i.RevokedAt != nil && i.RevokedAt.Before(out) {
			if j.acceptable(j.ctx(s)+subSigner, c, i, j.now).Conclusion.Indication == Passed {
				out = *i.RevokedAt
			}
		}
	}
	return out
}

// longTerm is the validation of signatures with time and long-term material
// (5.5): it lowers the best signature time by sound time-stamps over the
// signature and asks the open question again at that time.
func (j *judge) longTerm(s *facts.Signature, basic *builder) (*builder, time.Time, string) {
	b := newBlock("TIME", s.ID)
	best, provenBy := j.now, ""
	for _, id := range s.Timestamps {
		t := j.stamps[id]
		if t == nil || t.Type != facts.TimestampSignature && t.Type != facts.TimestampContainer {
			continue
		}
		// A stamp of the very second of validation is a proof too: whole seconds
		// must not let the verdict hang on how quickly it was asked for.
		if j.stampPassed(t) && (t.Time.Before(best) || provenBy == "" && t.Time.Equal(best)) {
			best, provenBy = t.Time, t.ID
		}
	}
	open := basic.Conclusion
	ctx := j.ctx(s)
	c := j.certs[s.SigningCertificate.Certificate]
	rule := j.p.rules(ctxTimestamp)
	same := func(sub SubIndication) verdict { return indeterminate(sub).because(open.Reason) }

	if c != nil && provenBy != "" {
		b.must("BestSignatureTimeNotBeforeIssuance", s.ID, !best.Before(c.NotBefore), failed(NotYetValid), "")
	}
	switch open.SubIndication {
	case RevokedNoPOE:
		at := j.revokedAt(s)
		v := same(RevokedNoPOE)
		if provenBy != "" && best.After(at) {
			// The earliest proof is later than the revocation.
			v = failed(Revoked)
		}
		b.check(rule.of("RevocationTimeAgainstBestSignatureTime"), "RevocationTimeAgainstBestSignatureTime", s.ID, provenBy != "" && best.Before(at), v, "")
	case RevokedCANoPOE:
		b.check(rule.of("RevocationTimeAgainstBestSignatureTime"), "RevocationTimeAgainstBestSignatureTime", s.ID,
			provenBy != "" && best.Before(j.caRevokedAt(s)), same(RevokedCANoPOE), "")
	case OutOfBoundsNoPOE:
		// Nothing says that the certificate was not revoked before it
		// expired; only past validation with its proofs can settle that.
		b.must("ProofOfExistence", s.ID, false, same(open.SubIndication), "")
	case OutOfBoundsNotRevoked:
		b.check(rule.of("BestSignatureTimeBeforeExpirationDateOfSigningCertificate"), "BestSignatureTimeBeforeExpirationDateOfSigningCertificate", s.ID,
			provenBy != "" && c != nil && !best.After(c.NotAfter), same(open.SubIndication), "")
		// Settled for the signer; the rest of the chain is asked at that time.
		if !b.done {
			b.adopt(j.chainCheck(ctx, s.ID, s.Chain, best).Block)
		}
	case CryptoConstraintsFailureNoPOE:
		b.adopt(j.acceptance(s, best).Block)
		if !b.done {
			b.adopt(j.chainAlgorithms(ctx, s, best).Block)
		}
	case TryLater:
		b.adopt(j.retry(ctx, s, best, open).Block)
	case RevocationOutOfBoundsNoPOE, NoCertificateChainFoundNoPOE:
		b.must("ProofOfExistence", s.ID, false, same(open.SubIndication), "")
	}
	if b.done {
		return b, best, provenBy
	}
	j.stampOrder(b, s)
	if r := rule.of("TimestampDelay"); r.Level != LevelIgnore && s.ClaimedSigningTime != nil && provenBy != "" {
		b.check(r, "TimestampDelay", s.ID, !best.After(s.ClaimedSigningTime.Add(time.Duration(r.Duration))), indeterminate(SigConstraintsFailure), "")
	}
	if open.SubIndication != "" && open.SubIndication != CryptoConstraintsFailureNoPOE {
		b.adopt(j.acceptance(s, best).Block)
	}
	return b, best, provenBy
}

func (j *judge) caRevokedAt(s *facts.Signature) time.Time {
	out := time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	for i, id := range s.Chain {
		c := j.certs[id]
		if i == 0 || c == nil {
			continue
		}
		for _, x := range c.Revocation {
			if x.Status == facts.StatusRevoked && x.RevokedAt != nil && x.RevokedAt.Before(out) {
				out = *x.RevokedAt
			}
		}
	}
	return out
}

// chainAlgorithms asks about the algorithms of the chain at a proven time.
func (j *judge) chainAlgorithms(ctx string, s *facts.Signature, at time.Time) *builder {
	b := newBlock("AOV", s.ID)
	for i, id := range s.Chain {
		c := j.certs[id]
		if c == nil {
			continue
		}
		if is, _ := anchored(c, purposeOf(ctx), at); is {
			break
		}
		sub := ctx + subCA
		if i == 0 {
			sub = ctx + subSigner
		}
		j.algorithms(b, j.p.rule(sub, "Cryptographic"), id, c.Algorithm, at)
	}
	return b
}

// retry asks for freshness again at the best signature time: revocation data
// issued after it is as fresh as can be.
func (j *judge) retry(ctx string, s *facts.Signature, best time.Time, open Conclusion) *builder {
	b := newBlock("RFC", s.ID)
	c := j.certs[s.SigningCertificate.Certificate]
	ok := false
	if c != nil && open.Reason == "REVOCATION_FRESHNESS" {
		if used, usable := j.selectRevocation(ctx+subSigner, c, j.now); usable {
			rev := j.revs[used.Revocation]
			ok = rev.ThisUpdate != nil && rev.ThisUpdate.After(best) && used.Status == facts.StatusGood
		}
	}
	v := indeterminate(TryLater).because(open.Reason)
	v.retry = open.RetryAfter
	b.must("RevocationFreshness", s.ID, ok, v, "")
	return b
}

// stampRank orders kinds of time-stamps from the inside out.
var stampRank = map[string]int{
	facts.TimestampContent: 1, facts.TimestampSignature: 2, facts.TimestampValidation: 3,
	facts.TimestampArchive: 4, facts.TimestampContainer: 4, facts.TimestampEvidence: 5,
}

// stampOrder: content stamps before signature stamps before archive stamps.
func (j *judge) stampOrder(b *builder, s *facts.Signature) {
	rank := stampRank
	ok := true
	for _, a := range s.Timestamps {
		for _, c := range s.Timestamps {
			x, y := j.stamps[a], j.stamps[c]
			if x == nil || y == nil || rank[x.Type] >= rank[y.Type] {
				continue
			}
			ok = ok && !x.Time.After(y.Time)
		}
	}
	b.check(j.p.rule(ctxTimestamp, "Coherence"), "Coherence", s.ID, ok, indeterminate(TimestampOrderFailure), "")
}
