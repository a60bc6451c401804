package postgres

import (
	"context"
	"encoding/json"

	"github.com/jackc/pgx/v5"

	"mist/registry/material"
)

var _ material.Tx = (*Tx)(nil)

// trustLock is the advisory lock of changes of the trust material.
const trustLock = 0x6d697374_00000280

// LockTrust implements material.Tx.
func (tx *Tx) LockTrust(ctx context.Context) (version string, certificates []material.Named, err error) {
	if err := tx.exec(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(trustLock)); err != nil {
		return "", nil, err
	}
	var b []byte
	found, err := tx.queryOne(ctx, []any{&version, &b}, `SELECT version, certificates FROM trust_changes ORDER BY seq DESC LIMIT 1`)
	if err != nil || !found {
		return "", nil, err
	}
	if err := json.Unmarshal(b, &certificates); err != nil {
		return "", nil, tx.fail(err)
	}
	return version, certificates, nil
}

// PutTrustChange implements material.Tx.
func (tx *Tx) PutTrustChange(ctx context.Context, c material.Change, certificates []material.Named) error {
	var columns [3][]byte
	for i, list := range [][]material.Named{certificates, c.Added, c.Removed} {
		if list == nil {
			list = []material.Named{}
		}
		var err error
		if columns[i], err = json.Marshal(list); err != nil {
			return tx.fail(err)
		}
	}
	return tx.exec(ctx, `INSERT INTO trust_changes (version, at, entry_id, certificates, added, removed) VALUES ($1, $2, $3, $4::jsonb, $5::jsonb, $6::jsonb)`,
		c.Version, c.At, c.EntryID, string(columns[0]), string(columns[1]), string(columns[2]))
}

// TrustChanges implements material.Tx: newest first.
func (tx *Tx) TrustChanges(ctx context.Context, limit int) (list []material.Change, err error) {
	err = tx.query(ctx, func(rows pgx.Rows) error {
		var c material.Change
		var added, removed []byte
		if err := rows.Scan(&c.Version, &c.At, &c.EntryID, &c.Certificates, &added, &removed); err != nil {
			return err
		}
		c.At = c.At.UTC()
		if err := json.Unmarshal(added, &c.Added); err != nil {
			return err
		}
		list = append(list, c)
		return json.Unmarshal(removed, &list[len(list)-1].Removed)
	}, `SELECT version, at, entry_id, jsonb_array_length(certificates), added, removed FROM trust_changes ORDER BY seq DESC LIMIT $1`, limit)
	return list, err
}
