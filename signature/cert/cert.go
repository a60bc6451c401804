// Package cert reads X.509 certificates as a verifier of Ukrainian and
// European signatures needs them: own tolerant parser (negative serials, odd
// key identifiers, critical QC statements, RSA without NULL), identity of the
// subject (РНОКПП, ЄДРПОУ, УНЗР) from every known place, QC statements, and
// the issuer's signature with any supported algorithm.
//
// It trusts nothing: a parsed certificate is a claim until a path to an
// anchor has been checked.
package cert

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"mist/signature/algo"
	"mist/signature/facts"
	"mist/signature/internal/ber"
)

// MaxSize of a certificate.
const MaxSize = 64 << 10

// Certificate is a parsed certificate; it is immutable.
type Certificate struct {
	Raw        []byte
	ID         string // facts.ID("C", Raw)
	SHA256     [32]byte
	TBS        []byte
	Serial     *big.Int
	SerialRaw  []byte // content octets of the INTEGER
	Issuer     Name
	Subject    Name
	NotBefore  time.Time
	NotAfter   time.Time
	SPKI       []byte
	Key        *algo.PublicKey // nil when KeyErr is set
	KeyErr     error
	Scheme     algo.Scheme
	SchemeErr  error
	Signature  []byte
	Extensions []Extension
	Ext        facts.Extensions
	Identity   facts.Identity
	Remarks    []string // tolerated departures from RFC 5280

	nameConstraints *nameConstraints
	altNames        altNames
	derived         derived
}

// Extension as found.
type Extension struct {
	OID      string
	Critical bool
	Value    []byte
}

// ParseError says which part of a certificate could not be read.
type ParseError struct {
	Part string
	Err  error
}

func (e *ParseError) Error() string { return "reading certificate " + e.Part + ": " + e.Err.Error() }
func (e *ParseError) Unwrap() error { return e.Err }

func parseErr(part string, err error) error { return &ParseError{part, err} }

// Parse reads one DER certificate and nothing after it.
func Parse(der []byte) (*Certificate, error) {
	if len(der) > MaxSize {
		return nil, parseErr("size", facts.ErrTooLarge)
	}
	top, err := ber.One(der)
	if err != nil {
		return nil, parseErr("structure", err)
	}
	if err := top.Is(ber.Sequence); err != nil {
		return nil, parseErr("structure", err)
	}
	c := &Certificate{Raw: der, SHA256: sha256.Sum256(der)}
	c.ID = facts.IDOf("C", c.SHA256)
	cur := top.Children()
	tbs, err := cur.Expect(ber.Sequence)
	if err != nil {
		return nil, parseErr("tbsCertificate", err)
	}
	c.TBS = tbs.Full
	outer, err := cur.Expect(ber.Sequence)
	if err != nil {
		return nil, parseErr("signatureAlgorithm", err)
	}
	oid, params, err := algo.ParseAlgorithm(outer)
	if err != nil {
		return nil, parseErr("signatureAlgorithm", err)
	}
	c.Scheme, c.SchemeErr = algo.SchemeByOID(oid, params)
	sig, err := cur.Expect(ber.BitString)
	if err != nil {
		return nil, parseErr("signatureValue", err)
	}
	if c.Signature, err = sig.Bits(); err != nil {
		return nil, parseErr("signatureValue", err)
	}
	if err := cur.End(); err != nil {
		return nil, parseErr("structure", err)
	}
	if err := c.parseTBS(tbs, outer.Full); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *Certificate) parseTBS(tbs ber.Element, outerAlg []byte) error {
	cur := tbs.Children()
	if _, _, err := cur.Optional(0xa0); err != nil {
		return parseErr("version", err)
	}
	serial, err := cur.Expect(ber.Integer)
	if err != nil {
		return parseErr("serialNumber", err)
	}
	if c.Serial, err = serial.Int(); err != nil {
		return parseErr("serialNumber", err)
	}
	c.SerialRaw = serial.Body
	if c.Serial.Sign() < 0 {
		c.Remarks = append(c.Remarks, "negative serial number")
	}
	inner, err := cur.Expect(ber.Sequence)
	if err != nil {
		return parseErr("signature", err)
	}
	if string(inner.Full) != string(outerAlg) {
		c.Remarks = append(c.Remarks, "inner and outer signature algorithms differ")
	}
	issuer, err := cur.Next()
	if err != nil {
		return parseErr("issuer", err)
	}
	if c.Issuer, err = ParseName(issuer); err != nil {
		return parseErr("issuer", err)
	}
	validity, err := cur.Expect(ber.Sequence)
	if err != nil {
		return parseErr("validity", err)
	}
	vc := validity.Children()
	for _, t := range []*time.Time{&c.NotBefore, &c.NotAfter} {
		e, err := vc.Next()
		if err != nil {
			return parseErr("validity", err)
		}
		if *t, err = e.Time(); err != nil {
			return parseErr("validity", err)
		}
	}
	subject, err := cur.Next()
	if err != nil {
		return parseErr("subject", err)
	}
	if c.Subject, err = ParseName(subject); err != nil {
		return parseErr("subject", err)
	}
	spki, err := cur.Expect(ber.Sequence)
	if err != nil {
		return parseErr("subjectPublicKeyInfo", err)
	}
	c.SPKI = spki.Full
	// A key of an unknown kind makes a certificate useless, not unreadable.
	c.Key, c.KeyErr = algo.ParsePublicKey(spki.Full)
	for !cur.Empty() {
		e, err := cur.Next()
		if err != nil {
			return parseErr("tbsCertificate", err)
		}
		switch e.Tag {
		case 0x81, 0x82, 0xa1, 0xa2: // unique identifiers
		case 0xa3:
			list, err := ber.One(e.Body)
			if err != nil {
				return parseErr("extensions", err)
			}
			if err := c.parseExtensions(list); err != nil {
				return err
			}
		default:
			return parseErr("tbsCertificate", fmt.Errorf("%w: tag 0x%02x", ber.ErrSyntax, e.Tag))
		}
	}
	c.identify()
	return nil
}

