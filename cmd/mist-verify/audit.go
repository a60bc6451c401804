package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"mist/registry"
	"mist/registry/audit"
)

// Exit codes of mist-verify audit, a part of the frozen codes of mist-verify.
const (
	auditProven    = 0
	auditDisproven = 1
	auditUndecided = 2
	auditWrongUse  = 4
	auditOwnFault  = 5
)

const auditUsage = `mist-verify audit proves that an entry stands in an audit log and that the log
only ever grew. It trusts the key given to it and nothing else.

Usage:
  mist-verify audit --log URL --key FILE [--state FILE] [--receipt FILE] ENTRY
  mist-verify audit --evidence PACKAGE --key FILE [--trust DIR]
  mist-verify audit --month FILE --key FILE [--trust DIR] [--log URL] [ENTRY]

Examples:
  mist-verify audit --log https://registry.example/log --key log.key 019a7c1e-8f2b-7c3d-9e4f-0123456789ab
  mist-verify audit --log https://registry.example/log --key log.key --state log.state 1234
  mist-verify audit --log https://registry.example/log --key log.key --receipt receipt.json
  mist-verify audit --log https://registry.example/log --key log.key --token-file token --json 1234
  mist-verify audit --log https://registry.example/log --key log.key --state log.state
  mist-verify audit --log https://registry.example/log --key log.key --witness a.key --witness b.key --witness c.key --quorum 2 1234
  mist-verify audit --evidence mist-evidence-019a7c1e.asice --key log.key --trust certs/
  mist-verify audit --month log-2026-11.zip --key log.key --log https://registry.example/log 1234

ENTRY is the entry's id (UUID) or its place in the log. Without ENTRY and
receipt only the log itself is checked against the state.

Flags:
  --log URL          address of the log: URL/checkpoint must exist
  --key FILE         public key of the log, one line name+hash+data
  --state FILE       checkpoint seen last time; made the first time, moved on when proven
  --witness FILE     public key of a witness of the log, one line; may be repeated
  --quorum N         how many of the witnesses must have cosigned (default: all that are given)
  --receipt FILE     receipt of the entry as JSON {entry_id, leaf_hash, time, promise}; with the
                     promise no token is needed, and a dropped entry is disproven
  --evidence FILE    package of mist evidence export: everything is proven offline, the
                     signature judged again to the same report
  --month FILE       file of mist trail export: every entry of the month is proven offline; an
                     ENTRY is looked up in it; with --log the log of today continues it
  --trust DIR        with --evidence or --month: folder of trusted certificates; may be repeated
  --token-file FILE  bearer token, where entries are not open
  --wait DURATION    wait so long for an entry that is not yet in the tree (default 3s)
  --timeout DURATION limit of one request (default 10s)
  --json             one JSON object on standard output
  --lang uk|en       language of the report (else MIST_LANG, the locale, Ukrainian)

Exit codes:
  0 proven   1 disproven   2 could not tell   4 wrong use   5 unreadable or our own failure

Environment:
  MIST_LANG, LC_ALL, LC_MESSAGES, LANG   language of the report
`

// auditOptions is the parsed command line.
type auditOptions struct {
	log     *url.URL
	key     note.Verifier
	quorum  audit.Quorum
	state   string
	receipt *audit.Receipt
	// evidence is a package that is judged instead of a log; trust are folders.
	evidence string
	month    string
	trust    []string
	token    string
	wait     time.Duration
	timeout  time.Duration
	json     bool
	lang     string
	entry    string
}

// auditCommand runs "mist-verify audit" with the arguments after that word.
func auditCommand(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	opt, code, err := auditArguments(args, os.Getenv)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(stdout, auditUsage)
		return auditProven
	}
	if err != nil {
		fmt.Fprintf(stderr, "mist-verify audit: %v\n", err)
		if code == auditWrongUse {
			fmt.Fprintln(stderr, "mist-verify audit --help shows the use")
		}
		return code
	}
	check := auditCheck
	if opt.evidence != "" {
		check = auditPackage
	}
	if opt.month != "" {
		check = auditMonth
	}
	result := check(ctx, opt)
	if opt.json {
		e := json.NewEncoder(stdout)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		if err := e.Encode(result); err != nil {
			fmt.Fprintf(stderr, "mist-verify audit: %v\n", err)
			return auditOwnFault
		}
		return result.Exit
	}
	fmt.Fprint(stdout, result.text(opt.lang))
	return result.Exit
}

