// Package developer is /dev: what a vendor of a medical information system
// needs to make the first signed act in a quarter of an hour and to understand
// every refusal. The reference is made from the contract itself, its examples
// were taken from requests that the project's tests made (examples.json), the
// bench judges signatures with the registry's own verifier.
//
// Test keys are shown in the sandbox alone. The request log is shown to whoever
// holds the client's token. It refuses documents over its limit and more than
// two verifications at once.
package developer

import (
	"bytes"
	"context"
	"embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"mist/portal"
	"mist/portal/web"
	"mist/registry"
	"mist/signature"
	"mist/signature/explain"
	"mist/signature/facts"
)

//go:embed templates text
var files embed.FS

// examples are recorded by fixtures/scripts (TestScripts -update) and compared
// with what its scripts do on every run.
//
//go:embed examples.json
var examples []byte

// Access checks tokens; *access.Service is one.
type Access interface {
	Authenticate(ctx context.Context, bearer string, certificate []byte) (registry.Caller, error)
}

// Config of the pages. Sandbox is nil outside the sandbox.
type Config struct {
	BaseURL  string
	Verifier portal.SignatureVerifier
	Access   Access
	Journal  *portal.Journal
	// MaxDocument bounds a document on the bench, in bytes.
	MaxDocument int64
	Sandbox     func() Sandbox
}

// Sandbox is what the pages show of one.
type Sandbox struct {
	TSA, OTP, Trust string
	Clients         []Client
	Keys            []Key
}

// Client is a client system of the sandbox.
type Client struct {
	Name, ID, Secret, EmployeeID string
	Scopes                       []string
}

// Key is a test key. Outcome is "good", or why its signature must be refused:
// revoked, expired, untrusted_ca.
type Key struct {
	Role, Name, Algorithm, Outcome string
	KeyFile, CertFile              string
}

type pages struct {
	Config
	doc      *openapi3.T
	examples map[string][]Exchange
	// slots bounds verifications at once: anybody may ask for one.
	slots chan struct{}
}

// Exchange is one example of an operation: what was sent and what was answered.
type Exchange struct {
	Script  string          `json:"script"`
	Method  string          `json:"method"`
	Path    string          `json:"path"`
	Request json.RawMessage `json:"request,omitempty"`
	Status  int             `json:"status"`
	Answer  json.RawMessage `json:"answer,omitempty"`
}

// Add puts the pages into the kit.
func Add(k *web.Kit, c Config) error {
	if c.Verifier == nil || c.Access == nil || c.MaxDocument <= 0 {
		return errors.New("developer: a part is missing")
	}
	p := &pages{Config: c, slots: make(chan struct{}, 2)}
	var err error
	if p.doc, err = openapi3.NewLoader().LoadFromData(portal.Spec()); err != nil {
		return fmt.Errorf("developer: reading the contract: %w", err)
	}
	if err := json.Unmarshal(examples, &p.examples); err != nil {
		return fmt.Errorf("developer: reading the examples: %w", err)
	}
	room, err := k.Room("developer", files)
	if err != nil {
		return err
	}
	room.Section("/dev", "dev.section")
	room.Get("/dev", p.start)
	room.Get("/dev/reference", p.reference)
	room.Get("/dev/reference/{id}", p.operation)
	room.Get("/dev/errors", p.errors)
	room.Get("/dev/errors/{type}", p.errorKind)
	room.Get("/dev/bench", p.bench)
	room.Post("/dev/bench", p.judge)
	room.Get("/dev/log", p.log)
	room.Post("/dev/log", p.log)
	if c.Sandbox != nil {
		room.Get("/dev/keys", p.keys)
		room.Get("/dev/keys/{n}/{part}", p.key)
	}
	return nil
}

func (p *pages) start(w http.ResponseWriter, q *web.Request) error {
	data := struct {
		BaseURL string
		Box     *Sandbox
		Client  *Client
	}{BaseURL: p.BaseURL}
	if p.Sandbox != nil {
		box := p.Sandbox()
		data.Box = &box
		for i, c := range box.Clients {
			if c.EmployeeID != "" {
				data.Client = &box.Clients[i]
				break
			}
		}
	}
	return q.Render(w, web.Page{Template: "start", Title: q.T("dev.title"), Data: data})
}

// entry is one operation of the list.
type entry struct {
	ID, Method, Path, Summary string
}

type group struct {
	Name       string
	Operations []entry
}

