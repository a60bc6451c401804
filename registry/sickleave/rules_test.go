package sickleave

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/composition"
	"mist/registry/patient"
	"mist/registry/prm"
)

var (
	clinicID, doctorID, partyID = registry.ID{1}, registry.ID{2}, registry.ID{3}
	patientID, carerID          = registry.ID{4}, registry.ID{5}
	encounterID, targetID       = registry.ID{6}, registry.ID{7}
	today                       = registry.Date{Year: 2026, Month: 11, Day: 21}
)

// codes are dictionaries of a test.
type codes map[string][]string

func (c codes) Has(name, code string) bool {
	for _, v := range c[name] {
		if v == code {
			return true
		}
	}
	return false
}

var lists = codes{CategoriesDictionary: append([]string{"LIVE_BIRTH"}, categories...), ViolationsDictionary: {"reject_recommendation"},
	CancellationsDictionary: {"INCORRECT_PATIENT", "INCORRECT_OTHER"}}

// asked is a conclusion with what it is compared with.
type asked struct {
	in Input
	p  Period
	f  Facts
}

func days(from, n int) Period {
	return Period{today.AddDate(0, 0, from), today.AddDate(0, 0, from+n-1)}
}

func good(t *testing.T) *asked {
	t.Helper()
	rules, err := BuiltIn()
	require.NoError(t, err)
	person := func(id registry.ID) patient.Person {
		return patient.Person{ID: id, Version: 1, Status: patient.StatusActive, LastName: "Зразкова", FirstName: "Особа"}
	}
	a := &asked{
		in: Input{Type: conceptOf(TypesDictionary, Type), Category: conceptOf(CategoriesDictionary, Sickness), Subject: referenceTo("person", patientID),
			Encounter: referenceTo("encounter", encounterID), Author: referenceTo("employee", doctorID), Section: Section{referenceTo("person", patientID)}},
		p: days(0, 5),
		f: Facts{Subject: person(patientID), Focus: person(patientID),
			Author:      prm.Employee{ID: doctorID, LegalEntityID: clinicID, Type: "DOCTOR", Status: "APPROVED", Party: prm.Party{ID: partyID}},
			LegalEntity: prm.LegalEntity{ID: clinicID, Type: "PRIMARY_CARE", Status: "ACTIVE"},
			Basis:       Basis{PersonID: patientID, EmployeeID: doctorID, LegalEntityID: clinicID, Finished: true, Date: today, Diagnosed: true}, HasBasis: true,
			Rules: rules, Lists: lists, Today: today},
	}
	return a
}

func (a *asked) category(c string) { a.in.Category = conceptOf(CategoriesDictionary, c) }

func (a *asked) carer() {
	a.in.Section.Focus.Value = carerID
	a.f.Focus.ID = carerID
}

// stands adds a conclusion that is there.
func (a *asked) stands(id registry.ID, p Period, change ...func(*Leave)) *Leave {
	l := Leave{ID: id, SubjectID: patientID, FocusID: a.in.Section.Focus.Value, EmployeeID: doctorID, LegalEntityID: clinicID, Status: composition.Final,
		Category: a.in.category(), Period: p, Stored: Stored{SignedAt: p.Start.Time().Add(9 * time.Hour)}}
	for _, f := range change {
		f(&l)
	}
	a.f.Others = append(a.f.Others, l)
	return &a.f.Others[len(a.f.Others)-1]
}

// relates makes the conclusion continue or replace one that stands.
func (a *asked) relates(code string, target *Leave) {
	a.in.RelatesTo = &Relation{code, referenceTo("composition", target.ID)}
	a.f.Target, a.f.HasTarget, a.f.TargetParty = *target, true, partyID
}

// continuing is a continuation of a week that ended yesterday.
func continuing(t *testing.T) *asked {
	a := good(t)
	a.relates(Appends, a.stands(targetID, days(-7, 7)))
	return a
}

// correcting replaces a conclusion of the same days, signed today.
func correcting(t *testing.T) *asked {
	a := good(t)
	a.relates(Replaces, a.stands(targetID, days(0, 9)))
	return a
}

