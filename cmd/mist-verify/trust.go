package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"mist/signature/trust"
	"mist/signature/trust/fetch"
	"mist/signature/trust/list"
)

type trustCommand struct {
	List   trustListCommand   `cmd:"" help:"List the trust anchors of a folder."`
	Update trustUpdateCommand `cmd:"" help:"Take a newer trusted list (TS 119 612) into a folder, from a file or an https address."`
	Check  trustCheckCommand  `cmd:"" help:"Name what expires soon or could not be read; exit code 1 when there is such."`
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

type trustUpdateCommand struct {
	Dir  string   `arg:"" help:"Trust folder; list-signers.sha256 in it names the pinned signers." type:"path"`
	From string   `arg:"" help:"The list: a file, or an https address."`
	Pin  []string `help:"SHA-256 of a certificate that may sign the list (first use: it is written to the folder)." placeholder:"HEX"`
}

func (c *trustUpdateCommand) Run(e *env) error {
	folder := os.DirFS(c.Dir)
	var pins [][32]byte
	for _, s := range c.Pin {
		p, err := list.ParsePin(s)
		if err != nil {
			return &exitError{exitUse, err}
		}
		pins = append(pins, p)
	}
	first := len(pins) > 0
	if !first {
		var err error
		if pins, err = list.Pins(folder); err != nil {
			return &exitError{exitUse, err}
		}
	} else if _, err := os.Stat(filepath.Join(c.Dir, list.PinFile)); err == nil {
		return wrongUse("%s exists; edit it to change the pinned signers", list.PinFile)
	}
	b, err := c.read(e)
	if err != nil {
		return &exitError{exitUnreadable, err}
	}
	l, err := list.Verify(e.ctx, b, list.Rules{Pinned: pins, LastSequence: list.LastSequence(folder), Now: time.Now()})
	if err != nil {
		return &exitError{exitFailed, err}
	}
	name := "TL-" + l.Territory + ".xml"
	if l.Territory == "" || strings.ContainsAny(l.Territory, "/\\.") {
		return &exitError{exitFailed, errors.New("the list names no territory")}
	}
	if first {
		if err := os.WriteFile(filepath.Join(c.Dir, list.PinFile), []byte(strings.Join(c.Pin, "\n")+"\n"), 0o644); err != nil {
			return err
		}
	}
	if err := replaceFile(filepath.Join(c.Dir, name), b); err != nil {
		return err
	}
	if err := replaceFile(filepath.Join(c.Dir, list.SequenceFile), []byte(strconv.Itoa(l.Sequence)+"\n")); err != nil {
		return err
	}
	fmt.Fprintf(e.out, "%s: sequence %d, issued %s, valid until %s, %d anchors\n", name, l.Sequence,
		l.Issued.Format(time.DateOnly), l.NextUpdate.Format(time.DateOnly), len(l.Anchors()))
	for _, r := range l.Remarks {
		fmt.Fprintln(e.err, "mist-verify:", r)
	}
	return nil
}

func (c *trustUpdateCommand) read(e *env) ([]byte, error) {
	u, err := url.Parse(c.From)
	if err != nil || u.Scheme != "https" {
		return os.ReadFile(c.From)
	}
	f, err := e.fetcher(fetch.Config{Hosts: []string{u.Host}})
	if err != nil {
		return nil, err
	}
	return f.List(e.ctx, c.From)
}

// replaceFile writes beside and renames, so that a reader sees old or new.
func replaceFile(path string, b []byte) error {
	tmp := path + ".new"
	if err := os.WriteFile(tmp, b, 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}
