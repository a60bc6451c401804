package verification

import (
	"mist/registry"
	"mist/registry/outbox"
)

// Registers that are asked, as destinations of the outbox.
const (
	DRACS outbox.Destination = "dracs" // civil register: deaths, births, changed names
	DRFO  outbox.Destination = "drfo"  // register of tax numbers
	MVS   outbox.Destination = "mvs"   // demographic register
	EDR   outbox.Destination = "edr"   // register of legal entities
)

// Their services, by the codes under which the registers publish them (ЕСОЗ 3.4, 3.6).
const (
	DeathsByPeriod      outbox.Operation = "GetDeathArByRegDatePeriod"
	DeathByName         outbox.Operation = "GetDeathArByFullNameAndBirthDate"
	BirthByName         outbox.Operation = "GetBirthArByChildNameAndBirthDate"
	NameChangesByPeriod outbox.Operation = "GetChangeNameArByRegDatePeriod"
	CheckTaxNumber      outbox.Operation = "FindRegistrationDRFO"
	CheckUNZR           outbox.Operation = "checkunzr"
	FindLegalEntity     outbox.Operation = "subjects"
)

// Period asks for the act records registered from one day to another.
type Period struct {
	From registry.Date `json:"from"`
	To   registry.Date `json:"to"`
}

// NameQuery asks by names and day of birth.
type NameQuery struct {
	LastName   string        `json:"last_name"`
	FirstName  string        `json:"first_name"`
	SecondName string        `json:"second_name,omitempty"`
	BirthDate  registry.Date `json:"birth_date"`
}

// NumberQuery asks whether a number is of this person: a tax number or a УНЗР.
type NumberQuery struct {
	NameQuery
	Number string `json:"number"`
	// Version of the record the question was made from: an answer about an
	// earlier one changes nothing.
	Version int `json:"version"`
}

// DeathRecord is a record of a death as the civil register tells it. Days are
// text there: what is no day stays empty here.
type DeathRecord struct {
	RegNumber  string        `json:"reg_number"`
	RegDate    registry.Date `json:"reg_date,omitzero"`
	LastName   string        `json:"last_name"`
	FirstName  string        `json:"first_name"`
	SecondName string        `json:"second_name,omitempty"`
	BirthDate  registry.Date `json:"birth_date,omitzero"`
	DeathDate  registry.Date `json:"death_date,omitzero"`
	TaxID      string        `json:"tax_id,omitempty"`
}

// BirthRecord is a record of a birth.
type BirthRecord struct {
	RegNumber  string        `json:"reg_number"`
	RegDate    registry.Date `json:"reg_date,omitzero"`
	LastName   string        `json:"last_name"`
	FirstName  string        `json:"first_name"`
	SecondName string        `json:"second_name,omitempty"`
	BirthDate  registry.Date `json:"birth_date,omitzero"`
	// Certificates are series and numbers as written.
	Certificates []string `json:"certificates,omitempty"`
}

// NameChangeRecord is a record of a changed name.
type NameChangeRecord struct {
	RegNumber string        `json:"reg_number"`
	RegDate   registry.Date `json:"reg_date,omitzero"`
	BirthDate registry.Date `json:"birth_date,omitzero"`
	TaxID     string        `json:"tax_id,omitempty"`
	// The names before and after.
	OldLastName   string `json:"old_last_name"`
	OldFirstName  string `json:"old_first_name"`
	OldSecondName string `json:"old_second_name,omitempty"`
	NewLastName   string `json:"new_last_name"`
	NewFirstName  string `json:"new_first_name"`
	NewSecondName string `json:"new_second_name,omitempty"`
}

// Answers of the registers, in the form connectors promise.
type (
	// DeathList answers [DeathsByPeriod] and [DeathByName].
	DeathList struct {
		Records []DeathRecord `json:"records"`
	}
	// Births answers [BirthByName].
	Births struct {
		Records []BirthRecord `json:"records"`
	}
	// NameChanges answers [NameChangesByPeriod].
	NameChanges struct {
		Records []NameChangeRecord `json:"records"`
	}
	// Outcome answers [CheckTaxNumber] and [CheckUNZR].
	Outcome struct {
		Result Result `json:"result"`
	}
	// EntityQuery asks for a legal entity by its code.
	EntityQuery struct {
		Code string `json:"code"`
	}
	// EntityQuestion is the question as the outbox keeps it.
	EntityQuestion struct {
		EntityQuery
		LegalEntityID registry.ID `json:"legal_entity_id"`
	}
	// Entity answers [FindLegalEntity]. State 1 is registered (ЕСОЗ 3.6);
	// Found is false when the register knows no such code.
	Entity struct {
		Found     bool   `json:"found"`
		State     int    `json:"state"`
		StateText string `json:"state_text"`
		Name      string `json:"name"`
		Code      string `json:"code"`
	}
)

// Result of a check of a number.
type Result string

// Results.
const (
	ResultMatch    Result = "match"
	ResultNone     Result = "none"     // there is no such number
	ResultOther    Result = "other"    // it is somebody else's
	ResultInvalid  Result = "invalid"  // it is not in force
	ResultDeclined Result = "declined" // the person has refused the number
)

// EDRRegistered is the state of a legal entity that stands in the register.
const EDRRegistered = 1

// MaxRecords bounds one answer of the civil register.
const MaxRecords = 10000
