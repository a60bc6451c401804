package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"time"

	"mist/registry"
	"mist/registry/postgres"
	"mist/registry/postgres/local"
	"mist/registry/sealing"
	"mist/signature"
)

// operator is what a command at the database works with, whether the server
// runs at the same time or not.
type operator struct {
	cfg   Config
	store *postgres.Store
	kek   sealing.KEK
	ring  *sealing.Keyring
	// logKey is the public key of the log.
	logKey string
	close  func()
}

// joinDatabase is database beside a server that may run on the same folder.
func joinDatabase(e env, c DatabaseConfig) (dsn string, stop func(), err error) {
	dsn, stop, err = database(e.ctx, c, quietLogger(e))
	var inUse *local.InUseError
	if errors.As(err, &inUse) {
		q := url.Values{"host": {filepath.Join(c.Embedded, "run")}, "user": {local.User}, "sslmode": {"disable"}}
		return "postgres:///mist?" + q.Encode(), func() {}, nil
	}
	return dsn, stop, err
}

// openOperator opens the registry as an operator. A server that runs on the
// same embedded database keeps running: the command joins it by its socket.
func openOperator(e env, path string, maxConns int32, change ...func(*postgres.Options)) (*operator, error) {
	cfg, err := loadConfig(path)
	if err != nil {
		return nil, &failure{exitUsage, err}
	}
	if err := cfg.validate(); err != nil {
		return nil, &failure{exitUsage, err}
	}
	keys, err := loadKeys(cfg)
	if err != nil {
		return nil, err
	}
	dsn, stop, err := joinDatabase(e, cfg.Database)
	if err != nil {
		return nil, err
	}
	if err := postgres.Migrate(e.ctx, dsn); err != nil {
		stop()
		return nil, err
	}
	ring, err := postgres.LoadKeys(e.ctx, dsn, keys.kek, rand.Reader)
	if err != nil {
		stop()
		return nil, err
	}
	opt := postgres.Options{Source: registry.SystemSource(), Keys: ring, Role: postgres.OperatorRole, MaxConns: maxConns}
	for _, f := range change {
		f(&opt)
	}
	store, err := postgres.Open(e.ctx, dsn, opt)
	if err != nil {
		stop()
		return nil, err
	}
	return &operator{cfg, store, keys.kek, ring, keys.log.Verifier(), func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(e.ctx), 5*time.Second)
		defer cancel()
		if err := store.Close(closing); err != nil {
			fmt.Fprintln(e.stderr, "mist: closing the store:", err)
		}
		stop()
	}}, nil
}

// verifier judges by the installation's trust folder, asking its hosts alone.
func (op *operator) verifier(e env) (*signature.Verifier, error) {
	trusted, err := openTrust(e.ctx, op.cfg, quietLogger(e), registry.SystemSource().Clock)
	if err != nil {
		return nil, err
	}
	return trusted.verifier()
}
