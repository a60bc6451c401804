package signature_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/signature"
	"mist/signature/facts"
	"mist/signature/sign"
)

// XAdES and ASiC through the whole verifier under the policy of acts, with
// time-stamps and an OCSP answer; the same with one octet of the content
// changed is refused.
func TestOtherFormatsAreAccepted(t *testing.T) {
	worlds(t, func(t *testing.T, w *world) {
		who := sign.Signer{Key: w.human.Key, Certificate: w.human.Certificate.Raw}
		text := []byte(`<?xml version="1.0" encoding="UTF-8"?><декларація><номер>0001</номер></декларація>`)
		xo := sign.XAdESOptions{Options: w.options()}

		enveloped, err := sign.XAdESEnveloped(t.Context(), who, text, xo)
		require.NoError(t, err)
		r := w.verify(enveloped, "act")
		expect(t, r, ok, "", "")
		require.Equal(t, facts.FormatXAdES, r.Format)
		require.Equal(t, "XAdES-BASELINE-T", r.Signatures[0].Level)
		require.Equal(t, w.stampAt, *r.Signatures[0].BestSignatureTime)
		body, signer, err := r.MustBePassed()
		require.NoError(t, err)
		require.Equal(t, doctorRNOKPP, signer.RNOKPP)
		got, err := body.Bytes()
		require.NoError(t, err)
		require.Contains(t, string(got), "<номер>0001</номер>")
		expect(t, w.verify(bytes.Replace(enveloped, []byte("0001"), []byte("0002"), 1), "act"), tf, signature.HashFailure, "")

		enveloping, err := sign.XAdESEnveloping(t.Context(), who, content, "application/json", xo)
		require.NoError(t, err)
		r = w.verify(enveloping, "act")
		expect(t, r, ok, "", "")
		body, _, err = r.MustBePassed()
		require.NoError(t, err)
		got, err = body.Bytes()
		require.NoError(t, err)
		require.Equal(t, content, got)

		detached, err := sign.XAdESDetached(t.Context(), who, xo, sign.DataObject{Name: "a.json", MediaType: "application/json", Content: facts.Bytes(content)})
		require.NoError(t, err)
		in := signature.Input{Document: facts.Bytes(detached), Content: map[string]facts.Source{"a.json": facts.Bytes(content)}}
		expect(t, w.verifyIn(in, w.snapshot(), "act"), ok, "", "")
		expect(t, w.verify(detached, "act"), ind, signature.SignedDataNotFound, "")

		for _, o := range asicVariants(w) {
			var z bytes.Buffer
			require.NoError(t, sign.ASiC(t.Context(), &z, who, o, sign.DataObject{Name: "a.json", MediaType: "application/json", Content: facts.Bytes(content)}))
			r = w.verify(z.Bytes(), "act")
			expect(t, r, ok, "", "")
			body, _, err = r.MustBePassed()
			require.NoError(t, err)
			got, err = body.Bytes()
			require.NoError(t, err)
			require.Equal(t, content, got)
		}
	})
}

func asicVariants(w *world) []sign.ASiCOptions {
	var out []sign.ASiCOptions
	for _, extended := range []bool{false, true} {
		for _, xades := range []bool{false, true} {
			out = append(out, sign.ASiCOptions{Extended: extended, XAdES: xades, XAdESOptions: sign.XAdESOptions{Options: w.options()}})
		}
	}
	return out
}
