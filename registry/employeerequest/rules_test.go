package employeerequest

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/dictionary"
	"mist/registry/prm"
)

var today = registry.Date{Year: 2026, Month: 11, Day: 21}

const good = `{"legal_entity_id":"01890a5d-ac96-774b-bcce-b302099a8057","division_id":"01890a5d-ac96-774b-bcce-b302099a8058","employee_type":"DOCTOR","position":"P7","start_date":"2026-01-05",
 "party":{"last_name":"Зразкова","first_name":"Марія","birth_date":"1990-02-28","gender":"FEMALE","tax_id":"3278011533","email":"m@example.org","documents":[{"type":"PASSPORT","number":"КВ123456","issued_at":"2008-03-01"}],"phones":[{"type":"MOBILE","number":"+380390000006"}]},
 "additional":{"educations":[{"country":"UA","city":"Зразкове","institution_name":"Університет","diploma_number":"ЗР 1","degree":"MASTER","speciality":"медицина"}],
  "qualifications":[{"type":"INTERNSHIP","institution_name":"Університет","speciality":"медицина"}],
  "specialities":[{"speciality":"FAMILY_DOCTOR","speciality_officio":true,"level":"FIRST","qualification_type":"AWARDING","attestation_name":"комісія","attestation_date":"2020-05-05","certificate_number":"АБ/1"}]}}`

var (
	clinic = prm.LegalEntityType{Type: "PRIMARY_CARE", EmployeeTypes: []string{"OWNER", "DOCTOR", "HR"}, OwnerPositions: []string{"P2"}}
	doctor = prm.EmployeeType{Type: "DOCTOR", Requestable: true, Specialities: []string{"THERAPIST", "PEDIATRICIAN", "FAMILY_DOCTOR"}, Division: true}
)

// whole runs a document through the rules of form and of its types.
func whole(t *testing.T, document string, kind prm.EmployeeType) error {
	t.Helper()
	lists, err := dictionary.Built()
	require.NoError(t, err)
	in, err := read([]byte(document), lists, today)
	if err != nil {
		return err
	}
	return checkType(in, clinic, kind, lists, today)
}

func TestRulesOfARequest(t *testing.T) {
	require.NoError(t, whole(t, good, doctor))
	for _, c := range []struct{ old, with, entry, rule string }{
		{`"legal_entity_id":"01890a5d-ac96-774b-bcce-b302099a8057",`, ``, "$.legal_entity_id", "required"},
		{`"division_id":"01890a5d-ac96-774b-bcce-b302099a8058",`, ``, "$.division_id", "required"},
		{`"employee_type":"DOCTOR"`, `"employee_type":"PHARMACIST"`, "$.employee_type", "inclusion"},
		{`"position":"P7"`, `"position":"P77"`, "$.position", "inclusion"},
		{`"start_date":"2026-01-05"`, `"start_date":"2028-01-05"`, "$.start_date", "invalid"},
		{`"start_date":"2026-01-05"`, `"start_date":"1980-01-05"`, "$.start_date", "invalid"},
		{`"tax_id":"3278011533"`, `"tax_id":"3278011534"`, "$.party.tax_id", "invalid"},
		{`"tax_id":"3278011533"`, `"tax_id":"3278011533","no_tax_id":true`, "$.party.tax_id", "format"},
		{`"email":"m@example.org"`, `"email":"m"`, "$.party.email", "email"},
		{`"first_name":"Марія"`, `"first_name":"Марыя"`, "$.party.first_name", "format"},
		{`[{"type":"PASSPORT","number":"КВ123456","issued_at":"2008-03-01"}]`, `[]`, "$.party.documents", "length"},
		{`"issued_at":"2008-03-01"`, `"issued_at":"2028-03-01"`, "$.party.documents.[0].issued_at", "invalid"},
		{`"issued_at":"2008-03-01"`, `"issued_at":"1980-03-01"`, "$.party.documents.[0].issued_at", "invalid"},
		{`"type":"PASSPORT"`, `"type":"BIRTH_CERTIFICATE"`, "$.party.documents.[0].type", "inclusion"},
		{`"degree":"MASTER"`, `"degree":"KING"`, "$.additional.educations.[0].degree", "inclusion"},
		{`"type":"INTERNSHIP"`, `"type":"HOLIDAY"`, "$.additional.qualifications.[0].type", "inclusion"},
		{`"level":"FIRST"`, `"level":"FIFTH"`, "$.additional.specialities.[0].level", "inclusion"},
		{`"qualification_type":"AWARDING"`, `"qualification_type":"X"`, "$.additional.specialities.[0].qualification_type", "inclusion"},
		{`"attestation_date":"2020-05-05"`, `"attestation_date":"2030-05-05"`, "$.additional.specialities.[0].attestation_date", "invalid"},
		{`"attestation_date":"2020-05-05"`, `"attestation_date":"2020-05-05","valid_to_date":"2025-05-05"`, "$.additional.specialities.[0].valid_to_date", "invalid"},
		{`"certificate_number":"АБ/1"`, `"certificate_number":""`, "$.additional.specialities.[0].certificate_number", "required"},
		{`"speciality_officio":true`, `"speciality_officio":false`, "$.additional.specialities", "speciality_officio"},
		{`"speciality":"FAMILY_DOCTOR"`, `"speciality":"PHARMACIST"`, "$.additional.specialities.[0].speciality", "speciality_inclusion"},
		{`"country":"UA","city"`, `"colour":"red","country":"UA","city"`, "$.additional.educations.[0].colour", "schema"},
	} {
		require.Equal(t, 1, strings.Count(good, c.old), c.old)
		e := registry.AsError(whole(t, strings.Replace(good, c.old, c.with, 1), doctor))
		require.NotNil(t, e, c.with)
		require.Equal(t, registry.CodeInvalid, e.Code)
		require.Equal(t, c.entry+" "+c.rule, e.Fields[0].Entry+" "+e.Fields[0].Rule, c.with)
	}
	hr := prm.EmployeeType{Type: "HR", Requestable: true}
	require.Equal(t, "$.additional.specialities", registry.AsError(whole(t, strings.Replace(good, `"DOCTOR"`, `"HR"`, 1), hr)).Fields[0].Entry)
	head := prm.EmployeeType{Type: "OWNER", Requestable: true, Head: true}
	require.Equal(t, "$.position", registry.AsError(whole(t, strings.Replace(good, `"DOCTOR"`, `"OWNER"`, 1), head)).Fields[0].Entry)
}

