package audit

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	mrand "math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/tlog"
)

// log is a tree in memory that grows as the sequencer grows it and serves its
// tiles as the portal does.
type log struct {
	leaves []tlog.Hash
	tiles  map[string][]byte // widest version, by path of the full tile
	now    Checkpoint
	seen   []Checkpoint
	broken map[string]bool // paths that cannot be fetched
}

func newLog() *log {
	return &log{tiles: map[string][]byte{}, broken: map[string]bool{}, now: Checkpoint{Origin: "log", Root: EmptyRoot()}}
}

func widest(t tlog.Tile) string { t.W = TileWidth; return TilePath(t) }

func (l *log) grow(t testing.TB, leaves ...tlog.Hash) {
	t.Helper()
	var edge []TileData
	for _, tile := range Edge(l.now.Size) {
		edge = append(edge, TileData{tile, l.tiles[widest(tile)]})
	}
	g, err := Grow(l.now.Size, l.now.Root, edge, leaves)
	require.NoError(t, err)
	for _, d := range g.Tiles {
		l.tiles[widest(d.Tile)] = d.Data
	}
	l.leaves = append(l.leaves, leaves...)
	l.now.Size, l.now.Root = g.Size, g.Root
	l.seen = append(l.seen, l.now)
}

func (l *log) fetch(_ context.Context, path string) ([]byte, error) {
	tile, err := ParseTilePath(path)
	if err != nil {
		return nil, err
	}
	b := l.tiles[widest(tile)]
	if l.broken[path] || len(b) < tile.W*tlog.HashSize {
		return nil, errors.New("404")
	}
	return b[:tile.W*tlog.HashSize], nil
}

// naiveRoot is RFC 6962 section 2.1 written down as it stands there.
func naiveRoot(leaves []tlog.Hash) [32]byte {
	switch n := len(leaves); n {
	case 0:
		return sha256.Sum256(nil)
	case 1:
		return leaves[0]
	default:
		k := 1
		for k*2 < n {
			k *= 2
		}
		left, right := naiveRoot(leaves[:k]), naiveRoot(leaves[k:])
		return sha256.Sum256(append(append([]byte{1}, left[:]...), right[:]...))
	}
}

func leaf(i int) tlog.Hash { return LeafHash([]byte{byte(i), byte(i >> 8), byte(i >> 16)}) }

