package postgres_test

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/declaration"
	"mist/registry/postgres"
)

// Declarations that take the place of earlier ones are signed in one bundle:
// each keeps its own parent, and one of a parent that is not there is refused alone.
func TestTogetherEachKeepsItsParent(t *testing.T) {
	t.Parallel()
	s := cluster.Store(t)
	const n = 12
	var before, after [n]declaration.Declaration
	var outcomes [n]error
	var clinics [n]clinic
	for i := range n {
		clinics[i] = populate(t, s)
		update(t, s, func(ctx context.Context, tx *postgres.Tx) {
			a := clinics[i].act()
			d, err := clinics[i].declare(ctx, tx, a)
			require.NoError(t, err)
			before[i] = d
		})
	}
	var wg sync.WaitGroup
	for i := range n {
		c, a := clinics[i], clinics[i].act()
		d := before[i]
		d.ID, d.ActID, d.RequestID, d.ParentID, d.Number = a.ID, a.ID, source.NewID(), before[i].ID, declaration.Number(uint64(1_000_000+i))
		if i == 5 {
			d.ParentID = source.NewID()
		}
		after[i] = d
		wg.Go(func() {
			outcomes[i] = s.Together(t.Context(), func(ctx context.Context, tx *postgres.Tx) error {
				if err := tx.SupersedeDeclaration(ctx, c.person, a.ID); err != nil {
					return err
				}
				if err := tx.InsertAct(ctx, a); err != nil {
					return err
				}
				if err := tx.InsertDeclaration(ctx, d); err != nil {
					return err
				}
				_, err := tx.Audit(ctx, accepted(a))
				return err
			})
		})
	}
	wg.Wait()
	for i := range n {
		if i == 5 {
			require.Error(t, outcomes[i])
			continue
		}
		require.NoError(t, outcomes[i], "%d", i)
	}
	update(t, s, func(ctx context.Context, tx *postgres.Tx) {
		for i := range n {
			parent, err := tx.DeclarationParent(ctx, after[i].ID)
			require.NoError(t, err)
			want, status := before[i].ID, declaration.StatusTerminated
			if i == 5 { // nothing of it stands, and the earlier one goes on
				want, status = registry.ID{}, declaration.StatusActive
			}
			require.Equal(t, want, parent, "%d", i)
			d, err := tx.Declaration(ctx, before[i].ID, false)
			require.NoError(t, err)
			require.Equal(t, status, d.Status, "%d", i)
		}
	})
}