func (p *pages) reference(w http.ResponseWriter, q *web.Request) error {
	by := map[string]*group{}
	var groups []*group
	for _, tag := range p.doc.Tags {
		g := &group{Name: tag.Name}
		by[tag.Name] = g
		groups = append(groups, g)
	}
	for _, path := range p.doc.Paths.InMatchingOrder() {
		for method, op := range p.doc.Paths.Value(path).Operations() {
			name := "Other"
			if len(op.Tags) > 0 {
				name = op.Tags[0]
			}
			if by[name] == nil {
				by[name] = &group{Name: name}
				groups = append(groups, by[name])
			}
			by[name].Operations = append(by[name].Operations, entry{op.OperationID, method, path, op.Summary})
		}
	}
	for _, g := range groups {
		slices.SortFunc(g.Operations, func(a, b entry) int { return strings.Compare(a.Path+a.Method, b.Path+b.Method) })
	}
	groups = slices.DeleteFunc(groups, func(g *group) bool { return len(g.Operations) == 0 })
	return q.Render(w, web.Page{Template: "reference", Title: q.T("reference.title"), Data: groups})
}

// parameter, member and reply are rows of an operation's tables.
type parameter struct {
	Name, In, Type, About string
	Required              bool
}

type reply struct {
	Status, About string
}

type example struct {
	Exchange
	Curl, Body string
}

type operation struct {
	entry
	About      []string
	Parameters []parameter
	Members    []parameter
	Replies    []reply
	Examples   []example
	Public     bool
	Repeatable bool
}

func (p *pages) operation(w http.ResponseWriter, q *web.Request) error {
	id := q.Param("id")
	for path, item := range p.doc.Paths.Map() {
		for method, op := range item.Operations() {
			if op.OperationID != id {
				continue
			}
			o := operation{entry: entry{id, method, path, op.Summary}, About: paragraphs(op.Description), Public: op.Security != nil && len(*op.Security) == 0}
			for _, ref := range slices.Concat(item.Parameters, op.Parameters) {
				v := ref.Value
				o.Repeatable = o.Repeatable || v.Name == "Idempotency-Key"
				o.Parameters = append(o.Parameters, parameter{v.Name, v.In, typeOf(v.Schema.Value), v.Description, v.Required})
			}
			if op.RequestBody != nil {
				if media := op.RequestBody.Value.Content["application/json"]; media != nil {
					o.Members = members("", media.Schema.Value, 0)
				}
			}
			for status, ref := range op.Responses.Map() {
				about := ""
				if ref.Value.Description != nil {
					about = *ref.Value.Description
				}
				o.Replies = append(o.Replies, reply{status, about})
			}
			slices.SortFunc(o.Replies, func(a, b reply) int { return strings.Compare(a.Status, b.Status) })
			for _, x := range p.examples[id] {
				o.Examples = append(o.Examples, example{x, p.curl(x), indent(x.Answer)})
			}
			return q.Render(w, web.Page{Template: "operation", Title: o.Summary, Data: o})
		}
	}
	return registry.Errorf(registry.CodeNotFound, "the contract has no such operation")
}

func paragraphs(text string) []string {
	var out []string
	for one := range strings.SplitSeq(text, "\n\n") {
		if one = strings.TrimSpace(one); one != "" {
			out = append(out, one)
		}
	}
	return out
}

func typeOf(s *openapi3.Schema) string {
	t := strings.Join(s.Type.Slice(), " | ")
	switch {
	case len(s.Enum) > 0:
		var words []string
		for _, v := range s.Enum {
			words = append(words, fmt.Sprint(v))
		}
		return strings.Join(words, " | ")
	case s.Format != "":
		return t + ", " + s.Format
	case s.Pattern != "":
		return t + ", " + s.Pattern
	case s.Items != nil:
		return t + ": " + typeOf(s.Items.Value)
	}
	return t
}

// maxDepth bounds how deep members are listed.
const maxDepth = 4

// members lists what a body holds, depth first, in the order of names.
func members(at string, s *openapi3.Schema, depth int) (out []parameter) {
	if depth > maxDepth {
		return nil
	}
	for _, ref := range slices.Concat(s.AllOf, s.OneOf, s.AnyOf) {
		out = append(out, members(at, ref.Value, depth+1)...)
	}
	names := make([]string, 0, len(s.Properties))
	for name := range s.Properties {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		v := s.Properties[name].Value
		out = append(out, parameter{Name: at + name, Type: typeOf(v), About: v.Description, Required: slices.Contains(s.Required, name)})
		inner := v
		mark := "."
		if v.Items != nil {
			inner, mark = v.Items.Value, "[]."
		}
		out = append(out, members(at+name+mark, inner, depth+1)...)
	}
	return out
}

