// Package cms reads CMS SignedData (RFC 5652) and RFC 3161 time-stamp tokens
// strictly: bounded, without recursion on the input, keeping every original
// encoding, and never deciding between two readings silently.
//
// Signed attributes are hashed as received; re-encoding them as DER is only
// the second try. Signers without signed attributes, duplicate attributes and
// zero signers are reported, not repaired.
package cms

import (
	"errors"
	"fmt"

	"mist/signature/internal/ber"
)

// Content types and attributes.
const (
	OIDData       = "1.2.840.113549.1.7.1"
	OIDSignedData = "1.2.840.113549.1.7.2"
	OIDTSTInfo    = "1.2.840.113549.1.9.16.1.4"

	AttrContentType        = "1.2.840.113549.1.9.3"
	AttrMessageDigest      = "1.2.840.113549.1.9.4"
	AttrSigningTime        = "1.2.840.113549.1.9.5"
	AttrCounterSignature   = "1.2.840.113549.1.9.6"
	AttrSigningCert        = "1.2.840.113549.1.9.16.2.12"
	AttrSigningCertV2      = "1.2.840.113549.1.9.16.2.47"
	AttrOtherSigningCert   = "1.2.840.113549.1.9.16.2.19"
	AttrPolicyID           = "1.2.840.113549.1.9.16.2.15"
	AttrCommitmentType     = "1.2.840.113549.1.9.16.2.16"
	AttrSignerAttributes   = "1.2.840.113549.1.9.16.2.18"
	AttrSignerAttributesV2 = "0.4.0.19122.1.1"
	AttrContentTimestamp   = "1.2.840.113549.1.9.16.2.20"
	AttrContentHints       = "1.2.840.113549.1.9.16.2.4"
	AttrMimeType           = "0.4.0.1733.2.1"

	AttrSignatureTimestamp = "1.2.840.113549.1.9.16.2.14"
	AttrCompleteCertRefs   = "1.2.840.113549.1.9.16.2.21"
	AttrCompleteRevRefs    = "1.2.840.113549.1.9.16.2.22"
	AttrCertValues         = "1.2.840.113549.1.9.16.2.23"
	AttrRevValues          = "1.2.840.113549.1.9.16.2.24"
	AttrCTimestamp         = "1.2.840.113549.1.9.16.2.25"
	AttrCertCRLTimestamp   = "1.2.840.113549.1.9.16.2.26"
	AttrArchiveTimestamp   = "1.2.840.113549.1.9.16.2.27"
	AttrArchiveTimestampV2 = "1.2.840.113549.1.9.16.2.48"
	AttrArchiveTimestampV3 = "0.4.0.1733.2.4"
	AttrHashIndex          = "0.4.0.1733.2.5"
	AttrHashIndexV3        = "0.4.0.19122.1.5"
	AttrPolicyStore        = "0.4.0.19122.1.3"
	AttrEvidenceRecord     = "1.2.840.113549.1.9.16.2.49"
	AttrEvidenceRecordExt  = "1.2.840.113549.1.9.16.2.50"
)

// Bounds of one message.
const (
	maxSigners      = 64
	maxCertificates = 1024
	maxAttributes   = 128
)

// ErrNotSignedData means the bytes are no CMS SignedData at all.
var ErrNotSignedData = errors.New("not CMS signed data")

// ParseError says which part of the message could not be read.
type ParseError struct {
	Part string
	Err  error
}

func (e *ParseError) Error() string { return "reading CMS " + e.Part + ": " + e.Err.Error() }
func (e *ParseError) Unwrap() error { return e.Err }

func fail(part string, err error) error { return &ParseError{part, err} }

// SignedData is a parsed message. Slices share memory with the input.
type SignedData struct {
	Raw              []byte
	Trailing         int // bytes after the message
	ContentType      string
	Content          []byte // nil when detached
	Attached         bool
	EncapRaw         []byte // EncapsulatedContentInfo as encoded
	DigestAlgorithms []string
	Certificates     [][]byte
	OtherCerts       int // attribute certificates and other formats
	CRLs             [][]byte
	OCSPs            [][]byte // OCSPResponse or BasicOCSPResponse
	Revocations      []RevocationInfo
	Signers          []*SignerInfo
}

