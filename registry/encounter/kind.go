package encounter

import (
	"context"
	"encoding/json"
	"fmt"

	"mist/registry"
	"mist/registry/abac"
	"mist/registry/document"
	"mist/registry/intake"
	"mist/registry/prm"
	"mist/registry/record"
	"mist/signature"
)

// Name and CancelName are the stable names of the act kinds.
const (
	Name       registry.KindName = "encounter"
	CancelName registry.KindName = "encounter_cancel"
)

const enteredInError = record.EnteredInError

// Scopes (eHealth).
const (
	ScopeWrite        = "encounter:write"
	ScopeRead         = "encounter:read"
	ScopeCancel       = "encounter:cancel"
	ScopeEpisodeRead  = "episode:read"
	ScopeEpisodeWrite = "episode:write"
	ScopeReportRead   = "diagnostic_report:read"
	ScopeReadOwn      = "encounter:read_pis"
)

// Tx is what the room needs of a transaction.
type Tx interface {
	intake.SubmissionTx
	record.Tx
	record.AuthorTx
}

// Terms are what the NHSU sets.
type Terms struct {
	Lists prm.Lists
	// Oldest is how many days ago a visit may have been.
	Oldest int
}

// Kind is the package as an act kind without drafts.
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

// decoded is a package with its signed bytes.
type decoded struct {
	Package
	bytes []byte
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
	d := decoded{bytes: body}
	if err := document.Read(body, &d.Package); err != nil {
		return nil, err
	}
	return d, check(d.Package, terms.Lists, k.Source.Now(), terms.Oldest)
}

// Accept implements intake.SubmissionKind.
func (k Kind) Accept(ctx context.Context, tx Tx, c registry.Caller, s signature.Signer, a *registry.Act, content any) (any, error) {
	d := content.(decoded)
	p := d.Package
	author, _, err := record.Author(ctx, tx, c, s, p.PatientID, record.Doctors())
	if err != nil {
		return nil, err
	}
	if p.Encounter.PerformerID != author.ID {
		return nil, registry.Invalid(registry.FieldError{Entry: "$.encounter.performer_id", Rule: "invalid", Description: "the performer is the employee who signs"})
	}
	if _, err := record.Division(ctx, tx, c, p.Encounter.DivisionID, "$.encounter.division_id"); err != nil {
		return nil, err
	}
	if !p.Encounter.IncomingReferralID.IsZero() {
		if _, err := referral(ctx, tx, c, p.PatientID, p.Encounter.IncomingReferralID, "$.encounter.incoming_referral_id"); err != nil {
			return nil, err
		}
	}
	a.PatientID, a.AuthorID, a.LegalEntityID = p.PatientID, author.ID, c.LegalEntityID
	episode, err := k.episode(ctx, tx, c, p, *a)
	if err != nil {
		return nil, err
	}
	r := made(p, *a, record.KindEncounter, p.Encounter.ID, StatusFinished, d.bytes)
	r.Episode, r.BasedOnID = episode, p.Encounter.IncomingReferralID
	if err := tx.InsertRecord(ctx, r); err != nil {
		return nil, err
	}
	for i, one := range p.Reports {
		if err := k.report(ctx, tx, c, p, *a, i, one, episode); err != nil {
			return nil, err
		}
	}
	return record.Shown{Record: r}, nil
}

// made begins a record of an act.
func made(p Package, a registry.Act, kind record.Kind, id registry.ID, status string, body []byte) record.Record {
	return record.Record{ID: id, Kind: kind, ActID: a.ID, PatientID: p.PatientID, AuthorID: a.AuthorID, LegalEntityID: a.LegalEntityID,
		Status: status, Body: body, InsertedAt: a.AcceptedAt, UpdatedAt: a.AcceptedAt}
}

