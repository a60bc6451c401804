package postgres

import (
	"context"
	"encoding/json"

	"github.com/jackc/pgx/v5"

	"mist/registry"
	"mist/registry/patient"
)

func lookupKey(q patient.Query) (kind, value string) {
	switch {
	case q.TaxID != "":
		return keyTaxID, string(q.TaxID)
	case q.UNZR != "":
		return keyUNZR, string(q.UNZR)
	}
	return keyDocument, documentKey(q.DocumentType, q.DocumentNumber)
}

// lookPersonSQL reads the records under a blind key. Where the key does not
// exist it reads those of the next key in order, marked as not exact: blind keys
// are pseudo-random, so a miss reads some record at random, as a hit does, and
// takes the same time.
const lookPersonSQL = `SELECT k.key = $2, ` + personColumns + ` FROM (SELECT key FROM person_keys WHERE kind = $1 AND key >= $2 ORDER BY key LIMIT 1) near
JOIN person_keys k ON k.kind = $1 AND k.key = near.key JOIN persons p ON p.id = k.person_id LIMIT 9`

// For other rooms' statements, which do not name the index's tables.
const (
	selectPerson      = `SELECT ` + personColumns + ` FROM persons p WHERE p.id = $1`
	selectPersonState = `SELECT status, verification_status FROM persons WHERE id = $1`
	// selectApproval is what the approval of a declaration leans on, by its draft.
	selectApproval = `SELECT p.status, p.verification_status, party_load(d.party_id, d.person_id), (` + newestRoot + `),
    ARRAY(SELECT DISTINCT e.speciality FROM employees e WHERE e.party_id = d.party_id AND e.type = 'DOCTOR' AND e.status = 'APPROVED' ORDER BY 1)
FROM drafts d JOIN persons p ON p.id = d.person_id WHERE d.id = $1`
	selectPersonActive = `SELECT status = 'active' FROM persons WHERE id = $1`
)

// identity is what a question about a person is judged by; the rest of the
// record is opened by those who read it.
type identity struct {
	LastName   string        `json:"last_name"`
	FirstName  string        `json:"first_name"`
	SecondName string        `json:"second_name"`
	BirthDate  registry.Date `json:"birth_date"`
	TaxID      string        `json:"tax_id"`
	UNZR       string        `json:"unzr"`
}

// looked is what lookPerson finds.
type looked struct {
	person patient.Person
	found  bool
	rows   int
	merged bool        // one of the records points to the survivor of a merge
	read   registry.ID // the last record read, meant or not
}

// lookPerson reads the person meant by a query: identity members alone. A
// record of version 0 is only reserved for an open request.
func (tx *Tx) lookPerson(q patient.Query, l *looked) read {
	kind, value := lookupKey(q)
	return read{sql: lookPersonSQL, args: []any{kind, tx.personKey(kind, value)}, scan: func(rows pgx.Rows) error { return tx.scanLooked(rows, l) }}
}

// scanLooked reads one row.
func (tx *Tx) scanLooked(rows pgx.Rows, l *looked) error {
	var exact bool
	var row personRow
	if err := rows.Scan(append([]any{&exact}, row.dest()...)...); err != nil {
		return err
	}
	return tx.openLooked(l, row, exact)
}

func (tx *Tx) openLooked(l *looked, row personRow, exact bool) error {
	l.rows++
	plain, err := tx.open("persons", row.stored.ID.String(), row.sealed)
	if err != nil {
		return err
	}
	var i identity
	if err := json.Unmarshal(plain, &i); err != nil {
		return err
	}
	p := row.stored
	l.read = p.ID
	l.merged = l.merged || exact && !p.MasterID.IsZero()
	l.found = exact && l.rows == 1 && p.Version > 0 && p.Status == patient.StatusActive
	l.person = patient.Person{}
	if l.found {
		p.LastName, p.FirstName, p.SecondName, p.BirthDate, p.TaxID, p.UNZR = i.LastName, i.FirstName, i.SecondName, i.BirthDate, i.TaxID, i.UNZR
		l.person = p
	}
	return nil
}

func (l *looked) unsettled() bool { return l.merged || l.rows > 1 }

// settle follows a merge, or tells several records apart: rare, and done by the
// statement that knows chains.
func (tx *Tx) settle(ctx context.Context, q patient.Query, l *looked) (err error) {
	if l.unsettled() {
		l.person, l.found, err = tx.FindPerson(ctx, q)
		l.found = l.found && l.person.Version > 0
	}
	return err
}

// FindDependant implements query.Tx. The relationship is asked for whoever was
// read, so that a number nobody has costs what somebody else's child's does.
func (tx *Tx) FindDependant(ctx context.Context, confidant patient.Person, q patient.Query, day registry.Date) (p patient.Person, found bool, err error) {
	defer tx.across()()
	var who looked
	if err := tx.queries(ctx, tx.lookPerson(q, &who)); err != nil {
		return patient.Person{}, false, err
	}
	if err := tx.settle(ctx, q, &who); err != nil {
		return patient.Person{}, false, err
	}
	child := who.read
	if who.found {
		child = who.person.ID
	}
	r, known, err := tx.RelationshipBetween(ctx, child, confidant.ID)
	if err != nil || !known || !who.found || r.ApprovedStrictly(day) != nil {
		return patient.Person{}, false, err
	}
	return who.person, true, nil
}

// activeAmong gives those of the records that are in use; it reads nothing of them.
func (tx *Tx) activeAmong(ctx context.Context, ids [][16]byte) (map[registry.ID]bool, error) {
	active := map[registry.ID]bool{}
	err := tx.query(ctx, func(rows pgx.Rows) error {
		var id registry.ID
		err := rows.Scan(&id)
		active[id] = true
		return err
	}, `SELECT id FROM persons WHERE id = ANY ($1) AND status = 'active'`, ids)
	return active, err
}
