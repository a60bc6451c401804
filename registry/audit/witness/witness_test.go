package witness

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"mist/registry/audit"
)

// tree is a log in memory.
type tree struct {
	signer *audit.Signer
	hashes []tlog.Hash // stored hashes
	size   int64
}

func (t *tree) reader() tlog.HashReader {
	return tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(indexes))
		for i, n := range indexes {
			out[i] = t.hashes[n]
		}
		return out, nil
	})
}

func (t *tree) grow(tb testing.TB, n int, salt string) audit.Checkpoint {
	for range n {
		h, err := tlog.StoredHashes(t.size, fmt.Appendf(nil, "%s %d", salt, t.size), t.reader())
		require.NoError(tb, err)
		t.hashes = append(t.hashes, h...)
		t.size++
	}
	root, err := audit.RootOf(t.size, t.reader())
	require.NoError(tb, err)
	return audit.Checkpoint{Origin: t.signer.Origin(), Size: t.size, Root: root}
}

func (t *tree) sign(tb testing.TB, c audit.Checkpoint) []byte {
	b, err := t.signer.Sign(c.Size, c.Root)
	require.NoError(tb, err)
	return b
}

func (t *tree) fetch(_ context.Context, path string) ([]byte, error) {
	tile, err := audit.ParseTilePath(path)
	if err != nil {
		return nil, err
	}
	return tlog.ReadTileData(tile, t.reader())
}

func newTree(t testing.TB, origin string) (*tree, note.Verifier) {
	private, public, err := audit.GenerateKey(rand.Reader, origin)
	require.NoError(t, err)
	signer, err := audit.NewSigner(origin, private)
	require.NoError(t, err)
	key, err := audit.ReadVerifier(public)
	require.NoError(t, err)
	return &tree{signer: signer}, key
}

func newWitness(t testing.TB, dir string, logs ...note.Verifier) (*Witness, *audit.WitnessKey, *Files) {
	private, public, err := audit.GenerateWitnessKey(rand.Reader, "w.example/one")
	require.NoError(t, err)
	cosigner, err := audit.NewCosigner(private)
	require.NoError(t, err)
	require.Equal(t, public, cosigner.Verifier())
	key, err := audit.ReadWitnessKey(public)
	require.NoError(t, err)
	state, err := OpenFiles(dir)
	require.NoError(t, err)
	t.Cleanup(func() { _ = state.Close() })
	w, err := New(Config{Logs: logs, Key: cosigner, State: state, Now: func() time.Time { return time.Unix(1_800_000_000, 5) }})
	require.NoError(t, err)
	return w, key, state
}

func TestCosignsGrowthAndRefusesEverythingElse(t *testing.T) {
	log, key := newTree(t, "log.example/audit")
	stranger, _ := newTree(t, "log.example/audit") // same origin, another key
	foreign, _ := newTree(t, "other.example/audit")
	dir := t.TempDir()
	w, witnessKey, _ := newWitness(t, dir, key)
	var misbehaved []error
	w.cfg.Refused = func(_ string, _ []byte, err error) { misbehaved = append(misbehaved, err) }

	first := log.grow(t, 10, "a")
	line, err := w.AddCheckpoint(t.Context(), request(0, nil, log.sign(t, first)))
	require.NoError(t, err)
	signed := append(log.sign(t, first), line...)
	c, cosigned, err := audit.OpenWitnessed(signed, key, audit.Quorum{Need: 1, Witnesses: []*audit.WitnessKey{witnessKey}})
	require.NoError(t, err)
	require.Equal(t, first, c)
	require.Equal(t, []audit.Cosignature{{Witness: "w.example/one", Time: time.Unix(1_800_000_000, 0).UTC()}}, cosigned)

	second := log.grow(t, 300, "a")
	proof, err := audit.ConsistencyProof(t.Context(), log.fetch, second, 10)
	require.NoError(t, err)
	require.NotEmpty(t, proof)

	fork, _ := newTree(t, "log.example/audit")
	fork.signer = log.signer // the thief of the key
	forked := fork.grow(t, 310, "b")
	forkProof, err := audit.ConsistencyProof(t.Context(), fork.fetch, forked, 10)
	require.NoError(t, err)
	forkOfTen, err := tlog.TreeHash(10, fork.reader())
	require.NoError(t, err)

	var size *SizeError
	for name, c := range map[string]struct {
		body []byte
		want error
	}{
		"rewritten history":     {request(10, forkProof, fork.sign(t, forked)), ErrInconsistent},
		"no proof":              {request(10, nil, log.sign(t, second)), ErrInconsistent},
		"two trees of one size": {request(10, nil, fork.sign(t, audit.Checkpoint{Origin: "log.example/audit", Size: 10, Root: forkOfTen})), ErrForkedHistory},
		"unknown log":           {request(0, nil, foreign.sign(t, foreign.grow(t, 1, ""))), ErrUnknownLog},
		"another key":           {request(0, nil, stranger.sign(t, stranger.grow(t, 1, ""))), ErrNotTrusted},
		"old above new":         {request(11, nil, log.sign(t, first)), ErrMalformed},
		"proof from nothing":    {request(0, proof, log.sign(t, second)), ErrMalformed},
		"no old line":           {[]byte("10\n\n" + string(log.sign(t, second))), ErrMalformed},
		"leading zero":          {[]byte("old 010\n\n" + string(log.sign(t, second))), ErrMalformed},
		"no checkpoint":         {[]byte("old 10\n\n"), ErrUnknownLog},
		"short hash":            {[]byte("old 10\nAAAA\n\n" + string(log.sign(t, second))), ErrMalformed},
		"too many hashes":       {request(10, make(tlog.TreeProof, 64), log.sign(t, second)), ErrMalformed},
		"too long":              {make([]byte, MaxRequest+1), ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			line, err := w.AddCheckpoint(t.Context(), c.body)
			require.ErrorIs(t, err, c.want)
			require.Empty(t, line)
		})
	}
	_, err = w.AddCheckpoint(t.Context(), request(9, nil, log.sign(t, second)))
	require.ErrorAs(t, err, &size)
	require.EqualValues(t, 10, size.Size)
	require.Len(t, misbehaved, 3)

	// Their twin: the true continuation.
	_, err = w.AddCheckpoint(t.Context(), request(10, proof, log.sign(t, second)))
	require.NoError(t, err)
	_, err = w.AddCheckpoint(t.Context(), request(310, nil, log.sign(t, second))) // again
	require.NoError(t, err)
}

