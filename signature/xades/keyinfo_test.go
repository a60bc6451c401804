package xades_test

import (
	"context"
	"crypto/rand"
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
)

// plain is an enveloped XML signature without properties around the given KeyInfo.
func (w *workshop) plain(t *testing.T, keyInfo string) string {
	s := w.signature(w.ref(0, `URI=""`, enveloped+excC14N), "")
	from, to := strings.Index(s, "<ds:KeyInfo>"), strings.Index(s, "</ds:Signature>")
	return w.fill(t, `<act><patient>1</patient>`+s[:from]+`<ds:KeyInfo>`+keyInfo+`</ds:KeyInfo>`+s[to:]+`</act>`, 1)
}

// A certificate that KeyInfo only names is found among those the verifier holds, and the signature value is then
// computed with its key. It stays a hint: without a signed reference to the certificate nothing passes.
func TestKeyInfoThatOnlyNames(t *testing.T) {
	w := newWorkshop(t, sign.KindP256)
	namesake := func() *cert.Certificate {
		key, err := sign.GenerateKey(sign.KindP256, rand.Reader)
		require.NoError(t, err)
		c, err := pki.Issue(pki.Template{Profile: pki.Person, Subject: pki.Subject{CommonName: "Зразкова Марія"}, NotBefore: w.now.Add(-time.Hour), NotAfter: w.now.Add(time.Hour)}, key, nil, rand.Reader)
		require.NoError(t, err)
		return c
	}
	held := func(known ...*cert.Certificate) *signature.Verifier {
		v, err := signature.NewVerifier(signature.Config{Trust: trust.Fixed(trust.NewSnapshot("test", nil, known, nil))})
		require.NoError(t, err)
		return v
	}
	issuerSerial := func(issuer, serial string) string {
		return `<ds:X509Data><ds:X509IssuerSerial><ds:X509IssuerName>` + issuer + `</ds:X509IssuerName><ds:X509SerialNumber>` + serial + `</ds:X509SerialNumber></ds:X509IssuerSerial></ds:X509Data>`
	}
	subject := `<ds:X509Data><ds:X509SubjectName>` + w.cert.Subject.String() + `</ds:X509SubjectName></ds:X509Data>`
	spki, err := w.key.PublicKey()
	require.NoError(t, err)
	for _, c := range []struct {
		name, keyInfo string
		known         []*cert.Certificate
		keys          map[string][]byte
		want          string
	}{
		{"subject", subject, []*cert.Certificate{w.cert}, nil, "intact"},
		{"subject, the certificate is not held", subject, nil, nil, "not-evaluable"},
		{"subject of two: the key decides", subject, []*cert.Certificate{namesake(), w.cert, namesake()}, nil, "intact"},
		{"subject of another", subject, []*cert.Certificate{namesake()}, nil, "broken"},
		{"issuer and serial", issuerSerial(w.cert.Issuer.String(), w.cert.Serial.String()), []*cert.Certificate{namesake(), w.cert}, nil, "intact"},
		{"serial of another issuer", issuerSerial("CN=Інший", w.cert.Serial.String()), []*cert.Certificate{w.cert}, nil, "not-evaluable"},
		{"serial that is none", issuerSerial(w.cert.Issuer.String(), "12x"), []*cert.Certificate{w.cert}, nil, "not-evaluable"},
		{"key name", `<ds:KeyName>doctor</ds:KeyName>`, nil, map[string][]byte{"doctor": spki}, "intact"},
		{"key name nobody gave", `<ds:KeyName>doctor</ds:KeyName>`, nil, map[string][]byte{"nurse": spki}, "not-evaluable"},
		{"key name of what is no key", `<ds:KeyName>doctor</ds:KeyName>`, nil, map[string][]byte{"doctor": {1}}, "not-evaluable"},
	} {
		r, err := held(c.known...).Verify(context.Background(), signature.Input{Document: facts.Bytes([]byte(w.plain(t, c.keyInfo))), Keys: c.keys}, w.policy)
		require.NoError(t, err, c.name)
		require.Equal(t, c.want, r.Signatures[0].Crypto, c.name)
		require.NotEqual(t, signature.TotalPassed, r.Indication, c.name)
	}
}
