package dstu4145

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/signature/dstu4145/internal/gf2m"
)

// forEachBenchmark runs f for the two curves met in practice and every
// implementation.
func forEachBenchmark(b *testing.B, name string, f func(b *testing.B, key *PrivateKey, digest, sig []byte)) {
	b.Helper()
	for _, impl := range gf2m.Available() {
		table := newCurves(impl)
		for _, c := range []*Curve{table[6], table[9]} {
			b.Run(fmt.Sprintf("%s/%s/%s", c.Name(), name, impl), func(b *testing.B) {
				key, err := GenerateKey(c, rand.Reader)
				require.NoError(b, err)
				digest := sha256.Sum256([]byte(c.Name()))
				sig, err := Sign(rand.Reader, key, digest[:])
				require.NoError(b, err)
				require.True(b, Verify(key.PublicKey(), digest[:], sig)) // makes the tables of the curve
				b.ReportAllocs()
				b.ResetTimer()
				f(b, key, digest[:], sig)
			})
		}
	}
}

// BenchmarkVerify measures a key seen for the first time, with and without
// reading its SubjectPublicKeyInfo, and a key with tables.
func BenchmarkVerify(b *testing.B) {
	verify := func(b *testing.B, key *PublicKey, digest, sig []byte) {
		for b.Loop() {
			if !Verify(key, digest, sig) {
				b.Fatal("refused")
			}
		}
	}
	forEachBenchmark(b, "NewKey", func(b *testing.B, key *PrivateKey, digest, sig []byte) {
		verify(b, key.PublicKey(), digest, sig)
	})
	forEachBenchmark(b, "ParsedNewKey", func(b *testing.B, key *PrivateKey, digest, sig []byte) {
		c := key.pub.params.curve
		x := c.compress(&key.pub.q)
		for b.Loop() {
			pub := &PublicKey{params: key.pub.params}
			if !c.expand(&pub.q, &x) || !Verify(pub, digest, sig) {
				b.Fatal("refused")
			}
		}
	})
	forEachBenchmark(b, "KnownKey", func(b *testing.B, key *PrivateKey, digest, sig []byte) {
		key.PublicKey().Precompute()
		b.ResetTimer()
		verify(b, key.PublicKey(), digest, sig)
	})
}

func BenchmarkSign(b *testing.B) {
	forEachBenchmark(b, "Sign", func(b *testing.B, key *PrivateKey, digest, _ []byte) {
		for b.Loop() {
			if _, err := Sign(rand.Reader, key, digest); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkPrecompute is the price of the tables of a known key.
func BenchmarkPrecompute(b *testing.B) {
	forEachBenchmark(b, "KnownKey", func(b *testing.B, key *PrivateKey, _, _ []byte) {
		for b.Loop() {
			key.pub.params.curve.makeComb(&key.pub.q)
		}
	})
}

// BenchmarkParse reads a SubjectPublicKeyInfo.
func BenchmarkParse(b *testing.B) {
	for _, c := range []*Curve{M257(), M431()} {
		b.Run(fmt.Sprintf("%s/%s", c.Name(), gf2m.Best()), func(b *testing.B) {
			key, err := GenerateKey(c, rand.Reader)
			require.NoError(b, err)
			spki, err := key.PublicKey().MarshalPKIX()
			require.NoError(b, err)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ParsePKIXPublicKey(spki); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkP256 is the standard library's ECDSA, to compare with.
func BenchmarkP256(b *testing.B) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(b, err)
	digest := sha256.Sum256(nil)
	sig, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
	require.NoError(b, err)
	b.Run("Verify", func(b *testing.B) {
		for b.Loop() {
			if !ecdsa.VerifyASN1(&key.PublicKey, digest[:], sig) {
				b.Fatal("refused")
			}
		}
	})
	b.Run("Sign", func(b *testing.B) {
		for b.Loop() {
			if _, err := ecdsa.SignASN1(rand.Reader, key, digest[:]); err != nil {
				b.Fatal(err)
			}
		}
	})
}
