package postgres

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"mist/registry"
)

// Together runs f, which may only write, and commits what it queued in one
// transaction with what others queue at the same moment: a commit, its trip and
// its wait for the disk are shared, and statements of one kind become one over
// arrays. Whoever waits alone goes alone, at once.
//
// Each keeps its own outcome: when the shared transaction fails, it is rolled
// back and every member is sent by itself. It returns after the commit. A
// member's statement may neither wait for a row that another member writes nor
// need to stand before another's.
//
// Those who reach all rows share with each other, and so do clinics: what they
// share reaches the rows of those clinics and of no other (ADR 0760).
func (s *Store) Together(ctx context.Context, f func(ctx context.Context, tx *Tx) error) error {
	if ctx.Value(insideKey{}) != nil {
		panic("postgres: a transaction inside a transaction")
	}
	reach := registry.ReachOf(ctx)
	g := &s.committing
	if !reach.All {
		if g = &s.clinics; reach.LegalEntityID.IsZero() || !reach.PersonID.IsZero() {
			return errors.New("postgres: Together is for clinics and for rooms that reach all rows")
		}
	}
	// Entries carry the time they were made at: what is not sent in time is not
	// sent, or it would stand behind checkpoints that are younger than it.
	waits, cancel := context.WithTimeout(context.Background(), 2*s.opt.WriteLimit)
	defer cancel()
	inside := context.WithValue(ctx, insideKey{}, true)
	tx := &Tx{store: s, ctx: inside, gathers: true, reach: reach}
	m := &member{reach: reach, waits: waits}
	done := false
	defer func() { // also after a panic
		if !done {
			s.writer.giveBack(!m.unknown, tx.spent...)
		}
	}()
	err := f(inside, tx)
	if err == nil {
		err = tx.err
	}
	if err == nil && len(tx.queue) > 0 {
		m.queue, m.spent, m.err, m.unknown = tx.queue, tx.spent, errNotSent, true
		g.ride(m, s.sendAll)
		err = m.err
	}
	if err != nil {
		return mapError(err)
	}
	done = true
	s.kept.add(tx.keeping)
	return nil
}

// Together is [Store.Together] over T.
func (p Port[T]) Together(ctx context.Context, f func(ctx context.Context, tx T) error) error {
	return p.store.Together(p.bind(ctx), func(ctx context.Context, tx *Tx) error { return f(ctx, any(tx).(T)) })
}

var errGathers = errors.New("postgres: Together only writes")

const (
	// maxTogether bounds what is done for several at once.
	maxTogether = 32
	// maxLanes is how many such works run at a time. The second is for the
	// time the first waits for the disk, and opens when so many wait that both are
	// full enough: what is done for sixteen at once costs each a third less than
	// for five (ADR 0872).
	maxLanes = 2
	fullLane = 16
)

// lanes gathers those who wait for the same kind of work. One of them, the
// lane's leader, has it done for all; when it is done the first who came
// meanwhile leads. Whoever comes while nobody works goes at once.
type lanes[M any] struct {
	mu      sync.Mutex // guards what follows
	waiting []seat[M]
	open    int
}

type seat[M any] struct {
	of M
	// turn tells true: lead; false: it was done.
	turn chan bool
}

// ride returns when work was done for a list that holds of. What came of it the
// work writes into the members; after a panic of the work it is never written.
func (l *lanes[M]) ride(of M, work func([]M)) {
	l.mu.Lock()
	if l.open >= maxLanes || l.open > 0 && len(l.waiting)+1 < fullLane {
		mine := seat[M]{of, make(chan bool, 1)}
		l.waiting = append(l.waiting, mine)
		l.mu.Unlock()
		if lead := <-mine.turn; !lead {
			return
		}
		l.mu.Lock()
	} else {
		l.open++
	}
	n := min(len(l.waiting), maxTogether-1)
	others := l.waiting[:n:n]
	l.waiting = l.waiting[n:]
	l.mu.Unlock()
	all := make([]M, 0, n+1)
	all = append(all, of)
	for _, s := range others {
		all = append(all, s.of)
	}
	defer l.handOver(others)
	work(all)
}

// handOver tells the others that it is done and passes the lane on.
func (l *lanes[M]) handOver(others []seat[M]) {
	for _, s := range others {
		s.turn <- false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiting) == 0 || l.open > 1 && len(l.waiting) < fullLane {
		if l.open--; len(l.waiting) == 0 {
			l.waiting = nil
		}
		return // whoever waits goes with the other lane
	}
	next := l.waiting[0]
	l.waiting = l.waiting[1:]
	next.turn <- true
}

