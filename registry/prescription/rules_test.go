package prescription

import (
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/decimal"
	"mist/registry/medication"
	"mist/registry/patient"
	"mist/registry/prm"
	"mist/registry/record"
)

var (
	today  = registry.Date{Year: 2026, Month: 11, Day: 21}
	clinic = registry.ID{1}
)

// anything is code lists that hold every code but "none".
type anything struct{}

func (anything) Has(_, code string) bool { return code != "none" && code != "" }

func terms() Terms {
	t := DefaultTerms()
	t.Lists = anything{}
	return t
}

func good() (Input, facts, programFacts) {
	in := Input{PersonID: registry.ID{9}, EmployeeID: registry.ID{8}, DivisionID: registry.ID{7}, CreatedAt: today, StartedAt: today, EndedAt: today.AddDate(0, 0, 30),
		MedicationID: registry.ID{6}, Qty: decimal.Of(20), ProgramID: registry.ID{5}, Intent: IntentOrder, Category: "community",
		Instructions: []Instruction{{Sequence: 1, Text: "по 1 на день"}, {Sequence: 2}}}
	f := facts{caller: registry.Caller{LegalEntityID: clinic}, today: today,
		person:      patient.Person{Status: patient.StatusActive, BirthDate: registry.Date{Year: 1980, Month: 5, Day: 1}},
		employee:    prm.Employee{LegalEntityID: clinic, Type: "DOCTOR", Status: "APPROVED", Speciality: "FAMILY_DOCTOR"},
		division:    prm.Division{LegalEntityID: clinic, Status: "ACTIVE"},
		legalEntity: prm.LegalEntity{ID: clinic, Type: "PRIMARY_CARE", Status: "ACTIVE"},
		dosage:      medication.Dosage{IsActive: true, MostPerDay: decimal.Of(40)}}
	brand := medication.Brand{ID: registry.ID{4}, PackageQty: decimal.Of(20), PackageMinQty: decimal.Of(10)}
	p := programFacts{program: &medication.Program{ID: registry.ID{5}, Type: medication.ProgramMedication, IsActive: true}, declaredDoctor: true, declaredClinic: true,
		offers: []medication.Offer{{Brand: brand, Participant: medication.Participant{ID: registry.ID{3}, IsActive: true, RequestAllowed: true, Divisible: true}}}}
	return in, f, p
}

