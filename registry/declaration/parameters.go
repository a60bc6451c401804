package declaration

import (
	"fmt"
	"strconv"
)

// over lays the global parameters somebody changed over the terms: adult_age,
// declaration_term and its unit (domain notes 1.11). They were checked when they
// were written.
func (t Terms) over(changed map[string]string) (Terms, error) {
	if len(changed) == 0 {
		return t, nil
	}
	number := func(name string, otherwise int) (int, error) {
		text, ok := changed[name]
		if !ok {
			return otherwise, nil
		}
		n, err := strconv.Atoi(text)
		if err != nil {
			return 0, fmt.Errorf("reading the global parameter %s: %w", name, err)
		}
		return n, nil
	}
	var err error
	if t.AdultAge, err = number("adult_age", t.AdultAge); err != nil {
		return t, err
	}
	term, err := number("declaration_term", t.TermYears)
	if err != nil {
		return t, err
	}
	t.TermYears, t.TermMonths, t.TermDays = 0, 0, 0
	switch changed["declaration_term_unit"] {
	case "DAYS":
		t.TermDays = term
	case "HOURS":
		t.TermDays = (term + 23) / 24
	case "MONTHS":
		t.TermMonths = term
	default:
		t.TermYears = term
	}
	return t, nil
}
