package declaration

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/prm"
)

// NHSU verification starts from pending_verification alone (ЕСОЗ 1.2).
func TestVerifyFromEveryState(t *testing.T) {
	require.NoError(t, canVerify(StatusPendingVerification))
	for _, from := range []Status{StatusActive, StatusTerminated, StatusClosed, StatusRejected} {
		err := registry.AsError(canVerify(from))
		require.NotNil(t, err, from)
		require.Equal(t, registry.CodeForbidden, err.Code)
		require.Equal(t, "Invalid transition", err.Detail)
		require.Equal(t, "status_"+string(from), err.Reason)
	}
}

func TestRulesOfTermination(t *testing.T) {
	one := registry.ID{1}
	require.NoError(t, Termination{PersonID: one}.Validate())
	require.NoError(t, Termination{EmployeeID: one, Note: strings.Repeat("ї", 1000)}.Validate())
	for rule, c := range map[string]struct {
		order Termination
		entry string
	}{
		"neither":  {Termination{}, "$"},
		"both":     {Termination{PersonID: one, EmployeeID: one}, "$"},
		"long why": {Termination{PersonID: one, Note: strings.Repeat("ї", 1001)}, "$.reason_description"},
	} {
		err := registry.AsError(c.order.Validate())
		require.NotNil(t, err, rule)
		require.Equal(t, registry.CodeInvalid, err.Code, rule)
		require.Equal(t, c.entry, err.Fields[0].Entry, rule)
	}

	doctor := prm.Employee{Type: "DOCTOR", Status: "APPROVED"}
	require.NoError(t, canTerminateEmployee(doctor))
	for _, e := range []prm.Employee{{Type: "DOCTOR", Status: "DISMISSED"}, {Type: "PHARMACIST", Status: "APPROVED"}} {
		err := registry.AsError(canTerminateEmployee(e))
		require.Equal(t, registry.CodeInvalid, err.Code)
		require.Equal(t, "Employee is not an active doctor", err.Fields[0].Description)
	}
}
