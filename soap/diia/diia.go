// Package diia binds the operations of the Diia contract (wsdl/diia.wsdl) to
// the disclosure service: it decodes bodies that obey the schema, asks, and
// encodes the answer.
//
// It decides nothing. Business outcomes, a missing or refused consent among
// them, are normal responses with a result code; errors of the service leave as
// faults. Trembita's header tells who asks; the body never does.
package diia

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"strings"
	"time"

	"mist/registry"
	"mist/registry/declaration"
	"mist/registry/patient"
	"mist/registry/query"
	"mist/soap"
	"mist/soap/xroad"
	"mist/wsdl"
	"mist/wsdl/gen/diia"
)

// Queries is the part of the disclosure service this contract needs;
// *query.Service is one.
type Queries interface {
	DeclarationByPatient(ctx context.Context, c registry.Caller, r query.Request) (query.Answer, error)
}

// Config of the binding.
type Config struct {
	// Provider is our own subsystem, Clients those that may ask.
	Provider xroad.ClientID
	Clients  []xroad.ClientID
	Contract *wsdl.Contract
	Queries  Queries
	// RequirePurpose refuses requests without the identifier of a purpose
	// declaration, as the monitoring of access to personal data will demand.
	RequirePurpose bool
	// Rate bounds each client's calls of each operation; zero bounds nothing.
	Rate xroad.Rate
}

// versions published: Trembita leaves serviceVersion out, X-Road has v1. Both
// are one contract.
var versions = []string{"", "v1"}

// maxConsent bounds a signed consent: CAdES with all its revocation data.
const maxConsent = 2 << 20

// Services lists the operations of the contract for the router.
func Services(c Config) ([]xroad.Service, error) {
	if c.Contract == nil || c.Queries == nil || len(c.Clients) == 0 {
		return nil, errors.New("soap/diia: contract, queries and at least one client are needed")
	}
	b := &binding{c}
	operations := map[string]xroad.Operation{
		"GetDeclarationByPatient": b.declarationByPatient,
	}
	var out []xroad.Service
	for _, code := range c.Contract.Operations {
		op := operations[code]
		if op == nil {
			return nil, fmt.Errorf("soap/diia: the contract has an operation %s that is not bound", code)
		}
		out = append(out, xroad.Service{
			Provider: c.Provider, Code: code, Versions: versions, Namespace: c.Contract.TargetNamespace,
			Clients: c.Clients, Rate: c.Rate, Validate: b.validate, Operation: op,
			// The contract's technical notes tell these paths.
			Processing: &xroad.Processing{
				Purpose:  []string{"purposeId"},
				Subjects: [][]string{{"person", "rnokpp"}, {"person", "unzr"}, {"person", "document", "number"}},
				Required: c.RequirePurpose,
			},
		})
	}
	return out, nil
}

type binding struct{ Config }

// validate turns schema violations into the registry's words: paths and rules, no values.
func (b *binding) validate(doc []byte) error {
	err := b.Contract.Validate(doc)
	var invalid *wsdl.InvalidError
	if !errors.As(err, &invalid) {
		return err
	}
	var fields []registry.FieldError
	for _, v := range invalid.Violations {
		fields = append(fields, registry.FieldError{Entry: v.Path, Rule: v.Rule})
	}
	e := registry.Invalid(fields...)
	e.Detail = "the body breaks the schema of the contract; see the fields"
	return e
}

// callerOf is who asks, as the X-Road header says and the listener vouches for.
func callerOf(req *xroad.Request) registry.Caller {
	return registry.Caller{
		Channel: registry.ChannelSOAP, RequestID: req.Message.TrackingID(),
		ClientName: req.Client.String(), XRoad: req.Client.String(), UserID: req.UserID.Text,
	}
}

