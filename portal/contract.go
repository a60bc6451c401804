package portal

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/go-chi/chi/v5"

	"mist/registry"
)

// contract is openapi.yaml as requests are checked against it: what each
// operation takes in its query and in its JSON body. It is read once; schemas
// keep their compiled patterns.
type contract map[string]*operation

type operation struct {
	id string
	// query are the parameters by name, nil where a handler reads none.
	query map[string]*openapi3.Parameter
	// needsQuery says that one of them is required.
	needsQuery bool
	// body is the schema of application/json, nil where there is none.
	body *openapi3.Schema
	// repeatable says that the operation takes Idempotency-Key.
	repeatable bool
}

// readContract parses the embedded document once for the process: it is a
// constant in another form.
var readContract = sync.OnceValues(func() (contract, error) {
	doc, err := openapi3.NewLoader().LoadFromData(spec)
	if err != nil {
		return nil, fmt.Errorf("portal: reading openapi.yaml: %w", err)
	}
	c := contract{}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			o := &operation{id: op.OperationID, query: map[string]*openapi3.Parameter{}}
			for _, ref := range slices.Concat(item.Parameters, op.Parameters) {
				switch p := ref.Value; {
				case p.In == openapi3.ParameterInQuery:
					o.query[p.Name] = p
					o.needsQuery = o.needsQuery || p.Required
				case p.In == openapi3.ParameterInHeader && p.Name == headerIdempotencyKey:
					o.repeatable = true
				}
			}
			if op.RequestBody != nil {
				if media := op.RequestBody.Value.Content[mediaJSON]; media != nil && media.Schema != nil {
					o.body = media.Schema.Value
				}
			}
			c[method+" "+path] = o
		}
	}
	return c, nil
})

// of finds the operation the router chose; nil outside the document.
func (c contract) of(r *http.Request) *operation {
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	return c[method+" "+chi.RouteContext(r.Context()).RoutePattern()]
}

// checkQuery holds the query string against the contract: no unknown or doubled
// parameter, none missing, each of its type.
func (o *operation) checkQuery(r *http.Request) error {
	if o == nil || r.URL.RawQuery == "" && !o.needsQuery {
		return nil
	}
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return registry.Errorf(registry.CodeMalformed, "the query string is not readable")
	}
	p := &parameters{values: values}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		param := o.query[name]
		switch {
		case param == nil:
			p.wrong(shorten(name), "schema", "unknown query parameter")
		case len(values[name]) > 1 && !param.Schema.Value.Type.Is(openapi3.TypeArray):
			p.wrong(name, "length", "the parameter stands more than once")
		default:
			for _, text := range values[name] {
				p.check(name, param.Schema.Value, text)
			}
		}
		if len(p.errs) >= maxShownErrors {
			break
		}
	}
	for _, name := range slices.Sorted(maps.Keys(o.query)) {
		if o.query[name].Required && values.Get(name) == "" {
			p.wrong(name, "required", "required property "+name+" was not present")
		}
	}
	if len(p.errs) > 0 {
		return registry.Invalid(p.errs...)
	}
	return nil
}

// check reads one value as its schema says. An empty one is none at all.
func (p *parameters) check(name string, s *openapi3.Schema, text string) {
	if text == "" {
		return
	}
	var v any = text
	switch {
	case s.Type.Is(openapi3.TypeArray):
		s = s.Items.Value
	case s.Type.Is(openapi3.TypeInteger):
		n, err := strconv.Atoi(text)
		if err != nil || strings.HasPrefix(text, "+") {
			p.wrong(name, "number", "expected a whole number")
			return
		}
		v = float64(n)
	case s.Type.Is(openapi3.TypeBoolean):
		b, err := strconv.ParseBool(text)
		if err != nil {
			p.wrong(name, "cast", "type mismatch. Expected Boolean")
			return
		}
		v = b
	}
	for _, e := range broken(s, v) {
		e.Entry, e.EntryType = "$."+name, "query_parameter"
		p.errs = append(p.errs, e)
	}
}

// checkBody holds a strictly read JSON body against the contract.
func (o *operation) checkBody(v any) error {
	if o == nil || o.body == nil {
		return nil
	}
	errs := broken(o.body, v)
	if len(errs) == 0 {
		return nil
	}
	if len(errs) > maxShownErrors {
		errs = errs[:maxShownErrors]
	}
	return registry.Invalid(errs...)
}

// formats are what the registry means by the formats of the document: a day
// that exists, an id in its one form, an instant of RFC 3339.
var formats = map[string]openapi3.StringFormatValidator{
	"uuid": openapi3.NewCallbackValidator(func(s string) error {
		id, err := registry.ParseID(s)
		if err == nil && id.IsZero() {
			err = errors.New("zero")
		}
		return err
	}),
	"date":      openapi3.NewCallbackValidator(func(s string) error { _, err := registry.ParseDate(s); return err }),
	"date-time": openapi3.NewCallbackValidator(func(s string) error { _, err := time.Parse(time.RFC3339, s); return err }),
	"byte":      openapi3.NewCallbackValidator(func(s string) error { _, err := decodeBase64(s); return err }),
}

// broken lists what a value breaks, in the order of the schema.
func broken(s *openapi3.Schema, v any) []registry.FieldError {
	err := s.VisitJSON(v, openapi3.MultiErrors(), openapi3.EnableFormatValidation(), openapi3.WithStringFormatValidators(formats), openapi3.DisableSchemaErrorDetails())
	if err == nil {
		return nil
	}
	return flatten(err)
}

