package main

import (
	"errors"
	"fmt"
	"os"

	"mist/registry/postgres/local"
)

type postgresCommand struct{}

// Run implements the command. It says nothing when nothing is to be done.
func (c *postgresCommand) Run(e env) error {
	if os.Getenv("DATABASE_URL") != "" {
		return nil
	}
	_, err := local.FindBinaries("")
	var missing *local.NoBinariesError
	if !errors.As(err, &missing) {
		return err
	}
	if !local.CanInstall() {
		return &failure{exitFail, err}
	}
	fmt.Fprintln(e.stdout, "Встановлюю PostgreSQL із пакетів Debian · installing PostgreSQL from Debian's packages…")
	return local.Install(e.ctx)
}
