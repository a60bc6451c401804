package signature_test

import (
	"crypto/rand"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/signature"
	"mist/signature/facts"
	"mist/signature/pki"
	"mist/signature/sign"
	"mist/signature/trust"
)

// Stored facts judged again give the same digest; facts whose bytes were
// exchanged are noticed before.
func TestStoredFactsAreJudgedAgain(t *testing.T) {
	worlds(t, func(t *testing.T, w *world) {
		r := w.verify(w.sign(w.human, w.options()), "act")
		expect(t, r, ok, "", "")
		b, err := json.Marshal(r.Facts)
		require.NoError(t, err)
		var stored facts.Facts
		require.NoError(t, json.Unmarshal(b, &stored))
		require.NoError(t, stored.CheckIDs())
		again, err := signature.Judge(&stored, policy(t, "act"), r.Report.Time)
		require.NoError(t, err)
		require.Equal(t, r.Report.Digest(), again.Digest())

		other, err := signature.Judge(&stored, policy(t, "default"), r.Report.Time)
		require.NoError(t, err)
		require.NotEqual(t, r.Report.Digest(), other.Digest(), "another policy is another report")
		stored.Signatures[0].ClaimedSigningTime = nil
		other, err = signature.Judge(&stored, policy(t, "act"), r.Report.Time)
		require.NoError(t, err)
		require.NotEqual(t, r.Report.Digest(), other.Digest(), "other facts are another report")

		stored.Certificates[0].DER = stored.Certificates[1].DER
		require.Error(t, stored.CheckIDs())
	})
}

// Levels as the signing side makes them: B, extended to T, LT with everything
// inside so that nothing has to be asked.
func TestLevelsMade(t *testing.T) {
	worlds(t, func(t *testing.T, w *world) {
		plain := w.sign(w.human, sign.Options{Time: w.stampAt})
		require.Equal(t, "CAdES-BASELINE-B", w.verify(plain, "default").Signatures[0].Level)
		extended, err := sign.Extend(t.Context(), plain, w.stamper(w.tsa, w.stampAt), w.human.Key.Digest(), rand.Reader)
		require.NoError(t, err)
		r := w.verify(extended, "default")
		expect(t, r, ok, "", "")
		require.Equal(t, "CAdES-BASELINE-T", r.Signatures[0].Level)
		require.Equal(t, w.stampAt, *r.Signatures[0].BestSignatureTime)

		ocsp, err := w.OCSP(t.Context(), "", trust.OCSPRequest(w.human.Certificate, w.ca.Certificate, nil))
		require.NoError(t, err)
		crl, err := pki.IssueCRL(pki.CRL{Number: 1, ThisUpdate: w.now.Add(-time.Hour), NextUpdate: w.now.Add(time.Hour)}, w.root, rand.Reader)
		require.NoError(t, err)
		o := w.options()
		o.OCSPs, o.CRLs = [][]byte{ocsp}, [][]byte{crl}
		lt, err := sign.CAdES(t.Context(), sign.Signer{Key: w.human.Key, Certificate: w.human.Certificate.Raw,
			Chain: [][]byte{w.ca.Certificate.Raw, w.tsa.Certificate.Raw}}, facts.Bytes(content), o)
		require.NoError(t, err)
		w.down = true
		alone := trust.NewSnapshot("root", []trust.Anchor{{Certificate: w.root.Certificate, Trust: []facts.Trust{{Source: "root"}}}}, nil, nil)
		r = w.verifyIn(signature.Input{Document: facts.Bytes(lt)}, alone, "default")
		expect(t, r, ok, "", "")
		require.Equal(t, "CAdES-BASELINE-LT", r.Signatures[0].Level)
	})
}