func (b *binding) declarationByPatient(ctx context.Context, req *xroad.Request) ([]byte, error) {
	var in diia.GetDeclarationByPatient
	if err := decode(req, &in); err != nil {
		return nil, err
	}
	id, err := registry.ParseID(string(in.RequestId))
	if err != nil {
		return nil, invalid("$.requestId", "format", "a UUID is expected")
	}
	person, err := personOf(in.Person)
	if err != nil {
		return nil, err
	}
	ask := query.Request{
		RequestID: id, Person: person, MessageID: req.ID, PurposeID: req.PurposeID,
		Hash: hashOf(req),
	}
	whole := sha512.Sum512(req.Message.Wire)
	ask.Body512 = whole[:]
	if in.Consent != nil {
		if ask.SignedConsent, err = consentBytes(in.Consent.SignedConsent); err != nil {
			return nil, err
		}
	}
	for _, s := range in.Status {
		ask.Statuses = append(ask.Statuses, declaration.Status(s))
	}
	answer, err := b.Queries.DeclarationByPatient(ctx, callerOf(req), ask)
	if err != nil {
		return nil, err
	}
	return encode(responseOf(answer))
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
	if err := xml.Unmarshal(doc, into); err != nil {
		return registry.Errorf(registry.CodeMalformed, "the body cannot be read").WithCause(err)
	}
	return nil
}

func encode(v any) ([]byte, error) {
	b, err := xml.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encoding an answer: %w", err)
	}
	return b, nil
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

func consentBytes(text string) ([]byte, error) {
	text = strings.Map(func(r rune) rune {
		if r == ' ' || r == '\t' || r == '\n' || r == '\r' {
			return -1
		}
		return r
	}, text)
	if len(text) > base64.StdEncoding.EncodedLen(maxConsent) {
		return nil, soap.Faultf("TooLarge", "the signed consent is too large")
	}
	b, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, invalid("$.consent.signedConsent", "format", "base64 is expected")
	}
	return b, nil
}

func responseOf(a query.Answer) diia.GetDeclarationByPatientResponse {
	message := a.Message
	if message == "" {
		message = "answered"
	}
	out := diia.GetDeclarationByPatientResponse{
		Result: &diia.Result{
			Code: string(a.Code), Message: message,
			RequestId: diia.UUID(a.RequestID.String()), AnsweredAt: instant(a.AnsweredAt),
		},
		ResponseHash: a.ResponseHash,
		AuditId:      diia.UUID(a.AuditID.String()),
	}
	for _, d := range a.Declarations {
		out.Declaration = append(out.Declaration, declarationOf(d))
	}
	return out
}

func instant(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

func idText(id registry.ID) diia.UUID {
	if id.IsZero() {
		return ""
	}
	return diia.UUID(id.String())
}

func declarationOf(d query.DeclarationView) diia.Declaration {
	out := diia.Declaration{
		DeclarationNumber: d.Number, Id: idText(d.ID), Status: diia.DeclarationStatus(d.Status), StatusReason: d.StatusReason,
		StartDate: d.StartDate.String(), EndDate: d.EndDate.String(), SignedAt: instant(d.SignedAt),
	}
	if v := d.Doctor; v != nil {
		out.Doctor = &diia.Doctor{
			LastName: v.LastName, FirstName: v.FirstName, Patronymic: v.Patronymic, Position: v.Position,
			Speciality: v.Speciality, EmployeeId: idText(v.EmployeeID), WorkPhone: v.WorkPhones,
		}
	}
	if v := d.Division; v != nil {
		out.Division = &diia.Division{
			Name: v.Name, Type_: v.Type, Address: v.Address, Phone: v.Phones, Email: v.Email,
			WorkingHours: v.WorkingHours, MountainGroup: v.MountainGroup,
		}
	}
	if v := d.LegalEntity; v != nil {
		out.LegalEntity = &diia.LegalEntity{
			Name: v.Name, PublicName: v.PublicName, Edrpou: v.EDRPOU, Type_: v.Type, Phone: v.Phones, Address: v.Address,
		}
	}
	return out
}
