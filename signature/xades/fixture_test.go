package xades_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/signature"
	"mist/signature/cert"
	"mist/signature/facts"
	"mist/signature/pki"
	"mist/signature/sign"
	"mist/signature/trust"
	"mist/signature/xades"
	"mist/signature/xmldom"
	"mist/signature/xmldsig"
)

// workshop signs any template, also ones no honest producer makes.
type workshop struct {
	kind     string
	key      *sign.Key
	cert     *cert.Certificate
	verifier *signature.Verifier
	policy   signature.Policy
	now      time.Time
}

func newWorkshop(t testing.TB, kind string) *workshop {
	t.Helper()
	w := &workshop{kind: kind, now: time.Now().Truncate(time.Second)}
	issue := func(p pki.Profile, name string, by *pki.Issuer) pki.Issuer {
		key, err := sign.GenerateKey(kind, rand.Reader)
		require.NoError(t, err)
		c, err := pki.Issue(pki.Template{Profile: p, Subject: pki.Subject{CommonName: name}, NotBefore: w.now.Add(-time.Hour), NotAfter: w.now.Add(time.Hour)}, key, by, rand.Reader)
		require.NoError(t, err)
		return pki.Issuer{Certificate: c, Key: key}
	}
	root := issue(pki.Root, "Корінь", nil)
	doctor := issue(pki.Person, "Зразкова Марія", &root)
	w.key, w.cert = doctor.Key, doctor.Certificate
	anchor := trust.Anchor{Certificate: root.Certificate, Trust: []facts.Trust{{Source: "test", Purposes: []string{facts.PurposeSigner, facts.PurposeTSA}}}}
	var err error
	w.verifier, err = signature.NewVerifier(signature.Config{Trust: trust.Fixed(trust.NewSnapshot("test", []trust.Anchor{anchor}, nil, nil))})
	require.NoError(t, err)
	w.policy, err = signature.NamedPolicy("archive-test")
	require.NoError(t, err)
	return w
}

func (w *workshop) methodURI() string {
	if w.kind == sign.KindP256 {
		return "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"
	}
	return "http://www.w3.org/2001/04/xmldsig-more#dstu4145-gost34311"
}

const (
	excC14N    = `<ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/>`
	enveloped  = `<ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/>`
	payloadRef = `#p1`
)

// ref writes a Reference with the digest marker {n}.
func (w *workshop) ref(n int, attributes, transforms string) string {
	if transforms != "" {
		transforms = `<ds:Transforms>` + transforms + `</ds:Transforms>`
	}
	return fmt.Sprintf(`<ds:Reference %s>%s<ds:DigestMethod Algorithm="%s"/><ds:DigestValue>{%d}</ds:DigestValue></ds:Reference>`,
		attributes, transforms, w.key.Digest().URI(), n)
}

func (w *workshop) propertiesRef(n int) string {
	return w.ref(n, `Type="`+xades.TypeSignedProperties+`" URI="#s-props"`, excC14N)
}

// signature writes a ds:Signature template around references; objects follow the one with the properties.
func (w *workshop) signature(refs, objects string) string {
	d := w.key.Digest()
	return `<ds:Signature xmlns:ds="` + xmldsig.Namespace + `" Id="s"><ds:SignedInfo><ds:CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/>` +
		`<ds:SignatureMethod Algorithm="` + w.methodURI() + `"/>` + refs + `</ds:SignedInfo><ds:SignatureValue Id="s-value">{value}</ds:SignatureValue>` +
		`<ds:KeyInfo><ds:X509Data><ds:X509Certificate>` + xmldsig.Base64(w.cert.Raw) + `</ds:X509Certificate></ds:X509Data></ds:KeyInfo>` +
		`<ds:Object><xades:QualifyingProperties xmlns:xades="` + xades.NS132 + `" Target="#s"><xades:SignedProperties Id="s-props"><xades:SignedSignatureProperties>` +
		`<xades:SigningTime>` + w.now.UTC().Format(time.RFC3339) + `</xades:SigningTime><xades:SigningCertificateV2><xades:Cert><xades:CertDigest><ds:DigestMethod Algorithm="` + d.URI() +
		`"/><ds:DigestValue>` + xmldsig.Base64(d.Sum(w.cert.Raw)) + `</ds:DigestValue></xades:CertDigest></xades:Cert></xades:SigningCertificateV2></xades:SignedSignatureProperties>` +
		`</xades:SignedProperties></xades:QualifyingProperties></ds:Object>` + objects + `</ds:Signature>`
}

// fill computes digests and the signature value of a template. A reference that cannot be processed keeps a digest of
// zeros: the signature over it is good all the same.
func (w *workshop) fill(t testing.TB, template string, references int) string {
	t.Helper()
	d := w.key.Digest()
	zeros := xmldsig.Base64(make([]byte, d.New(nil).Size()))
	parse := func(s string) (*xmldom.Document, *xmldsig.Signature) {
		s = strings.ReplaceAll(s, "{value}", zeros)
		for i := range references {
			s = strings.ReplaceAll(s, fmt.Sprintf("{%d}", i), zeros)
		}
		doc, err := xmldom.Parse([]byte(s), xmldom.Limits{})
		require.NoError(t, err)
		element, n := doc.ByID("s")
		require.Equal(t, 1, n)
		sig, err := xmldsig.Parse(element, 100_000)
		require.NoError(t, err)
		return doc, sig
	}
	doc, sig := parse(template)
	p := &xmldsig.Processor{Doc: doc, Limit: 1 << 20, Budget: xmldsig.NewBudget(1<<40, 1<<30)}
	for i := range min(references, len(sig.References)) {
		value := zeros
		if sum, err := p.Sum(sig, &sig.References[i]); err == nil {
			value = xmldsig.Base64(sum)
		}
		template = strings.ReplaceAll(template, fmt.Sprintf("{%d}", i), value)
	}
	_, sig = parse(template)
	message, err := sig.CanonicalSignedInfo(nil)
	require.NoError(t, err)
	return strings.ReplaceAll(template, "{value}", xmldsig.Base64(w.value(t, message)))
}

func (w *workshop) value(t testing.TB, message []byte) []byte {
	t.Helper()
	value, err := w.key.Sign(rand.Reader, message)
	require.NoError(t, err)
	return value // the DER form of ECDSA is accepted beside r || s
}

func (w *workshop) verify(t testing.TB, document string, content map[string]facts.Source) *signature.Result {
	t.Helper()
	r, err := w.verifier.Verify(context.Background(), signature.Input{Document: facts.Bytes([]byte(document)), Content: content}, w.policy)
	require.NoError(t, err)
	return r
}

// read returns what the application would read: the octets of the first passed signature.
func read(t testing.TB, r *signature.Result) string {
	t.Helper()
	for i := range r.Signatures {
		signed, err := r.Signatures[i].Signed()
		if err != nil {
			continue
		}
		var all strings.Builder
		for _, s := range signed {
			rc, err := s.Open()
			require.NoError(t, err)
			b, err := io.ReadAll(rc)
			require.NoError(t, err)
			all.Write(b)
		}
		return all.String()
	}
	return ""
}
