package sickleave

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"mist/registry"
	"mist/registry/composition"
	"mist/registry/dictionary"
	"mist/registry/intake"
	"mist/registry/jcs"
	"mist/registry/job"
	"mist/registry/notify"
	"mist/registry/patient"
	"mist/registry/prm"
	"mist/registry/record"
	"mist/signature"
)

// notifyTx is what leaves a notice.
type notifyTx interface{ job.Tx }

// Tx is what the kind needs of a transaction.
type Tx interface {
	intake.Tx
	patient.ConfirmTx
	dictionary.ReadTx
	keepTx
	ExportTx
	LockPerson(ctx context.Context, id registry.ID) error
	Employee(ctx context.Context, id registry.ID) (prm.Employee, error)
	LegalEntity(ctx context.Context, id registry.ID) (prm.LegalEntity, error)
	Seed(ctx context.Context) (string, error)
}

// Lists gives the dictionaries as the transaction sees them.
type Lists func(ctx context.Context, tx dictionary.ReadTx) (prm.Lists, error)

// Kind is the conclusion as an act kind.
type Kind struct {
	Source registry.Source
	Lists  Lists
}

// Scopes of conclusions.
const (
	ScopeWrite   = "composition:write"
	ScopeRead    = "composition:read"
	ScopeSign    = "composition:sign"
	ScopeCancel  = "composition:cancel"
	ScopeReadOwn = "composition:read_pis"
)

// Name implements intake.Kind.
func (Kind) Name() registry.KindName { return Name }

// Version implements intake.Kind.
func (Kind) Version() int { return Version }

// Scope implements intake.Kind.
func (Kind) Scope(step intake.Step) string {
	switch step {
	case intake.StepSign:
		return ScopeSign
	case intake.StepRead:
		return ScopeRead
	}
	return ScopeWrite
}

// Draft implements intake.Kind. No patient confirms a conclusion: the document
// is frozen at once, to be read, printed and signed.
func (k Kind) Draft(ctx context.Context, tx Tx, c registry.Caller, draft *intake.Draft, body []byte) error {
	in, p, err := decodeInput(body)
	if err != nil {
		return err
	}
	if c.EmployeeID.IsZero() {
		return registry.Errorf(registry.CodeForbidden, "ask for the token with employee_id: a conclusion has an author").WithReason("employee")
	}
	if in.Author.Value != c.EmployeeID {
		return field("$.author.value", "invalid", "the author is the employee of the token")
	}
	f, err := k.facts(ctx, tx, &in, c.LegalEntityID)
	if err != nil {
		return err
	}
	if err := check(&in, p, &f); err != nil {
		return err
	}
	if _, err := informed(ctx, tx, &in, &f); err != nil {
		return err
	}
	doc := Content{ID: draft.ID, CompositionID: draft.ActID, Status: string(composition.Final), Document: Document{Input: in, Title: record.Conclusion(k.Source),
		Date: draft.InsertedAt.UTC().Truncate(time.Second), Custodian: referenceTo("legal_entity", f.LegalEntity.ID), Names: names(&f)}}
	if doc.Seed, err = tx.Seed(ctx); err != nil {
		return err
	}
	l := doc.leave(p, f.LegalEntity.ID)
	if doc.Printout, err = printed(l); err != nil {
		return err
	}
	draft.PersonID, draft.EmployeeID, draft.PartyID, draft.DivisionID = in.Subject.Value, f.Author.ID, f.Author.Party.ID, f.Author.DivisionID
	draft.AuthMethod, draft.Status = patient.MethodNA, intake.StatusApproved
	if draft.ToBeSigned, err = jcs.Marshal(doc); err != nil {
		return err
	}
	draft.Data = []byte("{}")
	return nil
}

func names(f *Facts) Names {
	name := f.LegalEntity.PublicName
	if name == "" {
		name = f.LegalEntity.Name
	}
	a := f.Author.Party
	return Names{
		Subject: fullName(f.Subject.LastName, f.Subject.FirstName, f.Subject.SecondName), SubjectBirthDate: f.Subject.BirthDate,
		Focus: fullName(f.Focus.LastName, f.Focus.FirstName, f.Focus.SecondName), FocusBirthDate: f.Focus.BirthDate,
		Author: fullName(a.LastName, a.FirstName, a.SecondName), LegalEntity: name, EDRPOU: f.LegalEntity.EDRPOU, Address: f.LegalEntity.Address,
	}
}

