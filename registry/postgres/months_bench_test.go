package postgres_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/postgres"
	"mist/registry/postgres/pgtest"
)

// BenchmarkMonths compares, turn by turn, an act with its leaf where leaves lie
// in a table for each month, with the same where they lie in one table: rows,
// indexes, foreign keys and the check of acts are the same. Read the ratio of
// processor time of the database.
func BenchmarkMonths(b *testing.B) {
	durable := pgtest.Cluster{Durable: true}
	b.Cleanup(durable.Stop)
	dsn := durable.DSN(b)
	s := pgtest.Open(b, dsn, func(o *postgres.Options) { o.MaxConns = 16 })
	conn := pgtest.Connect(b, dsn)
	_, err := conn.Exec(b.Context(), `CREATE TABLE one_leaves (LIKE leaves INCLUDING DEFAULTS, PRIMARY KEY (id));
CREATE INDEX ON one_leaves (epoch, xid);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON one_leaves FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TABLE one_acts (LIKE acts INCLUDING ALL);
ALTER TABLE one_acts ADD FOREIGN KEY (patient_id) REFERENCES persons, ADD FOREIGN KEY (author_id) REFERENCES employees, ADD FOREIGN KEY (legal_entity_id) REFERENCES legal_entities;
ALTER TABLE one_acts ENABLE ROW LEVEL SECURITY;
DO $$ BEGIN EXECUTE 'CREATE POLICY reach ON one_acts TO mist_app USING (' || (SELECT pg_get_expr(polqual, polrelid) FROM pg_policy WHERE polrelid = 'acts'::regclass AND polname = 'reach') || ')'; END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON one_acts FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE FUNCTION one_demand() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    lacking uuid;
BEGIN
    SELECT a.id INTO lacking FROM accepted a WHERE (SELECT l.act_id FROM public.one_leaves l WHERE l.id = a.leaf_id) IS DISTINCT FROM a.id LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'act % has no audit leaf', lacking;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER one_demand AFTER INSERT ON one_acts REFERENCING NEW TABLE AS accepted FOR EACH STATEMENT EXECUTE FUNCTION one_demand();
GRANT SELECT, INSERT ON one_leaves, one_acts TO mist_app`)
	require.NoError(b, err)
	const clients = 8
	clinics := make([]clinic, 4*clients)
	for i := range clinics {
		clinics[i] = populate(b, s)
	}
	write := func(leaves, acts string) func(ctx context.Context, a registry.Act) error {
		sql := `WITH leaf AS (INSERT INTO ` + leaves + ` (id, epoch, kind, act_id, writer, n, entry, subject_id, subject_salt) VALUES ($11, 1, 'act.accepted', $1, $12, 1, $13, $4, $7))
INSERT INTO ` + acts + ` (id, kind, version, patient_id, author_id, legal_entity_id, container, content, refers_to, accepted_at, leaf_id) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`
		writer := source.NewID()
		return func(ctx context.Context, a registry.Act) error {
			e := accepted(a)
			e.ID, e.Time, e.Nonce, e.Writer = source.NewID(), source.Now(), make([]byte, 16), audit.Writer{ID: writer, N: 1}
			entry, err := audit.Encode(e)
			if err != nil {
				return err
			}
			return s.Update(ctx, func(ctx context.Context, tx *postgres.Tx) error {
				return tx.Exec(ctx, sql, a.ID, string(a.Kind), a.Version, a.PatientID, a.AuthorID, a.LegalEntityID, a.Container[:], a.Content[:], a.RefersTo, a.AcceptedAt, e.ID, writer, entry)
			})
		}
	}
	one, months := write("one_leaves", "one_acts"), write("leaves", "acts")
	server := durable.Server(b)
	const rounds = 16
	each := max(b.N/rounds, 1)
	round := func(write func(context.Context, registry.Act) error) time.Duration {
		var next atomic.Int64
		var wg sync.WaitGroup
		before := databaseTime(b, server.PID())
		for w := range clients {
			wg.Go(func() {
				for i := next.Add(1); i <= int64(each); i = next.Add(1) {
					if err := write(context.Background(), clinics[(w+int(i)*clients)%len(clinics)].act()); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
		return databaseTime(b, server.PID()) - before
	}
	round(one)
	round(months)
	var inOne, inMonths time.Duration
	b.ResetTimer()
	for range rounds {
		inOne += round(one)
		inMonths += round(months)
	}
	b.StopTimer()
	n := float64(rounds * each)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(inOne.Seconds()*1e6/n, "one-µs")
	b.ReportMetric(inMonths.Seconds()*1e6/n, "months-µs")
	b.ReportMetric(inMonths.Seconds()/inOne.Seconds(), "months/one")
}
