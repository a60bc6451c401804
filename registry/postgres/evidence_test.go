package postgres_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/evidence"
	"mist/registry/intake"
	"mist/registry/postgres"
	"mist/registry/postgres/pgtest"
	"mist/signature"
	"mist/signature/facts"
	"mist/signature/trust"
)

// Kept judgements come out again, each once a round; one that does not, and one
// whose rules nobody kept, are told to people and stand in the log.
func TestKeptReportsAreJudgedAgain(t *testing.T) {
	t.Parallel()
	dsn := cluster.DSN(t)
	store := pgtest.Open(t, dsn)
	_, public, err := audit.GenerateKey(rand.Reader, "log.example")
	require.NoError(t, err)
	key, err := audit.ReadVerifier(public)
	require.NoError(t, err)
	var alarms []string
	service, err := evidence.New(evidence.Config{Store: postgres.NewPort[evidence.Tx](store), Log: store, Key: key, LogKey: public, Source: registry.SystemSource(),
		Alarm: func(_ context.Context, what string) { alarms = append(alarms, what) }})
	require.NoError(t, err)
	kept, err := signature.NamedPolicy("default")
	require.NoError(t, err)
	never, err := signature.NamedPolicy("act")
	require.NoError(t, err)
	require.NoError(t, service.KeepRules(t.Context(), []signature.Policy{kept}))
	require.NoError(t, service.KeepRules(t.Context(), []signature.Policy{kept}), "a second start")

	v, err := signature.NewVerifier(signature.Config{Trust: trust.Fixed(trust.NewSnapshot("none", nil, nil, nil))})
	require.NoError(t, err)
	insert := func(p signature.Policy, digest string) registry.ID {
		doc := []byte("no signature " + registry.SystemSource().NewID().String())
		r, err := v.Verify(t.Context(), signature.Input{Document: facts.Bytes(doc)}, p)
		require.NoError(t, err)
		// The form of before reports were kept compactly; intake's own tests and
		// the script evidence hold the present one.
		body, err := json.Marshal(map[string]any{"report": r.Report, "facts": r.Facts})
		require.NoError(t, err)
		if digest == "" {
			digest = r.Report.Digest()
		}
		id := registry.SystemSource().NewID()
		require.NoError(t, store.Update(t.Context(), func(ctx context.Context, tx *postgres.Tx) error {
			return tx.InsertReport(ctx, intake.Report{ID: id, Container: sha256.Sum256(doc), Digest: digest, Indication: string(r.Indication), Policy: p.ID, Body: body, CreatedAt: time.Now()})
		}))
		return id
	}
	for range 45 {
		insert(kept, "")
	}
	run := service.Jobs(time.Minute)[0].Run
	n, err := run(t.Context())
	require.NoError(t, err)
	require.Equal(t, 45, n)
	require.Empty(t, alarms)
	changed := insert(kept, "sha256:00")
	lost := insert(never, "")
	n, err = run(t.Context())
	require.NoError(t, err)
	require.Equal(t, 2, n, "what was judged again in this round is not judged a second time")
	require.ElementsMatch(t, []string{"report " + changed.String() + ": mismatch", "report " + lost.String() + ": no_rules"}, alarms) // ids of one millisecond come in any order
	n, err = run(t.Context())
	require.NoError(t, err)
	require.Zero(t, n)

	conn := pgtest.Connect(t, dsn)
	var same, told int
	require.NoError(t, conn.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM rejudgements WHERE outcome = 'same'),
(SELECT count(*) FROM leaves WHERE kind = 'evidence.rejudged' AND convert_from(entry, 'UTF8')::jsonb->>'code' IN ('mismatch', 'no_rules'))`).Scan(&same, &told))
	require.Equal(t, 45, same)
	require.Equal(t, 2, told)

	_, err = conn.Exec(t.Context(), `UPDATE rejudgements_upto SET begun = begun - interval '31 days'`)
	require.NoError(t, err)
	n, err = run(t.Context())
	require.NoError(t, err)
	require.Equal(t, 47, n, "a month later everything is judged again")
}
