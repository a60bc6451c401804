package postgres

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/jackc/pgx/v5"

	"mist/registry"
	"mist/registry/preservation"
)

const dueColumns = `a.id, a.kind, a.container, a.accepted_at`

func (tx *Tx) dueContainers(ctx context.Context, sql string, args ...any) (list []preservation.Container, err error) {
	err = tx.query(ctx, func(rows pgx.Rows) error {
		var c preservation.Container
		var original, current []byte
		var until *time.Time
		if err := rows.Scan(&c.ActID, &c.ActKind, &original, &c.AcceptedAt, &c.Generation, &current, &c.Level, &until, &c.Because); err != nil {
			return err
		}
		copy(c.Original[:], original)
		copy(c.Current[:], current)
		c.AcceptedAt = c.AcceptedAt.UTC()
		if until != nil {
			c.Until = until.UTC()
		}
		list = append(list, c)
		return nil
	}, sql, args...)
	return list, err
}

// endingContainers are lifted ones whose proof ends, or rests on what is broken.
const endingContainers = ` FROM container_extensions e WHERE e.newest AND e.proved_at IS NOT NULL AND (e.kept_until < $1 OR e.algorithms && $2::text[])`

// freshContainers were never lifted nor tried, and lie behind the mark.
const freshContainers = ` FROM acts a WHERE a.id > (SELECT act_id FROM container_upto) AND a.accepted_at < $1
AND NOT EXISTS (SELECT FROM container_extensions e WHERE e.original = a.container)
AND NOT EXISTS (SELECT FROM container_attempts t WHERE t.original = a.container)`

// DueContainers implements preservation.Tx.
func (tx *Tx) DueContainers(ctx context.Context, d preservation.Due, limit int) ([]preservation.Container, error) {
	defer tx.across()()
	const fresh = `SELECT ` + dueColumns + `, 0, a.container, '', NULL::timestamptz, ''`
	list, err := tx.dueContainers(ctx, `SELECT `+dueColumns+`, e.generation, e.extended, e.level, e.kept_until, e.because
FROM (SELECT e.*`+endingContainers+` AND NOT EXISTS (SELECT FROM container_attempts t WHERE t.original = e.original AND t.tried_at >= $3) ORDER BY e.kept_until LIMIT $4) e
JOIN acts a ON a.id = e.act_id ORDER BY e.kept_until`, d.UntilBefore, d.Broken, d.TriedBefore, limit)
	if err == nil && len(list) < limit {
		var more []preservation.Container
		more, err = tx.dueContainers(ctx, fresh+` FROM container_attempts t JOIN acts a ON a.container = t.original
WHERE t.tried_at < $1 AND NOT EXISTS (SELECT FROM container_extensions e WHERE e.original = t.original) ORDER BY t.tried_at LIMIT $2`, d.TriedBefore, limit-len(list))
		list = append(list, more...)
	}
	if err == nil && len(list) < limit {
		var more []preservation.Container
		more, err = tx.dueContainers(ctx, fresh+freshContainers+` ORDER BY a.id LIMIT $2`, d.AcceptedBefore, limit-len(list))
		list = append(list, more...)
	}
	return list, err
}

// ContainerOf implements preservation.Tx.
func (tx *Tx) ContainerOf(ctx context.Context, act registry.ID) (preservation.Container, error) {
	defer tx.across()()
	list, err := tx.dueContainers(ctx, `SELECT `+dueColumns+`, COALESCE(e.generation, 0), COALESCE(e.extended, a.container), COALESCE(e.level, ''), e.kept_until, COALESCE(e.because, '')
FROM acts a LEFT JOIN container_extensions e ON e.original = a.container AND e.newest AND e.proved_at IS NOT NULL WHERE a.id = $1`, act)
	if err != nil {
		return preservation.Container{}, err
	}
	if len(list) == 0 {
		return preservation.Container{}, errNotFound
	}
	return list[0], nil
}

// PassContainers implements preservation.Tx.
func (tx *Tx) PassContainers(ctx context.Context, begun time.Time) error {
	var id registry.ID // the least of its millisecond
	binary.BigEndian.PutUint64(id[:8], uint64(max(begun.UnixMilli(), 0))<<16)
	return tx.exec(ctx, `UPDATE container_upto SET act_id = $1 WHERE act_id < $1`, id)
}

