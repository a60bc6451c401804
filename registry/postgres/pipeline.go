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
	batch := &pgx.Batch{}
	opening := !tx.begun
	if opening {
		batch.Queue(tx.begin)
		tx.begun = true
	}
	queue := tx.queue
	tx.queue = nil
	for _, s := range queue {
		batch.Queue(s.sql, s.args...)
	}
	for _, r := range reads {
		batch.Queue(r.sql, plain(r.args)...)
	}
	results := tx.conn.SendBatch(tx.ctx, batch)
	err := receive(results, opening, queue, false, nil)
	for i := 0; err == nil && i < len(reads); i++ {
		err = scanAll(results, reads[i].scan)
	}
	if closeErr := results.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return tx.fail(err)
	}
	return nil
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
