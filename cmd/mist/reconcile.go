package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"mist/registry/audit"
	"mist/registry/audit/month"
	"mist/registry/outbox"
	"mist/signature/gost34311"
	"mist/soap/xroad"
)

// reconcileCommand compares what a security server kept with what the registry recorded. It tells what is missing on
// either side; that a seal is good is proven container by container with mist-verify exchange.
type reconcileCommand struct {
	Config  string `required:"" type:"existingfile" help:"Configuration of the server whose trail is compared."`
	Months  string `name:"archive" type:"existingdir" help:"Folder with the files of months that were detached from the log (mist trail export): their entries are read from there, proven first." placeholder:"DIR"`
	Archive string `arg:"" name:"containers" type:"existingdir" help:"Folder of containers (.asics, .asice) and of ZIP files that hold them; read with its subfolders."`
	From    string `help:"Only entries of the trail from this time on (RFC 3339 or a date)." placeholder:"T"`
	Until   string `help:"Only entries of the trail before this time." placeholder:"T"`
	JSON    bool   `name:"json" help:"Findings as one JSON object."`
}

// maxArchiveFile bounds one file of an archive; X-Road begins a new one at 32 MiB.
const maxArchiveFile = 256 << 20

// reconcileReport is the --json object of mist reconcile.
type reconcileReport struct {
	xroad.Reconciliation
	Sent          xroad.Sent   `json:"sent"`          // what left for other registers
	OtherServices int          `json:"otherServices"` // messages of the archive to services that are not ours
	Unreadable    []unreadable `json:"unreadable"`
	// ArchivedMonths are months of the period whose entries lie in files that were not given.
	ArchivedMonths []string `json:"archivedMonths"`
}

type unreadable struct {
	File   string `json:"file"`
	Reason string `json:"reason"`
}

// Run implements the command. Exit codes: 0 archive and trail agree, 1 one of them lacks something, 2 something in the
// archive could not be read, or a month of the trail lies in a file that was not given, and the rest agrees.
func (c *reconcileCommand) Run(e env) error {
	from, err := reconcileTime(c.From)
	if err != nil {
		return err
	}
	until, err := reconcileTime(c.Until)
	if err != nil {
		return err
	}
	o, err := openOperator(e, c.Config, 2)
	if err != nil {
		return err
	}
	defer o.close()
	ours, err := xroad.ParseClientID(o.cfg.SOAP.Service)
	if err != nil {
		return &failure{exitUsage, fmt.Errorf("soap.service of the configuration: %w", err)}
	}
	clients, err := o.cfg.Registers.clients(o.cfg.SOAP.Service)
	if err != nil {
		return err
	}
	archive := &xroad.Archive{GOST: gost34311.Sum256, Provider: ours, Clients: clients}
	report := reconcileReport{Unreadable: []unreadable{}, ArchivedMonths: []string{}}
	if err := report.read(archive, c.Archive); err != nil {
		return err
	}
	within := func(t time.Time) bool { return !t.Before(from) && (until.IsZero() || t.Before(until)) }
	var trail []xroad.Recorded
	var sent []xroad.RecordedSent
	take := func(x audit.Entry) error {
		switch {
		case x.Kind == outbox.Answered:
			sent = append(sent, xroad.RecordedSent{Entry: x.ID.String(), MessageID: x.Exchange.MessageID, At: x.Time, SHA512: x.Exchange.RequestSHA512, GOST: x.Exchange.RequestGOST,
				Answer: x.Exchange.ResponseSHA512, Within: within(x.Time)})
		case within(x.Time):
			trail = append(trail, xroad.Recorded{
				Entry: x.ID.String(), Client: x.Actor.XRoadClient, MessageID: x.Exchange.MessageID, SHA512: x.Exchange.RequestSHA512, GOST: x.Exchange.RequestGOST,
				Refused: x.Kind == audit.ExchangeRefused,
			})
		}
		return nil
	}
	before, err := sentRows(e.ctx, o, within)
	if err != nil {
		return err
	}
	if report.ArchivedMonths, err = archivedExchanges(e.ctx, o, c.Months, from, until, take); err != nil {
		return err
	}
	// A message ends by its own clock and by the database's: entries beside the time are asked for, too.
	wideFrom, wideUntil := from, until
	if !from.IsZero() {
		wideFrom = from.Add(-beside)
	}
	if !until.IsZero() {
		wideUntil = until.Add(beside)
	}
	if err = o.store.ExchangeEntries(e.ctx, wideFrom, wideUntil, take); err != nil {
		return fmt.Errorf("reading the trail: %w", err)
	}
	after, err := sentRows(e.ctx, o, within)
	if err != nil {
		return err
	}
	report.Reconciliation, report.OtherServices = archive.Reconcile(trail), archive.Passed
	report.Sent = archive.ReconcileSent(sent, before, after, time.Now().Add(-outbox.Retention+beside))
	if err := report.write(e, c.JSON); err != nil {
		return err
	}
	findings := len(report.Findings) + len(report.Sent.Findings)
	switch {
	case findings > 0 && len(report.ArchivedMonths) > 0:
		return &failure{exitUndecided, fmt.Errorf("archive and trail do not agree (%d findings), but the trail was not read whole: give the files of %s with --archive DIR",
			findings, strings.Join(report.ArchivedMonths, ", "))}
	case findings > 0:
		return &failure{exitFail, fmt.Errorf("archive and trail do not agree: %d findings", findings)}
	case len(report.Unreadable) > 0:
		return &failure{exitUndecided, fmt.Errorf("%d files of the archive could not be read", len(report.Unreadable))}
	case len(report.ArchivedMonths) > 0:
		return &failure{exitUndecided, fmt.Errorf("the trail was not read whole: give the files of %s with --archive DIR", strings.Join(report.ArchivedMonths, ", "))}
	}
	return nil
}

