package prescription

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"mist/registry"
	"mist/registry/decimal"
	"mist/registry/medication"
	"mist/registry/patient"
	"mist/registry/prm"
	"mist/registry/record"
)

// facts are what the rules of a request are judged by.
type facts struct {
	caller      registry.Caller
	person      patient.Person
	employee    prm.Employee
	division    prm.Division
	legalEntity prm.LegalEntity
	dosage      medication.Dosage
	// diagnoses are the codes of the encounter, by code system; nil without one.
	diagnoses map[string][]string
	today     registry.Date
}

// programFacts are those of one programme; its zero value is none.
type programFacts struct {
	program *medication.Program
	offers  []medication.Offer
	periods []Period
	// declaredDoctor and declaredClinic: the patient has a declaration with the
	// doctor, or with the clinic at all.
	declaredDoctor, declaredClinic bool
}

func wrong(name, rule, text string, params ...string) error {
	return registry.Invalid(registry.FieldError{Entry: entryRequest + "." + name, Rule: rule, Description: text, Params: params})
}

// checkParties holds the rules that are the same with and without a programme.
// Objects of another legal entity answer as absent.
func checkParties(f facts) error {
	if !f.legalEntity.Active() {
		return registry.Errorf(registry.CodeConflict, "Legal entity is not active").WithReason("legal_entity_status")
	}
	if err := standing(f.person); err != nil {
		return err
	}
	switch {
	case f.employee.LegalEntityID != f.caller.LegalEntityID:
		return wrong("employee_id", "invalid", "Employee does not belong to your legal entity")
	case !f.employee.Approved():
		return wrong("employee_id", "invalid", "Employee is not approved")
	case f.division.LegalEntityID != f.caller.LegalEntityID:
		return wrong("division_id", "invalid", "Division does not belong to your legal entity")
	case !f.division.Active():
		return wrong("division_id", "invalid", "Division is not active")
	case !f.dosage.IsActive:
		return wrong("medication_id", "invalid", "Medication is not active")
	}
	return nil
}

// standing is asked again when the doctor signs.
func standing(p patient.Person) error {
	if p.Status != patient.StatusActive {
		return registry.Errorf(registry.CodeConflict, "Person is not active").WithReason("person_status")
	}
	if p.VerificationStatus == patient.NotVerified {
		return registry.Errorf(registry.CodeConflict, "Patient is not verified").WithReason("person_not_verified")
	}
	return nil
}

// checkProgram holds a request against the switches of a programme, or against
// the rules of prescriptions without one. The answer names what stands against it.
func (t Terms) checkProgram(in Input, f facts, p programFacts) error {
	if p.program == nil {
		if !slices.Contains(t.FreeTypes, f.employee.Type) {
			return wrong("employee_id", "invalid", "Employee type is not allowed to create medication requests", t.FreeTypes...)
		}
		return t.checkQuantity(in, p)
	}
	g, s := p.program, p.program.Settings
	if !g.IsActive || g.Type != medication.ProgramMedication {
		return wrong("medical_program_id", "invalid", "Medical program is not active")
	}
	if s.CarePlanRequired {
		return wrong("based_on", "required", "Medical program requires a care plan")
	}
	if err := t.checkEmployee(s, f.employee); err != nil {
		return err
	}
	switch {
	case !s.SkipEmployeeDeclaration && !p.declaredDoctor:
		return wrong("employee_id", "invalid", "Only doctors with an active declaration with the patient can create medication request!")
	case !s.SkipLegalEntityDeclaration && !p.declaredClinic:
		return wrong("employee_id", "invalid", "Only legal entities with an active declaration with the patient can create medication request!")
	}
	if err := checkDiagnoses(s, f.diagnoses); err != nil {
		return err
	}
	if len(s.PatientCategories) > 0 {
		return wrong("person_id", "invalid", "Medical program is for categories of patients that this registry does not keep", s.PatientCategories...)
	}
	if len(s.ProvidingConditions) > 0 {
		return wrong("division_id", "invalid", "Medical program demands conditions of providing that this registry does not keep", s.ProvidingConditions...)
	}
	if s.MaxPeriodDays > 0 && in.StartedAt.AddDate(0, 0, s.MaxPeriodDays).Before(in.EndedAt) {
		return wrong("ended_at", "invalid", fmt.Sprintf("Medication request period must not exceed %d days", s.MaxPeriodDays))
	}
	if !s.SkipTreatmentPeriod {
		if err := t.checkTreatment(in, p.periods, f.today); err != nil {
			return err
		}
	}
	return t.checkQuantity(in, p)
}

