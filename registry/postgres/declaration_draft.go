package postgres

import (
	"context"
	"encoding/hex"

	"github.com/jackc/pgx/v5"

	"mist/registry"
	"mist/registry/declaration"
	"mist/registry/intake"
)

// Sides implements declaration.Tx: what a draft is made of, in one trip.
func (tx *Tx) Sides(ctx context.Context, person, employee, division, legalEntity registry.ID) (s declaration.Sides, err error) {
	var party []byte
	var number int64
	s.Parameters = map[string]string{}
	one := func(found *bool, dest ...any) func(pgx.Rows) error {
		return func(r pgx.Rows) error { *found = true; return r.Scan(dest...) }
	}
	var legal bool
	err = tx.queries(ctx,
		read{across: true, sql: selectPerson, args: []any{person}, scan: func(r pgx.Rows) (err error) {
			s.HasPerson = true
			s.Person, err = tx.scanPerson(r)
			return err
		}},
		read{across: true, sql: `SELECT ` + employeeColumns + ` FROM ` + employeeTables + ` WHERE e.id = $1`, args: []any{employee}, scan: one(&s.HasEmployee, employeeDest(&s.Employee, &party)...)},
		read{across: true, sql: `SELECT ` + divisionColumns + ` FROM divisions d WHERE d.id = $1`, args: []any{division}, scan: one(&s.HasDivision, divisionDest(&s.Division)...)},
		read{across: true, sql: `SELECT ` + legalEntityColumns + ` FROM legal_entities l WHERE l.id = $1`, args: []any{legalEntity}, scan: one(&legal, legalEntityDest(&s.LegalEntity)...)},
		read{across: true, sql: `SELECT name, value FROM global_parameters`, scan: func(r pgx.Rows) error {
			var name, value string
			err := r.Scan(&name, &value)
			s.Parameters[name] = value
			return err
		}},
		read{across: true, sql: `SELECT nextval('declaration_numbers')`, scan: func(r pgx.Rows) error { return r.Scan(&number) }},
	)
	if err == nil && !legal {
		err = errNotFound
	}
	if err == nil && s.HasEmployee {
		err = tx.openParty(&s.Employee.Party, party)
	}
	s.Sequence = uint64(number)
	return s, err
}

// DraftToApprove implements declaration.Tx: a draft without its documents, and
// what Standing tells with nobody's row held, in one trip.
func (tx *Tx) DraftToApprove(ctx context.Context, id registry.ID) (d intake.Draft, whole bool, a declaration.Standing, err error) {
	var row draftRow
	var root []byte
	standing, drafts := 0, 0
	a.Seed = emptySeed()
	err = tx.queries(ctx,
		// Who sees all comes first: a connection begins so.
		read{across: true, sql: selectApproval, args: []any{id}, scan: func(r pgx.Rows) error {
			standing++
			err := r.Scan(&a.Person.Status, &a.Person.VerificationStatus, &a.Declarations, &root, &a.Specialities)
			if root != nil {
				a.Seed = hex.EncodeToString(root)
			}
			return err
		}},
		read{sql: `SELECT ` + draftColumns + oneDraft, args: []any{id, string(declaration.Name)}, scan: func(r pgx.Rows) error {
			drafts++
			return r.Scan(row.dest()...)
		}},
	)
	if err == nil && (standing != 1 || drafts != 1) {
		err = errNotFound
	}
	if err == nil {
		d, err = tx.readDraft(row)
	}
	return d, !row.documents, a, err
}

// Standing implements declaration.Tx: what an approval depends on, in one trip.
// It holds the party's row, so that two approvals cannot both see the last free place.
func (tx *Tx) Standing(ctx context.Context, person, party registry.ID) (a declaration.Standing, err error) {
	defer tx.across()()
	if err := tx.lock(ctx, `SELECT FROM parties WHERE id = $1 FOR NO KEY UPDATE`, party); err != nil {
		return a, err
	}
	found := false
	err = tx.queries(ctx,
		read{sql: selectPersonState, args: []any{person}, scan: func(r pgx.Rows) error {
			found = true
			return r.Scan(&a.Person.Status, &a.Person.VerificationStatus)
		}},
		read{sql: doctorSpecialities, args: []any{party}, scan: func(r pgx.Rows) error {
			var s string
			err := r.Scan(&s)
			a.Specialities = append(a.Specialities, s)
			return err
		}},
		read{sql: countDeclarations, args: []any{party, person}, scan: func(r pgx.Rows) error { return r.Scan(&a.Declarations) }},
		read{sql: newestRoot, scan: seedInto(&a.Seed)},
	)
	if err == nil && !found {
		err = errNotFound
	}
	if a.Seed == "" {
		a.Seed = emptySeed()
	}
	return a, err
}
