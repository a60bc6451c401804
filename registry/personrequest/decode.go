package personrequest

import (
	"encoding"
	"encoding/json"
	"reflect"
	"strconv"
	"strings"

	"mist/registry"
	"mist/registry/jcs"
	"mist/registry/patient"
)

// Input is the body of "create": {person, process_disclosure_data_consent,
// patient_signed}. A person with an id is changed, one without is new.
type Input struct {
	Person                       patient.Person `json:"person"`
	PatientSigned                bool           `json:"patient_signed"`
	ProcessDisclosureDataConsent bool           `json:"process_disclosure_data_consent"`
}

// notGiven are members of a record that the registry sets, or that stand
// beside it in a request.
var notGiven = []string{"version", "patient_signed", "process_disclosure_data_consent"}

// decodeInput reads a body strictly: every unknown member and every value of
// another type is named by its path.
func decodeInput(body []byte) (Input, error) {
	v, err := jcs.Parse(body)
	if err != nil {
		return Input{}, registry.Errorf(registry.CodeMalformed, "the body is not acceptable JSON").WithCause(err)
	}
	var errs []registry.FieldError
	check("$", v, reflect.TypeFor[Input](), &errs)
	if o, ok := v.(map[string]any); ok {
		if p, ok := o["person"].(map[string]any); ok {
			for _, name := range notGiven {
				if _, given := p[name]; given {
					errs = append(errs, registry.FieldError{Entry: "$.person." + name, Rule: "schema", Description: "schema does not allow additional properties"})
				}
			}
		} else if _, given := o["person"]; !given {
			errs = append(errs, registry.FieldError{Entry: "$.person", Rule: "required", Description: "required property person was not present"})
		}
	}
	if len(errs) > 0 {
		return Input{}, registry.Invalid(errs[:min(len(errs), 50)]...)
	}
	var in Input
	if err := json.Unmarshal(body, &in); err != nil {
		return Input{}, registry.Errorf(registry.CodeMalformed, "the body could not be read").WithCause(err)
	}
	in.Person.ProcessDisclosureDataConsent = in.ProcessDisclosureDataConsent
	return in, nil
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
			wrong("format", map[bool]string{true: "expected a date YYYY-MM-DD", false: "expected a UUID"}[t == reflect.TypeFor[registry.Date]()])
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
		for _, name := range sortedKeys(object) {
			if known, ok := members[name]; ok {
				check(at+"."+name, object[name], known, errs)
			} else {
				*errs = append(*errs, registry.FieldError{Entry: at + "." + name, Rule: "schema", Description: "schema does not allow additional properties"})
			}
		}
	default:
		panic("personrequest: a record has no members of kind " + t.Kind().String())
	}
}
