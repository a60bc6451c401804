package outbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/job"
)

// Route is how one register is asked.
type Route struct {
	Connector Connector
	// Workers is how many messages are under way at the same time from one
	// server; zero means 4.
	Workers int
	// Timeout of one attempt; zero means 30 s.
	Timeout time.Duration
	// Backoff between attempts of one message; zero means 2 s to 15 min.
	Backoff job.Backoff
	// Breaker: after so many failures of the register one after the other
	// nothing is sent for a pause, then one message tries. Zero means 5 and 5 s
	// to 5 min.
	Failures int
	Pause    job.Backoff
	// Rubbish is how many answers that are none make a message dead; zero means 5.
	Rubbish int
}

func (r Route) withDefaults() Route {
	if r.Workers == 0 {
		r.Workers = 4
	}
	if r.Timeout == 0 {
		r.Timeout = 30 * time.Second
	}
	if r.Backoff == (job.Backoff{}) {
		r.Backoff = job.Backoff{First: 2 * time.Second, Most: 15 * time.Minute}
	}
	if r.Failures == 0 {
		r.Failures = 5
	}
	if r.Pause == (job.Backoff{}) {
		r.Pause = job.Backoff{First: 5 * time.Second, Most: 5 * time.Minute}
	}
	if r.Rubbish == 0 {
		r.Rubbish = 5
	}
	return r
}

// leaseMargin is what a lease lasts beyond the time-out of the attempt: the end
// of the message has to be written in it.
const leaseMargin = 15 * time.Second

// Claimed is a message that this server may send until its lease ends. Rubbish
// counts the answers so far that were none.
type Claimed struct {
	Message
	Rubbish int
}

// Failed is what is written of an attempt that did not end its message.
type Failed struct {
	Error   string
	Wait    time.Duration // until the next attempt
	Rubbish bool
	// Blame tells that the register is to be blamed, not this message; Open is
	// then how long nothing is sent if the count of failures has reached Limit.
	Blame bool
	Limit int
	Pause job.Backoff
}

// WorkTx is what the worker needs of a transaction. Every change of a message
// names the attempt: a server whose lease ended while it waited changes nothing.
type WorkTx interface {
	Tx
	// DueDestinations lists those with something to send now.
	DueDestinations(ctx context.Context) ([]Destination, error)
	// ClaimMessages leases at most limit due messages, first of their subjects;
	// one while the destination's circuit is half open, none while it is open.
	ClaimMessages(ctx context.Context, d Destination, limit int, lease time.Duration) ([]Claimed, error)
	// HoldMessage locks a message for its end; false when this attempt is not
	// the current one any more.
	HoldMessage(ctx context.Context, m Message) (bool, error)
	// AnswerMessage ends it; its body is wiped, the next of its subject may go.
	AnswerMessage(ctx context.Context, m Message) error
	// KillMessage makes it dead.
	KillMessage(ctx context.Context, m Message, reason Reason, code, text string) error
	// RetryMessage puts it off.
	RetryMessage(ctx context.Context, m Message, f Failed) error
	// Relieve notes that the destination answered: its circuit closes.
	Relieve(ctx context.Context, d Destination) error
	// Blame notes a failure of the destination itself.
	Blame(ctx context.Context, d Destination, f Failed) error
	// ForgetMessages takes away at most limit rows that ended before.
	ForgetMessages(ctx context.Context, before time.Time, limit int) (int, error)
}

// WorkStore begins and ends transactions.
type WorkStore interface {
	Look(ctx context.Context, f func(ctx context.Context, tx WorkTx) error) error
	Update(ctx context.Context, f func(ctx context.Context, tx WorkTx) error) error
}

// Outcomes of an attempt.
const (
	SentAnswered = "answered"
	SentRetried  = "retried"
	SentDead     = "dead"
	SentStale    = "stale" // another server had taken the message over
)

// Sent is one attempt, for metrics.
type Sent struct {
	Destination Destination
	Operation   Operation
	Outcome     string
	Took        time.Duration
}

// WorkerConfig says how this server sends.
type WorkerConfig struct {
	Store   WorkStore
	Source  registry.Source
	Routes  map[Destination]Route
	Effects Effects
	// Poll is the pause between two looks at the queue; zero means 200 ms.
	Poll time.Duration
	Log  *slog.Logger
	// Observe is told of every attempt; may be nil.
	Observe func(Sent)
}

// Worker sends messages.
type Worker struct {
	c      WorkerConfig
	routes map[Destination]Route
	wake   chan struct{}

	mu   sync.Mutex
	busy map[Destination]int
	all  sync.WaitGroup
}

// NewWorker refuses a half-configured worker.
func NewWorker(c WorkerConfig) (*Worker, error) {
	if c.Store == nil || c.Source.Clock == nil || c.Source.Random == nil || c.Log == nil {
		return nil, errors.New("outbox: a part of the worker is missing")
	}
	if c.Poll == 0 {
		c.Poll = 200 * time.Millisecond
	}
	if c.Observe == nil {
		c.Observe = func(Sent) {}
	}
	w := &Worker{c: c, routes: map[Destination]Route{}, wake: make(chan struct{}, 1), busy: map[Destination]int{}}
	for d, r := range c.Routes {
		if r.Connector == nil {
			return nil, fmt.Errorf("outbox: %s has no connector", d)
		}
		w.routes[d] = r.withDefaults()
	}
	return w, nil
}

