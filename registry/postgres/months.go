package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"mist/registry"
	"mist/registry/job"
)

// MonthsAhead is how many months of the log have their tables before they begin.
const MonthsAhead = 3

// MakeMonths makes the tables of the months to come and has the check of acts
// look into the present one; it tells how many were made. Nobody waits for it.
func (s *Store) MakeMonths(ctx context.Context) (made int, err error) {
	err = s.pool.QueryRow(ctx, `SELECT log_make_months($1)`, MonthsAhead).Scan(&made)
	return made, mapError(err)
}

// MonthsJob is MakeMonths again and again.
func (s *Store) MonthsJob(every time.Duration) job.Periodic {
	return job.Periodic{Kind: "make_log_months", Every: every, Run: s.MakeMonths}
}

// MonthsLeft tells until when leaves have a table of their month. What comes
// later is kept too, in one table with everything else that has none.
func (s *Store) MonthsLeft(ctx context.Context) (until time.Time, err error) {
	var below registry.ID
	err = s.pool.QueryRow(ctx, `SELECT below_id FROM log_months ORDER BY month DESC LIMIT 1`).Scan(&below)
	return timeOf(below), mapError(err)
}

// LogMonth is a month of the log, by the ids of its entries (UTC).
type LogMonth struct {
	Month time.Time // its first moment
	// From is zero for the first month, which holds everything before it too.
	From, Below registry.ID
	// Archived is when it was detached; zero while it stands.
	Archived time.Time
	Manifest []byte // of what was detached
	OrderID  registry.ID
	// AttachedBy is the order by which it came back last.
	AttachedBy registry.ID
	// Table tells that the month's table stands among the log's.
	Table bool
	Bytes int64 // of the table with its indexes
}

// Name is the month as it is written: "2026-11".
func (m LogMonth) Name() string { return m.Month.Format("2006-01") }

// Over tells that the month has ended.
func (m LogMonth) Over(now time.Time) bool { return !m.Month.AddDate(0, 1, 0).After(now) }

const selectMonths = `SELECT m.month, m.from_id, m.below_id, a.detached_at, a.manifest, a.order_id, i.inhrelid IS NOT NULL, COALESCE(pg_total_relation_size(i.inhrelid), 0),
    (SELECT b.order_id FROM log_attachments b JOIN log_archives d ON d.order_id = b.detached_by WHERE d.month = m.month ORDER BY b.attached_at DESC LIMIT 1)
FROM log_months m LEFT JOIN log_archived a USING (month)
LEFT JOIN (pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid) ON i.inhparent = 'leaves'::regclass AND c.relname = 'leaves_' || m.suffix ORDER BY m.month`

func scanMonth(rows pgx.CollectableRow) (m LogMonth, err error) {
	var from, order, back *registry.ID
	var archived *time.Time
	err = rows.Scan(&m.Month, &from, &m.Below, &archived, &m.Manifest, &order, &m.Table, &m.Bytes, &back)
	if from != nil {
		m.From = *from
	}
	if order != nil {
		m.OrderID = *order
	}
	if back != nil {
		m.AttachedBy = *back
	}
	m.Month = time.Date(m.Month.Year(), m.Month.Month(), 1, 0, 0, 0, 0, time.UTC)
	m.Archived = utc(archived)
	return m, err
}

// LogMonths lists the months of the log, oldest first.
func (s *Store) LogMonths(ctx context.Context) ([]LogMonth, error) {
	rows, err := s.pool.Query(ctx, selectMonths)
	if err != nil {
		return nil, mapError(err)
	}
	list, err := pgx.CollectRows(rows, scanMonth)
	return list, mapError(err)
}
