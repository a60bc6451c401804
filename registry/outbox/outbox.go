// Package outbox carries messages to other registers so that none is lost and
// none has its effect twice, whatever dies in between.
//
// A message is put in the transaction of what it follows from and sent after
// the commit, by any server: with pauses that grow, by a circuit breaker of each
// destination, until a deadline. Its id stays the same at every attempt, so that
// the register can tell a repetition (X-Road message id). Messages of one
// destination and subject leave in the order in which they were put: the next
// one waits until the one before is answered, also while that one is dead. The
// effect of an answer is written in the transaction that ends the message.
//
// It trusts a connector to say which answer is no answer ([Refused], [Rubbish])
// and nobody with what a message carries: bodies are sealed where they rest, and
// errors, which are kept readable, must not repeat them.
package outbox

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"mist/registry"
	"mist/registry/audit"
)

// Destination names a register: one lower-case word, for instance "dracs".
type Destination string

// Operation is a service of a register as its contract names it.
type Operation string

var (
	destinationForm = regexp.MustCompile(`^[a-z][a-z0-9_]{1,29}$`)
	operationForm   = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{1,59}$`)
)

// Limits of a message.
const (
	MaxBody    = 4 << 20 // bytes
	MaxSubject = 120     // bytes
	MaxError   = 300     // bytes of an error that are kept
	MaxKept    = 20      // failures that are kept, the newest
	// Patience is how long a message is tried when it has no deadline of its own.
	Patience = 72 * time.Hour
)

// Message is one call of another register.
type Message struct {
	// ID is the message id towards the register, the same at every attempt. It
	// may be left zero: one is given. A second message of an id is not put, so a
	// room that derives the id from its act asks once.
	ID          registry.ID
	Destination Destination
	Operation   Operation
	// Subject orders: messages of one destination and subject leave one after
	// the other. Empty means no order. It is shown to operators and must not
	// identify a person by number or name: an act's or a person's id is good.
	Subject string
	// PersonID is whose data the message tells; zero when it tells of nobody.
	// Fields names what it tells, for the trail: a message about a person is a
	// disclosure and leaves its entry in the transaction that puts it.
	PersonID registry.ID
	Fields   []string
	// Body is the room's own form of the question; the connector makes the wire
	// message of it, the same bytes each time.
	Body []byte
	// NotBefore is the earliest time of the first attempt; zero means at once.
	NotBefore time.Time
	// Deadline is when it has lost its sense; zero means after [Patience].
	Deadline time.Time

	// Attempt counts from 1, anew when an operator replays; Claim counts on. They
	// and CreatedAt are set when the message is read.
	Attempt   int
	Claim     int
	CreatedAt time.Time
}

// Check refuses what could not be kept, and fills in the defaults.
func Check(m Message, source registry.Source) (Message, error) {
	now := source.Now()
	switch {
	case !destinationForm.MatchString(string(m.Destination)):
		return m, fmt.Errorf("outbox: %q is not a destination", m.Destination)
	case !operationForm.MatchString(string(m.Operation)):
		return m, fmt.Errorf("outbox: %q is not an operation", m.Operation)
	case len(m.Subject) > MaxSubject:
		return m, fmt.Errorf("outbox: the subject is longer than %d bytes", MaxSubject)
	case registry.MayHoldIdentifier(m.Subject):
		return m, errors.New("outbox: the subject has the shape of a person's number")
	case len(m.Body) > MaxBody:
		return m, fmt.Errorf("outbox: the body is larger than %d bytes", MaxBody)
	case m.PersonID.IsZero() != (len(m.Fields) == 0):
		return m, errors.New("outbox: a message about a person names its fields, and no other does")
	}
	if m.ID.IsZero() {
		m.ID = source.NewID()
	}
	if m.NotBefore.IsZero() {
		m.NotBefore = now
	}
	if m.Deadline.IsZero() {
		m.Deadline = m.NotBefore.Add(Patience)
	}
	if !m.Deadline.After(m.NotBefore) {
		return m, errors.New("outbox: the deadline lies before the first attempt")
	}
	m.CreatedAt, m.Attempt, m.Claim = now, 0, 0
	return m, nil
}

// Tx is what a room needs to put a message.
type Tx interface {
	// PutMessage adds a checked message to what this transaction will commit. A
	// message whose id is there already is left as it is.
	PutMessage(ctx context.Context, m Message) error
	Audit(ctx context.Context, e audit.Entry) (audit.Receipt, error)
}

// Disclosed is the kind of the entry a message about a person leaves.
const Disclosed audit.Kind = "disclosure.sent"

// Put leaves a message to be sent when the transaction has committed, and the
// entry that the person's data are told. c is on whose account.
func Put(ctx context.Context, tx Tx, source registry.Source, c registry.Caller, m Message) (registry.ID, error) {
	m, err := Check(m, source)
	if err != nil {
		return registry.ID{}, err
	}
	if err := tx.PutMessage(ctx, m); err != nil {
		return registry.ID{}, err
	}
	if m.PersonID.IsZero() {
		return m.ID, nil
	}
	_, err = tx.Audit(ctx, audit.Entry{
		Kind: Disclosed, Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID, SubjectID: m.PersonID,
		Object: &audit.ObjectRef{Type: "message", ID: m.ID.String()}, Fields: m.Fields, Reason: string(m.Destination) + "." + string(m.Operation),
		LegalBasis: &audit.LegalBasis{Code: audit.BasisStatute, Purpose: string(m.Destination)},
	})
	return m.ID, err
}

// Reply is what a register answered.
type Reply struct {
	// Body is the answer in the form the connector promises for the operation.
	Body []byte
	// Wire are the digests of the two messages, for the trail.
	Wire audit.Exchange
}

// Connector asks one register. It runs outside of any transaction, at least
// once for each message; the register tells a repetition by the id. The error
// is of [Refused] or [Rubbish], or the trouble may pass: the network, a
// time-out, a register that is busy. Its text must name no person.
type Connector interface {
	Send(ctx context.Context, m Message) (Reply, error)
}

// ConnectorFunc is a function as a connector.
type ConnectorFunc func(ctx context.Context, m Message) (Reply, error)

// Send implements [Connector].
func (f ConnectorFunc) Send(ctx context.Context, m Message) (Reply, error) { return f(ctx, m) }

// refused marks an answer by which the register refuses for good.
type refused struct {
	code string
	err  error
}

func (r *refused) Error() string { return r.err.Error() }
func (r *refused) Unwrap() error { return r.err }

// Refused makes a message dead at once: the register answered, and no later
// attempt will be answered otherwise. code is the register's own, as a word.
func Refused(code string, err error) error { return &refused{code, err} }

// AsRefused gives the code of [Refused].
func AsRefused(err error) (code string, ok bool) {
	var r *refused
	if errors.As(err, &r) {
		return r.code, true
	}
	return "", false
}

// rubbish marks an answer that is not one.
type rubbish struct{ err error }

func (r *rubbish) Error() string { return r.err.Error() }
func (r *rubbish) Unwrap() error { return r.err }

// Rubbish tells that what came back is no answer of this question. It is tried
// again, [Route.Rubbish] times in all: a proxy's page passes, a changed contract
// does not.
func Rubbish(err error) error { return &rubbish{err} }

// IsRubbish tells whether the error is of [Rubbish].
func IsRubbish(err error) bool {
	var r *rubbish
	return errors.As(err, &r)
}

// Effect is what an answer changes, written in the transaction that ends the
// message: exactly once, though the register may have answered more often.
type Effect struct {
	// Answered takes the reply. An error of [Rubbish] or [Refused] says that the
	// reply makes no sense, or that it refuses.
	Answered func(ctx context.Context, tx WorkTx, m Message, r Reply) error
	// Dead is told when the message is given up; may be nil.
	Dead func(ctx context.Context, tx WorkTx, m Message, reason Reason) error
}

// Effects by destination and operation.
type Effects map[Destination]map[Operation]Effect

// Add puts the effect of one operation beside the others; two for one are a
// fault of the build.
func (e Effects) Add(d Destination, o Operation, f Effect) {
	if e[d] == nil {
		e[d] = map[Operation]Effect{}
	}
	if _, there := e[d][o]; there {
		panic("outbox: two effects for " + string(d) + "." + string(o))
	}
	e[d][o] = f
}

// As makes an effect over a room's own view T of the transaction.
func As[T any](f func(ctx context.Context, tx T, m Message, r Reply) error) func(context.Context, WorkTx, Message, Reply) error {
	return func(ctx context.Context, tx WorkTx, m Message, r Reply) error {
		t, ok := tx.(T)
		if !ok {
			return fmt.Errorf("outbox: the transaction is no %T", (*T)(nil))
		}
		return f(ctx, t, m, r)
	}
}

// AsDead is [As] for Effect.Dead.
func AsDead[T any](f func(ctx context.Context, tx T, m Message, reason Reason) error) func(context.Context, WorkTx, Message, Reason) error {
	return func(ctx context.Context, tx WorkTx, m Message, reason Reason) error {
		t, ok := tx.(T)
		if !ok {
			return fmt.Errorf("outbox: the transaction is no %T", (*T)(nil))
		}
		return f(ctx, t, m, reason)
	}
}
