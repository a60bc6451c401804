// Package query is the disclosure service: every answer that tells something
// about a person goes through here and commits its audit entry before it is
// given. No commit, no answer.
//
// It trusts the transport for who asks and the verifier for what a citizen
// signed; it trusts no caller's word about consent.
package query

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/consent"
	"mist/registry/declaration"
	"mist/registry/jcs"
	"mist/registry/patient"
	"mist/registry/prm"
	"mist/signature"
	"mist/signature/facts"
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

// consentKind is the row of the policy table for consents.
const consentKind = "consent"

// Tx is what disclosures need of a transaction.
type Tx interface {
	// FindPerson gives the active record under the query's identifier,
	// following a merge to the survivor; found is false when there is none or
	// the identifier stands at more than one record.
	FindPerson(ctx context.Context, q patient.Query) (p patient.Person, found bool, err error)
	// DeclarationsOf lists a person's declarations, newest first, with the
	// provider's side as it is today.
	DeclarationsOf(ctx context.Context, person registry.ID, statuses []declaration.Status, limit int) ([]Row, error)
	Consent(ctx context.Context, id registry.ID) (consent.Record, bool, error)
	// UseConsent stores a consent at its first use, or marks the use of a known one.
	UseConsent(ctx context.Context, r consent.Record) error
	// ConsumeNonce reports false when the nonce of this subject's consent was used before.
	ConsumeNonce(ctx context.Context, consentID registry.ID, nonce string) (bool, error)
	PutContainer(ctx context.Context, digest registry.Digest, b []byte) error
	Exchange(ctx context.Context, client, messageID string, request [32]byte) (Exchange, bool, error)
	InsertExchange(ctx context.Context, e Exchange) error
	Audit(ctx context.Context, e audit.Entry) (audit.Receipt, error)
}

// Store begins and ends transactions.
type Store interface {
	Update(ctx context.Context, f func(ctx context.Context, tx Tx) error) error
}

// Row is a declaration with the provider's side.
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

// Request asks for a person's declarations with the citizen's consent.
type Request struct {
	// RequestID is the portal's own id of the request, echoed.
	RequestID registry.ID
	Person    patient.Query
	// SignedConsent is the CAdES container; empty asks without consent.
	SignedConsent []byte
	// Statuses to answer with; empty means active and pending_verification.
	Statuses []declaration.Status
	// MessageID and Hash identify the message: X-Road id, SHA-256 of the body.
	MessageID string
	// PurposeID is the purpose declaration the message names, if any.
	PurposeID string
	Hash      [32]byte
	// Body512 is SHA-512 of the message as received, for the trail.
	Body512 []byte
}

// Answer is what is told. Code says how far it went; only OK carries data.
type Answer struct {
	Code         consent.Code      `json:"code"`
	Message      string            `json:"message"`
	RequestID    registry.ID       `json:"request_id"`
	AnsweredAt   time.Time         `json:"answered_at"`
	Declarations []DeclarationView `json:"declarations,omitempty"`
	// ResponseHash is SHA-512 (hex) over the RFC 8785 form of declarations.
	ResponseHash string      `json:"response_hash"`
	AuditID      registry.ID `json:"audit_id"`
	// Replayed tells that a stored answer was given again.
	Replayed bool `json:"-"`
}

// Service answers consented queries.
type Service struct {
	store    Store
	verifier Verifier
	policies Policies
	source   registry.Source
	replay   time.Duration
}

// Config of a Service; every field is needed.
type Config struct {
	Store    Store
	Verifier Verifier
	// Policies gives the policy of the kind "consent".
	Policies Policies
	Source   registry.Source
	// Replay is how long an answer is kept for the repeated message (24 h).
	Replay time.Duration
}

// New refuses a half-configured service.
func New(c Config) (*Service, error) {
	if c.Store == nil || c.Verifier == nil || c.Source.Clock == nil || c.Source.Random == nil || c.Replay <= 0 || c.Policies == nil {
		return nil, errors.New("query: a part is missing")
	}
	return &Service{c.Store, c.Verifier, c.Policies, c.Source, c.Replay}, nil
}

