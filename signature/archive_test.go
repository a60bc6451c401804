package signature_test

import (
	"bytes"
	"crypto/rand"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/signature"
	"mist/signature/facts"
	"mist/signature/pki"
	"mist/signature/sign"
	"mist/signature/trust"
)

// longTerm is a signature with all material of level LT.
func (w *world) longTerm(detached bool) []byte {
	request := trust.OCSPRequest(w.human.Certificate, w.ca.Certificate, nil)
	answer, err := w.OCSP(w.t.Context(), "", request)
	require.NoError(w.t, err)
	list, err := pki.IssueCRL(pki.CRL{Number: 1, ThisUpdate: w.stampAt, NextUpdate: w.stampAt.AddDate(0, 0, 7)}, w.root, rand.Reader)
	require.NoError(w.t, err)
	o := w.options()
	o.CRLs, o.OCSPs, o.Detached = [][]byte{list}, [][]byte{answer}, detached
	b, err := sign.CAdES(w.t.Context(), sign.Signer{
		Key: w.human.Key, Certificate: w.human.Certificate.Raw, Chain: [][]byte{w.ca.Certificate.Raw, w.ocsp.Certificate.Raw, w.tsa.Certificate.Raw},
	}, facts.Bytes(content), o)
	require.NoError(w.t, err)
	return b
}

// unit is a time-stamp unit that outlives the signer's certificate.
func (w *world) unit(until time.Time) pki.Issuer {
	return w.issue(pki.Template{Profile: pki.TSA, Subject: pki.Subject{CommonName: "Архівна служба"}, NotBefore: w.now.AddDate(-1, 0, 0), NotAfter: until}, &w.root)
}

// Level LTA: years later, with every certificate of the signature expired, the
// archive time-stamp proves that signature and revocation data existed while
// they were good. Without it, with it over less, or with anything under it
// changed, nothing proves that.
func TestArchiveKeepsASignature(t *testing.T) {
	worlds(t, func(t *testing.T, w *world) {
		lt := w.longTerm(false)
		d := w.human.Key.Digest()
		keeper := w.unit(w.now.AddDate(8, 0, 0))
		archive := func(doc []byte, by pki.Issuer, at time.Time) []byte {
			out, err := sign.Archive(t.Context(), doc, nil, w.stamper(by, at), d, rand.Reader)
			require.NoError(t, err)
			return out
		}
		today := w.now
		later := w.now.AddDate(3, 0, 0)
		verifyAt := func(doc []byte, at time.Time) *signature.Result {
			w.now, w.down = at, true
			defer func() { w.now, w.down = today, false }()
			return w.verify(doc, "default")
		}
		lta := archive(lt, keeper, today)

		// Now both pass; years later only the archived one.
		for _, doc := range [][]byte{lt, lta} {
			expect(t, verifyAt(doc, today), ok, "", "")
		}
		r := verifyAt(lta, later)
		expect(t, r, ok, "", "")
		require.Equal(t, "CAdES-BASELINE-LTA", r.Signatures[0].Level)
		require.Equal(t, w.stampAt, *r.Signatures[0].BestSignatureTime)
		require.Len(t, r.Signatures[0].Timestamps, 2)
		for _, s := range r.Signatures[0].Timestamps {
			require.Equal(t, "ok", s.Imprint)
		}
		old := verifyAt(lt, later)
		require.Equal(t, ind, old.Signatures[0].Indication)
		require.Contains(t, []signature.SubIndication{signature.OutOfBoundsNoPOE, signature.OutOfBoundsNotRevoked, signature.RevocationOutOfBoundsNoPOE}, old.Signatures[0].SubIndication)

		// Once more, by a younger unit, before the first one ends.
		second := archive(lta, w.unit(w.now.AddDate(20, 0, 0)), today.Add(time.Hour))
		expect(t, verifyAt(second, w.now.AddDate(12, 0, 0)), ok, "", "")
		require.Equal(t, ind, verifyAt(lta, w.now.AddDate(12, 0, 0)).Signatures[0].Indication)

		// The revocation data was not there when the archive stamp was made.
		bare := w.sign(w.human, w.options())
		early := archive(bare, keeper, today)
		require.NotEqual(t, ok, verifyAt(early, later).Indication)

		// Something the stamp covers is changed or taken away.
		for name, doc := range map[string][]byte{
			"content":   bytes.Replace(lta, content[:20], append([]byte(`{"declaration":"9999`), content[20:20]...), 1),
			"a stamp's": stripAttribute(t, lta),
		} {
			require.NotEqual(t, lta, doc, name)
			require.NotEqual(t, ok, verifyAt(doc, later).Indication, name)
		}

		// Detached content, given and withheld.
		apart, err := sign.Archive(t.Context(), w.longTerm(true), facts.Bytes(content), w.stamper(keeper, today), d, rand.Reader)
		require.NoError(t, err)
		w.now, w.down = later, true
		in := signature.Input{Document: facts.Bytes(apart), Content: map[string]facts.Source{"": facts.Bytes(content)}}
		expect(t, w.verifyIn(in, w.snapshot(), "default"), ok, "", "")
		expect(t, w.verify(apart, "default"), ind, signature.SignedDataNotFound, "")
		in.Content[""] = facts.Bytes([]byte("інше"))
		expect(t, w.verifyIn(in, w.snapshot(), "default"), tf, signature.HashFailure, "")
		w.now, w.down = today, false
		_, err = sign.Archive(t.Context(), apart, nil, w.stamper(keeper, today), d, rand.Reader)
		require.Error(t, err, "the content is wanted")
	})
}
