//go:build interop

package signature_test

import (
	"archive/zip"
	"bytes"
	"encoding/pem"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/signature/sign"
)

// What we lift, others still take: xmlsec1 the XML signatures, openssl the CMS ones, in containers too, and the
// time-stamp over an archive manifest. Each is refused with what it covers changed.
func TestOthersAcceptWhatWeExtend(t *testing.T) {
	w := newWorld(t, sign.KindP256)
	dir := t.TempDir()
	file := func(name string, b []byte) string {
		p := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(p, b, 0o600))
		return p
	}
	tool := func(args ...string) error {
		if _, err := exec.LookPath(args[0]); err != nil {
			t.Skip(args[0] + " is absent")
		}
		out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
		t.Logf("%v: %s", args[:3], out)
		return err
	}
	certificate := func(der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}) }
	ca := file("ca.pem", append(certificate(w.root.Certificate.Raw), certificate(w.ca.Certificate.Raw)...))
	spki, err := w.human.Key.PublicKey()
	require.NoError(t, err)
	public := file("human.pem", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: spki}))
	xml := func(b []byte) error {
		return tool("xmlsec1", "--verify", "--pubkey-pem", public, "--enabled-key-data", "rsa,ec",
			"--id-attr:Id", "http://uri.etsi.org/01903/v1.3.2#:SignedProperties", "--id-attr:Id", "http://www.w3.org/2000/09/xmldsig#:Object", file("signed.xml", b))
	}
	cms := func(b, content []byte) error {
		args := []string{"openssl", "cms", "-verify", "-cades", "-inform", "DER", "-CAfile", ca, "-purpose", "any", "-binary", "-ignore_critical", "-out", filepath.Join(dir, "out"), "-in", file("a.p7s", b)}
		if content != nil {
			args = append(args, "-content", file("content", content))
		}
		return tool(args...)
	}
	o := w.options()
	o.TSA = nil
	lta := map[string][]byte{}
	for name, form := range liftedForms() {
		_, lta[name] = w.lift(form, form.make(w, o), w.unit(w.now.AddDate(8, 0, 0)))
	}
	checked := 0
	for _, name := range []string{"xades enveloped", "xades enveloped by filter", "xades enveloping"} {
		require.NoError(t, xml(lta[name]), name)
		require.Error(t, xml(liftedForms()[name].changed(lta[name])), name)
		checked++
	}
	require.NoError(t, cms(lta["cades"], nil))
	require.Error(t, cms(liftedForms()["cades"].changed(lta["cades"]), nil))

	files := func(name string) map[string][]byte {
		z, err := zip.NewReader(bytes.NewReader(lta[name]), int64(len(lta[name])))
		require.NoError(t, err)
		out := map[string][]byte{}
		for _, f := range z.File {
			r, err := f.Open()
			require.NoError(t, err)
			out[f.Name], err = io.ReadAll(r)
			require.NoError(t, err)
		}
		return out
	}
	s := files("asic-s cades")
	require.NoError(t, cms(s["META-INF/signature.p7s"], s["акт.json"]))
	require.Error(t, cms(s["META-INF/signature.p7s"], []byte("інше")))
	e := files("asic-e cades")
	require.NoError(t, cms(e["META-INF/signature001.p7s"], e["META-INF/ASiCManifest001.xml"]))
	require.Error(t, cms(e["META-INF/signature001.p7s"], e["акт.json"]))
	stamp := func(manifest []byte) error {
		return tool("openssl", "ts", "-verify", "-token_in", "-in", file("t.tst", e["META-INF/timestamp001.tst"]), "-data", file("manifest", manifest), "-CAfile", ca)
	}
	manifest := e["META-INF/ASiCArchiveManifest.xml"]
	require.NoError(t, stamp(manifest))
	require.Error(t, stamp(append(bytes.Clone(manifest), ' ')))
	for _, entry := range []string{"META-INF/signature001.p7s", "META-INF/ASiCManifest001.xml", "%D0%B0%D0%BA%D1%82.json"} {
		require.True(t, strings.Contains(string(manifest), `URI="`+entry+`"`), entry)
	}
	require.Equal(t, 3, checked)
}
