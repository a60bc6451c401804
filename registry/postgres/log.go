package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/mod/sumdb/tlog"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/audit/sequencer"
)

// sequencerLock is the key of the advisory lock that chooses the sequencer:
// "mistseqr" as a number.
const sequencerLock = 0x6d69737473657172

// Lead implements sequencer.Log: it takes one connection and the lock on it.
func (s *Store) Lead(ctx context.Context) (sequencer.Leader, error) {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return nil, mapError(err)
	}
	var chosen bool
	if err := conn.QueryRow(ctx, `SELECT pg_try_advisory_lock($1)`, int64(sequencerLock)).Scan(&chosen); err != nil {
		conn.Release()
		return nil, mapError(err)
	}
	if !chosen {
		conn.Release()
		return nil, sequencer.ErrNotLeader
	}
	return &leader{store: s, conn: conn}, nil
}

// leader works on the connection that holds the lock: when it is lost, so is
// the lead.
type leader struct {
	store *Store
	conn  *pgxpool.Conn
}

// Resign gives lock and connection back.
func (l *leader) Resign() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if _, err := l.conn.Exec(ctx, `SELECT pg_advisory_unlock($1)`, int64(sequencerLock)); err != nil {
		// A connection that may still hold the lock must not go back to the pool.
		_ = l.conn.Conn().Close(ctx)
	}
	l.conn.Release()
}

const selectCheckpoint = `SELECT seq, epoch, xid::text, size, root, note, signed_at FROM checkpoints ORDER BY seq DESC LIMIT 1`

func scanPosition(row pgx.Row) (p sequencer.Position, ok bool, err error) {
	var xid string
	var root []byte
	err = row.Scan(&p.Seq, &p.Cursor.Epoch, &xid, &p.Size, &root, &p.Note, &p.At)
	if errors.Is(err, pgx.ErrNoRows) {
		return p, false, nil
	}
	if err != nil {
		return p, false, mapError(err)
	}
	copy(p.Root[:], root)
	p.At = p.At.UTC()
	p.Cursor.XID, err = strconv.ParseUint(xid, 10, 64)
	return p, err == nil, err
}

// Last implements sequencer.Leader.
func (l *leader) Last(ctx context.Context) (sequencer.Position, bool, error) {
	return scanPosition(l.conn.QueryRow(ctx, selectCheckpoint))
}

// Next implements sequencer.Leader.
//
// In the present epoch it takes leaves with cursor ≤ xid < horizon, where the
// horizon is the oldest transaction still running: everything below it has
// ended, so no leaf can appear there later. The horizon is read first and by
// itself: a snapshot taken after it sees every transaction below it. Leaves of
// a former epoch came by a restore and have all ended.
func (l *leader) Next(ctx context.Context, after sequencer.Position, limit int) (sequencer.Batch, error) {
	at := after.Cursor
	if at.Epoch == 0 {
		at.Epoch = 1
	}
	var epoch int32
	var horizon string
	if err := l.conn.QueryRow(ctx, `SELECT log_epoch(), pg_snapshot_xmin(pg_current_snapshot())::text`).Scan(&epoch, &horizon); err != nil {
		return sequencer.Batch{}, mapError(err)
	}
	end, err := strconv.ParseUint(horizon, 10, 64)
	if err != nil {
		return sequencer.Batch{}, fmt.Errorf("reading the log's horizon: %w", err)
	}
	past := at.Epoch < epoch
	if past {
		end = 1<<63 - 1
	}
	leaves, xids, err := l.leaves(ctx, at, end, limit+1)
	if err != nil {
		return sequencer.Batch{}, err
	}
	if len(leaves) <= limit {
		next := sequencer.Cursor{Epoch: at.Epoch, XID: max(end, at.XID)}
		if past {
			next = sequencer.Cursor{Epoch: at.Epoch + 1}
		}
		return sequencer.Batch{Leaves: leaves, Cursor: next, Full: past}, nil
	}
	// Cut before the transaction that crosses the limit, or after it when it
	// alone is larger.
	cut := xids[limit]
	if xids[0] == cut {
		if leaves, _, err = l.leaves(ctx, at, cut+1, 1<<31-1); err != nil {
			return sequencer.Batch{}, err
		}
		return sequencer.Batch{Leaves: leaves, Cursor: sequencer.Cursor{Epoch: at.Epoch, XID: cut + 1}, Full: true}, nil
	}
	n := limit
	for xids[n-1] == cut {
		n--
	}
	return sequencer.Batch{Leaves: leaves[:n], Cursor: sequencer.Cursor{Epoch: at.Epoch, XID: cut}, Full: true}, nil
}

