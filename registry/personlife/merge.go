// Package personlife is what befalls a record of the index after it was
// written, without the person's own act: two records of one person become one,
// a death is known, a record is taken out of use.
//
// Merging is by hand and by two: one operator proposes with a reason, another
// agrees, and an undoing goes the same way. It trusts neither alone. Nothing is
// copied or thrown away: the loser points to the survivor, keeps its own data
// and declarations, and comes back as it was.
package personlife

import (
	"context"
	"errors"
	"time"
	"unicode/utf8"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/declaration"
	"mist/registry/patient"
)

// Scopes. Writing is for operators of the NHSU alone.
const (
	ScopeMergeRead  = "manual_merge_request:read"
	ScopeMergeWrite = "manual_merge_request:write"
)

// ReasonMerge is why a loser's declaration ended, and why the loser is inactive.
const ReasonMerge = "manual_merge"

// MergeStatus of a request.
type MergeStatus string

// States: NEW → MERGED | DECLINED; MERGED → UNDO_NEW → UNDONE | MERGED.
const (
	MergeNew      MergeStatus = "NEW"
	Merged        MergeStatus = "MERGED"
	MergeDeclined MergeStatus = "DECLINED"
	MergeUndoNew  MergeStatus = "UNDO_NEW"
	MergeUndone   MergeStatus = "UNDONE"
)

// Merge is a request to merge two records, and what became of it.
type Merge struct {
	ID             registry.ID
	MasterID       registry.ID // who stays
	LoserID        registry.ID // who points to the survivor
	Status         MergeStatus
	ProposedBy     registry.ID // operators
	ApprovedBy     registry.ID
	UndoProposedBy registry.ID
	UndoApprovedBy registry.ID
	Reason         string
	UndoReason     string
	Before         Before
	InsertedAt     time.Time
	UpdatedAt      time.Time
}

// Before is what an undoing restores.
type Before struct {
	Status            patient.Status     `json:"status"`
	StatusReason      string             `json:"status_reason,omitempty"`
	DeclarationID     registry.ID        `json:"declaration_id,omitzero"`
	DeclarationStatus declaration.Status `json:"declaration_status,omitempty"`
	DeclarationReason string             `json:"declaration_reason,omitempty"`
}

// Tx is what the room needs of a transaction.
type Tx interface {
	LockPerson(ctx context.Context, id registry.ID) error
	// SetPersonState changes state, reason, day of death and survivor of a record
	// and nothing else of it.
	SetPersonState(ctx context.Context, p patient.Person) error
	ActiveDeclaration(ctx context.Context, person registry.ID) (declaration.Declaration, bool, error)
	// MoveDeclaration changes the state of a declaration and nothing else of it.
	MoveDeclaration(ctx context.Context, id registry.ID, from, to declaration.Status, reason string) error
	// Titles gives the names of legal entities among the ids.
	Titles(ctx context.Context, ids []registry.ID) (map[registry.ID]string, error)
	PutMerge(ctx context.Context, m Merge) error
	// Merge reads a request; with lock set its row is held until commit.
	Merge(ctx context.Context, id registry.ID, lock bool) (Merge, error)
	Merges(ctx context.Context, status MergeStatus, after registry.ID, limit int) ([]Merge, error)
	RegisterTx
	patient.RelateTx
	Relationship(ctx context.Context, id registry.ID) (patient.Relationship, error)
	// RelationshipsShown lists those that speak for a person whom the caller sees.
	RelationshipsShown(ctx context.Context, person registry.ID) ([]patient.Relationship, error)
	PutPerson(ctx context.Context, p patient.Person) error
	// Declared reports whether the person has an active or pending declaration
	// with the legal entity.
	Declared(ctx context.Context, person, legalEntity registry.ID) (bool, error)
	PersonVersions(ctx context.Context, id registry.ID) ([]patient.Version, error)
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
	if store == nil || source.Clock == nil || source.Random == nil {
		return nil, errors.New("personlife: a part is missing")
	}
	return &Service{store, source}, nil
}

const (
	minReason = 10
	maxReason = 1000
)

