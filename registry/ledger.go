package registry

import (
	"context"
	"sync/atomic"
)

// Ledger keeps the two books of one request beside each other: how many sealed
// values of people were opened in it, and how many entries it left in the
// trail. What was opened and answered must have left an entry.
type Ledger struct {
	opened, entries atomic.Int64
	close           atomic.Pointer[func(opened, entries int64, answered bool, where string)]
}

type ledgerKey struct{}

// WithLedger begins the books of a request. Close them with [Ledger.Close].
func WithLedger(ctx context.Context) (context.Context, *Ledger) {
	l := &Ledger{}
	return context.WithValue(ctx, ledgerKey{}, l), l
}

// LedgerOf gives the books of the request, nil where none were begun.
func LedgerOf(ctx context.Context) *Ledger {
	l, _ := ctx.Value(ledgerKey{}).(*Ledger)
	return l
}

// Opened notes an opened value; closed is told when the books are closed.
func (l *Ledger) Opened(closed *func(opened, entries int64, answered bool, where string)) {
	l.opened.Add(1)
	l.close.Store(closed)
}

// Entered notes an entry.
func (l *Ledger) Entered() { l.entries.Add(1) }

// Close compares the books. answered is false when nothing was told: the
// request was refused or failed.
func (l *Ledger) Close(answered bool, where string) {
	if f := l.close.Load(); f != nil {
		(*f)(l.opened.Load(), l.entries.Load(), answered, where)
	}
}
