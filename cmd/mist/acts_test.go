package main

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/dictionary"
	"mist/registry/job"
	"mist/registry/postgres"
	"mist/registry/postgres/pgtest"
	"mist/registry/record"
	"mist/registry/referral"
	"mist/registry/verification"
	"mist/signature"
)

// kindsOf builds the list of kinds as the server does.
func kindsOf(t *testing.T, store *postgres.Store) actRooms {
	t.Helper()
	s := &server{cfg: defaultConfig(), store: store, source: registry.SystemSource()}
	s.cfg.Profile, s.cfg.Media.Dir = profileSandbox, t.TempDir()
	key := bytes.Repeat([]byte{7}, 32)
	policies, err := signature.ParsePolicyTable(policyTable)
	require.NoError(t, err)
	documents, err := s.newDocuments(t.Context(), pgtest.Keys(t), key)
	require.NoError(t, err)
	lists, err := dictionary.New(postgres.NewPort[dictionary.Tx](store), s.source)
	require.NoError(t, err)
	acts, err := actKinds(parts{store, s.source, noSignature{}, policies, documents.media, key, s.cfg.Limits, lists, verification.Starter{}})
	require.NoError(t, err)
	return acts
}

// The contract has an operation for every address of a kind of records, and
// none that no kind serves.
func TestKindsStandInTheContract(t *testing.T) {
	cluster := &pgtest.Cluster{}
	t.Cleanup(cluster.Stop)
	spec, err := os.ReadFile(filepath.Join("..", "..", "portal", "openapi.yaml"))
	require.NoError(t, err)
	doc, err := openapi3.NewLoader().LoadFromData(spec)
	require.NoError(t, err)
	var described, served []string
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			if slices.Contains(op.Tags, "Clinical records") {
				described = append(described, strings.ToUpper(method)+" "+path)
			}
		}
	}
	for _, k := range kindsOf(t, cluster.Store(t)).places {
		served = append(served, k.Routes()...)
	}
	slices.Sort(described)
	slices.Sort(served)
	require.NotEmpty(t, served)
	require.Equal(t, described, served)
}

// A referral that nobody used until its time was over is recalled by its job,
// with an entry and a notice; one that somebody uses, and one whose time is not over,
// stay as they are. A second run finds nothing.
func TestReferralsExpire(t *testing.T) {
	cluster := &pgtest.Cluster{}
	t.Cleanup(cluster.Stop)
	m := newMatrix(t, cluster)
	dsn := m.copy(t)
	store := pgtest.Open(t, dsn)
	source := registry.SystemSource()
	acts := kindsOf(t, store)
	i := slices.IndexFunc(acts.periodic, func(j job.Periodic) bool { return j.Kind == "service_request.expire" })
	require.GreaterOrEqual(t, i, 0)
	now := source.Now()
	put := func(holder registry.ID, left time.Duration) record.Record {
		r := record.Record{ID: source.NewID(), Kind: record.KindServiceRequest, PatientID: m.ids["/api/v3/persons"], AuthorID: m.victim.EmployeeID, LegalEntityID: m.clinic, HolderID: holder,
			Number: record.Requisition(source), Status: referral.StatusActive, Body: []byte(`{}`), InsertedAt: now, UpdatedAt: now, ExpiresAt: now.Add(left)}
		require.NoError(t, store.Update(t.Context(), func(ctx context.Context, tx *postgres.Tx) error { return tx.InsertRecord(ctx, r) }))
		return r
	}
	over, used, open := put(registry.ID{}, -time.Second), put(m.clinic, -time.Second), put(registry.ID{}, time.Hour)
	n, err := acts.periodic[i].Run(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, n)
	state := func(r record.Record) (out record.Record) {
		require.NoError(t, store.Update(t.Context(), func(ctx context.Context, tx *postgres.Tx) (err error) {
			out, err = tx.RecordByID(ctx, r.Kind, r.ID, false)
			return err
		}))
		return out
	}
	require.Equal(t, [2]string{referral.StatusRecalled, referral.ReasonExpired}, [2]string{state(over).Status, state(over).Reason})
	require.Equal(t, referral.StatusActive, state(used).Status, "somebody works on it")
	require.Equal(t, referral.StatusActive, state(open).Status, "its time is not over")
	conn := pgtest.Connect(t, dsn)
	var notices, lines int
	require.NoError(t, conn.QueryRow(t.Context(), `SELECT count(*) FROM jobs WHERE key LIKE $1`, over.ID.String()+"/%").Scan(&notices))
	require.Equal(t, 1, notices, "the patient is told")
	require.NoError(t, conn.QueryRow(t.Context(), `SELECT count(*) FROM leaves WHERE kind = 'service_request.expired'`).Scan(&lines))
	require.Equal(t, 1, lines)
	n, err = acts.periodic[i].Run(t.Context())
	require.NoError(t, err)
	require.Zero(t, n)
}

// Two clinics to which the patient told the number take a referral in use at the
// same moment, again and again: exactly one has it, the others are told so.
func TestReferralIsUsedByOne(t *testing.T) {
	cluster := &pgtest.Cluster{}
	t.Cleanup(cluster.Stop)
	m := newMatrix(t, cluster)
	h, store := m.handler(t, m.copy(t), nil)
	source := registry.SystemSource()
	for range 5 {
		now := source.Now()
		r := record.Record{ID: source.NewID(), Kind: record.KindServiceRequest, PatientID: m.ids["/api/v3/persons"], AuthorID: m.victim.EmployeeID, LegalEntityID: m.clinic,
			Number: record.Requisition(source), Status: referral.StatusActive, Body: []byte(`{}`), InsertedAt: now, UpdatedAt: now, ExpiresAt: now.Add(time.Hour)}
		require.NoError(t, store.Update(t.Context(), func(ctx context.Context, tx *postgres.Tx) error { return tx.InsertRecord(ctx, r) }))
		codes := make(chan int)
		const n = 8
		for i := range n {
			who := []string{"doctor", "other_doctor"}[i%2]
			go func() {
				for {
					code := m.ask(h, who, "PATCH", "/api/v3/service_requests/"+r.ID.String()+"/actions/use", `{"requisition":"`+r.Number+`"}`).Code
					if code != http.StatusServiceUnavailable { // a busy machine asks to repeat
						codes <- code
						return
					}
				}
			}()
		}
		count := map[int]int{}
		for range n {
			count[<-codes]++
		}
		require.Equal(t, map[int]int{200: 1, 409: n - 1}, count)
	}
}
