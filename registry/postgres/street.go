package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"mist/registry"
	"mist/registry/address"
)

// FindStreets lists a page of a settlement's active streets with the total, by name.
func (tx *Tx) FindStreets(ctx context.Context, f address.StreetFilter) (list []address.Street, total int, err error) {
	prefix := strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(strings.ToLower(f.Name)) + "%"
	const where = ` FROM streets WHERE settlement_id = $1 AND is_active AND ($2 = '%' OR lower(name) LIKE $2) AND ($3 = '' OR type = $3)`
	args := []any{f.SettlementID, prefix, f.Type}
	if err = tx.query(ctx, func(rows pgx.Rows) error {
		var s address.Street
		err := rows.Scan(&s.SettlementID, &s.Type, &s.Name, &s.Active)
		list = append(list, s)
		return err
	}, fmt.Sprintf(`SELECT settlement_id, type, name, is_active%s ORDER BY name, type LIMIT %d OFFSET %d`, where, f.Size, (f.Page-1)*f.Size), args...); err != nil {
		return nil, 0, err
	}
	_, err = tx.queryOne(ctx, []any{&total}, `SELECT count(*)`+where, args...)
	return list, total, err
}

// PutStreet writes a street; changed is false for one that stands as it is.
func (tx *Tx) PutStreet(ctx context.Context, s address.Street) (changed bool, err error) {
	tag, err := tx.execNow(ctx, `INSERT INTO streets AS s (settlement_id, type, name, is_active) VALUES ($1, $2, $3, $4)
ON CONFLICT (settlement_id, type, name) DO UPDATE SET is_active = excluded.is_active WHERE s.is_active <> excluded.is_active`, s.SettlementID, s.Type, s.Name, s.Active)
	return err == nil && tag.RowsAffected() == 1, err
}

// ByKATOTTG gives the ids of settlements by their codes.
func (tx *Tx) ByKATOTTG(ctx context.Context, codes []string) (map[string]registry.ID, error) {
	ids := map[string]registry.ID{}
	err := tx.query(ctx, func(rows pgx.Rows) error {
		var code string
		var id registry.ID
		err := rows.Scan(&code, &id)
		ids[code] = id
		return err
	}, `SELECT katottg, id FROM settlements WHERE katottg = ANY ($1)`, codes)
	return ids, err
}