// maxPurposeID keeps a purpose's identifier within one value of an audit entry.
const maxPurposeID = 128

// markEvery is how fresh used_at of a stored consent is kept; every single use
// stands in the audit log anyway.
const markEvery = time.Minute

// maxDeclarations bounds one answer.
const maxDeclarations = 100

// DeclarationByPatient is walk W2. Errors are for malformed requests and our
// own trouble; every business outcome is an Answer with its code.
func (s *Service) DeclarationByPatient(ctx context.Context, c registry.Caller, r Request) (Answer, error) {
	if err := r.Person.Validate(); err != nil {
		return Answer{}, err
	}
	for _, st := range r.Statuses {
		if !slices.Contains([]declaration.Status{declaration.StatusActive, declaration.StatusPendingVerification,
			declaration.StatusTerminated, declaration.StatusClosed, declaration.StatusRejected}, st) {
			return Answer{}, registry.Invalid(registry.FieldError{Entry: "$.statuses", Rule: "inclusion", Description: "value is not allowed in enum"})
		}
	}
	if len(r.PurposeID) > maxPurposeID || strings.ContainsFunc(r.PurposeID, unicode.IsControl) {
		return Answer{}, registry.Invalid(registry.FieldError{Entry: "$.purposeId", Rule: "length", Description: "at most 128 bytes without control characters"})
	}
	if answer, found, err := s.stored(ctx, c, r); err != nil || found {
		return answer, err
	}
	if len(r.SignedConsent) == 0 {
		return s.refuse(ctx, c, r, registry.ID{}, consent.Required)
	}
	given, signer, code, err := s.readConsent(ctx, r.SignedConsent)
	if err != nil {
		return Answer{}, err
	}
	if code == consent.OK {
		code = judge(given, signer, c, r, s.source.Now())
	}
	if code != consent.OK {
		return s.refuse(ctx, c, r, given.ID, code)
	}
	return s.disclose(ctx, c, r, given)
}

// readConsent verifies the citizen's signature with no transaction open and
// reads the document from the verified bytes alone.
func (s *Service) readConsent(ctx context.Context, container []byte) (consent.Consent, signature.Signer, consent.Code, error) {
	policy, err := s.policies.For(consentKind, s.source.Now())
	if err != nil {
		return consent.Consent{}, signature.Signer{}, "", err
	}
	result, err := s.verifier.Verify(ctx, signature.Input{Document: facts.Bytes(container)}, policy)
	if signature.IsUnreadable(err) {
		return consent.Consent{}, signature.Signer{}, consent.InvalidSignature, nil
	}
	if err != nil {
		return consent.Consent{}, signature.Signer{}, "", registry.Errorf(registry.CodeUnavailable, "the consent's signature could not be checked now; ask again").WithCause(err)
	}
	signed, signer, err := result.MustBePassed()
	if err != nil {
		return consent.Consent{}, signature.Signer{}, consent.InvalidSignature, nil
	}
	given, err := consent.Decode(signed)
	return given, signer, consent.OK, err
}

// judge holds the rules that need no database.
func judge(given consent.Consent, signer signature.Signer, c registry.Caller, r Request, now time.Time) consent.Code {
	if !given.SignedBy(signer) {
		return consent.SubjectMismatch
	}
	if r.Person.TaxID != "" && given.Subject.RNOKPP != "" && r.Person.TaxID != given.Subject.RNOKPP ||
		r.Person.UNZR != "" && given.Subject.UNZR != "" && r.Person.UNZR != given.Subject.UNZR {
		return consent.SubjectMismatch
	}
	if code := given.Covers(c.XRoad, consent.ScopeDeclaration, now); code != consent.OK {
		return code
	}
	if len(knownFields(given.Fields)) == 0 {
		return consent.Scope
	}
	return consent.OK
}

