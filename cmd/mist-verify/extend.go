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

	"mist/signature"
	"mist/signature/algo"
	"mist/signature/cms"
	"mist/signature/facts"
	"mist/signature/sign"
)

// extendCommand lifts a CAdES signature to a higher level: a time-stamp (T),
// the material to judge it offline (LT), a time-stamp over all of it (LTA).
type extendCommand struct {
	trustFlags
	Level   string `help:"Level to reach: T, LT or LTA." enum:"T,LT,LTA" default:"LTA"`
	TSA     string `name:"tsa" required:"" help:"Address of the time-stamping authority."`
	Digest  string `help:"Digest of the time-stamps: sha256, gost34311 or kupyna256." enum:"sha256,gost34311,kupyna256" default:"sha256"`
	Content string `type:"existingfile" help:"Content of a detached signature."`
	In      string `arg:"" type:"existingfile" help:"Signed file (CMS, DER)."`
	Out     string `arg:"" help:"File to write."`
}

var stampDigests = map[string]algo.Digest{"sha256": algo.SHA256, "gost34311": algo.GOST34311, "kupyna256": algo.Kupyna256}

// Run implements the command. Only what passes now is worth keeping, and only
// what passes again is written.
func (c *extendCommand) Run(e *env) error {
	v, p, err := c.verifier()
	if err != nil {
		return err
	}
	message, err := os.ReadFile(c.In)
	if err != nil {
		return &exitError{exitUnreadable, err}
	}
	if _, err := cms.Parse(message); err != nil {
		return &exitError{exitUnreadable, fmt.Errorf("%s is not a CMS message in DER: %w", c.In, err)}
	}
	var content facts.Source
	if c.Content != "" {
		if content, err = openPath(c.Content); err != nil {
			return &exitError{exitUnreadable, err}
		}
	}
	check := func(b []byte) (*signature.Result, error) {
		in := signature.Input{Document: facts.Bytes(b)}
		if content != nil {
			in.Content = map[string]facts.Source{"": content}
		}
		r, err := v.Verify(e.ctx, in, p)
		if err != nil {
			return nil, &exitError{exitUnreadable, err}
		}
		if r.Indication != signature.TotalPassed {
			s := r.Signatures[0]
			return nil, &exitError{exitOf(r, nil), fmt.Errorf("the signature is %s %s (%s); only one that passes is extended", r.Indication, s.SubIndication, s.Reason)}
		}
		return r, nil
	}
	if _, err := check(message); err != nil {
		return err
	}
	d, tsa := stampDigests[c.Digest], tsaClient(c.TSA)
	if message, err = sign.Extend(e.ctx, message, tsa, d, rand.Reader); err != nil {
		return &exitError{exitUnreadable, err}
	}
	r, err := check(message)
	if err != nil {
		return err
	}
	if c.Level != "T" {
		certs, crls, ocsps := signature.Material(r.Facts)
		if len(crls)+len(ocsps) == 0 {
			return &exitError{exitUndecided, errors.New("no revocation data is at hand: ask for it with --online")}
		}
		if message, err = sign.AddMaterial(message, certs, crls, ocsps); err != nil {
			return &exitError{exitUnreadable, err}
		}
	}
	if c.Level == "LTA" {
		if message, err = sign.Archive(e.ctx, message, content, tsa, d, rand.Reader); err != nil {
			return &exitError{exitUnreadable, err}
		}
	}
	if r, err = check(message); err != nil {
		return err
	}
	if err := replaceFile(c.Out, message); err != nil {
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
