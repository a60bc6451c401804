package dictionary

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"mist/registry"
	"mist/registry/document"
	"mist/registry/jcs"
)

// Limits of a file of terminology.
const (
	MaxFile        = 16 << 20 // bytes
	MaxLists       = 1000
	MaxValues      = 200_000 // of one list
	maxName        = 200     // bytes
	maxCode        = 200
	maxDescription = 20_000
)

var knownLabels = []string{"SYSTEM", "ADMIN", "EXTERNAL", "READ_ONLY", "TRANSLATIONS"}

// Read reads a file of terminology: a list of {name, values, labels,
// is_active}, each name once; values are descriptions by code, or groups of
// them. It refuses the whole file for one wrong place and names the places.
func Read(b []byte) ([]Dictionary, error) {
	if len(b) > MaxFile {
		return nil, registry.Errorf(registry.CodeTooLarge, "a file of terminology has at most %d bytes", MaxFile)
	}
	v, err := jcs.Parse(b)
	if err != nil {
		return nil, registry.Errorf(registry.CodeMalformed, "the file is not acceptable JSON").WithCause(err)
	}
	items, ok := v.([]any)
	if !ok || len(items) > MaxLists {
		return nil, registry.Errorf(registry.CodeMalformed, "the file must be a list of at most %d dictionaries", MaxLists)
	}
	var f document.Faults
	list := make([]Dictionary, 0, len(items))
	seen := map[string]bool{}
	for i, item := range items {
		at := fmt.Sprintf("$.[%d]", i)
		d := readOne(&f, at, item)
		if seen[d.Name] {
			f.Add(at+".name", "unique", "the name stands twice")
		}
		seen[d.Name] = true
		list = append(list, d)
	}
	if err := f.Err(); err != nil {
		return nil, err
	}
	slices.SortFunc(list, func(a, b Dictionary) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

func readOne(f *document.Faults, at string, item any) (d Dictionary) {
	object, ok := item.(map[string]any)
	if !ok {
		f.Add(at, "cast", "type mismatch. Expected Object")
		return d
	}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		if !slices.Contains([]string{"name", "values", "labels", "is_active"}, name) {
			f.Add(at, "schema", "schema does not allow additional properties")
		}
	}
	if d.Name, ok = object["name"].(string); !ok || !goodText(d.Name, maxName) {
		f.Add(at+".name", "format", "expected a name")
	}
	if d.IsActive, ok = object["is_active"].(bool); !ok {
		f.Add(at+".is_active", "cast", "type mismatch. Expected Boolean")
	}
	labels, ok := object["labels"].([]any)
	if !ok {
		f.Add(at+".labels", "cast", "type mismatch. Expected Array")
	}
	for _, l := range labels {
		text, _ := l.(string)
		f.OneOf(at+".labels", text, knownLabels...)
		d.Labels = append(d.Labels, text)
	}
	values, ok := object["values"].(map[string]any)
	if !ok {
		f.Add(at+".values", "cast", "type mismatch. Expected Object")
		return d
	}
	d.readValues(f, at+".values", values)
	return d
}

func (d *Dictionary) readValues(f *document.Faults, at string, values map[string]any) {
	d.Values = map[string]string{}
	n := 0
	for code, value := range values {
		n++
		switch value := value.(type) {
		case string:
			d.Values[code] = value
			checkValue(f, at, code, value)
		case map[string]any:
			group := map[string]string{}
			for inner, v := range value {
				n++
				text, _ := v.(string)
				group[inner] = text
				checkValue(f, at, inner, text)
			}
			if d.Groups == nil {
				d.Groups = map[string]map[string]string{}
			}
			d.Groups[code] = group
			checkValue(f, at, code, "group")
		default:
			f.Add(at, "cast", "type mismatch. Expected String")
		}
	}
	if n > MaxValues {
		f.Add(at, "length", fmt.Sprintf("expected at most %d values", MaxValues))
	}
}

func checkValue(f *document.Faults, at, code, text string) {
	if !goodText(code, maxCode) {
		f.Add(at, "format", "a code is 1 to 200 bytes without control characters")
	}
	if !goodText(text, maxDescription) {
		f.Add(at, "format", "a description is 1 to 20000 bytes without control characters")
	}
}

func goodText(s string, most int) bool {
	return s != "" && len(s) <= most && utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\n' && r != '\t' })
}

// Digest tells one list from another whatever the order of its codes.
func (d Dictionary) Digest() ([32]byte, error) {
	b, err := d.MarshalJSON()
	if err != nil {
		return [32]byte{}, err
	}
	canonical, err := jcs.Canonicalize(b)
	return sha256.Sum256(canonical), err
}
