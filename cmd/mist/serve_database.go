package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"mist/registry"
	"mist/registry/postgres"
	"mist/registry/sealing"
)

// connectionString reads a file, or else the environment; "" where neither is given.
func connectionString(file, variable string) (string, error) {
	if file == "" {
		return strings.TrimSpace(os.Getenv(variable)), nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("reading a connection string: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

// servingDatabase migrates as the owner of the tables where their connection
// string is at hand, and gives what the server works with: a login of its own
// that can neither change tables nor what is written for ever, even when it lays
// down the role it took on. With one connection string for both, production
// refuses ([postgres.ExcessError]); a sandbox takes on the serving role.
func servingDatabase(ctx context.Context, cfg Config, kek sealing.KEK, log *slog.Logger) (dsn string, ring *sealing.Keyring, stop func(), err error) {
	stop = func() {}
	if dsn, err = connectionString(cfg.Database.ServerURLFile, "DATABASE_SERVER_URL"); err != nil {
		return "", nil, nil, err
	}
	owner := dsn
	if dsn == "" || cfg.Database.URLFile != "" || os.Getenv("DATABASE_URL") != "" {
		if owner, stop, err = database(ctx, cfg.Database, log); err != nil {
			return "", nil, nil, err
		}
		if err = postgres.Migrate(ctx, owner); err != nil {
			stop()
			return "", nil, nil, err
		}
	}
	if dsn == "" {
		dsn = owner
		if cfg.Database.URLFile == "" && os.Getenv("DATABASE_URL") == "" { // our own cluster
			dsn, err = postgres.ServingLogin(ctx, owner)
		}
	}
	if err == nil {
		err = refuseExcess(ctx, dsn, cfg.Profile, log)
	}
	if err == nil {
		// Making the first keys is the owner's.
		ring, err = postgres.LoadKeys(ctx, owner, kek, registry.SystemSource().Random)
	}
	if err != nil {
		stop()
		return "", nil, nil, err
	}
	return dsn, ring, stop, nil
}

// refuseExcess holds the serving account of a production server to what serving needs.
func refuseExcess(ctx context.Context, dsn, profile string, log *slog.Logger) error {
	list, err := postgres.Excess(ctx, dsn)
	if err != nil || len(list) == 0 {
		return err
	}
	refusal := &postgres.ExcessError{Rights: list}
	if profile != profileSandbox {
		return &failure{exitUsage, refusal}
	}
	log.Warn("the sandbox serves by an account that could change its tables", "rights", list)
	return nil
}
