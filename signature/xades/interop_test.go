//go:build interop

package xades_test

import (
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/signature/c14n"
	"mist/signature/facts"
	"mist/signature/pki"
	"mist/signature/sign"
	"mist/signature/xades"
)

func xmlsec1(t *testing.T, args ...string) (string, error) {
	t.Helper()
	if _, err := exec.LookPath("xmlsec1"); err != nil {
		t.Skip("xmlsec1 is absent")
	}
	out, err := exec.Command("xmlsec1", args...).CombinedOutput()
	return string(out), err
}

func spkiPEM(t *testing.T, k *sign.Key) []byte {
	t.Helper()
	der, err := k.PublicKey()
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// xmlsec1 accepts what we sign, every packaging and method it knows, and refuses it with one octet changed.
func TestXmlsec1AcceptsOurs(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, b []byte) string {
		p := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(p, b, 0o600))
		return p
	}
	document := []byte("<act xmlns=\"urn:mist:test\" xmlns:q=\"urn:q\"><!-- c --><b q:z=\"1\" a=\"2\">діагноз &amp; &#13;</b></act>")
	checked := 0
	for _, kind := range []string{sign.KindP256, sign.KindP384, sign.KindRSA2048} {
		key, err := sign.GenerateKey(kind, rand.Reader)
		require.NoError(t, err)
		c, err := pki.Issue(pki.Template{Profile: pki.Root, Subject: pki.Subject{CommonName: "Зразкова"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}, key, nil, rand.Reader)
		require.NoError(t, err)
		signer := sign.Signer{Key: key, Certificate: c.Raw}
		pub := file("key.pem", spkiPEM(t, key))
		verify := func(b []byte) (string, error) {
			return xmlsec1(t, "--verify", "--pubkey-pem", pub, "--enabled-key-data", "rsa,ec",
				"--id-attr:Id", "http://uri.etsi.org/01903/v1.3.2#:SignedProperties", "--id-attr:Id", "http://www.w3.org/2000/09/xmldsig#:Object", file("signed.xml", b))
		}
		for _, m := range []c14n.Method{c14n.Exclusive, c14n.ExclusiveWithComments, c14n.Inclusive10, c14n.Inclusive10WithComments, c14n.Inclusive11} {
			for _, filter := range []bool{false, true} {
				o := sign.XAdESOptions{Options: sign.Options{Time: time.Now()}, Canonicalization: m, XPathFilter: filter}
				enveloped, err := sign.XAdESEnveloped(t.Context(), signer, document, o)
				require.NoError(t, err)
				enveloping, err := sign.XAdESEnveloping(t.Context(), signer, document, "text/xml", o)
				require.NoError(t, err)
				for _, b := range [][]byte{enveloped, enveloping} {
					out, err := verify(b)
					require.NoError(t, err, "%s %s: %s", kind, m, out)
					require.Contains(t, out, "OK")
					broken := []byte(strings.Replace(string(b), "<xades:SigningTime>2", "<xades:SigningTime>3", 1))
					out, err = verify(broken)
					require.Error(t, err, out)
					checked += 2
				}
			}
		}
	}
	t.Logf("%d signatures checked by xmlsec1", checked)
}

