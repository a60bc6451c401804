package postgres_test

import (
	"context"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/declaration"
	"mist/registry/intake"
	"mist/registry/postgres"
	"mist/registry/postgres/pgtest"
	"mist/registry/query"
)

// walls is two clinics, each with a draft and a declaration of its own patient.
type walls struct {
	*postgres.Store
	a, b           clinic
	draftA, draftB intake.Draft
	actA, actB     registry.Act
}

func newWalls(t *testing.T, s *postgres.Store) walls {
	t.Helper()
	w := walls{Store: s, a: populate(t, s), b: populate(t, s)}
	require.NoError(t, s.Update(t.Context(), func(ctx context.Context, tx *postgres.Tx) error {
		w.draftA, w.draftB, w.actA, w.actB = w.a.draft(), w.b.draft(), w.a.act(), w.b.act()
		for _, f := range []func() error{
			func() error { return tx.InsertDraft(ctx, w.draftA) },
			func() error { return tx.InsertDraft(ctx, w.draftB) },
			func() error { _, err := w.a.declare(ctx, tx, w.actA); return err },
			func() error { _, err := w.b.declare(ctx, tx, w.actB); return err },
		} {
			if err := f(); err != nil {
				return err
			}
		}
		return nil
	}))
	return w
}

// as runs f within a reach.
func (w walls) as(t *testing.T, r registry.Reach, f func(ctx context.Context, tx *postgres.Tx) error) error {
	t.Helper()
	return w.Update(registry.WithReach(t.Context(), r), f)
}

// seen counts what of both clinics a reach shows, asked for without any check
// of the rooms: drafts, declarations, acts, states, persons.
func (w walls) seen(t *testing.T, r registry.Reach) (drafts, declarations, acts, states, persons []string) {
	t.Helper()
	require.NoError(t, w.as(t, r, func(ctx context.Context, tx *postgres.Tx) error {
		for name, c := range map[string]struct {
			clinic
			draft intake.Draft
			act   registry.Act
		}{"a": {w.a, w.draftA, w.actA}, "b": {w.b, w.draftB, w.actB}} {
			if _, err := tx.Draft(ctx, c.draft.Kind, c.draft.ID, false); err == nil {
				drafts = append(drafts, name)
			} else {
				require.Equal(t, registry.CodeNotFound, registry.CodeOf(err))
			}
			if _, found, err := tx.DeclarationRow(ctx, c.act.ID, registry.ID{}); found {
				declarations = append(declarations, name)
			} else {
				require.NoError(t, err)
			}
			if _, found, err := tx.ActByContainer(ctx, c.act.Container); found {
				acts = append(acts, name)
			} else {
				require.NoError(t, err)
			}
			lines, err := tx.DeclarationHistory(ctx, c.act.ID)
			require.NoError(t, err)
			if len(lines) > 0 {
				states = append(states, name)
			}
			yes, err := tx.SeesPerson(ctx, c.person)
			require.NoError(t, err)
			if yes {
				persons = append(persons, name)
			}
		}
		list, err := tx.DeclarationList(ctx, query.DeclarationFilter{Window: query.Window{Page: 1, Size: 50}})
		require.NoError(t, err)
		require.Len(t, list, len(declarations), "a list without a filter")
		return nil
	}))
	for _, l := range [][]string{drafts, declarations, acts, states, persons} {
		slices.Sort(l)
	}
	return drafts, declarations, acts, states, persons
}

func TestRowsOfAnotherLegalEntityAreNotThere(t *testing.T) {
	t.Parallel()
	w := newWalls(t, cluster.Store(t))
	for name, c := range map[string]struct {
		reach registry.Reach
		want  []string
	}{
		"all":            {registry.Reach{All: true}, []string{"a", "b"}},
		"clinic a":       {registry.Reach{LegalEntityID: w.a.legalEntity}, []string{"a"}},
		"clinic b":       {registry.Reach{LegalEntityID: w.b.legalEntity}, []string{"b"}},
		"citizen of b":   {registry.Reach{PersonID: w.b.person}, []string{"b"}},
		"nobody":         {registry.Reach{}, nil},
		"another clinic": {registry.Reach{LegalEntityID: source.NewID()}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			drafts, declarations, acts, states, persons := w.seen(t, c.reach)
			for i, got := range [][]string{drafts, declarations, acts, states, persons} {
				require.Equal(t, c.want, got, "list %d", i)
			}
		})
	}
}

