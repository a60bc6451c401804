// Package query is the disclosure service: every answer that tells something
// about a person goes through here and commits its audit entry before it is
// given. No commit, no answer.
//
// It trusts the transport for who asks and the verifier for what a citizen or
// a portal signed; it trusts no caller's word about consent.
package query

import (
	"context"
	"errors"
	"strings"
	"time"
	"unicode"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/consent"
	"mist/registry/declaration"
	"mist/registry/patient"
	"mist/registry/prm"
	"mist/signature"
	"mist/signature/gost34311"
)

// Verifier judges signed consents; *signature.Verifier is one.
type Verifier interface {
	Verify(ctx context.Context, in signature.Input, p signature.Policy) (*signature.Result, error)
}

// Policies says what a signed consent must satisfy at a time;
// signature.PolicyTable is one.
type Policies interface {
	For(kind string, at time.Time) (signature.Policy, error)
}

// Rows of the policy table for consents and for portals' attestations.
const (
	consentKind     = "consent"
	attestationKind = "attestation"
)

// Look is what every consented question begins with, asked in one trip to the
// database.
type Look struct {
	// Client, MessageID and Request name the message, for the stored answer.
	Client, MessageID string
	Request           [32]byte
	// Consent names the consent it stands on; zero for none.
	Consent registry.ID
	Person  patient.Query
	// Declarations are the states of the declarations to read beside, at most
	// Limit, newest first; none when empty.
	Declarations []declaration.Status
	Limit        int
}

// Seen is what a Look found.
type Seen struct {
	Exchange Exchange
	Answered bool // the same message was answered before
	Consent  consent.Record
	Known    bool // the registry has seen the consent
	// Master is set when the record the consent was given for was merged since.
	Master registry.ID
	// Person is the active record under the query's identifier, following a
	// merge to the survivor. Found is false when there is none or the identifier
	// stands at more than one record; the work done is the same. It holds names,
	// birth date and identifiers alone.
	Person patient.Person
	Found  bool
	// Rows opens the declarations read beside of the person Of, meant or not: what
	// they hold stays sealed until then. Nil when none were asked for.
	Rows func() ([]Row, error)
	Of   registry.ID
}

// Tx is what disclosures need of a transaction.
type Tx interface {
	Look(ctx context.Context, l Look) (Seen, error)
	Person(ctx context.Context, id registry.ID) (patient.Person, error)
	// DeclarationsOf lists a person's declarations, newest first, with the
	// provider's side as it is today.
	DeclarationsOf(ctx context.Context, person registry.ID, statuses []declaration.Status, limit int) ([]Row, error)
	// UseConsent stores a consent at its first use, or marks the use of a known
	// one. When a single-use consent was used before, the transaction fails with
	// an error of reason [SpentReason].
	UseConsent(ctx context.Context, r consent.Record) error
	PutContainer(ctx context.Context, digest registry.Digest, b []byte) error
	InsertExchange(ctx context.Context, e Exchange) error
	Audit(ctx context.Context, e audit.Entry) (audit.Receipt, error)

	historyTx
	consentsTx
	accessTx
	dependantsTx
	clinicalTx
}

// SpentReason marks the error of a consent that was used before, ChangedReason
// of one that was revoked meanwhile, AnsweredReason of a message that was
// answered meanwhile: a second look tells.
const (
	SpentReason    = "consent_spent"
	ChangedReason  = "consent_changed"
	AnsweredReason = "exchange_answered"
)

// Store begins and ends transactions.
type Store interface {
	Update(ctx context.Context, f func(ctx context.Context, tx Tx) error) error
	// Ask is Tx.Look without a transaction, together with others' who ask at the
	// same moment. Look only reads; Together only writes, and commits with others that write at
	// the same moment.
	Ask(ctx context.Context, l Look) (Seen, error)
	Look(ctx context.Context, f func(ctx context.Context, tx Tx) error) error
	Together(ctx context.Context, f func(ctx context.Context, tx Tx) error) error
}

// Row is a declaration with the provider's side: the members that answers are
// made of ([DeclarationView]), ids and the person; the others are empty.
type Row struct {
	Declaration declaration.Declaration
	Employee    prm.Employee
	Division    prm.Division
	LegalEntity prm.LegalEntity
}

// Exchange is a stored answer, kept so that a repeated message gets the same one.
type Exchange struct {
	Client    string
	MessageID string
	Request   [32]byte // SHA-256 of the request's body as received
	Answer    []byte   // JSON of the Answer
	EntryID   registry.ID
	CreatedAt time.Time
}

// Request is what every operation is asked with.
type Request struct {
	// RequestID is the portal's own id of the request, echoed.
	RequestID registry.ID
	Person    patient.Query
	Basis     Basis
	// MessageID and Hash identify the message: X-Road id, SHA-256 of the body.
	MessageID string
	// PurposeID is the purpose declaration the message names, if any.
	PurposeID string
	Hash      [32]byte
	// Body512 is SHA-512 of the message as received, for the trail.
	Body512 []byte
	// TellConsent puts what the answer stands on into its Outcome.
	TellConsent bool
	// Body is the message as received, hashed for the trail with GOST 34.311 too.
	Body []byte
}

