package declaration

import (
	"context"
	"errors"
	"unicode/utf8"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/patient"
	"mist/registry/prm"
)

// Scopes of the National Health Service's operations (ЕСОЗ 1.2).
const (
	ScopeVerify    = "declaration:verify"
	ScopeTerminate = "declaration:terminate"
)

// Reasons of a state that somebody set by hand, or a cascade.
const (
	ReasonManualPerson      = "manual_person"
	ReasonManualEmployee    = "manual_employee"
	ReasonEmployeeDismissed = "employee_dismissed"
	ReasonVerifiedByHand    = "manual_verified"
	ReasonRejectedByHand    = "manual_rejected"
	ReasonVerifiedByTime    = "auto_verified"
	ReasonEnded             = "end_date"
)

// LifeTx is what the life of a declaration after its signature needs of a
// transaction.
type LifeTx interface {
	// Declaration reads one; with lock set, its row is held until commit.
	Declaration(ctx context.Context, id registry.ID, lock bool) (Declaration, error)
	// ActiveDeclaration finds the person's declaration that is active or
	// pending and holds its row.
	ActiveDeclaration(ctx context.Context, person registry.ID) (Declaration, bool, error)
	Person(ctx context.Context, id registry.ID) (patient.Person, error)
	Employee(ctx context.Context, id registry.ID) (prm.Employee, error)
	// SetDeclarationStatus moves a declaration from one state to another; the
	// note is kept sealed. Its history line is written by the database.
	SetDeclarationStatus(ctx context.Context, id registry.ID, from, to Status, reason, note string) error
	// ActiveOfEmployee takes and holds at most limit declarations of the
	// employee that are active or pending.
	ActiveOfEmployee(ctx context.Context, employee registry.ID, limit int) ([]Declaration, error)
	Audit(ctx context.Context, e audit.Entry) (audit.Receipt, error)
}

// LifeStore begins and ends transactions.
type LifeStore interface {
	Update(ctx context.Context, f func(ctx context.Context, tx LifeTx) error) error
}

// Life changes declarations after their signature: verification and
// termination by the National Health Service, cascades of dismissal.
type Life struct{ store LifeStore }

// NewLife refuses a half-configured service.
func NewLife(store LifeStore) (*Life, error) {
	if store == nil {
		return nil, errors.New("declaration: a store is needed")
	}
	return &Life{store}, nil
}

// Verify decides on a declaration that awaits verification (ЕСОЗ 1.2):
// pending_verification → active, or → rejected. Any other state is refused
// with 403 "Invalid transition".
func (l *Life) Verify(ctx context.Context, c registry.Caller, id registry.ID, approve bool, note string) (Declaration, error) {
	if err := c.Require(ScopeVerify); err != nil {
		return Declaration{}, err
	}
	if err := checkNote(note); err != nil {
		return Declaration{}, err
	}
	to, reason := StatusRejected, ReasonRejectedByHand
	if approve {
		to, reason = StatusActive, ReasonVerifiedByHand
	}
	var d Declaration
	var refusal error
	err := l.store.Update(ctx, func(ctx context.Context, tx LifeTx) (err error) {
		refusal = nil
		if d, err = tx.Declaration(ctx, id, true); err != nil {
			return err
		}
		if refusal = canVerify(d.Status); refusal != nil {
			e := entry(c, "declaration.refused", d)
			e.Code, e.Reason = string(registry.CodeOf(refusal)), registry.AsError(refusal).Reason
			_, err := tx.Audit(ctx, e)
			return err
		}
		d, err = move(ctx, tx, c, d, to, reason, note)
		return err
	})
	if err == nil {
		err = refusal
	}
	if err != nil {
		return Declaration{}, err
	}
	return d, nil
}

func canVerify(from Status) error {
	if from != StatusPendingVerification {
		return registry.Errorf(registry.CodeForbidden, "Invalid transition").WithReason("status_" + string(from))
	}
	return nil
}

// Termination is the NHSU's order: exactly one of the two ids.
type Termination struct {
	PersonID   registry.ID
	EmployeeID registry.ID
	Note       string // reason_description
}

