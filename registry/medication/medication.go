// Package medication is the reference data of prescriptions: international
// names (INNM) → dosages → brands, medical programmes with the switches that
// decide their rules, and the brands that take part in a programme with what
// the state pays for them. It is loaded from a file and read by everybody who
// prescribes or dispenses; no person stands in it.
//
// Source: domain notes 1.7, ЕСОЗ 5. It refuses a whole file for one wrong
// place and trusts nobody for its size.
package medication

import (
	"slices"

	"mist/registry"
	"mist/registry/decimal"
)

// INNM is an international non-proprietary name.
type INNM struct {
	ID           registry.ID `json:"id"`
	SCTID        string      `json:"sctid,omitempty"` // SNOMED CT, 8 digits
	Name         string      `json:"name"`            // in Cyrillic
	NameOriginal string      `json:"name_original"`   // in Latin
	IsActive     bool        `json:"is_active"`
}

// Types of a medication.
const (
	TypeDosage = "INNM_DOSAGE"
	TypeBrand  = "BRAND"
)

// Amount of a substance or of doses: numerator in denumerator (eHealth's word),
// 500 MG in 1 PILL.
type Amount struct {
	NumeratorUnit    string          `json:"numerator_unit"`
	NumeratorValue   decimal.Decimal `json:"numerator_value"`
	DenumeratorUnit  string          `json:"denumerator_unit"`
	DenumeratorValue decimal.Decimal `json:"denumerator_value"`
}

// Ingredient of a dosage is an INNM, of a brand a dosage; exactly one is primary.
type Ingredient struct {
	ID        registry.ID `json:"id"`
	IsPrimary bool        `json:"is_primary"`
	Dosage    Amount      `json:"dosage"`
}

// Dosage is what a doctor prescribes: substance, strength and form.
type Dosage struct {
	ID          registry.ID  `json:"id"`
	Name        string       `json:"name"`
	Form        string       `json:"form"` // MEDICATION_FORM
	Ingredients []Ingredient `json:"ingredients"`
	// MostPerDay is the largest daily dosage a prescription may ask for; zero: not known.
	MostPerDay decimal.Decimal `json:"max_daily_dosage,omitzero"`
	IsActive   bool            `json:"is_active"`
}

// INNM is the primary one.
func (d Dosage) INNM() registry.ID { return primary(d.Ingredients) }

// Manufacturer of a brand.
type Manufacturer struct {
	Name    string `json:"name"`
	Country string `json:"country"`
}

// Brand is what a pharmacy dispenses.
type Brand struct {
	ID           registry.ID     `json:"id"`
	Name         string          `json:"name"`
	Form         string          `json:"form"`
	Ingredients  []Ingredient    `json:"ingredients"`
	Manufacturer Manufacturer    `json:"manufacturer"`
	ATC          []string        `json:"code_atc"`
	Container    Amount          `json:"container"`
	PackageQty   decimal.Decimal `json:"package_qty"`
	// PackageMinQty is the least part of a package that is dispensed: a blister.
	PackageMinQty      decimal.Decimal `json:"package_min_qty"`
	Certificate        string          `json:"certificate"`
	CertificateExpires registry.Date   `json:"certificate_expired_at,omitzero"`
	DailyDosage        decimal.Decimal `json:"daily_dosage,omitzero"`
	IsActive           bool            `json:"is_active"`
}

// Dosage is the primary one.
func (b Brand) Dosage() registry.ID { return primary(b.Ingredients) }

func primary(list []Ingredient) registry.ID {
	for _, i := range list {
		if i.IsPrimary {
			return i.ID
		}
	}
	return registry.ID{}
}

// Types of a programme.
const (
	ProgramMedication = "MEDICATION"
	ProgramService    = "SERVICE"
	ProgramDevice     = "DEVICE"
)

// FundingNHS is the source of money of programmes that the NHSU pays for.
const FundingNHS = "NHS"

// Program is a medical programme.
type Program struct {
	ID            registry.ID `json:"id"`
	Name          string      `json:"name"`
	Type          string      `json:"type"`
	FundingSource string      `json:"funding_source,omitempty"` // NHS, LOCAL, …
	BlankType     string      `json:"mr_blank_type,omitempty"`  // F-1, F-3
	Settings      Settings    `json:"medical_program_settings"`
	IsActive      bool        `json:"is_active"`
}

