package personrequest

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/jcs"
	"mist/registry/patient"
	"mist/registry/prm"
)

// Every unknown member and every value of another type is named by its path.
func TestInputNamesEveryFault(t *testing.T) {
	in, err := decodeInput([]byte(`{"person":{"first_name":"Марія","birth_date":"1990-02-28","phones":[{"type":"MOBILE","number":"1"}]},"process_disclosure_data_consent":true}`))
	require.NoError(t, err)
	require.Equal(t, "Марія", in.Person.FirstName)
	require.True(t, in.Person.ProcessDisclosureDataConsent)
	for body, want := range map[string]string{
		`{}`:                                        "$.person required",
		`{"person":[]}`:                             "$.person cast",
		`{"person":{"colour":"red"}}`:               "$.person.colour schema",
		`{"person":{"First_Name":"x"}}`:             "$.person.First_Name schema",
		`{"person":{"first_name":5}}`:               "$.person.first_name cast",
		`{"person":{"no_tax_id":"yes"}}`:            "$.person.no_tax_id cast",
		`{"person":{"birth_date":"28.02.1990"}}`:    "$.person.birth_date date",
		`{"person":{"birth_date":""}}`:              "$.person.birth_date date",
		`{"person":{"id":"1"}}`:                     "$.person.id format",
		`{"person":{"documents":{}}}`:               "$.person.documents cast",
		`{"person":{"documents":[{"x":1}]}}`:        "$.person.documents.[0].x schema",
		`{"person":{"emergency_contact":"mother"}}`: "$.person.emergency_contact cast",
		`{"person":{"version":7}}`:                  "$.person.version schema",
		`{"person":{"patient_signed":true}}`:        "$.person.patient_signed schema",
		`{"person":{"authentication_methods":[{"id":"0190a000-0000-7000-8000-000000000001"}]}}`: "$.person.authentication_methods.[0].id schema",
		`{"person":{"authentication_methods":[{"started_at":"now"}]}}`:                          "$.person.authentication_methods.[0].started_at datetime",
		`{"person":{},"x":1}`: "$.x schema",
		`{"person":null}`:     "$.person cast",
	} {
		_, err := decodeInput([]byte(body))
		e := registry.AsError(err)
		require.NotNil(t, e, body)
		require.Equal(t, want, e.Fields[0].Entry+" "+e.Fields[0].Rule, body)
	}
	_, err = decodeInput([]byte(`{"person":{},"person":{}}`))
	require.Equal(t, registry.CodeMalformed, registry.CodeOf(err))
	_, err = decodeInput([]byte(`{"person":{"documents":[` + strings.TrimSuffix(strings.Repeat(`{"x":1},`, 100), ",") + `]}}`))
	require.Len(t, registry.AsError(err).Fields, 50)
}

func FuzzDecodeInput(f *testing.F) {
	for _, s := range []string{`{}`, `{"person":{"documents":[{"type":"PASSPORT"}]}}`, `{"person":{"id":""}}`, `[`, `{"person":{"no_tax_id":1e400}}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		_, err := decodeInput(b)
		require.NotEqual(t, registry.CodeInternal, registry.CodeOf(err))
	})
}

func TestRulesOfTheAuthor(t *testing.T) {
	clinic := registry.ID{1}
	c := registry.Caller{LegalEntityID: clinic}
	e := prm.Employee{LegalEntityID: clinic, Type: "DOCTOR", Status: "APPROVED"}
	l := prm.LegalEntity{ID: clinic, Type: "PRIMARY_CARE", Status: "ACTIVE"}
	require.NoError(t, prm.MayWritePersons(c, e, l))
	for reason, change := range map[string]func(e *prm.Employee, l *prm.LegalEntity){
		"legal_entity_type":   func(_ *prm.Employee, l *prm.LegalEntity) { l.Type = "PHARMACY" },
		"legal_entity_status": func(_ *prm.Employee, l *prm.LegalEntity) { l.Status = "CLOSED" },
		"employee":            func(e *prm.Employee, _ *prm.LegalEntity) { e.Type = "PHARMACIST" },
		"employee ":           func(e *prm.Employee, _ *prm.LegalEntity) { e.Status = "DISMISSED" },
		"employee  ":          func(e *prm.Employee, _ *prm.LegalEntity) { e.LegalEntityID = registry.ID{2} },
	} {
		e, l := e, l
		change(&e, &l)
		err := registry.AsError(prm.MayWritePersons(c, e, l))
		require.NotNil(t, err, reason)
		require.Equal(t, strings.TrimSpace(reason), err.Reason)
	}
}

func TestNextRecord(t *testing.T) {
	reserved := patient.Person{ID: registry.ID{1}, Status: patient.StatusInactive}
	given := patient.Person{LastName: "Зразкова", TaxID: "3278011533", Secret: "таємне"}
	p, err := next(reserved, given)
	require.NoError(t, err)
	require.Equal(t, reserved.ID, p.ID)
	require.Equal(t, 1, p.Version)
	require.Equal(t, patient.StatusActive, p.Status)
	require.Equal(t, "VERIFICATION_NEEDED", p.VerificationStatus)

	stored := p
	stored.VerificationStatus, stored.DeathDate = "VERIFIED", registry.Date{Year: 2026, Month: 1, Day: 1}
	given.Version, given.Secret = 1, "інше слово"
	p, err = next(stored, given)
	require.NoError(t, err)
	require.Equal(t, 2, p.Version)
	require.Equal(t, "VERIFIED", p.VerificationStatus, "the identity is the same")
	require.Equal(t, stored.DeathDate, p.DeathDate)
	given.LastName = "Інша"
	p, err = next(stored, given)
	require.NoError(t, err)
	require.Equal(t, "VERIFICATION_NEEDED", p.VerificationStatus)

	stored.Version = 2
	_, err = next(stored, given)
	require.Equal(t, "person_version", registry.AsError(err).Reason)
	stored.Version, stored.Status = 1, patient.StatusInactive
	_, err = next(stored, given)
	require.Equal(t, "person_status", registry.AsError(err).Reason)
	require.Equal(t, "person_status", registry.AsError(checkStored(stored)).Reason)
	require.Equal(t, registry.CodeNotFound, registry.CodeOf(checkStored(reserved)), "a reserved record is nobody yet")
}

func TestContentIsItsOwnRoundTrip(t *testing.T) {
	c := Content{Status: "APPROVED", Channel: "MIS", Person: patient.Person{LastName: `<script>alert(1)</script>`, ConfidantPersons: []patient.Confidant{{FirstName: "Ганна"}}}, PatientSigned: true}
	var err error
	c.Printout, err = c.render()
	require.NoError(t, err)
	require.NotContains(t, c.Printout, "<script>")
	b, err := jcs.Marshal(c)
	require.NoError(t, err)
	back, err := decodeContent(b)
	require.NoError(t, err)
	require.Equal(t, c.Person.ConfidantPersons[0].FirstName, back.Person.ConfidantPersons[0].FirstName)
	_, err = decodeContent([]byte(strings.Replace(string(b), `"channel":`, `"stranger":1,"channel":`, 1)))
	require.Equal(t, registry.CodeMalformed, registry.CodeOf(err))
	require.Equal(t, "Лукʼян-Тест", patient.TidyName("  Лук'ян–Тест "))
}
