package audit

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// TileHeight is the height of tiles: 256 hashes, 8 KiB (C2SP tlog-tiles).
const TileHeight = 8

// TileWidth is how many hashes a full tile holds.
const TileWidth = 1 << TileHeight

// TilePath is the path of a tile below the log's URL: tile/<L>/<N>[.p/<W>]
// (C2SP tlog-tiles; the Go checksum database writes the height before L).
func TilePath(t tlog.Tile) string {
	return "tile/" + strings.TrimPrefix(t.Path(), "tile/"+strconv.Itoa(TileHeight)+"/")
}

// ParseTilePath reads a path of TilePath's form; entry bundles are no tiles.
func ParseTilePath(path string) (tlog.Tile, error) {
	rest, ok := strings.CutPrefix(path, "tile/")
	if !ok || len(path) > 100 {
		return tlog.Tile{}, errors.New("not a tile path")
	}
	t, err := tlog.ParseTilePath("tile/" + strconv.Itoa(TileHeight) + "/" + rest)
	// Levels above 5 would hold more than 2^48 leaves (C2SP tlog-tiles: at most 63).
	if err != nil || t.L < 0 || t.L > 63/TileHeight {
		return tlog.Tile{}, errors.New("not a tile path")
	}
	return t, nil
}

// Fetch gives the bytes of a tile path; it is the only way the verifier reaches
// a log.
type Fetch func(ctx context.Context, path string) ([]byte, error)

// TileFetch makes a Fetch of a function over tiles.
func TileFetch(tile func(ctx context.Context, t tlog.Tile) ([]byte, error)) Fetch {
	return func(ctx context.Context, path string) ([]byte, error) {
		t, err := ParseTilePath(path)
		if err != nil {
			return nil, err
		}
		return tile(ctx, t)
	}
}

// UnreachableError tells that something could not be fetched: nothing is
// proven and nothing disproven.
type UnreachableError struct {
	Path string
	Err  error
}

// Error names the path.
func (e *UnreachableError) Error() string { return fmt.Sprintf("fetching %s: %v", e.Path, e.Err) }

// Unwrap gives the cause.
func (e *UnreachableError) Unwrap() error { return e.Err }

// DisprovenError tells that the log contradicts itself or what was asked of it.
type DisprovenError struct{ Claim string }

// Error gives the claim that is false.
func (e *DisprovenError) Error() string { return e.Claim }

// tileReader fetches tiles and tells a missing tile from a false one.
type tileReader struct {
	ctx   context.Context
	fetch Fetch
	err   *UnreachableError // the first failure
}

func (r *tileReader) Height() int { return TileHeight }

func (r *tileReader) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	out := make([][]byte, len(tiles))
	for i, t := range tiles {
		path := TilePath(t)
		b, err := r.fetch(r.ctx, path)
		if err == nil && len(b) != t.W*tlog.HashSize {
			err = fmt.Errorf("%d bytes, %d expected", len(b), t.W*tlog.HashSize)
		}
		if err != nil {
			r.err = &UnreachableError{path, err}
			return nil, r.err
		}
		out[i] = b
	}
	return out, nil
}

func (r *tileReader) SaveTiles([]tlog.Tile, [][]byte) {}

// judge tells what an error of the tree functions means: not fetched, or
// fetched and false. They fail for no other reason.
func (r *tileReader) judge(err error, claim string) error {
	if r.err != nil {
		return r.err
	}
	return &DisprovenError{claim + ": " + err.Error()}
}

