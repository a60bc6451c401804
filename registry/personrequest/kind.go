// Package personrequest is the act by which a person enters the index or is
// changed in it: drafted by a clinic, confirmed by the patient's code, signed
// by the doctor.
//
// Rules: the eHealth person request (domain notes 1.1, ЕСОЗ 1.5) and those of
// package patient. It trusts only bytes that the verifier hands over and
// refuses a record that was changed since the draft was taken.
package personrequest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"html/template"
	"slices"
	"strings"
	"time"

	"mist/registry"
	"mist/registry/address"
	"mist/registry/intake"
	"mist/registry/jcs"
	"mist/registry/patient"
	"mist/registry/prm"
	"mist/registry/verification"
	"mist/signature"
)

// Name is the stable name of the act kind; Version that of its document.
const (
	Name    registry.KindName = "person_request"
	Version int               = 1
)

// Tx is what the kind needs of a transaction.
type Tx interface {
	address.CheckTx
	intake.Tx
	verification.BeginTx
	FindPerson(ctx context.Context, q patient.Query) (patient.Person, bool, error)
	PutPerson(ctx context.Context, p patient.Person) error
	patient.ConfirmTx
	patient.RelateTx
	patient.MethodTx
	Employee(ctx context.Context, id registry.ID) (prm.Employee, error)
	LegalEntity(ctx context.Context, id registry.ID) (prm.LegalEntity, error)
	Seed(ctx context.Context) (string, error)
	CancelDrafts(ctx context.Context, kind registry.KindName, person, employee, legalEntity, except registry.ID) error
}

// Kind is the person request as an act kind.
type Kind struct {
	Terms  patient.Terms
	Source registry.Source
	// Verification asks other registers about a record that is new or has another identity.
	Verification verification.Starter
}

// Name implements intake.Kind.
func (Kind) Name() registry.KindName { return Name }

// Version implements intake.Kind.
func (Kind) Version() int { return Version }

// Scope implements intake.Kind: person_request:write, :approve, :sign, :read, :reject.
func (Kind) Scope(step intake.Step) string { return "person_request:" + string(step) }

// Content is the document the doctor signs.
type Content struct {
	ID                           registry.ID    `json:"id"`
	Status                       string         `json:"status"`
	Channel                      string         `json:"channel"`
	PersonID                     registry.ID    `json:"person_id"`
	Person                       patient.Person `json:"person"`
	PatientSigned                bool           `json:"patient_signed"`
	ProcessDisclosureDataConsent bool           `json:"process_disclosure_data_consent"`
	Printout                     string         `json:"content"`
	Seed                         string         `json:"seed"`
}

