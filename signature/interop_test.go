//go:build interop

package signature_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/signature"
	"mist/signature/facts"
	"mist/signature/trust"
)

// Foreign signatures: everything `openssl cms -sign` makes, attached and
// detached, by issuer and by key identifier, with PSS, streamed as BER.
func TestWeAcceptWhatOpenSSLSigns(t *testing.T) {
	dir := t.TempDir()
	at := func(n string) string { return filepath.Join(dir, n) }
	openssl := func(args ...string) {
		t.Helper()
		out, err := exec.Command("openssl", args...).CombinedOutput()
		require.NoError(t, err, "%v: %s", args, out)
	}
	require.NoError(t, os.WriteFile(at("content"), content, 0o644))
	require.NoError(t, os.WriteFile(at("ext"), []byte("basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature,nonRepudiation\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"), 0o644))
	keys := map[string][]string{
		"rsa2048": {"-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"},
		"rsa3072": {"-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072"},
		"p256":    {"-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"},
		"p384":    {"-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"},
		"p521":    {"-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"},
		"bp256":   {"-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:brainpoolP256r1"},
		"bp384":   {"-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:brainpoolP384r1"},
		"bp512":   {"-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:brainpoolP512r1"},
	}
	variants := map[string][]string{
		"attached":   {"-nodetach"},
		"detached":   {},
		"keyid":      {"-nodetach", "-keyid"},
		"sha512":     {"-nodetach", "-md", "sha512"},
		"sha3-256":   {"-nodetach", "-md", "sha3-256"},
		"streamed":   {"-nodetach", "-stream", "-indef"},
		"pss":        {"-nodetach", "-keyopt", "rsa_padding_mode:pss"},
		"pss-salt20": {"-nodetach", "-keyopt", "rsa_padding_mode:pss", "-keyopt", "rsa_pss_saltlen:20"},
	}
	openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", at("ca.key"))
	require.NoError(t, os.Mkdir(at("trust"), 0o755))
	openssl("req", "-x509", "-new", "-key", at("ca.key"), "-subj", "/CN=OpenSSL root", "-days", "30", "-out", at("trust/ca.pem"),
		"-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
	n := 0
	for name, gen := range keys {
		openssl(append(append([]string{"genpkey"}, gen...), "-out", at(name+".key"))...)
		openssl("req", "-new", "-key", at(name+".key"), "-subj", "/CN=OpenSSL "+name, "-out", at(name+".csr"))
		openssl("x509", "-req", "-in", at(name+".csr"), "-CA", at("trust/ca.pem"), "-CAkey", at("ca.key"), "-CAcreateserial", "-days", "20", "-extfile", at("ext"), "-out", at(name+".pem"))
		snap, err := trust.LoadFolder(os.DirFS(at("trust")), "openssl")
		require.NoError(t, err)
		for v, extra := range variants {
			if name[0] != 'r' && (strings.HasPrefix(v, "pss") || v == "sha3-256") { // OpenSSL 3.0 signs neither with ECDSA
				continue
			}
			t.Run(name+" "+v, func(t *testing.T) {
				args := []string{"cms", "-sign", "-cades", "-binary", "-in", at("content"), "-signer", at(name + ".pem"), "-inkey", at(name + ".key"), "-outform", "DER", "-out", at("sig")}
				openssl(append(args, extra...)...)
				b, err := os.ReadFile(at("sig"))
				require.NoError(t, err)
				in := signature.Input{Document: facts.Bytes(b), Time: time.Now().Add(time.Second)}
				if v == "detached" {
					in.Content = map[string]facts.Source{"": facts.Bytes(content)}
				}
				r, err := verifier(t, snap).Verify(t.Context(), in, policy(t, "archive-test"))
				require.NoError(t, err)
				expect(t, r, signature.TotalPassed, "", "")
				body, _, err := r.MustBePassed()
				require.NoError(t, err)
				got, err := body.Bytes()
				require.NoError(t, err)
				require.Equal(t, content, got)
				n++
			})
		}
	}
	require.GreaterOrEqual(t, n, 40)
}
