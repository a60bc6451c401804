package main

import (
	"encoding/json"
	"fmt"
	"time"

	"mist/signature/trust"
)

type trustCommand struct {
	List  trustListCommand  `cmd:"" help:"List the trust anchors of a folder."`
	Check trustCheckCommand `cmd:"" help:"Name what expires soon or could not be read; exit code 1 when there is such."`
}

type trustListCommand struct {
	Dir  []string `arg:"" help:"Folder of trusted certificates." type:"path"`
	JSON bool     `name:"json" help:"One JSON object per anchor."`
}

type anchorLine struct {
	Subject  string    `json:"subject"`
	Serial   string    `json:"serial"`
	NotAfter time.Time `json:"notAfter"`
	Key      string    `json:"key"`
	SHA256   string    `json:"sha256"`
	Purposes []string  `json:"purposes"`
}

func (c *trustListCommand) Run(e *env) error {
	s, err := loadTrust(c.Dir)
	if err != nil {
		return err
	}
	for _, a := range s.Anchors() {
		x := a.Certificate
		k := x.KeyAlgorithm()
		line := anchorLine{
			Subject: x.Subject.String(), Serial: x.SerialHex(), NotAfter: x.NotAfter.UTC(),
			Key: fmt.Sprintf("%s-%d", k.Encryption, k.KeyBits), SHA256: x.ID[2:], Purposes: a.Trust[0].Purposes,
		}
		if c.JSON {
			enc := json.NewEncoder(e.out)
			enc.SetEscapeHTML(false)
			if err := enc.Encode(line); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(e.out, "%s  %-14s  %s\n", line.NotAfter.Format(time.DateOnly), line.Key, line.Subject)
	}
	fmt.Fprintf(e.err, "%d anchors, %d certificates, version %s\n", len(s.Anchors()), s.Pool().Len(), s.Version())
	return nil
}

type trustCheckCommand struct {
	Dir    []string `arg:"" help:"Folder of trusted certificates." type:"path"`
	Within string   `help:"Warn this long before expiry." default:"1440h"`
	Time   string   `help:"As of this time instead of now." placeholder:"T"`
}

func (c *trustCheckCommand) Run(e *env) error {
	s, err := loadTrust(c.Dir)
	if err != nil {
		return err
	}
	within, err := time.ParseDuration(c.Within)
	if err != nil {
		return wrongUse("--within wants a duration such as 1440h, not %q", c.Within)
	}
	at, err := parseTime(c.Time)
	if err != nil {
		return err
	}
	if at.IsZero() {
		at = time.Now()
	}
	for _, w := range trust.Expiring(s, at, within) {
		fmt.Fprintln(e.out, w)
		e.exit = exitFailed
	}
	for _, r := range s.Remarks {
		fmt.Fprintln(e.out, "unreadable:", r)
		e.exit = exitFailed
	}
	return nil
}
