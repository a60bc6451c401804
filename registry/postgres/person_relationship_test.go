package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/intake"
	"mist/registry/patient"
	"mist/registry/postgres"
	"mist/registry/postgres/pgtest"
)

func TestRelationships(t *testing.T) {
	t.Parallel()
	dsn := cluster.DSN(t)
	s := pgtest.Open(t, dsn)
	ward, parent := somebody(source.NewID()), somebody(source.NewID())
	ward.BirthDate, ward.TaxID = registry.DateOf(source.Now()).AddDate(-5, 0, 0), ""
	r := patient.DefaultTerms().NewRelationship(source.NewID(), ward, parent.ID, []patient.Document{{Type: "BIRTH_CERTIFICATE", Number: "І-БК123456"}}, registry.Date{}, source.Now())
	require.Equal(t, ward.BirthDate.AddDate(18, 0, -1), r.ActiveTo, "a minor's ends on the day before full capacity")
	r.Comment = "перевірено"
	update(t, s, func(ctx context.Context, tx *postgres.Tx) {
		require.NoError(t, tx.PutPerson(ctx, ward))
		require.NoError(t, tx.PutPerson(ctx, parent))
		require.NoError(t, tx.PutRelationship(ctx, r))
	})
	update(t, s, func(ctx context.Context, tx *postgres.Tx) {
		got, found, err := tx.RelationshipBetween(ctx, ward.ID, parent.ID)
		require.NoError(t, err)
		require.True(t, found)
		require.Equal(t, r, got)
		of, err := tx.RelationshipsOf(ctx, ward.ID)
		require.NoError(t, err)
		require.Equal(t, []patient.Relationship{r}, of)
		by, err := tx.RelationshipsFor(ctx, parent.ID)
		require.NoError(t, err)
		require.Equal(t, of, by)
		_, found, err = tx.RelationshipBetween(ctx, parent.ID, ward.ID)
		require.NoError(t, err)
		require.False(t, found, "it speaks one way")
		_, err = tx.Relationship(ctx, ward.ID)
		require.Equal(t, registry.CodeNotFound, registry.CodeOf(err))
	})
	// The database knows one active relationship of two people.
	twice := r
	twice.ID = source.NewID()
	err := s.Update(t.Context(), func(ctx context.Context, tx *postgres.Tx) error { return tx.PutRelationship(ctx, twice) })
	require.Equal(t, "relationship_exists", registry.AsError(err).Reason)

	work := jobs(t, s, r.ActiveTo.Time())
	n, err := work["end_relationships"](t.Context())
	require.NoError(t, err)
	require.Zero(t, n, "the last day counts")
	n, err = jobs(t, s, r.ActiveTo.Time().Add(24*time.Hour))["end_relationships"](t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, n)
	update(t, s, func(ctx context.Context, tx *postgres.Tx) {
		_, found, err := tx.RelationshipBetween(ctx, ward.ID, parent.ID)
		require.NoError(t, err)
		require.False(t, found)
		require.NoError(t, tx.PutRelationship(ctx, twice), "another may begin")
	})
	require.Equal(t, 1, count(t, dsn, `SELECT count(*) FROM leaves WHERE kind = 'relationship.ended'`))
}

// Records of before a look-up key was thought of get theirs, once.
func TestRecordsGetTheKeysOfToday(t *testing.T) {
	t.Parallel()
	dsn := cluster.DSN(t)
	s := pgtest.Open(t, dsn)
	const many = 103
	var last patient.Person
	update(t, s, func(ctx context.Context, tx *postgres.Tx) {
		for range many {
			last = somebody(source.NewID())
			last.TaxID = ""
			require.NoError(t, tx.PutPerson(ctx, last))
		}
	})
	whole := count(t, dsn, `SELECT count(*) FROM person_keys`)
	_, err := pgtest.Connect(t, dsn).Exec(t.Context(), `DELETE FROM person_keys WHERE kind IN ('name', 'auth_phone'); UPDATE persons SET keys_version = 0`)
	require.NoError(t, err)
	n, err := jobs(t, s, source.Now())["rekey_persons"](t.Context())
	require.NoError(t, err)
	require.Equal(t, many, n)
	require.Equal(t, whole, count(t, dsn, `SELECT count(*) FROM person_keys`))
	n, err = jobs(t, s, source.Now())["rekey_persons"](t.Context())
	require.NoError(t, err)
	require.Zero(t, n)
	update(t, s, func(ctx context.Context, tx *postgres.Tx) {
		list, err := tx.FindByName(ctx, last.LastName, last.FirstName, last.BirthDate, 200)
		require.NoError(t, err)
		require.Len(t, list, many)
		n, err := tx.CountByMethod(ctx, last.AuthMethod(), last.ID)
		require.NoError(t, err)
		require.Equal(t, many-1, n)
	})
}

