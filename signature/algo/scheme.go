package algo

import (
	"fmt"

	"mist/signature/internal/ber"
)

// Encryption names, as facts and policies write them.
const (
	RSA        = "RSA"
	RSAPSS     = "RSASSA-PSS"
	ECDSA      = "ECDSA"
	PlainECDSA = "PLAIN-ECDSA"
	DSTU4145   = "DSTU4145"
	EdDSA      = "EDDSA"
)

// Scheme is a signature algorithm with its digest. An empty Digest means the
// identifier does not name one and the container does (rsaEncryption in CMS).
type Scheme struct {
	Encryption string
	Digest     Digest
	MGF        Digest // RSASSA-PSS: digest of MGF1
	Salt       int    // RSASSA-PSS: salt length in octets
	BigEndian  bool   // DSTU 4145 in the big-endian special form
	Prehash    bool   // EdDSA: the message is hashed first (RFC 8032, Ed25519ph and Ed448ph)
	Context    string // EdDSA: the context
}

// String is the form reports use: DSTU4145-GOST34311, RSA-SHA256.
func (s Scheme) String() string {
	if s.Digest == "" {
		return s.Encryption
	}
	return s.Encryption + "-" + string(s.Digest)
}

var schemeByOID = map[string]Scheme{
	"1.2.840.113549.1.1.1":    {Encryption: RSA},
	"1.2.840.113549.1.1.4":    {Encryption: RSA, Digest: MD5},
	"1.2.840.113549.1.1.5":    {Encryption: RSA, Digest: SHA1},
	"1.3.14.3.2.29":           {Encryption: RSA, Digest: SHA1},
	"1.3.36.3.3.1.2":          {Encryption: RSA, Digest: RIPEMD160},
	"1.2.840.113549.1.1.14":   {Encryption: RSA, Digest: SHA224},
	"1.2.840.113549.1.1.11":   {Encryption: RSA, Digest: SHA256},
	"1.2.840.113549.1.1.12":   {Encryption: RSA, Digest: SHA384},
	"1.2.840.113549.1.1.13":   {Encryption: RSA, Digest: SHA512},
	"2.16.840.1.101.3.4.3.13": {Encryption: RSA, Digest: SHA3_224},
	"2.16.840.1.101.3.4.3.14": {Encryption: RSA, Digest: SHA3_256},
	"2.16.840.1.101.3.4.3.15": {Encryption: RSA, Digest: SHA3_384},
	"2.16.840.1.101.3.4.3.16": {Encryption: RSA, Digest: SHA3_512},
	"1.2.840.10045.2.1":       {Encryption: ECDSA},
	"1.2.840.10045.4.1":       {Encryption: ECDSA, Digest: SHA1},
	"1.2.840.10045.4.3.1":     {Encryption: ECDSA, Digest: SHA224},
	"1.2.840.10045.4.3.2":     {Encryption: ECDSA, Digest: SHA256},
	"1.2.840.10045.4.3.3":     {Encryption: ECDSA, Digest: SHA384},
	"1.2.840.10045.4.3.4":     {Encryption: ECDSA, Digest: SHA512},
	"2.16.840.1.101.3.4.3.9":  {Encryption: ECDSA, Digest: SHA3_224},
	"2.16.840.1.101.3.4.3.10": {Encryption: ECDSA, Digest: SHA3_256},
	"2.16.840.1.101.3.4.3.11": {Encryption: ECDSA, Digest: SHA3_384},
	"2.16.840.1.101.3.4.3.12": {Encryption: ECDSA, Digest: SHA3_512},
	"0.4.0.127.0.7.1.1.4.1.1": {Encryption: PlainECDSA, Digest: SHA1},
	"0.4.0.127.0.7.1.1.4.1.2": {Encryption: PlainECDSA, Digest: SHA224},
	"0.4.0.127.0.7.1.1.4.1.3": {Encryption: PlainECDSA, Digest: SHA256},
	"0.4.0.127.0.7.1.1.4.1.4": {Encryption: PlainECDSA, Digest: SHA384},
	"0.4.0.127.0.7.1.1.4.1.5": {Encryption: PlainECDSA, Digest: SHA512},
	"1.3.101.112":             {Encryption: EdDSA, Digest: SHA512},

	UA + ".1.3.1.1":     {Encryption: DSTU4145, Digest: GOST34311},
	UA + ".1.3.1.1.1.1": {Encryption: DSTU4145, Digest: GOST34311, BigEndian: true},
	UA + ".1.3.1.2":     {Encryption: DSTU4145, Digest: GOST34311},
	UA + ".1.3.1.2.1.1": {Encryption: DSTU4145, Digest: GOST34311, BigEndian: true},
	UA + ".1.3.6":       {Encryption: DSTU4145},
	UA + ".1.3.6.1":     {Encryption: DSTU4145, Digest: Kupyna256},
	UA + ".1.3.6.1.1":   {Encryption: DSTU4145, Digest: Kupyna256},
	UA + ".1.3.6.2":     {Encryption: DSTU4145, Digest: Kupyna384},
	UA + ".1.3.6.2.1":   {Encryption: DSTU4145, Digest: Kupyna384},
	UA + ".1.3.6.3":     {Encryption: DSTU4145, Digest: Kupyna512},
	UA + ".1.3.6.3.1":   {Encryption: DSTU4145, Digest: Kupyna512},
}

