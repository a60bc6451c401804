package query

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
)

// Slow work outlives its caller; the same message finds it, and afterwards asks
// for itself.
func TestSubmitAndPoll(t *testing.T) {
	f := newFlights(30*time.Millisecond, time.Minute)
	key := flightKey{client: "c", messageID: "m"}
	release := make(chan struct{})
	var began, done atomic.Int32
	work := func(ctx context.Context) (int32, error) {
		n := began.Add(1)
		if n == 1 {
			select {
			case <-release:
			case <-ctx.Done():
				return 0, ctx.Err()
			}
		}
		return done.Add(1), nil
	}
	ctx, leave := context.WithCancel(t.Context())
	_, pending, err := join(ctx, f, key, work)
	require.NoError(t, err)
	require.True(t, pending)
	leave() // the caller is gone, the work is not

	_, pending, err = join(t.Context(), f, key, work)
	require.NoError(t, err)
	require.True(t, pending, "still the first one's work")
	require.EqualValues(t, 1, began.Load())

	time.AfterFunc(5*time.Millisecond, func() { close(release) })
	out, pending, err := join(t.Context(), f, key, work)
	require.NoError(t, err)
	require.False(t, pending)
	require.EqualValues(t, 2, out, "whoever waited asks for itself: every answer has its own entry")
	require.Eventually(t, func() bool { f.mu.Lock(); defer f.mu.Unlock(); return len(f.by) == 0 }, 10*time.Second, time.Millisecond)
}

func TestFlightsAreBoundedAndCatchPanics(t *testing.T) {
	f := newFlights(time.Second, time.Minute)
	_, _, err := join(t.Context(), f, flightKey{}, func(context.Context) (int, error) { panic("x") })
	require.Equal(t, registry.CodeInternal, registry.CodeOf(err))
	require.NotContains(t, err.Error(), "x\n")

	release := make(chan struct{})
	var wg sync.WaitGroup
	for i := range maxFlights {
		wg.Go(func() {
			_, _, err := join(context.Background(), f, flightKey{request: [32]byte{byte(i), byte(i >> 8)}}, func(context.Context) (int, error) { <-release; return 0, nil })
			if err != nil {
				t.Error(err)
			}
		})
	}
	require.Eventually(t, func() bool { f.mu.Lock(); defer f.mu.Unlock(); return len(f.by) == maxFlights }, 10*time.Second, time.Millisecond)
	_, _, err = join(t.Context(), f, flightKey{messageID: "one more"}, func(context.Context) (int, error) { return 0, nil })
	require.Equal(t, registry.CodeUnavailable, registry.CodeOf(err))
	close(release)
	wg.Wait()
}

func TestMisses(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 30, 0, time.UTC)
	l := newMissLimiter(2, func() time.Time { return now })
	for range 2 {
		require.True(t, l.allows("a"))
		l.spend("a")
	}
	require.False(t, l.allows("a"))
	require.True(t, l.allows("b"), "each client has its own")
	now = now.Add(time.Minute)
	require.True(t, l.allows("a"))
	none := newMissLimiter(0, func() time.Time { return now })
	none.spend("a")
	require.True(t, none.allows("a"))
}