// One line per rule of a request that needs no rows; each breaks the one that passes.
func TestRulesOfTheRequest(t *testing.T) {
	in, _, _ := good()
	require.NoError(t, checkInput(in, terms(), today), "the unbroken twin")
	for _, r := range []struct {
		rule   string
		break_ func(*Input)
		entry  string
		what   string
	}{
		{"intent", func(x *Input) { x.Intent = "none" }, "intent", "inclusion"},
		{"category", func(x *Input) { x.Category = "none" }, "category", "inclusion"},
		{"quantity", func(x *Input) { x.Qty = 0 }, "medication_qty", "number"},
		{"ended ≥ started", func(x *Input) { x.EndedAt = today.AddDate(0, 0, -1) }, "ended_at", "invalid"},
		{"started ≥ created", func(x *Input) { x.CreatedAt, x.StartedAt = today, today.AddDate(0, 0, -1) }, "started_at", "invalid"},
		{"created ≥ today − 3", func(x *Input) { x.CreatedAt = today.AddDate(0, 0, -4) }, "created_at", "invalid"},
		{"created ≤ today", func(x *Input) { x.CreatedAt, x.StartedAt = today.AddDate(0, 0, 1), today.AddDate(0, 0, 1) }, "created_at", "invalid"},
		{"a plan has no programme", func(x *Input) { x.Intent = IntentPlan }, "medical_program_id", "invalid"},
		{"the context is an encounter", func(x *Input) {
			x.Context = &Reference{Identifier{Concept{Coding: []Coding{{"eHealth/resources", "episode"}}}, registry.ID{2}}}
		}, "context.identifier.type.coding", "inclusion"},
		{"no care plans", func(x *Input) { x.BasedOn = []Reference{{}} }, "based_on", "invalid"},
		{"sequences are positive", func(x *Input) { x.Instructions[0].Sequence = 0 }, "dosage_instruction.[0].sequence", "number"},
		{"sequences are unique", func(x *Input) { x.Instructions[1].Sequence = 1 }, "dosage_instruction.[1].sequence", "unique"},
		{"length of a text", func(x *Input) { x.Instructions[0].Text = strings.Repeat("я", 2001) }, "dosage_instruction.[0].text", "length"},
		{"code of a route", func(x *Input) { x.Instructions[0].Route = &Concept{Coding: []Coding{{listRoute, "none"}}} }, "dosage_instruction.[0].route.coding.[0].code", "inclusion"},
		{"list of a site", func(x *Input) { x.Instructions[0].Site = &Concept{Coding: []Coding{{listRoute, "1"}}} }, "dosage_instruction.[0].site.coding.[0].system", "inclusion"},
		{"one coding of a method", func(x *Input) { x.Instructions[0].Method = &Concept{} }, "dosage_instruction.[0].method.coding", "length"},
		{"additional instruction", func(x *Input) {
			x.Instructions[0].AdditionalInstruction = []Concept{{Coding: []Coding{{listAdditional, "none"}}}}
		}, "dosage_instruction.[0].additional_instruction.[0].coding.[0].code", "inclusion"},
		{"a dose is positive", func(x *Input) { x.Instructions[0].DoseAndRate = &DoseAndRate{DoseQuantity: &Quantity{}} }, "dosage_instruction.[0].dose_and_rate.dose_quantity.value", "number"},
		{"time of day", func(x *Input) { x.Instructions[0].Timing = &Timing{Repeat: &Repeat{TimeOfDay: []string{"25:00:00"}}} }, "dosage_instruction.[0].timing.repeat.time_of_day.[0]", "time"},
		{"day of week", func(x *Input) { x.Instructions[0].Timing = &Timing{Repeat: &Repeat{DayOfWeek: []string{"none"}}} }, "dosage_instruction.[0].timing.repeat.day_of_week.[0]", "inclusion"},
		{"an event is a time", func(x *Input) { x.Instructions[0].Timing = &Timing{Event: []string{"tomorrow"}} }, "dosage_instruction.[0].timing.event.[0]", "datetime"},
	} {
		in, _, _ := good()
		r.break_(&in)
		e := registry.AsError(checkInput(in, terms(), today))
		require.NotNil(t, e, r.rule)
		require.Equal(t, entryRequest+"."+r.entry+" "+r.what, e.Fields[0].Entry+" "+e.Fields[0].Rule, r.rule)
	}
	in.CreatedAt = today.AddDate(0, 0, -3)
	require.NoError(t, checkInput(in, terms(), today), "three days back")
	in.StartedAt = today.AddDate(0, 0, -1)
	require.Equal(t, "Started date must be >= Current date!", registry.AsError(checkInput(in, terms(), today)).Fields[0].Description)
}

