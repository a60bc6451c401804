package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"mist/registry"
	"mist/registry/medication"
)

// wanted writes the conditions of a filter. Only texts of ours stand in it.
type wanted struct {
	parts []string
	args  []any
}

// is adds a condition with one value unless it is empty; %s takes its place.
func (w *wanted) is(condition string, value any) {
	switch v := value.(type) {
	case registry.ID:
		if v.IsZero() {
			return
		}
	case string:
		if v == "" {
			return
		}
	}
	w.args = append(w.args, value)
	w.parts = append(w.parts, fmt.Sprintf(condition, fmt.Sprintf("$%d", len(w.args))))
}

// part adds a condition on a part of a name.
func (w *wanted) part(column, text string) {
	if text == "" {
		return
	}
	w.is("lower("+column+") LIKE %s", "%"+strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(strings.ToLower(text))+"%")
}

func (w *wanted) where() string {
	if len(w.parts) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(w.parts, " AND ")
}

// pageOf lists a page with the total, sorted by name.
func pageOf[T any](ctx context.Context, tx *Tx, columns, from, order string, w wanted, f medication.Filter, scan func(pgx.Rows) (T, error)) (list []T, total int, err error) {
	sql := fmt.Sprintf(`SELECT %s FROM %s%s ORDER BY %s LIMIT %d OFFSET %d`, columns, from, w.where(), order, f.Size, (f.Page-1)*f.Size)
	if err = tx.query(ctx, func(rows pgx.Rows) error {
		v, err := scan(rows)
		list = append(list, v)
		return err
	}, sql, w.args...); err != nil {
		return nil, 0, err
	}
	_, err = tx.queryOne(ctx, []any{&total}, `SELECT count(*) FROM `+from+w.where(), w.args...)
	return list, total, err
}

func scanBody[T any](rows pgx.Rows) (v T, err error) {
	err = rows.Scan(&v)
	return v, err
}

func scanINNM(rows pgx.Rows) (n medication.INNM, err error) {
	err = rows.Scan(&n.ID, &n.SCTID, &n.Name, &n.NameOriginal, &n.IsActive)
	return n, err
}

// INNMs implements medication.Tx.
func (tx *Tx) INNMs(ctx context.Context, f medication.Filter) ([]medication.INNM, int, error) {
	var w wanted
	w.is("n.is_active = %s", !f.Inactive)
	w.part("n.name", f.Name)
	w.part("n.name_original", f.NameOriginal)
	w.is("n.sctid = %s", f.SCTID)
	return pageOf(ctx, tx, "n.id, n.sctid, n.name, n.name_original, n.is_active", "innms n", "n.name, n.id", w, f, scanINNM)
}

func (w *wanted) dosages(f medication.Filter) {
	w.is("d.is_active = %s", !f.Inactive)
	w.part("d.name", f.Name)
	w.is("d.form = %s", f.Form)
	w.is("d.innm_id = %s", f.INNMID)
	w.is("d.id = %s", f.DosageID)
	w.is("%s = ANY (SELECT unnest(m.code_atc) FROM medications m WHERE m.dosage_id = d.id AND m.is_active)", f.ATC)
	w.is("EXISTS (SELECT FROM medications m JOIN program_medications p ON p.medication_id = m.id AND p.is_active WHERE m.dosage_id = d.id AND m.is_active AND p.medical_program_id = %s)", f.ProgramID)
}

// Dosages implements medication.Tx.
func (tx *Tx) Dosages(ctx context.Context, f medication.Filter) ([]medication.Dosage, int, error) {
	var w wanted
	w.dosages(f)
	return pageOf(ctx, tx, "d.body", "innm_dosages d", "d.name, d.id", w, f, scanBody[medication.Dosage])
}

// Brands implements medication.Tx.
func (tx *Tx) Brands(ctx context.Context, f medication.Filter) ([]medication.Brand, int, error) {
	var w wanted
	w.is("m.is_active = %s", !f.Inactive)
	w.part("m.name", f.Name)
	w.is("m.form = %s", f.Form)
	w.is("m.dosage_id = %s", f.DosageID)
	w.is("%s = ANY (m.code_atc)", f.ATC)
	w.is("EXISTS (SELECT FROM program_medications p WHERE p.medication_id = m.id AND p.is_active AND p.medical_program_id = %s)", f.ProgramID)
	return pageOf(ctx, tx, "m.body", "medications m", "m.name, m.id", w, f, scanBody[medication.Brand])
}

