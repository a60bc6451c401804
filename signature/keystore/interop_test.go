//go:build interop

package keystore_test

import (
	"crypto/rand"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/signature/cert"
	"mist/signature/keystore"
	"mist/signature/pki"
	"mist/signature/sign"
)

// Containers as openssl and keytool write them for RSA and ECDSA keys.
func TestContainersOfOpenSSL(t *testing.T) {
	dir := t.TempDir()
	at := func(n string) string { return filepath.Join(dir, n) }
	now := time.Now()
	for _, kind := range []string{sign.KindRSA2048, sign.KindP256} {
		key, err := sign.GenerateKey(kind, rand.Reader)
		require.NoError(t, err)
		c, err := pki.Issue(pki.Template{Profile: pki.Root, Subject: pki.Subject{CommonName: "Вигаданий підписувач"}, NotBefore: now, NotAfter: now.AddDate(1, 0, 0)}, key, nil, rand.Reader)
		require.NoError(t, err)
		p, err := key.PEM()
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(at("key.pem"), p, 0o600))
		require.NoError(t, os.WriteFile(at("cert.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}), 0o600))
		const password = "пароль з пробілом"
		for name, args := range map[string][]string{
			"pkcs12 by default":     {"pkcs12", "-export", "-inkey", at("key.pem"), "-in", at("cert.pem"), "-name", "ключ", "-passout", "pass:" + password, "-out", at("out")},
			"pkcs12 with 3DES":      {"pkcs12", "-export", "-inkey", at("key.pem"), "-in", at("cert.pem"), "-keypbe", "PBE-SHA1-3DES", "-certpbe", "PBE-SHA1-3DES", "-macalg", "sha1", "-passout", "pass:" + password, "-out", at("out")},
			"pkcs12, certs plain":   {"pkcs12", "-export", "-inkey", at("key.pem"), "-in", at("cert.pem"), "-certpbe", "NONE", "-passout", "pass:" + password, "-out", at("out")},
			"pkcs8 with AES-128":    {"pkcs8", "-topk8", "-in", at("key.pem"), "-v2", "aes-128-cbc", "-v2prf", "hmacWithSHA512", "-passout", "pass:" + password, "-out", at("out")},
			"pkcs8 DER with AES256": {"pkcs8", "-topk8", "-in", at("key.pem"), "-outform", "DER", "-passout", "pass:" + password, "-out", at("out")},
		} {
			t.Run(kind+"/"+name, func(t *testing.T) {
				out, err := exec.Command("openssl", args...).CombinedOutput()
				require.NoError(t, err, string(out))
				b, err := os.ReadFile(at("out"))
				require.NoError(t, err)
				keys, certs, err := sign.OpenContainer(b, password)
				require.NoError(t, err)
				require.Len(t, keys, 1)
				require.NoError(t, keys[0].Fits(c, rand.Reader))
				for _, der := range certs {
					x, err := cert.Parse(der)
					require.NoError(t, err)
					require.Equal(t, c.ID, x.ID)
				}
				_, err = keystore.Open(b, "інший")
				require.ErrorIs(t, err, keystore.ErrPassword)
			})
		}
	}
}
