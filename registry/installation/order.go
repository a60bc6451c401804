// Package installation is what an operator sets up where nobody in the registry
// could: legal entities that do not register themselves (the NHSU), client
// systems, and employees of types nobody invites (officers of the NHSU,
// auditors), or whom nobody can invite yet.
//
// Who has a shell on the server is trusted with none of it alone where many
// persons are touched: an employee is made by an order that a second person
// signs with their КЕП. The room trusts the verifier for the signer; every step
// leaves its entry.
package installation

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/document"
	"mist/registry/intake"
	"mist/registry/prm"
	"mist/signature"
)

// OrderName is the act by which an employee is made without an invitation.
const OrderName registry.KindName = "employee_order"

// ScopeOrder is what the operator's command acts by; no client has it.
const ScopeOrder = "installation:write"

// central are the types that see data of many providers' patients, or lead
// those who do: only an officer of the NHSU agrees to one.
var central = []string{"NHS ADMIN", "NHS ADMIN SIGNER", "NHS LE VERIFIER", "AUDITOR"}

// officers agree to orders about anybody.
var officers = []string{"NHS ADMIN", "NHS ADMIN SIGNER"}

// Order is the signed document.
type Order struct {
	LegalEntityID registry.ID `json:"legal_entity_id"`
	DivisionID    registry.ID `json:"division_id,omitzero"`
	EmployeeType  string      `json:"employee_type"`
	Position      string      `json:"position"`
	// StartDate is the first day of work.
	StartDate  registry.Date  `json:"start_date"`
	Party      prm.PartyInput `json:"party"`
	Additional prm.Additional `json:"additional,omitzero"`
	Reason     string         `json:"reason"`
	// AgreedBy is the employee whose signature it is. Absent in the one order of
	// an installation that has no officer yet: its signature is the officer's own.
	AgreedBy registry.ID `json:"agreed_by,omitzero"`
}

// Tx is what the room needs of a transaction.
type Tx interface {
	intake.SubmissionTx
	ClientTx
	LegalEntityType(ctx context.Context, name string) (prm.LegalEntityType, bool, error)
	EmployeeType(ctx context.Context, name string) (prm.EmployeeType, bool, error)
	Division(ctx context.Context, id registry.ID) (prm.Division, error)
	Employee(ctx context.Context, id registry.ID) (prm.Employee, error)
	PutEmployee(ctx context.Context, e prm.Employee) error
	Head(ctx context.Context, legalEntity registry.ID) (prm.Employee, bool, error)
	BlackListed(ctx context.Context, taxID string) (bool, error)
	PartyByTaxID(ctx context.Context, taxID string) (prm.Party, bool, error)
	// ApprovedOfType tells whether anybody approved has one of the types.
	ApprovedOfType(ctx context.Context, types []string) (bool, error)
	EmployeeByAct(ctx context.Context, act registry.ID) (prm.Employee, error)
	PutEmployeeOrder(ctx context.Context, act, employee registry.ID) error
	TryLock(ctx context.Context, name string) (bool, error)
}

// Store begins and ends transactions.
type Store interface {
	View(ctx context.Context, f func(ctx context.Context, tx Tx) error) error
	Update(ctx context.Context, f func(ctx context.Context, tx Tx) error) error
}

// Config of a Service; every field is needed, Verifier and Policies for orders alone.
type Config struct {
	Store    Store
	Source   registry.Source
	Verifier intake.Verifier
	Policies intake.Policies
	Lists    func(ctx context.Context) (prm.Lists, error)
}

// Service is the room.
type Service struct{ Config }

// New refuses a half-configured service.
func New(c Config) (*Service, error) {
	if c.Store == nil || c.Source.Clock == nil || c.Source.Random == nil || c.Verifier == nil || c.Policies == nil || c.Lists == nil {
		return nil, errors.New("installation: a part is missing")
	}
	return &Service{c}, nil
}

func (s *Service) caller() registry.Caller {
	return registry.Caller{Channel: registry.ChannelJob, RequestID: "operator-" + s.Source.NewID().String(), Scopes: []string{ScopeOrder}, Rows: registry.Reach{All: true}}
}

func entry(c registry.Caller, kind audit.Kind, object string, id registry.ID) audit.Entry {
	return audit.Entry{Kind: kind, Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID,
		Object: &audit.ObjectRef{Type: object, ID: id.String()}}
}

