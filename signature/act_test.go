package signature_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/signature"
	"mist/signature/facts"
)

// The unmutated twin of every attack: level B and level T pass under the
// policy for acts, with an OCSP answer fetched.
func TestActIsAccepted(t *testing.T) {
	worlds(t, func(t *testing.T, w *world) {
		r := w.verify(w.sign(w.human, w.options()), "act")
		expect(t, r, signature.TotalPassed, "", "")
		s := r.Signatures[0]
		require.Equal(t, "CAdES-BASELINE-T", s.Level)
		require.Equal(t, "FULL", s.Scope)
		require.Equal(t, w.stampAt, *s.BestSignatureTime)
		require.Equal(t, doctorRNOKPP, s.Signer.RNOKPP)
		require.Equal(t, clinicEDRPOU, s.Signer.EDRPOU)
		require.Equal(t, "19900101-00025", s.Signer.UNZR)
		require.True(t, s.Signer.Qualified)
		require.False(t, s.Signer.Seal)
		b, who, err := r.MustBePassed()
		require.NoError(t, err)
		require.Equal(t, s.Signer, who)
		got, err := b.Bytes()
		require.NoError(t, err)
		require.Equal(t, content, got)

		o := w.options()
		o.TSA = nil
		expect(t, w.verify(w.sign(w.human, o), "act"), signature.TotalPassed, "", "")
		o.Detached = true
		det := w.sign(w.human, o)
		expect(t, w.verifyIn(signature.Input{Document: facts.Bytes(det), Content: map[string]facts.Source{"": facts.Bytes(content)}}, w.snapshot(), "act"), signature.TotalPassed, "", "")
		require.Equal(t, signature.SignedDataNotFound, w.verify(det, "act").Signatures[0].SubIndication)
	})
}

func TestActDemandsOnlineStatus(t *testing.T) {
	worlds(t, func(t *testing.T, w *world) {
		doc := w.sign(w.human, w.options())
		w.down = true
		expect(t, w.verify(doc, "act"), signature.Indeterminate, signature.CertificateChainGeneralFailure, "")
		w.down = false
		w.revoked[w.human.Certificate.Serial.String()] = w.now.Add(-24 * time.Hour)
		r := w.verify(doc, "act")
		expect(t, r, signature.TotalFailed, signature.Revoked, "")
	})
}

func TestKindsOfSigner(t *testing.T) {
	p, err := signature.ParsePolicy([]byte(`{"id":"employee-only","version":"1","extends":"act","legalSource":"test",
		"rules":{"signature":{"SignerKind":{"level":"FAIL","values":["employee"]}}}}`))
	require.NoError(t, err)
	worlds(t, func(t *testing.T, w *world) {
		verify := func(b []byte) *signature.Result {
			r, err := w.verifier(w.snapshot()).Verify(t.Context(), signature.Input{Document: facts.Bytes(b)}, p)
			require.NoError(t, err)
			return r
		}
		expect(t, verify(w.sign(w.human, w.options())), signature.TotalPassed, "", "")
		private := w.person()
		private.Subject.Organization, private.Subject.EDRPOU = "", ""
		personal := w.issue(private, &w.ca)
		expect(t, verify(w.sign(personal, w.options())), signature.Indeterminate, signature.SigConstraintsFailure, "SIGNER_KIND")
	})
}
