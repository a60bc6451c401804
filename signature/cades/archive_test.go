package cades_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/fixtures/corpus"
	"mist/signature"
	"mist/signature/facts"
	"mist/signature/trust"
)

// Archive time-stamps of other programs: imprint and hash index, good ones and
// those whose index names what was taken away, exchanged or copied from
// elsewhere (DSS 1220, 2016).
func TestArchiveStampsOfOthers(t *testing.T) {
	dir := corpus.Dir(t, "dss/files")
	v, err := signature.NewVerifier(signature.Config{Trust: trust.Fixed(trust.NewSnapshot("none", nil, nil, nil))})
	require.NoError(t, err)
	p, err := signature.NamedPolicy("archive-test")
	require.NoError(t, err)
	cases := []struct {
		file           string
		stamps         int
		imprint, index bool
	}{
		{"dss-0007.sce", 1, true, true},
		{"dss-0123.p7m", 2, true, true},
		{"dss-0125.p7m", 1, true, true},
		{"dss-0152.pkcs7", 1, true, true},
		{"dss-0238.p7m", 1, true, true},
		{"dss-0139.p7m", 1, true, false},  // a certificate the index names is not there
		{"dss-0174.p7m", 1, true, false},  // an OCSP answer was removed
		{"dss-0173.p7m", 1, false, false}, // an element of the index was changed
		{"dss-0158.p7m", 1, false, false}, // copied, its index taken off
		{"dss-0051.asics", 1, false, true},
	}
	for _, c := range cases {
		files, err := filepath.Glob(filepath.Join(dir, c.file[:8]+".*"))
		require.NoError(t, err)
		var r *signature.Result
		for _, f := range files {
			if filepath.Base(f) == c.file {
				b, err := os.ReadFile(f)
				require.NoError(t, err)
				r, err = v.Verify(t.Context(), signature.Input{Document: facts.Bytes(b)}, p)
				require.NoError(t, err)
			}
		}
		require.NotNil(t, r, c.file)
		n := 0
		for _, s := range r.Facts.Timestamps {
			if s.ArchiveType != facts.ArchiveTypeV3 {
				continue
			}
			n++
			require.Equal(t, c.imprint, s.Imprint.Found && s.Imprint.Intact, "%s: imprint", c.file)
			require.NotNil(t, s.HashIndexValid)
			require.Equal(t, c.index, *s.HashIndexValid, "%s: index", c.file)
			require.Contains(t, s.Covers, r.Facts.Signatures[0].ID)
		}
		require.Equal(t, c.stamps, n, c.file)
	}
	corpus.Count(t, "dss (archive stamps)", len(cases), 0)
}
