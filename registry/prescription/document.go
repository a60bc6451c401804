package prescription

import (
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"mist/registry"
	"mist/registry/decimal"
	"mist/registry/document"
	"mist/registry/prm"
)

// Coding, Concept and the rest are FHIR R4 datatypes as the eHealth API names them.
type Coding struct {
	System string `json:"system"`
	Code   string `json:"code"`
}

// Concept is a CodeableConcept.
type Concept struct {
	Coding []Coding `json:"coding"`
	Text   string   `json:"text,omitempty"`
}

// Quantity is a SimpleQuantity.
type Quantity struct {
	Value  decimal.Decimal `json:"value"`
	Unit   string          `json:"unit"`
	System string          `json:"system,omitempty"`
	Code   string          `json:"code,omitempty"`
}

// Ratio of two quantities.
type Ratio struct {
	Numerator   Quantity `json:"numerator"`
	Denominator Quantity `json:"denominator"`
}

// Reference is an identifier with its type.
type Reference struct {
	Identifier Identifier `json:"identifier"`
}

// Identifier names a record of another kind.
type Identifier struct {
	Type  Concept     `json:"type"`
	Value registry.ID `json:"value"`
}

// Repeat says how often.
type Repeat struct {
	Bounds     *Quantity       `json:"bounds_duration,omitempty"`
	Count      int             `json:"count,omitempty"`
	Frequency  int             `json:"frequency,omitempty"`
	Period     decimal.Decimal `json:"period,omitzero"`
	PeriodUnit string          `json:"period_unit,omitempty"`
	DayOfWeek  []string        `json:"day_of_week,omitempty"`
	TimeOfDay  []string        `json:"time_of_day,omitempty"`
	When       []string        `json:"when,omitempty"`
	Offset     int             `json:"offset,omitempty"`
}

// Timing of doses.
type Timing struct {
	Event  []string `json:"event,omitempty"`
	Repeat *Repeat  `json:"repeat,omitempty"`
	Code   *Concept `json:"code,omitempty"`
}

// DoseAndRate is how much at a time.
type DoseAndRate struct {
	Type         *Concept  `json:"type,omitempty"`
	DoseQuantity *Quantity `json:"dose_quantity,omitempty"`
	RateRatio    *Ratio    `json:"rate_ratio,omitempty"`
}

// Instruction is a FHIR Dosage.
type Instruction struct {
	Sequence              int          `json:"sequence"`
	Text                  string       `json:"text,omitempty"`
	AdditionalInstruction []Concept    `json:"additional_instruction,omitempty"`
	PatientInstruction    string       `json:"patient_instruction,omitempty"`
	Timing                *Timing      `json:"timing,omitempty"`
	AsNeeded              bool         `json:"as_needed_boolean,omitempty"`
	Site                  *Concept     `json:"site,omitempty"`
	Route                 *Concept     `json:"route,omitempty"`
	Method                *Concept     `json:"method,omitempty"`
	DoseAndRate           *DoseAndRate `json:"dose_and_rate,omitempty"`
	MaxPerPeriod          *Ratio       `json:"max_dose_per_period,omitempty"`
	MaxPerAdministration  *Quantity    `json:"max_dose_per_administration,omitempty"`
	MaxPerLifetime        *Quantity    `json:"max_dose_per_lifetime,omitempty"`
}

// Input is what a doctor asks for.
type Input struct {
	PersonID     registry.ID     `json:"person_id"`
	EmployeeID   registry.ID     `json:"employee_id"`
	DivisionID   registry.ID     `json:"division_id"`
	CreatedAt    registry.Date   `json:"created_at"`
	StartedAt    registry.Date   `json:"started_at"`
	EndedAt      registry.Date   `json:"ended_at"`
	MedicationID registry.ID     `json:"medication_id"`
	Qty          decimal.Decimal `json:"medication_qty"`
	ProgramID    registry.ID     `json:"medical_program_id,omitzero"`
	Intent       string          `json:"intent"`
	Category     string          `json:"category"`
	Context      *Reference      `json:"context,omitempty"`
	BasedOn      []Reference     `json:"based_on,omitempty"`
	Instructions []Instruction   `json:"dosage_instruction,omitempty"`
}

