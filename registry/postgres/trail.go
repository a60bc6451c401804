package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/trail"
)

var _ trail.Tx = (*Tx)(nil)
var _ trail.Log = (*Store)(nil)

// TrailState implements trail.Tx.
func (tx *Tx) TrailState(ctx context.Context, since time.Time) (st trail.State, err error) {
	var at *time.Time
	if _, err = tx.queryOne(ctx, []any{&st.Size, &at, &st.Searchable}, `SELECT COALESCE(p.size, 0), p.published_at, u.size
FROM entry_search_upto u LEFT JOIN (SELECT c.size, p.published_at FROM publications p JOIN checkpoints c USING (seq) ORDER BY p.seq DESC LIMIT 1) p ON true`); err != nil {
		return st, err
	}
	st.At = utc(at)
	var oldest registry.ID
	waits, err := tx.queryOne(ctx, []any{&oldest}, `SELECT l.id FROM leaves l
WHERE (l.epoch, l.xid) >= (SELECT c.epoch, c.xid FROM publications p JOIN checkpoints c USING (seq) ORDER BY p.seq DESC LIMIT 1)
ORDER BY l.epoch, l.xid LIMIT 1`)
	if err != nil {
		return st, err
	}
	if waits {
		st.Waiting = max(tx.store.source.Now().Sub(timeOf(oldest)), 0)
	}
	err = tx.query(ctx, func(rows pgx.Rows) error {
		var c trail.DayCount
		err := rows.Scan(&c.Day, &c.Kind, &c.N)
		st.Days = append(st.Days, c)
		return err
	}, `SELECT day, kind, sum(n)::bigint FROM entry_days WHERE day >= ($1::timestamptz AT TIME ZONE 'Europe/Kyiv')::date GROUP BY day, kind ORDER BY day DESC, kind`, since)
	if err != nil {
		return st, err
	}
	err = tx.query(ctx, func(rows pgx.Rows) error {
		var c trail.CodeCount
		err := rows.Scan(&c.Code, &c.N)
		st.Refusals = append(st.Refusals, c)
		return err
	}, `SELECT code, sum(n)::bigint AS n FROM entry_days WHERE day >= ($1::timestamptz AT TIME ZONE 'Europe/Kyiv')::date AND code <> '' AND kind LIKE '%refused'
GROUP BY code ORDER BY n DESC, code LIMIT 10`, since)
	return st, err
}

// placeOf is an entry's place as the public checkpoint knows it.
const placeOf = `COALESCE((SELECT e.idx FROM entries e WHERE e.leaf_id = l.id
    AND e.idx < (SELECT c.size FROM publications p JOIN checkpoints c USING (seq) ORDER BY p.seq DESC LIMIT 1)), -1)`

// Record implements trail.Tx.
func (tx *Tx) Record(ctx context.Context, id registry.ID) (trail.Record, error) {
	return tx.record(ctx, `SELECT l.entry, `+placeOf+` FROM leaves l WHERE l.id = $1`, id)
}

// RecordAt implements trail.Tx.
func (tx *Tx) RecordAt(ctx context.Context, index int64) (trail.Record, error) {
	return tx.record(ctx, `SELECT l.entry, `+placeOf+` FROM entries e JOIN leaves l ON l.id = e.leaf_id WHERE e.idx = $1`, index)
}

func (tx *Tx) record(ctx context.Context, sql string, key any) (r trail.Record, err error) {
	found, err := tx.queryOne(ctx, []any{&r.Bytes, &r.Index}, sql, key)
	if err != nil {
		return r, err
	}
	if !found {
		switch k := key.(type) {
		case registry.ID:
			return r, tx.archivedError(ctx, &k, nil)
		case int64:
			return r, tx.archivedError(ctx, nil, &k)
		}
		return r, errNotFound
	}
	if r.Entry, err = audit.Decode(r.Bytes); err != nil {
		return r, tx.fail(fmt.Errorf("reading an entry of the log: %w", err))
	}
	return r, nil
}

