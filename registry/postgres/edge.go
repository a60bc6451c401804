package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"mist/registry"
	"mist/registry/edge"
)

var _ edge.Tx = (*Tx)(nil)

const edgePatients = `SELECT dc.id, dc.number, dc.employee_id, dc.division_id, ` + personColumns + `
FROM declarations dc ` + joinPersonOfDeclaration + `
WHERE dc.legal_entity_id = $1 AND dc.status = 'active' AND ($2::uuid IS NULL OR dc.id > $2) ORDER BY dc.id LIMIT $3`

// EdgePatients reads persons of active declarations in the order of these.
func (tx *Tx) EdgePatients(ctx context.Context, legalEntity, after registry.ID, limit int) (list []edge.Patient, err error) {
	err = tx.query(ctx, func(rows pgx.Rows) (err error) {
		var p edge.Patient
		var person personRow
		if err := rows.Scan(append([]any{&p.DeclarationID, &p.DeclarationNumber, &p.EmployeeID, &p.DivisionID}, person.dest()...)...); err != nil {
			return err
		}
		if p.Person, err = tx.openPerson(person); err != nil {
			return err
		}
		list = append(list, p)
		return nil
	}, edgePatients, legalEntity, after, limit)
	return list, err
}

// HoldEdgeSite makes or holds the row of a site.
func (tx *Tx) HoldEdgeSite(ctx context.Context, site, key, legalEntity registry.ID, at time.Time) (last uint64, err error) {
	if err := tx.exec(ctx, `INSERT INTO edge_sites (id, legal_entity_id, key_id, last_read, first_seen_at, seen_at)
VALUES ($1, $2, $3, 0, $4, $4) ON CONFLICT (id) DO NOTHING`, site, legalEntity, key, at); err != nil {
		return 0, err
	}
	// A site of another legal entity is behind the wall, and is not taken over.
	found, err := tx.queryOne(ctx, []any{&last}, `UPDATE edge_sites SET key_id = $3, seen_at = $4 WHERE id = $1 AND legal_entity_id = $2 RETURNING last_read`, site, legalEntity, key, at)
	if err == nil && !found {
		err = errNotFound
	}
	return last, err
}

// MoveEdgeSite queues up to which look-up a site has reported.
func (tx *Tx) MoveEdgeSite(ctx context.Context, site registry.ID, last uint64, at time.Time) error {
	return tx.execChecked(ctx, oneRow, `UPDATE edge_sites SET last_read = $2, seen_at = $3 WHERE id = $1`, site, last, at)
}

// EdgeOwn keeps those persons and employees that are the legal entity's.
func (tx *Tx) EdgeOwn(ctx context.Context, legalEntity registry.ID, persons, employees []registry.ID) (ownPersons, ownEmployees map[registry.ID]bool, err error) {
	ownPersons, ownEmployees = map[registry.ID]bool{}, map[registry.ID]bool{}
	into := func(m map[registry.ID]bool) func(pgx.Rows) error {
		return func(rows pgx.Rows) error {
			var id registry.ID
			err := rows.Scan(&id)
			m[id] = true
			return err
		}
	}
	err = tx.queries(ctx,
		read{sql: `SELECT DISTINCT person_id FROM declarations WHERE legal_entity_id = $1 AND person_id = ANY($2)`, args: []any{legalEntity, persons}, scan: into(ownPersons)},
		read{sql: `SELECT id FROM employees WHERE legal_entity_id = $1 AND id = ANY($2)`, args: []any{legalEntity, employees}, scan: into(ownEmployees)})
	return ownPersons, ownEmployees, err
}
