package vault

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/registry"
)

// What lies open in the file is read before anybody is known: it must not make
// the program take memory or time without bound.
func FuzzHead(f *testing.F) {
	h := head{Version: 1, Site: registry.ID{1}, Cost: DefaultCost(), Salt: make([]byte, 16), Wrapped: make([]byte, 63)}
	good, err := json.Marshal(h)
	require.NoError(f, err)
	f.Add(good)
	h.Cost.Memory = 1 << 31
	dear, err := json.Marshal(h)
	require.NoError(f, err)
	f.Add(dear)
	f.Add([]byte(`{"version":1,"salt":"AA=="}`))
	_, err = readHead(good)
	require.NoError(f, err)
	_, err = readHead(dear)
	require.ErrorIs(f, err, ErrNotVault)
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := readHead(b)
		if err != nil {
			require.ErrorIs(t, err, ErrNotVault)
			return
		}
		require.NoError(t, h.Cost.check())
		require.Len(t, h.Salt, 16)
		require.LessOrEqual(t, h.Cost.Memory, uint32(1<<20))
	})
}
