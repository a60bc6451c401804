package signature_test

import (
	"context"
	"crypto/rand"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/signature"
	"mist/signature/cms"
	"mist/signature/facts"
	"mist/signature/pki"
	"mist/signature/sign"
	"mist/signature/trust"
)

// FuzzVerify drives the whole verifier: no input may crash it, and nothing
// but the signed content may come out as signed.
func FuzzVerify(f *testing.F) {
	w := newWorld(&testing.T{}, sign.KindP256)
	f.Add(w.sign(w.human, w.options()))
	f.Add(w.sign(w.human, sign.Options{Detached: true, Time: w.stampAt}))
	archived, err := sign.Archive(context.Background(), w.longTerm(false), nil, w.stamper(w.tsa, w.now), w.human.Key.Digest(), rand.Reader)
	require.NoError(f, err)
	f.Add(archived)
	f.Add(transport("UA1_SIGN", w.sign(w.human, w.options())))
	f.Add([]byte("<a/>"))
	f.Add([]byte("PK\x03\x04"))
	v := verifier(f, w.snapshot())
	p := policy(f, "archive-test")
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := v.Verify(context.Background(), signature.Input{Document: facts.Bytes(b), Time: w.now}, p)
		if err != nil {
			return
		}
		if got, _, err := r.MustBePassed(); err == nil {
			body, err := got.Bytes()
			require.NoError(t, err)
			require.Equal(t, content, body)
		}
	})
}

func FuzzCMS(f *testing.F) {
	w := newWorld(&testing.T{}, sign.KindP256)
	f.Add(w.sign(w.human, w.options()))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := cms.Parse(b)
		if err != nil {
			return
		}
		for _, s := range m.Signers {
			s.Scheme()
			s.Identify(nil, nil)
			s.MessageDigest()
		}
	})
}

func FuzzToken(f *testing.F) {
	w := newWorld(&testing.T{}, sign.KindP256)
	m, err := cms.Parse(w.sign(w.human, w.options()))
	require.NoError(f, err)
	f.Add(cms.Values(m.Signers[0].Unsigned, cms.AttrSignatureTimestamp)[0].Full)
	f.Fuzz(func(t *testing.T, b []byte) { _, _ = cms.ParseToken(b) })
}

func FuzzOCSP(f *testing.F) {
	w := newWorld(&testing.T{}, sign.KindP256)
	b, err := w.OCSP(context.Background(), "", trust.OCSPRequest(w.human.Certificate, w.ca.Certificate, nil))
	require.NoError(f, err)
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		o, err := trust.ParseOCSP(b)
		if err != nil {
			return
		}
		for _, a := range o.Answers {
			a.Matches(w.human.Certificate, w.ca.Certificate)
			a.CertHashMatch(w.human.Certificate)
		}
		o.RespondedBy(w.ocsp.Certificate)
	})
}

func FuzzCRL(f *testing.F) {
	w := newWorld(&testing.T{}, sign.KindP256)
	b, err := pki.IssueCRL(pki.CRL{Number: 1, DeltaBase: 1, ThisUpdate: w.now, NextUpdate: w.now, Revoked: []pki.Revocation{{Serial: w.human.Certificate.Serial, At: w.now}}}, w.ca, rand.Reader)
	require.NoError(f, err)
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := trust.ParseCRL(b)
		if err != nil {
			return
		}
		l.Lookup(w.human.Certificate.SerialRaw)
		l.Covers(w.human.Certificate)
	})
}

func FuzzPolicy(f *testing.F) {
	f.Add([]byte(`{"id":"x","version":"1","extends":"act","rules":{"signature":{"FullScope":"FAIL"}}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, err := signature.ParsePolicy(b); err == nil {
			require.NotEmpty(t, p.Ref().Digest)
		}
	})
}
