package postgres_test

import (
	"context"
	"crypto/rand"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/registry/postgres"
	"mist/registry/postgres/pgtest"
)

// The account a server logs in with can do no more than serve even when it lays
// down the role it took on: no DDL, no change of acts and leaves, no way around
// row security. The owner of the tables, made to take on the serving role, can
// lay it down, and that is told.
func TestServingLoginHasNothingToLayDown(t *testing.T) {
	t.Parallel()
	owner := cluster.DSN(t)
	serving, err := postgres.ServingLogin(t.Context(), owner)
	require.NoError(t, err)
	again, err := postgres.ServingLogin(t.Context(), owner)
	require.NoError(t, err)
	require.Equal(t, serving, again)
	kek := fileKEK(t, 1, 1)
	_, err = postgres.LoadKeys(t.Context(), serving, kek, rand.Reader)
	require.ErrorIs(t, err, postgres.ErrNotMigrated, "the first keys are the owner's to make")
	_, err = postgres.LoadKeys(t.Context(), owner, kek, rand.Reader)
	require.NoError(t, err)
	_, err = postgres.LoadKeys(t.Context(), serving, kek, rand.Reader)
	require.NoError(t, err)

	s := pgtest.Open(t, serving)
	c := populate(t, s)
	act := c.act()
	require.NoError(t, store(t.Context(), s, act), "the unmutated twin: it serves")

	list, err := postgres.Excess(t.Context(), serving)
	require.NoError(t, err)
	require.Empty(t, list)
	conn := pgtest.Connect(t, serving)
	for _, sql := range []string{
		`CREATE TABLE x (id int)`, `CREATE SCHEMA x`, `CREATE ROLE x`, `CREATE DATABASE x`, `CREATE EXTENSION pageinspect`,
		`DROP TABLE acts`, `ALTER TABLE acts ADD COLUMN x int`, `ALTER TABLE acts DISABLE TRIGGER ALL`, `ALTER TABLE persons DISABLE ROW LEVEL SECURITY`,
		`CREATE OR REPLACE FUNCTION acts_demand_leaf() RETURNS trigger LANGUAGE sql AS 'SELECT NULL'`, `DROP POLICY reach ON persons`, `CREATE INDEX ON acts (id)`,
		`UPDATE acts SET kind = 'x'`, `DELETE FROM acts`, `TRUNCATE acts CASCADE`, `UPDATE leaves SET kind = 'x'`, `UPDATE leaves SET entry = ''`, `DELETE FROM leaves`, `TRUNCATE leaves`,
		`DELETE FROM entries`, `UPDATE checkpoints SET size = 0`, `DELETE FROM media`, `UPDATE reports SET body = ''`, `DELETE FROM declaration_statuses`,
		`SET ROLE mist`, `SET ROLE mist_operator`, `SET ROLE mist_monitor`, `SET SESSION AUTHORIZATION mist`, `SET session_replication_role = replica`, `SET row_security = off; SELECT * FROM persons`,
		`COPY acts TO PROGRAM 'cat'`, `COPY acts TO '/tmp/x'`, `SELECT pg_read_file('PG_VERSION')`, `ALTER ROLE mist_server SUPERUSER`, `GRANT mist TO mist_server`,
	} {
		_, err := conn.Exec(t.Context(), `RESET ROLE`)
		require.NoError(t, err)
		_, err = conn.Exec(t.Context(), sql)
		require.Error(t, err, sql)
		require.Regexp(t, `42501|must be owner|permission denied|query would be affected`, err.Error(), sql)
	}

	list, err = postgres.Excess(t.Context(), owner)
	require.NoError(t, err)
	require.Subset(t, list, []string{"is a superuser", "owns the tables", "makes tables", "changes what is written for ever"})
	require.ErrorContains(t, &postgres.ExcessError{Rights: list}, "database.server_url_file")

	// Each right by itself, given to an account that had none, is told.
	admin := pgtest.Connect(t, owner)
	run := func(sql string) {
		t.Helper()
		_, err := admin.Exec(t.Context(), sql)
		require.NoError(t, err, sql)
	}
	run(`CREATE ROLE mist_excess LOGIN IN ROLE mist_app`)
	t.Cleanup(func() {
		_, _ = pgtest.Connect(t, owner).Exec(context.Background(), `DROP OWNED BY mist_excess; DROP ROLE mist_excess`)
	})
	other := strings.Replace(serving, postgres.Login, "mist_excess", 1)
	list, err = postgres.Excess(t.Context(), other)
	require.NoError(t, err)
	require.Empty(t, list)
	for _, c := range []struct{ grant, revoke, want string }{
		{`GRANT CREATE ON SCHEMA public TO mist_excess`, `REVOKE CREATE ON SCHEMA public FROM mist_excess`, "makes tables"},
		{`GRANT CREATE ON SCHEMA river TO mist_excess`, `REVOKE CREATE ON SCHEMA river FROM mist_excess`, "makes tables"},
		{`GRANT UPDATE (entry) ON leaves TO mist_excess`, `REVOKE UPDATE (entry) ON leaves FROM mist_excess`, "changes what is written for ever"},
		{`GRANT DELETE ON acts TO mist_excess`, `REVOKE DELETE ON acts FROM mist_excess`, "changes what is written for ever"},
		{`GRANT TRUNCATE ON declaration_statuses TO mist_excess`, `REVOKE TRUNCATE ON declaration_statuses FROM mist_excess`, "changes what is written for ever"},
		{`ALTER TABLE dictionaries OWNER TO mist_excess`, `ALTER TABLE dictionaries OWNER TO mist`, "owns the tables"},
		{`GRANT mist_operator TO mist_excess`, `REVOKE mist_operator FROM mist_excess`, "passes row security"},
		{`ALTER ROLE mist_excess CREATEDB`, `ALTER ROLE mist_excess NOCREATEDB`, "makes roles or databases, or copies this one"},
		{`ALTER ROLE mist_excess BYPASSRLS`, `ALTER ROLE mist_excess NOBYPASSRLS`, "passes row security"},
		{`GRANT mist TO mist_excess`, `REVOKE mist FROM mist_excess`, "is a superuser"},
	} {
		run(c.grant)
		list, err = postgres.Excess(t.Context(), other)
		require.NoError(t, err)
		require.Contains(t, list, c.want, c.grant)
		run(c.revoke)
		list, err = postgres.Excess(t.Context(), other)
		require.NoError(t, err)
		require.Empty(t, list, c.revoke)
	}
}
