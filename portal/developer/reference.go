package developer

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"mist/portal"
	"mist/portal/web"
	"mist/registry"
)

// entry is one operation of the list.
type entry struct {
	ID, Method, Path string
	Summary          phrase
}

type group struct {
	Name       phrase
	Operations []entry
}

func (p *pages) reference(w http.ResponseWriter, q *web.Request) error {
	by := map[string]*group{}
	var groups []*group
	for _, tag := range p.doc.Tags {
		g := &group{Name: p.texts.in(q, tag.Name)}
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
				by[name] = &group{Name: p.texts.in(q, name)}
				groups = append(groups, by[name])
			}
			by[name].Operations = append(by[name].Operations, entry{op.OperationID, method, path, p.texts.in(q, op.Summary)})
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
	Name, In, Type string
	About          phrase
	Required       bool
}

type reply struct {
	Status string
	About  phrase
	// Types are the error types an answer of this status may have.
	Types []string
}

type example struct {
	Exchange
	Curl, Body string
}

// shown makes examples ready for a page.
func (p *pages) shown(list []Exchange) (out []example) {
	for _, x := range list {
		body := indent(x.Answer)
		if body == "" {
			body = x.Excerpt
		}
		out = append(out, example{x, p.curl(x), body})
	}
	return out
}

type operation struct {
	entry
	About      []phrase
	Parameters []parameter
	Members    []parameter
	Replies    []reply
	Examples   []example
	Public     bool
	Repeatable bool
	// SOAP is the service code of the same operation behind Trembita.
	SOAP string
}

func (p *pages) operation(w http.ResponseWriter, q *web.Request) error {
	id := q.Param("id")
	for path, item := range p.doc.Paths.Map() {
		for method, op := range item.Operations() {
			if op.OperationID != id {
				continue
			}
			o := operation{entry: entry{id, method, path, p.texts.in(q, op.Summary)}, About: p.texts.paragraphs(q, op.Description), Public: op.Security != nil && len(*op.Security) == 0}
			for _, ref := range slices.Concat(item.Parameters, op.Parameters) {
				v := ref.Value
				o.Repeatable = o.Repeatable || v.Name == "Idempotency-Key"
				o.Parameters = append(o.Parameters, parameter{v.Name, v.In, typeOf(v.Schema.Value), p.texts.in(q, v.Description), v.Required})
			}
			if op.RequestBody != nil {
				if media := op.RequestBody.Value.Content["application/json"]; media != nil {
					o.Members = p.members(q, "", media.Schema.Value, 0)
				}
			}
			for status, ref := range op.Responses.Map() {
				about := ""
				if ref.Value.Description != nil {
					about = *ref.Value.Description
				}
				o.Replies = append(o.Replies, reply{status, p.texts.in(q, about), typesOf(status)})
			}
			slices.SortFunc(o.Replies, func(a, b reply) int { return strings.Compare(a.Status, b.Status) })
			if code := strings.ToUpper(id[:1]) + id[1:]; slices.Contains(p.SOAP.Operations, code) {
				o.SOAP = code
			}
			o.Examples = p.shown(p.examples[id])
			return q.Render(w, web.Page{Template: "operation", Title: p.texts.plain(q, op.Summary), Data: o})
		}
	}
	return registry.Errorf(registry.CodeNotFound, "the contract has no such operation")
}

// typesOf lists the error types of a status.
func typesOf(status string) (out []string) {
	for _, k := range portal.ErrorKinds() {
		if strconv.Itoa(k.Status) == status && !slices.Contains(out, k.Type) {
			out = append(out, k.Type)
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
func (p *pages) members(q *web.Request, at string, s *openapi3.Schema, depth int) (out []parameter) {
	if depth > maxDepth {
		return nil
	}
	for _, ref := range slices.Concat(s.AllOf, s.OneOf, s.AnyOf) {
		out = append(out, p.members(q, at, ref.Value, depth+1)...)
	}
	names := make([]string, 0, len(s.Properties))
	for name := range s.Properties {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		v := s.Properties[name].Value
		out = append(out, parameter{Name: at + name, Type: typeOf(v), About: p.texts.in(q, v.Description), Required: slices.Contains(s.Required, name)})
		inner := v
		mark := "."
		if v.Items != nil {
			inner, mark = v.Items.Value, "[]."
		}
		out = append(out, p.members(q, at+name+mark, inner, depth+1)...)
	}
	return out
}

func (p *pages) curl(x Exchange) string {
	var b strings.Builder
	fmt.Fprintf(&b, "curl -X %s '%s%s'", x.Method, p.BaseURL, x.Path)
	if !p.open(x) {
		b.WriteString(" \\\n  -H 'Authorization: Bearer '\"$TOKEN\"")
	}
	quoted := func(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
	switch {
	case len(x.Request) > 0:
		b.WriteString(" \\\n  -H 'Content-Type: application/json' \\\n  -d " + quoted(indent(x.Request)))
	case x.Form != "":
		for member := range strings.SplitSeq(x.Form, "&") {
			b.WriteString(" \\\n  -d " + quoted(member))
		}
	case x.Sent != "":
		b.WriteString(" \\\n  -H 'Content-Type: " + x.Sent + "' \\\n  --data-binary @FILE")
	}
	if x.Media != "" && x.Excerpt == "" {
		b.WriteString(" \\\n  -o FILE")
	}
	return b.String()
}

// open says whether the operation of an example needs no token.
func (p *pages) open(x Exchange) bool {
	for _, item := range p.doc.Paths.Map() {
		for _, op := range item.Operations() {
			if op.OperationID == x.Operation {
				return op.Security != nil && len(*op.Security) == 0
			}
		}
	}
	return false
}
