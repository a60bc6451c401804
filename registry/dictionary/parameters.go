package dictionary

import (
	"slices"
	"strconv"
	"time"

	"mist/registry"
)

// parameter is one global parameter: its value when nobody changed it, and
// what it may be.
type parameter struct {
	name, value string
	least, most int      // of a number
	units       []string // instead of a number
}

var units = []string{"DAYS", "HOURS", "MONTHS", "YEARS"}

// parameters in the order of their names (domain notes 1.11).
var parameters = []parameter{
	{"adult_age", "18", 14, 30, nil},
	{"declaration_request_expiration", "1", 1, 365, nil},
	{"declaration_request_expiration_unit", "DAYS", 0, 0, units},
	{"declaration_term", "40", 1, 100, nil},
	{"declaration_term_unit", "YEARS", 0, 0, units},
	{"employee_request_expiration", "30", 1, 365, nil}, // days
	{"encounter_max_days_passed", "7", 1, 365, nil},
	{"medication_dispense_period", "30", 1, 365, nil},
	{"no_self_auth_age", "14", 0, 30, nil},
	{"no_self_registration_age", "14", 0, 30, nil},
	{"person_full_legal_capacity_age", "18", 0, 30, nil},
	{"phone_number_auth_limit", "5", 1, 1000, nil},
	{"service_request_expiration", "365", 1, 3650, nil}, // days
	{"verification_request_expiration", "30", 1, 365, nil},
	{"verification_request_expiration_unit", "DAYS", 0, 0, units},
}

// check holds a value against what the parameter may be.
func (p parameter) check(value string) *registry.FieldError {
	if p.units != nil {
		if !slices.Contains(p.units, value) {
			return &registry.FieldError{Entry: "$." + p.name, Rule: "inclusion", Description: "value is not allowed in enum", Params: p.units}
		}
		return nil
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < p.least || n > p.most || strconv.Itoa(n) != value {
		return &registry.FieldError{Entry: "$." + p.name, Rule: "number", Description: "expected a whole number within the limits in params",
			Params: []string{strconv.Itoa(p.least), strconv.Itoa(p.most)}}
	}
	return nil
}

// Days reads a parameter of days. Names are constants of the program.
func (s *Snapshot) Days(name string) time.Duration {
	return time.Duration(s.Number(name)) * 24 * time.Hour
}

// Number reads a parameter of a number. What stands in the database was
// checked when it was written.
func (s *Snapshot) Number(name string) int {
	n, err := strconv.Atoi(s.Parameters[name])
	if err != nil {
		panic("dictionary: no number in the parameter " + name)
	}
	return n
}
