package dstu4145

import (
	"crypto/rand"
	"testing"

	"github.com/stretchr/testify/require"
)

func forEachCurve(t *testing.T, f func(t *testing.T, c *Curve)) {
	t.Helper()
	for _, c := range curves {
		t.Run(c.Name(), func(t *testing.T) { f(t, c) })
	}
}

// onCurve checks y² + xy = x³ + ax² + b.
func onCurve(c *Curve, p *affine) bool {
	f := c.field
	y, l, r := p.L, p.X, p.X
	y.Add(&y, &p.X)
	f.Mul(&y, &y, &p.X)
	f.Mul(&l, &p.X, &y)
	f.Square(&y, &y)
	l.Add(&l, &y)
	f.Square(&r, &p.X)
	xx := r
	f.Mul(&r, &r, &p.X)
	if c.a == 1 {
		r.Add(&r, &xx)
	}
	r.Add(&r, &c.b)
	return l == r
}

func TestBasePoint(t *testing.T) {
	forEachCurve(t, func(t *testing.T, c *Curve) {
		require.True(t, onCurve(c, &c.base))
		// n·P is infinity and (n-1)·P is -P.
		var r point
		minusOne := c.order.n
		minusOne[0]--
		zero, one := scalar{}, scalar{1}
		c.doubleMulComplete(&r, &minusOne, &zero, &c.base)
		var neg affine
		neg.Neg(&c.base)
		require.True(t, c.field.IsEqual(&r, &neg))
		c.doubleMulComplete(&r, &minusOne, &one, &c.base)
		require.True(t, r.IsInfinity())
	})
}

func TestSignVerify(t *testing.T) {
	forEachCurve(t, func(t *testing.T, c *Curve) {
		key, err := GenerateKey(c, rand.Reader)
		require.NoError(t, err)
		require.True(t, onCurve(c, &key.pub.q))
		digest := make([]byte, 32)
		rand.Read(digest)
		sig, err := Sign(rand.Reader, key, digest)
		require.NoError(t, err)
		require.Len(t, sig, c.SignatureSize())
		require.True(t, Verify(key.PublicKey(), digest, sig))
		require.True(t, Verify(key.PublicKey(), digest, appendTLV(nil, tagOctetString, sig)))
		sig[3] ^= 1
		require.False(t, Verify(key.PublicKey(), digest, sig))
		sig[3] ^= 1
		digest[5] ^= 1
		require.False(t, Verify(key.PublicKey(), digest, sig))

		spki, err := key.PublicKey().MarshalPKIX()
		require.NoError(t, err)
		pub, err := ParsePKIXPublicKey(spki)
		require.NoError(t, err)
		require.True(t, pub.Equal(key.PublicKey()))
		p8, err := key.MarshalPKCS8()
		require.NoError(t, err)
		again, err := ParsePKCS8PrivateKey(p8)
		require.NoError(t, err)
		require.True(t, again.Equal(key))
	})
}
