package signature

import (
	"slices"
	"sort"
	"time"

	"mist/signature/facts"
)

// proofs holds, for each object, the earliest time at which it is proven to
// have existed, and by which time-stamp (EN 319 102-1, 5.6.2.3). Everything
// exists now.
type proofs struct {
	now  time.Time
	at   map[string]time.Time
	from map[string]string
}

func (p *proofs) time(id string) time.Time {
	if t, ok := p.at[id]; ok {
		return t
	}
	return p.now
}

func (p *proofs) add(id string, t time.Time, by string) {
	if t.Before(p.time(id)) {
		p.at[id], p.from[id] = t, by
	}
}

// collect works from the newest token inwards: a token that is sound, now or
// by the proofs gathered so far, proves what it covers.
func (j *judge) collect() *proofs {
	p := &proofs{now: j.now, at: map[string]time.Time{}, from: map[string]string{}}
	order := make([]*facts.Timestamp, 0, len(j.f.Timestamps))
	for i := range j.f.Timestamps {
		order = append(order, &j.f.Timestamps[i])
	}
	// Of stamps of one second the outer one comes first: it may prove the inner.
	slices.Reverse(order)
	sort.SliceStable(order, func(a, b int) bool {
		x, y := order[a], order[b]
		if x.Time.Equal(y.Time) {
			return stampRank[x.Type] > stampRank[y.Type]
		}
		return x.Time.After(y.Time)
	})
	for _, t := range order {
		if t.Type == facts.TimestampEvidence {
			// The hash tree of an evidence record is not evaluated here, so
			// its time-stamps prove nothing about the document.
			continue
		}
		c := j.stamp(t).block.Conclusion
		if c.Indication != Passed && (!mayContinue(c) || !j.pastToken(t, c, p)) {
			continue
		}
		for _, id := range t.Covers {
			p.add(id, t.Time, t.ID)
		}
	}
	return p
}

// pastToken is past signature validation of a time-stamp.
func (j *judge) pastToken(t *facts.Timestamp, open Conclusion, p *proofs) bool {
	b := newBlock("PAST", t.ID)
	control, ok := j.slide(b, ctxTimestamp, t.Chain, p)
	if !ok {
		return false
	}
	return j.past(b, open, p.time(t.ID), control, t.Chain, []facts.Algorithm{t.Algorithm, {Digest: t.Imprint.Algorithm, Encryption: t.Algorithm.Encryption, KeyBits: t.Algorithm.KeyBits}})
}

// pastSignature is past signature validation (5.6.2.4) with the proofs that
// the time-stamps give.
func (j *judge) pastSignature(s *facts.Signature, open Conclusion, best time.Time, provenBy string) (*builder, time.Time, string) {
	b := newBlock("PAST", s.ID)
	p := j.collect()
	if t := p.time(s.ID); t.Before(best) {
		best, provenBy = t, p.from[s.ID]
	}
	keep := func() (*builder, time.Time, string) {
		b.Conclusion = open
		return b, best, provenBy
	}
	if open.Reason == reasonOnlineStatus {
		// The policy's own demand for an answer of now: no proof of the past is one.
		return keep()
	}
	control, ok := j.slide(b, j.ctx(s), s.Chain, p)
	if !ok {
		return keep()
	}
	if c := j.certs[s.SigningCertificate.Certificate]; c != nil && provenBy != "" && best.Before(c.NotBefore) {
		b.Conclusion = Conclusion{Indication: Failed, SubIndication: NotYetValid, Reason: "BEST_SIGNATURE_TIME_NOT_BEFORE_ISSUANCE"}
		return b, best, provenBy
	}
	algs := []facts.Algorithm{s.Algorithm}
	if !j.past(b, open, p.time(s.ID), control, s.Chain, algs) {
		return keep()
	}
	sav := j.acceptance(s, best)
	b.Conclusion = Conclusion{Indication: Passed}
	b.done = false
	b.adopt(sav.Block)
	return b, best, provenBy
}

