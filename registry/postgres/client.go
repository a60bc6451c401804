package postgres

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"mist/registry"
	"mist/registry/access"
)

const clientColumns = `c.id, c.name, c.type, c.legal_entity_id, c.scopes, c.secret_hash, c.secret_salt, c.blocked, c.redirect_uris, c.public, c.certificate_bound`

func clientDest(c *access.Client) []any {
	return []any{&c.ID, &c.Name, &c.Type, &c.LegalEntityID, &c.Scopes, &c.SecretHash, &c.SecretSalt, &c.Blocked, &c.RedirectURIs, &c.Public, &c.CertificateBound}
}

// Client reads a client system; not-found if there is none.
func (tx *Tx) Client(ctx context.Context, id registry.ID) (c access.Client, err error) {
	found, err := tx.queryOne(ctx, clientDest(&c), `SELECT `+clientColumns+` FROM clients c WHERE c.id = $1`, id)
	if err == nil && !found {
		err = errNotFound
	}
	return c, err
}

// PutClient queues a client system, new or changed.
func (tx *Tx) PutClient(ctx context.Context, c access.Client) error {
	return tx.exec(ctx, `INSERT INTO clients (id, name, type, legal_entity_id, scopes, secret_hash, secret_salt, blocked, redirect_uris, public, certificate_bound)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT (id) DO UPDATE SET name = excluded.name, type = excluded.type, legal_entity_id = excluded.legal_entity_id, scopes = excluded.scopes,
    secret_hash = excluded.secret_hash, secret_salt = excluded.secret_salt, blocked = excluded.blocked,
    redirect_uris = excluded.redirect_uris, public = excluded.public, certificate_bound = excluded.certificate_bound`,
		c.ID, c.Name, c.Type, c.LegalEntityID, notNil(c.Scopes), notNil(c.SecretHash), notNil(c.SecretSalt), c.Blocked, notNil(c.RedirectURIs), c.Public, c.CertificateBound)
}

// InsertToken queues an issued token.
func (tx *Tx) InsertToken(ctx context.Context, t access.Token) error {
	return tx.exec(ctx, `INSERT INTO tokens (hash, client_id, employee_id, party_id, legal_entity_id, scopes, issued_at, expires_at, revoked_at, grant_id, user_id, person_id, role, certificate)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
		t.Hash[:], t.ClientID, t.EmployeeID, t.PartyID, t.LegalEntityID, notNil(t.Scopes), t.IssuedAt, t.ExpiresAt, nullTime(t.RevokedAt),
		t.GrantID, t.UserID, t.PersonID, t.Role, t.Certificate)
}

// Token finds a token by its hash, with what its client is (no secret, no
// rights: those of the token count); not-found if there is none. The end of its
// grant and the blocking of its user are its own end. A look-up alone may be
// answered from what this server knows (known_tokens.go).
func (tx *Tx) Token(ctx context.Context, hash [32]byte) (t access.Token, c access.Client, err error) {
	known, alone := &tx.store.tokens, tx.begin == ""
	if k, ok := known.find(hash, tx.store.source.Now()); ok && alone {
		return k.token, k.client, nil
	}
	changes := known.reading()
	var revoked *time.Time
	var scopes pgtype.UndecodedBytes
	found := false
	err = tx.query(ctx, func(rows pgx.Rows) (err error) {
		found = true
		if err = rows.Scan(&t.ClientID, &t.EmployeeID, &t.PartyID, &t.LegalEntityID, &scopes, &t.IssuedAt, &t.ExpiresAt, &revoked,
			&t.GrantID, &t.UserID, &t.PersonID, &t.Role, &t.Certificate, &c.Name, &c.Type, &c.Blocked); err == nil {
			t.Scopes, err = tx.store.scopes.read(tx.conn.TypeMap(), scopes)
		}
		return err
	}, `SELECT t.client_id, t.employee_id, t.party_id, t.legal_entity_id, t.scopes, t.issued_at, t.expires_at,
    COALESCE(t.revoked_at, g.ended_at, CASE WHEN u.blocked THEN u.seen_at END), t.grant_id, t.user_id, t.person_id, t.role, t.certificate, c.name, c.type, c.blocked
FROM tokens t JOIN clients c ON c.id = t.client_id LEFT JOIN grants g ON g.id = t.grant_id LEFT JOIN users u ON u.id = t.user_id WHERE t.hash = $1`, hash[:])
	if err == nil && !found {
		err = errNotFound
	}
	c.ID, t.Hash, t.IssuedAt, t.ExpiresAt, t.RevokedAt = t.ClientID, hash, t.IssuedAt.UTC(), t.ExpiresAt.UTC(), utc(revoked)
	if err == nil && alone {
		known.keep(changes, t, c)
	}
	return t, c, err
}

// scopeLists are the lists of rights that tokens have, by how the database
// writes them: there are few, they are long, and every request brings one.
// Nobody changes a list that was given out.
type scopeLists struct {
	mu sync.RWMutex
	by map[string][]string // guarded by mu
}

// maxScopeLists bounds the memory; lists that are full are begun anew.
const maxScopeLists = 1000

func (l *scopeLists) read(m *pgtype.Map, written []byte) ([]string, error) {
	l.mu.RLock()
	list, ok := l.by[string(written)]
	l.mu.RUnlock()
	if ok {
		return list, nil
	}
	if err := m.Scan(pgtype.TextArrayOID, pgtype.BinaryFormatCode, written, &list); err != nil {
		return nil, err
	}
	list = slices.Clip(list)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.by == nil || len(l.by) >= maxScopeLists {
		l.by = map[string][]string{}
	}
	l.by[string(written)] = list
	return list, nil
}

// RevokeToken queues the end of a token; an unknown or ended one is no error (RFC 7009, 2.2).
func (tx *Tx) RevokeToken(ctx context.Context, hash [32]byte, at time.Time) error {
	return tx.exec(ctx, `UPDATE tokens SET revoked_at = $2 WHERE hash = $1 AND revoked_at IS NULL`, hash[:], at)
}
