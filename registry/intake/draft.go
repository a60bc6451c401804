package intake

import (
	"context"
	"time"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/guess"
	"mist/registry/jcs"
	"mist/registry/job"
	"mist/signature"
)

// Step names one action of a draft's life; kinds turn it into a scope.
type Step string

// Steps.
const (
	StepWrite   Step = "write"
	StepRead    Step = "read"
	StepApprove Step = "approve"
	StepSign    Step = "sign"
	StepReject  Step = "reject"
)

// Status of a draft.
type Status string

// Draft states: NEW → APPROVED → SIGNED; NEW|APPROVED → REJECTED, CANCELLED
// (superseded by a newer draft), EXPIRED; APPROVED → PENDING → SIGNED, or back
// to APPROVED when the waiting ended with a refusal.
const (
	StatusNew       Status = "NEW"
	StatusApproved  Status = "APPROVED"
	StatusSigned    Status = "SIGNED"
	StatusRejected  Status = "REJECTED"
	StatusCancelled Status = "CANCELLED"
	StatusExpired   Status = "EXPIRED"
	// StatusPending: signed, and the status of the certificate is awaited.
	StatusPending Status = "PENDING"
	// StatusCompleted ends a request that nobody signs: it was confirmed and done.
	StatusCompleted Status = "COMPLETED"
)

// Draft is an act before it is signed. The server keeps the exact bytes the
// signer must sign, so that what was shown is what is compared.
type Draft struct {
	ID           registry.ID
	Kind         registry.KindName
	Status       Status
	StatusReason string
	ActID        registry.ID // allocated beforehand: it stands in the document
	Number       string
	PersonID     registry.ID
	// Channel is PIS for a draft that the patient began, and ApplicantID the
	// citizen who did; PatientContainer is what they signed.
	Channel          string
	ApplicantID      registry.ID
	PatientContainer registry.Digest
	EmployeeID       registry.ID
	PartyID          registry.ID
	DivisionID       registry.ID
	LegalEntityID    registry.ID
	ClientID         registry.ID
	// Data is the kind's own snapshot (JSON). ToBeSigned is set by approve.
	Data       []byte
	ToBeSigned []byte
	// AuthMethod is how the patient confirms: OTP, OFFLINE or NA; Phone for OTP.
	AuthMethod string
	Phone      string
	// OTPMAC is HMAC-SHA-256(key, draft id ‖ code); the code itself is never stored.
	OTPMAC []byte
	// OTPEarlier are the MACs of codes that a newer one superseded, oldest first.
	OTPEarlier   [][]byte
	OTPTriesLeft int
	OTPExpiresAt time.Time
	// Demands are the types of the documents that the patient's side must hand
	// in before approval; a kind sets them when it drafts. Documents are read
	// with an open draft.
	Demands   []string
	Documents []Document
	// AskNext is set by a kind's Approve when another phone has to confirm too:
	// the draft stays NEW and a code goes to Phone.
	AskNext    bool
	InsertedAt time.Time
	UpdatedAt  time.Time
	ExpiresAt  time.Time
	// Revision is of the stored row as it was read; empty for a new draft.
	Revision string
}

// Open reports whether the draft can still move on by itself.
func (d *Draft) Open() bool { return d.Status == StatusNew || d.Status == StatusApproved }

// Report is a stored signature report: the judgement of one submission.
type Report struct {
	ID         registry.ID
	ActID      registry.ID // zero for a refused submission
	Container  registry.Digest
	Digest     string // of the report itself: "sha256:…"
	Indication string
	Policy     string
	Body       []byte // JSON
	// Objects are kept once beside all reports: Body names them by digest.
	Objects   []Object
	CreatedAt time.Time
}

