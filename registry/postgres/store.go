// Package postgres is the registry's memory: all SQL and all of pgx live here,
// one file an aggregate, the statements beside the functions that read them.
//
// Transactions begin and end in this package alone, behind [Store.Update] and
// [Store.View]. Nothing may wait for a network or sign inside one: a write
// transaction is cut off after [Options.WriteLimit], because the audit log's
// order waits for the oldest transaction that is still open.
//
// It trusts the database to keep what it committed, and nobody to leave it
// unchanged: that is for the audit tree to show.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"mist/registry"
	"mist/registry/compact"
	"mist/registry/sealing"
)

// Role is the database role the server works as. It may insert acts and
// leaves, and neither change nor delete them.
const Role = "mist_app"

// Options of a Store. Source and Keys are required.
type Options struct {
	Source registry.Source
	// Keys seals personal data at rest.
	Keys *sealing.Keyring
	// Role to work as; empty means [Role].
	Role string
	// MaxConns bounds the pool; zero means 32.
	MaxConns int32
	// WriteLimit is the longest a transaction may last, from its first
	// statement to its commit; zero means one second.
	WriteLimit time.Duration
	// ReadLimit is the same for View; zero means 30 s. Each statement, and each
	// pause between two, stays under WriteLimit in either.
	ReadLimit time.Duration
	Log       *slog.Logger
}

// Store opens transactions on one database.
type Store struct {
	pool   *pgxpool.Pool
	source registry.Source
	keys   *sealing.Keyring
	opt    Options
	// system is the cluster's identifier and epoch the life of its transaction
	// counter (log_epochs); every new connection is compared with it.
	system int64
	epoch  int32
	writer counter
	kept   keptObjects
	short  *compact.Compactor
	scopes scopeLists
	tokens knownTokens
	// committing and asking are those who commit, or look, together; clinics
	// commit with each other.
	committing, clinics lanes[*member]
	asking              lanes[*question]
	unsealing           unsealing
}

// Open connects to a migrated database. It refuses an empty or older one
// ([ErrNotMigrated]) and a half-configured store.
func Open(ctx context.Context, dsn string, opt Options) (*Store, error) {
	if opt.Source.Clock == nil || opt.Source.Random == nil || opt.Keys == nil {
		return nil, errors.New("opening the store: time source and sealing keys are required")
	}
	if opt.Role == "" {
		opt.Role = Role
	}
	if opt.MaxConns == 0 {
		opt.MaxConns = 32
	}
	if opt.WriteLimit == 0 {
		opt.WriteLimit = time.Second
	}
	if opt.ReadLimit == 0 {
		opt.ReadLimit = 30 * time.Second
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		// pgx's text may carry the password.
		return nil, errors.New("opening the store: the connection string is not readable")
	}
	s := &Store{source: opt.Source, keys: opt.Keys, opt: opt}
	s.unsealing.close = s.unsealing.compare
	s.unsealing.keys, s.unsealing.began = opt.Keys.Opened(countedTables...), opt.Source.Now()
	s.writer.id = opt.Source.NewID()
	if s.short, err = compact.New(); err != nil {
		return nil, fmt.Errorf("opening the store: %w", err)
	}
	cfg.MaxConns = opt.MaxConns
	p := cfg.ConnConfig.RuntimeParams
	p["application_name"] = "mist"
	p["timezone"] = "UTC"
	p["role"] = opt.Role
	// All rows, until a transaction says otherwise (reach.go).
	p["mist.reach"], p["mist.legal_entity"], p["mist.person"] = "all", registry.ID{}.String(), registry.ID{}.String()
	// A transaction that idles or hangs holds back the log's horizon.
	p["idle_in_transaction_session_timeout"] = millis(opt.WriteLimit)
	p["statement_timeout"] = millis(opt.WriteLimit)
	p["lock_timeout"] = millis(opt.WriteLimit)
	cfg.AfterConnect = s.recognise
	if s.pool, err = pgxpool.NewWithConfig(ctx, cfg); err != nil {
		return nil, fmt.Errorf("opening the store: %w", err)
	}
	if err := s.begin(ctx, dsn); err != nil {
		s.pool.Close()
		return nil, fmt.Errorf("opening the store: %w", err)
	}
	return s, nil
}

