package signature_test

import (
	"context"
	"crypto/rand"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/signature"
	"mist/signature/algo"
	"mist/signature/cms"
	"mist/signature/facts"
	"mist/signature/pki"
	"mist/signature/sign"
	"mist/signature/trust"
)

// FuzzVerify drives the whole verifier: no input may crash it, and nothing
// but the signed content may come out as signed.
func FuzzVerify(f *testing.F) {
	w := newWorld(f, sign.KindP256)
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
	w := newWorld(f, sign.KindP256)
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
	w := newWorld(f, sign.KindP256)
	m, err := cms.Parse(w.sign(w.human, w.options()))
	require.NoError(f, err)
	f.Add(cms.Values(m.Signers[0].Unsigned, cms.AttrSignatureTimestamp)[0].Full)
	f.Fuzz(func(t *testing.T, b []byte) { _, _ = cms.ParseToken(b) })
}

func FuzzOCSP(f *testing.F) {
	w := newWorld(f, sign.KindP256)
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
	w := newWorld(f, sign.KindP256)
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

// FuzzLift lifts whatever is no signature, half a signature or a container of them. A signature that was intact is
// intact in what comes out.
func FuzzLift(f *testing.F) {
	w := newWorld(f, sign.KindP256)
	o := w.options()
	for _, form := range liftedForms() {
		doc := form.make(w, o)
		f.Add(doc)
		f.Add(w.archive(form, doc, w.tsa, w.now))
	}
	tsa := w.stamper(w.tsa, w.now)
	v := w.verifier(w.snapshot())
	p := policy(f, "archive-test")
	intact := func(t *testing.T, b []byte) (n int) {
		r, err := v.Verify(t.Context(), signature.Input{Document: facts.Bytes(b)}, p)
		if err != nil {
			return 0
		}
		for _, s := range r.Signatures {
			if s.Crypto == signature.CryptoIntact && s.Parent == "" {
				n++
			}
		}
		return n
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 64<<10 {
			return
		}
		l := sign.Lift{TSA: tsa, Digest: algo.SHA256, Random: rand.Reader}
		stamped, err := l.Stamp(t.Context(), b, nil)
		if err != nil {
			stamped = b
		}
		with, err := l.Material(t.Context(), stamped, sign.Material{Certificates: [][]byte{w.ca.Certificate.Raw}})
		if err != nil {
			with = stamped
		}
		archived, err := l.Archive(t.Context(), with, nil)
		if err != nil {
			return
		}
		if intact(t, b) == 1 { // of several, one may cover another
			require.Equal(t, 1, intact(t, archived))
		}
	})
}
