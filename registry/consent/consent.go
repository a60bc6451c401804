// Package consent reads a citizen's signed consent to a disclosure and decides
// whether it covers one query. A consent is an RFC 8785 JSON document with the
// text the citizen read, signed with the citizen's own КЕП.
//
// It refuses unknown members and unknown versions: a consent whose meaning is
// not wholly understood covers nothing.
package consent

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"mist/registry"
	"mist/registry/jcs"
	"mist/signature"
)

// Version of the document read here.
const Version = 1

// Scopes that can be consented to.
const ScopeDeclaration = "declaration"

// Code is the outcome shown to the portal as a result code.
type Code string

// Outcomes (issue of the Diia service, domain notes 5.3).
const (
	OK               Code = "OK"
	NotFound         Code = "NOT_FOUND"
	Required         Code = "CONSENT_REQUIRED"
	Expired          Code = "CONSENT_EXPIRED"
	Revoked          Code = "CONSENT_REVOKED"
	Scope            Code = "CONSENT_SCOPE"
	InvalidSignature Code = "CONSENT_INVALID_SIGNATURE"
	SubjectMismatch  Code = "CONSENT_SUBJECT"
	Recipient        Code = "CONSENT_RECIPIENT"
	Replayed         Code = "CONSENT_REPLAYED"
)

// ResultCodes lists every outcome once.
func ResultCodes() []Code {
	return []Code{OK, NotFound, Required, Expired, Revoked, Scope, InvalidSignature, SubjectMismatch, Recipient, Replayed}
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
	// Skew is how far granted_at may lie in our future: clocks of the portal and ours.
	Skew = 5 * time.Minute
)

// Decode reads a signed consent strictly. It takes only bytes the verifier released.
func Decode(signed signature.SignedBytes) (Consent, error) {
	b, err := signed.Bytes()
	if err != nil {
		return Consent{}, fmt.Errorf("reading the signed consent: %w", err)
	}
	return decode(b)
}

func decode(b []byte) (Consent, error) {
	malformed := func(text string, cause error) error {
		return registry.Invalid(registry.FieldError{Entry: "$.consent.signedConsent", Rule: "invalid", Description: text}).WithReason("consent_malformed").WithCause(cause)
	}
	if _, err := jcs.Parse(b); err != nil {
		return Consent{}, malformed("the signed document is not acceptable JSON", err)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	var c Consent
	if err := d.Decode(&c); err != nil {
		return Consent{}, malformed("the signed document is not a consent", err)
	}
	var wrong string
	switch {
	case c.Version != Version:
		wrong = "version must be 1"
	case c.ID.IsZero():
		wrong = "id must be a UUID"
	case strings.TrimSpace(c.Text) == "" || len(c.Text) > maxText:
		wrong = "text must say in words what is consented to (at most 8 KiB)"
	case (c.Subject.RNOKPP == "") == (c.Subject.UNZR == ""):
		wrong = "subject must carry exactly one of rnokpp, unzr"
	case c.Subject.RNOKPP != "" && !c.Subject.RNOKPP.Valid(), c.Subject.UNZR != "" && !c.Subject.UNZR.Valid():
		wrong = "subject is not a valid identifier"
	case strings.Count(c.Recipient, "/") != 3:
		wrong = "recipient must be INSTANCE/CLASS/MEMBER/SUBSYSTEM"
	case c.Purpose == "" || len(c.Purpose) > maxPurpose || strings.ContainsFunc(c.Purpose, unicode.IsControl):
		wrong = "purpose must be given, in at most 128 bytes without control characters"
	case c.GrantedAt.IsZero() || c.ExpiresAt.IsZero() || !c.GrantedAt.Before(c.ExpiresAt):
		wrong = "granted_at must lie before expires_at"
	case c.ExpiresAt.Sub(c.GrantedAt) > maxLife:
		wrong = "a consent lasts at most five years"
	case len(c.Nonce) < 16 || len(c.Nonce) > maxNonce:
		wrong = "nonce must have 16 to 128 characters"
	}
	if wrong != "" {
		return Consent{}, malformed(wrong, nil)
	}
	return c, nil
}

// ToBeSigned gives the exact bytes the citizen signs.
func (c Consent) ToBeSigned() ([]byte, error) { return jcs.Marshal(c) }

// SignedBy reports whether the signer is the subject: by РНОКПП or by УНЗР.
func (c Consent) SignedBy(s signature.Signer) bool {
	if c.Subject.RNOKPP != "" {
		return string(c.Subject.RNOKPP) == s.RNOKPP
	}
	return string(c.Subject.UNZR) == s.UNZR
}

// Covers decides everything about one use that needs no database: recipient,
// time, scope. The order is from "not meant for you" to "not any more" to "not that".
func (c Consent) Covers(recipient, scope string, now time.Time) Code {
	switch {
	case c.Recipient != recipient:
		return Recipient
	case now.Add(Skew).Before(c.GrantedAt), !now.Before(c.ExpiresAt):
		return Expired
	case !slices.Contains(c.Scope, scope), len(c.Fields) == 0:
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
	Method    string // citizen_signed, portal_attested
	Recipient string
	Purpose   string
	Scope     []string
	Fields    []string
	GrantedAt time.Time
	ExpiresAt time.Time
	SingleUse bool
	Status    Status
	RevokedAt time.Time
	// Container is the digest of the signed container, Digest of the signed bytes.
	Container registry.Digest
	Content   registry.Digest
	UsedAt    time.Time
	CreatedAt time.Time
}
