package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"os"
	"slices"
	"text/tabwriter"
	"time"

	"mist/registry"
	"mist/registry/job"
	"mist/registry/notify"
	"mist/registry/postgres"
	"mist/registry/preservation"
	"mist/signature"
	"mist/signature/algo"
	"mist/signature/extend"
	"mist/signature/sign"
)

// PreservationConfig says how signed containers are kept provable. Without tsa
// nothing is extended.
type PreservationConfig struct {
	// TSA is the address of the authority whose time-stamps keep the archive.
	TSA    string `yaml:"tsa,omitempty"`
	Digest string `yaml:"digest,omitempty"` // sha256, gost34311 or kupyna256
	// Every is the pause between two runs of the job; zero: only by hand.
	Every time.Duration `yaml:"every,omitempty"`
	// FirstAfter is how long after acceptance a container is first extended, Lead how long before the end of its proof again.
	FirstAfter time.Duration `yaml:"first_after,omitempty"`
	Lead       time.Duration `yaml:"lead,omitempty"`
	Batch      int           `yaml:"batch,omitempty"`
	// Sunsets are ends of algorithms beside the built-in table (ETSI TS 119 312), by name: {SHA256: 2031-01-01}.
	Sunsets map[string]string `yaml:"sunsets,omitempty"`
}

var preservationDigests = map[string]algo.Digest{"": algo.SHA256, "sha256": algo.SHA256, "gost34311": algo.GOST34311, "kupyna256": algo.Kupyna256}

func (c PreservationConfig) check(add func(format string, args ...any)) {
	if preservationDigests[c.Digest] == "" {
		add("preservation.digest must be sha256, gost34311 or kupyna256")
	}
	if c.Every < 0 || c.FirstAfter < 0 || c.Lead < 0 || c.Batch < 0 {
		add("preservation: times and batch must not be negative")
	}
	if c.Every > 0 && c.TSA == "" {
		add("preservation.every needs preservation.tsa")
	}
	if _, err := c.sunsets(); err != nil {
		add("preservation.sunsets: %v", err)
	}
}

// sunsets checks the names against the table: a misspelt one would end nothing.
func (c PreservationConfig) sunsets() (map[string]time.Time, error) {
	table, err := signature.DefaultAlgorithms()
	if err != nil {
		return nil, err
	}
	out := map[string]time.Time{}
	for _, name := range slices.Sorted(maps.Keys(c.Sunsets)) {
		known := slices.ContainsFunc(append(slices.Clone(table.Digests), table.Keys...), func(e signature.AlgorithmEntry) bool { return e.Name == name })
		if !known {
			return nil, fmt.Errorf("%s is not in the table of algorithms", name)
		}
		if out[name], err = time.Parse(time.DateOnly, c.Sunsets[name]); err != nil {
			return nil, fmt.Errorf("%s: a date is wanted, as 2031-01-01", name)
		}
	}
	return out, nil
}

// service makes the room; what is not configured has its usual term.
func (c PreservationConfig) service(store *postgres.Store, verifier *signature.Verifier, source registry.Source) (*preservation.Service, error) {
	table, err := signature.DefaultAlgorithms()
	if err != nil {
		return nil, err
	}
	policy, err := signature.NamedPolicy("default")
	if err != nil {
		return nil, err
	}
	s := &preservation.Service{Store: postgres.NewPort[preservation.Tx](store).Everywhere(), Table: table, Source: source, Terms: preservation.DefaultTerms()}
	s.Extender = extend.Extender{Verifier: verifier, Policy: policy, Lift: sign.Lift{TSA: tsaClient(c.TSA), Digest: preservationDigests[c.Digest], Random: rand.Reader}}
	if s.Terms.Sunsets, err = c.sunsets(); err != nil {
		return nil, err
	}
	for _, t := range []struct {
		have *time.Duration
		want time.Duration
	}{{&s.Terms.FirstAfter, c.FirstAfter}, {&s.Terms.Lead, c.Lead}} {
		if t.want > 0 {
			*t.have = t.want
		}
	}
	if c.Batch > 0 {
		s.Terms.Batch = c.Batch
	}
	return s, nil
}

// alarmPreservation: what proves an old signature ends before it was extended.
var alarmPreservation = notify.Alarm{Name: "preservation", Runbook: "The archive of signatures is not extended in time"}

// preserve gives the job and what its alarm asks; both nil when it runs by hand alone.
func (s *server) preserve(verifier *signature.Verifier) (jobs []job.Periodic, ask func(context.Context) error, err error) {
	c := s.cfg.Preservation
	if c.TSA == "" || c.Every == 0 {
		return nil, nil, nil
	}
	room, err := c.service(s.store, verifier, s.source)
	if err != nil {
		return nil, nil, err
	}
	return []job.Periodic{room.Job(c.Every)}, func(ctx context.Context) error {
		counts, _, err := room.Status(ctx, 0)
		if err == nil && counts.Overdue > 0 {
			err = fmt.Errorf("%d containers of the archive rest on a time-stamp that has ended", counts.Overdue)
		}
		return err
	}, nil
}

// archiveCommand is the archive of signed containers by hand.
type archiveCommand struct {
	Status archiveStatusCommand `cmd:"" help:"How the archive of signed containers stands: how many are archived, due, refused, and when the first proof ends."`
	Get    archiveGetCommand    `cmd:"" help:"Write the signed container that stands for an act now, archived if it was; the reason stands in the log."`
	Extend archiveExtendCommand `cmd:"" help:"Extend what is due now (archive time-stamps over signatures), as the job does."`
}

