package sequencer

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/tlog"

	"mist/registry"
	"mist/registry/audit"
)

// memory is a log without a database: what Postgres must do, said shortly. The
// real one is tested in registry/postgres.
type memory struct {
	mu       sync.Mutex
	led      bool
	waiting  []Leaf
	last     []Position
	tiles    map[string]audit.TileData
	fail     error // the next call fails
	stall    chan struct{}
	overtake bool // somebody publishes between our reading and our publishing
	public   []publication
}

type publication struct {
	seq  int64
	note []byte
}

func (m *memory) Lead(context.Context) (Leader, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.led {
		return nil, ErrNotLeader
	}
	m.led = true
	return m, nil
}

func (m *memory) Resign() { m.mu.Lock(); m.led = false; m.mu.Unlock() }

func (m *memory) Last(context.Context) (Position, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.last) == 0 {
		return Position{}, false, nil
	}
	return m.last[len(m.last)-1], true, nil
}

func (m *memory) Next(ctx context.Context, after Position, limit int) (Batch, error) {
	m.mu.Lock()
	stall, fail := m.stall, m.fail
	m.fail = nil
	n := min(len(m.waiting)-int(after.Cursor.XID), limit)
	batch := Batch{Leaves: append([]Leaf(nil), m.waiting[after.Cursor.XID:after.Cursor.XID+uint64(n)]...), Cursor: Cursor{1, after.Cursor.XID + uint64(n)}}
	batch.Full = int(batch.Cursor.XID) < len(m.waiting)
	m.mu.Unlock()
	if stall != nil {
		select {
		case <-stall:
		case <-ctx.Done():
			return Batch{}, ctx.Err()
		}
	}
	return batch, fail
}

func (m *memory) Edge(_ context.Context, size int64) ([]audit.TileData, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []audit.TileData
	for _, t := range audit.Edge(size) {
		full := t
		full.W = audit.TileWidth
		d := m.tiles[audit.TilePath(full)]
		out = append(out, audit.TileData{Tile: t, Data: d.Data})
	}
	return out, nil
}

func (m *memory) Publish(_ context.Context, p Position, _ int64, _ []registry.ID, tiles []audit.TileData) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.overtake {
		m.overtake = false
		return ErrOvertaken
	}
	if p.Seq != int64(len(m.last))+1 {
		return ErrOvertaken
	}
	m.last = append(m.last, p)
	for _, t := range tiles {
		full := t.Tile
		full.W = audit.TileWidth
		m.tiles[audit.TilePath(full)] = t
	}
	return nil
}

func (m *memory) Announce(_ context.Context, seq int64, note []byte, _ time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.public = append(m.public, publication{seq, note})
	return nil
}

func (m *memory) LogTile(_ context.Context, t tlog.Tile) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	full := t
	full.W = audit.TileWidth
	d, ok := m.tiles[audit.TilePath(full)]
	if !ok || len(d.Data) < t.W*tlog.HashSize {
		return nil, errors.New("no such tile")
	}
	return d.Data[:t.W*tlog.HashSize], nil
}

func (m *memory) announced() []publication {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]publication(nil), m.public...)
}

func (m *memory) add(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for range n {
		id := registry.SystemSource().NewID()
		m.waiting = append(m.waiting, Leaf{id, audit.LeafHash(id[:])})
	}
}

func (m *memory) published() []Position {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]Position(nil), m.last...)
}

func (m *memory) size() int64 {
	if p := m.published(); len(p) > 0 {
		return p[len(p)-1].Size
	}
	return -1
}

