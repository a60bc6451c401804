package signature

import (
	"mist/signature/facts"
)

// tokenBlocks is the basic validation of a time-stamp token.
type tokenBlocks struct {
	block *builder
}

// stamp validates a token at the validation time (5.4): its own signature,
// its signer's chain in the purpose "tsa", and the imprint.
func (j *judge) stamp(t *facts.Timestamp) *tokenBlocks {
	if m := j.basics[t.ID]; m != nil {
		return m
	}
	b := newBlock("TIMESTAMP", t.ID)
	m := &tokenBlocks{block: b}
	j.basics[t.ID] = m
	for _, p := range t.Problems {
		if formatProblems[p.Code] {
			b.must("Format", t.ID, false, failed(FormatFailure).because(string(p.Code)), p.Detail)
		}
	}
	if b.done {
		return m
	}
	if !b.adopt(j.identification(ctxTimestamp, t.ID, t.Signer, true).Block) {
		return m
	}
	digests := append([]facts.DigestMatch{t.Imprint}, t.MoreDigests...)
	if !b.adopt(j.cryptography(ctxTimestamp, t.ID, digests, t.SignatureValue, t.Problems).Block) {
		return m
	}
	b.adopt(j.chainCheck(ctxTimestamp, t.ID, t.Chain, j.now).Block)
	sav := newBlock("SAV", t.ID)
	if t.TSANameMatch != nil {
		sav.check(j.p.rule(ctxTimestamp, "TSAGeneralNameContentMatch"), "TSAGeneralNameContentMatch", t.ID, *t.TSANameMatch, indeterminate(SigConstraintsFailure), "")
	}
	if t.HashIndexValid != nil {
		sav.check(j.p.rule(ctxTimestamp, "AtsHashIndex"), "AtsHashIndex", t.ID, *t.HashIndexValid, indeterminate(SigConstraintsFailure), "")
	}
	r := j.p.rule(ctxTimestamp, "Cryptographic")
	j.algorithms(sav, r, t.ID, t.Algorithm, j.now)
	j.digestAlgorithm(sav, r, t.ID, t.Imprint.Algorithm, j.now)
	b.adopt(sav.Block)
	return m
}

// stampPassed says whether a token proves its time now.
func (j *judge) stampPassed(t *facts.Timestamp) bool {
	return j.stamp(t).block.Conclusion.Indication == Passed
}

func (j *judge) timestampReport(t *facts.Timestamp) TimestampReport {
	m := j.stamp(t)
	return TimestampReport{
		ID: t.ID, Signature: t.Signature, Type: t.Type, Time: t.Time,
		Imprint:    fits(t),
		Token:      t.SignatureValue == facts.OutcomeGood && t.Signer.Certificate != "" && (!t.Signer.ReferencePresent || t.Signer.DigestMatch),
		Conclusion: m.block.Conclusion,
		Blocks:     []Block{m.block.Block},
	}
}

// fits says whether the imprint is of what is there, files named by a manifest
// included.
func fits(t *facts.Timestamp) bool {
	for _, d := range t.MoreDigests {
		if !d.Found || !d.Intact {
			return false
		}
	}
	return t.Imprint.Found && t.Imprint.Intact
}
