package xroad

import (
	"sync"
	"time"

	"mist/registry"
)

// Rate bounds how often one client may call one service: Burst calls at once,
// PerSecond in the long run. The zero Rate bounds nothing.
type Rate struct {
	PerSecond float64
	Burst     int
	// Clock is the time source; it is needed when PerSecond is set.
	Clock func() time.Time
}

// limiter keeps one token bucket for each client on the service's list; all
// clients of a service without a list share one, so that made-up identifiers
// cannot fill memory.
type limiter struct {
	rate    Rate
	mu      sync.Mutex
	buckets map[ClientID]*bucket
	shared  *bucket
}

type bucket struct {
	tokens float64
	filled time.Time
}

func newLimiter(r Rate, clients []ClientID) *limiter {
	if r.PerSecond <= 0 {
		return nil
	}
	now := r.Clock()
	l := &limiter{rate: r, buckets: map[ClientID]*bucket{}, shared: &bucket{float64(r.Burst), now}}
	for _, c := range clients {
		l.buckets[c] = &bucket{float64(r.Burst), now}
	}
	return l
}

// admit takes one token of the client's bucket.
func (l *limiter) admit(c ClientID) error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.buckets[c]
	if b == nil {
		b = l.shared
	}
	now := l.rate.Clock()
	if passed := now.Sub(b.filled).Seconds(); passed > 0 {
		b.tokens = min(float64(l.rate.Burst), b.tokens+passed*l.rate.PerSecond)
		b.filled = now
	}
	if b.tokens < 1 {
		return registry.Errorf(registry.CodeRateLimited, "too many requests of this client; send the same message again later")
	}
	b.tokens--
	return nil
}
