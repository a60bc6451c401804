package payment

// LineState is what became of one payment.
type LineState string

// States of a line.
const (
	LineWaiting  LineState = "WAITING"
	LinePaid     LineState = "PAID"
	LineRejected LineState = "REJECTED"
)

// Line is one payment of a register and what became of it. Amounts are in kopecks.
type Line struct {
	SentLine
	State  LineState `json:"state"`
	Reason string    `json:"reason,omitempty"`
}

// Difference is one place where the paying side's word and our register do not
// meet.
type Difference struct {
	// Kind: missing (a line of ours of which nothing is said), extra (a line that is
	// not ours), twice (one of ours told again), amount, account.
	Kind   string `json:"kind"`
	Number int    `json:"number"`
	// Ours and Theirs are kopecks, of extra and amount.
	Ours   int64 `json:"ours,omitempty"`
	Theirs int64 `json:"theirs,omitempty"`
}

// Differences.
const (
	Missing = "missing"
	Extra   = "extra"
	Twice   = "twice"
	Amount  = "amount"
	Account = "account"
)

// Reconcile holds the paying side's lines against ours: each of ours gets its
// state, and whatever does not meet is named. A line told with another account
// or amount keeps waiting: nobody knows what was paid.
func Reconcile(ours []Line, told []ToldLine) (lines []Line, differences []Difference) {
	lines = append(lines, ours...)
	at := map[int]int{}
	for i := range lines {
		lines[i].State, lines[i].Reason = LineWaiting, ""
		at[lines[i].Number] = i
	}
	seen := map[int]bool{}
	for _, t := range told {
		i, ok := at[t.Number]
		switch {
		case !ok:
			differences = append(differences, Difference{Kind: Extra, Number: t.Number, Theirs: t.Amount})
			continue
		case seen[t.Number]:
			differences = append(differences, Difference{Kind: Twice, Number: t.Number, Ours: lines[i].Amount, Theirs: t.Amount})
			continue
		}
		seen[t.Number] = true
		l := &lines[i]
		switch {
		case t.Account != l.Account:
			differences = append(differences, Difference{Kind: Account, Number: l.Number})
		case t.Amount != l.Amount:
			differences = append(differences, Difference{Kind: Amount, Number: l.Number, Ours: l.Amount, Theirs: t.Amount})
		case t.Paid:
			l.State = LinePaid
		default:
			l.State, l.Reason = LineRejected, t.Reason
		}
	}
	for _, l := range lines {
		if !seen[l.Number] {
			differences = append(differences, Difference{Kind: Missing, Number: l.Number, Ours: l.Amount})
		}
	}
	return lines, differences
}
