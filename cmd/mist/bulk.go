package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"mist/fixtures/population"
	"mist/registry/bulk"
	"mist/registry/postgres"
)

type generateCommand struct {
	Persons int    `required:"" help:"How many persons, each with a declaration."`
	Seed    uint64 `default:"1" help:"The same seed on the same day gives the same file."`
	Out     string `arg:"" help:"File to write; - is the standard output."`
}

// Run implements the command.
func (c *generateCommand) Run(e env) error {
	if c.Persons < 1 || c.Persons > bulk.MaxPersons {
		return &failure{exitUsage, fmt.Errorf("--persons must lie between 1 and %d", bulk.MaxPersons)}
	}
	bar := newProgress(e.stderr, "generate")
	today := time.Now().UTC().Truncate(24 * time.Hour)
	if c.Out == "-" {
		return population.WriteFile(e.stdout, c.Persons, c.Seed, today, nil)
	}
	tmp := c.Out + ".new"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("writing the population: %w", err)
	}
	err = population.WriteFile(ending{f, e}, c.Persons, c.Seed, today, bar.show)
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(tmp, c.Out)
	}
	bar.end()
	if err != nil {
		_ = os.Remove(tmp)
		return fmt.Errorf("writing the population: %w", err)
	}
	return nil
}

// ending is a file whose writing stops with the command.
type ending struct {
	f *os.File
	e env
}

// Write implements io.Writer.
func (w ending) Write(b []byte) (int, error) {
	if err := w.e.ctx.Err(); err != nil {
		return 0, err
	}
	return w.f.Write(b)
}

type importCommand struct {
	Population     importPopulationCommand     `cmd:"" help:"Persons with unsigned declarations, as mist generate writes them (sandbox profile only)."`
	Settlements    importSettlementsCommand    `cmd:"" help:"The register of settlements (КАТОТТГ) from a CSV; addresses are held against it from then on. The same file again changes nothing."`
	Medications    importMedicationsCommand    `cmd:"" help:"INNM, dosages, brands, medical programmes and what they reimburse, from a JSON file; the same file again changes nothing."`
	Streets        importStreetsCommand        `cmd:"" help:"Streets of settlements from a CSV. The same file again changes nothing."`
	Terminology    importTerminologyCommand    `cmd:"" help:"Code lists (ICD-10, ICPC-2 …) from a file; the same file again changes nothing."`
	SickLeaveRules importSickLeaveRulesCommand `cmd:"" help:"Terms of sick leaves from a file: rows of a rule, a category, values and the days they are in force; a row that begins on the same day is replaced."`
}

type importPopulationCommand struct {
	Config  string `required:"" type:"existingfile" help:"Configuration file (YAML)." env:"MIST_CONFIG"`
	Batch   int    `default:"500" help:"Persons in one transaction."`
	Workers int    `default:"3" help:"Transactions at once."`
	File    string `arg:"" help:"File to read; - is the standard input."`
}

// Run implements the command.
func (c *importPopulationCommand) Run(e env) (err error) {
	if c.Batch < 1 || c.Batch > 10_000 || c.Workers < 1 || c.Workers > 64 {
		return &failure{exitUsage, errors.New("--batch must lie between 1 and 10000, --workers between 1 and 64")}
	}
	cfg, err := loadConfig(c.Config)
	if err != nil {
		return &failure{exitUsage, err}
	}
	if cfg.Profile != profileSandbox {
		return &failure{exitUsage, errors.New("people without verified documents and declarations without signatures belong to the sandbox profile alone")}
	}
	var in io.Reader = os.Stdin
	if c.File != "-" {
		f, err := os.Open(filepath.Clean(c.File))
		if err != nil {
			return &failure{exitUsage, fmt.Errorf("reading the population: %w", err)}
		}
		defer f.Close()
		in = f
	}
	op, err := openOperator(e, c.Config, int32(c.Workers)+2)
	if err != nil {
		return err
	}
	defer op.close()
	bar := newProgress(e.stderr, "import")
	began := time.Now()
	sum, err := bulk.Import(e.ctx, in, bulk.Options{
		Store: postgres.NewPort[bulk.Tx](op.store), Batch: c.Batch, Workers: c.Workers, Progress: bar.show,
	})
	bar.end()
	took := time.Since(began)
	fmt.Fprintf(e.stdout, "persons %d (new %d)  declarations %d  employees %d  clinics %d  transactions %d  %.1f s  %.0f persons/s\n",
		sum.Persons, sum.Added, sum.Declarations, sum.Employees, sum.Clinics, sum.Transactions, took.Seconds(), float64(sum.Persons)/took.Seconds())
	var line *bulk.LineError
	if errors.As(err, &line) {
		return &failure{exitFail, fmt.Errorf("importing %s: %w", c.File, err)}
	}
	if err != nil {
		return fmt.Errorf("importing %s (run it again: what is in stays): %w", c.File, err)
	}
	return nil
}
