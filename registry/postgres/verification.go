package postgres

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"

	"mist/registry"
	"mist/registry/outbox"
	"mist/registry/verification"
)

// verificationBody is the sealed part of a stream.
type verificationBody struct {
	Result  string `json:"result,omitempty"`
	Comment string `json:"comment,omitempty"`
}

func verificationRow(person registry.ID, stream verification.Stream) string {
	return person.String() + "/" + string(stream)
}

// PutVerification queues a stream of a person, new or changed.
func (tx *Tx) PutVerification(ctx context.Context, person registry.ID, s verification.State) error {
	defer tx.across()()
	plain, err := json.Marshal(verificationBody{s.Result, s.Comment})
	if err != nil {
		return tx.fail(err)
	}
	body, err := tx.seal("person_verifications", verificationRow(person, s.Stream), plain)
	if err != nil {
		return err
	}
	return tx.exec(ctx, `INSERT INTO person_verifications (person_id, stream, status, reason, version, body, checked_at, updated_at, due_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (person_id, stream) DO UPDATE SET status = excluded.status, reason = excluded.reason, version = excluded.version, body = excluded.body,
    checked_at = COALESCE(excluded.checked_at, person_verifications.checked_at), updated_at = excluded.updated_at, due_at = excluded.due_at`,
		person, string(s.Stream), string(s.Status), string(s.Reason), s.Version, body, orNull(s.CheckedAt), s.UpdatedAt, orNull(s.DueAt))
}

func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

const verificationColumns = `v.person_id, v.stream, v.status, v.reason, v.version, v.body, v.checked_at, v.updated_at, v.due_at`

func (tx *Tx) verifications(ctx context.Context, sql string, args ...any) (list []verification.Flagged, err error) {
	list = []verification.Flagged{}
	var bodies [][]byte
	err = tx.query(ctx, func(rows pgx.Rows) error {
		var f verification.Flagged
		var checked, due *time.Time
		var body []byte
		if err := rows.Scan(&f.PersonID, &f.Stream, &f.Status, &f.Reason, &f.Version, &body, &checked, &f.UpdatedAt, &due); err != nil {
			return err
		}
		f.CheckedAt, f.UpdatedAt, f.DueAt = utc(checked), f.UpdatedAt.UTC(), utc(due)
		list, bodies = append(list, f), append(bodies, body)
		return nil
	}, sql, args...)
	for i := 0; err == nil && i < len(list); i++ {
		var plain []byte
		if plain, err = tx.open("person_verifications", verificationRow(list[i].PersonID, list[i].Stream), bodies[i]); err != nil {
			break
		}
		var body verificationBody
		if err = json.Unmarshal(plain, &body); err == nil {
			list[i].Result, list[i].Comment = body.Result, body.Comment
		}
	}
	if err != nil {
		return nil, tx.fail(err)
	}
	return list, nil
}

// Verifications reads the streams of a person.
func (tx *Tx) Verifications(ctx context.Context, person registry.ID) ([]verification.State, error) {
	defer tx.across()()
	list, err := tx.verifications(ctx, `SELECT `+verificationColumns+` FROM person_verifications v WHERE v.person_id = $1 ORDER BY v.stream`, person)
	out := make([]verification.State, len(list))
	for i, f := range list {
		out[i] = f.State
	}
	return out, err
}

// DueVerifications names people of whom a stream is due.
func (tx *Tx) DueVerifications(ctx context.Context, now time.Time, limit int) (list []registry.ID, err error) {
	err = tx.query(ctx, func(rows pgx.Rows) error {
		var id registry.ID
		err := rows.Scan(&id)
		list = append(list, id)
		return err
	}, `SELECT DISTINCT person_id FROM (SELECT person_id FROM person_verifications WHERE due_at <= $1 ORDER BY due_at LIMIT $2) v`, now, limit)
	return list, err
}

// FlaggedVerifications lists streams of a status, oldest first.
func (tx *Tx) FlaggedVerifications(ctx context.Context, stream verification.Stream, status verification.Status, page, size int) (list []verification.Flagged, total int, err error) {
	const where = ` FROM person_verifications v WHERE v.status = $1 AND ($2 = '' OR v.stream = $2)`
	if _, err := tx.queryOne(ctx, []any{&total}, `SELECT count(*)`+where, string(status), string(stream)); err != nil {
		return nil, 0, err
	}
	list, err = tx.verifications(ctx, `SELECT `+verificationColumns+where+` ORDER BY v.updated_at, v.person_id, v.stream LIMIT $3 OFFSET $4`, string(status), string(stream), size, (page-1)*size)
	return list, total, err
}

// FeedDay reads and holds the last day a feed was asked for.
func (tx *Tx) FeedDay(ctx context.Context, feed outbox.Operation) (day registry.Date, err error) {
	if err := tx.exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended('feed ' || $1, 0))`, string(feed)); err != nil {
		return day, err
	}
	_, err = tx.queryOne(ctx, []any{&day}, `SELECT last_day FROM register_feeds WHERE feed = $1`, string(feed))
	return day, err
}

// SetFeedDay queues the last day a feed was asked for.
func (tx *Tx) SetFeedDay(ctx context.Context, feed outbox.Operation, day registry.Date) error {
	return tx.exec(ctx, `INSERT INTO register_feeds (feed, last_day) VALUES ($1, $2) ON CONFLICT (feed) DO UPDATE SET last_day = excluded.last_day`, string(feed), day)
}

// PutEntityCheck queues what the register of legal entities says of a clinic.
func (tx *Tx) PutEntityCheck(ctx context.Context, id registry.ID, e verification.EntityState) error {
	return tx.exec(ctx, `INSERT INTO legal_entity_checks (legal_entity_id, message_id, status, result, asked_name, name, state_text, checked_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (legal_entity_id) DO UPDATE SET message_id = excluded.message_id, status = excluded.status, result = excluded.result, asked_name = excluded.asked_name,
    name = excluded.name, state_text = excluded.state_text, checked_at = excluded.checked_at, updated_at = excluded.updated_at`,
		id, e.Message, string(e.Status), e.Result, e.Asked, e.Name, e.StateText, orNull(e.CheckedAt), e.UpdatedAt)
}

// EntityCheck reads and holds it.
func (tx *Tx) EntityCheck(ctx context.Context, id registry.ID) (e verification.EntityState, found bool, err error) {
	var checked *time.Time
	found, err = tx.queryOne(ctx, []any{&e.Message, &e.Status, &e.Result, &e.Asked, &e.Name, &e.StateText, &checked, &e.UpdatedAt},
		`SELECT message_id, status, result, asked_name, name, state_text, checked_at, updated_at FROM legal_entity_checks WHERE legal_entity_id = $1 FOR UPDATE`, id)
	e.CheckedAt, e.UpdatedAt = utc(checked), e.UpdatedAt.UTC()
	return e, found, err
}
