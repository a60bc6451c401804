package postgres

import (
	"context"
	"encoding/hex"
	"time"

	"github.com/jackc/pgx/v5"

	"mist/registry"
	"mist/registry/declaration"
)

// Unsealed reads active declarations without a seal for which no job is at it,
// with the doctor's container.
func (tx *Tx) Unsealed(ctx context.Context, limit int) (list []declaration.Unsealed, err error) {
	var digests []string
	err = tx.query(ctx, func(rows pgx.Rows) error {
		var u declaration.Unsealed
		var digest []byte
		if err := rows.Scan(append(declarationDest(&u.Declaration), &digest, &u.Signed)...); err != nil {
			return err
		}
		u.Declaration = inUTC(u.Declaration)
		list, digests = append(list, u), append(digests, hex.EncodeToString(digest))
		return nil
	}, `SELECT `+declarationColumns+`, m.digest, m.body
FROM declarations dc JOIN acts a ON a.id = dc.act_id JOIN media m ON m.digest = a.container
WHERE dc.status = 'active' AND dc.seal IS NULL AND NOT dc.imported
  AND NOT EXISTS (SELECT FROM jobs j WHERE j.kind = $1 AND j.key = dc.id::text) ORDER BY dc.id LIMIT $2`, string(declaration.SealKind), limit)
	for i := 0; err == nil && i < len(list); i++ {
		list[i].Signed, err = tx.openShort("media", digests[i], list[i].Signed)
	}
	return list, err
}

// HoldUnsealed takes the row locks of declarations that are active and without
// a seal, and tells which are.
func (tx *Tx) HoldUnsealed(ctx context.Context, ids []registry.ID) (map[registry.ID]bool, error) {
	list := make([][16]byte, len(ids))
	for i, id := range ids {
		list[i] = id
	}
	still := map[registry.ID]bool{}
	err := tx.query(ctx, func(rows pgx.Rows) error {
		var id registry.ID
		err := rows.Scan(&id)
		still[id] = true
		return err
	}, `SELECT id FROM declarations WHERE id = ANY ($1::uuid[]) AND status = 'active' AND seal IS NULL ORDER BY id FOR NO KEY UPDATE`, list)
	return still, err
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
	return tx.execChecked(ctx, oneRow, setSeal, id, seal[:], at)
}

const setSeal = `UPDATE declarations SET seal = $2, sealed_at = $3 WHERE id = $1 AND seal IS NULL`

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
