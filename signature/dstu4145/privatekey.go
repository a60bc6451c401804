package dstu4145

import (
	"bytes"
	"crypto"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"slices"

	"mist/signature/gost34311"
)

// PrivateKey is a private key d with its public key Q = -dP. It implements
// crypto.Signer and is safe for concurrent use.
type PrivateKey struct {
	d   scalar
	pub PublicKey
}

// GenerateKey makes a key on the curve c with the S-box number 1, reading
// randomness from rand (crypto/rand.Reader outside tests).
func GenerateKey(c *Curve, rand io.Reader) (*PrivateKey, error) {
	params := keyParams{curve: c, sbox: gost34311.DefaultSBox()}
	d, err := c.order.random(rand)
	if err != nil {
		return nil, fmt.Errorf("dstu4145: generating a key: %w", err)
	}
	return newPrivateKey(params, &d), nil
}

// random returns a uniform scalar in 1..n-1 by rejection.
func (o *order) random(rand io.Reader) (k scalar, err error) {
	b := make([]byte, o.bytes())
	// One try succeeds with probability at least 1/2 for every standard
	// order; a reader that never yields is broken.
	for range 256 {
		if _, err := io.ReadFull(rand, b); err != nil {
			return scalar{}, err
		}
		if r := o.bits % 8; r != 0 {
			b[len(b)-1] &= 1<<r - 1
		}
		if o.setBytes(&k, b) {
			return k, nil
		}
	}
	return scalar{}, errors.New("random source yields no usable scalar")
}

func newPrivateKey(params keyParams, d *scalar) *PrivateKey {
	k := &PrivateKey{d: *d}
	k.pub.params = params
	c := params.curve
	var r [1]point
	var q [1]affine
	c.baseMul(&r[0], d)
	c.field.Normalize(q[:], r[:])
	k.pub.q.Neg(&q[0])
	return k
}

// PublicKey returns the public key.
func (k *PrivateKey) PublicKey() *PublicKey { return &k.pub }

// Public returns the *PublicKey, for crypto.Signer.
func (k *PrivateKey) Public() crypto.PublicKey { return &k.pub }

// Equal reports whether x is a *PrivateKey with the same curve and scalar.
func (k *PrivateKey) Equal(x crypto.PrivateKey) bool {
	o, ok := x.(*PrivateKey)
	if !ok || k.pub.params.curve != o.pub.params.curve {
		return false
	}
	var a, b [8 * len(scalar{})]byte
	k.pub.params.curve.order.putBytes(a[:], &k.d)
	k.pub.params.curve.order.putBytes(b[:], &o.d)
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// MarshalPKCS8 returns the DER of a PKCS#8 PrivateKeyInfo whose privateKey is a
// SEC 1 ECPrivateKey, the form Bouncy Castle reads and writes.
func (k *PrivateKey) MarshalPKCS8() ([]byte, error) {
	c := k.pub.params.curve
	d := make([]byte, c.order.bytes())
	c.order.putBytes(d, &k.d)
	slices.Reverse(d)
	ec := appendTLV(nil, tagSequence, []byte{tagInteger, 1, 1}, appendTLV(nil, tagOctetString, d))
	return appendTLV(nil, tagSequence, []byte{tagInteger, 1, 0},
		k.pub.params.appendAlgorithm(nil), appendTLV(nil, tagOctetString, ec)), nil
}

// ParsePKCS8PrivateKey reads a whole DER PrivateKeyInfo (version 0 or 1).
//
// Three forms of the key itself occur: a SEC 1 ECPrivateKey (Bouncy Castle), a
// DER INTEGER, and bare little-endian bytes, possibly padded with zeros
// (Ukrainian key stores). Attributes are skipped; a public key, when given,
// must be the right one. Any failure is a *ParseError.
func ParsePKCS8PrivateKey(b []byte) (*PrivateKey, error) {
	const field = "privateKeyInfo"
	if len(b) > maxKeySize {
		return nil, parseErr(field, fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(b), maxKeySize))
	}
	top := der(b)
	d, err := top.readField(tagSequence, field)
	if err != nil {
		return nil, err
	}
	if err := top.end(field); err != nil {
		return nil, err
	}
	version, err := d.readSmallUint(field + ".version")
	if err != nil {
		return nil, err
	}
	if version > 1 {
		return nil, parseErr(field+".version", fmt.Errorf("unknown version %d", version))
	}
	params, err := parseAlgorithm(&d, true, field+".privateKeyAlgorithm")
	if err != nil {
		return nil, err
	}
	octets, err := d.readField(tagOctetString, field+".privateKey")
	if err != nil {
		return nil, err
	}
	if d.peek() == tagContext0 {
		if _, err := d.readField(tagContext0, field+".attributes"); err != nil {
			return nil, err
		}
	}
	var given der
	if version == 1 && d.peek() == tagContext1&^0x20 {
		if given, err = d.readField(tagContext1&^0x20, field+".publicKey"); err != nil {
			return nil, err
		}
	}
	if err := d.end(field); err != nil {
		return nil, err
	}
	s, inner, err := parseScalar(params.curve.order, octets, field+".privateKey")
	if err != nil {
		return nil, err
	}
	k := newPrivateKey(params, &s)
	want := append([]byte{0}, k.pub.KeyIdentifierInput()...)
	for _, p := range []der{given, inner} {
		if p != nil && !bytes.Equal(p, want) {
			return nil, parseErr(field+".publicKey", errors.New("does not belong to the private key"))
		}
	}
	return k, nil
}

