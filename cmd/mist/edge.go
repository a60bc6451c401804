package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"mist/portal/edge"
	"mist/portal/edge/vault"
	"mist/portal/web"
	"mist/registry"
	"mist/signature"
	"mist/signature/trust"
	"mist/signature/trust/list"
)

type edgeCommand struct {
	Init    edgeInit    `cmd:"" help:"Make the sealed store of a hospital's side: asks a passphrase and the hospital's API key."`
	Run     edgeRun     `cmd:"" help:"Run the hospital's side: take signed acts, hand them in, answer look-ups of the own patients."`
	Unlock  edgeUnlock  `cmd:"" help:"Unlock a running side with the passphrase."`
	Status  edgeStatus  `cmd:"" help:"How a running side stands."`
	Queue   edgeQueue   `cmd:"" help:"Acts, newest first."`
	Dead    edgeDead    `cmd:"" help:"Acts the centre refused, with its reasons."`
	Replay  edgeReplay  `cmd:"" help:"Hand a refused act in again; without --yes only tell what would go."`
	Discard edgeDiscard `cmd:"" help:"Give a refused act up, so that what stands behind it goes on; without --yes only tell."`
	Export  edgeExport  `cmd:"" help:"Write what has not reached the centre into a ZIP file, to be carried by hand."`
	Key     edgeKey     `cmd:"" help:"Give the side another API key, as after a revocation."`
}

// Files of the folder of a hospital's side.
const (
	edgeVault   = "edge.vault"
	edgeToken   = "token"   // what local programs show
	edgeAddress = "address" // where the side listens, written when it does
)

// secret reads a secret: from a file, or a line from standard input. It is never
// an argument, which every program of the machine could read.
func secret(e env, file, what string) ([]byte, error) {
	var b []byte
	var err error
	if file != "" {
		if b, err = os.ReadFile(file); err != nil {
			return nil, fmt.Errorf("reading %s: %w", what, err)
		}
	} else {
		fmt.Fprintf(e.stderr, "%s: ", what)
		restore := quiet(os.Stdin)
		b, err = lineOf(os.Stdin)
		restore()
		fmt.Fprintln(e.stderr)
		if err != nil {
			return nil, &failure{exitUsage, fmt.Errorf("reading %s from standard input: %w", what, err)}
		}
	}
	if b = bytes.TrimRight(b, "\r\n"); len(b) == 0 || len(b) > 1024 {
		return nil, &failure{exitUsage, fmt.Errorf("%s is empty, or longer than 1024 bytes", what)}
	}
	return b, nil
}

// lineOf reads one line byte by byte, so that what follows stays for the next secret.
func lineOf(r io.Reader) ([]byte, error) {
	var line []byte
	one := make([]byte, 1)
	for len(line) <= 2048 {
		n, err := r.Read(one)
		if n == 1 && one[0] == '\n' || errors.Is(err, io.EOF) && len(line) > 0 {
			return line, nil
		}
		if err != nil {
			return nil, err
		}
		line = append(line, one[:n]...)
	}
	return nil, errors.New("the line is too long")
}

type edgeInit struct {
	Dir            string `required:"" type:"path" help:"Folder of the hospital's side; made if there is none."`
	PassphraseFile string `type:"existingfile" help:"File with the passphrase; else it is asked."`
	KeyFile        string `type:"existingfile" help:"File with the hospital's API key (scope edge:sync); else it is asked."`
}

// Run implements the command.
func (c *edgeInit) Run(e env) error {
	passphrase, err := secret(e, c.PassphraseFile, "passphrase")
	if err != nil {
		return err
	}
	key, err := secret(e, c.KeyFile, "API key of the hospital")
	if err != nil {
		return err
	}
	if err := vault.CheckPassphrase(passphrase); err != nil {
		return &failure{exitUsage, err}
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return err
	}
	source := registry.SystemSource()
	path := filepath.Join(c.Dir, edgeVault)
	if err := vault.Create(path, passphrase, vault.DefaultCost(), source); err != nil {
		return &failure{exitFail, err}
	}
	v, err := vault.Open(path, vault.Options{}, source)
	if err != nil {
		return err
	}
	defer func() { _ = v.Close() }()
	if err := v.Unlock(passphrase); err != nil {
		return err
	}
	token := fmt.Sprintf("edge_%x", source.Bytes(32))
	side := &edge.Edge{Config: edge.Config{Vault: v, Source: source}}
	if err := errors.Join(side.SetKey(string(key)), side.SetToken(token), os.WriteFile(filepath.Join(c.Dir, edgeToken), []byte(token+"\n"), 0o600)); err != nil {
		return &failure{exitFail, errors.Join(err, v.Close(), os.Remove(path))}
	}
	fmt.Fprintf(e.stdout, "site %s; local programs show the token in %s\n", v.Site(), filepath.Join(c.Dir, edgeToken))
	return nil
}

