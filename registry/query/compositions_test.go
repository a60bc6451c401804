package query_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/composition"
	"mist/registry/patient"
	"mist/registry/postgres"
	"mist/registry/prm"
	"mist/registry/query"
)

// conclusions puts one conclusion beside each person; the i-th has numberOf(i).
func conclusions(t *testing.T, w *world, status composition.Status) (clinic registry.ID, list []composition.Record) {
	t.Helper()
	clinic = source.NewID()
	require.NoError(t, w.store.Update(t.Context(), func(ctx context.Context, tx *postgres.Tx) error {
		if err := tx.PutLegalEntity(ctx, prm.LegalEntity{ID: clinic, Name: "КНП «Перше»", PublicName: "Амбулаторія", EDRPOU: "00015622", Type: "PRIMARY_CARE", Status: "ACTIVE"}); err != nil {
			return err
		}
		for i, p := range w.people {
			r := composition.Record{ID: source.NewID(), Number: numberOf(i), PersonID: p.ID, Type: "TEMP_DISABILITY", Category: "SICKNESS", Status: status,
				Date: registry.Date{Year: 2026, Month: 11, Day: 20}, Start: registry.Date{Year: 2026, Month: 11, Day: 20}, End: registry.Date{Year: 2026, Month: 11, Day: 27}, LegalEntityID: clinic}
			if err := tx.PutComposition(ctx, r); err != nil {
				return err
			}
			list = append(list, r)
		}
		return nil
	}))
	return clinic, list
}

func numberOf(i int) string { return fmt.Sprintf("0000-AAAA-1111-%04d", i) }

func checks(t *testing.T, w *world, codes bool, misses int) *query.Compositions {
	t.Helper()
	s, err := query.NewCompositions(query.CompositionsConfig{Store: postgres.NewPort[query.CompositionsTx](w.store).Everywhere(), Source: source, Codes: codes, Misses: misses})
	require.NoError(t, err)
	return s
}

func taxID(p patient.Person) composition.Identity {
	return composition.Identity{TaxID: registry.RNOKPP(p.TaxID)}
}

