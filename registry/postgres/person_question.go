package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"mist/registry"
	"mist/registry/query"
)

// What every consented question begins with, for several questions at once: ord
// counts them from 1. Each part is found by index, whatever the statistics say
// (OFFSET 0 keeps a subquery apart), and planned once: of an array that the
// planner sees it knows the length, takes one plan for cheaper than another and
// plans anew each time, for longer than the rest takes. (SELECT $1) hides it.
const (
	// As lookPersonSQL: of a key that does not exist the next one is read.
	lookPersonsSQL = `SELECT q.ord::int4, k.key = q.key, ` + personColumns + ` FROM unnest((SELECT $1::text[]), (SELECT $2::bytea[])) WITH ORDINALITY AS q (kind, key, ord)
CROSS JOIN LATERAL (SELECT key FROM person_keys WHERE kind = q.kind AND key >= q.key ORDER BY key LIMIT 1) near
CROSS JOIN LATERAL (SELECT person_id, key FROM person_keys WHERE kind = q.kind AND key = near.key LIMIT 9) k
CROSS JOIN LATERAL (SELECT * FROM persons WHERE id = k.person_id OFFSET 0) p`

	lookAnswersSQL = `SELECT q.ord::int4, x.answer, x.entry_id, x.created_at FROM unnest((SELECT $1::text[]), (SELECT $2::text[]), (SELECT $3::bytea[])) WITH ORDINALITY AS q (client, message, request, ord)
CROSS JOIN LATERAL (SELECT answer, entry_id, created_at FROM exchanges WHERE client = q.client AND message_id = q.message AND request = q.request OFFSET 0) x`

	// With whether the record the consent was given for was merged since.
	lookConsentsSQL = `SELECT c.*, q.ord::int4 FROM unnest((SELECT $1::uuid[])) WITH ORDINALITY AS q (id, ord)
CROSS JOIN LATERAL (SELECT ` + consentColumns + `, (SELECT master_id FROM persons WHERE id = consents.person_id) FROM consents WHERE id = q.id OFFSET 0) c`

	// The declarations of whom lookPersonsSQL reads first.
	lookDeclarationsSQL = `SELECT r.*, q.ord::int4 FROM unnest((SELECT $1::text[]), (SELECT $2::bytea[]), (SELECT $3::text[]), (SELECT $4::int4[])) WITH ORDINALITY AS q (kind, key, statuses, most, ord)
CROSS JOIN LATERAL (` + selectProvided + `WHERE dc.person_id = (SELECT person_id FROM person_keys WHERE kind = q.kind AND key >= q.key ORDER BY key LIMIT 1)
AND dc.status = ANY (q.statuses::text[]) ORDER BY dc.inserted_at DESC, dc.id DESC LIMIT q.most) r`
)

// question is a Look on its way.
type question struct {
	query.Look
	kind string
	key  []byte

	persons []personRow
	exact   []bool
	answer  []byte // sealed
	seen    query.Seen
	rows    sealedRows
	err     error
}

func (tx *Tx) question(l query.Look) *question {
	kind, value := lookupKey(l.Person)
	return &question{Look: l, kind: kind, key: tx.personKey(kind, value), err: errNotSent}
}

// lookAt reads what all the questions begin with, in one trip.
func (tx *Tx) lookAt(ctx context.Context, questions []*question) error {
	n := len(questions)
	kinds, keys, clients, messages, requests := make([]string, n), make([][]byte, n), make([]string, n), make([]string, n), make([][]byte, n)
	for i, q := range questions {
		kinds[i], keys[i], clients[i], messages[i], requests[i] = q.kind, q.key, q.Client, q.MessageID, q.Request[:]
	}
	reads := []read{
		{sql: lookPersonsSQL, args: []any{kinds, keys}, scan: func(rows pgx.Rows) error {
			var ord int32
			var exact bool
			var row personRow
			if err := rows.Scan(append([]any{&ord, &exact}, row.dest()...)...); err != nil {
				return err
			}
			q := questions[ord-1]
			q.persons, q.exact = append(q.persons, row), append(q.exact, exact)
			return nil
		}},
		{sql: lookAnswersSQL, args: []any{clients, messages, requests}, scan: func(rows pgx.Rows) error {
			var ord int32
			var e query.Exchange
			var sealed []byte
			if err := rows.Scan(&ord, &sealed, &e.EntryID, &e.CreatedAt); err != nil {
				return err
			}
			q := questions[ord-1]
			e.Client, e.MessageID, e.Request, e.CreatedAt = q.Client, q.MessageID, q.Request, e.CreatedAt.UTC()
			q.answer, q.seen.Exchange, q.seen.Answered = sealed, e, true
			return nil
		}},
	}
	reads = append(reads, tx.lookConsents(questions)...)
	reads = append(reads, tx.lookDeclarations(questions)...)
	return tx.queries(ctx, reads...)
}

