package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"mist/registry"
	"mist/registry/declaration"
)

// Unsealed finds active declarations without a seal for which no job is at it.
func (tx *Tx) Unsealed(ctx context.Context, limit int) (ids []registry.ID, err error) {
	err = tx.query(ctx, func(rows pgx.Rows) error {
		var id registry.ID
		if err := rows.Scan(&id); err != nil {
			return err
		}
		ids = append(ids, id)
		return nil
	}, `SELECT dc.id FROM declarations dc WHERE dc.status = 'active' AND dc.seal IS NULL AND NOT dc.imported
  AND NOT EXISTS (SELECT FROM jobs j WHERE j.kind = $1 AND j.key = dc.id::text) ORDER BY dc.id LIMIT $2`, string(declaration.SealKind), limit)
	return ids, err
}

// SealedContainers gives the digests of the doctor's container and of the
// sealed one; sealed is false while there is no seal.
func (tx *Tx) SealedContainers(ctx context.Context, id registry.ID) (signed, seal registry.Digest, sealed bool, err error) {
	var a, b []byte
	found, err := tx.queryOne(ctx, []any{&a, &b}, `SELECT a.container, dc.seal FROM declarations dc JOIN acts a ON a.id = dc.act_id WHERE dc.id = $1`, id)
	if err == nil && !found {
		err = errNotFound
	}
	copy(signed[:], a)
	copy(seal[:], b)
	return signed, seal, len(b) > 0, err
}

// SetSeal queues the seal of a declaration that has none.
func (tx *Tx) SetSeal(ctx context.Context, id registry.ID, seal registry.Digest, at time.Time) error {
	return tx.execChecked(ctx, oneRow, `UPDATE declarations SET seal = $2, sealed_at = $3 WHERE id = $1 AND seal IS NULL`, id, seal[:], at)
}

// OwnDeclarations lists a person's declarations, newest first, with the number
// of all.
func (tx *Tx) OwnDeclarations(ctx context.Context, person registry.ID, f declaration.CitizenFilter) (list []declaration.Declaration, total int, err error) {
	const where = ` FROM declarations dc WHERE dc.person_id = $1 AND ($2 = '' OR dc.status = $2)
  AND ($3::date IS NULL OR dc.start_date >= $3) AND ($4::date IS NULL OR dc.start_date <= $4)
  AND ($5::date IS NULL OR dc.end_date >= $5) AND ($6::date IS NULL OR dc.end_date <= $6)`
	date := func(d registry.Date) any {
		if d.IsZero() {
			return nil
		}
		return d
	}
	args := []any{person, string(f.Status), date(f.StartFrom), date(f.StartTo), date(f.EndFrom), date(f.EndTo)}
	if _, err := tx.queryOne(ctx, []any{&total}, `SELECT count(*)`+where, args...); err != nil {
		return nil, 0, err
	}
	list, err = tx.declarationList(ctx, `SELECT `+declarationColumns+where+` ORDER BY dc.inserted_at DESC, dc.id LIMIT $7 OFFSET $8`, append(args, f.Size, (f.Page-1)*f.Size)...)
	return list, total, err
}
