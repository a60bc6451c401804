package signature

import (
	"errors"
	"fmt"
	"math/big"
	"strings"

	"mist/signature/facts"
)

// newResult joins facts and report into what callers see.
func newResult(id string, f *facts.Facts, r *Report, octets map[string][]facts.Octets) *Result {
	out := &Result{
		ID: id, Format: f.Document.Format, Indication: r.Indication,
		UnsignedParts: f.UnsignedParts, Facts: f, Report: r,
	}
	certs := map[string]*facts.Certificate{}
	for i := range f.Certificates {
		certs[f.Certificates[i].ID] = &f.Certificates[i]
	}
	stamps := map[string]TimestampResult{}
	for i := range r.Timestamps {
		t := &r.Timestamps[i]
		stamps[t.ID] = TimestampResult{
			Type: t.Type, Time: t.Time, Imprint: okBad(t.Imprint), Token: okBad(t.Token),
			Indication: t.Conclusion.Indication, SubIndication: t.Conclusion.SubIndication,
		}
	}
	for i := range f.Signatures {
		s, sr := &f.Signatures[i], &r.Signatures[i]
		res := SignatureResult{
			ID: s.ID, Parent: s.Parent, Depth: s.Depth,
			Indication: sr.Conclusion.Indication, SubIndication: sr.Conclusion.SubIndication, Reason: sr.Conclusion.Reason,
			Level: s.Level, Crypto: sr.Crypto, Scope: scope(s.Scopes),
			ClaimedSigningTime: s.ClaimedSigningTime, BestSignatureTime: sr.BestSignatureTime,
			Algorithm: algorithmName(s.Algorithm), Warnings: append([]string{}, sr.Warnings...),
		}
		if c := certs[s.SigningCertificate.Certificate]; c != nil {
			res.Signer = signerOf(c, sr)
		}
		for _, t := range s.Timestamps {
			if tr, ok := stamps[t]; ok {
				res.Timestamps = append(res.Timestamps, tr)
			}
		}
		if res.Indication == TotalPassed {
			list := octets[s.ID]
			for k, sc := range s.Scopes {
				if k < len(list) && list[k].Open != nil {
					o := list[k]
					res.signed = append(res.signed, SignedBytes{octets: &o, scope: sc})
				}
			}
		}
		out.Signatures = append(out.Signatures, res)
	}
	return out
}

func okBad(ok bool) string {
	if ok {
		return "ok"
	}
	return "bad"
}

// scope of several objects is the weakest of them.
func scope(list []facts.Scope) string {
	order := []string{facts.ScopePartial, facts.ScopeDigest, facts.ScopeArchived, facts.ScopeCounterSignature, facts.ScopeFull}
	for _, k := range order {
		for _, s := range list {
			if s.Kind == k {
				return k
			}
		}
	}
	return ""
}

func algorithmName(a facts.Algorithm) string {
	if a.Encryption == "" {
		return a.Digest
	}
	return strings.TrimSuffix(a.Encryption+"-"+a.Digest, "-")
}

func signerOf(c *facts.Certificate, r *SignatureReport) Signer {
	i := c.Identity
	s := Signer{
		CommonName: i.CommonName, Surname: i.Surname, GivenName: i.GivenName, Title: i.Title, Organization: i.Organization,
		RNOKPP: i.RNOKPP, RNOKPPForm: i.RNOKPPForm, RNOKPPSource: i.RNOKPPSource,
		EDRPOU: i.EDRPOU, EDRPOUSource: i.EDRPOUSource, UNZR: i.UNZR,
		Issuer: c.Issuer, Qualified: r.Qualified, Seal: r.Seal, Certificate: c.DER,
	}
	if n, ok := new(big.Int).SetString(c.Serial, 10); ok {
		s.Serial = fmt.Sprintf("%X", n)
	}
	return s
}

// Recall is the result of a judgement of earlier, for those who show it: facts
// and report as they were kept. It hands out no bytes, whatever the verdict.
// It refuses a report that is not of these facts.
func Recall(id string, f *facts.Facts, r *Report) (*Result, error) {
	if len(f.Signatures) != len(r.Signatures) || r.Facts != digestFacts(f) {
		return nil, errors.New("the report is not of these facts")
	}
	return newResult(id, f, r, nil), nil
}
