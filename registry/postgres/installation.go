package postgres

import (
	"context"

	"mist/registry"
	"mist/registry/prm"
)

// ApprovedOfType tells whether anybody approved has one of the types.
func (tx *Tx) ApprovedOfType(ctx context.Context, types []string) (bool, error) {
	var one int
	return tx.queryOne(ctx, []any{&one}, `SELECT 1 FROM employees WHERE status = 'APPROVED' AND type = ANY($1) LIMIT 1`, types)
}

// EmployeeByAct reads the employee an order made.
func (tx *Tx) EmployeeByAct(ctx context.Context, act registry.ID) (e prm.Employee, err error) {
	var id registry.ID
	found, err := tx.queryOne(ctx, []any{&id}, `SELECT employee_id FROM employee_orders WHERE act_id = $1`, act)
	if err == nil && !found {
		err = errNotFound
	}
	if err != nil {
		return e, err
	}
	return tx.Employee(ctx, id)
}

// PutEmployeeOrder queues whom an order made.
func (tx *Tx) PutEmployeeOrder(ctx context.Context, act, employee registry.ID) error {
	return tx.exec(ctx, `INSERT INTO employee_orders (act_id, employee_id) VALUES ($1, $2)`, act, employee)
}

// EndTokensOfClient ends every token and grant of a client.
func (tx *Tx) EndTokensOfClient(ctx context.Context, client registry.ID, reason string) error {
	now := tx.store.source.Now()
	if err := tx.exec(ctx, `UPDATE grants SET ended_at = $2, end_reason = $3 WHERE client_id = $1 AND ended_at IS NULL`, client, now, reason); err != nil {
		return err
	}
	return tx.exec(ctx, `UPDATE tokens SET revoked_at = $2 WHERE client_id = $1 AND revoked_at IS NULL`, client, now)
}
