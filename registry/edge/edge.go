// Package edge is the centre's half of the hospital's side (mist edge): it gives
// a clinic the copy of its own patients, and takes into the trail who looked at
// the copy while the centre could not be reached.
//
// It serves a hospital's key alone. It trusts the clinic for what it says about
// its own look-ups, as it trusts the clinic's system for which employee asks; it
// takes each look-up once, in the order of its number, and none is left out.
package edge

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mist/registry"
	"mist/registry/access"
	"mist/registry/audit"
	"mist/registry/patient"
)

// Limits.
const (
	MaxPatients = 100 // of one page
	MaxReads    = 200 // of one report
	// ahead is how far a clinic's clock may be before ours.
	ahead = time.Hour
)

// Kinds of entries.
const (
	// Copied: a person's look-up data went to the clinic's own side.
	Copied audit.Kind = "disclosure.edge_copy"
	// Looked: somebody of the clinic looked at the copy.
	Looked audit.Kind = "disclosure.edge_read"
)

// copied names what the copy has of a person.
var copied = []string{"person.names", "person.birth", "person.gender", "person.tax_id", "person.unzr", "declaration.number"}

// Patient is a person with an active declaration with the clinic.
type Patient struct {
	Person            patient.Person
	DeclarationID     registry.ID
	DeclarationNumber string
	EmployeeID        registry.ID
	DivisionID        registry.ID
}

// Read is one look-up at the edge.
type Read struct {
	Number     uint64
	PersonID   registry.ID
	EmployeeID registry.ID
	Purpose    string
	At         time.Time // by the clinic's clock
}

// Tx is what the room needs of a transaction.
type Tx interface {
	// EdgePatients gives persons of the legal entity's active declarations, in
	// the order of the declarations' ids, after one.
	EdgePatients(ctx context.Context, legalEntity, after registry.ID, limit int) ([]Patient, error)
	// HoldEdgeSite gives the number of the last look-up a site reported, and holds
	// its row; a site that is not known begins with none. Not-found for a site of
	// another legal entity.
	HoldEdgeSite(ctx context.Context, site, key, legalEntity registry.ID, at time.Time) (last uint64, err error)
	MoveEdgeSite(ctx context.Context, site registry.ID, last uint64, at time.Time) error
	// EdgeOwn keeps of persons those who have or had a declaration with the legal
	// entity, and of employees its own.
	EdgeOwn(ctx context.Context, legalEntity registry.ID, persons, employees []registry.ID) (ownPersons, ownEmployees map[registry.ID]bool, err error)
	Audit(ctx context.Context, e audit.Entry) (audit.Receipt, error)
}

// Store begins and ends transactions.
type Store interface {
	Update(ctx context.Context, f func(ctx context.Context, tx Tx) error) error
}

// Service is the room.
type Service struct {
	store  Store
	source registry.Source
}

// New refuses a half-configured service.
func New(store Store, source registry.Source) (*Service, error) {
	if store == nil || source.Clock == nil {
		return nil, errors.New("edge: a store and a clock are needed")
	}
	return &Service{store, source}, nil
}

// serves demands the hospital's own key: a token of the client system is held
// by a vendor, for several hospitals.
func serves(c registry.Caller) error {
	if err := c.Require(access.ScopeEdge); err != nil {
		return err
	}
	if c.KeyID.IsZero() || c.LegalEntityID.IsZero() {
		return registry.Errorf(registry.CodeForbidden, "this is for a key of the hospital (POST /api/v3/api_keys)").WithReason("hospital_key")
	}
	return nil
}

// Patients gives a page of the copy; next is where the following one begins, zero
// when there is none. Each person leaves an entry.
func (s *Service) Patients(ctx context.Context, c registry.Caller, after registry.ID, size int) (list []Patient, next registry.ID, err error) {
	if err := serves(c); err != nil {
		return nil, next, err
	}
	if size < 1 || size > MaxPatients {
		return nil, next, registry.Invalid(registry.FieldError{Entry: "$.page_size", EntryType: "query_parameter", Rule: "number", Description: fmt.Sprintf("a page holds 1 to %d patients", MaxPatients)})
	}
	err = s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
		list, next = nil, registry.ID{}
		rows, err := tx.EdgePatients(ctx, c.LegalEntityID, after, size+1)
		if err != nil {
			return err
		}
		if len(rows) > size {
			rows = rows[:size]
			next = rows[size-1].DeclarationID
		}
		for _, p := range rows {
			e := entry(c, Copied)
			e.SubjectID, e.Fields = p.Person.ID, copied
			e.LegalBasis = &audit.LegalBasis{Code: audit.BasisDeclaration, Purpose: "medical_care"}
			if _, err := tx.Audit(ctx, e); err != nil {
				return err
			}
		}
		list = rows
		return nil
	})
	if err != nil {
		return nil, registry.ID{}, err
	}
	return list, next, nil
}

