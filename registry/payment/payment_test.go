package payment

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestReconcileNamesEachDifference(t *testing.T) {
	line := func(n int, account string, amount int64) Line {
		return Line{SentLine: SentLine{Number: n, Account: account, Amount: amount}}
	}
	told := func(n int, account string, amount int64) ToldLine {
		return ToldLine{Number: n, Account: account, Amount: amount, Paid: true}
	}
	ours := []Line{line(1, "A", 100), line(2, "B", 200)}
	for name, c := range map[string]struct {
		told   []ToldLine
		states []LineState
		want   []Difference
	}{
		"twin":     {[]ToldLine{told(2, "B", 200), told(1, "A", 100)}, []LineState{LinePaid, LinePaid}, nil},
		"rejected": {[]ToldLine{told(1, "A", 100), {Number: 2, Account: "B", Amount: 200, Reason: "closed"}}, []LineState{LinePaid, LineRejected}, nil},
		"missing":  {[]ToldLine{told(1, "A", 100)}, []LineState{LinePaid, LineWaiting}, []Difference{{Missing, 2, 200, 0}}},
		"extra":    {[]ToldLine{told(1, "A", 100), told(2, "B", 200), told(3, "C", 1)}, []LineState{LinePaid, LinePaid}, []Difference{{Extra, 3, 0, 1}}},
		"twice":    {[]ToldLine{told(1, "A", 100), told(2, "B", 200), told(2, "B", 200)}, []LineState{LinePaid, LinePaid}, []Difference{{Twice, 2, 200, 200}}},
		"amount":   {[]ToldLine{told(1, "A", 99), told(2, "B", 200)}, []LineState{LineWaiting, LinePaid}, []Difference{{Amount, 1, 100, 99}}},
		"account":  {[]ToldLine{told(1, "X", 100), told(2, "B", 200)}, []LineState{LineWaiting, LinePaid}, []Difference{{Account, 1, 0, 0}}},
		"nothing":  {nil, []LineState{LineWaiting, LineWaiting}, []Difference{{Missing, 1, 100, 0}, {Missing, 2, 200, 0}}},
	} {
		t.Run(name, func(t *testing.T) {
			lines, differences := Reconcile(ours, c.told)
			require.Equal(t, c.want, differences)
			for i, l := range lines {
				require.Equal(t, c.states[i], l.State)
			}
			require.Empty(t, ours[0].State, "the register itself is left")
		})
	}
}

func TestValidIBAN(t *testing.T) {
	// The example of the IBAN registry for Ukraine.
	require.True(t, ValidIBAN("UA213223130000026007233566001"))
	for _, bad := range []string{"", "UA213223130000026007233566002", "UA223223130000026007233566001", "DE89370400440532013000", "UA21322313000002600723356600", "ua213223130000026007233566001"} {
		require.False(t, ValidIBAN(bad), bad)
	}
}