func (a *asked) retarget() { a.f.Target = a.f.Others[0] }

func what(err error) string {
	e := registry.AsError(err)
	switch {
	case e == nil:
		return ""
	case len(e.Fields) > 0 && e.Reason != "":
		return e.Fields[0].Entry + " " + e.Fields[0].Rule + " " + e.Reason
	case len(e.Fields) > 0:
		return e.Fields[0].Entry + " " + e.Fields[0].Rule
	}
	return string(e.Code) + " " + e.Reason
}

const (
	startAt = "$.event.[0].period.start"
	endAt   = "$.event.[0].period.end"
)

// One line a rule; want "" is the unmutated twin, or the nearest case that
// passes.
func TestRules(t *testing.T) {
	violation := func(code string, on registry.Date) []Extension {
		return []Extension{{Code: Violation, String: code}, {Code: ViolationDate, Date: on}}
	}
	for _, c := range []struct {
		rule  string
		begin func(*testing.T) *asked
		edit  func(*asked)
		want  string
	}{
		{"a new conclusion", good, func(*asked) {}, ""},
		{"one day", good, func(a *asked) { a.p = days(0, 1) }, ""},
		{"of a specialist", good, func(a *asked) { a.f.Author.Type, a.f.LegalEntity.Type = "SPECIALIST", "OUTPATIENT" }, ""},
		{"legal entity: type", good, func(a *asked) { a.f.LegalEntity.Type = "PHARMACY" }, "conflict legal_entity_type"},
		{"legal entity: emergency", good, func(a *asked) { a.f.LegalEntity.Type = "EMERGENCY" }, "conflict legal_entity_type"},
		{"legal entity: active", good, func(a *asked) { a.f.LegalEntity.Status = "SUSPENDED" }, "conflict legal_entity_status"},
		{"author: of this legal entity", good, func(a *asked) { a.f.Author.LegalEntityID = registry.ID{99} }, "$.author.value invalid"},
		{"author: type", good, func(a *asked) { a.f.Author.Type = "ASSISTANT" }, "$.author.value invalid"},
		{"author: approved", good, func(a *asked) { a.f.Author.Status = "DISMISSED" }, "$.author.value invalid"},
		{"patient: active", good, func(a *asked) { a.f.Subject.Status = patient.StatusInactive }, "conflict person_status"},
		{"off work: active", good, func(a *asked) { a.category(ChildCare); a.carer(); a.f.Focus.Status = patient.StatusInactive }, "conflict focus_status"},
		{"off work: the patient", good, func(a *asked) { a.carer() }, "$.section.focus.value invalid"},
		{"care: who cares", good, func(a *asked) { a.category(ChildCare); a.carer() }, ""},
		{"care of the family", good, func(a *asked) { a.category(FamilyCare); a.carer() }, ""},
		{"care while the carer is ill", good, func(a *asked) { a.category(ParentalCare); a.carer() }, ""},
		{"care: not oneself", good, func(a *asked) { a.category(ChildCare) }, "$.section.focus.value invalid"},
		{"encounter: there", good, func(a *asked) { a.f.HasBasis = false }, "$.encounter.value invalid"},
		{"encounter: of the patient", good, func(a *asked) { a.f.Basis.PersonID = carerID }, "$.encounter.value invalid"},
		{"encounter: finished", good, func(a *asked) { a.f.Basis.Finished = false }, "conflict encounter_status"},
		{"encounter: own legal entity", good, func(a *asked) { a.f.Basis.LegalEntityID = registry.ID{99} }, "$.encounter.value invalid"},
		{"encounter: performed by the author", good, func(a *asked) { a.f.Basis.EmployeeID = registry.ID{99} }, "$.encounter.value invalid"},
		{"encounter: a primary diagnosis", good, func(a *asked) { a.f.Basis.Diagnosed = false }, "$.encounter.value invalid"},
		{"encounter: not tomorrow", good, func(a *asked) { a.f.Basis.Date = today.AddDate(0, 0, 1) }, "$.encounter.value invalid"},
		{"category: in the dictionary", good, func(a *asked) { a.category("STILL_BIRTH") }, "$.category.coding.[0].code inclusion 1161"},
		{"category: of this type", good, func(a *asked) { a.category("LIVE_BIRTH") }, "$.category.coding.[0].code inclusion 1161"},
		{"category: active", good, func(a *asked) { a.f.Lists = codes{} }, "$.category.coding.[0].code inclusion 1161"},

		{"violation of treatment", good, func(a *asked) { a.in.Extensions = violation("reject_recommendation", today) }, ""},
		{"violation: in the dictionary", good, func(a *asked) { a.in.Extensions = violation("no_such", today) }, "$.extension inclusion"},
		{"violation: its date", good, func(a *asked) { a.in.Extensions = violation("reject_recommendation", today)[:1] }, "$.extension required"},
		{"violation: no date without it", good, func(a *asked) { a.in.Extensions = violation("reject_recommendation", today)[1:] }, "$.extension dependency"},
		{"violation: not after today", good, func(a *asked) { a.in.Extensions = violation("reject_recommendation", today.AddDate(0, 0, 1)) }, "rule-violated 1172"},
		{"violation: inside the period", good, func(a *asked) { a.in.Extensions = violation("reject_recommendation", today.AddDate(0, 0, -1)) }, "$.extension invalid"},
		{"informed: one name of it", good, func(a *asked) {
			a.in.Extensions = []Extension{{Code: InformWith, UUID: registry.ID{9}}, {Code: AuthorizeWith, UUID: registry.ID{9}}}
		}, "$.extension exclusion"},

		{"created on the next day", good, func(a *asked) { a.f.Today = today.AddDate(0, 0, 1) }, ""},
		{"created two days after", good, func(a *asked) { a.f.Today = today.AddDate(0, 0, 2) }, "rule-violated create_days"},
		{"created after five days of an outage", good, func(a *asked) {
			a.f.Rules = append(a.f.Rules, Rule{Name: CreateDays, Category: "*", Values: []int{5}, From: today, To: today})
			a.f.Today = today.AddDate(0, 0, 5)
		}, ""},
		{"created six days after an outage", good, func(a *asked) {
			a.f.Rules = append(a.f.Rules, Rule{Name: CreateDays, Category: "*", Values: []int{5}, From: today, To: today})
			a.f.Today = today.AddDate(0, 0, 6)
		}, "rule-violated create_days"},
		{"found after the outage", good, func(a *asked) {
			a.f.Rules = append(a.f.Rules, Rule{Name: CreateDays, Category: "*", Values: []int{5}, From: today.AddDate(0, 0, -3), To: today.AddDate(0, 0, -1)})
			a.f.Today = today.AddDate(0, 0, 2)
		}, "rule-violated create_days"},
		{"begins on the next day", good, func(a *asked) { a.p = days(1, 3) }, ""},
		{"begins the day before the visit", good, func(a *asked) { a.p = days(-1, 3) }, startAt + " invalid start_back_days"},
		{"begins two days after the visit", good, func(a *asked) { a.p = days(2, 3) }, startAt + " invalid start_ahead_days"},
		{"a sanatorium later", good, func(a *asked) { a.category("RESTORATION"); a.p = days(20, 3) }, ""},
		{"began abroad", good, func(a *asked) {
			a.p = days(-10, 12)
			a.in.Extensions = []Extension{{Code: IsForeign, Boolean: true}}
		}, ""},

		{"pregnancy, 126 days", good, func(a *asked) { a.category(Pregnancy); a.p = days(0, 126) }, ""},
		{"pregnancy, 140 days", good, func(a *asked) { a.category(Pregnancy); a.p = days(0, 140) }, ""},
		{"pregnancy, 127 days", good, func(a *asked) { a.category(Pregnancy); a.p = days(0, 127) }, endAt + " inclusion new_lengths"},
		{"at most so many days", good, func(a *asked) {
			a.f.Rules = append(a.f.Rules, Rule{Name: MaxDays, Category: Sickness, Values: []int{5}, From: today})
		}, ""},
		{"one day more", good, func(a *asked) {
			a.f.Rules = append(a.f.Rules, Rule{Name: MaxDays, Category: Sickness, Values: []int{4}, From: today})
		}, endAt + " invalid max_days"},
		{"the limit of another category", good, func(a *asked) {
			a.f.Rules = append(a.f.Rules, Rule{Name: MaxDays, Category: "COVID19", Values: []int{4}, From: today})
		}, ""},
		{"a limit of tomorrow", good, func(a *asked) {
			a.f.Rules = append(a.f.Rules, Rule{Name: MaxDays, Category: Sickness, Values: []int{4}, From: today.AddDate(0, 0, 1)})
		}, ""},

		{"another one over the same days", good, func(a *asked) { a.stands(targetID, days(-3, 4)) }, "conflict 1002"},
		{"another one until yesterday", good, func(a *asked) { a.stands(targetID, days(-3, 3)) }, ""},
		{"another one that was an error", good, func(a *asked) {
			a.stands(targetID, days(0, 4), func(l *Leave) { l.Status = composition.EnteredInError })
		}, ""},
		{"another one that was replaced", good, func(a *asked) { a.stands(targetID, days(0, 4), func(l *Leave) { l.Status = composition.Amended }) }, ""},
		{"a case of another category", good, func(a *asked) { a.stands(targetID, days(0, 4), func(l *Leave) { l.Category = "COVID19" }) }, ""},
		{"care of another child", good, func(a *asked) {
			a.category(ChildCare)
			a.carer()
			a.stands(targetID, days(0, 4), func(l *Leave) { l.SubjectID = registry.ID{99} })
		}, ""},

		{"a continuation", continuing, func(*asked) {}, ""},
		{"continued: there", continuing, func(a *asked) { a.f.HasTarget = false }, "not-found 1000"},
		{"continued: another's, of another patient", continuing, func(a *asked) { a.f.TargetParty = registry.ID{99}; a.f.Target.SubjectID = carerID }, "not-found 1000"},
		{"continued: by its author", continuing, func(a *asked) { a.f.TargetParty = registry.ID{99} }, "forbidden author"},
		{"continued: by anyone where the table says so", continuing, func(a *asked) {
			a.f.TargetParty = registry.ID{99}
			a.f.Rules = append(a.f.Rules, Rule{Name: SameAuthor, Category: "*", Values: []int{0}, From: today})
		}, ""},
		{"continued: an error", continuing, func(a *asked) { a.f.Target.Status = composition.EnteredInError }, "rule-violated 1184"},
		{"continued: replaced", continuing, func(a *asked) { a.f.Target.Status = composition.Amended }, "conflict target_status"},
		{"continued: its category", continuing, func(a *asked) { a.f.Target.Category = "COVID19" }, "$.category.coding.[0].code invalid"},
		{"continued: its patient", continuing, func(a *asked) { a.f.Target.SubjectID = carerID }, "$.subject.value invalid"},
		{"continued: its person off work", continuing, func(a *asked) { a.f.Target.FocusID = carerID }, "$.section.focus.value invalid"},
		{"continued: on its last day", continuing, func(a *asked) { a.p = days(-1, 5) }, startAt + " invalid"},
		{"continued: a day left out", continuing, func(a *asked) { a.p = days(1, 5) }, startAt + " invalid"},
		{"continued: twice", continuing, func(a *asked) {
			a.stands(registry.ID{8}, days(0, 2), func(l *Leave) { l.Relation, l.TargetID = Appends, targetID })
		}, "conflict continued"},
		{"continued: after an error", continuing, func(a *asked) {
			a.stands(registry.ID{8}, days(0, 2), func(l *Leave) { l.Relation, l.TargetID, l.Status = Appends, targetID, composition.EnteredInError })
		}, ""},
		{"continued: by one that was corrected", continuing, func(a *asked) {
			a.stands(registry.ID{8}, days(0, 2), func(l *Leave) { l.Relation, l.TargetID, l.Status = Appends, targetID, composition.Amended })
			a.stands(registry.ID{9}, days(0, 3), func(l *Leave) { l.Relation, l.TargetID = Replaces, registry.ID{8} })
		}, "conflict continued"},
		{"continued on day 7", continuing, func(a *asked) {
			a.f.Others[0].Period = days(-14, 8)
			a.retarget()
			a.p = days(-6, 7)
		}, ""},
		{"continued on day 8", continuing, func(a *asked) {
			a.f.Others[0].Period = days(-14, 7)
			a.retarget()
			a.p = days(-7, 7)
		}, "rule-violated continue_days"},
		{"pregnancy continued by 14 days, 6 days after its opening", continuing, func(a *asked) {
			a.category(Pregnancy)
			a.f.Others[0].Category, a.f.Others[0].Period = Pregnancy, days(-6, 126)
			a.retarget()
			a.p = Period{a.f.Target.Period.Next(), a.f.Target.Period.End.AddDate(0, 0, 14)}
		}, ""},
		{"pregnancy ready to be paid", continuing, func(a *asked) {
			a.category(Pregnancy)
			a.f.Others[0].Category, a.f.Others[0].Period = Pregnancy, days(-8, 126)
			a.retarget()
			a.p = Period{a.f.Target.Period.Next(), a.f.Target.Period.End.AddDate(0, 0, 14)}
		}, "rule-violated ready_to_pay"},
		{"pregnancy continued by 13 days", continuing, func(a *asked) {
			a.category(Pregnancy)
			a.f.Others[0].Category, a.f.Others[0].Period = Pregnancy, days(-6, 126)
			a.retarget()
			a.p = Period{a.f.Target.Period.Next(), a.f.Target.Period.End.AddDate(0, 0, 13)}
		}, endAt + " inclusion appended_lengths"},
		{"a case of 12 days", continuing, func(a *asked) {
			a.f.Rules = append(a.f.Rules, Rule{Name: MaxCaseDays, Category: Sickness, Values: []int{12}, From: today})
		}, ""},
		{"a case of 13 days", continuing, func(a *asked) {
			a.f.Rules = append(a.f.Rules, Rule{Name: MaxCaseDays, Category: Sickness, Values: []int{11}, From: today})
		}, endAt + " invalid max_case_days"},

		{"a correction", correcting, func(*asked) {}, ""},
		{"corrected: another category", correcting, func(a *asked) { a.category("COVID19") }, ""},
		{"corrected: another patient", correcting, func(a *asked) { a.f.Target.SubjectID = carerID }, "rule-violated 1001"},
		{"corrected: an error", correcting, func(a *asked) { a.f.Target.Status = composition.EnteredInError }, "rule-violated 1184"},
		{"corrected: by its author", correcting, func(a *asked) { a.f.TargetParty = registry.ID{99} }, "forbidden author"},
		{"corrected on day 7", correcting, func(a *asked) {
			a.f.Target.SignedAt = today.AddDate(0, 0, -7).Time().Add(9 * time.Hour)
			a.p = days(0, 12)
		}, ""},
		{"lengthened on day 8", correcting, func(a *asked) {
			a.f.Target.SignedAt = today.AddDate(0, 0, -8).Time().Add(9 * time.Hour)
			a.p = days(0, 12)
		}, "rule-violated correct_days"},
		{"shortened on day 8", correcting, func(a *asked) {
			a.f.Target.SignedAt = today.AddDate(0, 0, -8).Time().Add(9 * time.Hour)
			a.p = days(0, 4)
		}, ""},
		{"shortened when ready to be paid", correcting, func(a *asked) {
			a.f.Others[0].Period, a.f.Others[0].SignedAt = days(-20, 12), today.AddDate(0, 0, -20).Time()
			a.retarget()
			a.p = days(-20, 4)
		}, "rule-violated continue_days"},
		{"corrected under its continuation: the same end", correcting, func(a *asked) {
			a.stands(registry.ID{8}, days(9, 2), func(l *Leave) { l.Relation, l.TargetID = Appends, targetID })
			a.p = days(0, 9)
		}, ""},
		{"corrected under its continuation: another end", correcting, func(a *asked) {
			a.stands(registry.ID{8}, days(9, 2), func(l *Leave) { l.Relation, l.TargetID = Appends, targetID })
		}, "conflict continued"},
		{"a continuation corrected in its place", correcting, func(a *asked) {
			a.stands(registry.ID{8}, days(-4, 4))
			a.f.Target.Relation, a.f.Target.TargetID = Appends, registry.ID{8}
		}, ""},
		{"a continuation moved", correcting, func(a *asked) {
			a.f.Target.Relation, a.f.Target.TargetID = Appends, registry.ID{8}
			a.p = days(1, 4)
		}, startAt + " invalid"},
		{"a correction over another one", correcting, func(a *asked) {
			a.stands(registry.ID{8}, days(4, 2))
		}, "conflict 1002"},
	} {
		t.Run(c.rule, func(t *testing.T) {
			a := c.begin(t)
			c.edit(a)
			require.Equal(t, c.want, what(check(&a.in, a.p, &a.f)))
		})
	}
}

