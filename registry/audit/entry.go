// Package audit is the trail nobody can change unseen: the encoding of its
// entries, the Merkle tree over them, proofs and signed checkpoints.
//
// It is pure: bytes in, values out, no clock, no network, no database, so that
// an auditor can import it and check a log with nothing but bytes fetched over
// HTTP. It refuses entries that are not in their one canonical form, and
// trusts only the log keys it is given.
//
// Standards: RFC 6962 (hashes, proofs), RFC 8785 (entry form), C2SP
// tlog-tiles, tlog-checkpoint and signed-note.
package audit

import (
	"crypto/hmac"
	"crypto/sha256"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"mist/registry"
)

// Version of the entry encoding. A reader refuses any other.
const Version = 1

// Limits of one entry.
const (
	MaxEntryBytes  = 8 << 10 // whole entry
	MaxTextBytes   = 256     // one text value
	MaxFields      = 200     // disclosed field names
	MaxWriterCount = 1<<53 - 1
)

// Kind says what happened: a noun, a dot, what befell it. A name in use is
// never given another meaning.
type Kind string

// Kinds. Rooms may add others of the same form: lower-case words joined by
// dots and underscores.
const (
	ActAccepted        Kind = "act.accepted"
	ActRepeated        Kind = "act.repeated"
	ActRefused         Kind = "act.refused"
	ActPending         Kind = "act.pending"
	Disclosure         Kind = "disclosure"
	DisclosureReplayed Kind = "disclosure.replayed"
	DisclosureRefused  Kind = "disclosure.refused"
	// ExchangeAnswered and ExchangeRefused are the end of a message of a security
	// server: the hashes of request and answer, beside what the operation wrote.
	ExchangeAnswered  Kind = "exchange.answered"
	ExchangeRefused   Kind = "exchange.refused"
	AccessDecision    Kind = "access.decision"
	ConsentRegistered Kind = "consent.registered"
	ConsentRevoked    Kind = "consent.revoked"
	KeyChanged        Kind = "key.changed"
	OperatorCommand   Kind = "operator.command"
	// Void stands for a counter value whose transaction did not commit.
	Void Kind = "void"
)

// Discloses reports whether the kind records that data of a person were told;
// such an entry carries the legal basis by its code.
func (k Kind) Discloses() bool {
	return (k == Disclosure || strings.HasPrefix(string(k), "disclosure.")) && k != DisclosureRefused && k != DisclosureReplayed
}

// Entry is one event. Its encoded bytes are the leaf of the tree. No field
// holds a person's identifier: persons appear as Subject, a keyed commitment,
// and fields disclosed by name only.
type Entry struct {
	ID   registry.ID // version 7
	Kind Kind
	Time time.Time // UTC, microseconds
	// Writer is the process that wrote the entry and its running number there:
	// a missing number shows a leaf taken away before it was sequenced.
	Writer Writer

	Actor     Actor
	Channel   string // rest, soap, job
	RequestID string // X-Request-ID of REST, message id of X-Road

	// Subject is Commitment(salt, person). The salt is kept apart from the
	// entry; wiping it unlinks the entry while the tree stays provable.
	Subject []byte

	Act        *ActRef
	Report     *ReportRef
	LegalBasis *LegalBasis
	// Fields names what was disclosed, never the values.
	Fields   []string
	Exchange *Exchange
	// Object is what a consent, key or operator entry speaks of.
	Object *ObjectRef
	// Code and Reason tell why something was refused (registry.Error), or the
	// outcome of a query.
	Code   string
	Reason string
	// Nonce keeps a public leaf hash from being guessed: 16 random bytes.
	Nonce []byte

	// SubjectID is for the store, which makes Subject from it. It is never encoded.
	SubjectID registry.ID
}

// Writer numbers the leaves of one process.
type Writer struct {
	ID registry.ID
	N  uint64
}

// Actor is who did it, as far as the registry knows by its own means.
type Actor struct {
	ClientID      registry.ID // information system
	UserID        registry.ID
	EmployeeID    registry.ID
	LegalEntityID registry.ID
	XRoadClient   string // INSTANCE/CLASS/MEMBER/SUBSYSTEM
}

// ActorOf takes the actor from a request's caller. The X-Road userId is left
// out: it carries a person's identifier.
func ActorOf(c registry.Caller) Actor {
	return Actor{ClientID: c.ClientID, UserID: c.User, EmployeeID: c.EmployeeID, LegalEntityID: c.LegalEntityID, XRoadClient: c.XRoad}
}

// ActRef names an act and its bytes: SHA-256 of the container as received and
// of the signed content.
type ActRef struct {
	ID        registry.ID
	Kind      string
	Container []byte
	Content   []byte
}

// ReportRef names the signature report that decided.
type ReportRef struct {
	Digest     string // "sha256:" and 64 hex digits
	Indication string // EN 319 102-1: TOTAL-PASSED, TOTAL-FAILED, INDETERMINATE
	Policy     string
}

// Codes of the legal basis of a disclosure (Law 2297-VI, articles 6, 7 and 11).
const (
	BasisConsent       = "consent"
	BasisDeclaration   = "declaration"
	BasisStatute       = "statute"
	BasisCourt         = "court"
	BasisVitalInterest = "vital_interest"
	BasisOwnData       = "own_data" // the data subject themselves, article 8
)

// Bases lists every code.
func Bases() []string {
	return []string{BasisConsent, BasisDeclaration, BasisStatute, BasisCourt, BasisVitalInterest, BasisOwnData}
}

// LegalBasis is the right by which data were read: a code, and the consent
// where that is the basis.
type LegalBasis struct {
	Code    string
	Consent registry.ID
	Digest  []byte // SHA-256 of the signed consent
	Method  string // citizen_signed, portal_attested
	Purpose string // what the data were read for, as the consent or request says
}

// Exchange is a Trembita message: its id and the hashes of both bodies, as X-Road
// (SHA-512) and as Trembita (GOST 34.311) write them into their containers.
type Exchange struct {
	MessageID string
	// PurposeID is the purpose declaration the message names (Trembita 2.0).
	PurposeID      string
	RequestSHA512  []byte
	ResponseSHA512 []byte
	RequestGOST    []byte
	ResponseGOST   []byte
}

// ObjectRef names a thing that is not an act.
type ObjectRef struct {
	Type   string
	ID     string
	Digest []byte
}

// Receipt is what a caller gets at once for an entry: enough to demand, later,
// the proof that exactly this entry stands in the log.
type Receipt struct {
	EntryID  registry.ID `json:"entry_id"`
	LeafHash string      `json:"leaf_hash"` // RFC 6962 leaf hash, base64 as in checkpoints
	Time     time.Time   `json:"time"`
	// Promise is the log's signed word that the leaf will stand in its tree
	// ([Signer.Promise]); empty where it was not asked for.
	Promise string `json:"promise,omitempty"`
}

// LeafHash is the RFC 6962 hash of an encoded entry: SHA-256(0x00 ‖ bytes).
func LeafHash(entry []byte) tlog.Hash { return tlog.RecordHash(entry) }

// SaltSize is the length of a subject salt in bytes.
const SaltSize = 16

// Commitment binds an entry to a person without naming them:
// HMAC-SHA-256(salt, the 16 bytes of the person's id).
func Commitment(salt []byte, person registry.ID) []byte {
	m := hmac.New(sha256.New, salt)
	m.Write(person[:])
	return m.Sum(nil)
}
