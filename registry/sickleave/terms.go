package sickleave

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"mist/registry"
)

// Rule is one row of the table of terms: values in force for a category, or
// for all of them, from one day to another, both included. A row that names a
// category goes before one for all, and a later beginning before an earlier
// one: an order in force from a day, or the days on which the system was
// unavailable, are rows, not code.
type Rule struct {
	Name     string        `json:"name"`
	Category string        `json:"category"` // "*": every one
	Values   []int         `json:"values"`
	From     registry.Date `json:"from"`
	To       registry.Date `json:"to,omitzero"` // zero: open
	// Source is the act of law or document the row comes from; "ours" marks what
	// no source tells.
	Source string `json:"source"`
}

// Names of rules. A rule without a row in force is not asked.
const (
	// CreateDays: a new or continuing conclusion is signed at most so many days
	// after the visit at which incapacity was found (asked at that day).
	CreateDays = "create_days"
	// StartBackDays, StartAheadDays: a new one begins at most so many days before
	// or after that visit; treatment abroad may have begun earlier.
	StartBackDays  = "start_back_days"
	StartAheadDays = "start_ahead_days"
	// CorrectDays: a correction is signed at most so many days after the corrected one.
	CorrectDays = "correct_days"
	// ContinueDays: a continuation or shortening is signed at most so many days
	// after the last day of what it continues.
	ContinueDays = "continue_days"
	// ReadyDaysAfterEnd, ReadyDaysAfterStart: the sick leave becomes ready to be
	// paid so many days after its last, or first, day and can be changed no more.
	ReadyDaysAfterEnd   = "ready_days_after_end"
	ReadyDaysAfterStart = "ready_days_after_start"
	// GapDays: a continuation begins at most so many days after the last day.
	GapDays = "continuation_gap_days"
	// SameAuthor: 1 where only the author continues and corrects.
	SameAuthor = "same_author"
	// MaxDays of one conclusion, MaxCaseDays of it with all it continues.
	MaxDays     = "max_days"
	MaxCaseDays = "max_case_days"
	// NewLengths, AppendLengths: the only lengths in days there may be.
	NewLengths    = "new_lengths"
	AppendLengths = "appended_lengths"
	// CancelDays: cancelled at most so many days after it was signed.
	CancelDays = "cancel_days"
)

var ruleNames = []string{CreateDays, StartBackDays, StartAheadDays, CorrectDays, ContinueDays, ReadyDaysAfterEnd, ReadyDaysAfterStart,
	GapDays, SameAuthor, MaxDays, MaxCaseDays, NewLengths, AppendLengths, CancelDays}

// Rules is the table.
type Rules []Rule

//go:embed terms.json
var builtIn []byte

// BuiltIn is the table a new registry begins with; a migration writes the same
// rows, which a test compares.
func BuiltIn() (Rules, error) { return ParseRules(builtIn) }

// MaxRulesFile bounds a file of rows, in bytes.
const MaxRulesFile = 1 << 20

// ParseRules reads rows from a file and refuses those that say nothing, or
// nothing certain.
func ParseRules(b []byte) (Rules, error) {
	if len(b) > MaxRulesFile {
		return nil, errors.New("reading rules of sick leaves: larger than 1 MiB")
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	var rules Rules
	if err := d.Decode(&rules); err != nil {
		return nil, fmt.Errorf("reading rules of sick leaves: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("reading rules of sick leaves: text after the table")
	}
	if len(rules) == 0 {
		return nil, errors.New("reading rules of sick leaves: the table is empty")
	}
	seen := map[string]bool{}
	for i, r := range rules {
		if err := r.check(); err != nil {
			return nil, fmt.Errorf("rule %d of sick leaves: %w", i+1, err)
		}
		key := r.Name + " " + r.Category + " " + r.From.String()
		if seen[key] {
			return nil, fmt.Errorf("rule %d of sick leaves: %s for %s begins twice on %s", i+1, r.Name, r.Category, r.From)
		}
		seen[key] = true
	}
	return rules, nil
}

func (r Rule) check() error {
	list := r.Name == NewLengths || r.Name == AppendLengths
	switch {
	case !slices.Contains(ruleNames, r.Name):
		return fmt.Errorf("there is no rule %q; known are %v", r.Name, ruleNames)
	case r.Category != "*" && !slices.Contains(categories, r.Category):
		return fmt.Errorf("there is no category %q", r.Category)
	case r.From.IsZero():
		return errors.New("from is needed")
	case !r.To.IsZero() && r.To.Before(r.From):
		return errors.New("it ends before it begins")
	case r.Source == "":
		return errors.New("source is needed")
	case len(r.Values) == 0 || !list && len(r.Values) != 1:
		return errors.New("one value is needed, and more only for lists of lengths")
	case r.Name == SameAuthor && r.Values[0] > 1:
		return errors.New("the value is 0 or 1")
	}
	for _, v := range r.Values {
		if v < 0 || v > 3660 || list && v == 0 {
			return fmt.Errorf("%d is no number of days", v)
		}
	}
	return nil
}

// At gives the values in force for a category on a day; false where no row is.
func (rules Rules) At(name, category string, day registry.Date) ([]int, bool) {
	best := -1
	for i, r := range rules {
		if r.Name != name || r.Category != "*" && r.Category != category || day.Before(r.From) || !r.To.IsZero() && r.To.Before(day) {
			continue
		}
		if best < 0 || r.Category != "*" && rules[best].Category == "*" || (r.Category == "*") == (rules[best].Category == "*") && rules[best].From.Before(r.From) {
			best = i
		}
	}
	if best < 0 {
		return nil, false
	}
	return rules[best].Values, true
}

// days is At for rules of one value.
func (rules Rules) days(name, category string, day registry.Date) (int, bool) {
	v, ok := rules.At(name, category, day)
	if !ok {
		return 0, false
	}
	return v[0], true
}