func TestRulesOfCancellation(t *testing.T) {
	rules, err := BuiltIn()
	require.NoError(t, err)
	begin := func() (*Cancellation, *CancelFacts) {
		l := Leave{ID: targetID, SubjectID: patientID, FocusID: patientID, Category: Sickness, Status: composition.Final, Period: days(0, 5), Stored: Stored{SignedAt: today.Time()}}
		return &Cancellation{referenceTo("composition", targetID), conceptOf(CancellationsDictionary, "INCORRECT_OTHER")},
			&CancelFacts{Leave: l, Others: []Leave{l}, Own: true, Rules: rules, Lists: lists, Today: today}
	}
	replaced := func(f *CancelFacts) {
		f.Leave.Relation, f.Leave.TargetID = Replaces, registry.ID{8}
		f.Others[0] = f.Leave
		f.Replaced, f.HasReplaced = Leave{ID: registry.ID{8}, SubjectID: patientID, FocusID: patientID, Category: Sickness, Status: composition.Amended, Period: days(0, 9)}, true
		f.Others = append(f.Others, f.Replaced)
	}
	for _, c := range []struct {
		rule string
		edit func(*Cancellation, *CancelFacts)
		want string
	}{
		{"a cancellation", func(*Cancellation, *CancelFacts) {}, ""},
		{"by its author", func(_ *Cancellation, f *CancelFacts) { f.Own = false }, "forbidden author"},
		{"FINAL", func(_ *Cancellation, f *CancelFacts) { f.Leave.Status = composition.EnteredInError }, "conflict 1003"},
		{"not one that was replaced", func(_ *Cancellation, f *CancelFacts) { f.Leave.Status = composition.Amended }, "conflict 1003"},
		{"a reason of the dictionary", func(c *Cancellation, _ *CancelFacts) { c.Reason = conceptOf(CancellationsDictionary, "TYPO") }, "rule-violated 1004"},
		{"the dictionary of reasons", func(c *Cancellation, _ *CancelFacts) { c.Reason = conceptOf("OTHER", "INCORRECT_OTHER") }, "rule-violated 1004"},
		{"a reason at all", func(c *Cancellation, _ *CancelFacts) { c.Reason = Concept{} }, "rule-violated 1004"},
		{"on day 7", func(_ *Cancellation, f *CancelFacts) { f.Today = today.AddDate(0, 0, 7) }, ""},
		{"on day 8", func(_ *Cancellation, f *CancelFacts) { f.Today = today.AddDate(0, 0, 8) }, "rule-violated 1005"},
		{"not under a continuation", func(_ *Cancellation, f *CancelFacts) {
			f.Others = append(f.Others, Leave{ID: registry.ID{9}, Relation: Appends, TargetID: targetID, Status: composition.Final, Period: days(5, 2)})
		}, "conflict continued"},
		{"of a correction", func(_ *Cancellation, f *CancelFacts) { replaced(f) }, ""},
		{"of a correction of nothing", func(_ *Cancellation, f *CancelFacts) { replaced(f); f.HasReplaced = false }, "conflict 1137"},
		{"of a correction of what is no longer AMENDED", func(_ *Cancellation, f *CancelFacts) { replaced(f); f.Replaced.Status = composition.EnteredInError }, "conflict 1136"},
		{"what comes back over another one", func(_ *Cancellation, f *CancelFacts) {
			replaced(f)
			f.Others = append(f.Others, Leave{ID: registry.ID{9}, SubjectID: patientID, Category: Sickness, Status: composition.Final, Period: days(7, 2)})
		}, "conflict 1002"},
		{"what comes back beside another category", func(_ *Cancellation, f *CancelFacts) {
			replaced(f)
			f.Others = append(f.Others, Leave{ID: registry.ID{9}, SubjectID: patientID, Category: "COVID19", Status: composition.Final, Period: days(7, 2)})
		}, ""},
	} {
		t.Run(c.rule, func(t *testing.T) {
			doc, f := begin()
			c.edit(doc, f)
			require.Equal(t, c.want, what(checkCancellation(doc, f)))
		})
	}
}