// Settings are the switches of a programme (ЕСОЗ 5, Medical_program_settings):
// every rule that a programme may turn on, off or narrow. An empty list
// restricts nothing, a zero number leaves the registry's own parameter.
type Settings struct {
	CarePlanRequired               bool     `json:"care_plan_required,omitempty"`
	EmployeeTypes                  []string `json:"employee_types_to_create_medication_request,omitempty"`
	Specialities                   []string `json:"speciality_types_allowed,omitempty"`
	SkipTreatmentPeriod            bool     `json:"skip_mnn_in_treatment_period,omitempty"`
	SkipEmployeeValidation         bool     `json:"skip_employee_validation,omitempty"`
	ICD10                          []string `json:"conditions_icd10_am_allowed,omitempty"`
	ICPC2                          []string `json:"conditions_icpc2_allowed,omitempty"`
	ProvidingConditions            []string `json:"providing_conditions_allowed,omitempty"`
	PatientCategories              []string `json:"patient_categories_allowed,omitempty"`
	MaxPeriodDays                  int      `json:"medication_request_max_period_day,omitempty"`
	SkipEmployeeDeclaration        bool     `json:"skip_medication_request_employee_declaration_verify,omitempty"`
	SkipLegalEntityDeclaration     bool     `json:"skip_medication_request_legal_entity_declaration_verify,omitempty"`
	MultiDispense                  bool     `json:"multi_medication_dispense_allowed,omitempty"`
	SkipDispenseSign               bool     `json:"skip_medication_dispense_sign,omitempty"`
	NoNotification                 bool     `json:"request_notification_disabled,omitempty"`
	SkipContract                   bool     `json:"skip_contract_provision_verify,omitempty"`
	SkipDLS                        bool     `json:"skip_dispense_division_dls_verify,omitempty"`
	DispensePeriodDays             int      `json:"medication_dispense_period_day,omitempty"`
	ProgramChangeOnDispenseAllowed bool     `json:"medical_program_change_on_dispense_allowed,omitempty"`
	LicenseTypes                   []string `json:"license_types_allowed,omitempty"`
	DeviceCodeTypes                []string `json:"device_request_allowed_code_types,omitempty"`
}

// Reimbursement is what is paid for a package.
type Reimbursement struct {
	Type   string          `json:"type"` // FIXED
	Amount decimal.Decimal `json:"reimbursement_amount"`
}

// ReimbursementFixed is the one type there is.
const ReimbursementFixed = "FIXED"

// Participant is a brand in a programme.
type Participant struct {
	ID            registry.ID   `json:"id"`
	MedicationID  registry.ID   `json:"medication_id"`
	ProgramID     registry.ID   `json:"medical_program_id"`
	Reimbursement Reimbursement `json:"reimbursement"`
	// Divisible: parts of a package may be dispensed; if not, whole packages alone.
	Divisible      bool          `json:"package_quantity_divisible"`
	RequestAllowed bool          `json:"medication_request_allowed"`
	StartDate      registry.Date `json:"start_date,omitzero"`
	EndDate        registry.Date `json:"end_date,omitzero"`
	IsActive       bool          `json:"is_active"`
}

// ActiveOn reports whether the brand takes part on a day.
func (p Participant) ActiveOn(day registry.Date) bool {
	return p.IsActive && (p.StartDate.IsZero() || !day.Before(p.StartDate)) && (p.EndDate.IsZero() || !p.EndDate.Before(day))
}

// Step is the least quantity of a brand that is dispensed, whole packages
// where the programme demands them.
func (p Participant) Step(b Brand) decimal.Decimal {
	if !p.Divisible {
		return b.PackageQty
	}
	return b.PackageMinQty
}

// Allowed is what the state pays for a quantity of a brand: the reimbursement of
// a package, by the share of it.
func (p Participant) Allowed(b Brand, qty decimal.Decimal) decimal.Decimal {
	return p.Reimbursement.Amount.MulDiv(qty, b.PackageQty)
}

// Offer is a brand with its part in a programme; Participant is zero where a
// prescription has no programme.
type Offer struct {
	Brand       Brand
	Participant Participant
}

// Fits reports whether a quantity is a multiple of what one of the offers is
// dispensed by; without a programme any part of a package may be.
func Fits(offers []Offer, qty decimal.Decimal) bool {
	return slices.ContainsFunc(offers, func(o Offer) bool { return qty.MultipleOf(o.Step()) })
}

// Step is the least quantity.
func (o Offer) Step() decimal.Decimal {
	if o.Participant.ID.IsZero() {
		return o.Brand.PackageMinQty
	}
	return o.Participant.Step(o.Brand)
}
