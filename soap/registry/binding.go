// Package registry puts the whole REST contract of the registry behind SOAP:
// each operation of portal/openapi.yaml that speaks JSON is a service of the
// same name, whose members are elements of the same names.
//
// The contract (wsdl/registry.wsdl) and the table that turns messages
// (binding.json) are generated from the REST contract, so that no act kind and
// no read can be missing on one side. A message becomes one call of the same
// operation: authorisation, rules, audit and limits are where they were. The
// caller shows the registry's access token inside the message; X-Road's header
// says which system carries it, and its address must be allowed as well.
package registry

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"mist/registry"
	"mist/registry/quota"
	"mist/soap/xroad"
	"mist/wsdl"
)

//go:generate go run generate.go ../../portal/openapi.yaml ../../wsdl/registry.wsdl binding.json

//go:embed binding.json
var table []byte

// Call is one operation of the registry, as its REST contract names it.
type Call struct {
	Operation string // service code
	Method    string
	Path      string // with its parameters filled in
	Query     url.Values
	Body      []byte // JSON; nil where there is none
	// AccessToken and IdempotencyKey are what REST carries in headers.
	AccessToken, IdempotencyKey string
	// Client is the X-Road subsystem that sent the message.
	Client     string
	TrackingID string
}

// Backend answers calls. A refusal is a *registry.Error; else body is the
// answer, JSON in the envelope or a document.
type Backend interface {
	Do(ctx context.Context, c Call) (body []byte, err error)
}

// Config of the binding. All but Quota and Recorder are required.
type Config struct {
	Provider xroad.ClientID
	Clients  []xroad.ClientID
	Contract *wsdl.Contract
	Backend  Backend
	// Quota bounds each client's calls; nil bounds nothing.
	Quota *quota.Clients
	// Recorder joins every exchange to the trail; nil keeps none.
	Recorder xroad.Recorder
}

// node is the shape of a JSON value.
type node struct {
	Kind   string  `json:"kind"` // object, array, map, string, integer, number, boolean, json
	Type   string  `json:"type"` // of an object: its name in the table
	Fields []field `json:"fields"`
	Item   *node   `json:"item"`
}

type field struct {
	Name string `json:"name"`
	Node *node  `json:"node"`
}

type operation struct {
	Name       string   `json:"name"`
	Method     string   `json:"method"`
	Path       string   `json:"path"`
	PathParams []string `json:"path_params"`
	Query      []field  `json:"query"`
	Repeatable bool     `json:"repeatable"`
	Open       bool     `json:"open"`
	Body       *node    `json:"body"`
	Answer     *node    `json:"answer"`
}

type bindings struct {
	Types      map[string]*node `json:"types"`
	Operations []operation      `json:"operations"`
}

var versions = []string{"", "v1"}

// Services lists every operation for the router.
func Services(c Config) ([]xroad.Service, error) {
	if c.Contract == nil || c.Backend == nil || len(c.Clients) == 0 {
		return nil, errors.New("soap/registry: contract, backend and at least one client are needed")
	}
	var b bindings
	if err := json.Unmarshal(table, &b); err != nil {
		return nil, fmt.Errorf("soap/registry: reading the table of operations: %w", err)
	}
	bound := map[string]bool{}
	var out []xroad.Service
	for _, o := range b.Operations {
		bound[o.Name] = true
		out = append(out, xroad.Service{
			Provider: c.Provider, Code: o.Name, Versions: versions, Namespace: c.Contract.TargetNamespace,
			Clients: c.Clients, Quota: c.Quota, Recorder: c.Recorder, Joined: c.Recorder != nil, Validate: xroad.SchemaCheck(c.Contract),
			Operation: func(ctx context.Context, req *xroad.Request) ([]byte, error) { return b.serve(ctx, c, o, req) },
		})
	}
	for _, code := range c.Contract.Operations {
		if !bound[code] {
			return nil, fmt.Errorf("soap/registry: the contract has an operation %s that is not bound", code)
		}
	}
	return out, nil
}

