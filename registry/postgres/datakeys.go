package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/sealing"
)

// blindRootID is the row of data_keys that holds the root of the blind keys.
const blindRootID = 0

// ErrSealedBefore tells that a database holds values sealed before there were
// wrapped data keys.
var ErrSealedBefore = errors.New("the database was sealed by an earlier Mist without wrapped data keys; a sandbox is made anew (delete its folder)")

// DataKey is a row of data_keys.
type DataKey struct {
	ID         uint16
	Wrapped    []byte
	Active     bool // its time has come
	ActiveFrom time.Time
	CreatedAt  time.Time
}

func dataKeyName(id uint16) string { return strconv.Itoa(int(id)) }

const selectDataKeys = `SELECT id, wrapped, active_from <= now(), active_from, created_at FROM data_keys ORDER BY id`

func scanDataKeys(rows pgx.Rows) ([]DataKey, error) {
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (k DataKey, err error) {
		err = row.Scan(&k.ID, &k.Wrapped, &k.Active, &k.ActiveFrom, &k.CreatedAt)
		return k, err
	})
}

// LoadKeys reads the data keys of a migrated database and unwraps them; an
// empty database gets its first ones, from the owner of the tables alone.
//
// Errors: [ErrSealedBefore]; [ErrNotMigrated] for an account that finds no keys
// and may not make them; [sealing.ErrUnwrap] for another key-encryption key.
func LoadKeys(ctx context.Context, dsn string, kek sealing.KEK, random io.Reader) (*sealing.Keyring, error) {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return nil, fmt.Errorf("loading the data keys: %w", mapError(err))
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	read := func() ([]DataKey, error) {
		rows, err := conn.Query(ctx, selectDataKeys)
		if err != nil {
			return nil, err
		}
		return scanDataKeys(rows)
	}
	stored, err := read()
	if err == nil && len(stored) == 0 {
		if err = firstKeys(ctx, conn, kek, random); err == nil {
			stored, err = read()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("loading the data keys: %w", mapError(err))
	}
	var root []byte
	current := uint16(0)
	data := map[uint16][]byte{}
	for _, k := range stored {
		key, err := kek.Unwrap(ctx, dataKeyName(k.ID), k.Wrapped)
		if err != nil {
			return nil, fmt.Errorf("loading data key %d: %w", k.ID, err)
		}
		if k.ID == blindRootID {
			root = key
			continue
		}
		data[k.ID] = key
		// The first key serves from the beginning: its row may be seen by a
		// statement whose now() is older, when two servers start at once.
		if k.Active || current == 0 {
			current = k.ID
		}
	}
	return sealing.NewRing(data, current, root, random)
}

// firstKeys makes data key 1 and the root of the blind keys. Of two servers
// that start at once, the second keeps what the first one made.
func firstKeys(ctx context.Context, conn *pgx.Conn, kek sealing.KEK, random io.Reader) error {
	var sealed bool
	if err := conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM persons) OR EXISTS (SELECT FROM parties)`).Scan(&sealed); err != nil {
		return err
	}
	if sealed {
		return ErrSealedBefore
	}
	wrapped := make([][]byte, 2)
	for id := range wrapped {
		key := make([]byte, sealing.KeySize)
		if _, err := io.ReadFull(random, key); err != nil {
			return err
		}
		var err error
		if wrapped[id], err = kek.Wrap(ctx, dataKeyName(uint16(id)), key); err != nil {
			return fmt.Errorf("wrapping a data key: %w", err)
		}
	}
	// One statement: both rows of one server, or none.
	_, err := conn.Exec(ctx, `INSERT INTO data_keys (id, wrapped, active_from) VALUES (0, $1, now()), (1, $2, now())`, wrapped[0], wrapped[1])
	var known *registry.Error
	mapped := mapError(err)
	if errors.As(mapped, &known) && isConstraint(mapped, "data_keys_pkey") {
		return nil
	}
	if db := (*DatabaseError)(nil); errors.As(mapped, &db) && db.SQLState == "42501" {
		return ErrNotMigrated
	}
	return err
}

func isConstraint(err error, name string) bool {
	var db *DatabaseError
	return errors.As(err, &db) && db.Constraint == name
}

// DataKeys lists the data keys, the blind root (id 0) among them.
func (s *Store) DataKeys(ctx context.Context) (list []DataKey, err error) {
	rows, err := s.pool.Query(ctx, selectDataKeys)
	if err == nil {
		list, err = scanDataKeys(rows)
	}
	return list, mapError(err)
}

// SealingKey is the id of the data key that this store seals new values under.
func (s *Store) SealingKey() uint16 { return s.keys.Current() }

// SyncKeys takes up data keys that were published since the last call and
// seals under the newest one whose time has come. Servers call it more often
// than the grace of a rotation.
func (s *Store) SyncKeys(ctx context.Context, kek sealing.KEK) error {
	list, err := s.DataKeys(ctx)
	if err != nil {
		return fmt.Errorf("reading the data keys: %w", err)
	}
	for _, k := range list {
		if k.ID == blindRootID {
			continue
		}
		if !s.keys.Has(k.ID) {
			key, err := kek.Unwrap(ctx, dataKeyName(k.ID), k.Wrapped)
			if err == nil {
				err = s.keys.Add(k.ID, key)
			}
			if err != nil {
				return fmt.Errorf("taking up data key %d: %w", k.ID, err)
			}
		}
		if k.Active && k.ID > s.keys.Current() {
			if err := s.keys.Use(k.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

// PublishDataKey makes a new data key, which seals new values after the grace.
func (s *Store) PublishDataKey(ctx context.Context, kek sealing.KEK, grace time.Duration) (DataKey, error) {
	list, err := s.DataKeys(ctx)
	if err != nil {
		return DataKey{}, err
	}
	if len(list) == 0 {
		return DataKey{}, errors.New("publishing a data key: the database has none yet; start the server once")
	}
	k := DataKey{ID: list[len(list)-1].ID + 1}
	if k.ID == 0 {
		return DataKey{}, errors.New("publishing a data key: all 65,535 ids are used")
	}
	// Wrapping may go to a token or a service: before the transaction.
	if k.Wrapped, err = kek.Wrap(ctx, dataKeyName(k.ID), s.source.Bytes(sealing.KeySize)); err != nil {
		return DataKey{}, fmt.Errorf("wrapping a data key: %w", err)
	}
	err = s.Update(ctx, func(ctx context.Context, tx *Tx) error {
		if _, err := tx.queryOne(ctx, []any{&k.ActiveFrom, &k.CreatedAt}, `INSERT INTO data_keys (id, wrapped, active_from)
VALUES ($1, $2, now() + $3 * interval '1 microsecond') RETURNING active_from, created_at`, int(k.ID), k.Wrapped, grace.Microseconds()); err != nil {
			return err
		}
		return tx.keyChanged(ctx, "data_key.published", k.ID)
	})
	return k, err
}

// RewrapDataKeys wraps every data key under the current key-encryption key and
// says how many were under another.
func (s *Store) RewrapDataKeys(ctx context.Context, kek sealing.KEK) (n int, err error) {
	list, err := s.DataKeys(ctx)
	if err != nil {
		return 0, err
	}
	for _, k := range list {
		if kek.Current(k.Wrapped) {
			continue
		}
		key, err := kek.Unwrap(ctx, dataKeyName(k.ID), k.Wrapped)
		if err != nil {
			return n, fmt.Errorf("unwrapping data key %d: %w", k.ID, err)
		}
		wrapped, err := kek.Wrap(ctx, dataKeyName(k.ID), key)
		if err != nil {
			return n, fmt.Errorf("wrapping data key %d: %w", k.ID, err)
		}
		err = s.Update(ctx, func(ctx context.Context, tx *Tx) error {
			if err := tx.execChecked(ctx, oneRow, `UPDATE data_keys SET wrapped = $2 WHERE id = $1 AND wrapped = $3`, int(k.ID), wrapped, k.Wrapped); err != nil {
				return err
			}
			return tx.keyChanged(ctx, "data_key.rewrapped", k.ID)
		})
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

func (tx *Tx) keyChanged(ctx context.Context, what string, id uint16) error {
	_, err := tx.Audit(ctx, audit.Entry{Kind: audit.KeyChanged, Channel: "operator", Object: &audit.ObjectRef{Type: what, ID: dataKeyName(id)}})
	return err
}