// member is what one caller wants committed.
type member struct {
	queue []statement
	spent []uint64
	reach registry.Reach
	err   error
	// unknown says that it failed and may have been committed all the same.
	unknown bool
	// waits ends when it is too late to send it.
	waits context.Context
}

// errTooLate is the cause of a refusal: the database was away or blocked for so
// long that what waited is not sent any more.
var errTooLate = errors.New("postgres: it waited too long for a shared transaction")

// errNotSent stands until an outcome is known.
var errNotSent = errors.New("postgres: the transaction was not sent")

// sendAll gives each member its outcome.
func (s *Store) sendAll(all []*member) {
	members := make([]*member, 0, len(all))
	for _, m := range all {
		if m.waits.Err() != nil {
			m.err, m.unknown = unavailableError(errTooLate), false
			continue
		}
		members = append(members, m)
	}
	if len(members) > 1 {
		var queue []statement
		var spent []uint64
		var clinics []registry.ID
		for _, m := range members {
			queue, spent = append(queue, m.queue...), append(spent, m.spent...)
			if !m.reach.All {
				clinics = append(clinics, m.reach.LegalEntityID)
			}
		}
		unknown, err := s.send(bundled(queue), spent, registry.Reach{All: clinics == nil}, clinics)
		if err == nil || unknown || !refused(err) {
			for _, m := range members {
				m.err, m.unknown = err, unknown
			}
			return
		}
	}
	for _, m := range members {
		for try := 1; ; try++ {
			if m.waits.Err() != nil {
				m.err = unavailableError(errTooLate)
				break
			}
			m.unknown, m.err = s.send(m.queue, m.spent, m.reach, nil)
			if m.err == nil || try == maxTries || !lostToAnother(m.err) || answeredMeanwhile(m.err) {
				break
			}
		}
	}
}

// refused reports that the database, or a judge of an outcome, said no: then
// nothing was committed and each may be tried alone. Of an error on the way
// nobody knows.
func refused(err error) bool {
	var pg *pgconn.PgError
	var db *DatabaseError
	var judged *registry.Error
	return errors.As(err, &pg) || errors.As(err, &db) || errors.As(err, &judged) && judged.Err == nil
}

// answeredMeanwhile is told to the caller, who must look again.
func answeredMeanwhile(err error) bool {
	var db *DatabaseError
	return errors.As(err, &db) && db.Constraint == "exchanges_pkey"
}

// send commits a queue in one transaction and one trip. When it fails it tells
// whether nobody knows if it was committed.
func (s *Store) send(queue []statement, spent []uint64, reach registry.Reach, clinics []registry.ID) (unknown bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), s.opt.WriteLimit)
	defer cancel()
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return false, mapError(err)
	}
	defer conn.Release()
	tx := &Tx{store: s, conn: conn.Conn(), ctx: ctx, begin: "begin", reach: reach, clinics: clinics,
		queue: append(make([]statement, 0, len(queue)+2), queue...), spent: spent}
	if err = tx.commit(); err != nil {
		tx.spent = nil // they are given back by who asked
		tx.rollback()
		unknown = !tx.surelyNot()
	}
	return unknown, mapError(err)
}

// bundle is a statement over arrays: what several of one kind do, in one.
type bundle struct {
	sql   string
	types []string // of the arguments, as PostgreSQL names them
}

// newBundle writes a statement whose rows are the arguments: where each %s
// stands, columns of the types named follow as a query. A list of texts comes
// as its literal, for unnest would take its members apart.
func newBundle(sql string, parts ...string) bundle {
	var b bundle
	for _, part := range parts {
		var names, columns, arrays strings.Builder
		for i, t := range strings.Fields(part) {
			b.types = append(b.types, t)
			name := "c" + strconv.Itoa(i)
			if i > 0 {
				names.WriteString(", ")
				columns.WriteString(", ")
				arrays.WriteString(", ")
			}
			names.WriteString(name)
			columns.WriteString(name)
			array := t
			if t == "text[]" {
				columns.WriteString("::text[]")
				array = "text"
			}
			// Hidden from the planner, as in person_question.go.
			arrays.WriteString("(SELECT $" + strconv.Itoa(len(b.types)) + "::" + array + "[])")
		}
		sql = strings.Replace(sql, "%s", "SELECT "+columns.String()+" FROM unnest("+arrays.String()+") AS x ("+names.String()+")", 1)
	}
	b.sql = sql
	return b
}