// facts reads what the rules ask.
func (k Kind) facts(ctx context.Context, tx Tx, in *Input, legalEntity registry.ID) (f Facts, err error) {
	f.Today = Day(k.Source.Now())
	if f.Lists, err = k.Lists(ctx, tx); err != nil {
		return f, err
	}
	if f.LegalEntity, err = tx.LegalEntity(ctx, legalEntity); err != nil {
		return f, err
	}
	if f.Author, err = tx.Employee(ctx, in.Author.Value); err != nil {
		return f, err
	}
	if f.Subject, err = person(ctx, tx, in.Subject.Value, "Such person doesn't exist"); err != nil {
		return f, err
	}
	f.Focus = f.Subject
	if in.Section.Focus.Value != in.Subject.Value {
		if f.Focus, err = person(ctx, tx, in.Section.Focus.Value, "the person who is off work doesn't exist"); err != nil {
			return f, err
		}
	}
	if f.Basis, f.HasBasis, err = basis(ctx, tx, in.Encounter.Value); err != nil {
		return f, err
	}
	if _, target := in.relation(); !target.IsZero() {
		if f.Target, f.HasTarget, err = read(ctx, tx, target, true); err != nil {
			return f, err
		}
		if f.HasTarget {
			e, err := tx.Employee(ctx, f.Target.EmployeeID)
			if err != nil {
				return f, err
			}
			f.TargetParty = e.Party.ID
		}
	}
	others, err := tx.SickLeavesFor(ctx, in.Section.Focus.Value)
	if err != nil {
		return f, err
	}
	if f.Others, err = leavesOf(others); err != nil {
		return f, err
	}
	f.Rules, err = tx.SickLeaveRules(ctx)
	return f, err
}

// visit is as much of an encounter's content as the rules ask.
type visit struct {
	Encounter struct {
		Date      time.Time `json:"date"`
		Diagnoses []struct {
			Role string `json:"role"`
		} `json:"diagnoses"`
	} `json:"encounter"`
}

// basis reads the encounter a conclusion rests on.
func basis(ctx context.Context, tx record.Tx, id registry.ID) (b Basis, found bool, err error) {
	r, err := tx.RecordAcross(ctx, record.KindEncounter, id, false)
	if registry.CodeOf(err) == registry.CodeNotFound {
		return b, false, nil
	}
	if err != nil {
		return b, false, err
	}
	var v visit
	if err := json.Unmarshal(r.Body, &v); err != nil {
		return b, false, fmt.Errorf("reading an encounter: %w", err)
	}
	b = Basis{PersonID: r.PatientID, EmployeeID: r.AuthorID, LegalEntityID: r.LegalEntityID, Finished: r.Status == "finished", Date: Day(v.Encounter.Date)}
	for _, d := range v.Encounter.Diagnoses {
		b.Diagnosed = b.Diagnosed || d.Role == "primary"
	}
	return b, true, nil
}

func person(ctx context.Context, tx Tx, id registry.ID, absent string) (patient.Person, error) {
	p, err := tx.Person(ctx, id)
	if registry.CodeOf(err) == registry.CodeNotFound || err == nil && p.Version == 0 {
		return p, registry.Errorf(registry.CodeNotFound, "%s", absent)
	}
	return p, err
}

// informed is the telephone that is told the number: of the method the
// conclusion names, else of the person off work, if they confirm by one.
func informed(ctx context.Context, tx patient.ConfirmTx, in *Input, f *Facts) (phone string, err error) {
	e, named := extension(in.Extensions, InformWith)
	if !named {
		e, named = extension(in.Extensions, AuthorizeWith)
	}
	who := f.Subject
	if !named {
		who = f.Focus
	}
	m, err := patient.Confirmation(ctx, tx, who, e.UUID, f.Today)
	switch {
	case !named && err != nil && registry.CodeOf(err) == registry.CodeConflict:
		return "", nil // a relationship that ended is nobody's to tell
	case named && err != nil && len(registry.AsError(err).Fields) > 0:
		return "", field("$.extension", "invalid", "Authentication method doesn't exist or is not active") // it names the member of another request
	case err != nil:
		return "", err
	case named && m.PhoneNumber == "":
		return "", violated("1017", "the authentication method that is to be informed has no phone")
	}
	return m.PhoneNumber, nil
}

