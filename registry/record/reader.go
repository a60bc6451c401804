package record

import (
	"context"
	"errors"
	"slices"
	"time"

	"mist/registry"
	"mist/registry/abac"
	"mist/registry/audit"
	"mist/registry/consent"
)

// Store begins and ends transactions.
type Store interface {
	Update(ctx context.Context, f func(ctx context.Context, tx Tx) error) error
}

// Reader tells records to whom the rules of access allow it. Every read, told
// or refused, leaves its line with the rule that decided.
type Reader struct {
	store  Store
	source registry.Source
}

// NewReader refuses a half-configured reader.
func NewReader(store Store, source registry.Source) (*Reader, error) {
	if store == nil || source.Clock == nil {
		return nil, errors.New("record: a store and a clock are needed")
	}
	return &Reader{store, source}, nil
}

// Shown is a record with its life.
type Shown struct {
	Record
	History []Change
}

// Get reads one. Who has no right to it gets the answer of an absent one; both
// leave the same kind of entry.
func (s *Reader) Get(ctx context.Context, c registry.Caller, scope string, kind Kind, id registry.ID) (out Shown, err error) {
	if err := c.Require(scope); err != nil {
		return out, err
	}
	found := false
	err = s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
		found = false
		r, err := tx.RecordByID(ctx, kind, id, false)
		known := err == nil
		if !known && registry.CodeOf(err) != registry.CodeNotFound {
			return err
		}
		d := abac.Decision{Rule: abac.RuleNone}
		if known {
			if d, err = abac.Decide(ctx, tx, c, r.Resource(), abac.Read, s.source.Now()); err != nil {
				return err
			}
		} else {
			r = Record{Kind: kind, ID: id}
		}
		if !d.Allowed {
			return refuse(ctx, tx, c, r, d)
		}
		history, err := tx.RecordHistory(ctx, id)
		if err != nil {
			return err
		}
		found, out = true, Shown{r, history}
		return disclose(ctx, tx, c, r, d)
	})
	if err == nil && !found {
		err = ErrNotFound
	}
	if err != nil {
		return Shown{}, err
	}
	return out, nil
}

func refuse(ctx context.Context, tx Tx, c registry.Caller, r Record, d abac.Decision) error {
	e := Entry(c, audit.DisclosureRefused, r)
	e.Code, e.Reason = string(registry.CodeNotFound), d.Reason()
	_, err := tx.Audit(ctx, e)
	return err
}

func disclose(ctx context.Context, tx Tx, c registry.Caller, r Record, d abac.Decision) error {
	e := Entry(c, audit.Disclosure, r)
	e.Reason, e.Fields, e.LegalBasis = d.Reason(), []string{string(r.Kind)}, d.Basis
	_, err := tx.Audit(ctx, e)
	return err
}

// List reads a page, newest first, and whether there are more: of a patient as
// far as the rules allow, or those of the caller's own legal entity. What the rules
// do not allow is left out; each rule that decided has its line, for the first
// record it decided about.
func (s *Reader) List(ctx context.Context, c registry.Caller, scope string, f Filter) (list []Record, more bool, err error) {
	if err := c.Require(scope); err != nil {
		return nil, false, err
	}
	if c.Role == registry.RolePatient {
		if f.PatientID, err = c.Patient(); err != nil {
			return nil, false, err
		}
	}
	switch {
	case f.Limit < 1 || f.Limit > MaxPage:
		return nil, false, registry.Invalid(registry.FieldError{Entry: "$.page_size", EntryType: "query_parameter", Rule: "number", Description: "must lie between 1 and 100"})
	case f.PatientID.IsZero() && c.LegalEntityID.IsZero():
		return nil, false, registry.Errorf(registry.CodeForbidden, "name a patient, or ask for a legal entity").WithReason("legal_entity")
	case f.PatientID.IsZero() && f.HolderID.IsZero():
		f.LegalEntityID = c.LegalEntityID
	case f.PatientID.IsZero() && f.HolderID != c.LegalEntityID:
		return nil, false, registry.Errorf(registry.CodeForbidden, "a list without a patient is of the own legal entity").WithReason("legal_entity")
	}
	err = s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
		list, more = nil, false
		page := f
		page.Limit++
		rows, err := tx.Records(ctx, page)
		if err != nil {
			return err
		}
		if more = len(rows) > f.Limit; more {
			rows = rows[:f.Limit]
		}
		now := s.source.Now()
		known := &remembered{Tx: tx, declared: map[registry.ID]bool{}, declaredTo: map[registry.ID]bool{}, approvals: map[registry.ID][]consent.Record{}, emergencies: map[registry.ID]registry.ID{}}
		var told []abac.Rule
		for _, r := range rows {
			d, err := abac.Decide(ctx, known, c, r.Resource(), abac.Read, now)
			if err != nil {
				return err
			}
			// One line for each rule and patient: an approval or a break-glass access is a patient's.
			line := d.Rule
			if f.PatientID.IsZero() {
				line += abac.Rule(" " + r.PatientID.String())
			}
			if !slices.Contains(told, line) {
				told = append(told, line)
				if d.Allowed {
					err = disclose(ctx, tx, c, r, d)
				} else {
					err = refuse(ctx, tx, c, r, d)
				}
				if err != nil {
					return err
				}
			}
			if d.Allowed {
				list = append(list, r)
			}
		}
		if len(rows) == 0 && !f.PatientID.IsZero() {
			// That there is nothing is an answer, too.
			e := Entry(c, audit.AccessDecision, Record{Kind: f.Kind, PatientID: f.PatientID})
			e.Object, e.Code = nil, "empty"
			_, err = tx.Audit(ctx, e)
		}
		return err
	})
	if err != nil {
		return nil, false, err
	}
	if list == nil {
		list = []Record{}
	}
	return list, more, nil
}

// remembered asks for each fact about a patient once in a list.
type remembered struct {
	Tx
	declared, declaredTo map[registry.ID]bool
	approvals            map[registry.ID][]consent.Record
	emergencies          map[registry.ID]registry.ID
}

// Declared implements abac.Tx.
func (m *remembered) Declared(ctx context.Context, person, legalEntity registry.ID) (bool, error) {
	return once(m.declared, person, func() (bool, error) { return m.Tx.Declared(ctx, person, legalEntity) })
}

// DeclaredTo implements abac.Tx.
func (m *remembered) DeclaredTo(ctx context.Context, person, party, legalEntity registry.ID) (bool, error) {
	return once(m.declaredTo, person, func() (bool, error) { return m.Tx.DeclaredTo(ctx, person, party, legalEntity) })
}

// ApprovalsFor implements abac.Tx.
func (m *remembered) ApprovalsFor(ctx context.Context, person registry.ID, recipients []string, now time.Time) ([]consent.Record, error) {
	return once(m.approvals, person, func() ([]consent.Record, error) { return m.Tx.ApprovalsFor(ctx, person, recipients, now) })
}

// EmergencyFor implements abac.Tx.
func (m *remembered) EmergencyFor(ctx context.Context, person, employee registry.ID, now time.Time) (registry.ID, bool, error) {
	id, err := once(m.emergencies, person, func() (registry.ID, error) {
		id, _, err := m.Tx.EmergencyFor(ctx, person, employee, now)
		return id, err
	})
	return id, !id.IsZero(), err
}

func once[V any](seen map[registry.ID]V, person registry.ID, ask func() (V, error)) (V, error) {
	if v, ok := seen[person]; ok {
		return v, nil
	}
	v, err := ask()
	if err == nil {
		seen[person] = v
	}
	return v, err
}