func TestRowsOfAnotherLegalEntityAreNotWritten(t *testing.T) {
	t.Parallel()
	w := newWalls(t, cluster.Store(t))
	a := registry.Reach{LegalEntityID: w.a.legalEntity}
	changed := w.draftB
	changed.Status = intake.StatusRejected
	err := w.as(t, a, func(ctx context.Context, tx *postgres.Tx) error { return tx.UpdateDraft(ctx, changed) })
	require.Equal(t, registry.CodeNotFound, registry.CodeOf(err))
	err = w.as(t, a, func(ctx context.Context, tx *postgres.Tx) error {
		return tx.SetDeclarationStatus(ctx, w.actB.ID, declaration.StatusActive, declaration.StatusTerminated, "manual", "")
	})
	require.Equal(t, registry.CodeNotFound, registry.CodeOf(err))
	err = w.as(t, a, func(ctx context.Context, tx *postgres.Tx) error { return tx.InsertDraft(ctx, w.b.draft()) })
	var db *postgres.DatabaseError
	require.ErrorAs(t, err, &db)
	require.Equal(t, "42501", db.SQLState, "a row for another legal entity")
	require.NoError(t, w.as(t, a, func(ctx context.Context, tx *postgres.Tx) error { return tx.InsertDraft(ctx, w.a.draft()) }), "the unmutated twin")
	changed = w.draftA
	changed.Status = intake.StatusRejected
	require.NoError(t, w.as(t, a, func(ctx context.Context, tx *postgres.Tx) error { return tx.UpdateDraft(ctx, changed) }), "the unmutated twin")
}

// What the registry must know of other clinics to keep its rules, it knows; the
// next statement of the same transaction is behind the wall again.
func TestRulesSeeAcrossAndCloseBehindThem(t *testing.T) {
	t.Parallel()
	w := newWalls(t, cluster.Store(t))
	require.NoError(t, w.as(t, registry.Reach{LegalEntityID: w.a.legalEntity}, func(ctx context.Context, tx *postgres.Tx) error {
		d, found, err := tx.ActiveDeclaration(ctx, w.b.person)
		require.NoError(t, err)
		require.True(t, found, "the patient's declaration elsewhere ends with a new one here")
		_, found, err = tx.DeclarationRow(ctx, d.ID, registry.ID{})
		require.NoError(t, err)
		require.False(t, found)
		require.NoError(t, tx.EndDeclaration(ctx, d.ID, declaration.StatusTerminated, "new", w.actA.ID))
		_, err = tx.Draft(ctx, w.draftB.Kind, w.draftB.ID, false)
		require.Equal(t, registry.CodeNotFound, registry.CodeOf(err))
		return nil
	}))
	require.NoError(t, w.as(t, registry.Reach{All: true}, func(ctx context.Context, tx *postgres.Tx) error {
		d, err := tx.Declaration(ctx, w.actB.ID, false)
		require.Equal(t, declaration.StatusTerminated, d.Status)
		return err
	}))
}

// The reach of one transaction does not stay on the connection.
func TestReachEndsWithTheTransaction(t *testing.T) {
	t.Parallel()
	s := pgtest.Open(t, cluster.DSN(t), func(o *postgres.Options) { o.MaxConns = 1 })
	w := newWalls(t, s)
	for range 3 {
		_, declarations, _, _, _ := w.seen(t, registry.Reach{LegalEntityID: w.a.legalEntity})
		require.Equal(t, []string{"a"}, declarations)
		_, declarations, _, _, _ = w.seen(t, registry.Reach{})
		require.Empty(t, declarations)
		_, declarations, _, _, _ = w.seen(t, registry.Reach{All: true})
		require.Equal(t, []string{"a", "b"}, declarations)
	}
}

func TestServingRoleCannotGoAround(t *testing.T) {
	t.Parallel()
	dsn := cluster.DSN(t)
	newWalls(t, pgtest.Open(t, dsn))
	conn := pgtest.Connect(t, dsn)
	var loose int
	require.NoError(t, conn.QueryRow(t.Context(), `SELECT count(*) FROM pg_roles WHERE rolname = 'mist_app' AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb)`).Scan(&loose))
	require.Zero(t, loose)
	var owned, schemas int
	require.NoError(t, conn.QueryRow(t.Context(), `SELECT count(*) FROM pg_class WHERE relowner = 'mist_app'::regrole`).Scan(&owned))
	require.Zero(t, owned, "an owner is not held by policies")
	require.NoError(t, conn.QueryRow(t.Context(), `SELECT count(*) FROM pg_namespace WHERE nspname !~ '^pg_(toast_)?temp' AND has_schema_privilege('mist_app', oid, 'CREATE')`).Scan(&schemas))
	require.Zero(t, schemas, "the serving role makes no tables")
	_, err := conn.Exec(t.Context(), "SET ROLE mist_app")
	require.NoError(t, err)
	for _, table := range []string{"drafts", "declarations", "acts", "declaration_statuses", "persons"} {
		var n int
		require.NoError(t, conn.QueryRow(t.Context(), "SELECT count(*) FROM "+table).Scan(&n))
		require.Zero(t, n, "%s: who says no reach sees nothing", table)
	}
	for _, sql := range []string{"ALTER TABLE drafts DISABLE ROW LEVEL SECURITY", "DROP POLICY reach ON drafts", "CREATE TABLE mine (x int)", "ALTER ROLE mist_app BYPASSRLS",
		"CREATE FUNCTION public.f() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'"} {
		_, err := conn.Exec(t.Context(), sql)
		require.ErrorContains(t, err, "42501", sql)
	}
	_, err = conn.Exec(t.Context(), "SET row_security = off; SELECT count(*) FROM drafts")
	require.ErrorContains(t, err, "row-level security", "switching it off is an error, not a way around")
}