// disclose consumes the consent, reads, records and keeps the answer in one
// transaction.
func (s *Service) disclose(ctx context.Context, c registry.Caller, r Request, given consent.Consent) (Answer, error) {
	var answer Answer
	container := registry.Digest(sha256.Sum256(r.SignedConsent))
	content, err := given.ToBeSigned()
	if err != nil {
		return Answer{}, fmt.Errorf("encoding a consent: %w", err)
	}
	statuses := r.Statuses
	if len(statuses) == 0 {
		statuses = []declaration.Status{declaration.StatusActive, declaration.StatusPendingVerification}
	}
	err = s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
		now := s.source.Now()
		answer = Answer{Code: consent.OK, RequestID: r.RequestID, AnsweredAt: now}
		// The same message may have been answered while the signature was checked.
		if e, found, err := tx.Exchange(ctx, c.XRoad, r.MessageID, r.Hash); err != nil {
			return err
		} else if found {
			answer, err = s.replayed(ctx, tx, c, r, e)
			return err
		}
		known, seen, err := tx.Consent(ctx, given.ID)
		if err != nil {
			return err
		}
		p, found, err := tx.FindPerson(ctx, r.Person)
		if err != nil {
			return err
		}
		outcome, detail := consent.OK, ""
		switch {
		case seen && known.Status == consent.StatusRevoked:
			outcome = consent.Revoked
		case !found:
			outcome, detail = consent.NotFound, "no_record"
		case !r.Person.Matches(&p):
			outcome, detail = consent.NotFound, "identity_mismatch"
		case !isSubject(given.Subject, &p):
			// Only the registry knows that the two differ: saying so would tell
			// that the person named exists.
			outcome, detail = consent.NotFound, "consent_of_another"
		}
		if outcome == consent.OK && given.SingleUse {
			fresh, err := tx.ConsumeNonce(ctx, given.ID, given.Nonce)
			if err != nil {
				return err
			}
			if !fresh {
				outcome = consent.Replayed
			}
		}
		if outcome != consent.OK {
			answer, err = s.conclude(ctx, tx, c, r, given.ID, p.ID, outcome, detail)
			return err
		}
		same := seen && known.Container == container && known.PersonID == p.ID
		if !same {
			if err := tx.PutContainer(ctx, container, r.SignedConsent); err != nil {
				return err
			}
		}
		record := consent.Record{
			ID: given.ID, PersonID: p.ID, Method: "citizen_signed", Recipient: given.Recipient, Purpose: given.Purpose,
			Scope: given.Scope, Fields: given.Fields, GrantedAt: given.GrantedAt, ExpiresAt: given.ExpiresAt,
			SingleUse: given.SingleUse, Status: consent.StatusActive, Container: container, Content: sha256.Sum256(content),
			UsedAt: now, CreatedAt: now,
		}
		if given.SingleUse {
			record.Status = consent.StatusUsed
		}
		// A consent in steady use is marked once a minute: marking it each time
		// would make all its readers wait for one row.
		if !same || given.SingleUse || now.Sub(known.UsedAt) > markEvery {
			if err := tx.UseConsent(ctx, record); err != nil {
				return err
			}
		}
		rows, err := tx.DeclarationsOf(ctx, p.ID, statuses, maxDeclarations)
		if err != nil {
			return err
		}
		fields := knownFields(given.Fields)
		for _, row := range rows {
			answer.Declarations = append(answer.Declarations, view(row, fields))
		}
		if len(rows) == 0 {
			answer.Message = "no declaration in the asked states"
		}
		if answer.ResponseHash, err = hashOf(answer.Declarations); err != nil {
			return err
		}
		e := s.entry(c, r, "disclosure", p.ID)
		e.LegalBasis = &audit.LegalBasis{Code: "consent", Consent: given.ID, Digest: container[:], Method: "citizen_signed", Purpose: given.Purpose}
		e.Fields = fields
		e.Code = string(consent.OK)
		return s.keep(ctx, tx, c, r, e, &answer)
	})
	if err != nil {
		return Answer{}, err
	}
	return answer, nil
}

func isSubject(sub consent.Subject, p *patient.Person) bool {
	if sub.RNOKPP != "" {
		return p.TaxID == string(sub.RNOKPP)
	}
	return p.UNZR == string(sub.UNZR)
}

