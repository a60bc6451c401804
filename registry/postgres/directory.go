package postgres

import (
	"context"
	"encoding/json"

	"github.com/jackc/pgx/v5"

	"mist/registry"
	"mist/registry/directory"
	"mist/registry/prm"
)

// shown are the legal entities the directory may name.
const shown = `l.status = 'ACTIVE' AND EXISTS (SELECT FROM legal_entity_types t WHERE t.type = l.type AND t.in_directory)
    AND NOT EXISTS (SELECT FROM directory_hidden h WHERE h.legal_entity_id = l.id)`

// Directory reads all that everybody may know of providers.
func (tx *Tx) Directory(ctx context.Context) (d directory.Data, err error) {
	defer tx.across()()
	err = tx.query(ctx, func(rows pgx.Rows) error {
		var p directory.Provider
		err := rows.Scan(&p.ID, &p.Name, &p.EDRPOU, &p.Type, &p.Address, &p.Phones, &p.Email, &p.Website, &p.Licence, &p.Contract)
		d.Providers = append(d.Providers, p)
		return err
	}, `SELECT l.id, l.public_name, l.edrpou, l.type, l.address, l.phones, l.email, COALESCE(l.details->>'website', ''), COALESCE(l.licence->>'license_number', ''),
    COALESCE((SELECT min(k.number) FROM contracts k WHERE k.legal_entity_id = l.id AND k.status = 'VERIFIED' AND NOT k.is_suspended), '')
FROM legal_entities l WHERE `+shown)
	if err != nil {
		return d, err
	}
	err = tx.query(ctx, func(rows pgx.Rows) error {
		var p directory.Place
		var hours string
		var details prm.DivisionDetails
		if err := rows.Scan(&p.ID, &p.LegalEntityID, &p.Name, &p.Type, &p.Address, &p.Phones, &p.Email, &hours, &details); err != nil {
			return err
		}
		home := prm.Residence(details.Addresses)
		p.Area, p.Settlement, p.Location = home.Area, home.Settlement, details.Location
		if hours != "" {
			if err := json.Unmarshal([]byte(hours), &p.Hours); err != nil {
				return err
			}
		}
		d.Places = append(d.Places, p)
		return nil
	}, `SELECT d.id, d.legal_entity_id, d.name, d.type, d.address, d.phones, d.email, d.working_hours, d.details
FROM divisions d JOIN legal_entities l ON l.id = d.legal_entity_id WHERE d.status = 'ACTIVE' AND `+shown)
	if err != nil {
		return d, err
	}
	err = tx.query(ctx, func(rows pgx.Rows) error {
		var r directory.Row
		err := rows.Scan(&r.ID, &r.LastName, &r.FirstName, &r.SecondName, &r.Speciality, &r.DivisionID, &r.Type, &r.Count)
		d.Rows = append(d.Rows, r)
		return err
	}, `WITH held AS (
    SELECT e.party_id, sum(c.n) AS n FROM (SELECT employee_id, count(*) AS n FROM declarations WHERE status IN ('active', 'pending_verification') GROUP BY employee_id) c
    JOIN employees e ON e.id = c.employee_id GROUP BY e.party_id)
SELECT e.id, p.last_name, p.first_name, p.second_name, e.speciality, e.division_id, e.type, COALESCE(held.n, 0)::integer
FROM employees e JOIN parties p ON p.id = e.party_id JOIN legal_entities l ON l.id = e.legal_entity_id LEFT JOIN held ON held.party_id = e.party_id
WHERE e.status = 'APPROVED' AND e.type IN ('DOCTOR', 'SPECIALIST') AND e.division_id IS NOT NULL AND `+shown)
	return d, err
}

// SetHidden marks a legal entity as hidden from the directory, or not.
func (tx *Tx) SetHidden(ctx context.Context, legalEntity registry.ID, hidden bool, reason string) (changed bool, err error) {
	if hidden {
		tag, err := tx.execNow(ctx, `INSERT INTO directory_hidden (legal_entity_id, reason, inserted_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, legalEntity, reason, tx.store.source.Now())
		return tag.RowsAffected() == 1, err
	}
	tag, err := tx.execNow(ctx, `DELETE FROM directory_hidden WHERE legal_entity_id = $1`, legalEntity)
	return tag.RowsAffected() == 1, err
}