func (p *pages) curl(x Exchange) string {
	var b strings.Builder
	fmt.Fprintf(&b, "curl -X %s '%s%s'", x.Method, p.BaseURL, x.Path)
	if !strings.HasPrefix(x.Path, "/oauth/") && x.Path != "/openapi.yaml" {
		b.WriteString(" \\\n  -H 'Authorization: Bearer '\"$TOKEN\"")
	}
	if len(x.Request) > 0 {
		b.WriteString(" \\\n  -H 'Content-Type: application/json' \\\n  -d '" + strings.ReplaceAll(indent(x.Request), "'", `'\''`) + "'")
	}
	return b.String()
}

func indent(raw json.RawMessage) string {
	if len(raw) == 0 {
		return ""
	}
	var b bytes.Buffer
	if err := json.Indent(&b, raw, "", "  "); err != nil {
		return string(raw)
	}
	return b.String()
}

// rules are the words of error.invalid[].rules[].rule.
var rules = []string{"required", "cast", "schema", "inclusion", "format", "length", "number", "date", "datetime", "unique", "invalid", "exclusion", "dependency"}

func (p *pages) errors(w http.ResponseWriter, q *web.Request) error {
	return q.Render(w, web.Page{Template: "errors", Title: q.T("errors.title"), Data: struct {
		Kinds []portal.ErrorKind
		Rules []string
	}{portal.ErrorKinds(), rules}})
}

func (p *pages) errorKind(w http.ResponseWriter, q *web.Request) error {
	var found []portal.ErrorKind
	for _, k := range portal.ErrorKinds() {
		if k.Type == q.Param("type") {
			found = append(found, k)
		}
	}
	if len(found) == 0 {
		return registry.Errorf(registry.CodeNotFound, "no answer has this error.type")
	}
	return q.Render(w, web.Page{Template: "error_kind", Title: found[0].Type, Data: found})
}

func (p *pages) keys(w http.ResponseWriter, q *web.Request) error {
	return q.Render(w, web.Page{Template: "keys", Title: q.T("keys.title"), Data: p.Sandbox()})
}

// key gives a file of a test key by its place in the list.
func (p *pages) key(w http.ResponseWriter, q *web.Request) error {
	list := p.Sandbox().Keys
	n, err := strconv.Atoi(q.Param("n"))
	if err != nil || n < 0 || n >= len(list) {
		return registry.Errorf(registry.CodeNotFound, "there is no such test key")
	}
	path := list[n].KeyFile
	switch q.Param("part") {
	case "key.pem":
	case "cert.pem":
		path = list[n].CertFile
	default:
		return registry.Errorf(registry.CodeNotFound, "a test key has key.pem and cert.pem")
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("reading a test key: %w", err)
	}
	h := w.Header()
	h.Set("Content-Type", "application/x-pem-file")
	h.Set("Content-Disposition", fmt.Sprintf(`attachment; filename="mist-test-%d-%s"`, n, q.Param("part")))
	_, err = w.Write(b)
	return err
}

func (p *pages) log(w http.ResponseWriter, q *web.Request) error {
	data := struct {
		Asked    bool
		Problems []web.Problem
		Token    web.Field
		Lines    []portal.JournalLine
		BaseURL  string
	}{BaseURL: p.BaseURL, Token: web.Field{Name: "token", Label: q.T("log.token"), Hint: q.T("log.token.hint"), Type: "password", Required: true, Autocomplete: "off"}}
	if q.Method == http.MethodPost {
		form, err := q.Form()
		if err != nil {
			return err
		}
		caller, err := p.Access.Authenticate(q.Context(), strings.TrimSpace(form.Get("token")), nil)
		switch registry.CodeOf(err) {
		case "":
			data.Asked, data.Lines = true, p.Journal.Of(caller.ClientID)
		case registry.CodeUnauthenticated:
			data.Token.Error = q.T("log.token.wrong")
			data.Problems = []web.Problem{{Field: "token", Text: q.T("log.token.wrong")}}
		default:
			return err
		}
	}
	return q.Render(w, web.Page{Template: "log", Title: q.T("log.title"), Data: data})
}

// verdict is the Data of the bench.
type verdict struct {
	Problems []web.Problem
	File     web.Field
	Text     web.Field
	Policy   web.Field
	Result   *signature.Result
	Mark     web.Mark
	Word     string
	Words    string
	Tree     []node
	Limit    int64
}

