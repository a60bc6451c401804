package fetch

import (
	"context"
	"crypto/sha256"
	"sync"
	"time"

	"mist/signature/facts"
	"mist/signature/trust"
)

// Cached keeps OCSP answers that say "good" for a while, at most until the
// responder's own nextUpdate: for judging signatures that come again and again,
// such as citizens' consents. Answers are kept as bytes and judged anew each
// time; what is not good, or has no nextUpdate, is asked every time. CRLs and
// certificates are not kept.
//
// A certificate revoked meanwhile counts as good for at most the time given.
type Cached struct {
	*Fetcher
	keep time.Duration
	now  func() time.Time

	mu       sync.Mutex
	new, old map[[32]byte]kept
}

type kept struct {
	answer []byte
	until  time.Time
}

// maxKept bounds the memory: when it is full the older half goes.
const maxKept = 20_000

// Cache keeps good answers of a fetcher for at most keep.
func (f *Fetcher) Cache(keep time.Duration, now func() time.Time) *Cached {
	return &Cached{Fetcher: f, keep: keep, now: now, new: map[[32]byte]kept{}}
}

// OCSP implements signature.Fetcher.
func (c *Cached) OCSP(ctx context.Context, address string, request []byte) ([]byte, error) {
	h := sha256.New()
	h.Write([]byte(address))
	h.Write([]byte{0})
	h.Write(request)
	key := [32]byte(h.Sum(nil))
	now := c.now()
	c.mu.Lock()
	k, ok := c.new[key]
	if !ok {
		k, ok = c.old[key]
	}
	c.mu.Unlock()
	if ok && now.Before(k.until) {
		return k.answer, nil
	}
	answer, err := c.Fetcher.OCSP(ctx, address, request)
	if err != nil {
		return nil, err
	}
	if until := goodUntil(answer, now.Add(c.keep)); until.After(now) {
		c.mu.Lock()
		if len(c.new) >= maxKept/2 {
			c.old, c.new = c.new, map[[32]byte]kept{}
		}
		c.new[key] = kept{answer, until}
		c.mu.Unlock()
	}
	return answer, nil
}

// goodUntil is how long an answer may be kept; zero when it may not.
func goodUntil(answer []byte, latest time.Time) time.Time {
	o, err := trust.ParseOCSP(answer)
	if err != nil || len(o.Answers) == 0 {
		return time.Time{}
	}
	for _, a := range o.Answers {
		if a.Status != facts.StatusGood || a.NextUpdate.IsZero() {
			return time.Time{}
		}
		if a.NextUpdate.Before(latest) {
			latest = a.NextUpdate
		}
	}
	return latest
}
