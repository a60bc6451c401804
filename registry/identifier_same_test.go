package registry

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestIdentifiersOfSigners(t *testing.T) {
	for _, c := range []struct {
		name, certificate, party string
		same                     bool
	}{
		{"tax number", "3126509817", "3126509817", true},
		{"another tax number", "3126509817", "3126509818", false},
		{"spaces", " 31265 09817", "3126509817", true},
		{"id card", "000123456", "000123456", true},
		{"leading zeros are digits too", "0123456789", "123456789", false},
		{"passport, Cyrillic both", "КС639891", "КС639891", true},
		{"passport, look-alikes: the Latin letters print the same", "KC639891", "КС639891", true},
		{"passport, mixed alphabets", "KС639891", "КС639891", true},
		{"passport, transliterated (ehealth.api issue 345)", "KS639891", "КС639891", true},
		{"passport, small letters", "кс639891", "КС639891", true},
		{"passport, space after the series", "КС 639891", "КС639891", true},
		{"passport, transliterated letter that has no double", "BB123456", "ББ123456", true},
		{"passport, another series", "КВ639891", "КС639891", false},
		{"passport, another series in Latin", "KV639891", "КС639891", false},
		{"passport, another number", "KC639892", "КС639891", false},
		{"digits are not letters", "KC63989O", "КС639890", false},
		{"nobody", "", "3126509817", false},
		{"nobody at all", "", "", false},
		{"only spaces", " ", " ", false},
	} {
		require.Equal(t, c.same, SameIdentifier(c.certificate, c.party), c.name)
	}
}

func TestLatinFormsOfANumber(t *testing.T) {
	require.Equal(t, []string{"КС639891", "KC639891", "KS639891"}, LatinForms("КС639891"))
	require.Equal(t, []string{"3126509817"}, LatinForms("3126509817"))
}

func TestSeriesOfAPassport(t *testing.T) {
	for certificate, want := range map[string][]string{
		"КС639891":    {"КС639891"},
		" ks 639891 ": {"KS639891", "КС639891"},
		"KC639891":    {"KC639891", "КС639891"},
		"BK123456":    {"BK123456", "БК123456", "ВК123456"}, // two series: the name tells whose
		"ZHE654321":   {"ZHE654321", "ЖЕ654321"},
		"3126509817":  {"3126509817"},
		"000123456":   {"000123456"},
		"XQ1":         {"XQ1"},
		"KS":          {"KS"},
		"":            {""},
	} {
		require.Equal(t, want, SeriesOf(certificate), certificate)
	}
}
