package postgres_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/patient"
	"mist/registry/postgres"
)

func TestNamesakesAreFound(t *testing.T) {
	t.Parallel()
	s := cluster.Store(t)
	a, b, gone := somebody(source.NewID()), somebody(source.NewID()), somebody(source.NewID())
	b.TaxID, gone.TaxID, gone.Status = "3126509817", "3067305998", patient.StatusInactive
	update(t, s, func(ctx context.Context, tx *postgres.Tx) {
		for _, p := range []patient.Person{a, b, gone} {
			require.NoError(t, tx.PutPerson(ctx, p))
		}
	})
	update(t, s, func(ctx context.Context, tx *postgres.Tx) {
		list, err := tx.FindByName(ctx, " зразкова", "МАРІЯ", a.BirthDate, 10)
		require.NoError(t, err)
		require.ElementsMatch(t, []patient.Person{a, b}, list)
		list, err = tx.FindByName(ctx, "Зразкова", "Марія", a.BirthDate, 1)
		require.NoError(t, err)
		require.Len(t, list, 1)
		list, err = tx.FindByName(ctx, "Зразкова", "Марія", a.BirthDate.AddDate(0, 0, 1), 10)
		require.NoError(t, err)
		require.Empty(t, list)
	})
}

func TestSearchBudgetCountsBoth(t *testing.T) {
	t.Parallel()
	s := cluster.Store(t)
	hour := source.Now().Truncate(time.Hour)
	client, one, two := source.NewID(), source.NewID(), source.NewID()
	var wg sync.WaitGroup
	for _, user := range []registry.ID{one, one, one, two} {
		wg.Go(func() {
			_ = s.Update(t.Context(), func(ctx context.Context, tx *postgres.Tx) error {
				_, _, err := tx.SpendSearch(ctx, client, user, hour)
				return err
			})
		})
	}
	wg.Wait()
	update(t, s, func(ctx context.Context, tx *postgres.Tx) {
		for _, c := range []struct {
			user             registry.ID
			hour             time.Time
			byClient, byUser int
		}{{one, hour, 5, 4}, {registry.ID{}, hour, 6, 1}, {one, hour.Add(time.Hour), 1, 1}} {
			byClient, byUser, err := tx.SpendSearch(ctx, client, c.user, c.hour)
			require.NoError(t, err)
			require.Equal(t, []int{c.byClient, c.byUser}, []int{byClient, byUser})
		}
	})
}

// Guesses in parallel get no more tries than guesses one after the other.
func TestTriesAreTakenOnce(t *testing.T) {
	t.Parallel()
	s := cluster.Store(t)
	now := source.Now()
	q := patient.Question{ID: source.NewID(), ClientID: source.NewID(), Attribute: "tax_id_last4", Purpose: "medical_care",
		Candidates: []registry.ID{source.NewID(), source.NewID()}, TriesLeft: 3, ExpiresAt: now.Add(time.Minute)}
	update(t, s, func(ctx context.Context, tx *postgres.Tx) { require.NoError(t, tx.InsertQuestion(ctx, q)) })
	var mu sync.Mutex
	taken := 0
	var wg sync.WaitGroup
	for range 12 {
		wg.Go(func() {
			_ = s.Update(t.Context(), func(ctx context.Context, tx *postgres.Tx) error {
				got, found, err := tx.TakeTry(ctx, q.ID, now)
				if err == nil && found {
					mu.Lock()
					defer mu.Unlock()
					taken++
					if len(got.Candidates) != 2 || got.Attribute != q.Attribute {
						taken = -100
					}
				}
				return err
			})
		})
	}
	wg.Wait()
	require.Equal(t, 3, taken)
	other := q
	other.ID, other.ExpiresAt = source.NewID(), now
	update(t, s, func(ctx context.Context, tx *postgres.Tx) {
		require.NoError(t, tx.InsertQuestion(ctx, other))
		_, found, err := tx.TakeTry(ctx, other.ID, now)
		require.NoError(t, err)
		require.False(t, found, "its time is over")
	})
}