func (t Terms) checkEmployee(s medication.Settings, e prm.Employee) error {
	if s.SkipEmployeeValidation {
		return nil
	}
	types := t.EmployeeTypes
	if len(s.EmployeeTypes) > 0 {
		types = s.EmployeeTypes
	}
	if !slices.Contains(types, e.Type) {
		return wrong("employee_id", "invalid", "Employee type is not allowed to create medication requests with this medical program", types...)
	}
	if len(s.Specialities) > 0 && !slices.Contains(s.Specialities, e.Speciality) {
		return wrong("employee_id", "speciality_inclusion", "Employee speciality is not allowed by this medical program", s.Specialities...)
	}
	return nil
}

func checkDiagnoses(s medication.Settings, have map[string][]string) error {
	if len(s.ICD10) == 0 && len(s.ICPC2) == 0 {
		return nil
	}
	if have == nil {
		return wrong("context", "required", "Medical program demands an encounter with one of its diagnoses")
	}
	any := func(codes, allowed []string) bool {
		return slices.ContainsFunc(codes, func(c string) bool { return slices.Contains(allowed, c) })
	}
	if any(have[SystemICD10], s.ICD10) || any(have[SystemICPC2], s.ICPC2) {
		return nil
	}
	return wrong("context", "invalid", "Diagnosis of the encounter is not allowed by this medical program", slices.Concat(s.ICD10, s.ICPC2)...)
}

// Code systems of diagnoses.
const (
	SystemICD10 = "eHealth/ICD10_AM/condition_codes"
	SystemICPC2 = "eHealth/ICPC2/condition_codes"
)

// checkTreatment: one prescription of a substance at a time within programmes,
// renewed shortly before the end of the last (domain notes 1.7).
func (t Terms) checkTreatment(in Input, periods []Period, today registry.Date) error {
	var last Period
	for _, p := range periods {
		if p.Program && (last.ID.IsZero() || last.End.Before(p.End)) {
			last = p
		}
	}
	if last.ID.IsZero() || last.End.Before(today) {
		return nil
	}
	if !last.End.Before(in.StartedAt) {
		return wrong("started_at", "invalid", "It can be only 1 active/ completed medication request request or medication request for the same innm for the same patient at the same period of time!")
	}
	days := t.RenewShort
	if !last.End.Before(last.Start.AddDate(0, 0, t.StandardDays-1)) {
		days = t.RenewLong
	}
	if today.Before(last.End.AddDate(0, 0, -days)) {
		return wrong("medication_id", "invalid", "It's to early to create new medication request for such innm_dosage and medical_program_id")
	}
	return nil
}

// checkQuantity: something is sold of it, in the programme if there is one, and
// the quantity is a whole number of its least parts.
func (t Terms) checkQuantity(in Input, p programFacts) error {
	offers := p.offers
	if p.program != nil {
		offers = slices.DeleteFunc(slices.Clone(offers), func(o medication.Offer) bool {
			return !o.Participant.RequestAllowed || !o.Participant.ActiveOn(in.CreatedAt)
		})
		if len(offers) == 0 {
			return wrong("medication_id", "invalid", "Innm not on the list of approved innms for program")
		}
	}
	if len(offers) == 0 {
		return wrong("medication_id", "invalid", "There is no active medication of this dosage")
	}
	if in.Intent == IntentPlan {
		return nil
	}
	if !medication.Fits(offers, in.Qty) {
		return wrong("medication_qty", "invalid", "The amount of medications in medication request must be divisible to package minimum quantity")
	}
	return nil
}