// Tx is what the pipeline itself needs of a transaction.
type Tx interface {
	job.Tx
	guess.Tx
	// InsertDraft writes a draft and the places of its documents.
	InsertDraft(ctx context.Context, d Draft) error
	// Draft reads a draft; with lock set, its row is held until commit.
	Draft(ctx context.Context, kind registry.KindName, id registry.ID, lock bool) (Draft, error)
	// DraftAlone reads a draft without its documents; whole tells that it has none.
	DraftAlone(ctx context.Context, kind registry.KindName, id registry.ID) (d Draft, whole bool, err error)
	UpdateDraft(ctx context.Context, d Draft) error
	// UpdateDraftUnchanged is UpdateDraft of a draft that nobody changed since it
	// was read, and ExpectFew says that no more codes than allowed were wrong; else
	// the transaction fails with ErrStale.
	UpdateDraftUnchanged(ctx context.Context, d Draft) error
	ExpectFew(ctx context.Context, phone string, legalEntity registry.ID, now time.Time) error
	// NewRevision gives into, with the commit, what Revision is of rows that this
	// transaction writes. ExpectDraft fails with ErrStale unless a draft is as it
	// was read.
	NewRevision(ctx context.Context, into *string) error
	ExpectDraft(ctx context.Context, d Draft) error
	// MoveDraft writes Status, StatusReason, UpdatedAt and ExpiresAt alone.
	MoveDraft(ctx context.Context, d Draft) error
	// DraftToSign reads a draft without its documents, its author, and whether an
	// act was accepted from these bytes, for this draft or another one.
	DraftToSign(ctx context.Context, kind registry.KindName, id registry.ID, container registry.Digest) (d Draft, a Author, accepted bool, err error)
	// ExpectParties takes the locks of Hold on a patient and an author who are as
	// an act wants them, and MoveDraftUnchanged moves a draft that nobody changed
	// since it was read; else the transaction fails with ErrStale.
	ExpectParties(ctx context.Context, d Draft, a Author, s Standing) error
	MoveDraftUnchanged(ctx context.Context, d Draft) error
	// Hold takes the row locks that order acts of one patient and one author,
	// then the draft's; always in this order, so that two competing acts wait
	// instead of deadlock. It gives the draft as it is now.
	Hold(ctx context.Context, known Draft) (Draft, Parties, error)
	// Documents reads what a draft demands, in the order of their types.
	Documents(ctx context.Context, draft registry.ID) ([]Document, error)
	// Signatory is what a signature of the employee is compared with.
	Signatory(ctx context.Context, employee registry.ID) (Signatory, error)
	ActByContainer(ctx context.Context, digest registry.Digest) (registry.Act, bool, error)
	InsertAct(ctx context.Context, a registry.Act) error
	InsertReport(ctx context.Context, r Report) error
	// Audit writes the leaf of this transaction's event.
	Audit(ctx context.Context, e audit.Entry) (audit.Receipt, error)
	AuditOfAct(ctx context.Context, act registry.ID) (audit.Receipt, error)
	// InsertPending, Pending and DeletePending keep what waits for a status.
	InsertPending(ctx context.Context, p Pending) error
	Pending(ctx context.Context, draft registry.ID) (Pending, bool, error)
	DeletePending(ctx context.Context, draft registry.ID) error
	// ActSince tells whether an act of the kind was accepted for the patient after a time.
	ActSince(ctx context.Context, kind registry.KindName, patient registry.ID, after time.Time) (bool, error)
	// Container reads a signed container.
	Container(ctx context.Context, digest registry.Digest) ([]byte, error)
	// PutContainer keeps the signed container under its digest, in this transaction.
	PutContainer(ctx context.Context, digest registry.Digest, b []byte) error
}

// Author is who has to sign, as the registry knows them.
type Author struct {
	Signatory
	Approved bool
	// Revision is of the stored rows as they were read.
	Revision string
}

// Parties are the patient and the author of an act, as they stand while it is
// accepted: nobody changes them before it is.
type Parties struct {
	PersonStatus, PersonVerification string
	Author                           Author
}

// Standing is what an act wants of its patient. Of its author it always wants
// approval.
type Standing struct{ Person, NotVerification string }

// ErrStale tells that what a transaction leans on is not, or no longer, so.
var ErrStale = registry.Errorf(registry.CodeConflict, "the request was changed at this moment; repeat it").WithReason("stale")

// Store begins and ends transactions. T is the port of the room that asks.
type Store[T any] interface {
	View(ctx context.Context, f func(ctx context.Context, tx T) error) error
	Update(ctx context.Context, f func(ctx context.Context, tx T) error) error
}

// PeekStore can also make one trip of reads without a transaction around it, and
// share a transaction.
type PeekStore[T any] interface {
	Store[T]
	Peek(ctx context.Context, f func(ctx context.Context, tx T) error) error
	// Together runs f, which only writes, in one transaction with others.
	Together(ctx context.Context, f func(ctx context.Context, tx T) error) error
}

