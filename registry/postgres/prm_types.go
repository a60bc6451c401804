package postgres

import (
	"context"

	"mist/registry"
	"mist/registry/prm"
)

// LegalEntityType reads the row of rules of a type.
func (tx *Tx) LegalEntityType(ctx context.Context, name string) (t prm.LegalEntityType, found bool, err error) {
	found, err = tx.queryOne(ctx, []any{&t.Type, &t.NameUK, &t.NameEN, &t.Creatable, &t.KVEDs, &t.LicenceRequired, &t.OwnerType, &t.OwnerPositions,
		&t.DivisionTypes, &t.EmployeeTypes, &t.Scopes, &t.Capitation, &t.InDirectory},
		`SELECT type, name_uk, name_en, creatable, kveds, licence_required, owner_type, owner_positions, division_types, employee_types, scopes, capitation, in_directory
FROM legal_entity_types WHERE type = $1`, name)
	return t, found, err
}

// EmployeeType reads the row of rules of an employee type.
func (tx *Tx) EmployeeType(ctx context.Context, name string) (t prm.EmployeeType, found bool, err error) {
	found, err = tx.queryOne(ctx, []any{&t.Type, &t.NameUK, &t.NameEN, &t.Requestable, &t.Head, &t.Specialities, &t.Division},
		`SELECT type, name_uk, name_en, requestable, head, specialities, division FROM employee_types WHERE type = $1`, name)
	return t, found, err
}

// LockLegalEntity holds a legal entity's row until the transaction ends.
func (tx *Tx) LockLegalEntity(ctx context.Context, id registry.ID) error {
	return tx.lock(ctx, `SELECT FROM legal_entities WHERE id = $1 FOR NO KEY UPDATE`, id)
}

// LockDivision holds a division's row until the transaction ends.
func (tx *Tx) LockDivision(ctx context.Context, id registry.ID) error {
	return tx.lock(ctx, `SELECT FROM divisions WHERE id = $1 FOR NO KEY UPDATE`, id)
}

// LegalEntityByCode finds a legal entity by code and type and holds its row.
func (tx *Tx) LegalEntityByCode(ctx context.Context, code registry.EDRPOU, kind string) (l prm.LegalEntity, found bool, err error) {
	found, err = tx.queryOne(ctx, legalEntityDest(&l), `SELECT `+legalEntityColumns+` FROM legal_entities l WHERE l.edrpou = $1 AND l.type = $2 FOR NO KEY UPDATE`, string(code), kind)
	return l, found, err
}

// Head is the approved head of a legal entity.
func (tx *Tx) Head(ctx context.Context, legalEntity registry.ID) (e prm.Employee, found bool, err error) {
	var sealed []byte
	found, err = tx.queryOne(ctx, employeeDest(&e, &sealed), `SELECT `+employeeColumns+` FROM `+employeeTables+`
WHERE e.legal_entity_id = $1 AND e.status = 'APPROVED' AND e.type IN ('OWNER', 'PHARMACY_OWNER')`, legalEntity)
	if err == nil && found {
		err = tx.openParty(&e.Party, sealed)
	}
	return e, found, err
}

// Mountain tells whether a settlement lies in the mountains.
func (tx *Tx) Mountain(ctx context.Context, settlement string) (bool, error) {
	var one int
	return tx.queryOne(ctx, []any{&one}, `SELECT 1 FROM mountain_settlements WHERE settlement_id = $1::text::uuid`, settlement)
}

// SetMountain marks a settlement and every division whose residence is there.
func (tx *Tx) SetMountain(ctx context.Context, settlement string, mountain bool) (changed int, err error) {
	sql := `DELETE FROM mountain_settlements WHERE settlement_id = $1::text::uuid`
	if mountain {
		sql = `INSERT INTO mountain_settlements (settlement_id) VALUES ($1::text::uuid) ON CONFLICT DO NOTHING`
	}
	if err := tx.exec(ctx, sql, settlement); err != nil {
		return 0, err
	}
	tag, err := tx.execNow(ctx, `UPDATE divisions SET mountain_group = $2, updated_at = $3 WHERE mountain_group <> $2
AND details->'addresses' @> jsonb_build_array(jsonb_build_object('type', 'RESIDENCE', 'settlement_id', lower($1::text)))`, settlement, mountain, tx.store.source.Now())
	return int(tag.RowsAffected()), err
}
