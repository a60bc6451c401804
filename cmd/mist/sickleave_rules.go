package main

import (
	"fmt"
	"os"
	"path/filepath"

	"mist/registry"
	"mist/registry/postgres"
	"mist/registry/sickleave"
)

type importSickLeaveRulesCommand struct {
	Config string `required:"" type:"existingfile" help:"Configuration file (YAML)." env:"MIST_CONFIG"`
	File   string `arg:"" type:"existingfile" help:"Rows (JSON: name, category, values, from, to, source)."`
}

// Run implements the command.
func (c *importSickLeaveRulesCommand) Run(e env) error {
	b, err := os.ReadFile(filepath.Clean(c.File))
	if err != nil {
		return &failure{exitUsage, fmt.Errorf("reading the terms: %w", err)}
	}
	// Before the registry is opened: a wrong file changes nothing.
	if _, err := sickleave.ParseRules(b); err != nil {
		return &failure{exitFail, err}
	}
	op, err := openOperator(e, c.Config, 1)
	if err != nil {
		return err
	}
	defer op.close()
	caller := registry.Caller{Channel: registry.ChannelJob, RequestID: "operator-" + registry.SystemSource().NewID().String()}
	n, err := sickleave.Import(e.ctx, postgres.NewPort[sickleave.RulesTx](op.store), caller, b)
	if err != nil {
		return fmt.Errorf("importing %s: %w", c.File, err)
	}
	fmt.Fprintf(e.stdout, "rows %d\n", n)
	return nil
}
