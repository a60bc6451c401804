package encounter

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/dictionary"
	"mist/registry/document"
)

var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func id(n byte) registry.ID { return registry.ID{15: n} }

// lists are the built-in code lists.
func lists(t *testing.T) listsOf {
	t.Helper()
	all, err := dictionary.All()
	require.NoError(t, err)
	l := listsOf{}
	for _, d := range all {
		l[d.Name] = d.Values
	}
	return l
}

type listsOf map[string]map[string]string

func (l listsOf) Has(name, code string) bool { _, ok := l[name][code]; return ok }

// whole is a package that keeps every rule.
func whole() Package {
	return Package{
		PatientID: id(1), Visit: Visit{id(2), Period{now.Add(-2 * time.Hour), now.Add(-time.Hour)}},
		Episode: EpisodeInput{id(3), "застуда", "treatment"},
		Encounter: Encounter{ID: id(4), Status: StatusFinished, Date: now.Add(-90 * time.Minute), Class: "AMB", Type: "home",
			Reasons:    []Coding{{SystemReasons, "R05"}},
			Diagnoses:  []Diagnosis{{id(5), "primary", 1}, {id(6), "CM", 2}},
			DivisionID: id(7), PerformerID: id(8)},
		Conditions: []Condition{
			{id(5), Coding{SystemICD10AM, "J06.9"}, "active", "confirmed", registry.Date{Year: 2026, Month: 11, Day: 20}},
			{id(6), Coding{SystemICD10AM, "I10"}, "active", "provisional", registry.Date{Year: 2020, Month: 1, Day: 1}}},
		Reports: []Report{{ID: id(9), Status: StatusFinal, Code: Coding{"eHealth/service", "91.01"}, Issued: now.Add(-time.Hour), Conclusion: "норма"}},
	}
}

