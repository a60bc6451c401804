// Package pgtest gives tests a real PostgreSQL: one cluster a test binary, one
// database a test, copied from a migrated template, so that tests run in
// parallel. A machine without PostgreSQL fails the tests; it does not skip them.
package pgtest

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"mist/registry"
	"mist/registry/postgres"
	"mist/registry/postgres/local"
	"mist/registry/sealing"
)

const template = "mist_template"

// Cluster is the PostgreSQL of one test binary. The zero value is ready:
//
//	var cluster pgtest.Cluster
//	func TestMain(m *testing.M) { os.Exit(cluster.Run(m)) }
//
// The server starts with the first test that asks for a database.
type Cluster struct {
	// Durable keeps fsync on, as benchmarks need it. Without it commits still
	// survive a kill of the server, though not of the machine.
	Durable bool
	// Settings are server parameters over those of tests.
	Settings map[string]string

	once   sync.Once
	dir    string
	server *local.Server
	err    error
	n      atomic.Int64
}

// Run runs the tests and takes the cluster away afterwards.
func (c *Cluster) Run(m *testing.M) int {
	code := m.Run()
	c.Stop()
	return code
}

// Stop takes the cluster away: for a test that keeps one of its own.
func (c *Cluster) Stop() {
	if c.server != nil {
		if err := c.server.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
	if c.dir != "" {
		_ = os.RemoveAll(c.dir)
	}
}

func (c *Cluster) start() {
	settings := map[string]string{"max_connections": "300", "shared_buffers": "128MB"}
	if !c.Durable {
		settings["fsync"] = "off"
		settings["full_page_writes"] = "off"
	}
	maps.Copy(settings, c.Settings)
	if c.dir, c.err = os.MkdirTemp("", "mist-pgtest-"); c.err != nil {
		return
	}
	cfg := local.Config{Dir: c.dir, Settings: settings}
	ctx := context.Background()
	c.server, c.err = local.Start(ctx, cfg)
	if c.err == nil {
		c.err = c.server.EnsureDatabase(ctx, template)
	}
	if c.err == nil {
		c.err = postgres.Migrate(ctx, c.server.DSN(template))
	}
}

// Server is the running server; the test fails when there is none.
func (c *Cluster) Server(t testing.TB) *local.Server {
	t.Helper()
	c.once.Do(c.start)
	if c.err != nil {
		t.Fatalf("tests need PostgreSQL: %v", c.err)
	}
	return c.server
}

// DSN makes a migrated, empty database for the test.
func (c *Cluster) DSN(t testing.TB) string {
	t.Helper()
	server := c.Server(t)
	name := fmt.Sprintf("test_%d", c.n.Add(1))
	c.admin(t, "CREATE DATABASE "+name+" TEMPLATE "+template)
	t.Cleanup(func() { c.admin(t, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)") })
	return server.DSN(name)
}

func (c *Cluster) admin(t testing.TB, sql string) {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, c.server.DSN("postgres"))
	if err == nil {
		_, err = conn.Exec(ctx, sql)
		_ = conn.Close(ctx)
	}
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// Store opens a store on a new database.
func (c *Cluster) Store(t testing.TB) *postgres.Store {
	t.Helper()
	return Open(t, c.DSN(t))
}

// Open opens a store on a database made by DSN; change may adjust its options.
func Open(t testing.TB, dsn string, change ...func(*postgres.Options)) *postgres.Store {
	t.Helper()
	opt := postgres.Options{
		Source: registry.SystemSource(),
		Keys:   Keys(t),
		// Busy test machines stop for longer than a server may.
		WriteLimit: 10 * time.Second,
	}
	for _, f := range change {
		f(&opt)
	}
	s, err := postgres.Open(context.Background(), dsn, opt)
	if err != nil {
		t.Fatalf("opening a test store: %v", err)
	}
	t.Cleanup(func() { _ = s.Close(context.Background()) })
	return s
}

// Keys is the sealing key of tests: no secret.
func Keys(t testing.TB) *sealing.Keyring {
	t.Helper()
	k, err := sealing.New(map[uint16][]byte{1: bytes.Repeat([]byte("test key"), 4)}, 1, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// Connect gives a bare connection as the cluster's superuser, for looking at
// rows and for sabotage.
func Connect(t testing.TB, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), dsn)
	if err != nil {
		t.Fatalf("connecting to a test database: %v", err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}
