package developer

import (
	"net/http"

	"mist/portal"
	"mist/portal/web"
	"mist/registry"
)

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
	return q.Render(w, web.Page{Template: "error_kind", Title: found[0].Type, Data: struct {
		Kinds    []portal.ErrorKind
		Examples []example
	}{found, p.shown(p.refusals[found[0].Type])}})
}
