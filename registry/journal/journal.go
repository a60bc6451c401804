// Package journal keeps how the requests of each client system ended, a week
// long, so that a vendor sees the own requests: time, route, status, error,
// milliseconds. It holds a route's pattern, never a path, a query, a header or
// a body: nothing of a person, and so nothing that had to be sealed or audited.
//
// Lines are taken into memory and written together every few seconds, so that
// no request pays for its line; a reader has them written first. What a server
// that is killed had not written is lost: the audit log, not this, is evidence.
package journal

import (
	"context"
	"errors"
	"sync"
	"time"

	"mist/registry"
	"mist/registry/job"
)

// Line is one answered request.
type Line struct {
	Client    registry.ID   `json:"-"`
	At        time.Time     `json:"at"`
	RequestID string        `json:"request_id"`
	Method    string        `json:"method"`
	Route     string        `json:"route"`
	Status    int           `json:"status"`
	Type      string        `json:"error_type,omitempty"`
	Reason    string        `json:"error_reason,omitempty"`
	Took      time.Duration `json:"-"`
	TookMS    float64       `json:"took_ms"`
}

// Tx is what the journal needs of a transaction.
type Tx interface {
	KeepRequests(ctx context.Context, lines []Line) error
	// Requests gives a client's lines, the newest first.
	Requests(ctx context.Context, client registry.ID, limit int) ([]Line, error)
	// ForgetRequests takes lines from before a time away, and of each client
	// those behind its newest most; it tells how many, at most about limit.
	ForgetRequests(ctx context.Context, before time.Time, most, limit int) (int, error)
}

// Store begins and ends transactions.
type Store interface {
	Update(ctx context.Context, f func(ctx context.Context, tx Tx) error) error
}

// Limits of a journal.
type Limits struct {
	// Life is how long a line is kept, Most how many of a client at most.
	Life time.Duration
	Most int
	// Shown is how many a reader is given.
	Shown int
	// Waiting bounds the lines not written yet; further ones are dropped.
	Waiting int
	// Pause lies between two writes.
	Pause time.Duration
}

// DefaultLimits are a week, 20,000 lines of each client, 500 shown.
func DefaultLimits() Limits {
	return Limits{Life: 7 * 24 * time.Hour, Most: 20_000, Shown: 500, Waiting: 20_000, Pause: 2 * time.Second}
}

// Journal is one server's part of the journal.
type Journal struct {
	store  Store
	clock  func() time.Time
	limits Limits

	mu      sync.Mutex // guards waiting and dropped
	waiting []Line
	dropped int
	// writing lets one write at a time, so that a reader's own lines are in.
	writing sync.Mutex
}

// New refuses a half-configured journal.
func New(store Store, clock func() time.Time, l Limits) (*Journal, error) {
	if store == nil || clock == nil || l.Life <= 0 || l.Most < 1 || l.Shown < 1 || l.Waiting < 1 || l.Pause <= 0 {
		return nil, errors.New("journal: a part is missing")
	}
	return &Journal{store: store, clock: clock, limits: l}, nil
}

// Add takes a line; it does not wait. A nil journal takes none.
func (j *Journal) Add(l Line) {
	if j == nil || l.Client.IsZero() {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.waiting) >= j.limits.Waiting {
		j.dropped++
		return
	}
	j.waiting = append(j.waiting, l)
}

// Of gives a client's lines, the newest first, those of this server's latest
// requests among them.
func (j *Journal) Of(ctx context.Context, client registry.ID) ([]Line, error) {
	list := []Line{}
	if j == nil {
		return list, nil
	}
	if _, err := j.Write(ctx); err != nil {
		return nil, err
	}
	err := j.store.Update(ctx, func(ctx context.Context, tx Tx) (err error) {
		list, err = tx.Requests(ctx, client, j.limits.Shown)
		return err
	})
	for i := range list {
		list[i].TookMS = float64(list[i].Took.Microseconds()) / 1000
	}
	return list, err
}

// Write writes what waits and tells how many lines were dropped for want of room.
func (j *Journal) Write(ctx context.Context) (dropped int, err error) {
	j.writing.Lock()
	defer j.writing.Unlock()
	j.mu.Lock()
	lines := j.waiting
	j.waiting, dropped, j.dropped = nil, j.dropped, 0
	j.mu.Unlock()
	if len(lines) == 0 {
		return dropped, nil
	}
	err = j.store.Update(ctx, func(ctx context.Context, tx Tx) error { return tx.KeepRequests(ctx, lines) })
	if err != nil {
		dropped += len(lines)
	}
	return dropped, err
}

// Run writes until the context ends, and then once more. trouble is told what
// was lost and why.
func (j *Journal) Run(ctx context.Context, trouble func(lost int, err error)) {
	tick := time.NewTicker(j.limits.Pause)
	defer tick.Stop()
	for ended := false; !ended; {
		select {
		case <-ctx.Done():
			ended = true
		case <-tick.C:
		}
		if lost, err := j.Write(context.WithoutCancel(ctx)); lost > 0 || err != nil {
			trouble(lost, err)
		}
	}
}

// batch bounds what one transaction of Jobs takes away.
const batch = 5000

// Jobs forgets what is old.
func (j *Journal) Jobs(every time.Duration) []job.Periodic {
	return []job.Periodic{{Kind: "forget_requests", Every: every, Run: func(ctx context.Context) (total int, err error) {
		for n := batch; n >= batch; {
			err := j.store.Update(ctx, func(ctx context.Context, tx Tx) (err error) {
				n, err = tx.ForgetRequests(ctx, j.clock().Add(-j.limits.Life), j.limits.Most, batch)
				return err
			})
			if err != nil {
				return total, err
			}
			total += n
		}
		return total, nil
	}}}
}
