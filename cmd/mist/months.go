package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"mist/registry"
	"mist/registry/archive"
	"mist/registry/audit"
	"mist/registry/audit/month"
	"mist/registry/order"
	"mist/registry/postgres"
	"mist/signature/facts"
	"mist/signature/sign"
)

// monthCommand is what the commands about months share.
type monthCommand struct {
	Config string `required:"" type:"existingfile" help:"Configuration file (YAML)." env:"MIST_CONFIG"`
}

func (c monthCommand) open(e env) (*operator, *archive.Service, error) {
	op, err := openOperator(e, c.Config, 4, func(o *postgres.Options) { o.WriteLimit = monthLimit })
	if err != nil {
		return nil, nil, err
	}
	key, err := audit.ReadVerifier(op.logKey)
	if err != nil {
		op.close()
		return nil, nil, err
	}
	s := &archive.Service{Store: postgres.NewPort[archive.Tx](op.store).Everywhere(), Log: op.store, Key: key, Pause: func(ctx context.Context) error {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
			return nil
		}
	}}
	seal, err := op.cfg.Seal.open(op.cfg.Profile == profileSandbox, registry.SystemSource())
	if err != nil {
		op.close()
		return nil, nil, err
	}
	if seal != nil {
		if seal.verifier, err = op.verifier(e); err != nil {
			op.close()
			return nil, nil, err
		}
		s.Seal = func(manifest, checkpoint []byte) ([]byte, error) {
			return seal.SealPackage(e.ctx, []sign.DataObject{
				{Name: month.FileCheckpoint, MediaType: "text/plain", Content: facts.Bytes(checkpoint)},
				{Name: month.FileManifest, MediaType: "application/json", Content: facts.Bytes(manifest)},
			})
		}
	}
	return op, s, nil
}

// monthLimit is the longest a statement over a month may take: counting tens of
// millions of entries takes seconds. What changes the log's tables waits for
// their locks no longer than half a second, whatever this says.
const monthLimit = time.Minute

type trailMonthsCommand struct {
	monthCommand `embed:""`
}

// Run implements the command.
func (c *trailMonthsCommand) Run(e env) error {
	op, s, err := c.open(e)
	if err != nil {
		return err
	}
	defer op.close()
	list, err := s.Log.Months(e.ctx)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "місяць·month\tстан·state\tзаписів·entries\tмісця·places\tМіБ·MiB")
	for _, m := range list {
		state, places := "поточний·present", "-"
		switch {
		case !m.ArchivedAt.IsZero() && !m.Table:
			state = "від'єднано·detached " + m.ArchivedAt.Format(time.DateOnly)
		case !m.Table:
			state = "ЗНИК·GONE"
		case m.Over:
			state = "завершено·over"
		case m.Entries == 0:
			state = "попереду·ahead"
		}
		if m.Entries > 0 {
			places = fmt.Sprintf("%d-%d", m.First, m.Last)
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%.1f\n", m.Name, state, m.Entries, places, float64(m.Bytes)/(1<<20))
	}
	return w.Flush()
}

type trailExportCommand struct {
	monthCommand `embed:""`
	Month        string `arg:"" help:"The month, as 2026-11; it must be over."`
	Out          string `required:"" help:"The file to be written; never over another." placeholder:"FILE"`
}

// Run implements the command. A file that was not finished does not stay.
func (c *trailExportCommand) Run(e env) error {
	op, s, err := c.open(e)
	if err != nil {
		return err
	}
	defer op.close()
	f, err := os.OpenFile(c.Out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return &failure{exitFail, err}
	}
	out := bufio.NewWriterSize(f, 1<<20)
	m, err := s.Export(e.ctx, c.Month, out)
	if err == nil {
		err = out.Flush()
	}
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		_ = os.Remove(c.Out)
		return refused(err)
	}
	fmt.Fprintf(e.stdout, "%s: записів %d, місця %d-%d · entries %[2]d, places %[3]d-%[4]d\n", c.Out, m.Entries, m.First, m.Last)
	return nil
}