// Every rule that needs no rows: what breaks it, and beside it the nearest
// package that keeps it.
func TestRules(t *testing.T) {
	l := lists(t)
	paper := &Paper{Requester: "Лікарня", RequestDate: registry.Date{Year: 2026, Month: 11, Day: 21}}
	tomorrow := *paper
	tomorrow.RequestDate.Day = 22
	for _, c := range []struct {
		name   string
		breaks func(*Package)
		entry  string
		keeps  func(*Package)
	}{
		{"a new encounter is finished", func(p *Package) { p.Encounter.Status = enteredInError }, "$.encounter.status", nil},
		{"not in the future", func(p *Package) { p.Encounter.Date = now.Add(6 * time.Minute); p.Visit.Period.End = time.Time{} }, "$.encounter.date",
			func(p *Package) { p.Encounter.Date = now.Add(4 * time.Minute); p.Visit.Period.End = time.Time{} }},
		{"at most seven days ago", func(p *Package) { p.Encounter.Date = now.AddDate(0, 0, -8); p.Visit.Period.Start = p.Encounter.Date }, "$.encounter.date",
			func(p *Package) { p.Encounter.Date = now.AddDate(0, 0, -7); p.Visit.Period.Start = p.Encounter.Date }},
		{"a visit ends after it began", func(p *Package) { p.Visit.Period = Period{now.Add(-time.Hour), now.Add(-2 * time.Hour)} }, "$.visit.period.end", nil},
		{"a visit is over, or goes on", func(p *Package) { p.Visit.Period.End = now.Add(time.Hour) }, "$.visit.period", func(p *Package) { p.Visit.Period.End = time.Time{} }},
		{"the encounter is within the visit", func(p *Package) { p.Encounter.Date = now.Add(-3 * time.Hour) }, "$.encounter.date", func(p *Package) { p.Encounter.Date = p.Visit.Period.Start }},
		{"one referral, not two", func(p *Package) { p.Encounter.PaperReferral, p.Encounter.IncomingReferralID = paper, id(20) }, "$.encounter.paper_referral", func(p *Package) { p.Encounter.PaperReferral = paper }},
		{"a paper referral of today at latest", func(p *Package) { p.Encounter.PaperReferral = &tomorrow }, "$.encounter.paper_referral.service_request_date", func(p *Package) { p.Encounter.PaperReferral = paper }},
		{"a paper referral names who asked", func(p *Package) { p.Encounter.PaperReferral = &Paper{RequestDate: paper.RequestDate} }, "$.encounter.paper_referral.requester_legal_entity_name", func(p *Package) { p.Encounter.PaperReferral = paper }},
		{"a new episode has a name", func(p *Package) { p.Episode.Name = "" }, "$.episode.name", func(p *Package) { p.Episode.Name, p.Episode.Type = "", "" }},
		{"a new episode has a type of the list", func(p *Package) { p.Episode.Type = "holiday" }, "$.episode.type", func(p *Package) { p.Episode.Type = "prevention" }},
		{"class of the list", func(p *Package) { p.Encounter.Class = "XXX" }, "$.encounter.class", func(p *Package) { p.Encounter.Class = "EMER" }},
		{"type of the list", func(p *Package) { p.Encounter.Type = "moon" }, "$.encounter.type", func(p *Package) { p.Encounter.Type = "virtual" }},
		{"primary care gives reasons", func(p *Package) { p.Encounter.Class, p.Encounter.Reasons = classPHC, nil }, "$.encounter.reasons", func(p *Package) { p.Encounter.Reasons = nil }},
		{"a reason is of ICPC-2", func(p *Package) { p.Encounter.Reasons[0].System = SystemICD10AM }, "$.encounter.reasons.[0].system", nil},
		{"a reason is of the list", func(p *Package) { p.Encounter.Reasons[0].Code = "Q99" }, "$.encounter.reasons.[0].code", func(p *Package) { p.Encounter.Reasons[0].Code = "*31" }},
		{"outside primary care a diagnosis is of ICD-10-AM", func(p *Package) { p.Conditions[0].Code = Coding{SystemICPC2, "R74"} }, "$.conditions.[0].code.system",
			func(p *Package) { p.Encounter.Class, p.Conditions[0].Code = classPHC, Coding{SystemICPC2, "R74"} }},
		{"a code of the list", func(p *Package) { p.Conditions[0].Code.Code = "Y99.9" }, "$.conditions.[0].code.code", func(p *Package) { p.Conditions[0].Code.Code = "J20.9" }},
		{"a clinical status", func(p *Package) { p.Conditions[0].ClinicalStatus = "maybe" }, "$.conditions.[0].clinical_status", func(p *Package) { p.Conditions[0].ClinicalStatus = "remission" }},
		{"a verification status", func(p *Package) { p.Conditions[0].VerificationStatus = "maybe" }, "$.conditions.[0].verification_status", func(p *Package) { p.Conditions[0].VerificationStatus = "refuted" }},
		{"nothing begins as an error", func(p *Package) { p.Conditions[0].VerificationStatus = enteredInError }, "$.conditions.[0].verification_status", nil},
		{"an onset of today at latest", func(p *Package) { p.Conditions[0].OnsetDate.Day = 22 }, "$.conditions.[0].onset_date", func(p *Package) { p.Conditions[0].OnsetDate.Day = 21 }},
		{"a diagnosis names a condition of the package", func(p *Package) { p.Encounter.Diagnoses[1].ConditionID = id(99) }, "$.encounter.diagnoses.[1].condition_id", nil},
		{"a condition is one diagnosis", func(p *Package) { p.Encounter.Diagnoses[1].ConditionID = id(5) }, "$.encounter.diagnoses.[1].condition_id", nil},
		{"a role of the list", func(p *Package) { p.Encounter.Diagnoses[1].Role = "chief" }, "$.encounter.diagnoses.[1].role", func(p *Package) { p.Encounter.Diagnoses[1].Role = "complication" }},
		{"two primary", func(p *Package) { p.Encounter.Diagnoses[1].Role = "primary" }, "$.encounter.diagnoses", nil},
		{"none primary", func(p *Package) { p.Encounter.Diagnoses[0].Role = "CC" }, "$.encounter.diagnoses", func(p *Package) { p.Encounter.Diagnoses[0].Role, p.Encounter.Diagnoses[1].Role = "CM", "primary" }},
		{"no diagnosis", func(p *Package) { p.Encounter.Diagnoses = nil }, "$.encounter.diagnoses", nil},
		{"a rank of one to ten", func(p *Package) { p.Encounter.Diagnoses[0].Rank = 11 }, "$.encounter.diagnoses.[0].rank", func(p *Package) { p.Encounter.Diagnoses[0].Rank = 10 }},
		{"a report is final", func(p *Package) { p.Reports[0].Status = "draft" }, "$.diagnostic_reports.[0].status", nil},
		{"a report concludes", func(p *Package) { p.Reports[0].Conclusion = " " }, "$.diagnostic_reports.[0].conclusion", nil},
		{"a conclusion of 3000 letters", func(p *Package) { p.Reports[0].Conclusion = strings.Repeat("ї", 3001) }, "$.diagnostic_reports.[0].conclusion", func(p *Package) { p.Reports[0].Conclusion = strings.Repeat("ї", 3000) }},
		{"a report says of what", func(p *Package) { p.Reports[0].Code.Code = "" }, "$.diagnostic_reports.[0].code.code", nil},
		{"a report was issued", func(p *Package) { p.Reports[0].Issued = now.Add(time.Hour) }, "$.diagnostic_reports.[0].issued", func(p *Package) { p.Reports[0].Issued = now }},
		{"an id stands once", func(p *Package) { p.Reports[0].ID = p.Encounter.ID }, "$.diagnostic_reports.[0].id", nil},
		{"ids of two conditions", func(p *Package) { p.Conditions[1].ID = id(5); p.Encounter.Diagnoses = p.Encounter.Diagnoses[:1] }, "$.conditions.[1].id", func(p *Package) { p.Conditions[1].ID = id(66); p.Encounter.Diagnoses = p.Encounter.Diagnoses[:1] }},
		{"a hundred of a kind", func(p *Package) { p.Reports = make([]Report, 101) }, "$", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := whole()
			require.NoError(t, check(p, l, now, 7), "the unmutated twin")
			c.breaks(&p)
			err := check(p, l, now, 7)
			require.Equal(t, registry.CodeInvalid, registry.CodeOf(err))
			var entries []string
			for _, f := range registry.AsError(err).Fields {
				entries = append(entries, f.Entry)
			}
			require.Contains(t, entries, c.entry)
			if c.keeps != nil {
				p = whole()
				c.keeps(&p)
				require.NoError(t, check(p, l, now, 7))
			}
		})
	}
}

