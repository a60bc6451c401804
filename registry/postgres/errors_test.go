package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/postgres/local"
)

// Every key and reference of the schema has its meaning: for the caller, or as
// a fault of ours. A constraint that is gone leaves its line too.
func TestEveryConstraintHasItsMeaning(t *testing.T) {
	dir, err := os.MkdirTemp("", "mist-errors-")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	server, err := local.Start(t.Context(), local.Config{Dir: dir, Settings: map[string]string{"fsync": "off"}})
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Stop() })
	require.NoError(t, Migrate(t.Context(), server.DSN("postgres")))
	conn, err := pgx.Connect(t.Context(), server.DSN("postgres"))
	require.NoError(t, err)
	defer conn.Close(context.Background())
	rows, err := conn.Query(t.Context(), `
SELECT c.conname FROM pg_constraint c JOIN pg_class r ON r.oid = c.conrelid
 WHERE c.connamespace = 'public'::regnamespace AND c.contype IN ('p', 'u', 'f', 't') AND NOT r.relispartition AND r.relname <> 'goose_db_version'
UNION
SELECT i.relname FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class r ON r.oid = x.indrelid
 WHERE x.indisunique AND i.relnamespace = 'public'::regnamespace AND NOT r.relispartition AND r.relname <> 'goose_db_version'
UNION
SELECT tgname FROM pg_trigger WHERE tgname = 'acts_demand_leaf' AND tgenabled = 'O'`)
	require.NoError(t, err)
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.Greater(t, len(names), 40)
	for _, name := range names {
		_, told := constraints[name]
		require.True(t, told != slices.Contains(internalConstraints, name), "constraint %s must stand in exactly one of the two tables", name)
	}
	for name, e := range constraints {
		require.Contains(t, names, name, "no such constraint")
		require.Contains(t, registry.Codes(), e.Code)
		require.NotEmpty(t, e.Detail)
	}
	for _, name := range internalConstraints {
		require.Contains(t, names, name, "no such constraint")
	}
}

func TestMapError(t *testing.T) {
	secret := "3278011533"
	for name, c := range map[string]struct {
		err  error
		code registry.Code
	}{
		"known constraint":   {&pgconn.PgError{Code: "23505", ConstraintName: "acts_container_key", Detail: secret}, registry.CodeAlreadyDone},
		"unknown constraint": {&pgconn.PgError{Code: "23505", ConstraintName: "other", Detail: secret}, registry.CodeInternal},
		"bad value":          {&pgconn.PgError{Code: "22P02", Message: "invalid input: " + secret}, registry.CodeInternal},
		"deadlock":           {&pgconn.PgError{Code: "40P01"}, registry.CodeUnavailable},
		"too many":           {&pgconn.PgError{Code: "53300"}, registry.CodeUnavailable},
		"shutting down":      {&pgconn.PgError{Code: "57P01"}, registry.CodeUnavailable},
		"cancelled":          {fmt.Errorf("waiting: %w", context.DeadlineExceeded), registry.CodeUnavailable},
		"registry error":     {registry.Errorf(registry.CodeForbidden, "no"), registry.CodeForbidden},
		"foreign":            {errors.New("something"), registry.CodeInternal},
	} {
		got := mapError(fmt.Errorf("doing: %w", c.err))
		require.Equal(t, c.code, registry.CodeOf(got), name)
		require.NotContains(t, got.Error(), secret, name)
		require.NotContains(t, registry.AsError(got).Error(), secret, name)
	}
	require.NoError(t, mapError(nil))
	require.True(t, lostToAnother(mapError(&pgconn.PgError{Code: "40001"})))
	require.True(t, lostToAnother(mapError(&pgconn.PgError{Code: "23505", ConstraintName: "exchanges_pkey"})))
	require.False(t, lostToAnother(mapError(&pgconn.PgError{Code: "23505", ConstraintName: "acts_container_key"})))
}