// Report takes look-ups into the trail and gives the number of the last one the
// registry has. Those it has already are passed over, a gap is refused: so each
// is taken once, and none is lost unseen.
func (s *Service) Report(ctx context.Context, c registry.Caller, site registry.ID, reads []Read) (last uint64, err error) {
	if err := serves(c); err != nil {
		return 0, err
	}
	now := s.source.Now()
	if err := check(site, reads, now); err != nil {
		return 0, err
	}
	err = s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
		if last, err = tx.HoldEdgeSite(ctx, site, c.KeyID, c.LegalEntityID, now); err != nil {
			return err
		}
		if len(reads) > 0 && reads[0].Number > last+1 {
			return registry.Errorf(registry.CodeConflict, "look-ups after number %d are missing; report them first", last).WithReason("gap")
		}
		var persons, employees []registry.ID
		for _, r := range reads {
			persons, employees = append(persons, r.PersonID), append(employees, r.EmployeeID)
		}
		known, own, err := tx.EdgeOwn(ctx, c.LegalEntityID, persons, employees)
		if err != nil {
			return err
		}
		for _, r := range reads {
			if r.Number <= last {
				continue
			}
			e := entry(c, Looked)
			e.Fields, e.Object = copied, &audit.ObjectRef{Type: "edge_read", ID: fmt.Sprintf("%s/%d", site, r.Number)}
			e.LegalBasis = &audit.LegalBasis{Code: audit.BasisDeclaration, Purpose: r.Purpose}
			e.Reason = r.At.UTC().Format(time.RFC3339)
			// What the clinic claims of others is written, and points to nobody.
			if known[r.PersonID] {
				e.SubjectID = r.PersonID
			} else {
				e.Code = "unknown_person"
			}
			if own[r.EmployeeID] {
				e.Actor.EmployeeID = r.EmployeeID
			} else {
				e.Code = "unknown_employee"
			}
			if _, err := tx.Audit(ctx, e); err != nil {
				return err
			}
			last = r.Number
		}
		return tx.MoveEdgeSite(ctx, site, last, now)
	})
	return last, err
}

func entry(c registry.Caller, kind audit.Kind) audit.Entry {
	return audit.Entry{Kind: kind, Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID}
}

func check(site registry.ID, reads []Read, now time.Time) error {
	var fields []registry.FieldError
	wrong := func(entry, rule, text string) {
		fields = append(fields, registry.FieldError{Entry: entry, Rule: rule, Description: text})
	}
	if site.IsZero() {
		wrong("$.site", "required", "can't be blank")
	}
	if len(reads) > MaxReads {
		wrong("$.reads", "length", fmt.Sprintf("a report has at most %d look-ups", MaxReads))
		return registry.Invalid(fields...)
	}
	for i, r := range reads {
		at := fmt.Sprintf("$.reads.[%d]", i)
		if r.Number == 0 || i > 0 && r.Number != reads[i-1].Number+1 {
			wrong(at+".number", "order", "look-ups are numbered from 1, one after the other")
		}
		if r.PersonID.IsZero() {
			wrong(at+".person_id", "required", "can't be blank")
		}
		if r.EmployeeID.IsZero() {
			wrong(at+".employee_id", "required", "can't be blank")
		}
		if !patient.IsPurpose(r.Purpose) {
			wrong(at+".purpose", "inclusion", "value is not allowed in enum")
		}
		if r.At.IsZero() || r.At.After(now.Add(ahead)) {
			wrong(at+".read_at", "invalid", "lies in the future; mend the clock of the hospital's side")
		}
		if len(fields) > 20 {
			break
		}
	}
	if len(fields) > 0 {
		return registry.Invalid(fields...)
	}
	return nil
}