func run(t *testing.T, m *memory, change func(*Config)) (*Sequencer, func() error) {
	t.Helper()
	private, _, err := audit.GenerateKey(rand.Reader, "log")
	require.NoError(t, err)
	signer, err := audit.NewSigner("log", private)
	require.NoError(t, err)
	cfg := Config{Store: m, Signer: signer, Now: time.Now, Period: time.Millisecond}
	if change != nil {
		change(&cfg)
	}
	s, err := New(cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stop := sync.OnceValue(func() error { cancel(); return <-done })
	t.Cleanup(func() { _ = stop() })
	return s, stop
}

func eventually(t *testing.T, f func() bool) {
	t.Helper()
	require.Eventually(t, f, 10*time.Second, time.Millisecond)
}

func TestIdleLogPublishesTheEmptyTreeOnce(t *testing.T) {
	m := &memory{tiles: map[string]audit.TileData{}}
	s, stop := run(t, m, nil)
	eventually(t, func() bool { return m.size() == 0 })
	time.Sleep(30 * time.Millisecond)
	require.Len(t, m.published(), 1)
	require.NoError(t, s.Healthy(time.Second))
	require.NoError(t, stop())
}

func TestGoesOnAfterFailures(t *testing.T) {
	m := &memory{tiles: map[string]audit.TileData{}}
	var mu sync.Mutex
	var rounds []Round
	run(t, m, func(c *Config) {
		c.Batch = 7
		c.Observe = func(r Round) { mu.Lock(); rounds = append(rounds, r); mu.Unlock() }
	})
	m.add(20)
	eventually(t, func() bool { return m.size() == 20 })
	m.mu.Lock()
	m.fail = errors.New("connection lost")
	m.mu.Unlock()
	m.add(5)
	eventually(t, func() bool { return m.size() == 25 })
	m.mu.Lock()
	m.overtake = true
	m.mu.Unlock()
	m.add(5)
	eventually(t, func() bool { return m.size() == 30 })
	for i, p := range m.published() {
		require.EqualValues(t, i+1, p.Seq)
		c, err := audit.ParseCheckpoint(string(p.Note[:len(c2(p))]))
		require.NoError(t, err)
		require.Equal(t, p.Size, c.Size)
		require.Equal(t, p.Root, c.Root)
	}
	mu.Lock()
	defer mu.Unlock()
	var failed []error
	for _, r := range rounds {
		require.LessOrEqual(t, r.Leaves, 7)
		if r.Err != nil {
			failed = append(failed, r.Err)
		}
	}
	require.Len(t, failed, 2)
	require.ErrorContains(t, failed[0], "connection lost")
	require.ErrorIs(t, failed[1], ErrOvertaken)
}

// c2 is the signed text of a position's note.
func c2(p Position) string {
	return audit.Checkpoint{Origin: "log", Size: p.Size, Root: p.Root}.Text()
}

func TestStalledSequencerIsNotHealthy(t *testing.T) {
	m := &memory{tiles: map[string]audit.TileData{}, stall: make(chan struct{})}
	s, _ := run(t, m, nil)
	eventually(t, func() bool { return s.Healthy(20*time.Millisecond) != nil })
	require.ErrorContains(t, s.Healthy(20*time.Millisecond), "no round")
	m.mu.Lock()
	close(m.stall)
	m.stall = nil
	m.mu.Unlock()
	eventually(t, func() bool { return s.Healthy(time.Second) == nil })
}

func TestOneThatDoesNotLeadIsHealthy(t *testing.T) {
	m := &memory{tiles: map[string]audit.TileData{}, led: true}
	s, _ := run(t, m, nil)
	time.Sleep(400 * time.Millisecond)
	require.NoError(t, s.Healthy(350*time.Millisecond))
	require.Empty(t, m.published())
	m.Resign() // the other one went away
	eventually(t, func() bool { return m.size() == 0 })
}

func TestStopsWhenTilesAreNotTheSignedTree(t *testing.T) {
	m := &memory{tiles: map[string]audit.TileData{}}
	_, stop := run(t, m, nil)
	m.add(3)
	eventually(t, func() bool { return m.size() == 3 })
	require.NoError(t, stop())
	m.tiles["tile/0/000"].Data[0] ^= 1
	m.add(1)
	s, _ := run(t, m, nil)
	eventually(t, func() bool { return s.Healthy(time.Hour) != nil })
	var contradicts *audit.DisprovenError
	require.ErrorAs(t, s.Healthy(time.Hour), &contradicts)
	require.EqualValues(t, 3, m.size())
}

func TestHalfConfiguredIsRefused(t *testing.T) {
	_, err := New(Config{Now: time.Now})
	require.Error(t, err)
}