// FindRecords implements trail.Tx. Each filter is an index ordered by the
// entry's id, so a page costs what it shows.
func (tx *Tx) FindRecords(ctx context.Context, f trail.Filter) (found trail.Found, err error) {
	var where []string
	var args []any
	add := func(condition string, value any) {
		args = append(args, value)
		where = append(where, strings.Replace(condition, "?", "$"+strconv.Itoa(len(args)), 1))
	}
	if !f.From.IsZero() {
		add("s.leaf_id >= ?", idAt(f.From))
	}
	switch {
	case !f.Before.IsZero():
		add("s.leaf_id < ?", f.Before)
	case !f.To.IsZero():
		add("s.leaf_id < ?", idAt(f.To))
	}
	if f.Kind != "" {
		add("s.kind = ?", string(f.Kind))
	}
	if f.Code != "" {
		add("s.code = ?", f.Code)
	}
	if !f.Actor.IsZero() {
		column, err := tx.columnOf(ctx, f.Actor)
		if err != nil {
			return found, err
		}
		add("s."+column+" = ?", f.Actor)
	}
	if len(where) == 0 {
		where = append(where, "true")
	}
	args = append(args, f.Limit+1)
	err = tx.query(ctx, func(rows pgx.Rows) error {
		var r trail.Record
		if err := rows.Scan(&r.Bytes, &r.Index); err != nil {
			return err
		}
		if len(found.Records) == f.Limit {
			found.Next = found.Records[f.Limit-1].ID
			return nil
		}
		var err error
		r.Entry, err = audit.Decode(r.Bytes)
		found.Records = append(found.Records, r)
		return err
	}, `SELECT l.entry, s.idx FROM (SELECT s.leaf_id, s.idx FROM entry_search s WHERE `+strings.Join(where, " AND ")+` ORDER BY s.leaf_id DESC LIMIT $`+strconv.Itoa(len(args))+`) s
JOIN leaves l ON l.id = s.leaf_id ORDER BY s.leaf_id DESC`, args...)
	if err != nil {
		return found, err
	}
	_, err = tx.queryOne(ctx, []any{&found.Size, &found.Archived}, `SELECT size, ARRAY(SELECT to_char(m.month, 'YYYY-MM') FROM log_archived JOIN log_months m USING (month)
WHERE m.below_id > $1 AND ($2::uuid IS NULL OR m.from_id IS NULL OR m.from_id < $2) ORDER BY m.month) FROM entry_search_upto`, [16]byte(idAt(f.From)), idAt(f.To))
	return found, err
}

// ArchivedMonths implements trail.Tx.
func (tx *Tx) ArchivedMonths(ctx context.Context) (list []string, err error) {
	_, err = tx.queryOne(ctx, []any{&list}, `SELECT ARRAY(SELECT to_char(month, 'YYYY-MM') FROM log_archived ORDER BY month)`)
	return list, err
}

// columnOf tells which member of an actor the id is.
func (tx *Tx) columnOf(ctx context.Context, id registry.ID) (column string, err error) {
	_, err = tx.queryOne(ctx, []any{&column}, `SELECT CASE WHEN EXISTS (SELECT FROM clients WHERE id = $1) THEN 'client_id'
WHEN EXISTS (SELECT FROM legal_entities WHERE id = $1) THEN 'legal_entity_id' WHEN EXISTS (SELECT FROM users WHERE id = $1) THEN 'user_id' ELSE 'employee_id' END`, id)
	return column, err
}

// Lookup implements trail.Tx.
func (tx *Tx) Lookup(ctx context.Context, k trail.Key, limit int) (list []registry.ID, err error) {
	column, value := "act_id", any(k.Act)
	switch {
	case k.Container != nil:
		column, value = "container", k.Container
	case k.RequestID != "":
		column, value = "request_id", k.RequestID
	}
	err = tx.query(ctx, func(rows pgx.Rows) error {
		var id registry.ID
		err := rows.Scan(&id)
		list = append(list, id)
		return err
	}, `SELECT leaf_id FROM entry_search WHERE `+column+` = $1 ORDER BY leaf_id DESC LIMIT $2`, value, limit)
	return list, err
}

// LegalEntityCalled implements trail.Tx: of several types under one code the
// active one, else the oldest.
func (tx *Tx) LegalEntityCalled(ctx context.Context, code registry.EDRPOU) (id registry.ID, title string, found bool, err error) {
	found, err = tx.queryOne(ctx, []any{&id, &title}, `SELECT id, name FROM legal_entities WHERE edrpou = $1 ORDER BY status = 'ACTIVE' DESC, id LIMIT 1`, string(code))
	return id, title, found, err
}

// Judgement implements trail.Tx.
func (tx *Tx) Judgement(ctx context.Context, container []byte, digest string) (j trail.Judgement, found bool, err error) {
	k, found, err := tx.Kept(ctx, container, digest)
	if err != nil || !found {
		return j, false, err
	}
	j.Report, j.Facts = k.Report, k.Facts
	_, err = tx.queryOne(ctx, []any{&j.Again, &j.AgainAt}, `SELECT j.outcome, j.at FROM reports r JOIN rejudgements j ON j.report_id = r.id
WHERE r.container = $1 AND r.digest = $2 ORDER BY r.created_at DESC LIMIT 1`, container, digest)
	return j, true, err
}

// Titles implements trail.Tx.
func (tx *Tx) Titles(ctx context.Context, ids []registry.ID) (map[registry.ID]string, error) {
	names := map[registry.ID]string{}
	var keys [][16]byte
	for _, id := range ids {
		if _, asked := names[id]; !asked && !id.IsZero() {
			names[id] = ""
			keys = append(keys, id)
		}
	}
	if len(keys) == 0 {
		return names, nil
	}
	err := tx.query(ctx, func(rows pgx.Rows) error {
		var id registry.ID
		var name string
		err := rows.Scan(&id, &name)
		names[id] = name
		return err
	}, `SELECT id, name FROM clients WHERE id = ANY ($1) UNION ALL SELECT id, name FROM legal_entities WHERE id = ANY ($1)`, keys)
	return names, err
}

