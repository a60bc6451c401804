package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// read is one query of several that travel together. scan gets each row.
type read struct {
	sql  string
	args []any
	scan func(pgx.Rows) error
	// across lets the query see rows of all legal entities.
	across bool
}

// queries sends BEGIN if it is due, the queue and all reads in one trip.
// Questions that do not depend on each other's answers cost one wait, not one each.
func (tx *Tx) queries(ctx context.Context, reads ...read) error {
	if tx.err != nil {
		return tx.err
	}
	if err := ctx.Err(); err != nil {
		return tx.fail(err)
	}
	for i := range reads {
		plain(reads[i].args)
	}
	return tx.trip(reads)
}

func scanAll(results pgx.BatchResults, scan func(pgx.Rows) error) error {
	rows, err := results.Query()
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
