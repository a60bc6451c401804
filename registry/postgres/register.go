package postgres

import (
	"context"
	"encoding/json"

	"github.com/jackc/pgx/v5"

	"mist/registry"
	"mist/registry/personlife"
)

type registerBody struct {
	Reason string `json:"reason"`
}

// PutRegister queues a register, new or changed.
func (tx *Tx) PutRegister(ctx context.Context, r personlife.Register) error {
	plain, err := json.Marshal(registerBody{r.Reason})
	if err != nil {
		return tx.fail(err)
	}
	body, err := tx.seal("registers", r.ID.String(), plain)
	if err != nil {
		return err
	}
	return tx.exec(ctx, `INSERT INTO registers (id, status, body, file, proposed_by, approved_by, inserted_at, updated_at, type) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (id) DO UPDATE SET status = excluded.status, approved_by = excluded.approved_by, updated_at = excluded.updated_at`,
		r.ID, string(r.Status), body, r.File[:], r.ProposedBy, r.ApprovedBy, r.InsertedAt, r.UpdatedAt, r.Type)
}

func (tx *Tx) registers(ctx context.Context, where string, args ...any) (list []personlife.Register, err error) {
	var bodies [][]byte
	err = tx.query(ctx, func(rows pgx.Rows) error {
		var r personlife.Register
		var body, file []byte
		if err := rows.Scan(&r.ID, &r.Type, &r.Status, &body, &file, &r.ProposedBy, &r.ApprovedBy, &r.InsertedAt, &r.UpdatedAt, &r.Lines); err != nil {
			return err
		}
		copy(r.File[:], file)
		r.InsertedAt, r.UpdatedAt = r.InsertedAt.UTC(), r.UpdatedAt.UTC()
		list, bodies = append(list, r), append(bodies, body)
		return nil
	}, `SELECT r.id, r.type, r.status, r.body, r.file, r.proposed_by, r.approved_by, r.inserted_at, r.updated_at,
    (SELECT COALESCE(jsonb_object_agg(c.status, c.n), '{}') FROM (SELECT l.status, count(*) AS n FROM register_lines l WHERE l.register_id = r.id GROUP BY l.status) c)
FROM registers r `+where, args...)
	for i := range list {
		if err != nil {
			break
		}
		var plain []byte
		if plain, err = tx.open("registers", list[i].ID.String(), bodies[i]); err != nil {
			break
		}
		var b registerBody
		err = json.Unmarshal(plain, &b)
		list[i].Reason = b.Reason
	}
	return list, err
}

// Register reads one with the counts of its lines; with lock its row is held
// until the transaction ends.
func (tx *Tx) Register(ctx context.Context, id registry.ID, lock bool) (personlife.Register, error) {
	where := `WHERE r.id = $1`
	if lock {
		where += ` FOR NO KEY UPDATE OF r`
	}
	return first(tx.registers(ctx, where, id))
}

// Registers lists the newest, after one.
func (tx *Tx) Registers(ctx context.Context, after registry.ID, limit int) ([]personlife.Register, error) {
	return tx.registers(ctx, `WHERE $1::uuid IS NULL OR r.id < $1 ORDER BY r.id DESC LIMIT $2`, after, limit)
}

// ApprovedRegisters names those that are being worked on.
func (tx *Tx) ApprovedRegisters(ctx context.Context, limit int) ([]registry.ID, error) {
	return tx.ids(ctx, `SELECT id FROM registers WHERE status = 'APPROVED' ORDER BY id LIMIT $1`, limit)
}

// PutRegisterLine queues a line, new or changed.
func (tx *Tx) PutRegisterLine(ctx context.Context, register registry.ID, l personlife.RegisterLine) error {
	return tx.exec(ctx, `INSERT INTO register_lines (register_id, line, person_id, death_date, status, error) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (register_id, line) DO UPDATE SET status = excluded.status, error = excluded.error`, register, l.Line, l.PersonID, l.DeathDate, l.Status, l.Error)
}

// RegisterLines lists lines of a status ("" for all) after one.
func (tx *Tx) RegisterLines(ctx context.Context, register registry.ID, status string, after, limit int) (list []personlife.RegisterLine, err error) {
	err = tx.query(ctx, func(rows pgx.Rows) error {
		var l personlife.RegisterLine
		err := rows.Scan(&l.Line, &l.PersonID, &l.DeathDate, &l.Status, &l.Error)
		list = append(list, l)
		return err
	}, `SELECT line, person_id, death_date, status, error FROM register_lines
WHERE register_id = $1 AND ($2 = '' OR status = $2) AND line > $3 ORDER BY line LIMIT $4`, register, status, after, limit)
	return list, err
}
