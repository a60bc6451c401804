// Package employeerequest is the act by which a legal entity invites a person
// to work in it: signed by the one who asks, sent as an invitation by e-mail,
// approved or rejected by whoever holds the invitation, expired by time.
//
// The token of an invitation is random, kept as SHA-256, and stands for the
// mailbox: who does not hold it is answered 403 (domain notes 1.5). The room
// trusts the verifier for the signer and nobody for what a request says.
package employeerequest

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"time"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/document"
	"mist/registry/intake"
	"mist/registry/job"
	"mist/registry/prm"
	"mist/signature"
)

// Name is the stable name of the act kind; Version that of its document.
const (
	Name    registry.KindName = "employee_request"
	Version int               = 1
)

// Scopes (eHealth).
const (
	ScopeWrite   = "employee_request:write"
	ScopeRead    = "employee_request:read"
	ScopeApprove = "employee_request:approve"
	ScopeReject  = "employee_request:reject"
)

// Tx is what the room needs of a transaction.
type Tx interface {
	intake.SubmissionTx
	job.Tx
	LegalEntity(ctx context.Context, id registry.ID) (prm.LegalEntity, error)
	LegalEntityType(ctx context.Context, name string) (prm.LegalEntityType, bool, error)
	EmployeeType(ctx context.Context, name string) (prm.EmployeeType, bool, error)
	Division(ctx context.Context, id registry.ID) (prm.Division, error)
	Employee(ctx context.Context, id registry.ID) (prm.Employee, error)
	LockEmployee(ctx context.Context, id registry.ID) error
	PutEmployee(ctx context.Context, e prm.Employee) error
	DismissEmployee(ctx context.Context, id registry.ID, on registry.Date, reason string) error
	Head(ctx context.Context, legalEntity registry.ID) (prm.Employee, bool, error)
	BlackListed(ctx context.Context, taxID string) (bool, error)
	// PartyByTaxID finds the party of a tax number.
	PartyByTaxID(ctx context.Context, taxID string) (prm.Party, bool, error)
	PutEmployeeRequest(ctx context.Context, r prm.EmployeeRequest) error
	// EmployeeRequest reads one; with lock set, its row is held until commit.
	EmployeeRequest(ctx context.Context, id registry.ID, lock bool) (prm.EmployeeRequest, error)
	EmployeeRequestByAct(ctx context.Context, act registry.ID) (prm.EmployeeRequest, error)
	EmployeeRequests(ctx context.Context, f prm.Filter) ([]prm.EmployeeRequest, int, error)
	// ExpireEmployeeRequests turns at most limit open requests past their time
	// into EXPIRED.
	ExpireEmployeeRequests(ctx context.Context, now time.Time, limit int) ([]registry.ID, error)
	TryLock(ctx context.Context, name string) (bool, error)
}

// Store begins and ends transactions.
type Store interface {
	View(ctx context.Context, f func(ctx context.Context, tx Tx) error) error
	Update(ctx context.Context, f func(ctx context.Context, tx Tx) error) error
}

// Input is the signed document.
type Input struct {
	EmployeeID    registry.ID    `json:"employee_id,omitzero"`
	LegalEntityID registry.ID    `json:"legal_entity_id"`
	DivisionID    registry.ID    `json:"division_id,omitzero"`
	EmployeeType  string         `json:"employee_type"`
	Position      string         `json:"position"`
	StartDate     registry.Date  `json:"start_date"`
	Party         prm.PartyInput `json:"party"`
	Additional    prm.Additional `json:"additional,omitzero"`
}

// Kind is the request as an act kind without drafts.
type Kind struct {
	Source registry.Source
	Lists  func(ctx context.Context) (prm.Lists, error)
	Term   func(ctx context.Context) (time.Duration, error)
}

// Name implements intake.SubmissionKind.
func (Kind) Name() registry.KindName { return Name }

// Version implements intake.SubmissionKind.
func (Kind) Version() int { return Version }

// Scope implements intake.SubmissionKind.
func (Kind) Scope() string { return ScopeWrite }

type content struct {
	Input
	lists prm.Lists
	term  time.Duration
}

