package dstu4145

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

func FuzzParsePKIXPublicKey(f *testing.F) {
	for _, c := range curves {
		key, err := GenerateKey(c, rand.Reader)
		require.NoError(f, err)
		b, err := key.PublicKey().MarshalPKIX()
		require.NoError(f, err)
		f.Add(b)
		f.Add(explicitKey(c, key.PublicKey(), true))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		k, err := ParsePKIXPublicKey(b)
		if err != nil {
			var pe *ParseError
			require.True(t, errors.As(err, &pe))
			require.NotEmpty(t, pe.Field)
			return
		}
		require.True(t, onCurve(k.Curve(), &k.q))
		again, err := k.MarshalPKIX()
		require.NoError(t, err)
		require.Equal(t, b, again)
	})
}

func FuzzParsePKCS8PrivateKey(f *testing.F) {
	for _, c := range []*Curve{M163(), M257(), M431()} {
		key, err := GenerateKey(c, rand.Reader)
		require.NoError(f, err)
		b, err := key.MarshalPKCS8()
		require.NoError(f, err)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		k, err := ParsePKCS8PrivateKey(b)
		if err != nil {
			var pe *ParseError
			require.True(t, errors.As(err, &pe))
			return
		}
		out, err := k.MarshalPKCS8()
		require.NoError(t, err)
		again, err := ParsePKCS8PrivateKey(out)
		require.NoError(t, err)
		require.True(t, again.Equal(k))
	})
}

// FuzzVerify compares the judgement of every value with the oracle, for a key
// seen for the first time and with tables.
func FuzzVerify(f *testing.F) {
	key, err := ParsePKCS8PrivateKey(fuzzKey)
	require.NoError(f, err)
	digest := sha256.Sum256([]byte("fuzz"))
	sig, err := Sign(bytes.NewReader(make([]byte, 32)), key, digest[:])
	require.NoError(f, err)
	f.Add(digest[:], sig)
	f.Add(digest[:16], append([]byte{4, byte(len(sig))}, sig...))
	f.Add(digest[:], bytes.Repeat([]byte{1}, len(sig)))
	known, err := ParsePKCS8PrivateKey(fuzzKey)
	require.NoError(f, err)
	known.PublicKey().Precompute()
	c := key.pub.params.curve
	o := newOracle(c)
	q := o.point(c, &key.pub.q)
	f.Fuzz(func(t *testing.T, digest, sig []byte) {
		got := Verify(key.PublicKey(), digest, sig)
		require.Equal(t, got, Verify(known.PublicKey(), digest, sig))
		if len(digest) == 0 || len(digest) > maxDigestSize || len(sig) > 2*maxHalfSize {
			return
		}
		want := o.verify(q, digest, sig)
		rest := der(sig)
		if inner, ok := rest.read(tagOctetString); ok && len(rest) == 0 {
			want = want || o.verify(q, digest, inner)
		}
		require.Equal(t, want, got)
	})
}
