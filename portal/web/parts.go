package web

import (
	"fmt"
	"html/template"
	"strings"
	"time"
)

// Mark is how a verdict is shown: by shape, word and colour together.
type Mark string

// Marks.
const (
	Good    Mark = "good"    // ✔ чинний, приймає
	Bad     Mark = "bad"     // ✖ недійсний, місць немає
	Unknown Mark = "unknown" // ? не підтверджено
	None    Mark = "none"    // – не перевірялося, не оголошено
)

var shapes = map[Mark]string{Good: "✔", Bad: "✖", Unknown: "?", None: "–"}

// Field is a field of a form: {{template "field" .}}.
type Field struct {
	// Name is the field's name and id.
	Name, Label, Value string
	// Type is text when empty; textarea, select, checkbox, date, search, password, file, hidden …
	Type string
	// Hint explains, Error tells what is wrong; both are bound to the field.
	Hint, Error  string
	Required     bool
	Autocomplete string
	// Options are for a select.
	Options []Option
	// Checked is for a checkbox.
	Checked bool
	// Rows is for a textarea.
	Rows int
}

// Option of a select.
type Option struct {
	Value, Text string
}

// Problem is one line of the summary of what is wrong with a form:
// {{template "problems" .Problems}} above the form, which takes the focus.
type Problem struct {
	// Field is the name of the field the line leads to.
	Field, Text string
}

// Pager leads through a list by cursor: {{template "pager" .}}. Empty
// addresses are not shown.
type Pager struct {
	First, Next string
	// Shown is how many rows this page has.
	Shown int
}

// functions are what templates may call:
//
//	t "key" "name" value …    a text
//	mark "good" "Чинний"      a verdict with its shape
//	moment .At                a time in Kyiv, with UTC for machines
//	day .Date                 a date, from time.Time or anything that prints YYYY-MM-DD
//	number .N                 thousands apart
//	hash .Digest              8…8, the whole on focus and on paper
//	masked .Number            ••••4321
//	href "/doctors"           the address in the reader's language
//	asset "proof.js"          the address of a file
func (r *Room) functions(lang Lang) template.FuncMap {
	return template.FuncMap{
		"t":     func(key string, values ...any) (string, error) { return r.text[lang].Fill(lang, key, values...) },
		"href":  func(path string) string { return "/" + string(lang) + path },
		"asset": func(file string) (string, error) { return r.kit.assets.of(r.name, file) },
		"number": func(v any) (string, error) {
			n, ok := whole(v)
			if !ok {
				return "", fmt.Errorf("number: %T is not a whole number", v)
			}
			return number(n), nil
		},
		"mark":   mark,
		"moment": func(t time.Time) template.HTML { return r.moment(t) },
		"day":    day,
		"hash":   hash,
		"masked": masked,
	}
}

// mark writes a verdict; both values are escaped here.
func mark(kind any, word string) (template.HTML, error) {
	m := Mark(fmt.Sprint(kind))
	shape, known := shapes[m]
	if !known {
		return "", fmt.Errorf("mark: %q is none of good, bad, unknown, none", m)
	}
	return template.HTML(`<span class="mark ` + string(m) + `"><span aria-hidden="true">` + shape + `</span> ` + template.HTMLEscapeString(word) + `</span>`), nil
}

func (r *Room) moment(t time.Time) template.HTML {
	if t.IsZero() {
		return "–"
	}
	return template.HTML(`<time datetime="` + t.UTC().Format(time.RFC3339) + `">` + t.In(r.kit.zone).Format("02.01.2006, 15:04:05") + `</time>`)
}

func day(v any) string {
	if t, ok := v.(time.Time); ok {
		return t.Format("02.01.2006")
	}
	if t, err := time.Parse(time.DateOnly, fmt.Sprint(v)); err == nil {
		return t.Format("02.01.2006")
	}
	return fmt.Sprint(v)
}

// hash shows the ends of a long digest. The whole stands in the page for
// copying, for a reader's focus and for paper.
func hash(digest string) template.HTML {
	const ends = 8
	whole := template.HTMLEscapeString(digest)
	if len(digest) <= 2*ends+1 || strings.ContainsFunc(digest, func(c rune) bool { return c > 126 || c < 33 }) {
		return template.HTML(`<code>` + whole + `</code>`)
	}
	return template.HTML(`<code class="hash" tabindex="0" data-copy="` + whole + `"><span class="ends" aria-hidden="true">` +
		template.HTMLEscapeString(digest[:ends]) + `…` + template.HTMLEscapeString(digest[len(digest)-ends:]) + `</span><span class="whole">` + whole + `</span></code>`)
}

// masked leaves the last four characters.
func masked(s string) string {
	const shown = 4
	r := []rune(s)
	if len(r) <= shown {
		return strings.Repeat("•", len(r))
	}
	return "••••" + string(r[len(r)-shown:])
}
