package job

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
	ScopeRead  = "job:read"
	ScopeWrite = "job:write"
)

// Status of a job that is not done. Done jobs are not kept.
type Status string

// Statuses: waiting → running → (done) | retrying | dead.
const (
	StatusWaiting  Status = "waiting"
	StatusRunning  Status = "running"
	StatusRetrying Status = "retrying"
	StatusDead     Status = "dead"
)

// Info is what an operator sees of a job: never its arguments.
type Info struct {
	ID          registry.ID `json:"id"`
	Kind        Kind        `json:"kind"`
	Key         string      `json:"key,omitempty"`
	Status      Status      `json:"status"`
	Attempt     int         `json:"attempt"`
	MaxAttempts int         `json:"max_attempts"`
	CreatedAt   time.Time   `json:"created_at"`
	RunAt       time.Time   `json:"run_at"`
	// DiedAt is set for dead jobs.
	DiedAt time.Time `json:"died_at,omitzero"`
	// Errors of the attempts, oldest first; a list shows the last one only.
	Errors []Failure `json:"errors,omitempty"`
}

// Failure is one attempt that failed.
type Failure struct {
	Attempt int       `json:"attempt"`
	At      time.Time `json:"at"`
	Error   string    `json:"error"`
}

// Filter of a list; empty members do not narrow it.
type Filter struct {
	Kind       Kind
	Key        string // its beginning
	Status     Status
	Page, Size int
}

// Page sizes.
const (
	DefaultPageSize = 50
	MaxPageSize     = 100
)

// DeskTx is what the desk needs of a transaction.
type DeskTx interface {
	Jobs(ctx context.Context, f Filter) ([]Info, int, error)
	// JobInfo reads one job; with lock set its row is held. Not-found when there is none.
	JobInfo(ctx context.Context, id registry.ID, lock bool) (Info, error)
	// ReplayJob makes a job that is dead or waits for its retry run at once,
	// with as many attempts as it began with.
	ReplayJob(ctx context.Context, id registry.ID) error
	// DiscardJob takes a job away for good.
	DiscardJob(ctx context.Context, id registry.ID) error
	Audit(ctx context.Context, e audit.Entry) (audit.Receipt, error)
}

// DeskStore begins and ends transactions.
type DeskStore interface {
	View(ctx context.Context, f func(ctx context.Context, tx DeskTx) error) error
	Update(ctx context.Context, f func(ctx context.Context, tx DeskTx) error) error
}

// Desk is where operators see to jobs.
type Desk struct {
	store DeskStore
	// done are the kinds that this installation does; nil where that is not known.
	done map[Kind]bool
}

// ReasonKind is the reason of a refusal to replay a job that no server does any more.
const ReasonKind = "job_kind"

// Does tells the desk, before it is used, which kinds of jobs are done here: a
// job of another kind cannot be replayed, only discarded.
func (d *Desk) Does(h Handlers) {
	d.done = map[Kind]bool{}
	for kind := range h {
		d.done[kind] = true
	}
}

// NewDesk makes the desk.
func NewDesk(store DeskStore) (*Desk, error) {
	if store == nil {
		return nil, errors.New("job: a store is needed")
	}
	return &Desk{store: store}, nil
}

// List gives a page of jobs, oldest first, with the number of all.
func (d *Desk) List(ctx context.Context, c registry.Caller, f Filter) (list []Info, total int, err error) {
	if err := c.Require(ScopeRead); err != nil {
		return nil, 0, err
	}
	if err := f.check(); err != nil {
		return nil, 0, err
	}
	err = d.store.View(ctx, func(ctx context.Context, tx DeskTx) (err error) {
		list, total, err = tx.Jobs(ctx, f)
		return err
	})
	return list, total, err
}