// Draft implements intake.Kind. For a new person a record without any data is
// reserved, so that draft and act have somebody to refer to (ADR 0602).
func (k Kind) Draft(ctx context.Context, tx Tx, c registry.Caller, draft *intake.Draft, body []byte) error {
	in, err := decodeInput(body)
	if err != nil {
		return err
	}
	if c.EmployeeID.IsZero() {
		return registry.Errorf(registry.CodeForbidden, "ask for the token with employee_id: a person request has an author").WithReason("employee")
	}
	e, err := tx.Employee(ctx, c.EmployeeID)
	if err != nil {
		return err
	}
	l, err := tx.LegalEntity(ctx, c.LegalEntityID)
	if err != nil {
		return err
	}
	if err := prm.MayWritePersons(c, e, l); err != nil {
		return err
	}
	now := k.Source.Now()
	today := registry.DateOf(now)
	p := in.Person
	p.FirstName, p.LastName, p.SecondName = patient.TidyName(p.FirstName), patient.TidyName(p.LastName), patient.TidyName(p.SecondName)
	p.Email = strings.ToLower(p.Email)
	var stored patient.Person
	judged := p
	if !p.ID.IsZero() {
		if stored, err = tx.Person(ctx, p.ID); err != nil {
			return err
		}
		if err := checkStored(stored); err != nil {
			return err
		}
		if len(p.ConfidantPersons) == 0 {
			// A change that does not speak of confidants leaves them as they are.
			p.ConfidantPersons = stored.ConfidantPersons
			judged.ConfidantPersons = slices.Clone(stored.ConfidantPersons)
			for i := range judged.ConfidantPersons {
				judged.ConfidantPersons[i].PersonID = registry.ID{}
			}
		}
	}
	if err := k.Terms.Validate(judged, today); err != nil {
		return err
	}
	if err := address.Check(ctx, tx, "$.person.addresses", places(p)); err != nil {
		return err
	}
	var method patient.AuthenticationMethod
	if p.ID.IsZero() {
		method, err = k.newPerson(ctx, tx, &p, now)
	} else {
		p.Version, p.AuthenticationMethods = stored.Version, stored.AuthenticationMethods
		method, err = patient.Confirmation(ctx, tx, stored, in.AuthorizeWith, today)
		if err == nil {
			err = tx.CancelDrafts(ctx, Name, p.ID, e.ID, l.ID, draft.ID)
		}
	}
	if err != nil {
		return err
	}
	p.PatientSigned = true
	draft.PersonID, draft.EmployeeID, draft.PartyID = p.ID, e.ID, e.Party.ID
	draft.AuthMethod, draft.Phone = method.Type, method.PhoneNumber
	draft.Demands = patient.UploadsForRecord(p, method.Type)
	draft.Data, err = jcs.Marshal(Content{ID: draft.ID, Status: "APPROVED", Channel: "MIS", PersonID: p.ID, Person: p, PatientSigned: true, ProcessDisclosureDataConsent: true})
	return err
}

// newPerson reserves a record and gives the way by which the new person, or the
// confidant for them, confirms.
func (k Kind) newPerson(ctx context.Context, tx Tx, p *patient.Person, now time.Time) (method patient.AuthenticationMethod, err error) {
	if err := k.refuseDuplicate(ctx, tx, *p); err != nil {
		return method, err
	}
	method = p.AuthMethod()
	if err := k.Terms.MayUse(ctx, tx, "$.person.authentication_methods.[0]", method, registry.ID{}); err != nil {
		return method, err
	}
	p.ID = k.Source.NewID()
	for _, c := range p.ConfidantPersons {
		if c.PersonID.IsZero() {
			continue
		}
		confidant, err := k.mayRelate(ctx, tx, *p, c.PersonID, registry.DateOf(now))
		if err != nil {
			return method, err
		}
		if method.Type == patient.MethodThirdPerson && method.Value == c.PersonID {
			if method, err = patient.OwnMethod(confidant); err != nil {
				return method, err
			}
		}
	}
	p.NameMethods()
	return method, tx.PutPerson(ctx, patient.Person{ID: p.ID, Status: patient.StatusInactive, InsertedAt: now, UpdatedAt: now})
}

func (k Kind) mayRelate(ctx context.Context, tx Tx, ward patient.Person, confidant registry.ID, today registry.Date) (patient.Person, error) {
	checks, err := patient.ReadRelationshipChecks(ctx, tx, ward.ID, confidant)
	if err != nil {
		return patient.Person{}, err
	}
	return checks.Confidant, k.Terms.MayRelate(ward, checks, today)
}

// places are the addresses as the register of settlements reads them.
func places(p patient.Person) []address.Place {
	list := make([]address.Place, len(p.Addresses))
	for i, a := range p.Addresses {
		list[i] = address.Place(a)
	}
	return list
}

func checkStored(p patient.Person) error {
	if p.Version == 0 {
		return registry.Errorf(registry.CodeNotFound, "not found")
	}
	if p.Status != patient.StatusActive {
		return registry.Errorf(registry.CodeConflict, "person is not active").WithReason("person_status")
	}
	return nil
}

