package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"mist/registry"
	"mist/registry/declaration"
	"mist/registry/query"
)

// Declaration reads a declaration; not-found if there is none. With lock its
// row is held until the transaction ends.
func (tx *Tx) Declaration(ctx context.Context, id registry.ID, lock bool) (d declaration.Declaration, err error) {
	sql := `SELECT ` + declarationColumns + ` FROM declarations dc WHERE dc.id = $1`
	if lock {
		sql += ` FOR NO KEY UPDATE`
	}
	found, err := tx.queryOne(ctx, declarationDest(&d), sql, id)
	if err == nil && !found {
		err = errNotFound
	}
	return inUTC(d), err
}

// SetDeclarationStatus queues a move from one state to another; the note is
// sealed. A declaration that is in another state meanwhile is not found.
func (tx *Tx) SetDeclarationStatus(ctx context.Context, id registry.ID, from, to declaration.Status, reason, note string) error {
	var sealed []byte
	if note != "" {
		var err error
		if sealed, err = tx.seal("declarations.note", id.String(), []byte(note)); err != nil {
			return err
		}
	}
	return tx.execChecked(ctx, oneRow, `UPDATE declarations SET status = $3, reason = $4, note = $5, ended_by = NULL, updated_at = $6
WHERE id = $1 AND status = $2`, id, string(from), string(to), reason, sealed, tx.store.source.Now())
}

// ActiveOfEmployee takes and holds declarations of an employee that are active
// or pending.
func (tx *Tx) ActiveOfEmployee(ctx context.Context, employee registry.ID, limit int) ([]declaration.Declaration, error) {
	return tx.declarationList(ctx, `SELECT `+declarationColumns+` FROM declarations dc
WHERE dc.employee_id = $1 AND dc.status IN ('active', 'pending_verification') ORDER BY dc.id LIMIT $2 FOR NO KEY UPDATE`, employee, limit)
}

func (tx *Tx) declarationList(ctx context.Context, sql string, args ...any) (list []declaration.Declaration, err error) {
	err = tx.query(ctx, func(rows pgx.Rows) error {
		var d declaration.Declaration
		if err := rows.Scan(declarationDest(&d)...); err != nil {
			return err
		}
		list = append(list, inUTC(d))
		return nil
	}, sql, args...)
	return list, err
}

// DeclarationNote opens what was written by hand when the state was set.
func (tx *Tx) DeclarationNote(ctx context.Context, id registry.ID) (string, error) {
	var sealed []byte
	if _, err := tx.queryOne(ctx, []any{&sealed}, `SELECT note FROM declarations WHERE id = $1`, id); err != nil || sealed == nil {
		return "", err
	}
	plain, err := tx.open("declarations.note", id.String(), sealed)
	return string(plain), err
}

// DeclarationHistory lists the states of a declaration, oldest first.
func (tx *Tx) DeclarationHistory(ctx context.Context, id registry.ID) (lines []query.StatusLine, err error) {
	err = tx.query(ctx, func(rows pgx.Rows) error {
		var l query.StatusLine
		if err := rows.Scan(&l.Status, &l.Reason, &l.InsertedAt); err != nil {
			return err
		}
		l.InsertedAt = l.InsertedAt.UTC()
		lines = append(lines, l)
		return nil
	}, `SELECT status, reason, inserted_at FROM declaration_statuses WHERE declaration_id = $1 ORDER BY inserted_at`, id)
	return lines, err
}

const declarationRowSQL = `SELECT ` + declarationColumns + `, ` + employeeColumns + `, ` + divisionColumns + `, ` + legalEntityColumns + `, ` + personColumns + `
FROM declarations dc
JOIN employees e ON e.id = dc.employee_id JOIN parties pt ON pt.id = e.party_id
JOIN divisions d ON d.id = dc.division_id
JOIN legal_entities l ON l.id = dc.legal_entity_id
` + joinPersonOfDeclaration

