package sickleave

import (
	"fmt"
	"slices"
	"strconv"

	"mist/registry"
	"mist/registry/composition"
	"mist/registry/patient"
	"mist/registry/prm"
)

// Facts are what the rules compare a conclusion with, as they are at the
// moment it is asked: at the draft, and again at the signature.
type Facts struct {
	Subject, Focus patient.Person
	Author         prm.Employee
	LegalEntity    prm.LegalEntity
	Basis          Basis
	HasBasis       bool
	// Target is what the conclusion relates to.
	Target    Leave
	HasTarget bool
	// TargetParty is the human behind its author, who may have other positions.
	TargetParty registry.ID
	// Others are all conclusions about the one who is off work, in any state.
	Others []Leave
	Rules  Rules
	Lists  prm.Lists
	Today  registry.Date
}

var legalEntityTypes = []string{"PRIMARY_CARE", "OUTPATIENT"}

var authorTypes = []string{"DOCTOR", "SPECIALIST"}

// violated is a refusal with its number in the national service, or a word
// where its number is not public.
func violated(reason, format string, args ...any) *registry.Error {
	return registry.Errorf(registry.CodeRuleViolated, format, args...).WithReason(reason)
}

func conflict(reason, text string) *registry.Error {
	return registry.Errorf(registry.CodeConflict, "%s", text).WithReason(reason)
}

// check holds every rule in a fixed order: who, about whom, on what basis,
// what is said, what it relates to, when, and what else there is.
func check(in *Input, p Period, f *Facts) error {
	for _, rule := range []func(*Input, Period, *Facts) error{checkAuthor, checkPersons, checkBasis, checkCategory, checkExtensions, checkRelation, checkLength, checkTerms, checkOthers} {
		if err := rule(in, p, f); err != nil {
			return err
		}
	}
	return nil
}

func checkAuthor(in *Input, _ Period, f *Facts) error {
	switch {
	case !slices.Contains(legalEntityTypes, f.LegalEntity.Type):
		return conflict("legal_entity_type", "Invalid legal entity type")
	case !f.LegalEntity.Active():
		return conflict("legal_entity_status", "Legal entity is not active")
	case f.Author.LegalEntityID != f.LegalEntity.ID:
		return field("$.author.value", "invalid", "Employee does not belong to your legal entity")
	case !slices.Contains(authorTypes, f.Author.Type):
		return field("$.author.value", "invalid", "Employee must be a DOCTOR or a SPECIALIST")
	case !f.Author.Approved():
		return field("$.author.value", "invalid", "Employee is not approved")
	}
	return nil
}

func checkPersons(in *Input, _ Period, f *Facts) error {
	switch {
	case f.Subject.Status != patient.StatusActive:
		return conflict("person_status", "Person is not active")
	case f.Focus.Status != patient.StatusActive:
		return conflict("focus_status", "The person who is off work is not active")
	case care(in.category()) && in.Section.Focus.Value == in.Subject.Value:
		return field("$.section.focus.value", "invalid", "in a category of care the one who is off work is not the patient")
	case !care(in.category()) && in.Section.Focus.Value != in.Subject.Value:
		return field("$.section.focus.value", "invalid", "the one who is off work is the patient, except in categories of care", ChildCare, FamilyCare, ParentalCare)
	}
	return nil
}

func checkBasis(in *Input, _ Period, f *Facts) error {
	b := f.Basis
	switch {
	case !f.HasBasis || b.PersonID != in.Subject.Value:
		return field("$.encounter.value", "invalid", "Encounter with such ID is not found for the patient")
	case !b.Finished:
		return conflict("encounter_status", "Encounter in \"entered_in_error\" status can not be referenced")
	case b.LegalEntityID != f.LegalEntity.ID:
		return field("$.encounter.value", "invalid", "Encounter does not belong to your legal entity")
	case b.EmployeeID != f.Author.ID:
		return field("$.encounter.value", "invalid", "Encounter was performed by another doctor")
	case !b.Diagnosed:
		return field("$.encounter.value", "invalid", "Encounter has no primary diagnosis")
	}
	return nil
}

func checkCategory(in *Input, _ Period, f *Facts) error {
	c := in.category()
	if !slices.Contains(categories, c) || !f.Lists.Has(CategoriesDictionary, c) {
		return field("$.category.coding.[0].code", "inclusion", "value is not allowed in enum").WithReason("1161")
	}
	return nil
}

