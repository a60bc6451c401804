package declaration

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"mist/registry"
	"mist/registry/intake"
	"mist/registry/jcs"
	"mist/registry/patient"
	"mist/registry/prm"
	"mist/signature"
)

func itoa(n int) string { return strconv.Itoa(n) }

// Tx is what the kind needs of a transaction.
type Tx interface {
	intake.Tx
	patient.ConfirmTx
	// RelationshipsOf lists the confidants of a person.
	RelationshipsOf(ctx context.Context, person registry.ID) ([]patient.Relationship, error)
	// Sides reads at once what a draft is made of; not-found for the legal entity.
	Sides(ctx context.Context, person, employee, division, legalEntity registry.ID) (Sides, error)
	// DraftToApprove reads a draft without its documents and its Standing at once,
	// with nobody's row held; whole tells that the draft has no documents.
	DraftToApprove(ctx context.Context, id registry.ID) (d intake.Draft, whole bool, a Standing, err error)
	// Standing reads at once what an approval depends on, and holds the party's
	// row; not-found for the person.
	Standing(ctx context.Context, person, party registry.ID) (Standing, error)
	Division(ctx context.Context, id registry.ID) (prm.Division, error)
	// CancelDrafts supersedes open drafts of the same person, employee and legal entity.
	CancelDrafts(ctx context.Context, kind registry.KindName, person, employee, legalEntity, except registry.ID) error
	// SupersedeDeclaration ends the person's declaration that is active or
	// pending, if there is one, by a newer act.
	SupersedeDeclaration(ctx context.Context, person, by registry.ID) error
	InsertDeclaration(ctx context.Context, d Declaration) error
	// CarriedOver tells whether a declaration was the person's with a legal entity
	// that was merged into another one.
	CarriedOver(ctx context.Context, parent, person, successor registry.ID) (bool, error)
	DeclarationByAct(ctx context.Context, act registry.ID) (Declaration, error)
}

// Sides are those a declaration is between, as they are now.
type Sides struct {
	Person                              patient.Person
	Employee                            prm.Employee
	Division                            prm.Division
	LegalEntity                         prm.LegalEntity
	HasPerson, HasEmployee, HasDivision bool
	// Parameters are the global parameters somebody changed.
	Parameters map[string]string
	// Sequence is drawn for the number; gaps are allowed.
	Sequence uint64
}

// Standing is what the approval of a draft depends on.
type Standing struct {
	Person patient.Person // its two states alone
	// Specialities in office of all approved doctor's positions of the party.
	Specialities []string
	// Declarations counts active and pending declarations of all positions of
	// the party, and its APPROVED drafts, without this person.
	Declarations int
	// Seed is the root hash of the newest audit checkpoint, hex.
	Seed string
}

// Kind is the declaration as an act kind.
type Kind struct {
	Terms  Terms
	Source registry.Source
}

// Name implements intake.Kind.
func (Kind) Name() registry.KindName { return Name }

// Version implements intake.Kind.
func (Kind) Version() int { return Version }

// Scope implements intake.Kind: declaration_request:write, :approve, :sign, :read.
func (Kind) Scope(step intake.Step) string { return "declaration_request:" + string(step) }

// Input is the body of "create": {person_id, employee_id, division_id}.
type Input struct {
	PersonID            registry.ID `json:"person_id"`
	EmployeeID          registry.ID `json:"employee_id"`
	DivisionID          registry.ID `json:"division_id"`
	AuthorizeWith       registry.ID `json:"authorize_with"`
	ParentDeclarationID registry.ID `json:"parent_declaration_id"`
	// Overlimit: the doctor takes the patient over the limit.
	Overlimit bool `json:"overlimit"`
}

func decodeInput(body []byte) (Input, error) {
	return decodeMembers(body, map[string]bool{"person_id": true, "employee_id": true, "division_id": true, "authorize_with": false, "parent_declaration_id": false, "overlimit": false})
}

// decodeMembers reads an object of ids; true marks those that must be there.
func decodeMembers(body []byte, members map[string]bool) (Input, error) {
	v, err := jcs.Parse(body)
	if err != nil {
		return Input{}, registry.Errorf(registry.CodeMalformed, "the body is not acceptable JSON").WithCause(err)
	}
	object, ok := v.(map[string]any)
	if !ok {
		return Input{}, field("$", "cast", "type mismatch. Expected Object")
	}
	var fields []registry.FieldError
	for _, name := range slices.Sorted(maps.Keys(members)) {
		value, given := object[name]
		text, isText := value.(string)
		_, err := registry.ParseID(text)
		switch {
		case !given && members[name]:
			fields = append(fields, registry.FieldError{Entry: "$." + name, Rule: "required", Description: "required property " + name + " was not present"})
		case name == "overlimit":
			if _, is := value.(bool); given && !is {
				fields = append(fields, registry.FieldError{Entry: "$." + name, Rule: "cast", Description: "type mismatch. Expected Boolean"})
			}
		case given && (!isText || err != nil):
			fields = append(fields, registry.FieldError{Entry: "$." + name, Rule: "format", Description: "expected a UUID"})
		}
		delete(object, name)
	}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		fields = append(fields, registry.FieldError{Entry: "$." + name, Rule: "schema", Description: "schema does not allow additional properties"})
	}
	if len(fields) > 0 {
		return Input{}, registry.Invalid(fields...)
	}
	var in Input
	if err := json.Unmarshal(body, &in); err != nil {
		return Input{}, fmt.Errorf("reading a checked body: %w", err)
	}
	return in, nil
}

