package postgres_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/postgres"
	"mist/registry/postgres/pgtest"
	"mist/registry/query"
)

// A statement that changed no row takes everything with it, also when COMMIT
// travelled behind it: its twin that changes one stays.
func TestCheckedStatementsHoldTheCommit(t *testing.T) {
	t.Parallel()
	dsn := cluster.DSN(t)
	s := pgtest.Open(t, dsn)
	c := populate(t, s)
	conn := pgtest.Connect(t, dsn)
	leaves := func() (n int) {
		require.NoError(t, conn.QueryRow(t.Context(), `SELECT count(*) FROM leaves WHERE kind <> 'void'`).Scan(&n))
		return n
	}
	update := func(f func(ctx context.Context, tx *postgres.Tx) error) error {
		return s.Update(t.Context(), func(ctx context.Context, tx *postgres.Tx) error {
			if err := f(ctx, tx); err != nil {
				return err
			}
			_, err := tx.Audit(ctx, audit.Entry{Kind: audit.Disclosure, SubjectID: c.person, LegalBasis: &audit.LegalBasis{Code: audit.BasisConsent}})
			return err
		})
	}
	single := consentOf(c.person)
	single.SingleUse, single.Status = true, "used"
	use := func(ctx context.Context, tx *postgres.Tx) error { return tx.UseConsent(ctx, single) }
	require.NoError(t, update(use))
	require.Equal(t, 1, leaves())
	require.Equal(t, query.SpentReason, registry.AsError(update(use)).Reason)
	require.Equal(t, 1, leaves(), "what was refused left nothing")

	other := consentOf(c.person)
	other.ID = source.NewID()
	insert := func(ctx context.Context, tx *postgres.Tx) error { return tx.InsertConsent(ctx, other) }
	require.NoError(t, update(insert))
	require.Equal(t, "consent_changed", registry.AsError(update(insert)).Reason)
	require.Equal(t, 2, leaves())
	// Several of them, the last refused.
	third := consentOf(c.person)
	third.ID = source.NewID()
	require.Error(t, update(func(ctx context.Context, tx *postgres.Tx) error {
		require.NoError(t, tx.InsertConsent(ctx, third))
		return tx.InsertConsent(ctx, other)
	}))
	require.NoError(t, s.View(t.Context(), func(ctx context.Context, tx *postgres.Tx) error {
		_, found, err := tx.Consent(ctx, third.ID)
		require.False(t, found)
		return err
	}))
	require.Equal(t, 2, leaves())
}
