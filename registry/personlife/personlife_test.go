package personlife

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/patient"
)

var today = registry.Date{Year: 2026, Month: 11, Day: 21}

func TestWhatMayBeMerged(t *testing.T) {
	good := patient.Person{Version: 1, Status: patient.StatusActive}
	require.NoError(t, mayMerge(good, good))
	for what, r := range map[string]struct {
		change func(p *patient.Person)
		code   registry.Code
	}{
		"reserved":       {func(p *patient.Person) { p.Version = 0 }, registry.CodeNotFound},
		"inactive":       {func(p *patient.Person) { p.Status = patient.StatusInactive }, registry.CodeConflict},
		"merged already": {func(p *patient.Person) { p.MasterID = registry.ID{9} }, registry.CodeConflict},
	} {
		bad := good
		r.change(&bad)
		require.Equal(t, r.code, registry.CodeOf(mayMerge(bad, good)), what)
		require.Equal(t, r.code, registry.CodeOf(mayMerge(good, bad)), what)
	}
	require.NoError(t, fourEyes(registry.ID{1}, registry.ID{2}))
	require.Equal(t, "same_operator", registry.AsError(fourEyes(registry.ID{1}, registry.ID{1})).Reason)
	_, err := operator(registry.Caller{Scopes: []string{ScopeMergeWrite}})
	require.Equal(t, "operator_unnamed", registry.AsError(err).Reason)
	_, err = operator(registry.Caller{PartyID: registry.ID{1}})
	require.Equal(t, registry.CodeForbidden, registry.CodeOf(err))
}

func TestRulesOfDeactivation(t *testing.T) {
	why := "запис реєстру смертей"
	good := Deactivation{Reason: ReasonDeath, DeathDate: today, Note: why}
	require.NoError(t, good.Validate(today))
	require.NoError(t, Deactivation{Reason: ReasonManual, Note: why}.Validate(today))
	for entry, d := range map[string]Deactivation{
		"$.reason inclusion":          {Reason: "x", Note: why},
		"$.death_date required":       {Reason: ReasonDeath, Note: why},
		"$.death_date invalid":        {Reason: ReasonDeath, DeathDate: today.AddDate(0, 0, 1), Note: why},
		"$.death_date invalid ":       {Reason: ReasonDeath, DeathDate: firstDeath.AddDate(0, 0, -1), Note: why},
		"$.death_date exclusion":      {Reason: ReasonManual, DeathDate: today, Note: why},
		"$.reason_description length": {Reason: ReasonManual, Note: "бо"},
	} {
		err := registry.AsError(d.Validate(today))
		require.NotNil(t, err, entry)
		require.Equal(t, strings.TrimSpace(entry), err.Fields[0].Entry+" "+err.Fields[0].Rule)
	}
	p := patient.Person{Version: 1, Status: patient.StatusActive}
	done, err := mayDeactivate(p, good)
	require.NoError(t, err)
	require.False(t, done)
	p.Status, p.StatusReason, p.DeathDate = patient.StatusInactive, ReasonDeath, today
	done, err = mayDeactivate(p, good)
	require.NoError(t, err)
	require.True(t, done, "the same order again changes nothing")
	_, err = mayDeactivate(p, Deactivation{Reason: ReasonManual})
	require.Equal(t, registry.CodeConflict, registry.CodeOf(err))
	_, err = mayDeactivate(patient.Person{}, good)
	require.Equal(t, registry.CodeNotFound, registry.CodeOf(err))
}

func TestHistoryNamesWhatChanged(t *testing.T) {
	at := func(h int) time.Time { return time.Date(2026, 1, 1, h, 0, 0, 0, time.UTC) }
	first := patient.Person{Version: 1, Status: patient.StatusActive, LastName: "Зразкова", TaxID: "3278011533", UpdatedAt: at(1)}
	second := first
	second.Version, second.LastName, second.UpdatedAt = 2, "Інша", at(2)
	now := second
	now.Status, now.StatusReason, now.UpdatedAt = patient.StatusInactive, ReasonMerge, at(3)
	lines := history(now, []patient.Version{{Person: second, EndedAt: at(3)}, {Person: first, EndedAt: at(2)}})
	require.Equal(t, []Line{
		{Version: 2, Status: patient.StatusInactive, StatusReason: ReasonMerge, From: at(3), Changed: []string{"status", "status_reason"}},
		{Version: 2, Status: patient.StatusActive, From: at(2), Until: at(3), Changed: []string{"last_name"}},
		{Version: 1, Status: patient.StatusActive, From: at(1), Until: at(2)},
	}, lines)
}
