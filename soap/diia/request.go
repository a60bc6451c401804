package diia

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"strings"
	"time"

	"mist/registry"
	"mist/registry/patient"
	"mist/registry/query"
	"mist/soap"
	"mist/soap/xroad"
	"mist/wsdl/gen/diia"
)

// question is the part of a request every operation about a person has.
func question(req *xroad.Request, id diia.UUID, person *diia.PersonIdentity, basis query.Basis) (query.Request, error) {
	requestID, err := requestID(id)
	if err != nil {
		return query.Request{}, err
	}
	q, err := personOf(person)
	if err != nil {
		return query.Request{}, err
	}
	whole := sha512.Sum512(req.Message.Wire)
	return query.Request{
		RequestID: requestID, Person: q, Basis: basis, MessageID: registry.MessageName(req.ID, whole[:]), PurposeID: req.PurposeID, Hash: hashOf(req), Body512: whole[:], Body: req.Message.Wire,
	}, nil
}

func requestID(id diia.UUID) (registry.ID, error) {
	out, err := registry.ParseID(string(id))
	if err != nil {
		return registry.ID{}, invalid("$.requestId", "format", "a UUID is expected")
	}
	return out, nil
}

// basisOf reads the evidence for a disclosure; nothing when there is no consent.
func basisOf(c *diia.Consent) (b query.Basis, err error) {
	if c == nil {
		return b, nil
	}
	if b, err = evidenceOf("$.consent", "signedConsent", c.SignedConsent, c.SignedConsentXml, c.Content, c.Attestation); err != nil {
		return b, err
	}
	if c.ConsentId != "" {
		if b.ConsentID, err = registry.ParseID(string(c.ConsentId)); err != nil || b.ConsentID.IsZero() {
			return b, invalid("$.consent.consentId", "format", "a UUID is expected")
		}
	}
	return b, nil
}

func evidenceOf(at, name, signed, text, content, attestation string) (b query.Basis, err error) {
	if signed != "" && text != "" {
		return b, invalid(at, "invalid", "give "+name+" or "+name+"Xml, not both")
	}
	if text != "" {
		if len(text) > maxConsent {
			return b, soap.Faultf("TooLarge", "the evidence is too large")
		}
		b.Signed = []byte(text)
	}
	for _, part := range []struct {
		name, text string
		into       *[]byte
	}{{name, signed, &b.Signed}, {"content", content, &b.Content}, {"attestation", attestation, &b.Attestation}} {
		if part.text == "" {
			continue
		}
		if *part.into, err = base64At(at+"."+part.name, part.text); err != nil {
			return b, err
		}
	}
	return b, nil
}

// hashOf identifies the question: the body element as it stood, or with its
// attachments put back where it refers to some.
func hashOf(req *xroad.Request) [32]byte {
	if len(req.Message.Attachments) > 0 {
		if doc, err := req.Document(); err == nil { // it was made for validation already
			return sha256.Sum256(doc)
		}
	}
	return sha256.Sum256(req.Payload.Raw)
}

// decode reads a body that has passed the schema into its generated type.
func decode(req *xroad.Request, into any) error {
	doc, err := req.Document()
	if err != nil {
		return err
	}
	if in, ok := into.(*diia.GetDeclarationByPatient); ok && plainDeclarationByPatient(req.Payload.Space, doc, in) {
		return nil
	}
	return req.Decode(into)
}

func invalid(entry, rule, text string) error {
	return registry.Invalid(registry.FieldError{Entry: entry, Rule: rule, Description: text})
}

func personOf(p *diia.PersonIdentity) (patient.Query, error) {
	if p == nil {
		return patient.Query{}, invalid("$.person", "required", "the person asked about is missing")
	}
	q := patient.Query{
		TaxID: registry.RNOKPP(p.Rnokpp), UNZR: registry.UNZR(p.Unzr),
		LastName: string(p.LastName), FirstName: string(p.FirstName), SecondName: string(p.Patronymic),
	}
	if p.Document != nil {
		q.DocumentType, q.DocumentNumber = string(p.Document.Type_), string(p.Document.Number)
	}
	if text := strings.TrimSpace(p.BirthDate); text != "" {
		// xs:date may carry a time zone (strong-soap and .NET add one); a birth
		// date is a day of the calendar, whatever the zone.
		day := text[:min(len(text), len("2006-01-02"))]
		date, err := registry.ParseDate(day)
		if err != nil {
			return patient.Query{}, invalid("$.person.birthDate", "date", "a day YYYY-MM-DD is expected")
		}
		q.BirthDate = date
	}
	return q, nil
}

// base64At reads base64 text, with white space as clients wrap it.
func base64At(entry, text string) ([]byte, error) {
	if strings.ContainsAny(text, " \t\r\n") {
		text = strings.NewReplacer(" ", "", "\t", "", "\r", "", "\n", "").Replace(text)
	}
	if len(text) > base64.StdEncoding.EncodedLen(maxConsent) {
		return nil, soap.Faultf("TooLarge", "the evidence is too large")
	}
	b, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, invalid(entry, "format", "base64 is expected")
	}
	return b, nil
}

// instantAt reads an xs:dateTime; without a time zone it is refused, for it
// would mean two moments.
func instantAt(entry, text string) (time.Time, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}, invalid(entry, "datetime", "a date and time with its offset is expected: 2026-11-21T12:00:00+02:00")
	}
	return t, nil
}
