package postgres

import (
	"bytes"
	"context"
	"errors"
	"time"

	"mist/registry"
	"mist/registry/order"
)

var _ order.Tx = (*Tx)(nil)
var _ order.UnlinkTx = (*Tx)(nil)

// SpendOrder implements order.Tx.
func (tx *Tx) SpendOrder(ctx context.Context, id registry.ID, command string, digest registry.Digest) (order.State, error) {
	tag, err := tx.execNow(ctx, `INSERT INTO orders (id, command, digest, begun_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`, id, command, digest[:], tx.store.source.Now())
	if err != nil || tag.RowsAffected() == 1 {
		return order.New, err
	}
	var had []byte
	var done *time.Time
	if _, err := tx.queryOne(ctx, []any{&had, &done}, `SELECT digest, done_at FROM orders WHERE id = $1 FOR UPDATE`, id); err != nil {
		return order.New, err
	}
	switch {
	case !bytes.Equal(had, digest[:]):
		return order.New, tx.fail(errors.New("another order was begun under this id"))
	case done != nil:
		return order.Done, nil
	}
	return order.Begun, nil
}

// FinishOrder implements order.Tx.
func (tx *Tx) FinishOrder(ctx context.Context, id registry.ID) error {
	return tx.exec(ctx, `UPDATE orders SET done_at = $2 WHERE id = $1 AND done_at IS NULL`, id, tx.store.source.Now())
}

// PersonActive implements order.UnlinkTx.
func (tx *Tx) PersonActive(ctx context.Context, id registry.ID) (active bool, err error) {
	_, err = tx.queryOne(ctx, []any{&active}, selectPersonActive, id)
	return active, err
}

// unlinkPart is how many leaves one transaction looks at: there is no index on
// whom they are about, which every act would pay for.
const unlinkPart = 50_000

// part gives the last leaf of the next part; zero when it ends there.
func (tx *Tx) part(ctx context.Context, after registry.ID, before time.Time) (last registry.ID, err error) {
	_, err = tx.queryOne(ctx, []any{&last}, `SELECT id FROM leaves WHERE id > $1 AND id < $2 ORDER BY id OFFSET $3 LIMIT 1`, [16]byte(after), idAt(before), unlinkPart-1)
	return last, err
}

// upTo is the end of a part: its last leaf, or the moment.
func upTo(last registry.ID, before time.Time) registry.ID {
	if last.IsZero() {
		return idAt(before)
	}
	return last
}

// SubjectEntries implements order.UnlinkTx.
func (tx *Tx) SubjectEntries(ctx context.Context, person, after registry.ID, before time.Time) (n int, last registry.ID, err error) {
	if last, err = tx.part(ctx, after, before); err != nil {
		return 0, last, err
	}
	_, err = tx.queryOne(ctx, []any{&n}, `SELECT count(*)::integer FROM leaves WHERE id > $2 AND id <= $3 AND subject_id = $1`, person, [16]byte(after), upTo(last, before))
	return n, last, err
}

// UnlinkEntries implements order.UnlinkTx.
func (tx *Tx) UnlinkEntries(ctx context.Context, person, after registry.ID, before time.Time) (n int, last registry.ID, err error) {
	if last, err = tx.part(ctx, after, before); err != nil {
		return 0, last, err
	}
	_, err = tx.queryOne(ctx, []any{&n}, `WITH wiped AS (
    UPDATE leaves SET subject_id = NULL, subject_salt = NULL WHERE id > $2 AND id <= $3 AND subject_id = $1 RETURNING id
), unlisted AS (
    DELETE FROM person_entries p USING entries e, wiped w WHERE e.leaf_id = w.id AND p.person_id = $1 AND p.idx = e.idx
)
SELECT count(*)::integer FROM wiped`, person, [16]byte(after), upTo(last, before))
	return n, last, err
}