// ProveInclusion proves with tiles from fetch that the leaf stands at index in
// the tree of the checkpoint, and gives the RFC 6962 audit path. Every tile is
// checked against the checkpoint's root before it is believed.
//
// Errors: *UnreachableError (nothing proven), *DisprovenError.
func ProveInclusion(ctx context.Context, fetch Fetch, c Checkpoint, index int64, leaf tlog.Hash) (tlog.RecordProof, error) {
	if index < 0 || index >= c.Size {
		return nil, &DisprovenError{fmt.Sprintf("entry %d is said to stand in a tree of %d", index, c.Size)}
	}
	r := &tileReader{ctx: ctx, fetch: fetch}
	hashes := tlog.TileHashReader(tlog.Tree{N: c.Size, Hash: c.Root}, r)
	proof, err := tlog.ProveRecord(c.Size, index, hashes)
	if err != nil {
		return nil, r.judge(err, "the log's tiles do not agree with its signed root")
	}
	if err := tlog.CheckRecord(proof, c.Size, c.Root, index, leaf); err != nil {
		return nil, &DisprovenError{fmt.Sprintf("entry %d of the log is not this entry", index)}
	}
	return proof, nil
}

// ProveConsistency proves that the tree of the newer checkpoint begins with
// the tree of the older one: nothing was removed or changed between them.
//
// Errors: *UnreachableError (nothing proven), *DisprovenError.
func ProveConsistency(ctx context.Context, fetch Fetch, older, newer Checkpoint) (tlog.TreeProof, error) {
	switch {
	case older.Origin != newer.Origin:
		return nil, &DisprovenError{fmt.Sprintf("the checkpoints are of two logs: %q and %q", older.Origin, newer.Origin)}
	case newer.Size < older.Size:
		return nil, &DisprovenError{fmt.Sprintf("the log has shrunk: %d entries, %d were seen before", newer.Size, older.Size)}
	case newer.Size == older.Size:
		if older.Root != newer.Root {
			return nil, &DisprovenError{fmt.Sprintf("two different trees of %d entries were signed", newer.Size)}
		}
		return nil, nil
	case older.Size == 0:
		if older.Root != EmptyRoot() {
			return nil, &DisprovenError{"the checkpoint seen before names a false root of the empty tree"}
		}
		return nil, nil
	}
	r := &tileReader{ctx: ctx, fetch: fetch}
	hashes := tlog.TileHashReader(tlog.Tree{N: newer.Size, Hash: newer.Root}, r)
	proof, err := tlog.ProveTree(newer.Size, older.Size, hashes)
	if err != nil {
		return nil, r.judge(err, "the log's tiles do not agree with its signed root")
	}
	if err := tlog.CheckTree(proof, newer.Size, newer.Root, older.Size, older.Root); err != nil {
		return nil, &DisprovenError{fmt.Sprintf("the log was rewritten: its first %d entries are not those seen before", older.Size)}
	}
	return proof, nil
}

// Growth is what appending leaves to a tree changes.
type Growth struct {
	Size  int64
	Root  tlog.Hash
	Tiles []TileData // each at its full width so far
}

// TileData is a tile with its hashes.
type TileData struct {
	Tile tlog.Tile
	Data []byte
}

// Edge lists the tiles that hold the right border of a tree: what must be read
// before leaves can be appended.
func Edge(size int64) []tlog.Tile {
	var list []tlog.Tile
	for level, n := 0, size; n > 0; level, n = level+1, n/TileWidth {
		// A full tile at the end still carries hashes that the next proof needs.
		last := (n - 1) / TileWidth
		list = append(list, tlog.Tile{H: TileHeight, L: level, N: last, W: int(n - last*TileWidth)})
	}
	return list
}

