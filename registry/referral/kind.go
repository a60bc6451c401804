package referral

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"mist/registry"
	"mist/registry/abac"
	"mist/registry/document"
	"mist/registry/intake"
	"mist/registry/job"
	"mist/registry/prm"
	"mist/registry/record"
	"mist/signature"
)

// Names are the stable names of the act kinds.
const (
	Name       registry.KindName = "service_request"
	RecallName registry.KindName = "service_request_recall"
	CancelName registry.KindName = "service_request_cancel"
)

// Scopes (eHealth).
const (
	ScopeWrite    = "service_request:write"
	ScopeRead     = "service_request:read"
	ScopeUse      = "service_request:use"
	ScopeRelease  = "service_request:release"
	ScopeProcess  = "service_request:makeinprogress"
	ScopeComplete = "service_request:complete"
	ScopeRecall   = "service_request:recall"
	ScopeCancel   = "service_request:cancel"
	ScopeReadOwn  = "service_request:read_pis"
)

// Tx is what the room needs of a transaction.
type Tx interface {
	intake.SubmissionTx
	record.Tx
	record.AuthorTx
	job.Tx
}

// Terms are what the NHSU sets.
type Terms struct {
	Lists prm.Lists
	// Term is how long a referral may be used.
	Term time.Duration
}

// Kind is the referral as an act kind without drafts.
type Kind struct {
	Source registry.Source
	Terms  func(ctx context.Context) (Terms, error)
}

// Name implements intake.SubmissionKind.
func (Kind) Name() registry.KindName { return Name }

// Version implements intake.SubmissionKind.
func (Kind) Version() int { return 1 }

// Scope implements intake.SubmissionKind.
func (Kind) Scope() string { return ScopeWrite }

type decoded struct {
	Document
	bytes []byte
	term  time.Duration
}

// Decode implements intake.SubmissionKind.
func (k Kind) Decode(ctx context.Context, signed signature.SignedBytes, _ signature.Signer) (any, error) {
	body, err := signed.Bytes()
	if err != nil {
		return nil, fmt.Errorf("reading the signed document: %w", err)
	}
	terms, err := k.Terms(ctx)
	if err != nil {
		return nil, err
	}
	d := decoded{bytes: body, term: terms.Term}
	if err := document.Read(body, &d.Document); err != nil {
		return nil, err
	}
	return d, check(d.Document, terms.Lists, k.Source.Now())
}

// Accept implements intake.SubmissionKind.
func (k Kind) Accept(ctx context.Context, tx Tx, c registry.Caller, s signature.Signer, a *registry.Act, content any) (any, error) {
	d := content.(decoded)
	author, p, err := record.Author(ctx, tx, c, s, d.PatientID, record.Doctors())
	if err != nil {
		return nil, err
	}
	if d.Request.Requester != author.ID {
		return nil, registry.Invalid(registry.FieldError{Entry: "$.service_request.requester_employee_id", Rule: "invalid", Description: "the requester is the employee who signs"})
	}
	within, err := record.Encounter(ctx, tx, d.PatientID, d.Request.ContextID, "$.service_request.context_id")
	if err != nil {
		return nil, err
	}
	if within.LegalEntityID != c.LegalEntityID {
		return nil, registry.Invalid(registry.FieldError{Entry: "$.service_request.context_id", Rule: "invalid", Description: "Encounter with such ID is not found"})
	}
	if err := k.permitted(ctx, tx, c, d.Document); err != nil {
		return nil, err
	}
	number, err := record.NewNumber(ctx, tx, k.Source, record.KindServiceRequest, record.Requisition)
	if err != nil {
		return nil, err
	}
	a.PatientID, a.AuthorID, a.LegalEntityID = d.PatientID, author.ID, c.LegalEntityID
	r := record.Record{ID: d.Request.ID, Kind: record.KindServiceRequest, ActID: a.ID, PatientID: d.PatientID, AuthorID: author.ID, LegalEntityID: c.LegalEntityID,
		Episode: within.Episode, ContextID: within.ID, Number: number, Status: StatusActive, Body: d.bytes,
		InsertedAt: a.AcceptedAt, UpdatedAt: a.AcceptedAt, ExpiresAt: a.AcceptedAt.Add(d.term)}
	if err := tx.InsertRecord(ctx, r); err != nil {
		return nil, err
	}
	return record.Shown{Record: r}, record.TellIssued(ctx, tx, k.Source, p, r, what)
}

// what is what the patient is told this is.
const what = "Електронне направлення"