func TestRemembersThroughARestart(t *testing.T) {
	log, key := newTree(t, "log.example/audit")
	dir := t.TempDir()
	w, _, state := newWitness(t, dir, key)
	_, err := OpenFiles(dir)
	require.ErrorContains(t, err, "in use")
	_, err = w.AddCheckpoint(t.Context(), request(0, nil, log.sign(t, log.grow(t, 5, "a"))))
	require.NoError(t, err)
	require.NoError(t, state.Close())
	w, _, state = newWitness(t, dir, key)
	var size *SizeError
	_, err = w.AddCheckpoint(t.Context(), request(0, nil, log.sign(t, log.grow(t, 5, "a"))))
	require.ErrorAs(t, err, &size)
	require.EqualValues(t, 5, size.Size)

	// A damaged state is no empty state.
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	require.NoError(t, os.WriteFile(files[0], []byte(`{"origin":"log.example/audit","size":0}`), 0o600))
	_, err = state.Get("log.example/audit")
	require.ErrorContains(t, err, "damaged")
}

func TestClientFindsOutWhatTheWitnessKnows(t *testing.T) {
	log, key := newTree(t, "log.example/audit")
	w, witnessKey, _ := newWitness(t, t.TempDir(), key)
	server := httptest.NewServer(w.Handler())
	defer server.Close()
	client := func() *Client { return &Client{URL: server.URL, Key: witnessKey, HTTP: server.Client()} }
	one := client()
	for range 3 {
		c := log.grow(t, 200, "a")
		_, _, err := one.Cosign(t.Context(), log.fetch, log.sign(t, c), c)
		require.NoError(t, err)
	}
	c := log.grow(t, 200, "a")
	line, at, err := client().Cosign(t.Context(), log.fetch, log.sign(t, c), c) // after a restart: asks with 0 first
	require.NoError(t, err)
	require.Equal(t, time.Unix(1_800_000_000, 0).UTC(), at)
	text, err := audit.NoteText(log.sign(t, c))
	require.NoError(t, err)
	_, ok := witnessKey.Check(text, line)
	require.True(t, ok)
	_, ok = witnessKey.Check(strings.Replace(text, "log", "lag", 1), line)
	require.False(t, ok)

	// A log restored from an old copy.
	small, _ := newTree(t, "log.example/audit")
	small.signer = log.signer
	c = small.grow(t, 100, "a")
	var refused *RefusedError
	_, _, err = one.Cosign(t.Context(), small.fetch, small.sign(t, c), c)
	require.ErrorAs(t, err, &refused)
	require.ErrorContains(t, err, "600 entries")

	// Somebody else at the witness's address.
	liar := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, _ *http.Request) {
		_, _ = out.Write([]byte("— w.example/one AAAAAAAA\n"))
	}))
	defer liar.Close()
	_, _, err = (&Client{URL: liar.URL, Key: witnessKey, HTTP: liar.Client()}).Cosign(t.Context(), log.fetch, log.sign(t, c), c)
	require.ErrorContains(t, err, "without a valid cosignature")
}

func FuzzRequest(f *testing.F) {
	log, key := newTree(f, "log.example/audit")
	w, _, _ := newWitness(f, f.TempDir(), key)
	c := log.grow(f, 3, "a")
	f.Add(request(0, nil, log.sign(f, c)))
	f.Add([]byte("old 3\nAAAA\n\nlog.example/audit\n3\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		line, err := w.AddCheckpoint(t.Context(), body)
		require.Equal(t, err == nil, line != "")
		if old, proof, signed, err := parseRequest(body); err == nil {
			require.Equal(t, string(body), string(request(old, proof, signed)))
		}
	})
}