type edgeRun struct {
	Dir            string        `required:"" type:"existingdir" help:"Folder of the hospital's side."`
	Centre         string        `required:"" help:"Address of the centre's REST (https)."`
	Trust          string        `required:"" type:"existingdir" help:"Folder of trust material, as mist-verify --trust takes it; read again when it changes."`
	Listen         string        `default:"127.0.0.1:8090" help:"Where the clinic's system and the page reach the side."`
	Host           []string      `help:"Further names it is reached by; behind a proxy with TLS."`
	CentreCA       string        `name:"centre-ca" type:"existingfile" help:"Certificates (PEM) of the centre's TLS, instead of the machine's own."`
	PassphraseFile string        `type:"existingfile" help:"File with the passphrase, as on a medium that is put in and taken out; else the side starts locked."`
	MaxSize        int           `default:"4294967296" help:"Largest size of the vault, in bytes."`
	Poll           time.Duration `default:"500ms" help:"Pause between looks at the queue."`
	Beat           time.Duration `default:"1m" help:"How soon a quiet side asks whether its key still counts."`
	Pause          time.Duration `default:"2m" help:"Longest pause between attempts to reach the centre."`
	Copy           time.Duration `default:"6h" help:"How often the copy of patients is taken anew."`
}

// Run implements the command.
func (c *edgeRun) Run(e env) error {
	log, source := newLogger(e), registry.SystemSource()
	client, err := c.client()
	if err != nil {
		return err
	}
	v, err := vault.Open(filepath.Join(c.Dir, edgeVault), vault.Options{MaxSize: c.MaxSize, Wait: 5 * time.Second}, source)
	if err != nil {
		return &failure{exitFail, err}
	}
	defer func() { _ = v.Close() }()
	material, err := openEdgeTrust(e.ctx, c.Trust, log, source)
	if err != nil {
		return &failure{exitUsage, err}
	}
	verifier, err := signature.NewVerifier(signature.Config{Trust: material.store, Now: source.Clock, Parallel: 4, Queue: 64})
	if err != nil {
		return err
	}
	policies, err := signature.ParsePolicyTable(policyTable)
	if err != nil {
		return err
	}
	config := edge.Config{Vault: v, Centre: c.Centre, Client: client, Verifier: verifier, Policies: policies, Trust: material.told, Source: source, Log: log, Poll: c.Poll, Beat: c.Beat, Copy: c.Copy}
	config.Pause.First, config.Pause.Most = min(2*time.Second, c.Pause), c.Pause
	side, err := edge.New(config)
	if err != nil {
		return &failure{exitUsage, err}
	}
	listener, err := bind("edge", c.Listen)
	if err != nil {
		return err
	}
	base := "http://" + listener.Addr().String()
	if host, _, err := net.SplitHostPort(listener.Addr().String()); err == nil && !net.ParseIP(host).IsLoopback() && len(c.Host) == 0 {
		_ = listener.Close()
		return &failure{exitUsage, errors.New("--listen beyond this machine needs --host, and a proxy with TLS before it: containers and look-ups would cross the network readable")}
	}
	kit, err := web.New(web.Config{BaseURL: base, Log: log, Clock: source.Clock})
	if err != nil {
		return err
	}
	if err := side.AddPage(kit); err != nil {
		return err
	}
	if c.PassphraseFile != "" {
		passphrase, err := secret(e, c.PassphraseFile, "passphrase")
		if err != nil {
			return err
		}
		if err := side.Unlock(passphrase); err != nil {
			return &failure{exitFail, err}
		}
	}
	if err := os.WriteFile(filepath.Join(c.Dir, edgeAddress), []byte(base+"\n"), 0o600); err != nil {
		return err
	}
	server := &http.Server{Handler: side.Handler(c.Host, kit), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, WriteTimeout: 2 * time.Minute, IdleTimeout: time.Minute, MaxHeaderBytes: 32 << 10,
		BaseContext: func(net.Listener) context.Context { return e.ctx }}
	go material.run(e.ctx)
	synced := make(chan struct{})
	go func() { defer close(synced); side.Run(e.ctx) }()
	go func() {
		<-e.ctx.Done()
		closing, cancel := context.WithTimeout(context.WithoutCancel(e.ctx), 5*time.Second)
		defer cancel()
		_ = server.Shutdown(closing)
	}()
	log.Info("the hospital's side serves", "address", base, "locked", !v.Unlocked())
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	<-synced
	return nil
}

