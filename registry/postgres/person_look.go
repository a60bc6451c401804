package postgres

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"

	"mist/registry"
	"mist/registry/patient"
	"mist/registry/query"
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
const (
	lookPersonFrom = ` FROM (SELECT key FROM person_keys WHERE kind = $1 AND key >= $2 ORDER BY key LIMIT 1) near
JOIN person_keys k ON k.kind = $1 AND k.key = near.key JOIN persons p ON p.id = k.person_id`
	lookPersonSQL = `SELECT k.key = $2, ` + personColumns + lookPersonFrom + ` LIMIT 9`
	// lookAnswerSQL reads the stored answer of the same message beside.
	lookAnswerSQL = `SELECT k.key = $2, ` + personColumns + `, x.answer, x.entry_id, x.created_at` + lookPersonFrom + `
LEFT JOIN exchanges x ON x.client = $3 AND x.message_id = $4 AND x.request = $5 LIMIT 9`
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

// scanLooked reads one row, with further columns into more.
func (tx *Tx) scanLooked(rows pgx.Rows, l *looked, more ...any) error {
	l.rows++
	var exact bool
	var row personRow
	if err := rows.Scan(append(append([]any{&exact}, row.dest()...), more...)...); err != nil {
		return err
	}
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

// settle follows a merge, or tells several records apart: rare, and done by the
// statement that knows chains.
func (tx *Tx) settle(ctx context.Context, q patient.Query, l *looked) (err error) {
	if l.merged || l.rows > 1 {
		l.person, l.found, err = tx.FindPerson(ctx, q)
		l.found = l.found && l.person.Version > 0
	}
	return err
}

// lookConsentSQL reads a consent and whether the record it was given for was
// merged since.
const lookConsentSQL = `SELECT ` + consentColumns + `, (SELECT master_id FROM persons WHERE id = consents.person_id) FROM consents WHERE id = $1`

// lookDeclarationsSQL reads the declarations of whom lookPersonSQL reads first.
const lookDeclarationsSQL = selectProvided + `WHERE dc.person_id = (SELECT person_id FROM person_keys WHERE kind = $4 AND key >= $1 ORDER BY key LIMIT 1)` + whereProvided

// Look implements query.Tx: the stored answer, the consent and the person, in
// one trip.
func (tx *Tx) Look(ctx context.Context, l query.Look) (s query.Seen, err error) {
	var sealed []byte
	var entry registry.ID
	var at *time.Time
	var who looked
	kind, value := lookupKey(l.Person)
	reads := []read{{sql: lookAnswerSQL, args: []any{kind, tx.personKey(kind, value), l.Client, l.MessageID, l.Request[:]}, scan: func(rows pgx.Rows) error {
		return tx.scanLooked(rows, &who, &sealed, &entry, &at)
	}}}
	if !l.Consent.IsZero() {
		reads = append(reads, read{sql: lookConsentSQL, args: []any{l.Consent}, scan: func(rows pgx.Rows) (err error) {
			s.Known = true
			s.Consent, err = tx.scanConsent(rows, &s.Master)
			return err
		}})
	}
	var rows sealedRows
	if len(l.Declarations) > 0 {
		reads = append(reads, rows.read(lookDeclarationsSQL, tx.personKey(kind, value), statusNames(l.Declarations), l.Limit, kind))
	}
	if err := tx.queries(ctx, reads...); err != nil {
		return query.Seen{}, err
	}
	// Each statement has a snapshot of its own, and a key may have changed its
	// record between two: what is not of the record read is not used.
	if len(l.Declarations) > 0 && who.rows == 1 && rows.all(who.read) {
		s.Of, s.Rows = who.read, func() ([]query.Row, error) { return rows.open(tx) }
	}
	if who.rows == 0 {
		// No key is greater: nobody was read, and the answer is asked for alone.
		err := tx.queries(ctx, read{sql: selectExchange, args: []any{l.Client, l.MessageID, l.Request[:]}, scan: func(rows pgx.Rows) error { return rows.Scan(&sealed, &entry, &at) }})
		if err != nil {
			return query.Seen{}, err
		}
	}
	if err := tx.settle(ctx, l.Person, &who); err != nil {
		return query.Seen{}, err
	}
	s.Person, s.Found = who.person, who.found
	if at != nil {
		s.Answered = true
		s.Exchange = query.Exchange{Client: l.Client, MessageID: l.MessageID, Request: l.Request, EntryID: entry, CreatedAt: at.UTC()}
		s.Exchange.Answer, err = tx.open("exchanges", exchangeRow(l.Client, l.MessageID, l.Request), sealed)
	}
	return s, err
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
