package main

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"time"
	_ "time/tzdata" // protocols are in Kyiv time, also where the machine has no zones

	"mist/signature"
	"mist/signature/etsi"
	"mist/signature/explain"
	"mist/signature/protocol"
)

// stdout is the name of standard output.
const stdout = "-"

// write makes the files that --etsi and --pdf ask for. A document without a
// signature has no ETSI report: that is said, and the exit code stays 3.
func (c *verifyCommand) write(e *env, r *signature.Result) error {
	if c.Etsi != "" {
		b, err := etsi.Report(r, etsi.Validator{Name: program()})
		switch {
		case errors.Is(err, etsi.ErrNoSignature):
			fmt.Fprintln(e.err, "mist-verify: no ETSI report is written:", err)
		case err != nil:
			return err
		case c.Etsi == stdout:
			if _, err := e.out.Write(b); err != nil {
				return fmt.Errorf("writing the ETSI report: %w", err)
			}
		default:
			if err := os.WriteFile(c.Etsi, b, 0o644); err != nil {
				return &exitError{exitUse, fmt.Errorf("writing the ETSI report: %w", err)}
			}
		}
	}
	if c.PDF == "" {
		return nil
	}
	zone, err := time.LoadLocation("Europe/Kyiv")
	if err != nil {
		return fmt.Errorf("writing the protocol: %w", err)
	}
	b, err := protocol.PDF(explain.NewProtocol(r, program(), explain.Options{Lang: language(c.Lang, e.getenv), MaskIDs: c.MaskIDs, Zone: zone, Trusted: len(c.Trust) > 0}))
	if err != nil {
		return fmt.Errorf("writing the protocol: %w", err)
	}
	if err := os.WriteFile(c.PDF, b, 0o644); err != nil {
		return &exitError{exitUse, fmt.Errorf("writing the protocol: %w", err)}
	}
	return nil
}

// program is this program with the revision it was built of, where that is known.
func program() string {
	name := "mist-verify"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return name
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return name + " " + s.Value[:12]
		}
	}
	return name
}
