package postgres_test

import (
	"context"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/postgres"
	"mist/registry/postgres/pgtest"
)

// BenchmarkActs compares, in one run and turn by turn, what the trail costs:
// a bare act, an act with its leaf, and the same while a sequencer works at
// 200 ms; then acts with their leaves as signings write them, several callers
// to a transaction (Store.Together), without and with the sequencer. Database
// acts without HTTP and signature; fsync on.
//
// Wall-clock ratios suffer from whatever else the machine does; the ratios of
// processor time (Mist and all database processes together) do not.
//
// The bare act has the table, indexes and foreign keys of an act, without leaf
// and trigger. Read the ratios; the rates are the machine's.
func BenchmarkActs(b *testing.B) {
	for _, clients := range []int{1, 8, 32} {
		b.Run(map[int]string{1: "clients=1", 8: "clients=8", 32: "clients=32"}[clients], func(b *testing.B) { benchmarkActs(b, clients) })
	}
}

func benchmarkActs(b *testing.B, clients int) {
	durable := pgtest.Cluster{Durable: true}
	b.Cleanup(durable.Stop)
	dsn := durable.DSN(b)
	s := pgtest.Open(b, dsn, func(o *postgres.Options) { o.MaxConns = 48 })
	conn := pgtest.Connect(b, dsn)
	_, err := conn.Exec(b.Context(), `CREATE TABLE bare_acts (LIKE acts INCLUDING ALL);
ALTER TABLE bare_acts ADD FOREIGN KEY (patient_id) REFERENCES persons, ADD FOREIGN KEY (author_id) REFERENCES employees, ADD FOREIGN KEY (legal_entity_id) REFERENCES legal_entities;
GRANT INSERT ON bare_acts TO mist_app`)
	require.NoError(b, err)
	// Clinics of their own, as in life: acts of one patient wait for each other.
	clinics := make([]clinic, 4*clients)
	for i := range clinics {
		clinics[i] = populate(b, s)
	}
	bare := func(ctx context.Context, a registry.Act) error {
		return s.Update(ctx, func(ctx context.Context, tx *postgres.Tx) error {
			return tx.Exec(ctx, postgres.BareAct, a.ID, string(a.Kind), int32(a.Version), a.PatientID, a.AuthorID, a.LegalEntityID, a.Container[:], a.Content[:], a.RefersTo, a.AcceptedAt, a.ID)
		})
	}
	withLeaf := func(ctx context.Context, a registry.Act) error { return store(ctx, s, a) }
	bareShared := func(ctx context.Context, a registry.Act) error {
		return s.Together(ctx, func(ctx context.Context, tx *postgres.Tx) error {
			return tx.Exec(ctx, postgres.BareAct, a.ID, string(a.Kind), int32(a.Version), a.PatientID, a.AuthorID, a.LegalEntityID, a.Container[:], a.Content[:], a.RefersTo, a.AcceptedAt, a.ID)
		})
	}
	shared := func(ctx context.Context, a registry.Act) error {
		return s.Together(ctx, func(ctx context.Context, tx *postgres.Tx) error {
			err := tx.InsertAct(ctx, a)
			if err == nil {
				_, err = tx.Audit(ctx, accepted(a))
			}
			return err
		})
	}
	// Rounds alternate so that a busy moment of the machine hits all variants.
	const rounds = 6
	each := max(b.N/rounds, 1)
	server := durable.Server(b)
	round := func(write func(context.Context, registry.Act) error) (t spent) {
		var next atomic.Int64
		var wg sync.WaitGroup
		before := spentSoFar(b, server.PID())
		began := time.Now()
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
		t = spentSoFar(b, server.PID())
		return spent{time.Since(began), t.own - before.own, t.database - before.database}
	}
	signer, _ := logKey(b)
	round(bare) // warm-up: connections, plans
	round(withLeaf)
	round(bareShared)
	round(shared)
	var bareTime, leafTime, sequencedTime, bareSharedTime, sharedTime, sharedSequencedTime spent
	b.ResetTimer()
	for range rounds {
		bareTime.add(round(bare))
		leafTime.add(round(withLeaf))
		bareSharedTime.add(round(bareShared))
		sharedTime.add(round(shared))
		stop := sequence(b, s, signer, slowly)
		settled(b, s) // what the round before left is not charged to this one
		sequencedTime.add(round(withLeaf))
		settled(b, s)
		sharedSequencedTime.add(round(shared))
		require.NoError(b, stop())
	}
	b.StopTimer()
	n := float64(rounds * each)
	b.ReportMetric(0, "ns/op")
	tell := func(name string, t, against spent) {
		b.ReportMetric(n/t.wall.Seconds(), name+"/s")
		b.ReportMetric(t.own.Seconds()*1e6/n, name+"-mist-µs")
		b.ReportMetric(t.database.Seconds()*1e6/n, name+"-postgres-µs")
		if t != against {
			b.ReportMetric(against.wall.Seconds()/t.wall.Seconds(), name+"/bare")
			b.ReportMetric(against.cpu().Seconds()/t.cpu().Seconds(), name+"/bare-cpu")
		}
	}
	tell("bare", bareTime, bareTime)
	tell("leaf", leafTime, bareTime)
	tell("sequenced", sequencedTime, bareTime)
	tell("shared-bare", bareSharedTime, bareSharedTime)
	tell("shared", sharedTime, bareSharedTime)
	tell("shared-sequenced", sharedSequencedTime, bareSharedTime)
}

// spent is what a round took.
type spent struct{ wall, own, database time.Duration }

func (s *spent) add(o spent) { s.wall += o.wall; s.own += o.own; s.database += o.database }

func (s spent) cpu() time.Duration { return s.own + s.database }

// spentSoFar is the processor time of this process and of the server with its
// backends, which live as long as the pool's connections (proc(5), schedstat).
func spentSoFar(b *testing.B, server int) spent {
	b.Helper()
	var own syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &own))
	return spent{own: time.Duration(own.Utime.Nano() + own.Stime.Nano()), database: databaseTime(b, server)}
}

func cpuTime(b *testing.B, server int) time.Duration {
	b.Helper()
	return spentSoFar(b, server).cpu()
}

// BenchmarkCheckpointLag tells how long after the act's answer a signed
// checkpoint covers it, at 200 ms and a steady load of 8 clients.
func BenchmarkCheckpointLag(b *testing.B) {
	durable := pgtest.Cluster{Durable: true}
	b.Cleanup(durable.Stop)
	s := pgtest.Open(b, durable.DSN(b))
	signer, _ := logKey(b)
	sequence(b, s, signer, slowly)
	const clients = 8
	var lags []time.Duration
	var mu sync.Mutex
	var wg sync.WaitGroup
	b.ResetTimer()
	for range clients {
		c := populate(b, s)
		wg.Go(func() {
			for range b.N/clients + 1 {
				a := c.act()
				if err := store(context.Background(), s, a); err != nil {
					b.Error(err)
					return
				}
				began := time.Now()
				for !covered(b, s, a.ID) {
					time.Sleep(2 * time.Millisecond)
				}
				mu.Lock()
				lags = append(lags, time.Since(began))
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(quantile(lags, 0.5).Milliseconds()), "p50-ms")
	b.ReportMetric(float64(quantile(lags, 0.99).Milliseconds()), "p99-ms")
}
