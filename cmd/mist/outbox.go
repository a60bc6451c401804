package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"mist/registry"
	"mist/registry/outbox"
	"mist/registry/postgres"
)

type outboxCommand struct {
	List      outboxListCommand    `cmd:"" help:"Messages to other registers, oldest first."`
	Show      outboxShowCommand    `cmd:"" help:"One message with its failures."`
	Replay    outboxReplayCommand  `cmd:"" help:"Send dead messages again under their ids; without --yes only tell which."`
	Discard   outboxDiscardCommand `cmd:"" help:"Give messages up: the register will not hear of them; without --yes only tell which."`
	Registers outboxStatesCommand  `cmd:"" help:"How each register stands: its circuit and what waits for it."`
	Pause     outboxPauseCommand   `cmd:"" help:"Send nothing to a register until it is resumed."`
	Resume    outboxResumeCommand  `cmd:"" help:"Send to a register again, at once."`
}

// outboxDesk opens the registry for a command about messages.
type outboxDesk struct {
	Config string `required:"" type:"existingfile" help:"Configuration file (YAML)." env:"MIST_CONFIG"`
}

func (d outboxDesk) open(e env) (*operator, *outbox.Desk, registry.Caller, error) {
	op, err := openOperator(e, d.Config, 4)
	if err != nil {
		return nil, nil, registry.Caller{}, err
	}
	desk, err := outbox.NewDesk(postgres.NewPort[outbox.DeskTx](op.store))
	if err != nil {
		op.close()
		return nil, nil, registry.Caller{}, err
	}
	return op, desk, registry.Caller{Channel: registry.ChannelJob, RequestID: "operator-" + registry.SystemSource().NewID().String(), Scopes: []string{outbox.ScopeRead, outbox.ScopeWrite}}, nil
}

type outboxListCommand struct {
	outboxDesk  `embed:""`
	Destination string `help:"Only this register."`
	Operation   string `help:"Only this service."`
	Subject     string `help:"Only subjects that begin so."`
	Status      string `enum:",waiting,sending,retrying,answered,dead,discarded" default:"" help:"Only this status."`
}

// Run implements the command.
func (c *outboxListCommand) Run(e env) error {
	op, desk, caller, err := c.open(e)
	if err != nil {
		return err
	}
	defer op.close()
	list, err := allMessages(e.ctx, desk, caller, outbox.Filter{Destination: outbox.Destination(c.Destination), Operation: outbox.Operation(c.Operation), Subject: c.Subject, Status: outbox.Status(c.Status)})
	if err != nil {
		return refused(err)
	}
	return printMessages(e, list)
}

func allMessages(ctx context.Context, desk *outbox.Desk, caller registry.Caller, f outbox.Filter) (all []outbox.Info, err error) {
	for f.Page, f.Size = 1, outbox.MaxPageSize; ; f.Page++ {
		list, total, err := desk.List(ctx, caller, f)
		if err != nil {
			return nil, err
		}
		if all = append(all, list...); len(all) >= total || len(list) == 0 {
			return all, nil
		}
	}
}

func printMessages(e env, list []outbox.Info) error {
	w := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
	for _, m := range list {
		status, last := string(m.Status), ""
		if m.Behind {
			status += ", behind"
		}
		if m.Reason != "" {
			status += " (" + strings.TrimSuffix(string(m.Reason)+" "+m.Code, " ") + ")"
		}
		if n := len(m.Errors); n > 0 {
			last = m.Errors[n-1].Error
		}
		fmt.Fprintf(w, "%s\t%s.%s\t%s\t%s\t%d\t%s\t%s\n", m.ID, m.Destination, m.Operation, m.Subject, status, m.Attempt, m.DueAt.Format(time.RFC3339), last)
	}
	return w.Flush()
}

type outboxShowCommand struct {
	outboxDesk `embed:""`
	ID         string `arg:"" help:"The message."`
}

// Run implements the command.
func (c *outboxShowCommand) Run(e env) error {
	id, err := registry.ParseID(c.ID)
	if err != nil {
		return &failure{exitUsage, err}
	}
	op, desk, caller, err := c.open(e)
	if err != nil {
		return err
	}
	defer op.close()
	m, err := desk.Get(e.ctx, caller, id)
	if err != nil {
		return refused(err)
	}
	failures := m.Errors
	m.Errors = nil
	if err := printMessages(e, []outbox.Info{m}); err != nil {
		return err
	}
	for _, f := range failures {
		fmt.Fprintf(e.stdout, "  %s  attempt %d: %s\n", f.At.UTC().Format(time.RFC3339), f.Attempt, f.Error)
	}
	return nil
}

