package monitor

import (
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"mist/registry"
	"mist/registry/audit"
)

// counted is the tree as recomputed so far.
type counted struct {
	size int64
	seq  int64     // number of the newest checkpoint looked at
	at   time.Time // of that checkpoint
	// newest is the latest time of an entry so far, as far as a checkpoint vouches for it.
	newest time.Time
	// leaves is the tree over the entries' own bytes, tiles the one over the
	// stored lowest tiles: when they differ, the signed root says which is true.
	leaves, tiles audit.Compact
	// rows holds, for each level of tiles, what its newest tile must hold.
	rows     []tileRow
	done     []tileRow // full tiles above the lowest level, not yet compared
	suspects []suspect // differences since the last checkpoint
	keyed    bool      // a checkpoint of the present key was seen: retired ones count no more
	mended   bool      // a lowest tile was false: the tiles above cannot be judged
	blind    bool      // a month is gone and nobody says what numbers it held
	diverged bool      // neither tree gives the signed roots any more
	writers  map[registry.ID]*writer
}

// tileRow is what a tile must hold.
type tileRow struct {
	level  int
	n      int64
	hashes []tlog.Hash
}

// suspect is a place whose leaf and tile disagree.
type suspect struct {
	place int64
	leaf  registry.ID
}

func newCounted() counted { return counted{writers: map[registry.ID]*writer{}} }

// recount goes on from the newest checkpoint it knows to the newest there is.
func (m *Monitor) recount(ctx context.Context, src Source) error {
	for {
		rows, err := src.Checkpoints(ctx, m.tree.seq, batch)
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			return m.upperTiles(ctx, src)
		}
		// All entries up to the last of these, some thousands at a time; each
		// checkpoint is compared when the tree reaches its size.
		for len(rows) > 0 {
			if err := m.upTo(ctx, src, &rows); err != nil {
				return err
			}
		}
	}
}

// upTo reads the next entries and judges the checkpoints they reach.
func (m *Monitor) upTo(ctx context.Context, src Source, rows *[]CheckpointRow) error {
	t := &m.tree
	for len(*rows) > 0 && (*rows)[0].Size <= t.size {
		m.checkpoint((*rows)[0])
		*rows = (*rows)[1:]
	}
	if len(*rows) == 0 {
		return nil
	}
	from := t.size
	below := min((*rows)[len(*rows)-1].Size, (from/audit.TileWidth+16)*audit.TileWidth)
	entries, err := src.Entries(ctx, from, below)
	if err != nil {
		return err
	}
	tiles, err := src.Tiles(ctx, 0, from/audit.TileWidth, (below+audit.TileWidth-1)/audit.TileWidth)
	if err != nil {
		return err
	}
	var accepted []registry.ID
	old := map[registry.ID]*Leaf{}
	for place := from; place < below; place++ {
		for len(*rows) > 0 && (*rows)[0].Size <= place {
			m.checkpoint((*rows)[0])
			*rows = (*rows)[1:]
		}
		var row *EntryRow
		if len(entries) > 0 && entries[0].Index == place {
			row, entries = &entries[0], entries[1:]
		}
		gone := row != nil && row.Leaf == nil && m.fromFile(row)
		act := m.entry(place, row, tiles[place/audit.TileWidth], *rows)
		switch {
		case act.IsZero():
		case gone:
			old[act] = row.Leaf
		default:
			accepted = append(accepted, act)
		}
	}
	if err := m.oldActs(ctx, src, old); err != nil {
		return err
	}
	missing, err := src.MissingActs(ctx, accepted)
	if err != nil {
		return err
	}
	for _, id := range missing {
		m.alarm(ActMissing, "act "+id.String(), "the log accepted it and it is not there")
	}
	return nil
}

// entry takes one place into the tree; it gives the act that was accepted there.
func (m *Monitor) entry(place int64, row *EntryRow, tile []byte, ahead []CheckpointRow) (accepted registry.ID) {
	t := &m.tree
	stored, known := tileHash(tile, place)
	hash := stored
	name := fmt.Sprintf("entry %d", place)
	switch {
	case row == nil:
		m.alarm(EntryMissing, name, "the tree has this place and the log no entry for it")
	case row.Leaf == nil && m.past.take(row.LeafID, t):
		// Its month is gone as a whole: the hash that was kept stands for it.
	case row.Leaf == nil:
		m.alarm(EntryMissing, name, "its leaf %s is gone", row.LeafID)
	default:
		hash = audit.LeafHash(row.Leaf.Entry)
		if known && hash != stored {
			t.suspects = append(t.suspects, suspect{place, row.LeafID})
		}
		e, err := audit.Decode(row.Leaf.Entry)
		if err != nil {
			if hash == stored {
				m.alarm(LeafColumns, "leaf "+row.LeafID.String(), "its bytes are no entry: %v", err)
			}
			break
		}
		m.columns(*row.Leaf, e)
		m.times(place, row, e, ahead)
		t.count(m, e)
		m.past.note(e)
		if e.Kind == audit.ActAccepted && e.Act != nil {
			accepted = e.Act.ID
		}
	}
	if !known {
		m.alarm(TileChanged, fmt.Sprintf("tile 0/%d", place/audit.TileWidth), "it does not reach place %d", place)
		stored = hash
	}
	t.leaves.Push(hash)
	t.tiles.Push(stored)
	t.size++
	t.raise(0, stored)
	return accepted
}

