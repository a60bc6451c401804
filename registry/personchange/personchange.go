// Package personchange is how a person's ways of confirming, and those who
// speak for them, are changed: requests of a clinic that the person confirms by
// a way that stands already, and that nobody signs.
//
// Rules: authentication methods and confidant relationships of the eHealth API
// (domain notes 1.1, ЕСОЗ 1.4). A new phone is confirmed twice: by the way that
// stands, and by a code sent to it. It trusts a clinic for the documents it
// holds before it and not for the person's word.
package personchange

import (
	"context"
	"slices"
	"time"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/intake"
	"mist/registry/patient"
	"mist/registry/prm"
)

// Tx is what the kinds need of a transaction.
type Tx interface {
	intake.Tx
	patient.ConfirmTx
	patient.RelateTx
	patient.MethodTx
	Relationship(ctx context.Context, id registry.ID) (patient.Relationship, error)
	// LockPerson takes the row lock that orders acts of one patient.
	LockPerson(ctx context.Context, id registry.ID) error
	PutPerson(ctx context.Context, p patient.Person) error
	Employee(ctx context.Context, id registry.ID) (prm.Employee, error)
	LegalEntity(ctx context.Context, id registry.ID) (prm.LegalEntity, error)
	CancelDrafts(ctx context.Context, kind registry.KindName, person, employee, legalEntity, except registry.ID) error
}

// parts are what both kinds are made of.
type parts struct {
	Terms  patient.Terms
	Source registry.Source
}

func scope(name string, step intake.Step) string {
	if step == intake.StepRead {
		return name + ":read"
	}
	return name + ":write"
}

// begin holds the author and the person against their rules and names both in
// the draft.
func (k parts) begin(ctx context.Context, tx Tx, c registry.Caller, draft *intake.Draft, person registry.ID) (patient.Person, error) {
	e, l, err := author(ctx, tx, c)
	if err != nil {
		return patient.Person{}, err
	}
	if err := prm.MayWritePersons(c, e, l); err != nil {
		return patient.Person{}, err
	}
	p, err := tx.Person(ctx, person)
	if registry.CodeOf(err) == registry.CodeNotFound || err == nil && (p.Version == 0 || p.Status != patient.StatusActive) {
		return p, registry.Errorf(registry.CodeNotFound, "Person is not found")
	}
	if err != nil {
		return p, err
	}
	draft.PersonID, draft.EmployeeID, draft.PartyID = p.ID, e.ID, e.Party.ID
	return p, tx.CancelDrafts(ctx, draft.Kind, p.ID, e.ID, l.ID, draft.ID)
}

func author(ctx context.Context, tx Tx, c registry.Caller) (e prm.Employee, l prm.LegalEntity, err error) {
	if c.EmployeeID.IsZero() {
		return e, l, registry.Errorf(registry.CodeForbidden, "ask for the token with employee_id: the request has an author").WithReason("employee")
	}
	if e, err = tx.Employee(ctx, c.EmployeeID); err == nil {
		l, err = tx.LegalEntity(ctx, c.LegalEntityID)
	}
	return e, l, err
}

// change writes a record after a change that was confirmed.
func (k parts) change(ctx context.Context, tx Tx, draft *intake.Draft, p patient.Person, kind audit.Kind) error {
	p.Version, p.UpdatedAt = p.Version+1, k.Source.Now()
	if err := tx.PutPerson(ctx, p); err != nil {
		return err
	}
	return k.record(ctx, tx, draft, kind, draft.ID)
}

// record says what became of a confirmed request; the entry of the approval
// itself, with its actor, is the pipeline's.
func (k parts) record(ctx context.Context, tx Tx, draft *intake.Draft, kind audit.Kind, about registry.ID) error {
	draft.Status = intake.StatusCompleted
	_, err := tx.Audit(ctx, audit.Entry{
		Kind: kind, Actor: audit.Actor{ClientID: draft.ClientID, EmployeeID: draft.EmployeeID, LegalEntityID: draft.LegalEntityID},
		Channel: string(registry.ChannelREST), RequestID: draft.ID.String(), SubjectID: draft.PersonID,
		Object: &audit.ObjectRef{Type: string(draft.Kind), ID: about.String()},
	})
	return err
}

// stands reads the person again under lock; what changed since the draft makes
// the confirmation one of something else.
func (k parts) stands(ctx context.Context, tx Tx, draft *intake.Draft, version int) (patient.Person, error) {
	if err := tx.LockPerson(ctx, draft.PersonID); err != nil {
		return patient.Person{}, err
	}
	p, err := tx.Person(ctx, draft.PersonID)
	switch {
	case err != nil:
		return p, err
	case p.Status != patient.StatusActive:
		return p, registry.Errorf(registry.CodeConflict, "person is not active").WithReason("person_status")
	case p.Version != version:
		return p, registry.Errorf(registry.CodeConflict, "the person was changed meanwhile; create the request anew").WithReason("person_version")
	}
	return p, nil
}

// end ends methods that fit, at a time.
func end(list []patient.AuthenticationMethod, now time.Time, fits func(m patient.AuthenticationMethod) bool) []patient.AuthenticationMethod {
	list = slices.Clone(list)
	for i := range list {
		if !list[i].Ended() && fits(list[i]) {
			list[i].EndedAt = now
		}
	}
	return list
}

func invalid(entry, rule, text string, params ...string) error {
	return registry.Invalid(registry.FieldError{Entry: entry, Rule: rule, Description: text, Params: params})
}

// Actions of a request.
const (
	ActionInsert     = "INSERT"
	ActionUpdate     = "UPDATE"
	ActionDeactivate = "DEACTIVATE"
)