func checkExtensions(in *Input, p Period, f *Facts) error {
	v, told := extension(in.Extensions, Violation)
	d, dated := extension(in.Extensions, ViolationDate)
	switch {
	case !told && dated:
		return field("$.extension", "dependency", "TREATMENT_VIOLATION_DATE needs TREATMENT_VIOLATION")
	case told && !f.Lists.Has(ViolationsDictionary, v.String):
		return field("$.extension", "inclusion", "TREATMENT_VIOLATION: value is not allowed in enum")
	case told && !dated:
		return field("$.extension", "required", "TREATMENT_VIOLATION needs TREATMENT_VIOLATION_DATE")
	case dated && f.Today.Before(d.Date):
		return violated("1172", "TREATMENT_VIOLATION_DATE is after today")
	case dated && !p.Holds(d.Date):
		return field("$.extension", "invalid", "TREATMENT_VIOLATION_DATE is outside of the period of validity")
	}
	_, older := extension(in.Extensions, AuthorizeWith)
	_, newer := extension(in.Extensions, InformWith)
	if older && newer {
		return field("$.extension", "exclusion", "give INFORM_WITH or its older name AUTHORIZE_WITH, not both")
	}
	return nil
}

func checkRelation(in *Input, p Period, f *Facts) error {
	code, target := in.relation()
	if code == "" {
		return nil
	}
	t := &f.Target
	same, _ := f.Rules.days(SameAuthor, t.Category, f.Today)
	author := f.TargetParty == f.Author.Party.ID
	switch {
	case !f.HasTarget, t.ID != target, !author && t.SubjectID != in.Subject.Value:
		return registry.Errorf(registry.CodeNotFound, "Composition not found").WithReason("1000")
	case same != 0 && !author:
		return registry.Errorf(registry.CodeForbidden, "only the author of a conclusion continues or corrects it").WithReason("author")
	case t.Status == composition.EnteredInError:
		return violated("1184", "the conclusion this one relates to is ENTERED_IN_ERROR")
	case t.Status != composition.Final:
		return conflict("target_status", "the conclusion this one relates to is not FINAL but "+string(t.Status))
	}
	if code == Appends {
		return checkContinuation(in, p, f)
	}
	return checkReplacement(in, p, f)
}

// readyOn is the first day on which a sick leave can be changed no more: it is
// ready to be paid. The day that makes it ready is still one of those on which
// it may be continued, so the order's two terms of seven days agree.
func (f *Facts) readyOn(t *Leave) (registry.Date, bool) {
	if n, ok := f.Rules.days(ReadyDaysAfterStart, t.Category, t.Period.Start); ok {
		return t.Period.Start.AddDate(0, 0, n+1), true
	}
	if n, ok := f.Rules.days(ReadyDaysAfterEnd, t.Category, t.Period.End); ok {
		return t.Period.End.AddDate(0, 0, n+1), true
	}
	return registry.Date{}, false
}

// checkStillOpen: a conclusion is continued or shortened within some days after
// its end, and only while what it opened is not ready to be paid.
func checkStillOpen(f *Facts) error {
	t := &f.Target
	if n, ok := f.Rules.days(ContinueDays, t.Category, t.Period.End); ok && t.Period.End.AddDate(0, 0, n).Before(f.Today) {
		return violated(ContinueDays, "a conclusion is continued or shortened at most %d days after its last day", n)
	}
	if ready, ok := f.readyOn(t); ok && !f.Today.Before(ready) {
		return violated("ready_to_pay", "the sick leave is ready to be paid since %s and is changed no more", ready)
	}
	return nil
}

func checkContinuation(in *Input, p Period, f *Facts) error {
	t := &f.Target
	switch {
	case t.Category != in.category():
		return field("$.category.coding.[0].code", "invalid", "a continuation has the category of what it continues")
	case t.SubjectID != in.Subject.Value:
		return field("$.subject.value", "invalid", "a continuation is about the same patient")
	case t.FocusID != in.Section.Focus.Value:
		return field("$.section.focus.value", "invalid", "a continuation is for the same person off work")
	case !t.Period.End.Before(p.Start):
		return field("$.event.[0].period.start", "invalid", "a continuation begins after the last day of what it continues")
	}
	if n, ok := f.Rules.days(GapDays, t.Category, f.Today); ok && t.Period.End.AddDate(0, 0, n).Before(p.Start) {
		return field("$.event.[0].period.start", "invalid", "a continuation begins at most "+strconv.Itoa(n)+" day(s) after the last day of what it continues", t.Period.Next().String())
	}
	if f.continued(t) {
		return conflict("continued", "the conclusion has a continuation already")
	}
	return checkStillOpen(f)
}

