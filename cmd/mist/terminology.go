package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"mist/registry"
	"mist/registry/dictionary"
	"mist/registry/postgres"
)

type importTerminologyCommand struct {
	Config string `required:"" type:"existingfile" help:"Configuration file (YAML)." env:"MIST_CONFIG"`
	File   string `arg:"" help:"File of code lists (JSON: name, values, labels, is_active); - is the standard input."`
}

// Run implements the command.
func (c *importTerminologyCommand) Run(e env) (err error) {
	in := io.Reader(os.Stdin)
	if c.File != "-" {
		f, err := os.Open(filepath.Clean(c.File))
		if err != nil {
			return &failure{exitUsage, fmt.Errorf("reading the terminology: %w", err)}
		}
		defer f.Close()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, dictionary.MaxFile+1))
	if err != nil {
		return fmt.Errorf("reading the terminology: %w", err)
	}
	// Before the registry is opened: a wrong file changes nothing.
	if _, err := dictionary.Read(b); err != nil {
		return &failure{exitFail, wrongFile(c.File, "terminology", err)}
	}
	op, err := openOperator(e, c.Config, 2)
	if err != nil {
		return err
	}
	defer op.close()
	source := registry.SystemSource()
	lists, err := dictionary.New(postgres.NewPort[dictionary.Tx](op.store), source)
	if err != nil {
		return err
	}
	bar := newProgress(e.stderr, "import")
	began := time.Now()
	caller := registry.Caller{Channel: registry.ChannelJob, RequestID: "operator-" + source.NewID().String()}
	sum, err := lists.Import(e.ctx, caller, b, bar.show)
	bar.end()
	if err != nil {
		return fmt.Errorf("importing %s (run it again: what is in stays): %w", c.File, err)
	}
	fmt.Fprintf(e.stdout, "dictionaries %d  changed %d  values written %d  %.1f s\n", sum.Lists, sum.Changed, sum.Values, time.Since(began).Seconds())
	return nil
}