func (p *pages) form(q *web.Request) verdict {
	v := verdict{Limit: p.MaxDocument >> 20}
	v.File = web.Field{Name: "file", Label: q.T("bench.file"), Type: "file", Hint: q.T("bench.file.hint", "n", int(v.Limit))}
	v.Text = web.Field{Name: "document", Label: q.T("bench.text"), Type: "textarea", Rows: 5}
	v.Policy = web.Field{Name: "policy", Label: q.T("bench.policy"), Type: "select"}
	for _, name := range signature.PolicyNames() {
		v.Policy.Options = append(v.Policy.Options, web.Option{Value: name, Text: name})
	}
	v.Policy.Value = "default"
	return v
}

func (p *pages) bench(w http.ResponseWriter, q *web.Request) error {
	return q.Render(w, web.Page{Template: "bench", Title: q.T("bench.title"), Data: p.form(q)})
}

// judge verifies what was uploaded or pasted. Nothing of it is kept.
func (p *pages) judge(w http.ResponseWriter, q *web.Request) error {
	v := p.form(q)
	document, wrong, err := p.uploaded(w, q, &v)
	if err != nil {
		return err
	}
	policy, err := signature.NamedPolicy(v.Policy.Value)
	if wrong == "" && err != nil {
		return registry.Errorf(registry.CodeInvalid, "there is no such policy")
	}
	status := http.StatusOK
	if wrong == "" {
		select {
		case p.slots <- struct{}{}:
			defer func() { <-p.slots }()
		default:
			return registry.Errorf(registry.CodeRateLimited, "two documents are being verified now; send it again")
		}
		v.Result, err = p.Verifier.Verify(q.Context(), signature.Input{Document: facts.Bytes(document)}, policy)
		switch {
		case signature.IsUnreadable(err):
			// The reader's own words name the place, and no content.
			wrong, v.Result = q.T("bench.unreadable", "why", explain.Escape(err.Error())), nil
		case err != nil:
			return registry.Errorf(registry.CodeUnavailable, "the signature could not be checked now").WithCause(err)
		default:
			if v.Mark = marks[v.Result.Indication]; v.Mark == "" {
				v.Mark = web.None // there is no signature to judge
			}
			var words bytes.Buffer
			if err := explain.Write(&words, v.Result, explain.Options{Lang: string(q.Lang), MaskIDs: true, Trusted: true}); err != nil {
				return err
			}
			v.Word, v.Words, v.Tree = q.T("verdict."+string(v.Mark)), words.String(), tree(q, v.Result.Report)
		}
	}
	if wrong != "" {
		status = http.StatusUnprocessableEntity
		v.File.Error = wrong
		v.Problems = []web.Problem{{Field: "file", Text: wrong}}
	}
	return q.Render(w, web.Page{Template: "bench", Title: q.T("bench.title"), Status: status, Data: v})
}

var marks = map[signature.Indication]web.Mark{signature.TotalPassed: web.Good, signature.TotalFailed: web.Bad, signature.Indeterminate: web.Unknown}

// uploaded reads the form: a file, or base64 text.
func (p *pages) uploaded(w http.ResponseWriter, q *web.Request, v *verdict) (document []byte, wrong string, err error) {
	q.Body = http.MaxBytesReader(w, q.Body, 2*p.MaxDocument)
	var large *http.MaxBytesError
	if err := q.ParseMultipartForm(1 << 20); errors.As(err, &large) {
		return nil, "", registry.Errorf(registry.CodeTooLarge, "the document is larger than %d bytes", p.MaxDocument)
	} else if err != nil {
		return nil, "", registry.Errorf(registry.CodeMalformed, "the form cannot be read").WithCause(err)
	}
	defer func() { _ = q.MultipartForm.RemoveAll() }()
	if name := q.PostFormValue("policy"); name != "" {
		v.Policy.Value = name
	}
	if text := q.PostFormValue("document"); strings.TrimSpace(text) != "" {
		v.Text.Value = text
		document, err = base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
		if err != nil {
			return nil, q.T("bench.base64"), nil
		}
	} else if file, _, err := q.FormFile("file"); err == nil {
		defer file.Close()
		if document, err = io.ReadAll(io.LimitReader(file, p.MaxDocument+1)); err != nil {
			return nil, "", err
		}
	}
	switch {
	case len(document) == 0:
		return nil, q.T("bench.nothing"), nil
	case int64(len(document)) > p.MaxDocument:
		return nil, "", registry.Errorf(registry.CodeTooLarge, "the document is larger than %d bytes", p.MaxDocument)
	}
	return document, "", nil
}
