package postgres_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/declaration"
	"mist/registry/intake"
	"mist/registry/postgres"
	"mist/registry/postgres/pgtest"
	"mist/signature"
	"mist/signature/facts"
	"mist/signature/pki"
	"mist/signature/sign"
	"mist/signature/trust"
)

// BenchmarkSigning is the signing step without HTTP, over the room that serves
// it: approved drafts of many doctors, documents signed beforehand. It tells the
// processor time of PostgreSQL (all its processes) apart from Mist's own.
// STATEMENTS, a file, keeps what a signing sends, with its time and WAL.
func BenchmarkSigning(b *testing.B) {
	durable := pgtest.Cluster{Durable: true, Settings: statementSettings()}
	b.Cleanup(durable.Stop)
	dsn := durable.DSN(b)
	s := pgtest.Open(b, dsn, func(o *postgres.Options) { o.MaxConns = 32 })
	signer, _ := logKey(b)
	d := newSigningRoom(b, s, 64)
	ready := make([]submission, b.N)
	for i := range ready {
		ready[i] = d.submission(b, i)
	}
	conn := pgtest.Connect(b, dsn)
	stop := sequence(b, s, signer, slowly)
	keep := countStatements(b, dsn)
	server := durable.Server(b).PID()
	var own syscall.Rusage
	mine := func() time.Duration {
		require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &own))
		return time.Duration(own.Utime.Nano() + own.Stime.Nano())
	}
	const clients = 16
	var next atomic.Int64
	var wg sync.WaitGroup
	// The first eighth warms up: connections, plans.
	var all, self time.Duration
	began := time.Now()
	warm := b.N / 8
	for _, end := range []int{warm, b.N} {
		if end == b.N {
			settled(b, s)
			for _, sql := range []string{"VACUUM ANALYZE", "CHECKPOINT"} {
				_, err := conn.Exec(b.Context(), sql)
				require.NoError(b, err)
			}
			keep.reset()
			all, self, began = cpuTime(b, server), mine(), time.Now()
			b.ResetTimer()
		}
		for range clients {
			wg.Go(func() {
				for {
					i := int(next.Add(1) - 1)
					if i >= end {
						next.Add(-1)
						return
					}
					out, err := d.service.Sign(registry.WithReach(context.Background(), ready[i].caller.Rows), ready[i].caller, ready[i].draft, ready[i].container)
					if err != nil || out.Repeated || out.Resource == nil {
						b.Error(out, err)
						return
					}
				}
			})
		}
		wg.Wait()
	}
	b.StopTimer()
	n := float64(b.N - warm)
	wall := time.Since(began)
	self = mine() - self
	all = cpuTime(b, server) - all
	// What follows each signing within the minute: the NHSU's seal, here without
	// the signature itself.
	seals, err := declaration.NewSeals(postgres.NewPort[declaration.SealTx](s), sealerFunc(func(content []byte) ([]byte, error) {
		return append([]byte("sealed "), content...), nil
	}), source)
	require.NoError(b, err)
	sealSelf, sealAll := mine(), cpuTime(b, server)
	sealed, err := seals.Jobs(time.Minute)[0].Run(b.Context())
	require.NoError(b, err)
	require.Equal(b, b.N, sealed)
	sealSelf = mine() - sealSelf
	sealAll = cpuTime(b, server) - sealAll
	b.ReportMetric(float64((sealAll-sealSelf).Microseconds())/float64(sealed), "seal-postgres-µs")
	b.ReportMetric(float64(sealSelf.Microseconds())/float64(sealed), "seal-mist-µs")
	require.NoError(b, stop())
	keep.write(int(n))
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64((all-self).Microseconds())/n, "postgres-µs")
	b.ReportMetric(float64(self.Microseconds())/n, "mist-µs")
	b.ReportMetric(n/wall.Seconds(), "signings/s")
}

// submission is a signed document with the draft it answers.
type submission struct {
	caller    registry.Caller
	draft     registry.ID
	container []byte
}