func checkReason(entry, reason string) []registry.FieldError {
	if n := utf8.RuneCountInString(reason); n < minReason || n > maxReason {
		return []registry.FieldError{{Entry: entry, Rule: "length", Description: "say why in 10 to 1000 characters", Params: []string{"10", "1000"}}}
	}
	return nil
}

// operator is the human behind the token: two positions of one party are one.
func operator(c registry.Caller) (registry.ID, error) {
	if err := c.Require(ScopeMergeWrite); err != nil {
		return registry.ID{}, err
	}
	if c.PartyID.IsZero() {
		return registry.ID{}, registry.Errorf(registry.CodeForbidden, "log in, or ask for the token with employee_id: a merge is agreed on by two people").WithReason("operator_unnamed")
	}
	return c.PartyID, nil
}

// mayMerge holds the rules of two records that are to become one.
func mayMerge(master, loser patient.Person) error {
	for _, p := range []patient.Person{master, loser} {
		if p.Version == 0 {
			return registry.Errorf(registry.CodeNotFound, "Person is not found")
		}
		if p.Status != patient.StatusActive || !p.MasterID.IsZero() {
			return registry.Errorf(registry.CodeConflict, "person is not active").WithReason("person_status")
		}
	}
	return nil
}

// Propose asks for a merge. The records are read and compared by the operator;
// here both must be active.
func (s *Service) Propose(ctx context.Context, c registry.Caller, master, loser registry.ID, reason string) (Merge, error) {
	by, err := operator(c)
	if err != nil {
		return Merge{}, err
	}
	fields := checkReason("$.reason", reason)
	if master.IsZero() {
		fields = append(fields, registry.FieldError{Entry: "$.master_person_id", Rule: "required", Description: "required property master_person_id was not present"})
	}
	if loser.IsZero() {
		fields = append(fields, registry.FieldError{Entry: "$.merge_person_id", Rule: "required", Description: "required property merge_person_id was not present"})
	} else if master == loser {
		fields = append(fields, registry.FieldError{Entry: "$.merge_person_id", Rule: "invalid", Description: "a record cannot be merged with itself"})
	}
	if len(fields) > 0 {
		return Merge{}, registry.Invalid(fields...)
	}
	now := s.source.Now()
	m := Merge{ID: s.source.NewID(), MasterID: master, LoserID: loser, Status: MergeNew, ProposedBy: by, Reason: reason, InsertedAt: now, UpdatedAt: now}
	err = s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
		a, b, err := both(ctx, tx, m)
		if err != nil {
			return err
		}
		if err := mayMerge(a, b); err != nil {
			return err
		}
		if err := tx.PutMerge(ctx, m); err != nil {
			return err
		}
		return record(ctx, tx, c, "merge.proposed", m)
	})
	return m, err
}

// both locks the two records, always in the order of their ids, and reads them.
func both(ctx context.Context, tx Tx, m Merge) (master, loser patient.Person, err error) {
	first, second := m.MasterID, m.LoserID
	if second.String() < first.String() {
		first, second = second, first
	}
	for _, id := range []registry.ID{first, second} {
		if err := tx.LockPerson(ctx, id); err != nil {
			return master, loser, err
		}
	}
	if master, err = tx.Person(ctx, m.MasterID); err == nil {
		loser, err = tx.Person(ctx, m.LoserID)
	}
	if registry.CodeOf(err) == registry.CodeNotFound {
		err = registry.Errorf(registry.CodeNotFound, "Person is not found")
	}
	return master, loser, err
}

// record writes the entry of a step; the loser is its subject, for it is the
// loser's data that are answered for by another record from now on.
func record(ctx context.Context, tx Tx, c registry.Caller, kind audit.Kind, m Merge) error {
	_, err := tx.Audit(ctx, audit.Entry{
		Kind: kind, Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID, SubjectID: m.LoserID,
		Object: &audit.ObjectRef{Type: "merge", ID: m.ID.String()}, LegalBasis: &audit.LegalBasis{Code: "statute"},
	})
	return err
}