// client of the centre: it follows no redirect and goes by no proxy of the environment.
func (c *edgeRun) client() (*http.Client, error) {
	settings := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CentreCA != "" {
		b, err := os.ReadFile(c.CentreCA)
		if err != nil {
			return nil, err
		}
		settings.RootCAs = x509.NewCertPool()
		if !settings.RootCAs.AppendCertsFromPEM(b) {
			return nil, &failure{exitUsage, errors.New("--centre-ca holds no certificate")}
		}
	}
	return &http.Client{
		Transport: &http.Transport{TLSClientConfig: settings, DialContext: (&net.Dialer{Timeout: 10 * time.Second}).DialContext, TLSHandshakeTimeout: 10 * time.Second,
			ResponseHeaderTimeout: 45 * time.Second, MaxResponseHeaderBytes: 64 << 10, MaxIdleConnsPerHost: 8, IdleConnTimeout: 30 * time.Second},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// edgeTrust is the trust material of a hospital's side: a folder that somebody
// brings up to date when there is a network.
type edgeTrust struct {
	dir    string
	store  *trust.Store
	log    interface{ Error(string, ...any) }
	source registry.Source
}

func openEdgeTrust(ctx context.Context, dir string, log interface{ Error(string, ...any) }, source registry.Source) (*edgeTrust, error) {
	s, err := list.Folder(ctx, os.DirFS(dir), "trust", source.Clock())
	if err != nil {
		return nil, fmt.Errorf("reading --trust: %w", err)
	}
	return &edgeTrust{dir, trust.NewStore(s), log, source}, nil
}

// told gives the version, and when the newest file of the folder was brought.
func (t *edgeTrust) told() (string, time.Time) {
	var newest time.Time
	entries, err := os.ReadDir(t.dir)
	if err == nil {
		for _, f := range entries {
			if info, err := f.Info(); err == nil && info.ModTime().After(newest) {
				newest = info.ModTime()
			}
		}
	}
	return t.store.Snapshot().Version(), newest.UTC()
}

func (t *edgeTrust) run(ctx context.Context) {
	for tick := time.NewTicker(trustPeriod); ; {
		select {
		case <-ctx.Done():
			tick.Stop()
			return
		case <-tick.C:
			s, err := list.Folder(ctx, os.DirFS(t.dir), "trust", t.source.Clock())
			if err != nil {
				t.log.Error("the trust folder cannot be taken over; the former material stays in force", "cause", err.Error())
			} else if s.Version() != t.store.Snapshot().Version() {
				t.store.Replace(s)
			}
		}
	}
}

// edgeCall speaks to a running side.
type edgeCall struct {
	Dir string `required:"" type:"existingdir" help:"Folder of the hospital's side."`
}

func (c edgeCall) file(name string) (string, error) {
	b, err := os.ReadFile(filepath.Join(c.Dir, name))
	if err != nil {
		return "", &failure{exitFail, fmt.Errorf("is mist edge run at work with this folder? %w", err)}
	}
	return strings.TrimSpace(string(b)), nil
}

func (c edgeCall) do(e env, method, path string, body any) ([]byte, error) {
	base, err := c.file(edgeAddress)
	if err != nil {
		return nil, err
	}
	token, err := c.file(edgeToken)
	if err != nil {
		return nil, err
	}
	var text []byte
	if body != nil {
		if text, err = json.Marshal(body); err != nil {
			return nil, err
		}
	}
	r, err := http.NewRequestWithContext(e.ctx, method, base+edge.Prefix+path, bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	w, err := (&http.Client{Timeout: time.Minute}).Do(r)
	if err != nil {
		return nil, &failure{exitFail, fmt.Errorf("the side does not answer; start it by mist edge run: %w", err)}
	}
	defer func() { _ = w.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(w.Body, 4<<30))
	if err != nil {
		return nil, err
	}
	if w.StatusCode >= 400 {
		var refused struct {
			Error struct {
				Message string `json:"message"`
			} `json:"error"`
		}
		_ = json.Unmarshal(answer, &refused) // a body that is none leaves the status
		return nil, &failure{exitFail, fmt.Errorf("%d: %s", w.StatusCode, refused.Error.Message)}
	}
	return answer, nil
}

// show prints the data of an answer as JSON.
func (c edgeCall) show(e env, method, path string, body any) error {
	b, err := c.do(e, method, path, body)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, b, "", " "); err != nil {
		return err
	}
	_, err = out.WriteTo(e.stdout)
	return err
}

type edgeUnlock struct {
	edgeCall       `embed:""`
	PassphraseFile string `type:"existingfile" help:"File with the passphrase; else it is asked."`
}

// Run implements the command.
func (c *edgeUnlock) Run(e env) error {
	passphrase, err := secret(e, c.PassphraseFile, "passphrase")
	if err != nil {
		return err
	}
	return c.show(e, http.MethodPost, "/unlock", map[string]string{"passphrase": string(passphrase)})
}

type edgeStatus struct {
	edgeCall `embed:""`
}

// Run implements the command.
func (c *edgeStatus) Run(e env) error { return c.show(e, http.MethodGet, "/status", nil) }

type edgeQueue struct {
	edgeCall `embed:""`
	Status   string `enum:",waiting,answered,dead,discarded" default:"" help:"Only this status."`
	Before   uint64 `help:"Only acts with a lower number; 100 are told at a time."`
}

// Run implements the command.
func (c *edgeQueue) Run(e env) error { return c.lines(e, c.Status, c.Before) }

func (c edgeCall) lines(e env, status string, before uint64) error {
	path := "/acts?status=" + status
	if before > 0 {
		path += fmt.Sprintf("&before=%d", before)
	}
	b, err := c.do(e, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	var answer struct {
		Data []vault.Act `json:"data"`
	}
	if err := json.Unmarshal(withoutDigests(b), &answer); err != nil {
		return err
	}
	w := bufio.NewWriter(e.stdout)
	for _, a := range answer.Data {
		last := ""
		if n := len(a.Failures); n > 0 && a.Status != vault.StatusAnswered {
			last = a.Failures[n-1].Error
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%d\t%s\n", a.Number, a.ID, a.Operation, a.Status, a.ReceivedAt.Format(time.RFC3339), a.Attempts, last)
	}
	return w.Flush()
}

// withoutDigests renames what is hexadecimal for people and bytes for the vault.
func withoutDigests(b []byte) []byte {
	return bytes.ReplaceAll(b, []byte(`"digest":`), []byte(`"sha256":`))
}

type edgeDead struct {
	edgeCall `embed:""`
	Before   uint64 `help:"Only acts with a lower number; 100 are told at a time."`
}

// Run implements the command.
func (c *edgeDead) Run(e env) error { return c.lines(e, string(vault.StatusDead), c.Before) }

type edgeChange struct {
	edgeCall `embed:""`
	ID       string `arg:"" help:"The act."`
	Yes      bool   `help:"Do it; without this nothing is changed."`
}

func (c edgeChange) run(e env, verb string) error {
	id, err := registry.ParseID(c.ID)
	if err != nil {
		return &failure{exitUsage, err}
	}
	return c.show(e, http.MethodPost, fmt.Sprintf("/acts/%s/%s?dry_run=%t", id, verb, !c.Yes), nil)
}

type edgeReplay struct {
	edgeChange `embed:""`
}

// Run implements the command.
func (c *edgeReplay) Run(e env) error { return c.run(e, "replay") }

type edgeDiscard struct {
	edgeChange `embed:""`
}

// Run implements the command.
func (c *edgeDiscard) Run(e env) error { return c.run(e, "discard") }

type edgeExport struct {
	edgeCall `embed:""`
	File     string `arg:"" type:"path" help:"ZIP file to write; it holds signed documents in the clear."`
}

// Run implements the command.
func (c *edgeExport) Run(e env) error {
	b, err := c.do(e, http.MethodGet, "/export", nil)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(c.File, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return &failure{exitFail, err}
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Sync(), f.Close())
}

type edgeKey struct {
	edgeCall `embed:""`
	KeyFile  string `type:"existingfile" help:"File with the hospital's API key; else it is asked."`
}

// Run implements the command.
func (c *edgeKey) Run(e env) error {
	key, err := secret(e, c.KeyFile, "API key of the hospital")
	if err != nil {
		return err
	}
	return c.show(e, http.MethodPut, "/key", map[string]string{"api_key": string(key)})
}