// ContextID is the encounter, zero where there is none.
func (in Input) ContextID() registry.ID {
	if in.Context == nil {
		return registry.ID{}
	}
	return in.Context.Identifier.Value
}

type createBody struct {
	Request Input `json:"medication_request_request"`
}

type prequalifyBody struct {
	Request  Input       `json:"medication_request_request"`
	Programs []programID `json:"programs"`
}

type programID struct {
	ID registry.ID `json:"id"`
}

// Names of code lists (domain notes 1.7).
const (
	listIntent     = "MEDICATION_REQUEST_INTENT"
	listCategory   = "MEDICATION_REQUEST_CATEGORY"
	listReject     = "MEDICATION_REQUEST_REJECT_REASON"
	listBlock      = "MEDICATION_REQUEST_BLOCK_REASON"
	listAdditional = "eHealth/SNOMED/additional_dosage_instructions"
	listSite       = "eHealth/SNOMED/anatomical_structure_administration_site_codes"
	listRoute      = "eHealth/SNOMED/route_codes"
	listMethod     = "eHealth/SNOMED/administration_methods"
	listDose       = "eHealth/dose_and_rate"
	listTiming     = "TIMING_ABBREVIATION"
	listUnit       = "MEDICATION_UNIT"
	listTime       = "eHealth/ucum/units_of_time"
	listDay        = "DAYS_OF_WEEK"
	listWhen       = "EVENT_TIMING"
)

const (
	maxInstructions = 100
	maxText         = 2000
	entryRequest    = "$.medication_request_request"
)

// checkInput holds a request against the rules that need no rows.
func checkInput(in Input, t Terms, today registry.Date) error {
	var f document.Faults
	at := func(name string) string { return entryRequest + "." + name }
	if !t.Lists.Has(listIntent, in.Intent) {
		f.Add(at("intent"), "inclusion", "value is not allowed in enum", listIntent)
	}
	if !t.Lists.Has(listCategory, in.Category) {
		f.Add(at("category"), "inclusion", "value is not allowed in enum", listCategory)
	}
	if in.Qty <= 0 {
		f.Add(at("medication_qty"), "number", "must be greater than 0")
	}
	if in.EndedAt.Before(in.StartedAt) {
		f.Add(at("ended_at"), "invalid", "Ended date must be >= Started date!")
	}
	if in.StartedAt.Before(in.CreatedAt) {
		f.Add(at("started_at"), "invalid", "Started date must be >= Created date!")
	}
	if in.StartedAt.Before(today) {
		f.Add(at("started_at"), "invalid", "Started date must be >= Current date!")
	}
	if in.CreatedAt.Before(today.AddDate(0, 0, -t.BackdateDays)) {
		f.Add(at("created_at"), "invalid", fmt.Sprintf("Create date must be >= Current date - %d days!", t.BackdateDays))
	}
	if today.Before(in.CreatedAt) {
		f.Add(at("created_at"), "invalid", "Create date must be <= Current date!")
	}
	if in.Intent == IntentPlan && !in.ProgramID.IsZero() {
		f.Add(at("medical_program_id"), "invalid", "A plan has no medical program: it is not dispensed")
	}
	if c := in.Context; c != nil && !coded(c.Identifier.Type, "encounter") {
		f.Add(at("context.identifier.type.coding"), "inclusion", "value is not allowed in enum", "encounter")
	}
	if len(in.BasedOn) > 0 {
		f.Add(at("based_on"), "invalid", "Care plans are not kept by this registry")
	}
	checkInstructions(&f, at("dosage_instruction"), in.Instructions, t.Lists)
	return f.Err()
}

func coded(c Concept, code string) bool {
	return len(c.Coding) == 1 && c.Coding[0].System == "eHealth/resources" && c.Coding[0].Code == code
}