// Validate checks the form of an order.
func (t Termination) Validate() error {
	if t.PersonID.IsZero() == t.EmployeeID.IsZero() {
		return field("$", "required", "exactly one of person_id, employee_id must be given")
	}
	return checkNote(t.Note)
}

// maxNote is how long a description may be, in characters.
const maxNote = 1000

func checkNote(note string) error {
	if utf8.RuneCountInString(note) > maxNote {
		return field("$.reason_description", "length", "at most 1000 characters are kept")
	}
	return nil
}

// batch is how many declarations one transaction ends: it must stay far below
// the limit of a write transaction, and the log's horizon waits for it.
const batch = 100

// Terminate ends the active or pending declaration of a person, or all of an
// active doctor (ЕСОЗ 1.2). It gives how many it ended. The declarations of a
// doctor end in several transactions; what a crash leaves is ended by asking
// again.
func (l *Life) Terminate(ctx context.Context, c registry.Caller, t Termination) (int, error) {
	if err := c.Require(ScopeTerminate); err != nil {
		return 0, err
	}
	if err := t.Validate(); err != nil {
		return 0, err
	}
	if !t.PersonID.IsZero() {
		return 1, l.terminateOfPerson(ctx, c, t)
	}
	err := l.store.Update(ctx, func(ctx context.Context, tx LifeTx) error {
		e, err := tx.Employee(ctx, t.EmployeeID)
		if err != nil {
			return err
		}
		return canTerminateEmployee(e)
	})
	if err != nil {
		return 0, err
	}
	return l.endAll(ctx, c, t.EmployeeID, ReasonManualEmployee, t.Note)
}

func canTerminateEmployee(e prm.Employee) error {
	if e.Type != employeeTypeDoctor || !e.Approved() {
		return field("$.employee_id", "invalid", "Employee is not an active doctor")
	}
	return nil
}

func (l *Life) terminateOfPerson(ctx context.Context, c registry.Caller, t Termination) error {
	return l.store.Update(ctx, func(ctx context.Context, tx LifeTx) error {
		if _, err := tx.Person(ctx, t.PersonID); err != nil {
			return err
		}
		d, found, err := tx.ActiveDeclaration(ctx, t.PersonID)
		if err != nil {
			return err
		}
		if !found {
			return field("$.person_id", "invalid", "declaration status is not active")
		}
		_, err = move(ctx, tx, c, d, StatusTerminated, ReasonManualPerson, t.Note)
		return err
	})
}

// EndOfDismissed ends the declarations of an employee who was dismissed. The
// caller has checked the dismissal; it is also the job that finishes what a
// crash interrupted.
func (l *Life) EndOfDismissed(ctx context.Context, c registry.Caller, employee registry.ID) (int, error) {
	return l.endAll(ctx, c, employee, ReasonEmployeeDismissed, "")
}

func (l *Life) endAll(ctx context.Context, c registry.Caller, employee registry.ID, reason, note string) (int, error) {
	total := 0
	for {
		n := 0
		err := l.store.Update(ctx, func(ctx context.Context, tx LifeTx) error {
			list, err := tx.ActiveOfEmployee(ctx, employee, batch)
			if err != nil {
				return err
			}
			n = len(list)
			for _, d := range list {
				if _, err := move(ctx, tx, c, d, StatusTerminated, reason, note); err != nil {
					return err
				}
			}
			return nil
		})
		total += n
		if err != nil || n < batch {
			return total, err
		}
	}
}

// move changes the state and writes the leaf of the change.
func move(ctx context.Context, tx LifeTx, c registry.Caller, d Declaration, to Status, reason, note string) (Declaration, error) {
	if err := tx.SetDeclarationStatus(ctx, d.ID, d.Status, to, reason, note); err != nil {
		return Declaration{}, err
	}
	d.Status, d.Reason = to, reason
	e := entry(c, audit.Kind("declaration."+string(to)), d)
	e.Reason = reason
	_, err := tx.Audit(ctx, e)
	return d, err
}

func entry(c registry.Caller, kind audit.Kind, d Declaration) audit.Entry {
	return audit.Entry{
		Kind: kind, Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID, SubjectID: d.PersonID,
		Act:        &audit.ActRef{ID: d.ActID, Kind: string(Name)},
		LegalBasis: &audit.LegalBasis{Code: "statute"},
	}
}