// Roots published with Certificate Transparency for its eight reference leaves.
func TestRootsOfCertificateTransparency(t *testing.T) {
	inputs := []string{"", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"}
	roots := []string{
		"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
		"fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
		"aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
		"d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
		"4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
		"76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
		"ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
		"5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
	}
	l := newLog()
	for i, in := range inputs {
		b, err := hex.DecodeString(in)
		require.NoError(t, err)
		l.grow(t, LeafHash(b))
		require.Equal(t, roots[i], hex.EncodeToString(l.now.Root[:]))
	}
}

func TestTreeGrowsConsistently(t *testing.T) {
	ctx := t.Context()
	rnd := mrand.New(mrand.NewPCG(1, 2))
	l := newLog()
	for _, step := range []int{1, 1, 2, 3, 100, 148, 1, 255, 1, 256, 512, 0, 1000, 65536 - 2280, 1, 300} {
		leaves := make([]tlog.Hash, step)
		for i := range leaves {
			leaves[i] = leaf(len(l.leaves) + i)
		}
		l.grow(t, leaves...)
		require.Equal(t, naiveRoot(l.leaves), [32]byte(l.now.Root), "size %d", l.now.Size)
	}
	require.EqualValues(t, 65536+301+1-1, l.now.Size)
	for _, older := range l.seen {
		_, err := ProveConsistency(ctx, l.fetch, older, l.now)
		require.NoError(t, err, "from %d", older.Size)
	}
	_, err := ProveConsistency(ctx, l.fetch, Checkpoint{Origin: "log", Root: EmptyRoot()}, l.now)
	require.NoError(t, err, "from the empty tree")
	for range 200 {
		i := rnd.IntN(len(l.leaves))
		c := l.seen[rnd.IntN(len(l.seen))]
		if int64(i) >= c.Size {
			continue
		}
		_, err := ProveInclusion(ctx, l.fetch, c, int64(i), l.leaves[i])
		require.NoError(t, err, "%d in %d", i, c.Size)
	}
}

func TestFalseLogsAreDisproven(t *testing.T) {
	ctx := t.Context()
	l := newLog()
	for i := range 700 {
		l.grow(t, leaf(i))
	}
	older := l.seen[299]
	_, err := ProveInclusion(ctx, l.fetch, l.now, 5, leaf(5))
	require.NoError(t, err, "the unmutated twin")
	_, err = ProveConsistency(ctx, l.fetch, older, l.now)
	require.NoError(t, err, "the unmutated twin")

	var false_ *DisprovenError
	_, err = ProveInclusion(ctx, l.fetch, l.now, 5, leaf(6))
	require.ErrorAs(t, err, &false_, "another entry at this place")
	_, err = ProveInclusion(ctx, l.fetch, l.now, 700, leaf(5))
	require.ErrorAs(t, err, &false_, "beyond the tree")
	_, err = ProveInclusion(ctx, l.fetch, l.now, -1, leaf(5))
	require.ErrorAs(t, err, &false_)

	wrong := older
	wrong.Root[0] ^= 1
	_, err = ProveConsistency(ctx, l.fetch, wrong, l.now)
	require.ErrorAs(t, err, &false_, "rewritten")
	_, err = ProveConsistency(ctx, l.fetch, l.now, older)
	require.ErrorAs(t, err, &false_, "shrunk")
	twin := l.now
	twin.Root[0] ^= 1
	_, err = ProveConsistency(ctx, l.fetch, l.now, twin)
	require.ErrorAs(t, err, &false_, "split view")
	foreign := older
	foreign.Origin = "other"
	_, err = ProveConsistency(ctx, l.fetch, foreign, l.now)
	require.ErrorAs(t, err, &false_, "two logs")

	for path, tile := range l.tiles {
		tile[7] ^= 1
		var all []error // every tile lies on the way of one of these entries
		for _, i := range []int{0, 256, 699} {
			_, err := ProveInclusion(ctx, l.fetch, l.now, int64(i), leaf(i))
			all = append(all, err)
		}
		require.ErrorAs(t, errors.Join(all...), &false_, "changed tile %s", path)
		tile[7] ^= 1
	}
	var away *UnreachableError
	l.broken["tile/0/000"] = true
	_, err = ProveInclusion(ctx, l.fetch, l.now, 5, leaf(5))
	require.ErrorAs(t, err, &away, "a tile that does not come proves nothing")
	require.False(t, errors.As(err, &false_))
	l.broken["tile/0/000"] = false
	l.tiles["tile/0/000"] = append(l.tiles["tile/0/000"], 0)
	_, err = ProveInclusion(ctx, func(ctx context.Context, p string) ([]byte, error) {
		b, err := l.fetch(ctx, p)
		return append(b, 0), err
	}, l.now, 5, leaf(5))
	require.ErrorAs(t, err, &away, "a tile of the wrong length")
}

func TestGrowRefusesAnEdgeThatIsNotTheSignedTree(t *testing.T) {
	l := newLog()
	for i := range 300 {
		l.grow(t, leaf(i))
	}
	var edge []TileData
	for _, tile := range Edge(300) {
		edge = append(edge, TileData{tile, append([]byte(nil), l.tiles[widest(tile)]...)})
	}
	_, err := Grow(300, l.now.Root, edge, []tlog.Hash{leaf(300)})
	require.NoError(t, err, "the unmutated twin")
	edge[0].Data[0] ^= 1
	_, err = Grow(300, l.now.Root, edge, []tlog.Hash{leaf(300)})
	var false_ *DisprovenError
	require.ErrorAs(t, err, &false_)
	_, err = Grow(300, l.now.Root, edge[1:], []tlog.Hash{leaf(300)})
	require.Error(t, err)
}

func TestCheckpoint(t *testing.T) {
	private, public, err := GenerateKey(rand.Reader, "registry.example/audit")
	require.NoError(t, err)
	signer, err := NewSigner("registry.example/audit", private+"\n")
	require.NoError(t, err)
	key, err := ReadVerifier(public)
	require.NoError(t, err)
	c := Checkpoint{Origin: "registry.example/audit", Size: 42, Root: leaf(1)}
	signed, err := signer.Sign(c.Size, c.Root)
	require.NoError(t, err)
	got, err := OpenCheckpoint(signed, key)
	require.NoError(t, err)
	require.Equal(t, c, got)

	// C2SP signed-note with the standard library alone: text, blank line,
	// "— name base64(4 bytes of key id ‖ Ed25519 signature)".
	text, line, ok := strings.Cut(string(signed), "\n\n")
	require.True(t, ok)
	rest, ok := strings.CutPrefix(line, "— registry.example/audit ")
	require.True(t, ok)
	sig, err := base64.StdEncoding.DecodeString(strings.TrimSpace(rest))
	require.NoError(t, err)
	parts := strings.SplitN(public, "+", 3)
	raw, err := base64.StdEncoding.DecodeString(parts[2])
	require.NoError(t, err)
	require.True(t, ed25519.Verify(raw[1:], []byte(text+"\n"), sig[4:]))

	var notSigned *NotSignedError
	_, err = OpenCheckpoint([]byte(strings.Replace(string(signed), "\n42\n", "\n43\n", 1)), key)
	require.ErrorAs(t, err, &notSigned)
	require.True(t, notSigned.False)
	_, otherPublic, err := GenerateKey(rand.Reader, "registry.example/audit")
	require.NoError(t, err)
	other, err := ReadVerifier(otherPublic)
	require.NoError(t, err)
	_, err = OpenCheckpoint(signed, other)
	require.ErrorAs(t, err, &notSigned)
	require.False(t, notSigned.False, "another key of the same name")
	_, err = OpenCheckpoint([]byte("nonsense"), key)
	require.ErrorIs(t, err, ErrCheckpoint)
	_, err = NewSigner("elsewhere", private)
	require.ErrorContains(t, err, "elsewhere")
	_, err = NewSigner("registry.example/audit", public)
	require.ErrorContains(t, err, "PRIVATE+KEY")
	_, err = ReadVerifier(private)
	require.Error(t, err)
	require.NotContains(t, err.Error(), private)
}

func TestParseCheckpointRefuses(t *testing.T) {
	root := EmptyRoot().String()
	_, err := ParseCheckpoint("log\n12\n" + root + "\n")
	require.NoError(t, err, "the unmutated twin")
	_, err = ParseCheckpoint("log\n12\n" + root + "\nextension\n")
	require.NoError(t, err, "extension lines are allowed")
	for name, text := range map[string]string{
		"no origin": "\n12\n" + root + "\n", "leading zero": "log\n012\n" + root + "\n", "sign": "log\n+12\n" + root + "\n",
		"negative": "log\n-1\n" + root + "\n", "overflow": "log\n9223372036854775808\n" + root + "\n", "short root": "log\n12\nAAAA\n",
		"no end": "log\n12\n" + root, "loose base64": "log\n12\n" + root[:43] + "\n", "empty extension": "log\n12\n" + root + "\n\n",
		"trailing bits": "log\n12\n" + root[:42] + "V=\n", "crlf": "log\r\n12\r\n" + root + "\r\n",
	} {
		_, err := ParseCheckpoint(text)
		require.ErrorIs(t, err, ErrCheckpoint, name)
	}
}

func TestTilePath(t *testing.T) {
	for path, tile := range map[string]tlog.Tile{
		"tile/0/000":            {H: 8, L: 0, N: 0, W: 256},
		"tile/0/x001/x234/067":  {H: 8, L: 0, N: 1234067, W: 256},
		"tile/1/005.p/17":       {H: 8, L: 1, N: 5, W: 17},
		"tile/7/x001/000.p/255": {H: 8, L: 7, N: 1000, W: 255},
	} {
		require.Equal(t, path, TilePath(tile))
		got, err := ParseTilePath(path)
		require.NoError(t, err)
		require.Equal(t, tile, got)
	}
	for _, bad := range []string{"", "tile/", "tile/8/0/000", "tile/0/0", "tile/00/000", "tile/0/000.p/0", "tile/0/000.p/256", "tile/0/000.p/01",
		"tile/entries/000", "tile/data/000", "tile/-1/000", "tile/8/000", "tile/0/../000", "tile/0/000/", "/tile/0/000", "tile/0/x000/001x"} {
		_, err := ParseTilePath(bad)
		require.Error(t, err, bad)
	}
}

func BenchmarkGrow(b *testing.B) {
	leaves := make([]tlog.Hash, 10000)
	for i := range leaves {
		leaves[i] = leaf(i)
	}
	for b.Loop() {
		l := newLog()
		l.grow(b, leaves...)
	}
	b.ReportMetric(float64(len(leaves))*float64(b.N)/b.Elapsed().Seconds(), "leaves/s")
}
