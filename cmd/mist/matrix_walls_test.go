package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/postgres/pgtest"
)

// wall is a table behind row security and what its policy opens it to.
type wall struct {
	table                string
	toClinics, toCitizen bool
}

// walls are all of them; a partition is reached through the table it is a part of.
func walls(t *testing.T, conn *pgx.Conn) []wall {
	t.Helper()
	rows, err := conn.Query(t.Context(), `SELECT c.relname,
       bool_or(pg_get_expr(p.polqual, p.polrelid) LIKE '%mist.legal_entity''%' OR pg_get_expr(p.polqual, p.polrelid) LIKE '%EXISTS%'),
       bool_or(pg_get_expr(p.polqual, p.polrelid) LIKE '%mist.person''%' OR pg_get_expr(p.polqual, p.polrelid) LIKE '%EXISTS%')
FROM pg_class c JOIN pg_policy p ON p.polrelid = c.oid WHERE c.relrowsecurity AND c.relkind IN ('r', 'p') AND NOT c.relispartition GROUP BY c.relname ORDER BY c.relname`)
	require.NoError(t, err)
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (w wall, err error) {
		err = row.Scan(&w.table, &w.toClinics, &w.toCitizen)
		return w, err
	})
	require.NoError(t, err)
	require.Greater(t, len(list), 40)
	return list
}

// seen counts the rows of a table that a reach shows and that name one of the ids.
func seen(t *testing.T, conn *pgx.Conn, reach registry.Reach, table string, ids []string) (n int) {
	t.Helper()
	word := "own"
	if reach.All {
		word = "all"
	}
	_, err := conn.Exec(t.Context(), `SELECT set_config('mist.reach', $1, false), set_config('mist.legal_entity', $2, false), set_config('mist.person', $3, false)`,
		word, reach.LegalEntityID.String(), reach.PersonID.String())
	require.NoError(t, err)
	require.NoError(t, conn.QueryRow(t.Context(), "SELECT count(*) FROM "+table+" x WHERE x::text ~ $1", strings.Join(ids, "|")).Scan(&n), table)
	return n
}

