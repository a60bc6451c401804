package query_test

import (
	"context"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/tlog"

	"mist/fixtures/population"
	"mist/registry"
	"mist/registry/consent"
	"mist/registry/patient"
	"mist/registry/postgres"
	"mist/registry/postgres/pgtest"
	"mist/registry/query"
	"mist/signature"
)

var cluster pgtest.Cluster

func TestMain(m *testing.M) { os.Exit(cluster.Run(m)) }

// noVerifier fails what these tests never do: they ask by registered consents.
type noVerifier struct{ t *testing.T }

func (v noVerifier) Verify(context.Context, signature.Input, signature.Policy) (*signature.Result, error) {
	v.t.Error("nothing is verified here")
	return nil, context.Canceled
}

func (v noVerifier) For(string, time.Time) (signature.Policy, error) { return signature.Policy{}, nil }

type noLog struct{}

func (noLog) LogCheckpoint(context.Context) ([]byte, error)      { return nil, nil }
func (noLog) LogTile(context.Context, tlog.Tile) ([]byte, error) { return nil, nil }
func (noLog) LogEntry(context.Context, registry.ID) ([]byte, int64, error) {
	return nil, -1, registry.Errorf(registry.CodeNotFound, "not found")
}

const recipient = "SANDBOX/GOV/00000001/diia"

var source = registry.SystemSource()

// world is a store with people, one of whom consented to everything.
type world struct {
	service *query.Service
	store   *postgres.Store
	people  []patient.Person
	consent consent.Record
	asked   int
}

func newWorld(t *testing.T, people int, change func(*query.Config)) *world {
	t.Helper()
	w := &world{store: cluster.Store(t)}
	g := population.New(7)
	now := source.Now()
	require.NoError(t, w.store.Update(t.Context(), func(ctx context.Context, tx *postgres.Tx) error {
		for range people {
			p := population.Patient(g.Human(20, 60, registry.DateOf(now)), source.NewID(), now)
			p.Version = 1
			w.people = append(w.people, p)
			if err := tx.PutPerson(ctx, p); err != nil {
				return err
			}
		}
		w.consent = consent.Record{ID: source.NewID(), PersonID: w.people[0].ID, Method: consent.CitizenSigned, Recipient: recipient, Purpose: "test",
			Scope: query.Scopes(), Fields: append(query.FieldNames(), "consents", "accessLog"), GrantedAt: now.Add(-time.Minute), ExpiresAt: now.Add(time.Hour), Status: consent.StatusActive,
			UsedAt: now, CreatedAt: now, Text: "Я погоджуюся, щоб мої відомості передали порталу."}
		return tx.InsertConsent(ctx, w.consent)
	}))
	c := query.Config{Store: postgres.NewQuestions(w.store), Verifier: noVerifier{t}, Policies: noVerifier{t}, Source: source, Replay: time.Hour, Log: noLog{}}
	if change != nil {
		change(&c)
	}
	var err error
	w.service, err = query.New(c)
	require.NoError(t, err)
	return w
}

var portal = registry.Caller{Channel: registry.ChannelSOAP, XRoad: recipient}

func (w *world) request(q patient.Query) query.Request {
	w.asked++
	return query.Request{RequestID: source.NewID(), Person: q, Basis: query.Basis{ConsentID: w.consent.ID}, MessageID: strconv.Itoa(w.asked), Hash: [32]byte{byte(w.asked), byte(w.asked >> 8)}}
}

func named(p patient.Person) patient.Query {
	return patient.Query{TaxID: registry.RNOKPP(p.TaxID), LastName: p.LastName, FirstName: p.FirstName}
}

// distinguish tells how well the time of an answer tells two questions apart:
// the probability that one of the second kind takes longer than one of the
// first (Mann and Whitney); 0.5 is not at all.
func distinguish(a, b []time.Duration) float64 {
	greater := 0.0
	for _, x := range a {
		for _, y := range b {
			if y > x {
				greater++
			} else if y == x {
				greater += 0.5
			}
		}
	}
	return greater / float64(len(a)*len(b))
}

// Nobody there, another name, another's consent: one answer in text, and in
// time one distribution. That the test could tell them apart is shown by a twin
// of the first that reads one row more, which it does.
func TestNotFoundIsOneAnswer(t *testing.T) {
	w := newWorld(t, 300, nil)
	stranger := population.New(99)
	today := registry.DateOf(source.Now())
	nobody := func() patient.Query {
		h := stranger.Human(20, 60, today)
		return patient.Query{TaxID: h.RNOKPP, LastName: h.LastName, FirstName: h.FirstName}
	}
	kinds := []struct {
		name string
		q    func() patient.Query
		code consent.Code
	}{
		{"no record", nobody, consent.NotFound},
		{"another name", func() patient.Query {
			q := named(w.people[1+rand.IntN(len(w.people)-1)])
			q.LastName = "Невідома"
			return q
		}, consent.NotFound},
		{"another's consent", func() patient.Query { return named(w.people[1+rand.IntN(len(w.people)-1)]) }, consent.NotFound},
		{"no record, and a leak", nobody, consent.NotFound},
		{"found", func() patient.Query { return named(w.people[0]) }, consent.OK},
	}
	const leaking = 3
	times := make([][]time.Duration, len(kinds))
	var texts []query.Outcome
	const rounds = 260
	for round := range rounds {
		for _, k := range rand.Perm(len(kinds)) {
			r := w.request(kinds[k].q())
			began := time.Now()
			a, err := w.service.DeclarationByPatient(t.Context(), portal, r, nil)
			for range 4 { // one read more is seen on a quiet machine, four on a loaded one too
				if k != leaking {
					break
				}
				require.NoError(t, w.store.Look(t.Context(), func(ctx context.Context, tx *postgres.Tx) error {
					_, err := tx.Person(ctx, w.people[0].ID)
					return err
				}))
			}
			took := time.Since(began)
			require.NoError(t, err)
			require.Equal(t, kinds[k].code, a.Code, kinds[k].name)
			if round < 20 { // plans and pages become warm
				continue
			}
			times[k] = append(times[k], took)
			if a.Code == consent.NotFound {
				a.RequestID, a.AuditID, a.AnsweredAt = registry.ID{}, registry.ID{}, time.Time{}
				texts = append(texts, a.Outcome)
				require.Empty(t, a.Data)
			}
		}
	}
	for _, o := range texts {
		require.Equal(t, texts[0], o)
	}
	median := func(d []time.Duration) time.Duration { d = slices.Sorted(slices.Values(d)); return d[len(d)/2] }
	for i := range kinds {
		t.Logf("%-22s median %v", kinds[i].name, median(times[i]))
	}
	// With 240 of each the chance alone moves the figure by 0.026 (one sigma).
	for i := range 3 {
		for k := i + 1; k < 3; k++ {
			p := distinguish(times[i], times[k])
			t.Logf("%s against %s: %.3f", kinds[i].name, kinds[k].name, p)
			require.InDelta(t, 0.5, p, 0.12, "%s and %s can be told apart by time", kinds[i].name, kinds[k].name)
		}
	}
	leak := distinguish(times[0], times[leaking])
	t.Logf("four reads more: %.3f", leak)
	require.Greater(t, leak, 0.62, "four reads more take longer: the test sees differences")
}
