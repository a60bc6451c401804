package postgres_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/postgres"
	"mist/registry/postgres/pgtest"
	"mist/registry/query"
)

// BenchmarkRowSecurity tells what the second wall costs: the read of one
// declaration with everybody concerned and its audit leaf, and a list of 50, in
// processor time of Mist and all database processes. Rounds take turns: without
// policies, with them and a reach of everything, with them and one legal entity.
func BenchmarkRowSecurity(b *testing.B) {
	durable := pgtest.Cluster{}
	b.Cleanup(durable.Stop)
	dsn := durable.DSN(b)
	s := pgtest.Open(b, dsn)
	conn := pgtest.Connect(b, dsn)
	var acts []registry.Act
	clinics := make([]clinic, 100)
	for i := range clinics {
		clinics[i] = populate(b, s)
		require.NoError(b, s.Update(b.Context(), func(ctx context.Context, tx *postgres.Tx) error {
			a := clinics[i].act()
			acts = append(acts, a)
			_, err := clinics[i].declare(ctx, tx, a)
			return err
		}))
	}
	_, err := conn.Exec(b.Context(), "ANALYZE")
	require.NoError(b, err)
	tables := []string{"drafts", "declarations", "acts", "declaration_statuses", "persons", "draft_documents"}
	walls := func(to string) {
		for _, t := range tables {
			_, err := conn.Exec(b.Context(), "ALTER TABLE "+t+" "+to+" ROW LEVEL SECURITY")
			require.NoError(b, err)
		}
	}
	one := func(i int, reach registry.Reach) error {
		return s.Update(registry.WithReach(b.Context(), reach), func(ctx context.Context, tx *postgres.Tx) error {
			if _, found, err := tx.DeclarationRow(ctx, acts[i%len(acts)].ID, registry.ID{}); err != nil || !found {
				b.Fatal(found, err)
			}
			_, err := tx.Audit(ctx, audit.Entry{Kind: audit.Disclosure, Channel: "rest", RequestID: "bench", SubjectID: acts[i%len(acts)].PatientID,
				LegalBasis: &audit.LegalBasis{Code: audit.BasisDeclaration}})
			return err
		})
	}
	list := func(i int, reach registry.Reach) error {
		return s.Update(registry.WithReach(b.Context(), reach), func(ctx context.Context, tx *postgres.Tx) error {
			_, err := tx.DeclarationList(ctx, query.DeclarationFilter{LegalEntityID: clinics[i%len(clinics)].legalEntity, Window: query.Window{Cursor: true, Size: 50}})
			return err
		})
	}
	own := func(i int) registry.Reach {
		return registry.Reach{LegalEntityID: clinics[i%len(clinics)].legalEntity}
	}
	all := func(int) registry.Reach { return registry.Reach{All: true} }
	variants := []struct {
		name  string
		walls string
		reach func(int) registry.Reach
		read  func(int, registry.Reach) error
	}{
		{"one-none", "DISABLE", all, one}, {"one-all", "ENABLE", all, one}, {"one-own", "ENABLE", own, one},
		{"list-none", "DISABLE", all, list}, {"list-all", "ENABLE", all, list}, {"list-own", "ENABLE", own, list},
	}
	const rounds = 6
	each := max(b.N/rounds, 20)
	spentBy := map[string]float64{}
	server := durable.Server(b).PID()
	for round := range rounds + 1 {
		for _, v := range variants {
			walls(v.walls)
			for i := range 20 { // plans are made anew after a change of policies
				require.NoError(b, v.read(i, v.reach(i)))
			}
			before := cpuTime(b, server)
			for i := range each {
				if err := v.read(i, v.reach(i)); err != nil {
					b.Fatal(err)
				}
			}
			if round > 0 { // the first round warms up
				spentBy[v.name] += float64((cpuTime(b, server) - before).Nanoseconds()) / 1e3
			}
		}
	}
	b.ReportMetric(0, "ns/op")
	for _, v := range variants {
		b.ReportMetric(spentBy[v.name]/float64(rounds*each), v.name+"-cpu-µs")
	}
}
