package postgres

import (
	"context"
	"encoding/hex"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"mist/registry"
	"mist/registry/consent"
	"mist/registry/query"
)

const (
	consentColumns = `id, person_id, method, recipient, purpose, scope, fields, granted_at, expires_at, single_use, status, revoked_at, container, content, nonce, body, used_at, created_at, access_level`
	selectConsent  = `SELECT ` + consentColumns + ` FROM consents`
)

// scanConsent reads a row of selectConsent, with further columns into more.
func (tx *Tx) scanConsent(rows pgx.Rows, more ...any) (r consent.Record, err error) {
	var container, content, nonce, sealed []byte
	var revoked, used *time.Time
	if err := rows.Scan(append([]any{&r.ID, &r.PersonID, &r.Method, &r.Recipient, &r.Purpose, &r.Scope, &r.Fields, &r.GrantedAt, &r.ExpiresAt,
		&r.SingleUse, &r.Status, &revoked, &container, &content, &nonce, &sealed, &used, &r.CreatedAt, &r.AccessLevel}, more...)...); err != nil {
		return r, err
	}
	copy(r.Container[:], container)
	copy(r.Content[:], content)
	copy(r.Nonce[:], nonce)
	r.GrantedAt, r.ExpiresAt, r.CreatedAt = r.GrantedAt.UTC(), r.ExpiresAt.UTC(), r.CreatedAt.UTC()
	r.RevokedAt, r.UsedAt = utc(revoked), utc(used)
	if sealed != nil {
		text, err := tx.open("consents", r.ID.String(), sealed)
		if err != nil {
			return r, err
		}
		r.Text = string(text)
	}
	return r, nil
}

// Consent reads a consent the registry has acted on.
func (tx *Tx) Consent(ctx context.Context, id registry.ID) (r consent.Record, found bool, err error) {
	err = tx.query(ctx, func(rows pgx.Rows) (err error) {
		found = true
		r, err = tx.scanConsent(rows)
		return err
	}, selectConsent+` WHERE id = $1`, id)
	return r, found, err
}

// Consented tells whether a repeatable consent of the scope is in force.
func (tx *Tx) Consented(ctx context.Context, person registry.ID, scope string, now time.Time) (bool, error) {
	var one int
	return tx.queryOne(ctx, []any{&one}, `SELECT 1 FROM consents WHERE person_id = $1 AND status = 'active' AND NOT single_use AND $2 = ANY(scope)
    AND granted_at <= $3 AND expires_at > $3 AND cardinality(fields) > 0 LIMIT 1`, person, scope, now)
}

// ConsentsOf lists a person's consents, newest first.
func (tx *Tx) ConsentsOf(ctx context.Context, person registry.ID, limit int) (list []consent.Record, err error) {
	err = tx.query(ctx, func(rows pgx.Rows) error {
		r, err := tx.scanConsent(rows)
		list = append(list, r)
		return err
	}, selectConsent+` WHERE person_id = $1 ORDER BY created_at DESC, id DESC LIMIT $2`, person, limit)
	return list, err
}

const (
	insertConsent = `INSERT INTO consents AS c (` + consentColumns + `)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)`
	consentTypes = "uuid uuid text text text text[] text[] timestamptz timestamptz bool text timestamptz bytea bytea bytea bytea timestamptz timestamptz text"

	// What is used again marks its use; what is for one use is used up once.
	markConsent = ` ON CONFLICT (id) DO UPDATE SET used_at = excluded.used_at, status = excluded.status
WHERE c.content = excluded.content AND c.person_id = excluded.person_id AND `
	useConsentAgainTail = markConsent + `c.status <> 'revoked'`
	useConsentOnceTail  = markConsent + `c.status = 'active'`
	useConsent          = insertConsent + useConsentAgainTail
	useConsentSingle    = insertConsent + useConsentOnceTail
)

func (tx *Tx) consentArgs(r consent.Record) ([]any, error) {
	body, err := tx.seal("consents", r.ID.String(), []byte(r.Text))
	if err != nil {
		return nil, err
	}
	return []any{r.ID, r.PersonID, r.Method, r.Recipient, r.Purpose, notNil(r.Scope), notNil(r.Fields), r.GrantedAt, r.ExpiresAt,
		r.SingleUse, string(r.Status), nullTime(r.RevokedAt), r.Container[:], r.Content[:], r.Nonce[:], body, nullTime(r.UsedAt), r.CreatedAt, accessLevel(r)}, nil
}

