// Package sickleave is the act by which a doctor establishes that a person
// cannot work for a time: медичний висновок про тимчасову непрацездатність, the
// composition of type TEMP_DISABILITY. Its draft and document, its rules and
// their terms, how one continues, corrects or cancels another, how it is read
// and printed, and how it leaves for the Pension Fund's register (ЕРЛН).
//
// Rules: ЕСОЗ 2 (first generation of compositions); terms of the Ministry of
// Health's order 1066 stand in a table (Rules). It refuses a document that is
// not exactly the one drafted, never tells a diagnosis to anybody, and trusts
// only bytes that the verifier hands over.
package sickleave

import (
	"time"

	"mist/registry"
	"mist/registry/composition"
	"mist/registry/record"
)

// Name is the stable name of the act kind; CancellationName that of the act
// that cancels one.
const (
	Name             registry.KindName = "sick_leave"
	CancellationName registry.KindName = "sick_leave_cancellation"
	// Version of both documents' shapes.
	Version = 1
)

// Type is the only type of conclusions that are sick leaves.
const Type = "TEMP_DISABILITY"

// Categories with rules of their own; all of them stand in the dictionary
// COMPOSITION_CATEGORIES.
const (
	Sickness     = "SICKNESS"
	ChildCare    = "CHILD_CARE"
	FamilyCare   = "FAMILY_CARE"
	ParentalCare = "PARENTAL_CARE"
	Pregnancy    = "PREGNANCY"
)

// Categories are those of a sick leave in the order of the dictionary, which
// also holds those of other types of conclusions.
var categories = []string{Sickness, ChildCare, FamilyCare, ParentalCare, Pregnancy, "QUARANTINE", "COVID19", "TEMP_TRANSFER", "PROSTHETIC", "RESTORATION"}

// care tells the categories in which somebody else than the patient is off work.
func care(category string) bool {
	return category == ChildCare || category == FamilyCare || category == ParentalCare
}

// Relations between conclusions.
const (
	Appends  = "appends"
	Replaces = "replaces"
)

// Dictionaries the rules read, by their eHealth names.
const (
	TypesDictionary         = "COMPOSITION_TYPES"
	CategoriesDictionary    = "COMPOSITION_CATEGORIES"
	EventsDictionary        = "COMPOSITION_EVENTS"
	ResourcesDictionary     = "eHealth/resources"
	ViolationsDictionary    = "COMPOSITION_TREATMENT_VIOLATION"
	CancellationsDictionary = "COMPOSITION_CANCELLATION_REASONS_TEMP_DISABILITY"
	validityPeriod          = "COMPOSITION_VALIDITY_PERIOD"
)

// Leave is the stored fact.
type Leave struct {
	ID            registry.ID // of the act
	SubjectID     registry.ID // the patient
	FocusID       registry.ID // who is off work: the patient, or who cares for them
	EmployeeID    registry.ID
	LegalEntityID registry.ID
	EncounterID   registry.ID
	Status        composition.Status
	Category      string
	Period        Period
	Relation      string // appends, replaces or empty
	TargetID      registry.ID
	Stored
	record record.Record
}

// Names are those of everybody concerned as of the draft; the printed form shows them.
type Names struct {
	Subject          string          `json:"subject"`
	SubjectBirthDate registry.Date   `json:"subject_birth_date"`
	Focus            string          `json:"focus"`
	FocusBirthDate   registry.Date   `json:"focus_birth_date"`
	Author           string          `json:"author"`
	LegalEntity      string          `json:"legal_entity"`
	EDRPOU           registry.EDRPOU `json:"edrpou"`
	Address          string          `json:"address"`
}

// Cancelled tells by which act, when and why a leave was marked as an error.
type Cancelled struct {
	ActID  registry.ID `json:"act_id"`
	At     time.Time   `json:"at"`
	Reason string      `json:"reason"`
	Text   string      `json:"text,omitempty"`
}

// Told is what those who know the number are told of the leave.
func (l *Leave) Told() composition.Record {
	return composition.Record{
		ID: l.ID, Number: l.Title, PersonID: l.FocusID, Type: Type, Category: l.Category, Status: l.Status,
		Date: Day(l.SignedAt), Start: l.Period.Start, End: l.Period.End, LegalEntityID: l.LegalEntityID,
	}
}

// InForce reports whether the leave counts for the rules about periods.
func (l *Leave) InForce() bool { return l.Status == composition.Final }

// Basis is what the rules ask of the encounter a conclusion rests on.
type Basis struct {
	PersonID      registry.ID
	EmployeeID    registry.ID // who performed and signed it
	LegalEntityID registry.ID
	Finished      bool
	Date          registry.Date // the day of the visit in Kyiv
	// Diagnosed: it has a primary diagnosis. Which one is not told to anybody.
	Diagnosed bool
}
