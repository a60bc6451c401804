package cert_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	outside "mist/fixtures/corpus"
	"mist/signature/cert"
	"mist/signature/trust"
)

// corpusDir finds the shared test corpus; it skips when the folder is absent.
func corpusDir(t *testing.T, sub string) string {
	t.Helper()
	return outside.Dir(t, sub)
}

// Every Ukrainian certificate of the corpus parses, and every issuer found in
// it verifies what it issued: 860 of 865 by the count of ua-crypto.
func TestCorpusCertificates(t *testing.T) {
	dir := corpusDir(t, "ua/certs")
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	pool := trust.NewPool()
	var all []*cert.Certificate
	for _, f := range files {
		b, err := os.ReadFile(f)
		require.NoError(t, err)
		certs, remarks, err := trust.ParseCertificates(b)
		require.NoError(t, err, f)
		require.Empty(t, remarks, f)
		for _, c := range certs {
			pool.Add(c)
			all = append(all, c)
		}
	}
	edges := trust.NewEdges()
	var good, orphan int
	for _, c := range all {
		require.NoError(t, c.KeyErr, c.Subject.String())
		require.NoError(t, c.SchemeErr, c.Subject.String())
		path := pool.Chain(c, func(string) bool { return false }, edges)
		if len(path) > 1 || c.SelfSigned() {
			good++
		} else {
			orphan++
			t.Logf("no issuer verifies %s", filepath.Base(c.ID))
		}
	}
	require.GreaterOrEqual(t, len(all), 780)
	require.Greater(t, good, len(all)*98/100)
	outside.Count(t, "ua/certs", len(all), orphan)
	t.Logf("%d certificates, %d with a verified issuer, %d without", len(all), good, orphan)
}
