package dstu4145

import "crypto/sha512"

// nonceSeedSize is the randomness in bytes that goes into one signature.
const nonceSeedSize = 32

// nonceLabel separates the use of SHA-512 here from any other on the same key.
const nonceLabel = "DSTU 4145 one-time key"

// nonceSource derives one-time keys: block i of its stream is SHA-512 of the
// label, the private key, fresh randomness, the digest and i. Knowing one of
// private key and randomness does not help to predict it.
type nonceSource struct {
	order  *order
	input  [len(nonceLabel) + 8*len(scalar{}) + nonceSeedSize + maxDigestSize + 2]byte
	block  [sha512.Size]byte
	unread int
}

// newNonceSource takes a digest of at most maxDigestSize bytes.
func newNonceSource(priv *PrivateKey, seed *[nonceSeedSize]byte, digest []byte) *nonceSource {
	s := &nonceSource{order: priv.pub.params.curve.order}
	b := s.input[:0]
	b = append(b, nonceLabel...)
	b = b[:len(b)+8*len(scalar{})]
	s.order.putBytes(b[len(nonceLabel):], &priv.d)
	copy(s.input[len(b):], seed[:])
	copy(s.input[len(b)+len(seed):], digest)
	s.input[len(s.input)-2] = byte(len(digest))
	return s
}

// next sets e to a uniform scalar in 1..n-1 by rejection, which tells nothing
// about the value kept.
func (s *nonceSource) next(e *scalar) {
	size := s.order.bytes()
	for {
		if s.unread < size {
			s.block = sha512.Sum512(s.input[:])
			s.input[len(s.input)-1]++
			s.unread = len(s.block)
		}
		b := s.block[len(s.block)-s.unread:][:size]
		s.unread -= size
		if r := s.order.bits % 8; r != 0 {
			b[size-1] &= 1<<r - 1
		}
		if s.order.setBytes(e, b) {
			return
		}
	}
}
