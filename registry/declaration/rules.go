package declaration

import (
	"slices"

	"mist/registry"
	"mist/registry/patient"
	"mist/registry/prm"
)

// Terms are the global parameters the rules read.
type Terms struct {
	AdultAge int // years; below it a paediatrician, from it a therapist
	// TermYears, TermMonths and TermDays together are how long a declaration lasts.
	TermYears, TermMonths, TermDays int
	// Limits is the number of declarations a doctor may hold, by speciality in office.
	Limits map[string]int
}

// DefaultTerms are the parameters in force: ADULT_AGE 18, DECLARATION_TERM 40
// years, limits of 2000 (therapist), 1800 (family doctor), 900 (paediatrician).
func DefaultTerms() Terms {
	return Terms{AdultAge: 18, TermYears: 40, Limits: map[string]int{
		"THERAPIST": 2000, "FAMILY_DOCTOR": 1800, "PEDIATRICIAN": 900,
	}}
}

var legalEntityTypes = []string{"MSP", "PRIMARY_CARE", "MSP_PHARMACY"}

func field(entry, rule, text string) error {
	return registry.Invalid(registry.FieldError{Entry: entry, Rule: rule, Description: text})
}

// checkParties holds the rules of "create" in the order of ЕСОЗ 1.1 and domain
// notes 1.3. Objects of another legal entity answer as absent.
func (t Terms) checkParties(c registry.Caller, p patient.Person, e prm.Employee, d prm.Division, l prm.LegalEntity, today registry.Date) error {
	if err := checkLegalEntity(l); err != nil {
		return err
	}
	if p.Status != patient.StatusActive {
		return registry.Errorf(registry.CodeNotFound, "Such person doesn't exist")
	}
	if p.AuthMethod().Type == "NA" {
		return field("$.person_id", "invalid", "Person must have authentication method")
	}
	if p.VerificationStatus == "NOT_VERIFIED" {
		return registry.Errorf(registry.CodeConflict, "Patient is not verified").WithReason("person_not_verified")
	}
	return t.checkDoctor(c, p, e, d, l, today)
}

// stillEligible is asked again at approval and at signing (ЕСОЗ 1.1): a person
// may have died, been merged or been found not verified since the draft.
func stillEligible(p patient.Person) error {
	if p.Status != patient.StatusActive {
		return registry.Errorf(registry.CodeConflict, "Person is not active").WithReason("person_status")
	}
	if p.VerificationStatus == patient.NotVerified {
		return registry.Errorf(registry.CodeConflict, "Patient is not verified").WithReason("person_not_verified")
	}
	return nil
}

func checkLegalEntity(l prm.LegalEntity) error {
	if !slices.Contains(legalEntityTypes, l.Type) {
		return registry.Errorf(registry.CodeConflict, "Invalid legal entity type").WithReason("legal_entity_type")
	}
	if !l.Active() {
		return registry.Errorf(registry.CodeConflict, "Legal entity is not active").WithReason("legal_entity_status")
	}
	return nil
}

// checkDoctor holds the rules about doctor, division and age, which are the
// same in every channel.
func (t Terms) checkDoctor(c registry.Caller, p patient.Person, e prm.Employee, d prm.Division, l prm.LegalEntity, today registry.Date) error {
	if e.LegalEntityID != c.LegalEntityID {
		return field("$.employee_id", "invalid", "Employee does not belong to your legal entity")
	}
	if e.Type != employeeTypeDoctor {
		return field("$.employee_id", "invalid", "Employee must be a DOCTOR")
	}
	if !e.Approved() {
		return field("$.employee_id", "invalid", "Employee is not approved")
	}
	if _, ok := t.Limits[e.Speciality]; !ok {
		return field("$.employee_id", "speciality_inclusion", "speciality in office must be one of THERAPIST, PEDIATRICIAN, FAMILY_DOCTOR")
	}
	if d.LegalEntityID != l.ID {
		return field("$.division_id", "invalid", "Division does not belong to your legal entity")
	}
	if !d.Active() {
		return field("$.division_id", "invalid", "Division is not active")
	}
	return t.checkAge(p.BirthDate, e.Speciality, today)
}

func (t Terms) checkAge(born registry.Date, speciality string, today registry.Date) error {
	adult := born.YearsAt(today) >= t.AdultAge
	if speciality == "THERAPIST" && !adult || speciality == "PEDIATRICIAN" && adult {
		return field("$.person_id", "invalid_age", "Doctor speciality doesn't match patient's age")
	}
	return nil
}

// period gives the first and last day. A paediatrician's declaration ends at
// the latest on the day before the patient comes of age.
func (t Terms) period(born registry.Date, speciality string, today registry.Date) (start, end registry.Date) {
	end = today.AddDate(t.TermYears, t.TermMonths, t.TermDays)
	if speciality == "PEDIATRICIAN" {
		if last := born.AddDate(t.AdultAge, 0, 0).AddDate(0, 0, -1); last.Before(end) {
			end = last
		}
	}
	return today, end
}

// checkLimit compares the doctor's declarations, counted over all positions of
// the party and without this patient, with the smallest limit of the
// specialities the party holds as a doctor.
func (t Terms) checkLimit(specialities []string, count int) error {
	limit := -1
	for _, s := range specialities {
		if n, ok := t.Limits[s]; ok && (limit < 0 || n < limit) {
			limit = n
		}
	}
	if count >= limit {
		return &registry.Error{Code: registry.CodeRuleViolated, Reason: "declaration_limit",
			Detail: "This doctor has " + itoa(count) + " declarations and could not sign more"}
	}
	return nil
}
