package consent

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"time"

	"mist/registry"
	"mist/registry/jcs"
	"mist/signature"
)

// Evidence is what a consent or a revocation stands on.
type Evidence struct {
	Method    string          // CitizenSigned, PortalAttested
	Container registry.Digest // SHA-256 of the container as received
	Content   registry.Digest // SHA-256 of the consent's canonical form
}

// Methods by which a portal may have made sure who the citizen is. The list is
// closed: a portal that identifies otherwise agrees on a name first.
const (
	IdentifiedByDiiaSignature = "diia_signature"
	IdentifiedByQES           = "qes"
	IdentifiedByBankID        = "bank_id"
	IdentifiedByMobileID      = "mobile_id"
)

var identifications = []string{IdentifiedByDiiaSignature, IdentifiedByQES, IdentifiedByBankID, IdentifiedByMobileID}

// Identification is how and when the portal made sure of the citizen.
type Identification struct {
	Method string    `json:"method"`
	At     time.Time `json:"at"`
}

// Attestation is the portal's statement that a citizen, identified in the way
// named, agreed to exactly this text. It carries the consent whole, so that
// subject, text and scope are under the seal; the text's digest (SHA-256, hex)
// stands beside it for the portal's own records.
//
// Exactly one of Consent and Revocation is there.
type Attestation struct {
	Version        int            `json:"version"`
	Type           string         `json:"type"` // "attestation"
	Consent        *Consent       `json:"consent,omitempty"`
	Revocation     *Revocation    `json:"revocation,omitempty"`
	TextSHA256     string         `json:"text_sha256"`
	Identification Identification `json:"identification"`
	AttestedAt     time.Time      `json:"attested_at"`
}

// TypeAttestation and TypeRevocation stand in the member "type"; a consent has none.
const (
	TypeAttestation = "attestation"
	TypeRevocation  = "revocation"
)

// maxSession is how long before its statement the portal may have identified
// the citizen.
const maxSession = time.Hour

// DecodeAttestation reads a sealed attestation strictly.
func DecodeAttestation(signed signature.SignedBytes) (Attestation, error) {
	var a Attestation
	if err := read(signed, &a); err != nil {
		return Attestation{}, err
	}
	return a, a.check()
}

func (a Attestation) check() error {
	var text string
	switch {
	case a.Version != Version || a.Type != TypeAttestation:
		return malformed(`version must be 1 and type "attestation"`, nil)
	case (a.Consent == nil) == (a.Revocation == nil):
		return malformed("exactly one of consent and revocation is attested", nil)
	case a.Consent != nil:
		if err := a.Consent.check("consent: "); err != nil {
			return err
		}
		text = a.Consent.Text
	default:
		if err := a.Revocation.check("revocation: "); err != nil {
			return err
		}
		text = a.Revocation.Text
	}
	wrong := ""
	switch {
	case a.TextSHA256 != hex.EncodeToString(textDigest(text)):
		wrong = "text_sha256 must be SHA-256 of the text, in lower-case hexadecimal"
	case !slices.Contains(identifications, a.Identification.Method):
		wrong = "identification.method must be one of diia_signature, qes, bank_id, mobile_id"
	case a.Identification.At.IsZero() || a.AttestedAt.IsZero() || a.AttestedAt.Before(a.Identification.At):
		wrong = "identification.at must not lie after attested_at"
	case a.AttestedAt.Sub(a.Identification.At) > maxSession:
		wrong = "the citizen must have been identified within the hour before attested_at"
	case a.Consent != nil && a.Consent.GrantedAt.Before(a.Identification.At):
		wrong = "the consent must be given after the citizen was identified"
	}
	if wrong != "" {
		return malformed(wrong, nil)
	}
	return nil
}

func textDigest(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	return sum[:]
}

// NewAttestation makes the document of a consent for the portal's seal.
func NewAttestation(c Consent, i Identification, at time.Time) Attestation {
	return Attestation{Version: Version, Type: TypeAttestation, Consent: &c, TextSHA256: hex.EncodeToString(textDigest(c.Text)), Identification: i, AttestedAt: at}
}

// ToBeSigned gives the exact bytes the portal seals.
func (a Attestation) ToBeSigned() ([]byte, error) { return jcs.Marshal(a) }

// Revocation is the document by which a citizen takes a consent back.
type Revocation struct {
	Version   int         `json:"version"`
	Type      string      `json:"type"` // "revocation"
	ConsentID registry.ID `json:"consent_id"`
	Text      string      `json:"text"` // what the citizen read, in Ukrainian
	Subject   Subject     `json:"subject"`
	RevokedAt time.Time   `json:"revoked_at"`
}

// DecodeRevocation reads a signed revocation strictly.
func DecodeRevocation(signed signature.SignedBytes) (Revocation, error) {
	var r Revocation
	if err := read(signed, &r); err != nil {
		return Revocation{}, err
	}
	return r, r.check("")
}

func (r Revocation) check(at string) error {
	wrong := ""
	switch {
	case r.Version != Version || r.Type != TypeRevocation:
		wrong = `version must be 1 and type "revocation"`
	case r.ConsentID.IsZero():
		wrong = "consent_id must be a UUID"
	case !readable(r.Text):
		wrong = "text must say in Ukrainian words what is taken back (at most 8 KiB)"
	case !r.Subject.valid():
		wrong = "subject must carry exactly one valid identifier: rnokpp or unzr"
	case r.RevokedAt.IsZero():
		wrong = "revoked_at is missing"
	}
	if wrong != "" {
		return malformed(at+wrong, nil)
	}
	return nil
}

// SignedBy reports whether the signer is the subject.
func (r Revocation) SignedBy(s signature.Signer) bool { return r.Subject.signedBy(s) }

// ToBeSigned gives the exact bytes the citizen signs.
func (r Revocation) ToBeSigned() ([]byte, error) { return jcs.Marshal(r) }
