package postgres_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry/audit"
	"mist/registry/declaration"
	"mist/registry/patient"
	"mist/registry/postgres"
	"mist/registry/postgres/pgtest"
	"mist/registry/query"
)

// databaseTime is the processor time of the server with its backends, those that
// have ended included (theirs in clock ticks of 10 ms).
func databaseTime(b *testing.B, server int) (total time.Duration) {
	b.Helper()
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", server, server))
	require.NoError(b, err)
	for _, pid := range append(strings.Fields(string(children)), strconv.Itoa(server)) {
		stat, err := os.ReadFile("/proc/" + pid + "/schedstat")
		if err != nil {
			continue // a worker that has ended
		}
		ns, err := strconv.ParseInt(strings.Fields(string(stat))[0], 10, 64)
		require.NoError(b, err)
		total += time.Duration(ns)
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", server))
	require.NoError(b, err)
	f := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')'):]))
	for _, field := range f[14:16] { // cutime cstime
		ticks, err := strconv.Atoi(field)
		require.NoError(b, err)
		total += time.Duration(ticks) * 10 * time.Millisecond
	}
	return total
}

// BenchmarkDiiaStatements tells what each step of a consented query costs the
// database in processor time.
func BenchmarkDiiaStatements(b *testing.B) {
	durable := pgtest.Cluster{Durable: true}
	b.Cleanup(durable.Stop)
	s := pgtest.Open(b, durable.DSN(b))
	server := durable.Server(b)
	c := populate(b, s)
	r := consentOf(c.person)
	require.NoError(b, s.Update(b.Context(), func(ctx context.Context, tx *postgres.Tx) error { return tx.UseConsent(ctx, r) }))
	q := patient.Query{TaxID: "3126509817", LastName: "Т", FirstName: "О"}
	statuses := []declaration.Status{declaration.StatusActive, declaration.StatusPendingVerification}
	n := 0
	steps := []struct {
		name string
		do   func(ctx context.Context, tx *postgres.Tx) error
	}{
		{"begin and commit", func(ctx context.Context, tx *postgres.Tx) error { return tx.Exec(ctx, "select 1") }},
		{"look", func(ctx context.Context, tx *postgres.Tx) error {
			_, err := tx.Look(ctx, query.Look{Client: "c", MessageID: "m", Consent: r.ID, Person: q})
			return err
		}},
		{"declarations", func(ctx context.Context, tx *postgres.Tx) error {
			_, err := tx.DeclarationsOf(ctx, c.person, statuses, 100)
			return err
		}},
		{"leaf", func(ctx context.Context, tx *postgres.Tx) error {
			_, err := tx.Audit(ctx, audit.Entry{Kind: audit.Disclosure, SubjectID: c.person, LegalBasis: &audit.LegalBasis{Code: audit.BasisConsent}})
			return err
		}},
		{"exchange", func(ctx context.Context, tx *postgres.Tx) error {
			n++
			return tx.InsertExchange(ctx, query.Exchange{Client: "c", MessageID: strconv.Itoa(n), Request: sha256.Sum256([]byte(strconv.Itoa(n))), Answer: make([]byte, 900), EntryID: source.NewID(), CreatedAt: source.Now()})
		}},
		{"consent", func(ctx context.Context, tx *postgres.Tx) error {
			other := r
			other.ID, other.SingleUse = source.NewID(), true
			return tx.UseConsent(ctx, other)
		}},
	}
	for _, step := range steps {
		b.Run(step.name, func(b *testing.B) {
			for range 20 { // plans
				require.NoError(b, s.Update(b.Context(), step.do))
			}
			before := databaseTime(b, server.PID())
			for b.Loop() {
				if err := s.Update(b.Context(), step.do); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64((databaseTime(b, server.PID())-before).Microseconds())/float64(b.N), "db-µs/op")
		})
	}
}
