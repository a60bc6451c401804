package outbox

import (
	"context"
	"errors"
	"strings"
	"time"

	"mist/registry"
	"mist/registry/audit"
)

// Scopes of the operator's desk.
const (
	ScopeRead  = "outbox:read"
	ScopeWrite = "outbox:write"
)

// Status of a message.
type Status string

// Statuses: waiting → sending → answered | retrying | dead; dead → waiting | discarded.
const (
	StatusWaiting   Status = "waiting"
	StatusSending   Status = "sending"
	StatusRetrying  Status = "retrying"
	StatusAnswered  Status = "answered"
	StatusDead      Status = "dead"
	StatusDiscarded Status = "discarded"
)

// Statuses lists them all.
func Statuses() []string {
	return []string{string(StatusWaiting), string(StatusSending), string(StatusRetrying), string(StatusAnswered), string(StatusDead), string(StatusDiscarded)}
}

// Reason why a message is dead.
type Reason string

// Reasons.
const (
	ReasonRefused  Reason = "refused"  // the register refuses for good
	ReasonRubbish  Reason = "rubbish"  // its answers are no answers
	ReasonDeadline Reason = "deadline" // nothing came in time
	ReasonUnknown  Reason = "unknown"  // no connector or effect of this name is configured
)

// Failure is one attempt that failed.
type Failure struct {
	Attempt int       `json:"attempt"`
	At      time.Time `json:"at"`
	Error   string    `json:"error"`
}

// Info is what an operator sees of a message: never what it carries.
type Info struct {
	ID          registry.ID `json:"id"`
	Destination Destination `json:"destination"`
	Operation   Operation   `json:"operation"`
	Subject     string      `json:"subject,omitempty"`
	Status      Status      `json:"status"`
	// Behind tells that an earlier message of the subject is not answered yet.
	Behind    bool      `json:"behind"`
	Attempt   int       `json:"attempt"`
	CreatedAt time.Time `json:"created_at"`
	Deadline  time.Time `json:"deadline"`
	// DueAt is the next attempt; of a message that is sent, when another server
	// takes it over.
	DueAt   time.Time `json:"due_at"`
	EndedAt time.Time `json:"ended_at,omitzero"`
	Reason  Reason    `json:"reason,omitempty"`
	Code    string    `json:"code,omitempty"` // the register's own, with refused
	// Errors of the attempts, oldest first; a list shows the last one only.
	Errors []Failure `json:"errors,omitempty"`
}

// State of a destination as the breaker sees it.
type State struct {
	Destination Destination `json:"destination"`
	// Circuit: closed, open (nothing is sent until RetryAt), half_open (one message tries), paused (by an operator).
	Circuit  string    `json:"circuit"`
	Failures int       `json:"failures"` // one after the other
	OpenedAt time.Time `json:"opened_at,omitzero"`
	RetryAt  time.Time `json:"retry_at,omitzero"`
	Error    string    `json:"last_error,omitempty"`
	// Counts of messages by status, answered and discarded ones left out.
	Counts map[Status]int `json:"messages"`
	// Oldest is when the oldest message that is not ended was put.
	Oldest time.Time `json:"oldest,omitzero"`
}

// Filter of a list; empty members do not narrow it.
type Filter struct {
	Destination Destination
	Operation   Operation
	Subject     string
	Status      Status
	Page, Size  int
}

// Page sizes.
const (
	DefaultPageSize = 50
	MaxPageSize     = 100
)

// DeskTx is what the desk needs of a transaction.
type DeskTx interface {
	Messages(ctx context.Context, f Filter) ([]Info, int, error)
	// MessageInfo reads one; with lock its row is held. Not-found when there is none.
	MessageInfo(ctx context.Context, id registry.ID, lock bool) (Info, error)
	// ReplayMessage makes a message due at once, its attempts counted anew, with
	// as long a time as it had.
	ReplayMessage(ctx context.Context, id registry.ID) error
	// DiscardMessage ends it unsent; what waits behind it may go.
	DiscardMessage(ctx context.Context, id registry.ID) error
	Destinations(ctx context.Context) ([]State, error)
	// PauseDestination stops or resumes sending; a resumed one is tried at once.
	PauseDestination(ctx context.Context, d Destination, paused bool) error
	Audit(ctx context.Context, e audit.Entry) (audit.Receipt, error)
}

// DeskStore begins and ends transactions.
type DeskStore interface {
	View(ctx context.Context, f func(ctx context.Context, tx DeskTx) error) error
	Update(ctx context.Context, f func(ctx context.Context, tx DeskTx) error) error
}

// Desk is where operators see to messages.
type Desk struct{ store DeskStore }

// NewDesk makes the desk.
func NewDesk(store DeskStore) (*Desk, error) {
	if store == nil {
		return nil, errors.New("outbox: a store is needed")
	}
	return &Desk{store}, nil
}

// List gives a page of messages, oldest first, with the number of all.
func (d *Desk) List(ctx context.Context, c registry.Caller, f Filter) (list []Info, total int, err error) {
	if err := c.Require(ScopeRead); err != nil {
		return nil, 0, err
	}
	if err := f.check(); err != nil {
		return nil, 0, err
	}
	err = d.store.View(ctx, func(ctx context.Context, tx DeskTx) (err error) {
		list, total, err = tx.Messages(ctx, f)
		return err
	})
	return list, total, err
}