// A request that changes an employee keeps who it is: each difference is the
// documented conflict.
func TestRulesOfAChange(t *testing.T) {
	le := registry.ID{1}
	in := Input{EmployeeType: "DOCTOR", StartDate: today, Party: prm.PartyInput{TaxID: "3278011533", BirthDate: registry.Date{Year: 1990, Month: 2, Day: 28}}}
	e := prm.Employee{LegalEntityID: le, Status: "APPROVED", Type: "DOCTOR", StartDate: today, Party: prm.Party{TaxID: "3278011533", BirthDate: in.Party.BirthDate}}
	require.NoError(t, checkChange(in, e, le))
	require.Equal(t, registry.CodeNotFound, registry.CodeOf(checkChange(in, e, registry.ID{2})))
	for reason, change := range map[string]func(e *prm.Employee){
		"employee_status": func(e *prm.Employee) { e.Status = "DISMISSED" },
		"tax_id":          func(e *prm.Employee) { e.Party.TaxID = "3126509817" },
		"employee_type":   func(e *prm.Employee) { e.Type = "HR" },
		"birth_date":      func(e *prm.Employee) { e.Party.BirthDate.Year = 1991 },
		"start_date":      func(e *prm.Employee) { e.StartDate = today.AddDate(0, 0, 1) },
	} {
		e := e
		change(&e)
		err := registry.AsError(checkChange(in, e, le))
		require.Equal(t, registry.CodeConflict, err.Code)
		require.Equal(t, reason, err.Reason)
	}
}

func TestAnswersAreTakenOnceAndInTime(t *testing.T) {
	now := time.Now()
	r := prm.EmployeeRequest{Status: prm.RequestNew, ExpiresAt: now.Add(time.Second)}
	require.NoError(t, open(r, now))
	require.Equal(t, "invitation_expired", registry.AsError(open(r, now.Add(time.Second))).Reason)
	r.Status = prm.RequestExpired
	require.Equal(t, "invitation_expired", registry.AsError(open(r, now)).Reason, "the job was first")
	for _, status := range []string{prm.RequestApproved, prm.RequestRejected} {
		r.Status = status
		require.Equal(t, "status_"+status, registry.AsError(open(r, now)).Reason)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(good))
	lists, err := dictionary.Built()
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, b []byte) {
		_, err := read(b, lists, today)
		require.NotEqual(t, registry.CodeInternal, registry.CodeOf(err))
	})
}