// outboxChange picks messages and does something with each.
type outboxChange struct {
	outboxDesk  `embed:""`
	IDs         []string `arg:"" optional:"" name:"id" help:"The messages; none: all dead ones."`
	Destination string   `help:"Without ids: only dead messages to this register."`
	Yes         bool     `help:"Do it; without this nothing is changed."`
	twoPeople   `embed:""`
}

func (c outboxChange) run(e env, verb string, change func(*outbox.Desk) func(context.Context, registry.Caller, registry.ID, bool) (outbox.Info, error)) error {
	ids, err := parseIDs(c.IDs)
	if err != nil {
		return err
	}
	op, desk, caller, err := c.open(e)
	if err != nil {
		return err
	}
	defer op.close()
	return deadWork[outbox.Info]{
		desk: "outbox", noun: "message", verb: verb, by: "destination", only: c.Destination, print: printMessages,
		dead: func(ctx context.Context) (ids []registry.ID, err error) {
			dead, err := allMessages(ctx, desk, caller, outbox.Filter{Destination: outbox.Destination(c.Destination), Status: outbox.StatusDead})
			for _, m := range dead {
				ids = append(ids, m.ID)
			}
			return ids, err
		},
		change: func(ctx context.Context, id registry.ID, dry bool) (outbox.Info, error) {
			return change(desk)(ctx, caller, id, dry)
		},
	}.run(e, op, ids, c.Yes, c.twoPeople)
}

type outboxReplayCommand struct {
	outboxChange `embed:""`
}

// Run implements the command.
func (c *outboxReplayCommand) Run(e env) error {
	return c.run(e, "replayed", func(d *outbox.Desk) func(context.Context, registry.Caller, registry.ID, bool) (outbox.Info, error) {
		return d.Replay
	})
}

type outboxDiscardCommand struct {
	outboxChange `embed:""`
}

// Run implements the command.
func (c *outboxDiscardCommand) Run(e env) error {
	return c.run(e, "discarded", func(d *outbox.Desk) func(context.Context, registry.Caller, registry.ID, bool) (outbox.Info, error) {
		return d.Discard
	})
}

type outboxStatesCommand struct {
	outboxDesk `embed:""`
}

// Run implements the command.
func (c *outboxStatesCommand) Run(e env) error {
	op, desk, caller, err := c.open(e)
	if err != nil {
		return err
	}
	defer op.close()
	list, err := desk.Destinations(e.ctx, caller)
	if err != nil {
		return refused(err)
	}
	return printStates(e, list)
}

func printStates(e env, list []outbox.State) error {
	w := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
	for _, s := range list {
		retry := ""
		if !s.RetryAt.IsZero() {
			retry = "until " + s.RetryAt.Format(time.RFC3339)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\twaiting %d, sending %d, retrying %d, dead %d\t%s\n", s.Destination, s.Circuit, retry,
			s.Counts[outbox.StatusWaiting], s.Counts[outbox.StatusSending], s.Counts[outbox.StatusRetrying], s.Counts[outbox.StatusDead], s.Error)
	}
	return w.Flush()
}

type outboxPauseCommand struct {
	outboxDesk  `embed:""`
	Destination string `arg:"" help:"The register."`
}

// Run implements the command.
func (c *outboxPauseCommand) Run(e env) error {
	return pauseDestination(e, c.outboxDesk, c.Destination, true)
}

type outboxResumeCommand struct {
	outboxDesk  `embed:""`
	Destination string `arg:"" help:"The register."`
}

// Run implements the command.
func (c *outboxResumeCommand) Run(e env) error {
	return pauseDestination(e, c.outboxDesk, c.Destination, false)
}

func pauseDestination(e env, d outboxDesk, to string, paused bool) error {
	op, desk, caller, err := d.open(e)
	if err != nil {
		return err
	}
	defer op.close()
	s, err := desk.Pause(e.ctx, caller, outbox.Destination(to), paused)
	if err != nil {
		return refused(err)
	}
	return printStates(e, []outbox.State{s})
}
