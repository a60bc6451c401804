package portal

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/time/rate"

	"mist/registry"
)

// headerEmployee names the employee whose signed act a hospital's side hands
// in; it means something with the hospital's key alone (ADR 0860).
const headerEmployee = "X-Employee-ID"

// authenticated is a handler that knows its caller.
type authenticated func(w http.ResponseWriter, r *http.Request, c registry.Caller) error

// member demands a bearer token before anything else of the request is looked
// at. Refusals here are counted and logged; the audit tree is for known callers.
func (p *portal) member(h authenticated) http.HandlerFunc {
	return p.public(func(w http.ResponseWriter, r *http.Request) error {
		q := requestOf(r)
		token, reason := bearer(r)
		if reason != "" {
			p.metrics.refused.WithLabelValues(reason).Inc()
			return registry.Errorf(registry.CodeUnauthenticated, "send a token of /oauth/token as Authorization: Bearer").WithReason(reason)
		}
		caller, err := p.access.Authenticate(r.Context(), token, p.certificate(r))
		if err != nil {
			if registry.CodeOf(err) == registry.CodeUnauthenticated {
				p.metrics.refused.WithLabelValues("invalid_token").Inc()
			}
			return err
		}
		q.clientID = caller.ClientID
		if values := r.Header.Values(headerEmployee); len(values) > 0 && !caller.KeyID.IsZero() {
			if caller, err = p.access.ActFor(r.Context(), caller, strings.Join(values, ",")); err != nil {
				return err
			}
		}
		if err := p.clients.take(w, caller.ClientID.String(), p); err != nil {
			return err
		}
		// The narrower of the two limits is the one the headers tell.
		if who := userOf(caller); !who.IsZero() {
			if err := p.users.take(w, who.String(), p); err != nil {
				return err
			}
		}
		caller.Channel, caller.RequestID = registry.ChannelREST, q.id
		if m := carriedBy(r.Context()); m != nil {
			caller.Channel, caller.XRoad = m.Channel, m.Client
		}
		r = r.WithContext(registry.WithReach(r.Context(), caller.Rows))
		q.operation = p.contract.of(r)
		if err := q.operation.checkQuery(r); err != nil {
			return err
		}
		if q.operation != nil && q.operation.repeatable {
			return p.once(w, r, caller, h)
		}
		return h(w, r, caller)
	})
}

// userOf is the human a request is made for, as far as it is known.
func userOf(c registry.Caller) registry.ID {
	if !c.User.IsZero() {
		return c.User
	}
	return c.EmployeeID
}

// bearer reads the Authorization header (RFC 6750, 2.1).
func bearer(r *http.Request) (token, reason string) {
	values := r.Header.Values("Authorization")
	switch {
	case len(values) == 0:
		return "", "token_missing"
	case len(values) > 1:
		return "", "authorization_malformed"
	}
	scheme, token, found := strings.Cut(values[0], " ")
	if !found || !strings.EqualFold(scheme, "Bearer") || token == "" {
		return "", "authorization_malformed"
	}
	return token, ""
}

// buckets holds one token bucket per key. nil buckets never refuse.
type buckets struct {
	rate Rate
	mu   sync.Mutex
	// by is guarded by mu. It is emptied when it reaches maxBuckets: that gives
	// everybody a fresh burst, which is cheaper than being filled with strangers.
	by map[string]*rate.Limiter
}

const maxBuckets = 10_000

func newBuckets(r Rate) *buckets {
	if r.PerSecond == 0 {
		return nil
	}
	return &buckets{rate: r, by: map[string]*rate.Limiter{}}
}

// take counts one request of key, or refuses it and says when to come again.
func (b *buckets) take(w http.ResponseWriter, key string, p *portal) error {
	if b == nil {
		return nil
	}
	b.mu.Lock()
	l := b.by[key]
	if l == nil {
		if len(b.by) >= maxBuckets {
			clear(b.by)
		}
		l = rate.NewLimiter(rate.Limit(b.rate.PerSecond), b.rate.Burst)
		b.by[key] = l
	}
	b.mu.Unlock()
	now := p.source.Clock()
	allowed := l.AllowN(now, 1)
	left := l.TokensAt(now)
	h := w.Header()
	h.Set("X-RateLimit-Limit", strconv.Itoa(b.rate.Burst))
	h.Set("X-RateLimit-Remaining", strconv.Itoa(max(0, int(left))))
	h.Set("X-RateLimit-Reset", strconv.Itoa(int(math.Ceil((float64(b.rate.Burst)-left)/b.rate.PerSecond)))) // seconds until all are back
	if allowed {
		return nil
	}
	wait := math.Ceil((1 - left) / b.rate.PerSecond)
	h.Set("Retry-After", strconv.Itoa(max(1, int(wait))))
	return registry.Errorf(registry.CodeRateLimited, "more than %g requests a second; wait as Retry-After says", b.rate.PerSecond)
}
