package xroad

import (
	"bytes"
	"encoding/xml"
	"fmt"

	"mist/registry"
)

// Decode reads a body that has passed the schema into its generated type.
func (r *Request) Decode(into any) error {
	doc, err := r.Document()
	if err != nil {
		return err
	}
	if err := xml.Unmarshal(doc, into); err != nil {
		return registry.Errorf(registry.CodeMalformed, "the body cannot be read").WithCause(err)
	}
	return nil
}

// EncodeBody writes an answer of a generated type as the element name in a
// contract's namespace.
func EncodeBody(v any, space, name string) ([]byte, error) {
	var out bytes.Buffer
	e := xml.NewEncoder(&out)
	if err := e.EncodeElement(v, xml.StartElement{Name: xml.Name{Space: space, Local: name}}); err != nil {
		return nil, fmt.Errorf("encoding an answer: %w", err)
	}
	if err := e.Close(); err != nil {
		return nil, fmt.Errorf("encoding an answer: %w", err)
	}
	return out.Bytes(), nil
}
