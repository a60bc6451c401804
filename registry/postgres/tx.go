package postgres

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

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
	held  *pgxpool.Conn // conn, when this transaction took it from the pool
	ctx   context.Context
	begin string
	// reach is whose rows are seen; wide counts the methods on the way that see
	// all, and narrow tells what the database was told last: a connection begins
	// with all rows.
	reach  registry.Reach
	wide   int
	narrow bool
	// clinics are those whose acts share this transaction, in the place of one.
	clinics []registry.ID

	begun  bool
	looked bool // the one trip of Peek was made
	alone  bool // the trip that is made is the only one
	// gathers says that the queue is taken by [Store.Together] and nothing is read.
	gathers bool
	// alike lets the last trip make one statement of those of a kind.
	alike bool
	queue []statement
	err   error // the first failure; the transaction cannot commit after it

	leafOf map[registry.ID]registry.ID // act → entry id reserved for it
	spent  []uint64                    // writer numbers to be given back on rollback
	// ledger is the request's two books; ownLedger tells that this transaction stands
	// for itself.
	ledger    *registry.Ledger
	ownLedger bool
	// voided and freed are numbers this transaction records as void.
	voided, freed []uint64
	// sent says that the database was asked to commit, and refused that it answered
	// with an error: unless it was sent and not refused, it surely did not commit.
	sent, refused bool

	keeping []registry.Digest // objects of reports this transaction keeps
	// endsTokens is set when a statement changed what tokens hang on.
	endsTokens bool
}

