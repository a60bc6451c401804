package keystore_test

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/fixtures/corpus"
	"mist/signature/cert"
	"mist/signature/keystore"
	"mist/signature/sign"
)

// samples are containers made by others, with their passwords (MANIFEST.tsv).
var samples = []struct {
	file, password, format string
	keys                   int
}{
	{"UAPKI__test-diia.p12", "testpassword", keystore.FormatPKCS12, 2},
	{"UAPKI__test-jks.jks", "testpassword", keystore.FormatJKS, 1},
	{"dstu-engine__Key-6.dat", "tect4", keystore.FormatIIT, 2},
	{"jkurwa__STORE_A040.dat", "password", keystore.FormatPKCS8, 1},
}

func TestContainersOfOthers(t *testing.T) {
	dir := corpus.Dir(t, "ua/keys")
	for _, s := range samples {
		b, err := os.ReadFile(filepath.Join(dir, s.file))
		require.NoError(t, err)
		c, err := keystore.Open(b, s.password)
		require.NoError(t, err, s.file)
		require.Equal(t, s.format, c.Format)
		require.Len(t, c.Keys, s.keys, s.file)
		for _, k := range c.Keys {
			_, err := sign.ParseKey(k.PKCS8)
			require.NoError(t, err, s.file)
		}
		for _, wrong := range []string{"", "wrongpassword", s.password + " ", s.password[:len(s.password)-1]} {
			_, err := keystore.Open(b, wrong)
			require.ErrorIs(t, err, keystore.ErrPassword, "%s with %q", s.file, wrong)
		}
		// Any changed octet of the sealed part is noticed, or at least gives no
		// key that signs under another certificate: PBES2 with feedback has no check.
		if s.format != keystore.FormatPKCS8 {
			for at := len(b) / 4; at < len(b)-40; at += 37 {
				bad := bytes.Clone(b)
				bad[at] ^= 1
				_, err := keystore.Open(bad, s.password)
				require.Error(t, err, "%s at %d", s.file, at)
			}
		}
	}
	corpus.Count(t, "ua (key containers)", len(samples), 0)
}

// The keys that come out are the right ones: their identifiers are those that
// the containers write beside them, outside what the key is made of.
func TestKeyIdentifiers(t *testing.T) {
	dir := corpus.Dir(t, "ua/keys")
	ids := map[string][]string{
		"UAPKI__test-diia.p12": { // localKeyId of the bags
			"5bc6c06ee1e00c1700e92aa7a9ad75f82d3cb7a9b66e3a98023209b24513315c", "6b1b77c0d1a1b60473a98dd6d4fe5302742aede101daa21f2c83a67ccdedb782"},
		"dstu-engine__Key-6.dat": { // attributes of the key
			"7e9e345dd2cfd91ebadbe23c22eb9fac6bef65552ed42f56f9bac4aac5cb2d06", "7cebcd9412612324209f4cd81cd16a7a9a0ba05a75ad05d38bae9a7483d8f719"},
	}
	for _, s := range samples {
		b, err := os.ReadFile(filepath.Join(dir, s.file))
		require.NoError(t, err)
		keys, _, err := sign.OpenContainer(b, s.password)
		require.NoError(t, err)
		require.Len(t, keys, s.keys)
		var got []string
		for _, k := range keys {
			id, err := k.KeyID()
			require.NoError(t, err)
			got = append(got, hex.EncodeToString(id))
		}
		if want, ok := ids[s.file]; ok {
			require.Equal(t, want, got, s.file)
		}
	}
}

// One key of the test container of Дія belongs to a certificate that Дія issued.
func TestKeyFitsItsCertificate(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(corpus.Dir(t, "ua/keys"), "UAPKI__test-diia.p12"))
	require.NoError(t, err)
	keys, _, err := sign.OpenContainer(b, "testpassword")
	require.NoError(t, err)
	for i, file := range []string{"UAPKI__diia-test-sign-7775603.cer", "UAPKI__diia-test-kep-7775604.cer"} {
		der, err := os.ReadFile(filepath.Join(corpus.Dir(t, "ua/certs"), file))
		require.NoError(t, err)
		c, err := cert.Parse(der)
		require.NoError(t, err)
		fits := 0
		for _, k := range keys {
			if k.Fits(c, rand.Reader) == nil {
				fits++
			}
		}
		require.Equal(t, 1, fits, "%d %s", i, file)
	}
}

func TestRefusals(t *testing.T) {
	for name, b := range map[string][]byte{
		"nothing": nil, "text": []byte("not a container"), "a sequence": {0x30, 0x00}, "an integer": {0x02, 0x01, 0x03},
		"another version of PFX": {0x30, 0x03, 0x02, 0x01, 0x04},
	} {
		_, err := keystore.Open(b, "x")
		require.ErrorIs(t, err, keystore.ErrUnknown, name)
	}
	_, err := keystore.Open(make([]byte, keystore.MaxSize+1), "x")
	require.ErrorIs(t, err, keystore.ErrTooMuch)
}

// A container that asks for billions of iterations is refused at once.
func TestIterationsAreBounded(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(corpus.Dir(t, "ua/keys"), "jkurwa__STORE_A040.dat"))
	require.NoError(t, err)
	for _, much := range [][]byte{{0x7f, 0xff}, {0xff, 0xff}} {
		bad := bytes.Replace(b, []byte{0x02, 0x02, 0x27, 0x10}, append([]byte{0x02, 0x02}, much...), 1)
		start := time.Now()
		_, err := keystore.Open(bad, "password")
		require.Error(t, err)
		require.Less(t, time.Since(start), 10*time.Second)
	}
	huge := bytes.Replace(b, []byte{0x04, 0x20, 0x31, 0xa5, 0x8d, 0xc1}, []byte{0x04, 0x1d, 0x31, 0xa5, 0x8d, 0xc1}, 1)
	huge = bytes.Replace(huge, []byte{0x38, 0x76, 0x02, 0x02, 0x27, 0x10}, []byte{0x02, 0x05, 0x00, 0xff, 0xff, 0xff, 0xff}[:6], 1)
	_, err = keystore.Open(huge, "password")
	require.Error(t, err)
}

func FuzzOpen(f *testing.F) {
	if dir := os.Getenv("MIST_CORPUS"); dir != "" {
		for _, s := range samples {
			if b, err := os.ReadFile(filepath.Join(dir, "ua/keys", s.file)); err == nil {
				f.Add(b, s.password)
			}
		}
	}
	f.Add([]byte{0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2, 0, 0, 0, 0}, "x")
	f.Fuzz(func(t *testing.T, b []byte, password string) {
		if c, err := keystore.Open(b, password); err == nil {
			require.NotEmpty(t, c.Keys)
		}
	})
}
