package monitor

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	"mist/registry"
	"mist/registry/audit"
)

// UnsealingRow is a row of the book of unsealing.
type UnsealingRow struct {
	Writer       registry.ID
	N            int64
	Began, Ended time.Time
	// Opened is counted by the keys, Accounted by the transactions; Unread are
	// values that were opened and answered without an entry.
	Opened, Accounted, Unread int64
	Places                    string
	// Entry is the leaf that holds the row's digest; nil when it is gone.
	EntryID registry.ID
	Entry   *Leaf
}

// Text is what the digest is taken over.
func (r UnsealingRow) Text() string {
	return fmt.Sprintf("unsealing v1\n%s\n%d\n%s\n%s\n%d\n%d\n%d\n%s\n", r.Writer, r.N,
		r.Began.UTC().Truncate(time.Microsecond).Format(time.RFC3339Nano), r.Ended.UTC().Truncate(time.Microsecond).Format(time.RFC3339Nano), r.Opened, r.Accounted, r.Unread, r.Places)
}

// unsealed compares the book of unsealing with the trail: whoever opened a
// person's sealed values has left an entry, and the book is what was written.
func (m *Monitor) unsealed(ctx context.Context, src Source) error {
	for {
		rows, err := src.Unsealings(ctx, m.books, batch)
		if err != nil {
			return err
		}
		for _, r := range rows {
			m.book(r)
			m.books = r.EntryID
		}
		if len(rows) < batch {
			m.books = before(m.books, m.cfg.Longest)
			return nil
		}
	}
}

func (m *Monitor) book(r UnsealingRow) {
	row := fmt.Sprintf("unsealing %s/%d", r.Writer, r.N)
	if r.Entry == nil {
		if r.Entry = m.past.books[r.EntryID]; r.Entry == nil && m.past.holds(r.EntryID) {
			m.unread(row, r)
			return // the digest is in the month's file, which was not given
		}
	}
	if r.Entry == nil {
		m.alarm(UnsealingBook, row, "the entry that holds its digest does not exist")
		return
	}
	e, err := audit.Decode(r.Entry.Entry)
	sum := sha256.Sum256([]byte(r.Text()))
	switch {
	case err != nil || e.Object == nil || e.Writer.ID != r.Writer:
		m.alarm(UnsealingBook, row, "the entry it names is none of this book")
	case !bytes.Equal(e.Object.Digest, sum[:]):
		m.alarm(UnsealingBook, row, "it is not the row whose digest stands in the log")
	}
	m.unread(row, r)
}

func (m *Monitor) unread(row string, r UnsealingRow) {
	if r.Unread > 0 {
		m.alarm(UnsealedUnread, row, "%d sealed values of people were opened and answered, and no entry was left: %s", r.Unread, r.Places)
	}
	if r.Opened != r.Accounted {
		m.alarm(UnsealedUnread, row, "the keys opened %d sealed values of people and the transactions know of %d: something opens them past the trail", r.Opened, r.Accounted)
	}
}