func TestRulesOfTheParties(t *testing.T) {
	_, f, _ := good()
	require.NoError(t, checkParties(f), "the unbroken twin")
	for _, r := range []struct {
		rule   string
		break_ func(*facts)
		want   string
	}{
		{"legal entity", func(x *facts) { x.legalEntity.Status = "CLOSED" }, "legal_entity_status"},
		{"person", func(x *facts) { x.person.Status = patient.StatusInactive }, "person_status"},
		{"verified", func(x *facts) { x.person.VerificationStatus = patient.NotVerified }, "person_not_verified"},
		{"doctor of another clinic", func(x *facts) { x.employee.LegalEntityID = registry.ID{2} }, "$.medication_request_request.employee_id"},
		{"doctor approved", func(x *facts) { x.employee.Status = "DISMISSED" }, "$.medication_request_request.employee_id"},
		{"division of another clinic", func(x *facts) { x.division.LegalEntityID = registry.ID{2} }, "$.medication_request_request.division_id"},
		{"division active", func(x *facts) { x.division.Status = "INACTIVE" }, "$.medication_request_request.division_id"},
		{"dosage active", func(x *facts) { x.dosage.IsActive = false }, "$.medication_request_request.medication_id"},
	} {
		_, f, _ := good()
		r.break_(&f)
		e := registry.AsError(checkParties(f))
		require.NotNil(t, e, r.rule)
		got := e.Reason
		if len(e.Fields) > 0 {
			got = e.Fields[0].Entry
		}
		require.Equal(t, r.want, got, r.rule)
	}
}

