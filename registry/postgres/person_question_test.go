package postgres_test

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/consent"
	"mist/registry/patient"
	"mist/registry/postgres"
	"mist/registry/postgres/pgtest"
	"mist/registry/query"
)

// Many ask at once: each gets what it asked for, and a question that the
// database refuses is refused alone.
func TestQuestionsAskedTogether(t *testing.T) {
	t.Parallel()
	dsn := cluster.DSN(t)
	s := pgtest.Open(t, dsn)
	c := populate(t, s)
	known := consentOf(c.person)
	require.NoError(t, s.Update(t.Context(), func(ctx context.Context, tx *postgres.Tx) error { return tx.InsertConsent(ctx, known) }))
	port := postgres.NewQuestions(s)
	var wg sync.WaitGroup
	for i := range 300 {
		wg.Go(func() {
			l := query.Look{Client: "c", MessageID: "m", Person: patient.Query{TaxID: "3278011533"}}
			switch i % 4 {
			case 1:
				l.Person.TaxID = "3000000004" // nobody's: another record is read, and not told
			case 2:
				l.Consent = known.ID
			case 3:
				if i%60 == 3 {
					l.MessageID = "not UTF-8 \xff"
				}
			}
			seen, err := port.Ask(t.Context(), l)
			if l.MessageID != "m" {
				require.Error(t, err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, i%4 != 1, seen.Found)
			if seen.Found {
				require.Equal(t, c.person, seen.Person.ID)
			} else {
				require.Equal(t, patient.Person{}, seen.Person)
			}
			require.Equal(t, i%4 == 2, seen.Known)
			if seen.Known {
				require.Equal(t, known.ID, seen.Consent.ID)
			} else {
				require.Equal(t, consent.Record{}, seen.Consent)
			}
			require.Equal(t, registry.ID{}, seen.Master)
		})
	}
	wg.Wait()
}
