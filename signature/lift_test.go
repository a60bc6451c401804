package signature_test

import (
	"bytes"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/signature"
	"mist/signature/algo"
	"mist/signature/facts"
	"mist/signature/pki"
	"mist/signature/sign"
)

// lifted is one way of carrying a signature, and what of it a stamp must protect.
type lifted struct {
	level   string // of the archived form
	beside  map[string]facts.Source
	make    func(w *world, o sign.Options) []byte
	changed func([]byte) []byte // something that a stamp covers
}

var clinical = []byte(`<act xmlns="urn:test"><patient>0001</patient></act>`)

func liftedForms() map[string]lifted {
	signer := func(w *world) sign.Signer {
		return sign.Signer{Key: w.human.Key, Certificate: w.human.Certificate.Raw}
	}
	files := []sign.DataObject{{Name: "акт.json", MediaType: "application/json", Content: facts.Bytes(content)}}
	container := func(extended, xml bool) func(w *world, o sign.Options) []byte {
		return func(w *world, o sign.Options) []byte {
			var b bytes.Buffer
			require.NoError(w.t, sign.ASiC(w.t.Context(), &b, signer(w), sign.ASiCOptions{Extended: extended, XAdES: xml, XAdESOptions: sign.XAdESOptions{Options: o}}, files...))
			return b.Bytes()
		}
	}
	swap := func(old, now string) func([]byte) []byte {
		return func(b []byte) []byte { return bytes.Replace(b, []byte(old), []byte(now), 1) }
	}
	return map[string]lifted{
		"xades enveloped": {level: "XAdES-BASELINE-LTA", changed: swap("0001", "0002"), make: func(w *world, o sign.Options) []byte {
			b, err := sign.XAdESEnveloped(w.t.Context(), signer(w), clinical, sign.XAdESOptions{Options: o})
			require.NoError(w.t, err)
			return b
		}},
		"xades enveloped by filter": {level: "XAdES-BASELINE-LTA", changed: swap("0001", "0002"), make: func(w *world, o sign.Options) []byte {
			b, err := sign.XAdESEnveloped(w.t.Context(), signer(w), clinical, sign.XAdESOptions{Options: o, XPathFilter: true})
			require.NoError(w.t, err)
			return b
		}},
		"xades enveloping": {level: "XAdES-BASELINE-LTA", changed: swap("eyJkZWNs", "eyJkZWNt"), make: func(w *world, o sign.Options) []byte {
			b, err := sign.XAdESEnveloping(w.t.Context(), signer(w), content, "application/json", sign.XAdESOptions{Options: o})
			require.NoError(w.t, err)
			return b
		}},
		"xades detached": {level: "XAdES-BASELINE-LTA", beside: map[string]facts.Source{"акт.json": facts.Bytes(content)}, changed: swap("EncapsulatedOCSPValue>MI", "EncapsulatedOCSPValue>MJ"), make: func(w *world, o sign.Options) []byte {
			b, err := sign.XAdESDetached(w.t.Context(), signer(w), sign.XAdESOptions{Options: o}, files...)
			require.NoError(w.t, err)
			return b
		}},
		"cades":        {level: "CAdES-BASELINE-LTA", make: func(w *world, o sign.Options) []byte { return w.sign(w.human, o) }, changed: swap("зміст", "Зміст")},
		"asic-s cades": {level: "CAdES-BASELINE-LTA", make: container(false, false)},
		"asic-e cades": {level: "CAdES-BASELINE-LTA", make: container(true, false)},
		"asic-s xades": {level: "XAdES-BASELINE-LTA", make: container(false, true)},
		"asic-e xades": {level: "XAdES-BASELINE-LTA", make: container(true, true)},
	}
}

// at judges a document at a time when nobody answers any more.
func (w *world) at(when time.Time, doc []byte, beside map[string]facts.Source) *signature.Result {
	today := w.now
	w.now, w.down = when, true
	defer func() { w.now, w.down = today, false }()
	return w.verifyIn(signature.Input{Document: facts.Bytes(doc), Content: beside}, w.snapshot(), "default")
}

