package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"mist/fixtures/medications"
	"mist/registry"
	"mist/registry/medication"
	"mist/registry/postgres"
)

type importMedicationsCommand struct {
	Config string `required:"" type:"existingfile" help:"Configuration file (YAML)." env:"MIST_CONFIG"`
	File   string `arg:"" help:"JSON with the lists innms, innm_dosages, medications, medical_programs, program_medications; - is the standard input."`
}

// Run implements the command.
func (c *importMedicationsCommand) Run(e env) error {
	in := io.Reader(os.Stdin)
	if c.File != "-" {
		f, err := os.Open(filepath.Clean(c.File))
		if err != nil {
			return &failure{exitUsage, fmt.Errorf("reading the medications: %w", err)}
		}
		defer f.Close()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, medication.MaxFile+1))
	if err != nil {
		return fmt.Errorf("reading the medications: %w", err)
	}
	// Before the registry is opened: a wrong file changes nothing.
	file, err := medication.Read(b)
	if err != nil {
		return &failure{exitFail, wrongFile(c.File, "medications", err)}
	}
	op, err := openOperator(e, c.Config, 2)
	if err != nil {
		return err
	}
	defer op.close()
	service, err := medication.New(postgres.NewPort[medication.Tx](op.store), registry.SystemSource())
	if err != nil {
		return err
	}
	bar := newProgress(e.stderr, "import")
	began := time.Now()
	rows, err := service.Import(e.ctx, file, bar.show)
	bar.end()
	if err != nil {
		return fmt.Errorf("importing %s (run it again: what is in stays): %w", c.File, err)
	}
	fmt.Fprintf(e.stdout, "innms %d  dosages %d  medications %d  programmes %d  program medications %d  rows %d  %.1f s\n",
		len(file.INNMs), len(file.Dosages), len(file.Brands), len(file.Programs), len(file.Parts), rows, time.Since(began).Seconds())
	return nil
}

// wrongFile names the places of a file that are wrong.
func wrongFile(file, of string, err error) error {
	var known *registry.Error
	if !errors.As(err, &known) {
		return err
	}
	text := fmt.Sprintf("%s is not a file of %s: %s", file, of, known.Detail)
	for _, f := range known.Fields {
		text += fmt.Sprintf("\n  %s: %s", f.Entry, f.Description)
	}
	if known.Err != nil {
		text += "\n  " + known.Err.Error()
	}
	return errors.New(text)
}

// loadMedications puts the sandbox's own reference data in.
func loadMedications(ctx context.Context, store *postgres.Store) error {
	file, err := medication.Read(medications.File())
	if err != nil {
		return fmt.Errorf("reading the sandbox's medications: %w", err)
	}
	service, err := medication.New(postgres.NewPort[medication.Tx](store), registry.SystemSource())
	if err != nil {
		return err
	}
	if _, err := service.Import(ctx, file, nil); err != nil {
		return fmt.Errorf("loading the sandbox's medications: %w", err)
	}
	return nil
}
