package dictionary

import (
	"testing"

	"github.com/stretchr/testify/require"

	"mist/registry/declaration"
	"mist/registry/patient"
)

func TestListsAreWhole(t *testing.T) {
	all, err := All()
	require.NoError(t, err)
	require.Greater(t, len(all), 10)
	before := ""
	for _, d := range all {
		require.Less(t, before, d.Name, "in order, each once")
		before = d.Name
		require.NotEmpty(t, d.Values)
		for code, words := range d.Values {
			require.NotEmpty(t, code)
			require.NotEmpty(t, words)
		}
	}
}

// What the dictionary tells is what the rules take.
func TestListsAgreeWithTheRules(t *testing.T) {
	all, err := All()
	require.NoError(t, err)
	by := map[string]Dictionary{}
	for _, d := range all {
		by[d.Name] = d
	}
	require.Len(t, by["DOCUMENT_TYPE"].Values, 8)
	for code := range by["DOCUMENT_TYPE"].Values {
		require.True(t, patient.KnownDocumentType(code), code)
	}
	limits := declaration.DefaultTerms().Limits
	require.NotEmpty(t, limits)
	for code := range limits {
		require.Contains(t, by["SPECIALITY_TYPE"].Values, code)
	}
}
