package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"mist/registry"
	"mist/registry/declaration"
	"mist/registry/upkeep"
)

// TryLock takes a named advisory lock until the transaction ends.
func (tx *Tx) TryLock(ctx context.Context, name string) (free bool, err error) {
	_, err = tx.queryOne(ctx, []any{&free}, `SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0))`, name)
	return free, err
}

func (tx *Tx) upkeepDrafts(ctx context.Context, sql string, args ...any) (list []upkeep.Draft, err error) {
	err = tx.query(ctx, func(rows pgx.Rows) error {
		var d upkeep.Draft
		if err := rows.Scan(&d.ID, &d.Kind, &d.ActID, &d.PersonID); err != nil {
			return err
		}
		list = append(list, d)
		return nil
	}, sql, args...)
	return list, err
}

// ExpireDrafts turns open drafts past their time into EXPIRED.
func (tx *Tx) ExpireDrafts(ctx context.Context, now time.Time, limit int) ([]upkeep.Draft, error) {
	return tx.upkeepDrafts(ctx, `UPDATE drafts SET status = 'EXPIRED', otp_mac = NULL, updated_at = $1 WHERE id IN (
    SELECT id FROM drafts WHERE status IN ('NEW', 'APPROVED') AND expires_at <= $1 ORDER BY expires_at LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED)
RETURNING id, kind, act_id, person_id`, now, limit)
}

// ClearDrafts wipes what a finished draft holds of a person. Its own id, number
// and state stay; the signed document, if there is one, is kept with the act.
func (tx *Tx) ClearDrafts(ctx context.Context, before time.Time, limit int) ([]upkeep.Draft, error) {
	list, err := tx.upkeepDrafts(ctx, `SELECT id, kind, act_id, person_id FROM drafts
WHERE cleared_at IS NULL AND status NOT IN ('NEW', 'APPROVED', 'PENDING') AND updated_at <= $1 ORDER BY updated_at LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED`, before, limit)
	if err != nil {
		return nil, err
	}
	for _, d := range list {
		body, err := tx.seal("drafts", d.ID.String(), []byte(`{"data":"e30="}`)) // the empty object
		if err != nil {
			return nil, err
		}
		if err := tx.execChecked(ctx, oneRow, `UPDATE drafts SET body = $2, otp_mac = NULL, cleared_at = $3 WHERE id = $1`, d.ID, body, tx.store.source.Now()); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// CloseEnded closes active declarations whose last day has passed.
func (tx *Tx) CloseEnded(ctx context.Context, today registry.Date, reason string, limit int) ([]declaration.Declaration, error) {
	return tx.declarationList(ctx, `UPDATE declarations dc SET status = 'closed', reason = $2, ended_by = NULL, updated_at = $4 WHERE dc.id IN (
    SELECT id FROM declarations WHERE status = 'active' AND end_date < $1 ORDER BY end_date LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED)
RETURNING `+declarationColumns, today, reason, limit, tx.store.source.Now())
}

// VerifyOffline makes declarations active whose verification term has passed.
func (tx *Tx) VerifyOffline(ctx context.Context, before time.Time, reason string, limit int) ([]declaration.Declaration, error) {
	return tx.declarationList(ctx, `UPDATE declarations dc SET status = 'active', reason = $2, updated_at = $4 WHERE dc.id IN (
    SELECT id FROM declarations WHERE status = 'pending_verification' AND reason = 'offline' AND inserted_at <= $1
    ORDER BY inserted_at LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED)
RETURNING `+declarationColumns, before, reason, limit, tx.store.source.Now())
}

// DismissedWithDeclarations names dismissed employees whose declarations were
// not all ended.
func (tx *Tx) DismissedWithDeclarations(ctx context.Context, limit int) (list []registry.ID, err error) {
	err = tx.query(ctx, func(rows pgx.Rows) error {
		var id registry.ID
		if err := rows.Scan(&id); err != nil {
			return err
		}
		list = append(list, id)
		return nil
	}, `SELECT e.id FROM employees e WHERE e.status = 'DISMISSED' AND EXISTS (
    SELECT FROM declarations dc WHERE dc.employee_id = e.id AND dc.status IN ('active', 'pending_verification')) LIMIT $1`, limit)
	return list, err
}
