package main

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"mist/soap/xroad"
	"mist/soap/xroad/sstest"
)

type xroadCommand struct {
	Conformance conformanceCommand `cmd:"" help:"Send every message of a folder's MANIFEST.tsv to a service and score the answers: exit code 0 all as expected, 1 a miss."`
}

type conformanceCommand struct {
	Target string `required:"" help:"Address of the service."`
	Cases  string `required:"" type:"existingdir" help:"Folder with MANIFEST.tsv (columns file, content_type, expect = ok, client-fault or either)."`
}

// Run implements the command.
func (c *conformanceCommand) Run(e env) error {
	score, err := xroad.Conformance(e.ctx, &http.Client{Timeout: 30 * time.Second}, c.Target, c.Cases)
	if err != nil {
		return &failure{exitUsage, err}
	}
	if _, err := score.WriteTo(e.stdout); err != nil {
		return err
	}
	if score.Passed < len(score.Cases) {
		return &failure{exitFail, fmt.Errorf("%d of %d messages were not answered as expected", len(score.Cases)-score.Passed, len(score.Cases))}
	}
	return nil
}

type ssSimCommand struct {
	Listen   string `default:"127.0.0.1:8090" help:"Address for clients."`
	Provider string `required:"" help:"Address of the provider behind the simulated security servers."`
	Trembita bool   `help:"Follow Trembita's rules instead of the stock server's."`
}

// Run implements the command.
func (c *ssSimCommand) Run(e env) error {
	l, err := bind("listen", c.Listen)
	if err != nil {
		return err
	}
	profile := sstest.XRoad
	if c.Trembita {
		profile = sstest.Trembita
	}
	sim := &sstest.Server{
		Profile: profile, HTTP: &http.Client{Timeout: time.Minute},
		Resolve: func(xroad.ServiceID) (string, bool) { return strings.TrimSuffix(c.Provider, "/") + "/", true },
	}
	all := &endpoints{limits: defaultConfig().Limits, log: newLogger(e)}
	all.add("ss-sim", l, sim)
	fmt.Fprintf(e.stdout, "simulated security server: http://%s → %s\n", l.Addr(), c.Provider)
	return all.serve(e.ctx)
}
