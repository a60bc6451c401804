// Package dictionary is the code lists a client of the registry needs: names of
// the eHealth dictionaries, the codes the rules here take, words for people.
package dictionary

import (
	_ "embed"
	"encoding/json"
	"fmt"
)

// Dictionary is one code list.
type Dictionary struct {
	Name     string            `json:"name"`
	Values   map[string]string `json:"values"`
	Labels   []string          `json:"labels"`
	IsActive bool              `json:"is_active"`
}

//go:embed dictionaries.json
var file []byte

// All reads the lists built into the program, in the order of their names.
func All() ([]Dictionary, error) {
	var list []Dictionary
	if err := json.Unmarshal(file, &list); err != nil {
		return nil, fmt.Errorf("reading the dictionaries: %w", err)
	}
	return list, nil
}