// episode finds the course of treatment of a package, or begins it. In one that
// another clinic leads, a doctor writes with the patient's leave alone.
func (k Kind) episode(ctx context.Context, tx Tx, c registry.Caller, p Package, a registry.Act) (abac.Episode, error) {
	in := p.Episode
	r, err := tx.RecordAcross(ctx, record.KindEpisode, in.ID, true)
	if registry.CodeOf(err) == registry.CodeNotFound {
		if in.Name == "" {
			return abac.Episode{}, registry.Invalid(registry.FieldError{Entry: "$.episode.id", Rule: "invalid", Description: "Episode with such ID is not found; give name and type to begin one"})
		}
		body, err := json.Marshal(EpisodeBody{Name: in.Name, Type: in.Type, Period: Period{Start: p.Visit.Period.Start}})
		if err != nil {
			return abac.Episode{}, fmt.Errorf("writing an episode: %w", err)
		}
		e := made(p, a, record.KindEpisode, in.ID, EpisodeActive, body)
		e.Episode = abac.Episode{ID: in.ID, LegalEntityID: a.LegalEntityID}
		return e.Episode, tx.InsertRecord(ctx, e)
	}
	if err != nil {
		return abac.Episode{}, err
	}
	absent := registry.Invalid(registry.FieldError{Entry: "$.episode.id", Rule: "invalid", Description: "Episode with such ID is not found; give name and type to begin one"})
	if r.PatientID != p.PatientID {
		return abac.Episode{}, absent
	}
	if r.LegalEntityID != c.LegalEntityID {
		d, err := abac.Decide(ctx, tx, c, r.Resource(), abac.Write, k.Source.Now())
		if err != nil {
			return abac.Episode{}, err
		}
		if !d.Allowed {
			return abac.Episode{}, absent
		}
		if _, err := tx.Audit(ctx, d.Entry(c, r.Resource())); err != nil {
			return abac.Episode{}, err
		}
	}
	if r.Status != EpisodeActive {
		return abac.Episode{}, registry.Errorf(registry.CodeConflict, "Episode is not active").WithReason("episode_status")
	}
	return abac.Episode{ID: r.ID, LegalEntityID: r.LegalEntityID}, nil
}

// referral finds the service request a patient came with: theirs, in work here.
func referral(ctx context.Context, tx Tx, c registry.Caller, patient, id registry.ID, entry string) (record.Record, error) {
	r, err := tx.RecordAcross(ctx, record.KindServiceRequest, id, false)
	switch {
	case registry.CodeOf(err) == registry.CodeNotFound || err == nil && r.PatientID != patient:
		return r, registry.Invalid(registry.FieldError{Entry: entry, Rule: "invalid", Description: "Service request with such ID is not found"})
	case err != nil:
		return r, err
	case r.HolderID != c.LegalEntityID && !r.HolderID.IsZero():
		return r, registry.Errorf(registry.CodeConflict, "Service request is used by another legal entity").WithReason("service_request_holder")
	case r.HolderID.IsZero() || r.Status != "active" && r.Status != "in_progress":
		return r, registry.Errorf(registry.CodeConflict, "Can't use inactive service request").WithReason("service_request_status")
	}
	return r, nil
}

// report keeps a diagnostic report of a package.
func (k Kind) report(ctx context.Context, tx Tx, c registry.Caller, p Package, a registry.Act, i int, one Report, episode abac.Episode) error {
	body, err := json.Marshal(reportBody{one, p.Encounter.ID})
	if err != nil {
		return fmt.Errorf("writing a diagnostic report: %w", err)
	}
	r := made(p, a, record.KindDiagnosticReport, one.ID, StatusFinal, body)
	r.Episode, r.ContextID, r.BasedOnID = episode, p.Encounter.ID, one.BasedOn
	if !one.BasedOn.IsZero() {
		asked, err := referral(ctx, tx, c, p.PatientID, one.BasedOn, fmt.Sprintf("$.diagnostic_reports.[%d].based_on", i))
		if err != nil {
			return err
		}
		r.Origin = asked.Episode
	}
	return tx.InsertRecord(ctx, r)
}

// Repeat implements intake.SubmissionKind.
func (Kind) Repeat(ctx context.Context, tx Tx, c registry.Caller, a registry.Act) (any, error) {
	return repeat(ctx, tx, c, a, a.ID)
}

func repeat(ctx context.Context, tx Tx, c registry.Caller, a registry.Act, maker registry.ID) (any, error) {
	if a.LegalEntityID != c.LegalEntityID {
		return nil, record.ErrNotFound
	}
	r, err := tx.RecordByAct(ctx, record.KindEncounter, maker)
	return record.Shown{Record: r}, err
}