func auditArguments(args []string, getenv func(string) string) (auditOptions, int, error) {
	f := flag.NewFlagSet("audit", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	logURL := f.String("log", "", "")
	keyFile := f.String("key", "", "")
	state := f.String("state", "", "")
	receipt := f.String("receipt", "", "")
	token := f.String("token-file", "", "")
	dossier := f.String("evidence", "", "")
	monthFile := f.String("month", "", "")
	var anchors []string
	f.Func("trust", "", func(s string) error { anchors = append(anchors, s); return nil })
	var witnesses []string
	f.Func("witness", "", func(s string) error { witnesses = append(witnesses, s); return nil })
	need := f.Int("quorum", -1, "")
	wait := f.Duration("wait", 3*time.Second, "")
	timeout := f.Duration("timeout", 10*time.Second, "")
	asJSON := f.Bool("json", false, "")
	lang := f.String("lang", "", "")

	var positional []string
	for rest := args; ; { // flags may follow the entry
		if err := f.Parse(rest); err != nil {
			return auditOptions{}, auditWrongUse, err
		}
		if f.NArg() == 0 {
			break
		}
		positional, rest = append(positional, f.Arg(0)), f.Args()[1:]
	}
	opt := auditOptions{evidence: *dossier, month: *monthFile, trust: anchors, state: *state, wait: *wait, timeout: *timeout, json: *asJSON, lang: auditLanguage(*lang, getenv)}
	wrong := func(format string, a ...any) (auditOptions, int, error) {
		return auditOptions{}, auditWrongUse, fmt.Errorf(format, a...)
	}
	unreadable := func(what string, err error) (auditOptions, int, error) {
		return auditOptions{}, auditOwnFault, fmt.Errorf("%s: %w", what, err)
	}
	switch {
	case *dossier != "" && (*logURL != "" || *state != "" || *receipt != "" || *token != "" || len(positional) > 0):
		return wrong("--evidence is proven by itself: give it --key, --witness and --trust, nothing of a log")
	case *dossier == "" && *monthFile == "" && len(anchors) > 0:
		return wrong("--trust goes with --evidence or --month")
	case *monthFile != "" && (*dossier != "" || *state != "" || *token != ""):
		return wrong("--month is proven by itself: give it --key, --witness, --trust, and --log to compare with")
	case *dossier == "" && *monthFile == "" && *logURL == "":
		return wrong("--log URL is missing")
	case *keyFile == "":
		return wrong("--key FILE is missing: the log's public key, got from the log's keeper by a way of its own")
	case len(positional) > 1:
		return wrong("one entry at a time; %d were given", len(positional))
	case opt.lang != "uk" && opt.lang != "en":
		return wrong("--lang is uk or en")
	case opt.timeout <= 0 || opt.wait < 0:
		return wrong("--timeout and --wait are positive durations like 10s")
	}
	u, err := url.Parse(strings.TrimRight(*logURL, "/"))
	if (*logURL != "" || *dossier+*monthFile == "") && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
		return wrong("--log must be an http or https address")
	}
	if *logURL != "" {
		opt.log = u
	}
	b, err := readSmall(*keyFile)
	if err != nil {
		return unreadable("reading the log's key", err)
	}
	if opt.key, err = audit.ReadVerifier(string(b)); err != nil {
		return unreadable("reading the log's key from "+*keyFile, err)
	}
	for _, path := range witnesses {
		if b, err = readSmall(path); err != nil {
			return unreadable("reading a witness's key", err)
		}
		w, err := audit.ReadWitnessKey(string(b))
		if err != nil {
			return unreadable("reading a witness's key from "+path, err)
		}
		opt.quorum.Witnesses = append(opt.quorum.Witnesses, w)
	}
	opt.quorum.Need = *need
	if *need < 0 {
		opt.quorum.Need = len(witnesses)
	}
	if err := opt.quorum.Check(); err != nil {
		return wrong("--quorum: %v", err)
	}
	if *token != "" {
		if b, err = readSmall(*token); err != nil {
			return unreadable("reading the token", err)
		}
		opt.token = strings.TrimSpace(string(b))
	}
	if *receipt != "" {
		if b, err = readSmall(*receipt); err != nil {
			return unreadable("reading the receipt", err)
		}
		opt.receipt = &audit.Receipt{}
		if err := json.Unmarshal(b, opt.receipt); err != nil || opt.receipt.EntryID.IsZero() || len(opt.receipt.LeafHash) != 44 {
			return unreadable("reading the receipt", errors.New("not a receipt: {entry_id, leaf_hash} expected"))
		}
		opt.entry = opt.receipt.EntryID.String()
	}
	if len(positional) == 1 {
		name := strings.ToLower(positional[0])
		_, idErr := registry.ParseID(name)
		n, numberErr := strconv.ParseInt(name, 10, 64)
		switch {
		case idErr != nil && (numberErr != nil || n < 0):
			return wrong("ENTRY is a UUID or a place in the log (0, 1, 2 …)")
		case opt.receipt != nil && name != opt.entry:
			return wrong("the receipt is of another entry")
		}
		opt.entry = name
	}
	if opt.entry == "" && opt.state == "" && opt.evidence == "" && opt.month == "" {
		return wrong("nothing to prove: give an ENTRY, a --receipt or a --state")
	}
	return opt, 0, nil
}

