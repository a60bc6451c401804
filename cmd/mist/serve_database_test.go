package main

import (
	"bytes"
	"crypto/rand"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/registry/postgres"
	"mist/registry/postgres/pgtest"
	"mist/registry/sealing"
)

// A production server is not given an account that could change its tables, be
// it the only one; with a login of its own beside the owner's it serves, and so
// it does with that login alone on a database that mist migrate has made.
func TestProductionServesByALoginOfItsOwn(t *testing.T) {
	t.Setenv("DATABASE_URL", "")
	t.Setenv("DATABASE_SERVER_URL", "")
	cluster := &pgtest.Cluster{}
	t.Cleanup(cluster.Stop)
	server := cluster.Server(t)
	kek, err := sealing.NewFileKEK(map[uint16][]byte{1: bytes.Repeat([]byte{1}, 32)}, 1, rand.Reader)
	require.NoError(t, err)
	file := func(name, dsn string) string {
		path := filepath.Join(t.TempDir(), name)
		require.NoError(t, os.WriteFile(path, []byte(dsn+"\n"), 0o600))
		return path
	}
	open := func(profile, owner, serving string) (string, error) {
		cfg := Config{Profile: profile}
		if owner != "" {
			cfg.Database.URLFile = file("owner", owner)
		}
		if serving != "" {
			cfg.Database.ServerURLFile = file("serving", serving)
		}
		dsn, _, stop, err := servingDatabase(t.Context(), cfg, kek, slog.New(slog.DiscardHandler))
		if err == nil {
			stop()
		}
		return dsn, err
	}
	owner := cluster.DSN(t)
	_, err = open(profileProduction, owner, "")
	var excess *postgres.ExcessError
	require.ErrorAs(t, err, &excess)
	require.Contains(t, excess.Rights, "owns the tables")
	require.ErrorContains(t, err, "database.server_url_file")
	_, err = open(profileProduction, owner, owner)
	require.ErrorAs(t, err, &excess, "the same account named twice")
	dsn, err := open(profileSandbox, owner, "")
	require.NoError(t, err)
	require.Equal(t, owner, dsn, "a sandbox takes on the serving role")

	serving, err := postgres.ServingLogin(t.Context(), owner)
	require.NoError(t, err)
	for _, first := range []string{owner, ""} {
		dsn, err = open(profileProduction, first, serving)
		require.NoError(t, err)
		require.Equal(t, serving, dsn)
	}

	// Not migrated, and nobody here who could: the answer says what to run.
	require.NoError(t, server.EnsureDatabase(t.Context(), "empty"))
	empty, err := postgres.ServingLogin(t.Context(), server.DSN("empty"))
	require.NoError(t, err)
	_, err = open(profileProduction, "", empty)
	require.ErrorIs(t, err, postgres.ErrNotMigrated)
}
