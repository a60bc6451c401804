// Package dictionary is the code lists and global parameters of the registry:
// those built into the program, and over them those that stand in the
// database, written by the NHSU or imported from a file of terminology.
//
// Reads are public and answered from a snapshot that is held against the
// database once a second. The room refuses a list it cannot read whole, and
// trusts nobody for its size.
package dictionary

import (
	"embed"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Dictionary is one code list: a description by code, or groups of those.
type Dictionary struct {
	Name     string
	Values   map[string]string
	Groups   map[string]map[string]string
	Labels   []string // SYSTEM, ADMIN, EXTERNAL, READ_ONLY, TRANSLATIONS
	IsActive bool
}

// wire is the form of the eHealth API: a value is a description or a group.
type wire struct {
	Name     string         `json:"name"`
	Values   map[string]any `json:"values"`
	Labels   []string       `json:"labels"`
	IsActive bool           `json:"is_active"`
}

// MarshalJSON implements json.Marshaler.
func (d Dictionary) MarshalJSON() ([]byte, error) {
	w := wire{d.Name, make(map[string]any, len(d.Values)+len(d.Groups)), d.Labels, d.IsActive}
	for code, text := range d.Values {
		w.Values[code] = text
	}
	for group, values := range d.Groups {
		w.Values[group] = values
	}
	if w.Labels == nil {
		w.Labels = []string{}
	}
	return json.Marshal(w)
}

// clone gives a copy that shares nothing which may change.
func (d Dictionary) clone() Dictionary {
	d.Values = maps.Clone(d.Values)
	return d
}

//go:embed dictionaries.json
var file []byte

// lists are those that acts bring, one file an act.
//
//go:embed lists
var lists embed.FS

// All reads the lists built into the program, in the order of their names.
func All() ([]Dictionary, error) {
	list, err := Read(file)
	if err != nil {
		return nil, fmt.Errorf("reading the dictionaries: %w", err)
	}
	files, err := lists.ReadDir("lists")
	if err != nil {
		return nil, fmt.Errorf("reading the lists of acts: %w", err)
	}
	for _, f := range files {
		b, err := lists.ReadFile("lists/" + f.Name())
		if err != nil {
			return nil, fmt.Errorf("reading the lists of acts: %w", err)
		}
		more, err := Read(b)
		if err != nil {
			return nil, fmt.Errorf("reading lists/%s: %w", f.Name(), err)
		}
		list = append(list, more...)
	}
	slices.SortFunc(list, func(a, b Dictionary) int { return strings.Compare(a.Name, b.Name) })
	for i := 1; i < len(list); i++ {
		if list[i].Name == list[i-1].Name {
			return nil, fmt.Errorf("the list %s stands twice", list[i].Name)
		}
	}
	return list, nil
}