// flatten takes the errors out of the library's trees. Of alternatives it shows
// the one that was nearly met.
func flatten(err error) []registry.FieldError {
	switch e := err.(type) {
	case openapi3.MultiError:
		var out []registry.FieldError
		for _, one := range e {
			out = append(out, flatten(one)...)
		}
		return out
	case *openapi3.SchemaError:
		branches := openapi3.MultiError{}
		if errors.As(errors.Unwrap(e.Origin), &branches) && len(branches) > 0 {
			if e.SchemaField == "allOf" {
				return flatten(branches)
			}
			return nearest(branches)
		}
		return []registry.FieldError{fieldError(e)}
	}
	return []registry.FieldError{{Entry: "$", Rule: "schema", Description: "the value does not fit the schema"}}
}

// nearest chooses the alternative that knows most of the given members, and of
// those the one with the fewest faults.
func nearest(branches openapi3.MultiError) []registry.FieldError {
	var best []registry.FieldError
	least := 0
	for i, b := range branches {
		list := flatten(b)
		faults := len(list)
		for _, f := range list {
			if f.Rule == "schema" {
				faults += maxValues / strings.Count(f.Entry+".", ".")
			}
		}
		if i == 0 || faults < least {
			best, least = list, faults
		}
	}
	return best
}

var typeNames = map[string]string{
	openapi3.TypeString: "String", openapi3.TypeInteger: "Integer", openapi3.TypeNumber: "Number", openapi3.TypeBoolean: "Boolean",
	openapi3.TypeObject: "Object", openapi3.TypeArray: "Array",
}

// fieldError says one broken keyword in the words of the eHealth API. It never
// repeats the value.
func fieldError(e *openapi3.SchemaError) registry.FieldError {
	f := registry.FieldError{Entry: entryOf(e.JSONPointer())}
	s := e.Schema
	switch e.SchemaField {
	case "type", "nullable":
		f.Rule, f.Description = "cast", "type mismatch. Expected "+typeOf(s)
		if e.SchemaField == "type" {
			f.Description += " but got " + nameOf(e.Value)
		}
	case "required":
		name := f.Entry[strings.LastIndexByte(f.Entry, '.')+1:]
		f.Rule, f.Description = "required", "required property "+name+" was not present"
	case "properties", "additionalProperties":
		var name string
		if _, err := fmt.Sscanf(e.Reason, "property %q is unsupported", &name); err == nil {
			f.Entry += "." + shorten(name)
		}
		f.Rule, f.Description = "schema", "schema does not allow additional properties"
	case "enum":
		f.Rule, f.Description = "inclusion", "value is not allowed in enum"
		for _, v := range s.Enum {
			f.Params = append(f.Params, fmt.Sprint(v))
		}
	case "pattern":
		f.Rule, f.Description, f.Params = "format", "string does not match pattern "+strconv.Quote(s.Pattern), []string{s.Pattern}
	case "format":
		f.Rule, f.Description = "format", "the value has not the format "+s.Format
		switch s.Format {
		case "uuid":
			f.Description = "expected a UUID"
		case "date":
			f.Rule, f.Description = "date", "expected a date YYYY-MM-DD"
		case "date-time":
			f.Rule, f.Description = "datetime", "expected a time as in RFC 3339"
		case "byte":
			f.Rule, f.Description = "invalid", "Not a base64 string"
		}
	case "minLength":
		f.Rule, f.Params = "length", []string{fmt.Sprint(s.MinLength)}
		f.Description = fmt.Sprintf("expected value to have a minimum length of %d", s.MinLength)
	case "maxLength":
		f.Rule, f.Params = "length", []string{fmt.Sprint(*s.MaxLength)}
		f.Description = fmt.Sprintf("expected value to have a maximum length of %d", *s.MaxLength)
	case "minItems":
		f.Rule, f.Params = "length", []string{fmt.Sprint(s.MinItems)}
		f.Description = fmt.Sprintf("expected a minimum of %d items", s.MinItems)
	case "maxItems":
		f.Rule, f.Params = "length", []string{fmt.Sprint(*s.MaxItems)}
		f.Description = fmt.Sprintf("expected a maximum of %d items", *s.MaxItems)
	case "uniqueItems":
		f.Rule, f.Description = "unique", "expected items to be unique"
	case "minimum":
		f.Rule, f.Params = "number", []string{fmt.Sprint(*s.Min)}
		f.Description = fmt.Sprintf("expected the value to be >= %v", *s.Min)
	case "maximum":
		f.Rule, f.Params = "number", []string{fmt.Sprint(*s.Max)}
		f.Description = fmt.Sprintf("expected the value to be <= %v", *s.Max)
	case "minProperties":
		f.Rule, f.Description = "length", fmt.Sprintf("expected a minimum of %d properties", s.MinProps)
	default:
		f.Rule, f.Description = "schema", "the value does not fit the schema ("+e.SchemaField+")"
	}
	return f
}

func typeOf(s *openapi3.Schema) string {
	var names []string
	for _, t := range s.Type.Slice() {
		names = append(names, typeNames[t])
	}
	return strings.Join(names, " or ")
}

func nameOf(v any) string {
	switch v.(type) {
	case nil:
		return "Null"
	case string:
		return "String"
	case bool:
		return "Boolean"
	case map[string]any:
		return "Object"
	case []any:
		return "Array"
	}
	return "Number"
}

// entryOf writes a path as the eHealth API does: $.person.documents.[0].number.
func entryOf(pointer []string) string {
	var b strings.Builder
	b.WriteByte('$')
	for _, step := range pointer {
		b.WriteByte('.')
		if _, err := strconv.Atoi(step); err == nil {
			b.WriteString("[" + step + "]")
			continue
		}
		b.WriteString(shorten(step))
	}
	return b.String()
}
