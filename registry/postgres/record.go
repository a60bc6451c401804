package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"mist/registry"
	"mist/registry/record"
)

// recordBody is what of a record rests sealed.
type recordBody struct {
	Number string          `json:"number,omitempty"`
	Body   json.RawMessage `json:"body"`
}

// recordKey binds a number to its kind: one number may name records of two kinds.
func (tx *Tx) recordKey(kind record.Kind, number string) any {
	if number == "" {
		return nil
	}
	return tx.store.keys.Blind("records.number."+string(kind), number)
}

func (tx *Tx) sealRecord(r record.Record) ([]byte, error) {
	plain, err := json.Marshal(recordBody{r.Number, r.Body})
	if err != nil {
		return nil, tx.fail(err)
	}
	return tx.seal("records", r.ID.String(), plain)
}

// InsertRecord implements record.Tx.
func (tx *Tx) InsertRecord(ctx context.Context, r record.Record) error {
	body, err := tx.sealRecord(r)
	if err != nil {
		return err
	}
	return tx.exec(ctx, `INSERT INTO records (id, kind, act_id, patient_id, author_id, legal_entity_id, episode_id, episode_legal_entity_id, origin_id, origin_legal_entity_id,
    context_id, based_on, holder_id, number_key, status, status_reason, body, inserted_at, updated_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)`,
		r.ID, string(r.Kind), r.ActID, r.PatientID, r.AuthorID, r.LegalEntityID, r.Episode.ID, r.Episode.LegalEntityID, r.Origin.ID, r.Origin.LegalEntityID,
		r.ContextID, r.BasedOnID, r.HolderID, tx.recordKey(r.Kind, r.Number), r.Status, r.Reason, body, r.InsertedAt, r.UpdatedAt, nullTime(r.ExpiresAt))
}

// MoveAcross implements record.Tx.
func (tx *Tx) MoveAcross(ctx context.Context, r record.Record) error {
	defer tx.across()()
	return tx.MoveRecord(ctx, r)
}

// MoveRecord implements record.Tx.
func (tx *Tx) MoveRecord(ctx context.Context, r record.Record) error {
	body, err := tx.sealRecord(r)
	if err != nil {
		return err
	}
	return tx.execChecked(ctx, oneRow, `UPDATE records SET status = $2, status_reason = $3, holder_id = $4, body = $5, updated_at = $6, expires_at = $7 WHERE id = $1`,
		r.ID, r.Status, r.Reason, r.HolderID, body, r.UpdatedAt, nullTime(r.ExpiresAt))
}

const selectRecords = `SELECT r.id, r.kind, r.act_id, r.patient_id, r.author_id, r.legal_entity_id, r.episode_id, r.episode_legal_entity_id, r.origin_id, r.origin_legal_entity_id,
    r.context_id, r.based_on, r.holder_id, r.status, r.status_reason, r.body, r.inserted_at, r.updated_at, r.expires_at FROM records r`

func (tx *Tx) records(ctx context.Context, sql string, args ...any) (list []record.Record, err error) {
	err = tx.query(ctx, func(rows pgx.Rows) error {
		var r record.Record
		var sealed []byte
		var expires *time.Time
		if err := rows.Scan(&r.ID, &r.Kind, &r.ActID, &r.PatientID, &r.AuthorID, &r.LegalEntityID, &r.Episode.ID, &r.Episode.LegalEntityID, &r.Origin.ID, &r.Origin.LegalEntityID,
			&r.ContextID, &r.BasedOnID, &r.HolderID, &r.Status, &r.Reason, &sealed, &r.InsertedAt, &r.UpdatedAt, &expires); err != nil {
			return err
		}
		plain, err := tx.open("records", r.ID.String(), sealed)
		if err != nil {
			return err
		}
		var b recordBody
		if err := json.Unmarshal(plain, &b); err != nil {
			return err
		}
		r.Number, r.Body = b.Number, b.Body
		r.InsertedAt, r.UpdatedAt, r.ExpiresAt = r.InsertedAt.UTC(), r.UpdatedAt.UTC(), utc(expires)
		list = append(list, r)
		return nil
	}, sql, args...)
	return list, err
}

