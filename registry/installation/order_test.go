package installation

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/access"
	"mist/registry/dictionary"
	"mist/registry/prm"
)

var today = registry.Date{Year: 2026, Month: 11, Day: 21}

const good = `{"legal_entity_id":"01890a5d-ac96-774b-bcce-b302099a8057","employee_type":"AUDITOR","position":"P5","start_date":"2026-11-21",
 "party":{"last_name":"Перевірна","first_name":"Одарка","birth_date":"1985-05-05","gender":"FEMALE","tax_id":"3126509817","email":"odarka@example.org",
  "documents":[{"type":"NATIONAL_ID","number":"000111222"}],"phones":[{"type":"MOBILE","number":"+380390000006"}]},
 "reason":"наказ № 7 про призначення","agreed_by":"01890a5d-ac96-774b-bcce-b302099a8051"}`

func TestRulesOfAnOrder(t *testing.T) {
	lists, err := dictionary.Built()
	require.NoError(t, err)
	for _, c := range []struct{ old, with, want string }{
		{`"P5"`, `"P5"`, ""},
		{`,"agreed_by":"01890a5d-ac96-774b-bcce-b302099a8051"`, ``, ""},
		{`"P5"`, `"P999"`, "$.position inclusion"},
		{`"reason":"наказ № 7 про призначення"`, `"reason":"наказ"`, "$.reason length"},
		{`"start_date":"2026-11-21"`, `"start_date":"2027-06-01"`, "$.start_date invalid"},
		{`"start_date":"2026-11-21"`, `"start_date":"1980-06-01"`, "$.start_date invalid"},
		{`"3126509817"`, `"3126509816"`, "$.party.tax_id invalid"},
		{`"Перевірна"`, `"<script>"`, "$.party.last_name format"},
		{`"documents":[{"type":"NATIONAL_ID","number":"000111222"}]`, `"documents":[]`, "$.party.documents length"},
		{`"employee_type":"AUDITOR",`, ``, "$.employee_type required"},
		{`"reason":`, `"scope":"all","reason":`, "$.scope schema"},
	} {
		require.Equal(t, 1, strings.Count(good, c.old), c.old)
		_, err := read([]byte(strings.Replace(good, c.old, c.with, 1)), lists, today)
		got := ""
		if err != nil {
			e := registry.AsError(err)
			require.NotEmpty(t, e.Fields, c.with)
			got = e.Fields[0].Entry + " " + e.Fields[0].Rule
		}
		require.Equal(t, c.want, got, c.with)
	}
}

// Who agrees: an officer of the NHSU to anybody but themselves, a head to work in
// their own provider, nobody else.
func TestWhoAgrees(t *testing.T) {
	nhs, clinic := prm.LegalEntity{ID: registry.ID{1}}, prm.LegalEntity{ID: registry.ID{2}}
	by := func(kind string, l prm.LegalEntity, taxID string) prm.Employee {
		return prm.Employee{Type: kind, Status: "APPROVED", LegalEntityID: l.ID, Party: prm.Party{TaxID: taxID}}
	}
	dismissed := by("NHS ADMIN", nhs, "1")
	dismissed.Status = "DISMISSED"
	for name, c := range map[string]struct {
		by   prm.Employee
		kind string
		at   prm.LegalEntity
		want bool
	}{
		"officer, auditor":        {by("NHS ADMIN", nhs, "1"), "AUDITOR", nhs, true},
		"signer, officer":         {by("NHS ADMIN SIGNER", nhs, "1"), "NHS ADMIN", nhs, true},
		"officer, doctor":         {by("NHS ADMIN", nhs, "1"), "DOCTOR", clinic, true},
		"officer, themselves":     {by("NHS ADMIN", nhs, "2"), "AUDITOR", nhs, false},
		"dismissed officer":       {dismissed, "AUDITOR", nhs, false},
		"verifier, auditor":       {by("NHS LE VERIFIER", nhs, "1"), "AUDITOR", nhs, false},
		"auditor, auditor":        {by("AUDITOR", nhs, "1"), "AUDITOR", nhs, false},
		"head, doctor":            {by("OWNER", clinic, "1"), "DOCTOR", clinic, true},
		"head, doctor of another": {by("OWNER", nhs, "1"), "DOCTOR", clinic, false},
		"head of the NHSU":        {by("OWNER", nhs, "1"), "AUDITOR", nhs, false},
		"doctor, doctor":          {by("DOCTOR", clinic, "1"), "DOCTOR", clinic, false},
	} {
		o := Order{EmployeeType: c.kind, Party: prm.PartyInput{TaxID: "2"}}
		require.Equal(t, c.want, mayAgree(c.by, o, c.at), name)
	}
}

func TestRulesOfAClient(t *testing.T) {
	good := ClientInput{Name: "МІС", Type: "MIS", LegalEntityID: registry.ID{1}, Scopes: []string{"declaration:read"}, RedirectURIs: []string{"https://mis.example.org/back", "http://127.0.0.1:8090/back"}}
	scopes, err := good.check()
	require.NoError(t, err)
	require.Equal(t, []string{"declaration:read"}, scopes)
	good.Scopes = nil
	scopes, err = good.check()
	require.NoError(t, err)
	require.Equal(t, access.ScopesOfClientType("MIS"), scopes)
	require.NotEmpty(t, scopes)
	for want, break_ := range map[string]func(in *ClientInput){
		"$.name":            func(in *ClientInput) { in.Name = " " },
		"$.type":            func(in *ClientInput) { in.Type, in.Scopes = "ROOT", nil },
		"$.scopes":          func(in *ClientInput) { in.Scopes = []string{"audit:read"} },
		"$.redirect_uris":   func(in *ClientInput) { in.RedirectURIs = []string{"http://mis.example.org/back"} },
		"$.legal_entity_id": func(in *ClientInput) { in.LegalEntityID = registry.ID{} },
	} {
		in := good
		break_(&in)
		_, err := in.check()
		require.Equal(t, want, registry.AsError(err).Fields[0].Entry)
	}
}

func FuzzReadOrder(f *testing.F) {
	f.Add([]byte(good))
	lists, err := dictionary.Built()
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, b []byte) {
		_, err := read(b, lists, today)
		require.NotEqual(t, registry.CodeInternal, registry.CodeOf(err))
	})
}