// signingRoom is the signing room with its doctors.
type signingRoom struct {
	store    *postgres.Store
	kind     declaration.Kind
	service  *intake.Service[declaration.Tx]
	clinics  []clinic
	identity sign.Signer
	peeks    *atomic.Int64 // trips of reads
}

// countedReads counts them.
type countedReads struct {
	postgres.Port[declaration.Tx]
	n *atomic.Int64
}

func (c countedReads) Peek(ctx context.Context, f func(ctx context.Context, tx declaration.Tx) error) error {
	c.n.Add(1)
	return c.Port.Peek(ctx, f)
}

// meet has every doctor sign once.
func (d *signingRoom) meet(t testing.TB) {
	for i := range d.clinics {
		one := d.submission(t, i)
		_, err := d.service.Sign(registry.WithReach(t.Context(), one.caller.Rows), one.caller, one.draft, one.container)
		require.NoError(t, err)
	}
}

type onePolicy signature.Policy

func (p onePolicy) For(string, time.Time) (signature.Policy, error) { return signature.Policy(p), nil }

func newSigningRoom(t testing.TB, s *postgres.Store, doctors int) *signingRoom {
	now := time.Now().UTC()
	issue := func(p pki.Profile, subject pki.Subject, by *pki.Issuer) pki.Issuer {
		key, err := sign.GenerateKey(sign.KindP256, rand.Reader)
		require.NoError(t, err)
		c, err := pki.Issue(pki.Template{Profile: p, Subject: subject, NotBefore: now.AddDate(-1, 0, 0), NotAfter: now.AddDate(1, 0, 0)}, key, by, rand.Reader)
		require.NoError(t, err)
		return pki.Issuer{Certificate: c, Key: key}
	}
	root := issue(pki.Root, pki.Subject{CommonName: "Вигаданий корінь"}, nil)
	doctor := issue(pki.Person, pki.Subject{CommonName: "Тестовенко Олена", Surname: "Тестовенко", RNOKPP: "3126509817"}, &root)
	snapshot := trust.NewSnapshot("test", []trust.Anchor{{Certificate: root.Certificate, Trust: []facts.Trust{{Source: "test"}}}}, nil, nil)
	verifier, err := signature.NewVerifier(signature.Config{Trust: trust.Fixed(snapshot), Now: time.Now})
	require.NoError(t, err)
	policy, err := signature.NamedPolicy("archive-test")
	require.NoError(t, err)
	d := &signingRoom{store: s, kind: declaration.Kind{Terms: declaration.DefaultTerms(), Source: source},
		identity: sign.Signer{Key: doctor.Key, Certificate: doctor.Certificate.Raw}, peeks: new(atomic.Int64)}
	d.service, err = intake.New(intake.Config[declaration.Tx]{
		Kind: d.kind, Store: countedReads{postgres.NewPort[declaration.Tx](s), d.peeks}, Verifier: verifier, Policies: onePolicy(policy), Media: noMedia{},
		Source: source, OTPKey: make([]byte, 32), Limits: intake.DefaultLimits(),
	})
	require.NoError(t, err)
	for range doctors {
		d.clinics = append(d.clinics, populate(t, s))
	}
	return d
}

// noMedia: nobody hands documents in here.
type noMedia struct{ intake.Media }

func (d *signingRoom) caller(c clinic) registry.Caller {
	return registry.Caller{Channel: registry.ChannelREST, RequestID: "bench", ClientID: source.NewID(), ClientType: "MIS", EmployeeID: c.doctor, PartyID: c.party, LegalEntityID: c.legalEntity,
		Scopes: []string{"declaration_request:sign", "declaration_request:write", "declaration_request:approve", "declaration_request:read"},
		Rows:   registry.Reach{LegalEntityID: c.legalEntity}}
}

