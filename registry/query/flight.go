package query

import (
	"context"
	"sync"
	"time"

	"mist/registry"
)

// Waits of a caller and of the work, unless the configuration says otherwise.
// Diia gives up after 30 s, the handler after 25.
const (
	defaultWait = 20 * time.Second
	defaultWork = 5 * time.Minute
	// maxFlights bounds the questions being worked on.
	maxFlights = 4096
)

// flights are the questions being worked on. A question whose caller has waited
// long enough goes on; the same message finds it again, and once it is done the
// stored answer.
type flights struct {
	wait, work time.Duration
	mu         sync.Mutex
	by         map[flightKey]chan struct{}
}

type flightKey struct {
	client, messageID string
	request           [32]byte
}

func newFlights(wait, work time.Duration) *flights {
	if wait <= 0 {
		wait = defaultWait
	}
	if work <= 0 {
		work = defaultWork
	}
	return &flights{wait: wait, work: work, by: map[flightKey]chan struct{}{}}
}

// join does the work of a question, or waits for whoever does it already.
// pending tells that it is not done in time. Whoever waited for another asks
// for itself afterwards: each answer given leaves an entry of its own.
func join[T any](ctx context.Context, f *flights, key flightKey, work func(context.Context) (T, error)) (out T, pending bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, f.wait)
	defer cancel()
	f.mu.Lock()
	other := f.by[key]
	if other == nil && len(f.by) >= maxFlights {
		f.mu.Unlock()
		return out, false, registry.Errorf(registry.CodeUnavailable, "too many questions at once; ask again")
	}
	mine := make(chan struct{})
	if other == nil {
		f.by[key] = mine
	}
	f.mu.Unlock()
	if other != nil {
		select {
		case <-other:
			return join(ctx, f, key, work)
		case <-ctx.Done():
			return out, true, nil
		}
	}
	type result struct {
		out T
		err error
	}
	done := make(chan result, 1)
	working, stop := context.WithTimeout(context.WithoutCancel(ctx), f.work)
	go func() {
		defer func() {
			stop()
			f.mu.Lock()
			delete(f.by, key)
			f.mu.Unlock()
			close(mine)
		}()
		var r result
		r.out, r.err = guarded(working, work)
		done <- r
	}()
	select {
	case r := <-done:
		return r.out, false, r.err
	case <-ctx.Done():
		return out, true, nil
	}
}

// guarded turns a panic of the work into an error: it runs in a goroutine of
// its own, where a panic would end the server.
func guarded[T any](ctx context.Context, work func(context.Context) (T, error)) (out T, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = registry.Errorf(registry.CodeInternal, "internal error").WithCause(panicked{p})
		}
	}()
	return work(ctx)
}

type panicked struct{ value any }

func (p panicked) Error() string { return "the question's work panicked" }

// missLimiter bounds how often one client may ask about people it does not
// find: a register that answers that as often as it is asked can be searched.
type missLimiter struct {
	perMinute int
	now       func() time.Time
	mu        sync.Mutex
	by        map[string]*misses
}

type misses struct {
	minute time.Time
	n      int
}

func newMissLimiter(perMinute int, now func() time.Time) *missLimiter {
	return &missLimiter{perMinute: perMinute, now: now, by: map[string]*misses{}}
}

func (l *missLimiter) of(client string) *misses {
	m := l.by[client]
	if minute := l.now().Truncate(time.Minute); m == nil || !m.minute.Equal(minute) {
		m = &misses{minute: minute}
		l.by[client] = m // clients are those of the configuration
	}
	return m
}

func (l *missLimiter) allows(client string) bool {
	if l.perMinute <= 0 {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.of(client).n < l.perMinute
}

func (l *missLimiter) spend(client string) {
	if l.perMinute <= 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.of(client).n++
}
