package postgres

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"

	"mist/registry"
	"mist/registry/access"
	"mist/registry/prm"
)

// userBody is what is sealed of a user.
type userBody struct {
	Form   string `json:"form"`
	Number string `json:"number"`
	Name   string `json:"name"`
	Reason string `json:"reason,omitempty"` // why blocked
}

func (tx *Tx) userKey(form, number string) []byte {
	return tx.store.keys.Blind("users.identifier", form+"|"+number)
}

// User finds a human by the identifier of their certificate.
func (tx *Tx) User(ctx context.Context, form, number string) (u access.User, found bool, err error) {
	found, err = tx.queryOne(ctx, []any{&u.ID, &u.Blocked, &u.SeenAt}, `SELECT id, blocked, seen_at FROM users WHERE key = $1`, tx.userKey(form, number))
	u.Form, u.Number, u.SeenAt = form, number, u.SeenAt.UTC()
	return u, found, err
}

// PutUser queues a user, new or seen again.
func (tx *Tx) PutUser(ctx context.Context, u access.User) error {
	plain, err := json.Marshal(userBody{u.Form, u.Number, u.Name, u.Reason})
	if err != nil {
		return tx.fail(err)
	}
	body, err := tx.seal("users", u.ID.String(), plain)
	if err != nil {
		return err
	}
	return tx.exec(ctx, `INSERT INTO users (id, key, body, blocked, created_at, seen_at) VALUES ($1, $2, $3, $4, $5, $5)
ON CONFLICT (id) DO UPDATE SET body = excluded.body, blocked = excluded.blocked, seen_at = excluded.seen_at`,
		u.ID, tx.userKey(u.Form, u.Number), body, u.Blocked, u.SeenAt)
}

func (tx *Tx) users(ctx context.Context, where string, args ...any) (list []access.User, err error) {
	var sealed [][]byte
	err = tx.query(ctx, func(rows pgx.Rows) error {
		var u access.User
		var body []byte
		err := rows.Scan(&u.ID, &body, &u.Blocked, &u.SeenAt)
		u.SeenAt = u.SeenAt.UTC()
		list, sealed = append(list, u), append(sealed, body)
		return err
	}, `SELECT id, body, blocked, seen_at FROM users `+where, args...)
	for i := 0; err == nil && i < len(list); i++ {
		var plain []byte
		var b userBody
		if plain, err = tx.open("users", list[i].ID.String(), sealed[i]); err == nil {
			err = json.Unmarshal(plain, &b)
			list[i].Form, list[i].Number, list[i].Name, list[i].Reason = b.Form, b.Number, b.Name, b.Reason
		}
	}
	return list, err
}

// UsersByIdentifier gives who has logged in with one of the numbers, in one of
// the forms of a certificate.
func (tx *Tx) UsersByIdentifier(ctx context.Context, forms, numbers []string) ([]access.User, error) {
	var keys [][]byte
	for _, form := range forms {
		for _, n := range numbers {
			keys = append(keys, tx.userKey(form, n))
		}
	}
	return tx.users(ctx, `WHERE key = ANY ($1) ORDER BY id`, keys)
}

// UserByID reads a user and holds the row; not-found if there is none.
func (tx *Tx) UserByID(ctx context.Context, id registry.ID) (access.User, error) {
	list, err := tx.users(ctx, `WHERE id = $1 FOR NO KEY UPDATE`, id)
	if err == nil && len(list) == 0 {
		err = errNotFound
	}
	if err != nil {
		return access.User{}, err
	}
	return list[0], nil
}

// EndUser queues the end of every grant and token of a user.
func (tx *Tx) EndUser(ctx context.Context, id registry.ID, reason string) error {
	now := tx.store.source.Now()
	if err := tx.exec(ctx, `UPDATE grants SET ended_at = $2, end_reason = $3 WHERE user_id = $1 AND ended_at IS NULL`, id, now, reason); err != nil {
		return err
	}
	return tx.exec(ctx, `UPDATE tokens SET revoked_at = $2 WHERE user_id = $1 AND revoked_at IS NULL`, id, now)
}