func held(lock bool) string {
	if lock {
		return ` FOR NO KEY UPDATE`
	}
	return ""
}

// RecordAcross implements record.Tx.
func (tx *Tx) RecordAcross(ctx context.Context, kind record.Kind, id registry.ID, lock bool) (record.Record, error) {
	defer tx.across()()
	return tx.RecordByID(ctx, kind, id, lock)
}

// RecordByID implements record.Tx.
func (tx *Tx) RecordByID(ctx context.Context, kind record.Kind, id registry.ID, lock bool) (record.Record, error) {
	return first(tx.records(ctx, selectRecords+` WHERE r.kind = $1 AND r.id = $2`+held(lock), string(kind), id))
}

// RecordByNumber implements record.Tx.
func (tx *Tx) RecordByNumber(ctx context.Context, kind record.Kind, number string, lock bool) (record.Record, error) {
	defer tx.across()()
	return first(tx.records(ctx, selectRecords+` WHERE r.kind = $1 AND r.number_key = $2`+held(lock), string(kind), tx.recordKey(kind, number)))
}

// RecordByAct implements record.Tx.
func (tx *Tx) RecordByAct(ctx context.Context, kind record.Kind, act registry.ID) (record.Record, error) {
	return first(tx.records(ctx, selectRecords+` WHERE r.kind = $1 AND r.act_id = $2`, string(kind), act))
}

// Records implements record.Tx.
func (tx *Tx) Records(ctx context.Context, f record.Filter) ([]record.Record, error) {
	where, args := prmWhere("r.kind", string(f.Kind), "r.legal_entity_id", f.LegalEntityID, "r.holder_id", f.HolderID,
		"r.context_id", f.ContextID, "r.based_on", f.BasedOnID, "r.status", f.Status)
	if !f.PatientID.IsZero() { // by whichever of a person's merged records
		args = append(args, f.PatientID)
		where += fmt.Sprintf(` AND r.patient_id = ANY (person_cluster($%d))`, len(args))
	}
	if !f.After.IsZero() {
		args = append(args, f.After)
		where += fmt.Sprintf(` AND (r.inserted_at, r.id) < (SELECT l.inserted_at, l.id FROM records l WHERE l.id = $%d)`, len(args))
	}
	return tx.records(ctx, fmt.Sprintf(`%s%s ORDER BY r.inserted_at DESC, r.id DESC LIMIT %d`, selectRecords, where, f.Limit), args...)
}

// RecordsDue implements record.Tx.
func (tx *Tx) RecordsDue(ctx context.Context, kind record.Kind, states []string, now time.Time, limit int) ([]record.Record, error) {
	return tx.records(ctx, selectRecords+` WHERE r.kind = $1 AND r.status = ANY ($2) AND r.expires_at <= $3 AND r.holder_id IS NULL ORDER BY r.expires_at LIMIT $4 FOR NO KEY UPDATE SKIP LOCKED`,
		string(kind), states, now, limit)
}

// RecordHistory implements record.Tx.
func (tx *Tx) RecordHistory(ctx context.Context, id registry.ID) (list []record.Change, err error) {
	defer tx.across()()
	err = tx.query(ctx, func(rows pgx.Rows) error {
		var c record.Change
		err := rows.Scan(&c.Status, &c.Reason, &c.At)
		c.At = c.At.UTC()
		list = append(list, c)
		return err
	}, `SELECT status, reason, inserted_at FROM status_events WHERE entity_id = $1 AND legal_entity_id = (SELECT legal_entity_id FROM records WHERE id = $1) ORDER BY epoch, xid, id`, id)
	return list, err
}