// Draft implements intake.Kind: it takes the snapshot and checks the parties.
func (k Kind) Draft(ctx context.Context, tx Tx, caller registry.Caller, draft *intake.Draft, body []byte) error {
	_, err := k.sketch(ctx, tx, caller, draft, body, true)
	if err != nil {
		return err
	}
	return k.Supersede(ctx, tx, *draft)
}

// Sketch implements intake.Sketcher.
func (k Kind) Sketch(ctx context.Context, tx Tx, caller registry.Caller, draft *intake.Draft, body []byte) (done bool, err error) {
	return k.sketch(ctx, tx, caller, draft, body, false)
}

// Supersede implements intake.Sketcher: earlier drafts of the same three end.
func (Kind) Supersede(ctx context.Context, tx Tx, draft intake.Draft) error {
	return tx.CancelDrafts(ctx, Name, draft.PersonID, draft.EmployeeID, draft.LegalEntityID, draft.ID)
}

// sketch fills the draft in. Without more it makes one trip, and is not done
// when another person's consent, or the declaration it takes the place of, has to
// be read too.
func (k Kind) sketch(ctx context.Context, tx Tx, caller registry.Caller, draft *intake.Draft, body []byte, more bool) (done bool, err error) {
	in, err := decodeInput(body)
	if err != nil {
		return false, err
	}
	s, err := tx.Sides(ctx, in.PersonID, in.EmployeeID, in.DivisionID, caller.LegalEntityID)
	switch {
	case err != nil:
		return false, err
	case !s.HasPerson:
		return false, registry.Errorf(registry.CodeNotFound, "Such person doesn't exist")
	case !s.HasEmployee:
		return false, field("$.employee_id", "invalid", "Employee does not exist")
	case !s.HasDivision:
		return false, field("$.division_id", "invalid", "Division does not exist")
	}
	p, e, d, l := s.Person, s.Employee, s.Division, s.LegalEntity
	today := registry.DateOf(k.Source.Now())
	terms, err := k.Terms.over(s.Parameters)
	if err != nil {
		return false, err
	}
	if err := terms.checkParties(caller, p, e, d, l, today); err != nil {
		return false, err
	}
	if !more && (!in.AuthorizeWith.IsZero() || !in.ParentDeclarationID.IsZero() || p.AuthMethod().Type == patient.MethodThirdPerson) {
		return false, nil
	}
	if err := carriedOver(ctx, tx, in.ParentDeclarationID, p.ID, l.ID); err != nil {
		return false, err
	}
	c := newContent(p, e, d, l)
	c.ParentID = in.ParentDeclarationID
	c.ID, c.DeclarationID, c.Number, c.Overlimit = draft.ID, draft.ActID, Number(s.Sequence), in.Overlimit
	c.StartDate, c.EndDate = terms.period(p.BirthDate, e.Speciality, today)
	draft.PersonID, draft.EmployeeID, draft.PartyID, draft.DivisionID = p.ID, e.ID, e.Party.ID, d.ID
	draft.Number = c.Number
	method, err := patient.Confirmation(ctx, tx, p, in.AuthorizeWith, today)
	if err != nil {
		return false, err
	}
	draft.AuthMethod, draft.Phone = method.Type, method.PhoneNumber
	draft.Demands = patient.UploadsForDeclaration(p, draft.AuthMethod)
	draft.Data, err = jcs.Marshal(c)
	return err == nil, err
}

// carriedOver holds parent_declaration_id: a declaration of the same person with
// a legal entity whose successor this one is (ЕСОЗ 1.1).
func carriedOver(ctx context.Context, tx Tx, parent, person, legalEntity registry.ID) error {
	if parent.IsZero() {
		return nil
	}
	ok, err := tx.CarriedOver(ctx, parent, person, legalEntity)
	if err == nil && !ok {
		err = field("$.parent_declaration_id", "invalid", "Parent declaration must be one of the person with a legal entity that was merged into yours")
	}
	return err
}