// Decode implements intake.SubmissionKind.
func (k Kind) Decode(ctx context.Context, signed signature.SignedBytes, _ signature.Signer) (any, error) {
	body, err := signed.Bytes()
	if err != nil {
		return nil, fmt.Errorf("reading the signed document: %w", err)
	}
	c := content{}
	if c.lists, err = k.Lists(ctx); err != nil {
		return nil, err
	}
	if c.term, err = k.Term(ctx); err != nil {
		return nil, err
	}
	c.Input, err = read(body, c.lists, registry.DateOf(k.Source.Now()))
	return c, err
}

func read(body []byte, lists prm.Lists, today registry.Date) (in Input, err error) {
	if err := document.Read(body, &in); err != nil {
		return in, err
	}
	var f document.Faults
	prm.CheckParty(&f, "$.party", in.Party, today)
	if !lists.Has("POSITION", in.Position) {
		f.Add("$.position", "inclusion", "value is not allowed in enum", "POSITION")
	}
	if today.AddDate(0, 0, 90).Before(in.StartDate) || in.StartDate.Before(in.Party.BirthDate) {
		f.Add("$.start_date", "invalid", "start date must lie after the birth date and at most 90 days ahead")
	}
	return in, f.Err()
}

// checkType holds a request against the rows of the legal entity's and of the
// employee's type.
func checkType(in Input, l prm.LegalEntityType, e prm.EmployeeType, lists prm.Lists, today registry.Date) error {
	var f document.Faults
	if !e.Requestable || !slices.Contains(l.EmployeeTypes, in.EmployeeType) {
		f.Add("$.employee_type", "inclusion", "value is not allowed in enum", l.EmployeeTypes...)
		return f.Err()
	}
	if e.Head && len(l.OwnerPositions) > 0 && !slices.Contains(l.OwnerPositions, in.Position) {
		f.Add("$.position", "inclusion", "value is not allowed in enum", l.OwnerPositions...)
	}
	if e.Division && in.DivisionID.IsZero() {
		f.Add("$.division_id", "required", "required property division_id was not present")
	}
	prm.CheckSchooling(&f, "$.additional", in.Additional, e, lists, today)
	return f.Err()
}

// checkChange: a request that changes an employee keeps who it is.
func checkChange(in Input, e prm.Employee, legalEntity registry.ID) error {
	conflict := func(text, reason string) error {
		return registry.Errorf(registry.CodeConflict, "%s", text).WithReason(reason)
	}
	switch {
	case e.LegalEntityID != legalEntity:
		return registry.Errorf(registry.CodeNotFound, "Employee not found")
	case !e.Approved():
		return conflict("employee is dismissed", "employee_status")
	case e.Party.TaxID != in.Party.TaxID:
		return conflict("tax_id doesn't match", "tax_id")
	case e.Type != in.EmployeeType:
		return conflict("employee_type doesn't match", "employee_type")
	case e.Party.BirthDate != in.Party.BirthDate:
		return conflict("birth_date doesn't match", "birth_date")
	case e.StartDate != in.StartDate:
		return conflict("start_date doesn't match", "start_date")
	}
	return nil
}