// past decides by the open question of basic validation.
func (j *judge) past(b *builder, open Conclusion, proven, control time.Time, chain []string, algs []facts.Algorithm) bool {
	signer := j.certs[first(chain)]
	if signer == nil || !proven.Before(j.now) {
		return false
	}
	for _, a := range algs {
		if f := j.table.token(a, proven); !f.ok && !f.soft {
			return false
		}
	}
	switch open.SubIndication {
	case RevokedNoPOE, RevokedCANoPOE, TryLater, RevocationOutOfBoundsNoPOE, NoCertificateChainFoundNoPOE:
		return !proven.After(control)
	case OutOfBoundsNoPOE, OutOfBoundsNotRevoked:
		return !proven.After(control) && !proven.Before(signer.NotBefore) && !proven.After(signer.NotAfter)
	case CryptoConstraintsFailureNoPOE:
		return !proven.After(control)
	}
	return false
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

// slide is past certificate validation: the validation time slides from the
// anchor down the chain (5.6.2.2). The result is the latest time at which the
// chain is known to have been good.
func (j *judge) slide(b *builder, ctx string, chain []string, p *proofs) (time.Time, bool) {
	control := j.now
	anchor := -1
	for i, id := range chain {
		if c := j.certs[id]; c != nil {
			if is, _ := anchored(c, purposeOf(ctx), control); is {
				anchor = i
				if _, in := anchored(c, purposeOf(ctx), control); !in {
					for _, t := range c.Trusted {
						if t.Until != nil && t.Until.Before(control) {
							control = *t.Until
						}
					}
				}
				break
			}
		}
	}
	if anchor < 0 {
		return control, false
	}
	for i := anchor - 1; i >= 0; i-- {
		c := j.certs[chain[i]]
		if c == nil {
			return control, false
		}
		sub := ctx + subCA
		if i == 0 {
			sub = ctx + subSigner
		}
		if f := j.table.token(c.Algorithm, control); !f.ok && !f.soft {
			if f.until.IsZero() {
				return control, false
			}
			control = f.until
		}
		if j.revocationNotNeeded(sub, c) {
			if c.NotAfter.Before(control) {
				control = c.NotAfter
			}
			continue
		}
		info := j.pastRevocation(sub, c, control, p)
		if info == nil {
			if l := j.p.rule(sub, "RevocationDataAvailable").Level; l == LevelFail {
				b.must("ProofOfRevocationStatus", c.ID, false, indeterminate(NoPOE), "")
				return control, false
			}
			if c.NotAfter.Before(control) {
				control = c.NotAfter
			}
			continue
		}
		rev := j.revs[info.Revocation]
		switch {
		case info.Status == facts.StatusRevoked && info.RevokedAt != nil:
			if info.RevokedAt.Before(control) {
				control = *info.RevokedAt
			}
		case !j.freshEnough(sub, rev, control):
			// Not fresh at the control time: good until it was issued.
			if rev.ThisUpdate.Before(control) {
				control = *rev.ThisUpdate
			}
		}
	}
	return control, true
}

// freshEnough is block RFC under the policy's own freshness rule.
func (j *judge) freshEnough(sub string, rev *facts.Revocation, at time.Time) bool {
	r := j.p.rule(sub, "RevocationFreshness")
	return r.Level != LevelFail || fresh(rev, at, time.Duration(r.Duration))
}

// pastRevocation finds an answer that existed, with its signer, when its
// signer's certificate and algorithms were still good.
func (j *judge) pastRevocation(sub string, c *facts.Certificate, control time.Time, p *proofs) *facts.CertificateInfo {
	var used *facts.CertificateInfo
	var when time.Time
	for i := range c.Revocation {
		info := &c.Revocation[i]
		rev := j.revs[info.Revocation]
		if rev == nil || rev.ThisUpdate == nil || info.Status == facts.StatusUnknown ||
			!rev.Authorised || rev.SignatureValue != facts.OutcomeGood || rev.Signer == "" || rev.Kind == facts.KindOCSP && !rev.ResponderMatch {
			continue
		}
		if rev.ThisUpdate.After(control) && rev.ThisUpdate.After(j.now) || rev.ThisUpdate.Before(c.NotBefore) {
			continue
		}
		if l := j.p.rule(ctxRevocation, "RevocationHasInformationAboutCertificate").Level; l == LevelFail && !knows(rev, c) {
			continue
		}
		proven := p.time(rev.ID)
		if !j.pastRevocationIssuer(rev, proven) {
			continue
		}
		if used == nil || rev.ThisUpdate.After(when) {
			used, when = info, *rev.ThisUpdate
		}
	}
	return used
}

// pastRevocationIssuer: at the time the answer is proven to have existed its
// signer's chain was inside its validity and its algorithms good.
func (j *judge) pastRevocationIssuer(rev *facts.Revocation, proven time.Time) bool {
	if f := j.table.token(rev.Algorithm, proven); !f.ok && !f.soft {
		return false
	}
	found := false
	for _, id := range rev.Chain {
		c := j.certs[id]
		if c == nil {
			return false
		}
		if is, _ := anchored(c, facts.PurposeOCSP, proven); is {
			found = true
			break
		}
		if proven.Before(c.NotBefore) || proven.After(c.NotAfter) {
			return false
		}
		if f := j.table.token(c.Algorithm, proven); !f.ok && !f.soft {
			return false
		}
	}
	return found
}