func accessLevel(r consent.Record) string {
	if r.AccessLevel == "" {
		return "read"
	}
	return r.AccessLevel
}

func consentChanged(tag pgconn.CommandTag) error {
	if tag.RowsAffected() == 1 {
		return nil
	}
	return registry.Errorf(registry.CodeConflict, "the consent was revoked, or its id belongs to another consent; ask again").WithReason("consent_changed")
}

// InsertConsent queues a consent that is not known yet; one that became known
// meanwhile is a conflict.
func (tx *Tx) InsertConsent(ctx context.Context, r consent.Record) error {
	defer tx.across()() // an approval's row, by which its clinic sees it, comes after
	args, err := tx.consentArgs(r)
	if err != nil {
		return err
	}
	return tx.execChecked(ctx, consentChanged, insertConsent+` ON CONFLICT (id) DO NOTHING`, args...)
}

// UseConsent stores a consent at its first use, or marks the use of a known
// one. It refuses a consent that was revoked meanwhile, and a second document
// under the id of another. Of two that use up a single-use consent at once the
// second waits for the first one's outcome; it fails with [query.SpentReason].
func (tx *Tx) UseConsent(ctx context.Context, r consent.Record) error {
	args, err := tx.consentArgs(r)
	if err != nil {
		return err
	}
	sql, check := useConsent, consentChanged
	if r.SingleUse {
		sql = useConsentSingle
		check = func(tag pgconn.CommandTag) error {
			if tag.RowsAffected() == 1 {
				return nil
			}
			return registry.Errorf(registry.CodeConflict, "the single-use consent was used before; ask again").WithReason(query.SpentReason)
		}
	}
	return tx.execChecked(ctx, check, sql, args...)
}

// RevokeConsent takes a consent back; changed is false when it was before.
func (tx *Tx) RevokeConsent(ctx context.Context, id registry.ID, at time.Time) (changed bool, err error) {
	tag, err := tx.execNow(ctx, `UPDATE consents SET status = 'revoked', revoked_at = $2 WHERE id = $1 AND status <> 'revoked'`, id, at)
	return err == nil && tag.RowsAffected() == 1, err
}

// MessageSpent reports whether the client sent another body under this message id.
func (tx *Tx) MessageSpent(ctx context.Context, client, messageID string, request [32]byte) (spent bool, err error) {
	_, err = tx.queryOne(ctx, []any{&spent}, `SELECT EXISTS (SELECT FROM exchanges WHERE client = $1 AND message_id = $2 AND request <> $3)`, client, messageID, request[:])
	return spent, err
}

func notNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// exchangeRow names an exchange for its seal.
func exchangeRow(client, messageID string, request [32]byte) string {
	return client + "|" + messageID + "|" + hex.EncodeToString(request[:])
}

// InsertExchange queues an answer for the repeated message. When the same
// message is being answered at the same moment, the later transaction is run
// again and finds the answer.
func (tx *Tx) InsertExchange(ctx context.Context, e query.Exchange) error {
	sealed, err := tx.seal("exchanges", exchangeRow(e.Client, e.MessageID, e.Request), e.Answer)
	if err != nil {
		return err
	}
	args := []any{e.Client, e.MessageID, e.Request[:], sealed, e.EntryID, e.CreatedAt}
	// Right behind its leaf the answer travels in the leaf's statement.
	if last := len(tx.queue) - 1; last >= 0 && tx.queue[last].sql == insertLeaf && tx.err == nil {
		leaf := &tx.queue[last]
		leaf.sql, leaf.args = insertLeafWithExchange, append(leaf.args, plain(args)...)
		return nil
	}
	return tx.exec(ctx, `INSERT INTO exchanges `+exchangeColumns+` VALUES ($1, $2, $3, $4, $5, $6)`, args...)
}

const (
	exchangeColumns        = `(client, message_id, request, answer, entry_id, created_at)`
	insertLeafWithExchange = `WITH leaf AS (` + insertLeaf + `)
INSERT INTO exchanges ` + exchangeColumns + ` VALUES ($10, $11, $12, $13, $14, $15)`
)
