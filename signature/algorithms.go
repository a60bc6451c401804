package signature

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"mist/signature/facts"
)

//go:embed algorithms.json
var algorithmFile []byte

// AlgorithmTable says until when digests and keys may be relied upon. It is
// data with sources and dates; a new one is a new version, named in reports.
type AlgorithmTable struct {
	Version          string            `json:"version"`
	Updated          string            `json:"updated"` // dates after it are forecasts
	LevelAfterUpdate Level             `json:"levelAfterUpdate"`
	Sources          map[string]string `json:"sources"`
	Digests          []AlgorithmEntry  `json:"digests"`
	Keys             []AlgorithmEntry  `json:"keys"`

	updated time.Time
}

// AlgorithmEntry is one row. Of the rows of a key algorithm the one with the
// largest Bits not above the key's applies; a key below all rows is refused.
type AlgorithmEntry struct {
	Name   string `json:"name"`
	Bits   int    `json:"bits,omitempty"`
	Until  string `json:"until,omitempty"` // first day on which it is no longer relied upon
	Source string `json:"source"`

	until time.Time
}

// DefaultAlgorithms is the embedded table.
func DefaultAlgorithms() (*AlgorithmTable, error) { return ParseAlgorithms(algorithmFile) }

// ParseAlgorithms reads a table and checks its dates.
func ParseAlgorithms(b []byte) (*AlgorithmTable, error) {
	t := &AlgorithmTable{}
	if err := strictUnmarshal(b, t); err != nil {
		return nil, fmt.Errorf("reading algorithm table: %w", err)
	}
	var err error
	if t.updated, err = time.Parse(time.DateOnly, t.Updated); err != nil {
		return nil, fmt.Errorf("reading algorithm table: %w", err)
	}
	for _, list := range [][]AlgorithmEntry{t.Digests, t.Keys} {
		for i := range list {
			if list[i].Until == "" {
				continue
			}
			if list[i].until, err = time.Parse(time.DateOnly, list[i].Until); err != nil {
				return nil, fmt.Errorf("reading algorithm table, %s: %w", list[i].Name, err)
			}
		}
	}
	return t, nil
}

// End sets the end date of a digest: an operator who learns of a break does
// not wait for the next table.
func (t *AlgorithmTable) End(digest string, until time.Time) error {
	list := append([]AlgorithmEntry(nil), t.Digests...)
	for i := range list {
		if list[i].Name == digest {
			list[i].Until, list[i].until = until.UTC().Format(time.DateOnly), until
			t.Digests = list
			t.Version += "+" + digest + "<" + list[i].Until
			if until.After(t.updated) {
				t.updated = until
			}
			return nil
		}
	}
	return fmt.Errorf("%s is not in the algorithm table", digest)
}

// algorithmFinding is the answer for one algorithm at one time.
type algorithmFinding struct {
	ok     bool
	soft   bool      // the end date is a forecast: the level after update applies
	until  time.Time // zero: no end
	detail string
}

func (t *AlgorithmTable) digest(name string, at time.Time) algorithmFinding {
	if name == "" {
		return algorithmFinding{ok: true}
	}
	for _, e := range t.Digests {
		if e.Name == name {
			return t.finding(e, at, name)
		}
	}
	return algorithmFinding{detail: name + " is not in the algorithm table"}
}

func (t *AlgorithmTable) key(name string, bits int, at time.Time) algorithmFinding {
	if name == "" || name == "EDDSA" {
		return algorithmFinding{ok: name != "", detail: "key algorithm is not known"}
	}
	var best *AlgorithmEntry
	for i := range t.Keys {
		if e := &t.Keys[i]; e.Name == name && e.Bits <= bits && (best == nil || e.Bits >= best.Bits) {
			best = e
		}
	}
	if best == nil {
		return algorithmFinding{detail: fmt.Sprintf("%s with %d bits is not in the algorithm table", name, bits)}
	}
	f := t.finding(*best, at, name)
	if f.detail != "" {
		f.detail = fmt.Sprintf("%s-%d", name, bits) + strings.TrimPrefix(f.detail, name)
	}
	return f
}

func (t *AlgorithmTable) finding(e AlgorithmEntry, at time.Time, name string) algorithmFinding {
	f := algorithmFinding{ok: true, until: e.until}
	if !e.until.IsZero() && !at.Before(e.until) {
		f.ok = false
		f.soft = t.LevelAfterUpdate != LevelFail && e.until.After(t.updated)
		f.detail = name + " is relied upon until " + e.Until + " (" + e.Source + ")"
	}
	return f
}

// token judges digest and key of one token together. until is the earlier end
// date of the two.
func (t *AlgorithmTable) token(a facts.Algorithm, at time.Time) algorithmFinding {
	d, k := t.digest(a.Digest, at), t.key(a.Encryption, a.KeyBits, at)
	f := algorithmFinding{ok: d.ok && k.ok, until: d.until}
	if f.until.IsZero() || !k.until.IsZero() && k.until.Before(f.until) {
		f.until = k.until
	}
	switch {
	case !d.ok && !d.soft:
		f.detail = d.detail
	case !k.ok && !k.soft:
		f.detail = k.detail
	case !d.ok || !k.ok:
		f.soft = true
		f.detail = d.detail + k.detail
	}
	return f
}

// Reliable says whether digest and key of a token may be relied upon at a time,
// and until when; the zero time is no end.
func (t *AlgorithmTable) Reliable(a facts.Algorithm, at time.Time) (ok bool, until time.Time) {
	f := t.token(a, at)
	return f.ok || f.soft, f.until
}

// Form is the JSON of the table; ParseAlgorithms reads it back.
func (t *AlgorithmTable) Form() []byte {
	b, err := json.Marshal(t)
	if err != nil {
		panic("marshalling the algorithm table: " + err.Error()) // strings and numbers
	}
	return b
}
