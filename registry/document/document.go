// Package document reads the JSON a caller sends or signs into a Go value,
// strictly: an unknown member, a missing one, a value of another type and a
// name that stands twice are each a fault with its path, in the words of the
// eHealth API. A member whose tag has neither omitempty nor omitzero is
// required, except by [Decode], which leaves what is missing to the caller's rules.
//
// It bounds what it reads by [MaxBytes] and by the depth of package jcs, and
// trusts nothing of the text.
package document

import (
	"encoding"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"mist/registry"
	"mist/registry/jcs"
)

// Limits of one document.
const (
	MaxBytes  = 1 << 20
	maxFaults = 50
)

// Faults collects broken rules, at most 50 of them.
type Faults struct {
	list []registry.FieldError
	// partial: a member that is not there is no fault of the form.
	partial bool
}

// Add names a broken rule by its JSON path.
func (f *Faults) Add(entry, rule, text string, params ...string) {
	f.put(registry.FieldError{Entry: entry, Rule: rule, Description: text, Params: params})
}

func (f *Faults) put(e registry.FieldError) {
	if len(f.list) < maxFaults {
		f.list = append(f.list, e)
	}
}

// Required demands a text that is not blank.
func (f *Faults) Required(entry, value string) bool {
	if strings.TrimSpace(value) == "" {
		f.Add(entry, "required", "can't be blank")
		return false
	}
	return true
}

// OneOf demands a value of a list.
func (f *Faults) OneOf(entry, value string, allowed ...string) bool {
	if !slices.Contains(allowed, value) {
		f.Add(entry, "inclusion", "value is not allowed in enum", allowed...)
		return false
	}
	return true
}

// Err is the validation error, nil when no rule is broken.
func (f *Faults) Err() error {
	if len(f.list) == 0 {
		return nil
	}
	return registry.Invalid(f.list...)
}

// Read reads a document into a struct. It answers malformed, too-large or
// validation errors.
func Read(body []byte, into any) error { return read(body, into, Faults{}, nil) }

func read(body []byte, into any, f Faults, also func(v any) []registry.FieldError) error {
	if len(body) > MaxBytes {
		return registry.Errorf(registry.CodeTooLarge, "the document is larger than %d bytes", MaxBytes)
	}
	v, err := jcs.Parse(body)
	if err != nil {
		return registry.Errorf(registry.CodeMalformed, "the document is not acceptable JSON").WithReason("json").WithCause(err)
	}
	check("$", v, reflect.TypeOf(into).Elem(), &f)
	if also != nil {
		for _, e := range also(v) {
			f.put(e)
		}
	}
	if err := f.Err(); err != nil {
		return err
	}
	if err := json.Unmarshal(body, into); err != nil {
		return registry.Errorf(registry.CodeMalformed, "the document could not be read").WithCause(err)
	}
	return nil
}

// Decode reads a document of which members may be missing. also looks at the
// parsed value and may add faults of its own; nil for none.
func Decode[T any](body []byte, also func(v any) []registry.FieldError) (out T, err error) {
	err = read(body, &out, Faults{partial: true}, also)
	return out, err
}

// Required is the fault of a member that is not there.
func Required(at, name string) registry.FieldError {
	return registry.FieldError{Entry: at + "." + name, Rule: "required", Description: "required property " + name + " was not present"}
}

// NotAllowed is the fault of a member that is not the sender's to give.
func NotAllowed(entry string) registry.FieldError {
	return registry.FieldError{Entry: entry, Rule: "schema", Description: "schema does not allow additional properties"}
}

var textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()

// number is a type that reads a JSON number by its own rules (package decimal).
type number interface{ ReadNumber(text string) error }

var numberReader = reflect.TypeFor[number]()

// check holds a parsed value against the Go type it is read into.
func check(at string, v any, t reflect.Type, f *Faults) {
	if reflect.PointerTo(t).Implements(textUnmarshaler) {
		text(at, v, t, f)
		return
	}
	if reflect.PointerTo(t).Implements(numberReader) {
		n, ok := v.(json.Number)
		if !ok {
			f.Add(at, "cast", "type mismatch. Expected Number")
		} else if err := reflect.New(t).Interface().(number).ReadNumber(string(n)); err != nil {
			f.Add(at, "number", "expected "+strings.TrimPrefix(err.Error(), "not "))
		}
		return
	}
	switch t.Kind() {
	case reflect.Pointer:
		check(at, v, t.Elem(), f)
	case reflect.String:
		if _, ok := v.(string); !ok {
			f.Add(at, "cast", "type mismatch. Expected String")
		}
	case reflect.Bool:
		if _, ok := v.(bool); !ok {
			f.Add(at, "cast", "type mismatch. Expected Boolean")
		}
	case reflect.Int:
		n, ok := v.(json.Number)
		if _, err := strconv.Atoi(string(n)); !ok || err != nil {
			f.Add(at, "cast", "type mismatch. Expected Integer")
		}
	case reflect.Float64:
		if _, ok := v.(json.Number); !ok {
			f.Add(at, "cast", "type mismatch. Expected Number")
		}
	case reflect.Slice:
		list, ok := v.([]any)
		if !ok {
			f.Add(at, "cast", "type mismatch. Expected Array")
			return
		}
		for i, one := range list {
			check(at+".["+strconv.Itoa(i)+"]", one, t.Elem(), f)
		}
	case reflect.Map:
		object, ok := v.(map[string]any)
		if !ok {
			f.Add(at, "cast", "type mismatch. Expected Object")
			return
		}
		for _, name := range slices.Sorted(maps.Keys(object)) {
			check(at+"."+shorten(name), object[name], t.Elem(), f)
		}
	case reflect.Struct:
		members(at, v, t, f)
	default:
		panic(fmt.Sprintf("document: %s has no JSON form here", t))
	}
}

func members(at string, v any, t reflect.Type, f *Faults) {
	object, ok := v.(map[string]any)
	if !ok {
		f.Add(at, "cast", "type mismatch. Expected Object")
		return
	}
	known := map[string]bool{}
	for _, field := range reflect.VisibleFields(t) {
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "" || name == "-" { // a struct inside one has no name of its own
			continue
		}
		known[name] = true
		value, given := object[name]
		switch {
		case given:
			check(at+"."+name, value, field.Type, f)
		case !f.partial && !strings.Contains(options, "omit"):
			f.put(Required(at, name))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		if !known[name] {
			f.put(NotAllowed(at + "." + shorten(name)))
		}
	}
}

// shorten keeps a stranger's text out of an answer at length.
func shorten(name string) string {
	const most = 64
	if len(name) > most {
		return strings.ToValidUTF8(name[:most], "")
	}
	return name
}

func text(at string, v any, t reflect.Type, f *Faults) {
	s, ok := v.(string)
	if !ok {
		f.Add(at, "cast", "type mismatch. Expected String")
		return
	}
	err := reflect.New(t).Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(s))
	if err == nil && s != "" {
		return
	}
	if t == reflect.TypeFor[registry.Date]() {
		f.Add(at, "date", "expected a date YYYY-MM-DD")
		return
	}
	if t == reflect.TypeFor[time.Time]() {
		f.Add(at, "datetime", "expected a moment with its zone, as 2026-11-21T10:15:00+02:00 (RFC 3339)")
		return
	}
	f.Add(at, "format", "expected a UUID")
}
