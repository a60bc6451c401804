package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/abac"
	"mist/registry/postgres"
	"mist/registry/record"
)

// Records behind the wall: seen where they were made, where their episode is
// led, by who works on them and by the patient; written by who makes them; moved by the
// kind for whoever works on them. Numbers and ids are there once, and a life is told in order.
func TestRecordsBehindTheWall(t *testing.T) {
	t.Parallel()
	w := newWalls(t, cluster.Store(t))
	now := source.Now()
	reach := func(id registry.ID) registry.Reach { return registry.Reach{LegalEntityID: id} }
	made := func(c clinic, number string, change func(*record.Record)) record.Record {
		r := record.Record{ID: source.NewID(), Kind: "service_request", PatientID: c.person, AuthorID: c.doctor, LegalEntityID: c.legalEntity, Number: number, Status: "active",
			Body: []byte(`{"note":"прошу оглянути"}`), InsertedAt: now, UpdatedAt: now, ExpiresAt: now.Add(-time.Second)}
		change(&r)
		return r
	}
	insert := func(by registry.Reach, r record.Record) error {
		return w.as(t, by, func(ctx context.Context, tx *postgres.Tx) error { return tx.InsertRecord(ctx, r) })
	}
	listed := func(by registry.Reach, f record.Filter) (ids []registry.ID) {
		t.Helper()
		f.Limit = 10
		require.NoError(t, w.as(t, by, func(ctx context.Context, tx *postgres.Tx) error {
			list, err := tx.Records(ctx, f)
			for _, r := range list {
				ids = append(ids, r.ID)
			}
			return err
		}))
		return ids
	}
	a, b := reach(w.a.legalEntity), reach(w.b.legalEntity)
	plain := made(w.a, "0000-0000-0000-0001", func(*record.Record) {})
	require.NoError(t, insert(a, plain))
	require.Equal(t, []registry.ID{plain.ID}, listed(a, record.Filter{Kind: plain.Kind}))
	require.Empty(t, listed(b, record.Filter{Kind: plain.Kind}), "made elsewhere")
	require.Empty(t, listed(registry.Reach{}, record.Filter{Kind: plain.Kind}), "nobody")
	require.Equal(t, []registry.ID{plain.ID}, listed(registry.Reach{PersonID: w.a.person}, record.Filter{Kind: plain.Kind}), "the patient")
	require.Equal(t, []registry.ID{plain.ID}, listed(b, record.Filter{Kind: plain.Kind, PatientID: w.a.person}), "of a patient the rules of access decide, not the wall")

	led := made(w.a, "", func(r *record.Record) { r.Episode = abac.Episode{ID: source.NewID(), LegalEntityID: w.b.legalEntity} })
	require.NoError(t, insert(a, led))
	require.Equal(t, []registry.ID{led.ID}, listed(b, record.Filter{Kind: led.Kind}), "of an episode led there")

	// Nobody writes a record of another clinic; the twin is written.
	foreign := made(w.b, "", func(*record.Record) {})
	var db *postgres.DatabaseError
	require.ErrorAs(t, insert(a, foreign), &db)
	require.Equal(t, "42501", db.SQLState)
	require.NoError(t, insert(b, foreign))

	// An id and a number stand once; the same number of another kind is another number.
	require.Equal(t, "record_exists", registry.AsError(insert(a, plain)).Reason)
	again := made(w.a, plain.Number, func(*record.Record) {})
	require.Equal(t, "record_number", registry.AsError(insert(a, again)).Reason)
	again.Kind = "medication_request"
	require.NoError(t, insert(a, again))

	// Who works on a record moves it, and sees it from then on; its life is in order.
	require.NoError(t, w.as(t, b, func(ctx context.Context, tx *postgres.Tx) error {
		due, err := tx.RecordsDue(ctx, plain.Kind, []string{"active"}, now, 10)
		require.NoError(t, err)
		require.Len(t, due, 2, "those the clinic sees, its own and the one of its episode: jobs see all")
		r, err := tx.RecordByNumber(ctx, plain.Kind, plain.Number, true)
		require.NoError(t, err)
		require.Equal(t, plain, r, "what was put down comes back")
		r.HolderID, r.Status, r.UpdatedAt = w.b.legalEntity, "in_progress", now.Add(time.Second)
		return tx.MoveRecord(ctx, r)
	}))
	require.Contains(t, listed(b, record.Filter{Kind: plain.Kind, HolderID: w.b.legalEntity}), plain.ID)
	require.NoError(t, w.as(t, registry.Reach{All: true}, func(ctx context.Context, tx *postgres.Tx) error {
		due, err := tx.RecordsDue(ctx, plain.Kind, []string{"active", "in_progress"}, now, 10)
		require.NoError(t, err)
		for _, r := range due {
			require.NotEqual(t, plain.ID, r.ID, "somebody works on it")
		}
		history, err := tx.RecordHistory(ctx, plain.ID)
		require.NoError(t, err)
		require.Len(t, history, 2, "each state once, though two clinics are told")
		require.Equal(t, [2]string{"active", "in_progress"}, [2]string{history[0].Status, history[1].Status})
		_, err = tx.RecordByID(ctx, "encounter", plain.ID, false)
		require.Equal(t, registry.CodeNotFound, registry.CodeOf(err), "an id of another kind")
		return nil
	}))
}
