package postgres

import (
	"context"

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

// lookPersonSQL finds the records under a blind key and follows merges. Where
// the key does not exist it does the same with the record of the next key in
// order, marked as not exact: blind keys are pseudo-random, so a miss reads some
// record at random, as a hit does, and takes the same time.
const lookPersonSQL = `WITH RECURSIVE near AS (
    SELECT n.person_id, n.key = $2 AS exact FROM (
        SELECT person_id, key, first_value(key) OVER (ORDER BY key) AS first FROM person_keys
        WHERE kind = $1 AND key >= $2 ORDER BY key LIMIT 8) n
    WHERE n.key = n.first
), chain (id, master_id, status, exact, steps) AS (
    SELECT p.id, p.master_id, p.status, n.exact, 0 FROM near n JOIN persons p ON p.id = n.person_id
    UNION
    SELECT p.id, p.master_id, p.status, c.exact, c.steps + 1 FROM chain c JOIN persons p ON p.id = c.master_id WHERE c.steps < $3
)
SELECT bool_or(c.exact) OVER (), ` + personColumns + ` FROM (SELECT DISTINCT id, exact FROM chain WHERE status = 'active' AND master_id IS NULL) c
JOIN persons p ON p.id = c.id LIMIT 2`

// lookPerson reads the person meant by a query. p and found are set when the
// reads are done; a record of version 0 is only reserved for an open request.
func (tx *Tx) lookPerson(q patient.Query, p *patient.Person, found *bool) read {
	kind, value := lookupKey(q)
	n := 0
	return read{lookPersonSQL, []any{kind, tx.personKey(kind, value), maxMerges}, func(rows pgx.Rows) error {
		n++
		var exact bool
		var row personRow
		if err := rows.Scan(append([]any{&exact}, row.dest()...)...); err != nil {
			return err
		}
		read, err := tx.openPerson(row)
		if err != nil {
			return err
		}
		*found = exact && n == 1 && read.Version > 0
		*p = patient.Person{}
		if *found {
			*p = read
		}
		return nil
	}}
}

// Look implements query.Tx: the stored answer, the consent and the person, in
// one trip.
func (tx *Tx) Look(ctx context.Context, l query.Look) (s query.Seen, err error) {
	var sealed []byte
	reads := []read{
		tx.lookPerson(l.Person, &s.Person, &s.Found),
		{selectExchange, []any{l.Client, l.MessageID, l.Request[:]}, func(rows pgx.Rows) error {
			s.Answered = true
			return rows.Scan(&sealed, &s.Exchange.EntryID, &s.Exchange.CreatedAt)
		}},
	}
	if !l.Consent.IsZero() {
		reads = append(reads, read{selectConsent + ` WHERE id = $1`, []any{l.Consent}, func(rows pgx.Rows) (err error) {
			s.Known = true
			s.Consent, err = tx.scanConsent(rows)
			return err
		}})
	}
	if err := tx.queries(ctx, reads...); err != nil {
		return query.Seen{}, err
	}
	if s.Answered {
		e := &s.Exchange
		e.Client, e.MessageID, e.Request, e.CreatedAt = l.Client, l.MessageID, l.Request, e.CreatedAt.UTC()
		e.Answer, err = tx.open("exchanges", exchangeRow(l.Client, l.MessageID, l.Request), sealed)
	}
	return s, err
}

// FindDependant implements query.Tx. The record must name the confidant under
// its number, and have been verified.
func (tx *Tx) FindDependant(ctx context.Context, confidant patient.Person, q patient.Query, _ registry.Date) (p patient.Person, found bool, err error) {
	defer tx.across()()
	if err := tx.queries(ctx, tx.lookPerson(q, &p, &found)); err != nil || !found {
		return patient.Person{}, false, err
	}
	for _, c := range p.ConfidantPersons {
		same := c.TaxID != "" && c.TaxID == confidant.TaxID || c.UNZR != "" && c.UNZR == confidant.UNZR
		if same && p.VerificationStatus == "VERIFIED" {
			return p, true, nil
		}
	}
	return patient.Person{}, false, nil
}
