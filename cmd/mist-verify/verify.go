package main

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"mist/signature"
	"mist/signature/explain"
	"mist/signature/facts"
	"mist/signature/trust"
	"mist/signature/trust/fetch"
	"mist/signature/trust/list"
)

// trustFlags are shared by the commands that verify.
type trustFlags struct {
	Trust  []string `help:"Folder of trusted certificates (.cer .crt .pem .der .p7b .crl). May be repeated." env:"MIST_TRUST" type:"path" placeholder:"DIR"`
	Policy string   `help:"Validation policy: default, archive-test, act, act-person, act-employee, or a policy file." default:"default" placeholder:"P"`
	Online bool     `help:"Ask OCSP responders and fetch CRLs of the hosts that certificates in the trust folder name."`
	Host   []string `help:"With --online: another host that may be asked. May be repeated." placeholder:"HOST"`
	// A responder on this machine or network is asked only on demand: a
	// signature must not choose whom we talk to inside.
	AllowPrivate bool `help:"With --online: hosts with loopback and private addresses may be asked too."`
}

func (f trustFlags) verifier() (*signature.Verifier, signature.Policy, error) {
	var none *signature.Verifier
	p, err := loadPolicy(f.Policy)
	if err != nil {
		return none, p, err
	}
	snap, err := loadTrust(f.Trust)
	if err != nil {
		return none, p, err
	}
	c := signature.Config{Trust: trust.Fixed(snap)}
	switch {
	case f.Online:
		online, err := fetch.New(fetch.Config{Hosts: append(hosts(snap), f.Host...), AllowPrivate: f.AllowPrivate})
		if err != nil {
			return none, p, &exitError{exitUse, err}
		}
		c.Fetcher = online
	case len(f.Host) > 0 || f.AllowPrivate:
		return none, p, wrongUse("--host and --allow-private go with --online")
	}
	v, err := signature.NewVerifier(c)
	return v, p, err
}

// hosts are those that certificates of the trust folder name for OCSP, CRLs
// and issuer certificates.
func hosts(s *trust.Snapshot) []string {
	seen := map[string]bool{}
	var out []string
	for _, c := range s.Pool().All() {
		for _, list := range [][]string{c.Ext.OCSP, c.Ext.CRL, c.Ext.FreshestCRL, c.Ext.CAIssuers} {
			for _, a := range list {
				if u, err := url.Parse(a); err == nil && u.Host != "" && !seen[u.Host] {
					seen[u.Host] = true
					out = append(out, u.Host)
				}
			}
		}
	}
	return out
}

func loadPolicy(name string) (signature.Policy, error) {
	if strings.ContainsAny(name, "/.") {
		b, err := os.ReadFile(name)
		if err != nil {
			return signature.Policy{}, &exitError{exitUse, fmt.Errorf("reading the policy: %w", err)}
		}
		p, err := signature.ParsePolicy(b)
		if err != nil {
			return p, &exitError{exitUse, err}
		}
		return p, nil
	}
	p, err := signature.NamedPolicy(name)
	if err != nil {
		return p, &exitError{exitUse, err}
	}
	return p, nil
}

func loadTrust(dirs []string) (*trust.Snapshot, error) {
	if len(dirs) == 0 {
		return trust.NewSnapshot("none", nil, nil, nil), nil
	}
	var all []*trust.Snapshot
	for _, d := range dirs {
		info, err := os.Stat(d)
		if err != nil {
			return nil, &exitError{exitUse, fmt.Errorf("trust folder: %w", err)}
		}
		if !info.IsDir() {
			return nil, wrongUse("--trust wants a folder, %s is a file", d)
		}
		s, err := list.Folder(context.Background(), os.DirFS(d), filepath.Base(d), time.Now())
		if err != nil {
			return nil, &exitError{exitUse, fmt.Errorf("%s: %w", d, err)}
		}
		all = append(all, s)
	}
	return trust.Merge(all...), nil
}

type verifyCommand struct {
	trustFlags
	Files   []string `arg:"" name:"file" help:"Signed files; - reads standard input."`
	Content []string `help:"Detached content: a path, or NAME=path for several. May be repeated." placeholder:"F" sep:"none"`
	Key     []string `help:"Public key of XML signatures that name it by ds:KeyName: NAME=path of PEM or DER. May be repeated." placeholder:"N=F" sep:"none"`
	Time    string   `help:"Validate as of this time (RFC 3339 or a date) instead of now." placeholder:"T"`
	JSON    bool     `name:"json" help:"Print the result as JSON." xor:"form"`
	Detail  bool     `help:"Print the whole report (every question and answer) as JSON." xor:"form"`
	Facts   bool     `help:"Print the facts the verdict was made from, as JSON." xor:"form"`
	Explain bool     `help:"Print the tree of questions and answers."`
	Extract string   `help:"Write the signed content to this file when the signature passed." type:"path" placeholder:"F"`
	Etsi    string   `name:"etsi" help:"Write the XML report of ETSI TS 119 102-2 to this file; - is standard output." placeholder:"F"`
	PDF     string   `name:"pdf" help:"Write the protocol of the verification, one printable page for a signature, to this file." placeholder:"F"`
	MaskIDs bool     `name:"mask-ids" help:"Mask identifiers of persons in the report."`
	Lang    string   `help:"Language of the report: uk or en." env:"MIST_LANG" enum:"uk,en," default:""`
	Color   string   `help:"Colour: auto, never, always." enum:"auto,never,always" default:"auto"`
	Quiet   bool     `short:"q" help:"Print nothing; the exit code answers."`
}

