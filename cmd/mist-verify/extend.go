package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"mist/signature/algo"
	"mist/signature/extend"
	"mist/signature/sign"
)

// extendCommand lifts the signatures of a file to a higher level: a time-stamp
// (T), the material to judge it offline (LT), a time-stamp over all of it (LTA).
type extendCommand struct {
	trustFlags
	Level   string   `help:"Level to reach: T, LT or LTA." enum:"T,LT,LTA" default:"LTA"`
	TSA     string   `name:"tsa" required:"" help:"Address of the time-stamping authority."`
	Digest  string   `help:"Digest of the time-stamps: sha256, gost34311 or kupyna256." enum:"sha256,gost34311,kupyna256" default:"sha256"`
	Content []string `sep:"none" placeholder:"[NAME=]FILE" help:"Content of a detached signature; several with their names."`
	In      string   `arg:"" type:"existingfile" help:"Signed file: CAdES, XAdES or an ASiC container."`
	Out     string   `arg:"" help:"File to write."`
}

var stampDigests = map[string]algo.Digest{"sha256": algo.SHA256, "gost34311": algo.GOST34311, "kupyna256": algo.Kupyna256}

// Run implements the command. Only what passes now is worth keeping, and only
// what passes again is written.
func (c *extendCommand) Run(e *env) error {
	v, p, err := c.verifier()
	if err != nil {
		return err
	}
	document, err := os.ReadFile(c.In)
	if err != nil {
		return &exitError{exitUnreadable, err}
	}
	content, err := openContent(c.Content)
	if err != nil {
		return err
	}
	x := extend.Extender{Verifier: v, Policy: p, Lift: sign.Lift{TSA: tsaClient(c.TSA), Digest: stampDigests[c.Digest], Random: rand.Reader}}
	out, r, err := x.To(e.ctx, c.Level, document, content)
	var not *extend.NotPassedError
	switch {
	case errors.As(err, &not):
		return &exitError{exitOf(not.Result, nil), err}
	case errors.Is(err, extend.ErrNoRevocationData):
		return &exitError{exitUndecided, fmt.Errorf("%w: ask for it with --online", err)}
	case err != nil:
		return &exitError{exitUnreadable, fmt.Errorf("%s: %w", c.In, err)}
	}
	if err := replaceFile(c.Out, out); err != nil {
		return &exitError{exitUnreadable, err}
	}
	for _, s := range r.Signatures {
		fmt.Fprintf(e.out, "%s: %s\n", s.Level, s.Indication)
	}
	return nil
}

// maxStampAnswer bounds the answer of a time-stamping authority, in bytes.
const maxStampAnswer = 256 << 10

// tsaClient asks a time-stamping authority over HTTP (RFC 3161, 3.4). Its
// address is the user's own, so no list of hosts applies.
func tsaClient(address string) sign.TSA {
	client := &http.Client{Timeout: 20 * time.Second}
	return func(ctx context.Context, request []byte) ([]byte, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(request))
		if err != nil {
			return nil, err
		}
		r.Header.Set("Content-Type", "application/timestamp-query")
		resp, err := client.Do(r)
		if err != nil {
			return nil, err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("the authority answers %s", resp.Status)
		}
		return io.ReadAll(io.LimitReader(resp.Body, maxStampAnswer))
	}
}
