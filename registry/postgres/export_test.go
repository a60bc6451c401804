package postgres

import (
	"context"

	"mist/registry"
	"mist/registry/audit/sequencer"
)

// LeadWithoutLock is a second leader, as after a lost advisory lock.
func (s *Store) LeadWithoutLock(ctx context.Context) (sequencer.Leader, error) {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	return &leader{store: s, conn: conn}, nil
}

// Exec queues any statement: a bare act for comparison.
func (tx *Tx) Exec(ctx context.Context, sql string, args ...any) error {
	return tx.exec(ctx, sql, args...)
}

// SealedColumns is every column that a rotation reaches, as table.column.
func SealedColumns() map[string]bool {
	out := map[string]bool{}
	for _, c := range sealedColumns {
		out[c.table+"."+c.column] = true
	}
	return out
}

// SearchSQL is what a search and the limits of methods ask the database, with
// keys that lead to nobody.
func SearchSQL() map[string]struct {
	Text string
	Args []any
} {
	nobody := make([]byte, 16)
	return map[string]struct {
		Text string
		Args []any
	}{
		"by name":   {findByNameSQL, []any{keyName, nobody, 50}},
		"by method": {countByMethodSQL, []any{keyPhone, nobody, nil}},
		"rekey":     {`SELECT id FROM persons p WHERE p.keys_version < 3 ORDER BY p.id LIMIT 100`, nil},
	}
}

// ErrTooLate is the cause of what waited too long to be sent.
var ErrTooLate = errTooLate

// SendOne sends a row alone, as a member that waited, too long or not.
func (s *Store) SendOne(late bool) error {
	waits, cancel := context.WithCancel(context.Background())
	defer cancel()
	if late {
		cancel()
	}
	id := s.source.NewID()
	m := &member{queue: []statement{{sql: `INSERT INTO spent_challenges (id, expires_at) VALUES ($1, now())`, args: []any{[16]byte(id)}}}, reach: registry.Reach{All: true}, err: errNotSent, waits: waits}
	s.sendAll([]*member{m})
	return m.err
}

// BareAct is an act without leaf in the table bare_acts, alone or, with others,
// one statement over arrays, as acts with leaves are.
const BareAct = `INSERT INTO bare_acts ` + actInto + ` VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`

func init() {
	bundles[BareAct] = newBundle(`INSERT INTO bare_acts `+actInto+` %s`, "uuid text int4 uuid uuid uuid bytea bytea uuid timestamptz uuid")
}
