// Package bulk brings whole populations in: persons with their declarations of
// before Mist, in short transactions, each with its audit entry.
//
// The file is JSON lines: a [Header], then clinics and employees, then persons.
// It refuses lines that are not exactly of this form, invalid identifiers and
// files that do not call themselves synthetic. A declaration that comes this
// way has no signed act and is marked imported-unverified.
package bulk

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"mist/registry"
	"mist/registry/patient"
	"mist/registry/prm"
)

// Format and Version stand in the header of every file.
const (
	Format  = "mist-population"
	Version = 1
)

// Limits of a file.
const (
	MaxLine    = 64 << 10 // bytes
	MaxPersons = 100_000_000
)

// ReasonImported is the reason of a declaration that was brought in without a
// signature.
const ReasonImported = "imported_unverified"

// VerificationImported is the verification status of a person that was brought in.
const VerificationImported = "NOT_VERIFIED"

// Header is the first line.
type Header struct {
	Format    string `json:"format"`
	Version   int    `json:"version"`
	Synthetic bool   `json:"synthetic"`
	Persons   int    `json:"persons"`
}

// Record is every other line: one of the three.
type Record struct {
	Clinic      *Clinic         `json:"clinic,omitempty"`
	Employee    *prm.Employee   `json:"employee,omitempty"`
	Person      *patient.Person `json:"person,omitempty"`
	Declaration *Declaration    `json:"declaration,omitempty"` // of the person on the same line
}

// Clinic is a legal entity with its division.
type Clinic struct {
	LegalEntity prm.LegalEntity `json:"legal_entity"`
	Division    prm.Division    `json:"division"`
}

// Declaration is the person's choice of a doctor, without a signed document.
type Declaration struct {
	ID            registry.ID   `json:"id"`
	EmployeeID    registry.ID   `json:"employee_id"`
	DivisionID    registry.ID   `json:"division_id"`
	LegalEntityID registry.ID   `json:"legal_entity_id"`
	StartDate     registry.Date `json:"start_date"`
	EndDate       registry.Date `json:"end_date"`
}

// Member is a person to bring in, with the declaration if there is one.
type Member struct {
	Person      patient.Person
	Declaration *Declaration
}

// LineError names the line of a file that was refused. It never repeats its content.
type LineError struct {
	Line int
	Err  error
}

// Error implements error.
func (e *LineError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Err) }

// Unwrap gives the cause.
func (e *LineError) Unwrap() error { return e.Err }

var (
	errForm       = errors.New("not one JSON object of the expected members")
	errOneOf      = errors.New("a line holds a clinic, an employee or a person with at most one declaration")
	errTaxID      = errors.New("tax_id has no valid check digit")
	errUNZR       = errors.New("unzr is not YYYYMMDD-NNNNN of the birth date")
	errID         = errors.New("an id is missing")
	errName       = errors.New("a name or the birth date is missing")
	errDates      = errors.New("the declaration's dates are missing or in the wrong order")
	errEDRPOU     = errors.New("edrpou has no valid check digit")
	errNotOurs    = errors.New("not a mist-population file of version 1")
	errRealPeople = errors.New("the file does not call itself synthetic; people without verified documents are not imported")
)

// strictly reads exactly one JSON value with known members. The decoder's own
// texts repeat values of the input, so they are not passed on.
func strictly(line []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil || d.More() {
		return errForm
	}
	return nil
}

// ParseHeader reads the first line.
func ParseHeader(line []byte) (h Header, err error) {
	if err := strictly(line, &h); err != nil {
		return Header{}, errNotOurs
	}
	if h.Format != Format || h.Version != Version || h.Persons < 0 || h.Persons > MaxPersons {
		return Header{}, errNotOurs
	}
	if !h.Synthetic {
		return Header{}, errRealPeople
	}
	return h, nil
}

// ParseRecord reads and checks one line after the header.
func ParseRecord(line []byte) (r Record, err error) {
	if err := strictly(line, &r); err != nil {
		return Record{}, err
	}
	n := 0
	for _, given := range []bool{r.Clinic != nil, r.Employee != nil, r.Person != nil} {
		if given {
			n++
		}
	}
	if n != 1 || r.Declaration != nil && r.Person == nil {
		return Record{}, errOneOf
	}
	switch {
	case r.Clinic != nil:
		err = r.Clinic.check()
	case r.Employee != nil:
		if r.Employee.ID.IsZero() || r.Employee.LegalEntityID.IsZero() || r.Employee.Party.ID.IsZero() {
			err = errID
		} else if !registry.RNOKPP(r.Employee.Party.TaxID).Valid() {
			err = errTaxID
		}
	default:
		err = Member{*r.Person, r.Declaration}.check()
	}
	if err != nil {
		return Record{}, err
	}
	return r, nil
}

func (c *Clinic) check() error {
	if c.LegalEntity.ID.IsZero() || c.Division.ID.IsZero() || c.Division.LegalEntityID != c.LegalEntity.ID {
		return errID
	}
	if !c.LegalEntity.EDRPOU.Valid() {
		return errEDRPOU
	}
	return nil
}

func (m Member) check() error {
	p := m.Person
	switch {
	case p.ID.IsZero():
		return errID
	case p.FirstName == "" || p.LastName == "" || p.BirthDate.IsZero():
		return errName
	case p.TaxID == "" && !p.NoTaxID, p.TaxID != "" && !registry.RNOKPP(p.TaxID).Valid():
		return errTaxID
	case p.UNZR != "" && !registry.UNZR(p.UNZR).MatchesBirthDate(p.BirthDate):
		return errUNZR
	}
	d := m.Declaration
	if d == nil {
		return nil
	}
	if d.ID.IsZero() || d.EmployeeID.IsZero() || d.DivisionID.IsZero() || d.LegalEntityID.IsZero() {
		return errID
	}
	if d.StartDate.IsZero() || d.EndDate.Before(d.StartDate) {
		return errDates
	}
	return nil
}
