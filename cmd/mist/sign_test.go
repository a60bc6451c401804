package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/fixtures/corpus"
	"mist/signature"
	"mist/signature/facts"
	"mist/signature/trust"
)

// A key container of others, opened with its password, signs under the
// certificate it belongs to; another certificate or password is refused before
// anything is written.
func TestSignWithAKeyContainer(t *testing.T) {
	keys, certs := corpus.Dir(t, "ua/keys"), corpus.Dir(t, "ua/certs")
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	require.NoError(t, os.WriteFile(at("in.json"), []byte(`{"x":"зміст"}`), 0o600))
	require.NoError(t, os.WriteFile(at("password"), []byte("testpassword\n"), 0o600))
	require.NoError(t, os.WriteFile(at("wrong"), []byte("wrongpassword\n"), 0o600))
	run := func(container, password, certificate string) error {
		c := signCommand{Key: filepath.Join(keys, container), PasswordFile: password, Cert: certificate, In: at("in.json"), Out: at("out.p7s")}
		_ = os.Remove(c.Out)
		return c.Run(env{ctx: context.Background(), stdout: io.Discard, stderr: io.Discard})
	}
	kep := filepath.Join(certs, "UAPKI__diia-test-kep-7775604.cer")
	seal := filepath.Join(certs, "UAPKI__diia-test-sign-7775603.cer")
	for _, certificate := range []string{kep, seal} {
		require.NoError(t, run("UAPKI__test-diia.p12", at("password"), certificate))
		b, err := os.ReadFile(at("out.p7s"))
		require.NoError(t, err)
		v, err := signature.NewVerifier(signature.Config{Trust: trust.Fixed(trust.NewSnapshot("none", nil, nil, nil))})
		require.NoError(t, err)
		p, err := signature.NamedPolicy("archive-test")
		require.NoError(t, err)
		r, err := v.Verify(t.Context(), signature.Input{Document: facts.Bytes(b)}, p)
		require.NoError(t, err)
		require.Equal(t, signature.CryptoIntact, r.Signatures[0].Crypto)
	}
	for name, c := range map[string]struct{ container, password, certificate, want string }{
		"wrong password":     {"UAPKI__test-diia.p12", at("wrong"), kep, "the password does not open"},
		"no password":        {"UAPKI__test-diia.p12", "", kep, "--password-file"},
		"another key's cert": {"dstu-engine__Key-6.dat", at("password"), kep, "the password does not open"},
		"no certificate":     {"UAPKI__test-diia.p12", at("password"), "", "give it with --cert"},
		"a stranger's cert":  {"UAPKI__test-diia.p12", at("password"), filepath.Join(certs, "jkurwa__SFS_1.cer"), "no private key"},
	} {
		err := run(c.container, c.password, c.certificate)
		require.ErrorContains(t, err, c.want, name)
		require.NoFileExists(t, at("out.p7s"))
	}
	t.Setenv("MIST_KEY_PASSWORD", "testpassword")
	require.NoError(t, run("UAPKI__test-diia.p12", "", kep))
}
