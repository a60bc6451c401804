package postgres

import (
	"context"
	"encoding/json"

	"github.com/jackc/pgx/v5"

	"mist/registry"
	"mist/registry/payment"
)

// paymentBody is the sealed part of a register.
type paymentBody struct {
	Lines       []payment.Line       `json:"lines"`
	Differences []payment.Difference `json:"differences,omitempty"`
}

// PutPaymentRegister queues a register, new or changed.
func (tx *Tx) PutPaymentRegister(ctx context.Context, r payment.Register) error {
	plain, err := json.Marshal(paymentBody{r.Lines, r.Differences})
	if err != nil {
		return tx.fail(err)
	}
	body, err := tx.seal("payment_registers", r.ID.String(), plain)
	if err != nil {
		return err
	}
	return tx.exec(ctx, `INSERT INTO payment_registers (id, kind, period, status, total, lines, reason, proposed_by, approved_by, body, inserted_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
ON CONFLICT (id) DO UPDATE SET status = excluded.status, reason = excluded.reason, approved_by = excluded.approved_by, body = excluded.body, updated_at = excluded.updated_at`,
		r.ID, string(r.Kind), r.Period, string(r.Status), r.Total, r.Count, r.Reason, r.ProposedBy, r.ApprovedBy, body, r.InsertedAt, r.UpdatedAt)
}

const paymentColumns = `id, kind, period, status, total, lines, reason, proposed_by, approved_by, inserted_at, updated_at`

func paymentDest(r *payment.Register) []any {
	return []any{&r.ID, &r.Kind, &r.Period, &r.Status, &r.Total, &r.Count, &r.Reason, &r.ProposedBy, &r.ApprovedBy, &r.InsertedAt, &r.UpdatedAt}
}

// PaymentRegister reads one with its lines.
func (tx *Tx) PaymentRegister(ctx context.Context, id registry.ID, lock bool) (r payment.Register, err error) {
	sql := `SELECT ` + paymentColumns + `, body FROM payment_registers WHERE id = $1`
	if lock {
		sql += ` FOR UPDATE`
	}
	var sealed []byte
	found, err := tx.queryOne(ctx, append(paymentDest(&r), &sealed), sql, id)
	if err == nil && !found {
		err = errNotFound
	}
	if err != nil {
		return r, err
	}
	plain, err := tx.open("payment_registers", id.String(), sealed)
	if err != nil {
		return r, tx.fail(err)
	}
	var body paymentBody
	if err := json.Unmarshal(plain, &body); err != nil {
		return r, tx.fail(err)
	}
	r.Lines, r.Differences, r.InsertedAt, r.UpdatedAt = body.Lines, body.Differences, r.InsertedAt.UTC(), r.UpdatedAt.UTC()
	return r, nil
}

// PaymentRegisters lists the newest.
func (tx *Tx) PaymentRegisters(ctx context.Context, page, size int) (list []payment.Register, total int, err error) {
	if _, err := tx.queryOne(ctx, []any{&total}, `SELECT count(*) FROM payment_registers`); err != nil {
		return nil, 0, err
	}
	list = []payment.Register{}
	err = tx.query(ctx, func(rows pgx.Rows) error {
		var r payment.Register
		err := rows.Scan(paymentDest(&r)...)
		r.InsertedAt, r.UpdatedAt = r.InsertedAt.UTC(), r.UpdatedAt.UTC()
		list = append(list, r)
		return err
	}, `SELECT `+paymentColumns+` FROM payment_registers ORDER BY inserted_at DESC, id LIMIT $1 OFFSET $2`, size, (page-1)*size)
	return list, total, err
}