// Employ makes the employee a signed order names.
func (s *Service) Employ(ctx context.Context, container []byte) (prm.Employee, audit.Receipt, error) {
	p, err := intake.NewSubmissions(orderKind{s}, s.Store, s.Verifier, s.Policies, s.Source)
	if err != nil {
		return prm.Employee{}, audit.Receipt{}, err
	}
	out, err := p.Submit(ctx, s.caller(), container)
	if err != nil {
		return prm.Employee{}, audit.Receipt{}, err
	}
	return out.Resource.(prm.Employee), out.Receipt, nil
}

type orderKind struct{ s *Service }

func (orderKind) Name() registry.KindName { return OrderName }
func (orderKind) Version() int            { return 1 }
func (orderKind) Scope() string           { return ScopeOrder }

type ordered struct {
	Order
	lists prm.Lists
}

func (k orderKind) Decode(ctx context.Context, signed signature.SignedBytes, _ signature.Signer) (any, error) {
	body, err := signed.Bytes()
	if err != nil {
		return nil, fmt.Errorf("reading the signed document: %w", err)
	}
	lists, err := k.s.Lists(ctx)
	if err != nil {
		return nil, err
	}
	o, err := read(body, lists, registry.DateOf(k.s.Source.Now()))
	return ordered{o, lists}, err
}

func read(body []byte, lists prm.Lists, today registry.Date) (o Order, err error) {
	if err := document.Read(body, &o); err != nil {
		return o, err
	}
	var f document.Faults
	prm.CheckParty(&f, "$.party", o.Party, today)
	if !lists.Has("POSITION", o.Position) {
		f.Add("$.position", "inclusion", "value is not allowed in enum", "POSITION")
	}
	if today.AddDate(0, 0, 90).Before(o.StartDate) || o.StartDate.Before(o.Party.BirthDate) {
		f.Add("$.start_date", "invalid", "start date must lie after the birth date and at most 90 days ahead")
	}
	if n := len([]rune(o.Reason)); n < 10 || n > 1000 {
		f.Add("$.reason", "length", "say why in 10 to 1000 characters", "10", "1000")
	}
	return o, f.Err()
}

func (k orderKind) Accept(ctx context.Context, tx Tx, c registry.Caller, s signature.Signer, a *registry.Act, content any) (any, error) {
	o := content.(ordered)
	l, err := tx.LegalEntity(ctx, o.LegalEntityID)
	if registry.CodeOf(err) == registry.CodeNotFound {
		return nil, registry.Invalid(registry.FieldError{Entry: "$.legal_entity_id", Rule: "invalid", Description: "no such legal entity"})
	}
	if err != nil {
		return nil, err
	}
	if !l.Active() {
		return nil, registry.Errorf(registry.CodeConflict, "Legal entity is not active").WithReason("legal_entity_status")
	}
	if err := checkPlace(ctx, tx, o, l, registry.DateOf(a.AcceptedAt)); err != nil {
		return nil, err
	}
	author, err := agreed(ctx, tx, o.Order, l, s)
	if err != nil {
		return nil, err
	}
	e, err := k.employee(ctx, tx, o.Order)
	if err != nil {
		return nil, err
	}
	if author.IsZero() {
		author = e.ID
	}
	if err := tx.PutEmployee(ctx, e); err != nil {
		return nil, err
	}
	if err := tx.PutEmployeeOrder(ctx, a.ID, e.ID); err != nil {
		return nil, err
	}
	a.LegalEntityID, a.AuthorID = l.ID, author
	_, err = tx.Audit(ctx, entry(c, "employee.approved", "employee", e.ID))
	return e, err
}

