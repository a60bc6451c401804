package portal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"

	"mist/registry"
	"mist/registry/jcs"
)

const (
	mediaJSON = "application/json"
	mediaForm = "application/x-www-form-urlencoded"
)

// mediaType checks Content-Type and Content-Encoding and gives the media type,
// "" for a request without a body.
func mediaType(r *http.Request, allowed ...string) (string, error) {
	if r.ContentLength == 0 {
		return "", nil
	}
	wrong := func(text string) error {
		return registry.Errorf(registry.CodeUnsupportedMedia, "%s; send %s", text, strings.Join(allowed, " or "))
	}
	if e := r.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return "", wrong("compressed bodies are not read")
	}
	types := r.Header.Values("Content-Type")
	if len(types) != 1 {
		return "", wrong("the body needs exactly one Content-Type")
	}
	media, params, err := mime.ParseMediaType(types[0])
	if err != nil || !slices.Contains(allowed, media) {
		return "", wrong("this media type is not read here")
	}
	if charset := params["charset"]; charset != "" && !strings.EqualFold(charset, "utf-8") {
		return "", wrong("only UTF-8 is read")
	}
	return media, nil
}

// readBody reads at most limit bytes.
func readBody(r *http.Request, limit int64) ([]byte, error) {
	tooLarge := registry.Errorf(registry.CodeTooLarge, "the body is larger than %d bytes", limit)
	if r.ContentLength > limit {
		return nil, tooLarge
	}
	var text bytes.Buffer
	if r.ContentLength > 0 {
		text.Grow(int(min(r.ContentLength, 64<<10)) + bytes.MinRead)
	}
	_, err := text.ReadFrom(io.LimitReader(r.Body, limit+1))
	b := text.Bytes()
	if err != nil {
		return nil, registry.Errorf(registry.CodeMalformed, "the body could not be read to its end").WithReason("body_cut").WithCause(err)
	}
	if int64(len(b)) > limit {
		return nil, tooLarge
	}
	return b, nil
}

// maxValues bounds how many values a body may hold: small ones cost the parser
// many times their length in memory.
const maxValues = 10_000

// object is a strictly read JSON object of a request.
type object map[string]any

// readObject reads a JSON object. Without a body it gives the empty object if
// optional, else the refusal.
func readObject(r *http.Request, limit int64, optional bool) (object, []byte, error) {
	if _, err := mediaType(r, mediaJSON); err != nil {
		return nil, nil, err
	}
	body, err := readBody(r, limit)
	if err != nil {
		return nil, nil, err
	}
	if len(body) == 0 {
		if optional {
			return object{}, nil, nil
		}
		return nil, nil, registry.Errorf(registry.CodeMalformed, "a JSON body is expected").WithReason("body_missing")
	}
	o, err := parseObject(body)
	if err != nil {
		return nil, nil, err
	}
	return o, body, requestOf(r).operation.checkBody(map[string]any(o))
}

func parseObject(body []byte) (object, error) {
	if countValues(body) > maxValues {
		return nil, registry.Errorf(registry.CodeTooLarge, "the body holds more than %d values", maxValues)
	}
	v, err := jcs.Parse(body)
	var pe *jcs.ParseError
	if errors.As(err, &pe) {
		return nil, registry.Errorf(registry.CodeMalformed, "the body is not acceptable JSON, byte %d: %s", pe.Offset, pe.Reason).WithReason("json")
	}
	if err != nil {
		return nil, fmt.Errorf("reading a body: %w", err)
	}
	o, ok := v.(map[string]any)
	if !ok {
		return nil, registry.Invalid(registry.FieldError{Entry: "$", Rule: "cast", Description: "type mismatch. Expected Object"})
	}
	return o, nil
}

// countValues counts openings and commas outside strings, which is at least
// the number of values in well-formed JSON.
func countValues(b []byte) int {
	n, quoted := 1, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case c == '"':
			quoted = !quoted
		case quoted && c == '\\':
			i++
		case !quoted && (c == ',' || c == '{' || c == '['):
			n++
		}
	}
	return n
}

// fields takes values out of an object and collects what is wrong with it.
type fields struct {
	object object
	errs   []registry.FieldError
}

func (o object) fields() *fields { return &fields{object: maps.Clone(o)} }

func (f *fields) wrong(name, rule, text string, params ...string) {
	f.errs = append(f.errs, registry.FieldError{Entry: "$." + name, Rule: rule, Description: text, Params: params})
}

// text takes a string; absent gives "" and, if required, the refusal.
func (f *fields) text(name string, required bool) string {
	v, given := f.object[name]
	delete(f.object, name)
	if !given {
		if required {
			f.wrong(name, "required", "required property "+name+" was not present")
		}
		return ""
	}
	s, ok := v.(string)
	if !ok {
		f.wrong(name, "cast", "type mismatch. Expected String")
	}
	return s
}

// id takes a UUID; absent gives the zero id.
// boolean takes true or false; absent is false.
func (f *fields) boolean(name string) bool {
	v, ok := f.object[name]
	delete(f.object, name)
	b, is := v.(bool)
	if ok && !is {
		f.wrong(name, "cast", "type mismatch. Expected Boolean")
	}
	return b
}

func (f *fields) id(name string) registry.ID {
	_, given := f.object[name]
	text := f.text(name, false)
	id, err := registry.ParseID(text)
	if given && (err != nil || id.IsZero()) {
		f.wrong(name, "format", "expected a UUID")
	}
	return id
}

// date takes a date YYYY-MM-DD; absent gives the zero date.
func (f *fields) date(name string) registry.Date {
	text := f.text(name, false)
	if text == "" {
		return registry.Date{}
	}
	d, err := registry.ParseDate(text)
	if err != nil {
		f.wrong(name, "date", "expected a date YYYY-MM-DD")
	}
	return d
}

// member takes an object; its own faults come back with join.
func (f *fields) member(name string) (*fields, bool) {
	v, given := f.object[name]
	delete(f.object, name)
	if !given {
		return nil, false
	}
	o, ok := v.(map[string]any)
	if !ok {
		f.wrong(name, "cast", "type mismatch. Expected Object")
	}
	return object(o).fields(), ok
}

// join adds the faults of a member.
func (f *fields) join(name string, member *fields) {
	if err := registry.AsError(member.done()); err != nil {
		for _, e := range err.Fields {
			e.Entry = "$." + name + strings.TrimPrefix(e.Entry, "$")
			f.errs = append(f.errs, e)
		}
	}
}

// digits takes a string, or a whole number as older clients send codes.
func (f *fields) digits(name string) string {
	if n, ok := f.object[name].(json.Number); ok {
		delete(f.object, name)
		if strings.ContainsAny(n.String(), ".eE-") {
			f.wrong(name, "cast", "type mismatch. Expected String")
			return ""
		}
		return n.String()
	}
	return f.text(name, false)
}

// done names what nobody asked for.
func (f *fields) done() error {
	for _, name := range slices.Sorted(maps.Keys(f.object)) {
		f.errs = append(f.errs, registry.FieldError{Entry: "$." + name, Rule: "schema", Description: "schema does not allow additional properties"})
	}
	if len(f.errs) > maxShownErrors {
		f.errs = f.errs[:maxShownErrors]
	}
	if len(f.errs) > 0 {
		return registry.Invalid(f.errs...)
	}
	return nil
}

// maxShownErrors bounds an answer that lists what is wrong.
const maxShownErrors = 50