// checkDose holds the largest dose of a day that an instruction allows against
// that of the drug.
func checkDose(list []Instruction, most decimal.Decimal) error {
	for i, d := range list {
		r := d.MaxPerPeriod
		if most > 0 && r != nil && r.Denominator.Code == "d" && r.Numerator.Value > most.MulDiv(r.Denominator.Value, decimal.Of(1)) {
			return wrong(fmt.Sprintf("dosage_instruction.[%d].max_dose_per_period", i), "number", "Maximum dose per day is above that of the medication", most.String())
		}
	}
	return nil
}

// gather reads the facts of a request.
func gather(ctx context.Context, tx Tx, c registry.Caller, in Input, today registry.Date) (f facts, err error) {
	f.caller, f.today = c, today
	absent := func(err error, name, text string) error {
		if registry.CodeOf(err) == registry.CodeNotFound {
			return wrong(name, "invalid", text)
		}
		return err
	}
	if f.legalEntity, err = tx.LegalEntity(ctx, c.LegalEntityID); err != nil {
		return f, err
	}
	if f.person, err = tx.Person(ctx, in.PersonID); err != nil {
		if registry.CodeOf(err) == registry.CodeNotFound {
			err = registry.Errorf(registry.CodeNotFound, "Such person doesn't exist").WithReason("person")
		}
		return f, err
	}
	if f.employee, err = tx.Employee(ctx, in.EmployeeID); err != nil {
		return f, absent(err, "employee_id", "Employee does not exist")
	}
	if f.division, err = tx.Division(ctx, in.DivisionID); err != nil {
		return f, absent(err, "division_id", "Division does not exist")
	}
	if f.dosage, err = tx.DosageByID(ctx, in.MedicationID); err != nil {
		return f, absent(err, "medication_id", "Medication does not exist: medication_id is that of an INNM dosage")
	}
	if id := in.ContextID(); !id.IsZero() {
		r, err := record.Encounter(ctx, tx, in.PersonID, id, entryRequest+".context.identifier.value")
		if err != nil {
			return f, err
		}
		f.diagnoses = diagnoses(r.Body)
	}
	return f, nil
}

// diagnoses finds the codes of conditions in an encounter's document, wherever
// its kind keeps them.
func diagnoses(body []byte) map[string][]string {
	out := map[string][]string{}
	var v any
	if json.Unmarshal(body, &v) != nil {
		return out
	}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, one := range v {
				walk(one)
			}
		case map[string]any:
			system, _ := v["system"].(string)
			code, _ := v["code"].(string)
			if code != "" && (system == SystemICD10 || system == SystemICPC2) {
				out[system] = append(out[system], code)
			}
			for _, one := range v {
				walk(one)
			}
		}
	}
	walk(v)
	return out
}

// gatherProgram reads what the rules of one programme ask.
func gatherProgram(ctx context.Context, tx Tx, f facts, in Input, id registry.ID) (p programFacts, err error) {
	if !id.IsZero() {
		g, err := tx.ProgramByID(ctx, id)
		if registry.CodeOf(err) == registry.CodeNotFound {
			return p, wrong("medical_program_id", "invalid", "Medical program not found")
		}
		if err != nil {
			return p, err
		}
		p.program = &g
		if p.declaredClinic, err = tx.Declared(ctx, in.PersonID, f.caller.LegalEntityID); err != nil {
			return p, err
		}
		if p.declaredDoctor, err = tx.DeclaredTo(ctx, in.PersonID, f.employee.Party.ID, f.caller.LegalEntityID); err != nil {
			return p, err
		}
		if p.periods, err = tx.Periods(ctx, in.PersonID, f.dosage.INNM()); err != nil {
			return p, err
		}
	}
	p.offers, err = tx.Offers(ctx, in.MedicationID, id)
	return p, err
}

// dispenseUntil is the last day of dispensing.
func (t Terms) dispenseUntil(in Input, g *medication.Program) registry.Date {
	days := t.DispenseDays
	if g != nil && g.Settings.DispensePeriodDays > 0 {
		days = g.Settings.DispensePeriodDays
	}
	return in.CreatedAt.AddDate(0, 0, days)
}
