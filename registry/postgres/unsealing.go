package postgres

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/audit/monitor"
)

// Unsealings is the kind of the entries that hold the digests of the book.
const Unsealings audit.Kind = "unsealing.counted"

// recordTables are those whose sealed values are a person's record: opened, they
// have left an entry, whoever opened them.
var recordTables = []string{"persons", "person_versions"}

// paperTables are those whose sealed values speak of people too: drafts, signed
// containers, scans and printouts, clinical records. The registry opens many of
// them for itself (seals, judging again, expiry); opened in a request that was
// answered they have left an entry.
var paperTables = []string{"drafts", "media", "records", "compositions", "person_relationships", "person_merges", "exchanges", "declarations.note", "disputes"}

// countedTables are all that stand in the book.
var countedTables = slices.Concat(recordTables, paperTables)

// unsealing counts opened values of one process between two rows of the book.
type unsealing struct {
	accounted, unread atomic.Int64

	mu     sync.Mutex // guards what follows
	places map[string]int
	keys   int64 // count of the keys at the last row
	n      int64
	began  time.Time
	close  func(opened, entries int64, answered bool, where string)
}

// noteOpened notes that a transaction opened a value. What belongs to no request's
// books is closed with the transaction.
func (tx *Tx) noteOpened(table string) {
	if !slices.Contains(countedTables, table) {
		return
	}
	tx.store.unsealing.accounted.Add(1)
	if tx.ledger == nil {
		if tx.ledger = registry.LedgerOf(tx.ctx); tx.ledger == nil {
			if !slices.Contains(recordTables, table) {
				return // nobody is told
			}
			_, tx.ledger = registry.WithLedger(tx.ctx)
			tx.ownLedger = true
		}
	}
	tx.ledger.Opened(&tx.store.unsealing.close)
}

// NoteOpened notes that a document (table media) was opened outside of the
// tables, with the store's keys.
func (s *Store) NoteOpened(ctx context.Context) {
	s.unsealing.accounted.Add(1)
	if books := registry.LedgerOf(ctx); books != nil {
		books.Opened(&s.unsealing.close)
	}
}

// entered notes an entry of this transaction.
func (tx *Tx) entered() {
	if tx.ledger == nil {
		if tx.ledger = registry.LedgerOf(tx.ctx); tx.ledger == nil {
			_, tx.ledger = registry.WithLedger(tx.ctx)
			tx.ownLedger = true
		}
	}
	tx.ledger.Entered()
}

// closeLedger ends the books of a transaction that stands for itself.
func (tx *Tx) closeLedger(err error) {
	if tx.ownLedger {
		tx.ledger.Close(err == nil, "a transaction outside of any request")
	}
}

// compare is told of every closed ledger that opened something.
func (u *unsealing) compare(opened, entries int64, answered bool, where string) {
	if !answered || entries > 0 {
		return
	}
	u.unread.Add(opened)
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.places == nil {
		u.places = map[string]int{}
	}
	if len(u.places) < 20 || u.places[where] > 0 {
		u.places[where]++
	}
}

// WriteUnsealing adds a row to the book of unsealing, with its entry, when
// something was opened since the last.
func (s *Store) WriteUnsealing(ctx context.Context) error {
	u := &s.unsealing
	u.mu.Lock()
	keys := s.keys.Opened(countedTables...)
	row := monitor.UnsealingRow{Writer: s.writer.id, N: u.n + 1, Began: u.began, Ended: s.source.Now(), Opened: keys - u.keys, Accounted: u.accounted.Load(), Unread: u.unread.Load()}
	if row.Began.IsZero() {
		row.Began = row.Ended
	}
	type place struct {
		name string
		n    int
	}
	var list []place
	for name, n := range u.places {
		list = append(list, place{name, n})
	}
	u.mu.Unlock()
	if row.Opened == 0 && row.Accounted == 0 {
		return nil
	}
	slices.SortFunc(list, func(a, b place) int { return b.n - a.n })
	var names []string
	for _, p := range list {
		names = append(names, fmt.Sprintf("%s (%d)", p.name, p.n))
	}
	row.Places = strings.Join(names, "; ")
	err := s.Update(ctx, func(ctx context.Context, tx *Tx) error {
		digest := sha256.Sum256([]byte(row.Text()))
		r, err := tx.Audit(ctx, audit.Entry{Kind: Unsealings, Channel: string(registry.ChannelJob),
			Object: &audit.ObjectRef{Type: "unsealing", ID: fmt.Sprintf("%s/%d", row.Writer, row.N), Digest: digest[:]}})
		if err != nil {
			return err
		}
		return tx.exec(ctx, `INSERT INTO unsealings (writer, n, began_at, ended_at, opened, accounted, unread, places, entry_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`, row.Writer, row.N, row.Began, row.Ended, row.Opened, row.Accounted, row.Unread, row.Places, r.EntryID)
	})
	if err != nil {
		return fmt.Errorf("writing the book of unsealing: %w", err)
	}
	u.accounted.Add(-row.Accounted)
	u.unread.Add(-row.Unread)
	u.mu.Lock()
	defer u.mu.Unlock()
	u.n, u.keys, u.began, u.places = row.N, u.keys+row.Opened, row.Ended, nil
	return nil
}
