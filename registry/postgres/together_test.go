package postgres_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/consent"
	"mist/registry/intake"
	"mist/registry/job"
	"mist/registry/patient"
	"mist/registry/postgres"
	"mist/registry/postgres/pgtest"
	"mist/registry/query"
)

// Many commit at once, some of them what the database or a judge refuses: each
// has its own outcome, and what stands in the tables is what each alone would
// have left.
func TestTogetherEachHasItsOutcome(t *testing.T) {
	t.Parallel()
	dsn := cluster.DSN(t)
	s := pgtest.Open(t, dsn)
	c := populate(t, s)
	conn := pgtest.Connect(t, dsn)
	// Texts that an array of texts must not take apart.
	names := []string{`a"b`, `c\d`, "e,f", "{g}", "", "NULL", "h i", "ґ'є\n"}
	record := func() consent.Record {
		r := consentOf(c.person)
		r.ID, r.SingleUse, r.Status, r.Fields, r.AccessLevel = source.NewID(), true, consent.StatusUsed, names, "read"
		return r
	}
	spent := record()
	use := func(r consent.Record, message int) error {
		return s.Together(t.Context(), func(ctx context.Context, tx *postgres.Tx) error {
			if err := tx.PutContainer(ctx, registry.Digest{byte(message), byte(message >> 8)}, []byte("container")); err != nil {
				return err
			}
			if err := tx.UseConsent(ctx, r); err != nil {
				return err
			}
			receipt, err := tx.Audit(ctx, audit.Entry{Kind: audit.Disclosure, SubjectID: c.person, LegalBasis: &audit.LegalBasis{Code: audit.BasisConsent}})
			if err != nil {
				return err
			}
			return tx.InsertExchange(ctx, query.Exchange{Client: "c", MessageID: fmt.Sprint(message), Answer: []byte("{}"), EntryID: receipt.EntryID, CreatedAt: source.Now()})
		})
	}
	require.NoError(t, use(spent, 0))
	const n = 400
	records := make([]consent.Record, n)
	outcomes := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		records[i] = record()
		if i%100 == 7 {
			records[i] = spent
		}
		wg.Go(func() {
			message := i + 1
			if i%100 == 13 {
				message = 0 // answered before
			}
			outcomes[i] = use(records[i], message)
		})
	}
	wg.Wait()
	accepted := 1
	for i, err := range outcomes {
		switch {
		case i%100 == 7:
			require.Equal(t, query.SpentReason, registry.AsError(err).Reason, "%d: %v", i, err)
		case i%100 == 13:
			require.Equal(t, query.AnsweredReason, registry.AsError(err).Reason, "%d: %v", i, err)
		default:
			require.NoError(t, err)
			accepted++
			require.NoError(t, s.View(t.Context(), func(ctx context.Context, tx *postgres.Tx) error {
				kept, found, err := tx.Consent(ctx, records[i].ID)
				require.True(t, found)
				kept.CreatedAt, kept.GrantedAt, kept.ExpiresAt, kept.UsedAt, kept.RevokedAt = records[i].CreatedAt, records[i].GrantedAt, records[i].ExpiresAt, records[i].UsedAt, records[i].RevokedAt
				require.Equal(t, records[i], kept)
				return err
			}))
		}
	}
	count := func(sql string) (n int) {
		require.NoError(t, conn.QueryRow(t.Context(), sql).Scan(&n))
		return n
	}
	require.Equal(t, accepted, count(`SELECT count(*) FROM exchanges`))
	require.Equal(t, accepted, count(`SELECT count(*) FROM exchanges x JOIN leaves l ON l.id = x.entry_id AND l.subject_id IS NOT NULL AND l.subject_salt IS NOT NULL`))
	require.Equal(t, accepted, count(`SELECT count(*) FROM consents`))
	require.Less(t, count(`SELECT count(DISTINCT xid::text) FROM leaves`), accepted, "some were together")

	// Every number of the writer is a leaf: of what was committed, or void.
	require.NoError(t, s.FlushVoids(t.Context()))
	require.Equal(t, count(`SELECT max(n) FROM leaves`), count(`SELECT count(DISTINCT n) FROM leaves`))
}

