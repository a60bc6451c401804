package postgres

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations/*.sql
var migrations embed.FS

// ErrNotMigrated tells that the database's tables are older than the program.
var ErrNotMigrated = errors.New("the database is not migrated to this version: run mist migrate")

// ErrNewerDatabase tells that the database's tables are newer than the program.
var ErrNewerDatabase = errors.New("the database was migrated by a newer Mist: run that version")

// Migrate brings the tables of the database to this version; forward only, one
// process at a time. The connection's user becomes the owner; it must be able
// to create the role mist_app or find it there, and is made a member of it.
func Migrate(ctx context.Context, dsn string) error {
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		return errors.New("migrating: the connection string is not readable")
	}
	db := stdlib.OpenDB(*cfg)
	defer db.Close()
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return fmt.Errorf("migrating: %w", err)
	}
	locker, err := lock.NewPostgresSessionLocker()
	if err != nil {
		return fmt.Errorf("migrating: %w", err)
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files, goose.WithSessionLocker(locker))
	if err != nil {
		return fmt.Errorf("migrating: %w", err)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrating: %w", err)
	}
	if _, err := db.ExecContext(ctx, `GRANT SELECT ON goose_db_version TO mist_app`); err != nil {
		return fmt.Errorf("migrating: %w", err)
	}
	return nil
}

// demandMigrated compares the database's version with the newest file.
func demandMigrated(ctx context.Context, conn *pgx.Conn) error {
	files, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return err
	}
	var version int
	err = conn.QueryRow(ctx, `SELECT COALESCE(max(version_id), 0) FROM goose_db_version WHERE is_applied`).Scan(&version)
	switch {
	case err != nil && lostTable(err), err == nil && version < len(files):
		return ErrNotMigrated
	case err != nil:
		return mapError(err)
	case version > len(files):
		return ErrNewerDatabase
	}
	return nil
}
