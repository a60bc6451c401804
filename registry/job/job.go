// Package job is work that must be done though nobody waits for it: a message
// to be sent, a seal to be set, an answer to be asked for again.
//
// A job is enqueued in the transaction of what it follows from, so that there
// is neither a job without its cause nor a cause without its job. It is run at
// least once, by any server: a handler that has done its work before must do
// no harm the second time. A job that fails is tried again later and later;
// after its last attempt it is kept as dead until an operator replays or
// discards it. Nothing is thrown away by itself.
//
// What a job carries may be personal data: it is sealed where it rests, and a
// handler's error must not repeat it, because errors are kept readable.
package job

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"time"

	"mist/registry"
)

// Kind names what a job does: lower-case words joined by dots and underscores.
type Kind string

var kindForm = regexp.MustCompile(`^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$`)

// Limits of a job.
const (
	MaxArgs   = 256 << 10 // bytes
	MaxKey    = 200       // bytes
	MaxError  = 500       // bytes of an error that are kept
	MaxKind   = 60        // bytes
	attempts  = 12        // by default: with the default pauses, some ten hours
	attemptsN = 1000      // the most
)

// Job is one piece of work.
type Job struct {
	// ID may be left zero: the store gives one.
	ID   registry.ID
	Kind Kind
	// Key is unique among the jobs of a kind that are not done: a second job of
	// the same key is not enqueued. Empty means no such demand. It is shown to
	// operators and must not identify a person: an act's id is a good key.
	Key string
	// Args is for the handler; the queue does not read it.
	Args []byte
	// RunAt is the earliest time; zero means at once.
	RunAt time.Time
	// MaxAttempts before the job is dead; zero means 12.
	MaxAttempts int

	// Attempt is set when the job is run: 1 for the first time.
	Attempt int
	// CreatedAt is set when the job is read.
	CreatedAt time.Time
}

// Last tells that a failure now makes the job dead.
func (j Job) Last() bool { return j.Attempt >= j.MaxAttempts }

// Check refuses a job that could not be kept, and fills in the defaults.
func Check(j Job) (Job, error) {
	switch {
	case len(j.Kind) > MaxKind || !kindForm.MatchString(string(j.Kind)):
		return j, fmt.Errorf("job: %q is not a kind", j.Kind)
	case len(j.Key) > MaxKey:
		return j, fmt.Errorf("job %s: the key is longer than %d bytes", j.Kind, MaxKey)
	case len(j.Args) > MaxArgs:
		return j, fmt.Errorf("job %s: the arguments are larger than %d bytes", j.Kind, MaxArgs)
	case j.MaxAttempts < 0 || j.MaxAttempts > attemptsN:
		return j, fmt.Errorf("job %s: attempts are counted from 1 to %d", j.Kind, attemptsN)
	}
	if j.MaxAttempts == 0 {
		j.MaxAttempts = attempts
	}
	return j, nil
}

// Tx is what a room needs to leave a job behind.
type Tx interface {
	// Enqueue adds a job to what this transaction will commit.
	Enqueue(ctx context.Context, j Job) error
	// Withdraw takes away the jobs of a kind whose key begins so and that are
	// not running at this moment: what they would do has lost its sense.
	Withdraw(ctx context.Context, kind Kind, key string) error
}

// Handler does the work of one job outside any transaction. nil means done; see
// [Permanent] and [Later] for the errors with a meaning of their own.
type Handler func(ctx context.Context, j Job) error

// Handlers by kind.
type Handlers map[Kind]Handler

// Add puts the handlers of a room beside the others; two for one kind are a
// fault of the build.
func (h Handlers) Add(other Handlers) Handlers {
	for _, kind := range slices.Sorted(maps.Keys(other)) {
		if _, there := h[kind]; there {
			panic("job: two handlers for " + string(kind))
		}
		h[kind] = other[kind]
	}
	return h
}

// Periodic is work that comes again and again; one server at a time runs it. A
// run that fails is counted, logged and left to the next.
type Periodic struct {
	Kind  Kind
	Every time.Duration
	// Run tells how much it did.
	Run func(ctx context.Context) (int, error)
}

// permanent marks an error that no later attempt can mend.
type permanent struct{ err error }

func (p *permanent) Error() string { return p.err.Error() }
func (p *permanent) Unwrap() error { return p.err }

// Permanent makes a job dead at once.
func Permanent(err error) error { return &permanent{err} }

// IsPermanent tells whether the error is of [Permanent].
func IsPermanent(err error) bool {
	var p *permanent
	return errors.As(err, &p)
}

// later asks for the job to be run again; it is no failure.
type later struct{ after time.Duration }

func (l *later) Error() string { return "to be run again in " + l.after.String() }

// Later puts the job off without spending an attempt.
func Later(after time.Duration) error { return &later{after} }

// AsLater gives the pause asked for by [Later].
func AsLater(err error) (time.Duration, bool) {
	var l *later
	if errors.As(err, &l) {
		return l.after, true
	}
	return 0, false
}

// Backoff is how long to wait between attempts: First after the first failure,
// twice as long after each further one, never longer than Most; each wait is
// shortened by up to a quarter at random, so that what failed together does not
// come back together.
type Backoff struct{ First, Most time.Duration }

// DefaultBackoff: 5 seconds to 2 hours.
func DefaultBackoff() Backoff { return Backoff{5 * time.Second, 2 * time.Hour} }

// Wait after the given failed attempt (1, 2 …); random is from 0 to 1.
func (b Backoff) Wait(attempt int, random float64) time.Duration {
	wait := b.Most
	if attempt = max(attempt, 1); attempt < 32 {
		if w := b.First << (attempt - 1); w > 0 && w>>(attempt-1) == b.First {
			wait = min(w, b.Most)
		}
	}
	return wait - time.Duration(random*float64(wait)/4)
}
