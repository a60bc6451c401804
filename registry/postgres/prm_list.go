package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"mist/registry"
	"mist/registry/prm"
)

// prmWhere writes a filter for columns of one alias. Only names of ours stand
// in the text.
func prmWhere(values ...any) (string, []any) {
	var parts []string
	var args []any
	for i := 0; i < len(values); i += 2 {
		switch v := values[i+1].(type) {
		case registry.ID:
			if v.IsZero() {
				continue
			}
			args = append(args, v)
		case string:
			if v == "" {
				continue
			}
			args = append(args, v)
		}
		parts = append(parts, fmt.Sprintf("%s = $%d", values[i], len(args)))
	}
	if len(parts) == 0 {
		return "", nil
	}
	return " WHERE " + strings.Join(parts, " AND "), args
}

func (tx *Tx) page(ctx context.Context, f prm.Filter, scan func(pgx.Rows) error, columns, tables, id, where string, args []any) (total int, err error) {
	sql := fmt.Sprintf("SELECT %s FROM %s%s ORDER BY %s LIMIT %d OFFSET %d", columns, tables, where, id, f.Size, (f.Page-1)*f.Size)
	if err := tx.query(ctx, scan, sql, args...); err != nil {
		return 0, err
	}
	_, err = tx.queryOne(ctx, []any{&total}, "SELECT count(*) FROM "+tables+where, args...)
	return total, err
}

// LegalEntities lists a page of legal entities with the total.
func (tx *Tx) LegalEntities(ctx context.Context, f prm.Filter) (list []prm.LegalEntity, total int, err error) {
	where, args := prmWhere("l.edrpou", string(f.EDRPOU), "l.type", f.Type, "l.status", f.Status)
	total, err = tx.page(ctx, f, func(rows pgx.Rows) error {
		var l prm.LegalEntity
		err := rows.Scan(legalEntityDest(&l)...)
		list = append(list, l)
		return err
	}, legalEntityColumns, "legal_entities l", "l.id", where, args)
	return list, total, err
}

// Divisions lists a page of divisions with the total.
func (tx *Tx) Divisions(ctx context.Context, f prm.Filter) (list []prm.Division, total int, err error) {
	where, args := prmWhere("d.legal_entity_id", f.LegalEntityID, "d.type", f.Type, "d.status", f.Status)
	total, err = tx.page(ctx, f, func(rows pgx.Rows) error {
		var d prm.Division
		err := rows.Scan(divisionDest(&d)...)
		list = append(list, d)
		return err
	}, divisionColumns, "divisions d", "d.id", where, args)
	return list, total, err
}

// Employees lists a page of employees with the total. What is sealed of their
// parties stays closed: lists show names and positions.
func (tx *Tx) Employees(ctx context.Context, f prm.Filter) (list []prm.Employee, total int, err error) {
	where, args := prmWhere("e.legal_entity_id", f.LegalEntityID, "e.division_id", f.DivisionID, "e.type", f.Type, "e.status", f.Status, "e.speciality", f.Speciality)
	total, err = tx.page(ctx, f, func(rows pgx.Rows) error {
		var e prm.Employee
		var sealed []byte
		err := rows.Scan(employeeDest(&e, &sealed)...)
		list = append(list, e)
		return err
	}, employeeColumns, employeeTables, "e.id", where, args)
	return list, total, err
}

// DismissEmployee queues the end of a position and of the tokens issued for it.
func (tx *Tx) DismissEmployee(ctx context.Context, id registry.ID, on registry.Date, reason string) error {
	if err := tx.execChecked(ctx, oneRow, `UPDATE employees SET status = 'DISMISSED', end_date = $2, status_reason = $3 WHERE id = $1 AND status = 'APPROVED'`, id, on, reason); err != nil {
		return err
	}
	defer tx.across()()
	return tx.exec(ctx, `UPDATE tokens SET revoked_at = $2 WHERE employee_id = $1 AND revoked_at IS NULL`, id, tx.store.source.Now())
}
