package legalentity

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/dictionary"
	"mist/registry/prm"
	"mist/signature"
)

var today = registry.Date{Year: 2026, Month: 11, Day: 21}

const good = `{"edrpou":"00032129","type":"PHARMACY","name":"Аптека","legal_form":"240","owner_property_type":"PRIVATE","kveds":["47.73"],
 "addresses":[{"type":"RESIDENCE","country":"UA","area":"Навчальна","settlement":"Зразкове","settlement_type":"VILLAGE","settlement_id":"0190a000-0000-7000-8000-000000000001","building":"7","zip":"01001"}],
 "phones":[{"type":"MOBILE","number":"+380390000005"}],"email":"a@example.org",
 "license":{"type":"PHARMACY","license_number":"АБ 1","issued_by":"Держлікслужба","issued_date":"2020-01-01","expiry_date":"2030-01-01"},
 "accreditation":{"category":"FIRST","issued_date":"2020-01-01","order_no":"1"},
 "owner":{"last_name":"Зразкова","first_name":"Марія","birth_date":"1990-02-28","gender":"FEMALE","tax_id":"3278011533","email":"m@example.org","position":"P2",
  "documents":[{"type":"PASSPORT","number":"КВ123456"}],"phones":[{"type":"MOBILE","number":"+380390000006"}]},
 "security":{"redirect_uri":"https://a.example.org/cb"},"public_offer":{"consent":true}}`

func lists(t *testing.T) prm.Lists {
	t.Helper()
	s, err := dictionary.Built()
	require.NoError(t, err)
	return s
}

// Each line breaks one rule of domain notes 1.5 in a registration that passes.
func TestRulesOfARegistration(t *testing.T) {
	known := lists(t)
	r, err := read([]byte(good), known, today)
	require.NoError(t, err)
	require.Equal(t, registry.EDRPOU("00032129"), r.EDRPOU)
	for _, c := range []struct{ old, with, entry, rule string }{
		{`"edrpou":"00032129"`, `"edrpou":"00032128"`, "$.edrpou", "invalid"},
		{`"edrpou":"00032129"`, `"edrpou":"3278011534"`, "$.edrpou", "invalid"},
		{`"name":"Аптека"`, `"name":" "`, "$.name", "required"},
		{`"name":"Аптека",`, ``, "$.name", "required"},
		{`"legal_form":"240"`, `"legal_form":"1"`, "$.legal_form", "inclusion"},
		{`"owner_property_type":"PRIVATE"`, `"owner_property_type":"X"`, "$.owner_property_type", "inclusion"},
		{`"kveds":["47.73"]`, `"kveds":[]`, "$.kveds", "length"},
		{`"kveds":["47.73"]`, `"kveds":["47.73","99.00"]`, "$.kveds.[1]", "inclusion"},
		{`"kveds":["47.73"]`, `"kveds":["47.73","47.73"]`, "$.kveds.[1]", "unique"},
		{`"type":"RESIDENCE"`, `"type":"REGISTRATION"`, "$.addresses", "invalid"},
		{`"building":"7"`, `"building":"x"`, "$.addresses.[0].building", "format"},
		{`"zip":"01001"`, `"zip":"1"`, "$.addresses.[0].zip", "format"},
		{`"settlement_type":"VILLAGE"`, `"settlement_type":"X"`, "$.addresses.[0].settlement_type", "inclusion"},
		{`"settlement_id":"0190a000-0000-7000-8000-000000000001"`, `"settlement_id":"1"`, "$.addresses.[0].settlement_id", "format"},
		{`"number":"+380390000005"`, `"number":"0390000005"`, "$.phones.[0].number", "format"},
		{`"phones":[{"type":"MOBILE","number":"+380390000005"}]`, `"phones":[]`, "$.phones", "length"},
		{`"phones":[{"type":"MOBILE","number":"+380390000005"}]`, `"phones":[{"type":"MOBILE","number":"+380390000005"},{"type":"MOBILE","number":"+380390000007"}]`, "$.phones.[1].type", "unique"},
		{`"email":"a@example.org"`, `"email":"a"`, "$.email", "email"},
		{`"license_number"`, `"license_nr"`, "$.license.license_number", "required"},
		{`"issued_date":"2020-01-01","expiry_date"`, `"issued_date":"2027-01-01","expiry_date"`, "$.license.issued_date", "invalid"},
		{`"expiry_date":"2030-01-01"`, `"expiry_date":"2024-01-01"`, "$.license.expiry_date", "invalid"},
		{`"category":"FIRST"`, `"category":"FIFTH"`, "$.accreditation.category", "inclusion"},
		{`"order_no":"1"`, `"order_no":""`, "$.accreditation.order_no", "required"},
		{`"tax_id":"3278011533"`, `"tax_id":"3126509816"`, "$.owner.tax_id", "invalid"},
		{`"gender":"FEMALE"`, `"gender":"X"`, "$.owner.gender", "inclusion"},
		{`"last_name":"Зразкова"`, `"last_name":"Zrazkova"`, "$.owner.last_name", "format"},
		{`"birth_date":"1990-02-28"`, `"birth_date":"2030-02-28"`, "$.owner.birth_date", "invalid"},
		{`"birth_date":"1990-02-28"`, `"birth_date":"28.02.1990"`, "$.owner.birth_date", "date"},
		{`"position":"P2"`, `"position":"P99"`, "$.owner.position", "inclusion"},
		{`"number":"КВ123456"`, `"number":"КВ12345"`, "$.owner.documents.[0].number", "format"},
		{`"gender":"FEMALE"`, `"gender":"FEMALE","no_tax_id":true`, "$.owner.tax_id", "format"},
		{`https://a.example.org/cb`, `http://a.example.org/cb`, "$.security.redirect_uri", "url"},
		{`"consent":true`, `"consent":false`, "$.public_offer.consent", "acceptance"},
		{`"type":"PHARMACY","name"`, `"type":"PHARMACY","colour":"red","name"`, "$.colour", "schema"},
	} {
		require.Equal(t, 1, strings.Count(good, c.old), c.old)
		_, err := read([]byte(strings.Replace(good, c.old, c.with, 1)), known, today)
		e := registry.AsError(err)
		require.NotNil(t, e, c.with)
		require.Equal(t, registry.CodeInvalid, e.Code)
		found := false
		for _, f := range e.Fields {
			found = found || f.Entry == c.entry && f.Rule == c.rule
		}
		require.True(t, found, "%s: %+v", c.with, e.Fields)
	}
	for _, code := range []string{"3278011533", "КВ123456", "000123456"} { // sole proprietors
		_, err := read([]byte(strings.Replace(good, "00032129", code, 1)), known, today)
		require.NoError(t, err, code)
	}
}

