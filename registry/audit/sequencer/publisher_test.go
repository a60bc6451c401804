package sequencer

import (
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"

	"mist/registry/audit"
	"mist/registry/audit/witness"
)

// tester is a witness behind HTTP whose clock and presence a test turns.
type tester struct {
	*witness.Client
	key   *audit.WitnessKey
	state *witness.Files
	off   atomic.Int64 // nanoseconds
	away  atomic.Bool
}

func newTester(t *testing.T, name string, log note.Verifier) *tester {
	t.Helper()
	private, public, err := audit.GenerateWitnessKey(rand.Reader, name)
	require.NoError(t, err)
	cosigner, err := audit.NewCosigner(private)
	require.NoError(t, err)
	w := &tester{}
	w.key, err = audit.ReadWitnessKey(public)
	require.NoError(t, err)
	w.state, err = witness.OpenFiles(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { _ = w.state.Close() })
	service, err := witness.New(witness.Config{
		Logs: []note.Verifier{log}, Key: cosigner, State: w.state,
		Now: func() time.Time { return time.Now().Add(time.Duration(w.off.Load())) },
	})
	require.NoError(t, err)
	handler := service.Handler()
	server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		if w.away.Load() {
			http.Error(out, "away", http.StatusServiceUnavailable)
			return
		}
		handler.ServeHTTP(out, r)
	}))
	t.Cleanup(server.Close)
	w.Client = &witness.Client{URL: server.URL + "/", Key: w.key, HTTP: server.Client()}
	return w
}

func TestACheckpointIsPublicAfterTheQuorumOnly(t *testing.T) {
	m := &memory{tiles: map[string]audit.TileData{}}
	private, public, err := audit.GenerateKey(rand.Reader, "log")
	require.NoError(t, err)
	signer, err := audit.NewSigner("log", private)
	require.NoError(t, err)
	log, err := audit.ReadVerifier(public)
	require.NoError(t, err)
	a, b, c := newTester(t, "a.example/w", log), newTester(t, "b.example/w", log), newTester(t, "c.example/w", log)
	s, stop := run(t, m, func(cfg *Config) {
		cfg.Signer, cfg.Witnesses, cfg.Quorum = signer, []Witness{a, b, c}, 2
		cfg.Renew = 20 * time.Millisecond
	})
	quorum := audit.Quorum{Need: 2, Witnesses: []*audit.WitnessKey{a.key, b.key, c.key}}
	publicSize := func() int64 {
		list := m.announced()
		if len(list) == 0 {
			return -1
		}
		c, cosigned, err := audit.OpenWitnessed(list[len(list)-1].note, log, quorum)
		require.NoError(t, err)
		require.GreaterOrEqual(t, len(cosigned), 2)
		return c.Size
	}
	m.add(300)
	eventually(t, func() bool { return publicSize() == 300 })

	// Two of three away: numbering goes on, nothing becomes public.
	a.away.Store(true)
	b.away.Store(true)
	m.add(10)
	eventually(t, func() bool { return m.size() == 310 })
	time.Sleep(100 * time.Millisecond)
	require.EqualValues(t, 300, publicSize())
	// One of them back: what waited is public.
	b.away.Store(false)
	eventually(t, func() bool { return publicSize() == 310 })

	// An idle log renews: the cosignatures' time goes on.
	n := len(m.announced())
	eventually(t, func() bool { return len(m.announced()) > n+2 })

	// One false clock among three is the witness's; most of them is ours.
	a.away.Store(false)
	c.off.Store(int64(time.Hour))
	m.add(1)
	eventually(t, func() bool { return publicSize() == 311 })
	require.NoError(t, s.Healthy(time.Second))
	a.off.Store(int64(time.Hour))
	eventually(t, func() bool { return s.Healthy(time.Second) != nil })
	require.ErrorContains(t, s.Healthy(time.Second), "clock")
	m.add(1)
	time.Sleep(100 * time.Millisecond)
	require.EqualValues(t, 311, m.size())
	a.off.Store(0)
	eventually(t, func() bool { return publicSize() == 312 })
	require.NoError(t, s.Healthy(time.Second))
	require.NoError(t, stop())

	// The log loses its past and begins again with the same key: no witness
	// cosigns a second history, so nothing of it becomes public.
	fresh := &memory{tiles: map[string]audit.TileData{}}
	var refused atomic.Int64
	run(t, fresh, func(cfg *Config) {
		cfg.Signer, cfg.Witnesses, cfg.Quorum = signer, []Witness{a, b, c}, 2
		cfg.Cosigned = func(_ string, _ time.Duration, err error) {
			var r *witness.RefusedError
			if err != nil {
				require.ErrorAs(t, err, &r)
				refused.Add(1)
			}
		}
	})
	fresh.add(400)
	eventually(t, func() bool { return fresh.size() == 400 && refused.Load() >= 6 })
	require.Empty(t, fresh.announced())
}

func TestAQuorumThatCannotBeHadIsRefused(t *testing.T) {
	private, _, err := audit.GenerateKey(rand.Reader, "log")
	require.NoError(t, err)
	signer, err := audit.NewSigner("log", private)
	require.NoError(t, err)
	for _, c := range []Config{
		{Quorum: 1}, {Quorum: -1}, {Witnesses: []Witness{nil}},
	} {
		c.Store, c.Signer, c.Now = &memory{}, signer, time.Now
		_, err := New(c)
		require.ErrorContains(t, err, "quorum")
	}
}
