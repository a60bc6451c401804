package postgres_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/idempotency"
	"mist/registry/postgres"
	"mist/registry/postgres/pgtest"
	"mist/registry/query"
)

func events(t *testing.T, s *postgres.Store, within registry.ID, after query.Cursor) (list []query.Event) {
	t.Helper()
	update(t, s, func(ctx context.Context, tx *postgres.Tx) {
		var err error
		list, err = tx.Events(ctx, within, true, after, 100)
		require.NoError(t, err)
	})
	// Those of providers stand in the way here; TestFeedOfEveryKind is about them.
	return slices.DeleteFunc(list, func(e query.Event) bool { return e.EntityType != "declaration" })
}

// A transaction that began earlier and commits later must not slip behind a
// reader: what it changed is told after what the reader has seen, or the reader waits.
func TestFeedHasNoGap(t *testing.T) {
	t.Parallel()
	dsn := cluster.DSN(t)
	s := pgtest.Open(t, dsn)
	slow, fast := populate(t, s), populate(t, s)
	begun, release, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		done <- s.Update(context.Background(), func(ctx context.Context, tx *postgres.Tx) error {
			if _, err := slow.declare(ctx, tx, slow.act()); err != nil {
				return err
			}
			// The queue goes out with a read; the transaction has its number now.
			if _, err := tx.Seed(ctx); err != nil {
				return err
			}
			close(begun)
			<-release
			return nil
		})
	}()
	<-begun
	update(t, s, func(ctx context.Context, tx *postgres.Tx) {
		_, err := fast.declare(ctx, tx, fast.act())
		require.NoError(t, err)
	})
	require.Empty(t, events(t, s, registry.ID{}, query.Cursor{}), "an older transaction is still open")
	close(release)
	require.NoError(t, <-done)
	// The horizon is the whole cluster's: a transaction of another test may hold it for a moment.
	require.Eventually(t, func() bool { return len(events(t, s, registry.ID{}, query.Cursor{})) == 2 }, 10*time.Second, 10*time.Millisecond)
	list := events(t, s, registry.ID{}, query.Cursor{})
	require.Equal(t, "active", list[0].Properties.Status.NewValue)
	require.Len(t, events(t, s, registry.ID{}, list[0].Cursor), 1)
	require.Empty(t, events(t, s, registry.ID{}, list[1].Cursor))
	require.Len(t, events(t, s, fast.legalEntity, query.Cursor{}), 1, "one clinic sees its own")
	parsed, err := query.ParseCursor(list[0].ID)
	require.NoError(t, err)
	require.Equal(t, list[0].Cursor, parsed)
}

// The feed tells of providers to themselves, of a person to whom knows them, and
// of merges to the NHSU; without patients only of providers.
func TestFeedOfEveryKind(t *testing.T) {
	t.Parallel()
	s := pgtest.Open(t, cluster.DSN(t))
	a, b := populate(t, s), populate(t, s)
	update(t, s, func(ctx context.Context, tx *postgres.Tx) {
		_, err := a.declare(ctx, tx, a.act())
		require.NoError(t, err)
	})
	update(t, s, func(ctx context.Context, tx *postgres.Tx) {
		require.NoError(t, tx.DismissEmployee(ctx, b.doctor, registry.DateOf(source.Now()), "test"))
		p, err := tx.Person(ctx, a.person)
		require.NoError(t, err)
		p.Status, p.StatusReason = "inactive", "death"
		require.NoError(t, tx.SetPersonState(ctx, p))
	})
	told := func(within registry.ID, patients bool) (out []string) {
		update(t, s, func(ctx context.Context, tx *postgres.Tx) {
			list, err := tx.Events(ctx, within, patients, query.Cursor{}, 100)
			require.NoError(t, err)
			out = nil
			for _, e := range list {
				out = append(out, e.EntityType+" "+e.Properties.Status.NewValue)
			}
		})
		return out
	}
	// The horizon is the whole cluster's: a transaction of another test may hold it for a moment.
	require.Eventually(t, func() bool { return slices.Contains(told(registry.ID{}, true), "person inactive") }, 10*time.Second, 10*time.Millisecond)
	require.Equal(t, []string{"legal_entity ACTIVE", "division ACTIVE", "employee APPROVED", "declaration active", "person inactive"}, told(a.legalEntity, true))
	require.Equal(t, []string{"legal_entity ACTIVE", "division ACTIVE", "employee APPROVED"}, told(a.legalEntity, false))
	require.Equal(t, []string{"legal_entity ACTIVE", "division ACTIVE", "employee APPROVED", "employee DISMISSED"}, told(b.legalEntity, true))
	require.Len(t, told(registry.ID{}, true), 9)
}