// Accept implements intake.SubmissionKind.
func (k Kind) Accept(ctx context.Context, tx Tx, c registry.Caller, s signature.Signer, a *registry.Act, decoded any) (any, error) {
	in := decoded.(content)
	if in.LegalEntityID != c.LegalEntityID || c.LegalEntityID.IsZero() {
		return nil, registry.Errorf(registry.CodeForbidden, "a request is made by its own legal entity").WithReason("legal_entity")
	}
	if c.EmployeeID.IsZero() {
		return nil, registry.Errorf(registry.CodeForbidden, "ask for the token with employee_id: a request is signed by an employee").WithReason("employee")
	}
	author, err := tx.Employee(ctx, c.EmployeeID)
	if err != nil {
		return nil, err
	}
	if !author.Approved() || author.LegalEntityID != c.LegalEntityID {
		return nil, registry.Errorf(registry.CodeForbidden, "Employee is not approved").WithReason("employee_status")
	}
	if err := intake.CheckSigner(s, author.Party.TaxID); err != nil {
		return nil, err
	}
	l, err := tx.LegalEntity(ctx, c.LegalEntityID)
	if err != nil {
		return nil, err
	}
	if !l.Active() {
		return nil, registry.Errorf(registry.CodeConflict, "Legal entity is not active").WithReason("legal_entity_status")
	}
	lt, _, err := tx.LegalEntityType(ctx, l.Type)
	if err != nil {
		return nil, err
	}
	et, _, err := tx.EmployeeType(ctx, in.EmployeeType)
	if err != nil {
		return nil, err
	}
	if err := checkType(in.Input, lt, et, in.lists, registry.DateOf(a.AcceptedAt)); err != nil {
		return nil, err
	}
	if err := k.checkRows(ctx, tx, in.Input, c); err != nil {
		return nil, err
	}
	a.LegalEntityID, a.AuthorID = c.LegalEntityID, c.EmployeeID
	token := base64.RawURLEncoding.EncodeToString(k.Source.Bytes(32))
	r := prm.EmployeeRequest{
		ID: k.Source.NewID(), ActID: a.ID, LegalEntityID: c.LegalEntityID, DivisionID: in.DivisionID, EmployeeID: in.EmployeeID,
		Status: prm.RequestNew, Invitation: sha256.Sum256([]byte(token)),
		Body:       prm.EmployeeRequestBody{EmployeeType: in.EmployeeType, Position: in.Position, StartDate: in.StartDate, Party: in.Party, Additional: in.Additional},
		InsertedAt: a.AcceptedAt, UpdatedAt: a.AcceptedAt, ExpiresAt: a.AcceptedAt.Add(in.term),
	}
	if err := tx.PutEmployeeRequest(ctx, r); err != nil {
		return nil, err
	}
	return r, prm.Invite(ctx, tx, k.Source, r, l.Name, token)
}

// checkRows holds a request against black list, division and the employee it changes.
func (k Kind) checkRows(ctx context.Context, tx Tx, in Input, c registry.Caller) error {
	if err := refuseListed(ctx, tx, in.Party.TaxID); err != nil {
		return err
	}
	if !in.DivisionID.IsZero() {
		d, err := tx.Division(ctx, in.DivisionID)
		if registry.CodeOf(err) == registry.CodeNotFound || err == nil && d.LegalEntityID != c.LegalEntityID {
			return registry.Invalid(registry.FieldError{Entry: "$.division_id", Rule: "invalid", Description: "Division does not belong to your legal entity"})
		}
		if err != nil {
			return err
		}
		if !d.Active() {
			return registry.Invalid(registry.FieldError{Entry: "$.division_id", Rule: "invalid", Description: "Division is not active"})
		}
	}
	if in.EmployeeID.IsZero() {
		return nil
	}
	e, err := tx.Employee(ctx, in.EmployeeID)
	if err != nil {
		return err
	}
	return checkChange(in, e, c.LegalEntityID)
}

func refuseListed(ctx context.Context, tx Tx, taxID string) error {
	listed, err := tx.BlackListed(ctx, taxID)
	if err == nil && listed {
		err = registry.Errorf(registry.CodeConflict, "new employee with this tax_id can't be created").WithReason("black_listed")
	}
	return err
}

// Repeat implements intake.SubmissionKind.
func (Kind) Repeat(ctx context.Context, tx Tx, c registry.Caller, a registry.Act) (any, error) {
	if a.LegalEntityID != c.LegalEntityID {
		return nil, errNotFound
	}
	return tx.EmployeeRequestByAct(ctx, a.ID)
}

var errNotFound = registry.Errorf(registry.CodeNotFound, "not found")

// shown is the entry of a request read with the person in it: an employer reads
// it by the law on employment in health care.
func shown(c registry.Caller, id registry.ID) audit.Entry {
	e := entry(c, "disclosure.employee_request", "employee_request", id)
	e.LegalBasis, e.Fields = &audit.LegalBasis{Code: audit.BasisStatute}, []string{"party", "additional"}
	return e
}

func entry(c registry.Caller, kind audit.Kind, object string, id registry.ID) audit.Entry {
	return audit.Entry{Kind: kind, Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID,
		Object: &audit.ObjectRef{Type: object, ID: id.String()}}
}
