package signature

import (
	"mist/signature/facts"
	"mist/signature/trust"
)

// Material is what a verdict was made from, in DER: the certificates met, and
// the revocation data whose own signature holds. With a time-stamp they make
// level LT (sign.AddMaterial).
func Material(f *facts.Facts) (certs, crls, ocsps [][]byte) {
	for i := range f.Certificates {
		certs = append(certs, f.Certificates[i].DER)
	}
	for i := range f.Revocations {
		r := &f.Revocations[i]
		if r.SignatureValue != facts.OutcomeGood || !r.Authorised || len(r.DER) == 0 {
			continue
		}
		if r.Kind == facts.KindCRL {
			crls = append(crls, trust.PEMOrDER(r.DER))
		} else {
			ocsps = append(ocsps, r.DER)
		}
	}
	return certs, crls, ocsps
}
