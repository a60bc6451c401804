package prm

import (
	"testing"

	"github.com/stretchr/testify/require"

	"mist/registry"
)

func TestWhoSeesAnEmployee(t *testing.T) {
	clinic := registry.ID{1}
	e := Employee{LegalEntityID: clinic}
	require.True(t, sees(registry.Caller{LegalEntityID: clinic}, e))
	require.True(t, sees(registry.Caller{Scopes: []string{ScopeEmployeeReadNHS}}, e))
	require.False(t, sees(registry.Caller{LegalEntityID: registry.ID{2}}, e))
	require.False(t, sees(registry.Caller{}, Employee{}), "a system of nobody sees nobody")
}

func TestRulesOfDismissal(t *testing.T) {
	require.NoError(t, canDismiss(Employee{Type: "DOCTOR", Status: "APPROVED"}))
	for reason, e := range map[string]Employee{
		"status_DISMISSED": {Type: "DOCTOR", Status: "DISMISSED"},
		"owner":            {Type: "OWNER", Status: "APPROVED"},
	} {
		err := registry.AsError(canDismiss(e))
		require.Equal(t, registry.CodeConflict, err.Code)
		require.Equal(t, reason, err.Reason)
	}
}

func TestRulesOfAPage(t *testing.T) {
	require.NoError(t, Filter{Page: 1, Size: 100}.validate())
	for _, f := range []Filter{{Page: 0, Size: 1}, {Page: 1001, Size: 1}, {Page: 1, Size: 0}, {Page: 1, Size: 101}} {
		require.Equal(t, registry.CodeInvalid, registry.CodeOf(f.validate()))
	}
}
