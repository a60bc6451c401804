package xades_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/signature"
	"mist/signature/facts"
	"mist/signature/sign"
)

// Whatever octet of a signed document is changed: it does not pass, or it passes and says exactly what it said before,
// in octets, scope, signer and claimed time. (White space between elements of the signature, comments that
// canonicalisation drops, an unused attribute are free to change.)
func TestNoMutationChangesWhatIsRead(t *testing.T) {
	random := rand.New(rand.NewPCG(2026, 11))
	w := newWorkshop(t, sign.KindP256)
	for name, b := range bases(w) {
		good := w.fill(t, b.template, b.refs)
		want := w.verify(t, good, nil)
		require.Equal(t, signature.TotalPassed, want.Indication)
		octets := read(t, want)
		passed, broken := 0, 0
		for at := range len(good) {
			mutated := []byte(good)
			switch random.IntN(4) {
			case 0:
				mutated[at] ^= 1 << random.IntN(8)
			case 1:
				mutated = append(mutated[:at], mutated[at+1:]...)
			case 2:
				mutated = append(mutated[:at+1], mutated[at:]...)
			case 3:
				mutated[at] = " <>&\"'=/!?#:;AzЖ0"[random.IntN(17)]
			}
			r, err := w.verifier.Verify(t.Context(), signature.Input{Document: facts.Bytes(mutated)}, w.policy)
			if err != nil || r.Indication != signature.TotalPassed {
				broken++
				continue
			}
			passed++
			require.Len(t, r.Signatures, 1)
			require.Equal(t, octets, read(t, r), "octet %d of %s", at, name)
			require.Equal(t, want.Signatures[0].Scope, r.Signatures[0].Scope)
			require.Equal(t, want.Signatures[0].Signer, r.Signatures[0].Signer)
			require.Equal(t, want.Signatures[0].ClaimedSigningTime, r.Signatures[0].ClaimedSigningTime)
		}
		t.Logf("%s: of %d changed documents %d do not pass, %d say the same", name, len(good), broken, passed)
		require.Greater(t, broken, 20*passed)
	}
}