type archiveDesk struct {
	Config string `required:"" type:"existingfile" help:"Configuration file (YAML)." env:"MIST_CONFIG"`
	// Young takes containers however young they are.
	Young bool `help:"Also containers that were accepted less than preservation.first_after ago."`
}

func (d archiveDesk) open(e env) (*operator, *preservation.Service, error) {
	op, err := openOperator(e, d.Config, 4)
	if err != nil {
		return nil, nil, err
	}
	v, err := op.verifier(e)
	if err != nil {
		op.close()
		return nil, nil, err
	}
	s, err := op.cfg.Preservation.service(op.store, v, registry.SystemSource())
	if err != nil {
		op.close()
		return nil, nil, err
	}
	if d.Young {
		s.Terms.FirstAfter = 0
	}
	return op, s, nil
}

type archiveStatusCommand struct {
	archiveDesk `embed:""`
}

// Run implements the command.
func (c *archiveStatusCommand) Run(e env) error {
	op, s, err := c.open(e)
	if err != nil {
		return err
	}
	defer op.close()
	counts, _, err := s.Status(e.ctx, 0)
	if err != nil {
		return err
	}
	first := "-"
	if !counts.First.IsZero() {
		first = counts.First.Format(time.DateOnly)
	}
	w := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
	for _, row := range []struct {
		name  string
		value any
	}{
		{"актів·acts", counts.Acts}, {"в архіві·archived", counts.Kept}, {"не перечитано·unproven", counts.Unproven}, {"на черзі·due", counts.Due},
		{"не вдалося·refused", counts.Refused}, {"прострочено·overdue", counts.Overdue}, {"перший кінець·first end", first},
	} {
		fmt.Fprintf(w, "%s\t%v\n", row.name, row.value)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if counts.Overdue > 0 {
		return &failure{exitFail, fmt.Errorf("%d containers rest on a time-stamp that has ended", counts.Overdue)}
	}
	return nil
}

type archiveExtendCommand struct {
	archiveDesk `embed:""`
	DryRun      bool   `name:"dry-run" help:"Tell what would be extended; nothing is changed."`
	Limit       int    `help:"At most so many." default:"100"`
	Act         string `help:"Only this act, due or not."`
}

// Run implements the command.
func (c *archiveExtendCommand) Run(e env) error {
	op, s, err := c.open(e)
	if err != nil {
		return err
	}
	defer op.close()
	var act registry.ID
	if c.Act != "" {
		if act, err = registry.ParseID(c.Act); err != nil {
			return &failure{exitUsage, err}
		}
	}
	if c.DryRun {
		_, list, err := s.Status(e.ctx, c.Limit)
		if err != nil {
			return err
		}
		for _, x := range list {
			until := "-"
			if !x.Until.IsZero() {
				until = x.Until.Format(time.DateOnly) + " (" + x.Because + ")"
			}
			fmt.Fprintf(e.stdout, "%s  %s  generation %d  until %s\n", x.ActID, x.ActKind, x.Generation, until)
		}
		fmt.Fprintf(e.stdout, "буде подовжено %d, нічого не змінено · %d would be extended, nothing was changed\n", len(list), len(list))
		return nil
	}
	if op.cfg.Preservation.TSA == "" {
		return &failure{exitUsage, fmt.Errorf("preservation.tsa is not set: no authority to ask for time-stamps")}
	}
	s.Terms.Batch = c.Limit
	var out preservation.Outcome
	if c.Act != "" {
		out, err = s.Extend(e.ctx, act)
	} else {
		out, err = s.Run(e.ctx)
	}
	fmt.Fprintf(e.stdout, "подовжено %d, перечитано й перевірено %d, не вдалося %d · extended %d, proven %d, refused %d\n",
		out.Extended, out.Proven, out.Refused, out.Extended, out.Proven, out.Refused)
	for _, reason := range slices.Sorted(maps.Keys(out.Reasons)) {
		fmt.Fprintf(e.stdout, "  %s  %d\n", reason, out.Reasons[reason])
	}
	if err != nil {
		return err
	}
	if out.Refused > 0 {
		return &failure{exitFail, fmt.Errorf("%d containers could not be extended", out.Refused)}
	}
	return nil
}

type archiveGetCommand struct {
	Config string `required:"" type:"existingfile" help:"Configuration file (YAML)." env:"MIST_CONFIG"`
	Reason string `required:"" help:"What for: a court's request, an order."`
	Act    string `arg:"" help:"The act."`
	Out    string `arg:"" help:"File to write; never over another."`
}

// Run implements the command.
func (c *archiveGetCommand) Run(e env) error {
	id, err := registry.ParseID(c.Act)
	if err != nil {
		return &failure{exitUsage, err}
	}
	op, err := openOperator(e, c.Config, 2)
	if err != nil {
		return err
	}
	defer op.close()
	f, err := os.OpenFile(c.Out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return &failure{exitFail, err}
	}
	defer f.Close()
	var container []byte
	var level string
	err = op.store.Update(e.ctx, func(ctx context.Context, tx *postgres.Tx) (err error) {
		container, level, err = preservation.Get(ctx, tx, id, c.Reason)
		return err
	})
	if err == nil {
		_, err = f.Write(container)
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		_ = os.Remove(c.Out)
		return refused(err)
	}
	if level == "" {
		level = "not archived yet"
	}
	fmt.Fprintf(e.stdout, "%s: %s\n", c.Out, level)
	return nil
}