// continued tells whether a conclusion has a continuation: one of it, or of what
// it was corrected from, that stands, corrected itself or not.
func (f *Facts) continued(t *Leave) bool {
	line := f.lineage(t)
	return slices.ContainsFunc(f.Others, func(o Leave) bool {
		return o.Relation == Appends && slices.Contains(line, o.TargetID) && f.standing(&o).InForce()
	})
}

// lineage is a conclusion and all it stands in the place of.
func (f *Facts) lineage(t *Leave) []registry.ID {
	line := []registry.ID{t.ID}
	for t.Relation == Replaces && len(line) <= len(f.Others) {
		line = append(line, t.TargetID)
		i := slices.IndexFunc(f.Others, func(o Leave) bool { return o.ID == t.TargetID })
		if i < 0 {
			break
		}
		t = &f.Others[i]
	}
	return line
}

func checkReplacement(in *Input, p Period, f *Facts) error {
	t := &f.Target
	if t.SubjectID != in.Subject.Value || t.FocusID != in.Section.Focus.Value {
		return violated("1001", "Composition updates are only allowed for preperson->person")
	}
	if f.continued(t) && (p.End != t.Period.End || t.Category != in.category()) {
		return conflict("continued", "the conclusion has a continuation: its last day and category stay")
	}
	// What continues another one keeps its place in the chain.
	if t.Relation == Appends && (p.Start != t.Period.Start || t.Category != in.category()) {
		return field("$.event.[0].period.start", "invalid", "a corrected continuation keeps its first day and category", t.Period.Start.String())
	}
	n, limited := f.Rules.days(CorrectDays, t.Category, Day(t.SignedAt))
	if !limited || !Day(t.SignedAt).AddDate(0, 0, n).Before(f.Today) {
		return nil
	}
	if f.shortens(in, p) {
		return checkStillOpen(f)
	}
	return violated(CorrectDays, "a conclusion is corrected at most %d days after it was signed; later it can only be shortened", n)
}

// shortens: the same conclusion with an earlier last day.
func (f *Facts) shortens(in *Input, p Period) bool {
	t := &f.Target
	return t.Category == in.category() && p.Start == t.Period.Start && p.End.Before(t.Period.End)
}

func checkLength(in *Input, p Period, f *Facts) error {
	const at = "$.event.[0].period.end"
	c := in.category()
	code, _ := in.relation()
	name := NewLengths
	if code == Appends || code == Replaces && f.Target.Relation == Appends {
		name = AppendLengths
	}
	if allowed, ok := f.Rules.At(name, c, p.Start); ok && !slices.Contains(allowed, p.Days()) && !(code == Replaces && f.shortens(in, p)) {
		params := make([]string, len(allowed))
		for i, n := range allowed {
			params[i] = strconv.Itoa(n)
		}
		return field(at, "inclusion", "the period of this category has one of the lengths in days that are published", params...).WithReason(name)
	}
	if n, ok := f.Rules.days(MaxDays, c, p.Start); ok && p.Days() > n {
		return field(at, "invalid", "the period is longer than "+strconv.Itoa(n)+" days", strconv.Itoa(n)).WithReason(MaxDays)
	}
	if n, ok := f.Rules.days(MaxCaseDays, c, p.Start); ok && f.caseDays(in, p) > n {
		return field(at, "invalid", "the case with all its continuations is longer than "+strconv.Itoa(n)+" days", strconv.Itoa(n)).WithReason(MaxCaseDays)
	}
	return nil
}

// caseDays counts the days of a conclusion and of all it continues.
func (f *Facts) caseDays(in *Input, p Period) int {
	days := p.Days()
	code, at := in.relation()
	if code == Replaces {
		code, at = f.Target.Relation, f.Target.TargetID
	}
	for range len(f.Others) + 1 {
		if code == "" {
			return days
		}
		i := slices.IndexFunc(f.Others, func(o Leave) bool { return o.ID == at })
		if i < 0 {
			return days
		}
		if o := &f.Others[i]; code == Appends {
			days += f.standing(o).Period.Days()
		}
		code, at = f.Others[i].Relation, f.Others[i].TargetID
	}
	return days
}