// Approve implements intake.Kind: the doctor's limit, the printed form, the
// seed and with them the exact bytes that will be signed are frozen here.
func (k Kind) Approve(ctx context.Context, tx Tx, draft *intake.Draft) error {
	var c printed
	if err := json.Unmarshal(draft.Data, &c); err != nil {
		return fmt.Errorf("reading a stored draft: %w", err)
	}
	a, err := tx.Standing(ctx, c.Person.ID, c.Employee.Party.ID)
	if err != nil {
		return err
	}
	return k.approve(draft, c, a, 0)
}

// approve judges and freezes; so many places have to be left beside the draft's own.
func (k Kind) approve(draft *intake.Draft, c printed, a Standing, left int) (err error) {
	if err := stillEligible(a.Person); err != nil {
		return err
	}
	if !c.Overlimit {
		if err := k.Terms.checkLimit(append(a.Specialities, c.Employee.Speciality), a.Declarations+left); err != nil {
			return err
		}
	}
	draft.ToBeSigned, err = c.freeze(draft.Data, a.Seed)
	return err
}

// placesLeft is how many places a doctor must have left for an approval to be
// counted without holding the party's row: more than can be approved for one
// doctor within the seconds between the count and the commit.
const placesLeft = 100

// Foresee implements intake.Foreseer.
func (k Kind) Foresee(ctx context.Context, tx Tx, id registry.ID) (draft intake.Draft, whole bool, approve func(*intake.Draft) error, err error) {
	draft, whole, a, err := tx.DraftToApprove(ctx, id)
	return draft, whole, func(d *intake.Draft) error {
		var c printed
		if err := json.Unmarshal(d.Data, &c); err != nil {
			return fmt.Errorf("reading a stored draft: %w", err)
		}
		return k.approve(d, c, a, placesLeft)
	}, err
}

// Decode implements intake.Kind: the signed bytes must be the frozen document.
func (Kind) Decode(draft *intake.Draft, signed signature.SignedBytes) (any, error) {
	got, err := signed.Bytes()
	if err != nil {
		return nil, fmt.Errorf("reading the signed document: %w", err)
	}
	if bytes.Equal(got, draft.ToBeSigned) {
		return readFrozen(got)
	}
	if err := intake.SameDocument(draft.ToBeSigned, got); err != nil {
		return nil, err
	}
	c, err := decodeContent(got)
	if err != nil {
		return nil, err
	}
	return c.signed(), nil
}

// Accept implements intake.Kind: rules that depend on the moment of signing,
// then the effects. The person's row is locked by the pipeline.
func (k Kind) Accept(ctx context.Context, tx Tx, draft *intake.Draft, p intake.Parties, act registry.Act, content any) (any, error) {
	if !p.Author.Approved {
		return nil, registry.Errorf(registry.CodeForbidden, "Employee is not approved").WithReason("employee_status")
	}
	if err := stillEligible(patient.Person{Status: patient.Status(p.PersonStatus), VerificationStatus: p.PersonVerification}); err != nil {
		return nil, err
	}
	return k.Effects(ctx, tx, draft, act, content)
}

// Standing implements intake.Prompt: what stillEligible wants.
func (Kind) Standing() intake.Standing {
	return intake.Standing{Person: string(patient.StatusActive), NotVerification: patient.NotVerified}
}

// Effects implements intake.Prompt.
func (k Kind) Effects(ctx context.Context, tx Tx, draft *intake.Draft, act registry.Act, content any) (any, error) {
	c := content.(signedContent)
	if err := tx.SupersedeDeclaration(ctx, draft.PersonID, act.ID); err != nil {
		return nil, err
	}
	status, reason := StatusActive, ""
	switch {
	case draft.AuthMethod == "OFFLINE":
		status, reason = StatusPendingVerification, ReasonOffline
	case c.Person.NoTaxID || c.Person.TaxID == "":
		status, reason = StatusPendingVerification, ReasonNoTaxID
	}
	d := Declaration{
		ID: act.ID, ActID: act.ID, Number: c.Number, RequestID: draft.ID,
		PersonID: draft.PersonID, EmployeeID: draft.EmployeeID, DivisionID: draft.DivisionID, LegalEntityID: draft.LegalEntityID,
		Scope: c.Scope, StartDate: c.StartDate, EndDate: c.EndDate, SignedAt: act.AcceptedAt,
		Status: status, Reason: reason, ParentID: c.ParentID, Seed: c.Seed, Overlimit: c.Overlimit, InsertedAt: act.AcceptedAt, UpdatedAt: act.AcceptedAt,
	}
	return d, tx.InsertDeclaration(ctx, d)
}

// Resource implements intake.Kind: the declaration of an accepted act.
func (Kind) Resource(ctx context.Context, tx Tx, act registry.Act) (any, error) {
	return tx.DeclarationByAct(ctx, act.ID)
}