// SelfIssued says whether subject and issuer are the same name.
func (c *Certificate) SelfIssued() bool { return c.Subject.Equal(c.Issuer) }

// SelfSigned says whether the certificate verifies with its own key.
func (c *Certificate) SelfSigned() bool {
	return c.SelfIssued() && c.CheckSignature(c) == nil
}

// CheckSignature verifies c's signature with the key of issuer. Names and
// extensions are not looked at.
func (c *Certificate) CheckSignature(issuer *Certificate) error {
	if c.SchemeErr != nil {
		return c.SchemeErr
	}
	if issuer.KeyErr != nil {
		return issuer.KeyErr
	}
	return CheckSigned(issuer.Key, c.Scheme, c.TBS, c.Signature)
}

// CheckSigned verifies the signature of a certificate, CRL or OCSP response.
func CheckSigned(key *algo.PublicKey, s algo.Scheme, tbs, sig []byte) error {
	err := key.Verify(s, tbs, sig)
	if errors.Is(err, algo.ErrBadSignature) && s.Encryption == algo.DSTU4145 && s.Digest == algo.GOST34311 && key.OwnSBox() != nil {
		// The S-box comes from the key that verifies (ua-crypto: with a fixed
		// one 11 of 865 real certificates fail); some old issuers wrote a
		// foreign DKE in the key and hashed with DKE 1.
		h := s.Digest.New(nil)
		h.Write(tbs)
		if key.VerifyDigest(s, h.Sum(nil), sig) == nil {
			return nil
		}
	}
	return err
}

// ValidAt says whether t is inside the validity period, both ends included.
func (c *Certificate) ValidAt(t time.Time) bool {
	return !t.Before(c.NotBefore) && !t.After(c.NotAfter)
}

// SerialHex is the serial number in upper-case hexadecimal.
func (c *Certificate) SerialHex() string {
	return strings.ToUpper(fmt.Sprintf("%X", c.Serial))
}

// KeyAlgorithm names the public key for facts.
func (c *Certificate) KeyAlgorithm() facts.Algorithm {
	if c.Key == nil {
		return facts.Algorithm{}
	}
	return facts.Algorithm{Encryption: c.Key.Encryption, KeyBits: c.Key.Bits, Curve: c.Key.Curve}
}

// HasExtKeyUsage looks for an OID in the extended key usage.
func (c *Certificate) HasExtKeyUsage(oid string) bool {
	for _, u := range c.Ext.ExtKeyUsage {
		if u == oid {
			return true
		}
	}
	return false
}

// Extended key usages.
const (
	EKUTimeStamping = "1.3.6.1.5.5.7.3.8"
	EKUOCSPSigning  = "1.3.6.1.5.5.7.3.9"
	EKUStampUA      = algo.UA + ".3.9" // electronic seal of an organisation
)

// IsSeal says whether the certificate is for electronic seals: QcType eseal,
// or the Ukrainian extended key usage for stamps, or (older certificates) a
// subject that names an organisation and no person.
func (c *Certificate) IsSeal() bool {
	for _, t := range c.Ext.QC.Types {
		if t == QCTypeSeal {
			return true
		}
		if t == QCTypeSign {
			return false
		}
	}
	if c.HasExtKeyUsage(EKUStampUA) {
		return true
	}
	i := c.Identity
	return i.Organization != "" && i.EDRPOU != "" && i.Surname == "" && i.GivenName == "" && i.RNOKPP == ""
}

// QualifiedCertificate says whether a QC statement, European or Ukrainian,
// makes the certificate a qualified one.
func (c *Certificate) QualifiedCertificate() bool { return c.Ext.QC.Compliance || c.Ext.QC.UA }