// What is told, by generation and state; what is not is one answer, and the
// trail knows which it was.
func TestCompositions(t *testing.T) {
	w := newWorld(t, 2, nil)
	clinic, list := conclusions(t, w, composition.Final)
	mine, other := w.people[0], w.people[1]
	uniform, national := checks(t, w, false, 0), checks(t, w, true, 0)
	message := &registry.Exchange{Client: recipient, MessageID: "m-1", PurposeID: "P1", RequestSHA512: make([]byte, 64), RequestGOST: make([]byte, 32)}
	ask := func(s *query.Compositions, g composition.Generation, number string, i composition.Identity) query.CompositionAnswer {
		t.Helper()
		a, err := s.Composition(registry.WithExchange(t.Context(), message), portal, query.CompositionQuestion{Number: number, Identity: i, Generation: g})
		require.NoError(t, err)
		return a
	}
	// Every entry names the message the question came in.
	lastEntry := func() (e audit.Entry) {
		t.Helper()
		require.NoError(t, w.store.ExchangeEntries(t.Context(), time.Time{}, time.Time{}, func(x audit.Entry) error { e = x; return nil }))
		require.Equal(t, &audit.Exchange{MessageID: "m-1", PurposeID: "P1", RequestSHA512: message.RequestSHA512, RequestGOST: message.RequestGOST}, e.Exchange)
		require.Equal(t, recipient, e.Actor.XRoadClient)
		return e
	}
	for _, g := range []composition.Generation{composition.V1, composition.V2} {
		a := ask(uniform, g, " 0000-aaaa-1111-0000", taxID(mine))
		require.Equal(t, query.CompositionAnswer{Record: list[0], Organisation: "Амбулаторія"}, a)
		e := lastEntry()
		require.Equal(t, audit.Disclosure, e.Kind)
		require.Equal(t, audit.BasisStatute, e.LegalBasis.Code)
		require.Equal(t, g == composition.V2, slices.Contains(e.Fields, "status"))
		require.NotEmpty(t, e.Subject)
		require.Equal(t, &audit.ObjectRef{Type: "composition", ID: list[0].ID.String()}, e.Object)
	}
	for want, q := range map[composition.Code]struct {
		number string
		i      composition.Identity
	}{
		"404":   {"0000-AAAA-1111-9999", taxID(mine)},
		"10912": {numberOf(0), taxID(other)},
		"10914": {numberOf(0), composition.Identity{UNZR: "19000101-00000"}},
		"10917": {numberOf(0), composition.Identity{Document: true, DocumentNumber: "АА000000"}},
	} {
		require.Equal(t, query.CompositionAnswer{Code: composition.NotFound}, ask(uniform, composition.V2, q.number, q.i), want)
		require.Equal(t, query.CompositionAnswer{Code: want}, ask(national, composition.V2, q.number, q.i))
		e := lastEntry()
		require.Equal(t, audit.DisclosureRefused, e.Kind)
		require.Equal(t, string(want), e.Reason, "the trail has the precise code")
		require.Nil(t, e.LegalBasis)
	}
	// Forms tell nothing of anybody: the same in both profiles.
	require.Equal(t, composition.IdentityNeeded, ask(uniform, composition.V1, numberOf(0), composition.Identity{}).Code)
	require.Equal(t, composition.DocumentNeeded, ask(uniform, composition.V1, numberOf(0), composition.Identity{Document: true}).Code)
	require.Equal(t, composition.NotFound, ask(national, composition.V1, "no number", taxID(mine)).Code)

	// States: the first generation has no word for them.
	for status, told := range map[composition.Status][2]bool{composition.Preliminary: {false, false}, composition.Amended: {false, true}, composition.EnteredInError: {false, true}, composition.Final: {true, true}} {
		r := list[0]
		r.Status = status
		require.NoError(t, w.store.Update(t.Context(), func(ctx context.Context, tx *postgres.Tx) error { return tx.PutComposition(ctx, r) }))
		for i, g := range []composition.Generation{composition.V1, composition.V2} {
			a := ask(national, g, numberOf(0), taxID(mine))
			require.Equal(t, told[i], a.Code == composition.None, "%s %d", status, g)
			if told[i] {
				require.Equal(t, status, a.Record.Status)
			} else {
				require.Equal(t, composition.NotFound, a.Code)
			}
		}
	}

	// The subject's record was merged: both records are the person.
	require.NoError(t, w.store.Update(t.Context(), func(ctx context.Context, tx *postgres.Tx) error {
		p := w.people[0]
		p.Version, p.Status, p.MasterID = 2, patient.StatusInactive, other.ID
		return tx.PutPerson(ctx, p)
	}))
	require.Equal(t, composition.None, ask(national, composition.V2, numberOf(0), taxID(mine)).Code)
	require.Equal(t, composition.None, ask(national, composition.V2, numberOf(0), taxID(other)).Code)
	require.Equal(t, composition.WrongTaxID, ask(national, composition.V2, numberOf(0), composition.Identity{TaxID: "3126509817"}).Code)
	require.False(t, clinic.IsZero())

	// Numbers are unique.
	again := list[1]
	again.ID = source.NewID()
	require.Error(t, w.store.Update(t.Context(), func(ctx context.Context, tx *postgres.Tx) error { return tx.PutComposition(ctx, again) }))

	// Guessing is bounded.
	bounded := checks(t, w, false, 2)
	for range 2 {
		require.Equal(t, composition.NotFound, ask(bounded, composition.V2, "0000-AAAA-1111-9999", taxID(mine)).Code)
	}
	_, err := bounded.Composition(t.Context(), portal, query.CompositionQuestion{Number: numberOf(1), Identity: taxID(other), Generation: composition.V2})
	require.Equal(t, registry.CodeRateLimited, registry.CodeOf(err))
}

// A registry without conclusions answers as one that has others.
func TestNoCompositionsAtAll(t *testing.T) {
	w := newWorld(t, 1, nil)
	a, err := checks(t, w, false, 0).Composition(t.Context(), portal, query.CompositionQuestion{Number: numberOf(0), Identity: taxID(w.people[0]), Generation: composition.V1})
	require.NoError(t, err)
	require.Equal(t, query.CompositionAnswer{Code: composition.NotFound}, a)
}

// A number nobody has and a number whose person was not named are one answer
// in time, too.
func TestCompositionsAreNotToldApartByTime(t *testing.T) {
	w := newWorld(t, 300, nil)
	conclusions(t, w, composition.Final)
	s := checks(t, w, false, 0)
	kinds := []func() (string, composition.Identity){
		func() (string, composition.Identity) {
			return fmt.Sprintf("0000-BBBB-1111-%04d", rand.IntN(9999)), taxID(w.people[rand.IntN(300)])
		},
		func() (string, composition.Identity) { i := rand.IntN(299); return numberOf(i), taxID(w.people[i+1]) },
	}
	times := make([][]time.Duration, 2)
	for round := range 260 {
		for _, k := range rand.Perm(2) {
			number, i := kinds[k]()
			began := time.Now()
			a, err := s.Composition(t.Context(), portal, query.CompositionQuestion{Number: number, Identity: i, Generation: composition.V2})
			took := time.Since(began)
			require.NoError(t, err)
			require.Equal(t, query.CompositionAnswer{Code: composition.NotFound}, a)
			if round >= 20 {
				times[k] = append(times[k], took)
			}
		}
	}
	p := distinguish(times[0], times[1])
	t.Logf("no such number against another's: %.3f", p)
	require.InDelta(t, 0.5, p, 0.12)
}