// Agree is the second operator's word: a proposed merge is done, a proposed
// undoing undone.
func (s *Service) Agree(ctx context.Context, c registry.Caller, id registry.ID) (Merge, error) {
	return s.decide(ctx, c, id, func(ctx context.Context, tx Tx, m *Merge, by registry.ID) (audit.Kind, error) {
		switch m.Status {
		case MergeNew:
			if err := fourEyes(m.ProposedBy, by); err != nil {
				return "", err
			}
			m.ApprovedBy, m.Status = by, Merged
			return "merge.done", s.merge(ctx, tx, c, m)
		case MergeUndoNew:
			if err := fourEyes(m.UndoProposedBy, by); err != nil {
				return "", err
			}
			m.UndoApprovedBy, m.Status = by, MergeUndone
			return "merge.undone", s.undo(ctx, tx, c, m)
		}
		return "", transition(m.Status)
	})
}

// Decline ends a proposal: a merge is not done, an undoing does not happen.
// Whoever proposed may take the word back.
func (s *Service) Decline(ctx context.Context, c registry.Caller, id registry.ID) (Merge, error) {
	return s.decide(ctx, c, id, func(_ context.Context, _ Tx, m *Merge, by registry.ID) (audit.Kind, error) {
		switch m.Status {
		case MergeNew:
			m.Status = MergeDeclined
			return "merge.declined", nil
		case MergeUndoNew:
			m.Status, m.UndoProposedBy, m.UndoReason = Merged, registry.ID{}, ""
			return "merge.undo_declined", nil
		}
		return "", transition(m.Status)
	})
}

// ProposeUndo asks for the undoing of a merge, with a reason of its own.
func (s *Service) ProposeUndo(ctx context.Context, c registry.Caller, id registry.ID, reason string) (Merge, error) {
	if _, err := operator(c); err != nil { // a right is judged before a form
		return Merge{}, err
	}
	if fields := checkReason("$.reason", reason); fields != nil {
		return Merge{}, registry.Invalid(fields...)
	}
	return s.decide(ctx, c, id, func(_ context.Context, _ Tx, m *Merge, by registry.ID) (audit.Kind, error) {
		if m.Status != Merged {
			return "", transition(m.Status)
		}
		m.Status, m.UndoProposedBy, m.UndoReason = MergeUndoNew, by, reason
		return "merge.undo_proposed", nil
	})
}

func fourEyes(proposed, by registry.ID) error {
	if proposed == by {
		return registry.Errorf(registry.CodeForbidden, "another operator has to agree").WithReason("same_operator")
	}
	return nil
}

func transition(from MergeStatus) error {
	return registry.Errorf(registry.CodeConflict, "Invalid transition").WithReason("status_" + string(from))
}

func (s *Service) decide(ctx context.Context, c registry.Caller, id registry.ID, step func(ctx context.Context, tx Tx, m *Merge, by registry.ID) (audit.Kind, error)) (Merge, error) {
	by, err := operator(c)
	if err != nil {
		return Merge{}, err
	}
	var m Merge
	err = s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
		// Persons before the request, as every act locks them.
		seen, err := tx.Merge(ctx, id, false)
		if err != nil {
			return err
		}
		if _, _, err := both(ctx, tx, seen); err != nil {
			return err
		}
		if m, err = tx.Merge(ctx, id, true); err != nil {
			return err
		}
		kind, err := step(ctx, tx, &m, by)
		if err != nil {
			return err
		}
		m.UpdatedAt = s.source.Now()
		if err := tx.PutMerge(ctx, m); err != nil {
			return err
		}
		return record(ctx, tx, c, kind, m)
	})
	if err != nil {
		return Merge{}, err
	}
	return m, nil
}

// merge makes the loser point to the survivor; its declaration ends. What was
// before is kept with the request.
func (s *Service) merge(ctx context.Context, tx Tx, c registry.Caller, m *Merge) error {
	master, loser, err := both(ctx, tx, *m)
	if err != nil {
		return err
	}
	if err := mayMerge(master, loser); err != nil {
		return err
	}
	m.Before = Before{Status: loser.Status, StatusReason: loser.StatusReason}
	d, found, err := tx.ActiveDeclaration(ctx, loser.ID)
	if err != nil {
		return err
	}
	if found {
		m.Before.DeclarationID, m.Before.DeclarationStatus, m.Before.DeclarationReason = d.ID, d.Status, d.Reason
		if err := endDeclaration(ctx, tx, c, d, ReasonMerge); err != nil {
			return err
		}
	}
	loser.Status, loser.StatusReason, loser.MasterID, loser.UpdatedAt = patient.StatusInactive, ReasonMerge, master.ID, s.source.Now()
	return tx.SetPersonState(ctx, loser)
}

