package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"mist/registry"
	"mist/registry/access"
)

const apiKeyColumns = `k.id, k.client_id, k.legal_entity_id, k.name, k.scopes, k.secret_hash, k.secret_salt, k.created_by, k.created_at, k.expires_at, k.revoked_at`

func apiKeyDest(k *access.APIKey, revoked **time.Time) []any {
	return []any{&k.ID, &k.ClientID, &k.LegalEntityID, &k.Name, &k.Scopes, &k.SecretHash, &k.SecretSalt, &k.CreatedBy, &k.CreatedAt, &k.ExpiresAt, revoked}
}

// InsertAPIKey queues a key.
func (tx *Tx) InsertAPIKey(ctx context.Context, k access.APIKey) error {
	return tx.exec(ctx, `INSERT INTO api_keys (id, client_id, legal_entity_id, name, scopes, secret_hash, secret_salt, created_by, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`, k.ID, k.ClientID, k.LegalEntityID, k.Name, notNil(k.Scopes), k.SecretHash, k.SecretSalt, k.CreatedBy, k.CreatedAt, k.ExpiresAt)
}

// APIKey reads a key with its client system; not-found if there is none.
func (tx *Tx) APIKey(ctx context.Context, id registry.ID) (k access.APIKey, c access.Client, err error) {
	var revoked *time.Time
	found, err := tx.queryOne(ctx, append(append(apiKeyDest(&k, &revoked), &k.Standing), clientDest(&c)...), `SELECT `+apiKeyColumns+`, l.status NOT IN ('CLOSED', 'REORGANIZED'), `+clientColumns+`
FROM api_keys k JOIN clients c ON c.id = k.client_id JOIN legal_entities l ON l.id = k.legal_entity_id WHERE k.id = $1`, id)
	if err == nil && !found {
		err = errNotFound
	}
	k.CreatedAt, k.ExpiresAt, k.RevokedAt = k.CreatedAt.UTC(), k.ExpiresAt.UTC(), utc(revoked)
	return k, c, err
}

// APIKeys lists the keys of a legal entity, newest first.
func (tx *Tx) APIKeys(ctx context.Context, legalEntity registry.ID) (list []access.APIKey, err error) {
	err = tx.query(ctx, func(rows pgx.Rows) error {
		var k access.APIKey
		var revoked *time.Time
		if err := rows.Scan(apiKeyDest(&k, &revoked)...); err != nil {
			return err
		}
		k.CreatedAt, k.ExpiresAt, k.RevokedAt = k.CreatedAt.UTC(), k.ExpiresAt.UTC(), utc(revoked)
		list = append(list, k)
		return nil
	}, `SELECT `+apiKeyColumns+` FROM api_keys k WHERE k.legal_entity_id = $1 ORDER BY k.id DESC LIMIT 500`, legalEntity)
	return list, err
}

// RevokeAPIKey ends a key of the legal entity; changed is false when there is
// none that could end.
func (tx *Tx) RevokeAPIKey(ctx context.Context, id, legalEntity registry.ID, at time.Time) (changed bool, err error) {
	tag, err := tx.execNow(ctx, `UPDATE api_keys SET revoked_at = $3 WHERE id = $1 AND legal_entity_id = $2 AND revoked_at IS NULL`, id, legalEntity, at)
	return err == nil && tag.RowsAffected() == 1, err
}