// body is a request as a doctor's system writes it.
func body() map[string]any {
	concept := func(system, code string) map[string]any {
		return map[string]any{"coding": []any{map[string]any{"system": system, "code": code}}}
	}
	ref := func(resource string, id registry.ID) map[string]any {
		return map[string]any{"type": concept(ResourcesDictionary, resource), "value": id.String()}
	}
	id := registry.ID{0: 1, 6: 0x70, 8: 0x80}
	return map[string]any{
		"type": concept(TypesDictionary, Type), "category": concept(CategoriesDictionary, Sickness),
		"event":   []any{map[string]any{"code": concept(EventsDictionary, "COMPOSITION_VALIDITY_PERIOD"), "period": map[string]any{"start": "2026-11-21T00:00:01Z", "end": "2026-11-25T20:59:59Z"}}},
		"subject": ref("person", id), "encounter": ref("encounter", id), "author": ref("employee", id), "section": map[string]any{"focus": ref("person", id)},
		"extension": []any{map[string]any{"valueCode": "IS_ACCIDENT", "valueBoolean": false}},
		"relatesTo": map[string]any{"code": "appends", "targetIdentifier": ref("composition", id)},
	}
}

func TestFormOfARequest(t *testing.T) {
	set := func(value any, path ...string) func(map[string]any) {
		return func(m map[string]any) {
			var at any = m
			for i, name := range path {
				if list, ok := at.([]any); ok {
					at = list[0]
				}
				o := at.(map[string]any)
				if i == len(path)-1 {
					if value == nil {
						delete(o, name)
					} else {
						o[name] = value
					}
				}
				at = o[name]
			}
		}
	}
	for _, c := range []struct {
		rule string
		edit func(map[string]any)
		want string
	}{
		{"as it should be", func(map[string]any) {}, ""},
		{"alone", set(nil, "relatesTo"), ""},
		{"without extensions", set(nil, "extension"), ""},
		{"a type", set(nil, "type"), "$.type required"},
		{"a section", set(nil, "section"), "$.section required"},
		{"one coding", set([]any{}, "category", "coding"), "$.category.coding length"},
		{"system of the type", set("OTHER", "type", "coding", "system"), "$.type.coding.[0].system inclusion 1073"},
		{"the type", set("NEWBORN", "type", "coding", "code"), "$.type.coding.[0].code inclusion"},
		{"system of the category", set("OTHER", "category", "coding", "system"), "$.category.coding.[0].system inclusion 1085"},
		{"a person", set("preperson", "subject", "type", "coding", "code"), "$.subject.type.coding.[0].code inclusion"},
		{"whose id is one", set("7", "subject", "value"), "$.subject.value format"},
		{"and is given", set(nil, "section", "focus", "value"), "$.section.focus.value required"},
		{"a stranger's member", set(1, "colour"), "$.colour schema"},
		{"one event", set([]any{}, "event"), "$.event length"},
		{"its code", set("OTHER", "event", "code", "coding", "code"), "$.event.[0].code.coding.[0].code inclusion"},
		{"the marker of a beginning", set("2026-11-21T00:00:00Z", "event", "period", "start"), startAt + " datetime"},
		{"no shifted marker", set("2026-11-20T22:00:01Z", "event", "period", "start"), startAt + " datetime"},
		{"no zone of its own", set("2026-11-21T00:00:01+02:00", "event", "period", "start"), startAt + " datetime"},
		{"a day of the calendar", set("2026-02-29T00:00:01Z", "event", "period", "start"), startAt + " datetime"},
		{"the marker of an end", set("2026-11-25T23:59:59Z", "event", "period", "end"), endAt + " datetime"},
		{"the order of days", set("2026-11-20T20:59:59Z", "event", "period", "end"), endAt + " invalid"},
		{"one day", set("2026-11-21T20:59:59Z", "event", "period", "end"), ""},
		{"a relation", set("transforms", "relatesTo", "code"), "$.relatesTo.code inclusion"},
		{"to a composition", set("encounter", "relatesTo", "targetIdentifier", "type", "coding", "code"), "$.relatesTo.targetIdentifier.type.coding.[0].code inclusion"},
		{"of an id", set(nil, "relatesTo", "targetIdentifier", "value"), "$.relatesTo.targetIdentifier.value required"},
		{"a known extension", set("IS_TIRED", "extension", "valueCode"), "$.extension.[0].valueCode inclusion"},
		{"with its member", set(nil, "extension", "valueBoolean"), "$.extension.[0].valueBoolean required"},
		{"and no other", set("x", "extension", "valueString"), "$.extension.[0].valueString schema"},
		{"once", func(m map[string]any) { l := m["extension"].([]any); m["extension"] = append(l, l[0]) }, "$.extension.[1].valueCode unique"},
	} {
		t.Run(c.rule, func(t *testing.T) {
			m := body()
			c.edit(m)
			b, err := json.Marshal(m)
			require.NoError(t, err)
			in, p, err := decodeInput(b)
			require.Equal(t, c.want, what(err))
			if err == nil {
				require.Equal(t, registry.Date{Year: 2026, Month: 11, Day: 21}, p.Start)
				require.Equal(t, Sickness, in.category())
			}
		})
	}
	for _, bad := range []string{``, `[`, `{"type":1,"type":2}`} {
		_, _, err := decodeInput([]byte(bad))
		require.Equal(t, registry.CodeMalformed, registry.CodeOf(err), bad)
	}
}

