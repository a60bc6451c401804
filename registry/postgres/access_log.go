package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/query"
)

// FollowLog notes the place of at most limit entries that the log has grown by
// under the persons they are about, and tells how many it went through. A
// person whose subject_id was wiped stays out.
func (tx *Tx) FollowLog(ctx context.Context, limit int) (n int, err error) {
	if err := tx.byIndex(ctx); err != nil {
		return 0, err
	}
	_, err = tx.queryOne(ctx, []any{&n}, `WITH at AS (
    SELECT size FROM person_entries_upto FOR UPDATE
), fresh AS (
    SELECT e.idx, e.leaf_id FROM entries e WHERE e.idx >= (SELECT size FROM at) ORDER BY e.idx LIMIT $1
), noted AS (
    INSERT INTO person_entries (person_id, idx)
    SELECT l.subject_id, f.idx FROM fresh f CROSS JOIN LATERAL (SELECT kind, subject_id FROM leaves WHERE id = f.leaf_id OFFSET 0) l
    WHERE l.subject_id IS NOT NULL AND (l.kind LIKE 'disclosure%' OR l.kind LIKE 'consent.%')
    ON CONFLICT DO NOTHING
), moved AS (
    UPDATE person_entries_upto SET size = size + (SELECT count(*) FROM fresh) WHERE EXISTS (SELECT FROM fresh)
)
SELECT count(*)::integer FROM fresh`, limit)
	return n, err
}

// byIndex has what follows in the transaction planned for a large log whatever
// the statistics say: made while the tables were small they led to plans whose
// cost grew with the square of the log.
func (tx *Tx) byIndex(ctx context.Context) error {
	return tx.exec(ctx, `SELECT set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true)`)
}

// Accesses implements query.Tx. The period is cut by the ids of the entries,
// which begin with their time in milliseconds (RFC 9562, 5.7).
func (tx *Tx) Accesses(ctx context.Context, person registry.ID, p query.AccessPeriod) (page query.AccessPage, err error) {
	before := p.Before
	if before == 0 {
		before = 1<<63 - 1
	}
	lines := func(rows pgx.Rows) error {
		var idx int64
		var entry []byte
		if err := rows.Scan(&idx, &entry); err != nil {
			return err
		}
		if len(page.Lines) == p.Limit {
			page.Next = before
			return nil
		}
		before = idx
		e, err := audit.Decode(entry)
		page.Lines = append(page.Lines, accessOf(e))
		return err
	}
	reads := []read{{sql: selectAccesses, args: []any{person, before, idAt(p.From), idAt(p.To), p.Limit + 1}, scan: lines}}
	if p.Before == 0 {
		reads = append(reads, read{sql: selectArchivedAccesses, args: []any{person, idAt(p.From), idAt(p.To)}, scan: func(rows pgx.Rows) error {
			var m query.ArchivedMonth
			err := rows.Scan(&m.Month, &m.Lines)
			page.Archived = append(page.Archived, m)
			return err
		}})
	}
	if err = tx.queries(ctx, reads...); err != nil {
		return query.AccessPage{}, err
	}
	return page, tx.nameAccesses(ctx, page.Lines)
}

const selectAccesses = `SELECT pe.idx, l.entry FROM person_entries pe JOIN entries e ON e.idx = pe.idx JOIN leaves l ON l.id = e.leaf_id
WHERE pe.person_id = $1 AND pe.idx < $2 AND ($3::uuid IS NULL OR l.id >= $3) AND ($4::uuid IS NULL OR l.id < $4) ORDER BY pe.idx DESC LIMIT $5`

// selectArchivedAccesses counts a person's lines in the months that are away; where
// none is, none is looked at. It begins at the person, never at the month.
const selectArchivedAccesses = `SELECT to_char(m.month, 'YYYY-MM'), count(*)::integer FROM person_entries pe
CROSS JOIN LATERAL (SELECT leaf_id FROM entries WHERE idx = pe.idx AND ($2::uuid IS NULL OR leaf_id >= $2) AND ($3::uuid IS NULL OR leaf_id < $3) OFFSET 0) e
JOIN (SELECT m.month, m.from_id, m.below_id FROM log_archived JOIN log_months m USING (month)) m ON (m.from_id IS NULL OR e.leaf_id >= m.from_id) AND e.leaf_id < m.below_id
WHERE pe.person_id = $1 AND EXISTS (SELECT FROM log_archived) GROUP BY m.month ORDER BY m.month`

