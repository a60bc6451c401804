package dstu4145

import (
	"bytes"
	"crypto"
	"fmt"
	"slices"
	"sync/atomic"

	"mist/signature/dstu4145/internal/gf2m"
	"mist/signature/gost34311"
)

// PublicKey is a point of the prime-order subgroup of a standard curve together
// with the S-box its GOST 34.311 digests need. It can only be made by
// ParsePKIXPublicKey or from a PrivateKey, so it is always valid; it is
// immutable and safe for concurrent use.
type PublicKey struct {
	params keyParams
	q      affine
	spki   []byte // as parsed; nil for a generated key
	known  atomic.Pointer[comb]
}

// Curve returns the curve of the key.
func (k *PublicKey) Curve() *Curve { return k.params.curve }

// SBox returns the S-box to hash with when the signature algorithm is the one
// with GOST 34.311: the dke of the SubjectPublicKeyInfo, number 1 if absent.
func (k *PublicKey) SBox() *gost34311.SBox { return k.params.sbox }

// BigEndian reports whether the key came under the big-endian identifier,
// OIDSignatureGOST34311BE.
func (k *PublicKey) BigEndian() bool { return k.params.bigEndian }

// Equal reports whether x is a *PublicKey with the same curve and point. The
// S-box and the encoding do not count.
func (k *PublicKey) Equal(x crypto.PublicKey) bool {
	o, ok := x.(*PublicKey)
	return ok && k.params.curve == o.params.curve && k.q == o.q
}

// Precompute makes the tables that let Verify run several times faster with
// this key; they take some 60 kB and the time of a few verifications. KeyCache
// does it for keys seen again. It is safe for concurrent use.
func (k *PublicKey) Precompute() {
	if k.known.Load() == nil {
		k.known.Store(k.params.curve.makeComb(&k.q))
	}
}

// CompressedPoint returns the compressed point, ceil(m/8) bytes, least
// significant first.
func (k *PublicKey) CompressedPoint() []byte {
	c := k.params.curve
	x := c.compress(&k.q)
	return c.field.AppendBytes(make([]byte, 0, c.PointSize()), &x)
}

// KeyIdentifierInput returns the bytes whose GOST 34.311 or Kupyna-256 digest
// is the key identifier (SKI, AKI) of Ukrainian certificates: the DER OCTET
// STRING inside the BIT STRING of the SubjectPublicKeyInfo.
func (k *PublicKey) KeyIdentifierInput() []byte {
	p := k.CompressedPoint()
	if k.params.bigEndian {
		slices.Reverse(p)
	}
	return appendTLV(nil, tagOctetString, p)
}

// MarshalPKIX returns the DER of the SubjectPublicKeyInfo: the bytes it was
// parsed from, or for a generated key the form with a named curve and the
// S-box.
func (k *PublicKey) MarshalPKIX() ([]byte, error) {
	if k.spki != nil {
		return bytes.Clone(k.spki), nil
	}
	bits := append([]byte{0}, k.KeyIdentifierInput()...)
	return appendTLV(nil, tagSequence, k.params.appendAlgorithm(nil), appendTLV(nil, tagBitString, bits)), nil
}

// ParsePKIXPublicKey reads a whole DER SubjectPublicKeyInfo. The curve may be
// named or given in full, in which case it must be one of the standard table.
// Any failure is a *ParseError.
func ParsePKIXPublicKey(spki []byte) (*PublicKey, error) {
	const field = "subjectPublicKeyInfo"
	if len(spki) > maxKeySize {
		return nil, parseErr(field, fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(spki), maxKeySize))
	}
	top := der(spki)
	d, err := top.readField(tagSequence, field)
	if err != nil {
		return nil, err
	}
	if err := top.end(field); err != nil {
		return nil, err
	}
	params, err := parseAlgorithm(&d, false, field+".algorithm")
	if err != nil {
		return nil, err
	}
	bits, err := d.readField(tagBitString, field+".subjectPublicKey")
	if err != nil {
		return nil, err
	}
	if err := d.end(field); err != nil {
		return nil, err
	}
	if len(bits) == 0 || bits[0] != 0 {
		return nil, parseErr(field+".subjectPublicKey", fmt.Errorf("%w: unused bits", ErrEncoding))
	}
	bits = bits[1:]
	octets, err := bits.readField(tagOctetString, field+".subjectPublicKey.octets")
	if err != nil {
		return nil, err
	}
	if err := bits.end(field + ".subjectPublicKey"); err != nil {
		return nil, err
	}
	k := &PublicKey{params: params, spki: bytes.Clone(spki)}
	if err := k.setPoint(octets); err != nil {
		return nil, parseErr(field+".subjectPublicKey.octets", err)
	}
	return k, nil
}

// setPoint reads a compressed point of exactly ceil(m/8) bytes.
func (k *PublicKey) setPoint(b []byte) error {
	c := k.params.curve
	if len(b) != c.PointSize() {
		return fmt.Errorf("%w: %d bytes, %s needs %d", ErrPoint, len(b), c.name, c.PointSize())
	}
	if k.params.bigEndian {
		b = bytes.Clone(b)
		slices.Reverse(b)
	}
	var x gf2m.Element
	if !c.field.SetBytes(&x, b) || !c.expand(&k.q, &x) {
		return ErrPoint
	}
	return nil
}
