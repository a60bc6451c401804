package algo

import (
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"
)

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	require.NoError(t, err)
	return b
}

// The first vector of RFC 8032, 7.4, and a signature by OpenSSL 3.0; every octet of either may not change.
func TestEd448(t *testing.T) {
	for _, v := range []struct{ name, spki, message, sig string }{
		{"RFC 8032, 7.4, blank", "3043300506032b6571033a005fd7449b59b461fd2ce787ec616ad46a1da1342485a70e1f8a0ea75d80e96778edf124769b46c7061bd6783df1e50f6cd1fa1abeafe8256180", "", "533a37f6bbe457251f023c0d88f976ae2dfb504a843e34d2074fd823d41a591f2b233f034f628281f2fd7a22ddd47d7828c59bd0a21bfd3980ff0d2028d4b18a9df63e006c5d1c2d345b925d8dc00b4104852db99ac5c7cdda8530a113a0f4dbb61149f05a7363268c71d95808ff2e652600"},
		{"OpenSSL", "3043300506032b6571033a00c102ba600a4119d06198f1b1daf5ceb496c2091083dfc26c3f6e83f88cb979b0f61ba4a026f3e658297b7834572e6f48dc97179a9591be4f80", "signed by openssl", "ee12ce2c5a1749e74f2d7f71fbca3d2f71222ed55e7eb1b64e7ac7c519aff9d457c247deedbb567cbb2eb722f7143850ea8ef4c2b53e3bf78044a7f863e250b647621d88cfa689107385d8e206799adc7d5f8a12a17247293758ff6e1a3f2f8f1221367e2810d4bbadb2fcf21f78a1fa2800"},
	} {
		key, err := ParsePublicKey(unhex(t, v.spki))
		require.NoError(t, err, v.name)
		require.Equal(t, "Ed448", key.Curve)
		scheme, err := SchemeByURI("http://www.w3.org/2021/04/xmldsig-more#eddsa-ed448")
		require.NoError(t, err)
		sig := unhex(t, v.sig)
		require.NoError(t, key.Verify(scheme, []byte(v.message), sig), v.name)
		for i := 0; i < len(sig); i += 7 {
			sig[i] ^= 1
			require.ErrorIs(t, key.Verify(scheme, []byte(v.message), sig), ErrBadSignature, "%s, octet %d", v.name, i)
			sig[i] ^= 1
		}
		require.ErrorIs(t, key.Verify(scheme, []byte(v.message+"."), sig), ErrBadSignature)
		require.ErrorIs(t, key.Verify(scheme, []byte(v.message), sig[1:]), ErrBadSignature)
		scheme.Context = "another context"
		require.ErrorIs(t, key.Verify(scheme, []byte(v.message), sig), ErrBadSignature)
		prehashed, err := SchemeByURI("http://www.w3.org/2021/04/xmldsig-more#eddsa-ed448ph")
		require.NoError(t, err)
		require.ErrorIs(t, key.Verify(prehashed, []byte(v.message), sig), ErrBadSignature)
		ed25519, err := SchemeByURI("http://www.w3.org/2021/04/xmldsig-more#eddsa-ed25519")
		require.NoError(t, err)
		require.ErrorIs(t, key.Verify(ed25519, []byte(v.message), sig), ErrUnsupported)

		// S may not be replaced by S + L: a signature has one form.
		c := newEd448Curve()
		s := littleEndian(sig[ed448Size:])
		s.Add(s, c.l)
		b := s.FillBytes(make([]byte, ed448Size))
		for i := range b {
			sig[2*ed448Size-1-i] = b[i]
		}
		scheme.Context = ""
		require.ErrorIs(t, key.Verify(scheme, []byte(v.message), sig), ErrBadSignature)
	}
	bad := unhex(t, "3043300506032b6571033a00"+"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff00")
	_, err := ParsePublicKey(bad)
	require.Error(t, err, "y is not below p")
}
