package postgres

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
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
	if err := migrateQueue(ctx, dsn); err != nil {
		return fmt.Errorf("migrating the job queue: %w", err)
	}
	return nil
}

// migrateQueue brings River's own tables up to its version, under a lock of
// its own, and grants the serving role the rows, not the tables.
func migrateQueue(ctx context.Context, dsn string) error {
	pool, err := pgxpool.New(ctx, dsn)
	if err != nil {
		return err
	}
	defer pool.Close()
	holder, err := pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer holder.Release() // the pool's end frees the lock
	if _, err := holder.Exec(ctx, `SELECT pg_advisory_lock(hashtextextended('mist river migration', 0))`); err != nil {
		return err
	}
	migrator, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Schema: riverSchema, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return err
	}
	// Indexes for questions nobody asks of River's table: by arguments (an id), by
	// metadata (none) and by kind (one). A job's four changes paid for each of them.
	_, err = pool.Exec(ctx, `DROP INDEX IF EXISTS river.river_job_args_index, river.river_job_metadata_index, river.river_job_kind;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA river TO mist_app;
REVOKE INSERT, UPDATE, DELETE ON river.river_migration FROM mist_app;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA river TO mist_app`)
	return err
}

// demandQueue compares River's tables with the version built in.
func demandQueue(ctx context.Context, conn *pgx.Conn) error {
	migrator, err := rivermigrate.New(riverpgxv5.New(nil), &rivermigrate.Config{Schema: riverSchema, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	versions := migrator.AllVersions()
	newest := versions[len(versions)-1].Version
	var applied int
	err = conn.QueryRow(ctx, `SELECT COALESCE(max(version), 0) FROM river.river_migration WHERE line = 'main'`).Scan(&applied)
	switch {
	case err != nil && lostTable(err), err == nil && applied < newest:
		return ErrNotMigrated
	case err != nil:
		return mapError(err)
	case applied > newest:
		return ErrNewerDatabase
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
	return demandQueue(ctx, conn)
}
