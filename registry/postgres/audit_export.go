package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/trail"
)

var _ trail.ExportTx = (*Tx)(nil)

func (tx *Tx) sealExport(x trail.Export) ([]byte, error) {
	plain, err := json.Marshal(x)
	if err != nil {
		return nil, tx.fail(err)
	}
	return tx.sealShort("audit_exports", x.ID.String(), plain)
}

// InsertExport implements trail.ExportTx.
func (tx *Tx) InsertExport(ctx context.Context, x trail.Export) error {
	body, err := tx.sealExport(x)
	if err != nil {
		return err
	}
	return tx.exec(ctx, `INSERT INTO audit_exports (id, owner, status, done, total, parts, body, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		x.ID, x.Owner, x.Status, x.Done, x.Total, x.Parts, body, x.CreatedAt, x.ExpiresAt)
}

// UpdateExport implements trail.ExportTx.
func (tx *Tx) UpdateExport(ctx context.Context, x trail.Export) error {
	body, err := tx.sealExport(x)
	if err != nil {
		return err
	}
	return tx.exec(ctx, `UPDATE audit_exports SET status = $2, done = $3, total = $4, parts = $5, body = $6, expires_at = $7 WHERE id = $1`,
		x.ID, x.Status, x.Done, x.Total, x.Parts, body, x.ExpiresAt)
}

const selectExport = `SELECT id, owner, status, done, total, parts, body, expires_at FROM audit_exports `

// sealedExport is a row whose body was not opened yet: nothing else is asked
// of a connection while rows are being read.
type sealedExport struct {
	trail.Export
	body []byte
}

func scanExport(rows pgx.Rows) (x sealedExport, err error) {
	err = rows.Scan(&x.ID, &x.Owner, &x.Status, &x.Done, &x.Total, &x.Parts, &x.body, &x.ExpiresAt)
	return x, err
}

func (tx *Tx) openExport(s sealedExport) (trail.Export, error) {
	x := s.Export
	plain, err := tx.openShort("audit_exports", x.ID.String(), s.body)
	if err != nil {
		return x, err
	}
	if err := json.Unmarshal(plain, &x); err != nil {
		return x, tx.fail(fmt.Errorf("reading an export: %w", err))
	}
	x.ExpiresAt = x.ExpiresAt.UTC()
	return x, nil
}

func (tx *Tx) exports(ctx context.Context, sql string, args ...any) (list []trail.Export, err error) {
	var rows []sealedExport
	err = tx.query(ctx, func(r pgx.Rows) error {
		x, err := scanExport(r)
		rows = append(rows, x)
		return err
	}, sql, args...)
	for _, r := range rows {
		if err != nil {
			break
		}
		var x trail.Export
		x, err = tx.openExport(r)
		list = append(list, x)
	}
	return list, err
}

// Export implements trail.ExportTx.
func (tx *Tx) Export(ctx context.Context, id registry.ID, lock bool) (trail.Export, error) {
	sql := selectExport + `WHERE id = $1`
	if lock {
		sql += ` FOR UPDATE`
	}
	list, err := tx.exports(ctx, sql, id)
	if err != nil {
		return trail.Export{}, err
	}
	if len(list) == 0 {
		return trail.Export{}, errNotFound
	}
	return list[0], nil
}

// Exports implements trail.ExportTx.
func (tx *Tx) Exports(ctx context.Context, owner registry.ID, limit int) ([]trail.Export, error) {
	return tx.exports(ctx, selectExport+`WHERE owner = $1 ORDER BY created_at DESC LIMIT $2`, owner, limit)
}

func partRow(id registry.ID, n int) string { return id.String() + "/" + strconv.Itoa(n) }

// PutExportPart implements trail.ExportTx.
func (tx *Tx) PutExportPart(ctx context.Context, id registry.ID, n int, rows []byte) error {
	body, err := tx.sealShort("audit_export_parts", partRow(id, n), rows)
	if err != nil {
		return err
	}
	return tx.exec(ctx, `INSERT INTO audit_export_parts (export_id, n, body) VALUES ($1, $2, $3)`, id, n, body)
}

// ExportPart implements trail.ExportTx.
func (tx *Tx) ExportPart(ctx context.Context, id registry.ID, n int) ([]byte, error) {
	var body []byte
	found, err := tx.queryOne(ctx, []any{&body}, `SELECT body FROM audit_export_parts WHERE export_id = $1 AND n = $2`, id, n)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, errNotFound
	}
	return tx.openShort("audit_export_parts", partRow(id, n), body)
}

// EndExports implements trail.ExportTx. What was cancelled loses its parts too.
func (tx *Tx) EndExports(ctx context.Context, now time.Time, limit int) (n int, err error) {
	_, err = tx.queryOne(ctx, []any{&n}, `WITH old AS (
    SELECT id FROM audit_exports WHERE expires_at <= $1 AND status NOT IN ('expired', 'waiting', 'running') ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM audit_export_parts WHERE export_id IN (SELECT id FROM old)
), ended AS (
    UPDATE audit_exports SET status = CASE status WHEN 'done' THEN 'expired' ELSE status END, expires_at = $1::timestamptz + interval '100 years' WHERE id IN (SELECT id FROM old)
) SELECT count(*)::integer FROM old`, now, limit)
	return n, err
}

// CountRecords implements trail.ExportTx.
func (tx *Tx) CountRecords(ctx context.Context, from, to time.Time, kind audit.Kind, code string) (n int64, err error) {
	_, err = tx.queryOne(ctx, []any{&n}, `SELECT COALESCE(sum(n), 0)::bigint FROM entry_days
WHERE day >= ($1::timestamptz AT TIME ZONE 'Europe/Kyiv')::date AND day < ($2::timestamptz AT TIME ZONE 'Europe/Kyiv')::date
AND ($3 = '' OR kind = $3) AND ($4 = '' OR code = $4)`, from, to, string(kind), code)
	return n, err
}