func (c *verifyCommand) Run(e *env) error {
	at, err := parseTime(c.Time)
	if err != nil {
		return err
	}
	content, err := openContent(c.Content)
	if err != nil {
		return err
	}
	keys, err := openKeys(c.Key)
	if err != nil {
		return err
	}
	if len(c.Files) > 1 && (len(content) > 0 || c.Extract != "" || c.Etsi != "" || c.PDF != "") {
		return wrongUse("--content, --extract, --etsi and --pdf go with one file; use batch for many")
	}
	if c.Etsi == stdout && (c.JSON || c.Detail || c.Facts) {
		return wrongUse("--etsi - and JSON cannot both go to standard output")
	}
	v, p, err := c.verifier()
	if err != nil {
		return err
	}
	for _, name := range c.Files {
		doc, err := openFile(e, name)
		if err != nil {
			c.report(e, name, nil, err)
			e.exit = gravest(e.exit, exitUnreadable)
			continue
		}
		in := signature.Input{
			ID: filepath.Base(name), Name: filepath.Base(name), Document: doc, Content: content, Keys: keys, Time: at,
		}
		r, err := v.Verify(e.ctx, in, p)
		if beside := besides(name); err == nil && len(content) == 0 && lacksContent(r) && beside != "" {
			file, openErr := openFile(e, beside)
			if openErr == nil {
				fmt.Fprintf(e.err, "mist-verify: content taken from %s, which stands beside the signature\n", beside)
				in.Content = map[string]facts.Source{"": file}
				r, err = v.Verify(e.ctx, in, p)
			}
		}
		if err == nil && r.Indication == signature.NoSignatureFound && len(r.UnsignedParts) > 0 && c.Extract == "" && c.zipped(e, v, p, in, name) {
			continue
		}
		code := exitOf(r, err)
		e.exit = gravest(e.exit, code)
		c.report(e, name, r, err)
		if err == nil {
			if err := c.write(e, r); err != nil {
				return err
			}
		}
		if err == nil && c.Extract != "" {
			if err := extract(r, c.Extract); err != nil {
				fmt.Fprintln(e.err, "mist-verify:", err)
				e.exit = gravest(e.exit, code)
			}
		}
	}
	return nil
}

// lacksContent says whether a detached signature waits for its content.
func lacksContent(r *signature.Result) bool {
	for i := range r.Signatures {
		if r.Signatures[i].SubIndication == signature.SignedDataNotFound {
			return true
		}
	}
	return false
}

// besides is the file a detached signature stands beside: document.pdf for
// document.pdf.p7s; "" when there is none. The digest decides whether it is the
// signed one.
func besides(name string) string {
	base := signedName(name)
	if info, err := os.Stat(base); base != "" && err == nil && info.Mode().IsRegular() {
		return base
	}
	return ""
}

// openKeys reads public keys by name.
func openKeys(list []string) (map[string][]byte, error) {
	keys := map[string][]byte{}
	for _, pair := range list {
		name, path, found := strings.Cut(pair, "=")
		if !found || name == "" {
			return nil, wrongUse("--key wants NAME=path, %q is none", pair)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, &exitError{exitUse, fmt.Errorf("reading the key: %w", err)}
		}
		if block, _ := pem.Decode(b); block != nil {
			b = block.Bytes
		}
		keys[name] = b
	}
	return keys, nil
}

// exitOf maps a result to the frozen codes.
func exitOf(r *signature.Result, err error) int {
	if err != nil {
		return exitUnreadable
	}
	switch r.Indication {
	case signature.TotalPassed:
		return exitPassed
	case signature.TotalFailed:
		return exitFailed
	case signature.NoSignatureFound:
		return exitNone
	}
	return exitUndecided
}

