package developer

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
)

// examples and refusals are recorded by fixtures/scripts (TestScripts -update)
// and compared with what its scripts do on every run.
var (
	//go:embed examples.json
	examples []byte
	//go:embed refusals.json
	refusals []byte
)

// Exchange is one example: what was sent and what was answered. What is not
// JSON is told by its media type, a text by its first lines too.
type Exchange struct {
	Script    string          `json:"script"`
	Operation string          `json:"operation,omitempty"`
	Method    string          `json:"method"`
	Path      string          `json:"path"`
	Request   json.RawMessage `json:"request,omitempty"`
	Form      string          `json:"form,omitempty"`
	Sent      string          `json:"sent,omitempty"`
	Status    int             `json:"status"`
	Answer    json.RawMessage `json:"answer,omitempty"`
	Media     string          `json:"media,omitempty"`
	Excerpt   string          `json:"excerpt,omitempty"`
}

// readExamples gives what succeeded by operation and what was refused by error.type.
func readExamples() (done, refused map[string][]Exchange, err error) {
	if err := json.Unmarshal(examples, &done); err != nil {
		return nil, nil, fmt.Errorf("developer: reading the examples: %w", err)
	}
	for operation, list := range done {
		for i := range list {
			list[i].Operation = operation
		}
	}
	if err := json.Unmarshal(refusals, &refused); err != nil {
		return nil, nil, fmt.Errorf("developer: reading the refusals: %w", err)
	}
	return done, refused, nil
}

func indent(raw json.RawMessage) string {
	if len(raw) == 0 {
		return ""
	}
	var b bytes.Buffer
	if err := json.Indent(&b, raw, "", "  "); err != nil {
		return string(raw)
	}
	return b.String()
}