// belongings are the ids of the clinic, of its patient and of all they have.
func (m *matrix) belongings() (ids []string) {
	ids = append(ids, m.clinic.String(), m.victim.EmployeeID.String())
	for _, id := range m.ids {
		ids = append(ids, id.String())
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// fill gives every table behind the wall that has no row of the clinic or its
// patient one, with values that its columns take: no table is judged empty.
func (m *matrix) fill(t *testing.T, conn *pgx.Conn, list []wall) {
	t.Helper()
	ctx := t.Context()
	refers := map[string]registry.ID{
		"legal_entity_id": m.clinic, "person_id": m.ids["/api/v3/persons"], "patient_id": m.ids["/api/v3/persons"], "draft_id": m.ids["/api/v3/declaration_requests"],
		"declaration_id": m.ids["/api/v3/declarations"], "contract_id": m.ids["/api/v3/contracts/capitation"], "request_id": m.ids["/api/v3/contract_requests/capitation"],
	}
	exec := func(sql string, args ...any) {
		t.Helper()
		_, err := conn.Exec(ctx, sql, args...)
		require.NoError(t, err, sql)
	}
	exec("SET session_replication_role = replica") // neither triggers nor foreign keys: rows are for looking at
	for _, w := range list {
		if seen(t, conn, registry.Reach{All: true}, w.table, m.belongings()) > 0 {
			continue
		}
		rows, err := conn.Query(ctx, `SELECT conname FROM pg_constraint WHERE conrelid = $1::text::regclass AND contype = 'c'`, w.table)
		require.NoError(t, err)
		checks, err := pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(t, err)
		for _, c := range checks {
			exec("ALTER TABLE " + w.table + " DROP CONSTRAINT " + c)
		}
		rows, err = conn.Query(ctx, `SELECT attname, format_type(atttypid, NULL), attnotnull FROM pg_attribute
WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped AND attidentity = '' AND attgenerated = '' ORDER BY attnum`, w.table)
		require.NoError(t, err)
		type column struct {
			Name, Type string
			Wanted     bool
		}
		columns, err := pgx.CollectRows(rows, pgx.RowToStructByPos[column])
		require.NoError(t, err)
		var names, values []string
		marked := false
		for _, c := range columns {
			id, refer := refers[c.Name]
			if !refer && !c.Wanted {
				continue
			}
			value, known := map[string]string{
				"uuid": "gen_random_uuid()", "text": "''", "bytea": `'\x00'`, "integer": "1", "smallint": "1", "bigint": "1", "boolean": "true", "date": "current_date",
				"timestamp with time zone": "now()", "jsonb": "'{}'", "uuid[]": "'{}'", "text[]": "'{}'", "xid8": "pg_current_xact_id()", "numeric": "1",
			}[c.Type]
			require.True(t, known, "%s.%s: say what a value of %s is", w.table, c.Name, c.Type)
			if refer && c.Type == "uuid" {
				value, marked = "'"+id.String()+"'", true
			} else if c.Type == "uuid" && !marked && !slices.ContainsFunc(columns, func(o column) bool { _, yes := refers[o.Name]; return yes }) {
				value, marked = "'"+m.ids["/api/v3/declarations"].String()+"'", true // a row that names something of theirs
			}
			names, values = append(names, c.Name), append(values, value)
		}
		if !marked { // nothing but texts and numbers: one of them names the clinic
			i := slices.Index(values, "''")
			if i < 0 {
				i = slices.Index(values, `'\x00'`)
			}
			require.GreaterOrEqual(t, i, 0, w.table)
			values[i] = "'" + m.clinic.String() + "'"
			if values[i] == `'\x00'` {
				values[i] += "::bytea"
			}
		}
		exec("INSERT INTO " + w.table + " (" + strings.Join(names, ", ") + ") VALUES (" + strings.Join(values, ", ") + ")")
	}
}

// Every table behind the wall has rows of the clinic and its patient, and shows
// none of them to nobody, to another clinic or to another citizen; each that its
// policy opens shows them to the clinic, or to the patient. A new table is judged
// here without a line of its own.
func TestEveryWallHidesEveryRow(t *testing.T) {
	cluster := &pgtest.Cluster{}
	t.Cleanup(cluster.Stop)
	m := newMatrix(t, cluster)
	conn := pgtest.Connect(t, m.copy(t))
	defer conn.Close(context.Background())
	list := walls(t, conn)
	m.fill(t, conn, list)
	_, err := conn.Exec(t.Context(), "SET session_replication_role = origin; SET ROLE mist_app")
	require.NoError(t, err)
	ids := m.belongings()
	var wrong []string
	for _, w := range list {
		if seen(t, conn, registry.Reach{All: true}, w.table, ids) == 0 {
			wrong = append(wrong, w.table+": the registry itself does not see them")
		}
		for who, reach := range map[string]registry.Reach{"nobody": {}, "another clinic": {LegalEntityID: m.otherClinic}, "another citizen": {PersonID: m.otherCitizen}, "a confidant who is not verified": {PersonID: m.spare}, "a stranger": {LegalEntityID: registry.ID{1}, PersonID: registry.ID{1}}} {
			if n := seen(t, conn, reach, w.table, ids); n > 0 {
				wrong = append(wrong, fmt.Sprintf("%s: %d rows for %s", w.table, n, who))
			}
		}
		for who, open := range map[registry.Reach]bool{{LegalEntityID: m.clinic}: w.toClinics, {PersonID: m.ids["/api/v3/persons"]}: w.toCitizen && !w.toClinics} {
			if n := seen(t, conn, who, w.table, ids); open && n == 0 {
				wrong = append(wrong, fmt.Sprintf("%s: the twin sees nothing: %+v", w.table, who))
			}
		}
	}
	require.Empty(t, wrong)
	_, err = conn.Exec(t.Context(), "RESET ROLE; UPDATE person_relationships SET verification_status = 'VERIFIED'; SET ROLE mist_app")
	require.NoError(t, err)
	require.Positive(t, seen(t, conn, registry.Reach{PersonID: m.spare}, "drafts", ids), "the verified confidant sees the ward's requests")
	require.Zero(t, seen(t, conn, registry.Reach{PersonID: m.spare}, "declarations", ids))
}
