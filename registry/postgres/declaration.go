package postgres

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"mist/registry"
	"mist/registry/declaration"
	"mist/registry/query"
)

const declarationColumns = `dc.id, dc.number, dc.request_id, dc.act_id, dc.person_id, dc.employee_id, dc.division_id, dc.legal_entity_id, dc.scope, dc.start_date, dc.end_date, dc.signed_at, dc.status, dc.reason, dc.seed, dc.overlimit, dc.sealed_at, dc.inserted_at, dc.updated_at`

func declarationDest(d *declaration.Declaration) []any {
	return []any{&d.ID, &d.Number, &d.RequestID, &d.ActID, &d.PersonID, &d.EmployeeID, &d.DivisionID, &d.LegalEntityID,
		&d.Scope, &d.StartDate, &d.EndDate, &d.SignedAt, &d.Status, &d.Reason, &d.Seed, &d.Overlimit, &d.SealedAt, &d.InsertedAt, &d.UpdatedAt}
}

func inUTC(d declaration.Declaration) declaration.Declaration {
	d.SignedAt, d.InsertedAt, d.UpdatedAt = d.SignedAt.UTC(), d.InsertedAt.UTC(), d.UpdatedAt.UTC()
	if d.SealedAt != nil {
		at := d.SealedAt.UTC()
		d.SealedAt = &at
	}
	return d
}

const doctorSpecialities = `SELECT DISTINCT speciality FROM employees WHERE party_id = $1 AND type = 'DOCTOR' AND status = 'APPROVED' ORDER BY 1`

// countDeclarations counts active and pending declarations of all positions of
// a party, and its approved drafts, without those of one person.
const countDeclarations = `SELECT party_load($1, $2)`

// ActiveDeclaration finds the person's declaration that is active or pending
// and holds its row, so that a job that ends it at this moment comes first or
// after, never between.
func (tx *Tx) ActiveDeclaration(ctx context.Context, person registry.ID) (d declaration.Declaration, found bool, err error) {
	defer tx.across()()
	found, err = tx.queryOne(ctx, declarationDest(&d), `SELECT `+declarationColumns+` FROM declarations dc
WHERE dc.person_id = $1 AND dc.status IN ('active', 'pending_verification') FOR NO KEY UPDATE`, person)
	return inUTC(d), found, err
}

// EndDeclaration queues the end of a declaration that is active or pending; by
// is the act that ended it. Its history line is written by a trigger.
func (tx *Tx) EndDeclaration(ctx context.Context, id registry.ID, status declaration.Status, reason string, by registry.ID) error {
	defer tx.across()()
	return tx.execChecked(ctx, oneRow, `UPDATE declarations SET status = $2, reason = $3, ended_by = $4, updated_at = $5
WHERE id = $1 AND status IN ('active', 'pending_verification')`, id, string(status), reason, by, tx.store.source.Now())
}

// SupersedeDeclaration queues the end of the person's declaration that is
// active or pending, if there is one, by a newer act.
func (tx *Tx) SupersedeDeclaration(ctx context.Context, person, by registry.ID) error {
	defer tx.across()()
	return tx.exec(ctx, supersedeDeclaration,
		person, string(declaration.StatusTerminated), declaration.ReasonSuperseded, by, tx.store.source.Now())
}

// InsertDeclaration queues a new declaration.
func (tx *Tx) InsertDeclaration(ctx context.Context, d declaration.Declaration) error {
	err := tx.exec(ctx, insertDeclaration,
		d.ID, d.Number, d.RequestID, d.ActID, d.PersonID, d.EmployeeID, d.DivisionID, d.LegalEntityID,
		d.Scope, d.StartDate, d.EndDate, d.SignedAt, string(d.Status), d.Reason, d.Seed, d.InsertedAt, d.UpdatedAt, d.Overlimit)
	if err != nil || d.ParentID.IsZero() {
		return err
	}
	return tx.exec(ctx, `INSERT INTO declaration_parents (declaration_id, parent_declaration_id) VALUES ($1, $2)`, d.ID, d.ParentID)
}

// CarriedOver tells whether a declaration was the person's with a legal entity
// that was merged into another one.
func (tx *Tx) CarriedOver(ctx context.Context, parent, person, successor registry.ID) (bool, error) {
	defer tx.across()()
	var one int
	return tx.queryOne(ctx, []any{&one}, `SELECT 1 FROM declarations d JOIN related_legal_entities r ON r.merged_from = d.legal_entity_id
WHERE d.id = $1 AND d.person_id = $2 AND r.merged_to = $3`, parent, person, successor)
}

// DeclarationParent is the declaration one took the place of; zero for most.
func (tx *Tx) DeclarationParent(ctx context.Context, id registry.ID) (parent registry.ID, err error) {
	_, err = tx.queryOne(ctx, []any{&parent}, `SELECT parent_declaration_id FROM declaration_parents WHERE declaration_id = $1`, id)
	return parent, err
}

