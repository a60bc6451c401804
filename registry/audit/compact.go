package audit

import (
	"context"
	"fmt"

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
