package encounter

import (
	"strconv"
	"strings"
	"time"

	"mist/registry"
	"mist/registry/document"
	"mist/registry/prm"
)

// skew is how far ahead of ours a clinic's clock may be.
const skew = 5 * time.Minute

// check holds a package against the rules that need no rows. oldest is how many
// days ago a visit may have been.
func check(p Package, lists prm.Lists, now time.Time, oldest int) error {
	var f document.Faults
	if len(p.Conditions) > maxChildren || len(p.Reports) > maxChildren || len(p.Encounter.Diagnoses) > maxChildren || len(p.Encounter.Reasons) > maxChildren {
		f.Add("$", "length", "a package holds at most 100 of a kind")
		return f.Err()
	}
	checkVisit(&f, p, now, oldest)
	checkEpisode(&f, p.Episode, lists)
	checkCodes(&f, p.Encounter, lists)
	checkConditions(&f, p, lists, now)
	checkDiagnoses(&f, p)
	checkReports(&f, p, now)
	checkIDs(&f, p)
	return f.Err()
}

func checkVisit(f *document.Faults, p Package, now time.Time, oldest int) {
	e := p.Encounter
	if e.Status != StatusFinished {
		f.OneOf("$.encounter.status", e.Status, StatusFinished)
	}
	if e.Date.After(now.Add(skew)) {
		f.Add("$.encounter.date", "invalid", "Date must be in past")
	}
	if registry.DateOf(e.Date.UTC()).Before(registry.DateOf(now.UTC()).AddDate(0, 0, -oldest)) {
		f.Add("$.encounter.date", "invalid", "Date must be greater than or equal to the day that the parameter encounter_max_days_passed allows", strconv.Itoa(oldest))
	}
	v := p.Visit.Period
	if !v.End.IsZero() && v.End.Before(v.Start) {
		f.Add("$.visit.period.end", "invalid", "End date must be greater than or equal to the start date")
	}
	if v.Start.After(now.Add(skew)) || v.End.After(now.Add(skew)) {
		f.Add("$.visit.period", "invalid", "Date must be in past")
	}
	if e.Date.Before(v.Start) || !v.End.IsZero() && e.Date.After(v.End) {
		f.Add("$.encounter.date", "invalid", "Date must be within the period of the visit")
	}
	if e.PaperReferral != nil && !e.IncomingReferralID.IsZero() {
		f.Add("$.encounter.paper_referral", "invalid", "Only one of the parameters must be present", "$.encounter.paper_referral", "$.encounter.incoming_referral_id")
	}
	if e.PaperReferral != nil {
		f.Required("$.encounter.paper_referral.requester_legal_entity_name", e.PaperReferral.Requester)
		if registry.DateOf(now).Before(e.PaperReferral.RequestDate) {
			f.Add("$.encounter.paper_referral.service_request_date", "invalid", "Date must be in past")
		}
	}
}

// checkEpisode: one that exists is named by its id alone; a new one has both.
func checkEpisode(f *document.Faults, e EpisodeInput, lists prm.Lists) {
	if e.Name == "" && e.Type == "" {
		return
	}
	f.Required("$.episode.name", e.Name)
	if !lists.Has(listEpisodeTypes, e.Type) {
		f.Add("$.episode.type", "inclusion", "value is not allowed in enum", listEpisodeTypes)
	}
}

func checkCodes(f *document.Faults, e Encounter, lists prm.Lists) {
	inList := func(entry, list, code string) {
		if !lists.Has(list, code) {
			f.Add(entry, "inclusion", "value is not allowed in enum", list)
		}
	}
	inList("$.encounter.class", listClasses, e.Class)
	inList("$.encounter.type", listTypes, e.Type)
	if e.Class == classPHC && len(e.Reasons) == 0 {
		f.Add("$.encounter.reasons", "required", "reasons are required for encounters of the class PHC")
	}
	for i, r := range e.Reasons {
		at := "$.encounter.reasons.[" + strconv.Itoa(i) + "]"
		if f.OneOf(at+".system", r.System, SystemReasons) {
			inList(at+".code", SystemReasons, r.Code)
		}
	}
}

