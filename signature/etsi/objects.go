package etsi

import (
	"sort"
	"strings"
	"time"

	"mist/signature"
	"mist/signature/facts"
)

// objects is clause 4.4: what the signatures were judged by, each with the
// earliest time at which it is proven to have existed.
func (w *writer) objects() {
	mark := w.b.Len()
	w.open("SignatureValidationObjects")
	inside := w.b.Len()
	for i := range w.f.Signatures {
		s := &w.f.Signatures[i]
		for k, c := range s.Scopes {
			if len(c.SHA256) > 0 {
				w.object(w.scopeID(s, k), objectSignedData, nil, c.SHA256, s.ID, nil)
			}
		}
	}
	for i := range w.f.Certificates {
		c := &w.f.Certificates[i]
		w.object(w.id(c.ID), objectCertificate, c.DER, nil, c.ID, nil)
	}
	for i := range w.f.Revocations {
		r := &w.f.Revocations[i]
		kind := objectOCSP
		if r.Kind == facts.KindCRL {
			kind = objectCRL
		}
		w.object(w.id(r.ID), kind, r.DER, nil, r.ID, nil)
	}
	for i := range w.f.Timestamps {
		t := &w.f.Timestamps[i]
		w.object(w.id(t.ID), objectTimestamp, t.Token, nil, t.ID, func() {
			w.provisioning(t)
			w.stampReport(t, &w.r.Timestamps[i])
		})
	}
	if w.b.Len() == inside {
		w.b.Truncate(mark)
		w.depth--
		return
	}
	w.close("SignatureValidationObjects")
}

// object writes ValidationObject; proven is the id whose proof of existence it
// has. Where the octets were not kept their SHA-256 stands, which is the id.
func (w *writer) object(id, kind string, der, sum []byte, proven string, more func()) {
	w.open("ValidationObject", "id", id)
	w.text("ObjectType", kind)
	w.open("ValidationObjectRepresentation")
	switch {
	case len(der) > 0:
		w.bytes("base64", der)
	default:
		if sum == nil {
			_, digits, _ := strings.Cut(proven, "-")
			digits, _, _ = strings.Cut(digits, "#")
			sum = unhex(digits)
		}
		w.open("DigestAlgAndValue")
		w.sha256(sum)
		w.close("DigestAlgAndValue")
	}
	w.close("ValidationObjectRepresentation")
	if t := w.proofs[proven]; t != nil {
		w.poe("POE", t.Time, t.ID)
	} else {
		w.poe("POE", w.r.Time, "")
	}
	if more != nil {
		more()
	}
	w.close("ValidationObject")
}

// poe is POEType, clause 4.4.6.2: the validator's own clock, or a time-stamp
// it found sound.
func (w *writer) poe(name string, at time.Time, by string) {
	w.open(name)
	w.time("POETime", at)
	w.text("TypeOfProof", poeValidation)
	if w.stamps[by] != nil {
		w.empty("POEObject", "VOReference", w.id(by))
	}
	w.close(name)
}

// provisioning is clause 4.4.7: what a time-stamp proves to have existed.
func (w *writer) provisioning(t *facts.Timestamp) {
	w.open("POEProvisioning")
	w.time("POETime", t.Time)
	var ids []string
	var signatures [][]byte
	for _, id := range t.Covers {
		switch {
		case w.certs[id] != nil, w.revs[id] != nil, w.stamps[id] != nil:
			ids = append(ids, w.id(id))
		default:
			for i := range w.f.Signatures {
				s := &w.f.Signatures[i]
				if s.ID != id {
					continue
				}
				signatures = append(signatures, s.ValueSHA256)
				for k, c := range s.Scopes {
					if len(c.SHA256) > 0 {
						ids = append(ids, w.scopeID(s, k))
					}
				}
			}
		}
	}
	if len(ids) > 0 {
		sort.Strings(ids)
		w.empty("ValidationObject", "VOReference", strings.Join(ids, " "))
	}
	for _, sum := range signatures {
		if len(sum) > 0 {
			w.open("SignatureReference")
			w.digestOf(sum)
			w.close("SignatureReference")
		}
	}
	w.close("POEProvisioning")
}

// stampReport is the validation of a time-stamp, a SignatureValidationReport of
// its own within its object.
func (w *writer) stampReport(t *facts.Timestamp, r *signature.TimestampReport) {
	w.open("ValidationReport")
	w.constraints(r.Blocks)
	w.signer(t.Signer.Certificate)
	w.status("SignatureValidationStatus", r.Conclusion, func() {
		w.open("AssociatedValidationReportData")
		w.chain(t.Chain)
		w.crypto(w.id(t.ID), t.Algorithm, w.r.Time)
		w.extra(r.Conclusion)
		w.close("AssociatedValidationReportData")
	})
	w.close("ValidationReport")
}
