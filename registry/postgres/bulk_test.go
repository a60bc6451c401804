package postgres_test

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"mist/fixtures/population"
	"mist/registry"
	"mist/registry/audit"
	"mist/registry/bulk"
	"mist/registry/declaration"
	"mist/registry/patient"
	"mist/registry/postgres"
	"mist/registry/postgres/pgtest"
)

func asOperator(o *postgres.Options) { o.Role = postgres.OperatorRole }

func TestImportedPopulationIsLikeOneWrittenByHand(t *testing.T) {
	t.Parallel()
	dsn := cluster.DSN(t)
	s := pgtest.Open(t, dsn, asOperator)
	var file bytes.Buffer
	require.NoError(t, population.WriteFile(&file, 30, 9, time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC), nil))
	first := bulk.Record{}
	for line := range bytes.Lines(file.Bytes()) {
		if r, err := bulk.ParseRecord(line); err == nil && r.Person != nil {
			first = r
			break
		}
	}
	require.NotNil(t, first.Person)
	conn := pgtest.Connect(t, dsn)
	for range 2 { // a second time changes nothing
		sum, err := bulk.Import(t.Context(), bytes.NewReader(file.Bytes()), bulk.Options{Store: postgres.NewPort[bulk.Tx](s), Batch: 10})
		require.NoError(t, err)
		require.Equal(t, 30, sum.Persons)
		var persons, active, unmarked, statuses int
		require.NoError(t, conn.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM persons), (SELECT count(*) FROM declarations WHERE status = 'active'),
    (SELECT count(*) FROM declarations WHERE NOT imported OR act_id IS NOT NULL OR reason <> 'imported_unverified' OR number !~ '^0001-'),
    (SELECT count(*) FROM declaration_statuses)`).Scan(&persons, &active, &unmarked, &statuses))
		require.Equal(t, []int{30, 30, 0, 30}, []int{persons, active, unmarked, statuses})
	}
	var entries int
	require.NoError(t, conn.QueryRow(t.Context(), `SELECT count(*) FROM leaves WHERE kind = $1`, string(audit.OperatorCommand)).Scan(&entries))
	require.Equal(t, 8, entries) // providers and three batches, twice

	// The row and the look-up keys are those PutPerson writes.
	rows := func() (out [][]any) {
		for _, q := range []string{
			`SELECT version, status, verification_status, death_date, master_id, identity, length(body) FROM persons WHERE id = $1`,
			`SELECT kind, key, null, null, null, null, null FROM person_keys WHERE person_id = $1 ORDER BY kind, key`,
		} {
			r, err := conn.Query(t.Context(), q, first.Person.ID.String())
			require.NoError(t, err)
			list, err := pgx.CollectRows(r, func(row pgx.CollectableRow) ([]any, error) { return row.Values() })
			require.NoError(t, err)
			out = append(out, list...)
		}
		return out
	}
	imported := rows()
	require.Greater(t, len(imported), 3)
	p := *first.Person
	p.Status, p.VerificationStatus = patient.StatusActive, bulk.VerificationImported
	update(t, s, func(ctx context.Context, tx *postgres.Tx) { require.NoError(t, tx.PutPerson(ctx, p)) })
	require.Equal(t, rows(), imported)

	update(t, s, func(ctx context.Context, tx *postgres.Tx) {
		got, found, err := tx.FindPerson(ctx, patient.Query{TaxID: registry.RNOKPP(p.TaxID)})
		require.NoError(t, err)
		require.True(t, found)
		require.Equal(t, p.LastName, got.LastName)
		d, found, err := tx.ActiveDeclaration(ctx, p.ID)
		require.NoError(t, err)
		require.True(t, found)
		require.Equal(t, first.Declaration.ID, d.ID)
		require.Equal(t, first.Declaration.StartDate, d.StartDate)
		require.Zero(t, d.ActID)
		require.Equal(t, declaration.StatusActive, d.Status)
	})
}

func TestServerCannotImport(t *testing.T) {
	t.Parallel()
	dsn := cluster.DSN(t)
	var file bytes.Buffer
	require.NoError(t, population.WriteFile(&file, 1, 9, time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC), nil))
	load := func(change ...func(*postgres.Options)) error {
		_, err := bulk.Import(t.Context(), bytes.NewReader(file.Bytes()), bulk.Options{Store: postgres.NewPort[bulk.Tx](pgtest.Open(t, dsn, change...))})
		return err
	}
	var refused *postgres.DatabaseError
	require.ErrorAs(t, load(), &refused)
	require.Equal(t, "0A000", refused.SQLState, "COPY is for a role that row security does not hold")
	require.NoError(t, load(asOperator)) // the unmutated twin

	conn := pgtest.Connect(t, dsn)
	_, err := conn.Exec(t.Context(), `SET ROLE mist_app; SET mist.reach = 'all'; UPDATE declarations SET imported = false, act_id = NULL`)
	require.ErrorContains(t, err, "operator command")
	_, err = conn.Exec(t.Context(), `RESET ROLE; UPDATE declarations SET imported = false`)
	require.ErrorContains(t, err, "declarations_demand_act")
}