func tileHash(tile []byte, place int64) (tlog.Hash, bool) {
	at := int(place%audit.TileWidth) * tlog.HashSize
	if len(tile) < at+tlog.HashSize {
		return tlog.Hash{}, false
	}
	return tlog.Hash(tile[at : at+tlog.HashSize]), true
}

// raise takes a hash into the newest tile of a level; a full tile's root goes
// into the level above.
func (t *counted) raise(level int, h tlog.Hash) {
	if level == len(t.rows) {
		t.rows = append(t.rows, tileRow{level: level})
	}
	r := &t.rows[level]
	r.hashes = append(r.hashes, h)
	if len(r.hashes) < audit.TileWidth {
		return
	}
	full := *r
	*r = tileRow{level: level, n: full.n + 1}
	if level > 0 {
		t.done = append(t.done, full)
	}
	var p audit.Compact
	for _, h := range full.hashes {
		p.Push(h)
	}
	t.raise(level+1, p.Root())
}

// upperTiles compares the tiles above the lowest level with the tree.
func (m *Monitor) upperTiles(ctx context.Context, src Source) error {
	t := &m.tree
	if t.mended || t.diverged {
		return nil
	}
	rows := t.done
	for _, r := range t.rows[min(1, len(t.rows)):] {
		if len(r.hashes) > 0 {
			rows = append(rows, r)
		}
	}
	for _, r := range rows {
		stored, err := src.Tiles(ctx, r.level, r.n, r.n+1)
		if err != nil {
			return err
		}
		for i, want := range r.hashes {
			if have, ok := tileHash(stored[r.n], int64(i)); !ok || have != want {
				m.alarm(TileChanged, fmt.Sprintf("tile %d/%d", r.level, r.n), "its hash %d is not the tree's", i)
				break
			}
		}
	}
	t.done = nil
	return nil
}

// checkpoint judges a checkpoint when the tree has reached its size.
func (m *Monitor) checkpoint(row CheckpointRow) {
	t := &m.tree
	name := fmt.Sprintf("checkpoint %d", row.Seq)
	m.rep.Checkpoints++
	switch {
	case row.Seq != t.seq+1:
		m.alarm(CheckpointOrder, name, "checkpoint %d does not precede it", t.seq+1)
	case row.Size < t.size:
		m.alarm(CheckpointOrder, name, "it has fewer entries than the one before")
	case row.At.Before(t.at.Add(-m.cfg.Tolerance)):
		m.alarm(CheckpointOrder, name, "it is older than the one before")
	}
	t.seq, t.at = row.Seq, row.At
	c, err := audit.OpenCheckpoint(row.Note, m.cfg.Key)
	if err == nil {
		t.keyed = true
	}
	for i := 0; err != nil && !t.keyed && i < len(m.cfg.Retired); i++ {
		if old, oldErr := audit.OpenCheckpoint(row.Note, m.cfg.Retired[i]); oldErr == nil {
			c, err = old, nil
		}
	}
	switch {
	case err != nil:
		m.alarm(CheckpointFalse, name, "%v", err)
		return
	case c.Size != row.Size || string(c.Root[:]) != string(row.Root):
		m.alarm(CheckpointFalse, name, "its row contradicts its signed note")
	}
	if c.Size != t.size || t.diverged {
		return
	}
	suspects := t.suspects
	t.suspects = nil
	switch {
	case t.leaves.Root() == c.Root:
		for _, s := range suspects {
			m.alarm(TileChanged, fmt.Sprintf("tile 0/%d", s.place/audit.TileWidth), "its hash of place %d is not the tree's", s.place)
		}
		if len(suspects) > 0 {
			t.tiles, t.mended = slices.Clone(t.leaves), true
		}
	case t.tiles.Root() == c.Root:
		for _, s := range suspects {
			m.alarm(LeafChanged, "leaf "+s.leaf.String(), "its bytes are not those that stand at place %d of the tree", s.place)
		}
		t.leaves = slices.Clone(t.tiles)
	default:
		for _, s := range suspects {
			m.alarm(LeafChanged, "leaf "+s.leaf.String(), "its bytes are not those in the tile at place %d", s.place)
		}
		m.alarm(RootMismatch, name, "neither the entries nor the tiles give its root: the log was rewritten before it")
		t.diverged = true
	}
}

// times compares an entry's time with what is around it: places follow the
// transactions, so it is not much older than what stands before it, for no
// transaction lives long; and it is not younger than the checkpoint that covers
// it. It may be older than the checkpoint before it: after a standstill the
// sequencer numbers what waited in several steps.
func (m *Monitor) times(place int64, row *EntryRow, e audit.Entry, ahead []CheckpointRow) {
	t := &m.tree
	name := "leaf " + row.LeafID.String()
	if !t.newest.IsZero() && e.Time.Before(t.newest.Add(-m.cfg.Longest-m.cfg.Tolerance)) {
		m.alarm(TimeOrder, name, "its time is long before that of entries that precede it in the log")
	}
	at := e.Time
	for _, c := range ahead {
		if c.Size > place {
			if e.Time.After(c.At.Add(m.cfg.Tolerance)) {
				m.alarm(TimeOrder, name, "its time is after the checkpoint %d that covers it", c.Seq)
			}
			if at.After(c.At) {
				at = c.At // a time of the future moves nothing
			}
			break
		}
	}
	if at.After(t.newest) {
		t.newest = at
	}
}
