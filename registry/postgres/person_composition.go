package postgres

import (
	"context"
	"encoding/json"

	"github.com/jackc/pgx/v5"

	"mist/registry"
	"mist/registry/composition"
	"mist/registry/patient"
	"mist/registry/query"
)

// compositionBody is what of a conclusion rests sealed.
type compositionBody struct {
	Number   string        `json:"number"`
	Type     string        `json:"type"`
	Category string        `json:"category,omitempty"`
	Date     registry.Date `json:"date,omitzero"`
	Start    registry.Date `json:"start,omitzero"`
	End      registry.Date `json:"end,omitzero"`
}

func (tx *Tx) compositionKey(number string) []byte {
	return tx.store.keys.Blind("compositions.number", number)
}

// PutComposition implements composition.Tx.
func (tx *Tx) PutComposition(ctx context.Context, r composition.Record) error {
	defer tx.across()()
	plain, err := json.Marshal(compositionBody{r.Number, r.Type, r.Category, r.Date, r.Start, r.End})
	if err != nil {
		return tx.fail(err)
	}
	body, err := tx.seal("compositions", r.ID.String(), plain)
	if err != nil {
		return err
	}
	return tx.exec(ctx, `INSERT INTO compositions (id, number_key, person_id, legal_entity_id, status, body, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (id) DO UPDATE SET person_id = excluded.person_id, legal_entity_id = excluded.legal_entity_id, status = excluded.status,
    body = excluded.body, updated_at = excluded.updated_at`,
		r.ID, tx.compositionKey(r.Number), r.PersonID, r.LegalEntityID, string(r.Status), body, tx.store.source.Now())
}

// lookCompositionSQL reads the conclusion under a blind key with its person and
// organisation; where there is none that of the next key, or the first: a miss
// opens some record, as a hit does, and takes the same time (ADR 0423).
const lookCompositionSQL = `SELECT c.number_key = $1, c.id, c.status, c.body, e.id, coalesce(nullif(e.public_name, ''), e.name), ` + personColumns + `
FROM (SELECT id FROM ((SELECT id FROM compositions WHERE number_key >= $1 ORDER BY number_key LIMIT 1)
    UNION ALL (SELECT id FROM compositions ORDER BY number_key LIMIT 1)) near LIMIT 1) one
JOIN compositions c ON c.id = one.id JOIN legal_entities e ON e.id = c.legal_entity_id JOIN persons p ON p.id = c.person_id`

// LookComposition implements query.CompositionsTx.
func (tx *Tx) LookComposition(ctx context.Context, number string) (s query.SeenComposition, err error) {
	defer tx.across()()
	var sealed []byte
	var row personRow
	err = tx.query(ctx, func(rows pgx.Rows) error {
		if err := rows.Scan(append([]any{&s.Found, &s.Record.ID, &s.Record.Status, &sealed, &s.Record.LegalEntityID, &s.Organisation}, row.dest()...)...); err != nil {
			return err
		}
		plain, err := tx.open("compositions", s.Record.ID.String(), sealed)
		if err != nil {
			return err
		}
		var b compositionBody
		if err := json.Unmarshal(plain, &b); err != nil {
			return err
		}
		s.Record.Number, s.Record.Type, s.Record.Category, s.Record.Date, s.Record.Start, s.Record.End = b.Number, b.Type, b.Category, b.Date, b.Start, b.End
		p, err := tx.openPerson(row)
		s.Record.PersonID, s.Persons = p.ID, []patient.Person{p}
		return err
	}, lookCompositionSQL, tx.compositionKey(number))
	if err != nil || !s.Found {
		return s, err
	}
	// The record may have been merged into another since: both are the person.
	for next := s.Persons[0].MasterID; !next.IsZero() && len(s.Persons) <= maxMerges; {
		p, err := tx.Person(ctx, next)
		if err != nil {
			return s, err
		}
		s.Persons = append(s.Persons, p)
		next = p.MasterID
	}
	return s, nil
}
