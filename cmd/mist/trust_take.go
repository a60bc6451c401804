package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/material"
	"mist/registry/order"
	"mist/registry/postgres"
	"mist/signature/trust"
	"mist/signature/trust/list"
)

// trialFolder is a trust folder as it would be with one file more, or another
// one in the place of one; nothing is written.
type trialFolder struct {
	fs.FS
	name string
	body []byte
}

// Open implements fs.FS.
func (t trialFolder) Open(name string) (fs.File, error) {
	if name == t.name {
		return &trialFile{bytes.NewReader(t.body), t}, nil
	}
	return t.FS.Open(name)
}

// ReadDir implements fs.ReadDirFS.
func (t trialFolder) ReadDir(name string) ([]fs.DirEntry, error) {
	all, err := fs.ReadDir(t.FS, name)
	if err != nil || name != "." {
		return all, err
	}
	all = slices.DeleteFunc(all, func(e fs.DirEntry) bool { return e.Name() == t.name })
	all = append(all, fs.FileInfoToDirEntry(trialInfo{t}))
	slices.SortFunc(all, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return all, nil
}

type trialFile struct {
	*bytes.Reader
	of trialFolder
}

// Stat implements fs.File.
func (f *trialFile) Stat() (fs.FileInfo, error) { return trialInfo{f.of}, nil }

// Close implements fs.File.
func (f *trialFile) Close() error { return nil }

type trialInfo struct{ of trialFolder }

// These implement fs.FileInfo.
func (i trialInfo) Name() string       { return i.of.name }
func (i trialInfo) Size() int64        { return int64(len(i.of.body)) }
func (i trialInfo) Mode() fs.FileMode  { return 0o444 }
func (i trialInfo) ModTime() time.Time { return time.Time{} }
func (i trialInfo) IsDir() bool        { return false }
func (i trialInfo) Sys() any           { return nil }

// trial implements material.Trial over the configured folder.
func (k *trustKeeper) trial(ctx context.Context, name string, body []byte) (*trust.Snapshot, error) {
	return k.snapshot(ctx, trialFolder{os.DirFS(k.cfg.Trust.Dir), name, body})
}

// snapshot judges a folder by the rules of this installation.
func (k *trustKeeper) snapshot(ctx context.Context, folder fs.FS) (*trust.Snapshot, error) {
	s, err := list.Folder(ctx, folder, "trust", k.now())
	if err != nil {
		return nil, fmt.Errorf("reading trust.dir: %w", err)
	}
	if k.cfg.Profile != profileSandbox {
		for _, a := range s.Anchors() {
			if strings.Contains(a.Certificate.Subject.String(), sandboxMark) {
				return nil, &failure{exitUsage, errors.New("trust.dir holds a sandbox root; this profile must not trust it")}
			}
		}
	}
	return s, nil
}

type trustCommand struct {
	Take trustTakeCommand `cmd:"" help:"Put a file (a trusted list, certificates, a revocation list) among the trust material: compared first, then by an order of two people. Servers take it over by themselves."`
}

type trustTakeCommand struct {
	Config    string `required:"" type:"existingfile" help:"Configuration file (YAML)." env:"MIST_CONFIG"`
	File      string `arg:"" type:"existingfile" help:"The file; it keeps its name and takes the place of one of that name."`
	twoPeople `embed:""`
}

// Run implements the command.
func (c *trustTakeCommand) Run(e env) error {
	body, err := os.ReadFile(c.File)
	if err != nil {
		return &failure{exitFail, err}
	}
	op, err := openOperator(e, c.Config, 4)
	if err != nil {
		return err
	}
	defer op.close()
	source := registry.SystemSource()
	k, err := openTrust(e.ctx, op.cfg, quietLogger(e), source.Clock)
	if err != nil {
		return err
	}
	compare := func(ctx context.Context) (material.Comparison, error) {
		return material.Compare(ctx, k.store.Snapshot(), k.trial, source.Now(), c.File, body)
	}
	first, err := compare(e.ctx)
	if err != nil {
		return refused(err)
	}
	for _, one := range first.Added {
		fmt.Fprintf(e.stdout, "+ %s (до·until %s)\n", one.Subject, one.Until.Format(time.DateOnly))
	}
	for _, one := range first.Removed {
		fmt.Fprintf(e.stdout, "- %s (до·until %s)\n", one.Subject, one.Until.Format(time.DateOnly))
	}
	return c.give(e, op, orderedCommand{
		name: material.TakeOrder, parameters: first.Parameters(), demanded: true,
		plan: func(ctx context.Context, o order.Order) (map[string]int, error) {
			now, err := compare(ctx)
			if err == nil && now.Same && !o.ID.IsZero() {
				return o.Effects, nil // written by this order, which was cut off at its end
			}
			if err == nil && now.Same {
				err = registry.Errorf(registry.CodeConflict, "the file changes nothing").WithReason("trust_same")
			}
			return now.Effects(), err
		},
		run: func(ctx context.Context, o order.Order) error {
			if err := replaceFile(filepath.Join(op.cfg.Trust.Dir, first.Name), body); err != nil {
				return fmt.Errorf("writing into trust.dir: %w", err)
			}
			fmt.Fprintf(e.stdout, "виконано: %s діє за %s · done: %[1]s is in force within %[2]s\n", first.Name, trustPeriod)
			return postgres.NewPort[material.Tx](op.store).Everywhere().Update(ctx, func(ctx context.Context, tx material.Tx) error {
				_, err := tx.Audit(ctx, audit.Entry{Kind: material.Taken, Channel: "operator", Object: &audit.ObjectRef{Type: "trust_file", ID: first.Name, Digest: first.Digest[:]}, Reason: "order " + o.ID.String()})
				return err
			})
		},
	})
}

// replaceFile writes a file beside its place and moves it there: who reads the
// folder meanwhile sees the former one or this one.
func replaceFile(path string, body []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".taking-*")
	if err != nil {
		return err
	}
	_, err = f.Write(body)
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}
