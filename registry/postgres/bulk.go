package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"mist/registry/bulk"
	"mist/registry/declaration"
)

// OperatorRole is what operator commands work as: [Role] and what serving must
// not do (imported declarations, sealing documents again).
const OperatorRole = "mist_operator"

// copyIn sends what is queued and then rows by COPY.
func (tx *Tx) copyIn(ctx context.Context, table string, columns []string, rows [][]any) error {
	if tx.err != nil {
		return tx.err
	}
	if err := ctx.Err(); err != nil {
		return tx.fail(err)
	}
	if err := tx.trip(nil); err != nil {
		return err
	}
	for _, r := range rows {
		plain(r)
	}
	if _, err := tx.conn.CopyFrom(tx.ctx, pgx.Identifier{table}, columns, pgx.CopyFromRows(rows)); err != nil {
		return tx.fail(err)
	}
	return nil
}

// ImportMembers copies persons with their look-up keys and declarations in.
// Members whose person is there already are left as they are.
func (tx *Tx) ImportMembers(ctx context.Context, members []bulk.Member) (added int, err error) {
	now := tx.store.source.Now()
	fresh, err := tx.importPersons(ctx, members, now)
	if err != nil {
		return 0, err
	}
	var declarations [][]any
	for _, m := range fresh {
		if d := m.Declaration; d != nil {
			declarations = append(declarations, []any{d.ID, "", m.Person.ID, d.EmployeeID, d.DivisionID, d.LegalEntityID, declaration.ScopeFamilyDoctor,
				d.StartDate.Time(), d.EndDate.Time(), d.StartDate.Time(), string(declaration.StatusActive), bulk.ReasonImported, "", true, now, now})
		}
	}
	if err := tx.numberDeclarations(ctx, declarations); err != nil {
		return 0, err
	}
	err = tx.copyIn(ctx, "declarations", []string{"id", "number", "person_id", "employee_id", "division_id", "legal_entity_id", "scope",
		"start_date", "end_date", "signed_at", "status", "reason", "seed", "imported", "inserted_at", "updated_at"}, declarations)
	return len(fresh), err
}

// numberDeclarations draws a number for each row (second column).
func (tx *Tx) numberDeclarations(ctx context.Context, rows [][]any) error {
	if len(rows) == 0 {
		return nil
	}
	i := 0
	return tx.query(ctx, func(r pgx.Rows) error {
		var n int64
		if err := r.Scan(&n); err != nil {
			return err
		}
		rows[i][1] = declaration.Number(uint64(n))
		i++
		return nil
	}, `SELECT nextval('declaration_numbers') FROM generate_series(1, $1)`, len(rows))
}