// Drugs implements medication.Tx: dosages that are sold, with INNM and packs. A
// name is looked for in the dosage's and in both of its INNM's.
func (tx *Tx) Drugs(ctx context.Context, f medication.Filter) (list []medication.Drug, total int, err error) {
	var w wanted
	name := f.Name
	f.Name, f.Inactive = "", false
	w.dosages(f)
	w.part("(d.name || ' ' || n.name || ' ' || n.name_original)", name)
	w.part("n.name_original", f.NameOriginal)
	w.is("n.sctid = %s", f.SCTID)
	w.is("EXISTS (SELECT FROM medications m WHERE m.dosage_id = d.id AND m.is_active) = %s", true)
	list, total, err = pageOf(ctx, tx, "d.body, n.id, n.sctid, n.name, n.name_original, n.is_active", "innm_dosages d JOIN innms n ON n.id = d.innm_id", "d.name, d.id", w, f,
		func(rows pgx.Rows) (d medication.Drug, err error) {
			err = rows.Scan(&d.Dosage, &d.INNM.ID, &d.INNM.SCTID, &d.INNM.Name, &d.INNM.NameOriginal, &d.INNM.IsActive)
			return d, err
		})
	if err != nil || len(list) == 0 {
		return list, total, err
	}
	at := make(map[registry.ID]int, len(list))
	ids := make([]registry.ID, len(list))
	for i, d := range list {
		at[d.Dosage.ID], ids[i] = i, d.Dosage.ID
	}
	err = tx.query(ctx, func(rows pgx.Rows) error {
		var dosage registry.ID
		var b medication.Brand
		if err := rows.Scan(&dosage, &b); err != nil {
			return err
		}
		d := &list[at[dosage]]
		d.Packages = append(d.Packages, medication.Package{MedicationID: b.ID, ContainerUnit: b.Container.DenumeratorUnit, Qty: b.PackageQty, MinQty: b.PackageMinQty})
		return nil
	}, `SELECT m.dosage_id, m.body FROM medications m WHERE m.is_active AND m.dosage_id = ANY($1) AND ($2 = '' OR $2 = ANY (m.code_atc)) ORDER BY m.name, m.id`, ids, f.ATC)
	return list, total, err
}

// Programs implements medication.Tx.
func (tx *Tx) Programs(ctx context.Context, f medication.Filter) ([]medication.Program, int, error) {
	var w wanted
	w.is("g.is_active = %s", !f.Inactive)
	w.part("g.name", f.Name)
	w.is("g.type = %s", f.Type)
	return pageOf(ctx, tx, "g.body", "medical_programs g", "g.name, g.id", w, f, scanBody[medication.Program])
}

// Participants implements medication.Tx.
func (tx *Tx) Participants(ctx context.Context, f medication.Filter) ([]medication.Participant, int, error) {
	var w wanted
	w.is("p.is_active = %s", !f.Inactive)
	w.is("p.medical_program_id = %s", f.ProgramID)
	w.is("p.medication_id = %s", f.MedicationID)
	w.is("m.dosage_id = %s", f.DosageID)
	w.part("m.name", f.Name)
	return pageOf(ctx, tx, "p.body", "program_medications p JOIN medications m ON m.id = p.medication_id", "m.name, p.id", w, f, scanBody[medication.Participant])
}

func oneBody[T any](ctx context.Context, tx *Tx, table string, id registry.ID) (v T, err error) {
	found, err := tx.queryOne(ctx, []any{&v}, `SELECT body FROM `+table+` WHERE id = $1`, id)
	if err == nil && !found {
		err = errNotFound
	}
	return v, err
}

// DosageByID implements medication.Reader.
func (tx *Tx) DosageByID(ctx context.Context, id registry.ID) (medication.Dosage, error) {
	return oneBody[medication.Dosage](ctx, tx, "innm_dosages", id)
}