const leafTypes, exchangeTypes = "uuid int4 text uuid uuid int8 bytea uuid bytea", "text text bytea bytea uuid timestamptz"

// bundles are the statements that can be one over many rows, by their text.
var bundles = map[string]bundle{
	insertLeaf: newBundle(`INSERT INTO leaves `+leafInto+` %s`, leafTypes),
	insertLeafWithExchange: newBundle(`WITH leaf AS (INSERT INTO leaves `+leafInto+` %s)
INSERT INTO exchanges `+exchangeColumns+` %s`, leafTypes, exchangeTypes),
	insertMedia:  newBundle(`INSERT INTO media (digest, body) %s ON CONFLICT DO NOTHING`, "bytea bytea"),
	useConsent:   newBundle(`INSERT INTO consents AS c (`+consentColumns+`) %s`+useConsentAgainTail, consentTypes),
	expectPerson: expectPersons,
	expectAuthor: newBundle(`WITH x AS (%s), held AS (
    SELECT FROM `+employeeTables+` JOIN x ON e.id = x.c0 AND e.status = 'APPROVED' AND `+authorRevision+` = x.c1 FOR SHARE OF e)
SELECT 1 / (count(*) = (SELECT count(*) FROM x))::integer FROM held`, "uuid text"),
	insertJob: insertJobs,
	insertDraft: newBundle(`INSERT INTO drafts `+draftInto+` %s`,
		"uuid text text text uuid text uuid uuid uuid uuid uuid uuid bytea text bytea int4 timestamptz timestamptz timestamptz timestamptz"),
	expectDraft: newBundle(`WITH x AS (%s)
SELECT 1 / (count(*) = (SELECT count(*) FROM x))::integer FROM drafts d JOIN x ON d.id = x.c0 AND d.xmin::text = x.c1`, "uuid text"),
	expectFewMisses: newBundle(`WITH x AS (%s)
SELECT 1 / (NOT EXISTS (SELECT FROM x JOIN code_misses m ON m.phone_key = x.c0 AND m.legal_entity_id = x.c1 AND m.missed >= x.c2 AND m.since >= x.c3))::integer`,
		"bytea uuid int4 timestamptz"),
	updateDraftUnchanged: newBundle(`UPDATE drafts d SET status = x.c1, status_reason = x.c2, body = x.c3, otp_mac = x.c4, otp_tries_left = x.c5,
    otp_expires_at = x.c6, updated_at = x.c7, expires_at = x.c8, auth_method = x.c9
FROM (%s) x WHERE d.id = x.c0 AND d.xmin::text = x.c10`, "uuid text text bytea bytea int4 timestamptz timestamptz timestamptz text text"),
	moveDraftUnchanged: newBundle(`UPDATE drafts d SET status = x.c1, status_reason = x.c2, updated_at = x.c3, expires_at = x.c4
FROM (%s) x WHERE d.id = x.c0 AND d.xmin::text = x.c5`, "uuid text text timestamptz timestamptz text"),
	setSeal:      newBundle(`UPDATE declarations d SET seal = x.c1, sealed_at = x.c2 FROM (%s) x WHERE d.id = x.c0 AND d.seal IS NULL`, "uuid bytea timestamptz"),
	insertReport: newBundle(`INSERT INTO reports `+reportInto+` %s`, "uuid uuid bytea text text text bytea timestamptz"),
	insertActWithLeaf: newBundle(`WITH x AS (%s), leaf AS (INSERT INTO leaves `+leafInto+` SELECT c10, c11, c12, c0, c13, c14, c15, c16, c17 FROM x)
INSERT INTO acts `+actInto+` SELECT c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, c10 FROM x`,
		"uuid text int4 uuid uuid uuid bytea bytea uuid timestamptz uuid int4 text uuid int8 bytea uuid bytea"),
	// OFFSET 0 has each person looked up by the key, however few rows there are.
	supersedeDeclaration: newBundle(`UPDATE declarations d SET status = x.c1, reason = x.c2, ended_by = x.c3, updated_at = x.c4
FROM (%s) x, LATERAL (SELECT o.id FROM declarations o WHERE o.person_id = x.c0 AND o.status IN ('active', 'pending_verification') OFFSET 0) o
WHERE d.id = o.id AND d.status IN ('active', 'pending_verification')`, "uuid text text uuid timestamptz"),
	insertDeclaration: newBundle(`INSERT INTO declarations `+declarationInto+` %s`,
		"uuid text uuid uuid uuid uuid uuid uuid text date date timestamptz text text text timestamptz timestamptz bool"),
	useConsentSingle: newBundle(`INSERT INTO consents AS c (`+consentColumns+`) %s`+useConsentOnceTail, consentTypes),
}

