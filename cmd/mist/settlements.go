package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"mist/registry"
	"mist/registry/address"
	"mist/registry/postgres"
)

type importSettlementsCommand struct {
	Config string `required:"" type:"existingfile" help:"Configuration file (YAML)." env:"MIST_CONFIG"`
	File   string `arg:"" help:"CSV in UTF-8 with the columns katottg, type, name, area and, if there are, region, koatuu, id, mountain_group, is_active; - is the standard input."`
}

// Run implements the command.
func (c *importSettlementsCommand) Run(e env) error {
	in := io.Reader(os.Stdin)
	if c.File != "-" {
		f, err := os.Open(filepath.Clean(c.File))
		if err != nil {
			return &failure{exitUsage, fmt.Errorf("reading the settlements: %w", err)}
		}
		defer f.Close()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, address.MaxFile+1))
	if err != nil {
		return fmt.Errorf("reading the settlements: %w", err)
	}
	// Before the registry is opened: a wrong file changes nothing.
	if _, err := address.Read(b); err != nil {
		return refusedByRules(err)
	}
	op, err := openOperator(e, c.Config, 2)
	if err != nil {
		return err
	}
	defer op.close()
	service, err := address.New(postgres.NewPort[address.Tx](op.store), registry.SystemSource())
	if err != nil {
		return err
	}
	bar := newProgress(e.stderr, "import")
	began := time.Now()
	sum, err := service.Import(e.ctx, b, bar.show)
	bar.end()
	if err != nil {
		return fmt.Errorf("importing %s (run it again: what is in stays): %w", c.File, err)
	}
	fmt.Fprintf(e.stdout, "settlements %d  changed %d  %.1f s\n", sum.Settlements, sum.Changed, time.Since(began).Seconds())
	return nil
}