// What Together is not for is refused.
func TestTogetherOnlyWrites(t *testing.T) {
	t.Parallel()
	s := cluster.Store(t)
	write := func(ctx context.Context, tx *postgres.Tx) error {
		_, err := tx.Audit(ctx, audit.Entry{Kind: audit.ActRefused, Code: "forbidden"})
		return err
	}
	require.NoError(t, s.Together(t.Context(), write))
	require.NoError(t, s.Together(t.Context(), func(context.Context, *postgres.Tx) error { return nil }), "nothing is nothing")
	require.ErrorContains(t, s.Together(t.Context(), func(ctx context.Context, tx *postgres.Tx) error {
		_, _, err := tx.FindPerson(ctx, patient.Query{TaxID: "3126509817"})
		return err
	}), "only writes")
	own := registry.Reach{LegalEntityID: registry.ID{1}}
	require.NoError(t, s.Together(registry.WithReach(t.Context(), own), write))
	for _, r := range []registry.Reach{{}, {PersonID: registry.ID{1}}, {LegalEntityID: registry.ID{1}, PersonID: registry.ID{1}}} {
		require.ErrorContains(t, s.Together(registry.WithReach(t.Context(), r), write), "for clinics and for rooms that reach all rows")
	}
	failed := registry.Errorf(registry.CodeInvalid, "changed my mind")
	require.ErrorIs(t, s.Together(t.Context(), func(ctx context.Context, tx *postgres.Tx) error {
		require.NoError(t, write(ctx, tx))
		return failed
	}), failed)
	require.Panics(t, func() {
		_ = s.Update(t.Context(), func(ctx context.Context, tx *postgres.Tx) error { return s.Together(ctx, write) })
	})
	// A caller that gives up does not take the others' transaction with it.
	gone, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancel()
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			ctx := t.Context()
			if i%2 == 0 {
				ctx = gone
			}
			err := s.Together(ctx, write)
			if i%2 == 1 {
				require.NoError(t, err)
			}
		})
	}
	wg.Wait()
}

// What waited too long for its shared transaction is not sent any more, so that no
// entry comes under a checkpoint much younger than the entry says. (A kill of
// PostgreSQL under shared signings showed it.)
func TestTogetherIsNotSentLate(t *testing.T) {
	t.Parallel()
	dsn := cluster.DSN(t)
	s := pgtest.Open(t, dsn)
	late, inTime := s.SendOne(true), s.SendOne(false)
	require.ErrorIs(t, late, postgres.ErrTooLate)
	require.Equal(t, registry.CodeUnavailable, registry.CodeOf(late), "the caller repeats")
	require.NoError(t, inTime, "the twin")
	var n int
	require.NoError(t, pgtest.Connect(t, dsn).QueryRow(t.Context(), `SELECT count(*) FROM spent_challenges`).Scan(&n))
	require.Equal(t, 1, n)
}

// Drafts and jobs of several callers are one statement each; what is written so
// reads like what is written alone, documents and a key that is taken included.
func TestDraftsAndJobsTogether(t *testing.T) {
	t.Parallel()
	dsn := cluster.DSN(t)
	s := pgtest.Open(t, dsn)
	conn := pgtest.Connect(t, dsn)
	const n = 40
	drafts := make([]intake.Draft, n)
	for i := range drafts {
		drafts[i] = populate(t, s).draft()
		drafts[i].OTPTriesLeft = i
		if i%5 == 0 {
			drafts[i].Documents = []intake.Document{{ID: source.NewID(), DraftID: drafts[i].ID, Type: "BIRTH_CERTIFICATE"}}
			drafts[i].DivisionID, drafts[i].OTPMAC = registry.ID{}, nil
		}
	}
	var wg sync.WaitGroup
	for i, d := range drafts {
		wg.Go(func() {
			ctx := registry.WithReach(context.Background(), registry.Reach{LegalEntityID: d.LegalEntityID})
			err := s.Together(ctx, func(ctx context.Context, tx *postgres.Tx) error {
				err := tx.InsertDraft(ctx, d)
				if err == nil {
					err = tx.Enqueue(ctx, job.Job{Kind: "test", Key: fmt.Sprint(i / 2), Args: []byte(`{"i":1}`)})
				}
				return err
			})
			if err != nil {
				t.Error(i, err)
			}
		})
	}
	wg.Wait()
	for i, want := range drafts {
		require.NoError(t, s.View(t.Context(), func(ctx context.Context, tx *postgres.Tx) error {
			got, err := tx.Draft(ctx, want.Kind, want.ID, false)
			want.Revision = got.Revision
			require.Equal(t, want, got, i)
			return err
		}))
	}
	var jobs, queued int
	require.NoError(t, conn.QueryRow(t.Context(), `SELECT count(*), (SELECT count(*) FROM river.river_job r JOIN jobs j ON j.river_id = r.id AND r.args->>'id' = j.id::text
    AND r.max_attempts = j.attempts AND r.tags::text[] = ARRAY['test'] AND r.state = 'available' AND r.created_at = j.created_at) FROM jobs`).Scan(&jobs, &queued))
	require.Equal(t, []int{n / 2, n / 2}, []int{jobs, queued}, "one a key")
}
