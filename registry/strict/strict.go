// Package strict reads the JSON body of a request into a Go value: every
// unknown member and every value of another type is named by its path, all at
// once.
//
// It refuses what is not one strict JSON document and says nothing about the
// meaning of values: that is for the rules of the room that asks.
package strict

import (
	"encoding"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"mist/registry"
	"mist/registry/jcs"
)

// maxFaults bounds an answer that lists what is wrong.
const maxFaults = 50

// Decode reads a body into a T. also looks at the parsed value and may add
// faults of its own; nil for none.
func Decode[T any](body []byte, also func(v any) []registry.FieldError) (out T, err error) {
	v, err := jcs.Parse(body)
	if err != nil {
		return out, registry.Errorf(registry.CodeMalformed, "the body is not acceptable JSON").WithCause(err)
	}
	var errs []registry.FieldError
	check("$", v, reflect.TypeFor[T](), &errs)
	if also != nil {
		errs = append(errs, also(v)...)
	}
	if len(errs) > 0 {
		return out, registry.Invalid(errs[:min(len(errs), maxFaults)]...)
	}
	if err := json.Unmarshal(body, &out); err != nil {
		return out, registry.Errorf(registry.CodeMalformed, "the body could not be read").WithCause(err)
	}
	return out, nil
}

// Required is the fault of a member that is not there.
func Required(at, name string) registry.FieldError {
	return registry.FieldError{Entry: at + "." + name, Rule: "required", Description: "required property " + name + " was not present"}
}

// NotAllowed is the fault of a member that is not the sender's to give.
func NotAllowed(entry string) registry.FieldError {
	return registry.FieldError{Entry: entry, Rule: "schema", Description: "schema does not allow additional properties"}
}

// malformed says the broken form of a value in the words of the eHealth API, as
// the check of the contract does.
var malformed = map[reflect.Type][2]string{
	reflect.TypeFor[registry.Date](): {"date", "expected a date YYYY-MM-DD"},
	reflect.TypeFor[registry.ID]():   {"format", "expected a UUID"},
	reflect.TypeFor[time.Time]():     {"datetime", "expected a time by RFC 3339"},
}

var textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()

// check holds a parsed value against the Go type it is read into.
func check(at string, v any, t reflect.Type, errs *[]registry.FieldError) {
	wrong := func(rule, text string) {
		*errs = append(*errs, registry.FieldError{Entry: at, Rule: rule, Description: text})
	}
	if reflect.PointerTo(t).Implements(textUnmarshaler) {
		s, ok := v.(string)
		if !ok {
			wrong("cast", "type mismatch. Expected String")
			return
		}
		if err := reflect.New(t).Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(s)); err != nil || s == "" {
			rule := malformed[t]
			wrong(rule[0], rule[1])
		}
		return
	}
	switch t.Kind() {
	case reflect.String:
		if _, ok := v.(string); !ok {
			wrong("cast", "type mismatch. Expected String")
		}
	case reflect.Bool:
		if _, ok := v.(bool); !ok {
			wrong("cast", "type mismatch. Expected Boolean")
		}
	case reflect.Int:
		if _, ok := v.(json.Number); !ok {
			wrong("cast", "type mismatch. Expected Integer")
		}
	case reflect.Slice:
		list, ok := v.([]any)
		if !ok {
			wrong("cast", "type mismatch. Expected Array")
			return
		}
		for i, one := range list {
			check(at+".["+strconv.Itoa(i)+"]", one, t.Elem(), errs)
		}
	case reflect.Struct:
		object, ok := v.(map[string]any)
		if !ok {
			wrong("cast", "type mismatch. Expected Object")
			return
		}
		members := map[string]reflect.Type{}
		for i := range t.NumField() {
			if name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ","); name != "" && name != "-" {
				members[name] = t.Field(i).Type
			}
		}
		for _, name := range slices.Sorted(maps.Keys(object)) {
			if known, ok := members[name]; ok {
				check(at+"."+name, object[name], known, errs)
			} else {
				*errs = append(*errs, NotAllowed(at+"."+name))
			}
		}
	default:
		panic("strict: a record has no members of kind " + t.Kind().String())
	}
}
