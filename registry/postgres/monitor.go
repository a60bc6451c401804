package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"golang.org/x/mod/sumdb/tlog"

	"mist/registry"
	"mist/registry/audit/monitor"
)

// MonitorRole is the database role of mist monitor: it reads the log and the
// digests of acts, and nothing of a person.
const MonitorRole = "mist_monitor"

// Snapshot opens one unchanging, read-only view of the log for a monitor, on
// the main server or a replica, and gives it to f.
func Snapshot(ctx context.Context, dsn string, f func(monitor.Source) error) error {
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		return errors.New("opening the log: the connection string is not readable")
	}
	cfg.RuntimeParams["application_name"] = "mist monitor"
	cfg.RuntimeParams["timezone"] = "UTC"
	cfg.RuntimeParams["role"] = MonitorRole
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return mapError(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	return pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		return f(snapshot{tx})
	})
}

// snapshot implements monitor.Source.
type snapshot struct{ tx pgx.Tx }

func rowsOf[T any](ctx context.Context, tx pgx.Tx, scan func(pgx.CollectableRow) (T, error), sql string, args ...any) ([]T, error) {
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return nil, mapError(err)
	}
	out, err := pgx.CollectRows(rows, scan)
	return out, mapError(err)
}

// Checkpoints implements monitor.Source.
func (s snapshot) Checkpoints(ctx context.Context, after int64, limit int) ([]monitor.CheckpointRow, error) {
	return rowsOf(ctx, s.tx, func(row pgx.CollectableRow) (c monitor.CheckpointRow, err error) {
		err = row.Scan(&c.Seq, &c.Size, &c.Root, &c.Note, &c.At)
		return c, err
	}, `SELECT seq, size, root, note, signed_at FROM checkpoints WHERE seq > $1 ORDER BY seq LIMIT $2`, after, limit)
}

const leafColumns = `l.id, l.kind, l.act_id, l.writer, l.n, l.entry`

// nullLeaf scans leafColumns of an outer join.
type nullLeaf struct {
	id, act, writer *registry.ID
	kind            *string
	n               *int64
	entry           []byte
}

func (l *nullLeaf) dest() []any { return []any{&l.id, &l.kind, &l.act, &l.writer, &l.n, &l.entry} }

func (l *nullLeaf) value() *monitor.Leaf {
	if l.id == nil {
		return nil
	}
	out := &monitor.Leaf{ID: *l.id, Kind: *l.kind, Writer: *l.writer, N: uint64(*l.n), Entry: l.entry}
	if l.act != nil {
		out.ActID = *l.act
	}
	return out
}

// Entries implements monitor.Source.
func (s snapshot) Entries(ctx context.Context, from, below int64) ([]monitor.EntryRow, error) {
	return rowsOf(ctx, s.tx, func(row pgx.CollectableRow) (e monitor.EntryRow, err error) {
		var l nullLeaf
		err = row.Scan(append([]any{&e.Index, &e.LeafID}, l.dest()...)...)
		if err == nil {
			e.Leaf = l.value()
		}
		return e, err
	}, `SELECT e.idx, e.leaf_id, `+leafColumns+` FROM entries e LEFT JOIN leaves l ON l.id = e.leaf_id
WHERE e.idx >= $1 AND e.idx < $2 ORDER BY e.idx`, from, below)
}

// Tiles implements monitor.Source.
func (s snapshot) Tiles(ctx context.Context, level int, from, below int64) (map[int64][]byte, error) {
	type tile struct {
		n    int64
		data []byte
	}
	rows, err := rowsOf(ctx, s.tx, func(row pgx.CollectableRow) (t tile, err error) {
		err = row.Scan(&t.n, &t.data)
		return t, err
	}, `SELECT n, data FROM tiles WHERE level = $1 AND n >= $2 AND n < $3`, level, from, below)
	out := make(map[int64][]byte, len(rows))
	for _, t := range rows {
		out[t.n] = t.data
	}
	return out, err
}

// Unnumbered implements monitor.Source. The place of a leaf follows its
// transaction: below the cursor of the newest checkpoint all are numbered, and
// none may carry a transaction that this snapshot says has not begun.
func (s snapshot) Unnumbered(ctx context.Context, all bool, limit int) ([]monitor.WaitingRow, error) {
	const ahead = `WITH newest AS (
	SELECT epoch, xid FROM checkpoints ORDER BY seq DESC LIMIT 1
), cursor AS (
	SELECT epoch, xid FROM newest UNION ALL SELECT 1, '0'::xid8 WHERE NOT EXISTS (SELECT FROM newest)
)
SELECT ` + leafColumns + `, (l.epoch, l.xid) < (c.epoch, c.xid),
	l.epoch > g.epoch OR l.epoch = g.epoch AND l.xid >= pg_snapshot_xmax(pg_current_snapshot())
FROM cursor c, (SELECT max(epoch) AS epoch FROM log_epochs) g, leaves l
WHERE NOT EXISTS (SELECT FROM entries e WHERE e.leaf_id = l.id)`
	sql := ahead + ` LIMIT $1`
	if !all {
		sql = ahead + ` AND (l.epoch, l.xid) >= (c.epoch, c.xid) LIMIT $1`
	}
	return rowsOf(ctx, s.tx, func(row pgx.CollectableRow) (w monitor.WaitingRow, err error) {
		var l nullLeaf
		err = row.Scan(append(l.dest(), &w.Skipped, &w.Future)...)
		if err == nil {
			w.Leaf = *l.value()
		}
		return w, err
	}, sql, limit)
}