// HoldContainer implements preservation.Tx.
func (tx *Tx) HoldContainer(ctx context.Context, original registry.Digest) (generation int, err error) {
	if err := tx.exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended('container ' || $1, 0))`, hexOf(original)); err != nil {
		return 0, err
	}
	_, err = tx.queryOne(ctx, []any{&generation}, `SELECT COALESCE(max(generation), 0) FROM container_extensions WHERE original = $1`, original[:])
	return generation, err
}

// UnprovenExtensions implements preservation.Tx.
func (tx *Tx) UnprovenExtensions(ctx context.Context, limit int) (list []preservation.Extension, err error) {
	defer tx.across()()
	err = tx.query(ctx, func(rows pgx.Rows) error {
		var e preservation.Extension
		var original, predecessor, extended []byte
		if err := rows.Scan(&e.ID, &e.ActID, &e.ActKind, &original, &e.Generation, &predecessor, &extended, &e.Level, &e.MadeAt); err != nil {
			return err
		}
		copy(e.Original[:], original)
		copy(e.Predecessor[:], predecessor)
		copy(e.Extended[:], extended)
		list = append(list, e)
		return nil
	}, `SELECT e.id, e.act_id, a.kind, e.original, e.generation, e.predecessor, e.extended, e.level, e.made_at
FROM container_extensions e JOIN acts a ON a.id = e.act_id WHERE e.proved_at IS NULL ORDER BY e.id LIMIT $1`, limit)
	return list, err
}

// InsertExtension implements preservation.Tx. The one before it is not the newest any more.
func (tx *Tx) InsertExtension(ctx context.Context, e preservation.Extension) error {
	if err := tx.exec(ctx, `UPDATE container_extensions SET newest = false WHERE original = $1 AND newest`, e.Original[:]); err != nil {
		return err
	}
	var until *time.Time
	if !e.Until.IsZero() {
		until = &e.Until
	}
	algorithms := e.Algorithms
	if algorithms == nil {
		algorithms = []string{}
	}
	return tx.exec(ctx, `INSERT INTO container_extensions (id, act_id, original, generation, predecessor, extended, level, kept_until, because, algorithms, made_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		e.ID, e.ActID, e.Original[:], e.Generation, e.Predecessor[:], e.Extended[:], e.Level, until, e.Because, algorithms, e.MadeAt)
}

// ProveExtension implements preservation.Tx.
func (tx *Tx) ProveExtension(ctx context.Context, id registry.ID, at time.Time) (first bool, err error) {
	_, err = tx.queryOne(ctx, []any{&first}, `UPDATE container_extensions SET proved_at = $2 WHERE id = $1 AND proved_at IS NULL RETURNING true`, id, at)
	return first, err
}

// PutAttempt implements preservation.Tx.
func (tx *Tx) PutAttempt(ctx context.Context, original registry.Digest, at time.Time, reason string) error {
	if reason == "" {
		return tx.exec(ctx, `DELETE FROM container_attempts WHERE original = $1`, original[:])
	}
	return tx.exec(ctx, `INSERT INTO container_attempts (original, tried_at, reason) VALUES ($1, $2, $3)
ON CONFLICT (original) DO UPDATE SET tried_at = excluded.tried_at, reason = excluded.reason`, original[:], at, reason)
}

// KeptContainer gives the container that stands for an act now: the newest
// proven lifting, or the one it was accepted by.
func (tx *Tx) KeptContainer(ctx context.Context, act registry.ID) (digest registry.Digest, level string, err error) {
	defer tx.across()()
	var d []byte
	found, err := tx.queryOne(ctx, []any{&d, &level}, `SELECT COALESCE(e.extended, a.container), COALESCE(e.level, '') FROM acts a
LEFT JOIN LATERAL (SELECT extended, level FROM container_extensions e WHERE e.original = a.container AND e.proved_at IS NOT NULL ORDER BY generation DESC LIMIT 1) e ON true
WHERE a.id = $1`, act)
	if err == nil && !found {
		err = errNotFound
	}
	copy(digest[:], d)
	return digest, level, err
}

// PreservationCounts implements preservation.Tx.
func (tx *Tx) PreservationCounts(ctx context.Context, d preservation.Due, now time.Time) (c preservation.Counts, err error) {
	defer tx.across()()
	var first *time.Time
	var ending, fresh int64
	_, err = tx.queryOne(ctx, []any{&c.Acts, &c.Kept, &c.Unproven, &c.Refused, &c.Overdue, &first}, `SELECT
(SELECT count(*) FROM acts),
(SELECT count(DISTINCT original) FROM container_extensions WHERE proved_at IS NOT NULL),
(SELECT count(*) FROM container_extensions WHERE proved_at IS NULL),
(SELECT count(*) FROM container_attempts),
(SELECT count(*) FROM container_extensions WHERE newest AND kept_until < $1),
(SELECT min(kept_until) FROM container_extensions WHERE newest AND proved_at IS NOT NULL)`, now)
	if err == nil {
		_, err = tx.queryOne(ctx, []any{&ending}, `SELECT count(*)`+endingContainers, d.UntilBefore, d.Broken)
	}
	if err == nil {
		_, err = tx.queryOne(ctx, []any{&fresh}, `SELECT count(*)`+freshContainers, d.AcceptedBefore)
	}
	c.Due = ending + fresh
	if first != nil {
		c.First = first.UTC()
	}
	return c, err
}