// What a record was before stays readable, sealed and unchangeable.
func TestEarlierVersionsAreKept(t *testing.T) {
	t.Parallel()
	dsn := cluster.DSN(t)
	s := pgtest.Open(t, dsn)
	p := somebody(source.NewID())
	reserved := patient.Person{ID: p.ID, Status: patient.StatusInactive, InsertedAt: p.InsertedAt, UpdatedAt: p.UpdatedAt}
	update(t, s, func(ctx context.Context, tx *postgres.Tx) { require.NoError(t, tx.PutPerson(ctx, reserved)) })
	update(t, s, func(ctx context.Context, tx *postgres.Tx) { require.NoError(t, tx.PutPerson(ctx, p)) })
	next := p
	next.Version, next.LastName = 2, "Інша"
	update(t, s, func(ctx context.Context, tx *postgres.Tx) { require.NoError(t, tx.PutPerson(ctx, next)) })
	update(t, s, func(ctx context.Context, tx *postgres.Tx) {
		list, err := tx.PersonVersions(ctx, p.ID)
		require.NoError(t, err)
		require.Len(t, list, 1, "a reserved record was no version")
		require.Equal(t, p, list[0].Person)
		require.False(t, list[0].EndedAt.IsZero())
	})
	for _, sql := range []string{"UPDATE person_versions SET status = 'x'", "DELETE FROM person_versions"} {
		_, err := pgtest.Connect(t, dsn).Exec(t.Context(), sql)
		require.ErrorContains(t, err, "append-only", sql)
	}
}

// Scans of a cleared request that came to nothing are named for erasure; those
// of a signed one, and of one that still holds its data, are not.
func TestErasableDocuments(t *testing.T) {
	t.Parallel()
	dsn := cluster.DSN(t)
	s := pgtest.Open(t, dsn)
	c := populate(t, s)
	place := map[string]registry.ID{}
	update(t, s, func(ctx context.Context, tx *postgres.Tx) {
		for _, name := range []string{"rejected", "signed", "fresh", "twin"} {
			d := c.draft()
			d.Documents = []intake.Document{{ID: source.NewID(), DraftID: d.ID, Type: "person.PASSPORT"}, {ID: source.NewID(), DraftID: d.ID, Type: "person.tax_id"}}
			require.NoError(t, tx.InsertDraft(ctx, d))
			doc := d.Documents[0]
			place[name] = doc.ID
			doc.Digest, doc.MediaType, doc.Size, doc.UploadedAt = registry.Digest{byte(len(name))}, "image/png", 7, source.Now()
			if name == "twin" {
				doc.Digest = registry.Digest{byte(len("rejected"))}
			}
			require.NoError(t, tx.KeepDocument(ctx, doc))
			back, draft, err := tx.Document(ctx, doc.ID)
			require.NoError(t, err)
			require.Equal(t, doc, back)
			require.Len(t, draft.Documents, 2)
			d.Status = intake.StatusRejected
			if name == "signed" {
				d.Status = intake.StatusSigned
			}
			require.NoError(t, tx.UpdateDraft(ctx, d))
		}
	})
	_, err := pgtest.Connect(t, dsn).Exec(t.Context(), `UPDATE drafts SET cleared_at = now() WHERE id IN (SELECT draft_id FROM draft_documents WHERE id = ANY ($1))`,
		[][16]byte{place["rejected"], place["signed"]})
	require.NoError(t, err)
	update(t, s, func(ctx context.Context, tx *postgres.Tx) {
		list, err := tx.ErasableDocuments(ctx, 10)
		require.NoError(t, err)
		require.Len(t, list, 1)
		require.Equal(t, place["rejected"], list[0].Document.ID)
		require.True(t, list[0].Shared, "another request has the same scan")
		gone := list[0].Document
		gone.Digest = registry.Digest{}
		require.NoError(t, tx.KeepDocument(ctx, gone))
	})
	update(t, s, func(ctx context.Context, tx *postgres.Tx) {
		list, err := tx.ErasableDocuments(ctx, 10)
		require.NoError(t, err)
		require.Empty(t, list)
	})
}
