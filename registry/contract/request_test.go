package contract

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/dictionary"
	"mist/registry/document"
	"mist/registry/prm"
)

var today = registry.Date{Year: 2026, Month: 11, Day: 21}

const other = "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

const digits = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

const good = `{"id":"01890a5d-ac96-774b-bcce-b302099a8050","statute_sha256":"` + digits + `","additional_document_sha256":"` + other + `","contractor_legal_entity_id":"01890a5d-ac96-774b-bcce-b302099a8057","contractor_owner_id":"01890a5d-ac96-774b-bcce-b302099a8051","contractor_base":"на підставі статуту",
 "contractor_payment_details":{"bank_name":"Банк","MFO":"300000","payer_account":"UA213000010000026007233566001"},"contractor_rmsp_amount":100,
 "contractor_divisions":["01890a5d-ac96-774b-bcce-b302099a8058"],
 "contractor_employee_divisions":[{"employee_id":"01890a5d-ac96-774b-bcce-b302099a8059","division_id":"01890a5d-ac96-774b-bcce-b302099a8058","staff_units":0.5,"declaration_limit":1000}],
 "external_contractors":[{"legal_entity_id":"01890a5d-ac96-774b-bcce-b302099a8060","contract":{"number":"1","issued_at":"2026-01-01","expires_at":"2027-12-31"},"divisions":[{"id":"01890a5d-ac96-774b-bcce-b302099a8058","medical_service":"PHC_SERVICES"}]}],
 "external_contractor_flag":true,"start_date":"2027-01-01","end_date":"2027-12-31","id_form":"PMD_1","consent_text":"згода"}`

func TestRulesOfARequest(t *testing.T) {
	lists, err := dictionary.Built()
	require.NoError(t, err)
	_, err = read([]byte(good), lists, "згода", today)
	require.NoError(t, err)
	for _, c := range []struct{ old, with, entry, rule string }{
		{`"statute_sha256":"` + digits + `"`, `"statute_sha256":"d41d8cd98f00b204e9800998ecf8427e"`, "$.statute_sha256", "format"},
		{`"statute_sha256":"` + digits + `",`, ``, "$.statute_sha256", "required"},
		{`"additional_document_sha256":"` + other + `"`, `"additional_document_sha256":"x"`, "$.additional_document_sha256", "format"},
		{`"id":"01890a5d-ac96-774b-bcce-b302099a8050",`, ``, "$.id", "required"},
		{`"contractor_base":"на підставі статуту"`, `"contractor_base":""`, "$.contractor_base", "required"},
		{`"MFO":"300000"`, `"MFO":"30"`, "$.contractor_payment_details.MFO", "format"},
		{`"payer_account":"UA213000010000026007233566001"`, `"payer_account":"x"`, "$.contractor_payment_details.payer_account", "format"},
		{`"contractor_rmsp_amount":100`, `"contractor_rmsp_amount":-1`, "$.contractor_rmsp_amount", "number"},
		{`"contractor_divisions":["01890a5d-ac96-774b-bcce-b302099a8058"]`, `"contractor_divisions":["01890a5d-ac96-774b-bcce-b302099a8050"]`, "$.contractor_employee_divisions.[0].division_id", "inclusion"},
		{`"contractor_divisions":["01890a5d-ac96-774b-bcce-b302099a8058"]`, `"contractor_divisions":["01890a5d-ac96-774b-bcce-b302099a8058","01890a5d-ac96-774b-bcce-b302099a8058"]`, "$.contractor_divisions.[1]", "unique"},
		{`"staff_units":0.5`, `"staff_units":0`, "$.contractor_employee_divisions.[0].staff_units", "number"},
		{`"declaration_limit":1000`, `"declaration_limit":0`, "$.contractor_employee_divisions.[0].declaration_limit", "number"},
		{`"external_contractor_flag":true`, `"external_contractor_flag":false`, "$.external_contractor_flag", "invalid"},
		{`"expires_at":"2027-12-31"`, `"expires_at":"2025-12-31"`, "$.external_contractors.[0].contract.expires_at", "invalid"},
		{`"expires_at":"2027-12-31"`, `"expires_at":"2026-12-31"`, "$.external_contractors.[0].contract.expires_at", "invalid"},
		{`"medical_service":"PHC_SERVICES"`, `"medical_service":"X"`, "$.external_contractors.[0].divisions.[0].medical_service", "inclusion"},
		{`"start_date":"2027-01-01"`, `"start_date":"2029-01-01"`, "$.start_date", "invalid"},
		{`"start_date":"2027-01-01"`, `"start_date":"2026-11-20"`, "$.start_date", "invalid"},
		{`"end_date":"2027-12-31"`, `"end_date":"2028-01-31"`, "$.end_date", "invalid"},
		{`"start_date":"2027-01-01","end_date":"2027-12-31"`, `"start_date":"2027-02-01","end_date":"2027-01-31"`, "$.end_date", "invalid"},
		{`"id_form":"PMD_1"`, `"id_form":"PMD_9"`, "$.id_form", "inclusion"},
		{`"consent_text":"згода"`, `"consent_text":"ні"`, "$.consent_text", "invalid"},
		{`"id_form":"PMD_1",`, ``, "$.id_form", "required"},
	} {
		require.Equal(t, 1, strings.Count(good, c.old), c.old)
		_, err := read([]byte(strings.Replace(good, c.old, c.with, 1)), lists, "згода", today)
		e := registry.AsError(err)
		require.NotNil(t, e, c.with)
		require.Equal(t, c.entry+" "+c.rule, e.Fields[0].Entry+" "+e.Fields[0].Rule, c.with)
	}
}

