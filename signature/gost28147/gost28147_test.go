package gost28147

import (
	"bytes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/hex"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/signature/gost34311"
)

var _ cipher.Block = (*Cipher)(nil)

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	require.NoError(t, err)
	return b
}

// The same cipher is called Magma in GOST R 34.12-2015, annex A.2 (RFC 8891,
// appendix A), with its own S-box and the bytes of words in the other order.
func TestMagmaVector(t *testing.T) {
	packed := unhex(t, "c462a5b9e8d703f1"+"68239a5c1e47bd0f"+"b3582fade174c960"+"c821d4f670a53e9b"+"7f5a816d093eb42c"+"5df692cab78143e0"+"8e25691cf4b0da37"+"17ed05834fa69cb2")
	sbox, err := gost34311.ParseSBox(packed)
	require.NoError(t, err)
	key := unhex(t, "ffeeddccbbaa99887766554433221100f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff")
	for i := 0; i < len(key); i += 4 {
		slices.Reverse(key[i : i+4])
	}
	plain, sealed := unhex(t, "fedcba9876543210"), unhex(t, "4ee901e5c2d8ca3d")
	slices.Reverse(plain)
	slices.Reverse(sealed)
	c, err := NewCipher(key, sbox)
	require.NoError(t, err)
	got := make([]byte, 8)
	c.Encrypt(got, plain)
	require.Equal(t, sealed, got)
	c.Decrypt(got, got)
	require.Equal(t, plain, got)
}

func TestModes(t *testing.T) {
	key, iv := make([]byte, 32), make([]byte, 8)
	for n := range 100 {
		rand.Read(key)
		rand.Read(iv)
		plain := make([]byte, n)
		rand.Read(plain)
		c, err := NewCipher(key, nil)
		require.NoError(t, err)
		sealed := c.EncryptCFB(iv, plain)
		require.Len(t, sealed, n)
		require.Equal(t, plain, c.DecryptCFB(iv, sealed))
		if n > 0 {
			// A changed octet changes itself and the block after it, no more.
			bad := bytes.Clone(sealed)
			bad[0] ^= 1
			got := c.DecryptCFB(iv, bad)
			require.Equal(t, plain[0]^1, got[0])
			require.Equal(t, plain[min(n, 16):], got[min(n, 16):])
			mac := c.MAC(plain)
			plain[n-1] ^= 1
			require.NotEqual(t, mac, c.MAC(plain))
		}
	}
	_, err := NewCipher(key[:31], nil)
	require.ErrorIs(t, err, ErrKeySize)
}
