package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"mist/registry"
	"mist/registry/dispute"
)

var _ dispute.Tx = (*Tx)(nil)

const selectSigned = `SELECT a.id, a.leaf_id, a.kind, a.accepted_at, COALESCE(concat_ws(' ', pt.last_name, pt.first_name, NULLIF(pt.second_name, '')), ''), COALESCE(l.name, '')
FROM acts a LEFT JOIN employees e ON e.id = a.author_id LEFT JOIN parties pt ON pt.id = e.party_id LEFT JOIN legal_entities l ON l.id = a.legal_entity_id
WHERE a.patient_id = $1 `

func (tx *Tx) signedAbout(ctx context.Context, where string, args ...any) (list []dispute.Record, err error) {
	err = tx.query(ctx, func(rows pgx.Rows) error {
		var r dispute.Record
		err := rows.Scan(&r.ActID, &r.EntryID, &r.Kind, &r.At, &r.Signer, &r.LegalEntity)
		r.At = r.At.UTC()
		list = append(list, r)
		return err
	}, selectSigned+where, args...)
	return list, err
}

// SignedAbout implements dispute.Tx.
func (tx *Tx) SignedAbout(ctx context.Context, person registry.ID, limit int) ([]dispute.Record, error) {
	return tx.signedAbout(ctx, `ORDER BY a.accepted_at DESC, a.id LIMIT $2`, person, limit)
}

// RecordAbout implements dispute.Tx.
func (tx *Tx) RecordAbout(ctx context.Context, person, act registry.ID) (dispute.Record, error) {
	list, err := tx.signedAbout(ctx, `AND a.id = $2`, person, act)
	if err == nil && len(list) == 0 {
		err = errNotFound
	}
	if err != nil {
		return dispute.Record{}, err
	}
	return list[0], nil
}

func (tx *Tx) sealCase(c dispute.Case) ([]byte, error) {
	plain, err := c.Words.Encode()
	if err != nil {
		return nil, tx.fail(err)
	}
	return tx.seal("disputes", c.ID.String(), plain)
}

// InsertCase implements dispute.Tx.
func (tx *Tx) InsertCase(ctx context.Context, c dispute.Case) error {
	body, err := tx.sealCase(c)
	if err != nil {
		return err
	}
	return tx.exec(ctx, `INSERT INTO disputes (id, number, person_id, act_id, entry_id, kind, body, status, opened_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		c.ID, c.Number, c.PersonID, c.ActID, c.EntryID, string(c.Kind), body, c.Status, c.OpenedAt)
}

const caseColumns = `id, number, person_id, act_id, entry_id, kind, status, COALESCE(decision, ''), opened_at, answered_at, COALESCE(answered_by, '00000000-0000-0000-0000-000000000000'::uuid)`

func scanCase(rows pgx.Rows, c *dispute.Case, more ...any) error {
	var answered *time.Time
	err := rows.Scan(append([]any{&c.ID, &c.Number, &c.PersonID, &c.ActID, &c.EntryID, &c.Kind, &c.Status, &c.Decision, &c.OpenedAt, &answered, &c.AnsweredBy}, more...)...)
	c.OpenedAt, c.AnsweredAt = c.OpenedAt.UTC(), utc(answered)
	return err
}

func (tx *Tx) cases(ctx context.Context, where string, args ...any) (list []dispute.Case, err error) {
	err = tx.query(ctx, func(rows pgx.Rows) error {
		var c dispute.Case
		var sealed []byte
		if err := scanCase(rows, &c, &sealed); err != nil {
			return err
		}
		plain, err := tx.open("disputes", c.ID.String(), sealed)
		if err != nil {
			return err
		}
		c.Words, err = dispute.DecodeWords(plain)
		list = append(list, c)
		return err
	}, `SELECT `+caseColumns+`, body FROM disputes `+where, args...)
	return list, err
}

// Case implements dispute.Tx.
func (tx *Tx) Case(ctx context.Context, id registry.ID) (dispute.Case, error) {
	list, err := tx.cases(ctx, `WHERE id = $1 FOR NO KEY UPDATE`, id)
	if err == nil && len(list) == 0 {
		err = errNotFound
	}
	if err != nil {
		return dispute.Case{}, err
	}
	return list[0], nil
}

// CasesOf implements dispute.Tx.
func (tx *Tx) CasesOf(ctx context.Context, person registry.ID, limit int) ([]dispute.Case, error) {
	return tx.cases(ctx, `WHERE person_id = $1 ORDER BY id DESC LIMIT $2`, person, limit)
}

// OpenCases implements dispute.Tx; nothing is unsealed for a list.
func (tx *Tx) OpenCases(ctx context.Context, limit int) (list []dispute.Case, total int, err error) {
	err = tx.query(ctx, func(rows pgx.Rows) error {
		var c dispute.Case
		err := scanCase(rows, &c)
		list = append(list, c)
		return err
	}, `SELECT `+caseColumns+` FROM disputes WHERE status = 'open' ORDER BY id LIMIT $1`, limit)
	if err != nil {
		return nil, 0, err
	}
	_, err = tx.queryOne(ctx, []any{&total}, `SELECT count(*)::integer FROM disputes WHERE status = 'open'`)
	return list, total, err
}

// AnswerCase implements dispute.Tx.
func (tx *Tx) AnswerCase(ctx context.Context, c dispute.Case) error {
	body, err := tx.sealCase(c)
	if err != nil {
		return err
	}
	return tx.execChecked(ctx, oneRow, `UPDATE disputes SET status = $2, decision = $3, body = $4, answered_at = $5, answered_by = $6 WHERE id = $1 AND status = 'open'`,
		c.ID, c.Status, c.Decision, body, c.AnsweredAt, c.AnsweredBy)
}