// Party reads a person who works with all their positions; not-found if there is none.
func (tx *Tx) Party(ctx context.Context, id registry.ID) (p prm.Party, positions []prm.Employee, err error) {
	var sealed [][]byte
	err = tx.query(ctx, func(rows pgx.Rows) error {
		var e prm.Employee
		var body []byte
		err := rows.Scan(employeeDest(&e, &body)...)
		positions, sealed = append(positions, e), append(sealed, body)
		return err
	}, `SELECT `+employeeColumns+` FROM `+employeeTables+` WHERE pt.id = $1 ORDER BY e.id`, id)
	if err == nil && len(positions) == 0 {
		err = errNotFound
	}
	if err != nil {
		return p, nil, err
	}
	err = tx.openParty(&positions[0].Party, sealed[0])
	return positions[0].Party, positions, err
}

// EmployeesByIdentifier gives approved employees whose party has one of the numbers.
func (tx *Tx) EmployeesByIdentifier(ctx context.Context, numbers []string) (list []prm.Employee, err error) {
	keys := make([][]byte, len(numbers))
	for i, n := range numbers {
		keys[i] = tx.store.keys.Blind("parties.tax_id", n)
	}
	var sealed [][]byte
	err = tx.query(ctx, func(rows pgx.Rows) error {
		var e prm.Employee
		var body []byte
		err := rows.Scan(employeeDest(&e, &body)...)
		list, sealed = append(list, e), append(sealed, body)
		return err
	}, `SELECT `+employeeColumns+` FROM `+employeeTables+` WHERE pt.tax_id_key = ANY ($1) AND e.status = 'APPROVED' ORDER BY e.id`, keys)
	for i := 0; err == nil && i < len(list); i++ {
		err = tx.openParty(&list[i].Party, sealed[i])
	}
	return list, err
}

// SpendChallenge reports false when the challenge was used before, and forgets
// those past their time.
func (tx *Tx) SpendChallenge(ctx context.Context, id registry.ID, expires time.Time) (fresh bool, err error) {
	if err := tx.exec(ctx, `DELETE FROM spent_challenges WHERE id IN (SELECT id FROM spent_challenges WHERE expires_at < $1 LIMIT 10 FOR UPDATE SKIP LOCKED)`, tx.store.source.Now()); err != nil {
		return false, err
	}
	tag, err := tx.execNow(ctx, `INSERT INTO spent_challenges (id, expires_at) VALUES ($1, $2) ON CONFLICT DO NOTHING`, id, expires)
	return err == nil && tag.RowsAffected() == 1, err
}