// submission makes an approved draft of a new patient and signs its document.
func (d *signingRoom) submission(t testing.TB, i int) submission {
	c := d.clinics[i%len(d.clinics)]
	person := somebody(source.NewID())
	person.SecondName += " " + person.ID.String()
	out := submission{caller: d.caller(c), draft: source.NewID()}
	var document []byte
	now := source.Now()
	require.NoError(t, d.store.Update(t.Context(), func(ctx context.Context, tx *postgres.Tx) error { return tx.PutPerson(ctx, person) }))
	require.NoError(t, d.store.Update(t.Context(), func(ctx context.Context, tx *postgres.Tx) error {
		draft := intake.Draft{ID: out.draft, ActID: source.NewID(), Kind: declaration.Name, Status: intake.StatusApproved, LegalEntityID: c.legalEntity,
			ClientID: out.caller.ClientID, InsertedAt: now, UpdatedAt: now, ExpiresAt: now.Add(time.Hour)}
		body, err := json.Marshal(map[string]string{"person_id": person.ID.String(), "employee_id": c.doctor.String(), "division_id": c.division.String()})
		if err == nil {
			err = d.kind.Draft(ctx, tx, out.caller, &draft, body)
		}
		if err == nil {
			err = d.kind.Approve(ctx, tx, &draft)
		}
		if err != nil {
			return err
		}
		document = draft.ToBeSigned
		return tx.InsertDraft(ctx, draft)
	}))
	// As a clinic does it: the bytes are read, then signed.
	_, err := d.service.Get(registry.WithReach(t.Context(), out.caller.Rows), out.caller, out.draft)
	require.NoError(t, err)
	out.container, err = sign.CAdES(t.Context(), d.identity, facts.Bytes(document), sign.Options{Time: now})
	require.NoError(t, err)
	return out
}

func statementSettings() map[string]string {
	if os.Getenv("STATEMENTS") == "" {
		return nil
	}
	return map[string]string{"shared_preload_libraries": "pg_stat_statements", "pg_stat_statements.track": "all", "pg_stat_statements.track_planning": "on"}
}

// statementCount writes down what pg_stat_statements counted.
type statementCount struct {
	tb   testing.TB
	conn *pgx.Conn
}

func countStatements(tb testing.TB, dsn string) *statementCount {
	if os.Getenv("STATEMENTS") == "" {
		return &statementCount{tb: tb}
	}
	c := &statementCount{tb, pgtest.Connect(tb, dsn)}
	_, err := c.conn.Exec(tb.Context(), "CREATE EXTENSION pg_stat_statements")
	require.NoError(tb, err)
	return c
}

func (c *statementCount) reset() {
	if c.conn != nil {
		_, err := c.conn.Exec(c.tb.Context(), "SELECT pg_stat_statements_reset()")
		require.NoError(c.tb, err)
	}
}

func (c *statementCount) write(n int) {
	if c.conn == nil {
		return
	}
	rows, err := c.conn.Query(c.tb.Context(), `SELECT CASE WHEN toplevel THEN ' ' ELSE '>' END, calls, 1e3 * total_exec_time, 1e3 * total_plan_time, wal_bytes::float8, regexp_replace(query, '\s+', ' ', 'g')
FROM pg_stat_statements ORDER BY total_exec_time + total_plan_time DESC`)
	require.NoError(c.tb, err)
	f, err := os.Create(os.Getenv("STATEMENTS"))
	require.NoError(c.tb, err)
	defer f.Close()
	fmt.Fprintf(f, "%d operations; of one: calls, µs of execution, µs of planning, bytes of WAL, statement (> inside another one)\n", n)
	for rows.Next() {
		var nested, query string
		var calls int64
		var exec, plan, wal float64
		require.NoError(c.tb, rows.Scan(&nested, &calls, &exec, &plan, &wal, &query))
		by := float64(n)
		fmt.Fprintf(f, "%s %6.2f %8.1f %8.1f %7.0f  %.260s\n", nested, float64(calls)/by, exec/by, plan/by, wal/by, query)
	}
	require.NoError(c.tb, rows.Err())
}