// One line per switch of a programme: what it forbids, and that the switch the
// other way lets it pass.
func TestSwitchesOfAProgramme(t *testing.T) {
	in, f, p := good()
	require.NoError(t, terms().checkProgram(in, f, p), "the unbroken twin")
	set := func(change func(*medication.Settings)) func(*Input, *facts, *programFacts) {
		return func(_ *Input, _ *facts, p *programFacts) { change(&p.program.Settings) }
	}
	both := func(list ...func(*Input, *facts, *programFacts)) func(*Input, *facts, *programFacts) {
		return func(in *Input, f *facts, p *programFacts) {
			for _, do := range list {
				do(in, f, p)
			}
		}
	}
	running := func(start, end int) func(*Input, *facts, *programFacts) {
		return func(_ *Input, _ *facts, p *programFacts) {
			p.periods = []Period{{ID: registry.ID{1}, Start: today.AddDate(0, 0, start), End: today.AddDate(0, 0, end), Program: true, Status: StatusActive}}
		}
	}
	start := func(days int) func(*Input, *facts, *programFacts) {
		return func(in *Input, _ *facts, _ *programFacts) { in.StartedAt = today.AddDate(0, 0, days) }
	}
	for _, r := range []struct {
		rule  string
		do    func(*Input, *facts, *programFacts)
		entry string // empty: passes
	}{
		{"programme active", func(_ *Input, _ *facts, p *programFacts) { p.program.IsActive = false }, "medical_program_id"},
		{"programme of medications", func(_ *Input, _ *facts, p *programFacts) { p.program.Type = medication.ProgramService }, "medical_program_id"},
		{"care plan", set(func(s *medication.Settings) { s.CarePlanRequired = true }), "based_on"},
		{"employee type by default", func(_ *Input, f *facts, _ *programFacts) { f.employee.Type = "SPECIALIST" }, "employee_id"},
		{"employee type of the list", both(func(_ *Input, f *facts, _ *programFacts) { f.employee.Type = "SPECIALIST" }, set(func(s *medication.Settings) { s.EmployeeTypes = []string{"SPECIALIST"} })), ""},
		{"employee type not asked", both(func(_ *Input, f *facts, _ *programFacts) { f.employee.Type = "SPECIALIST" }, set(func(s *medication.Settings) { s.SkipEmployeeValidation = true })), ""},
		{"speciality", set(func(s *medication.Settings) { s.Specialities = []string{"PEDIATRICIAN"} }), "employee_id"},
		{"speciality of the list", set(func(s *medication.Settings) { s.Specialities = []string{"FAMILY_DOCTOR"} }), ""},
		{"declaration with the doctor", func(_ *Input, _ *facts, p *programFacts) { p.declaredDoctor = false }, "employee_id"},
		{"declaration with the doctor not asked", both(func(_ *Input, _ *facts, p *programFacts) { p.declaredDoctor = false }, set(func(s *medication.Settings) { s.SkipEmployeeDeclaration = true })), ""},
		{"declaration with the clinic", both(func(_ *Input, _ *facts, p *programFacts) { p.declaredDoctor, p.declaredClinic = false, false }, set(func(s *medication.Settings) { s.SkipEmployeeDeclaration = true })), "employee_id"},
		{"declaration with the clinic not asked", both(func(_ *Input, _ *facts, p *programFacts) { p.declaredDoctor, p.declaredClinic = false, false },
			set(func(s *medication.Settings) { s.SkipEmployeeDeclaration, s.SkipLegalEntityDeclaration = true, true })), ""},
		{"diagnosis demands an encounter", set(func(s *medication.Settings) { s.ICD10 = []string{"I10"} }), "context"},
		{"another diagnosis", both(set(func(s *medication.Settings) { s.ICD10 = []string{"I10"} }), func(_ *Input, f *facts, _ *programFacts) { f.diagnoses = map[string][]string{SystemICD10: {"J06.9"}} }), "context"},
		{"the diagnosis", both(set(func(s *medication.Settings) { s.ICD10 = []string{"I10"} }), func(_ *Input, f *facts, _ *programFacts) {
			f.diagnoses = map[string][]string{SystemICD10: {"J06.9", "I10"}}
		}), ""},
		{"the diagnosis of ICPC-2", both(set(func(s *medication.Settings) { s.ICPC2 = []string{"K86"} }), func(_ *Input, f *facts, _ *programFacts) { f.diagnoses = map[string][]string{SystemICPC2: {"K86"}} }), ""},
		{"categories of patients", set(func(s *medication.Settings) { s.PatientCategories = []string{"VETERAN"} }), "person_id"},
		{"conditions of providing", set(func(s *medication.Settings) { s.ProvidingConditions = []string{"INPATIENT"} }), "division_id"},
		{"longest period", set(func(s *medication.Settings) { s.MaxPeriodDays = 29 }), "ended_at"},
		{"a period as long as allowed", set(func(s *medication.Settings) { s.MaxPeriodDays = 30 }), ""},
		{"one at a time", running(-5, 5), "started_at"},
		{"not asked", both(running(-5, 5), set(func(s *medication.Settings) { s.SkipTreatmentPeriod = true })), ""},
		{"a short one, too early", both(running(-5, 4), start(5)), "medication_id"},
		{"a short one, three days before its end", both(running(-5, 3), start(4)), ""},
		{"a long one, too early", both(running(-20, 8), start(9)), "medication_id"},
		{"a long one, seven days before its end", both(running(-20, 7), start(8)), ""},
		{"the last one has ended", running(-30, -1), ""},
		{"outside programmes", func(_ *Input, _ *facts, p *programFacts) {
			p.periods = []Period{{ID: registry.ID{1}, Start: today, End: today.AddDate(0, 0, 5)}}
		}, ""},
		{"nothing takes part", func(_ *Input, _ *facts, p *programFacts) { p.offers = nil }, "medication_id"},
		{"the part is not for requests", func(_ *Input, _ *facts, p *programFacts) { p.offers[0].Participant.RequestAllowed = false }, "medication_id"},
		{"the part has ended", func(_ *Input, _ *facts, p *programFacts) { p.offers[0].Participant.EndDate = today.AddDate(0, 0, -1) }, "medication_id"},
		{"not a multiple", func(in *Input, _ *facts, _ *programFacts) { in.Qty = decimal.Of(25) }, "medication_qty"},
		{"half a package", func(in *Input, _ *facts, _ *programFacts) { in.Qty = decimal.Of(10) }, ""},
		{"whole packages alone", func(in *Input, _ *facts, p *programFacts) {
			in.Qty, p.offers[0].Participant.Divisible = decimal.Of(10), false
		}, "medication_qty"},
	} {
		in, f, p := good()
		r.do(&in, &f, &p)
		err := terms().checkProgram(in, f, p)
		if r.entry == "" {
			require.NoError(t, err, r.rule)
			continue
		}
		e := registry.AsError(err)
		require.NotNil(t, e, r.rule)
		require.Equal(t, entryRequest+"."+r.entry, e.Fields[0].Entry, r.rule)
	}
}

