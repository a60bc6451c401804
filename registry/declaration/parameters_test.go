package declaration

import (
	"testing"

	"github.com/stretchr/testify/require"

	"mist/registry"
)

func TestParametersOverTerms(t *testing.T) {
	today := registry.Date{Year: 2026, Month: 11, Day: 21}
	born := registry.Date{Year: 1990, Month: 1, Day: 1}
	for _, c := range []struct {
		changed map[string]string
		adult   int
		end     registry.Date
	}{
		{map[string]string{"other": "1"}, 18, registry.Date{Year: 2066, Month: 11, Day: 21}},
		{map[string]string{"adult_age": "21"}, 21, registry.Date{Year: 2066, Month: 11, Day: 21}},
		{map[string]string{"declaration_term": "2"}, 18, registry.Date{Year: 2028, Month: 11, Day: 21}},
		{map[string]string{"declaration_term": "365", "declaration_term_unit": "DAYS"}, 18, registry.Date{Year: 2027, Month: 11, Day: 21}},
		{map[string]string{"declaration_term": "3", "declaration_term_unit": "MONTHS"}, 18, registry.Date{Year: 2027, Month: 2, Day: 21}},
		{map[string]string{"declaration_term": "48", "declaration_term_unit": "HOURS"}, 18, registry.Date{Year: 2026, Month: 11, Day: 23}},
	} {
		terms, err := DefaultTerms().over(c.changed)
		require.NoError(t, err)
		require.Equal(t, c.adult, terms.AdultAge)
		start, end := terms.period(born, "FAMILY_DOCTOR", today)
		require.Equal(t, today, start)
		require.Equal(t, c.end, end, c.changed)
	}
	_, err := DefaultTerms().over(map[string]string{"adult_age": "x"})
	require.Error(t, err)
}
