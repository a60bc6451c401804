package signature_test

import (
	"bytes"
	"crypto/rand"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/signature"
	"mist/signature/cert"
	"mist/signature/facts"
	"mist/signature/pki"
	"mist/signature/trust"
)

// Only the lack of an answer lets a document wait; each wrong one has its twin
// that waits.
func TestAwaitingStatus(t *testing.T) {
	worlds(t, func(t *testing.T, w *world) {
		doc := w.sign(w.human, w.options())
		passed := w.verify(doc, "act")
		expect(t, passed, signature.TotalPassed, "", "")
		none, err := passed.AwaitingStatus()
		require.NoError(t, err)
		require.Nil(t, none, "what passed does not wait")

		w.down = true
		dark := w.verify(doc, "act")
		require.Equal(t, signature.Indeterminate, dark.Indication)
		_, _, err = dark.MustBePassed()
		require.Error(t, err)
		waits, err := dark.AwaitingStatus()
		require.NoError(t, err)
		require.NotNil(t, waits)
		require.Equal(t, "act+awaiting-status", waits.Report.Policy.ID)
		require.NotEqual(t, dark.Report.Policy.Digest, waits.Report.Policy.Digest)
		require.Equal(t, dark.Report.Facts, waits.Report.Facts)
		signed, who, err := waits.MustBePassed()
		require.NoError(t, err)
		require.Equal(t, doctorRNOKPP, who.RNOKPP)
		got, err := signed.Bytes()
		require.NoError(t, err)
		require.Equal(t, content, got)
		// The first result is what it was.
		require.Equal(t, signature.Indeterminate, dark.Indication)

		// A recent list is no answer of now, and a time-stamp makes none of it.
		der, err := pki.IssueCRL(pki.CRL{Number: 1, ThisUpdate: w.now.Add(-time.Hour), NextUpdate: w.now.Add(24 * time.Hour)}, w.ca, rand.Reader)
		require.NoError(t, err)
		recent, err := trust.ParseCRL(der)
		require.NoError(t, err)
		s := w.snapshot()
		listed := trust.NewSnapshot("listed", s.Anchors(), []*cert.Certificate{w.ca.Certificate, w.tsa.Certificate}, append(s.CRLs(), recent))
		dark = w.verifyIn(signature.Input{Document: facts.Bytes(doc)}, listed, "act-person")
		expect(t, dark, signature.Indeterminate, signature.TryLater, "ONLINE_STATUS")
		waits, err = dark.AwaitingStatus()
		require.NoError(t, err)
		require.NotNil(t, waits)

		refuses := func(what string, r *signature.Result) {
			t.Helper()
			none, err := r.AwaitingStatus()
			require.NoError(t, err)
			require.Nil(t, none, what)
		}
		broken := bytes.Replace(doc, content[:8], append([]byte{content[0] ^ 1}, content[1:8]...), 1)
		refuses("a broken signature", w.verify(broken, "act"))
		with := func(l *trust.CRL) *trust.Snapshot {
			s := w.snapshot()
			return trust.NewSnapshot("listed", s.Anchors(), []*cert.Certificate{w.ca.Certificate, w.tsa.Certificate}, append(s.CRLs(), l))
		}
		// A list that is there and says "revoked" is an answer, old as it may be.
		revoked := w.crl(1, 0, w.now.Add(-72*time.Hour), w.now.Add(-80*time.Hour), 1)
		refuses("listed as revoked", w.verifyIn(signature.Input{Document: facts.Bytes(doc)}, with(revoked), "act"))
		w.down = false
		w.unknown = true
		refuses("unknown to its issuer", w.verify(doc, "act"))
		w.unknown = false
		w.revoked[w.human.Certificate.Serial.String()] = w.now.Add(-24 * time.Hour)
		refuses("revoked", w.verify(doc, "act"))
	})
}
