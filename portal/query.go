package portal

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"mist/registry"
	"mist/registry/query"
)

// parameters takes values out of a query string and collects what is wrong.
type parameters struct {
	values url.Values
	errs   []registry.FieldError
}

// queryOf reads the query string strictly: each parameter at most once.
func queryOf(r *http.Request) (*parameters, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, registry.Errorf(registry.CodeMalformed, "the query string is not readable")
	}
	return &parameters{values: values}, nil
}

func (p *parameters) wrong(name, rule, text string) {
	p.errs = append(p.errs, registry.FieldError{Entry: "$." + name, EntryType: "query_parameter", Rule: rule, Description: text})
}

func (p *parameters) text(name string) string {
	list := p.values[name]
	delete(p.values, name)
	if len(list) > 1 {
		p.wrong(name, "length", "the parameter stands more than once")
	}
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

func (p *parameters) id(name string) registry.ID {
	text := p.text(name)
	if text == "" {
		return registry.ID{}
	}
	id, err := registry.ParseID(text)
	if err != nil || id.IsZero() {
		p.wrong(name, "format", "expected a UUID")
	}
	return id
}

func (p *parameters) date(name string) registry.Date {
	text := p.text(name)
	if text == "" {
		return registry.Date{}
	}
	d, err := registry.ParseDate(text)
	if err != nil {
		p.wrong(name, "date", "expected a date YYYY-MM-DD")
	}
	return d
}

func (p *parameters) number(name string, otherwise int) int {
	text := p.text(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || strings.HasPrefix(text, "+") {
		p.wrong(name, "number", "expected a whole number")
		return otherwise
	}
	return n
}

// window reads page and page_size, or limit and starting_after.
func (p *parameters) window() query.Window {
	_, limited := p.values["limit"]
	_, after := p.values["starting_after"]
	if limited || after {
		for _, name := range []string{"page", "page_size"} {
			if _, given := p.values[name]; given {
				p.wrong(name, "exclusion", "give page and page_size, or limit and starting_after")
				delete(p.values, name)
			}
		}
		return query.Window{Cursor: true, Size: p.number("limit", query.DefaultPageSize), After: p.id("starting_after")}
	}
	return query.Window{Page: p.number("page", 1), Size: p.number("page_size", query.DefaultPageSize)}
}

// done names what nobody asked for.
func (p *parameters) done() error {
	for _, name := range slices.Sorted(maps.Keys(p.values)) {
		if len(p.errs) < maxShownErrors {
			p.wrong(shorten(name), "schema", "unknown query parameter")
		}
	}
	if len(p.errs) > 0 {
		return registry.Invalid(p.errs...)
	}
	return nil
}

// shorten keeps an answer from repeating a stranger's text at length.
func shorten(s string) string {
	const most = 64
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "")
	}
	return s
}