// beside is how far the clocks of a server and of the database may be apart.
const beside = time.Hour

// sentRows are the books of what left for other registers.
func sentRows(ctx context.Context, o *operator, within func(time.Time) bool) ([]xroad.SentRow, error) {
	list, err := o.store.SentMessages(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the outbox: %w", err)
	}
	rows := make([]xroad.SentRow, len(list))
	for i, m := range list {
		rows[i] = xroad.SentRow{MessageID: m.ID.String(), Answered: m.Status == outbox.StatusAnswered, Within: within(m.EndedAt)}
	}
	return rows, nil
}

// archivedExchanges reads the entries of months that are away from their files, each proven with the log's key and the
// one that was recorded when it was detached; it gives the months of the period whose file is not in the folder.
func archivedExchanges(ctx context.Context, o *operator, folder string, from, until time.Time, f func(audit.Entry) error) ([]string, error) {
	missing := []string{}
	list, err := o.store.LogMonths(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the months of the log: %w", err)
	}
	key, err := audit.ReadVerifier(o.logKey)
	if err != nil {
		return nil, err
	}
	for _, m := range list {
		before := !until.IsZero() && !m.From.IsZero() && !m.Month.Before(until)
		if m.Table || m.Archived.IsZero() || before || !m.Month.AddDate(0, 1, 0).After(from) {
			continue
		}
		var file *month.File
		if folder != "" {
			if file, err = monthFiles(folder)(m.Name()); err != nil {
				return nil, &failure{exitFail, fmt.Errorf("the file of the month %s: %w", m.Name(), err)}
			}
		}
		if file == nil {
			missing = append(missing, m.Name())
			continue
		}
		if !bytes.Equal(file.Form, m.Manifest) {
			return nil, &failure{exitFail, fmt.Errorf("the file of the month %s is another one than that with which it was detached", m.Name())}
		}
		var exchanges []audit.Entry // believed when the whole file is proven
		if _, err := file.Verify(key, func(l month.Line, x audit.Entry) error {
			if l.Entry != nil && x.Exchange != nil && !x.Time.Before(from) && (until.IsZero() || x.Time.Before(until)) {
				exchanges = append(exchanges, x)
			}
			return nil
		}); err != nil {
			return nil, &failure{exitFail, fmt.Errorf("the file of the month %s is not proven: %w", m.Name(), err)}
		}
		for _, x := range exchanges {
			if err := f(x); err != nil {
				return nil, err
			}
		}
	}
	return missing, nil
}

func reconcileTime(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, &failure{exitUsage, fmt.Errorf("%q is neither an RFC 3339 time nor a date", s)}
}

// read adds every container below dir; files that are none of ours to read are left alone, broken ones are noted.
func (r *reconcileReport) read(a *xroad.Archive, dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if !d.Type().IsRegular() || !xroad.IsContainer(name) && !strings.HasSuffix(strings.ToLower(name), ".zip") {
			return nil
		}
		note := func(file string, err error) {
			r.Unreadable = append(r.Unreadable, unreadable{filepath.ToSlash(file), err.Error()})
		}
		if info, err := d.Info(); err != nil || info.Size() > maxArchiveFile {
			note(name, errors.New("the file is too large"))
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil {
			note(name, err)
			return nil
		}
		err = xroad.Containers(filepath.ToSlash(name), b, func(c xroad.Container) error {
			if err := a.Add(c); err != nil {
				note(c.Name, err)
			}
			return nil
		})
		if err != nil {
			note(name, err)
		}
		return nil
	})
}

func (r *reconcileReport) write(e env, asJSON bool) error {
	if asJSON {
		enc := json.NewEncoder(e.stdout)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		return enc.Encode(r)
	}
	for _, f := range r.Sent.Findings {
		fmt.Fprintf(e.stdout, "%s: to another register, message %q", f.Kind, f.MessageID)
		if f.File != "" {
			fmt.Fprintf(e.stdout, ", file %s", f.File)
		}
		if f.Entry != "" {
			fmt.Fprintf(e.stdout, ", entry %s", f.Entry)
		}
		fmt.Fprintln(e.stdout)
	}
	for _, f := range r.Findings {
		fmt.Fprintf(e.stdout, "%s: client %s, message %q", f.Kind, f.Client, f.MessageID)
		if f.File != "" {
			fmt.Fprintf(e.stdout, ", file %s", f.File)
		}
		if f.Entry != "" {
			fmt.Fprintf(e.stdout, ", entry %s", f.Entry)
		}
		fmt.Fprintln(e.stdout)
	}
	for _, m := range r.ArchivedMonths {
		fmt.Fprintf(e.stdout, "archived: the month %s of the trail lies in its file, which was not given\n", m)
	}
	for _, u := range r.Unreadable {
		fmt.Fprintf(e.stdout, "unreadable: %s: %s\n", u.File, u.Reason)
	}
	fmt.Fprintf(e.stdout, "to other registers: %d requests and %d answers in the archive, %d entries in the trail, %d answered messages in the books, %d agree, %d findings\n",
		r.Sent.Requests, r.Sent.Responses, r.Sent.Entries, r.Sent.Messages, r.Sent.Agreed, len(r.Sent.Findings))
	_, err := fmt.Fprintf(e.stdout, "%d requests and %d answers in the archive (%d of other services), %d entries in the trail, %d requests in both, %d findings\n",
		r.Requests, r.Responses, r.OtherServices, r.Entries, r.Agreed, len(r.Findings))
	return err
}