// checkPlace holds an order against the rows of the types and of the division.
func checkPlace(ctx context.Context, tx Tx, o ordered, l prm.LegalEntity, today registry.Date) error {
	lt, _, err := tx.LegalEntityType(ctx, l.Type)
	if err != nil {
		return err
	}
	et, _, err := tx.EmployeeType(ctx, o.EmployeeType)
	if err != nil {
		return err
	}
	var f document.Faults
	if !f.OneOf("$.employee_type", o.EmployeeType, lt.EmployeeTypes...) {
		return f.Err()
	}
	if et.Division && o.DivisionID.IsZero() {
		f.Add("$.division_id", "required", "required property division_id was not present")
	}
	if !o.DivisionID.IsZero() {
		d, err := tx.Division(ctx, o.DivisionID)
		if err != nil && registry.CodeOf(err) != registry.CodeNotFound {
			return err
		}
		if err != nil || d.LegalEntityID != l.ID || !d.Active() {
			f.Add("$.division_id", "invalid", "Division must be active and of the legal entity")
		}
	}
	prm.CheckSchooling(&f, "$.additional", o.Additional, et, o.lists, today)
	if et.Head {
		head, found, err := tx.Head(ctx, l.ID)
		if err != nil {
			return err
		}
		if found {
			return registry.Errorf(registry.CodeConflict, "the legal entity has a head: they are replaced by an employee request").WithReason("head").
				WithCause(fmt.Errorf("head %s", head.ID))
		}
	}
	return f.Err()
}

// agreed finds the second person and compares the signature with them; zero:
// the order is the first of an installation.
func agreed(ctx context.Context, tx Tx, o Order, l prm.LegalEntity, s signature.Signer) (registry.ID, error) {
	if o.AgreedBy.IsZero() {
		// Of two first orders at once one waits for the other to be seen.
		if free, err := tx.TryLock(ctx, "mist first officer"); err != nil || !free {
			return registry.ID{}, errors.Join(err, registry.Errorf(registry.CodeUnavailable, "another order is being taken; send this one again"))
		}
		some, err := tx.ApprovedOfType(ctx, officers)
		if err != nil {
			return registry.ID{}, err
		}
		if some || o.EmployeeType != "NHS ADMIN" {
			return registry.ID{}, registry.Invalid(registry.FieldError{Entry: "$.agreed_by", Rule: "required",
				Description: "name the employee who signs the order: only the first NHS ADMIN of an installation signs their own"})
		}
		return registry.ID{}, intake.CheckSigner(s, o.Party.TaxID)
	}
	by, err := tx.Employee(ctx, o.AgreedBy)
	if err != nil && registry.CodeOf(err) != registry.CodeNotFound {
		return registry.ID{}, err
	}
	if err != nil || !mayAgree(by, o, l) {
		return registry.ID{}, registry.Invalid(registry.FieldError{Entry: "$.agreed_by", Rule: "invalid",
			Description: "an approved officer of the NHSU agrees, or for work in a provider its head; nobody to their own order"})
	}
	return by.ID, intake.CheckSigner(s, by.Party.TaxID)
}

func mayAgree(by prm.Employee, o Order, l prm.LegalEntity) bool {
	switch {
	case !by.Approved() || by.Party.TaxID == o.Party.TaxID:
		return false
	case slices.Contains(officers, by.Type):
		return true
	}
	head := by.Type == "OWNER" || by.Type == "PHARMACY_OWNER"
	return head && by.LegalEntityID == l.ID && !slices.Contains(central, o.EmployeeType)
}

func (k orderKind) employee(ctx context.Context, tx Tx, o Order) (prm.Employee, error) {
	e := prm.Employee{ID: k.s.Source.NewID(), LegalEntityID: o.LegalEntityID, DivisionID: o.DivisionID, Type: o.EmployeeType, Position: o.Position,
		Status: "APPROVED", StartDate: o.StartDate, Additional: o.Additional, Speciality: o.Additional.Officio()}
	listed, err := tx.BlackListed(ctx, o.Party.TaxID)
	if err != nil {
		return e, err
	}
	if listed {
		return e, registry.Errorf(registry.CodeConflict, "new employee with this tax_id can't be created").WithReason("black_listed")
	}
	known, found, err := tx.PartyByTaxID(ctx, o.Party.TaxID)
	if err != nil {
		return e, err
	}
	id := known.ID
	switch {
	case !found:
		id = k.s.Source.NewID()
	case known.BirthDate != o.Party.BirthDate:
		return e, registry.Errorf(registry.CodeConflict, "birth_date doesn't match").WithReason("birth_date")
	}
	e.Party = prm.PartyOf(id, o.Party)
	return e, nil
}

func (orderKind) Repeat(ctx context.Context, tx Tx, _ registry.Caller, a registry.Act) (any, error) {
	return tx.EmployeeByAct(ctx, a.ID)
}