func (l *leader) leaves(ctx context.Context, from sequencer.Cursor, below uint64, limit int) (list []sequencer.Leaf, xids []uint64, err error) {
	rows, err := l.conn.Query(ctx, `SELECT id, entry, xid::text FROM leaves
WHERE epoch = $1 AND xid >= $2::text::xid8 AND xid < $3::text::xid8 ORDER BY epoch, leaves.xid LIMIT $4`,
		from.Epoch, strconv.FormatUint(from.XID, 10), strconv.FormatUint(below, 10), limit)
	if err != nil {
		return nil, nil, mapError(err)
	}
	defer rows.Close()
	for rows.Next() {
		var leaf sequencer.Leaf
		var entry pgtype.DriverBytes // lives until the next row: it is only hashed
		var xid string
		if err := rows.Scan(&leaf.ID, &entry, &xid); err != nil {
			return nil, nil, mapError(err)
		}
		leaf.Hash = audit.LeafHash(entry)
		n, err := strconv.ParseUint(xid, 10, 64)
		if err != nil {
			return nil, nil, err
		}
		list, xids = append(list, leaf), append(xids, n)
	}
	return list, xids, mapError(rows.Err())
}

// Edge implements sequencer.Leader.
func (l *leader) Edge(ctx context.Context, size int64) ([]audit.TileData, error) {
	var out []audit.TileData
	for _, t := range audit.Edge(size) {
		b, found, err := readTile(l.conn.QueryRow(ctx, selectTile, t.L, t.N), t)
		if err != nil {
			return nil, err
		}
		if !found {
			// Grow tells what it means: the stored tiles are not the signed tree.
			b = nil
		}
		out = append(out, audit.TileData{Tile: t, Data: b})
	}
	return out, nil
}

const selectTile = `SELECT data FROM tiles WHERE level = $1 AND n = $2`

// readTile gives the first t.W hashes of a stored tile; found is false when
// the tile is not there, or narrower.
func readTile(row pgx.Row, t tlog.Tile) (b []byte, found bool, err error) {
	err = row.Scan(&b)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, mapError(err)
	}
	want := t.W * tlog.HashSize
	if len(b) < want {
		return nil, false, nil
	}
	return b[:want], true, nil
}

// Publish implements sequencer.Leader. The checkpoint's row comes first: of
// two sequencers that follow the same checkpoint, the later one fails on its key.
func (l *leader) Publish(ctx context.Context, p sequencer.Position, first int64, ids []registry.ID, tiles []audit.TileData) error {
	ctx, cancel := context.WithTimeout(ctx, l.store.opt.WriteLimit)
	defer cancel()
	tx := &Tx{store: l.store, conn: l.conn.Conn(), ctx: ctx, begin: "begin"}
	epoch := max(p.Cursor.Epoch, 1)
	_ = tx.exec(ctx, `INSERT INTO checkpoints (seq, epoch, xid, size, root, note, signed_at) VALUES ($1, $2, $3::text::xid8, $4, $5, $6, $7)`,
		p.Seq, epoch, strconv.FormatUint(p.Cursor.XID, 10), p.Size, p.Root[:], p.Note, p.At)
	if p.Public {
		_ = tx.exec(ctx, announce, p.Seq, p.Note, p.At)
	}
	if len(ids) > 0 {
		uuids := make([][16]byte, len(ids))
		for i, id := range ids {
			uuids[i] = id
		}
		_ = tx.exec(ctx, `INSERT INTO entries (idx, leaf_id) SELECT $1::bigint + place - 1, id FROM unnest($2::uuid[]) WITH ORDINALITY AS u (id, place)`, first, uuids)
	}
	for _, t := range tiles {
		_ = tx.exec(ctx, `INSERT INTO tiles (level, n, data) VALUES ($1, $2, $3) ON CONFLICT (level, n) DO UPDATE SET data = excluded.data`, t.Tile.L, t.Tile.N, t.Data)
	}
	err := tx.commit()
	if err == nil {
		return nil
	}
	tx.rollback()
	var db *DatabaseError
	if errors.As(err, &db) && (db.Constraint == "checkpoints_pkey" || db.Constraint == "entries_pkey") {
		return fmt.Errorf("%w: %w", sequencer.ErrOvertaken, err)
	}
	return mapError(err)
}

const announce = `INSERT INTO publications (seq, note, published_at) VALUES ($1, $2, $3)
ON CONFLICT (seq) DO UPDATE SET note = excluded.note, published_at = excluded.published_at`

