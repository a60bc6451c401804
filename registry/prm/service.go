package prm

import (
	"context"
	"errors"

	"mist/registry"
	"mist/registry/audit"
)

// Scopes of providers' data. Legal entities and divisions are public by their
// nature and seen by everybody with the scope; employees by their own legal
// entity, or everywhere with ScopeEmployeeReadNHS.
const (
	ScopeLegalEntityRead    = "legal_entity:read"
	ScopeDivisionRead       = "division:read"
	ScopeEmployeeRead       = "employee:read"
	ScopeEmployeeReadNHS    = "employee:read_nhs"
	ScopeEmployeeDeactivate = "employee:deactivate"
)

// Filter chooses legal entities, divisions or employees; empty members do not narrow.
type Filter struct {
	LegalEntityID registry.ID
	DivisionID    registry.ID
	EDRPOU        registry.EDRPOU
	Type          string
	Status        string
	Speciality    string
	Page, Size    int
}

// Limits of a page.
const (
	DefaultPageSize = 50
	MaxPageSize     = 100
	maxPage         = 1000
)

// Validate holds a page against its limits.
func (f Filter) Validate() error { return f.validate() }

func (f Filter) validate() error {
	wrong := func(name, text string) error {
		return registry.Invalid(registry.FieldError{Entry: "$." + name, EntryType: "query_parameter", Rule: "number", Description: text})
	}
	if f.Size < 1 || f.Size > MaxPageSize {
		return wrong("page_size", "must lie between 1 and 100")
	}
	if f.Page < 1 || f.Page > maxPage {
		return wrong("page", "must lie between 1 and 1000")
	}
	return nil
}

// Tx is what the room needs of a transaction. Lists give a page and the total.
type Tx interface {
	LegalEntity(ctx context.Context, id registry.ID) (LegalEntity, error)
	LegalEntities(ctx context.Context, f Filter) ([]LegalEntity, int, error)
	Division(ctx context.Context, id registry.ID) (Division, error)
	Divisions(ctx context.Context, f Filter) ([]Division, int, error)
	Employee(ctx context.Context, id registry.ID) (Employee, error)
	Employees(ctx context.Context, f Filter) ([]Employee, int, error)
	// LockEmployee holds the row against acts of this author.
	LockEmployee(ctx context.Context, id registry.ID) error
	// DismissEmployee ends the position and the tokens issued for it.
	DismissEmployee(ctx context.Context, id registry.ID, on registry.Date, reason string) error
	Audit(ctx context.Context, e audit.Entry) (audit.Receipt, error)
}

// Store begins and ends transactions.
type Store interface {
	View(ctx context.Context, f func(ctx context.Context, tx Tx) error) error
	// Look is for one query.
	Look(ctx context.Context, f func(ctx context.Context, tx Tx) error) error
	Update(ctx context.Context, f func(ctx context.Context, tx Tx) error) error
}

// Dismissed carries a dismissal on to what hangs on the employee.
type Dismissed func(ctx context.Context, c registry.Caller, employee registry.ID) (int, error)

// Service reads and dismisses.
type Service struct {
	store     Store
	source    registry.Source
	dismissed Dismissed
}

// New refuses a half-configured service.
func New(store Store, source registry.Source, dismissed Dismissed) (*Service, error) {
	if store == nil || source.Clock == nil || dismissed == nil {
		return nil, errors.New("prm: a part is missing")
	}
	return &Service{store, source, dismissed}, nil
}

// LegalEntity reads one.
func (s *Service) LegalEntity(ctx context.Context, c registry.Caller, id registry.ID) (l LegalEntity, err error) {
	if err := c.Require(ScopeLegalEntityRead); err != nil {
		return l, err
	}
	err = s.store.Look(ctx, func(ctx context.Context, tx Tx) error { l, err = tx.LegalEntity(ctx, id); return err })
	return l, err
}

// LegalEntities lists a page.
func (s *Service) LegalEntities(ctx context.Context, c registry.Caller, f Filter) (list []LegalEntity, total int, err error) {
	if err := errors.Join(c.Require(ScopeLegalEntityRead), f.validate()); err != nil {
		return nil, 0, err
	}
	err = s.store.View(ctx, func(ctx context.Context, tx Tx) error { list, total, err = tx.LegalEntities(ctx, f); return err })
	return list, total, err
}