// serve makes one call of one message.
func (b *bindings) serve(ctx context.Context, c Config, o operation, req *xroad.Request) ([]byte, error) {
	doc, err := req.Document()
	if err != nil {
		return nil, err
	}
	message, err := parse(doc)
	if err != nil {
		return nil, err
	}
	call := Call{Operation: o.Name, Method: o.Method, Path: o.Path, Query: url.Values{}, Client: req.Client.String(), TrackingID: req.Message.TrackingID()}
	call.AccessToken, _ = message.text("access_token")
	call.IdempotencyKey, _ = message.text("idempotency_key")
	for _, name := range o.PathParams {
		value, ok := message.text(name)
		if !ok || value == "" || strings.ContainsAny(value, "/?#%\\") {
			return nil, registry.Invalid(registry.FieldError{Entry: "$." + name, Rule: "format", Description: "an identifier is expected"})
		}
		call.Path = strings.ReplaceAll(call.Path, "{"+name+"}", url.PathEscape(value))
	}
	for _, q := range o.Query {
		if value, ok := message.text(q.Name); ok {
			call.Query.Set(q.Name, value)
		}
	}
	if body := message.child("body"); body != nil && o.Body != nil {
		value, err := b.value(o.Body, body, "$")
		if err != nil {
			return nil, err
		}
		if call.Body, err = json.Marshal(value); err != nil {
			return nil, fmt.Errorf("turning a message: %w", err)
		}
	} else if o.Body != nil {
		call.Body = []byte("{}")
	}
	answer, err := c.Backend.Do(ctx, call)
	if err != nil {
		return nil, err
	}
	return b.answer(o, c.Contract.TargetNamespace, answer)
}

// element is a node of a message that the schema has accepted.
type element struct {
	name     string
	data     string
	children []*element
}

// maxElements bounds a message; its depth is bounded by the schema.
const maxElements = 20_000

func parse(doc []byte) (*element, error) {
	d := xml.NewDecoder(bytes.NewReader(doc))
	var stack []*element
	for n := 0; ; {
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil, registry.Errorf(registry.CodeMalformed, "the body element is not whole")
		}
		if err != nil {
			return nil, registry.Errorf(registry.CodeMalformed, "the body element cannot be read").WithCause(err)
		}
		switch t := t.(type) {
		case xml.StartElement:
			if n++; n > maxElements {
				return nil, registry.Errorf(registry.CodeTooLarge, "the body has more than %d elements", maxElements)
			}
			e := &element{name: t.Name.Local}
			if len(stack) > 0 {
				top := stack[len(stack)-1]
				top.children = append(top.children, e)
			}
			stack = append(stack, e)
		case xml.CharData:
			if len(stack) > 0 {
				stack[len(stack)-1].data += string(t)
			}
		case xml.EndElement:
			if len(stack) == 1 {
				return stack[0], nil
			}
			stack = stack[:len(stack)-1]
		}
	}
}

func (e *element) child(name string) *element {
	for _, c := range e.children {
		if c.name == name {
			return c
		}
	}
	return nil
}

func (e *element) text(name string) (string, bool) {
	if c := e.child(name); c != nil {
		return c.data, true
	}
	return "", false
}

func (b *bindings) deep(n *node) *node {
	if n.Type != "" {
		return b.Types[n.Type]
	}
	return n
}

// value turns an element into the JSON value of a shape.
func (b *bindings) value(n *node, e *element, at string) (any, error) {
	switch n.Kind {
	case "object":
		out := map[string]any{}
		for _, f := range b.deep(n).Fields {
			c := e.child(f.Name)
			if c == nil {
				continue
			}
			v, err := b.value(f.Node, c, at+"."+f.Name)
			if err != nil {
				return nil, err
			}
			out[f.Name] = v
		}
		return out, nil
	case "array":
		out := []any{}
		for i, c := range e.children {
			v, err := b.value(n.Item, c, fmt.Sprintf("%s[%d]", at, i))
			if err != nil {
				return nil, err
			}
			out = append(out, v)
		}
		return out, nil
	case "map":
		out := map[string]any{}
		for _, entry := range e.children {
			key, _ := entry.text("key")
			if _, twice := out[key]; twice {
				return nil, registry.Invalid(registry.FieldError{Entry: at, Rule: "unique", Description: "a key stands twice"})
			}
			v, err := b.value(n.Item, entry.child("value"), at+".*")
			if err != nil {
				return nil, err
			}
			out[key] = v
		}
		return out, nil
	case "integer", "number":
		return json.Number(strings.TrimSpace(e.data)), nil
	case "boolean":
		v := strings.TrimSpace(e.data)
		return v == "true" || v == "1", nil
	case "json":
		d := json.NewDecoder(strings.NewReader(e.data))
		d.UseNumber()
		var v any
		if err := d.Decode(&v); err != nil || d.More() {
			return nil, registry.Invalid(registry.FieldError{Entry: at, Rule: "json", Description: "JSON is expected here"})
		}
		return v, nil
	}
	return e.data, nil
}