const selectPublic = `SELECT p.seq, c.size, p.published_at, p.note FROM publications p JOIN checkpoints c USING (seq) `

func scanPublic(row pgx.Row) (c trail.Checkpoint, err error) {
	err = row.Scan(&c.Seq, &c.Size, &c.At, &c.Note)
	c.At = c.At.UTC()
	return c, err
}

// PublicCheckpoints implements trail.Log: newest first, those numbered below
// before where it is not zero.
func (s *Store) PublicCheckpoints(ctx context.Context, before int64, limit int) (list []trail.Checkpoint, err error) {
	if before == 0 {
		before = 1<<63 - 1
	}
	rows, err := s.pool.Query(ctx, selectPublic+`WHERE p.seq < $1 ORDER BY p.seq DESC LIMIT $2`, before, limit)
	if err != nil {
		return nil, mapError(err)
	}
	defer rows.Close()
	for rows.Next() {
		c, err := scanPublic(rows)
		if err != nil {
			return nil, mapError(err)
		}
		list = append(list, c)
	}
	return list, mapError(rows.Err())
}

// PublicCheckpointOf implements trail.Log: not-found when no public checkpoint
// has this size.
func (s *Store) PublicCheckpointOf(ctx context.Context, size int64) (trail.Checkpoint, error) {
	c, err := scanPublic(s.pool.QueryRow(ctx, selectPublic+`WHERE c.size = $1 ORDER BY p.seq DESC LIMIT 1`, size))
	if errors.Is(err, pgx.ErrNoRows) {
		return c, errNotFound
	}
	return c, mapError(err)
}

// PublicCheckpointOver implements trail.Log.
func (s *Store) PublicCheckpointOver(ctx context.Context, place int64) (trail.Checkpoint, error) {
	c, err := scanPublic(s.pool.QueryRow(ctx, selectPublic+`WHERE c.size > $1 ORDER BY c.size, p.seq LIMIT 1`, place))
	if errors.Is(err, pgx.ErrNoRows) {
		return c, errNotFound
	}
	return c, mapError(err)
}

// NameOfPerson implements trail.Tx.
func (tx *Tx) NameOfPerson(ctx context.Context, id registry.ID) (string, error) {
	p, err := tx.Person(ctx, id)
	return strings.TrimSpace(p.LastName + " " + p.FirstName + " " + p.SecondName), err
}

// SignedBy implements trail.Tx: by the index of entries of an employee, so that
// it costs what it reads.
func (tx *Tx) SignedBy(ctx context.Context, employee registry.ID, since time.Time, limit int) (s trail.Signed, err error) {
	err = tx.query(ctx, func(rows pgx.Rows) error {
		var d trail.DayCount
		var code string
		if err := rows.Scan(&d.Day, &d.Kind, &code, &d.N); err != nil {
			return err
		}
		s.Read += d.N
		if strings.HasPrefix(string(d.Kind), "act.") {
			s.Days = append(s.Days, d)
			if code != "" {
				s.Refusals = append(s.Refusals, trail.CodeCount{Code: code, N: d.N})
			}
		}
		return nil
	}, `SELECT (to_timestamp((('x' || substr(translate(leaf_id::text, '-', ''), 1, 12))::bit(48)::bigint) / 1000.0) AT TIME ZONE 'Europe/Kyiv')::date AS day, kind, COALESCE(code, ''), count(*)
FROM (SELECT leaf_id, kind, code FROM entry_search WHERE employee_id = $1 AND leaf_id >= $2 ORDER BY leaf_id DESC LIMIT $3) s GROUP BY 1, 2, 3 ORDER BY 1 DESC, 2`, employee, idAt(since), limit)
	if err != nil {
		return s, err
	}
	err = tx.query(ctx, func(rows pgx.Rows) error {
		var a trail.SignedAct
		err := rows.Scan(&a.Entry, &a.Container, &a.Digest, &a.LegalEntity)
		s.Acts = append(s.Acts, a)
		return err
	}, `SELECT s.leaf_id, s.container, r.digest, s.legal_entity_id FROM (SELECT leaf_id, container, legal_entity_id FROM entry_search WHERE employee_id = $1 AND leaf_id >= $2 AND container IS NOT NULL
ORDER BY leaf_id DESC LIMIT $3) s JOIN LATERAL (SELECT digest FROM reports r WHERE r.container = s.container ORDER BY created_at DESC LIMIT 1) r ON true`, employee, idAt(since), trail.SignerActs)
	return s, err
}
