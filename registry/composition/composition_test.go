package composition_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"mist/registry/composition"
	"mist/registry/patient"
)

func TestNumbers(t *testing.T) {
	for in, want := range map[string]string{"0a1b-2222-3333-zzzz": "0A1B-2222-3333-ZZZZ", " 0000-0000-0000-0000 ": "0000-0000-0000-0000"} {
		got, ok := composition.Normalize(in)
		require.True(t, ok)
		require.Equal(t, want, got)
	}
	for _, bad := range []string{"", "0000000000000000", "0000-0000-0000", "0000-0000-0000-00000", "АААА-0000-0000-0000", "0000-0000-0000-0000\n1"} {
		_, ok := composition.Normalize(bad)
		require.False(t, ok, "%q", bad)
	}
}

// The numbers of the national system, each with the twin that matches.
func TestCodes(t *testing.T) {
	whole := patient.Person{TaxID: "3126509817", UNZR: "19850807-01234", Documents: []patient.Document{
		{Type: "BIRTH_CERTIFICATE", Number: "І-КВ123456"}, {Type: "PASSPORT", Number: "КС639891"}, {Type: "NATIONAL_ID", Number: "001234567"},
	}}
	bare := patient.Person{Documents: []patient.Document{{Type: "BIRTH_CERTIFICATE", Number: "КС639891"}}}
	for name, c := range map[string]struct {
		given         composition.Identity
		form          composition.Code
		matched, none composition.Code // of the whole person, of the bare one
	}{
		"rnokpp":         {composition.Identity{TaxID: "3126509817"}, "", "", "10911"},
		"other rnokpp":   {composition.Identity{TaxID: "1111111118"}, "", "10912", "10911"},
		"unzr":           {composition.Identity{UNZR: "19850807-01234"}, "", "", "10913"},
		"other unzr":     {composition.Identity{UNZR: "19850807-01235"}, "", "10914", "10913"},
		"passport":       {composition.Identity{Document: true, DocumentNumber: "кс 639891"}, "", "", "10916"},
		"Latin letters":  {composition.Identity{Document: true, DocumentNumber: "KC639891"}, "", "", "10916"},
		"ID card":        {composition.Identity{Document: true, DocumentNumber: "001234567"}, "", "", "10916"},
		"named type":     {composition.Identity{Document: true, DocumentType: "PASSPORT", DocumentNumber: "001234567"}, "", "10917", "10916"},
		"other passport": {composition.Identity{Document: true, DocumentNumber: "КС639892"}, "", "10917", "10916"},
		"certificate":    {composition.Identity{Document: true, DocumentType: "BIRTH_CERTIFICATE", DocumentNumber: "І-КВ123456"}, "", "10917", "10916"},
	} {
		require.Equal(t, c.form, c.given.Check(), name)
		require.Equal(t, c.matched, c.given.Match(&whole), name)
		require.Equal(t, c.none, c.given.Match(&bare), name)
	}
	for want, bad := range map[composition.Code][]composition.Identity{
		"10910": {{}, {TaxID: "1", UNZR: "2"}, {TaxID: "1", Document: true, DocumentNumber: "x"}},
		"10915": {{Document: true}, {Document: true, DocumentNumber: " "}},
	} {
		for _, i := range bad {
			require.Equal(t, want, i.Check())
			require.NotEmpty(t, i.Check().Message())
		}
	}
}

func TestGenerations(t *testing.T) {
	for s, want := range map[composition.Status][2]bool{
		composition.Preliminary: {false, false}, composition.Final: {true, true}, composition.Amended: {false, true}, composition.EnteredInError: {false, true},
	} {
		require.Equal(t, want, [2]bool{composition.V1.Tells(s), composition.V2.Tells(s)}, s)
	}
}
