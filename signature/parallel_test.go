package signature_test

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/signature"
	"mist/signature/facts"
	"mist/signature/sign"
)

// One verifier serves many at once, while its caches fill: equal answers and
// no data race (run with -race).
func TestVerifierIsSafeForConcurrentUse(t *testing.T) {
	w := newWorld(t, sign.KindDSTU257)
	doc := w.sign(w.human, w.options())
	v := w.verifier(w.snapshot())
	p := policy(t, "default")
	digests := make([]string, 16)
	var wg sync.WaitGroup
	for i := range digests {
		wg.Go(func() {
			for range 5 {
				r, err := v.Verify(t.Context(), signature.Input{Document: facts.Bytes(doc), Time: w.now}, p)
				if err != nil || r.Indication != signature.TotalPassed {
					return
				}
				digests[i] = string(r.Indication)
			}
		})
	}
	wg.Wait()
	for _, d := range digests {
		require.Equal(t, string(signature.TotalPassed), d)
	}
}
