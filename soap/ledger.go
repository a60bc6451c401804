package soap

import "sync/atomic"

// ledger accounts for the memory one message holds against what all messages
// together may hold. A limit for each message alone would be multiplied by the
// number of connections. Replies read by a client have no ledger (nil).
type ledger struct {
	shared *atomic.Int64
	max    int64
	mine   int64
}

// freeBytes is what a message may hold without being counted: ordinary
// messages never touch the shared counter.
const freeBytes = 64 << 10

var errMemory = &Fault{Class: ServerFault, Code: "Unavailable", Reason: "too many large messages at once; send this one again later"}

// hold tells that the message now holds n bytes in all; it fails when that
// would be too much for everybody.
func (l *ledger) hold(n int64) error {
	if l == nil || n <= freeBytes || n <= l.mine {
		return nil
	}
	if l.shared.Add(n-l.mine) > l.max {
		l.shared.Add(l.mine - n)
		return errMemory
	}
	l.mine = n
	return nil
}

// release gives everything back.
func (l *ledger) release() {
	if l != nil && l.mine > 0 {
		l.shared.Add(-l.mine)
		l.mine = 0
	}
}
