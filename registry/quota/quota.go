// Package quota bounds how often one client system of Trembita may call, over
// every transport together: a client that is told to wait by SOAP cannot go on
// by REST.
//
// It trusts the transport for who calls.
package quota

import (
	"errors"
	"math"
	"sync"
	"time"

	"mist/registry"
)

// Clients keeps one token bucket for each listed client system; all others
// share one, so that made-up names cannot fill memory. A nil Clients bounds nothing.
type Clients struct {
	perSecond, burst float64
	clock            func() time.Time

	mu      sync.Mutex
	buckets map[string]*bucket
	shared  *bucket
}

type bucket struct {
	tokens float64
	filled time.Time
}

// New gives a quota of burst calls at once and perSecond in the long run for
// each client; nil, which bounds nothing, when perSecond is zero.
func New(perSecond float64, burst int, clock func() time.Time, clients ...string) (*Clients, error) {
	if perSecond == 0 {
		return nil, nil
	}
	if perSecond < 0 || burst < 1 || clock == nil {
		return nil, errors.New("quota: a positive rate, a burst of one at least and a clock are needed")
	}
	now := clock()
	q := &Clients{perSecond: perSecond, burst: float64(burst), clock: clock, buckets: map[string]*bucket{}, shared: &bucket{float64(burst), now}}
	for _, c := range clients {
		q.buckets[c] = &bucket{float64(burst), now}
	}
	return q, nil
}

// Admit takes one call of the client's; rate-limited when there is none left.
func (q *Clients) Admit(client string) error {
	if q == nil {
		return nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	b := q.buckets[client]
	if b == nil {
		b = q.shared
	}
	now := q.clock()
	if passed := now.Sub(b.filled).Seconds(); passed > 0 {
		b.tokens = min(q.burst, b.tokens+passed*q.perSecond)
		b.filled = now
	}
	if b.tokens < 1 {
		e := registry.Errorf(registry.CodeRateLimited, "too many requests of this client system; send the same message again later")
		e.RetryAfter = time.Duration(math.Ceil((1-b.tokens)/q.perSecond*1000)) * time.Millisecond
		return e
	}
	b.tokens--
	return nil
}
