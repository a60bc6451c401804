package signature_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/fixtures/corpus"
	"mist/signature"
	"mist/signature/facts"
)

// A flipped bit anywhere in a real document is never accepted as the same
// document: either it is refused, or the change was outside what is signed and
// the octets handed out are the signed ones.
func TestEveryFlippedBitIsNoticed(t *testing.T) {
	dir := corpus.Dir(t, "ua/cms")
	b, err := os.ReadFile(filepath.Join(dir, "ehealth.api__signed_content.txt.p7s"))
	require.NoError(t, err)
	v := verifier(t, uaTrust(t))
	p := policy(t, "archive-test")
	at := time.Date(2017, 6, 22, 13, 39, 13, 0, time.UTC)
	good, err := v.Verify(context.Background(), signature.Input{Document: facts.Bytes(b), Time: at}, p)
	require.NoError(t, err)
	content, _, err := good.MustBePassed()
	require.NoError(t, err)
	step := 7
	if testing.Short() {
		step = 97
	}
	counts := map[string]int{}
	var undecided []int
	for i := 0; i < len(b); i += step {
		c := bytes.Clone(b)
		c[i] ^= 1 << (i % 8)
		r, err := v.Verify(context.Background(), signature.Input{Document: facts.Bytes(c), Time: at}, p)
		if err != nil {
			require.True(t, signature.IsUnreadable(err), "%v", err)
			counts["unreadable"]++
			continue
		}
		counts[string(r.Indication)]++
		if r.Indication == signature.Indeterminate {
			undecided = append(undecided, i)
		}
		if got, _, err := r.MustBePassed(); err == nil {
			require.Equal(t, content.SHA256(), got.SHA256(), "byte %d", i)
		}
	}
	t.Logf("%d bytes, flipped every %d: %v, undecided at %v", len(b), step, counts, undecided)
	require.Greater(t, counts[string(signature.TotalFailed)], len(b)/step*8/10)
}