func millis(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// begin learns which cluster this is and, after a restore into another one,
// begins a new epoch of the log.
func (s *Store) begin(ctx context.Context, dsn string) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return mapError(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if err := demandMigrated(ctx, conn); err != nil {
		return err
	}
	const q = `SELECT log_begin_epoch(), (SELECT system_identifier FROM pg_control_system())`
	if err := conn.QueryRow(ctx, q).Scan(&s.epoch, &s.system); err != nil {
		return mapError(err)
	}
	return mapError(s.pool.Ping(ctx))
}

// recognise refuses a connection to a cluster that is not the one the store
// was opened on: its transaction ids would be compared with foreign ones.
func (s *Store) recognise(ctx context.Context, conn *pgx.Conn) error {
	conn.TypeMap().RegisterType(&pgtype.Type{Name: "uuid", OID: pgtype.UUIDOID, Codec: idCodec{}})
	var here int64
	if err := conn.QueryRow(ctx, `SELECT system_identifier FROM pg_control_system()`).Scan(&here); err != nil {
		return err
	}
	if s.system != 0 && here != s.system {
		return errors.New("the database was replaced by another cluster: restart Mist")
	}
	return nil
}

// Close gives back unused numbers of this writer as void leaves and closes all
// connections.
func (s *Store) Close(ctx context.Context) error {
	err := errors.Join(s.WriteUnsealing(ctx), s.FlushVoids(ctx))
	s.pool.Close()
	return err
}

// Ping reports whether the database answers; for readiness.
func (s *Store) Ping(ctx context.Context) error { return mapError(s.pool.Ping(ctx)) }

// Stat gives the pool's figures for metrics.
func (s *Store) Stat() *pgxpool.Stat { return s.pool.Stat() }

// Update runs f in one transaction that may write. It commits when f returns
// nil and no statement failed, else rolls back and gives back the error,
// translated to registry errors by constraint name.
//
// Writes are queued and travel with the next read or with the commit, so their
// errors may appear there. A transaction that lost to another one
// (serialization failure, deadlock) is run again from the start: f must set
// its results anew each time.
//
// The context given to f bounds the transaction; Update or View called with it
// panics, for two transactions at once cannot commit as one.
func (s *Store) Update(ctx context.Context, f func(ctx context.Context, tx *Tx) error) error {
	return s.run(ctx, "begin", s.opt.WriteLimit, f)
}

// View runs f on one unchanging snapshot, reading only.
func (s *Store) View(ctx context.Context, f func(ctx context.Context, tx *Tx) error) error {
	return s.run(ctx, "begin isolation level repeatable read read only", s.opt.ReadLimit, f)
}

// Look runs f with queries, each on a snapshot of its own and without a
// transaction around them: a look-up then costs one round trip instead of two.
// A statement that writes is refused. The database is told no reach: Look is
// for tables without a wall (tokens, clients, providers) and for rooms that
// reach all rows.
func (s *Store) Look(ctx context.Context, f func(ctx context.Context, tx *Tx) error) error {
	return s.run(registry.WithReach(ctx, registry.Reach{All: true}), "", s.opt.ReadLimit, f)
}

// Peek is Look under the caller's reach, for tables with a wall: it is told in
// the same trip, and ends with it (statements between two synchronisation points
// are one transaction of the database).
func (s *Store) Peek(ctx context.Context, f func(ctx context.Context, tx *Tx) error) error {
	return s.run(ctx, "", s.opt.ReadLimit, f)
}

// maxTries bounds the repetition of a transaction that lost to another.
const maxTries = 6

type insideKey struct{}

func (s *Store) run(ctx context.Context, begin string, limit time.Duration, f func(context.Context, *Tx) error) error {
	if ctx.Value(insideKey{}) != nil {
		panic("postgres: a transaction inside a transaction")
	}
	for try := 1; ; try++ {
		err := s.once(ctx, begin, limit, f)
		if err == nil || try == maxTries || !lostToAnother(err) {
			return err
		}
		pause := time.Duration(rand.Int64N(int64(5*time.Millisecond) << try))
		select {
		case <-ctx.Done():
			return mapError(ctx.Err())
		case <-time.After(pause):
		}
	}
}

func (s *Store) once(ctx context.Context, begin string, limit time.Duration, f func(context.Context, *Tx) error) (err error) {
	tx := &Tx{store: s, ctx: ctx, begin: begin, reach: registry.ReachOf(ctx)}
	defer tx.disconnect()
	if begin != "" {
		if err := tx.connect(); err != nil {
			return mapError(err)
		}
	}
	ctx, cancel := context.WithTimeout(context.WithValue(ctx, insideKey{}, true), limit)
	defer cancel()
	tx.ctx = ctx
	done := false
	defer func() {
		if !done { // f panicked
			tx.rollback()
		}
	}()
	err = f(ctx, tx)
	if err == nil {
		err = tx.err
	}
	if err == nil {
		err = tx.commit()
	}
	done = true
	tx.closeLedger(err)
	if err != nil {
		tx.rollback()
		return mapError(err)
	}
	return nil
}

// Port gives a room its own view of transactions: T is the interface the room
// declares over a transaction, and *Tx satisfies it.
type Port[T any] struct {
	store      *Store
	everywhere bool
}

// NewPort panics when *Tx lacks a method of T: a fault of the build.
func NewPort[T any](s *Store) Port[T] {
	if _, ok := any((*Tx)(nil)).(T); !ok {
		panic(fmt.Sprintf("postgres: *Tx does not satisfy %T", (*T)(nil)))
	}
	return Port[T]{store: s}
}

// Update is [Store.Update] over T.
func (p Port[T]) Update(ctx context.Context, f func(ctx context.Context, tx T) error) error {
	return p.store.Update(p.bind(ctx), func(ctx context.Context, tx *Tx) error { return f(ctx, any(tx).(T)) })
}

// Look is [Store.Look] over T.
func (p Port[T]) Look(ctx context.Context, f func(ctx context.Context, tx T) error) error {
	return p.store.Look(ctx, func(ctx context.Context, tx *Tx) error { return f(ctx, any(tx).(T)) })
}

// Peek is [Store.Peek] over T.
func (p Port[T]) Peek(ctx context.Context, f func(ctx context.Context, tx T) error) error {
	return p.store.Peek(p.bind(ctx), func(ctx context.Context, tx *Tx) error { return f(ctx, any(tx).(T)) })
}

// View is [Store.View] over T.
func (p Port[T]) View(ctx context.Context, f func(ctx context.Context, tx T) error) error {
	return p.store.View(p.bind(ctx), func(ctx context.Context, tx *Tx) error { return f(ctx, any(tx).(T)) })
}
