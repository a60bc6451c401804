package fhir

import (
	"crypto/sha256"
	"encoding/hex"
	"time"

	"mist/registry/query"
)

// Code systems of HL7 that consents and provenance are told in.
const (
	hl7ConsentAction = "http://terminology.hl7.org/CodeSystem/consentaction"
	hl7Participation = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
	hl7Provenance    = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
	hl7Lifecycle     = "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle"
)

// consentOf is the consent the answer stands on: who may be told what, for what
// and how long, how it was verified. Its text stays with the registry.
func consentOf(q question, a query.Answer[[]query.DeclarationView], subject, custodian object) object {
	basis, given := q.request.Basis, a.Consent
	o := object{
		"status":       "active",
		"scope":        concept("http://terminology.hl7.org/CodeSystem/consentscope", "patient-privacy", ""),
		"category":     []object{concept("http://loinc.org", "59284-0", "")},
		"patient":      subject,
		"performer":    []object{subject},
		"organization": []object{custodian},
		"policyRule":   object{"text": "Закон України «Про захист персональних даних», стаття 11"},
	}
	var ids []object
	if given != nil {
		ids = append(ids, object{"system": systemConsent, "value": given.ID.String()})
	} else if !basis.ConsentID.IsZero() {
		ids = append(ids, object{"system": systemConsent, "value": basis.ConsentID.String()})
	}
	if len(basis.Signed) > 0 {
		digest := sha256.Sum256(basis.Signed)
		ids = append(ids, object{"system": systemDigest, "value": hex.EncodeToString(digest[:])})
	}
	if len(ids) > 0 {
		o["identifier"] = ids
	}
	provision := object{
		"type":   "permit",
		"action": []object{concept(hl7ConsentAction, "disclose", "")},
	}
	if q.recipient != "" {
		provision["actor"] = []object{{
			"role":      concept(hl7Participation, "IRCP", ""),
			"reference": object{"type": "Organization", "identifier": object{"system": systemXRoad, "value": q.recipient}, "display": q.recipient},
		}}
	}
	if given != nil {
		o["dateTime"] = instant(given.GrantedAt)
		o["verification"] = []object{{"verified": true, "verifiedWith": subject, "verificationDate": instant(a.AnsweredAt)}}
		o["category"] = append(o["category"].([]object), concept(systemMethod, given.Method, ""))
		provision["period"] = object{"start": instant(given.GrantedAt), "end": instant(given.ExpiresAt)}
		if given.Purpose != "" {
			provision["purpose"] = []object{{"system": systemPurpose, "code": given.Purpose}}
		}
		var fields []object
		for _, name := range given.Fields {
			fields = append(fields, concept(systemField, name, ""))
		}
		if len(fields) > 0 {
			provision["code"] = fields
		}
	}
	o["provision"] = provision
	return o
}

// disclosed says who told all this, when, and which entry of the audit log
// holds the hash of what was told.
func disclosed(a query.Answer[[]query.DeclarationView], targets []object, custodian object) object {
	entities := []object{{"role": "source", "what": object{"identifier": object{"system": systemEntry, "value": a.AuditID.String()}}}}
	if a.ResponseHash != "" {
		entities = append(entities, object{"role": "derivation", "what": object{"identifier": object{"system": systemAnswer, "value": a.ResponseHash}}})
	}
	return object{
		"target": targets, "occurredDateTime": instant(a.AnsweredAt), "recorded": instant(a.AnsweredAt),
		"activity": concept(hl7Lifecycle, "disclose", ""),
		"agent":    []object{{"type": concept(hl7Provenance, "custodian", ""), "who": custodian}},
		"entity":   entities,
	}
}

// signedBy says who signed a declaration, and when.
func signedBy(at time.Time, contract, signer object) object {
	who := signer["party"].(object)
	return object{
		"target": []object{contract}, "occurredDateTime": instant(at), "recorded": instant(at),
		"activity":  concept(hl7Lifecycle, "attest", ""),
		"agent":     []object{{"type": concept(hl7Provenance, "author", ""), "who": who}},
		"signature": []object{signature(at, who)},
	}
}

// signature is an author's; the container itself is not disclosed: its time and
// signer are.
func signature(at time.Time, who object) object {
	return object{
		"type": []object{{"system": "urn:iso-astm:E1762-95:2013", "code": "1.2.840.10065.1.12.1.1"}},
		"when": instant(at), "who": who, "sigFormat": "application/pkcs7-mime",
	}
}