// Run sends until ctx ends, then waits for what is under way: each attempt at
// most for its time-out. What is cut off is sent again under its id.
func (w *Worker) Run(ctx context.Context) {
	defer w.all.Wait()
	for {
		w.look(ctx)
		select {
		case <-ctx.Done():
			return
		case <-w.wake:
		case <-time.After(w.c.Poll):
		}
	}
}

// look begins what can be begun now.
func (w *Worker) look(ctx context.Context) {
	var due []Destination
	err := w.c.Store.Look(ctx, func(ctx context.Context, tx WorkTx) (err error) {
		due, err = tx.DueDestinations(ctx)
		return err
	})
	if err != nil && ctx.Err() == nil {
		w.c.Log.Warn("looking into the outbox", "cause", err.Error())
	}
	for _, d := range due {
		route, ok := w.routes[d]
		if !ok {
			continue // another server may know it; an alarm tells what is not sent
		}
		w.mu.Lock()
		free := route.Workers - w.busy[d]
		w.mu.Unlock()
		if free <= 0 {
			continue
		}
		var claimed []Claimed
		err := w.c.Store.Update(ctx, func(ctx context.Context, tx WorkTx) (err error) {
			claimed, err = tx.ClaimMessages(ctx, d, free, route.Timeout+leaseMargin)
			return err
		})
		if err != nil {
			if ctx.Err() == nil {
				w.c.Log.Warn("taking messages from the outbox", "destination", string(d), "cause", err.Error())
			}
			continue
		}
		w.mu.Lock()
		w.busy[d] += len(claimed)
		w.mu.Unlock()
		for _, m := range claimed {
			w.all.Add(1)
			go func() {
				defer w.all.Done()
				w.send(context.WithoutCancel(ctx), route, m)
				w.mu.Lock()
				w.busy[d]--
				w.mu.Unlock()
				select {
				case w.wake <- struct{}{}:
				default:
				}
			}()
		}
	}
}

// send makes one attempt and writes its end.
func (w *Worker) send(ctx context.Context, route Route, m Claimed) {
	began := time.Now()
	outcome, err := w.attempt(ctx, route, m)
	if err != nil && outcome == "" {
		outcome = SentRetried
	}
	w.c.Observe(Sent{m.Destination, m.Operation, outcome, time.Since(began)})
	if err != nil {
		// The lease ends by itself and the message is sent again.
		w.c.Log.Warn("writing the end of a message", "destination", string(m.Destination), "operation", string(m.Operation), "message", m.ID.String(), "cause", kept(err))
	}
}

func (w *Worker) attempt(ctx context.Context, route Route, m Claimed) (string, error) {
	effect, known := w.c.Effects[m.Destination][m.Operation]
	if !known {
		return SentDead, w.kill(ctx, m.Message, effect, ReasonUnknown, "", errors.New("this server knows no such operation"))
	}
	if !w.c.Source.Now().Before(m.Deadline) {
		return SentDead, w.kill(ctx, m.Message, effect, ReasonDeadline, "", errors.New("the deadline has passed"))
	}
	reply, err := w.ask(ctx, route, m.Message)
	if err == nil {
		var outcome string
		if outcome, err = w.answered(ctx, m.Message, effect, reply); err == nil {
			return outcome, nil
		}
	}
	// A reply that the effect refuses is a failure of the register, too; what the
	// database refuses is ours.
	code, isRefused := AsRefused(err)
	switch {
	case isRefused:
		return SentDead, w.kill(ctx, m.Message, effect, ReasonRefused, code, err)
	case IsRubbish(err) && m.Rubbish+1 >= route.Rubbish:
		return SentDead, w.kill(ctx, m.Message, effect, ReasonRubbish, "", err)
	}
	var ours *writeError
	f := Failed{Error: kept(err), Wait: route.Backoff.Wait(m.Attempt, rand.Float64()), Rubbish: IsRubbish(err), Limit: route.Failures, Pause: route.Pause}
	f.Blame = !errors.As(err, &ours)
	if !f.Blame {
		f.Wait = min(f.Wait, 5*time.Second)
	}
	stale := false
	err = w.c.Store.Update(ctx, func(ctx context.Context, tx WorkTx) error {
		held, err := tx.HoldMessage(ctx, m.Message)
		if stale = !held; err != nil || stale {
			return err
		}
		if err := tx.RetryMessage(ctx, m.Message, f); err != nil || !f.Blame {
			return err
		}
		return tx.Blame(ctx, m.Destination, f)
	})
	if stale {
		return SentStale, err
	}
	return SentRetried, err
}

