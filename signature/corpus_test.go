package signature_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	outside "mist/fixtures/corpus"
	"mist/signature"
	"mist/signature/facts"
	"mist/signature/trust"
)

// corpusDir finds the shared test corpus; it skips when the folder is absent.
func corpusDir(t testing.TB, sub string) string {
	t.Helper()
	return outside.Dir(t, sub)
}

func uaTrust(t testing.TB) *trust.Snapshot {
	t.Helper()
	s, err := trust.LoadFolder(os.DirFS(corpusDir(t, "ua/certs")), "corpus")
	require.NoError(t, err)
	return s
}

func policy(t testing.TB, name string) signature.Policy {
	t.Helper()
	p, err := signature.NamedPolicy(name)
	require.NoError(t, err)
	return p
}

func verifier(t testing.TB, s *trust.Snapshot) *signature.Verifier {
	t.Helper()
	v, err := signature.NewVerifier(signature.Config{Trust: trust.Fixed(s)})
	require.NoError(t, err)
	return v
}

// The eHealth documents of 2017: content time-stamps, certificates expired
// since, no revocation data anywhere.
func TestCorpusEHealthDocuments(t *testing.T) {
	dir := corpusDir(t, "ua/cms")
	files, err := filepath.Glob(filepath.Join(dir, "ehealth.api__*.p7s"))
	require.NoError(t, err)
	require.Len(t, files, 3)
	v := verifier(t, uaTrust(t))
	ctx := context.Background()
	for _, f := range files {
		b, err := os.ReadFile(f)
		require.NoError(t, err)
		t.Run(filepath.Base(f), func(t *testing.T) {
			now, err := v.Verify(ctx, signature.Input{Document: facts.Bytes(b)}, policy(t, "default"))
			require.NoError(t, err)
			require.Len(t, now.Signatures, 1)
			s := now.Signatures[0]
			require.Equal(t, signature.Indeterminate, now.Indication, s.Reason)
			require.Equal(t, signature.OutOfBoundsNoPOE, s.SubIndication, s.Reason)
			require.Equal(t, signature.CryptoIntact, s.Crypto)
			require.Len(t, s.Timestamps, 1)
			require.Equal(t, "content", s.Timestamps[0].Type)
			require.Equal(t, "ok", s.Timestamps[0].Imprint)
			require.Equal(t, "ok", s.Timestamps[0].Token)
			require.NotEmpty(t, s.Signer.RNOKPP)
			_, _, err = now.MustBePassed()
			require.Error(t, err)

			then, err := v.Verify(ctx, signature.Input{Document: facts.Bytes(b), Time: s.Timestamps[0].Time}, policy(t, "archive-test"))
			require.NoError(t, err)
			s = then.Signatures[0]
			require.Equal(t, signature.TotalPassed, then.Indication, "%s %s", s.SubIndication, s.Reason)
			require.Contains(t, s.Warnings, "POLICY_ARCHIVE_TEST_NO_REVOCATION_DATA")
			content, _, err := then.MustBePassed()
			require.NoError(t, err)
			got, err := content.Bytes()
			require.NoError(t, err)
			require.NotEmpty(t, got)

			// Offline re-judgement from stored facts gives the same report.
			stored, err := json.Marshal(then.Facts)
			require.NoError(t, err)
			var again facts.Facts
			require.NoError(t, json.Unmarshal(stored, &again))
			rejudged, err := signature.Judge(&again, policy(t, "archive-test"), s.Timestamps[0].Time)
			require.NoError(t, err)
			require.Equal(t, then.Report.Digest(), rejudged.Digest())

			// A flipped bit in the content is a failure under any policy.
			at := bytes.Index(b, got[:16])
			require.Positive(t, at)
			broken := bytes.Clone(b)
			broken[at] ^= 1
			bad, err := v.Verify(ctx, signature.Input{Document: facts.Bytes(broken), Time: s.Timestamps[0].Time}, policy(t, "archive-test"))
			require.NoError(t, err)
			require.Equal(t, signature.TotalFailed, bad.Indication)
			require.Equal(t, signature.HashFailure, bad.Signatures[0].SubIndication)
			require.Equal(t, signature.CryptoBroken, bad.Signatures[0].Crypto)
		})
	}
	outside.Count(t, "ua/cms", len(files), 0)
}