// RevocationInfo is one RevocationInfoChoice of the crls field.
type RevocationInfo struct {
	Raw    []byte // the choice as encoded
	Inner  []byte // the CRL or the OCSP response in it
	IsOCSP bool
}

// SignerInfo is one signer.
type SignerInfo struct {
	Raw       []byte
	Version   int
	IssuerRaw []byte // Name, with SerialRaw; nil when KeyID is used
	SerialRaw []byte
	KeyID     []byte
	DigestOID string // "" when the AlgorithmIdentifier is empty
	SigOID    string
	SigParams []byte
	SignedRaw []byte // the [0] element as encoded, nil without signed attributes
	Signed    []Attribute
	Unsigned  []Attribute
	Signature []byte
	// Fields are version to signature as encoded, one after the other: what
	// stands before the unsigned attributes.
	Fields []byte
}

// Attribute with its original encoding.
type Attribute struct {
	OID    string
	Raw    []byte // the whole Attribute SEQUENCE
	Body   []byte // attrType and attrValues
	Values []ber.Element
}

// Parse reads ContentInfo with SignedData.
func Parse(b []byte) (*SignedData, error) {
	top, rest, err := ber.Read(b)
	if err != nil || top.Tag != ber.Sequence {
		return nil, ErrNotSignedData
	}
	c := top.Children()
	id, err := c.Expect(ber.OID)
	if err != nil {
		return nil, ErrNotSignedData
	}
	if oid, err := id.OID(); err != nil || oid != OIDSignedData {
		return nil, ErrNotSignedData
	}
	content, err := c.Expect(0xa0)
	if err != nil {
		return nil, fail("content info", err)
	}
	if err := c.End(); err != nil {
		return nil, fail("content info", err)
	}
	cc := content.Children()
	sd, err := cc.Expect(ber.Sequence)
	if err != nil {
		return nil, fail("signed data", err)
	}
	if err := cc.End(); err != nil {
		return nil, fail("signed data", err)
	}
	m := &SignedData{Raw: top.Full, Trailing: len(rest)}
	return m, m.parse(sd)
}

func (m *SignedData) parse(sd ber.Element) error {
	c := sd.Children()
	if _, err := c.Expect(ber.Integer); err != nil {
		return fail("version", err)
	}
	algs, err := c.Expect(ber.Set)
	if err != nil {
		return fail("digest algorithms", err)
	}
	for a := algs.Children(); !a.Empty(); {
		e, err := a.Next()
		if err != nil {
			return fail("digest algorithms", err)
		}
		oid, _, err := algorithm(e)
		if err != nil {
			return fail("digest algorithms", err)
		}
		if len(m.DigestAlgorithms) >= maxSigners {
			return fail("digest algorithms", errTooMany)
		}
		m.DigestAlgorithms = append(m.DigestAlgorithms, oid)
	}
	encap, err := c.Expect(ber.Sequence)
	if err != nil {
		return fail("encapsulated content", err)
	}
	m.EncapRaw = encap.Full
	if err := m.parseContent(encap); err != nil {
		return fail("encapsulated content", err)
	}
	if certs, ok, err := c.Optional(0xa0); err != nil {
		return fail("certificates", err)
	} else if ok {
		for k := certs.Children(); !k.Empty(); {
			e, err := k.Next()
			if err != nil {
				return fail("certificates", err)
			}
			if e.Tag != ber.Sequence {
				m.OtherCerts++
				continue
			}
			if len(m.Certificates) >= maxCertificates {
				return fail("certificates", errTooMany)
			}
			m.Certificates = append(m.Certificates, e.Full)
		}
	}
	if crls, ok, err := c.Optional(0xa1); err != nil {
		return fail("revocation data", err)
	} else if ok {
		for k := crls.Children(); !k.Empty(); {
			e, err := k.Next()
			if err != nil {
				return fail("revocation data", err)
			}
			if len(m.CRLs)+len(m.OCSPs) >= maxCertificates {
				return fail("revocation data", errTooMany)
			}
			switch e.Tag {
			case ber.Sequence:
				m.CRLs = append(m.CRLs, e.Full)
				m.Revocations = append(m.Revocations, RevocationInfo{Raw: e.Full, Inner: e.Full})
			case 0xa1: // OtherRevocationInfoFormat (RFC 5940)
				o := e.Children()
				if _, err := o.Expect(ber.OID); err != nil {
					return fail("revocation data", err)
				}
				v, err := o.Next()
				if err != nil {
					return fail("revocation data", err)
				}
				m.OCSPs = append(m.OCSPs, v.Full)
				m.Revocations = append(m.Revocations, RevocationInfo{e.Full, v.Full, true})
			}
		}
	}
	signers, err := c.Expect(ber.Set)
	if err != nil {
		return fail("signer infos", err)
	}
	for s := signers.Children(); !s.Empty(); {
		e, err := s.Expect(ber.Sequence)
		if err != nil {
			return fail("signer info", err)
		}
		if len(m.Signers) >= maxSigners {
			return fail("signer infos", errTooMany)
		}
		si, err := parseSigner(e)
		if err != nil {
			return err
		}
		m.Signers = append(m.Signers, si)
	}
	if err := c.End(); err != nil {
		return fail("signed data", err)
	}
	return nil
}