// Acts implements monitor.Source.
func (s snapshot) Acts(ctx context.Context, after registry.ID, limit int) ([]monitor.ActRow, error) {
	return rowsOf(ctx, s.tx, func(row pgx.CollectableRow) (a monitor.ActRow, err error) {
		var l nullLeaf
		err = row.Scan(append([]any{&a.ID, &a.Kind, &a.Container, &a.Content, &a.AcceptedAt, &a.LeafID, &a.Numbered}, l.dest()...)...)
		if err == nil {
			a.Leaf = l.value()
		}
		return a, err
	}, `SELECT a.id, a.kind, a.container, a.content, a.accepted_at, a.leaf_id, l.id IS NULL AND EXISTS (SELECT FROM entries e WHERE e.leaf_id = a.leaf_id), `+leafColumns+` FROM acts a LEFT JOIN leaves l ON l.id = a.leaf_id
WHERE a.id > $1 ORDER BY a.id LIMIT $2`, [16]byte(after), limit)
}

// MissingActs implements monitor.Source.
func (s snapshot) MissingActs(ctx context.Context, ids []registry.ID) ([]registry.ID, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	uuids := make([][16]byte, len(ids))
	for i, id := range ids {
		uuids[i] = id
	}
	return rowsOf(ctx, s.tx, pgx.RowTo[registry.ID],
		`SELECT id FROM unnest($1::uuid[]) AS u (id) WHERE NOT EXISTS (SELECT FROM acts a WHERE a.id = u.id)`, uuids)
}

// ActsOf implements monitor.Source.
func (s snapshot) ActsOf(ctx context.Context, ids []registry.ID) ([]monitor.ActRow, error) {
	uuids := make([][16]byte, len(ids))
	for i, id := range ids {
		uuids[i] = id
	}
	return rowsOf(ctx, s.tx, func(row pgx.CollectableRow) (a monitor.ActRow, err error) {
		err = row.Scan(&a.ID, &a.Kind, &a.Container, &a.Content, &a.AcceptedAt, &a.LeafID)
		return a, err
	}, `SELECT id, kind, container, content, accepted_at, leaf_id FROM acts WHERE id = ANY ($1)`, uuids)
}

// Months implements monitor.Source.
func (s snapshot) Months(ctx context.Context) ([]monitor.MonthRow, error) {
	list, err := rowsOf(ctx, s.tx, scanMonth, selectMonths)
	out := make([]monitor.MonthRow, len(list))
	for i, m := range list {
		out[i] = monitor.MonthRow{Name: m.Name(), From: m.From, Below: m.Below, Table: m.Table, Manifest: m.Manifest, OrderID: m.OrderID}
	}
	return out, err
}

// Place implements monitor.Source.
func (s snapshot) Place(ctx context.Context, leaf registry.ID) (place int64, ok bool, err error) {
	err = s.tx.QueryRow(ctx, `SELECT idx FROM entries WHERE leaf_id = $1`, [16]byte(leaf)).Scan(&place)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, false, nil
	}
	return place, err == nil, mapError(err)
}

// Leaf implements monitor.Source.
func (s snapshot) Leaf(ctx context.Context, id registry.ID) (*monitor.Leaf, bool, error) {
	var l nullLeaf
	var numbered bool
	err := s.tx.QueryRow(ctx, `SELECT `+leafColumns+`, EXISTS (SELECT FROM entries e WHERE e.leaf_id = l.id) FROM leaves l WHERE l.id = $1`, [16]byte(id)).Scan(append(l.dest(), &numbered)...)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, false, nil
	}
	return l.value(), numbered, mapError(err)
}

// Unsealings implements monitor.Source.
func (s snapshot) Unsealings(ctx context.Context, after registry.ID, limit int) ([]monitor.UnsealingRow, error) {
	return rowsOf(ctx, s.tx, func(row pgx.CollectableRow) (u monitor.UnsealingRow, err error) {
		var l nullLeaf
		err = row.Scan(append([]any{&u.Writer, &u.N, &u.Began, &u.Ended, &u.Opened, &u.Accounted, &u.Unread, &u.Places, &u.EntryID}, l.dest()...)...)
		if err == nil {
			u.Entry = l.value()
		}
		return u, err
	}, `SELECT u.writer, u.n, u.began_at, u.ended_at, u.opened, u.accounted, u.unread, u.places, u.entry_id, `+leafColumns+` FROM unsealings u
LEFT JOIN leaves l ON l.id = u.entry_id WHERE u.entry_id > $1 ORDER BY u.entry_id LIMIT $2`, [16]byte(after), limit)
}

// RootAt implements monitor.Source.
func (s snapshot) RootAt(ctx context.Context, size int64) (root tlog.Hash, ok bool, err error) {
	var b []byte
	err = s.tx.QueryRow(ctx, `SELECT root FROM checkpoints WHERE size = $1 ORDER BY seq LIMIT 1`, size).Scan(&b)
	if errors.Is(err, pgx.ErrNoRows) {
		return root, false, nil
	}
	if err != nil {
		return root, false, mapError(err)
	}
	if len(b) != tlog.HashSize {
		return root, false, fmt.Errorf("the root of the checkpoint of %d entries has %d bytes", size, len(b))
	}
	return tlog.Hash(b), true, nil
}

// Published implements monitor.Source.
func (s snapshot) Published(ctx context.Context) (signed []byte, seq int64, err error) {
	err = s.tx.QueryRow(ctx, `SELECT note, seq FROM publications ORDER BY seq DESC LIMIT 1`).Scan(&signed, &seq)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, 0, nil
	}
	return signed, seq, mapError(err)
}