// refuseDuplicate answers for a person who is in the index already: the clinic
// has the person's documents before it, and changes the record by its id. The
// tax number with names tells it, or a document with surname and birth date,
// for children and those without a number (domain notes 1.2).
func (k Kind) refuseDuplicate(ctx context.Context, tx Tx, p patient.Person) error {
	exists := registry.Errorf(registry.CodeConflict, "such person already exists; find the person and send the request with the id").WithReason("person_exists")
	if p.TaxID != "" {
		stored, found, err := tx.FindPerson(ctx, patient.Query{TaxID: registry.RNOKPP(p.TaxID)})
		if err != nil {
			return err
		}
		q := patient.Query{LastName: p.LastName, FirstName: p.FirstName, BirthDate: p.BirthDate}
		if found && q.Matches(&stored) {
			return exists
		}
	}
	for _, d := range p.Documents {
		stored, found, err := tx.FindPerson(ctx, patient.Query{DocumentType: d.Type, DocumentNumber: d.Number})
		if err != nil {
			return err
		}
		if found && stored.BirthDate == p.BirthDate && patient.NormalizeName(stored.LastName) == patient.NormalizeName(p.LastName) {
			return exists
		}
	}
	return nil
}

// Approve implements intake.Kind: the printed form and the bytes to be signed
// are frozen.
func (k Kind) Approve(ctx context.Context, tx Tx, draft *intake.Draft) error {
	c, err := decodeContent(draft.Data)
	if err != nil {
		return fmt.Errorf("reading a stored draft: %w", err)
	}
	if c.Seed, err = tx.Seed(ctx); err != nil {
		return err
	}
	if c.Printout, err = c.render(); err != nil {
		return err
	}
	draft.ToBeSigned, err = jcs.Marshal(c)
	return err
}

