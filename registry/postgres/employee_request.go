package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"mist/registry"
	"mist/registry/prm"
)

const employeeRequestColumns = `r.id, r.act_id, r.legal_entity_id, r.division_id, r.employee_id, r.status, r.invitation, r.body, r.inserted_at, r.updated_at, r.expires_at`

func (tx *Tx) scanEmployeeRequest(scan func(...any) error) (r prm.EmployeeRequest, err error) {
	var invitation, sealed []byte
	if err := scan(&r.ID, &r.ActID, &r.LegalEntityID, &r.DivisionID, &r.EmployeeID, &r.Status, &invitation, &sealed, &r.InsertedAt, &r.UpdatedAt, &r.ExpiresAt); err != nil {
		return r, err
	}
	copy(r.Invitation[:], invitation)
	r.InsertedAt, r.UpdatedAt, r.ExpiresAt = r.InsertedAt.UTC(), r.UpdatedAt.UTC(), r.ExpiresAt.UTC()
	plain, err := tx.open("employee_requests", r.ID.String(), sealed)
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal(plain, &r.Body)
}

func (tx *Tx) employeeRequests(ctx context.Context, sql string, args ...any) (list []prm.EmployeeRequest, err error) {
	err = tx.query(ctx, func(rows pgx.Rows) error {
		r, err := tx.scanEmployeeRequest(rows.Scan)
		list = append(list, r)
		return err
	}, sql, args...)
	return list, err
}

func (tx *Tx) employeeRequest(ctx context.Context, sql string, args ...any) (prm.EmployeeRequest, error) {
	return first(tx.employeeRequests(ctx, sql, args...))
}

// EmployeeRequest reads one; with lock its row is held until the transaction ends.
func (tx *Tx) EmployeeRequest(ctx context.Context, id registry.ID, lock bool) (prm.EmployeeRequest, error) {
	sql := `SELECT ` + employeeRequestColumns + ` FROM employee_requests r WHERE r.id = $1`
	if lock {
		sql += ` FOR NO KEY UPDATE`
	}
	return tx.employeeRequest(ctx, sql, id)
}

// EmployeeRequestByAct reads the request an act made.
func (tx *Tx) EmployeeRequestByAct(ctx context.Context, act registry.ID) (prm.EmployeeRequest, error) {
	return tx.employeeRequest(ctx, `SELECT `+employeeRequestColumns+` FROM employee_requests r WHERE r.act_id = $1`, act)
}

// EmployeeRequests lists a page with the total, newest first.
func (tx *Tx) EmployeeRequests(ctx context.Context, f prm.Filter) (list []prm.EmployeeRequest, total int, err error) {
	where, args := prmWhere("r.legal_entity_id", f.LegalEntityID, "r.status", f.Status, "r.type", f.Type)
	list, err = tx.employeeRequests(ctx, fmt.Sprintf(`SELECT %s FROM employee_requests r%s ORDER BY r.id DESC LIMIT %d OFFSET %d`, employeeRequestColumns, where, f.Size, (f.Page-1)*f.Size), args...)
	if err != nil {
		return nil, 0, err
	}
	_, err = tx.queryOne(ctx, []any{&total}, `SELECT count(*) FROM employee_requests r`+where, args...)
	return list, total, err
}

// PutEmployeeRequest queues a request, new or changed.
func (tx *Tx) PutEmployeeRequest(ctx context.Context, r prm.EmployeeRequest) error {
	plain, err := json.Marshal(r.Body)
	if err != nil {
		return tx.fail(err)
	}
	body, err := tx.seal("employee_requests", r.ID.String(), plain)
	if err != nil {
		return err
	}
	return tx.exec(ctx, `INSERT INTO employee_requests (id, act_id, legal_entity_id, division_id, employee_id, type, status, invitation, body, inserted_at, updated_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
ON CONFLICT (id) DO UPDATE SET employee_id = excluded.employee_id, status = excluded.status, invitation = excluded.invitation, updated_at = excluded.updated_at, expires_at = excluded.expires_at`,
		r.ID, r.ActID, r.LegalEntityID, r.DivisionID, r.EmployeeID, r.Body.EmployeeType, r.Status, r.Invitation[:], body, r.InsertedAt, r.UpdatedAt, r.ExpiresAt)
}

// ExpireHeadRequests ends open invitations of a head.
func (tx *Tx) ExpireHeadRequests(ctx context.Context, legalEntity registry.ID) error {
	return tx.exec(ctx, `UPDATE employee_requests r SET status = 'EXPIRED', updated_at = $2 FROM employee_types t
WHERE t.type = r.type AND t.head AND r.legal_entity_id = $1 AND r.status = 'NEW'`, legalEntity, tx.store.source.Now())
}

// ExpireEmployeeRequests turns open requests past their time into EXPIRED.
func (tx *Tx) ExpireEmployeeRequests(ctx context.Context, now time.Time, limit int) ([]registry.ID, error) {
	return tx.ids(ctx, `UPDATE employee_requests SET status = 'EXPIRED', updated_at = $1 WHERE id IN (
    SELECT id FROM employee_requests WHERE status = 'NEW' AND expires_at <= $1 ORDER BY expires_at LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED)
RETURNING id`, now, limit)
}

