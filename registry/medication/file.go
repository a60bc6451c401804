package medication

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"unicode"
	"unicode/utf8"

	"mist/registry"
	"mist/registry/document"
	"mist/registry/jcs"
)

// Limits of a file.
const (
	MaxFile = 64 << 20 // bytes
	MaxRows = 200_000  // of one list
	maxName = 500      // bytes
)

// File is the whole reference data: every reference in it leads to a row of it.
type File struct {
	INNMs    []INNM        `json:"innms"`
	Dosages  []Dosage      `json:"innm_dosages"`
	Brands   []Brand       `json:"medications"`
	Programs []Program     `json:"medical_programs"`
	Parts    []Participant `json:"program_medications"`
}

var (
	sctidForm = regexp.MustCompile(`^[0-9]{8}$`)
	atcForm   = regexp.MustCompile(`^[A-Z][0-9]{2}([A-Z]([A-Z]([0-9]{2})?)?)?$`)
)

// Read reads a file and holds all of it against the rules. The answer names
// the wrong places, at most 50.
func Read(b []byte) (File, error) {
	if len(b) > MaxFile {
		return File{}, registry.Errorf(registry.CodeTooLarge, "a file of medications has at most %d bytes", MaxFile)
	}
	if _, err := jcs.Parse(b); err != nil {
		return File{}, registry.Errorf(registry.CodeMalformed, "the file is not acceptable JSON").WithCause(err)
	}
	var file File
	var lists map[string][]json.RawMessage
	if err := json.Unmarshal(b, &lists); err != nil {
		return File{}, registry.Errorf(registry.CodeMalformed, "the file is an object of lists: innms, innm_dosages, medications, medical_programs, program_medications").WithCause(err)
	}
	for _, name := range slices.Sorted(maps.Keys(lists)) {
		rows := lists[name]
		if len(rows) > MaxRows {
			return File{}, registry.Errorf(registry.CodeTooLarge, "%s holds more than %d rows", name, MaxRows)
		}
		for i, row := range rows {
			err := file.add(name, row)
			if e := registry.AsError(err); err != nil {
				return File{}, registry.Errorf(e.Code, "%s, row %d: %s", name, i+1, told(e)).WithCause(err)
			}
		}
	}
	c := checker{ids: map[registry.ID]string{}}
	c.check(&file)
	if err := c.Err(); err != nil {
		return File{}, err
	}
	return file, nil
}

func told(e *registry.Error) string {
	if len(e.Fields) == 0 {
		return e.Detail
	}
	return e.Fields[0].Entry + " " + e.Fields[0].Description
}

func (f *File) add(list string, row []byte) error {
	switch list {
	case "innms":
		return one(row, &f.INNMs)
	case "innm_dosages":
		return one(row, &f.Dosages)
	case "medications":
		return one(row, &f.Brands)
	case "medical_programs":
		return one(row, &f.Programs)
	case "program_medications":
		return one(row, &f.Parts)
	}
	return registry.Errorf(registry.CodeInvalid, "there is no such list")
}

func one[T any](row []byte, into *[]T) error {
	var v T
	if err := document.Read(row, &v); err != nil {
		return err
	}
	*into = append(*into, v)
	return nil
}

// checker holds the lists against each other.
type checker struct {
	document.Faults
	ids map[registry.ID]string // row → its list
}

func (c *checker) row(at string, id registry.ID, list, name string) {
	switch _, twice := c.ids[id]; {
	case id.IsZero():
		c.Add(at+".id", "required", "can't be blank")
	case twice:
		c.Add(at+".id", "unique", "the id stands twice")
	}
	c.ids[id] = list
	if c.Required(at+".name", name) && (len(name) > maxName || !utf8.ValidString(name)) {
		c.Add(at+".name", "length", "expected at most 500 bytes")
	}
}

func (c *checker) refers(at string, id registry.ID, list string) {
	if c.ids[id] != list {
		c.Add(at, "invalid", "there is no such row in "+list)
	}
}

func (c *checker) ingredients(at string, list []Ingredient, of string) {
	primaries := 0
	for i, g := range list {
		here := fmt.Sprintf("%s.ingredients.[%d]", at, i)
		c.refers(here+".id", g.ID, of)
		c.amount(here+".dosage", g.Dosage)
		if g.IsPrimary {
			primaries++
		}
		if slices.ContainsFunc(list[:i], func(o Ingredient) bool { return o.ID == g.ID }) {
			c.Add(here+".id", "unique", "an ingredient stands once")
		}
	}
	if primaries != 1 {
		c.Add(at+".ingredients", "invalid", "exactly one ingredient is primary")
	}
}

