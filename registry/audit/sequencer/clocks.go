package sequencer

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Clock tells an authority's time: a time-stamp unit (RFC 3161). Unlike a
// witness it keeps time by its office, so that one that differs is enough to
// doubt ours.
type Clock interface {
	Name() string
	Time(ctx context.Context) (time.Time, error)
}

// clockForgotten is when an answer says nothing any more: an authority that
// does not answer neither stops the log nor keeps it stopped.
const clockForgotten = 6

// clocks asks every authority again and again and remembers who differs.
type clocks struct {
	mu   sync.Mutex
	seen map[string]reading
}

// reading is how far our clock was from an authority's, and when.
type reading struct {
	off time.Duration
	at  time.Time
}

// watch asks until the context ends.
func (s *Sequencer) watchClocks(ctx context.Context) {
	if len(s.cfg.Clocks) == 0 {
		return
	}
	tick := time.NewTicker(s.cfg.ClockEvery)
	defer tick.Stop()
	for {
		for _, c := range s.cfg.Clocks {
			s.readClock(ctx, c)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// readClock compares an authority's time with the middle of the exchange: what
// the way there and back took can be off by half of it, and a unit may tell
// whole seconds.
func (s *Sequencer) readClock(ctx context.Context, c Clock) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	before := s.cfg.Now()
	theirs, err := c.Time(ctx)
	after := s.cfg.Now()
	if err != nil {
		if ctx.Err() == nil {
			s.cfg.Log.Warn("an authority's time cannot be had", "authority", c.Name(), "err", err)
		}
		return
	}
	off := before.Add(after.Sub(before) / 2).Sub(theirs)
	s.cfg.ClockRead(c.Name(), off)
	s.clocks.mu.Lock()
	defer s.clocks.mu.Unlock()
	if s.clocks.seen == nil {
		s.clocks.seen = map[string]reading{}
	}
	was := s.clocks.seen[c.Name()]
	s.clocks.seen[c.Name()] = reading{off, after}
	far := s.far(off, after.Sub(before))
	switch {
	case far && !s.far(was.off, 0):
		s.cfg.Log.Error("numbering paused: the clock differs from an authority's", "authority", c.Name(), "by", off.Round(time.Millisecond).String())
	case !far && s.far(was.off, 0):
		s.cfg.Log.Info("numbering resumed: the clock agrees with the authority's", "authority", c.Name())
	}
}

// far allows for whole seconds and for half of the exchange.
func (s *Sequencer) far(off, exchange time.Duration) bool {
	return off.Abs() > s.cfg.Skew+exchange/2 && (off-time.Second).Abs() > s.cfg.Skew+exchange/2
}

// authorityError is set while an authority that answered lately has another time.
func (s *Sequencer) authorityError(now time.Time) error {
	s.clocks.mu.Lock()
	defer s.clocks.mu.Unlock()
	var differ []string
	for name, r := range s.clocks.seen {
		if now.Sub(r.at) < clockForgotten*s.cfg.ClockEvery+askTime && s.far(r.off, 0) {
			differ = append(differ, fmt.Sprintf("%s (%v)", name, r.off.Round(100*time.Millisecond)))
		}
	}
	if len(differ) == 0 {
		return nil
	}
	slices.Sort(differ)
	return fmt.Errorf("the clock differs by more than %v from the time of %s: nothing is numbered until they agree", s.cfg.Skew, strings.Join(differ, ", "))
}
