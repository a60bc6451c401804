package postgres_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/access"
	"mist/registry/audit"
	"mist/registry/edge"
	"mist/registry/postgres"
	"mist/registry/postgres/pgtest"
)

// hospital is a clinic with a key, as the portal makes its caller.
func (w walls) hospital(t *testing.T, c clinic) (context.Context, registry.Caller) {
	t.Helper()
	client := access.Client{ID: source.NewID(), Name: "МІС " + c.legalEntity.String(), Type: "MIS", LegalEntityID: c.legalEntity, Scopes: []string{access.ScopeEdge}, SecretHash: []byte{1}, SecretSalt: []byte{2}}
	key := access.APIKey{ID: source.NewID(), ClientID: client.ID, LegalEntityID: c.legalEntity, Name: "локальна сторона", Scopes: client.Scopes, SecretHash: []byte{1}, SecretSalt: []byte{2},
		CreatedAt: source.Now(), ExpiresAt: source.Now().Add(time.Hour)}
	require.NoError(t, w.Update(t.Context(), func(ctx context.Context, tx *postgres.Tx) error {
		if err := tx.PutClient(ctx, client); err != nil {
			return err
		}
		return tx.InsertAPIKey(ctx, key)
	}))
	reach := registry.Reach{LegalEntityID: c.legalEntity}
	return registry.WithReach(t.Context(), reach), registry.Caller{Channel: registry.ChannelREST, RequestID: "edge", ClientID: client.ID, KeyID: key.ID, LegalEntityID: c.legalEntity, Scopes: client.Scopes, Rows: reach}
}

// leavesAbout counts entries of a kind about a person.
func leavesAbout(t *testing.T, dsn string, kind audit.Kind, person registry.ID) (n int) {
	t.Helper()
	require.NoError(t, pgtest.Connect(t, dsn).QueryRow(t.Context(), `SELECT count(*) FROM leaves WHERE kind = $1 AND subject_id = $2`, string(kind), person.String()).Scan(&n))
	return n
}

func TestEdgeCopyIsOfTheOwnPatients(t *testing.T) {
	t.Parallel()
	dsn := cluster.DSN(t)
	w := newWalls(t, pgtest.Open(t, dsn))
	room, err := edge.New(postgres.NewPort[edge.Tx](w.Store), source)
	require.NoError(t, err)
	for _, c := range []clinic{w.a, w.b} {
		ctx, caller := w.hospital(t, c)
		list, next, err := room.Patients(ctx, caller, registry.ID{}, 10)
		require.NoError(t, err)
		require.True(t, next.IsZero())
		require.Len(t, list, 1)
		require.Equal(t, c.person, list[0].Person.ID)
		require.Equal(t, "3278011533", list[0].Person.TaxID)
		require.Equal(t, c.doctor, list[0].EmployeeID)
		require.Equal(t, 1, leavesAbout(t, dsn, edge.Copied, c.person))
		list, _, err = room.Patients(ctx, caller, list[0].DeclarationID, 10)
		require.NoError(t, err)
		require.Empty(t, list)
		_, _, err = room.Patients(ctx, caller, registry.ID{}, 101)
		require.Equal(t, registry.CodeInvalid, registry.CodeOf(err))
		caller.KeyID = registry.ID{}
		_, _, err = room.Patients(ctx, caller, registry.ID{}, 10)
		require.Equal(t, "hospital_key", registry.AsError(err).Reason, "a token of the client system is no key of the hospital")
	}
}

func TestEdgeReadsEnterTheTrailOnce(t *testing.T) {
	t.Parallel()
	dsn := cluster.DSN(t)
	w := newWalls(t, pgtest.Open(t, dsn))
	room, err := edge.New(postgres.NewPort[edge.Tx](w.Store), source)
	require.NoError(t, err)
	ctx, caller := w.hospital(t, w.a)
	site := source.NewID()
	read := func(n uint64) edge.Read {
		return edge.Read{Number: n, PersonID: w.a.person, EmployeeID: w.a.doctor, Purpose: "medical_care", At: source.Now().Add(-time.Hour)}
	}
	last, err := room.Report(ctx, caller, site, []edge.Read{read(1), read(2)})
	require.NoError(t, err)
	require.Equal(t, uint64(2), last)
	require.Equal(t, 2, leavesAbout(t, dsn, edge.Looked, w.a.person))

	// Sent again, by eight at the same moment, with one more.
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			last, err := room.Report(ctx, caller, site, []edge.Read{read(1), read(2), read(3)})
			if err != nil || last != 3 {
				t.Errorf("last %d: %v", last, err)
			}
		})
	}
	all.Wait()
	require.Equal(t, 3, leavesAbout(t, dsn, edge.Looked, w.a.person))

	_, err = room.Report(ctx, caller, site, []edge.Read{read(5)})
	require.Equal(t, "gap", registry.AsError(err).Reason)

	// What is claimed about others is written, and points to nobody.
	foreign := read(4)
	foreign.PersonID = w.b.person
	last, err = room.Report(ctx, caller, site, []edge.Read{foreign})
	require.NoError(t, err)
	require.Equal(t, uint64(4), last)
	require.Zero(t, leavesAbout(t, dsn, edge.Looked, w.b.person))

	// A site belongs to one hospital.
	other, otherCaller := w.hospital(t, w.b)
	_, err = room.Report(other, otherCaller, site, []edge.Read{read(5)})
	require.Equal(t, registry.CodeNotFound, registry.CodeOf(err))

	for name, change := range map[string]func(r *edge.Read){
		"purpose": func(r *edge.Read) { r.Purpose = "цікавість" },
		"future":  func(r *edge.Read) { r.At = source.Now().Add(2 * time.Hour) },
		"nobody":  func(r *edge.Read) { r.PersonID = registry.ID{} },
		"number":  func(r *edge.Read) { r.Number = 0 },
	} {
		r := read(5)
		change(&r)
		_, err = room.Report(ctx, caller, site, []edge.Read{r})
		require.Equal(t, registry.CodeInvalid, registry.CodeOf(err), name)
	}
	last, err = room.Report(ctx, caller, site, []edge.Read{read(5)})
	require.NoError(t, err, "the unmutated twin")
	require.Equal(t, uint64(5), last)
}
