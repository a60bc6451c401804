package payment

import (
	"mist/registry"
	"mist/registry/outbox"
)

// Payments is the paying side; its two services (the whole exchange is
// designed, wsdl/consumed/payments.wsdl).
const (
	Payments outbox.Destination = "payments"
	Submit   outbox.Operation   = "SubmitPaymentRegister"
	Ask      outbox.Operation   = "GetPaymentRegister"
)

// Submission is a register as it leaves. Amounts are in kopecks.
type Submission struct {
	RegisterID registry.ID `json:"register_id"`
	Kind       Kind        `json:"kind"`
	Period     string      `json:"period"` // YYYY-MM
	Total      int64       `json:"total"`
	Lines      []SentLine  `json:"lines"`
}

// SentLine is one payment as it leaves.
type SentLine struct {
	Number  int    `json:"number"`
	EDRPOU  string `json:"edrpou"`
	Account string `json:"account"` // IBAN
	Amount  int64  `json:"amount"`
	Purpose string `json:"purpose"`
}

// Taken answers [Submit].
type Taken struct {
	RegisterID registry.ID `json:"register_id"`
	Accepted   bool        `json:"accepted"`
	Reason     string      `json:"reason,omitempty"`
}

// Question asks what became of a register.
type Question struct {
	RegisterID registry.ID `json:"register_id"`
}

// Told answers [Ask].
type Told struct {
	RegisterID registry.ID `json:"register_id"`
	State      string      `json:"state"` // pending, done, unknown
	Lines      []ToldLine  `json:"lines,omitempty"`
}

// ToldLine is what the paying side says of one line.
type ToldLine struct {
	Number  int    `json:"number"`
	Account string `json:"account"`
	Amount  int64  `json:"amount"`
	Paid    bool   `json:"paid"`
	Reason  string `json:"reason,omitempty"`
}