// answer writes the response element of an operation.
func (b *bindings) answer(o operation, space string, body []byte) ([]byte, error) {
	w := &writer{}
	w.buf.WriteString(`<` + o.Name + `Response xmlns="` + space + `">`)
	switch {
	case o.Answer == nil:
		if len(body) > 0 {
			w.element("content", base64.StdEncoding.EncodeToString(body))
		}
	case len(body) > 0:
		d := json.NewDecoder(bytes.NewReader(body))
		d.UseNumber()
		var v map[string]any
		if err := d.Decode(&v); err != nil {
			return nil, fmt.Errorf("reading an answer of %s: %w", o.Name, err)
		}
		if err := b.write(w, o.Answer, v); err != nil {
			return nil, fmt.Errorf("turning an answer of %s: %w", o.Name, err)
		}
	}
	w.buf.WriteString(`</` + o.Name + `Response>`)
	return w.buf.Bytes(), nil
}

type writer struct{ buf bytes.Buffer }

func (w *writer) element(name, text string) {
	w.buf.WriteString("<" + name + ">")
	_ = xml.EscapeText(&w.buf, []byte(strings.Map(allowed, text)))
	w.buf.WriteString("</" + name + ">")
}

// allowed drops what XML 1.0 cannot carry.
func allowed(r rune) rune {
	if r == 0x09 || r == 0x0A || r == 0x0D || r >= 0x20 && r != 0xFFFE && r != 0xFFFF && r != utf8.RuneError {
		return r
	}
	return -1
}

// write puts the content of a value into its element.
func (b *bindings) write(w *writer, n *node, v any) error {
	object, ok := v.(map[string]any)
	if !ok {
		return fmt.Errorf("an object is expected, not %T", v)
	}
	for _, f := range b.deep(n).Fields {
		member, there := object[f.Name]
		if !there || member == nil {
			continue
		}
		if err := b.put(w, f.Name, f.Node, member); err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
	}
	return nil
}

// decimal writes a number without an exponent, as XML Schema's decimal is.
func decimal(n json.Number) string {
	if strings.ContainsAny(n.String(), "eE") {
		if f, ok := new(big.Float).SetString(n.String()); ok {
			return f.Text('f', -1)
		}
	}
	return n.String()
}

func (b *bindings) put(w *writer, name string, n *node, v any) error {
	switch n.Kind {
	case "object":
		w.buf.WriteString("<" + name + ">")
		if err := b.write(w, n, v); err != nil {
			return err
		}
		w.buf.WriteString("</" + name + ">")
	case "array":
		list, ok := v.([]any)
		if !ok {
			return fmt.Errorf("a list is expected, not %T", v)
		}
		w.buf.WriteString("<" + name + ">")
		for _, item := range list {
			if err := b.put(w, "item", n.Item, item); err != nil {
				return err
			}
		}
		w.buf.WriteString("</" + name + ">")
	case "map":
		object, ok := v.(map[string]any)
		if !ok {
			return fmt.Errorf("an object is expected, not %T", v)
		}
		w.buf.WriteString("<" + name + ">")
		for _, key := range slices.Sorted(maps.Keys(object)) {
			w.buf.WriteString("<entry>")
			w.element("key", key)
			if err := b.put(w, "value", n.Item, object[key]); err != nil {
				return err
			}
			w.buf.WriteString("</entry>")
		}
		w.buf.WriteString("</" + name + ">")
	case "json":
		text, err := json.Marshal(v)
		if err != nil {
			return err
		}
		w.element(name, string(text))
	default:
		switch v := v.(type) {
		case string:
			w.element(name, v)
		case json.Number:
			w.element(name, decimal(v))
		case bool:
			w.element(name, fmt.Sprint(v))
		default:
			return fmt.Errorf("one value is expected, not %T", v)
		}
	}
	return nil
}
