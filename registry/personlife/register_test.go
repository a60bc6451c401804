package personlife

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/registry"
)

func TestReadDeaths(t *testing.T) {
	today := registry.Date{Year: 2026, Month: 11, Day: 21}
	const head = "type,number,death_date\n"
	for _, c := range []struct{ line, fault string }{
		{"TAX_ID,3126509817,2026-11-20", ""},
		{"UNZR,19850304-00011,2026-11-21", ""},
		{"NATIONAL_ID,000111222,1900-01-01", ""},
		{" TAX_ID , 3126509817 , 2026-11-20 ", ""},
		{"TAX_ID,3126509816,2026-11-20", "number"},
		{"TAX_ID,,2026-11-20", "number"},
		{"UNZR,1985,2026-11-20", "number"},
		{"PASSPORT,,2026-11-20", "number"},
		{"LICENCE,123,2026-11-20", "type"},
		{"<script>,123,2026-11-20", "type"},
		{"TAX_ID,3126509817,2026-11-22", "death_date"},
		{"TAX_ID,3126509817,1899-12-31", "death_date"},
		{"TAX_ID,3126509817,", "death_date"},
	} {
		list, err := readRegister(RegisterDeaths, []byte(head+c.line+"\n"), today)
		require.NoError(t, err, c.line)
		require.Len(t, list, 1)
		require.Equal(t, 2, list[0].line)
		got, _, _ := strings.Cut(list[0].fault, ":")
		require.Equal(t, c.fault, got, c.line)
	}
	for name, body := range map[string]string{
		"no lines": head, "no header": "TAX_ID,3126509817,2026-11-20\n", "empty": "", "two columns": head + "TAX_ID,3126509817\n",
		"not UTF-8": head + "TAX_ID,\xff,2026-11-20\n", "open quote": head + "\"TAX_ID,3126509817,2026-11-20\n",
		"too many": head + strings.Repeat("TAX_ID,3126509817,2026-11-20\n", MaxRegisterLines+1), "too large": head + strings.Repeat(" ", MaxRegisterBytes),
	} {
		_, err := readRegister(RegisterDeaths, []byte(body), today)
		require.Contains(t, []registry.Code{registry.CodeInvalid, registry.CodeTooLarge}, registry.CodeOf(err), name)
	}
	list, err := readRegister(RegisterDeaths, []byte("\xef\xbb\xbf"+head+strings.Repeat("TAX_ID,3126509817,2026-11-20\n", MaxRegisterLines)), today)
	require.NoError(t, err)
	require.Len(t, list, MaxRegisterLines)
}

func FuzzReadDeaths(f *testing.F) {
	f.Add([]byte("type,number,death_date\nTAX_ID,3126509817,2026-11-20\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, err := readRegister(RegisterDeaths, b, registry.Date{Year: 2026, Month: 11, Day: 21})
		require.NotEqual(t, registry.CodeInternal, registry.CodeOf(err))
	})
}