func (tx *Tx) declarationRows(ctx context.Context, sql string, args ...any) (list []query.DeclarationRow, err error) {
	err = tx.query(ctx, func(rows pgx.Rows) error {
		var r query.DeclarationRow
		var sealed []byte // the party's own data, which these readers are not told
		var person personRow
		dest := append(declarationDest(&r.Declaration), employeeDest(&r.Employee, &sealed)...)
		dest = append(append(dest, divisionDest(&r.Division)...), legalEntityDest(&r.LegalEntity)...)
		if err := rows.Scan(append(dest, person.dest()...)...); err != nil {
			return err
		}
		r.Declaration = inUTC(r.Declaration)
		var err error
		if r.Person, err = tx.openPerson(person); err != nil {
			return err
		}
		list = append(list, r)
		return nil
	}, sql, args...)
	return list, err
}

// DeclarationRow reads a declaration with everybody concerned; within limits
// it to one legal entity unless zero.
func (tx *Tx) DeclarationRow(ctx context.Context, id, within registry.ID) (query.DeclarationRow, bool, error) {
	list, err := tx.declarationRows(ctx, declarationRowSQL+`WHERE dc.id = $1 AND ($2::uuid IS NULL OR dc.legal_entity_id = $2)`, id, within)
	if err != nil || len(list) == 0 {
		return query.DeclarationRow{}, false, err
	}
	return list[0], true, nil
}

// where writes a filter as SQL; only names of ours stand in the text.
func declarationWhere(f query.DeclarationFilter) (string, []any) {
	var parts []string
	var args []any
	add := func(sql string, value any) {
		args = append(args, value)
		parts = append(parts, fmt.Sprintf(sql, len(args)))
	}
	if !f.PersonID.IsZero() { // by whichever of a person's merged records
		add("dc.person_id = ANY (person_cluster($%d))", f.PersonID)
	}
	for _, c := range []struct {
		column string
		id     registry.ID
	}{{"employee_id", f.EmployeeID}, {"division_id", f.DivisionID}, {"legal_entity_id", f.LegalEntityID}} {
		if !c.id.IsZero() {
			add("dc."+c.column+" = $%d", c.id)
		}
	}
	if f.Status != "" {
		add("dc.status = $%d", string(f.Status))
	}
	for _, c := range []struct {
		sql string
		day registry.Date
	}{{"dc.start_date >= $%d", f.StartFrom}, {"dc.start_date <= $%d", f.StartTo}, {"dc.end_date >= $%d", f.EndFrom}, {"dc.end_date <= $%d", f.EndTo}} {
		if !c.day.IsZero() {
			add(c.sql, c.day)
		}
	}
	if f.Window.Cursor && !f.Window.After.IsZero() {
		add("dc.id < $%d", f.Window.After)
	}
	if len(parts) == 0 {
		return "", nil
	}
	return " WHERE " + strings.Join(parts, " AND "), args
}

// DeclarationList reads one row more than asked, newest first.
func (tx *Tx) DeclarationList(ctx context.Context, f query.DeclarationFilter) ([]query.DeclarationRow, error) {
	where, args := declarationWhere(f)
	offset := 0
	if !f.Window.Cursor {
		offset = (f.Window.Page - 1) * f.Window.Size
	}
	sql := fmt.Sprintf("%s%s ORDER BY dc.id DESC LIMIT %d OFFSET %d", declarationRowSQL, where, f.Window.Size+1, offset)
	return tx.declarationRows(ctx, sql, args...)
}

// CountDeclarationList counts the rows of a filter.
func (tx *Tx) CountDeclarationList(ctx context.Context, f query.DeclarationFilter) (int, error) {
	where, args := declarationWhere(f)
	var n int
	_, err := tx.queryOne(ctx, []any{&n}, `SELECT count(*) FROM declarations dc`+where, args...)
	return n, err
}
