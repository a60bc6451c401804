// Package consent reads a citizen's consent to a disclosure and decides whether
// it covers one query. A consent is an RFC 8785 JSON document with the
// Ukrainian text the citizen read. It stands on one of two kinds of evidence,
// told apart everywhere: the citizen's own КЕП over it ([CitizenSigned]), or
// the portal's e-seal over an [Attestation] that it was given ([PortalAttested]).
//
// It refuses unknown members and unknown versions: a consent whose meaning is
// not wholly understood covers nothing.
package consent

import (
	"crypto/sha256"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"mist/registry"
	"mist/registry/jcs"
	"mist/signature"
)

// Version of the documents read here.
const Version = 1

// Scopes that can be consented to.
const (
	ScopeDeclaration  = "declaration"
	ScopeDependant    = "dependant" // declarations of a child or ward
	ScopeConsents     = "consents"  // the list of one's own consents
	ScopeAccessLog    = "access_log"
	ScopeSickLeave    = "sick_leave"
	ScopePrescription = "prescription"
	// ScopeNotice lets the recipient tell the citizen what the registry has to say.
	ScopeNotice = "notice"
)

// Methods: what a consent stands on, as the trail tells it.
const (
	CitizenSigned  = "citizen_signed"
	PortalAttested = "portal_attested"
	// ByRecipient is a revocation by whoever the consent names as recipient:
	// giving up a right needs no proof of the citizen's will.
	ByRecipient = "recipient"
	// CitizenPage is a revocation on the citizen's own page after login with КЕП.
	CitizenPage = "citizen_page"
)

// Code is the outcome shown to the portal as a result code.
type Code string

// Outcomes (issue of the Diia service, domain notes 5.3).
const (
	OK               Code = "OK"
	NotFound         Code = "NOT_FOUND"
	Required         Code = "CONSENT_REQUIRED"
	Unknown          Code = "CONSENT_UNKNOWN"
	Expired          Code = "CONSENT_EXPIRED"
	Revoked          Code = "CONSENT_REVOKED"
	Scope            Code = "CONSENT_SCOPE"
	InvalidSignature Code = "CONSENT_INVALID_SIGNATURE"
	SubjectMismatch  Code = "CONSENT_SUBJECT"
	Recipient        Code = "CONSENT_RECIPIENT"
	Replayed         Code = "CONSENT_REPLAYED"
	// AttestationRefused: the portal's word is not taken for this client, or the
	// seal is not the portal's.
	AttestationRefused Code = "ATTESTATION_REFUSED"
	RateLimited        Code = "RATE_LIMITED"
	// Pending: the work goes on; the same body again gets the answer.
	Pending Code = "PENDING"
)

// ResultCodes lists every outcome once.
func ResultCodes() []Code {
	return []Code{OK, NotFound, Required, Unknown, Expired, Revoked, Scope, InvalidSignature, SubjectMismatch, Recipient, Replayed,
		AttestationRefused, RateLimited, Pending}
}

// Subject is whose data may be told: one of the two identifiers.
type Subject struct {
	RNOKPP registry.RNOKPP `json:"rnokpp,omitempty"`
	UNZR   registry.UNZR   `json:"unzr,omitempty"`
}

// Consent is the signed document.
type Consent struct {
	Version   int         `json:"version"`
	ID        registry.ID `json:"id"`
	Text      string      `json:"text"` // what the citizen read, in Ukrainian
	Subject   Subject     `json:"subject"`
	Recipient string      `json:"recipient"` // INSTANCE/CLASS/MEMBER/SUBSYSTEM of Trembita
	Purpose   string      `json:"purpose"`
	Scope     []string    `json:"scope"`
	Fields    []string    `json:"fields"`
	GrantedAt time.Time   `json:"granted_at"`
	ExpiresAt time.Time   `json:"expires_at"`
	SingleUse bool        `json:"single_use"`
	Nonce     string      `json:"nonce"`
}

// Limits of a document, and of a consent's life.
const (
	maxText  = 8 << 10
	maxLife  = 5 * 366 * 24 * time.Hour
	maxNonce = 128
	// maxPurpose keeps the purpose within one value of an audit entry.
	maxPurpose = 128
	maxNames   = 64
	// Skew is how far granted_at may lie in our future: clocks of the portal and ours.
	Skew = 5 * time.Minute
)

// Decode reads a signed consent strictly. It takes only bytes the verifier released.
func Decode(signed signature.SignedBytes) (Consent, error) {
	var c Consent
	if err := read(signed, &c); err != nil {
		return Consent{}, err
	}
	return c, c.check("")
}

