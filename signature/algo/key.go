package algo

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha512"
	"crypto/subtle"
	"errors"
	"fmt"
	"math/big"
	"strings"

	"mist/signature/dstu4145"
	"mist/signature/gost34311"
	"mist/signature/internal/ber"
)

// ErrBadSignature is returned when a signature value does not verify.
var ErrBadSignature = errors.New("signature value does not verify")

// PublicKey is a key that verifies signatures, read from SubjectPublicKeyInfo
// with more tolerance than crypto/x509: explicit curve parameters that equal a
// named curve, RSA without NULL, any RSA size, DSTU 4145.
type PublicKey struct {
	Encryption string // RSA, RSASSA-PSS, ECDSA, DSTU4145, EDDSA
	Bits       int
	Curve      string
	OID        string

	rsa   *rsa.PublicKey
	bigE  *big.Int // RSA exponent that crypto/rsa does not take
	ec    *ecdsa.PublicKey
	other *weierstrass
	x, y  *big.Int
	dstu  *dstu4145.PublicKey
	ed    ed25519.PublicKey
	ed448 *ed448
	pss   *Scheme // restriction in an id-RSASSA-PSS key
}

// SBox is the GOST 34.311 S-box of a DSTU 4145 key, nil for other keys.
func (k *PublicKey) SBox() *gost34311.SBox {
	if k == nil || k.dstu == nil {
		return nil
	}
	return k.dstu.SBox()
}

// OwnSBox is SBox when it is another one than DKE 1, nil otherwise: only then
// GOST 34.311 values differ.
func (k *PublicKey) OwnSBox() *gost34311.SBox {
	if s := k.SBox(); s != nil && !s.Equal(gost34311.DefaultSBox()) {
		return s
	}
	return nil
}

// DSTU returns the DSTU 4145 key, nil for other kinds.
func (k *PublicKey) DSTU() *dstu4145.PublicKey {
	if k == nil {
		return nil
	}
	return k.dstu
}

var namedCurves = map[string]elliptic.Curve{
	"1.3.132.0.33":        elliptic.P224(),
	"1.2.840.10045.3.1.7": elliptic.P256(),
	"1.3.132.0.34":        elliptic.P384(),
	"1.3.132.0.35":        elliptic.P521(),
}

// ParsePublicKey reads a DER SubjectPublicKeyInfo. An algorithm that is not
// supported gives ErrUnsupported; wrong data of a supported one another error.
func ParsePublicKey(spki []byte) (*PublicKey, error) {
	e, err := ber.One(spki)
	if err != nil {
		return nil, fmt.Errorf("reading public key: %w", err)
	}
	c := e.Children()
	a, err := c.Next()
	if err != nil {
		return nil, fmt.Errorf("reading public key: %w", err)
	}
	oid, params, err := ParseAlgorithm(a)
	if err != nil {
		return nil, fmt.Errorf("reading public key algorithm: %w", err)
	}
	b, err := c.Expect(ber.BitString)
	if err != nil {
		return nil, fmt.Errorf("reading public key: %w", err)
	}
	if strings.HasPrefix(oid, UA+".1.3.1.") || strings.HasPrefix(oid, UA+".1.3.6.") {
		k, err := dstu4145.ParsePKIXPublicKey(spki)
		if err != nil {
			return nil, fmt.Errorf("reading DSTU 4145 key: %w", err)
		}
		return &PublicKey{Encryption: DSTU4145, OID: oid, Bits: k.Curve().BitSize(), Curve: k.Curve().Name(), dstu: k}, nil
	}
	bits, err := b.Bits()
	if err != nil {
		return nil, fmt.Errorf("reading public key: %w", err)
	}
	switch oid {
	case "1.2.840.113549.1.1.1":
		return parseRSA(oid, RSA, bits)
	case oidPSS:
		k, err := parseRSA(oid, RSAPSS, bits)
		if err != nil || len(params) == 0 {
			return k, err
		}
		s, err := pssParams(params)
		if err != nil {
			return nil, err
		}
		k.pss = &s
		return k, nil
	case "1.2.840.10045.2.1":
		return parseEC(oid, params, bits)
	case "1.3.101.112":
		if len(bits) != ed25519.PublicKeySize {
			return nil, fmt.Errorf("reading Ed25519 key: %d octets", len(bits))
		}
		return &PublicKey{Encryption: EdDSA, OID: oid, Bits: 256, Curve: "Ed25519", ed: ed25519.PublicKey(bits)}, nil
	case "1.3.101.113":
		k := parseEd448(bits)
		if k == nil {
			return nil, fmt.Errorf("reading Ed448 key: %d octets that are no point of the curve", len(bits))
		}
		return &PublicKey{Encryption: EdDSA, OID: oid, Bits: 448, Curve: "Ed448", ed448: k}, nil
	}
	return nil, fmt.Errorf("public key %s: %w", oid, ErrUnsupported)
}

