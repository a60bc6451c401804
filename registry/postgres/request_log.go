package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"mist/registry"
	"mist/registry/journal"
)

var _ journal.Tx = (*Tx)(nil)

// KeepRequests implements journal.Tx: one statement (COPY passes no row security).
func (tx *Tx) KeepRequests(ctx context.Context, lines []journal.Line) error {
	n := len(lines)
	clients, at := make([][16]byte, n), make([]time.Time, n)
	ids, methods, routes, types, reasons := make([]string, n), make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	status, took := make([]int16, n), make([]int64, n)
	for i, l := range lines {
		clients[i], at[i], ids[i], methods[i], routes[i] = l.Client, l.At, l.RequestID, l.Method, l.Route
		status[i], types[i], reasons[i], took[i] = int16(l.Status), l.Type, l.Reason, l.Took.Microseconds()
	}
	return tx.exec(ctx, `INSERT INTO request_log (client_id, at, request_id, method, route, status, error_type, reason, took_us)
SELECT * FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::smallint[], $7::text[], $8::text[], $9::bigint[])`,
		clients, at, ids, methods, routes, status, types, reasons, took)
}

// Requests implements journal.Tx.
func (tx *Tx) Requests(ctx context.Context, client registry.ID, limit int) (list []journal.Line, err error) {
	list = []journal.Line{}
	err = tx.query(ctx, func(rows pgx.Rows) error {
		l := journal.Line{Client: client}
		var took int64
		if err := rows.Scan(&l.At, &l.RequestID, &l.Method, &l.Route, &l.Status, &l.Type, &l.Reason, &took); err != nil {
			return err
		}
		l.At, l.Took = l.At.UTC(), time.Duration(took)*time.Microsecond
		list = append(list, l)
		return nil
	}, `SELECT at, request_id, method, route, status, error_type, reason, took_us FROM request_log WHERE client_id = $1 ORDER BY at DESC LIMIT $2`, client, limit)
	return list, err
}

// ForgetRequests implements journal.Tx: the old by the index of each client,
// then what one client has too much of.
func (tx *Tx) ForgetRequests(ctx context.Context, before time.Time, most, limit int) (int, error) {
	tag, err := tx.execNow(ctx, `WITH RECURSIVE clients AS (
    (SELECT client_id FROM request_log ORDER BY client_id LIMIT 1)
    UNION ALL
    SELECT (SELECT r.client_id FROM request_log r WHERE r.client_id > c.client_id ORDER BY r.client_id LIMIT 1) FROM clients c WHERE c.client_id IS NOT NULL
), bounds AS (
    SELECT client_id, greatest($1, (SELECT r.at FROM request_log r WHERE r.client_id = c.client_id ORDER BY r.at DESC OFFSET $2 LIMIT 1)) AS until
    FROM clients c WHERE client_id IS NOT NULL
), old AS (
    SELECT r.ctid FROM bounds b JOIN request_log r ON r.client_id = b.client_id AND r.at <= b.until LIMIT $3
) DELETE FROM request_log WHERE ctid = ANY (ARRAY(SELECT ctid FROM old))`, before, most, limit)
	return int(tag.RowsAffected()), err
}