func TestRulesOfAType(t *testing.T) {
	var r Registration
	require.NoError(t, json.Unmarshal([]byte(good), &r))
	pharmacy := prm.LegalEntityType{Type: "PHARMACY", Creatable: true, KVEDs: []string{"47.73"}, LicenceRequired: true, OwnerType: "PHARMACY_OWNER", OwnerPositions: []string{"P2"}}
	require.NoError(t, checkType(r, pharmacy))
	for entry, change := range map[string]func(r *Registration, k *prm.LegalEntityType){
		"$.type":                   func(_ *Registration, k *prm.LegalEntityType) { k.Creatable = false },
		"$.kveds":                  func(_ *Registration, k *prm.LegalEntityType) { k.KVEDs = []string{"86.10"} },
		"$.license":                func(r *Registration, _ *prm.LegalEntityType) { r.Licence = nil },
		"$.license.type":           func(_ *Registration, k *prm.LegalEntityType) { k.OwnerType = "OWNER" },
		"$.license.license_number": func(r *Registration, _ *prm.LegalEntityType) { l := *r.Licence; l.Number = " "; r.Licence = &l },
		"$.owner.position":         func(r *Registration, _ *prm.LegalEntityType) { r.Owner.Position = "P16" },
	} {
		r, k := r, pharmacy
		change(&r, &k)
		require.Equal(t, entry, registry.AsError(checkType(r, k)).Fields[0].Entry)
	}
}

func TestWhoSigns(t *testing.T) {
	const code = "00032129"
	require.NoError(t, checkSigner(signature.Signer{EDRPOU: code, RNOKPP: "3278011533"}, code))
	require.NoError(t, checkSigner(signature.Signer{RNOKPP: "3278011533"}, "3278011533"))
	require.NoError(t, checkSigner(signature.Signer{RNOKPP: "KB123456"}, "КВ123456"), "a series in Latin letters")
	for _, s := range []signature.Signer{{}, {EDRPOU: "11111111", RNOKPP: code}, {RNOKPP: "3126509817"}} {
		require.Equal(t, registry.CodeSignatureInvalid, registry.CodeOf(checkSigner(s, code)))
	}
}

func TestTransitions(t *testing.T) {
	for from, to := range transitions {
		require.NotContains(t, to, from)
	}
	require.NotContains(t, transitions, "CLOSED")
	require.NotContains(t, transitions, "REORGANIZED")
	require.Error(t, checkReason("a"))
	require.NoError(t, checkReason("рішення"))
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte(`{"owner":{"documents":[{}]}}`))
	s, err := dictionary.Built()
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, b []byte) {
		_, err := read(b, s, today)
		require.NotEqual(t, registry.CodeInternal, registry.CodeOf(err))
	})
}