func parseRSA(oid, name string, b []byte) (*PublicKey, error) {
	e, err := ber.One(b)
	if err != nil {
		return nil, fmt.Errorf("reading RSA key: %w", err)
	}
	c := e.Children()
	ne, err := c.Expect(ber.Integer)
	if err != nil {
		return nil, fmt.Errorf("reading RSA modulus: %w", err)
	}
	ee, err := c.Expect(ber.Integer)
	if err != nil {
		return nil, fmt.Errorf("reading RSA exponent: %w", err)
	}
	n, err := ne.Int()
	if err != nil {
		return nil, err
	}
	exp, err := ee.Int()
	if err != nil {
		return nil, err
	}
	return NewRSA(oid, name, n, exp)
}

// NewRSA makes a key of modulus and exponent (XML RSAKeyValue). Sizes from
// 256 to 16384 bits are read; whether one is strong enough is policy.
func NewRSA(oid, name string, n, e *big.Int) (*PublicKey, error) {
	if n.Sign() <= 0 || n.BitLen() < 256 || n.BitLen() > 16384 || n.Bit(0) == 0 {
		return nil, fmt.Errorf("RSA modulus of %d bits is not usable", n.BitLen())
	}
	if e.Cmp(big.NewInt(3)) < 0 || e.Bit(0) == 0 || e.BitLen() > 256 {
		return nil, errors.New("RSA exponent is not usable")
	}
	k := &PublicKey{Encryption: name, OID: oid, Bits: n.BitLen(), bigE: e}
	k.rsa = &rsa.PublicKey{N: n}
	if e.BitLen() <= 31 {
		k.rsa.E = int(e.Int64())
	}
	return k, nil
}

// Verify checks sig over message. Errors are ErrBadSignature, or
// ErrUnsupported when key and scheme do not go together.
func (k *PublicKey) Verify(s Scheme, message, sig []byte) error {
	if k == nil {
		return fmt.Errorf("no public key: %w", ErrUnsupported)
	}
	if k.ed != nil || k.ed448 != nil {
		return k.verifyEdDSA(s, message, sig)
	}
	if !s.Digest.Known() {
		return fmt.Errorf("digest %q: %w", s.Digest, ErrUnsupported)
	}
	h := s.Digest.New(k.SBox())
	h.Write(message)
	return k.VerifyDigest(s, h.Sum(nil), sig)
}

// verifyEdDSA verifies the five forms of RFC 8032; the digest of the scheme tells the curves apart.
func (k *PublicKey) verifyEdDSA(s Scheme, message, sig []byte) error {
	good := false
	switch {
	case s.Encryption == EdDSA && k.ed != nil && s.Digest == SHA512:
		options := &ed25519.Options{Context: s.Context}
		if s.Prehash {
			sum := sha512.Sum512(message)
			message, options.Hash = sum[:], crypto.SHA512
		}
		good = ed25519.VerifyWithOptions(k.ed, message, sig, options) == nil
	case s.Encryption == EdDSA && k.ed448 != nil && s.Digest == SHAKE256:
		good = k.ed448.verify(message, sig, s.Prehash, s.Context)
	default:
		return mismatch(k, s)
	}
	if !good {
		return ErrBadSignature
	}
	return nil
}

func mismatch(k *PublicKey, s Scheme) error {
	return fmt.Errorf("%s signature with a key for %s: %w", s.Encryption, k.Encryption, ErrUnsupported)
}

// VerifyDigest is Verify for a message hashed by the caller.
func (k *PublicKey) VerifyDigest(s Scheme, digest, sig []byte) error {
	switch {
	case k.rsa != nil && s.Encryption == RSA && k.Encryption == RSA:
		return k.verifyPKCS1(s, digest, sig)
	case k.rsa != nil && s.Encryption == RSAPSS:
		return k.verifyPSS(s, digest, sig)
	case (k.ec != nil || k.other != nil) && (s.Encryption == ECDSA || s.Encryption == PlainECDSA):
		return k.verifyEC(s, digest, sig)
	case k.dstu != nil && s.Encryption == DSTU4145:
		ok := false
		if s.BigEndian {
			ok = dstu4145.VerifyBigEndian(k.dstu, digest, sig)
		} else {
			ok = dstu4145.Verify(k.dstu, digest, sig)
		}
		if !ok {
			return ErrBadSignature
		}
		return nil
	}
	return mismatch(k, s)
}

