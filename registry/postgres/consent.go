package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"mist/registry"
	"mist/registry/consent"
	"mist/registry/query"
)

// Consent reads a consent the registry has acted on.
func (tx *Tx) Consent(ctx context.Context, id registry.ID) (r consent.Record, found bool, err error) {
	var container, content []byte
	var revoked, used *time.Time
	found, err = tx.queryOne(ctx, []any{&r.ID, &r.PersonID, &r.Method, &r.Recipient, &r.Purpose, &r.Scope, &r.Fields, &r.GrantedAt, &r.ExpiresAt,
		&r.SingleUse, &r.Status, &revoked, &container, &content, &used, &r.CreatedAt},
		`SELECT id, person_id, method, recipient, purpose, scope, fields, granted_at, expires_at, single_use, status, revoked_at, container, content, used_at, created_at
FROM consents WHERE id = $1`, id)
	copy(r.Container[:], container)
	copy(r.Content[:], content)
	r.GrantedAt, r.ExpiresAt, r.CreatedAt = r.GrantedAt.UTC(), r.ExpiresAt.UTC(), r.CreatedAt.UTC()
	r.RevokedAt, r.UsedAt = utc(revoked), utc(used)
	return r, found, err
}

// UseConsent stores a consent at its first use, or marks the use of a known
// one. It refuses a consent that was revoked meanwhile, and a second document
// under the id of another.
func (tx *Tx) UseConsent(ctx context.Context, r consent.Record) error {
	changed := func(tag pgconn.CommandTag) error {
		if tag.RowsAffected() == 1 {
			return nil
		}
		return registry.Errorf(registry.CodeConflict, "the consent was revoked, or its id belongs to another consent; ask again").WithReason("consent_changed")
	}
	return tx.execChecked(ctx, changed, `INSERT INTO consents AS c (id, person_id, method, recipient, purpose, scope, fields, granted_at, expires_at,
    single_use, status, revoked_at, container, content, used_at, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
ON CONFLICT (id) DO UPDATE SET used_at = excluded.used_at, status = excluded.status
WHERE c.status <> 'revoked' AND c.content = excluded.content AND c.person_id = excluded.person_id`,
		r.ID, r.PersonID, r.Method, r.Recipient, r.Purpose, notNil(r.Scope), notNil(r.Fields), r.GrantedAt, r.ExpiresAt,
		r.SingleUse, string(r.Status), nullTime(r.RevokedAt), r.Container[:], r.Content[:], nullTime(r.UsedAt), r.CreatedAt)
}

func notNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// ConsumeNonce reports false when the nonce of this consent was used before.
// Two that try at once: the second waits for the first one's outcome.
func (tx *Tx) ConsumeNonce(ctx context.Context, consentID registry.ID, nonce string) (bool, error) {
	hash := sha256.Sum256([]byte(nonce))
	tag, err := tx.execNow(ctx, `INSERT INTO nonces (consent_id, nonce, used_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, consentID, hash[:], tx.store.source.Now())
	return err == nil && tag.RowsAffected() == 1, err
}

// exchangeRow names an exchange for its seal.
func exchangeRow(client, messageID string, request [32]byte) string {
	return client + "|" + messageID + "|" + hex.EncodeToString(request[:])
}

// Exchange finds the stored answer to the same message from the same client.
func (tx *Tx) Exchange(ctx context.Context, client, messageID string, request [32]byte) (e query.Exchange, found bool, err error) {
	var sealed []byte
	found, err = tx.queryOne(ctx, []any{&sealed, &e.EntryID, &e.CreatedAt},
		`SELECT answer, entry_id, created_at FROM exchanges WHERE client = $1 AND message_id = $2 AND request = $3`, client, messageID, request[:])
	if err != nil || !found {
		return query.Exchange{}, false, err
	}
	e.Client, e.MessageID, e.Request, e.CreatedAt = client, messageID, request, e.CreatedAt.UTC()
	e.Answer, err = tx.open("exchanges", exchangeRow(client, messageID, request), sealed)
	return e, err == nil, err
}

// InsertExchange queues an answer for the repeated message. When the same
// message is being answered at the same moment, the later transaction is run
// again and finds the answer.
func (tx *Tx) InsertExchange(ctx context.Context, e query.Exchange) error {
	sealed, err := tx.seal("exchanges", exchangeRow(e.Client, e.MessageID, e.Request), e.Answer)
	if err != nil {
		return err
	}
	return tx.exec(ctx, `INSERT INTO exchanges (client, message_id, request, answer, entry_id, created_at) VALUES ($1, $2, $3, $4, $5, $6)`,
		e.Client, e.MessageID, e.Request[:], sealed, e.EntryID, e.CreatedAt)
}
