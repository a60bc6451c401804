package postgres_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/dispense"
	"mist/registry/postgres"
	"mist/registry/prescription"
	"mist/registry/record"
)

// prescribed gives a clinic's patient a prescription.
func prescribed(t *testing.T, s *postgres.Store, c clinic) record.Record {
	t.Helper()
	now := source.Now()
	r := record.Record{ID: source.NewID(), Kind: prescription.KindRecord, PatientID: c.person, AuthorID: c.doctor, LegalEntityID: c.legalEntity,
		Status: prescription.StatusActive, Body: []byte(`{}`), InsertedAt: now, UpdatedAt: now}
	require.NoError(t, s.Update(t.Context(), func(ctx context.Context, tx *postgres.Tx) error { return tx.InsertRecord(ctx, r) }))
	return r
}

func claim(ctx context.Context, s *postgres.Store, c clinic, rx registry.ID, several bool) error {
	now := source.Now()
	d := record.Record{ID: source.NewID(), Kind: dispense.KindRecord, PatientID: c.person, AuthorID: c.doctor, LegalEntityID: c.legalEntity, BasedOnID: rx,
		Status: dispense.StatusNew, Body: []byte(`{}`), InsertedAt: now, UpdatedAt: now}
	return s.Update(ctx, func(ctx context.Context, tx *postgres.Tx) error {
		if err := tx.InsertRecord(ctx, d); err != nil {
			return err
		}
		return tx.TakePlace(ctx, dispense.Place{ID: d.ID, PrescriptionID: rx, Status: d.Status, Several: several})
	})
}

// Fifty pharmacies at the same moment, none of which has read what the others
// do: the database lets exactly one hold the prescription.
func TestOneOfFiftyDispenses(t *testing.T) {
	t.Parallel()
	s := cluster.Store(t)
	c := populate(t, s)
	for _, several := range []bool{false, true} {
		rx := prescribed(t, s, c)
		var won, lost atomic.Int32
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				for {
					err := claim(t.Context(), s, c, rx.ID, several)
					switch {
					case err == nil:
						won.Add(1)
					case registry.CodeOf(err) == registry.CodeUnavailable: // a loaded machine: ask again
						continue
					default:
						e := registry.AsError(err)
						if e.Code == registry.CodeForbidden && e.Reason == "dispense_exists" {
							lost.Add(1)
						}
					}
					return
				}
			})
		}
		all.Wait()
		require.EqualValues(t, 1, won.Load())
		require.EqualValues(t, 49, lost.Load(), "each of the others is told why")
	}
}

// A hold that was given up makes way; one that was processed does not, unless
// the programme allows several.
func TestPlacesOfDispenses(t *testing.T) {
	t.Parallel()
	s := cluster.Store(t)
	c := populate(t, s)
	move := func(rx registry.ID, status string, on registry.Date) {
		require.NoError(t, s.Update(t.Context(), func(ctx context.Context, tx *postgres.Tx) error {
			places, err := tx.Places(ctx, rx)
			if err != nil {
				return err
			}
			return tx.MovePlace(ctx, places[len(places)-1].ID, status, on)
		}))
	}
	for _, several := range []bool{false, true} {
		rx := prescribed(t, s, c).ID
		require.NoError(t, claim(t.Context(), s, c, rx, several))
		require.Error(t, claim(t.Context(), s, c, rx, several), "held")
		move(rx, dispense.StatusExpired, registry.Date{})
		require.NoError(t, claim(t.Context(), s, c, rx, several), "the hold is over")
		move(rx, dispense.StatusProcessed, registry.DateOf(source.Now()))
		err := claim(t.Context(), s, c, rx, several)
		if several {
			require.NoError(t, err)
		} else {
			require.Equal(t, registry.CodeForbidden, registry.CodeOf(err))
		}
	}
}

// Periods are found by person and substance across clinics, and the rows tell
// neither.
func TestPeriodsOfASubstance(t *testing.T) {
	t.Parallel()
	s := cluster.Store(t)
	a, b := populate(t, s), populate(t, s)
	innm, other := source.NewID(), source.NewID()
	rx := prescribed(t, s, a)
	day := registry.Date{Year: 2026, Month: 11, Day: 21}
	require.NoError(t, s.Update(t.Context(), func(ctx context.Context, tx *postgres.Tx) error {
		return tx.InsertPeriod(ctx, a.person, innm, prescription.Period{ID: rx.ID, Start: day, End: day.AddDate(0, 0, 10), Program: true})
	}))
	read := func(person, substance registry.ID) (list []prescription.Period) {
		reach := registry.WithReach(t.Context(), registry.Reach{LegalEntityID: b.legalEntity})
		require.NoError(t, s.Update(reach, func(ctx context.Context, tx *postgres.Tx) (err error) {
			list, err = tx.Periods(ctx, person, substance)
			return err
		}))
		return list
	}
	require.Equal(t, []prescription.Period{{ID: rx.ID, Start: day, End: day.AddDate(0, 0, 10), Program: true, Status: prescription.StatusActive}}, read(a.person, innm), "another clinic's rule sees it")
	require.Empty(t, read(b.person, innm))
	require.Empty(t, read(a.person, other))
	rx.Status = prescription.StatusRejected
	require.NoError(t, s.Update(t.Context(), func(ctx context.Context, tx *postgres.Tx) error { return tx.MoveRecord(ctx, rx) }))
	require.Empty(t, read(a.person, innm), "a rejected one counts no more")
}