// Cancel is the signed document that takes a package back.
type Cancel struct {
	Package
	CancellationReason string `json:"cancellation_reason"`
	ExplanatoryLetter  string `json:"explanatory_letter,omitempty"`
}

// CancelKind is the taking back as an act kind.
type CancelKind struct{ Kind }

// Name implements intake.SubmissionKind.
func (CancelKind) Name() registry.KindName { return CancelName }

// Scope implements intake.SubmissionKind.
func (CancelKind) Scope() string { return ScopeCancel }

type decodedCancel struct {
	Cancel
	bytes []byte
}

// Decode implements intake.SubmissionKind.
func (k CancelKind) Decode(ctx context.Context, signed signature.SignedBytes, _ signature.Signer) (any, error) {
	body, err := signed.Bytes()
	if err != nil {
		return nil, fmt.Errorf("reading the signed document: %w", err)
	}
	terms, err := k.Terms(ctx)
	if err != nil {
		return nil, err
	}
	d := decodedCancel{bytes: body}
	if err := document.Read(body, &d.Cancel); err != nil {
		return nil, err
	}
	var f document.Faults
	checkLetter(&f, d.CancellationReason, d.ExplanatoryLetter, terms.Lists)
	return d, f.Err()
}

// Accept implements intake.SubmissionKind.
func (k CancelKind) Accept(ctx context.Context, tx Tx, c registry.Caller, s signature.Signer, a *registry.Act, content any) (any, error) {
	d := content.(decodedCancel)
	author, _, err := record.Author(ctx, tx, c, s, d.PatientID, record.Doctors())
	if err != nil {
		return nil, err
	}
	r, err := tx.RecordByID(ctx, record.KindEncounter, d.Encounter.ID, true)
	if err == nil && (r.LegalEntityID != c.LegalEntityID || r.ActID != a.RefersTo) {
		err = record.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	if r.AuthorID != author.ID {
		return nil, registry.Errorf(registry.CodeForbidden, "an encounter is taken back by its performer").WithReason("performer")
	}
	if r.Status != StatusFinished {
		return nil, registry.Errorf(registry.CodeConflict, `Invalid transition: the encounter is in "%s" status`, r.Status).WithReason("status_" + r.Status)
	}
	if err := corresponds(r.Body, d); err != nil {
		return nil, err
	}
	a.PatientID, a.AuthorID, a.LegalEntityID = r.PatientID, author.ID, c.LegalEntityID
	r.Status, r.Reason, r.UpdatedAt = enteredInError, d.CancellationReason, a.AcceptedAt
	if err := tx.MoveRecord(ctx, r); err != nil {
		return nil, err
	}
	reports, err := tx.Records(ctx, record.Filter{Kind: record.KindDiagnosticReport, PatientID: r.PatientID, ContextID: r.ID, Limit: maxChildren})
	if err != nil {
		return nil, err
	}
	for _, one := range reports {
		one.Status, one.Reason, one.UpdatedAt = enteredInError, d.CancellationReason, a.AcceptedAt
		if err := tx.MoveRecord(ctx, one); err != nil {
			return nil, err
		}
	}
	return record.Shown{Record: r}, nil
}

// corresponds holds a cancellation against what was signed: the same package
// with other states, the reason and the letter.
func corresponds(signed []byte, d decodedCancel) error {
	want, err := record.Object(signed)
	if err != nil {
		return err
	}
	record.Put(want, enteredInError, "encounter", "status")
	record.Put(want, enteredInError, "conditions", "*", "verification_status")
	record.Put(want, enteredInError, "diagnostic_reports", "*", "status")
	want["cancellation_reason"] = d.CancellationReason
	if d.ExplanatoryLetter != "" {
		want["explanatory_letter"] = d.ExplanatoryLetter
	}
	return record.Corresponds(want, d.bytes)
}

// Repeat implements intake.SubmissionKind.
func (CancelKind) Repeat(ctx context.Context, tx Tx, c registry.Caller, a registry.Act) (any, error) {
	return repeat(ctx, tx, c, a, a.RefersTo)
}