// permitted: the records a referral names are the patient's, and its author may
// read them.
func (k Kind) permitted(ctx context.Context, tx Tx, c registry.Caller, d Document) error {
	for i, p := range d.Request.PermittedResources {
		r, err := tx.RecordAcross(ctx, record.Kind(p.Type), p.ID, false)
		if err != nil && registry.CodeOf(err) != registry.CodeNotFound {
			return err
		}
		allowed := false
		if err == nil && r.PatientID == d.PatientID {
			decision, err := abac.Decide(ctx, tx, c, r.Resource(), abac.Read, k.Source.Now())
			if err != nil {
				return err
			}
			allowed = decision.Allowed
		}
		if !allowed {
			return registry.Invalid(registry.FieldError{Entry: "$.service_request.permitted_resources.[" + strconv.Itoa(i) + "].id", Rule: "invalid", Description: "the record is not found"})
		}
	}
	return nil
}

// Repeat implements intake.SubmissionKind.
func (Kind) Repeat(ctx context.Context, tx Tx, c registry.Caller, a registry.Act) (any, error) {
	return repeat(ctx, tx, c, a, a.ID)
}

func repeat(ctx context.Context, tx Tx, c registry.Caller, a registry.Act, maker registry.ID) (any, error) {
	if a.LegalEntityID != c.LegalEntityID {
		return nil, record.ErrNotFound
	}
	r, err := tx.RecordByAct(ctx, record.KindServiceRequest, maker)
	return record.Shown{Record: r}, err
}

// EndKind is the recall, or the taking back, as an act kind.
type EndKind struct {
	Kind
	name    registry.KindName
	scope   string
	status  string
	reasons string // the list of reasons
	allowed func(r record.Record, now time.Time) error
}

// Recalling and Cancelling are the two ways an author ends a referral.
func Recalling(k Kind) EndKind {
	return EndKind{k, RecallName, ScopeRecall, StatusRecalled, listReasons, recallable}
}

// Cancelling takes a referral back as an error.
func Cancelling(k Kind) EndKind {
	return EndKind{k, CancelName, ScopeCancel, record.EnteredInError, listCancels, cancellable}
}

// Name implements intake.SubmissionKind.
func (k EndKind) Name() registry.KindName { return k.name }

// Scope implements intake.SubmissionKind.
func (k EndKind) Scope() string { return k.scope }

type decodedEnding struct {
	Ending
	bytes []byte
}

// Decode implements intake.SubmissionKind.
func (k EndKind) Decode(ctx context.Context, signed signature.SignedBytes, _ signature.Signer) (any, error) {
	body, err := signed.Bytes()
	if err != nil {
		return nil, fmt.Errorf("reading the signed document: %w", err)
	}
	terms, err := k.Terms(ctx)
	if err != nil {
		return nil, err
	}
	d := decodedEnding{bytes: body}
	if err := document.Read(body, &d.Ending); err != nil {
		return nil, err
	}
	return d, checkEnding(d.Ending, k.reasons, terms.Lists)
}

// Accept implements intake.SubmissionKind.
func (k EndKind) Accept(ctx context.Context, tx Tx, c registry.Caller, s signature.Signer, a *registry.Act, content any) (any, error) {
	d := content.(decodedEnding)
	author, p, err := record.Author(ctx, tx, c, s, d.PatientID, record.Doctors())
	if err != nil {
		return nil, err
	}
	r, err := tx.RecordByID(ctx, record.KindServiceRequest, d.Request.ID, true)
	if err == nil && (r.LegalEntityID != c.LegalEntityID || r.ActID != a.RefersTo) {
		err = record.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	if r.AuthorID != author.ID {
		return nil, registry.Errorf(registry.CodeForbidden, "a service request is ended by its requester").WithReason("requester")
	}
	if err := k.allowed(r, k.Source.Now()); err != nil {
		return nil, err
	}
	if err := k.corresponds(r.Body, d); err != nil {
		return nil, err
	}
	a.PatientID, a.AuthorID, a.LegalEntityID = r.PatientID, author.ID, c.LegalEntityID
	r.Status, r.Reason, r.UpdatedAt = k.status, d.StatusReason, a.AcceptedAt
	if err := tx.MoveRecord(ctx, r); err != nil {
		return nil, err
	}
	return record.Shown{Record: r}, record.TellEnded(ctx, tx, k.Source, p, r, what)
}

// corresponds holds an ending against what was signed.
func (k EndKind) corresponds(signed []byte, d decodedEnding) error {
	want, err := record.Object(signed)
	if err != nil {
		return err
	}
	record.Put(want, k.status, "service_request", "status")
	want["status_reason"] = d.StatusReason
	if d.ExplanatoryLetter != "" {
		want["explanatory_letter"] = d.ExplanatoryLetter
	}
	return record.Corresponds(want, d.bytes)
}

// Repeat implements intake.SubmissionKind.
func (EndKind) Repeat(ctx context.Context, tx Tx, c registry.Caller, a registry.Act) (any, error) {
	return repeat(ctx, tx, c, a, a.RefersTo)
}
