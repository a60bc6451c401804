package record

import (
	"fmt"

	"mist/registry"
	"mist/registry/jcs"
)

// Object reads a stored document into a value that may be changed.
func Object(b []byte) (map[string]any, error) {
	v, err := jcs.Parse(b)
	if err != nil {
		return nil, fmt.Errorf("reading a stored document: %w", err)
	}
	o, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("reading a stored document: not an object")
	}
	return o, nil
}

// Put sets a member that is there; "*" stands for every element of a list.
func Put(o any, value any, path ...string) {
	switch v := o.(type) {
	case map[string]any:
		if len(path) == 1 {
			v[path[0]] = value
			return
		}
		if next, ok := v[path[0]]; ok {
			Put(next, value, path[1:]...)
		}
	case []any:
		if path[0] == "*" {
			for _, one := range v {
				Put(one, value, path[1:]...)
			}
		}
	}
}

// maxPointers bounds how many differences are told.
const maxPointers = 50

// Corresponds holds a signed document that ends a record against what it has to
// say. The refusal names the JSON pointers that differ, never the values.
func Corresponds(want map[string]any, got []byte) error {
	b, err := jcs.Parse(got)
	if err != nil {
		return registry.Errorf(registry.CodeMalformed, "the document is not acceptable JSON").WithReason("json").WithCause(err)
	}
	pointers := jcs.Diff(want, b, maxPointers)
	if len(pointers) == 0 {
		return nil
	}
	text := "Submitted signed content does not correspond to previously created content: " + pointers[0]
	return &registry.Error{Code: registry.CodeConflict, Reason: "content_differs", Detail: text,
		Fields: []registry.FieldError{{Entry: "$.signed_data", EntryType: "content", Rule: "invalid", Description: text, Params: pointers}}}
}
