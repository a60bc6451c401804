package xades_test

import (
	"context"
	"crypto/rand"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/signature/algo"
	"mist/signature/facts"
	"mist/signature/pki"
	"mist/signature/sign"
	"mist/signature/xades"
)

func FuzzRead(f *testing.F) {
	w := newWorkshop(f, sign.KindP256)
	for _, b := range bases(w) {
		f.Add([]byte(w.fill(f, b.template, b.refs)))
	}
	filter := `<ds:Transform Algorithm="http://www.w3.org/2002/06/xmldsig-filter2"><f:XPath xmlns:f="http://www.w3.org/2002/06/xmldsig-filter2" Filter="subtract">here()/ancestor::ds:Signature[1] | //*[local-name()='x' and not(@a='b')]</f:XPath></ds:Transform>`
	f.Add([]byte(w.fill(f, `<act>`+genuine+w.signature(w.ref(0, `URI=""`, filter+excC14N)+w.propertiesRef(1), "")+`</act>`, 2)))
	signed, err := sign.XAdESEnveloping(context.Background(), sign.Signer{Key: w.key, Certificate: w.cert.Raw}, []byte("вміст"), "text/plain", sign.XAdESOptions{Options: sign.Options{Time: w.now}})
	require.NoError(f, err)
	f.Add(signed)
	lift := sign.Lift{Digest: algo.SHA256, Random: rand.Reader, TSA: func(_ context.Context, request []byte) ([]byte, error) {
		q, err := pki.ParseStampRequest(request)
		if err != nil {
			return nil, err
		}
		token, err := pki.Stamp(q, pki.Issuer{Certificate: w.cert, Key: w.key}, w.now, rand.Reader)
		return pki.StampResponse(token), err
	}}
	for range 2 { // archived, and archived over that
		signed, err = lift.Archive(context.Background(), signed, nil)
		require.NoError(f, err)
		f.Add(signed)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		env := facts.Environment{
			Content: map[string]facts.Source{"": facts.Bytes([]byte("x"))},
			Limits:  facts.Limits{Document: 1 << 20, Hashed: 1 << 22, References: 32, Signatures: 8},
		}
		r, err := xades.Read(context.Background(), facts.Bytes(b), env)
		if err != nil {
			return
		}
		for _, s := range r.Signatures {
			require.NotEmpty(t, s.ID)
			require.Len(t, r.Octets[s.ID], len(s.Scopes))
		}
		for _, token := range r.Tokens {
			if token.Message != nil {
				_ = token.Message(io.Discard)
			}
		}
	})
}