func (k *PublicKey) verifyPKCS1(s Scheme, digest, sig []byte) error {
	std := digests[s.Digest].std
	// crypto/rsa writes the ISO identifier for RIPEMD-160; signers use the
	// TeleTrusT one of RFC 8017's time, so that digest takes our own path.
	if k.Bits >= 1024 && k.rsa.E != 0 && std != 0 && s.Digest != RIPEMD160 {
		if rsa.VerifyPKCS1v15(k.rsa, std, digest, sig) == nil {
			return nil
		}
		return ErrBadSignature
	}
	// Keys and digests that crypto/rsa does not take (RFC 8017, 8.2.2).
	em, ok := k.publicOp(sig)
	if !ok {
		return ErrBadSignature
	}
	info := ber.Seq(ber.Seq(ber.EncodeOID(s.Digest.OID()), ber.EncodeNull()), ber.EncodeOctets(digest))
	if len(em) < len(info)+11 {
		return ErrBadSignature
	}
	want := make([]byte, 0, len(em))
	want = append(want, 0, 1)
	want = append(want, bytes.Repeat([]byte{0xff}, len(em)-len(info)-3)...)
	want = append(want, 0)
	want = append(want, info...)
	if subtle.ConstantTimeCompare(want, em) != 1 {
		return ErrBadSignature
	}
	return nil
}

func (k *PublicKey) publicOp(sig []byte) ([]byte, bool) {
	size := (k.rsa.N.BitLen() + 7) / 8
	v := new(big.Int).SetBytes(sig)
	if len(sig) != size || v.Cmp(k.rsa.N) >= 0 {
		return nil, false
	}
	return v.Exp(v, k.bigE, k.rsa.N).FillBytes(make([]byte, size)), true
}

func (k *PublicKey) verifyPSS(s Scheme, digest, sig []byte) error {
	if k.pss != nil && (k.pss.Digest != s.Digest || k.pss.MGF != s.MGF || s.Salt < k.pss.Salt) {
		return ErrBadSignature
	}
	std := digests[s.Digest].std
	if s.MGF == s.Digest && k.Bits >= 1024 && k.rsa.E != 0 && std != 0 {
		opts := &rsa.PSSOptions{SaltLength: s.Salt, Hash: std}
		if s.Salt == 0 {
			return k.verifyPSSOwn(s, digest, sig)
		}
		if rsa.VerifyPSS(k.rsa, std, digest, sig, opts) == nil {
			return nil
		}
		return ErrBadSignature
	}
	return k.verifyPSSOwn(s, digest, sig)
}

// verifyPSSOwn is EMSA-PSS-VERIFY (RFC 8017, 9.1.2) for parameters that
// crypto/rsa does not take: MGF1 with another digest, an empty salt.
func (k *PublicKey) verifyPSSOwn(s Scheme, digest, sig []byte) error {
	if !s.MGF.Known() || !s.Digest.Known() {
		return fmt.Errorf("PSS with %s and %s: %w", s.Digest, s.MGF, ErrUnsupported)
	}
	em, ok := k.publicOp(sig)
	if !ok {
		return ErrBadSignature
	}
	emBits := k.rsa.N.BitLen() - 1
	emLen := (emBits + 7) / 8
	if len(em) > emLen {
		if em[0] != 0 {
			return ErrBadSignature
		}
		em = em[1:]
	}
	hLen := len(digest)
	if s.Salt < 0 || emLen < hLen+s.Salt+2 || em[emLen-1] != 0xbc {
		return ErrBadSignature
	}
	db := append([]byte(nil), em[:emLen-hLen-1]...)
	h := em[emLen-hLen-1 : emLen-1]
	top := byte(0xff) >> (8*emLen - emBits)
	if db[0]&^top != 0 {
		return ErrBadSignature
	}
	var counter [4]byte
	for done := 0; done < len(db); counter[3]++ {
		m := s.MGF.New(nil)
		m.Write(h)
		m.Write(counter[:])
		for _, v := range m.Sum(nil) {
			if done < len(db) {
				db[done] ^= v
				done++
			}
		}
	}
	db[0] &= top
	pad := len(db) - s.Salt - 1
	for _, v := range db[:pad] {
		if v != 0 {
			return ErrBadSignature
		}
	}
	if db[pad] != 1 {
		return ErrBadSignature
	}
	m := s.Digest.New(nil)
	m.Write(make([]byte, 8))
	m.Write(digest)
	m.Write(db[pad+1:])
	if subtle.ConstantTimeCompare(m.Sum(nil), h) != 1 {
		return ErrBadSignature
	}
	return nil
}

var _ crypto.PublicKey = (*PublicKey)(nil)
