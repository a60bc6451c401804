package postgres

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"mist/registry"
	"mist/registry/patient"
)

// keyName finds the namesakes born on one day.
const keyName = "name"

func nameKey(last, first string, born registry.Date) string {
	return strings.Join([]string{patient.NormalizeName(last), patient.NormalizeName(first), born.String()}, "|")
}

const findByNameSQL = `SELECT ` + personColumns + ` FROM person_keys k JOIN persons p ON p.id = k.person_id
WHERE k.kind = $1 AND k.key = $2 AND (p.status = 'active' OR p.master_id IS NOT NULL) LIMIT $3`

// FindByName gives records of these names and birth date that are active, or
// point to the survivor of a merge.
func (tx *Tx) FindByName(ctx context.Context, last, first string, born registry.Date, limit int) (list []patient.Person, err error) {
	defer tx.across()()
	err = tx.query(ctx, func(rows pgx.Rows) error {
		p, err := tx.scanPerson(rows)
		list = append(list, p)
		return err
	}, findByNameSQL, keyName, tx.personKey(keyName, nameKey(last, first, born)), limit)
	return list, err
}

// SpendSearch counts one search and gives the counts of the client and of its
// user in the hour.
func (tx *Tx) SpendSearch(ctx context.Context, client, user registry.ID, hour time.Time) (byClient, byUser int, err error) {
	_, err = tx.queryOne(ctx, []any{&byClient, &byUser}, `WITH spent AS (
    INSERT INTO search_budgets AS b (hour, client_id, user_id, used) VALUES ($1, $2, $3, 1)
    ON CONFLICT (hour, client_id, user_id) DO UPDATE SET used = b.used + 1 RETURNING used)
SELECT spent.used + COALESCE((SELECT sum(used) FROM search_budgets WHERE hour = $1 AND client_id = $2 AND user_id <> $3), 0)::integer, spent.used FROM spent`,
		hour, client.String(), user.String())
	return byClient, byUser, err
}

// InsertQuestion keeps a question, and forgets those past their time.
func (tx *Tx) InsertQuestion(ctx context.Context, q patient.Question) error {
	plain, err := json.Marshal(q)
	if err != nil {
		return tx.fail(err)
	}
	body, err := tx.seal("search_questions", q.ID.String(), plain)
	if err != nil {
		return err
	}
	if err := tx.exec(ctx, `DELETE FROM search_questions WHERE id IN (SELECT id FROM search_questions WHERE expires_at < $1 LIMIT 10 FOR UPDATE SKIP LOCKED)`, tx.store.source.Now()); err != nil {
		return err
	}
	return tx.exec(ctx, `INSERT INTO search_questions (id, body, tries_left, expires_at) VALUES ($1, $2, $3, $4)`, q.ID, body, q.TriesLeft, q.ExpiresAt)
}

// TakeTry takes one try of an open question.
func (tx *Tx) TakeTry(ctx context.Context, id registry.ID, now time.Time) (q patient.Question, found bool, err error) {
	var sealed []byte
	var left int
	found, err = tx.queryOne(ctx, []any{&sealed, &left}, `UPDATE search_questions SET tries_left = tries_left - 1
WHERE id = $1 AND tries_left > 0 AND expires_at > $2 RETURNING body, tries_left`, id, now)
	if err != nil || !found {
		return q, false, err
	}
	plain, err := tx.open("search_questions", id.String(), sealed)
	if err != nil {
		return q, false, err
	}
	if err := json.Unmarshal(plain, &q); err != nil {
		return q, false, tx.fail(err)
	}
	q.TriesLeft = left
	return q, true, nil
}

// CloseQuestion ends a question that was answered.
func (tx *Tx) CloseQuestion(ctx context.Context, id registry.ID) error {
	return tx.exec(ctx, `DELETE FROM search_questions WHERE id = $1`, id)
}

// Declared reports whether the person has an active or pending declaration
// with the legal entity.
func (tx *Tx) Declared(ctx context.Context, person, legalEntity registry.ID) (yes bool, err error) {
	_, err = tx.queryOne(ctx, []any{&yes}, declaredWith, person, legalEntity)
	return yes, err
}

const declaredWith = `SELECT EXISTS (SELECT FROM declarations
WHERE person_id = $1 AND legal_entity_id = $2 AND status IN ('active', 'pending_verification'))`