var errTooMany = errors.New("more elements than the limit")

func (m *SignedData) parseContent(encap ber.Element) error {
	c := encap.Children()
	id, err := c.Expect(ber.OID)
	if err != nil {
		return err
	}
	if m.ContentType, err = id.OID(); err != nil {
		return err
	}
	ex, ok, err := c.Optional(0xa0)
	if err != nil {
		return err
	}
	if !ok {
		return c.End()
	}
	if err := c.End(); err != nil {
		return err
	}
	xc := ex.Children()
	v, err := xc.Next()
	if err != nil {
		return err
	}
	if err := xc.End(); err != nil {
		return err
	}
	m.Attached = true
	if v.Tag&^0x20 == ber.OctetString {
		m.Content, err = v.Octets()
		return err
	}
	// PKCS #7 content that is no octet string: the digest is over its content
	// octets (RFC 2315, 9.3; RFC 5652, 5.2.1).
	m.Content = v.Body
	return nil
}

// algorithm reads an AlgorithmIdentifier; an empty SEQUENCE (met in a 2014
// signature) gives "".
func algorithm(e ber.Element) (string, []byte, error) {
	if err := e.Is(ber.Sequence); err != nil {
		return "", nil, err
	}
	if len(e.Body) == 0 {
		return "", nil, nil
	}
	c := e.Children()
	id, err := c.Expect(ber.OID)
	if err != nil {
		return "", nil, err
	}
	oid, err := id.OID()
	if err != nil {
		return "", nil, err
	}
	var params []byte
	if !c.Empty() {
		p, err := c.Next()
		if err != nil {
			return "", nil, err
		}
		params = p.Full
	}
	return oid, params, c.End()
}

// ParseSigner reads one SignerInfo (also the value of a counter-signature).
func ParseSigner(b []byte) (*SignerInfo, error) {
	e, err := ber.One(b)
	if err != nil {
		return nil, fail("signer info", err)
	}
	return parseSigner(e)
}

