package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/intake"
	"mist/registry/postgres"
	"mist/registry/postgres/pgtest"
)

// A peek is one trip of reads under the caller's reach; it leaves nothing on the
// connection for the next one.
func TestPeekSeesTheCallersRows(t *testing.T) {
	t.Parallel()
	s := pgtest.Open(t, cluster.DSN(t), func(o *postgres.Options) { o.MaxConns = 1 })
	w := newWalls(t, s)
	peek := func(r registry.Reach, d intake.Draft, digest registry.Digest) (got intake.Draft, accepted bool, err error) {
		err = s.Peek(registry.WithReach(t.Context(), r), func(ctx context.Context, tx *postgres.Tx) error {
			got, _, accepted, err = tx.DraftToSign(ctx, d.Kind, d.ID, digest)
			return err
		})
		return got, accepted, err
	}
	a, b := registry.Reach{LegalEntityID: w.a.legalEntity}, registry.Reach{LegalEntityID: w.b.legalEntity}
	for range 2 {
		got, accepted, err := peek(a, w.draftA, w.actA.Container)
		require.NoError(t, err)
		require.True(t, accepted)
		got.Revision = ""
		require.Equal(t, w.draftA, got)
		_, accepted, err = peek(a, w.draftA, registry.Digest{1})
		require.NoError(t, err)
		require.False(t, accepted)
		_, accepted, err = peek(a, w.draftA, w.actB.Container)
		require.NoError(t, err)
		require.False(t, accepted, "an act of another clinic is not there")
		for _, r := range []registry.Reach{b, {}} {
			_, _, err = peek(r, w.draftA, w.actA.Container)
			require.Equal(t, registry.CodeNotFound, registry.CodeOf(err))
		}
		_, _, err = peek(registry.Reach{All: true}, w.draftB, w.actB.Container)
		require.NoError(t, err)
	}
	err := s.Peek(t.Context(), func(ctx context.Context, tx *postgres.Tx) error {
		_, err := tx.Audit(ctx, audit.Entry{Kind: audit.ActRefused})
		return err
	})
	require.ErrorContains(t, err, "write nothing")
}

// Hold gives the draft as it is now, read anew only when somebody changed it,
// and finds person and author whatever the wall says; never a foreign draft.
func TestHoldOfTheParties(t *testing.T) {
	t.Parallel()
	s := cluster.Store(t)
	w := newWalls(t, s)
	own := registry.Reach{LegalEntityID: w.a.legalEntity}
	var known intake.Draft
	require.NoError(t, w.as(t, own, func(ctx context.Context, tx *postgres.Tx) (err error) {
		known, err = tx.Draft(ctx, w.draftA.Kind, w.draftA.ID, false)
		return err
	}))
	known.Data = []byte("as the caller has it")
	hold := func(r registry.Reach, d intake.Draft) (got intake.Draft, p intake.Parties, err error) {
		err = w.as(t, r, func(ctx context.Context, tx *postgres.Tx) error {
			got, p, err = tx.Hold(ctx, d)
			return err
		})
		return got, p, err
	}
	got, p, err := hold(own, known)
	require.NoError(t, err)
	require.Equal(t, known, got, "nobody changed it: it is not read again")
	require.NotEmpty(t, p.Author.Revision)
	require.Equal(t, intake.Parties{PersonStatus: "active", PersonVerification: "VERIFIED", Author: intake.Author{Approved: true, Revision: p.Author.Revision,
		Signatory: intake.Signatory{TaxID: "3126509817", LastName: "Тестовенко", EDRPOU: registry.EDRPOU(w.a.legalEntity.String()[28:])}}}, p)

	moved := known
	moved.Status, moved.StatusReason, moved.UpdatedAt, moved.ExpiresAt = intake.StatusRejected, "r", source.Now(), source.Now().Add(time.Minute)
	require.NoError(t, w.as(t, own, func(ctx context.Context, tx *postgres.Tx) error { return tx.MoveDraft(ctx, moved) }))
	got, _, err = hold(own, known)
	require.NoError(t, err)
	require.NotEqual(t, known.Revision, got.Revision)
	want := w.draftA
	want.Status, want.StatusReason, want.UpdatedAt, want.ExpiresAt, want.Revision = moved.Status, moved.StatusReason, moved.UpdatedAt, moved.ExpiresAt, got.Revision
	require.Equal(t, want, got, "changed: it is read anew, and a move left what is sealed")

	for name, c := range map[string]struct {
		reach registry.Reach
		draft intake.Draft
	}{
		"a foreign draft":     {registry.Reach{LegalEntityID: w.b.legalEntity}, known},
		"nobody":              {registry.Reach{}, known},
		"a person who isn't":  {own, intake.Draft{ID: known.ID, Kind: known.Kind, PersonID: source.NewID(), EmployeeID: known.EmployeeID}},
		"an author who isn't": {own, intake.Draft{ID: known.ID, Kind: known.Kind, PersonID: known.PersonID, EmployeeID: source.NewID()}},
		"a draft that isn't":  {own, intake.Draft{ID: source.NewID(), Kind: known.Kind, PersonID: known.PersonID, EmployeeID: known.EmployeeID}},
		"of another kind":     {own, intake.Draft{ID: known.ID, Kind: "sick_leave", PersonID: known.PersonID, EmployeeID: known.EmployeeID}},
	} {
		_, _, err := hold(c.reach, c.draft)
		require.Equal(t, registry.CodeNotFound, registry.CodeOf(err), name)
	}
	_, _, err = hold(registry.Reach{All: true}, known)
	require.NoError(t, err)
	require.Equal(t, registry.CodeNotFound, registry.CodeOf(w.as(t, registry.Reach{LegalEntityID: w.b.legalEntity},
		func(ctx context.Context, tx *postgres.Tx) error { return tx.MoveDraft(ctx, moved) })), "a foreign draft is not moved")
}