// Acts and leaves are never changed by whoever serves; what may be changed or
// taken away is named here.
func TestServingRoleChangesOnlyWhatItMust(t *testing.T) {
	t.Parallel()
	never := []string{"acts", "leaves", "entries", "checkpoints", "media", "reports", "declaration_statuses", "draft_statuses", "data_keys", "log_epochs"}
	rows, err := pgtest.Connect(t, cluster.DSN(t)).Query(t.Context(), `SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname = 'public' AND (has_table_privilege('mist_app', c.oid, 'UPDATE') OR has_table_privilege('mist_app', c.oid, 'DELETE')
   OR has_table_privilege('mist_app', c.oid, 'TRUNCATE') OR has_table_privilege('mist_app', c.oid, 'TRIGGER') OR has_any_column_privilege('mist_app', c.oid, 'UPDATE'))`)
	require.NoError(t, err)
	defer rows.Close()
	n := 0
	for rows.Next() {
		var name string
		require.NoError(t, rows.Scan(&name))
		require.NotContains(t, never, name)
		n++
	}
	require.NoError(t, rows.Err())
	require.Greater(t, n, 5)
}

// Every table that the serving role reads is behind the wall, or is named here
// with the reason why not: what would be seen of people and clinics by a room that forgot
// its checks.
func TestEveryTableOfPeopleIsBehindTheWall(t *testing.T) {
	t.Parallel()
	open := map[string]string{
		// Public, or nobody's.
		"legal_entities": "public", "divisions": "public", "employees": "names, positions and states are public (directory)", "directory_hidden": "a public decision",
		"related_legal_entities": "public", "legal_entity_types": "rules", "employee_types": "rules", "mountain_settlements": "places", "settlements": "places", "streets": "places", "sick_leave_rules": "rules",
		"innms": "public", "innm_dosages": "public", "medications": "public", "medical_programs": "public", "program_medications": "public",
		"dictionaries": "public", "dictionary_values": "public", "dictionary_epoch": "a number", "global_parameters": "public",
		"clients": "information systems; the hash of a secret is read by logins alone",
		// Sealed, and reached only by what stands in a walled row.
		"parties": "names of those who treat are public, the rest is sealed; it is opened for rules, and told by employee requests alone, which are behind the wall",
		"media":   "sealed containers by their digest; the digest stands in a walled row", "reports": "sealed reports by the digest of a container",
		"replies": "sealed answers by a key of client and Idempotency-Key", "jobs": "what is to be done; arguments with people in them are sealed",
		"register_feeds": "days", "legal_entity_checks": "what a public register says of clinics",
		"outbox_messages": "what is to be sent; what it carries is sealed, and operators of the NHSU alone see the rest", "outbox_destinations": "how other registers stand",
		"search_budgets":       "how often somebody searched, nobody's data",
		"compositions":         "read by the service of conclusions alone, by the number, which reaches all",
		"container_extensions": "containers by digest", "container_attempts": "containers by digest", "container_upto": "a number",
		"unsealings": "counts", "rejudgements": "containers by digest", "rejudgements_upto": "a number", "judgement_rules": "rules",
		// The log: people are commitments there.
		"log_months": "bounds of months", "log_archives": "digests and counts of what was detached", "log_attachments": "orders by which it came back",
		"leaves": "written in every transaction; people stand in them as commitments", "entries": "the order of leaves", "entry_days": "counts", "entry_search_upto": "a number",
		"person_entries_upto": "a number", "tiles": "hashes", "checkpoints": "public", "publications": "public", "log_epochs": "numbers",
		"trust_changes": "certificates of authorities",
		"data_keys":     "wrapped keys", "spent_challenges": "random ids", "nonces": "random values", "goose_db_version": "the version of the tables",
	}
	rows, err := pgtest.Connect(t, cluster.DSN(t)).Query(t.Context(), `SELECT c.relname, c.relrowsecurity FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p') AND n.nspname = 'public' AND has_any_column_privilege('mist_app', c.oid, 'SELECT')
  AND NOT (c.relispartition AND c.oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = 'leaves'::regclass))`)
	require.NoError(t, err)
	defer rows.Close()
	behind := 0
	var wrong []string
	for rows.Next() {
		var name string
		var walled bool
		require.NoError(t, rows.Scan(&name, &walled))
		_, explained := open[name]
		if walled == explained {
			wrong = append(wrong, name)
		}
		if walled {
			behind++
		}
	}
	require.NoError(t, rows.Err())
	require.Empty(t, wrong, "give each a policy (00131_row_security.sql shows how), or name it here with the reason")
	require.GreaterOrEqual(t, behind, 30)
}

