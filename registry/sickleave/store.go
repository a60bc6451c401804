package sickleave

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"mist/registry"
	"mist/registry/composition"
	"mist/registry/record"
)

// Kind of the records of conclusions.
const Record record.Kind = "composition"

// Stored is what a record of a conclusion keeps: the document, and what became of it.
type Stored struct {
	Document
	SignedAt     time.Time  `json:"signed_at"`
	Cancellation *Cancelled `json:"cancellation,omitempty"`
	// Integration is how the conclusion stands with other registers.
	Integration []Task `json:"integration"`
}

// Links are what is asked of conclusions across patients: who is off work, and
// what each continues or replaces.
type Links struct {
	ID, FocusID registry.ID
	Relation    string
	TargetID    registry.ID
}

// LinksTx keeps links, which are the registry's own and seen by no caller.
type LinksTx interface {
	// InsertSickLeave queues the links of a new conclusion. Of two that continue,
	// or replace, the same one at once the second is a conflict.
	InsertSickLeave(ctx context.Context, l Links) error
	// DropSickLeave lets what a cancelled one continued be continued again.
	DropSickLeave(ctx context.Context, id registry.ID) error
	// SickLeavesFor reads the records of all conclusions for one who is off work,
	// of every clinic and in every state, oldest first.
	SickLeavesFor(ctx context.Context, focus registry.ID) ([]record.Record, error)
	// SickLeaveRules reads the table of terms.
	SickLeaveRules(ctx context.Context) (Rules, error)
}

// leaveOf reads a record.
func leaveOf(r record.Record) (Leave, error) {
	var s Stored
	if err := json.Unmarshal(r.Body, &s); err != nil {
		return Leave{}, fmt.Errorf("reading a stored conclusion: %w", err)
	}
	p, err := s.checkCodes()
	if err != nil {
		return Leave{}, fmt.Errorf("reading a stored conclusion: %w", err)
	}
	code, target := s.relation()
	return Leave{
		ID: r.ID, SubjectID: r.PatientID, FocusID: s.Section.Focus.Value, EmployeeID: r.AuthorID, LegalEntityID: r.LegalEntityID, EncounterID: r.ContextID,
		Status: composition.Status(r.Status), Category: s.category(), Period: p, Relation: code, TargetID: target, Stored: s, record: r,
	}, nil
}

func leavesOf(records []record.Record) ([]Leave, error) {
	list := make([]Leave, len(records))
	for i, r := range records {
		var err error
		if list[i], err = leaveOf(r); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// read gives a conclusion wherever it was made; not-found becomes false.
func read(ctx context.Context, tx record.Tx, id registry.ID, lock bool) (Leave, bool, error) {
	return found(tx.RecordAcross(ctx, Record, id, lock))
}

// readHere gives one that the caller's own legal entity sees.
func readHere(ctx context.Context, tx record.Tx, id registry.ID, lock bool) (Leave, bool, error) {
	return found(tx.RecordByID(ctx, Record, id, lock))
}

func found(r record.Record, err error) (Leave, bool, error) {
	if registry.CodeOf(err) == registry.CodeNotFound {
		return Leave{}, false, nil
	}
	if err != nil {
		return Leave{}, false, err
	}
	l, err := leaveOf(r)
	return l, err == nil, err
}

type keepTx interface {
	record.Tx
	composition.Tx
	LinksTx
}

// insert writes a conclusion that was signed.
func insert(ctx context.Context, tx keepTx, l *Leave) error {
	body, err := json.Marshal(l.Stored)
	if err != nil {
		return fmt.Errorf("writing a conclusion: %w", err)
	}
	l.record = record.Record{ID: l.ID, Kind: Record, ActID: l.ID, PatientID: l.SubjectID, AuthorID: l.EmployeeID, LegalEntityID: l.LegalEntityID,
		ContextID: l.EncounterID, Number: l.Title, Status: string(l.Status), Body: body, InsertedAt: l.SignedAt, UpdatedAt: l.SignedAt}
	if err := tx.InsertRecord(ctx, l.record); err != nil {
		return err
	}
	if err := tx.InsertSickLeave(ctx, Links{l.ID, l.FocusID, l.Relation, l.TargetID}); err != nil {
		return err
	}
	return tx.PutComposition(ctx, l.Told())
}

// keep writes what changed of a conclusion whose row is held.
func (l *Leave) keep(ctx context.Context, tx record.Tx, at time.Time) (err error) {
	if l.record.Body, err = json.Marshal(l.Stored); err != nil {
		return fmt.Errorf("writing a conclusion: %w", err)
	}
	l.record.Status, l.record.UpdatedAt = string(l.Status), at
	return tx.MoveAcross(ctx, l.record)
}

// move changes the state of a conclusion whose row is held.
func (l *Leave) move(ctx context.Context, tx keepTx, to composition.Status, at time.Time) error {
	l.Status = to
	if err := l.keep(ctx, tx, at); err != nil {
		return err
	}
	return tx.PutComposition(ctx, l.Told())
}

// task finds the newest task of a kind.
func (l *Leave) task(kind string) *Task {
	for i := range slices.Backward(l.Integration) {
		if l.Integration[i].Type == kind {
			return &l.Integration[i]
		}
	}
	return nil
}