// Division reads one.
func (s *Service) Division(ctx context.Context, c registry.Caller, id registry.ID) (d Division, err error) {
	if err := c.Require(ScopeDivisionRead); err != nil {
		return d, err
	}
	err = s.store.Look(ctx, func(ctx context.Context, tx Tx) error { d, err = tx.Division(ctx, id); return err })
	return d, err
}

// Divisions lists a page.
func (s *Service) Divisions(ctx context.Context, c registry.Caller, f Filter) (list []Division, total int, err error) {
	if err := errors.Join(c.Require(ScopeDivisionRead), f.validate()); err != nil {
		return nil, 0, err
	}
	err = s.store.View(ctx, func(ctx context.Context, tx Tx) error { list, total, err = tx.Divisions(ctx, f); return err })
	return list, total, err
}

// sees reports whether the caller may be told of an employee.
func sees(c registry.Caller, e Employee) bool {
	return c.Allows(ScopeEmployeeReadNHS) || !c.LegalEntityID.IsZero() && e.LegalEntityID == c.LegalEntityID
}

var errNotFound = registry.Errorf(registry.CodeNotFound, "not found")

// Employee reads one; another legal entity's answers as absent.
func (s *Service) Employee(ctx context.Context, c registry.Caller, id registry.ID) (e Employee, err error) {
	if err := c.Require(ScopeEmployeeRead); err != nil {
		return e, err
	}
	err = s.store.Look(ctx, func(ctx context.Context, tx Tx) error { e, err = tx.Employee(ctx, id); return err })
	if err == nil && !sees(c, e) {
		return Employee{}, errNotFound
	}
	return e, err
}

// Employees lists a page of the caller's legal entity, or of any for the NHSU.
func (s *Service) Employees(ctx context.Context, c registry.Caller, f Filter) (list []Employee, total int, err error) {
	if err := errors.Join(c.Require(ScopeEmployeeRead), f.validate()); err != nil {
		return nil, 0, err
	}
	if !c.Allows(ScopeEmployeeReadNHS) {
		if c.LegalEntityID.IsZero() || !f.LegalEntityID.IsZero() && f.LegalEntityID != c.LegalEntityID {
			return nil, 0, nil
		}
		f.LegalEntityID = c.LegalEntityID
	}
	err = s.store.View(ctx, func(ctx context.Context, tx Tx) error { list, total, err = tx.Employees(ctx, f); return err })
	return list, total, err
}

// Dismiss ends an employee's position (domain notes 1.5): status DISMISSED,
// tokens revoked at once; then the declarations end. If that is interrupted, a
// job finishes it.
func (s *Service) Dismiss(ctx context.Context, c registry.Caller, id registry.ID) (Employee, error) {
	if err := c.Require(ScopeEmployeeDeactivate); err != nil {
		return Employee{}, err
	}
	var e Employee
	err := s.store.Update(ctx, func(ctx context.Context, tx Tx) (err error) {
		if e, err = tx.Employee(ctx, id); err != nil {
			return err
		}
		if !sees(c, e) {
			return errNotFound
		}
		if err := tx.LockEmployee(ctx, id); err != nil {
			return err
		}
		if e, err = tx.Employee(ctx, id); err != nil {
			return err
		}
		if err := canDismiss(e); err != nil {
			return err
		}
		if err := tx.DismissEmployee(ctx, id, registry.DateOf(s.source.Now()), "manual"); err != nil {
			return err
		}
		e.Status = "DISMISSED"
		_, err = tx.Audit(ctx, audit.Entry{Kind: "employee.dismissed", Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID,
			Object: &audit.ObjectRef{Type: "employee", ID: id.String()}})
		return err
	})
	if err != nil {
		return Employee{}, err
	}
	_, err = s.dismissed(ctx, c, id)
	return e, err
}

func canDismiss(e Employee) error {
	switch {
	case !e.Approved():
		return registry.Errorf(registry.CodeConflict, "Employee is DEACTIVATED and cannot be updated").WithReason("status_" + e.Status)
	case e.Type == "OWNER" || e.Type == "PHARMACY_OWNER":
		return registry.Errorf(registry.CodeConflict, "Owner can’t be deactivated").WithReason("owner")
	}
	return nil
}
