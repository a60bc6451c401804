package postgres_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/guess"
	"mist/registry/postgres"
	"mist/registry/postgres/pgtest"
	"mist/registry/prm"
)

// The bound of wrong codes is of one telephone in one clinic within a day: it
// neither falls on the neighbour nor outlives its window, and misses at the same
// moment all count.
func TestWrongCodesOfATelephoneAreBounded(t *testing.T) {
	t.Parallel()
	dsn := cluster.DSN(t)
	s := pgtest.Open(t, dsn)
	const phone, neighbour = "+380390000077", "+380390000078"
	here, elsewhere := populate(t, s).legalEntity, populate(t, s).legalEntity
	begin := source.Now()
	miss := func(phone string, clinic registry.ID, at time.Time) error {
		return s.Update(context.Background(), func(ctx context.Context, tx *postgres.Tx) error { return tx.CountMiss(ctx, phone, clinic, at) })
	}
	asked := func(phone string, clinic registry.ID, at time.Time) error {
		return s.Update(t.Context(), func(ctx context.Context, tx *postgres.Tx) error {
			if err := tx.ExpectFewMisses(ctx, phone, clinic, at); err != nil {
				return err
			}
			return tx.PutDivision(ctx, prm.Division{ID: source.NewID(), LegalEntityID: clinic, Name: "слід коду", Type: "CLINIC", Status: "ACTIVE"}) // what a right code would do
		})
	}
	demanded := func(phone string, clinic registry.ID, at time.Time) (err error) {
		update(t, s, func(ctx context.Context, tx *postgres.Tx) { err = tx.DemandFewMisses(ctx, phone, clinic, at) })
		return err
	}
	divisions := func() int { return count(t, dsn, `SELECT count(*) FROM divisions WHERE name = 'слід коду'`) }

	require.NoError(t, asked(phone, here, begin), "nobody was wrong yet")
	for range guess.Most - 1 {
		require.NoError(t, miss(phone, here, begin))
	}
	require.NoError(t, asked(phone, here, begin), "the unmutated twin: one miss less")
	before := divisions()
	require.NoError(t, miss(phone, here, begin.Add(time.Hour)))
	require.ErrorIs(t, asked(phone, here, begin.Add(time.Hour)), guess.ErrTooMany)
	require.Equal(t, before, divisions(), "what a right code would do is undone")
	err := s.Update(t.Context(), func(ctx context.Context, tx *postgres.Tx) error {
		return tx.DemandFewMisses(ctx, phone, here, begin.Add(time.Hour))
	})
	require.ErrorIs(t, err, guess.ErrTooMany, "at once, before anything else is judged")
	require.NoError(t, demanded(phone, elsewhere, begin), "another clinic")
	require.NoError(t, demanded(neighbour, here, begin), "another telephone")

	// The window is counted from the first miss; after it the count begins anew.
	require.ErrorIs(t, asked(phone, here, begin.Add(guess.Window)), guess.ErrTooMany)
	after := begin.Add(guess.Window + time.Second)
	require.NoError(t, asked(phone, here, after))
	require.NoError(t, miss(phone, here, after))
	require.NoError(t, asked(phone, here, after))
	require.Equal(t, 1, count(t, dsn, `SELECT missed FROM code_misses WHERE legal_entity_id = '`+here.String()+`'`))
	require.Zero(t, count(t, dsn, `SELECT count(*) FROM code_misses m WHERE m::text LIKE '%390000077%'`), "telephones stand under a blind key")

	// Misses at once are none of them lost, and the old ones go.
	var wg sync.WaitGroup
	errs := make([]error, guess.Most)
	for i := range errs {
		wg.Go(func() { errs[i] = miss(neighbour, elsewhere, after) })
	}
	wg.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
	require.Equal(t, guess.Most, count(t, dsn, `SELECT missed FROM code_misses WHERE legal_entity_id = '`+elsewhere.String()+`'`))
	require.ErrorIs(t, asked(neighbour, elsewhere, after), guess.ErrTooMany)
	require.NoError(t, miss("+380390000079", here, after.Add(guess.Window+time.Second)))
	require.Equal(t, 1, count(t, dsn, `SELECT count(*) FROM code_misses`), "what is past the window is forgotten")
}
