package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/journal"
	"mist/registry/postgres"
	"mist/registry/postgres/pgtest"
)

// Lines are a client's own, survive the server, and are forgotten by age and by number.
func TestRequestLog(t *testing.T) {
	t.Parallel()
	store := pgtest.Open(t, cluster.DSN(t))
	limits := journal.DefaultLimits()
	limits.Most, limits.Shown, limits.Waiting = 3, 10, 5
	j, err := journal.New(postgres.NewPort[journal.Tx](store).Everywhere(), time.Now, limits)
	require.NoError(t, err)
	mine, other := source.NewID(), source.NewID()
	now := time.Now().UTC().Truncate(time.Millisecond)
	line := func(client registry.ID, ago time.Duration) journal.Line {
		return journal.Line{Client: client, At: now.Add(-ago), RequestID: "r", Method: "GET", Route: "/api/v3/persons/{id}", Status: 404, Type: "not_found", Took: 1500 * time.Microsecond}
	}
	j.Add(line(registry.ID{}, 0)) // a request without a client has no line
	for _, ago := range []time.Duration{0, time.Minute, 2 * time.Minute, 3 * time.Minute} {
		j.Add(line(mine, ago))
	}
	j.Add(line(other, 8*24*time.Hour))
	j.Add(line(other, 0)) // no room is left
	lost, err := j.Write(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, lost)

	again, err := journal.New(postgres.NewPort[journal.Tx](store).Everywhere(), time.Now, limits) // another server, or a later one
	require.NoError(t, err)
	list, err := again.Of(t.Context(), mine)
	require.NoError(t, err)
	require.Len(t, list, 4)
	require.Equal(t, now, list[0].At, "the newest first")
	require.InDelta(t, 1.5, list[0].TookMS, 1e-9)
	again.Add(line(other, 0))
	list, err = again.Of(t.Context(), other)
	require.NoError(t, err)
	require.Len(t, list, 2, "a reader's own lines are written first")

	n, err := again.Jobs(time.Hour)[0].Run(context.Background())
	require.NoError(t, err)
	require.Equal(t, 2, n, "one is older than a week, one more than a client may have")
	list, err = again.Of(t.Context(), mine)
	require.NoError(t, err)
	require.Len(t, list, 3)
	require.Equal(t, now, list[0].At, "the newest stay")
	list, err = again.Of(t.Context(), other)
	require.NoError(t, err)
	require.Len(t, list, 1)
}