// Approve implements intake.Kind; a conclusion is frozen when it is drafted.
func (Kind) Approve(context.Context, Tx, *intake.Draft) error {
	return registry.Errorf(registry.CodeConflict, "Invalid transition")
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

// RefersTo implements intake.Referrer: what is continued or replaced.
func (Kind) RefersTo(_ *intake.Draft, content any) registry.ID {
	doc := content.(Content)
	_, target := doc.relation()
	return target
}

// Accept implements intake.Kind: all rules again, as of the signature, then the
// effects. The patient's row is locked by the pipeline; that of who is off
// work is locked here, so that of two conclusions about the same days one wins.
func (k Kind) Accept(ctx context.Context, tx Tx, draft *intake.Draft, parties intake.Parties, act registry.Act, content any) (any, error) {
	doc := content.(Content)
	if !parties.Author.Approved {
		return nil, registry.Errorf(registry.CodeForbidden, "Employee is not approved").WithReason("employee_status")
	}
	if focus := doc.Section.Focus.Value; focus != doc.Subject.Value {
		if err := tx.LockPerson(ctx, focus); err != nil {
			return nil, err
		}
	}
	p, err := doc.checkCodes()
	if err != nil {
		return nil, err
	}
	f, err := k.facts(ctx, tx, &doc.Input, draft.LegalEntityID)
	if err != nil {
		return nil, err
	}
	if err := check(&doc.Input, p, &f); err != nil {
		return nil, err
	}
	l := doc.leave(p, draft.LegalEntityID)
	l.SignedAt = act.AcceptedAt
	if l.Relation == Replaces {
		if err := f.Target.move(ctx, tx, composition.Amended, act.AcceptedAt); err != nil {
			return nil, err
		}
	}
	c := registry.Caller{Channel: registry.ChannelREST, RequestID: draft.ID.String(), ClientID: draft.ClientID, EmployeeID: draft.EmployeeID, LegalEntityID: draft.LegalEntityID}
	if err := k.export(ctx, tx, c, l, &f); err != nil {
		return nil, err
	}
	if err := insert(ctx, tx, l); err != nil {
		return nil, err
	}
	phone, err := informed(ctx, tx, &doc.Input, &f)
	if err != nil {
		return nil, err
	}
	if phone != "" {
		if err := notify.Enqueue(ctx, tx, k.Source, notify.Notice{Channel: notify.SMS, To: phone, Template: notify.ConclusionSigned, About: l.ID,
			Values: map[string]string{"number": l.Title}}); err != nil {
			return nil, err
		}
	}
	return shown(l.record), nil
}

// leave is what becomes of a document in the registry.
func (c *Content) leave(p Period, legalEntity registry.ID) *Leave {
	code, target := c.relation()
	return &Leave{
		ID: c.CompositionID, SubjectID: c.Subject.Value, FocusID: c.Section.Focus.Value, EmployeeID: c.Author.Value, LegalEntityID: legalEntity, EncounterID: c.Encounter.Value,
		Status: composition.Final, Category: c.category(), Period: p, Relation: code, TargetID: target, Stored: Stored{Document: c.Document},
	}
}

// Resource implements intake.Kind.
func (Kind) Resource(ctx context.Context, tx Tx, act registry.Act) (any, error) {
	r, err := tx.RecordAcross(ctx, Record, act.ID, false)
	if err != nil {
		return nil, err
	}
	return shown(r), nil
}

// Made is a conclusion as the signature's answer tells it.
type Made struct {
	ID      registry.ID     `json:"id"`
	Status  string          `json:"status"`
	Content json.RawMessage `json:"content"`
}

func shown(r record.Record) Made { return Made{r.ID, r.Status, r.Body} }
