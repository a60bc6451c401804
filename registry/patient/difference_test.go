package patient_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/registry/patient"
)

func TestDifference(t *testing.T) {
	for _, c := range []struct{ a, b, want string }{
		{"Коваленко", "Коваленко", ""},
		{"Коваленко", "", patient.DiffersMissing},
		{"КОВАЛЕНКО", "Коваленко", patient.DiffersCase},
		{"Мар'яна", "Марʼяна", patient.DiffersApostrophe},
		{"Коваленко", "Koваленко", patient.DiffersAlphabet}, // Latin K and o
		{"Київ", "rb]d", patient.DiffersLayout},
		{"1985-03-12", "1985-12-03", patient.DiffersDayMonth},
		{"1985-03-12", "1985-03-21", patient.DiffersSwapped},
		{"1985-03-12", "1985-03-13", patient.DiffersOne},
		{"Коваленко", "Коваленка", patient.DiffersOne},
		{"Коваленко", "Ковленко", patient.DiffersOne},
		{"Коваленко", "Кovаленка", patient.DiffersWholly},
		{"Коваленко", "Кравчук", patient.DiffersWholly},
	} {
		require.Equal(t, c.want, patient.Difference(c.a, c.b), "%s %s", c.a, c.b)
		require.Equal(t, c.want, patient.Difference(c.b, c.a), "%s %s", c.b, c.a)
	}
	require.Equal(t, []string{"a"}, patient.MixesAlphabets("Ковaленко"))
	require.Empty(t, patient.MixesAlphabets("Коваленко"))
	require.Empty(t, patient.MixesAlphabets("O'Neil"))
}

func TestPieces(t *testing.T) {
	x, y := patient.Pieces("1985-03-12", "1985-12-03")
	var a, b strings.Builder
	for _, p := range x {
		a.WriteString(p.Text)
	}
	for _, p := range y {
		b.WriteString(p.Text)
	}
	require.Equal(t, "1985-03-12", a.String())
	require.Equal(t, "1985-12-03", b.String())
	x, y = patient.Pieces("Коваленко", "Ковaленко")
	require.Equal(t, []patient.Piece{{"Ков", true}, {"а", false}, {"ленко", true}}, x)
	require.Equal(t, []patient.Piece{{"Ков", true}, {"a", false}, {"ленко", true}}, y)
	x, y = patient.Pieces("", "а")
	require.Empty(t, x)
	require.Equal(t, []patient.Piece{{"а", false}}, y)
}
