package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"mist/registry"
	"mist/registry/order"
	"mist/registry/postgres"
	"mist/signature"
)

// twoPeople are the flags of commands that one person does not give alone: a
// dry run writes the plan, two people sign it, then it is done.
type twoPeople struct {
	Plan   string   `help:"Dry run: change nothing, write what the command would touch as an order to be signed (file)." placeholder:"FILE"`
	Reason string   `help:"With --plan: the reason for the order; it stands in the order and in the log."`
	Order  string   `type:"existingfile" help:"The order of --plan."`
	Signed []string `type:"existingfile" help:"With --order: containers (CAdES) in which two people signed it; given twice." placeholder:"FILE"`
}

// command is one that may need an order.
type orderedCommand struct {
	name       string
	parameters map[string]string
	// plan is the dry run; o is the order at hand, zero while it is planned.
	plan func(ctx context.Context, o order.Order) (map[string]int, error)
	run  func(ctx context.Context, o order.Order) error
	// demanded tells that the command is never given by one alone.
	demanded bool
}

// few is how many things one person may touch alone in production.
const few = 10

// give plans a command, carries it out by its order, or does it at once where
// it touches few things.
func (t twoPeople) give(e env, op *operator, c orderedCommand) error {
	s, err := newOrders(e, op)
	if err != nil {
		return err
	}
	switch {
	case t.Plan != "" && t.Order != "":
		return &failure{exitUsage, errors.New("--plan writes an order, --order carries one out: give one of them")}
	case t.Plan != "":
		at := s.Moment()
		effects, err := c.plan(e.ctx, order.Order{IssuedAt: at})
		if err != nil {
			return refused(err)
		}
		document, err := s.Plan(at, c.name, c.parameters, effects, t.Reason)
		if err != nil {
			return &failure{exitUsage, err}
		}
		if err := writeNew(t.Plan, document); err != nil {
			return &failure{exitFail, err}
		}
		for name, n := range effects {
			fmt.Fprintf(e.stdout, "%s: %d\n", name, n)
		}
		fmt.Fprintf(e.stdout, "нічого не змінено; підпишіть %[1]s двома КЕП і повторіть з --order %[1]s --signed A.p7s --signed B.p7s\n"+
			"nothing was changed; have %[1]s signed by two people and repeat with --order %[1]s --signed A.p7s --signed B.p7s\n", t.Plan)
		return nil
	case t.Order != "":
		document, err := os.ReadFile(t.Order)
		if err != nil {
			return &failure{exitUsage, err}
		}
		var containers [][]byte
		for _, path := range t.Signed {
			b, err := os.ReadFile(path)
			if err != nil {
				return &failure{exitUsage, err}
			}
			containers = append(containers, b)
		}
		return refused(s.Execute(e.ctx, document, containers, c.name, c.parameters, c.plan, c.run))
	}
	effects, err := c.plan(e.ctx, order.Order{IssuedAt: s.Moment()})
	if err != nil {
		return refused(err)
	}
	if c.needsOrder(op.cfg.Profile, effects) {
		return &failure{exitUsage, fmt.Errorf("%s needs an order of two people (touches %v): begin with --plan FILE --reason TEXT", c.name, effects)}
	}
	return c.run(e.ctx, order.Order{})
}

func (c orderedCommand) needsOrder(profile string, effects map[string]int) bool {
	most := 0
	for _, n := range effects {
		most = max(most, n)
	}
	return c.demanded || profile == profileProduction && most > few
}

// writeNew never writes over a file.
func writeNew(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Sync(), f.Close())
}

func newOrders(e env, op *operator) (*order.Service, error) {
	source := registry.SystemSource()
	verifier, err := op.verifier(e)
	if err != nil {
		return nil, err
	}
	policies, err := signature.ParsePolicyTable(policyTable)
	if err != nil {
		return nil, err
	}
	return order.Open(order.Service{Store: postgres.NewPort[order.Tx](op.store).Everywhere(), Verifier: verifier, Policies: policies, Source: source, Origin: op.cfg.Log.Origin})
}

type trailCommand struct {
	Months trailMonthsCommand `cmd:"" help:"The months of the log: what lies in each, and which were detached."`
	Export trailExportCommand `cmd:"" help:"Write a month that is over into a file that proves itself; nothing is changed."`
	Detach trailDetachCommand `cmd:"" help:"Take an exported month out of the database, its hashes kept; by an order of two people. The tree stays provable."`
	Attach trailAttachCommand `cmd:"" help:"Bring a detached month back from its file, verified first; by an order of two people. Searches and access logs find it again."`
	Unlink trailUnlinkCommand `cmd:"" help:"Wipe what ties entries of the log to a person (erasure); by an order of two people. The tree stays provable."`
}

type trailUnlinkCommand struct {
	Config    string `required:"" type:"existingfile" help:"Configuration file (YAML)." env:"MIST_CONFIG"`
	Person    string `required:"" help:"The person's record; it must be out of use."`
	twoPeople `embed:""`
}

// Run implements the command.
func (c *trailUnlinkCommand) Run(e env) error {
	person, err := order.PersonParameter(c.Person)
	if err != nil {
		return &failure{exitUsage, err}
	}
	op, err := openOperator(e, c.Config, 4)
	if err != nil {
		return err
	}
	defer op.close()
	u := order.Unlinking{Store: postgres.NewPort[order.UnlinkTx](op.store).Everywhere()}
	return c.give(e, op, orderedCommand{
		name: order.Unlink, parameters: map[string]string{"person": person.String()}, demanded: true,
		plan: func(ctx context.Context, o order.Order) (map[string]int, error) {
			n, err := u.Plan(ctx, person, o.IssuedAt)
			return map[string]int{"persons": 1, "entries": n}, err
		},
		run: func(ctx context.Context, o order.Order) error {
			if err := u.Run(ctx, o, person); err != nil {
				return err
			}
			fmt.Fprintf(e.stdout, "виконано: записів від'єднано %d · done: entries unlinked %[1]d\n", o.Effects["entries"])
			return nil
		},
	})
}
