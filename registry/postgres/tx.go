package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"mist/registry"
	"mist/registry/sealing"
)

// Tx is one transaction. Its methods are the ports of the rooms, one file an
// aggregate. It is bound to the goroutine and the context of Update or View;
// the contexts given to its methods must descend from that one and are only
// asked whether they have ended.
//
// Statements that return nothing are queued and sent together with the next
// query or with the commit: BEGIN, the writes of an act, its leaf and COMMIT
// are one round trip. Four round trips instead halve the rate at 32 clients.
type Tx struct {
	store *Store
	conn  *pgx.Conn
	ctx   context.Context
	begin string

	begun bool
	queue []statement
	err   error // the first failure; the transaction cannot commit after it

	leafOf map[registry.ID]registry.ID // act → entry id reserved for it
	spent  []uint64                    // writer numbers that become void on rollback
	voided []uint64                    // void numbers this transaction records
}

type statement struct {
	sql  string
	args []any
	// check judges the outcome; nil takes any.
	check func(pgconn.CommandTag) error
	// act is set when the statement inserts this act and nothing else.
	act registry.ID
}

// plain turns ids into what pgx encodes without asking: through driver.Valuer
// each costs it a failed plan and a text, a quarter of a small act's encoding.
func plain(args []any) []any {
	for i, a := range args {
		if id, ok := a.(registry.ID); ok {
			if id.IsZero() {
				args[i] = nil
			} else {
				args[i] = [16]byte(id)
			}
		}
	}
	return args
}

// exec queues a statement.
func (tx *Tx) exec(ctx context.Context, sql string, args ...any) error {
	return tx.execChecked(ctx, nil, sql, args...)
}

// execChecked queues a statement whose outcome is judged when it is sent.
func (tx *Tx) execChecked(ctx context.Context, check func(pgconn.CommandTag) error, sql string, args ...any) error {
	if tx.err != nil {
		return tx.err
	}
	if err := ctx.Err(); err != nil {
		return tx.fail(err)
	}
	tx.queue = append(tx.queue, statement{sql: sql, args: plain(args), check: check})
	return nil
}

// execNow sends the queue and one statement and gives its outcome.
func (tx *Tx) execNow(ctx context.Context, sql string, args ...any) (tag pgconn.CommandTag, err error) {
	err = tx.execChecked(ctx, func(t pgconn.CommandTag) error { tag = t; return nil }, sql, args...)
	if err == nil {
		err = tx.send(nil, nil)
	}
	return tag, err
}

// query sends the queue and a query and gives each row to scan. The rows live
// until scan returns.
func (tx *Tx) query(ctx context.Context, scan func(pgx.Rows) error, sql string, args ...any) error {
	if tx.err != nil {
		return tx.err
	}
	if err := ctx.Err(); err != nil {
		return tx.fail(err)
	}
	return tx.send(&statement{sql: sql, args: plain(args)}, scan)
}

// queryOne reads at most one row; found is false when there is none.
func (tx *Tx) queryOne(ctx context.Context, dest []any, sql string, args ...any) (found bool, err error) {
	err = tx.query(ctx, func(rows pgx.Rows) error {
		if found {
			return errors.New("one row expected, got more: " + sql)
		}
		found = true
		return rows.Scan(dest...)
	}, sql, args...)
	return found, err
}

// fail keeps the first error.
func (tx *Tx) fail(err error) error {
	if tx.err == nil {
		tx.err = mapError(err)
	}
	return tx.err
}

// send makes one round trip: BEGIN if it is due, the queue, then the query.
func (tx *Tx) send(query *statement, scan func(pgx.Rows) error) error {
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
	if query != nil {
		batch.Queue(query.sql, query.args...)
	}
	if batch.Len() == 0 {
		return nil
	}
	results := tx.conn.SendBatch(tx.ctx, batch)
	err := receive(results, opening, queue, query != nil, scan)
	if closeErr := results.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return tx.fail(err)
	}
	return nil
}

func receive(results pgx.BatchResults, opening bool, queue []statement, query bool, scan func(pgx.Rows) error) error {
	if opening {
		if _, err := results.Exec(); err != nil {
			return err
		}
	}
	for _, s := range queue {
		tag, err := results.Exec()
		if err == nil && s.check != nil {
			err = s.check(tag)
		}
		if err != nil {
			return err
		}
	}
	if !query {
		return nil
	}
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

// commit sends what is queued together with COMMIT.
func (tx *Tx) commit() error {
	if !tx.begun && len(tx.queue) == 0 {
		return nil
	}
	if len(tx.spent) > 0 {
		if err := tx.recordVoids(); err != nil {
			return err
		}
	}
	committed := false
	tx.queue = append(tx.queue, statement{sql: "commit", check: func(tag pgconn.CommandTag) error {
		// COMMIT of a failed transaction answers ROLLBACK and no error.
		if tag.String() != "COMMIT" {
			return errors.New("the database rolled the transaction back")
		}
		committed = true
		return nil
	}})
	err := tx.send(nil, nil)
	if committed {
		tx.begun, tx.spent, tx.voided = false, nil, nil
		return nil
	}
	return err
}

// rollback undoes everything; a connection on which that fails is thrown away
// by the pool, and the server rolls back by itself.
func (tx *Tx) rollback() {
	tx.store.writer.giveBack(tx.spent)
	tx.store.writer.giveBack(tx.voided)
	tx.spent, tx.voided, tx.queue = nil, nil, nil
	if !tx.begun || tx.conn.IsClosed() || tx.conn.PgConn().TxStatus() == 'I' {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(tx.ctx), time.Second)
	defer cancel()
	if _, err := tx.conn.Exec(ctx, "rollback"); err != nil {
		_ = tx.conn.Close(ctx)
	}
}

// seal and open bind a value to its table and row.
func (tx *Tx) seal(table, row string, plain []byte) ([]byte, error) {
	b, err := tx.store.keys.Seal(sealing.Place{Table: table, Row: row}, plain)
	if err != nil {
		return nil, tx.fail(err)
	}
	return b, nil
}

func (tx *Tx) open(table, row string, sealed []byte) ([]byte, error) {
	return tx.store.keys.Open(sealing.Place{Table: table, Row: row}, sealed)
}

var errNotFound = registry.Errorf(registry.CodeNotFound, "not found")
