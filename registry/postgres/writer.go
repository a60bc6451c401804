package postgres

import (
	"sync"

	"mist/registry"
)

// counter numbers the leaves of this process. A missing number means a leaf
// taken away, so each is accounted for: in a leaf, or given back.
//
// What is given back of a transaction that surely did not commit (it was never
// sent, or the database refused it) is used again: however long a database is
// away and however often it is tried, no more numbers are out than transactions
// were made at once. Of what was sent and not answered nobody knows; such a
// number becomes void.
type counter struct {
	id registry.ID

	mu   sync.Mutex // guards what follows
	last uint64
	free []uint64 // no leaf has them
	void []uint64 // a leaf may have them
}

// next gives a number for a leaf.
func (c *counter) next() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at := len(c.free) - 1; at >= 0 {
		n := c.free[at]
		c.free = c.free[:at]
		return n
	}
	c.last++
	return c.last
}

// unused hands out at most so many numbers that shall be recorded as void with a
// transaction that will commit, as it seems: free ones too, or a number whose
// turn does not come would look like a leaf taken away.
func (c *counter) unused(most int) (void, free []uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	take := func(from *[]uint64) []uint64 {
		n := min(len(*from), most)
		most -= n
		out := (*from)[:n:n]
		*from = (*from)[n:]
		return out
	}
	return take(&c.void), take(&c.free)
}

// giveBack takes numbers whose transaction did not commit; sure tells that it
// surely did not.
func (c *counter) giveBack(sure bool, numbers ...uint64) {
	if len(numbers) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if sure {
		c.free = append(c.free, numbers...)
	} else {
		c.void = append(c.void, numbers...)
	}
}

// left counts what no leaf tells of yet.
func (c *counter) left() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.free) + len(c.void)
}