func parseSigner(e ber.Element) (*SignerInfo, error) {
	if err := e.Is(ber.Sequence); err != nil {
		return nil, fail("signer info", err)
	}
	s := &SignerInfo{Raw: e.Full}
	c := e.Children()
	v, err := c.Expect(ber.Integer)
	if err != nil {
		return nil, fail("signer version", err)
	}
	if s.Version, err = v.Small(); err != nil {
		return nil, fail("signer version", err)
	}
	sid, err := c.Next()
	if err != nil {
		return nil, fail("signer identifier", err)
	}
	switch sid.Tag {
	case ber.Sequence:
		sc := sid.Children()
		name, err := sc.Expect(ber.Sequence)
		if err != nil {
			return nil, fail("signer identifier", err)
		}
		serial, err := sc.Expect(ber.Integer)
		if err != nil {
			return nil, fail("signer identifier", err)
		}
		s.IssuerRaw, s.SerialRaw = name.Full, serial.Body
	case 0x80, 0xa0:
		if s.KeyID, err = sid.Octets(); err != nil {
			return nil, fail("signer identifier", err)
		}
		// Some signers tag the identifier explicitly.
		if sid.Tag == 0x80 && len(s.KeyID) > 2 && s.KeyID[0] == ber.OctetString && int(s.KeyID[1]) == len(s.KeyID)-2 {
			s.KeyID = s.KeyID[2:]
		}
	default:
		return nil, fail("signer identifier", fmt.Errorf("%w: tag 0x%02x", ber.ErrSyntax, sid.Tag))
	}
	da, err := c.Next()
	if err != nil {
		return nil, fail("signer digest algorithm", err)
	}
	if s.DigestOID, _, err = algorithm(da); err != nil {
		return nil, fail("signer digest algorithm", err)
	}
	if signed, ok, err := c.Optional(0xa0); err != nil {
		return nil, fail("signed attributes", err)
	} else if ok {
		s.SignedRaw = signed.Full
		if s.Signed, err = parseAttributes(signed); err != nil {
			return nil, fail("signed attributes", err)
		}
	}
	sa, err := c.Next()
	if err != nil {
		return nil, fail("signature algorithm", err)
	}
	if s.SigOID, s.SigParams, err = algorithm(sa); err != nil {
		return nil, fail("signature algorithm", err)
	}
	sig, err := c.Next()
	if err != nil {
		return nil, fail("signature value", err)
	}
	if sig.Tag&^0x20 != ber.OctetString {
		return nil, fail("signature value", ber.ErrSyntax)
	}
	if s.Signature, err = sig.Octets(); err != nil {
		return nil, fail("signature value", err)
	}
	s.Fields = e.Body[:len(e.Body)-len(c.Rest())]
	if unsigned, ok, err := c.Optional(0xa1); err != nil {
		return nil, fail("unsigned attributes", err)
	} else if ok {
		if s.Unsigned, err = parseAttributes(unsigned); err != nil {
			return nil, fail("unsigned attributes", err)
		}
	}
	if err := c.End(); err != nil {
		return nil, fail("signer info", err)
	}
	return s, nil
}

func parseAttributes(set ber.Element) ([]Attribute, error) {
	// Most sets are small: one piece of memory for the attributes and one for
	// their values, which are nearly always single.
	out := make([]Attribute, 0, 8)
	all := make([]ber.Element, 0, 8)
	for c := set.Children(); !c.Empty(); {
		e, err := c.Expect(ber.Sequence)
		if err != nil {
			return nil, err
		}
		if len(out) >= maxAttributes {
			return nil, errTooMany
		}
		a := Attribute{Raw: e.Full, Body: e.Body}
		ac := e.Children()
		id, err := ac.Expect(ber.OID)
		if err != nil {
			return nil, err
		}
		if a.OID, err = id.OID(); err != nil {
			return nil, err
		}
		values, err := ac.Expect(ber.Set)
		if err != nil {
			return nil, err
		}
		if err := ac.End(); err != nil {
			return nil, err
		}
		first := len(all)
		for vc := values.Children(); !vc.Empty(); {
			v, err := vc.Next()
			if err != nil {
				return nil, err
			}
			if len(all)-first >= maxAttributes {
				return nil, errTooMany
			}
			all = append(all, v)
		}
		a.Values = all[first:len(all):len(all)]
		out = append(out, a)
	}
	return out, nil
}

// Find returns the attributes of a type.
func Find(list []Attribute, oid string) []Attribute {
	var out []Attribute
	for _, a := range list {
		if a.OID == oid {
			out = append(out, a)
		}
	}
	return out
}

// Count says how many attributes of a type there are.
func Count(list []Attribute, oid string) int {
	n := 0
	for i := range list {
		if list[i].OID == oid {
			n++
		}
	}
	return n
}

// Values returns all values of all attributes of a type; the slice is to be
// read only.
func Values(list []Attribute, oid string) []ber.Element {
	var out []ber.Element
	for i := range list {
		switch {
		case list[i].OID != oid:
		case out == nil:
			out = list[i].Values // its capacity ends with it
		default:
			out = append(out, list[i].Values...)
		}
	}
	return out
}
