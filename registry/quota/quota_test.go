package quota_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/quota"
)

// Each client has a bucket of its own, filled by time.
func TestEachClientHasItsOwn(t *testing.T) {
	now := time.Unix(1000, 0)
	q, err := quota.New(2, 3, func() time.Time { return now }, "a", "b")
	require.NoError(t, err)
	for range 3 {
		require.NoError(t, q.Admit("a"))
	}
	refused := registry.AsError(q.Admit("a"))
	require.Equal(t, registry.CodeRateLimited, refused.Code)
	require.Equal(t, 500*time.Millisecond, refused.RetryAfter)
	require.NoError(t, q.Admit("b"))
	now = now.Add(500 * time.Millisecond)
	require.NoError(t, q.Admit("a"))
	require.Error(t, q.Admit("a"))
	now = now.Add(time.Hour)
	for range 3 {
		require.NoError(t, q.Admit("a"))
	}
	require.Error(t, q.Admit("a"), "no more than a burst is saved up")
	// Names nobody listed share one bucket.
	for i := range 3 {
		require.NoError(t, q.Admit(fmt.Sprint("stranger ", i)))
	}
	require.Error(t, q.Admit("stranger 4"))
}

func TestConfiguration(t *testing.T) {
	q, err := quota.New(0, 0, nil)
	require.NoError(t, err)
	for range 100 {
		require.NoError(t, q.Admit("a"), "no rate bounds nothing")
	}
	for _, bad := range []struct {
		rate  float64
		burst int
		clock func() time.Time
	}{{-1, 1, time.Now}, {1, 0, time.Now}, {1, 1, nil}} {
		_, err := quota.New(bad.rate, bad.burst, bad.clock)
		require.Error(t, err)
	}
}