// PartiesOf names the parties of a tax number.
func (tx *Tx) PartiesOf(ctx context.Context, taxID string) ([]registry.ID, error) {
	return tx.ids(ctx, `SELECT id FROM parties WHERE tax_id_key = $1 ORDER BY id`, tx.store.keys.Blind("parties.tax_id", taxID))
}

// PartyByTaxID finds the party of a tax number; of several the eldest.
func (tx *Tx) PartyByTaxID(ctx context.Context, taxID string) (p prm.Party, found bool, err error) {
	var sealed []byte
	found, err = tx.queryOne(ctx, []any{&p.ID, &p.LastName, &p.FirstName, &p.SecondName, &sealed},
		`SELECT id, last_name, first_name, second_name, body FROM parties WHERE tax_id_key = $1 ORDER BY id LIMIT 1`, tx.store.keys.Blind("parties.tax_id", taxID))
	if err == nil && found {
		err = tx.openParty(&p, sealed)
	}
	return p, found, err
}

// RevokeTokensOfParty ends every token and grant of a party's positions.
func (tx *Tx) RevokeTokensOfParty(ctx context.Context, party registry.ID) error {
	defer tx.across()()
	if err := tx.exec(ctx, `UPDATE grants SET ended_at = $2, end_reason = 'black_listed' WHERE party_id = $1 AND ended_at IS NULL`, party, tx.store.source.Now()); err != nil {
		return err
	}
	return tx.exec(ctx, `UPDATE tokens SET revoked_at = $2 WHERE party_id = $1 AND revoked_at IS NULL`, party, tx.store.source.Now())
}

// blackListBody is the sealed part of a row of the black list.
type blackListBody struct {
	TaxID  string `json:"tax_id"`
	Reason string `json:"reason"`
}

// BlackListed reports whether a tax number is barred.
func (tx *Tx) BlackListed(ctx context.Context, taxID string) (bool, error) {
	defer tx.across()()
	var one int
	return tx.queryOne(ctx, []any{&one}, `SELECT 1 FROM black_list_users WHERE tax_id_key = $1 AND is_active`, tx.store.keys.Blind("black_list_users.tax_id", taxID))
}

// PutBlackListed queues a row of the black list, new or changed.
func (tx *Tx) PutBlackListed(ctx context.Context, b prm.BlackListed) error {
	plain, err := json.Marshal(blackListBody{b.TaxID, b.Reason})
	if err != nil {
		return tx.fail(err)
	}
	body, err := tx.seal("black_list_users", b.ID.String(), plain)
	if err != nil {
		return err
	}
	return tx.exec(ctx, `INSERT INTO black_list_users (id, tax_id_key, body, is_active, inserted_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (id) DO UPDATE SET is_active = excluded.is_active, updated_at = excluded.updated_at`,
		b.ID, tx.store.keys.Blind("black_list_users.tax_id", b.TaxID), body, b.Active, b.InsertedAt, b.UpdatedAt)
}

func (tx *Tx) blackList(ctx context.Context, sql string, args ...any) (list []prm.BlackListed, err error) {
	err = tx.query(ctx, func(rows pgx.Rows) error {
		var b prm.BlackListed
		var sealed []byte
		if err := rows.Scan(&b.ID, &sealed, &b.Active, &b.InsertedAt, &b.UpdatedAt); err != nil {
			return err
		}
		plain, err := tx.open("black_list_users", b.ID.String(), sealed)
		if err != nil {
			return err
		}
		var body blackListBody
		if err := json.Unmarshal(plain, &body); err != nil {
			return err
		}
		b.TaxID, b.Reason, b.InsertedAt, b.UpdatedAt = body.TaxID, body.Reason, b.InsertedAt.UTC(), b.UpdatedAt.UTC()
		list = append(list, b)
		return nil
	}, sql, args...)
	return list, err
}

const selectBlackList = `SELECT b.id, b.body, b.is_active, b.inserted_at, b.updated_at FROM black_list_users b`

// BlackListRow reads one row and holds it.
func (tx *Tx) BlackListRow(ctx context.Context, id registry.ID) (prm.BlackListed, error) {
	return first(tx.blackList(ctx, selectBlackList+` WHERE b.id = $1 FOR NO KEY UPDATE`, id))
}

// BlackList lists a page with the total, newest first.
func (tx *Tx) BlackList(ctx context.Context, f prm.Filter) (list []prm.BlackListed, total int, err error) {
	if list, err = tx.blackList(ctx, selectBlackList+fmt.Sprintf(` ORDER BY b.id DESC LIMIT %d OFFSET %d`, f.Size, (f.Page-1)*f.Size)); err != nil {
		return nil, 0, err
	}
	_, err = tx.queryOne(ctx, []any{&total}, `SELECT count(*) FROM black_list_users`)
	return list, total, err
}
