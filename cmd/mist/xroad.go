package main

import (
	"fmt"
	"net/http"
	"time"

	"mist/soap/xroad"
)

type xroadCommand struct {
	Call        xroadCallCommand   `cmd:"" help:"Ask a service through our security server, as the server's outbox does: exit code 0 answered, 1 refused or not of the question."`
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