// stored answers a repeated message from what was kept.
func (s *Service) stored(ctx context.Context, c registry.Caller, r Request) (answer Answer, found bool, err error) {
	err = s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
		var e Exchange
		if e, found, err = tx.Exchange(ctx, c.XRoad, r.MessageID, r.Hash); err != nil || !found {
			return err
		}
		if s.source.Now().Sub(e.CreatedAt) > s.replay {
			found = false
			return nil
		}
		answer, err = s.replayed(ctx, tx, c, r, e)
		return err
	})
	return answer, found, err
}

func (s *Service) replayed(ctx context.Context, tx Tx, c registry.Caller, r Request, e Exchange) (Answer, error) {
	var a Answer
	if err := json.Unmarshal(e.Answer, &a); err != nil {
		return Answer{}, fmt.Errorf("reading a stored answer: %w", err)
	}
	a.Replayed = true
	entry := s.entry(c, r, "disclosure.replayed", registry.ID{})
	entry.Code, entry.Reason = string(a.Code), "entry "+a.AuditID.String()
	_, err := tx.Audit(ctx, entry)
	return a, err
}

// refuse records an outcome other than OK that was decided without reading.
func (s *Service) refuse(ctx context.Context, c registry.Caller, r Request, consentID registry.ID, code consent.Code) (answer Answer, err error) {
	err = s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
		answer, err = s.conclude(ctx, tx, c, r, consentID, registry.ID{}, code, "")
		return err
	})
	return answer, err
}

// conclude makes the answer of a refusal. detail is for the trail only.
func (s *Service) conclude(ctx context.Context, tx Tx, c registry.Caller, r Request, consentID, person registry.ID, code consent.Code, detail string) (Answer, error) {
	a := Answer{Code: code, Message: messages[code], RequestID: r.RequestID, AnsweredAt: s.source.Now()}
	var err error
	if a.ResponseHash, err = hashOf(nil); err != nil {
		return Answer{}, err
	}
	e := s.entry(c, r, "disclosure.refused", person)
	e.Code, e.Reason = string(code), detail
	if !consentID.IsZero() {
		e.LegalBasis = &audit.LegalBasis{Code: "consent", Consent: consentID, Method: "citizen_signed"}
	}
	return a, s.keep(ctx, tx, c, r, e, &a)
}

// keep writes the leaf and the stored answer.
func (s *Service) keep(ctx context.Context, tx Tx, c registry.Caller, r Request, e audit.Entry, a *Answer) error {
	digest, err := hex.DecodeString(a.ResponseHash)
	if err != nil {
		return err
	}
	e.Exchange.ResponseSHA512 = digest
	receipt, err := tx.Audit(ctx, e)
	if err != nil {
		return err
	}
	a.AuditID = receipt.EntryID
	body, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("encoding an answer: %w", err)
	}
	return tx.InsertExchange(ctx, Exchange{
		Client: c.XRoad, MessageID: r.MessageID, Request: r.Hash, Answer: body, EntryID: receipt.EntryID, CreatedAt: a.AnsweredAt,
	})
}

func (s *Service) entry(c registry.Caller, r Request, kind audit.Kind, person registry.ID) audit.Entry {
	return audit.Entry{
		Kind: kind, Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID, SubjectID: person,
		Exchange: &audit.Exchange{MessageID: r.MessageID, PurposeID: r.PurposeID, RequestSHA512: r.Body512},
	}
}

func hashOf(list []DeclarationView) (string, error) {
	if list == nil {
		list = []DeclarationView{}
	}
	b, err := jcs.Marshal(list)
	if err != nil {
		return "", fmt.Errorf("hashing an answer: %w", err)
	}
	sum := sha512.Sum512(b)
	return hex.EncodeToString(sum[:]), nil
}

var messages = map[consent.Code]string{
	consent.NotFound:         "no record was found for the data given",
	consent.Required:         "the citizen's signed consent is required",
	consent.Expired:          "the consent is not in force at this time",
	consent.Revoked:          "the citizen has revoked the consent",
	consent.Scope:            "the consent does not cover these data",
	consent.InvalidSignature: "the consent's signature was not accepted",
	consent.SubjectMismatch:  "the consent was not signed by the person asked about",
	consent.Recipient:        "the consent names another recipient",
	consent.Replayed:         "the single-use consent was used before",
}
