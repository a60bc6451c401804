package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"mist/registry"
	"mist/registry/address"
)

const settlementColumns = `s.id, s.katottg, s.koatuu, s.name, s.type, s.area, s.region, s.is_active, EXISTS (SELECT FROM mountain_settlements m WHERE m.settlement_id = s.id)`

func (tx *Tx) settlements(ctx context.Context, sql string, args ...any) (list []address.Settlement, err error) {
	err = tx.query(ctx, func(rows pgx.Rows) error {
		var s address.Settlement
		err := rows.Scan(&s.ID, &s.KATOTTG, &s.KOATUU, &s.Name, &s.Type, &s.Area, &s.Region, &s.Active, &s.Mountain)
		list = append(list, s)
		return err
	}, sql, args...)
	return list, err
}

// Settlements gives those of some ids that the register knows; loaded tells
// whether it knows any at all.
func (tx *Tx) Settlements(ctx context.Context, ids []registry.ID) (known map[registry.ID]address.Settlement, loaded bool, err error) {
	list, err := tx.settlements(ctx, `SELECT `+settlementColumns+` FROM settlements s WHERE s.id = ANY($1)`, ids)
	if err != nil {
		return nil, false, err
	}
	known = make(map[registry.ID]address.Settlement, len(list))
	for _, s := range list {
		known[s.ID] = s
	}
	if len(known) > 0 {
		return known, true, nil
	}
	var one int
	loaded, err = tx.queryOne(ctx, []any{&one}, `SELECT 1 FROM settlements LIMIT 1`)
	return known, loaded, err
}

// FindSettlements lists a page of active settlements with the total, by name.
func (tx *Tx) FindSettlements(ctx context.Context, f address.Filter) (list []address.Settlement, total int, err error) {
	prefix := strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(strings.ToLower(f.Name)) + "%"
	const where = ` FROM settlements s WHERE s.is_active AND ($1 = '%' OR lower(s.name) LIKE $1) AND ($2 = '' OR s.area = $2) AND ($3 = '' OR s.region = $3)
AND ($4 = '' OR s.type = $4) AND ($5 = '' OR s.katottg = $5) AND ($6 = '' OR s.koatuu = $6)`
	args := []any{prefix, f.Area, f.Region, f.Type, f.KATOTTG, f.KOATUU}
	if list, err = tx.settlements(ctx, fmt.Sprintf(`SELECT %s%s ORDER BY s.name, s.area, s.region, s.id LIMIT %d OFFSET %d`, settlementColumns, where, f.Size, (f.Page-1)*f.Size), args...); err != nil {
		return nil, 0, err
	}
	_, err = tx.queryOne(ctx, []any{&total}, `SELECT count(*)`+where, args...)
	return list, total, err
}

func (tx *Tx) names(ctx context.Context, sql string, args ...any) (list []string, err error) {
	err = tx.query(ctx, func(rows pgx.Rows) error {
		var name string
		err := rows.Scan(&name)
		list = append(list, name)
		return err
	}, sql, args...)
	return list, err
}

// Areas names the areas.
func (tx *Tx) Areas(ctx context.Context) ([]string, error) {
	return tx.names(ctx, `SELECT DISTINCT area FROM settlements WHERE is_active ORDER BY area`)
}

// Regions names the regions of an area.
func (tx *Tx) Regions(ctx context.Context, area string) ([]string, error) {
	return tx.names(ctx, `SELECT DISTINCT region FROM settlements WHERE is_active AND region <> '' AND area = $1 ORDER BY region`, area)
}

// PutSettlement queues a settlement, new or changed.
func (tx *Tx) PutSettlement(ctx context.Context, s address.Settlement) error {
	return tx.exec(ctx, `INSERT INTO settlements (id, katottg, koatuu, name, type, area, region, is_active) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (id) DO UPDATE SET katottg = excluded.katottg, koatuu = excluded.koatuu, name = excluded.name, type = excluded.type, area = excluded.area,
    region = excluded.region, is_active = excluded.is_active`, s.ID, s.KATOTTG, s.KOATUU, s.Name, s.Type, s.Area, s.Region, s.Active)
}