type statement struct {
	sql  string
	args []any
	// check judges the outcome; nil takes any.
	check func(pgconn.CommandTag) error
	// scan gets the rows of a question that waits for the next trip.
	scan func(pgx.Rows) error
	// across lets the statement see rows of all legal entities.
	across bool
	// guard says that the database refuses instead of changing no row.
	guard bool
	// revisions are told the transaction's number: rows it writes are known by it.
	revisions []*string
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

// connect takes a connection. Look and Peek do so with their trip: what they
// ask may be known.
func (tx *Tx) connect() (err error) {
	if tx.conn == nil {
		if tx.held, err = tx.store.pool.Acquire(tx.ctx); err == nil {
			tx.conn = tx.held.Conn()
		}
	}
	return err
}

func (tx *Tx) disconnect() {
	if tx.held != nil {
		tx.held.Release()
		tx.held, tx.conn = nil, nil
	}
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
	tx.queue = append(tx.queue, statement{sql: sql, args: plain(args), check: check, across: tx.wide > 0})
	return nil
}

// execNow sends the queue and one statement and gives its outcome.
func (tx *Tx) execNow(ctx context.Context, sql string, args ...any) (tag pgconn.CommandTag, err error) {
	err = tx.execChecked(ctx, func(t pgconn.CommandTag) error { tag = t; return nil }, sql, args...)
	if err == nil {
		err = tx.trip(nil)
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
	return tx.trip([]read{{sql: sql, args: plain(args), scan: scan}})
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

// Alike lets statements of one kind that are queued from here to the commit travel
// as one, as [Store.Together] does it: none of them may need to stand before
// another's. For who writes the same of many.
func (tx *Tx) Alike() { tx.alike = true }

// fail keeps the first error.
func (tx *Tx) fail(err error) error {
	if tx.err == nil {
		tx.err = mapError(err)
	}
	return tx.err
}

// trip makes one round trip: BEGIN if it is due, the queue, then the reads; and
// between them whose rows may be seen, where that changes. What comes first and
// sees all rows is told nothing: a connection begins with all of them.
func (tx *Tx) trip(reads []read) error {
	if tx.gathers {
		return tx.fail(errGathers)
	}
	if err := tx.connect(); err != nil {
		return tx.fail(err)
	}
	queue := tx.queue
	tx.queue = nil
	for _, r := range reads {
		queue = append(queue, statement{sql: r.sql, args: r.args, scan: r.scan, across: r.across || tx.wide > 0})
	}
	if tx.begin == "" {
		if tx.looked && !tx.reach.All || slices.ContainsFunc(queue, func(s statement) bool { return s.scan == nil }) {
			return tx.fail(errLook)
		}
		tx.looked = true
		if len(queue) == 1 && tx.reach.All {
			return tx.look(queue[0])
		}
	}
	batch := &pgx.Batch{}
	// outcomes take the results in the order of the batch.
	var outcomes []func(pgx.BatchResults) error
	add := func(sql string, args []any, outcome func(pgx.BatchResults) error) {
		batch.Queue(sql, args...)
		outcomes = append(outcomes, outcome)
	}
	if !tx.begun && !tx.alone && tx.begin != "" {
		tx.begun = true
		add(tx.begin, nil, ignored)
	}
	for _, s := range queue {
		// What ends with the transaction needs no closing, and leaves have no wall.
		if narrow := !s.across && !tx.reach.All; narrow != tx.narrow && s.sql != commit && s.sql != insertLeaf {
			switch tx.narrow = narrow; {
			case narrow && tx.clinics != nil:
				add(setReachOfSeveral, []any{clinicList(tx.clinics)}, ignored)
			case narrow:
				add(setReach, reachArgs(tx.reach), ignored)
			default:
				add(setReach, reachArgs(registry.Reach{All: true}), ignored)
			}
		}
		tx.endsTokens = tx.endsTokens || s.scan == nil && endsTokens(s.sql)
		add(s.sql, s.args, func(results pgx.BatchResults) error { return s.judge(tx, results) })
		tx.sent = tx.sent || s.sql == commit
	}
	if batch.Len() == 0 {
		return nil
	}
	tx.sent = tx.sent || tx.alone
	results := tx.conn.SendBatch(tx.ctx, batch)
	var err error
	for i := 0; err == nil && i < len(outcomes); i++ {
		err = outcomes[i](results)
	}
	if closeErr := results.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		tx.refused = tx.refused || refusedByDatabase(err)
		return tx.fail(err)
	}
	return nil
}

// refusedByDatabase reports that the database answered with an error and goes on:
// what the error stood in is undone. After a fatal one nobody knows.
func refusedByDatabase(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.SeverityUnlocalized == "ERROR"
}

// look runs a single query without a pipeline.
func (tx *Tx) look(s statement) error {
	rows, err := tx.conn.Query(tx.ctx, s.sql, s.args...)
	if err != nil {
		return tx.fail(err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := s.scan(rows); err != nil {
			return tx.fail(err)
		}
	}
	if err := rows.Err(); err != nil {
		return tx.fail(err)
	}
	return nil
}

var errLook = errors.New("postgres: Look and Peek write nothing, and Peek makes one trip")

const commit = "commit"

func ignored(results pgx.BatchResults) error {
	_, err := results.Exec()
	return err
}

// judge takes the statement's outcome.
func (s statement) judge(tx *Tx, results pgx.BatchResults) error {
	if s.scan != nil {
		return scanAll(results, s.scan)
	}
	tag, err := results.Exec()
	if s.guard {
		var pg *pgconn.PgError
		if errors.As(err, &pg) && pg.Code == divisionByZero {
			tx.refused = true
			err = s.check(noRow)
			if err == nil {
				err = pg // the database has rolled back all the same
			}
		}
		return err
	}
	if err == nil && s.check != nil {
		err = s.check(tag)
	}
	return err
}

const divisionByZero = "22012"

var noRow, oneRowDone = pgconn.NewCommandTag("UPDATE 0"), pgconn.NewCommandTag("UPDATE 1")

// guarded is the statement in a form that the database itself refuses when it
// does not change one row. What travels with COMMIT has to be: a judge on this side
// reads the outcome when everything is committed. It is there for statements
// whose check takes one row and refuses none.
func (s statement) guarded() (statement, bool) {
	if s.check(oneRowDone) != nil || s.check(noRow) == nil || !plainWrite(s.sql) {
		return s, false
	}
	s.sql, s.guard = guardedHead+s.sql+` RETURNING 1) SELECT 1 / (count(*) = 1)::integer FROM done`, true
	return s, true
}

const guardedHead = `WITH done AS (`

// plainWrite reports that a statement can stand in WITH and returns nothing yet.
func plainWrite(sql string) bool {
	return (strings.HasPrefix(sql, "INSERT ") || strings.HasPrefix(sql, "UPDATE ") || strings.HasPrefix(sql, "DELETE ")) && !strings.Contains(sql, "RETURNING")
}

// commit sends what is queued together with COMMIT. When nothing was sent
// before, neither BEGIN nor COMMIT is: statements between two synchronisation
// points are one transaction of the database, deferred constraints and all.
func (tx *Tx) commit() error {
	if !tx.begun && len(tx.queue) == 0 {
		return nil
	}
	if tx.begin == "" {
		return tx.fail(errLook)
	}
	if len(tx.spent) > 0 {
		if err := tx.recordVoids(); err != nil {
			return err
		}
	}
	if tx.alike {
		tx.queue = bundled(tx.queue)
	}
	for i, s := range tx.queue {
		if s.check == nil || s.guard {
			continue
		}
		guarded, ok := s.guarded()
		if !ok {
			// Its outcome must be known before COMMIT is sent.
			if err := tx.trip(nil); err != nil {
				return err
			}
			break
		}
		tx.queue[i] = guarded
	}
	if !tx.begun {
		tx.alone = true
		err := tx.trip(nil)
		if err == nil {
			tx.committed()
		}
		return err
	}
	committed := false
	tx.queue = append(tx.queue, statement{sql: commit, check: func(tag pgconn.CommandTag) error {
		// COMMIT of a failed transaction answers ROLLBACK and no error.
		if tag.String() != "COMMIT" {
			tx.refused = true
			return errors.New("the database rolled the transaction back")
		}
		committed = true
		return nil
	}})
	err := tx.trip(nil)
	if committed {
		tx.committed()
		return nil
	}
	return err
}

func (tx *Tx) committed() {
	tx.begun, tx.spent, tx.voided, tx.freed = false, nil, nil, nil
	if tx.endsTokens {
		tx.store.endedTokens(tx.conn)
		tx.endsTokens = false
	}
	tx.store.kept.add(tx.keeping)
}

// surelyNot reports of a transaction that failed whether that is known.
func (tx *Tx) surelyNot() bool { return !tx.sent || tx.refused }

// rollback undoes everything; a connection on which that fails is thrown away
// by the pool, and the server rolls back by itself.
func (tx *Tx) rollback() {
	if tx.endsTokens { // committed or not: nobody knows of an error on the way
		tx.store.tokens.forget()
	}
	tx.store.writer.giveBack(tx.surelyNot(), tx.spent...)
	tx.store.writer.giveBack(tx.surelyNot(), tx.freed...)
	tx.store.writer.giveBack(false, tx.voided...)
	tx.spent, tx.freed, tx.voided, tx.queue = nil, nil, nil, nil
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
	b, err := tx.store.keys.Open(sealing.Place{Table: table, Row: row}, sealed)
	if err == nil {
		tx.noteOpened(table)
	}
	return b, err
}

var errNotFound = registry.Errorf(registry.CodeNotFound, "not found")
