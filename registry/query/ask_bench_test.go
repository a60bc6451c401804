package query_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/fixtures/population"
	"mist/registry"
	"mist/registry/consent"
	"mist/registry/postgres"
	"mist/registry/postgres/pgtest"
	"mist/registry/query"
)

func BenchmarkAsk(b *testing.B) {
	durable := pgtest.Cluster{Durable: os.Getenv("NOSYNC") == ""}
	b.Cleanup(durable.Stop)
	s := pgtest.Open(b, durable.DSN(b))
	server := durable.Server(b)
	w := &world{store: s}
	g := population.New(7)
	now := source.Now()
	require.NoError(b, s.Update(b.Context(), func(ctx context.Context, tx *postgres.Tx) error {
		for range 200 {
			p := population.Patient(g.Human(20, 60, registry.DateOf(now)), source.NewID(), now)
			p.Version = 1
			w.people = append(w.people, p)
			if err := tx.PutPerson(ctx, p); err != nil {
				return err
			}
		}
		w.consent = consent.Record{ID: source.NewID(), PersonID: w.people[0].ID, Method: consent.CitizenSigned, Recipient: recipient, Purpose: "test",
			Scope: query.Scopes(), Fields: query.FieldNames(), GrantedAt: now.Add(-time.Minute), ExpiresAt: now.Add(time.Hour), Status: consent.StatusActive,
			UsedAt: now, CreatedAt: now, Text: "Я погоджуюся, щоб мої відомості передали порталу."}
		return tx.InsertConsent(ctx, w.consent)
	}))
	var err error
	w.service, err = query.New(query.Config{Store: postgres.NewQuestions(s), Verifier: noVerifier{}, Policies: noVerifier{}, Source: source, Replay: time.Hour, Log: noLog{}})
	require.NoError(b, err)
	var n atomic.Int64
	ask := func() {
		i := n.Add(1)
		r := query.Request{RequestID: source.NewID(), Person: named(w.people[0]), Basis: query.Basis{ConsentID: w.consent.ID}, MessageID: source.NewID().String(), Hash: [32]byte{byte(i), byte(i >> 8), byte(i >> 16)}}
		a, err := w.service.DeclarationByPatient(context.Background(), portal, r, nil)
		if err != nil || a.Code != consent.OK {
			b.Error(err, a.Code)
		}
	}
	for range 100 {
		ask()
	}
	own := func() time.Duration {
		var r syscall.Rusage
		require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &r))
		return time.Duration(r.Utime.Nano() + r.Stime.Nano())
	}
	db := func() (total time.Duration) {
		children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", server.PID(), server.PID()))
		require.NoError(b, err)
		for _, pid := range append(strings.Fields(string(children)), strconv.Itoa(server.PID())) {
			stat, err := os.ReadFile("/proc/" + pid + "/schedstat")
			if err != nil {
				continue
			}
			ns, err := strconv.ParseInt(strings.Fields(string(stat))[0], 10, 64)
			require.NoError(b, err)
			total += time.Duration(ns)
		}
		return total
	}
	x, y := own(), db()
	b.ResetTimer()
	var wg sync.WaitGroup
	var left atomic.Int64
	left.Store(int64(b.N))
	for range 16 {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				ask()
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64((own()-x).Microseconds())/float64(b.N), "own-µs")
	b.ReportMetric(float64((db()-y).Microseconds())/float64(b.N), "db-µs")
}