func (f Filter) check() error {
	wrong := func(entry, rule, text string, params ...string) error {
		return &registry.Error{Code: registry.CodeInvalid, Detail: "validation failed", Fields: []registry.FieldError{
			{Entry: "$." + entry, EntryType: "query_parameter", Rule: rule, Description: text, Params: params}}}
	}
	switch f.Status {
	case "", StatusWaiting, StatusRunning, StatusRetrying, StatusDead:
	default:
		return wrong("status", "inclusion", "a job is waiting, running, retrying or dead", "waiting", "running", "retrying", "dead")
	}
	switch {
	case f.Kind != "" && !kindForm.MatchString(string(f.Kind)):
		return wrong("kind", "format", "a kind is words of lower-case letters joined by dots and underscores")
	case len(f.Key) > MaxKey || strings.ContainsAny(f.Key, "%_\\"):
		return wrong("key", "format", "a key's beginning has at most 200 bytes and no %, _ or backslash")
	case f.Page < 1:
		return wrong("page", "number", "pages are counted from 1")
	case f.Size < 1 || f.Size > MaxPageSize:
		return wrong("page_size", "number", "a page holds 1 to 100 jobs", "1", "100")
	}
	return nil
}

// Get reads one job with all its failures.
func (d *Desk) Get(ctx context.Context, c registry.Caller, id registry.ID) (info Info, err error) {
	if err := c.Require(ScopeRead); err != nil {
		return Info{}, err
	}
	err = d.store.View(ctx, func(ctx context.Context, tx DeskTx) (err error) {
		info, err = tx.JobInfo(ctx, id, false)
		return err
	})
	return info, err
}

// Replay runs a job again that is dead or waits for its retry. A dry run tells
// what would be replayed and changes nothing.
func (d *Desk) Replay(ctx context.Context, c registry.Caller, id registry.ID, dryRun bool) (Info, error) {
	return d.change(ctx, c, id, dryRun, replayed, []Status{StatusDead, StatusRetrying}, func(ctx context.Context, tx DeskTx, info *Info) error {
		info.Status, info.DiedAt = StatusWaiting, time.Time{}
		return tx.ReplayJob(ctx, id)
	})
}

// replayed is the kind of the entry a retry leaves.
const replayed audit.Kind = "job.replayed"

// Discard takes a job away that is not running: its work will not be done.
func (d *Desk) Discard(ctx context.Context, c registry.Caller, id registry.ID, dryRun bool) (Info, error) {
	return d.change(ctx, c, id, dryRun, "job.discarded", []Status{StatusDead, StatusRetrying, StatusWaiting}, func(ctx context.Context, tx DeskTx, _ *Info) error {
		return tx.DiscardJob(ctx, id)
	})
}

func (d *Desk) change(ctx context.Context, c registry.Caller, id registry.ID, dryRun bool, kind audit.Kind, from []Status,
	f func(context.Context, DeskTx, *Info) error) (info Info, err error) {
	if err := c.Require(ScopeWrite); err != nil {
		return Info{}, err
	}
	err = d.store.Update(ctx, func(ctx context.Context, tx DeskTx) (err error) {
		if info, err = tx.JobInfo(ctx, id, true); err != nil {
			return err
		}
		allowed := false
		for _, s := range from {
			allowed = allowed || info.Status == s
		}
		if !allowed {
			return registry.Errorf(registry.CodeConflict, "the job is %s", info.Status).WithReason("job_" + string(info.Status))
		}
		if kind == replayed && d.done != nil && !d.done[info.Kind] {
			return registry.Errorf(registry.CodeConflict, "no server does jobs of the kind %s any more: it can only be discarded", info.Kind).WithReason(ReasonKind)
		}
		if dryRun {
			return nil
		}
		if err := f(ctx, tx, &info); err != nil {
			return err
		}
		_, err = tx.Audit(ctx, audit.Entry{Kind: kind, Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID,
			Object: &audit.ObjectRef{Type: string(info.Kind), ID: id.String()}})
		return err
	})
	return info, err
}