const (
	supersedeDeclaration = `UPDATE declarations SET status = $2, reason = $3, ended_by = $4, updated_at = $5
WHERE person_id = $1 AND status IN ('active', 'pending_verification')`
	declarationInto = `(id, number, request_id, act_id, person_id, employee_id, division_id, legal_entity_id,
    scope, start_date, end_date, signed_at, status, reason, seed, inserted_at, updated_at, overlimit)`
	insertDeclaration = `INSERT INTO declarations ` + declarationInto + `
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)`
)

// DeclarationByAct finds the declaration an act made; not-found if there is none.
func (tx *Tx) DeclarationByAct(ctx context.Context, act registry.ID) (d declaration.Declaration, err error) {
	// By the act's patient, for whom there is an index, and who has few.
	found, err := tx.queryOne(ctx, declarationDest(&d), `SELECT `+declarationColumns+` FROM acts a JOIN declarations dc ON dc.person_id = a.patient_id AND dc.act_id = a.id WHERE a.id = $1`, act)
	if err == nil && !found {
		err = errNotFound
	}
	return inUTC(d), err
}

// DeclarationsOf lists a person's declarations in the given states, newest
// first, with the provider's side as it is today.
func (tx *Tx) DeclarationsOf(ctx context.Context, person registry.ID, statuses []declaration.Status, limit int) (list []query.Row, err error) {
	var found sealedRows
	err = tx.queries(ctx, found.read(selectProvided+`WHERE dc.person_id = $1`+whereProvided, person, statusNames(statuses), limit))
	if err != nil {
		return nil, err
	}
	return found.open(tx)
}

func statusNames(statuses []declaration.Status) []string {
	names := make([]string, len(statuses))
	for i, s := range statuses {
		names[i] = string(s)
	}
	return names
}

// Declarations with the provider's side, as far as answers tell it; whose stands
// between the two.
const (
	selectProvided = `SELECT dc.id, dc.number, dc.person_id, dc.start_date, dc.end_date, dc.signed_at, dc.status, dc.reason,
    e.id, e.position, e.speciality, pt.id, pt.last_name, pt.first_name, pt.second_name, pt.body,
    d.id, d.name, d.type, d.address, d.phones, d.email, d.working_hours, d.mountain_group,
    l.id, l.name, l.public_name, l.edrpou, l.type, l.phones, l.address
FROM declarations dc
JOIN employees e ON e.id = dc.employee_id JOIN parties pt ON pt.id = e.party_id
JOIN divisions d ON d.id = dc.division_id
JOIN legal_entities l ON l.id = dc.legal_entity_id
`
	whereProvided = ` AND dc.status = ANY ($2)
ORDER BY dc.inserted_at DESC, dc.id DESC LIMIT $3`
)

// sealedRows are declarations whose doctors are not opened yet.
type sealedRows struct {
	list    []query.Row
	parties [][]byte
}

func (f *sealedRows) read(sql string, args ...any) read {
	return read{sql: sql, args: args, scan: func(rows pgx.Rows) error {
		var r sealedRow
		err := rows.Scan(r.dest()...)
		f.add(r)
		return err
	}}
}

func (f *sealedRows) add(r sealedRow) {
	r.Declaration = inUTC(r.Declaration)
	f.list, f.parties = append(f.list, r.Row), append(f.parties, r.party)
}

// sealedRow is one of them.
type sealedRow struct {
	query.Row
	party []byte
}

func (r *sealedRow) dest() []any {
	dc, e, p, d, l := &r.Declaration, &r.Employee, &r.Employee.Party, &r.Division, &r.LegalEntity
	return []any{&dc.ID, &dc.Number, &dc.PersonID, &dc.StartDate, &dc.EndDate, &dc.SignedAt, &dc.Status, &dc.Reason,
		&e.ID, &e.Position, &e.Speciality, &p.ID, &p.LastName, &p.FirstName, &p.SecondName, &r.party,
		&d.ID, &d.Name, &d.Type, &d.Address, &d.Phones, &d.Email, &d.WorkingHours, &d.MountainGroup,
		&l.ID, &l.Name, &l.PublicName, &l.EDRPOU, &l.Type, &l.Phones, &l.Address}
}

// all reports that every declaration is the person's.
func (f *sealedRows) all(person registry.ID) bool {
	return !slices.ContainsFunc(f.list, func(r query.Row) bool { return r.Declaration.PersonID != person })
}

func (f *sealedRows) open(tx *Tx) ([]query.Row, error) {
	for i := range f.list {
		if err := tx.openParty(&f.list[i].Employee.Party, f.parties[i]); err != nil {
			return nil, err
		}
	}
	return f.list, nil
}