func checkConditions(f *document.Faults, p Package, lists prm.Lists, now time.Time) {
	systems := []string{SystemICD10AM}
	if p.Encounter.Class == classPHC {
		systems = append(systems, SystemICPC2)
	}
	for i, c := range p.Conditions {
		at := "$.conditions.[" + strconv.Itoa(i) + "]"
		if f.OneOf(at+".code.system", c.Code.System, systems...) && !lists.Has(c.Code.System, c.Code.Code) {
			f.Add(at+".code.code", "inclusion", "value is not allowed in enum", c.Code.System)
		}
		if !lists.Has(listClinical, c.ClinicalStatus) {
			f.Add(at+".clinical_status", "inclusion", "value is not allowed in enum", listClinical)
		}
		if c.VerificationStatus == enteredInError || !lists.Has(listVerification, c.VerificationStatus) {
			f.Add(at+".verification_status", "inclusion", "value is not allowed in enum", listVerification)
		}
		if registry.DateOf(now).Before(c.OnsetDate) {
			f.Add(at+".onset_date", "invalid", "Date must be in past")
		}
	}
}

// checkDiagnoses: each diagnosis is a condition of the package, none twice, and
// exactly one is the primary.
func checkDiagnoses(f *document.Faults, p Package) {
	primary := 0
	seen := map[registry.ID]bool{}
	for i, d := range p.Encounter.Diagnoses {
		at := "$.encounter.diagnoses.[" + strconv.Itoa(i) + "]"
		known := false
		for _, c := range p.Conditions {
			known = known || c.ID == d.ConditionID
		}
		switch {
		case !known:
			f.Add(at+".condition_id", "invalid", "Condition with such ID is not found")
		case seen[d.ConditionID]:
			f.Add(at+".condition_id", "unique", "the condition is named by two diagnoses")
		}
		seen[d.ConditionID] = true
		f.OneOf(at+".role", d.Role, roles...)
		if d.Rank < 0 || d.Rank > 10 {
			f.Add(at+".rank", "number", "must lie between 1 and 10")
		}
		if d.Role == rolePrimary {
			primary++
		}
	}
	if primary != 1 {
		f.Add("$.encounter.diagnoses", "invalid", "exactly one diagnosis has the role primary")
	}
}

// roles a diagnosis may have; dictionary eHealth/diagnosis_roles names them.
var roles = []string{rolePrimary, "CC", "CM", "complication"}

func checkReports(f *document.Faults, p Package, now time.Time) {
	for i, r := range p.Reports {
		at := "$.diagnostic_reports.[" + strconv.Itoa(i) + "]"
		f.OneOf(at+".status", r.Status, StatusFinal)
		f.Required(at+".code.code", r.Code.Code)
		if f.Required(at+".conclusion", r.Conclusion) && len([]rune(r.Conclusion)) > maxText {
			f.Add(at+".conclusion", "length", "expected value to have a maximum length of 3000")
		}
		if r.Issued.After(now.Add(skew)) {
			f.Add(at+".issued", "invalid", "Date must be in past")
		}
	}
}

// checkIDs: the clinic gives the ids, and none twice.
func checkIDs(f *document.Faults, p Package) {
	seen := map[registry.ID]string{}
	one := func(at string, id registry.ID) {
		if first, twice := seen[id]; twice {
			f.Add(at, "unique", "the id stands twice", first)
		}
		seen[id] = at
	}
	one("$.visit.id", p.Visit.ID)
	one("$.episode.id", p.Episode.ID)
	one("$.encounter.id", p.Encounter.ID)
	for i, c := range p.Conditions {
		one("$.conditions.["+strconv.Itoa(i)+"].id", c.ID)
	}
	for i, r := range p.Reports {
		one("$.diagnostic_reports.["+strconv.Itoa(i)+"].id", r.ID)
	}
}

// checkLetter holds the words of a cancellation.
func checkLetter(f *document.Faults, reason, letter string, lists prm.Lists) {
	if !lists.Has(listCancellations, reason) {
		f.Add("$.cancellation_reason", "inclusion", "value is not allowed in enum", listCancellations)
	}
	if n := len([]rune(strings.TrimSpace(letter))); n > maxText {
		f.Add("$.explanatory_letter", "length", "expected value to have a maximum length of 3000")
	}
}
