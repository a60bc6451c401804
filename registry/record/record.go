// Package record is what the registry knows of a patient's treatment beside the
// signed documents: episodes, encounters, referrals and whatever other kinds of
// clinical acts leave behind. All kinds share one table, one way of being read
// (the rules of access, with their line in the decision log) and one check of
// who signs, so that a new kind brings its own content and rules alone
// (docs/acts.md).
//
// It holds no rules of any kind, refuses by default, and trusts the kind for
// what stands in Body.
package record

import (
	"context"
	"time"

	"mist/registry"
	"mist/registry/abac"
	"mist/registry/audit"
)

// Kind names a kind of record; the names stand in approvals and in the log.
type Kind string

// Kinds that others refer to. A kind that nobody refers to is named in its own
// folder.
const (
	KindEpisode          Kind = "episode"
	KindEncounter        Kind = "encounter"
	KindDiagnosticReport Kind = "diagnostic_report"
	KindServiceRequest   Kind = "service_request"
)

// EnteredInError is the status of a record that its author has taken back.
const EnteredInError = "entered_in_error"

// Record is one record of a patient.
type Record struct {
	ID    registry.ID
	Kind  Kind
	ActID registry.ID // the act that made it

	PatientID     registry.ID
	AuthorID      registry.ID // employee
	LegalEntityID registry.ID // where it was made
	// Episode is the course of treatment it belongs to; Origin that of the
	// referral it answers.
	Episode, Origin abac.Episode
	// ContextID is the record it was made within, as an encounter; BasedOnID the
	// record it answers, as a referral or a prescription; HolderID the legal entity
	// that works on it now.
	ContextID, BasedOnID, HolderID registry.ID
	// Number is what a person is told; unique within the kind.
	Number string

	Status, Reason string
	// Body is the kind's own JSON.
	Body                             []byte
	InsertedAt, UpdatedAt, ExpiresAt time.Time
}

// Resource describes the record to the rules of access.
func (r Record) Resource() abac.Resource {
	return abac.Resource{Type: string(r.Kind), ID: r.ID, PatientID: r.PatientID, LegalEntityID: r.LegalEntityID, Episode: r.Episode, Origin: r.Origin, HolderID: r.HolderID, Clinical: true}
}

// Change is one line of a record's life.
type Change struct {
	Status string    `json:"status"`
	Reason string    `json:"status_reason,omitempty"`
	At     time.Time `json:"inserted_at"`
}

// Filter chooses records; zero fields choose all. PatientID or a legal entity
// is always given.
type Filter struct {
	Kind      Kind
	PatientID registry.ID
	// LegalEntityID is where they were made, HolderID who works on them.
	LegalEntityID, HolderID registry.ID
	ContextID, BasedOnID    registry.ID
	Status                  string
	// After is the last record seen: newest come first.
	After registry.ID
	Limit int
}

// Limits of a list.
const (
	DefaultPage = 50
	MaxPage     = 100
)

// Tx is what keeps records. They are read and written behind the wall of the
// caller's legal entity, as far as the rules of access open it to anybody there
// (ADR 0890); RecordAcross, MoveAcross and RecordByNumber go past it, for what a
// kind has to know or do about a record of another legal entity.
type Tx interface {
	abac.Tx
	// InsertRecord queues a new record. An id or a number that is taken is a conflict.
	InsertRecord(ctx context.Context, r Record) error
	// MoveRecord writes status, reason, holder, body, UpdatedAt and ExpiresAt of a
	// record of the own legal entity that was read with its row held.
	MoveRecord(ctx context.Context, r Record) error
	// MoveAcross does so for who works on a record that others made.
	MoveAcross(ctx context.Context, r Record) error
	// RecordByID reads one; with lock its row is held until the transaction ends.
	RecordByID(ctx context.Context, kind Kind, id registry.ID, lock bool) (Record, error)
	// RecordAcross reads one wherever it was made. Nothing of it is told before the
	// kind has judged the caller.
	RecordAcross(ctx context.Context, kind Kind, id registry.ID, lock bool) (Record, error)
	// RecordByNumber reads one wherever it was made: the number is what opens it.
	RecordByNumber(ctx context.Context, kind Kind, number string, lock bool) (Record, error)
	RecordByAct(ctx context.Context, kind Kind, act registry.ID) (Record, error)
	// Records lists; those of a patient by whichever of their merged records.
	Records(ctx context.Context, f Filter) ([]Record, error)
	// RecordsDue holds at most limit records of a kind in one of the states whose
	// time is over, and on which nobody works.
	RecordsDue(ctx context.Context, kind Kind, states []string, now time.Time, limit int) ([]Record, error)
	// RecordHistory is the life of a record, oldest first.
	RecordHistory(ctx context.Context, id registry.ID) ([]Change, error)
	Audit(ctx context.Context, e audit.Entry) (audit.Receipt, error)
}

// Entry begins an audit entry about a record.
func Entry(c registry.Caller, kind audit.Kind, r Record) audit.Entry {
	return audit.Entry{Kind: kind, Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID, SubjectID: r.PatientID,
		Object: &audit.ObjectRef{Type: string(r.Kind), ID: r.ID.String()}}
}

// ErrNotFound is the answer for what is not there, or not for this caller.
var ErrNotFound = registry.Errorf(registry.CodeNotFound, "not found")

// Encounter reads the encounter a new record is made within: of this patient,
// and not taken back. entry is its place in the document.
func Encounter(ctx context.Context, tx Tx, patient, id registry.ID, entry string) (Record, error) {
	r, err := tx.RecordAcross(ctx, KindEncounter, id, false)
	switch {
	case registry.CodeOf(err) == registry.CodeNotFound || err == nil && r.PatientID != patient:
		return r, registry.Invalid(registry.FieldError{Entry: entry, Rule: "invalid", Description: "Encounter with such ID is not found"})
	case err != nil:
		return r, err
	case r.Status == EnteredInError:
		return r, registry.Invalid(registry.FieldError{Entry: entry, Rule: "invalid", Description: `Encounter in "entered_in_error" status can not be referenced`})
	}
	return r, nil
}