// auditLanguage takes the flag, MIST_LANG, the locale; else Ukrainian.
func auditLanguage(flag string, getenv func(string) string) string {
	for _, v := range []string{flag, getenv("MIST_LANG")} {
		if v != "" {
			return v
		}
	}
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if v := getenv(name); v != "" {
			if strings.HasPrefix(v, "en") {
				return "en"
			}
			break
		}
	}
	return "uk"
}

// readSmall reads a file of at most 64 KiB: keys, tokens, receipts, checkpoints.
func readSmall(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, 64<<10+1))
	if err == nil && len(b) > 64<<10 {
		err = errors.New("longer than 64 KiB")
	}
	return b, err
}

// auditLog fetches from one log. It follows no redirects: the log is where the
// auditor said it is.
type auditLog struct {
	base   *url.URL
	token  string
	client *http.Client
}

func newAuditLog(opt auditOptions) *auditLog {
	return &auditLog{opt.log, opt.token, &http.Client{
		Timeout:       opt.timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// httpError is an answer other than 200.
type httpError struct {
	status int
	// archived is what the log says of an entry whose month lies in a file.
	archived string
}

func (e *httpError) Error() string { return fmt.Sprintf("the log answers %d", e.status) }

// archivedHeader names the month of an entry that was archived.
const archivedHeader = "Mist-Archived-Month"

// get fetches one path; the token goes with entries only.
func (l *auditLog) get(ctx context.Context, path string) ([]byte, http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, l.base.JoinPath(path).String(), nil)
	if err != nil {
		return nil, nil, err
	}
	if l.token != "" && strings.HasPrefix(path, "entry/") {
		req.Header.Set("Authorization", "Bearer "+l.token)
	}
	res, err := l.client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, nil, &httpError{res.StatusCode, res.Header.Get(archivedHeader)}
	}
	b, err := io.ReadAll(io.LimitReader(res.Body, 64<<10+1))
	if err == nil && len(b) > 64<<10 {
		err = errors.New("the answer is longer than 64 KiB")
	}
	return b, res.Header, err
}

// fetch is get for the proofs.
func (l *auditLog) fetch(ctx context.Context, path string) ([]byte, error) {
	b, _, err := l.get(ctx, path)
	return b, err
}
