package sequencer

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry/audit"
)

// authority is a time-stamp unit whose clock and presence a test turns.
type authority struct {
	off  atomic.Int64
	away atomic.Bool
}

func (a *authority) Name() string { return "tsa" }

func (a *authority) Time(context.Context) (time.Time, error) {
	if a.away.Load() {
		return time.Time{}, errors.New("away")
	}
	return time.Now().Add(time.Duration(a.off.Load())).Truncate(time.Second), nil // units tell whole seconds
}

// Nothing is numbered while the time of an authority is another one, in either
// direction; less than that, or no answer, stops nothing.
func TestNothingIsNumberedByAFalseClock(t *testing.T) {
	m := &memory{tiles: map[string]audit.TileData{}}
	tsa := &authority{}
	var ahead atomic.Int64
	s, _ := run(t, m, func(c *Config) {
		c.Period, c.Clocks, c.ClockEvery = 2*time.Millisecond, []Clock{tsa}, 5*time.Millisecond
		c.ClockRead = func(_ string, by time.Duration) { ahead.Store(int64(by)) }
	})
	total := int64(0)
	numbers := func(want bool) {
		t.Helper()
		m.add(1)
		total++
		size := total
		if want {
			require.Eventually(t, func() bool { return m.size() == size }, 5*time.Second, time.Millisecond)
			require.NoError(t, s.Healthy(time.Second))
			return
		}
		time.Sleep(100 * time.Millisecond)
		require.Less(t, m.size(), size)
		require.ErrorContains(t, s.Healthy(time.Second), "clock differs")
	}
	doubted := func(want bool) {
		t.Helper()
		require.Eventually(t, func() bool { return (s.clockError() != nil) == want }, 5*time.Second, time.Millisecond)
	}
	numbers(true)
	for _, off := range []time.Duration{-7 * time.Second, 7 * time.Second} {
		tsa.off.Store(int64(off))
		doubted(true)
		numbers(false)
		require.InDelta(t, -off.Seconds(), time.Duration(ahead.Load()).Seconds(), 1.5)
		tsa.off.Store(int64(off / 2))
		doubted(false)
		numbers(true)
	}
	tsa.off.Store(int64(time.Minute))
	doubted(true)
	tsa.away.Store(true) // what was said is forgotten, and the log goes on
	require.Eventually(t, func() bool { return s.clockError() == nil }, 10*time.Second, 10*time.Millisecond)
	numbers(true)
}

// The age of a public checkpoint tells that the log lives, witnesses or none.
func TestAnIdleLogRenewsItsCheckpoint(t *testing.T) {
	m := &memory{tiles: map[string]audit.TileData{}}
	run(t, m, func(c *Config) { c.Renew = 5 * time.Millisecond })
	eventually(t, func() bool { return len(m.announced()) >= 3 })
	for _, p := range m.announced() {
		require.EqualValues(t, 1, p.seq)
		require.Equal(t, m.published()[0].Note, p.note)
	}
	require.Len(t, m.published(), 1)
}
