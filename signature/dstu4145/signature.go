package dstu4145

import (
	"crypto"
	"errors"
	"fmt"
	"io"
	"slices"

	"mist/signature/dstu4145/internal/gf2m"
)

const (
	// maxDigestSize bounds a digest in bytes: Kupyna-512.
	maxDigestSize = 64
	// maxHalfSize bounds one half of a signature: the longest order has 54
	// bytes, and some signers pad.
	maxHalfSize = 64
)

var errDigest = fmt.Errorf("dstu4145: digest must have 1 to %d bytes", maxDigestSize)

// Verify reports whether sig is a signature of the digest by the key. sig is
// r‖s, two equal halves with the least significant byte first, bare or inside
// a DER OCTET STRING; bytes that read both ways are tried both ways.
func Verify(pub *PublicKey, digest, sig []byte) bool {
	return verify(pub, digest, sig, false)
}

// VerifyBigEndian is Verify for the algorithm OIDSignatureGOST34311BE, whose
// value is the same number written from the other end: s‖r, most significant
// byte first.
func VerifyBigEndian(pub *PublicKey, digest, sig []byte) bool {
	return verify(pub, digest, sig, true)
}

func verify(pub *PublicKey, digest, sig []byte, bigEndian bool) bool {
	if len(digest) == 0 || len(digest) > maxDigestSize || len(sig) > 2*maxHalfSize+3 {
		return false
	}
	rest := der(sig)
	if inner, ok := rest.read(tagOctetString); ok && len(rest) == 0 && verifyBare(pub, digest, inner, bigEndian) {
		return true
	}
	return verifyBare(pub, digest, sig, bigEndian)
}

func verifyBare(pub *PublicKey, digest, sig []byte, bigEndian bool) bool {
	if len(sig) == 0 || len(sig)%2 != 0 || len(sig) > 2*maxHalfSize {
		return false
	}
	var buf [2 * maxHalfSize]byte
	if bigEndian {
		n := copy(buf[:], sig)
		sig = buf[:n]
		slices.Reverse(sig)
	}
	c := pub.params.curve
	var r, s scalar
	half := len(sig) / 2
	if !c.order.setBytes(&r, sig[:half]) || !c.order.setBytes(&s, sig[half:]) {
		return false
	}
	var p point
	c.doubleMul(&p, &s, &r, &pub.q, pub.known.Load())
	return !p.IsInfinity() && c.matches(&p, digest, &r)
}

// matches reports whether the low bits of y = h·X/Z are r (DSTU 4145-2002, 13).
// It avoids the inversion: y has at most three bits above those of r, so that
// h·X + r·Z must be one of at most eight multiples of Z.
func (c *Curve) matches(p *point, digest []byte, r *scalar) bool {
	if r.bitLen() > c.rBits {
		return false
	}
	f := c.field
	h := c.hashElement(digest)
	var d, t gf2m.Element
	f.Mul(&d, &h, &p.X)
	re := gf2m.Element(*r)
	f.Mul(&t, &re, &p.Z)
	d.Add(&d, &t)
	var high [3]gf2m.Element // x^(rBits+i)·Z
	n := f.Bits() - c.rBits
	for i := range n {
		var x gf2m.Element
		b := c.rBits + i
		x[b>>6] = 1 << (b & 63)
		f.Mul(&high[i], &x, &p.Z)
	}
	for v := range 1 << n {
		s := d
		for i := range n {
			if v>>i&1 == 1 {
				s.Add(&s, &high[i])
			}
		}
		if s.IsZero() {
			return true
		}
	}
	return false
}

// hashElement reads the digest as a field element (5.9): least significant byte
// first, cut to m bits, zero replaced by one.
func (c *Curve) hashElement(digest []byte) (h gf2m.Element) {
	c.field.SetTruncated(&h, digest)
	if h.IsZero() {
		h[0] = 1
	}
	return h
}

// truncate keeps the low bitlen(n)-1 bits of a field element (5.10).
func (c *Curve) truncate(y *gf2m.Element) scalar {
	s := scalar(*y)
	w, b := c.rBits>>6, uint(c.rBits&63)
	s[w] &= 1<<b - 1
	clear(s[w+1:])
	return s
}

// Sign returns the signature r‖s of the digest, SignatureSize bytes with the
// least significant byte of each half first.
//
// The one-time key is derived from rand, the private key and the digest
// together, so that a repeated or weak output of rand does not reveal the
// private key.
func Sign(rand io.Reader, priv *PrivateKey, digest []byte) ([]byte, error) {
	if len(digest) == 0 || len(digest) > maxDigestSize {
		return nil, errDigest
	}
	c := priv.pub.params.curve
	var seed [nonceSeedSize]byte
	if _, err := io.ReadFull(rand, seed[:]); err != nil {
		return nil, fmt.Errorf("dstu4145: signing: reading randomness: %w", err)
	}
	source := newNonceSource(priv, &seed, digest)
	h := c.hashElement(digest)
	// r or s is zero with a probability of about 2^-160 at most.
	for range 8 {
		var e scalar
		source.next(&e)
		if sig, ok := priv.signWith(&e, &h); ok {
			return sig, nil
		}
	}
	return nil, errors.New("dstu4145: signing: no usable one-time key")
}

// signWith makes the signature with the one-time key e (DSTU 4145-2002, 12).
func (k *PrivateKey) signWith(e *scalar, h *gf2m.Element) ([]byte, bool) {
	c := k.pub.params.curve
	var p point
	c.baseMul(&p, e)
	var y gf2m.Element
	c.field.Invert(&y, &p.Z)
	c.field.Mul(&y, &y, &p.X)
	c.field.Mul(&y, &y, h)
	r := c.truncate(&y)
	if r.isZero() {
		return nil, false
	}
	var s scalar
	c.order.mul(&s, &k.d, &r)
	c.order.add(&s, &s, e)
	if s.isZero() {
		return nil, false
	}
	sig := make([]byte, c.SignatureSize())
	c.order.putBytes(sig[:len(sig)/2], &r)
	c.order.putBytes(sig[len(sig)/2:], &s)
	return sig, true
}

// Sign implements crypto.Signer. When opts names a digest length (HashFunc
// other than 0), the digest must have it; opts is not used otherwise.
func (k *PrivateKey) Sign(rand io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if opts != nil {
		if f := opts.HashFunc(); f != 0 && f.Size() != len(digest) {
			return nil, errors.New("dstu4145: digest length does not match the options")
		}
	}
	return Sign(rand, k, digest)
}
