package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"mist/registry"
)

// ids reads one column of ids.
func (tx *Tx) ids(ctx context.Context, sql string, args ...any) (list []registry.ID, err error) {
	err = tx.query(ctx, func(rows pgx.Rows) error {
		var id registry.ID
		err := rows.Scan(&id)
		list = append(list, id)
		return err
	}, sql, args...)
	return list, err
}

// BlockClients blocks the clients of a legal entity and revokes their tokens.
func (tx *Tx) BlockClients(ctx context.Context, legalEntity registry.ID) error {
	if err := tx.exec(ctx, `UPDATE clients SET blocked = true WHERE legal_entity_id = $1`, legalEntity); err != nil {
		return err
	}
	return tx.exec(ctx, `UPDATE tokens SET revoked_at = $2 WHERE legal_entity_id = $1 AND revoked_at IS NULL`, legalEntity, tx.store.source.Now())
}

// EndPlaces turns the divisions of a legal entity INACTIVE and its open
// employee requests EXPIRED.
func (tx *Tx) EndPlaces(ctx context.Context, legalEntity registry.ID) error {
	if err := tx.exec(ctx, `UPDATE divisions SET status = 'INACTIVE', updated_at = $2 WHERE legal_entity_id = $1 AND status = 'ACTIVE'`, legalEntity, tx.store.source.Now()); err != nil {
		return err
	}
	return tx.exec(ctx, `UPDATE employee_requests SET status = 'EXPIRED', updated_at = $2 WHERE legal_entity_id = $1 AND status = 'NEW'`, legalEntity, tx.store.source.Now())
}

// ApprovedEmployees names some employees of a legal entity and holds their rows.
func (tx *Tx) ApprovedEmployees(ctx context.Context, legalEntity registry.ID, limit int) ([]registry.ID, error) {
	return tx.ids(ctx, `SELECT id FROM employees WHERE legal_entity_id = $1 AND status = 'APPROVED' ORDER BY id LIMIT $2 FOR NO KEY UPDATE`, legalEntity, limit)
}

// EndedWithEmployees names legal entities that ended and still employ.
func (tx *Tx) EndedWithEmployees(ctx context.Context, limit int) ([]registry.ID, error) {
	return tx.ids(ctx, `SELECT l.id FROM legal_entities l WHERE l.status IN ('CLOSED', 'REORGANIZED')
AND EXISTS (SELECT FROM employees e WHERE e.legal_entity_id = l.id AND e.status = 'APPROVED') LIMIT $1`, limit)
}

// InsertRelated queues the pointer of a merged legal entity to its successor.
func (tx *Tx) InsertRelated(ctx context.Context, from, to registry.ID, reason string) error {
	return tx.exec(ctx, `INSERT INTO related_legal_entities (merged_from, merged_to, reason, inserted_at) VALUES ($1, $2, $3, $4)`, from, to, reason, tx.store.source.Now())
}
