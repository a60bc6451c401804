package query

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"strings"
	"sync"
	"time"

	"mist/registry"
	"mist/registry/consent"
	"mist/signature"
	"mist/signature/facts"
)

// Basis is the evidence a request brings: exactly one of Signed, Attestation
// and ConsentID, or nothing.
type Basis struct {
	// Signed is a container with the citizen's signature: CAdES, XAdES or ASiC.
	Signed []byte
	// Content is what a detached signature in Signed is over.
	Content []byte
	// Attestation is a container with the portal's e-seal.
	Attestation []byte
	// ConsentID names a consent registered before.
	ConsentID registry.ID
}

func (b Basis) empty() bool {
	return len(b.Signed) == 0 && len(b.Attestation) == 0 && b.ConsentID.IsZero()
}

func (b Basis) validate() error {
	n := 0
	for _, there := range []bool{len(b.Signed) > 0, len(b.Attestation) > 0, !b.ConsentID.IsZero()} {
		if there {
			n++
		}
	}
	if n > 1 {
		return registry.Invalid(registry.FieldError{Entry: "$.consent", Rule: "invalid", Description: "give one of signedConsent, signedConsentXml, attestation, consentId"})
	}
	if len(b.Content) > 0 && len(b.Signed) == 0 {
		return registry.Invalid(registry.FieldError{Entry: "$.consent.content", Rule: "invalid", Description: "content belongs to a detached signedConsent"})
	}
	return nil
}

// container gives the evidence as received, and the kind it is verified under.
func (b Basis) container() ([]byte, string) {
	if len(b.Attestation) > 0 {
		return b.Attestation, attestationKind
	}
	return b.Signed, consentKind
}

// given is a consent on verified evidence.
type given struct {
	consent  consent.Consent
	evidence consent.Evidence
}

// readConsent verifies the evidence with no transaction open, and reads the
// document from the verified bytes alone. What was verified a moment ago is
// remembered by its digest; whether the consent is still in force is asked
// anew every time, and so is, after verifiedFor, everything else.
func (s *Service) readConsent(ctx context.Context, c registry.Caller, b Basis) (given, consent.Code, error) {
	container, kind := b.container()
	if kind == attestationKind && !s.attested[c.XRoad] {
		return given{}, consent.AttestationRefused, nil
	}
	key := b.digest()
	if g, ok := s.verified.get(key, s.source.Now()); ok {
		return g, consent.OK, nil
	}
	signed, signer, code, err := s.verify(ctx, b, container, kind)
	if err != nil || code != consent.OK {
		return given{}, code, err
	}
	g := given{evidence: consent.Evidence{Method: consent.CitizenSigned, Container: sha256.Sum256(container)}}
	if kind == attestationKind {
		a, err := consent.DecodeAttestation(signed)
		if err != nil {
			return given{}, "", err
		}
		if a.Consent == nil {
			return given{}, "", registry.Invalid(registry.FieldError{Entry: "$.consent.attestation", Rule: "invalid", Description: "a consent is expected, not a revocation"})
		}
		if code := s.judgeSeal(a, signer, a.Consent.Recipient); code != consent.OK {
			return given{consent: *a.Consent}, code, nil
		}
		g.consent, g.evidence.Method = *a.Consent, consent.PortalAttested
	} else {
		if g.consent, err = consent.Decode(signed); err != nil {
			return given{}, "", err
		}
		if !g.consent.SignedBy(signer) {
			return g, consent.SubjectMismatch, nil
		}
	}
	content, err := g.consent.ToBeSigned()
	if err != nil {
		return given{}, "", err
	}
	// Detached content is kept under the digest of the canonical form, so that
	// the evidence can be put together again.
	if len(b.Content) > 0 && !bytes.Equal(content, b.Content) {
		return given{}, "", registry.Invalid(registry.FieldError{Entry: "$.consent.content", Rule: "format", Description: "detached content must be in the canonical form of RFC 8785"}).WithReason("consent_malformed")
	}
	g.evidence.Content = sha256.Sum256(content)
	s.verified.put(key, g, s.source.Now())
	return g, consent.OK, nil
}

// judgeSeal demands the seal of the organisation the X-Road address belongs to.
func (s *Service) judgeSeal(a consent.Attestation, signer signature.Signer, xroad string) consent.Code {
	if !signer.Seal || signer.EDRPOU == "" || signer.EDRPOU != memberCode(xroad) || a.AttestedAt.After(s.source.Now().Add(consent.Skew)) {
		return consent.AttestationRefused
	}
	return consent.OK
}

// memberCode is the third part of INSTANCE/CLASS/MEMBER/SUBSYSTEM: in Trembita
// the ЄДРПОУ of the organisation.
func memberCode(xroad string) string {
	parts := strings.Split(xroad, "/")
	if len(parts) != 4 {
		return ""
	}
	return parts[2]
}

func (s *Service) verify(ctx context.Context, b Basis, container []byte, kind string) (signature.SignedBytes, signature.Signer, consent.Code, error) {
	policy, err := s.policies.For(kind, s.source.Now())
	if err != nil {
		return signature.SignedBytes{}, signature.Signer{}, "", err
	}
	in := signature.Input{Document: facts.Bytes(container)}
	if len(b.Content) > 0 {
		in.Content = map[string]facts.Source{"": facts.Bytes(b.Content)}
	}
	result, err := s.verifier.Verify(ctx, in, policy)
	if signature.IsUnreadable(err) {
		return signature.SignedBytes{}, signature.Signer{}, consent.InvalidSignature, nil
	}
	if err != nil {
		return signature.SignedBytes{}, signature.Signer{}, "", registry.Errorf(registry.CodeUnavailable, "the consent's signature could not be checked now; ask again").WithCause(err)
	}
	signed, signer, err := result.MustBePassed()
	if err != nil {
		return signature.SignedBytes{}, signature.Signer{}, consent.InvalidSignature, nil
	}
	return signed, signer, consent.OK, nil
}

// digest names the evidence: kind, container and content, each with its length.
func (b Basis) digest() [32]byte {
	h := sha256.New()
	var n [8]byte
	for _, part := range [][]byte{b.Signed, b.Content, b.Attestation} {
		binary.BigEndian.PutUint64(n[:], uint64(len(part)))
		h.Write(n[:])
		h.Write(part)
	}
	return [32]byte(h.Sum(nil))
}

// verifiedFor is how long a verified container is remembered: a certificate
// that is revoked meanwhile, or a trust list that changes, counts after that
// time at the latest.
const verifiedFor = 5 * time.Minute

// maxVerified bounds the memory; when it is full the older half goes.
const maxVerified = 8192

// verifiedCache remembers what verification found, by the digest of the
// evidence. It holds nothing about whether a consent is in force.
type verifiedCache struct {
	mu       sync.Mutex
	now, old map[[32]byte]remembered
}

type remembered struct {
	given given
	at    time.Time
}

func newVerifiedCache() *verifiedCache { return &verifiedCache{now: map[[32]byte]remembered{}} }

func (v *verifiedCache) get(key [32]byte, at time.Time) (given, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	r, ok := v.now[key]
	if !ok {
		r, ok = v.old[key]
	}
	if !ok || at.Sub(r.at) > verifiedFor || at.Before(r.at) {
		return given{}, false
	}
	return r.given, true
}

func (v *verifiedCache) put(key [32]byte, g given, at time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.now) >= maxVerified/2 {
		v.old, v.now = v.now, map[[32]byte]remembered{}
	}
	v.now[key] = remembered{g, at}
}
