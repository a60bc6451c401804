package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"mist/registry"
	"mist/registry/guess"
)

var _ guess.Tx = (*Tx)(nil)

func (tx *Tx) missKey(phone string) []byte {
	return tx.store.keys.Blind("code_misses.phone", phone)
}

// CountMiss counts a wrong code of a telephone, and forgets those past the window.
func (tx *Tx) CountMiss(ctx context.Context, phone string, legalEntity registry.ID, now time.Time) error {
	if err := tx.exec(ctx, `DELETE FROM code_misses WHERE (phone_key, legal_entity_id) IN (SELECT phone_key, legal_entity_id FROM code_misses
WHERE since < $1 LIMIT 10 FOR UPDATE SKIP LOCKED)`, now.Add(-guess.Window)); err != nil {
		return err
	}
	return tx.exec(ctx, `INSERT INTO code_misses AS m (phone_key, legal_entity_id, missed, since) VALUES ($1, $2, 1, $3)
ON CONFLICT (phone_key, legal_entity_id) DO UPDATE SET missed = CASE WHEN m.since < $4 THEN 1 ELSE m.missed + 1 END,
    since = CASE WHEN m.since < $4 THEN excluded.since ELSE m.since END`, tx.missKey(phone), legalEntity, now, now.Add(-guess.Window))
}

// ExpectFewMisses queues the check.
func (tx *Tx) ExpectFewMisses(ctx context.Context, phone string, legalEntity registry.ID, now time.Time) error {
	return tx.execChecked(ctx, fewMisses, `SELECT FROM code_misses WHERE phone_key = $1 AND legal_entity_id = $2 AND missed >= $3 AND since >= $4`,
		tx.missKey(phone), legalEntity, guess.Most, now.Add(-guess.Window))
}

// ExpectFew queues a look that fails with [intake.ErrStale] after too many codes
// that were not the one sent.
func (tx *Tx) ExpectFew(ctx context.Context, phone string, legalEntity registry.ID, now time.Time) error {
	defer tx.across()() // the wall of the rows knows one clinic, not several
	return tx.expect(ctx, expectFewMisses, tx.missKey(phone), legalEntity, int32(guess.Most), now.Add(-guess.Window))
}

const expectFewMisses = `SELECT 1 / (NOT EXISTS (SELECT FROM code_misses WHERE phone_key = $1 AND legal_entity_id = $2 AND missed >= $3 AND since >= $4))::integer`

// DemandFewMisses checks at once.
func (tx *Tx) DemandFewMisses(ctx context.Context, phone string, legalEntity registry.ID, now time.Time) error {
	if err := tx.ExpectFewMisses(ctx, phone, legalEntity, now); err != nil {
		return err
	}
	return tx.trip(nil)
}

func fewMisses(t pgconn.CommandTag) error {
	if t.RowsAffected() > 0 {
		return guess.ErrTooMany
	}
	return nil
}
