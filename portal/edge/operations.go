package edge

import (
	"bytes"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"mist/registry"
	"mist/registry/jcs"
)

// operationsJSON is the table of what may be signed without the centre: data,
// so that a new act is a line.
//
//go:embed operations.json
var operationsJSON []byte

// Operation is one act of the centre's contract that needs no answer before it
// is signed.
type Operation struct {
	Name   string `json:"name"`
	Method string `json:"method"`
	Path   string `json:"path"`   // {id} stands for a UUID
	Member string `json:"member"` // of the body, with the container
	// Subject leads to the patient's id in the signed document: the lane.
	Subject []string `json:"subject"`
	// Independent acts do not wait for a dead one before them about the patient.
	Independent bool   `json:"independent"`
	Ukrainian   string `json:"uk"`
	English     string `json:"en"`
}

// Operations reads the table.
func Operations() ([]Operation, error) {
	d := json.NewDecoder(bytes.NewReader(operationsJSON))
	d.DisallowUnknownFields()
	var list []Operation
	if err := d.Decode(&list); err != nil {
		return nil, fmt.Errorf("reading operations.json: %w", err)
	}
	for _, o := range list {
		if o.Name == "" || !strings.HasPrefix(o.Path, "/api/v3/") || o.Member == "" || len(o.Subject) == 0 || o.Ukrainian == "" || o.English == "" {
			return nil, fmt.Errorf("operations.json: %q lacks a member", o.Name)
		}
	}
	return list, nil
}

// MaxContainer bounds a signed container, in bytes; MaxBody its JSON wrapping.
const (
	MaxContainer = 8 << 20
	MaxBody      = MaxContainer/3*4 + 4<<10
)

// readSubmission takes the container out of a body, by the centre's own rules:
// strict JSON, known members, strict base64.
func readSubmission(body []byte, member string) ([]byte, error) {
	if len(body) > MaxBody {
		return nil, registry.Errorf(registry.CodeTooLarge, "the body is larger than %d bytes", MaxBody)
	}
	v, err := jcs.Parse(body)
	o, ok := v.(map[string]any)
	if err != nil || !ok {
		return nil, registry.Errorf(registry.CodeMalformed, "the body is not one JSON object").WithCause(err)
	}
	var fields []registry.FieldError
	wrong := func(name, rule, text string, params ...string) {
		fields = append(fields, registry.FieldError{Entry: "$." + name, Rule: rule, Description: text, Params: params})
	}
	var container []byte
	for _, name := range slices.Sorted(maps.Keys(o)) {
		text, isText := o[name].(string)
		switch {
		case name != member && name != "signed_content_encoding":
			wrong(name, "schema", "schema does not allow additional properties")
		case !isText:
			wrong(name, "cast", "type mismatch. Expected String")
		case name == "signed_content_encoding":
			if text != "base64" {
				wrong(name, "inclusion", "value is not allowed in enum", "base64")
			}
		default:
			if strings.ContainsAny(text, "\r\n") {
				err = io.ErrUnexpectedEOF
			} else {
				container, err = base64.StdEncoding.Strict().DecodeString(text)
			}
			if err != nil || len(container) == 0 {
				wrong(name, "invalid", "Not a base64 string")
			}
		}
	}
	for _, name := range []string{member, "signed_content_encoding"} {
		if _, given := o[name]; !given {
			wrong(name, "required", "required property "+name+" was not present")
		}
	}
	if len(fields) > 0 {
		return nil, registry.Invalid(fields...)
	}
	if len(container) > MaxContainer {
		return nil, registry.Errorf(registry.CodeTooLarge, "the container is larger than %d bytes", MaxContainer)
	}
	return container, nil
}

// submission is the body for the centre: the same bytes each time.
func submission(member string, container []byte) []byte {
	b := make([]byte, 0, len(container)/3*4+128)
	b = append(b, `{"`+member+`":"`...)
	b = base64.StdEncoding.AppendEncode(b, container)
	return append(b, `","signed_content_encoding":"base64"}`...)
}

// subjectOf reads the patient's id out of a signed document; zero when there is
// none: the lane is then the employee's.
func subjectOf(document []byte, path []string) registry.ID {
	v, err := jcs.Parse(document)
	if err != nil {
		return registry.ID{}
	}
	for _, name := range path {
		o, _ := v.(map[string]any)
		v = o[name]
	}
	text, _ := v.(string)
	id, err := registry.ParseID(text)
	if err != nil {
		return registry.ID{}
	}
	return id
}
