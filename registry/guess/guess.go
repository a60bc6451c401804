// Package guess bounds how often a clinic may be wrong about the one-time codes
// of one telephone. A code has 729 forms and each request its own three tries,
// but requests may be made anew: without a bound over all of them a program
// would guess a patient's word in an afternoon.
//
// It trusts no request for the count: misses stand by telephone and legal
// entity, under a blind key.
package guess

import (
	"context"
	"time"

	"mist/registry"
)

// Bound of wrong codes: at most Most within the Window, whatever the requests.
const (
	Most   = 10
	Window = 24 * time.Hour
)

// ErrTooMany is the answer to whoever goes on: a right code does not help either.
var ErrTooMany = registry.Errorf(registry.CodeRateLimited, "%d wrong codes of this telephone within a day; ask the patient in another way, or tomorrow", Most).WithReason("otp_guessing")

// Tx is what the bound needs of a transaction.
type Tx interface {
	// CountMiss remembers a wrong code.
	CountMiss(ctx context.Context, phone string, legalEntity registry.ID, now time.Time) error
	// ExpectFewMisses fails the transaction with ErrTooMany where there were too
	// many; it is sent with the next query and costs no trip of its own.
	ExpectFewMisses(ctx context.Context, phone string, legalEntity registry.ID, now time.Time) error
	// DemandFewMisses is the same at once: for where a right code can be refused
	// for something else before anything is sent, which would tell that it is right.
	DemandFewMisses(ctx context.Context, phone string, legalEntity registry.ID, now time.Time) error
}
