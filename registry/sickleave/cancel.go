package sickleave

import (
	"context"
	"fmt"

	"mist/registry"
	"mist/registry/composition"
	"mist/registry/dictionary"
	"mist/registry/document"
	"mist/registry/intake"
	"mist/registry/notify"
	"mist/registry/patient"
	"mist/registry/record"
	"mist/signature"
)

// Cancellation is the signed document by which the author takes a conclusion
// back: {identifier, reason{coding, text}} (ЕСОЗ 2.5).
type Cancellation struct {
	Identifier Reference `json:"identifier"`
	Reason     Concept   `json:"reason"`
}

// maxText bounds the author's words, in characters.
const maxText = 1000

// CancelTx is what a cancellation needs of a transaction.
type CancelTx interface {
	intake.SubmissionTx
	record.AuthorTx
	patient.ConfirmTx
	dictionary.ReadTx
	keepTx
	ExportTx
	notifyTx
}

// Cancel is the cancellation as an act kind without drafts.
type Cancel struct {
	Source registry.Source
	Lists  Lists
}

// Name implements intake.SubmissionKind.
func (Cancel) Name() registry.KindName { return CancellationName }

// Version implements intake.SubmissionKind.
func (Cancel) Version() int { return Version }

// Scope implements intake.SubmissionKind.
func (Cancel) Scope() string { return ScopeCancel }

// Decode implements intake.SubmissionKind.
func (Cancel) Decode(_ context.Context, signed signature.SignedBytes, _ signature.Signer) (any, error) {
	body, err := signed.Bytes()
	if err != nil {
		return nil, fmt.Errorf("reading the signed document: %w", err)
	}
	var c Cancellation
	if err := document.Read(body, &c); err != nil {
		return nil, err
	}
	if err := checkConcept("$.identifier.type", c.Identifier.Type, ResourcesDictionary, "", []string{"composition"}); err != nil {
		return nil, err
	}
	if len([]rune(c.Reason.Text)) > maxText {
		return nil, field("$.reason.text", "length", "expected at most 1000 characters")
	}
	return c, nil
}

// Accept implements intake.SubmissionKind: the conclusion that the address named
// must be the one the document names.
func (k Cancel) Accept(ctx context.Context, tx CancelTx, c registry.Caller, s signature.Signer, a *registry.Act, content any) (any, error) {
	doc := content.(Cancellation)
	if doc.Identifier.Value != a.RefersTo {
		return nil, field("$.identifier.value", "invalid", "the signed document names another conclusion")
	}
	l, found, err := read(ctx, tx, a.RefersTo, false)
	if err != nil {
		return nil, err
	}
	if !found || l.LegalEntityID != c.LegalEntityID {
		return nil, registry.Errorf(registry.CodeNotFound, "Composition not found").WithReason("1000")
	}
	author, subject, err := record.Author(ctx, tx, c, s, l.SubjectID, record.Doctors())
	if err != nil {
		return nil, err
	}
	if l.FocusID != l.SubjectID {
		if err := tx.LockPerson(ctx, l.FocusID); err != nil {
			return nil, err
		}
	}
	// Read again: it may have been changed before the patient was held.
	if l, _, err = read(ctx, tx, a.RefersTo, true); err != nil {
		return nil, err
	}
	a.PatientID, a.AuthorID, a.LegalEntityID = l.SubjectID, author.ID, c.LegalEntityID
	f := CancelFacts{Leave: l, Today: Day(k.Source.Now())}
	signer, err := tx.Employee(ctx, l.EmployeeID)
	if err != nil {
		return nil, err
	}
	f.Own = signer.Party.ID == author.Party.ID
	if l.Relation == Replaces {
		if f.Replaced, f.HasReplaced, err = read(ctx, tx, l.TargetID, true); err != nil {
			return nil, err
		}
	}
	others, err := tx.SickLeavesFor(ctx, l.FocusID)
	if err != nil {
		return nil, err
	}
	if f.Others, err = leavesOf(others); err != nil {
		return nil, err
	}
	if f.Rules, err = tx.SickLeaveRules(ctx); err != nil {
		return nil, err
	}
	if f.Lists, err = k.Lists(ctx, tx); err != nil {
		return nil, err
	}
	if err := checkCancellation(&doc, &f); err != nil {
		return nil, err
	}
	l.Cancellation = &Cancelled{ActID: a.ID, At: a.AcceptedAt, Reason: doc.Reason.Coding[0].Code, Text: doc.Reason.Text}
	if err := exportCancellation(ctx, tx, k.Source, c, &l, f.Replaced.Title, a.AcceptedAt); err != nil {
		return nil, err
	}
	if err := l.move(ctx, tx, composition.EnteredInError, a.AcceptedAt); err != nil {
		return nil, err
	}
	if err := tx.DropSickLeave(ctx, l.ID); err != nil {
		return nil, err
	}
	if f.HasReplaced {
		if err := f.Replaced.move(ctx, tx, composition.Final, a.AcceptedAt); err != nil {
			return nil, err
		}
	}
	if err := k.tell(ctx, tx, &l, subject, f.Today); err != nil {
		return nil, err
	}
	return record.Shown{Record: l.record}, nil
}

// tell sends the patient, or who is off work, word; of a third person only
// while the relationship is approved.
func (k Cancel) tell(ctx context.Context, tx CancelTx, l *Leave, subject patient.Person, today registry.Date) error {
	f := Facts{Subject: subject, Focus: subject, Today: today}
	if l.FocusID != l.SubjectID {
		var err error
		if f.Focus, err = tx.Person(ctx, l.FocusID); err != nil {
			return err
		}
	}
	phone, err := informed(ctx, tx, &l.Input, &f)
	if refused := registry.CodeOf(err); refused != "" && refused != registry.CodeUnavailable && refused != registry.CodeInternal {
		return nil // the way to tell them is gone; the act is not
	}
	if err != nil || phone == "" {
		return err
	}
	return notify.Enqueue(ctx, tx, k.Source, notify.Notice{Channel: notify.SMS, To: phone, Template: notify.ConclusionCancelled, About: l.ID,
		Values: map[string]string{"number": l.Title}})
}

// Repeat implements intake.SubmissionKind.
func (Cancel) Repeat(ctx context.Context, tx CancelTx, c registry.Caller, a registry.Act) (any, error) {
	l, found, err := read(ctx, tx, a.RefersTo, false)
	if err == nil && (!found || l.LegalEntityID != c.LegalEntityID) {
		err = record.ErrNotFound
	}
	return record.Shown{Record: l.record}, err
}