type trailDetachCommand struct {
	monthCommand `embed:""`
	Month        string `arg:"" help:"The month, as 2026-11; it must be over and exported."`
	File         string `required:"" type:"existingfile" help:"The file of mist trail export: it is verified first."`
	Drop         bool   `help:"Drop the month's tables; without it they stay in the schema detached, out of everybody's reach but the owner's. The salts go with them."`
	twoPeople    `embed:""`
}

// Run implements the command.
func (c *trailDetachCommand) Run(e env) error {
	f, size, err := openMonth(c.File)
	if err != nil {
		return &failure{exitFail, err}
	}
	defer f.Close()
	file, err := month.Open(f, size)
	if err != nil {
		return &failure{exitFail, fmt.Errorf("%s: %w", c.File, err)}
	}
	op, s, err := c.open(e)
	if err != nil {
		return err
	}
	defer op.close()
	return c.give(e, op, orderedCommand{
		name: month.Order, parameters: archive.Parameters(c.Month, file, c.Drop), demanded: true,
		plan: func(ctx context.Context, o order.Order) (map[string]int, error) {
			return s.Replan(ctx, o, c.Month, file)
		},
		run: func(ctx context.Context, o order.Order) error {
			if err := s.Detach(ctx, o, c.Month, file, c.Drop); err != nil {
				return err
			}
			fmt.Fprintf(e.stdout, "виконано: місяць %s від'єднано, хеші збережено · done: the month %[1]s is detached, its hashes are kept\n", c.Month)
			return nil
		},
	})
}

type trailAttachCommand struct {
	monthCommand `embed:""`
	File         string `arg:"" type:"existingfile" help:"The file with which the month was detached (mist trail export): it is verified against the log first."`
	twoPeople    `embed:""`
}

// Run implements the command.
func (c *trailAttachCommand) Run(e env) error {
	f, size, err := openMonth(c.File)
	if err != nil {
		return &failure{exitFail, err}
	}
	defer f.Close()
	file, err := month.Open(f, size)
	if err != nil {
		return &failure{exitFail, fmt.Errorf("%s: %w", c.File, err)}
	}
	op, s, err := c.open(e)
	if err != nil {
		return err
	}
	defer op.close()
	return c.give(e, op, orderedCommand{
		name: month.AttachOrder, parameters: archive.AttachParameters(file), demanded: true,
		plan: func(ctx context.Context, o order.Order) (map[string]int, error) { return s.PlanAttach(ctx, o, file) },
		run: func(ctx context.Context, o order.Order) error {
			if err := s.Attach(ctx, o, postgres.NewPort[archive.AttachTx](op.store).Everywhere(), file); err != nil {
				return err
			}
			fmt.Fprintf(e.stdout, "виконано: місяць %s повернуто до журналу, записів %d · done: the month %[1]s is attached again, entries %[2]d\n", file.Manifest.Month, file.Manifest.Entries)
			return nil
		},
	})
}

func openMonth(path string) (*os.File, int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, info.Size(), nil
}

// monthFiles gives the files of detached months in a folder, by their month.
// They stay open as long as the process.
func monthFiles(folder string) func(name string) (*month.File, error) {
	return func(name string) (*month.File, error) {
		entries, err := os.ReadDir(folder)
		if err != nil {
			return nil, err
		}
		var broken error
		for _, one := range entries {
			if one.IsDir() {
				continue
			}
			f, size, err := openMonth(filepath.Join(folder, one.Name()))
			if err != nil {
				return nil, err
			}
			file, err := month.Open(f, size)
			if err == nil && file.Manifest.Month == name {
				return file, nil
			}
			if err != nil {
				broken = errors.Join(broken, fmt.Errorf("%s: %w", one.Name(), err))
			}
			_ = f.Close()
		}
		return nil, broken
	}
}