// standing follows corrections from a conclusion to the one that stands for it.
func (f *Facts) standing(o *Leave) *Leave {
	for range f.Others {
		i := slices.IndexFunc(f.Others, func(n Leave) bool {
			return n.Relation == Replaces && n.TargetID == o.ID && n.Status != composition.EnteredInError
		})
		if i < 0 {
			return o
		}
		o = &f.Others[i]
	}
	return o
}

func checkTerms(in *Input, p Period, f *Facts) error {
	code, _ := in.relation()
	c, found := in.category(), f.Basis.Date
	if f.Today.Before(found) {
		return field("$.encounter.value", "invalid", "the encounter is in the future")
	}
	if code == Replaces {
		return nil // its own terms were asked
	}
	if n, ok := f.Rules.days(CreateDays, c, found); ok && found.AddDate(0, 0, n).Before(f.Today) {
		return violated(CreateDays, "a conclusion is signed at most %d day(s) after the visit at which incapacity was found", n)
	}
	if code == Appends {
		return nil // it begins after what it continues
	}
	const at = "$.event.[0].period.start"
	if n, ok := f.Rules.days(StartBackDays, c, found); ok && !flag(in.Extensions, IsForeign) && p.Start.Before(found.AddDate(0, 0, -n)) {
		return field(at, "invalid", fmt.Sprintf("the period begins at most %d day(s) before the visit, unless the treatment began abroad", n), strconv.Itoa(n)).WithReason(StartBackDays)
	}
	if n, ok := f.Rules.days(StartAheadDays, c, found); ok && found.AddDate(0, 0, n).Before(p.Start) {
		return field(at, "invalid", fmt.Sprintf("the period begins at most %d day(s) after the visit", n), strconv.Itoa(n)).WithReason(StartAheadDays)
	}
	return nil
}

// checkOthers: one day is not certified twice for one person, patient and
// category. Cases of other categories may run beside it: which one is paid is
// the Fund's to decide (ЕСОЗ 2.6, status "Недійсний").
func checkOthers(in *Input, p Period, f *Facts) error {
	code, target := in.relation()
	for i := range f.Others {
		o := &f.Others[i]
		if !o.InForce() || o.FocusID != in.Section.Focus.Value || o.SubjectID != in.Subject.Value || o.Category != in.category() || code == Replaces && o.ID == target {
			continue
		}
		if o.Period.Overlaps(p) {
			return conflict("1002", "Composition for a given subject already exists")
		}
	}
	return nil
}

// CancelFacts are what the rules compare a cancellation with.
type CancelFacts struct {
	Leave Leave
	// Replaced is what the leave stands in the place of.
	Replaced    Leave
	HasReplaced bool
	Others      []Leave // about the one who is off work, in any state
	// Own: the caller is the human who signed it.
	Own   bool
	Rules Rules
	Lists prm.Lists
	Today registry.Date
}

// checkCancellation holds the rules of ЕСОЗ 2.5.
func checkCancellation(c *Cancellation, f *CancelFacts) error {
	l := &f.Leave
	switch {
	case !f.Own:
		return registry.Errorf(registry.CodeForbidden, "only the author of a conclusion cancels it").WithReason("author")
	case l.Status != composition.Final:
		return conflict("1003", "Can't cancel composition in non-FINAL state")
	case len(c.Reason.Coding) != 1 || c.Reason.Coding[0].System != CancellationsDictionary || !f.Lists.Has(CancellationsDictionary, c.Reason.Coding[0].Code):
		return violated("1004", "Invalid cancellation coding")
	}
	if n, ok := f.Rules.days(CancelDays, l.Category, Day(l.SignedAt)); ok && Day(l.SignedAt).AddDate(0, 0, n).Before(f.Today) {
		return violated("1005", "Can't cancel composition: too old")
	}
	facts := Facts{Others: f.Others}
	if facts.continued(l) {
		return conflict("continued", "the conclusion has a continuation; cancel that first")
	}
	if l.Relation != Replaces {
		return nil
	}
	switch {
	case !f.HasReplaced:
		return conflict("1137", "Can't cancel composition: the replaced one is not found")
	case f.Replaced.Status != composition.Amended:
		return conflict("1136", "Can't cancel composition: the replaced one is in non-AMENDED state")
	}
	// What comes back must not meet what was signed meanwhile.
	for i := range f.Others {
		o := &f.Others[i]
		if o.ID != l.ID && o.InForce() && o.SubjectID == f.Replaced.SubjectID && o.Category == f.Replaced.Category && o.Period.Overlaps(f.Replaced.Period) {
			return conflict("1002", "the replaced conclusion would come back over another one")
		}
	}
	return nil
}
