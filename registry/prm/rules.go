package prm

import (
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"mist/registry"
	"mist/registry/document"
)

// Ukrainian letters, apostrophe, hyphen, single spaces; letters of Russian
// alone (ы, э, ё, ъ) and Latin ones are refused (domain notes 1.1).
var (
	namePattern     = regexp.MustCompile(`^[А-ЩЬЮЯҐЄІЇа-щьюяґєії'’ʼ]+([ -][А-ЩЬЮЯҐЄІЇа-щьюяґєії'’ʼ]+)*$`)
	phonePattern    = regexp.MustCompile(`^\+38[0-9]{10}$`)
	emailPattern    = regexp.MustCompile(`^[^\s@<>"]{1,64}@[^\s@<>"]{1,190}\.[^\s@<>".]{2,63}$`)
	zipPattern      = regexp.MustCompile(`^[0-9]{5}$`)
	buildingPattern = regexp.MustCompile(`^[0-9]{1,5}[0-9А-ЩЬЮЯҐЄІЇа-щьюяґєії/ -]{0,20}$`)
	clockPattern    = regexp.MustCompile(`^([01][0-9]|2[0-3])[.:][0-5][0-9]$|^24[.:]00$`)
	documentPattern = regexp.MustCompile(`^([А-ЩЬЮЯҐЄІЇ]{2}[0-9]{6}|[0-9]{9})$`)
	passportPattern = regexp.MustCompile(`^[А-ЩЬЮЯҐЄІЇ]{2}[0-9]{6}$`)
	idCardPattern   = regexp.MustCompile(`^[0-9]{9}$`)
)

// Lists tells the codes of dictionaries as they are now; dictionary.Snapshot
// is one.
type Lists interface {
	Has(name, code string) bool
}

// CheckNames holds the names of a person against the alphabet.
func CheckNames(f *document.Faults, at, last, first, second string) {
	for name, value := range map[string]string{"last_name": last, "first_name": first} {
		if f.Required(at+"."+name, value) && !namePattern.MatchString(value) {
			f.Add(at+"."+name, "format", "string does not match pattern: Ukrainian letters, apostrophe, hyphen, single spaces")
		}
	}
	if second != "" && !namePattern.MatchString(second) {
		f.Add(at+".second_name", "format", "string does not match pattern: Ukrainian letters, apostrophe, hyphen, single spaces")
	}
}

// CheckPhones demands at least one phone, each of its own type.
func CheckPhones(f *document.Faults, at string, list []Phone) {
	if len(list) == 0 {
		f.Add(at, "length", "expected a minimum of 1 items but got 0", "1")
	}
	seen := map[string]bool{}
	for i, p := range list {
		one := at + ".[" + strconv.Itoa(i) + "]"
		f.OneOf(one+".type", p.Type, "MOBILE", "LAND_LINE")
		if !phonePattern.MatchString(p.Number) {
			f.Add(one+".number", "format", "string does not match pattern +38 and 10 digits")
		}
		if seen[p.Type] {
			f.Add(one+".type", "unique", "phones must be unique by type")
		}
		seen[p.Type] = true
	}
}

// CheckEmail demands an address of electronic mail.
func CheckEmail(f *document.Faults, at, email string) {
	if !emailPattern.MatchString(email) {
		f.Add(at, "email", "expected to be an email address")
	}
}

// CheckAddresses demands exactly one RESIDENCE and at most one REGISTRATION.
func CheckAddresses(f *document.Faults, at string, list []Address) {
	count := map[string]int{}
	for i, a := range list {
		one := at + ".[" + strconv.Itoa(i) + "]"
		count[a.Type]++
		f.OneOf(one+".type", a.Type, "RESIDENCE", "REGISTRATION")
		f.Required(one+".country", a.Country)
		f.Required(one+".area", a.Area)
		f.Required(one+".settlement", a.Settlement)
		f.OneOf(one+".settlement_type", a.SettlementType, "CITY", "TOWNSHIP", "VILLAGE", "SETTLEMENT")
		if _, err := registry.ParseID(a.SettlementID); err != nil {
			f.Add(one+".settlement_id", "format", "expected a UUID")
		}
		if f.Required(one+".building", a.Building) && !buildingPattern.MatchString(a.Building) {
			f.Add(one+".building", "format", "string does not match pattern: a number with letters after it")
		}
		if a.Zip != "" && !zipPattern.MatchString(a.Zip) {
			f.Add(one+".zip", "format", "string does not match pattern: 5 digits")
		}
	}
	if count["RESIDENCE"] != 1 || count["REGISTRATION"] > 1 {
		f.Add(at, "invalid", "Addresses with types RESIDENCE should be present exactly once")
	}
}

// Line writes an address as people read it.
func (a Address) Line() string {
	parts := []string{}
	if a.Area != "" && a.Area != a.Settlement {
		parts = append(parts, a.Area)
	}
	parts = append(parts, a.Settlement)
	if a.Street != "" {
		parts = append(parts, a.Street)
	}
	if a.Building != "" {
		parts = append(parts, a.Building)
	}
	return strings.Join(parts, ", ")
}

// Residence is the address people come to.
func Residence(list []Address) Address {
	for _, a := range list {
		if a.Type == "RESIDENCE" {
			return a
		}
	}
	return Address{}
}

// WorkingHours is {mon: [["08:00","12:00"]] …}.
type WorkingHours map[string][][]string

var weekdays = []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}

// CheckHours demands days of the week with pairs of times, each later than the
// one before.
func CheckHours(f *document.Faults, at string, hours WorkingHours) {
	for day, spans := range hours {
		one := at + "." + day
		if !slices.Contains(weekdays, day) {
			f.Add(one, "inclusion", "expected a day of the week: mon … sun")
			continue
		}
		before := ""
		for i, span := range spans {
			entry := one + ".[" + strconv.Itoa(i) + "]"
			if len(span) != 2 || !clockPattern.MatchString(span[0]) || !clockPattern.MatchString(span[1]) {
				f.Add(entry, "format", "expected two times HH:MM")
				continue
			}
			from, to := clock(span[0]), clock(span[1])
			if from >= to || from < before {
				f.Add(entry, "invalid", "a span of hours must end after it begins and begin after the one before")
			}
			before = to
		}
	}
}

func clock(s string) string { return strings.ReplaceAll(s, ".", ":") }

// Encode writes hours with colons; empty for none.
func (w WorkingHours) Encode() (string, error) {
	if len(w) == 0 {
		return "", nil
	}
	for _, spans := range w {
		for _, span := range spans {
			for i := range span {
				span[i] = clock(span[i])
			}
		}
	}
	b, err := json.Marshal(w)
	return string(b), err
}

// CheckCode holds the code of a legal entity against its check digit: eight
// digits, a sole proprietor's ten, or the passport of one without a number.
func CheckCode(f *document.Faults, at string, code registry.EDRPOU) {
	if documentPattern.MatchString(string(code)) {
		return
	}
	if !code.Valid() {
		f.Add(at, "invalid", "EDRPOU is not valid: 8 digits, or 10 of a sole proprietor, with a right check digit")
	}
}

// CheckTaxID holds a party's number against its check digit, or the document
// of one without a number (domain notes 1.1).
func CheckTaxID(f *document.Faults, at, taxID string, none bool) {
	switch {
	case none && !documentPattern.MatchString(taxID):
		f.Add(at, "format", "with no_tax_id the member holds 9 digits or passport series and number")
	case !none && !registry.RNOKPP(taxID).Valid():
		f.Add(at, "invalid", "invalid tax_id value")
	}
}
