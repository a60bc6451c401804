package dictionary

import (
	"cmp"
	"slices"
	"strings"
	"unicode"

	"mist/registry"
)

// Snapshot is every list and parameter at one moment; nothing in it changes.
type Snapshot struct {
	epoch int64
	// Lists in the order of their names.
	Lists      []Dictionary
	Parameters map[string]string
	at         map[string]int
	rows       map[string][]row
}

// row is one code made ready for a search.
type row struct{ code, text, folded string }

// newSnapshot lays what is stored over what is built in. A list in the
// database replaces the built-in one of its name.
func newSnapshot(epoch int64, built, stored []Dictionary, changed map[string]string) *Snapshot {
	s := &Snapshot{epoch: epoch, Parameters: map[string]string{}, at: map[string]int{}, rows: map[string][]row{}}
	s.Lists = slices.Clone(stored)
	for _, d := range built {
		if !slices.ContainsFunc(stored, func(o Dictionary) bool { return o.Name == d.Name }) {
			s.Lists = append(s.Lists, d)
		}
	}
	slices.SortFunc(s.Lists, func(a, b Dictionary) int { return cmp.Compare(a.Name, b.Name) })
	for i, d := range s.Lists {
		s.at[d.Name] = i
		rows := make([]row, 0, len(d.Values))
		for code, text := range d.Values {
			rows = append(rows, row{code, text, fold(code + " " + text)})
		}
		slices.SortFunc(rows, func(a, b row) int { return cmp.Compare(a.code, b.code) })
		s.rows[d.Name] = rows
	}
	for _, p := range parameters {
		s.Parameters[p.name] = p.value
		if v, ok := changed[p.name]; ok {
			s.Parameters[p.name] = v
		}
	}
	return s
}

// Dictionary finds a list by its name.
func (s *Snapshot) Dictionary(name string) (Dictionary, bool) {
	i, ok := s.at[name]
	if !ok {
		return Dictionary{}, false
	}
	return s.Lists[i], true
}

// Has reports whether an active list knows a code.
func (s *Snapshot) Has(name, code string) bool {
	d, ok := s.Dictionary(name)
	if !ok || !d.IsActive {
		return false
	}
	_, ok = d.Values[code]
	return ok
}

// Coding is one code of a list.
type Coding struct {
	Code        string `json:"code"`
	Description string `json:"description"`
}

// Limits of a search.
const (
	DefaultFound = 20
	MaxFound     = 100
)

// Search finds codes that begin with code and whose code or description holds
// every word of text; those that begin with the text come first.
func (s *Snapshot) Search(name, code, text string, limit int) ([]Coding, error) {
	if limit < 1 || limit > MaxFound {
		return nil, registry.Invalid(registry.FieldError{Entry: "$.limit", EntryType: "query_parameter", Rule: "number", Description: "must lie between 1 and 100"})
	}
	if _, ok := s.Dictionary(name); !ok {
		return nil, registry.Errorf(registry.CodeNotFound, "not found")
	}
	words := strings.Fields(fold(text))
	code = strings.ToUpper(code)
	var first, rest []Coding
	for _, r := range s.rows[name] {
		if !strings.HasPrefix(strings.ToUpper(r.code), code) {
			continue
		}
		if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(r.folded, w) }) {
			one := Coding{r.code, r.text}
			if len(words) > 0 && !strings.HasPrefix(fold(r.text), words[0]) {
				rest = append(rest, one)
			} else {
				first = append(first, one)
			}
		}
		if len(first) >= limit {
			break
		}
	}
	all := append(first, rest...)
	return all[:min(len(all), limit)], nil
}

// fold makes texts equal that people write differently: letter case and the
// kinds of apostrophe do not count, other signs are spaces.
func fold(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case unicode.IsLetter(r) || unicode.IsDigit(r) || r == '.':
			b.WriteRune(unicode.ToLower(r))
		case r == '\'' || r == '’' || r == 'ʼ':
		default:
			b.WriteByte(' ')
		}
	}
	return b.String()
}

// Built is the snapshot of what is built in, where nothing was changed.
func Built() (*Snapshot, error) {
	built, err := All()
	if err != nil {
		return nil, err
	}
	return newSnapshot(0, built, nil, nil), nil
}