// BrandByID implements medication.Reader.
func (tx *Tx) BrandByID(ctx context.Context, id registry.ID) (medication.Brand, error) {
	return oneBody[medication.Brand](ctx, tx, "medications", id)
}

// ProgramByID implements medication.Reader.
func (tx *Tx) ProgramByID(ctx context.Context, id registry.ID) (medication.Program, error) {
	return oneBody[medication.Program](ctx, tx, "medical_programs", id)
}

// ParticipantByID implements medication.Reader.
func (tx *Tx) ParticipantByID(ctx context.Context, id registry.ID) (medication.Participant, error) {
	return oneBody[medication.Participant](ctx, tx, "program_medications", id)
}

// Offers implements medication.Reader.
func (tx *Tx) Offers(ctx context.Context, dosage, program registry.ID) (list []medication.Offer, err error) {
	if program.IsZero() {
		err = tx.query(ctx, func(rows pgx.Rows) error {
			var o medication.Offer
			err := rows.Scan(&o.Brand)
			list = append(list, o)
			return err
		}, `SELECT m.body FROM medications m WHERE m.dosage_id = $1 AND m.is_active ORDER BY m.name, m.id`, dosage)
		return list, err
	}
	err = tx.query(ctx, func(rows pgx.Rows) error {
		var o medication.Offer
		err := rows.Scan(&o.Brand, &o.Participant)
		list = append(list, o)
		return err
	}, `SELECT m.body, p.body FROM program_medications p JOIN medications m ON m.id = p.medication_id
WHERE p.medical_program_id = $2 AND p.is_active AND m.dosage_id = $1 AND m.is_active ORDER BY m.name, m.id`, dosage, program)
	return list, err
}

// PutINNM queues a row, new or changed.
func (tx *Tx) PutINNM(ctx context.Context, v medication.INNM) error {
	return tx.exec(ctx, `INSERT INTO innms (id, sctid, name, name_original, is_active) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (id) DO UPDATE SET sctid = excluded.sctid, name = excluded.name, name_original = excluded.name_original, is_active = excluded.is_active`,
		v.ID, v.SCTID, v.Name, v.NameOriginal, v.IsActive)
}

// PutDosage queues a row, new or changed.
func (tx *Tx) PutDosage(ctx context.Context, v medication.Dosage) error {
	return tx.exec(ctx, `INSERT INTO innm_dosages (id, innm_id, name, form, is_active, body) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (id) DO UPDATE SET innm_id = excluded.innm_id, name = excluded.name, form = excluded.form, is_active = excluded.is_active, body = excluded.body`,
		v.ID, v.INNM(), v.Name, v.Form, v.IsActive, v)
}

// PutBrand queues a row, new or changed.
func (tx *Tx) PutBrand(ctx context.Context, v medication.Brand) error {
	codes := append([]string{}, v.ATC...)
	return tx.exec(ctx, `INSERT INTO medications (id, dosage_id, name, form, code_atc, is_active, body) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (id) DO UPDATE SET dosage_id = excluded.dosage_id, name = excluded.name, form = excluded.form, code_atc = excluded.code_atc, is_active = excluded.is_active, body = excluded.body`,
		v.ID, v.Dosage(), v.Name, v.Form, codes, v.IsActive, v)
}

// PutProgram queues a row, new or changed.
func (tx *Tx) PutProgram(ctx context.Context, v medication.Program) error {
	return tx.exec(ctx, `INSERT INTO medical_programs (id, name, type, is_active, body) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (id) DO UPDATE SET name = excluded.name, type = excluded.type, is_active = excluded.is_active, body = excluded.body`,
		v.ID, v.Name, v.Type, v.IsActive, v)
}

// PutParticipant queues a row, new or changed.
func (tx *Tx) PutParticipant(ctx context.Context, v medication.Participant) error {
	return tx.exec(ctx, `INSERT INTO program_medications (id, medication_id, medical_program_id, is_active, body) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (id) DO UPDATE SET medication_id = excluded.medication_id, medical_program_id = excluded.medical_program_id, is_active = excluded.is_active, body = excluded.body`,
		v.ID, v.MedicationID, v.ProgramID, v.IsActive, v)
}