func checkInstructions(f *document.Faults, at string, list []Instruction, lists prm.Lists) {
	if len(list) > maxInstructions {
		f.Add(at, "length", "expected at most 100 items")
		return
	}
	for i, d := range list {
		here := fmt.Sprintf("%s.[%d]", at, i)
		if d.Sequence < 1 {
			f.Add(here+".sequence", "number", "must be greater than 0")
		}
		if slices.ContainsFunc(list[:i], func(o Instruction) bool { return o.Sequence == d.Sequence }) {
			f.Add(here+".sequence", "unique", "sequence must be unique")
		}
		words(f, here+".text", d.Text)
		words(f, here+".patient_instruction", d.PatientInstruction)
		for j, c := range d.AdditionalInstruction {
			concept(f, fmt.Sprintf("%s.additional_instruction.[%d]", here, j), &c, listAdditional, lists)
		}
		concept(f, here+".site", d.Site, listSite, lists)
		concept(f, here+".route", d.Route, listRoute, lists)
		concept(f, here+".method", d.Method, listMethod, lists)
		if d.DoseAndRate != nil {
			concept(f, here+".dose_and_rate.type", d.DoseAndRate.Type, listDose, lists)
			quantity(f, here+".dose_and_rate.dose_quantity", d.DoseAndRate.DoseQuantity, listUnit, lists)
			ratio(f, here+".dose_and_rate.rate_ratio", d.DoseAndRate.RateRatio, lists)
		}
		ratio(f, here+".max_dose_per_period", d.MaxPerPeriod, lists)
		quantity(f, here+".max_dose_per_administration", d.MaxPerAdministration, listUnit, lists)
		quantity(f, here+".max_dose_per_lifetime", d.MaxPerLifetime, listUnit, lists)
		if d.Timing != nil {
			timing(f, here+".timing", *d.Timing, lists)
		}
	}
}

func words(f *document.Faults, at, text string) {
	if utf8.RuneCountInString(text) > maxText {
		f.Add(at, "length", "expected at most 2000 characters")
	}
}

// concept demands codings of one list, each of its codes.
func concept(f *document.Faults, at string, c *Concept, list string, lists prm.Lists) {
	if c == nil {
		return
	}
	if len(c.Coding) != 1 {
		f.Add(at+".coding", "length", "expected one coding")
		return
	}
	if c.Coding[0].System != list {
		f.Add(at+".coding.[0].system", "inclusion", "value is not allowed in enum", list)
	} else if !lists.Has(list, c.Coding[0].Code) {
		f.Add(at+".coding.[0].code", "inclusion", "value is not allowed in enum", list)
	}
}

func quantity(f *document.Faults, at string, q *Quantity, list string, lists prm.Lists) {
	if q == nil {
		return
	}
	if q.Value <= 0 {
		f.Add(at+".value", "number", "must be greater than 0")
	}
	if q.Code != "" && !lists.Has(list, q.Code) {
		f.Add(at+".code", "inclusion", "value is not allowed in enum", list)
	}
}

func ratio(f *document.Faults, at string, r *Ratio, lists prm.Lists) {
	if r != nil {
		quantity(f, at+".numerator", &r.Numerator, listUnit, lists)
		quantity(f, at+".denominator", &r.Denominator, listTime, lists)
	}
}

func timing(f *document.Faults, at string, t Timing, lists prm.Lists) {
	concept(f, at+".code", t.Code, listTiming, lists)
	for i, event := range t.Event {
		if _, err := time.Parse(time.RFC3339, event); err != nil {
			f.Add(fmt.Sprintf("%s.event.[%d]", at, i), "datetime", "expected a time of RFC 3339")
		}
	}
	r := t.Repeat
	if r == nil {
		return
	}
	quantity(f, at+".repeat.bounds_duration", r.Bounds, listTime, lists)
	if r.Count < 0 || r.Frequency < 0 || r.Offset < 0 || r.Period < 0 {
		f.Add(at+".repeat", "number", "must not be negative")
	}
	for i, when := range r.TimeOfDay {
		if _, err := time.Parse("15:04:05", when); err != nil {
			f.Add(fmt.Sprintf("%s.repeat.time_of_day.[%d]", at, i), "time", "expected HH:MM:SS")
		}
	}
	each := func(name, list string, codes []string) {
		for i, code := range codes {
			if !lists.Has(list, code) {
				f.Add(fmt.Sprintf("%s.repeat.%s.[%d]", at, name, i), "inclusion", "value is not allowed in enum", list)
			}
		}
	}
	each("day_of_week", listDay, r.DayOfWeek)
	each("when", listWhen, r.When)
	if r.PeriodUnit != "" {
		each("period_unit", listTime, []string{r.PeriodUnit})
	}
}
