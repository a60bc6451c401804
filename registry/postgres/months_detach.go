package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/mod/sumdb/tlog"

	"mist/registry"
	"mist/registry/archive"
)

var (
	_ archive.Tx  = (*Tx)(nil)
	_ archive.Log = (*Store)(nil)
)

// Months implements archive.Log.
func (s *Store) Months(ctx context.Context) ([]archive.Month, error) {
	list, err := s.LogMonths(ctx)
	if err != nil {
		return nil, err
	}
	now := s.source.Now()
	out := make([]archive.Month, len(list))
	for i, m := range list {
		out[i] = archive.Month{Name: m.Name(), FromID: m.From, BelowID: m.Below, Over: m.Over(now), Table: m.Table, Bytes: m.Bytes, ArchivedAt: m.Archived, Manifest: m.Manifest, OrderID: m.OrderID, AttachedBy: m.AttachedBy}
		if out[i].First, out[i].Last, out[i].Entries, err = s.monthPlaces(ctx, m.From, m.Below); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// monthPlaces reads where the entries of a range of ids stand; it goes through
// the key of entries in that range.
func (s *Store) monthPlaces(ctx context.Context, from, below registry.ID) (first, last, n int64, err error) {
	err = s.pool.QueryRow(ctx, `SELECT COALESCE(min(idx), 0), COALESCE(max(idx), 0), count(*) FROM entries WHERE leaf_id >= $1 AND leaf_id < $2`, [16]byte(from), [16]byte(below)).Scan(&first, &last, &n)
	return first, last, n, mapError(err)
}

// Places implements archive.Log.
func (s *Store) Places(ctx context.Context, from, below int64, f func(place int64, leaf registry.ID, entry []byte) error) error {
	const page = 4096
	for ; from < below; from += page {
		rows, err := s.pool.Query(ctx, `SELECT e.idx, e.leaf_id, l.entry FROM entries e LEFT JOIN leaves l ON l.id = e.leaf_id WHERE e.idx >= $1 AND e.idx < $2 ORDER BY e.idx`,
			from, min(from+page, below))
		if err != nil {
			return mapError(err)
		}
		var place int64
		var leaf registry.ID
		var entry []byte
		if _, err = pgx.ForEachRow(rows, []any{&place, &leaf, &entry}, func() error { return f(place, leaf, entry) }); err != nil {
			return mapError(err)
		}
	}
	return nil
}

// PublicOver implements archive.Log.
func (s *Store) PublicOver(ctx context.Context, place int64) ([]byte, error) {
	c, err := s.PublicCheckpointOver(ctx, place)
	return c.Note, err
}

// SignedRoot implements archive.Log.
func (s *Store) SignedRoot(ctx context.Context, size int64) (root tlog.Hash, err error) {
	var b []byte
	err = s.pool.QueryRow(ctx, `SELECT root FROM checkpoints WHERE size = $1 ORDER BY seq LIMIT 1`, size).Scan(&b)
	if errors.Is(err, pgx.ErrNoRows) {
		return root, errNotFound
	}
	copy(root[:], b)
	return root, mapError(err)
}

// MonthState implements archive.Tx.
func (tx *Tx) MonthState(ctx context.Context, from, below registry.ID) (st archive.State, err error) {
	_, err = tx.queryOne(ctx, []any{&st.Leaves, &st.Numbered, &st.Followed, &st.Pending},
		`SELECT (SELECT count(*) FROM leaves WHERE id >= $1 AND id < $2), (SELECT count(*) FROM entries WHERE leaf_id >= $1 AND leaf_id < $2),
LEAST((SELECT size FROM entry_search_upto), (SELECT size FROM person_entries_upto)), (SELECT count(*) FROM pending_acts WHERE entry_id >= $1 AND entry_id < $2)`,
		[16]byte(from), [16]byte(below))
	return st, err
}

// DetachMonth implements archive.Tx.
func (tx *Tx) DetachMonth(ctx context.Context, name string, order registry.ID, manifest []byte, drop bool) error {
	month, err := time.Parse("2006-01", name)
	if err != nil {
		return tx.fail(err)
	}
	_, err = tx.execNow(ctx, `SELECT log_detach_month($1::date, $2, $3, $4)`, month, order, manifest, drop)
	return logRead(err)
}

// logRead tells a month whose lock was not to be had from what is wrong.
func logRead(err error) error {
	var db *DatabaseError
	if errors.As(err, &db) && db.SQLState == "55P03" { // lock_not_available
		return registry.Errorf(registry.CodeUnavailable, "somebody reads the log at this moment").WithReason("log_read").WithCause(err)
	}
	return err
}

// archivedError is not-found with what is known of an entry whose month is no
// longer in the database; errNotFound of what the log never had.
func (tx *Tx) archivedError(ctx context.Context, id *registry.ID, index *int64) error {
	var place int64
	var leaf registry.ID
	var month time.Time
	var at *time.Time
	found, err := tx.queryOne(ctx, []any{&place, &leaf, &month, &at}, selectArchived, id, index)
	if err != nil {
		return err
	}
	if !found {
		return errNotFound
	}
	return archive.Gone(place, leaf, month, utc(at))
}

const selectArchived = `SELECT e.idx, e.leaf_id, m.month, a.detached_at FROM entries e JOIN log_months m ON (m.from_id IS NULL OR e.leaf_id >= m.from_id) AND e.leaf_id < m.below_id
JOIN log_archived a USING (month) WHERE (e.leaf_id = $1 OR $1 IS NULL) AND (e.idx = $2 OR $2 IS NULL) LIMIT 1`

// archivedEntry is archivedError outside of a transaction of ours.
func (s *Store) archivedEntry(ctx context.Context, id *registry.ID, index *int64) error {
	var place int64
	var leaf registry.ID
	var month time.Time
	var at *time.Time
	err := s.pool.QueryRow(ctx, selectArchived, id, index).Scan(&place, &leaf, &month, &at)
	if errors.Is(err, pgx.ErrNoRows) {
		return errNotFound
	}
	if err != nil {
		return mapError(err)
	}
	return archive.Gone(place, leaf, month, utc(at))
}