const oidPSS = "1.2.840.113549.1.1.10"

var schemeByURI = map[string]Scheme{
	"http://www.w3.org/2001/04/xmldsig-more#rsa-md5":               {Encryption: RSA, Digest: MD5},
	"http://www.w3.org/2000/09/xmldsig#rsa-sha1":                   {Encryption: RSA, Digest: SHA1},
	"http://www.w3.org/2001/04/xmldsig-more#rsa-ripemd160":         {Encryption: RSA, Digest: RIPEMD160},
	"http://www.w3.org/2001/04/xmldsig-more#rsa-sha224":            {Encryption: RSA, Digest: SHA224},
	"http://www.w3.org/2001/04/xmldsig-more#rsa-sha256":            {Encryption: RSA, Digest: SHA256},
	"http://www.w3.org/2001/04/xmldsig-more#rsa-sha384":            {Encryption: RSA, Digest: SHA384},
	"http://www.w3.org/2001/04/xmldsig-more#rsa-sha512":            {Encryption: RSA, Digest: SHA512},
	"http://www.w3.org/2007/05/xmldsig-more#sha1-rsa-MGF1":         {Encryption: RSAPSS, Digest: SHA1, MGF: SHA1, Salt: 20},
	"http://www.w3.org/2007/05/xmldsig-more#sha224-rsa-MGF1":       {Encryption: RSAPSS, Digest: SHA224, MGF: SHA224, Salt: 28},
	"http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1":       {Encryption: RSAPSS, Digest: SHA256, MGF: SHA256, Salt: 32},
	"http://www.w3.org/2007/05/xmldsig-more#sha384-rsa-MGF1":       {Encryption: RSAPSS, Digest: SHA384, MGF: SHA384, Salt: 48},
	"http://www.w3.org/2007/05/xmldsig-more#sha512-rsa-MGF1":       {Encryption: RSAPSS, Digest: SHA512, MGF: SHA512, Salt: 64},
	"http://www.w3.org/2007/05/xmldsig-more#sha3-224-rsa-MGF1":     {Encryption: RSAPSS, Digest: SHA3_224, MGF: SHA3_224, Salt: 28},
	"http://www.w3.org/2007/05/xmldsig-more#sha3-256-rsa-MGF1":     {Encryption: RSAPSS, Digest: SHA3_256, MGF: SHA3_256, Salt: 32},
	"http://www.w3.org/2007/05/xmldsig-more#sha3-384-rsa-MGF1":     {Encryption: RSAPSS, Digest: SHA3_384, MGF: SHA3_384, Salt: 48},
	"http://www.w3.org/2007/05/xmldsig-more#sha3-512-rsa-MGF1":     {Encryption: RSAPSS, Digest: SHA3_512, MGF: SHA3_512, Salt: 64},
	"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha1":            {Encryption: PlainECDSA, Digest: SHA1},
	"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha224":          {Encryption: PlainECDSA, Digest: SHA224},
	"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256":          {Encryption: PlainECDSA, Digest: SHA256},
	"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384":          {Encryption: PlainECDSA, Digest: SHA384},
	"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512":          {Encryption: PlainECDSA, Digest: SHA512},
	"http://www.w3.org/2007/05/xmldsig-more#ecdsa-ripemd160":       {Encryption: PlainECDSA, Digest: RIPEMD160},
	"http://www.w3.org/2021/04/xmldsig-more#ecdsa-sha3-224":        {Encryption: PlainECDSA, Digest: SHA3_224},
	"http://www.w3.org/2021/04/xmldsig-more#ecdsa-sha3-256":        {Encryption: PlainECDSA, Digest: SHA3_256},
	"http://www.w3.org/2021/04/xmldsig-more#ecdsa-sha3-384":        {Encryption: PlainECDSA, Digest: SHA3_384},
	"http://www.w3.org/2021/04/xmldsig-more#ecdsa-sha3-512":        {Encryption: PlainECDSA, Digest: SHA3_512},
	"http://www.w3.org/2021/04/xmldsig-more#eddsa-ed25519":         {Encryption: EdDSA, Digest: SHA512},
	"http://www.w3.org/2021/04/xmldsig-more#eddsa-ed25519ctx":      {Encryption: EdDSA, Digest: SHA512},
	"http://www.w3.org/2021/04/xmldsig-more#eddsa-ed25519ph":       {Encryption: EdDSA, Digest: SHA512, Prehash: true},
	"http://www.w3.org/2021/04/xmldsig-more#eddsa-ed448":           {Encryption: EdDSA, Digest: SHAKE256},
	"http://www.w3.org/2021/04/xmldsig-more#eddsa-ed448ph":         {Encryption: EdDSA, Digest: SHAKE256, Prehash: true},
	"http://www.w3.org/2001/04/xmldsig-more#dstu4145-gost34311":    {Encryption: DSTU4145, Digest: GOST34311},
	"http://www.w3.org/2001/04/xmldsig-more#dstu4145":              {Encryption: DSTU4145, Digest: GOST34311},
	"http://www.w3.org/2001/04/xmldsig-more#dstu4145-dstu7564-256": {Encryption: DSTU4145, Digest: Kupyna256},
	"http://www.w3.org/2001/04/xmldsig-more#dstu4145-dstu7564-384": {Encryption: DSTU4145, Digest: Kupyna384},
	"http://www.w3.org/2001/04/xmldsig-more#dstu4145-dstu7564-512": {Encryption: DSTU4145, Digest: Kupyna512},
	"urn:oid:" + UA + ".1.3.1.1":                                   {Encryption: DSTU4145, Digest: GOST34311},
	"urn:oid:" + UA + ".1.3.6.1.1":                                 {Encryption: DSTU4145, Digest: Kupyna256},
}

