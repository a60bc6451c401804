package consent

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"mist/registry"
	"mist/registry/jcs"
	"mist/signature"
)

// XMLNamespace is the name of the element that carries a document in an XML
// signature: <consent xmlns="urn:mist:consent:1">{…}</consent>. There is one
// document, JSON; XML is only its paper.
const XMLNamespace = "urn:mist:consent:1"

const xmlElement = "consent"

func malformed(text string, cause error) error {
	return registry.Invalid(registry.FieldError{Entry: "$.consent", Rule: "invalid", Description: text}).WithReason("consent_malformed").WithCause(cause)
}

// read decodes the document in verified bytes strictly: duplicate and unknown
// members are refused.
func read(signed signature.SignedBytes, into any) error {
	b, err := signed.Bytes()
	if err != nil {
		return fmt.Errorf("reading the signed document: %w", err)
	}
	return decode(b, into)
}

func decode(b []byte, into any) error {
	if len(b) > 0 && b[0] == '<' {
		text, err := unwrap(b)
		if err != nil {
			return malformed("the signed element is not "+xmlElement+" of "+XMLNamespace+" with the JSON document as its text", err)
		}
		b = text
	}
	v, err := jcs.Parse(b)
	if err != nil {
		return malformed("the signed document is not acceptable JSON", err)
	}
	if !plainNames(v) {
		return malformed("member names are lower-case Latin letters, digits and _", nil)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return malformed("the signed document has not the members it should have", err)
	}
	return nil
}

// plainNames refuses names that encoding/json would take for ours although they
// differ: it folds case, so that "Scope" beside "scope" would be read as one.
func plainNames(v any) bool {
	switch v := v.(type) {
	case []any:
		return !slices.ContainsFunc(v, func(e any) bool { return !plainNames(e) })
	case map[string]any:
		for name, member := range v {
			if strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" || !plainNames(member) {
				return false
			}
		}
	}
	return true
}

var errNotCanonical = errors.New("not one element in canonical form")

// unwrap reads the canonical form of the one element with its text. Canonical
// XML has one way to write it: double quotes, no comments unless they were
// signed too, text with &amp; &lt; &gt; &#xD; alone. Whatever else stands there
// is refused, not skipped.
func unwrap(b []byte) ([]byte, error) {
	s := string(b)
	end := strings.IndexByte(s, '>')
	if !strings.HasPrefix(s, "<") || end < 0 {
		return nil, errNotCanonical
	}
	tag, text := s[1:end], s[end+1:]
	name, attributes, _ := strings.Cut(tag, " ")
	prefix, local, prefixed := strings.Cut(name, ":")
	if !prefixed {
		prefix, local = "", name
	}
	if local != xmlElement {
		return nil, errNotCanonical
	}
	bound := ""
	for attributes != "" {
		key, rest, ok := strings.Cut(attributes, `="`)
		value, after, closed := strings.Cut(rest, `"`)
		if !ok || !closed || strings.ContainsAny(key, " <&'") || strings.ContainsAny(value, "<") {
			return nil, errNotCanonical
		}
		switch {
		case key == "xmlns" && prefix == "", prefix != "" && key == "xmlns:"+prefix:
			bound = value
		case key == "xmlns", strings.HasPrefix(key, "xmlns:"), key == "Id", key == "ID", key == "id", key == "xml:id":
		default:
			return nil, fmt.Errorf("attribute %q: %w", key, errNotCanonical)
		}
		if after != "" && !strings.HasPrefix(after, " ") {
			return nil, errNotCanonical
		}
		attributes = strings.TrimPrefix(after, " ")
	}
	text, ok := strings.CutSuffix(text, "</"+name+">")
	if !ok || bound != XMLNamespace || strings.ContainsAny(text, "<>") {
		return nil, errNotCanonical
	}
	var out strings.Builder
	for {
		at := strings.IndexByte(text, '&')
		if at < 0 {
			out.WriteString(text)
			return []byte(out.String()), nil
		}
		out.WriteString(text[:at])
		entity, rest, ok := strings.Cut(text[at:], ";")
		if !ok {
			return nil, errNotCanonical
		}
		switch entity {
		case "&amp":
			out.WriteByte('&')
		case "&lt":
			out.WriteByte('<')
		case "&gt":
			out.WriteByte('>')
		case "&#xD":
			out.WriteByte('\r')
		default:
			return nil, errNotCanonical
		}
		text = rest
	}
}
