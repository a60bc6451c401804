package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"mist/registry"
	"mist/registry/audit"
)

// freshEntries are those of the log behind a place, with their leaves, by index.
const freshEntries = `SELECT e.idx, e.leaf_id, l.kind, l.entry FROM (SELECT idx, leaf_id FROM entries WHERE idx >= (SELECT size FROM entry_search_upto) ORDER BY idx LIMIT $1) e
CROSS JOIN LATERAL (SELECT kind, entry FROM leaves WHERE id = e.leaf_id OFFSET 0) l`

// IndexLog puts at most limit entries that the log has grown by into the table
// auditors search in, and tells how many it went through. Entries are read here
// and not in the database, where taking one apart costs four times as much; one
// that is not readable is found by its kind alone.
func (tx *Tx) IndexLog(ctx context.Context, limit int) (n int, err error) {
	if err := tx.byIndex(ctx); err != nil {
		return 0, err
	}
	var rows indexRows
	days := map[indexDay]int64{}
	locked := read{sql: `SELECT size FROM entry_search_upto FOR UPDATE`, scan: func(pgx.Rows) error { return nil }}
	err = tx.queries(ctx, locked, read{sql: freshEntries, args: []any{limit}, scan: func(r pgx.Rows) error {
		var idx int64
		var leaf registry.ID
		var kind string
		var entry []byte
		if err := r.Scan(&idx, &leaf, &kind, &entry); err != nil {
			return err
		}
		m, err := audit.ReadMarks(entry)
		if err != nil {
			m = audit.Marks{Time: timeOf(leaf)}
		}
		n++
		rows.add(idx, leaf, kind, m)
		// Kyiv is whole hours from UTC: which day an hour is of, the database tells.
		days[indexDay{m.Time.UTC().Truncate(time.Hour), kind, m.Code}]++
		return nil
	}})
	if err != nil || n == 0 {
		return 0, err
	}
	if err := tx.exec(ctx, `INSERT INTO entry_search (`+indexColumns+`) SELECT * FROM `+indexArrays+` ON CONFLICT DO NOTHING`, rows.args()...); err != nil {
		return 0, err
	}
	var hours []time.Time
	var kinds, codes []string
	var counts []int64
	for d, c := range days {
		hours, kinds, codes, counts = append(hours, d.hour), append(kinds, d.kind), append(codes, d.code), append(counts, c)
	}
	if err := tx.exec(ctx, `INSERT INTO entry_days (day, kind, code, n)
SELECT (hour AT TIME ZONE 'Europe/Kyiv')::date, kind, code, sum(n) FROM unnest($1::timestamptz[], $2::text[], $3::text[], $4::int8[]) AS x (hour, kind, code, n) GROUP BY 1, 2, 3
ON CONFLICT (day, kind, code) DO UPDATE SET n = entry_days.n + excluded.n`, hours, kinds, codes, counts); err != nil {
		return 0, err
	}
	return n, tx.exec(ctx, `UPDATE entry_search_upto SET size = size + $1`, int64(n))
}

// indexColumns are those that indexRows.args gives, as indexArrays unfolds them.
const (
	indexColumns = `leaf_id, idx, kind, code, client_id, user_id, employee_id, legal_entity_id, act_id, request_id, container`
	indexArrays  = `unnest($1::uuid[], $2::int8[], $3::text[], $4::text[], $5::uuid[], $6::uuid[], $7::uuid[], $8::uuid[], $9::uuid[], $10::text[], $11::bytea[])`
)

type indexDay struct {
	hour       time.Time
	kind, code string
}

// indexRows are columns of entry_search.
type indexRows struct {
	leaf, client, user, employee, legalEntity, act []pgtype.UUID
	idx                                            []int64
	kind                                           []string
	code, request                                  []pgtype.Text
	container                                      [][]byte
}

func (r *indexRows) add(idx int64, leaf registry.ID, kind string, m audit.Marks) {
	id := func(column *[]pgtype.UUID, id registry.ID) {
		*column = append(*column, pgtype.UUID{Bytes: id, Valid: !id.IsZero()})
	}
	text := func(column *[]pgtype.Text, t string) {
		*column = append(*column, pgtype.Text{String: t, Valid: t != ""})
	}
	id(&r.leaf, leaf)
	id(&r.client, m.ClientID)
	id(&r.user, m.UserID)
	id(&r.employee, m.EmployeeID)
	id(&r.legalEntity, m.LegalEntityID)
	id(&r.act, m.ActID)
	text(&r.code, m.Code)
	text(&r.request, m.RequestID)
	r.idx, r.kind, r.container = append(r.idx, idx), append(r.kind, kind), append(r.container, m.Container)
}

func (r *indexRows) args() []any {
	return []any{r.leaf, r.idx, r.kind, r.code, r.client, r.user, r.employee, r.legalEntity, r.act, r.request, r.container}
}