// parseScalar reads the private scalar in any of its three forms, and the
// content of the public key's BIT STRING that an ECPrivateKey may hold.
func parseScalar(o *order, octets der, field string) (s scalar, public der, err error) {
	if octets.peek() == tagSequence {
		ec := octets
		if d, public, ok := ecPrivateKey(&ec); ok && len(ec) == 0 {
			if !setBigEndian(o, &s, d) {
				return s, nil, parseErr(field, ErrScalar)
			}
			return s, public, nil
		}
	}
	rest := octets
	var asInteger, asBytes scalar
	big, err := rest.readUint(field)
	isInteger := err == nil && len(rest) == 0 && setBigEndian(o, &asInteger, big)
	isBytes := len(octets) >= o.bytes()-1 && len(octets) <= o.bytes()+8 && o.setBytes(&asBytes, octets)
	switch {
	case isInteger && isBytes: // one key in some ten thousand; signing with the wrong reading would be worse
		return s, nil, parseErr(field, fmt.Errorf("%w: reads both as an INTEGER and as bare bytes", ErrEncoding))
	case isInteger:
		return asInteger, nil, nil
	case isBytes:
		return asBytes, nil, nil
	}
	return s, nil, parseErr(field, ErrScalar)
}

// ecPrivateKey reads a SEC 1 ECPrivateKey { 1, privateKey, [0] parameters,
// [1] publicKey }. The parameters repeat the algorithm's and are not used.
func ecPrivateKey(d *der) (key, public der, ok bool) {
	seq, ok := d.read(tagSequence)
	if !ok {
		return nil, nil, false
	}
	if v, ok := seq.read(tagInteger); !ok || !bytes.Equal(v, []byte{1}) {
		return nil, nil, false
	}
	if key, ok = seq.read(tagOctetString); !ok {
		return nil, nil, false
	}
	if seq.peek() == tagContext0 {
		if _, ok = seq.read(tagContext0); !ok {
			return nil, nil, false
		}
	}
	if seq.peek() == tagContext1 {
		wrapped, ok := seq.read(tagContext1)
		if !ok {
			return nil, nil, false
		}
		if public, ok = wrapped.read(tagBitString); !ok || len(wrapped) != 0 {
			return nil, nil, false
		}
	}
	return key, public, len(seq) == 0
}

func setBigEndian(o *order, s *scalar, b []byte) bool {
	le := bytes.Clone(b)
	slices.Reverse(le)
	ok := o.setBytes(s, le)
	clear(le)
	return ok
}