func TestLimitsOfADoctor(t *testing.T) {
	le := registry.ID{1}
	for _, c := range []struct {
		e     prm.Employee
		limit int
		want  string
	}{
		{prm.Employee{LegalEntityID: le, Status: "APPROVED", Type: "DOCTOR", Speciality: "FAMILY_DOCTOR"}, 1800, ""},
		{prm.Employee{LegalEntityID: le, Status: "APPROVED", Type: "DOCTOR", Speciality: "FAMILY_DOCTOR"}, 1801, "number"},
		{prm.Employee{LegalEntityID: le, Status: "APPROVED", Type: "DOCTOR", Speciality: "THERAPIST"}, 2000, ""},
		{prm.Employee{LegalEntityID: le, Status: "APPROVED", Type: "DOCTOR", Speciality: "PEDIATRICIAN"}, 901, "number"},
		{prm.Employee{LegalEntityID: le, Status: "APPROVED", Type: "DOCTOR", Speciality: "SURGEON"}, 1, "speciality_inclusion"},
		{prm.Employee{LegalEntityID: le, Status: "APPROVED", Type: "SPECIALIST", Speciality: "THERAPIST"}, 1, "invalid"},
		{prm.Employee{LegalEntityID: le, Status: "DISMISSED", Type: "DOCTOR", Speciality: "THERAPIST"}, 1, "invalid"},
		{prm.Employee{LegalEntityID: registry.ID{2}, Status: "APPROVED", Type: "DOCTOR", Speciality: "THERAPIST"}, 1, "invalid"},
	} {
		var f document.Faults
		checkDoctor(&f, "$", c.e, le, c.limit)
		got := ""
		if e := registry.AsError(f.Err()); e != nil {
			got = e.Fields[0].Rule
		}
		require.Equal(t, c.want, got, c)
	}
}

// Every state but the named ones refuses a step.
func TestStates(t *testing.T) {
	all := []Status{StatusNew, StatusInProcess, StatusApproved, StatusPendingNHS, StatusNHSSigned, StatusSigned, StatusDeclined, StatusTerminated}
	for _, at := range all {
		err := allowed(at, []Status{StatusInProcess})
		require.Equal(t, at == StatusInProcess, err == nil)
		require.Equal(t, !at.Open(), at == StatusSigned || at == StatusDeclined || at == StatusTerminated)
	}
}

func TestNumbers(t *testing.T) {
	require.Equal(t, "0000-A000-0000", number(1))
	require.Equal(t, "0000-0A00-0000", number(18))
	seen := map[string]bool{}
	for n := range uint64(20_000) {
		require.False(t, seen[number(n)])
		seen[number(n)] = true
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(good))
	lists, err := dictionary.Built()
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, b []byte) {
		_, err := read(b, lists, "згода", today)
		require.NotEqual(t, registry.CodeInternal, registry.CodeOf(err))
	})
}
