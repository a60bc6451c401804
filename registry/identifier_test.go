package registry_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/registry"
)

// The valid numbers are samples of the public API documentation; 3126509816 is
// printed there too and breaks the check digit.
func TestRNOKPP(t *testing.T) {
	for n, want := range map[registry.RNOKPP]bool{
		"3126509817": true, "3067305998": true, "3278011533": true,
		"3126509816": false, "0000000000": false, "312650981": false, "31265098170": false, "312650981x": false, "": false,
	} {
		require.Equal(t, want, n.Valid(), string(n))
	}
}

func TestIdentifiersMaskThemselves(t *testing.T) {
	require.Equal(t, "••••••9817", fmt.Sprint(registry.RNOKPP("3126509817")))
	require.Equal(t, "••••••9817", registry.RNOKPP("3126509817").LogValue().String())
	require.Equal(t, "•••", registry.Mask("123"))
	require.NotContains(t, fmt.Sprintf("%v", registry.UNZR("19850427-12345")), "1985")
}

// Public codes of state bodies and the two rules of their check digit.
func TestEDRPOU(t *testing.T) {
	for e, want := range map[registry.EDRPOU]bool{
		"00032684": true, // Cabinet-level code, weights 1…7
		"42032422": true, // National Health Service, weights 7,1…6
		"42032421": false, "4203242": false, "+2032422": false, "ABCDEFGH": false, "3126509817": true, "3126509816": false,
	} {
		require.Equal(t, want, e.Valid(), string(e))
	}
}

func TestDate(t *testing.T) {
	for _, bad := range []string{"1980-02-30", "1980-2-3", "", "80-02-03", "1980-02-03T00:00:00Z"} {
		_, err := registry.ParseDate(bad)
		require.Error(t, err, bad)
	}
	leap, err := registry.ParseDate("2008-02-29")
	require.NoError(t, err)
	require.Equal(t, 17, leap.YearsAt(registry.Date{Year: 2026, Month: 2, Day: 28}))
	require.Equal(t, 18, leap.YearsAt(registry.Date{Year: 2026, Month: 3, Day: 1}))
}

func TestID(t *testing.T) {
	s := registry.SystemSource()
	a, b := s.NewID(), s.NewID()
	require.NotEqual(t, a, b)
	require.Equal(t, byte('7'), a.String()[14])
	back, err := registry.ParseID(a.String())
	require.NoError(t, err)
	require.Equal(t, a, back)
	for _, bad := range []string{"", "x", a.String() + "0", "{" + a.String()[1:], a.String()[:35] + "g"} {
		_, err := registry.ParseID(bad)
		require.ErrorIs(t, err, registry.ErrBadID, bad)
	}
}

func TestEveryCodeOnce(t *testing.T) {
	seen := map[registry.Code]bool{}
	for _, c := range registry.Codes() {
		require.False(t, seen[c], c)
		seen[c] = true
	}
}

// A record's number of the demographic register: a birth date that exists and five digits.
func TestUNZR(t *testing.T) {
	const good = registry.UNZR("19850807-00019")
	require.True(t, good.Valid())
	require.True(t, good.MatchesBirthDate(registry.Date{Year: 1985, Month: 8, Day: 7}))
	require.False(t, good.MatchesBirthDate(registry.Date{Year: 1985, Month: 8, Day: 8}))
	for _, bad := range []registry.UNZR{"", "19850807", good + "0", "1985080700019", "19850832-00019", "19851307-00019", "19850229-00019", "19850807_00019", "1985080A-00019", "19850807-0001x"} {
		require.False(t, bad.Valid(), "%q", bad)
	}
	require.NotContains(t, good.String(), "0807")
}