// What no room reads within a caller's reach is seen there by nobody: each
// table has rows, and neither a clinic, nor a citizen, nor nobody sees one.
func TestTheRegistrysOwnTablesAreSeenByItAlone(t *testing.T) {
	t.Parallel()
	dsn := cluster.DSN(t)
	w := newWalls(t, pgtest.Open(t, dsn))
	conn := pgtest.Connect(t, dsn)
	_, err := conn.Exec(t.Context(), `SET session_replication_role = replica;
INSERT INTO person_entries (person_id, idx) VALUES ('`+w.a.person.String()+`', 0);
INSERT INTO person_merges (id, master_person_id, merge_person_id, status, proposed_by, body, inserted_at, updated_at)
    VALUES (gen_random_uuid(), '`+w.a.person.String()+`', '`+w.b.person.String()+`', 'NEW', gen_random_uuid(), '', now(), now());
INSERT INTO person_versions (person_id, version, status, verification_status, body, updated_at, ended_at) VALUES ('`+w.b.person.String()+`', 1, 'active', '', '', now(), now());
INSERT INTO person_relationships (id, person_id, confidant_person_id, is_active, verification_status, verification_reason, body, inserted_at, updated_at)
    VALUES (gen_random_uuid(), '`+w.b.person.String()+`', '`+w.a.person.String()+`', true, 'VERIFIED', '', '', now(), now());
INSERT INTO search_questions (id, body, tries_left, expires_at) VALUES (gen_random_uuid(), '', 3, now());
INSERT INTO black_list_users (id, tax_id_key, body, is_active, inserted_at, updated_at) VALUES (gen_random_uuid(), '', '', true, now(), now());
INSERT INTO users (id, key, body, blocked, created_at, seen_at) VALUES (gen_random_uuid(), '', '', false, now(), now());
INSERT INTO refresh_tokens (hash, grant_id, expires_at) VALUES (sha256('r'), gen_random_uuid(), now());
INSERT INTO codes (hash, grant_id, redirect_uri, challenge, expires_at) VALUES (sha256('c'), gen_random_uuid(), '', '', now())`)
	require.NoError(t, err)
	update(t, w.Store, func(ctx context.Context, tx *postgres.Tx) {
		require.NoError(t, tx.InsertConsent(ctx, consentOf(w.b.person)))
	})
	_, err = conn.Exec(t.Context(), "SET session_replication_role = origin; SET ROLE mist_app")
	require.NoError(t, err)
	count := func(reach registry.Reach, table string) (n int) {
		t.Helper()
		word := "own"
		if reach.All {
			word = "all"
		}
		_, err := conn.Exec(t.Context(), `SELECT set_config('mist.reach', $1, false), set_config('mist.legal_entity', $2, false), set_config('mist.person', $3, false)`, word, reach.LegalEntityID.String(), reach.PersonID.String())
		require.NoError(t, err)
		require.NoError(t, conn.QueryRow(t.Context(), "SELECT count(*) FROM "+table).Scan(&n))
		return n
	}
	for _, table := range []string{"person_keys", "person_entries", "person_merges", "search_questions", "black_list_users", "users", "refresh_tokens", "codes", "person_versions", "person_relationships", "consents"} {
		require.Positive(t, count(registry.Reach{All: true}, table), "the unmutated twin: %s has rows", table)
		require.Zero(t, count(registry.Reach{}, table), "nobody sees %s", table)
		require.Zero(t, count(registry.Reach{LegalEntityID: w.a.legalEntity}, table), "clinic a sees %s", table)
	}
	for table, person := range map[string]registry.ID{"person_versions": w.b.person, "person_relationships": w.b.person, "consents": w.b.person} {
		require.Equal(t, 1, count(registry.Reach{PersonID: person}, table), "the person's own: %s", table)
	}
	for _, table := range []string{"person_versions", "person_relationships"} {
		require.Equal(t, 1, count(registry.Reach{LegalEntityID: w.b.legalEntity}, table), "with the record: %s", table)
	}
}
