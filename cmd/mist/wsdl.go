package main

import (
	"fmt"
	"os"

	"mist/wsdl"
)

type wsdlCommand struct {
	Lint wsdlLintCommand `cmd:"" help:"Check a WSDL file: exit code 0 clean, 1 findings."`
}

type wsdlLintCommand struct {
	File string `arg:"" type:"existingfile" help:"WSDL file."`
}

// Run implements the command.
func (c *wsdlLintCommand) Run(e env) error {
	b, err := os.ReadFile(c.File)
	if err != nil {
		return &failure{exitUsage, err}
	}
	findings := wsdl.Lint(b)
	for _, f := range findings {
		fmt.Fprintf(e.stdout, "%s:%v\n", c.File, f)
	}
	if len(findings) > 0 {
		return &failure{exitFail, fmt.Errorf("%d findings", len(findings))}
	}
	fmt.Fprintf(e.stdout, "%s: clean\n", c.File)
	return nil
}