// We accept what xmlsec1 signs.
func TestOursAcceptsXmlsec1(t *testing.T) {
	dir := t.TempDir()
	key := filepath.Join(dir, "key.pem")
	certificate := filepath.Join(dir, "cert.pem")
	methods := map[string][]string{
		"http://www.w3.org/2001/04/xmldsig-more#rsa-sha256":   {"-newkey", "rsa:2048"},
		"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384": {"-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"},
	}
	transforms := map[string]string{
		"enveloped":    `<Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/>`,
		"xpath":        `<Transform Algorithm="http://www.w3.org/TR/1999/REC-xpath-19991116"><XPath xmlns:d="http://www.w3.org/2000/09/xmldsig#">not(ancestor-or-self::d:Signature)</XPath></Transform>`,
		"filter":       `<Transform Algorithm="http://www.w3.org/2002/06/xmldsig-filter2"><f:XPath xmlns:f="http://www.w3.org/2002/06/xmldsig-filter2" Filter="subtract">here()/ancestor::d:Signature[1]</f:XPath></Transform>`,
		"filter chain": `<Transform Algorithm="http://www.w3.org/2002/06/xmldsig-filter2"><f:XPath xmlns:f="http://www.w3.org/2002/06/xmldsig-filter2" Filter="intersect">//*[local-name()='b' or starts-with(name(),'q:')]</f:XPath><f:XPath xmlns:f="http://www.w3.org/2002/06/xmldsig-filter2" Filter="subtract">/descendant::d:Signature | //c</f:XPath><f:XPath xmlns:f="http://www.w3.org/2002/06/xmldsig-filter2" Filter="union">/*/c/node()</f:XPath></Transform>`,
	}
	canonical := []c14n.Method{c14n.Inclusive10, c14n.Inclusive10WithComments, c14n.Inclusive11, c14n.Inclusive11WithComments, c14n.Exclusive, c14n.ExclusiveWithComments}
	signed := 0
	for method, args := range methods {
		out, err := exec.Command("openssl", append([]string{"req", "-x509", "-nodes", "-subj", "/CN=test", "-days", "2", "-keyout", key, "-out", certificate}, args...)...).CombinedOutput()
		require.NoError(t, err, string(out))
		for name, transform := range transforms {
			for _, si := range canonical {
				for _, m := range append(canonical, "") {
					last := ""
					if m != "" {
						last = fmt.Sprintf(`<Transform Algorithm="%s"/>`, m)
					}
					template := fmt.Sprintf("<?pi x?>\n<!-- before -->\n<a xmlns=\"urn:a\" xmlns:q=\"urn:q\" xml:lang=\"uk\" xml:base=\"http://x.example/y/\"><q:e z=\"&lt;\" q:y=\"&#9;\"/>t<b xml:base=\"../v\"><!-- c --><c xmlns=\"\" q:k=\"\">&#13;ї</c><?p  d?></b><c xmlns=\"\"><d/>u</c>"+
						`<Signature xmlns="http://www.w3.org/2000/09/xmldsig#" xmlns:d="http://www.w3.org/2000/09/xmldsig#"><SignedInfo><CanonicalizationMethod Algorithm="%s"/><SignatureMethod Algorithm="%s"/><Reference URI=""><Transforms>%s%s</Transforms><DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha512"/><DigestValue/></Reference></SignedInfo><SignatureValue/><KeyInfo><X509Data><X509Certificate/></X509Data></KeyInfo></Signature></a>`,
						si, method, transform, last)
					in := filepath.Join(dir, "template.xml")
					require.NoError(t, os.WriteFile(in, []byte(template), 0o600))
					made := filepath.Join(dir, "made.xml")
					text, err := xmlsec1(t, "--sign", "--privkey-pem", key+","+certificate, "--output", made, in)
					require.NoError(t, err, text)
					b, err := os.ReadFile(made)
					require.NoError(t, err)
					got, err := xades.Read(t.Context(), facts.Bytes(b), facts.Environment{})
					require.NoError(t, err)
					require.Equal(t, "intact", crypto(got), "%s %s %s %s: %v", method, name, si, m, got.Signatures[0].Problems)
					for i := range b {
						// The text of the signed part is where a changed octet must be noticed.
						if b[i] == 't' && b[i-1] == '>' && b[i+1] == '<' && !strings.Contains(name, "chain") {
							broken := append([]byte(nil), b...)
							broken[i] = 's'
							got, err := xades.Read(t.Context(), facts.Bytes(broken), facts.Environment{})
							require.NoError(t, err)
							require.Equal(t, "broken", crypto(got))
						}
					}
					signed++
				}
			}
		}
	}
	t.Logf("%d signatures by xmlsec1 accepted", signed)
}
