package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"mist/registry"
	"mist/registry/contract"
	"mist/registry/prm"
)

const (
	contractRequestColumns = `r.id, r.act_id, r.legal_entity_id, r.status, r.status_reason, r.body, r.document, r.inserted_at, r.updated_at`
	contractColumns        = `k.id, k.number, k.request_id, k.legal_entity_id, k.status, k.status_reason, k.is_suspended, k.parent_contract_id, k.start_date, k.end_date, k.body, k.inserted_at, k.updated_at`
)

func (tx *Tx) contractRequests(ctx context.Context, sql string, args ...any) (list []contract.Request, err error) {
	err = tx.query(ctx, func(rows pgx.Rows) error {
		var r contract.Request
		err := rows.Scan(&r.ID, &r.ActID, &r.LegalEntityID, &r.Status, &r.StatusReason, &r.Body, &r.Document, &r.InsertedAt, &r.UpdatedAt)
		r.InsertedAt, r.UpdatedAt = r.InsertedAt.UTC(), r.UpdatedAt.UTC()
		list = append(list, r)
		return err
	}, sql, args...)
	return list, err
}

// first gives the one row of a list; not-found if there is none.
func first[T any](list []T, err error) (one T, _ error) {
	if err != nil {
		return one, err
	}
	if len(list) == 0 {
		return one, errNotFound
	}
	return list[0], nil
}

// ContractRequest reads one; with lock its row is held until the transaction ends.
func (tx *Tx) ContractRequest(ctx context.Context, id registry.ID, lock bool) (contract.Request, error) {
	sql := `SELECT ` + contractRequestColumns + ` FROM contract_requests r WHERE r.id = $1`
	if lock {
		sql += ` FOR NO KEY UPDATE`
	}
	return first(tx.contractRequests(ctx, sql, id))
}

// ContractRequestByAct reads the request an act made.
func (tx *Tx) ContractRequestByAct(ctx context.Context, act registry.ID) (contract.Request, error) {
	return first(tx.contractRequests(ctx, `SELECT `+contractRequestColumns+` FROM contract_requests r WHERE r.act_id = $1`, act))
}

// ContractRequests lists a page with the total, newest first.
func (tx *Tx) ContractRequests(ctx context.Context, f prm.Filter) (list []contract.Request, total int, err error) {
	where, args := prmWhere("r.legal_entity_id", f.LegalEntityID, "r.status", f.Status)
	list, err = tx.contractRequests(ctx, fmt.Sprintf(`SELECT %s FROM contract_requests r%s ORDER BY r.id DESC LIMIT %d OFFSET %d`, contractRequestColumns, where, f.Size, (f.Page-1)*f.Size), args...)
	if err != nil {
		return nil, 0, err
	}
	_, err = tx.queryOne(ctx, []any{&total}, `SELECT count(*) FROM contract_requests r`+where, args...)
	return list, total, err
}

// PutContractRequest queues a request, new or changed.
func (tx *Tx) PutContractRequest(ctx context.Context, r contract.Request) error {
	return tx.exec(ctx, `INSERT INTO contract_requests (id, act_id, legal_entity_id, id_form, status, status_reason, start_date, body, document, inserted_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT (id) DO UPDATE SET status = excluded.status, status_reason = excluded.status_reason, body = excluded.body, document = excluded.document, updated_at = excluded.updated_at`,
		r.ID, r.ActID, r.LegalEntityID, r.Body.IDForm, string(r.Status), r.StatusReason, r.Body.StartDate, r.Body, r.Document, r.InsertedAt, r.UpdatedAt)
}

// TerminateContractRequests ends the open requests of a legal entity.
func (tx *Tx) TerminateContractRequests(ctx context.Context, legalEntity registry.ID, reason string) ([]registry.ID, error) {
	return tx.ids(ctx, `UPDATE contract_requests SET status = 'TERMINATED', status_reason = $2, updated_at = $3
WHERE legal_entity_id = $1 AND status NOT IN ('SIGNED', 'DECLINED', 'TERMINATED') RETURNING id`, legalEntity, reason, tx.store.source.Now())
}

// TerminateContracts ends the contracts of a legal entity.
func (tx *Tx) TerminateContracts(ctx context.Context, legalEntity registry.ID, reason string) ([]registry.ID, error) {
	return tx.ids(ctx, `UPDATE contracts SET status = 'TERMINATED', status_reason = $2, updated_at = $3
WHERE legal_entity_id = $1 AND status = 'VERIFIED' RETURNING id`, legalEntity, reason, tx.store.source.Now())
}

// NextContractNumber draws from a sequence; gaps are allowed.
func (tx *Tx) NextContractNumber(ctx context.Context) (uint64, error) {
	var n int64
	_, err := tx.queryOne(ctx, []any{&n}, `SELECT nextval('contract_numbers')`)
	return uint64(n), err
}

