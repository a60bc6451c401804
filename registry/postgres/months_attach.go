package postgres

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"mist/registry"
	"mist/registry/archive"
	"mist/registry/audit"
)

var _ archive.AttachTx = (*Tx)(nil)

// monthTable names a table of a month in one of the schemas it lies in when it is
// not among the log's.
func (tx *Tx) monthTable(ctx context.Context, schema, table, name string) (month time.Time, quoted string, err error) {
	if month, err = time.Parse("2006-01", name); err != nil {
		return month, "", tx.fail(err)
	}
	var suffix string
	found, err := tx.queryOne(ctx, []any{&suffix}, `SELECT suffix FROM log_months WHERE month = $1::date`, month)
	if err == nil && !found {
		err = tx.fail(errNotFound)
	}
	return month, pgx.Identifier{schema, table + "_" + suffix}.Sanitize(), err
}

// BeginAttach implements archive.AttachTx.
func (tx *Tx) BeginAttach(ctx context.Context, name string, order registry.ID) (kept bool, err error) {
	month, err := time.Parse("2006-01", name)
	if err != nil {
		return false, tx.fail(err)
	}
	_, err = tx.queryOne(ctx, []any{&kept}, `SELECT log_attach_begin($1::date, $2)`, month, order)
	return kept, err
}

// KeptTies implements archive.AttachTx. Who is out of use may have been unlinked
// while the month was away, so nobody out of use is tied again.
func (tx *Tx) KeptTies(ctx context.Context, name string, ids []registry.ID) (map[registry.ID]archive.Tie, error) {
	_, table, err := tx.monthTable(ctx, "detached", "leaves", name)
	if err != nil {
		return nil, err
	}
	keys := make([][16]byte, len(ids))
	for i, id := range ids {
		keys[i] = id
	}
	ties := map[registry.ID]archive.Tie{}
	var who [][16]byte
	if err = tx.query(ctx, func(rows pgx.Rows) error {
		var id registry.ID
		var t archive.Tie
		err := rows.Scan(&id, &t.Person, &t.Salt)
		ties[id], who = t, append(who, t.Person)
		return err
	}, `SELECT id, subject_id, subject_salt FROM `+table+` WHERE id = ANY ($1) AND subject_id IS NOT NULL AND subject_salt IS NOT NULL`, keys); err != nil {
		return nil, err
	}
	active, err := tx.activeAmong(ctx, who)
	if err != nil {
		return nil, err
	}
	maps.DeleteFunc(ties, func(_ registry.ID, t archive.Tie) bool { return !active[t.Person] })
	return ties, nil
}

// PutBack implements archive.AttachTx. The transaction numbers are older than any
// the sequencer will look at: what comes back has its place.
func (tx *Tx) PutBack(ctx context.Context, name string, entries []archive.Returned) error {
	_, leaves, err := tx.monthTable(ctx, "attaching", "leaves", name)
	if err != nil {
		return err
	}
	search := strings.Replace(leaves, `"leaves_`, `"entry_search_`, 1)
	var ids, acts, writers, subjects [][16]byte
	var kinds []string
	var numbers []int64
	var bodies, salts [][]byte
	var rows indexRows
	for _, one := range entries {
		e := one.Entry
		var act registry.ID
		if e.Act != nil && (e.Kind == audit.ActAccepted || e.Kind == audit.ActPending) {
			act = e.Act.ID
		}
		ids, acts, writers, subjects = append(ids, e.ID), append(acts, act), append(writers, e.Writer.ID), append(subjects, one.Tie.Person)
		kinds, numbers, bodies, salts = append(kinds, string(e.Kind)), append(numbers, int64(e.Writer.N)), append(bodies, one.Bytes), append(salts, one.Tie.Salt)
		m, err := audit.ReadMarks(one.Bytes)
		if err != nil {
			m = audit.Marks{Time: timeOf(e.ID)}
		}
		rows.add(one.Place, e.ID, string(e.Kind), m)
	}
	const noID = `'00000000-0000-0000-0000-000000000000'`
	const given = `unnest($1::uuid[], $2::text[], $3::uuid[], $4::uuid[], $5::int8[], $6::bytea[], $7::uuid[], $8::bytea[]) AS x (id, kind, act_id, writer, n, entry, subject_id, subject_salt)`
	args := []any{ids, kinds, acts, writers, numbers, bodies, subjects, salts}
	if err := tx.exec(ctx, `INSERT INTO `+leaves+` (id, epoch, xid, kind, act_id, writer, n, entry, subject_id, subject_salt)
SELECT id, 1, '3'::xid8, kind, NULLIF(act_id, `+noID+`), writer, n, entry, NULLIF(subject_id, `+noID+`), subject_salt FROM `+given+` ON CONFLICT DO NOTHING`, args...); err != nil {
		return err
	}
	if err := tx.exec(ctx, `INSERT INTO `+search+` (`+indexColumns+`) SELECT * FROM `+indexArrays+` ON CONFLICT DO NOTHING`, rows.args()...); err != nil {
		return err
	}
	var same int
	if _, err := tx.queryOne(ctx, []any{&same}, `SELECT count(*)::integer FROM `+given+` JOIN `+leaves+` l USING (id)
WHERE l.entry = x.entry AND l.kind = x.kind AND l.writer = x.writer AND l.n = x.n AND l.act_id IS NOT DISTINCT FROM NULLIF(x.act_id, `+noID+`)
  AND (l.subject_id IS NULL OR l.subject_id = x.subject_id AND l.subject_salt = x.subject_salt)`, args...); err != nil {
		return err
	}
	if same != len(entries) {
		return tx.fail(registry.Errorf(registry.CodeConflict, "of %d entries that were put back %d are there as they were given: somebody writes beside this command; run mist monitor", len(entries), same).WithReason("log_touched"))
	}
	return nil
}

// CountBack implements archive.AttachTx.
func (tx *Tx) CountBack(ctx context.Context, name string, after registry.ID) (n int64, last registry.ID, err error) {
	_, leaves, err := tx.monthTable(ctx, "attaching", "leaves", name)
	if err != nil {
		return 0, last, err
	}
	const page = 50_000
	if _, err = tx.queryOne(ctx, []any{&n, &last}, fmt.Sprintf(`SELECT count(*), COALESCE((array_agg(id ORDER BY id DESC))[1], $1)
FROM (SELECT id FROM %s WHERE id > $1 ORDER BY id LIMIT %d) x`, leaves, page), [16]byte(after)); err != nil || n < page {
		last = registry.ID{}
	}
	return n, last, err
}

// AttachMonth implements archive.AttachTx.
func (tx *Tx) AttachMonth(ctx context.Context, name string, order registry.ID) error {
	month, err := time.Parse("2006-01", name)
	if err != nil {
		return tx.fail(err)
	}
	_, err = tx.execNow(ctx, `SELECT log_attach_month($1::date, $2)`, month, order)
	return logRead(err)
}
