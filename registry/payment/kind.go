package payment

// MaxLines bounds a register. A contract that said so would cost its validator a
// state for each.
const MaxLines = 1000

// Kind of payments.
type Kind string

// Kinds, as the contracts they are paid under.
const (
	Capitation    Kind = "CAPITATION"
	Reimbursement Kind = "REIMBURSEMENT"
)