// Announce implements sequencer.Leader.
func (l *leader) Announce(ctx context.Context, seq int64, note []byte, at time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, l.store.opt.WriteLimit)
	defer cancel()
	_, err := l.conn.Exec(ctx, announce, seq, note, at)
	return mapError(err)
}

// LogCheckpoint gives the newest public checkpoint, with its cosignatures;
// not-found before the first.
func (s *Store) LogCheckpoint(ctx context.Context) (note []byte, err error) {
	err = s.pool.QueryRow(ctx, `SELECT note FROM publications ORDER BY seq DESC LIMIT 1`).Scan(&note)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, errNotFound
	}
	return note, mapError(err)
}

// LogTile gives a tile of exactly the asked width; not-found when the log has
// not grown that far.
func (s *Store) LogTile(ctx context.Context, t tlog.Tile) ([]byte, error) {
	b, found, err := readTile(s.pool.QueryRow(ctx, selectTile, t.L, t.N), t)
	if err == nil && !found {
		err = errNotFound
	}
	return b, err
}

// LogEntry reads the exact bytes of an entry and its place in the tree, -1
// while it waits for its public checkpoint; not-found if there is none.
func (s *Store) LogEntry(ctx context.Context, id registry.ID) (entry []byte, index int64, err error) {
	entry, index, err = scanEntry(s.pool.QueryRow(ctx, `SELECT l.entry, COALESCE(e.idx, -1) FROM leaves l
LEFT JOIN entries e ON e.leaf_id = l.id AND e.idx < (SELECT c.size FROM publications p JOIN checkpoints c USING (seq) ORDER BY p.seq DESC LIMIT 1)
WHERE l.id = $1`, id))
	if errors.Is(err, errNotFound) {
		err = s.archivedEntry(ctx, &id, nil)
	}
	return entry, index, err
}

// LogEntryAt reads the entry at a place of the tree; not-found beyond its end.
func (s *Store) LogEntryAt(ctx context.Context, index int64) (entry []byte, at int64, err error) {
	entry, at, err = scanEntry(s.pool.QueryRow(ctx, `SELECT l.entry, e.idx FROM entries e JOIN leaves l ON l.id = e.leaf_id WHERE e.idx = $1`, index))
	if errors.Is(err, errNotFound) {
		err = s.archivedEntry(ctx, nil, &index)
	}
	return entry, at, err
}

func scanEntry(row pgx.Row) (entry []byte, index int64, err error) {
	err = row.Scan(&entry, &index)
	if errors.Is(err, pgx.ErrNoRows) {
		err = errNotFound
	}
	return entry, index, mapError(err)
}

// LogState is the health of the log.
type LogState struct {
	Size     int64     // entries under the newest public checkpoint
	SignedAt time.Time // when it became public, or was cosigned last; zero before the first
	// Waiting is the age of the oldest committed leaf that no public checkpoint
	// covers; zero when none waits. Above a few seconds the sequencer stands
	// still, a transaction holds the horizon, or too few witnesses answer.
	Waiting time.Duration
}

// LogState reads the health of the log, for readiness and alarms.
func (s *Store) LogState(ctx context.Context) (LogState, error) {
	p, ok, err := scanPosition(s.pool.QueryRow(ctx, `SELECT c.seq, c.epoch, c.xid::text, c.size, c.root, p.note, p.published_at
FROM publications p JOIN checkpoints c USING (seq) ORDER BY p.seq DESC LIMIT 1`))
	if err != nil {
		return LogState{}, err
	}
	st := LogState{Size: p.Size, SignedAt: p.At}
	if !ok {
		p.Cursor.Epoch = 1
	}
	var oldest registry.ID
	err = s.pool.QueryRow(ctx, `SELECT id FROM leaves WHERE (epoch, xid) >= ($1, $2::text::xid8) ORDER BY epoch, xid LIMIT 1`,
		p.Cursor.Epoch, strconv.FormatUint(p.Cursor.XID, 10)).Scan(&oldest)
	if errors.Is(err, pgx.ErrNoRows) {
		return st, nil
	}
	if err != nil {
		return LogState{}, mapError(err)
	}
	st.Waiting = max(s.source.Now().Sub(timeOf(oldest)), 0)
	return st, nil
}

// timeOf is the time in a version 7 id (RFC 9562, 5.7): 48 bits of milliseconds.
func timeOf(id registry.ID) time.Time {
	var ms int64
	for _, b := range id[:6] {
		ms = ms<<8 | int64(b)
	}
	return time.UnixMilli(ms).UTC()
}
