package postgres

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"time"

	"mist/registry/idempotency"
)

// ClaimReply takes a key, or tells whose it is. Answers past their time are
// forgotten on the way, a few at a time.
func (tx *Tx) ClaimReply(ctx context.Context, key, request [32]byte, now, abandoned, expired time.Time) (claimed bool, first [32]byte, reply *idempotency.Reply, err error) {
	if err := tx.exec(ctx, `DELETE FROM replies WHERE key IN (SELECT key FROM replies WHERE created_at < $1 LIMIT 10 FOR UPDATE SKIP LOCKED)`, expired); err != nil {
		return false, first, nil, err
	}
	tag, err := tx.execNow(ctx, `INSERT INTO replies AS r (key, request, created_at) VALUES ($1, $2, $3)
ON CONFLICT (key) DO UPDATE SET request = excluded.request, created_at = excluded.created_at, body = NULL
WHERE r.created_at < $5 OR (r.body IS NULL AND r.created_at < $4)`, key[:], request[:], now, abandoned, expired)
	if err != nil || tag.RowsAffected() == 1 {
		return err == nil, request, nil, err
	}
	var digest, sealed []byte
	found, err := tx.queryOne(ctx, []any{&digest, &sealed}, `SELECT request, body FROM replies WHERE key = $1`, key[:])
	if err != nil || !found { // dropped at this moment: free the next time
		return false, request, nil, err
	}
	copy(first[:], digest)
	if sealed == nil {
		return false, first, nil, nil
	}
	plain, err := tx.open("replies", hex.EncodeToString(key[:]), sealed)
	if err != nil {
		return false, first, nil, err
	}
	reply = &idempotency.Reply{}
	if err := json.Unmarshal(plain, reply); err != nil {
		return false, first, nil, tx.fail(err)
	}
	return false, first, reply, nil
}

// KeepReply queues the answer of a claimed key, sealed.
func (tx *Tx) KeepReply(ctx context.Context, key [32]byte, r idempotency.Reply) error {
	plain, err := json.Marshal(r)
	if err != nil {
		return tx.fail(err)
	}
	body, err := tx.seal("replies", hex.EncodeToString(key[:]), plain)
	if err != nil {
		return err
	}
	return tx.exec(ctx, `UPDATE replies SET body = $2 WHERE key = $1`, key[:], body)
}

// DropReply queues the end of a claim.
func (tx *Tx) DropReply(ctx context.Context, key [32]byte) error {
	return tx.exec(ctx, `DELETE FROM replies WHERE key = $1 AND body IS NULL`, key[:])
}
