package audit

import (
	"context"
	"fmt"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

// Compact is a growing tree reduced to the roots of its perfect subtrees,
// largest first: enough for its root, 64 hashes at most.
type Compact []compactPeak

type compactPeak struct {
	size int64
	hash tlog.Hash
}

// Push adds a leaf's hash.
func (p *Compact) Push(h tlog.Hash) {
	*p = append(*p, compactPeak{1, h})
	for n := len(*p); n > 1 && (*p)[n-1].size == (*p)[n-2].size; n-- {
		(*p)[n-2] = compactPeak{2 * (*p)[n-1].size, tlog.NodeHash((*p)[n-2].hash, (*p)[n-1].hash)}
		*p = (*p)[:n-1]
	}
}

// Root is the RFC 6962 root of the leaves pushed so far.
func (p Compact) Root() tlog.Hash {
	if len(p) == 0 {
		return EmptyRoot()
	}
	h := p[len(p)-1].hash
	for i := len(p) - 2; i >= 0; i-- {
		h = tlog.NodeHash(p[i].hash, h)
	}
	return h
}

// FindLeaf looks for a leaf among all of a checkpoint, by the lowest tiles,
// which anybody may read. That it is absent is proven: the tiles that were
// looked through give the signed root. It reads 32 bytes a leaf.
//
// Errors: *UnreachableError, *DisprovenError (the tiles are not the signed tree).
func FindLeaf(ctx context.Context, fetch Fetch, c Checkpoint, leaf tlog.Hash) (index int64, found bool, err error) {
	r := &tileReader{ctx: ctx, fetch: fetch}
	var tree Compact
	for n := int64(0); n*TileWidth < c.Size; n++ {
		tile := tlog.Tile{H: TileHeight, L: 0, N: n, W: int(min(c.Size-n*TileWidth, TileWidth))}
		data, err := r.ReadTiles([]tlog.Tile{tile})
		if err != nil {
			return 0, false, err
		}
		for i := range tile.W {
			h := tlog.Hash(data[0][i*tlog.HashSize:])
			if h == leaf {
				return n*TileWidth + int64(i), true, nil
			}
			tree.Push(h)
		}
	}
	if tree.Root() != c.Root {
		return 0, false, &DisprovenError{fmt.Sprintf("the tiles of the log do not give the signed root of its %d entries", c.Size)}
	}
	return 0, false, nil
}

// Peaks are the roots of the perfect subtrees, largest first: with the number of
// leaves they are the whole state.
func (p Compact) Peaks() []tlog.Hash {
	out := make([]tlog.Hash, len(p))
	for i, peak := range p {
		out[i] = peak.hash
	}
	return out
}

// NewCompact is a tree of size leaves, by its peaks.
func NewCompact(size int64, peaks []tlog.Hash) (Compact, error) {
	if size < 0 || bits.OnesCount64(uint64(size)) != len(peaks) {
		return nil, fmt.Errorf("a tree of %d leaves does not have %d perfect subtrees", size, len(peaks))
	}
	var p Compact
	for left, i := uint64(size), 0; left > 0; i++ {
		top := uint64(1) << (63 - bits.LeadingZeros64(left))
		p = append(p, compactPeak{int64(top), peaks[i]})
		left -= top
	}
	return p, nil
}

// CompactAt reads the beginning of a checkpoint's tree, of size leaves, from its
// tiles, each checked against the root.
//
// Errors: *UnreachableError, *DisprovenError.
func CompactAt(ctx context.Context, fetch Fetch, c Checkpoint, size int64) (Compact, error) {
	if size < 0 || size > c.Size {
		return nil, &DisprovenError{fmt.Sprintf("a tree of %d entries cannot begin with %d", c.Size, size)}
	}
	if size == 0 {
		return nil, nil
	}
	var indexes []int64
	at := int64(0)
	for left := uint64(size); left > 0; {
		level := 63 - bits.LeadingZeros64(left)
		indexes = append(indexes, tlog.StoredHashIndex(level, at>>level))
		at += 1 << level
		left -= 1 << level
	}
	r := &tileReader{ctx: ctx, fetch: fetch}
	hashes, err := tlog.TileHashReader(tlog.Tree{N: c.Size, Hash: c.Root}, r).ReadHashes(indexes)
	if err != nil {
		return nil, r.judge(err, "the log's tiles do not agree with its signed root")
	}
	return NewCompact(size, hashes)
}