// Outcome is the part of an answer that every operation has. Code says how far
// it went; only OK carries data.
type Outcome struct {
	Code       consent.Code `json:"code"`
	Message    string       `json:"message"`
	RequestID  registry.ID  `json:"request_id"`
	AnsweredAt time.Time    `json:"answered_at"`
	// ResponseHash is SHA-512 (hex) over the RFC 8785 form of the data.
	ResponseHash string      `json:"response_hash"`
	AuditID      registry.ID `json:"audit_id"`
	// Consent is what an OK stands on, where the request asked to be told.
	Consent *Given `json:"consent,omitempty"`
	// Replayed tells that a stored answer was given again.
	Replayed bool `json:"-"`
}

// Given is the consent an answer stands on, as it was verified or registered.
type Given struct {
	ID        registry.ID `json:"id"`
	Method    string      `json:"method"`
	Purpose   string      `json:"purpose"`
	Fields    []string    `json:"fields"` // consented and known, whether or not there is a value
	GrantedAt time.Time   `json:"granted_at"`
	ExpiresAt time.Time   `json:"expires_at"`
}

// Answer is what is told.
type Answer[T any] struct {
	Outcome
	Data T `json:"data"`
}

// Service answers consented queries.
type Service struct {
	store    Store
	verifier Verifier
	policies Policies
	source   registry.Source
	replay   time.Duration
	attested map[string]bool
	log      Log
	verified *verifiedCache
	flights  *flights
	misses   *missLimiter
}

// Config of a Service. Store, Verifier, Policies, Source, Replay and Log are needed.
type Config struct {
	Store    Store
	Verifier Verifier
	// Policies gives the policies of the kinds "consent" and "attestation".
	Policies Policies
	Source   registry.Source
	// Replay is how long an answer is kept for the repeated message (24 h).
	Replay time.Duration
	// Attested are the X-Road clients whose own seal counts for the citizen's
	// signature; nobody's when empty.
	Attested []string
	// Wait is how long a caller waits for an answer before being told to ask
	// again (20 s when zero); Work is how long the work may last (5 min).
	Wait, Work time.Duration
	// Misses bounds how many questions about nobody one client may ask in a
	// minute; zero bounds nothing.
	Misses int
	// Log gives evidence of answers.
	Log Log
}

// New refuses a half-configured service.
func New(c Config) (*Service, error) {
	if c.Store == nil || c.Verifier == nil || c.Source.Clock == nil || c.Source.Random == nil || c.Replay <= 0 || c.Policies == nil || c.Log == nil {
		return nil, errors.New("query: a part is missing")
	}
	s := &Service{
		store: c.Store, verifier: c.Verifier, policies: c.Policies, source: c.Source, replay: c.Replay, log: c.Log, attested: map[string]bool{},
		verified: newVerifiedCache(), flights: newFlights(c.Wait, c.Work), misses: newMissLimiter(c.Misses, c.Source.Clock),
	}
	for _, client := range c.Attested {
		s.attested[client] = true
	}
	return s, nil
}

// maxPurposeID keeps a purpose's identifier within one value of an audit entry.
const maxPurposeID = 128

func (r Request) validate() error {
	if err := r.Person.Validate(); err != nil {
		return err
	}
	if len(r.PurposeID) > maxPurposeID || strings.ContainsFunc(r.PurposeID, unicode.IsControl) {
		return registry.Invalid(registry.FieldError{Entry: "$.purposeId", Rule: "length", Description: "at most 128 bytes without control characters"})
	}
	return r.Basis.validate()
}

func (s *Service) entry(c registry.Caller, r Request, kind audit.Kind, person registry.ID) audit.Entry {
	var national []byte
	if len(r.Body) > 0 {
		sum := gost34311.Sum256(r.Body)
		national = sum[:]
	}
	return audit.Entry{
		Kind: kind, Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID, SubjectID: person,
		Exchange: &audit.Exchange{MessageID: r.MessageID, PurposeID: r.PurposeID, RequestSHA512: r.Body512, RequestGOST: national},
	}
}

var messages = map[consent.Code]string{
	consent.NotFound:           "no record was found for the data given",
	consent.Required:           "the citizen's consent is required",
	consent.Unknown:            "no such consent is registered for this client",
	consent.Expired:            "the consent is not in force at this time",
	consent.Revoked:            "the citizen has revoked the consent",
	consent.Scope:              "the consent does not cover these data",
	consent.InvalidSignature:   "the consent's signature was not accepted",
	consent.SubjectMismatch:    "the consent was not given by the person asked about",
	consent.Recipient:          "the consent names another recipient",
	consent.Replayed:           "the single-use consent was used before",
	consent.AttestationRefused: "the portal's word is not accepted in place of the citizen's signature",
	consent.RateLimited:        "too many questions about nobody; ask again in a minute",
	consent.Pending:            "the answer is being prepared; send the same message again",
}
