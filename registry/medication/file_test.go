package medication

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/fixtures/medications"
	"mist/registry"
	"mist/registry/decimal"
)

func TestSampleFile(t *testing.T) {
	f, err := Read(medications.File())
	require.NoError(t, err)
	require.NotEmpty(t, f.INNMs)
	require.NotEmpty(t, f.Dosages)
	require.NotEmpty(t, f.Programs)
	require.NotEmpty(t, f.Parts)
	for _, d := range f.Dosages {
		require.False(t, d.INNM().IsZero(), d.Name)
	}
}

// One line per rule of the file; each breaks the sample at one place.
func TestRulesOfTheFile(t *testing.T) {
	sample := string(medications.File())
	_, err := Read([]byte(sample))
	require.NoError(t, err, "the unbroken twin")
	for _, r := range []struct{ rule, old, with, entry, broken string }{
		{"sctid", `"90000037"`, `"9000003"`, "$.innms.[0].sctid", "format"},
		{"name in Cyrillic", `"name": "Метформін"`, `"name": "Metформін"`, "$.innms.[0].name", "format"},
		{"name in Latin", `"Metformin"`, `"Метформін"`, "$.innms.[0].name_original", "format"},
		{"id once", `"id": "0190b000-0001-7000-8000-000000000002"`, `"id": "0190b000-0001-7000-8000-000000000001"`, "$.innms.[1].id", "unique"},
		{"one primary ingredient", `"is_primary": true`, `"is_primary": false`, "$.innm_dosages.[0].ingredients", "invalid"},
		{"amounts are positive", `"numerator_value": 500`, `"numerator_value": 0`, "$.innm_dosages.[0].ingredients.[0].dosage", "number"},
		{"a package is whole parts", `"package_min_qty": 10`, `"package_min_qty": 7`, "$.medications.[0].package_qty", "number"},
		{"ATC", `"A10BA02"`, `"A10BA2"`, "$.medications.[0].code_atc.[0]", "format"},
		{"certificate", `"UA/90001/01/01"`, `""`, "$.medications.[0].certificate", "required"},
		{"type of a programme", `"type": "SERVICE"`, `"type": "GIFT"`, "$.medical_programs.[5].type", "inclusion"},
		{"days", `"medication_request_max_period_day": 90`, `"medication_request_max_period_day": -1`, "$.medical_programs.[1].medical_program_settings", "number"},
		{"brand of a part", `"medication_id": "0190b000-0003-7000-8000-000000000001"`, `"medication_id": "0190b000-0002-7000-8000-000000000001"`, "$.program_medications.[0].medication_id", "invalid"},
		{"kind of reimbursement", `"type": "FIXED"`, `"type": "SHARE"`, "$.program_medications.[0].reimbursement.type", "inclusion"},
		{"once in a programme", `"medication_id": "0190b000-0003-7000-8000-000000000002"`, `"medication_id": "0190b000-0003-7000-8000-000000000001"`, "$.program_medications.[1]", "unique"},
	} {
		broken := strings.Replace(sample, r.old, r.with, 1)
		require.NotEqual(t, sample, broken, r.rule)
		_, err := Read([]byte(broken))
		e := registry.AsError(err)
		require.NotNil(t, e, r.rule)
		require.Equal(t, registry.CodeInvalid, e.Code, r.rule)
		require.Equal(t, r.entry+" "+r.broken, e.Fields[0].Entry+" "+e.Fields[0].Rule, r.rule)
	}
	for name, text := range map[string]string{"no JSON": "{", "a list": "[]", "an unknown list": `{"drugs":[{}]}`, "an unknown member": strings.Replace(sample, `"sctid"`, `"scttid"`, 1),
		"an exponent": strings.Replace(sample, "94.32", "9432e-2", 1)} {
		_, err := Read([]byte(text))
		require.Error(t, err, name)
		require.NotEqual(t, registry.CodeInternal, registry.CodeOf(err), name)
	}
}

func TestAmountsOfAPart(t *testing.T) {
	f, err := Read(medications.File())
	require.NoError(t, err)
	b, p := f.Brands[0], f.Parts[0] // 60 in a package, 94.32 for it
	require.Equal(t, "47.16", p.Allowed(b, decimal.Of(30)).String())
	require.Equal(t, "15.72", p.Allowed(b, decimal.Of(10)).String())
	require.Equal(t, b.PackageMinQty, p.Step(b))
	p.Divisible = false
	require.Equal(t, b.PackageQty, p.Step(b))
	require.True(t, Fits([]Offer{{b, p}}, decimal.Of(120)))
	require.False(t, Fits([]Offer{{b, p}}, decimal.Of(30)))
	require.True(t, Fits([]Offer{{Brand: b}}, decimal.Of(30)), "without a programme parts of a package are sold")
	require.False(t, Fits(nil, decimal.Of(30)))
	p.EndDate = registry.Date{Year: 2026, Month: 11, Day: 20}
	require.True(t, p.ActiveOn(p.EndDate))
	require.False(t, p.ActiveOn(p.EndDate.AddDate(0, 0, 1)))
	require.False(t, p.ActiveOn(registry.Date{Year: 2023, Month: 12, Day: 31}), "before it began")
}

func FuzzRead(f *testing.F) {
	f.Add(medications.File())
	f.Add([]byte(`{"innms":[{"id":"x"}]}`))
	f.Add([]byte(`{"medications":[{"package_qty":1e9}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := Read(b)
		if err != nil {
			return
		}
		again, err := json.Marshal(file)
		require.NoError(t, err)
		_, err = Read(again)
		require.NoError(t, err, "what was taken is taken again")
	})
}