// undo restores the loser. A declaration whose doctor or term is gone by now
// ends again by the jobs that end such declarations.
func (s *Service) undo(ctx context.Context, tx Tx, c registry.Caller, m *Merge) error {
	_, loser, err := both(ctx, tx, *m)
	if err != nil {
		return err
	}
	if loser.MasterID != m.MasterID {
		return registry.Errorf(registry.CodeConflict, "the record does not point to this survivor any more").WithReason("merge_changed")
	}
	loser.Status, loser.StatusReason, loser.MasterID, loser.UpdatedAt = m.Before.Status, m.Before.StatusReason, registry.ID{}, s.source.Now()
	if err := tx.SetPersonState(ctx, loser); err != nil {
		return err
	}
	if m.Before.DeclarationID.IsZero() {
		return nil
	}
	if err := tx.MoveDeclaration(ctx, m.Before.DeclarationID, declaration.StatusTerminated, m.Before.DeclarationStatus, m.Before.DeclarationReason); err != nil {
		return err
	}
	_, err = tx.Audit(ctx, audit.Entry{
		Kind: "declaration.restored", Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID, SubjectID: loser.ID,
		Act: &audit.ActRef{ID: m.Before.DeclarationID, Kind: string(declaration.Name)}, LegalBasis: &audit.LegalBasis{Code: "statute"}, Reason: "merge_undone",
	})
	return err
}

func endDeclaration(ctx context.Context, tx Tx, c registry.Caller, d declaration.Declaration, reason string) error {
	if err := tx.MoveDeclaration(ctx, d.ID, d.Status, declaration.StatusTerminated, reason); err != nil {
		return err
	}
	_, err := tx.Audit(ctx, audit.Entry{
		Kind: "declaration.terminated", Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID, SubjectID: d.PersonID,
		Act: &audit.ActRef{ID: d.ActID, Kind: string(declaration.Name)}, LegalBasis: &audit.LegalBasis{Code: "statute"}, Reason: reason,
	})
	return err
}

// Get reads a request.
func (s *Service) Get(ctx context.Context, c registry.Caller, id registry.ID) (m Merge, err error) {
	if err := c.Require(ScopeMergeRead); err != nil {
		return Merge{}, err
	}
	err = s.store.Update(ctx, func(ctx context.Context, tx Tx) (err error) {
		if m, err = tx.Merge(ctx, id, false); err != nil {
			return err
		}
		return record(ctx, tx, c, "merge.read", m)
	})
	return m, err
}

// PageSize is how many requests a page holds.
const PageSize = 100

// List gives requests of a state ("" for all), by id, after one.
func (s *Service) List(ctx context.Context, c registry.Caller, status MergeStatus, after registry.ID) (list []Merge, err error) {
	if err := c.Require(ScopeMergeRead); err != nil {
		return nil, err
	}
	switch status {
	case "", MergeNew, Merged, MergeDeclined, MergeUndoNew, MergeUndone:
	default:
		return nil, registry.Invalid(registry.FieldError{Entry: "$.status", EntryType: "query_parameter", Rule: "inclusion", Description: "value is not allowed in enum",
			Params: []string{string(MergeNew), string(Merged), string(MergeDeclined), string(MergeUndoNew), string(MergeUndone)}})
	}
	err = s.store.Update(ctx, func(ctx context.Context, tx Tx) (err error) {
		if list, err = tx.Merges(ctx, status, after, PageSize); err != nil {
			return err
		}
		for _, m := range list {
			if err := record(ctx, tx, c, "merge.read", m); err != nil {
				return err
			}
		}
		return nil
	})
	return list, err
}
