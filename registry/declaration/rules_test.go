package declaration

import (
	"encoding/json"
	"html"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/jcs"
	"mist/registry/patient"
	"mist/registry/prm"
)

var (
	today  = registry.Date{Year: 2026, Month: 11, Day: 21}
	clinic = registry.ID{1}
	source = registry.SystemSource()
)

type parties struct {
	c registry.Caller
	p patient.Person
	e prm.Employee
	d prm.Division
	l prm.LegalEntity
}

func good() parties {
	return parties{
		c: registry.Caller{LegalEntityID: clinic},
		p: patient.Person{Status: patient.StatusActive, BirthDate: registry.Date{Year: 1980, Month: 5, Day: 1},
			AuthenticationMethods: []patient.AuthenticationMethod{{Type: "OTP", PhoneNumber: "+380390000000"}}},
		e: prm.Employee{LegalEntityID: clinic, Type: "DOCTOR", Status: "APPROVED", Speciality: "FAMILY_DOCTOR"},
		d: prm.Division{LegalEntityID: clinic, Status: "ACTIVE"},
		l: prm.LegalEntity{ID: clinic, Type: "PRIMARY_CARE", Status: "ACTIVE"},
	}
}

func (x parties) check() error {
	return DefaultTerms().checkParties(x.c, x.p, x.e, x.d, x.l, today)
}

// One line per rule of "create" (ЕСОЗ 1.1, domain notes 1.3); each breaks the
// one request that passes.
func TestRulesOfCreate(t *testing.T) {
	require.NoError(t, good().check(), "the unbroken twin")
	for _, r := range []struct {
		rule   string
		break_ func(x *parties)
		code   registry.Code
		entry  string // or reason
		what   string
	}{
		{"legal entity type", func(x *parties) { x.l.Type = "PHARMACY" }, registry.CodeConflict, "legal_entity_type", ""},
		{"legal entity status", func(x *parties) { x.l.Status = "SUSPENDED" }, registry.CodeConflict, "legal_entity_status", ""},
		{"person active", func(x *parties) { x.p.Status = patient.StatusInactive }, registry.CodeNotFound, "", "Such person doesn't exist"},
		{"authentication method", func(x *parties) { x.p.AuthenticationMethods = nil }, registry.CodeInvalid, "$.person_id", "invalid"},
		{"person verified", func(x *parties) { x.p.VerificationStatus = "NOT_VERIFIED" }, registry.CodeConflict, "person_not_verified", ""},
		{"doctor of another clinic", func(x *parties) { x.e.LegalEntityID = registry.ID{2} }, registry.CodeInvalid, "$.employee_id", "invalid"},
		{"employee type", func(x *parties) { x.e.Type = "ACCOUNTANT" }, registry.CodeInvalid, "$.employee_id", "invalid"},
		{"employee approved", func(x *parties) { x.e.Status = "DISMISSED" }, registry.CodeInvalid, "$.employee_id", "invalid"},
		{"speciality", func(x *parties) { x.e.Speciality = "SURGEON" }, registry.CodeInvalid, "$.employee_id", "speciality_inclusion"},
		{"division of another clinic", func(x *parties) { x.d.LegalEntityID = registry.ID{2} }, registry.CodeInvalid, "$.division_id", "invalid"},
		{"division active", func(x *parties) { x.d.Status = "INACTIVE" }, registry.CodeInvalid, "$.division_id", "invalid"},
		{"paediatrician, adult", func(x *parties) { x.e.Speciality = "PEDIATRICIAN" }, registry.CodeInvalid, "$.person_id", "invalid_age"},
		{"therapist, child", func(x *parties) {
			x.e.Speciality = "THERAPIST"
			x.p.BirthDate = today.AddDate(-18, 0, 1)
		}, registry.CodeInvalid, "$.person_id", "invalid_age"},
	} {
		x := good()
		r.break_(&x)
		err := registry.AsError(x.check())
		require.NotNil(t, err, r.rule)
		require.Equal(t, r.code, err.Code, r.rule)
		switch {
		case len(err.Fields) == 1:
			require.Equal(t, r.entry, err.Fields[0].Entry, r.rule)
			require.Equal(t, r.what, err.Fields[0].Rule, r.rule)
		case r.entry != "":
			require.Equal(t, r.entry, err.Reason, r.rule)
		default:
			require.Equal(t, r.what, err.Detail, r.rule)
		}
	}
}

// What may change between draft, approval and signature is asked each time.
func TestStillEligible(t *testing.T) {
	p := good().p
	require.NoError(t, stillEligible(p), "the unbroken twin")
	p.VerificationStatus = "CHANGES_NEEDED"
	require.NoError(t, stillEligible(p), "only a manual refusal blocks")
	p.VerificationStatus = patient.NotVerified
	err := registry.AsError(stillEligible(p))
	require.Equal(t, registry.CodeConflict, err.Code)
	require.Equal(t, "Patient is not verified", err.Detail)
	p = good().p
	p.Status = patient.StatusInactive
	require.Equal(t, "Person is not active", registry.AsError(stillEligible(p)).Detail)
}

func TestComingOfAgeOnTheDay(t *testing.T) {
	x := good()
	x.e.Speciality, x.p.BirthDate = "THERAPIST", today.AddDate(-18, 0, 0)
	require.NoError(t, x.check())
	x.e.Speciality = "PEDIATRICIAN"
	require.Error(t, x.check())
}

