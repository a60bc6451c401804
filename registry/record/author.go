package record

import (
	"context"
	"slices"

	"mist/registry"
	"mist/registry/intake"
	"mist/registry/patient"
	"mist/registry/prm"
	"mist/signature"
)

// AuthorTx is what the check of an author needs of a transaction.
type AuthorTx interface {
	LockEmployee(ctx context.Context, id registry.ID) error
	Employee(ctx context.Context, id registry.ID) (prm.Employee, error)
	LegalEntity(ctx context.Context, id registry.ID) (prm.LegalEntity, error)
	Division(ctx context.Context, id registry.ID) (prm.Division, error)
	LockPerson(ctx context.Context, id registry.ID) error
	Person(ctx context.Context, id registry.ID) (patient.Person, error)
}

// Doctors are the types of employees who treat patients on their own.
func Doctors() []string { return []string{"DOCTOR", "SPECIALIST"} }

// Author is who signs a clinical act: the employee of the token, approved, of
// one of the types, in an active legal entity, with a certificate of their own.
// The patient is held first, then the employee: always in this order.
func Author(ctx context.Context, tx AuthorTx, c registry.Caller, s signature.Signer, patientID registry.ID, types []string) (e prm.Employee, p patient.Person, err error) {
	if c.EmployeeID.IsZero() || c.LegalEntityID.IsZero() {
		return e, p, registry.Errorf(registry.CodeForbidden, "ask for the token with employee_id: a clinical act is signed by an employee").WithReason("employee")
	}
	if p, err = Patient(ctx, tx, patientID); err != nil {
		return e, p, err
	}
	if err := tx.LockEmployee(ctx, c.EmployeeID); err != nil {
		return e, p, err
	}
	if e, err = tx.Employee(ctx, c.EmployeeID); err != nil {
		return e, p, err
	}
	if !e.Approved() || e.LegalEntityID != c.LegalEntityID {
		return e, p, registry.Errorf(registry.CodeForbidden, "Employee is not approved").WithReason("employee_status")
	}
	if err := intake.CheckSigner(s, e.Party.TaxID); err != nil {
		return e, p, err
	}
	if !slices.Contains(types, e.Type) {
		return e, p, registry.Errorf(registry.CodeConflict, "Employee type %s is not allowed to sign this", e.Type).WithReason("employee_type")
	}
	l, err := tx.LegalEntity(ctx, c.LegalEntityID)
	if err != nil {
		return e, p, err
	}
	if !l.Active() {
		return e, p, registry.Errorf(registry.CodeConflict, "Legal entity is not active").WithReason("legal_entity_status")
	}
	return e, p, nil
}

// Patient holds the patient of a clinical act. They are looked for first: a
// lock on nobody would end the transaction with an answer of its own.
func Patient(ctx context.Context, tx AuthorTx, id registry.ID) (p patient.Person, err error) {
	for _, held := range []bool{false, true} {
		if held {
			if err := tx.LockPerson(ctx, id); err != nil {
				return p, err
			}
		}
		p, err = tx.Person(ctx, id)
		switch {
		case registry.CodeOf(err) == registry.CodeNotFound || err == nil && p.Version == 0:
			return p, registry.Errorf(registry.CodeNotFound, "Such person doesn't exist").WithReason("person")
		case err != nil:
			return p, err
		case p.Status != patient.StatusActive:
			return p, registry.Errorf(registry.CodeConflict, "Person is not active").WithReason("person_status")
		}
	}
	return p, nil
}

// Division is where a clinical act happens: an active one of the own legal entity.
func Division(ctx context.Context, tx AuthorTx, c registry.Caller, id registry.ID, entry string) (prm.Division, error) {
	d, err := tx.Division(ctx, id)
	bad := func(text string) error {
		return registry.Invalid(registry.FieldError{Entry: entry, Rule: "invalid", Description: text})
	}
	switch {
	case registry.CodeOf(err) == registry.CodeNotFound || err == nil && d.LegalEntityID != c.LegalEntityID:
		return d, bad("Division does not belong to your legal entity")
	case err != nil:
		return d, err
	case !d.Active():
		return d, bad("Division is not active")
	}
	return d, nil
}
