package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"mist/registry"
	"mist/registry/patient"
)

// maxVersions bounds how many earlier versions of a record are read.
const maxVersions = 200

// PersonVersions reads what a record was before, newest first. The record as
// it stands is not among them.
func (tx *Tx) PersonVersions(ctx context.Context, id registry.ID) (list []patient.Version, err error) {
	var bodies []personRow
	err = tx.query(ctx, func(rows pgx.Rows) error {
		var v patient.Version
		var r personRow
		if err := rows.Scan(append(r.dest(), &v.EndedAt)...); err != nil {
			return err
		}
		v.EndedAt = v.EndedAt.UTC()
		list, bodies = append(list, v), append(bodies, r)
		return nil
	}, `SELECT v.person_id, v.version, v.status, v.verification_status, v.death_date, v.master_id, v.body, p.inserted_at, v.updated_at, '', v.ended_at
FROM person_versions v JOIN persons p ON p.id = v.person_id WHERE v.person_id = $1 ORDER BY v.ended_at DESC LIMIT $2`, id, maxVersions)
	for i := 0; err == nil && i < len(list); i++ {
		list[i].Person, err = tx.openPerson(bodies[i])
	}
	if err != nil {
		return nil, err
	}
	return list, nil
}