func (c *checker) amount(at string, a Amount) {
	c.Required(at+".numerator_unit", a.NumeratorUnit)
	c.Required(at+".denumerator_unit", a.DenumeratorUnit)
	if a.NumeratorValue <= 0 || a.DenumeratorValue <= 0 {
		c.Add(at, "number", "both values must be greater than 0")
	}
}

func (c *checker) check(f *File) {
	for i, n := range f.INNMs {
		at := fmt.Sprintf("$.innms.[%d]", i)
		c.row(at, n.ID, "innms", n.Name)
		if n.SCTID != "" && !sctidForm.MatchString(n.SCTID) {
			c.Add(at+".sctid", "format", "expected 8 digits")
		}
		if !only(n.Name, unicode.Cyrillic) {
			c.Add(at+".name", "format", "expected a name in Cyrillic")
		}
		if !only(n.NameOriginal, unicode.Latin) {
			c.Add(at+".name_original", "format", "expected a name in Latin letters")
		}
	}
	for i, d := range f.Dosages {
		at := fmt.Sprintf("$.innm_dosages.[%d]", i)
		c.row(at, d.ID, "innm_dosages", d.Name)
		c.Required(at+".form", d.Form)
		c.ingredients(at, d.Ingredients, "innms")
	}
	for i, b := range f.Brands {
		at := fmt.Sprintf("$.medications.[%d]", i)
		c.row(at, b.ID, "medications", b.Name)
		c.Required(at+".form", b.Form)
		c.Required(at+".certificate", b.Certificate)
		c.Required(at+".manufacturer.name", b.Manufacturer.Name)
		c.ingredients(at, b.Ingredients, "innm_dosages")
		c.amount(at+".container", b.Container)
		if b.PackageMinQty <= 0 || !b.PackageQty.MultipleOf(b.PackageMinQty) {
			c.Add(at+".package_qty", "number", "a package is a whole multiple of package_min_qty, and both are greater than 0")
		}
		for j, code := range b.ATC {
			if !atcForm.MatchString(code) {
				c.Add(fmt.Sprintf("%s.code_atc.[%d]", at, j), "format", "expected a code of the ATC classification")
			}
		}
	}
	for i, p := range f.Programs {
		at := fmt.Sprintf("$.medical_programs.[%d]", i)
		c.row(at, p.ID, "medical_programs", p.Name)
		c.OneOf(at+".type", p.Type, ProgramMedication, ProgramService, ProgramDevice)
		if p.Settings.MaxPeriodDays < 0 || p.Settings.DispensePeriodDays < 0 {
			c.Add(at+".medical_program_settings", "number", "days must not be negative")
		}
	}
	c.parts(f)
}

func (c *checker) parts(f *File) {
	type pair struct{ brand, program registry.ID }
	active := map[pair]bool{}
	for i, p := range f.Parts {
		at := fmt.Sprintf("$.program_medications.[%d]", i)
		c.row(at, p.ID, "program_medications", "-")
		c.refers(at+".medication_id", p.MedicationID, "medications")
		c.refers(at+".medical_program_id", p.ProgramID, "medical_programs")
		c.OneOf(at+".reimbursement.type", p.Reimbursement.Type, ReimbursementFixed)
		if p.Reimbursement.Amount < 0 {
			c.Add(at+".reimbursement.reimbursement_amount", "number", "must be greater than or equal to 0")
		}
		if !p.EndDate.IsZero() && p.EndDate.Before(p.StartDate) {
			c.Add(at+".end_date", "invalid", "end_date should be equal or greater than start_date")
		}
		if key := (pair{p.MedicationID, p.ProgramID}); p.IsActive {
			if active[key] {
				c.Add(at, "unique", "a brand takes part in a programme once")
			}
			active[key] = true
		}
	}
}

// only tells that every letter is of one script, and that there is one.
func only(s string, script *unicode.RangeTable) bool {
	letters := 0
	for _, r := range s {
		if unicode.IsLetter(r) {
			if letters++; !unicode.Is(script, r) {
				return false
			}
		}
	}
	return letters > 0
}