// PutContractSignature queues who signed.
func (tx *Tx) PutContractSignature(ctx context.Context, request registry.ID, side string, act registry.ID) error {
	return tx.exec(ctx, `INSERT INTO contract_signatures (request_id, side, act_id) VALUES ($1, $2, $3)`, request, side, act)
}

// ContractSides names who has signed.
func (tx *Tx) ContractSides(ctx context.Context, request registry.ID) (list []string, err error) {
	err = tx.query(ctx, func(rows pgx.Rows) error {
		var side string
		err := rows.Scan(&side)
		list = append(list, side)
		return err
	}, `SELECT side FROM contract_signatures WHERE request_id = $1`, request)
	return list, err
}

// InsertContract queues a contract with its doctors.
func (tx *Tx) InsertContract(ctx context.Context, c contract.Contract) error {
	if err := tx.exec(ctx, `INSERT INTO contracts (id, number, request_id, legal_entity_id, status, status_reason, is_suspended, parent_contract_id, start_date, end_date, body, inserted_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
		c.ID, c.Number, c.RequestID, c.LegalEntityID, c.Status, c.StatusReason, c.Suspended, c.ParentID, c.StartDate, c.EndDate, c.Body, c.InsertedAt, c.UpdatedAt); err != nil {
		return err
	}
	for _, e := range c.Body.EmployeeDivisions {
		if err := tx.InsertContractEmployee(ctx, c.ID, contract.ContractEmployee{EmployeeDivision: e, StartDate: c.StartDate}, registry.ID{}); err != nil {
			return err
		}
	}
	return nil
}

func (tx *Tx) contracts(ctx context.Context, sql string, args ...any) (list []contract.Contract, err error) {
	err = tx.query(ctx, func(rows pgx.Rows) error {
		var c contract.Contract
		err := rows.Scan(&c.ID, &c.Number, &c.RequestID, &c.LegalEntityID, &c.Status, &c.StatusReason, &c.Suspended, &c.ParentID, &c.StartDate, &c.EndDate, &c.Body, &c.InsertedAt, &c.UpdatedAt)
		c.InsertedAt, c.UpdatedAt = c.InsertedAt.UTC(), c.UpdatedAt.UTC()
		list = append(list, c)
		return err
	}, sql, args...)
	return list, err
}

// Contract reads one; with lock its row is held until the transaction ends.
func (tx *Tx) Contract(ctx context.Context, id registry.ID, lock bool) (contract.Contract, error) {
	sql := `SELECT ` + contractColumns + ` FROM contracts k WHERE k.id = $1`
	if lock {
		sql += ` FOR NO KEY UPDATE`
	}
	return first(tx.contracts(ctx, sql, id))
}

// Contracts lists a page with the total, newest first.
func (tx *Tx) Contracts(ctx context.Context, f prm.Filter) (list []contract.Contract, total int, err error) {
	where, args := prmWhere("k.legal_entity_id", f.LegalEntityID, "k.status", f.Status)
	list, err = tx.contracts(ctx, fmt.Sprintf(`SELECT %s FROM contracts k%s ORDER BY k.id DESC LIMIT %d OFFSET %d`, contractColumns, where, f.Size, (f.Page-1)*f.Size), args...)
	if err != nil {
		return nil, 0, err
	}
	_, err = tx.queryOne(ctx, []any{&total}, `SELECT count(*) FROM contracts k`+where, args...)
	return list, total, err
}

// UpdateContract queues the change of what may change in a contract.
func (tx *Tx) UpdateContract(ctx context.Context, c contract.Contract) error {
	return tx.execChecked(ctx, oneRow, `UPDATE contracts SET status = $2, status_reason = $3, is_suspended = $4, end_date = $5, updated_at = $6 WHERE id = $1`,
		c.ID, c.Status, c.StatusReason, c.Suspended, c.EndDate, c.UpdatedAt)
}

// EndContracts ends contracts past their last day and open requests whose
// start has passed.
func (tx *Tx) EndContracts(ctx context.Context, today registry.Date, limit int) (contracts, requests []registry.ID, err error) {
	now := tx.store.source.Now()
	if contracts, err = tx.ids(ctx, `UPDATE contracts SET status = 'TERMINATED', status_reason = 'AUTO_EXPIRED', updated_at = $3 WHERE id IN (
    SELECT id FROM contracts WHERE status = 'VERIFIED' AND end_date < $1 ORDER BY end_date LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED) RETURNING id`, today, limit, now); err != nil {
		return nil, nil, err
	}
	requests, err = tx.ids(ctx, `UPDATE contract_requests SET status = 'TERMINATED', status_reason = 'AUTO_EXPIRED', updated_at = $3 WHERE id IN (
    SELECT id FROM contract_requests WHERE status NOT IN ('SIGNED', 'DECLINED', 'TERMINATED') AND start_date < $1 ORDER BY id LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED) RETURNING id`, today, limit, now)
	return contracts, requests, err
}