// InsertGrant queues a grant.
func (tx *Tx) InsertGrant(ctx context.Context, g access.Authorization) error {
	p := g.Position
	return tx.exec(ctx, `INSERT INTO grants (id, client_id, user_id, role, employee_id, party_id, legal_entity_id, person_id, scopes, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		g.ID, g.ClientID, g.UserID, p.Role, p.EmployeeID, p.PartyID, p.LegalEntityID, p.PersonID, notNil(g.Scopes), g.CreatedAt, g.ExpiresAt)
}

// Grant reads a grant with its user; not-found if there is none.
func (tx *Tx) Grant(ctx context.Context, id registry.ID) (g access.Authorization, u access.User, err error) {
	var ended *time.Time
	p := &g.Position
	found, err := tx.queryOne(ctx, []any{&g.ID, &g.ClientID, &g.UserID, &p.Role, &p.EmployeeID, &p.PartyID, &p.LegalEntityID, &p.PersonID, &g.Scopes,
		&g.CreatedAt, &g.ExpiresAt, &ended, &u.Blocked}, `SELECT g.id, g.client_id, g.user_id, g.role, g.employee_id, g.party_id, g.legal_entity_id, g.person_id, g.scopes,
    g.created_at, g.expires_at, g.ended_at, u.blocked FROM grants g JOIN users u ON u.id = g.user_id WHERE g.id = $1`, id)
	if err == nil && !found {
		err = errNotFound
	}
	g.CreatedAt, g.ExpiresAt, g.EndedAt, u.ID = g.CreatedAt.UTC(), g.ExpiresAt.UTC(), utc(ended), g.UserID
	return g, u, err
}

// EndGrant queues the end of a grant: its tokens are no good from the commit on.
func (tx *Tx) EndGrant(ctx context.Context, id registry.ID, at time.Time, reason string) error {
	return tx.exec(ctx, `UPDATE grants SET ended_at = $2, end_reason = $3 WHERE id = $1 AND ended_at IS NULL`, id, at, reason)
}

// InsertCode queues an authorization code, and forgets those long past their time.
func (tx *Tx) InsertCode(ctx context.Context, c access.Code) error {
	if err := tx.exec(ctx, `DELETE FROM codes WHERE hash IN (SELECT hash FROM codes WHERE expires_at < $1::timestamptz - interval '1 day' LIMIT 10 FOR UPDATE SKIP LOCKED)`, tx.store.source.Now()); err != nil {
		return err
	}
	return tx.exec(ctx, `INSERT INTO codes (hash, grant_id, redirect_uri, challenge, expires_at) VALUES ($1, $2, $3, $4, $5)`,
		c.Hash[:], c.GrantID, c.RedirectURI, c.Challenge, c.ExpiresAt)
}

// Code finds and locks an authorization code.
func (tx *Tx) Code(ctx context.Context, hash [32]byte) (c access.Code, found bool, err error) {
	var used *time.Time
	found, err = tx.queryOne(ctx, []any{&c.GrantID, &c.RedirectURI, &c.Challenge, &c.ExpiresAt, &used},
		`SELECT grant_id, redirect_uri, challenge, expires_at, used_at FROM codes WHERE hash = $1 FOR UPDATE`, hash[:])
	c.Hash, c.ExpiresAt, c.UsedAt = hash, c.ExpiresAt.UTC(), utc(used)
	return c, found, err
}

// UseCode queues the mark of use.
func (tx *Tx) UseCode(ctx context.Context, hash [32]byte, at time.Time) error {
	return tx.execChecked(ctx, oneRow, `UPDATE codes SET used_at = $2 WHERE hash = $1 AND used_at IS NULL`, hash[:], at)
}

// InsertRefreshToken queues a refresh token, and forgets those past their time.
func (tx *Tx) InsertRefreshToken(ctx context.Context, t access.RefreshToken) error {
	if err := tx.exec(ctx, `DELETE FROM refresh_tokens WHERE hash IN (SELECT hash FROM refresh_tokens WHERE expires_at < $1 LIMIT 10 FOR UPDATE SKIP LOCKED)`, tx.store.source.Now()); err != nil {
		return err
	}
	return tx.exec(ctx, `INSERT INTO refresh_tokens (hash, grant_id, certificate, expires_at) VALUES ($1, $2, $3, $4)`, t.Hash[:], t.GrantID, t.Certificate, t.ExpiresAt)
}

// RefreshToken finds and locks a refresh token.
func (tx *Tx) RefreshToken(ctx context.Context, hash [32]byte) (t access.RefreshToken, found bool, err error) {
	var used *time.Time
	found, err = tx.queryOne(ctx, []any{&t.GrantID, &t.Certificate, &t.ExpiresAt, &used},
		`SELECT grant_id, certificate, expires_at, used_at FROM refresh_tokens WHERE hash = $1 FOR UPDATE`, hash[:])
	t.Hash, t.ExpiresAt, t.UsedAt = hash, t.ExpiresAt.UTC(), utc(used)
	return t, found, err
}

// UseRefreshToken queues the mark of use.
func (tx *Tx) UseRefreshToken(ctx context.Context, hash [32]byte, at time.Time) error {
	return tx.execChecked(ctx, oneRow, `UPDATE refresh_tokens SET used_at = $2 WHERE hash = $1 AND used_at IS NULL`, hash[:], at)
}
