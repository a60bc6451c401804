package postgres

import (
	"context"
	"encoding/json"

	"github.com/jackc/pgx/v5"

	"mist/registry"
	"mist/registry/declaration"
	"mist/registry/patient"
	"mist/registry/personlife"
)

// SetPersonState queues a change of a record's state and of nothing else of it;
// the state before is kept as an earlier version.
func (tx *Tx) SetPersonState(ctx context.Context, p patient.Person) error {
	if err := tx.keepVersion(ctx, p.ID); err != nil {
		return err
	}
	return tx.execChecked(ctx, oneRow, `UPDATE persons SET status = $2, status_reason = $3, death_date = $4, master_id = $5, updated_at = $6 WHERE id = $1`,
		p.ID, string(p.Status), p.StatusReason, p.DeathDate, p.MasterID, p.UpdatedAt)
}

// MoveDeclaration queues a change of a declaration's state and of nothing else
// of it; its history line is written by the database.
func (tx *Tx) MoveDeclaration(ctx context.Context, id registry.ID, from, to declaration.Status, reason string) error {
	return tx.execChecked(ctx, oneRow, `UPDATE declarations SET status = $3, reason = $4, updated_at = $5 WHERE id = $1 AND status = $2`,
		id, string(from), string(to), reason, tx.store.source.Now())
}

// mergeBody is the sealed part of a merge: people write names into reasons.
type mergeBody struct {
	Reason     string            `json:"reason"`
	UndoReason string            `json:"undo_reason,omitempty"`
	Before     personlife.Before `json:"before"`
}

// PutMerge queues a merge request, new or changed.
func (tx *Tx) PutMerge(ctx context.Context, m personlife.Merge) error {
	plain, err := json.Marshal(mergeBody{m.Reason, m.UndoReason, m.Before})
	if err != nil {
		return tx.fail(err)
	}
	body, err := tx.seal("person_merges", m.ID.String(), plain)
	if err != nil {
		return err
	}
	return tx.exec(ctx, `INSERT INTO person_merges (id, master_person_id, merge_person_id, status, proposed_by, approved_by, undo_proposed_by, undo_approved_by, body, inserted_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT (id) DO UPDATE SET status = excluded.status, approved_by = excluded.approved_by, undo_proposed_by = excluded.undo_proposed_by,
    undo_approved_by = excluded.undo_approved_by, body = excluded.body, updated_at = excluded.updated_at`,
		m.ID, m.MasterID, m.LoserID, string(m.Status), m.ProposedBy, m.ApprovedBy, m.UndoProposedBy, m.UndoApprovedBy, body, m.InsertedAt, m.UpdatedAt)
}

func (tx *Tx) merges(ctx context.Context, where string, args ...any) (list []personlife.Merge, err error) {
	var bodies [][]byte
	err = tx.query(ctx, func(rows pgx.Rows) error {
		var m personlife.Merge
		var body []byte
		if err := rows.Scan(&m.ID, &m.MasterID, &m.LoserID, &m.Status, &m.ProposedBy, &m.ApprovedBy, &m.UndoProposedBy, &m.UndoApprovedBy, &body, &m.InsertedAt, &m.UpdatedAt); err != nil {
			return err
		}
		m.InsertedAt, m.UpdatedAt = m.InsertedAt.UTC(), m.UpdatedAt.UTC()
		list, bodies = append(list, m), append(bodies, body)
		return nil
	}, `SELECT id, master_person_id, merge_person_id, status, proposed_by, approved_by, undo_proposed_by, undo_approved_by, body, inserted_at, updated_at FROM person_merges `+where, args...)
	for i := 0; err == nil && i < len(list); i++ {
		var plain []byte
		if plain, err = tx.open("person_merges", list[i].ID.String(), bodies[i]); err != nil {
			break
		}
		var body mergeBody
		if err = json.Unmarshal(plain, &body); err != nil {
			err = tx.fail(err)
		}
		list[i].Reason, list[i].UndoReason, list[i].Before = body.Reason, body.UndoReason, body.Before
	}
	if err != nil {
		return nil, err
	}
	return list, nil
}

// Merge reads a merge request; not-found if there is none. With lock its row is
// held until the transaction ends.
func (tx *Tx) Merge(ctx context.Context, id registry.ID, lock bool) (personlife.Merge, error) {
	where := `WHERE id = $1`
	if lock {
		where += ` FOR NO KEY UPDATE`
	}
	list, err := tx.merges(ctx, where, id)
	if err == nil && len(list) == 0 {
		err = errNotFound
	}
	if err != nil {
		return personlife.Merge{}, err
	}
	return list[0], nil
}

// Merges lists merge requests by id, after one.
func (tx *Tx) Merges(ctx context.Context, status personlife.MergeStatus, after registry.ID, limit int) ([]personlife.Merge, error) {
	return tx.merges(ctx, `WHERE ($1 = '' OR status = $1) AND ($2::uuid IS NULL OR id > $2) ORDER BY id LIMIT $3`, string(status), after, limit)
}

// SamePerson reports whether two records are one person today: the same, or
// merged into one.
func (tx *Tx) SamePerson(ctx context.Context, a, b registry.ID) (yes bool, err error) {
	_, err = tx.queryOne(ctx, []any{&yes}, `SELECT $1::uuid = ANY (person_cluster($2))`, a, b)
	return yes, err
}
