package main

import (
	"context"
	"fmt"

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
	var file medication.File
	return fileImport{"medications", medication.MaxFile, func(b []byte) (err error) { file, err = medication.Read(b); return err },
		func(e env, op *operator, _ []byte, progress func(done, total int)) (string, error) {
			service, err := medication.New(postgres.NewPort[medication.Tx](op.store), registry.SystemSource())
			if err != nil {
				return "", err
			}
			rows, err := service.Import(e.ctx, file, progress)
			return fmt.Sprintf("innms %d  dosages %d  medications %d  programmes %d  program medications %d  rows %d",
				len(file.INNMs), len(file.Dosages), len(file.Brands), len(file.Programs), len(file.Parts), rows), err
		}, c.Config, c.File}.run(e)
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
