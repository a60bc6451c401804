package postgres

import (
	"context"
	"encoding/json"

	"github.com/jackc/pgx/v5"

	"mist/registry"
	"mist/registry/bulk"
	"mist/registry/declaration"
	"mist/registry/patient"
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
	ids := make([][16]byte, len(members))
	for i, m := range members {
		ids[i] = m.Person.ID
	}
	known := map[registry.ID]bool{}
	err = tx.query(ctx, func(rows pgx.Rows) error {
		var id registry.ID
		if err := rows.Scan(&id); err != nil {
			return err
		}
		known[id] = true
		return nil
	}, `SELECT id FROM persons WHERE id = ANY ($1)`, ids)
	if err != nil {
		return 0, err
	}
	now := tx.store.source.Now()
	var persons, keys, declarations [][]any
	for _, m := range members {
		p := m.Person
		if known[p.ID] {
			continue
		}
		known[p.ID] = true
		p.Status, p.VerificationStatus = patient.StatusActive, bulk.VerificationImported
		text, err := json.Marshal(p)
		if err != nil {
			return 0, tx.fail(err)
		}
		body, err := tx.seal("persons", p.ID.String(), text)
		if err != nil {
			return 0, err
		}
		persons = append(persons, []any{p.ID, p.Version, string(p.Status), p.VerificationStatus, tx.identity(p), body, now, now, keysVersion})
		for _, k := range tx.personKeys(p) {
			keys = append(keys, []any{p.ID, k.kind, k.key})
		}
		if d := m.Declaration; d != nil {
			declarations = append(declarations, []any{d.ID, "", p.ID, d.EmployeeID, d.DivisionID, d.LegalEntityID, declaration.ScopeFamilyDoctor,
				d.StartDate.Time(), d.EndDate.Time(), d.StartDate.Time(), string(declaration.StatusActive), bulk.ReasonImported, "", true, now, now})
		}
	}
	if err := tx.copyIn(ctx, "persons",
		[]string{"id", "version", "status", "verification_status", "identity", "body", "inserted_at", "updated_at", "keys_version"}, persons); err != nil {
		return 0, err
	}
	if err := tx.copyIn(ctx, "person_keys", []string{"person_id", "kind", "key"}, keys); err != nil {
		return 0, err
	}
	if err := tx.numberDeclarations(ctx, declarations); err != nil {
		return 0, err
	}
	err = tx.copyIn(ctx, "declarations", []string{"id", "number", "person_id", "employee_id", "division_id", "legal_entity_id", "scope",
		"start_date", "end_date", "signed_at", "status", "reason", "seed", "imported", "inserted_at", "updated_at"}, declarations)
	return len(persons), err
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
