package algo

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/signature/internal/ber"
)

func rsaKey(t *testing.T, bits int) (*rsa.PrivateKey, *PublicKey) {
	p, err := rsa.GenerateKey(rand.Reader, bits)
	require.NoError(t, err)
	spki, err := x509.MarshalPKIXPublicKey(&p.PublicKey)
	require.NoError(t, err)
	k, err := ParsePublicKey(spki)
	require.NoError(t, err)
	return p, k
}

// 47: PSS parameters are honoured exactly.
func TestPSSParametersAreHonoured(t *testing.T) {
	p, k := rsaKey(t, 2048)
	message := []byte("message")
	sum := sha256.Sum256(message)
	for _, salt := range []int{0, 20, 32, 64} {
		opts := &rsa.PSSOptions{SaltLength: salt}
		if salt == 0 {
			opts.SaltLength = 1 // made with one octet, declared as none
		}
		sig, err := rsa.SignPSS(rand.Reader, p, crypto.SHA256, sum[:], opts)
		require.NoError(t, err)
		if salt > 0 {
			require.NoError(t, k.Verify(SchemePSS(SHA256, SHA256, salt), message, sig))
		}
		require.ErrorIs(t, k.Verify(SchemePSS(SHA256, SHA256, salt+1+salt%2), message, sig), nilOrBad(salt == 0))
		require.ErrorIs(t, k.Verify(SchemePSS(SHA256, SHA1, max(salt, 1)), message, sig), ErrBadSignature)
		require.ErrorIs(t, k.Verify(SchemePSS(SHA512, SHA512, max(salt, 1)), message, sig), ErrBadSignature)
		require.ErrorIs(t, k.Verify(Scheme{Encryption: RSA, Digest: SHA256}, message, sig), ErrBadSignature)
	}
	_, err := SchemeByOID(oidPSS, ber.Seq(ber.Wrap(0xa3, ber.EncodeSmall(2))))
	require.ErrorIs(t, err, ErrUnsupported)
}

// nilOrBad: salt 1 declared as 1 is the twin that passes.
func nilOrBad(twin bool) error {
	if twin {
		return nil
	}
	return ErrBadSignature
}

// Our own EMSA-PSS agrees with crypto/rsa where both apply.
func TestOwnPSSAgreesWithTheStandardLibrary(t *testing.T) {
	p, k := rsaKey(t, 2048)
	message := []byte("message")
	sum := sha256.Sum256(message)
	sig, err := rsa.SignPSS(rand.Reader, p, crypto.SHA256, sum[:], &rsa.PSSOptions{SaltLength: 32})
	require.NoError(t, err)
	s := SchemePSS(SHA256, SHA256, 32)
	require.NoError(t, k.verifyPSSOwn(s, sum[:], sig))
	for i := range sig {
		sig[i] ^= 1
		require.ErrorIs(t, k.verifyPSSOwn(s, sum[:], sig), ErrBadSignature)
		sig[i] ^= 1
	}
}