func TestWithoutAProgramme(t *testing.T) {
	in, f, p := good()
	p.program, p.offers[0].Participant = nil, medication.Participant{}
	f.employee.Type = "SPECIALIST"
	require.NoError(t, terms().checkProgram(in, f, p), "a specialist prescribes without a programme")
	f.employee.Type = "ASSISTANT"
	require.Error(t, terms().checkProgram(in, f, p))
	f.employee.Type = "DOCTOR"
	in.Qty = decimal.Of(15)
	require.Error(t, terms().checkProgram(in, f, p))
	in.Intent = IntentPlan
	require.NoError(t, terms().checkProgram(in, f, p), "a plan is not dispensed")
	p.offers = nil
	require.Error(t, terms().checkProgram(in, f, p))
}

func TestLargestDose(t *testing.T) {
	in, f, _ := good()
	in.Instructions[0].MaxPerPeriod = &Ratio{Quantity{Value: decimal.Of(40), Unit: "мг"}, Quantity{Value: decimal.Of(1), Unit: "день", Code: "d"}}
	require.NoError(t, checkDose(in.Instructions, f.dosage.MostPerDay))
	in.Instructions[0].MaxPerPeriod.Numerator.Value++
	require.Error(t, checkDose(in.Instructions, f.dosage.MostPerDay))
	in.Instructions[0].MaxPerPeriod.Denominator.Value = decimal.Of(2)
	require.NoError(t, checkDose(in.Instructions, f.dosage.MostPerDay), "in two days")
	require.NoError(t, checkDose(in.Instructions, 0), "not known")
}

func TestNumberAndCode(t *testing.T) {
	source := registry.Source{Clock: time.Now, Random: rand.Reader}
	seen := map[string]bool{}
	digits := map[byte]bool{}
	for range 2000 {
		n := record.Prescription(source)
		require.True(t, ValidNumber(n), n)
		require.False(t, seen[n])
		seen[n] = true
		code := newCode(source)
		require.Len(t, code, 4)
		for i := range 4 {
			require.True(t, code[i] >= '1' && code[i] <= '9', code)
			digits[code[i]] = true
		}
	}
	require.Len(t, digits, 9)
	for _, bad := range []string{"", "0000-0000-0000-000", "0000-0000-0000-000B", "0001-0000-0000-0000", "0000-0000-0000-0000 ", "0000-0000-0000-000а"} {
		require.False(t, ValidNumber(bad), bad)
	}
}

// What callers are told never holds the code, nor the telephone it went to.
func TestTheCodeIsToldToNobody(t *testing.T) {
	p := Prescription{Record: record.Record{ID: registry.ID{1}, Status: StatusActive}, Body: Body{Code: "4729", Phone: "+380931234567", Document: Document{Medication: MedicationLine{Qty: decimal.Of(20)}}}}
	r, err := p.View()
	require.NoError(t, err)
	require.NotContains(t, string(r.Body), "4729")
	require.NotContains(t, string(r.Body), "+380931234567")
	require.Contains(t, string(r.Body), `"has_verification_code":true`)
	stored, err := p.Stored()
	require.NoError(t, err)
	back, err := Read(stored)
	require.NoError(t, err)
	require.Equal(t, p.Body, back.Body)
}

func TestDispensePeriod(t *testing.T) {
	in, _, p := good()
	require.Equal(t, today.AddDate(0, 0, 30), terms().dispenseUntil(in, p.program))
	p.program.Settings.DispensePeriodDays = 60
	require.Equal(t, today.AddDate(0, 0, 60), terms().dispenseUntil(in, p.program))
	require.Equal(t, today.AddDate(0, 0, 30), terms().dispenseUntil(in, nil))
}