// SchemeByURI finds a signature scheme by the whole URI of SignatureMethod.
// RSASSA-PSS with explicit parameters is not listed; see SchemePSS.
func SchemeByURI(uri string) (Scheme, error) {
	if s, ok := schemeByURI[uri]; ok {
		return s, nil
	}
	return Scheme{}, fmt.Errorf("signature method %q: %w", uri, ErrUnsupported)
}

// SchemeByOID finds a signature scheme by identifier and DER parameters
// (nil when absent).
func SchemeByOID(oid string, params []byte) (Scheme, error) {
	if oid == oidPSS {
		return pssParams(params)
	}
	if s, ok := schemeByOID[oid]; ok {
		return s, nil
	}
	return Scheme{}, fmt.Errorf("signature algorithm %s: %w", oid, ErrUnsupported)
}

// ParseAlgorithm splits an AlgorithmIdentifier.
func ParseAlgorithm(e ber.Element) (oid string, params []byte, err error) {
	if err := e.Is(ber.Sequence); err != nil {
		return "", nil, err
	}
	c := e.Children()
	id, err := c.Expect(ber.OID)
	if err != nil {
		return "", nil, err
	}
	if oid, err = id.OID(); err != nil {
		return "", nil, err
	}
	if !c.Empty() {
		p, err := c.Next()
		if err != nil {
			return "", nil, err
		}
		params = p.Full
	}
	return oid, params, c.End()
}

// pssParams reads RSASSA-PSS-params (RFC 4055, 3.1); only MGF1 and trailer 1.
func pssParams(params []byte) (Scheme, error) {
	s := Scheme{Encryption: RSAPSS, Digest: SHA1, MGF: SHA1, Salt: 20}
	if len(params) == 0 {
		return s, nil
	}
	e, err := ber.One(params)
	if err != nil {
		return Scheme{}, fmt.Errorf("reading PSS parameters: %w", err)
	}
	if err := e.Is(ber.Sequence); err != nil {
		return Scheme{}, fmt.Errorf("reading PSS parameters: %w", err)
	}
	for c := e.Children(); !c.Empty(); {
		f, err := c.Next()
		if err != nil {
			return Scheme{}, fmt.Errorf("reading PSS parameters: %w", err)
		}
		inner, err := ber.One(f.Body)
		if err != nil {
			return Scheme{}, fmt.Errorf("reading PSS parameters: %w", err)
		}
		switch f.Tag {
		case 0xa0:
			if s.Digest, err = digestOf(inner); err != nil {
				return Scheme{}, err
			}
		case 0xa1:
			oid, p, err := ParseAlgorithm(inner)
			if err != nil {
				return Scheme{}, fmt.Errorf("reading PSS parameters: %w", err)
			}
			if oid != "1.2.840.113549.1.1.8" {
				return Scheme{}, fmt.Errorf("mask generation function %s: %w", oid, ErrUnsupported)
			}
			h, err := ber.One(p)
			if err != nil {
				return Scheme{}, fmt.Errorf("reading PSS parameters: %w", err)
			}
			if s.MGF, err = digestOf(h); err != nil {
				return Scheme{}, err
			}
		case 0xa2:
			if s.Salt, err = inner.Small(); err != nil {
				return Scheme{}, fmt.Errorf("reading PSS salt length: %w", err)
			}
		case 0xa3:
			if t, err := inner.Small(); err != nil || t != 1 {
				return Scheme{}, fmt.Errorf("PSS trailer field: %w", ErrUnsupported)
			}
		default:
			return Scheme{}, fmt.Errorf("reading PSS parameters: %w", ber.ErrSyntax)
		}
	}
	return s, nil
}

func digestOf(e ber.Element) (Digest, error) {
	oid, _, err := ParseAlgorithm(e)
	if err != nil {
		return "", fmt.Errorf("reading digest algorithm: %w", err)
	}
	return DigestByOID(oid)
}

// SchemePSS is RSASSA-PSS with explicit parameters (XML RSAPSSParams).
func SchemePSS(digest, mgf Digest, salt int) Scheme {
	return Scheme{Encryption: RSAPSS, Digest: digest, MGF: mgf, Salt: salt}
}