// The printed form says in which state the paper is, and turns no name into markup.
func TestPrintedForm(t *testing.T) {
	l := Leave{Status: composition.Final, Category: ChildCare, Period: days(0, 5), Relation: Appends, Stored: Stored{SignedAt: today.Time(), Document: Document{
		Title: "0A1E-2H3K-4M5P-6T7X", Names: Names{Subject: "Дитина <b>", SubjectBirthDate: registry.Date{Year: 2020, Month: 2, Day: 29}, Focus: "Мати Зразкова", Author: "Лікарка", LegalEntity: "Клініка", EDRPOU: "00015622"},
		Input: Input{Extensions: []Extension{{Code: IsAccident, Boolean: true}, {Code: IsIntoxicated}, {Code: InformWith, UUID: patientID}}}}}}
	text, err := printed(&l)
	require.NoError(t, err)
	for _, shown := range []string{"0A1E-2H3K-4M5P-6T7X", "Догляд за хворою дитиною", "з 21.11.2026 до 25.11.2026 включно, днів: 5", "Мати Зразкова", "Дитина &lt;b&gt;, 29.02.2020", "продовження", "Нещасний випадок", "Лікарка", "00015622"} {
		require.Contains(t, text, shown)
	}
	for _, hidden := range []string{"<b>", "Стан спʼяніння", "СКАСОВАНО", "script", patientID.String()} {
		require.NotContains(t, text, hidden)
	}
	l.Status, l.Category, l.Names.Subject = composition.EnteredInError, Sickness, "Мати Зразкова"
	text, err = printed(&l)
	require.NoError(t, err)
	require.Contains(t, text, "СКАСОВАНО")
	require.NotContains(t, text, "Пацієнт")
	for _, c := range categories {
		require.NotEmpty(t, CategoryWord(c), c)
	}
}