func (tx *Tx) lookConsents(questions []*question) []read {
	ids, some := make([]pgtype.UUID, len(questions)), false
	for i, q := range questions {
		ids[i] = pgtype.UUID{Bytes: q.Consent, Valid: !q.Consent.IsZero()}
		some = some || ids[i].Valid
	}
	if !some {
		return nil
	}
	return []read{{sql: lookConsentsSQL, args: []any{ids}, scan: func(rows pgx.Rows) error {
		var ord int32
		var master registry.ID
		r, err := tx.scanConsent(rows, &master, &ord)
		if err == nil {
			s := &questions[ord-1].seen
			s.Known, s.Consent, s.Master = true, r, master
		}
		return err
	}}}
}

func (tx *Tx) lookDeclarations(questions []*question) []read {
	var of []*question
	var kinds, statuses []string
	var keys [][]byte
	var most []int32
	for _, q := range questions {
		if len(q.Declarations) > 0 {
			of, kinds, keys = append(of, q), append(kinds, q.kind), append(keys, q.key)
			statuses, most = append(statuses, arrayLiteral(statusNames(q.Declarations))), append(most, int32(q.Limit))
		}
	}
	if len(of) == 0 {
		return nil
	}
	return []read{{sql: lookDeclarationsSQL, args: []any{kinds, keys, statuses, most}, scan: func(rows pgx.Rows) error {
		var ord int32
		var r sealedRow
		if err := rows.Scan(append(r.dest(), &ord)...); err != nil {
			return err
		}
		of[ord-1].rows.add(r)
		return nil
	}}}
}

// opened opens what was read, on the goroutine of who asked. settle is done by
// the caller where it is due.
func (tx *Tx) opened(q *question) (who looked, err error) {
	for i, row := range q.persons {
		if err := tx.openLooked(&who, row, q.exact[i]); err != nil {
			return who, err
		}
	}
	// Each statement has a snapshot of its own, and a key may have changed its
	// record between two: what is not of the record read is not used.
	if len(q.Declarations) > 0 && who.rows == 1 && q.rows.all(who.read) {
		rows := q.rows
		q.seen.Of, q.seen.Rows = who.read, func() ([]query.Row, error) { return rows.open(tx) }
	}
	if q.seen.Answered {
		q.seen.Exchange.Answer, err = tx.open("exchanges", exchangeRow(q.Client, q.MessageID, q.Request), q.answer)
	}
	return who, err
}

// Look implements query.Tx.
func (tx *Tx) Look(ctx context.Context, l query.Look) (query.Seen, error) {
	q := tx.question(l)
	err := tx.lookAt(ctx, []*question{q})
	if err != nil {
		return query.Seen{}, err
	}
	who, err := tx.opened(q)
	if err == nil {
		err = tx.settle(ctx, l.Person, &who)
	}
	if err != nil {
		return query.Seen{}, err
	}
	q.seen.Person, q.seen.Found = who.person, who.found
	return q.seen, nil
}

// Questions is the port of consented disclosures. They cross legal entities by
// their nature.
type Questions struct{ Port[query.Tx] }

// NewQuestions gives the port over a store.
func NewQuestions(s *Store) Questions { return Questions{NewPort[query.Tx](s).Everywhere()} }

// Ask implements query.Store: [Tx.Look] without a transaction. Questions that
// wait at the same moment are read in one trip.
func (p Questions) Ask(ctx context.Context, l query.Look) (query.Seen, error) {
	s := p.store
	tx := &Tx{store: s, ctx: ctx, reach: registry.Reach{All: true}} // opens, reads nothing
	q := tx.question(l)
	s.asking.ride(q, func(questions []*question) { s.answerAll(questions) })
	if q.err != nil {
		return query.Seen{}, mapError(q.err)
	}
	who, err := tx.opened(q)
	if err != nil {
		return query.Seen{}, mapError(err)
	}
	if who.unsettled() {
		err = s.Look(ctx, func(ctx context.Context, tx *Tx) error { return tx.settle(ctx, l.Person, &who) })
	}
	q.seen.Person, q.seen.Found = who.person, who.found
	return q.seen, err
}

// answerAll reads for all; when the database refuses, for each alone: what one
// asked is not for the others to pay.
func (s *Store) answerAll(questions []*question) {
	err := s.lookFor(questions)
	for _, q := range questions {
		q.err = err
	}
	if len(questions) == 1 || err == nil || !refused(err) {
		return
	}
	for _, q := range questions {
		q.persons, q.exact, q.answer, q.rows, q.seen = nil, nil, nil, sealedRows{}, query.Seen{}
		q.err = s.lookFor([]*question{q})
	}
}

func (s *Store) lookFor(questions []*question) error {
	ctx, cancel := context.WithTimeout(context.Background(), s.opt.WriteLimit)
	defer cancel()
	return s.Look(ctx, func(ctx context.Context, tx *Tx) error { return tx.lookAt(ctx, questions) })
}
