package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"mist/registry"
	"mist/registry/address"
	"mist/registry/dictionary"
	"mist/registry/postgres"
)

// fileImport is an import of one whole file, which is checked before the
// registry is opened: a wrong file changes nothing.
type fileImport struct {
	what   string // in words, for errors
	limit  int64
	check  func(file []byte) error
	write  func(e env, op *operator, file []byte, progress func(done, total int)) (summary string, err error)
	config string
	file   string
}

func (i fileImport) run(e env) error {
	in := io.Reader(os.Stdin)
	if i.file != "-" {
		f, err := os.Open(filepath.Clean(i.file))
		if err != nil {
			return &failure{exitUsage, fmt.Errorf("reading the %s: %w", i.what, err)}
		}
		defer f.Close()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, i.limit+1))
	if err != nil {
		return fmt.Errorf("reading the %s: %w", i.what, err)
	}
	if err := i.check(b); err != nil {
		return &failure{exitFail, wrongFile(i.file, i.what, err)}
	}
	op, err := openOperator(e, i.config, 2)
	if err != nil {
		return err
	}
	defer op.close()
	bar := newProgress(e.stderr, "import")
	began := time.Now()
	summary, err := i.write(e, op, b, bar.show)
	bar.end()
	if err != nil {
		return fmt.Errorf("importing %s (run it again: what is in stays): %w", i.file, err)
	}
	fmt.Fprintf(e.stdout, "%s  %.1f s\n", summary, time.Since(began).Seconds())
	return nil
}

// wrongFile names the places of a file that are wrong.
func wrongFile(file, what string, err error) error {
	var known *registry.Error
	if !errors.As(err, &known) {
		return err
	}
	text := fmt.Sprintf("%s is not a file of %s: %s", file, what, known.Detail)
	for _, f := range known.Fields {
		text += fmt.Sprintf("\n  %s: %s", f.Entry, f.Description)
	}
	if known.Err != nil {
		text += "\n  " + known.Err.Error()
	}
	return errors.New(text)
}

type importTerminologyCommand struct {
	Config string `required:"" type:"existingfile" help:"Configuration file (YAML)." env:"MIST_CONFIG"`
	File   string `arg:"" help:"File of code lists (JSON: name, values, labels, is_active); - is the standard input."`
}

// Run implements the command.
func (c *importTerminologyCommand) Run(e env) error {
	return fileImport{"terminology", dictionary.MaxFile, func(b []byte) error { _, err := dictionary.Read(b); return err },
		func(e env, op *operator, b []byte, progress func(done, total int)) (string, error) {
			source := registry.SystemSource()
			lists, err := dictionary.New(postgres.NewPort[dictionary.Tx](op.store), source)
			if err != nil {
				return "", err
			}
			caller := registry.Caller{Channel: registry.ChannelJob, RequestID: "operator-" + source.NewID().String()}
			sum, err := lists.Import(e.ctx, caller, b, progress)
			return fmt.Sprintf("dictionaries %d  changed %d  values written %d", sum.Lists, sum.Changed, sum.Values), err
		}, c.Config, c.File}.run(e)
}

type importSettlementsCommand struct {
	Config string `required:"" type:"existingfile" help:"Configuration file (YAML)." env:"MIST_CONFIG"`
	File   string `arg:"" help:"CSV in UTF-8 with the columns katottg, type, name, area and, if there are, region, koatuu, id, mountain_group, is_active; - is the standard input."`
}

// Run implements the command.
func (c *importSettlementsCommand) Run(e env) error {
	return fileImport{"settlements", address.MaxFile, func(b []byte) error { _, err := address.Read(b); return err },
		func(e env, op *operator, b []byte, progress func(done, total int)) (string, error) {
			service, err := address.New(postgres.NewPort[address.Tx](op.store), registry.SystemSource())
			if err != nil {
				return "", err
			}
			sum, err := service.Import(e.ctx, b, progress)
			return fmt.Sprintf("settlements %d  changed %d", sum.Settlements, sum.Changed), err
		}, c.Config, c.File}.run(e)
}

type importStreetsCommand struct {
	Config string `required:"" type:"existingfile" help:"Configuration file (YAML)." env:"MIST_CONFIG"`
	File   string `arg:"" help:"CSV in UTF-8 with the columns katottg (of the settlement), type, name and, if it is told, is_active; - is the standard input."`
}

// Run implements the command.
func (c *importStreetsCommand) Run(e env) error {
	return fileImport{"streets", address.MaxFile, address.CheckStreets,
		func(e env, op *operator, b []byte, progress func(done, total int)) (string, error) {
			service, err := address.New(postgres.NewPort[address.Tx](op.store), registry.SystemSource())
			if err != nil {
				return "", err
			}
			sum, err := service.ImportStreets(e.ctx, b, progress)
			return fmt.Sprintf("streets %d  changed %d", sum.Streets, sum.Changed), err
		}, c.Config, c.File}.run(e)
}