// keyedPlans keeps the database from planning anew what is joined with a handful
// of rows, for a plan costs more than the statement, and from plans that read a
// table through because it was small when they were made: all here goes by keys.
var keyedPlans = statement{across: true, sql: `SELECT set_config('plan_cache_mode', 'force_generic_plan', true), set_config('enable_seqscan', 'off', true),
    set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true)`}

// bundled puts statements of one kind into one.
func bundled(queue []statement) []statement {
	kinds := map[string][]statement{}
	var order []string
	out := []statement{keyedPlans}
	var revisions []*string
	for _, s := range queue {
		if s.revisions != nil {
			revisions = append(revisions, s.revisions...)
			continue
		}
		if _, ok := bundles[s.sql]; !ok {
			out = append(out, s)
			continue
		}
		if kinds[s.sql] == nil {
			order = append(order, s.sql)
		}
		kinds[s.sql] = append(kinds[s.sql], s)
	}
	if revisions != nil {
		out = slices.Insert(out, 1, newRevision(revisions...))
	}
	// What only looks, at rows of all, goes first: whose rows are seen is told once.
	looks := func(sql string) bool { return kinds[sql][0].guard && kinds[sql][0].across }
	slices.SortStableFunc(order, func(a, b string) int {
		switch {
		case looks(a) == looks(b):
			return 0
		case looks(a):
			return -1
		}
		return 1
	})
	for _, sql := range order {
		list := kinds[sql]
		if len(list) == 1 {
			out = append(out, list[0])
			continue
		}
		b := bundles[sql]
		one := statement{sql: b.sql, args: make([]any, len(b.types)), across: list[0].across}
		for i, t := range b.types {
			one.args[i] = array(t, list, i)
		}
		if list[0].check != nil && !list[0].guard {
			// As guarded, for all of them.
			one.sql = `WITH done AS (` + b.sql + ` RETURNING 1) SELECT 1 / (count(*) = $` + strconv.Itoa(len(b.types)+1) + `)::integer FROM done`
			one.args = append(one.args, int64(len(list)))
		}
		out = append(out, one)
	}
	return out
}

// array takes one argument of each statement.
func array(kind string, list []statement, i int) any {
	switch kind {
	case "uuid":
		out := make([]pgtype.UUID, len(list))
		for k, s := range list {
			if s.args[i] != nil {
				out[k] = pgtype.UUID{Bytes: s.args[i].([16]byte), Valid: true}
			}
		}
		return out
	case "text":
		return column[string](list, i)
	case "bytea":
		return column[[]byte](list, i)
	case "int4":
		return column[int32](list, i)
	case "int8":
		return column[int64](list, i)
	case "date":
		out := make([]pgtype.Date, len(list))
		for k, s := range list {
			if d := s.args[i].(registry.Date); !d.IsZero() {
				out[k] = pgtype.Date{Time: d.Time(), Valid: true}
			}
		}
		return out
	case "bool":
		return column[bool](list, i)
	case "timestamptz":
		out := make([]pgtype.Timestamptz, len(list))
		for k, s := range list {
			if s.args[i] != nil {
				out[k] = pgtype.Timestamptz{Time: s.args[i].(time.Time), Valid: true}
			}
		}
		return out
	case "text[]":
		out := make([]string, len(list))
		for k, s := range list {
			out[k] = arrayLiteral(s.args[i].([]string))
		}
		return out
	}
	panic("postgres: no arrays of " + kind)
}

// column panics where an argument is not of the column's type, as array does: a
// fault of the build, and no value may turn into another on the way.
func column[T any](list []statement, i int) []T {
	out := make([]T, len(list))
	for k, s := range list {
		out[k] = s.args[i].(T)
	}
	return out
}

// arrayLiteral writes a list of texts as PostgreSQL reads it, every member
// quoted.
func arrayLiteral(texts []string) string {
	var b strings.Builder
	b.WriteByte('{')
	for i, t := range texts {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('"')
		for k := range len(t) {
			if t[k] == '"' || t[k] == '\\' {
				b.WriteByte('\\')
			}
			b.WriteByte(t[k])
		}
		b.WriteByte('"')
	}
	b.WriteByte('}')
	return b.String()
}
