package monitor

import (
	"fmt"
	"slices"
	"time"

	"mist/registry"
	"mist/registry/audit"
)

// number is one running number of one writer.
type number struct {
	writer registry.ID
	n      uint64
}

// writer is what is known of one process's numbers.
type writer struct {
	last   uint64    // largest number seen
	lastAt time.Time // newest time of an entry
	// pauses are the last times it wrote nothing for longer than the tolerance: the
	// database was away, or nobody asked.
	pauses []pause
	// missing are the numbers below last not seen, with the time of the next
	// entry after them; void those that were given back.
	missing map[uint64]time.Time
	void    map[uint64]bool
	excess  bool // too many are missing to name them
}

// pause lies between two entries of a writer.
type pause struct{ from, until time.Time }

// maxMissing bounds how many missing numbers of one writer are kept.
const maxMissing = 100_000

// count takes an entry's number.
func (t *counted) count(m *Monitor, e audit.Entry) {
	w := t.writers[e.Writer.ID]
	if w == nil {
		w = &writer{missing: map[uint64]time.Time{}, void: map[uint64]bool{}}
		t.writers[e.Writer.ID] = w
	}
	if e.Time.After(w.lastAt) {
		if !w.lastAt.IsZero() && e.Time.Sub(w.lastAt) > m.cfg.Tolerance {
			w.rested(pause{w.lastAt, e.Time}, m.grace())
		}
		w.lastAt = e.Time
	}
	n := e.Writer.N
	_, missed := w.missing[n]
	void := e.Kind == audit.Void
	switch {
	case n > w.last:
		for i := w.last + 1; i < n && !w.excess; i++ {
			w.missing[i] = e.Time
			w.excess = len(w.missing) >= maxMissing
		}
		w.last = n
	case missed:
		delete(w.missing, n)
	case !void && !w.void[n] && !w.excess:
		// A number whose commit was lost on the way may be void and taken; two
		// entries of one number may not be.
		m.alarm(WriterDuplicate, fmt.Sprintf("writer %s number %d", e.Writer.ID, n), "two entries carry this number, the second is leaf %s", e.ID)
	}
	if void {
		w.void[n] = true
	}
}

// grace is how long a number may be on its way into the log.
func (m *Monitor) grace() time.Duration { return m.cfg.Longest + m.cfg.Tolerance }

// rested keeps a pause as long as its end may be younger than grace.
func (w *writer) rested(p pause, grace time.Duration) {
	w.pauses = slices.DeleteFunc(w.pauses, func(old pause) bool { return p.until.Sub(old.until) >= grace })
	w.pauses = append(w.pauses, p)
}

// judgedAt is the time up to which the writer's numbers can be judged. What was
// under way when the database went away is closed when it is back, and the first
// entries after it may be seen before that is done: after a pause numbers have the
// time anew in which a number is on its way.
func (w *writer) judgedAt(now time.Time, grace time.Duration) time.Time {
	for _, p := range w.pauses {
		if now.Sub(p.until) < grace {
			return p.from
		}
	}
	return w.lastAt
}

// gaps tells of numbers that are missing for too long. A crash leaves open the
// numbers of the transactions that were under way; nothing else does.
func (t *counted) gaps(m *Monitor, now time.Time, pending map[number]bool) {
	if t.blind {
		return // the missing month is named; its numbers are not known
	}
	grace := m.grace()
	for id, w := range t.writers {
		if w.excess {
			m.alarm(WriterGap, "writer "+id.String(), "more than %d of its numbers are missing", maxMissing)
		}
		judged := w.judgedAt(now, grace)
		var lost, open []uint64
		for n, at := range w.missing {
			switch {
			case pending[number{id, n}] || now.Sub(at) < grace:
			case w.lastAt.Sub(at) < m.cfg.Tolerance && now.Sub(w.lastAt) > grace:
				open = append(open, n)
			case judged.Sub(at) >= m.cfg.Tolerance:
				lost = append(lost, n)
			}
		}
		slices.Sort(lost)
		slices.Sort(open)
		for _, n := range lost {
			m.alarm(WriterGap, fmt.Sprintf("writer %s number %d", id, n), "no entry carries this number: a leaf was taken away before it was numbered")
		}
		for _, n := range open {
			m.find(Finding{WriterInterrupted, fmt.Sprintf("writer %s number %d", id, n),
				"the writer ended without closing this number: a crash, or a leaf taken away in its last moments", false})
		}
	}
}