// Grow appends leaf hashes to a tree of the given size and root, whose edge
// was read before. It refuses an edge that does not give that root, so that a
// changed tile is never signed over.
func Grow(size int64, root tlog.Hash, edge []TileData, leaves []tlog.Hash) (Growth, error) {
	known := make(map[int64]tlog.Hash, 2*len(leaves)+TileWidth)
	for _, t := range edge {
		if t.Tile.W*tlog.HashSize != len(t.Data) {
			return Growth{}, fmt.Errorf("tile %s has %d bytes", TilePath(t.Tile), len(t.Data))
		}
		for i := range t.Tile.W {
			known[tlog.StoredHashIndex(t.Tile.L*TileHeight, t.Tile.N*TileWidth+int64(i))] = tlog.Hash(t.Data[i*tlog.HashSize:])
		}
		if err := completeTile(known, t.Tile); err != nil {
			return Growth{}, err
		}
	}
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			h, ok := known[index]
			if !ok {
				return nil, fmt.Errorf("hash %d is not on the tree's edge", index)
			}
			out[i] = h
		}
		return out, nil
	})
	if before, err := RootOf(size, reader); err != nil {
		return Growth{}, err
	} else if before != root {
		return Growth{}, &DisprovenError{fmt.Sprintf("the stored tiles of %d entries do not give the root that was signed", size)}
	}
	for i, leaf := range leaves {
		n := size + int64(i)
		hashes, err := tlog.StoredHashesForRecordHash(n, leaf, reader)
		if err != nil {
			return Growth{}, fmt.Errorf("appending entry %d: %w", n, err)
		}
		first := tlog.StoredHashIndex(0, n)
		for j, h := range hashes {
			known[first+int64(j)] = h
		}
	}
	g := Growth{Size: size + int64(len(leaves))}
	var err error
	if g.Root, err = RootOf(g.Size, reader); err != nil {
		return Growth{}, err
	}
	for _, t := range tlog.NewTiles(TileHeight, size, g.Size) {
		data, err := tlog.ReadTileData(t, reader)
		if err != nil {
			return Growth{}, fmt.Errorf("making tile %s: %w", TilePath(t), err)
		}
		g.Tiles = append(g.Tiles, TileData{t, data})
	}
	return g, nil
}

// completeTile computes the hashes inside a tile, above its lowest row: tiles
// store the lowest row only.
func completeTile(known map[int64]tlog.Hash, t tlog.Tile) error {
	base := t.L * TileHeight
	for level, width := 1, t.W/2; width > 0; level, width = level+1, width/2 {
		start := t.N << (TileHeight - level)
		for i := range width {
			n := start + int64(i)
			left, ok1 := known[tlog.StoredHashIndex(base+level-1, 2*n)]
			right, ok2 := known[tlog.StoredHashIndex(base+level-1, 2*n+1)]
			if !ok1 || !ok2 {
				return fmt.Errorf("tile %s is incomplete", TilePath(t))
			}
			known[tlog.StoredHashIndex(base+level, n)] = tlog.NodeHash(left, right)
		}
	}
	return nil
}

// RootOf is the RFC 6962 root of the first size leaves.
func RootOf(size int64, hashes tlog.HashReader) (tlog.Hash, error) {
	if size == 0 {
		return EmptyRoot(), nil
	}
	root, err := tlog.TreeHash(size, hashes)
	if err != nil {
		return tlog.Hash{}, fmt.Errorf("computing the root of %d entries: %w", size, err)
	}
	return root, nil
}

// EmptyRoot is the root of a tree without leaves: SHA-256 of nothing (RFC 6962, 2.1).
func EmptyRoot() tlog.Hash { return sha256.Sum256(nil) }

// ConsistencyProof gives the RFC 6962 proof that the tree of the checkpoint
// begins with its first size leaves: what a witness demands (2.1.2). It is
// empty for size 0 and for the tree itself.
//
// Errors: *UnreachableError, *DisprovenError when the tiles do not give the root.
func ConsistencyProof(ctx context.Context, fetch Fetch, c Checkpoint, size int64) (tlog.TreeProof, error) {
	if size < 0 || size > c.Size {
		return nil, &DisprovenError{fmt.Sprintf("a tree of %d entries cannot begin with %d", c.Size, size)}
	}
	if size == 0 || size == c.Size {
		return nil, nil
	}
	r := &tileReader{ctx: ctx, fetch: fetch}
	proof, err := tlog.ProveTree(c.Size, size, tlog.TileHashReader(tlog.Tree{N: c.Size, Hash: c.Root}, r))
	if err != nil {
		return nil, r.judge(err, "the log's tiles do not agree with its signed root")
	}
	return proof, nil
}