// ask calls the connector; a panic is an error that does not repeat its value.
func (w *Worker) ask(ctx context.Context, route Route, m Message) (r Reply, err error) {
	ctx, cancel := context.WithTimeout(ctx, route.Timeout)
	defer cancel()
	defer func() {
		if v := recover(); v != nil {
			w.c.Log.Error("a connector panicked", "destination", string(m.Destination), "operation", string(m.Operation), "type", fmt.Sprintf("%T", v), "stack", string(debug.Stack()))
			err = Rubbish(fmt.Errorf("the connector panicked with a %T; the stack is in the server's log", v))
		}
	}()
	return route.Connector.Send(ctx, m)
}

// writeError is a failure of our own side after the register has answered.
type writeError struct{ err error }

func (e *writeError) Error() string { return e.err.Error() }
func (e *writeError) Unwrap() error { return e.err }

// Answered is the kind of the entry by which a message ends: the digests of
// what was asked and what was answered. Dead says that it was given up.
const (
	Answered audit.Kind = "message.answered"
	Dead     audit.Kind = "message.dead"
)

func (w *Worker) answered(ctx context.Context, m Message, effect Effect, r Reply) (outcome string, err error) {
	var verdict error // of the effect, about the reply
	err = w.c.Store.Update(ctx, func(ctx context.Context, tx WorkTx) error {
		outcome, verdict = SentAnswered, nil
		held, err := tx.HoldMessage(ctx, m)
		if err != nil {
			return err
		}
		if !held {
			outcome = SentStale
			return nil
		}
		if effect.Answered != nil {
			if err := w.effect(ctx, tx, effect.Answered, m, r); err != nil {
				if _, no := AsRefused(err); no || IsRubbish(err) {
					verdict = err
				}
				return err
			}
		}
		if err := tx.AnswerMessage(ctx, m); err != nil {
			return err
		}
		if err := tx.Relieve(ctx, m.Destination); err != nil {
			return err
		}
		wire := r.Wire
		wire.MessageID = m.ID.String()
		_, err = tx.Audit(ctx, audit.Entry{Kind: Answered, Channel: string(registry.ChannelJob), RequestID: m.ID.String(), SubjectID: m.PersonID,
			Object: &audit.ObjectRef{Type: "operation", ID: string(m.Destination) + "." + string(m.Operation)}, Exchange: &wire})
		return err
	})
	switch {
	case err == nil:
		return outcome, nil
	case verdict != nil:
		return "", verdict
	}
	return "", &writeError{err}
}

// effect runs an effect; a panic is an error of ours that does not repeat its value.
func (w *Worker) effect(ctx context.Context, tx WorkTx, f func(context.Context, WorkTx, Message, Reply) error, m Message, r Reply) (err error) {
	defer func() {
		if v := recover(); v != nil {
			w.c.Log.Error("the effect of an answer panicked", "destination", string(m.Destination), "operation", string(m.Operation), "type", fmt.Sprintf("%T", v), "stack", string(debug.Stack()))
			err = fmt.Errorf("the effect panicked with a %T; the stack is in the server's log", v)
		}
	}()
	return f(ctx, tx, m, r)
}

func (w *Worker) kill(ctx context.Context, m Message, effect Effect, reason Reason, code string, cause error) error {
	text := kept(cause)
	w.c.Log.Warn("a message is dead", "destination", string(m.Destination), "operation", string(m.Operation), "message", m.ID.String(), "reason", string(reason), "code", code, "cause", text)
	return w.c.Store.Update(ctx, func(ctx context.Context, tx WorkTx) error {
		held, err := tx.HoldMessage(ctx, m)
		if err != nil || !held {
			return err
		}
		if err := tx.KillMessage(ctx, m, reason, code, text); err != nil {
			return err
		}
		// Whoever refuses by its own word is up.
		if reason == ReasonRefused {
			if err := tx.Relieve(ctx, m.Destination); err != nil {
				return err
			}
		}
		if effect.Dead != nil {
			if err := effect.Dead(ctx, tx, m, reason); err != nil {
				return err
			}
		}
		_, err = tx.Audit(ctx, audit.Entry{Kind: Dead, Channel: string(registry.ChannelJob), RequestID: m.ID.String(), SubjectID: m.PersonID,
			Object: &audit.ObjectRef{Type: "operation", ID: string(m.Destination) + "." + string(m.Operation)}, Code: string(reason)})
		return err
	})
}

// Retention is how long the row of an ended message is kept for inspection,
// without its body.
const Retention = 30 * 24 * time.Hour

// Periodic is the work that time demands.
func (w *Worker) Periodic(every time.Duration) []job.Periodic {
	return []job.Periodic{{Kind: "forget_messages", Every: every, Run: func(ctx context.Context) (n int, err error) {
		err = w.c.Store.Update(ctx, func(ctx context.Context, tx WorkTx) (err error) {
			n, err = tx.ForgetMessages(ctx, w.c.Source.Now().Add(-Retention), 1000)
			return err
		})
		return n, err
	}}}
}

// kept cuts an error to what is kept of it.
func kept(err error) string {
	text := err.Error()
	if len(text) > MaxError {
		text = strings.ToValidUTF8(text[:MaxError], "")
	}
	return text
}