// check holds the document to its form. at names the member it stands in.
func (c Consent) check(at string) error {
	var wrong string
	switch {
	case c.Version != Version:
		wrong = "version must be 1"
	case c.ID.IsZero():
		wrong = "id must be a UUID"
	case !readable(c.Text):
		wrong = "text must say in Ukrainian words what is consented to (at most 8 KiB)"
	case !c.Subject.valid():
		wrong = "subject must carry exactly one valid identifier: rnokpp or unzr"
	case strings.Count(c.Recipient, "/") != 3:
		wrong = "recipient must be INSTANCE/CLASS/MEMBER/SUBSYSTEM"
	case c.Purpose == "" || len(c.Purpose) > maxPurpose || strings.ContainsFunc(c.Purpose, unicode.IsControl):
		wrong = "purpose must be given, in at most 128 bytes without control characters"
	case len(c.Scope) > maxNames || len(c.Fields) > maxNames:
		wrong = "scope and fields name at most 64 things each"
	case c.GrantedAt.IsZero() || c.ExpiresAt.IsZero() || !c.GrantedAt.Before(c.ExpiresAt):
		wrong = "granted_at must lie before expires_at"
	case c.ExpiresAt.Sub(c.GrantedAt) > maxLife:
		wrong = "a consent lasts at most five years"
	case len(c.Nonce) < 16 || len(c.Nonce) > maxNonce:
		wrong = "nonce must have 16 to 128 characters"
	}
	if wrong != "" {
		return malformed(at+wrong, nil)
	}
	return nil
}

func (s Subject) valid() bool {
	if (s.RNOKPP == "") == (s.UNZR == "") {
		return false
	}
	return (s.RNOKPP == "" || s.RNOKPP.Valid()) && (s.UNZR == "" || s.UNZR.Valid())
}

// signedBy reports whether the signer's certificate names the subject.
func (s Subject) signedBy(who signature.Signer) bool {
	if s.RNOKPP != "" {
		return string(s.RNOKPP) == who.RNOKPP
	}
	return string(s.UNZR) == who.UNZR
}

// minLetters is how many Cyrillic letters make a text that tells something.
const minLetters = 20

// readable reports whether a person who reads Ukrainian can read the text.
func readable(text string) bool {
	letters := 0
	for _, r := range text {
		switch {
		case r == utf8.RuneError, unicode.IsControl(r) && r != '\n':
			return false
		case unicode.Is(unicode.Cyrillic, r):
			letters++
		}
	}
	return letters >= minLetters && len(text) <= maxText
}

// ToBeSigned gives the exact bytes the citizen signs.
func (c Consent) ToBeSigned() ([]byte, error) { return jcs.Marshal(c) }

// SignedBy reports whether the signer is the subject: by РНОКПП or by УНЗР.
func (c Consent) SignedBy(s signature.Signer) bool { return c.Subject.signedBy(s) }

// Covers decides everything about one use that needs no database: recipient,
// time, scope.
func (c Consent) Covers(recipient, scope string, now time.Time) Code {
	return covers(c.Recipient, c.GrantedAt, c.ExpiresAt, c.Scope, c.Fields, recipient, scope, now)
}

// covers judges in the order from "not meant for you" to "not any more" to "not that".
func covers(named string, granted, expires time.Time, scopes, fields []string, recipient, scope string, now time.Time) Code {
	switch {
	case named != recipient:
		return Recipient
	case now.Add(Skew).Before(granted), !now.Before(expires):
		return Expired
	case !slices.Contains(scopes, scope), len(fields) == 0:
		return Scope
	}
	return OK
}

// Status of a stored consent.
type Status string

// States of a consent the registry has seen.
const (
	StatusActive  Status = "active"
	StatusUsed    Status = "used" // single use, consumed
	StatusRevoked Status = "revoked"
)

// Record is a consent as the registry keeps it: every one it acted on.
type Record struct {
	ID        registry.ID
	PersonID  registry.ID
	Method    string // CitizenSigned, PortalAttested
	Recipient string
	Purpose   string
	Scope     []string
	Fields    []string
	GrantedAt time.Time
	ExpiresAt time.Time
	SingleUse bool
	Status    Status
	RevokedAt time.Time
	// Container is the digest of the evidence, Content of the consent's canonical form.
	Container registry.Digest
	Content   registry.Digest
	// Nonce is SHA-256 of the nonce.
	Nonce     registry.Digest
	UsedAt    time.Time
	CreatedAt time.Time
	// Text is what the citizen read; it is sealed at rest.
	Text string
	// AccessLevel is read or write; of consents to a disclosure, read.
	AccessLevel string
}

// Covers is [Consent.Covers] for a registered consent.
func (r *Record) Covers(recipient, scope string, now time.Time) Code {
	return covers(r.Recipient, r.GrantedAt, r.ExpiresAt, r.Scope, r.Fields, recipient, scope, now)
}

// Record makes the row of a consent that stands on evidence for a person.
func (c *Consent) Record(person registry.ID, e Evidence, now time.Time) Record {
	return Record{
		ID: c.ID, PersonID: person, Method: e.Method, Recipient: c.Recipient, Purpose: c.Purpose, Scope: c.Scope, Fields: c.Fields,
		GrantedAt: c.GrantedAt, ExpiresAt: c.ExpiresAt, SingleUse: c.SingleUse, Status: StatusActive,
		Container: e.Container, Content: e.Content, Nonce: sha256.Sum256([]byte(c.Nonce)), CreatedAt: now, Text: c.Text,
	}
}
