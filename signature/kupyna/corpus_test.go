package kupyna_test

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	outside "mist/fixtures/corpus"
	"mist/signature/kupyna"
)

// corpus returns the folder ua of the corpus; it skips when there is none.
func corpus(t *testing.T) string {
	t.Helper()
	return outside.Dir(t, "ua")
}

// TestCorpusStandardExamples runs the examples of DSTU 7564:2014, annex Г. The
// file lists each message in one or more lines, then its digest; digests cut
// to 48 or 304 bits are cut from the end, and the last three examples are of
// the keyed mode, which this package does not have.
func TestCorpusStandardExamples(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(corpus(t), "primitives", "atest_dstu7564.c.tsv"))
	require.NoError(t, err)
	var message []byte
	var matched []string
	for line := range strings.Lines(string(data)) {
		v, err := hex.DecodeString(strings.TrimSpace(line))
		if err != nil || len(v) == 0 {
			continue
		}
		s256, s384, s512 := kupyna.Sum256(message), kupyna.Sum384(message), kupyna.Sum512(message)
		switch string(v) {
		case string(s256[:]):
			matched, message = append(matched, "256"), nil
		case string(s384[:]):
			matched, message = append(matched, "384"), nil
		case string(s512[:]):
			matched, message = append(matched, "512"), nil
		case string(s256[32-6:]):
			matched, message = append(matched, "48"), nil
		case string(s512[64-38:]):
			matched, message = append(matched, "304"), nil
		default:
			message = append(message, v...)
		}
	}
	require.Equal(t, []string{"256", "256", "256", "256", "48", "512", "512", "512", "512", "512", "304", "384"}, matched)
	outside.Count(t, "ua/primitives", len(matched), 0)
}
