package postgres_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/job"
	"mist/registry/postgres"
	"mist/registry/postgres/pgtest"
	"mist/registry/trail"
)

// An export is written in batches by its job, goes on where it was cut off,
// hashes to what the manifest says, and belongs to who asked.
func TestExportsOfTheLog(t *testing.T) {
	t.Parallel()
	store := pgtest.Open(t, cluster.DSN(t))
	const entries = 25
	for range entries {
		require.NoError(t, store.Update(t.Context(), func(ctx context.Context, tx *postgres.Tx) error {
			_, err := tx.Audit(ctx, audit.Entry{Kind: "test.entry", Channel: "rest", RequestID: "r", Code: "=cmd", Actor: audit.Actor{ClientID: source.NewID()}})
			return err
		}))
	}
	signer, _ := logKey(t)
	sequence(t, store, signer)
	settled(t, store)
	for {
		n := 0
		require.NoError(t, store.Update(t.Context(), func(ctx context.Context, tx *postgres.Tx) (err error) { n, err = tx.IndexLog(ctx, 1000); return err }))
		if n == 0 {
			break
		}
	}
	exports, err := trail.NewExports(trail.ExportConfig{Store: postgres.NewPort[trail.ExportTx](store).Everywhere(), Log: store, Source: source, Batch: 7, Life: time.Hour})
	require.NoError(t, err)
	auditor := registry.Caller{User: source.NewID(), Scopes: []string{trail.Scope}, Channel: registry.ChannelREST}
	other := registry.Caller{User: source.NewID(), Scopes: []string{trail.Scope}, Channel: registry.ChannelREST}
	f := trail.Filter{Kind: "test.entry", From: source.Now().Add(-time.Hour)}

	_, err = exports.Begin(t.Context(), registry.Caller{User: source.NewID()}, f, trail.FormatLines, "перевірка за наказом")
	require.Equal(t, registry.CodeForbidden, registry.CodeOf(err), "the right to read the log is needed")
	_, err = exports.Begin(t.Context(), auditor, f, "xlsx", "так")
	require.Equal(t, registry.CodeInvalid, registry.CodeOf(err))
	require.Len(t, registry.AsError(err).Fields, 2)

	for _, format := range []string{trail.FormatLines, trail.FormatCSV} {
		x, err := exports.Begin(t.Context(), auditor, f, format, "перевірка за наказом")
		require.NoError(t, err)
		_, _, err = exports.Open(t.Context(), auditor, x.ID)
		require.Equal(t, "status_waiting", registry.AsError(err).Reason)
		run := exports.Handlers()[trail.ExportJob]
		cut, cancel := context.WithCancel(t.Context())
		cancel()
		require.Error(t, run(cut, job.Job{Args: []byte(x.ID.String())}), "a job that is cut off")
		require.NoError(t, run(t.Context(), job.Job{Args: []byte(x.ID.String())}))
		require.NoError(t, run(t.Context(), job.Job{Args: []byte(x.ID.String())}), "the second time it does no harm")
		x, part, err := exports.Open(t.Context(), auditor, x.ID)
		require.NoError(t, err)
		require.Equal(t, int64(entries), x.Done)
		var file []byte
		for n := range x.Parts {
			rows, err := part(n)
			require.NoError(t, err)
			file = append(file, rows...)
		}
		sum := sha256.Sum256(file)
		require.Equal(t, hex.EncodeToString(sum[:]), x.SHA256)
		require.Equal(t, int64(len(file)), x.Size)
		var manifest struct {
			SHA256 string
			Rows   int64
		}
		require.NoError(t, json.Unmarshal(x.Manifest, &manifest))
		require.Equal(t, x.SHA256, manifest.SHA256)
		require.Equal(t, x.Done, manifest.Rows)
		if format == trail.FormatLines {
			require.Equal(t, entries, strings.Count(string(file), "\n"))
			for line := range bytes.Lines(file) {
				var one struct {
					LeafHash string          `json:"leaf_hash"`
					Entry    json.RawMessage `json:"entry"`
				}
				require.NoError(t, json.Unmarshal(line, &one))
				require.Equal(t, audit.LeafHash(one.Entry).String(), one.LeafHash, "the bytes are those of the leaf")
			}
		} else {
			rows, err := csv.NewReader(bytes.NewReader(file)).ReadAll()
			require.NoError(t, err)
			require.Len(t, rows, entries+1)
			require.Equal(t, "'=cmd", rows[1][4], "a spreadsheet takes nothing for a formula")
		}
		_, err = exports.Get(t.Context(), other, x.ID)
		require.Equal(t, registry.CodeNotFound, registry.CodeOf(err), "another's export does not exist")
		_, err = exports.Cancel(t.Context(), auditor, x.ID)
		require.NoError(t, err)
		x, err = exports.Get(t.Context(), auditor, x.ID)
		require.NoError(t, err)
		require.Equal(t, trail.ExportDone, x.Status, "what has ended stays")
	}

	x, err := exports.Begin(t.Context(), auditor, f, trail.FormatLines, "перевірка за наказом")
	require.NoError(t, err)
	_, err = exports.Cancel(t.Context(), auditor, x.ID)
	require.NoError(t, err)
	require.NoError(t, exports.Handlers()[trail.ExportJob](t.Context(), job.Job{Args: []byte(x.ID.String())}))
	x, err = exports.Get(t.Context(), auditor, x.ID)
	require.NoError(t, err)
	require.Equal(t, trail.ExportStopped, x.Status)
	require.Zero(t, x.Done)

	// What was written is not written again when only the seal failed.
	x, err = exports.Begin(t.Context(), auditor, f, trail.FormatLines, "перевірка за наказом")
	require.NoError(t, err)
	dark := *exports
	dark.Sealer = noSeal{}
	require.ErrorContains(t, dark.Handlers()[trail.ExportJob](t.Context(), job.Job{Args: []byte(x.ID.String())}), "no device")
	require.NoError(t, exports.Handlers()[trail.ExportJob](t.Context(), job.Job{Args: []byte(x.ID.String())}))
	x, err = exports.Get(t.Context(), auditor, x.ID)
	require.NoError(t, err)
	require.Equal(t, trail.ExportDone, x.Status)
	require.Equal(t, int64(entries), x.Done, "each entry once")
	require.Equal(t, 4, x.Parts)

	later := source
	later.Clock = func() time.Time { return source.Now().Add(2 * time.Hour) }
	ending, err := trail.NewExports(trail.ExportConfig{Store: postgres.NewPort[trail.ExportTx](store).Everywhere(), Log: store, Source: later, Batch: 7, Life: time.Hour})
	require.NoError(t, err)
	n, err := ending.Jobs(time.Hour)[0].Run(t.Context())
	require.NoError(t, err)
	require.Equal(t, 4, n)
	list, err := exports.List(t.Context(), auditor)
	require.NoError(t, err)
	require.Len(t, list, 4)
	require.Equal(t, []string{trail.ExportOutdated, trail.ExportStopped, trail.ExportOutdated, trail.ExportOutdated}, []string{list[0].Status, list[1].Status, list[2].Status, list[3].Status})
}

// noSeal is a seal whose device is away.
type noSeal struct{}

func (noSeal) SealManifest(context.Context, map[string][]byte) ([]byte, error) {
	return nil, errors.New("no device")
}

// A sample is drawn from what nobody knew at the commitment, and drawn the same again.
func TestSampleIsDrawnFromTheNextCheckpoint(t *testing.T) {
	var root, other [32]byte
	other[0] = 1
	id := source.NewID()
	places := trail.Draw(root, id, 1000, 200)
	require.Equal(t, places, trail.Draw(root, id, 1000, 200))
	require.NotEqual(t, places, trail.Draw(other, id, 1000, 200))
	seen := map[int64]bool{}
	for _, p := range places {
		require.True(t, p >= 0 && p < 1000 && !seen[p])
		seen[p] = true
	}
	require.Len(t, trail.Draw(root, id, 3, 3), 3, "all of a small log")
}
