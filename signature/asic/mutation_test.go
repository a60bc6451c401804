package asic_test

import (
	"io"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/signature"
	"mist/signature/facts"
	"mist/signature/sign"
)

// Whatever octet of a container is changed: it does not pass, or it passes and the signed files and their names are
// what they were. (Dates and attributes in zip headers, white space in manifests of no signature are free to change.)
func TestNoMutationChangesWhatIsRead(t *testing.T) {
	random := rand.New(rand.NewPCG(2026, 12))
	w := newWorkshop(t, sign.KindP256)
	contents := func(t *testing.T, r *signature.Result) map[string]string {
		out := map[string]string{}
		signed, err := r.Signatures[0].Signed()
		require.NoError(t, err)
		for _, s := range signed {
			rc, err := s.Open()
			require.NoError(t, err)
			b, err := io.ReadAll(rc)
			require.NoError(t, err)
			out[s.Scope().Name] = string(b)
		}
		return out
	}
	for _, extended := range []bool{false, true} {
		for _, xml := range []bool{false, true} {
			objects := []sign.DataObject{one}
			if extended {
				objects = append(objects, two)
			}
			a := w.archive(t, extended, xml, objects...)
			good := a.bytes()
			r := w.verify(t, good)
			require.Equal(t, signature.TotalPassed, r.Indication)
			want := contents(t, r)
			require.Len(t, want, len(objects))
			passed, broken := 0, 0
			for at := range len(good) {
				mutated := append([]byte(nil), good...)
				if random.IntN(2) == 0 {
					mutated[at] ^= 1 << random.IntN(8)
				} else {
					mutated[at] = byte(random.IntN(256))
				}
				if mutated[at] == good[at] {
					continue
				}
				r, err := w.verifier.Verify(t.Context(), signature.Input{Document: facts.Bytes(mutated)}, w.policy)
				if err != nil || r.Indication != signature.TotalPassed {
					broken++
					continue
				}
				passed++
				require.Equal(t, want, contents(t, r), "octet %d", at)
			}
			t.Logf("extended %v, xml %v: of %d changed containers %d do not pass, %d say the same", extended, xml, len(good), broken, passed)
		}
	}
}