func TestRepliesByKey(t *testing.T) {
	t.Parallel()
	dsn := cluster.DSN(t)
	s := pgtest.Open(t, dsn)
	now := source.Now()
	clock := registry.Source{Clock: func() time.Time { return now }, Random: source.Random}
	svc, err := idempotency.New(postgres.NewPort[idempotency.Tx](s), clock, time.Hour)
	require.NoError(t, err)
	c := registry.Caller{ClientID: source.NewID(), RequestID: "req", Channel: registry.ChannelREST}
	request, other := [32]byte{1}, [32]byte{2}

	got, err := svc.Begin(t.Context(), c, "k", request)
	require.NoError(t, err)
	require.Nil(t, got)
	_, err = svc.Begin(t.Context(), c, "k", request)
	require.Equal(t, "request_in_progress", registry.AsError(err).Reason)
	reply := idempotency.Reply{Status: 201, Location: "/x", Body: []byte(`{"tax_id":"3278011533"}`)}
	require.NoError(t, svc.Finish(t.Context(), c, "k", reply))
	got, err = svc.Begin(t.Context(), c, "k", request)
	require.NoError(t, err)
	require.Equal(t, &reply, got)
	require.Equal(t, 1, count(t, dsn, `SELECT count(*) FROM leaves WHERE kind = 'disclosure.replayed'`))
	require.Zero(t, count(t, dsn, `SELECT count(*) FROM replies WHERE position('3278011533'::bytea IN body) > 0`), "the answer is sealed")
	_, err = svc.Begin(t.Context(), c, "k", other)
	require.Equal(t, registry.CodeInvalid, registry.CodeOf(err))

	stranger := c
	stranger.ClientID = source.NewID()
	got, err = svc.Begin(t.Context(), stranger, "k", other)
	require.NoError(t, err)
	require.Nil(t, got, "a key belongs to its client")

	// Our own trouble frees the key; a server that died frees it after a minute.
	require.NoError(t, svc.Finish(t.Context(), stranger, "k", idempotency.Reply{Status: 503}))
	got, err = svc.Begin(t.Context(), stranger, "k", request)
	require.NoError(t, err)
	require.Nil(t, got)
	now = now.Add(61 * time.Second)
	got, err = svc.Begin(t.Context(), stranger, "k", request)
	require.NoError(t, err)
	require.Nil(t, got)
	now = now.Add(time.Hour)
	got, err = svc.Begin(t.Context(), c, "k", other)
	require.NoError(t, err)
	require.Nil(t, got, "answers are kept for an hour")
}

// Transactions that are open at the same moment commit in the opposite order or
// come to nothing, while a reader goes on page by page from the text of its last
// cursor after each of them: it has in the end what one read of the whole feed
// gives, each line once.
func TestFeedResumesUnderParallelWriters(t *testing.T) {
	t.Parallel()
	s := pgtest.Open(t, cluster.DSN(t), func(o *postgres.Options) { o.MaxConns, o.WriteLimit = 12, time.Minute })
	page := func(after query.Cursor, limit int) (list []query.Event) {
		update(t, s, func(ctx context.Context, tx *postgres.Tx) {
			var err error
			list, err = tx.Events(ctx, registry.ID{}, true, after, limit)
			require.NoError(t, err)
		})
		return list
	}
	var told []query.Event
	var at query.Cursor
	read := func() {
		for list := page(at, 3); len(list) > 0; list = page(at, 3) {
			told = append(told, list...)
			var err error
			at, err = query.ParseCursor(list[len(list)-1].ID)
			require.NoError(t, err)
		}
	}
	const rounds, together = 4, 6
	nothing := errors.New("nothing comes of it")
	want := map[registry.ID]bool{}
	for round := range rounds {
		var release [together]chan struct{}
		var done [together]chan error
		for i := range together {
			c := populate(t, s)
			act := c.act()
			begun := make(chan struct{})
			release[i], done[i] = make(chan struct{}), make(chan error, 1)
			var end error
			if (round+i)%together == 0 {
				end = nothing
			} else {
				want[act.ID] = true
			}
			go func() {
				done[i] <- s.Update(context.Background(), func(ctx context.Context, tx *postgres.Tx) error {
					if _, err := c.declare(ctx, tx, act); err != nil {
						return err
					}
					// The queue goes out with a read; the transaction has its number now.
					if _, err := tx.Seed(ctx); err != nil {
						return err
					}
					select {
					case <-begun: // run again after a deadlock
					default:
						close(begun)
					}
					<-release[i]
					return end
				})
			}()
			select {
			case <-begun: // the next one has a higher number
			case err := <-done[i]:
				require.NoError(t, err)
			}
		}
		for i := together - 1; i >= 0; i-- {
			close(release[i])
			if err := <-done[i]; !errors.Is(err, nothing) {
				require.NoError(t, err)
			}
			read()
		}
	}
	// The horizon is the whole cluster's: transactions of other tests hold it for a while.
	require.Eventually(t, func() bool {
		read()
		for _, e := range told {
			delete(want, e.EntityID)
		}
		return len(want) == 0
	}, time.Minute, 10*time.Millisecond, "lost: %v", want)
	require.Equal(t, page(query.Cursor{}, 1000), told, "what was told in pages is the whole feed")
}
