package postgres

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"

	"mist/registry"
	"mist/registry/bulk"
	"mist/registry/patient"
)

// importPersons copies the persons of members in, with their look-up keys, and
// gives the members whose person was not there yet.
func (tx *Tx) importPersons(ctx context.Context, members []bulk.Member, now time.Time) (fresh []bulk.Member, err error) {
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
		return nil, err
	}
	var persons, keys [][]any
	for _, m := range members {
		p := m.Person
		if known[p.ID] {
			continue
		}
		known[p.ID] = true
		fresh = append(fresh, m)
		p.Status, p.VerificationStatus = patient.StatusActive, bulk.VerificationImported
		text, err := json.Marshal(p)
		if err != nil {
			return nil, tx.fail(err)
		}
		body, err := tx.seal("persons", p.ID.String(), text)
		if err != nil {
			return nil, err
		}
		persons = append(persons, []any{p.ID, p.Version, string(p.Status), p.VerificationStatus, tx.identity(p), body, now, now, keysVersion})
		for _, k := range tx.personKeys(p) {
			keys = append(keys, []any{p.ID, k.kind, k.key})
		}
	}
	if err := tx.copyIn(ctx, "persons",
		[]string{"id", "version", "status", "verification_status", "identity", "body", "inserted_at", "updated_at", "keys_version"}, persons); err != nil {
		return nil, err
	}
	return fresh, tx.copyIn(ctx, "person_keys", []string{"person_id", "kind", "key"}, keys)
}