func decodeContent(b []byte) (Content, error) {
	if _, err := jcs.Parse(b); err != nil {
		return Content{}, registry.Errorf(registry.CodeMalformed, "signed content is not acceptable JSON").WithCause(err)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	var c Content
	if err := d.Decode(&c); err != nil {
		return Content{}, registry.Errorf(registry.CodeMalformed, "signed content is not a person request").WithCause(err)
	}
	return c, nil
}

// Decode implements intake.Kind: the signed bytes must be the frozen document.
func (Kind) Decode(draft *intake.Draft, signed signature.SignedBytes) (any, error) {
	got, err := signed.Bytes()
	if err != nil {
		return nil, fmt.Errorf("reading the signed document: %w", err)
	}
	if !bytes.Equal(got, draft.ToBeSigned) {
		if err := intake.SameDocument(draft.ToBeSigned, got); err != nil {
			return nil, err
		}
	}
	return decodeContent(got)
}

// Accept implements intake.Kind: the record is written. The person's row is
// locked by the pipeline.
func (k Kind) Accept(ctx context.Context, tx Tx, draft *intake.Draft, parties intake.Parties, act registry.Act, content any) (any, error) {
	c := content.(Content)
	if !parties.Author.Approved {
		return nil, registry.Errorf(registry.CodeForbidden, "Employee is not approved").WithReason("employee_status")
	}
	stored, err := tx.Person(ctx, draft.PersonID)
	if err != nil {
		return nil, err
	}
	p, err := next(stored, c.Person)
	if err != nil {
		return nil, err
	}
	p.UpdatedAt = act.AcceptedAt
	if err := tx.PutPerson(ctx, p); err != nil {
		return nil, err
	}
	if err := k.relate(ctx, tx, stored.Version == 0, p, act.AcceptedAt); err != nil {
		return nil, err
	}
	if stored.Version == 0 || !sameIdentity(stored, p) {
		c := registry.Caller{Channel: registry.ChannelJob, RequestID: act.ID.String(), EmployeeID: act.AuthorID, LegalEntityID: act.LegalEntityID}
		if err := k.Verification.Begin(ctx, tx, c, p, verification.ReasonInitial); err != nil {
			return nil, err
		}
	}
	return k.Resource(ctx, tx, act)
}

// relate writes the relationships of a new record to confidants of the index;
// a document of full legal capacity in a changed one ends those there are.
func (k Kind) relate(ctx context.Context, tx Tx, isNew bool, p patient.Person, now time.Time) error {
	if isNew {
		for _, c := range p.ConfidantPersons {
			if c.PersonID.IsZero() {
				continue
			}
			if _, err := k.mayRelate(ctx, tx, p, c.PersonID, registry.DateOf(now)); err != nil {
				return err
			}
			r := k.Terms.NewRelationship(k.Source.NewID(), p, c.PersonID, c.DocumentsRelationship, registry.Date{}, now)
			if err := tx.PutRelationship(ctx, r); err != nil {
				return err
			}
		}
		return nil
	}
	if !p.HasLegalCapacity() {
		return nil
	}
	list, err := tx.RelationshipsOf(ctx, p.ID)
	for _, r := range list {
		if err == nil {
			r.IsActive, r.UpdatedAt = false, now
			err = tx.PutRelationship(ctx, r)
		}
	}
	return err
}

// next is the record after the act. What the registry knows by itself stays;
// changed identity has to be verified again.
func next(stored, given patient.Person) (patient.Person, error) {
	p := given
	p.ID, p.InsertedAt, p.DeathDate, p.MasterID = stored.ID, stored.InsertedAt, stored.DeathDate, stored.MasterID
	p.Status, p.VerificationStatus, p.Version = patient.StatusActive, "VERIFICATION_NEEDED", stored.Version+1
	if stored.Version == 0 && given.Version == 0 {
		return p, nil
	}
	if err := checkStored(stored); err != nil {
		return p, err
	}
	if stored.Version != given.Version {
		return p, registry.Errorf(registry.CodeConflict, "the person was changed meanwhile; create the request anew").WithReason("person_version")
	}
	if sameIdentity(stored, given) {
		p.VerificationStatus = stored.VerificationStatus
	}
	return p, nil
}

func sameIdentity(a, b patient.Person) bool {
	return a.LastName == b.LastName && a.FirstName == b.FirstName && a.SecondName == b.SecondName && a.BirthDate == b.BirthDate &&
		a.TaxID == b.TaxID && a.UNZR == b.UNZR && a.Gender == b.Gender && slices.Equal(a.Documents, b.Documents)
}

// Result is what the caller is shown for an accepted request.
type Result struct {
	ID       registry.ID `json:"id"` // of the act
	PersonID registry.ID `json:"person_id"`
	Status   string      `json:"status"`
}

// Resource implements intake.Kind.
func (Kind) Resource(_ context.Context, _ Tx, act registry.Act) (any, error) {
	return Result{act.ID, act.PatientID, "SIGNED"}, nil
}

// printout is the form the patient reads; html/template escapes every value.
var printout = template.Must(template.New("person").Parse(`<!DOCTYPE html>
<html lang="uk"><head><meta charset="utf-8"><title>Анкета пацієнта</title></head><body>
<h1>Відомості про пацієнта</h1>
<p>{{.Person.LastName}} {{.Person.FirstName}} {{.Person.SecondName}}, {{.Person.BirthDate}}, {{.Person.BirthCountry}}, {{.Person.BirthSettlement}}</p>
<ul>{{range .Person.Documents}}<li>{{.Type}} {{.Number}}, {{.IssuedBy}}, {{.IssuedAt}}</li>{{end}}</ul>
<p>Я погоджуюся на обробку моїх персональних даних для ведення реєстру пацієнтів.</p>
</body></html>
`))

func (c Content) render() (string, error) {
	var b bytes.Buffer
	if err := printout.Execute(&b, c); err != nil {
		return "", fmt.Errorf("rendering the printed form: %w", err)
	}
	return b.String(), nil
}