// 48: RSA e = 1 or even, small keys, forged padding; EC points and values that are none.
func TestHostileKeysAndValues(t *testing.T) {
	p, k := rsaKey(t, 2048)
	for _, e := range []int64{-3, 0, 1, 2, 65536} {
		_, err := NewRSA("", RSA, p.N, big.NewInt(e))
		require.Error(t, err, e)
	}
	_, err := NewRSA("", RSA, new(big.Int).Lsh(big.NewInt(1), 2047), big.NewInt(3))
	require.Error(t, err, "even modulus")

	// Padding that a careless parser of DigestInfo accepts (Bleichenbacher
	// 2006): the digest follows a short padding, the rest is free.
	sum := sha256.Sum256([]byte("message"))
	info := ber.Seq(ber.Seq(ber.EncodeOID(SHA256.OID()), ber.EncodeNull()), ber.EncodeOctets(sum[:]))
	em := append([]byte{0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0}, info...)
	em = append(em, make([]byte, 256-len(em))...)
	forged := new(big.Int).Exp(new(big.Int).SetBytes(em), p.D, p.N).FillBytes(make([]byte, 256))
	require.ErrorIs(t, k.Verify(Scheme{Encryption: RSA, Digest: SHA256}, []byte("message"), forged), ErrBadSignature)
	require.ErrorIs(t, k.verifyPKCS1(Scheme{Encryption: RSA, Digest: RIPEMD160}, make([]byte, 20), forged), ErrBadSignature)

	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	point, err := ec.PublicKey.Bytes()
	require.NoError(t, err)
	good, err := NewEC("", "1.2.840.10045.3.1.7", point)
	require.NoError(t, err)
	point[40] ^= 1
	_, err = NewEC("", "1.2.840.10045.3.1.7", point)
	require.Error(t, err, "a point that is not on the curve")
	for _, v := range [][2]int64{{0, 0}, {0, 1}, {1, 0}, {-1, 1}, {1, -1}} {
		sig := ber.Seq(ber.EncodeInt(big.NewInt(v[0])), ber.EncodeInt(big.NewInt(v[1])))
		require.ErrorIs(t, good.Verify(Scheme{Encryption: ECDSA, Digest: SHA256}, []byte("m"), sig), ErrBadSignature)
	}
	n := elliptic.P256().Params().N
	sig := ber.Seq(ber.EncodeInt(n), ber.EncodeInt(big.NewInt(1)))
	require.ErrorIs(t, good.Verify(Scheme{Encryption: ECDSA, Digest: SHA256}, []byte("m"), sig), ErrBadSignature)
	require.ErrorIs(t, good.Verify(Scheme{Encryption: RSA, Digest: SHA256}, []byte("m"), sig), ErrUnsupported)

	// High s is valid ECDSA.
	r, s, err := ecdsa.Sign(rand.Reader, ec, sum[:])
	require.NoError(t, err)
	for _, v := range []*big.Int{s, new(big.Int).Sub(n, s)} {
		require.NoError(t, good.Verify(Scheme{Encryption: ECDSA, Digest: SHA256}, []byte("message"), ber.Seq(ber.EncodeInt(r), ber.EncodeInt(v))))
	}
}

// The generic curve code agrees with crypto/ecdsa on P-256.
func TestWeierstrassAgreesWithTheStandardLibrary(t *testing.T) {
	q := elliptic.P256().Params()
	c := &weierstrass{p: q.P, a: new(big.Int).Sub(q.P, big.NewInt(3)), b: q.B, n: q.N, x: q.Gx, y: q.Gy}
	for range 20 {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		require.NoError(t, err)
		point, err := k.PublicKey.Bytes()
		require.NoError(t, err)
		x, y := new(big.Int).SetBytes(point[1:33]), new(big.Int).SetBytes(point[33:])
		sum := sha256.Sum256(point)
		r, s, err := ecdsa.Sign(rand.Reader, k, sum[:])
		require.NoError(t, err)
		require.True(t, c.verify(x, y, sum[:], r, s))
		sum[0] ^= 1
		require.False(t, c.verify(x, y, sum[:], r, s))
	}
}

// Explicit parameters are a named curve or nothing.
func TestExplicitCurveParameters(t *testing.T) {
	q := elliptic.P256().Params()
	params := func(gx, gy *big.Int) []byte {
		point := append([]byte{4}, append(gx.FillBytes(make([]byte, 32)), gy.FillBytes(make([]byte, 32))...)...)
		return ber.Seq(ber.EncodeSmall(1),
			ber.Seq(ber.EncodeOID("1.2.840.10045.1.1"), ber.EncodeInt(q.P)),
			ber.Seq(ber.EncodeOctets(new(big.Int).Sub(q.P, big.NewInt(3)).Bytes()), ber.EncodeOctets(q.B.FillBytes(make([]byte, 32)))),
			ber.EncodeOctets(point), ber.EncodeInt(q.N), ber.EncodeSmall(1))
	}
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	point, err := k.PublicKey.Bytes()
	require.NoError(t, err)
	coordinate := func(b []byte) *big.Int { return new(big.Int).SetBytes(b) }
	spki := func(p []byte) []byte {
		return ber.Seq(ber.Seq(ber.EncodeOID("1.2.840.10045.2.1"), p), ber.EncodeBits(point))
	}
	got, err := ParsePublicKey(spki(params(q.Gx, q.Gy)))
	require.NoError(t, err)
	require.Equal(t, "P-256", got.Curve)
	_, err = ParsePublicKey(spki(params(coordinate(point[1:33]), coordinate(point[33:])))) // CVE-2020-0601: a generator of one's own
	require.ErrorIs(t, err, ErrUnsupported)
}
