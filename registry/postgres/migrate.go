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
	// Rooms number their migrations in ranges of their own, so a later one may
	// come with a lower number; each stands for itself.
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files, goose.WithSessionLocker(locker), goose.WithAllowOutofOrder(true))
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

// demandMigrated compares the migrations of the database with the files: each
// file must be applied, and none that is not known here.
func demandMigrated(ctx context.Context, conn *pgx.Conn) error {
	files, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return err
	}
	known := make([]int64, len(files))
	for i, name := range files {
		if known[i], err = goose.NumericComponent(name); err != nil {
			return err
		}
	}
	var applied, newer int
	err = conn.QueryRow(ctx, `SELECT count(*) FILTER (WHERE version_id = ANY ($1)), count(*) FILTER (WHERE version_id <> ALL ($1))
FROM goose_db_version WHERE is_applied AND version_id > 0`, known).Scan(&applied, &newer)
	switch {
	case err != nil && lostTable(err), err == nil && applied < len(files):
		return ErrNotMigrated
	case err != nil:
		return mapError(err)
	case newer > 0:
		return ErrNewerDatabase
	}
	return nil
}