func (f Filter) check() error {
	wrong := func(entry, rule, text string, params ...string) error {
		return &registry.Error{Code: registry.CodeInvalid, Detail: "validation failed", Fields: []registry.FieldError{
			{Entry: "$." + entry, EntryType: "query_parameter", Rule: rule, Description: text, Params: params}}}
	}
	known := f.Status == ""
	for _, s := range Statuses() {
		known = known || s == string(f.Status)
	}
	switch {
	case !known:
		return wrong("status", "inclusion", "value is not allowed in enum", Statuses()...)
	case f.Destination != "" && !destinationForm.MatchString(string(f.Destination)):
		return wrong("destination", "format", "a destination is one lower-case word")
	case f.Operation != "" && !operationForm.MatchString(string(f.Operation)):
		return wrong("operation", "format", "an operation is the name of a service")
	case len(f.Subject) > MaxSubject || strings.ContainsAny(f.Subject, "%_\\"):
		return wrong("subject", "format", "a subject has at most 120 bytes and no %, _ or backslash")
	case f.Page < 1:
		return wrong("page", "number", "pages are counted from 1")
	case f.Size < 1 || f.Size > MaxPageSize:
		return wrong("page_size", "number", "a page holds 1 to 100 messages", "1", "100")
	}
	return nil
}

// Get reads one message with its failures.
func (d *Desk) Get(ctx context.Context, c registry.Caller, id registry.ID) (info Info, err error) {
	if err := c.Require(ScopeRead); err != nil {
		return Info{}, err
	}
	err = d.store.View(ctx, func(ctx context.Context, tx DeskTx) (err error) {
		info, err = tx.MessageInfo(ctx, id, false)
		return err
	})
	return info, err
}

// Destinations tells how each register stands.
func (d *Desk) Destinations(ctx context.Context, c registry.Caller) (list []State, err error) {
	if err := c.Require(ScopeRead); err != nil {
		return nil, err
	}
	err = d.store.View(ctx, func(ctx context.Context, tx DeskTx) (err error) {
		list, err = tx.Destinations(ctx)
		return err
	})
	return list, err
}

// Replay sends a message again that is dead or waits for its retry, under the
// same id. A dry run tells what would be sent and changes nothing.
func (d *Desk) Replay(ctx context.Context, c registry.Caller, id registry.ID, dryRun bool) (Info, error) {
	return d.change(ctx, c, id, dryRun, "message.replayed", []Status{StatusDead, StatusRetrying}, func(ctx context.Context, tx DeskTx, info *Info) error {
		info.Status, info.EndedAt, info.Reason, info.Code, info.Attempt = StatusWaiting, time.Time{}, "", "", 0
		return tx.ReplayMessage(ctx, id)
	})
}

// Discard ends a message that is not being sent: the register will not hear of
// it from us, and what waits behind it may go.
func (d *Desk) Discard(ctx context.Context, c registry.Caller, id registry.ID, dryRun bool) (Info, error) {
	return d.change(ctx, c, id, dryRun, "message.discarded", []Status{StatusDead, StatusRetrying, StatusWaiting}, func(ctx context.Context, tx DeskTx, info *Info) error {
		info.Status = StatusDiscarded
		return tx.DiscardMessage(ctx, id)
	})
}

func (d *Desk) change(ctx context.Context, c registry.Caller, id registry.ID, dryRun bool, kind audit.Kind, from []Status,
	f func(context.Context, DeskTx, *Info) error) (info Info, err error) {
	if err := c.Require(ScopeWrite); err != nil {
		return Info{}, err
	}
	err = d.store.Update(ctx, func(ctx context.Context, tx DeskTx) (err error) {
		if info, err = tx.MessageInfo(ctx, id, true); err != nil {
			return err
		}
		allowed := false
		for _, s := range from {
			allowed = allowed || info.Status == s
		}
		if !allowed {
			return registry.Errorf(registry.CodeConflict, "the message is %s", info.Status).WithReason("message_" + string(info.Status))
		}
		if dryRun {
			return nil
		}
		if err := f(ctx, tx, &info); err != nil {
			return err
		}
		_, err = tx.Audit(ctx, audit.Entry{Kind: kind, Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID,
			Object: &audit.ObjectRef{Type: "message", ID: info.ID.String()}, Reason: string(info.Destination) + "." + string(info.Operation)})
		return err
	})
	return info, err
}

// Pause stops sending to a register, or resumes it. Messages wait and lose
// nothing but time.
func (d *Desk) Pause(ctx context.Context, c registry.Caller, to Destination, paused bool) (state State, err error) {
	if err := c.Require(ScopeWrite); err != nil {
		return State{}, err
	}
	if !destinationForm.MatchString(string(to)) {
		return State{}, registry.Errorf(registry.CodeNotFound, "not found")
	}
	kind := audit.Kind("destination.resumed")
	if paused {
		kind = "destination.paused"
	}
	err = d.store.Update(ctx, func(ctx context.Context, tx DeskTx) error {
		if err := tx.PauseDestination(ctx, to, paused); err != nil {
			return err
		}
		list, err := tx.Destinations(ctx)
		if err != nil {
			return err
		}
		found := false
		for _, s := range list {
			if s.Destination == to {
				state, found = s, true
			}
		}
		if !found {
			return registry.Errorf(registry.CodeNotFound, "not found")
		}
		_, err = tx.Audit(ctx, audit.Entry{Kind: kind, Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID,
			Object: &audit.ObjectRef{Type: "destination", ID: string(to)}})
		return err
	})
	return state, err
}
