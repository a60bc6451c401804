package postgres_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/declaration"
	"mist/registry/job"
	"mist/registry/postgres"
	"mist/registry/postgres/pgtest"
)

type sealerFunc func(content []byte) ([]byte, error)

func (f sealerFunc) Seal(_ context.Context, content []byte) ([]byte, error) { return f(content) }

// What awaits its seal is sealed in batches; what cannot be sealed becomes a job
// that tries again, and what ended meanwhile keeps none.
func TestSealsInBatches(t *testing.T) {
	t.Parallel()
	dsn := cluster.DSN(t)
	s := pgtest.Open(t, dsn)
	conn := pgtest.Connect(t, dsn)
	room := newSigningRoom(t, s, 3)
	const n = 70 // more than a batch
	ids := make([]registry.ID, n)
	list := make([]submission, n)
	for i := range list {
		list[i] = room.submission(t, i)
		out, err := room.service.Sign(registry.WithReach(t.Context(), list[i].caller.Rows), list[i].caller, list[i].draft, list[i].container)
		require.NoError(t, err)
		ids[i] = out.Act.ID
	}
	const dark, ends = 3, 65
	works := false
	sealer := sealerFunc(func(content []byte) ([]byte, error) {
		switch {
		case bytes.Equal(content, list[dark].container) && !works:
			return nil, errors.New("no time-stamp can be had")
		case bytes.Equal(content, list[ends].container):
			_, err := conn.Exec(context.Background(), "UPDATE declarations SET status = 'terminated' WHERE id = $1", ids[ends].String())
			return content, err
		}
		return append([]byte("sealed "), content...), nil
	})
	seals, err := declaration.NewSeals(postgres.NewPort[declaration.SealTx](s), sealer, source)
	require.NoError(t, err)
	total, err := seals.Jobs(time.Minute)[0].Run(t.Context())
	require.NoError(t, err)
	require.Equal(t, n, total)
	sealed := func(i int) (container []byte) {
		require.NoError(t, s.View(t.Context(), func(ctx context.Context, tx *postgres.Tx) error {
			_, digest, ok, err := tx.SealedContainers(ctx, ids[i])
			if err == nil && ok {
				container, err = tx.Container(ctx, digest)
			}
			return err
		}))
		return container
	}
	for i := range list {
		switch i {
		case dark, ends:
			require.Empty(t, sealed(i), i)
		default:
			require.Equal(t, "sealed "+string(list[i].container), string(sealed(i)), i)
		}
	}
	var keys []string
	var leaves int
	require.NoError(t, conn.QueryRow(t.Context(), "SELECT array_agg(key), (SELECT count(*) FROM leaves WHERE kind = 'declaration.sealed') FROM jobs WHERE kind = $1",
		string(declaration.SealKind)).Scan(&keys, &leaves))
	require.Equal(t, []string{ids[dark].String()}, keys)
	require.Equal(t, n-2, leaves, "an entry a seal")

	total, err = seals.Jobs(time.Minute)[0].Run(t.Context())
	require.NoError(t, err)
	require.Zero(t, total, "a job is at it")
	works = true
	require.NoError(t, seals.Handlers()[declaration.SealKind](t.Context(), job.Job{ID: source.NewID(), Key: keys[0]}))
	require.NotEmpty(t, sealed(dark))
}
