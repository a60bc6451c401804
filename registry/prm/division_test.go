package prm

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/registry"
)

const goodDivision = `{"name":"Амбулаторія","type":"DRUGSTORE","email":"a@example.org","phones":[{"type":"LAND_LINE","number":"+380390000007"}],
 "addresses":[{"type":"RESIDENCE","country":"UA","area":"Навчальна","settlement":"Зразкове","settlement_type":"VILLAGE","settlement_id":"0190a000-0000-7000-8000-000000000001","building":"7"}],
 "working_hours":{"mon":[["08.00","12.00"],["13:00","24:00"]]},"location":{"latitude":50.1,"longitude":30.2},"dls_id":"1","external_id":"x"}`

func TestRulesOfADivision(t *testing.T) {
	in, err := readDivision([]byte(goodDivision))
	require.NoError(t, err)
	hours, err := in.WorkingHours.Encode()
	require.NoError(t, err)
	require.JSONEq(t, `{"mon":[["08:00","12:00"],["13:00","24:00"]]}`, hours)
	for _, c := range []struct{ old, with, entry, rule string }{
		{`"name":"Амбулаторія"`, `"name":""`, "$.name", "required"},
		{`"email":"a@example.org"`, `"email":"a"`, "$.email", "email"},
		{`"type":"RESIDENCE"`, `"type":"HOME"`, "$.addresses.[0].type", "inclusion"},
		{`"latitude":50.1`, `"latitude":90.1`, "$.location.latitude", "number"},
		{`"longitude":30.2`, `"longitude":-181`, "$.location.longitude", "number"},
		{`"latitude":50.1,`, ``, "$.location.latitude", "required"},
		{`"mon":`, `"mo":`, "$.working_hours.mo", "inclusion"},
		{`["08.00","12.00"]`, `["08.00"]`, "$.working_hours.mon.[0]", "format"},
		{`["08.00","12.00"]`, `["8","12"]`, "$.working_hours.mon.[0]", "format"},
		{`["08.00","12.00"]`, `["12.00","08.00"]`, "$.working_hours.mon.[0]", "invalid"},
		{`["13:00","24:00"]`, `["11:00","24:00"]`, "$.working_hours.mon.[1]", "invalid"},
		{`"type":"DRUGSTORE"`, `"type":"CLINIC"`, "$.dls_id", "invalid"},
		{`"external_id":"x"`, `"external_id":"` + strings.Repeat("x", 101) + `"`, "$.external_id", "length"},
		{`"external_id":"x"`, `"stranger":1`, "$.stranger", "schema"},
	} {
		require.Equal(t, 1, strings.Count(goodDivision, c.old), c.old)
		_, err := readDivision([]byte(strings.Replace(goodDivision, c.old, c.with, 1)))
		e := registry.AsError(err)
		require.NotNil(t, e, c.with)
		require.Equal(t, c.entry+" "+c.rule, e.Fields[0].Entry+" "+e.Fields[0].Rule, c.with)
	}
}

func FuzzReadDivision(f *testing.F) {
	f.Add([]byte(goodDivision))
	f.Fuzz(func(t *testing.T, b []byte) {
		in, err := readDivision(b)
		require.NotEqual(t, registry.CodeInternal, registry.CodeOf(err))
		if err == nil {
			_, err := in.WorkingHours.Encode()
			require.NoError(t, err)
		}
	})
}