func TestPeriod(t *testing.T) {
	terms := DefaultTerms()
	start, end := terms.period(registry.Date{Year: 1980, Month: 5, Day: 1}, "FAMILY_DOCTOR", today)
	require.Equal(t, today, start)
	require.Equal(t, "2066-11-21", end.String())
	_, end = terms.period(registry.Date{Year: 2020, Month: 2, Day: 29}, "PEDIATRICIAN", today)
	require.Equal(t, "2038-02-28", end.String(), "the day before coming of age")
}

func TestLimit(t *testing.T) {
	terms := DefaultTerms()
	for speciality, limit := range map[string]int{"THERAPIST": 2000, "FAMILY_DOCTOR": 1800, "PEDIATRICIAN": 900} {
		require.NoError(t, terms.checkLimit([]string{speciality}, limit-1), speciality)
		require.Error(t, terms.checkLimit([]string{speciality}, limit), speciality)
	}
	// The smallest limit of the party's positions applies; others have none.
	require.NoError(t, terms.checkLimit([]string{"SURGEON", "THERAPIST", "PEDIATRICIAN"}, 899))
	require.Error(t, terms.checkLimit([]string{"THERAPIST", "PEDIATRICIAN"}, 900))
	require.Error(t, terms.checkLimit(nil, 0), "nobody without a limit")
	err := registry.AsError(terms.checkLimit([]string{"PEDIATRICIAN"}, 900))
	require.Equal(t, registry.CodeRuleViolated, err.Code)
	require.Equal(t, "This doctor has 900 declarations and could not sign more", err.Detail)
}

func TestNumber(t *testing.T) {
	for seq, want := range map[uint64]string{
		0: "0001-0000-0000", 1: "0001-A000-0000", 17: "0001-9000-0000", 18: "0001-0A00-0000", 11019960575: "0001-9999-9999", 11019960576: "",
	} {
		require.Equal(t, want, Number(seq), seq)
	}
}

func TestInputNamesEveryFaultAtOnce(t *testing.T) {
	id := source.NewID().String()
	_, err := decodeInput([]byte(`{"person_id":"` + id + `","employee_id":"` + id + `","division_id":"` + id + `"}`))
	require.NoError(t, err)
	in, err := decodeInput([]byte(`{"person_id":"` + id + `","employee_id":"` + id + `","division_id":"` + id + `","overlimit":true}`))
	require.NoError(t, err)
	require.True(t, in.Overlimit)
	_, err = decodeInput([]byte(`{"person_id":"` + id + `","employee_id":"` + id + `","division_id":"` + id + `","overlimit":"yes"}`))
	require.Equal(t, "$.overlimit", registry.AsError(err).Fields[0].Entry)
	_, err = decodeInput([]byte(`{"person_id":"x","employee_id":1,"extra":true}`))
	var entries []string
	for _, f := range registry.AsError(err).Fields {
		entries = append(entries, f.Entry+" "+f.Rule)
	}
	require.Equal(t, []string{"$.division_id required", "$.employee_id format", "$.person_id format", "$.extra schema"}, entries)
	for _, bad := range []string{``, `[`, `{"person_id":1,"person_id":2}`} {
		_, err = decodeInput([]byte(bad))
		require.Equal(t, registry.CodeMalformed, registry.CodeOf(err), bad)
	}
	_, err = decodeInput([]byte(`[]`))
	require.Equal(t, registry.CodeInvalid, registry.CodeOf(err))
}

// The document survives its own round trip, refuses strangers' members and
// never turns a name into markup.
func TestContent(t *testing.T) {
	x := good()
	x.p.LastName = `<script>alert(1)</script>`
	c := newContent(x.p, x.e, x.d, x.l)
	c.Person.Status = "" // the registry's own knowledge is no part of the document
	c.Number, c.StartDate, c.EndDate, c.Overlimit = "0001-2H3K-4M5P", registry.Date{Year: 2026, Month: 11, Day: 21}, registry.Date{Year: 2066, Month: 11, Day: 21}, true
	draft, err := c.ToBeSigned()
	require.NoError(t, err)
	var form printed
	require.NoError(t, json.Unmarshal(draft, &form))
	c.Printout, err = form.render()
	require.NoError(t, err)
	require.Contains(t, c.Printout, "№ 0001-2H3K-4M5P, з 2026-11-21 до 2066-11-21")
	for _, shown := range []string{x.p.FirstName, x.e.Party.LastName, x.d.Name, x.d.Address, x.l.Name, string(x.l.EDRPOU)} {
		require.Contains(t, html.UnescapeString(c.Printout), shown)
	}
	require.NotContains(t, c.Printout, "<script>")
	require.True(t, c.Person.PatientSigned)
	c.Seed = strings.Repeat("0a", 32)
	b, err := c.ToBeSigned()
	require.NoError(t, err)
	canonical, err := jcs.Canonicalize(b)
	require.NoError(t, err)
	require.Equal(t, string(canonical), string(b))
	back, err := decodeContent(b)
	require.NoError(t, err)
	require.Equal(t, c, back)
	frozen, err := form.freeze(draft, c.Seed)
	require.NoError(t, err)
	require.Equal(t, string(b), string(frozen), "form and seed are put into the draft's own bytes")
	few, err := readFrozen(frozen)
	require.NoError(t, err)
	require.Equal(t, back.signed(), few)
	_, err = form.freeze([]byte(`{"seed":""}`), c.Seed)
	require.Error(t, err)
	_, err = decodeContent([]byte(strings.Replace(string(b), `"scope":`, `"stranger":1,"scope":`, 1)))
	require.Equal(t, registry.CodeMalformed, registry.CodeOf(err))
}