// Kind is one kind of act over its own port T on a transaction.
type Kind[T any] interface {
	Name() registry.KindName
	Version() int
	// Scope names the scope a step demands.
	Scope(step Step) string
	// Draft fills d from the request's body after the kind's checks. Where no
	// patient confirms, it freezes d.ToBeSigned itself and sets StatusApproved.
	Draft(ctx context.Context, tx T, c registry.Caller, d *Draft, body []byte) error
	// Approve runs the rules of approval and freezes d.ToBeSigned.
	Approve(ctx context.Context, tx T, d *Draft) error
	// Decode reads the document strictly; only verified bytes come here.
	Decode(d *Draft, signed signature.SignedBytes) (any, error)
	// Accept runs the rules of the moment and the effects, inside the act's
	// transaction, and gives what Resource would.
	Accept(ctx context.Context, tx T, d *Draft, p Parties, a registry.Act, content any) (any, error)
	// Resource is what the caller is shown for an act that was accepted before.
	Resource(ctx context.Context, tx T, a registry.Act) (any, error)
}

// Prompt is a Kind that can say beforehand what it wants of patient and author,
// and whose effects only write: its acts share their transaction with others.
// Its Decode and Effects read nothing of a draft's Data, Phone and Documents: a
// draft that was read for its signer is remembered without them.
type Prompt[T any] interface {
	Standing() Standing
	// Effects is Accept after its rules.
	Effects(ctx context.Context, tx T, d *Draft, a registry.Act, content any) (any, error)
}

// Sketcher is a Kind whose draft is mostly made from one trip of reads: what is
// written then shares its transaction with others. Acts are judged anew when
// they are approved and signed, so nobody is held meanwhile.
type Sketcher[T any] interface {
	// Sketch is Draft without its writes; done is false when more would have to be read.
	Sketch(ctx context.Context, tx T, c registry.Caller, d *Draft, body []byte) (done bool, err error)
	// Supersede queues what Draft writes besides the draft.
	Supersede(ctx context.Context, tx T, d Draft) error
}

// Foreseer is a Kind whose approval mostly needs one trip of reads, the draft
// among them: what is written then shares its transaction with others.
type Foreseer[T any] interface {
	// Foresee reads the draft without its documents and what its approval leans on;
	// whole tells that it has none. approve is Approve over what was read, and only
	// freezes; it fails also where rows would have to be held to tell.
	Foresee(ctx context.Context, tx T, id registry.ID) (d Draft, whole bool, approve func(*Draft) error, err error)
}

// Preparer is a Kind whose rules lean on what is read before a transaction
// begins (code lists): Prepare puts it into the context that the kind is given.
type Preparer interface {
	Prepare(ctx context.Context) (context.Context, error)
}

func (s *Service[T]) prepare(ctx context.Context) (context.Context, error) {
	if k, ok := s.kind.(Preparer); ok {
		return k.Prepare(ctx)
	}
	return ctx, nil
}

// Referrer is a Kind whose acts point to an earlier act: what they cancel, end or
// fulfil. content is what Decode gave.
type Referrer interface {
	RefersTo(d *Draft, content any) registry.ID
}

// SameDocument compares two JSON documents in canonical form. The answer names
// the JSON pointers that differ, never the values.
func SameDocument(want, got []byte) error {
	a, err := jcs.Parse(want)
	if err != nil {
		return registry.Errorf(registry.CodeInternal, "internal error").WithCause(err)
	}
	b, err := jcs.Parse(got)
	if err != nil {
		return registry.Errorf(registry.CodeMalformed, "signed content is not acceptable JSON").WithCause(err)
	}
	pointers := jcs.Diff(a, b, maxPointers)
	if len(pointers) == 0 {
		return nil
	}
	return &registry.Error{
		Code: registry.CodeInvalid, Reason: "content_differs", Detail: "Signed content does not match the previously created content",
		Fields: []registry.FieldError{{
			Entry: "$.content", EntryType: "content", Rule: "invalid",
			Description: "Signed content does not match the previously created content; the JSON pointers in params differ",
			Params:      pointers,
		}},
	}
}

// maxPointers bounds an answer that lists differences.
const maxPointers = 50