// idAt is the least version 7 id of a moment; zero for none.
func idAt(t time.Time) (id registry.ID) {
	if t.IsZero() {
		return id
	}
	ms := t.UnixMilli()
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i))
	}
	id[6] = 0x70
	return id
}

func accessOf(e audit.Entry) query.Access {
	a := query.Access{AuditID: e.ID, At: e.Time, Event: e.Kind, Given: e.Kind.Discloses() || e.Kind == audit.DisclosureReplayed, Code: e.Code, Fields: e.Fields, Kind: "automatic"}
	if e.Kind == audit.ConsentRegistered || e.Kind == audit.ConsentRevoked {
		a.Given = true
	}
	if !e.Actor.EmployeeID.IsZero() || !e.Actor.UserID.IsZero() {
		a.Kind = "person"
	}
	a.System, a.Person, a.Organisation = e.Actor.XRoadClient, idText(e.Actor.EmployeeID), idText(e.Actor.LegalEntityID)
	if a.System == "" {
		a.System = idText(e.Actor.ClientID)
	}
	if b := e.LegalBasis; b != nil {
		a.Basis, a.Purpose, a.Method, a.ConsentID = b.Code, b.Purpose, b.Method, b.Consent
		if b.Method == citizenPage {
			a.Kind = "yourself"
		}
	}
	return a
}

// citizenPage is consent.CitizenPage: what citizens do for themselves.
const citizenPage = "citizen_page"

func idText(id registry.ID) string {
	if id.IsZero() {
		return ""
	}
	return id.String()
}

// nameAccesses puts the names of systems, employees and organisations in the
// place of their ids; an X-Road address keeps itself and gives its organisation.
func (tx *Tx) nameAccesses(ctx context.Context, lines []query.Access) error {
	var ids [][16]byte
	var addresses []string
	for _, l := range lines {
		for _, text := range []string{l.System, l.Person, l.Organisation} {
			if id, err := registry.ParseID(text); err == nil {
				ids = append(ids, id)
			} else if text != "" {
				addresses = append(addresses, text)
			}
		}
	}
	if len(ids)+len(addresses) == 0 {
		return nil
	}
	names := map[string]string{}
	homes := map[string]string{}
	err := tx.query(ctx, func(rows pgx.Rows) error {
		var id, name, home string
		err := rows.Scan(&id, &name, &home)
		names[id], homes[id] = name, home
		return err
	}, `SELECT c.id::text, c.name, COALESCE(l.name, '') FROM clients c LEFT JOIN legal_entities l ON l.id = c.legal_entity_id WHERE c.id = ANY ($1)
UNION ALL SELECT e.id::text, concat_ws(' ', pt.last_name, pt.first_name, NULLIF(pt.second_name, '')), l.name
    FROM employees e JOIN parties pt ON pt.id = e.party_id JOIN legal_entities l ON l.id = e.legal_entity_id WHERE e.id = ANY ($1)
UNION ALL SELECT l.id::text, l.name, '' FROM legal_entities l WHERE l.id = ANY ($1)
UNION ALL SELECT x.address, x.address, l.name FROM unnest($2::text[]) AS x (address) JOIN legal_entities l ON l.edrpou = split_part(x.address, '/', 3)`,
		ids, addresses)
	if err != nil {
		return err
	}
	for i := range lines {
		l := &lines[i]
		for _, id := range []string{l.Organisation, l.Person, l.System} {
			if home := homes[id]; home != "" && l.Organisation == "" {
				l.Organisation = home
			}
		}
		for _, field := range []*string{&l.Organisation, &l.Person, &l.System} {
			if name, ok := names[*field]; ok {
				*field = name
			}
		}
	}
	return nil
}