// lift brings a signature of level B to LTA in the three steps of mist-verify
// extend, checking each.
func (w *world) lift(form lifted, doc []byte, by pki.Issuer) (lt, lta []byte) {
	t := w.t
	l := sign.Lift{TSA: w.stamper(w.tsa, w.stampAt), Digest: w.human.Key.Digest(), Random: rand.Reader}
	doc, err := l.Stamp(t.Context(), doc, form.beside)
	require.NoError(t, err)
	again, err := l.Stamp(t.Context(), doc, form.beside)
	require.NoError(t, err)
	require.Equal(t, w.verifyLifted(doc, form).Facts.Timestamps, w.verifyLifted(again, form).Facts.Timestamps, "stamped once")
	r := w.verifyLifted(doc, form)
	expect(t, r, ok, "", "")
	require.True(t, strings.HasSuffix(r.Signatures[0].Level, "-BASELINE-T"), r.Signatures[0].Level)
	certs, crls, ocsps := signature.Material(r.Facts)
	lt, err = l.Material(t.Context(), doc, sign.Material{Certificates: certs, CRLs: crls, OCSPs: ocsps})
	require.NoError(t, err)
	r = w.verifyLifted(lt, form)
	expect(t, r, ok, "", "")
	require.True(t, strings.HasSuffix(r.Signatures[0].Level, "-BASELINE-LT"), r.Signatures[0].Level)
	return lt, w.archive(form, lt, by, w.now)
}

func (w *world) archive(form lifted, doc []byte, by pki.Issuer, at time.Time) []byte {
	l := sign.Lift{TSA: w.stamper(by, at), Digest: w.human.Key.Digest(), Random: rand.Reader}
	out, err := l.Archive(w.t.Context(), doc, form.beside)
	require.NoError(w.t, err)
	return out
}

func (w *world) verifyLifted(doc []byte, form lifted) *signature.Result {
	return w.verifyIn(signature.Input{Document: facts.Bytes(doc), Content: form.beside}, w.snapshot(), "default")
}

// Every form of signature lives on: three years later, with all certificates of
// the signature expired and nobody to ask, it passes with its archive time-stamp
// and not without; twelve years later with a second one, made with the first one's
// own material in it. What a stamp covers and is changed is noticed.
func TestLiftedSignaturesLast(t *testing.T) {
	for name, form := range liftedForms() {
		for _, kind := range []string{sign.KindDSTU257, sign.KindP256} {
			if kind == sign.KindDSTU257 && strings.HasPrefix(name, "xades en") {
				continue // both keys meet every reader in the other forms
			}
			t.Run(name+" "+kind, func(t *testing.T) {
				w := newWorld(t, kind)
				o := w.options()
				o.TSA = nil
				keeper := w.unit(w.now.AddDate(8, 0, 0))
				lt, lta := w.lift(form, form.make(w, o), keeper)
				later := w.now.AddDate(3, 0, 0)

				r := w.at(later, lta, form.beside)
				expect(t, r, ok, "", "")
				require.Equal(t, form.level, r.Signatures[0].Level)
				require.Equal(t, w.stampAt, *r.Signatures[0].BestSignatureTime)
				require.Equal(t, ind, w.at(later, lt, form.beside).Signatures[0].Indication)

				// Again, before the first unit ends: with what proves the first stamp inside.
				certs, crls, ocsps := signature.Material(r.Facts)
				l := sign.Lift{Digest: algo.SHA256, Random: rand.Reader}
				with, err := l.Material(t.Context(), lta, sign.Material{Certificates: certs, CRLs: crls, OCSPs: ocsps})
				require.NoError(t, err)
				second := w.archive(form, with, w.unit(w.now.AddDate(20, 0, 0)), w.now.Add(time.Hour))
				expect(t, w.at(w.now.AddDate(12, 0, 0), second, form.beside), ok, "", "")
				require.Equal(t, ind, w.at(w.now.AddDate(12, 0, 0), lta, form.beside).Signatures[0].Indication)
				third := w.archive(form, second, w.unit(w.now.AddDate(40, 0, 0)), w.now.Add(2*time.Hour))
				expect(t, w.at(w.now.AddDate(30, 0, 0), third, form.beside), ok, "", "")

				if form.changed != nil {
					changed := form.changed(lta)
					require.NotEqual(t, lta, changed)
					require.NotEqual(t, ok, w.at(later, changed, form.beside).Indication)
				}
				// The stamp alone, over what was there before the revocation data: it proves too little.
				bare := w.archive(form, form.make(w, w.options()), keeper, w.now)
				require.NotEqual(t, ok, w.at(later, bare, form.beside).Indication)
			})
		}
	}
}