func (c *verifyCommand) report(e *env, name string, r *signature.Result, err error) {
	if c.Quiet || c.Etsi == stdout {
		return
	}
	if c.JSON || c.Detail || c.Facts {
		var v any
		switch {
		case err != nil:
			v = failure(filepath.Base(name), err)
		case c.Detail:
			v = r.Report
		case c.Facts:
			v = r.Facts
		default:
			v = r
		}
		enc := json.NewEncoder(e.out)
		enc.SetEscapeHTML(false)
		if len(c.Files) == 1 {
			enc.SetIndent("", "  ")
		}
		if err := enc.Encode(v); err != nil {
			fmt.Fprintln(e.err, "mist-verify:", err)
		}
		return
	}
	if err != nil {
		fmt.Fprintf(e.err, "mist-verify: %s: %v\n", name, err)
		return
	}
	opts := explain.Options{
		Lang: language(c.Lang, e.getenv), MaskIDs: c.MaskIDs, Tree: c.Explain,
		Color: c.Color == "always" || c.Color == "auto" && terminal(e.out) && e.getenv("NO_COLOR") == "" && e.getenv("TERM") != "dumb",
		ASCII: !utf8Locale(e.getenv), Trusted: len(c.Trust) > 0,
	}
	if len(c.Files) > 1 {
		fmt.Fprintf(e.out, "%s: ", explain.Escape(name))
		opts.Short = true
	}
	if err := explain.Write(e.out, r, opts); err != nil {
		fmt.Fprintln(e.err, "mist-verify:", err)
	}
}

// failure is the JSON of an input that gave no result: the frozen object with
// one more key.
func failure(id string, err error) any {
	return struct {
		ID            string   `json:"id"`
		Format        string   `json:"format"`
		Indication    string   `json:"indication"`
		Signatures    []string `json:"signatures"`
		UnsignedParts []string `json:"unsignedParts"`
		Error         string   `json:"error"`
	}{id, "", "", []string{}, []string{}, err.Error()}
}

func parseTime(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, wrongUse("--time wants RFC 3339 (2017-06-22T13:40:00Z) or a date, not %q", s)
}

func openContent(list []string) (map[string]facts.Source, error) {
	if len(list) == 0 {
		return nil, nil
	}
	out := map[string]facts.Source{}
	for _, item := range list {
		name, path := "", item
		if _, err := os.Stat(item); err != nil {
			if n, p, ok := strings.Cut(item, "="); ok {
				name, path = n, p
			}
		}
		src, err := openPath(path)
		if err != nil {
			return nil, &exitError{exitUnreadable, fmt.Errorf("content: %w", err)}
		}
		if len(list) > 1 && name == "" {
			name = filepath.Base(path)
		}
		out[name] = src
	}
	return out, nil
}

// maxStdin is the most that is read from standard input.
const maxStdin = 256 << 20

func openFile(e *env, name string) (facts.Source, error) {
	if name != "-" {
		return openPath(name)
	}
	b, err := io.ReadAll(io.LimitReader(e.in, maxStdin+1))
	if err != nil {
		return nil, fmt.Errorf("reading standard input: %w", err)
	}
	if len(b) > maxStdin {
		return nil, facts.ErrTooLarge
	}
	return bytes.NewReader(b), nil
}

// openPath reads small files whole, so that a file changed while it is being
// verified cannot matter, and maps larger ones to their descriptor.
func openPath(path string) (facts.Source, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	if info.IsDir() {
		f.Close()
		return nil, fmt.Errorf("%s is a folder", path)
	}
	if info.Size() <= signature.MaxBytes {
		defer f.Close()
		b, err := io.ReadAll(io.LimitReader(f, signature.MaxBytes+1))
		if err != nil {
			return nil, err
		}
		return bytes.NewReader(b), nil
	}
	// The descriptor lives as long as the process: results read from it.
	return io.NewSectionReader(f, 0, info.Size()), nil
}

// extract writes the verified bytes, never anything else.
func extract(r *signature.Result, path string) error {
	content, _, err := r.AllMustBePassed()
	if err != nil {
		return fmt.Errorf("nothing extracted: %w", err)
	}
	rc, err := content.Open()
	if err != nil {
		return err
	}
	defer rc.Close()
	f, err := os.CreateTemp(filepath.Dir(path), ".extract-*")
	if err != nil {
		return err
	}
	_, err = io.Copy(f, rc)
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("extracting: %w", err)
	}
	return nil
}

func language(flag string, getenv func(string) string) string {
	if flag != "" {
		return flag
	}
	for _, k := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if v := getenv(k); v != "" {
			if strings.HasPrefix(v, "en") {
				return "en"
			}
			break
		}
	}
	return "uk"
}

func utf8Locale(getenv func(string) string) bool {
	for _, k := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := getenv(k); v != "" {
			u := strings.ToUpper(v)
			return strings.Contains(u, "UTF-8") || strings.Contains(u, "UTF8")
		}
	}
	return true
}

func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