// The document is read strictly: what is unknown, missing or of another type is named.
func TestDocumentIsReadStrictly(t *testing.T) {
	good, err := json.Marshal(whole())
	require.NoError(t, err)
	var p Package
	require.NoError(t, document.Read(good, &p))
	require.Equal(t, whole(), p)
	for name, change := range map[string]func(string) string{
		"unknown member": func(s string) string { return strings.Replace(s, `"class"`, `"klass"`, 1) },
		"missing":        func(s string) string { return strings.Replace(s, `"patient_id":"`+id(1).String()+`",`, ``, 1) },
		"not a moment": func(s string) string {
			return strings.Replace(s, `"date":"2026-11-21T10:30:00Z"`, `"date":"21.11.2026"`, 1)
		},
		"twice": func(s string) string { return strings.Replace(s, `"class":"AMB"`, `"class":"AMB","class":"EMER"`, 1) },
	} {
		changed := change(string(good))
		require.NotEqual(t, string(good), changed, name)
		require.Error(t, document.Read([]byte(changed), &p), name)
	}
}

// A cancellation is the package itself with other states; whatever else differs is named.
func TestCancellationCorresponds(t *testing.T) {
	signed, err := json.Marshal(whole())
	require.NoError(t, err)
	taken := func(change func(*Cancel)) decodedCancel {
		c := Cancel{Package: whole(), CancellationReason: "misspelling", ExplanatoryLetter: "описка"}
		c.Encounter.Status, c.Reports[0].Status = enteredInError, enteredInError
		for i := range c.Conditions {
			c.Conditions[i].VerificationStatus = enteredInError
		}
		change(&c)
		b, err := json.Marshal(c)
		require.NoError(t, err)
		return decodedCancel{c, b}
	}
	require.NoError(t, corresponds(signed, taken(func(*Cancel) {})))
	require.NoError(t, corresponds(signed, taken(func(c *Cancel) { c.ExplanatoryLetter = "" })))
	for pointer, change := range map[string]func(*Cancel){
		"/conditions/0/code/code":           func(c *Cancel) { c.Conditions[0].Code.Code = "I10" },
		"/conditions/1/verification_status": func(c *Cancel) { c.Conditions[1].VerificationStatus = "confirmed" },
		"/encounter/status":                 func(c *Cancel) { c.Encounter.Status = StatusFinished },
		"/diagnostic_reports/0/conclusion":  func(c *Cancel) { c.Reports[0].Conclusion = "інша" },
		"/patient_id":                       func(c *Cancel) { c.PatientID = id(77) },
	} {
		err := corresponds(signed, taken(change))
		require.Equal(t, registry.CodeConflict, registry.CodeOf(err), pointer)
		require.Contains(t, registry.AsError(err).Detail, pointer)
		require.Equal(t, []string{pointer}, registry.AsError(err).Fields[0].Params)
	}
}

// Whatever a document says, reading and judging it ends with an answer.
func FuzzPackage(f *testing.F) {
	good, err := json.Marshal(whole())
	require.NoError(f, err)
	f.Add(good)
	f.Add([]byte(`{"patient_id":""}`))
	f.Add([]byte(`{"conditions":[{}],"encounter":{"diagnoses":[{}]}}`))
	all, err := dictionary.All()
	require.NoError(f, err)
	l := listsOf{}
	for _, d := range all {
		l[d.Name] = d.Values
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		var p Package
		if document.Read(in, &p) == nil && check(p, l, now, 7) == nil {
			require.Equal(t, StatusFinished, p.Encounter.Status)
			require.NotEmpty(t, p.Encounter.Diagnoses)
		}
	})
}
