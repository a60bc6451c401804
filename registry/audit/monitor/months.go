package monitor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/audit/month"
)

// Kinds of registry/order and registry/postgres that are read here.
const (
	orderConfirmed audit.Kind = "order.confirmed"
	unsealingCount audit.Kind = "unsealing.counted"
	detachSigners             = 2
)

// MonthRow is a month of the log.
type MonthRow struct {
	Name  string // "2026-11"
	From  registry.ID
	Below registry.ID
	Table bool // its table stands among the log's
	// Manifest and OrderID are of the archive's row; nil when there is none.
	Manifest []byte
	OrderID  registry.ID
}

// archive is a month whose table is gone.
type archive struct {
	row      MonthRow
	manifest *month.Manifest // nil without a row of the archive, or an unreadable one
	file     *month.File
	lines    *month.Lines
	seen     int64 // places of it
	acts     int64 // acts that name a leaf of it
	seeded   bool  // the numbers of its writers were taken from the manifest
}

// archives are all of them, with what the log says about them.
type archives struct {
	list []*archive
	// said is what entries of the log name as detached: month → digest and order.
	said map[string][]detachment
	// signers of orders, by the order's id.
	signers map[string]map[registry.ID]bool
	// books are entries of the book of unsealing that were read from files.
	books map[registry.ID]*Leaf
}

type detachment struct {
	digest []byte
	reason string
}

func (a *archives) close() {
	for _, one := range a.list {
		if one.lines != nil {
			_ = one.lines.Close()
			one.lines = nil
		}
	}
}

// months reads which months are gone. What is known of them from earlier
// passes stays.
func (m *Monitor) months(ctx context.Context, src Source) error {
	rows, err := src.Months(ctx)
	if err != nil {
		return err
	}
	p := &m.past
	if p.said == nil {
		p.said, p.signers, p.books = map[string][]detachment{}, map[string]map[registry.ID]bool{}, map[registry.ID]*Leaf{}
	}
	known := map[string]*archive{}
	for _, one := range p.list {
		known[one.row.Name] = one
	}
	p.list = nil
	for _, row := range rows {
		if row.Table {
			continue
		}
		one := known[row.Name]
		if one == nil || !bytes.Equal(one.row.Manifest, row.Manifest) {
			one = &archive{}
		}
		one.row = row
		if parsed, err := month.ParseManifest(row.Manifest); err == nil && parsed.Month == row.Name && parsed.FromID == row.From && parsed.BelowID == row.Below {
			one.manifest = &parsed
		}
		m.open(one)
		p.list = append(p.list, one)
	}
	return nil
}

// open takes the file of a month, if it is given and the one the log names.
func (m *Monitor) open(one *archive) {
	if m.cfg.Archive == nil || one.manifest == nil || one.file != nil {
		return
	}
	name := "month " + one.row.Name
	f, err := m.cfg.Archive(one.row.Name)
	switch {
	case err != nil:
		m.alarm(MonthChanged, name, "its file cannot be read: %v", err)
	case f == nil:
	case !bytes.Equal(f.Form, one.row.Manifest):
		m.alarm(MonthChanged, name, "the manifest of its file is not the one that was recorded when it was detached")
	default:
		one.file = f
	}
}

func (a *archives) of(id registry.ID) *archive {
	for _, one := range a.list {
		if bytes.Compare(id[:], one.row.From[:]) >= 0 && bytes.Compare(id[:], one.row.Below[:]) < 0 {
			return one
		}
	}
	return nil
}

func (a *archives) holds(id registry.ID) bool { return a.of(id) != nil }

func (a *archives) holdsAct(leaf registry.ID) bool {
	one := a.of(leaf)
	if one == nil {
		return false
	}
	one.acts++
	return true
}

// fromFile puts the entry from the month's file in the place of a leaf that is
// gone with its month: it is judged like any other then.
func (m *Monitor) fromFile(row *EntryRow) bool {
	one := m.past.of(row.LeafID)
	if one == nil || one.file == nil {
		return false
	}
	line, err := one.at(row.Index)
	if err == nil && line.Entry == nil {
		err = errors.New("it says that this entry is of another month")
	}
	if err != nil {
		m.alarm(MonthChanged, "month "+one.row.Name, "place %d of its file: %v", row.Index, err)
		one.file = nil // nothing more is believed of it; the kept hashes stand
		return false
	}
	one.seen++
	row.Leaf = &Leaf{ID: row.LeafID, Entry: line.Entry}
	// The columns beside the entry are gone; they are what the entry says.
	if e, err := audit.Decode(line.Entry); err == nil {
		row.Leaf.Kind, row.Leaf.Writer, row.Leaf.N = string(e.Kind), e.Writer.ID, e.Writer.N
		if e.Kind == unsealingCount {
			m.past.books[row.LeafID] = row.Leaf
		}
	}
	return true
}

// at gives the line of a place; places are asked for in their order.
func (one *archive) at(place int64) (month.Line, error) {
	if one.lines == nil {
		lines, err := one.file.Lines()
		if err != nil {
			return month.Line{}, err
		}
		one.lines = lines
	}
	for {
		line, err := one.lines.Next()
		switch {
		case errors.Is(err, io.EOF):
			return line, errors.New("the file ends before it")
		case err != nil:
			return line, err
		case line.Index == place:
			return line, nil
		case line.Index > place:
			return line, errors.New("the file does not hold it")
		}
	}
}

// take tells that a leaf is gone with its whole month, and stands by its kept hash.
func (a *archives) take(leaf registry.ID, t *counted) bool {
	one := a.of(leaf)
	if one == nil {
		return false
	}
	one.seen++
	t.blind = t.blind || one.manifest == nil
	if one.manifest != nil && !one.seeded {
		one.seeded = true
		for _, w := range one.manifest.Writers {
			t.countRanges(w)
		}
	}
	return true
}

// countRanges takes the numbers a month's manifest names.
func (t *counted) countRanges(from month.Writer) {
	w := t.writers[from.ID]
	if w == nil {
		w = &writer{missing: map[uint64]time.Time{}, void: map[uint64]bool{}}
		t.writers[from.ID] = w
	}
	if from.Last.After(w.lastAt) {
		w.lastAt = from.Last
	}
	for _, r := range from.Numbers {
		for n := w.last + 1; n < r.First && !w.excess; n++ {
			w.missing[n] = from.Last
			w.excess = len(w.missing) >= maxMissing
		}
		for n := range w.missing {
			if n >= r.First && n <= r.Last {
				delete(w.missing, n)
			}
		}
		w.last = max(w.last, r.Last)
	}
	for _, r := range from.Void {
		for n := r.First; n <= r.Last; n++ {
			w.void[n] = true
		}
	}
}

// note remembers what entries of the log say about detached months.
func (a *archives) note(e audit.Entry) {
	switch {
	case e.Object == nil:
	case e.Kind == month.Detached && e.Object.Type == month.ObjectType:
		a.said[e.Object.ID] = append(a.said[e.Object.ID], detachment{e.Object.Digest, e.Reason})
	case e.Kind == month.Attached && e.Object.Type == month.ObjectType:
		delete(a.said, e.Object.ID) // it is back, and may go by another order only
	case e.Kind == orderConfirmed && e.Object.Type == "order:"+month.Order:
		if a.signers[e.Object.ID] == nil {
			a.signers[e.Object.ID] = map[registry.ID]bool{}
		}
		a.signers[e.Object.ID][e.Actor.EmployeeID] = true
	}
}

// oldActs compares acts whose entries came from a month's file.
func (m *Monitor) oldActs(ctx context.Context, src Source, entries map[registry.ID]*Leaf) error {
	if len(entries) == 0 {
		return nil
	}
	ids := slices.Collect(maps.Keys(entries))
	rows, err := src.ActsOf(ctx, ids)
	if err != nil {
		return err
	}
	there := map[registry.ID]bool{}
	for _, a := range rows {
		there[a.ID] = true
		a.Leaf = entries[a.ID]
		m.act(a)
	}
	for _, id := range ids {
		if !there[id] {
			m.alarm(ActMissing, "act "+id.String(), "the log accepted it and it is not there")
		}
	}
	return nil
}

// kept compares a hash with the one kept in the place of a leaf whose month is gone.
func (m *Monitor) kept(ctx context.Context, src Source, leaf registry.ID, want tlog.Hash) (bool, error) {
	place, ok, err := src.Place(ctx, leaf)
	if err != nil || !ok {
		return false, err
	}
	n := place / audit.TileWidth
	tiles, err := src.Tiles(ctx, 0, n, n+1)
	if err != nil {
		return false, err
	}
	have, ok := tileHash(tiles[n], place)
	return ok && have == want, nil
}

// archived judges the months that are gone, when the whole log was read.
func (m *Monitor) archived(_ context.Context, _ Source) error {
	for _, one := range m.past.list {
		name := "month " + one.row.Name
		switch {
		case one.row.Manifest == nil:
			m.alarm(MonthMissing, name, "its table is gone and no order detached it: %d entries stand by their kept hashes alone", one.seen)
			continue
		case one.manifest == nil:
			m.alarm(MonthUnordered, name, "the row that says it was detached holds no manifest of this month")
			continue
		}
		if why := m.past.unordered(one); why != "" {
			m.alarm(MonthUnordered, name, "it is said to be detached, and %s", why)
		}
		if m.rep.Full && one.acts != one.manifest.Acts {
			rule := ActWithoutLeaf
			if one.acts < one.manifest.Acts {
				rule = ActMissing
			}
			m.alarm(rule, name, "the log accepted %d acts in this month, the registry has %d", one.manifest.Acts, one.acts)
		}
		if m.rep.Full && one.seen != one.manifest.Entries {
			m.alarm(EntryMissing, name, "the manifest counts %d entries, the log keeps the hashes of %d", one.manifest.Entries, one.seen)
		}
		if one.file == nil && one.seen > 0 {
			m.find(Finding{MonthKept, name, fmt.Sprintf("%d entries were recounted by their kept hashes: the file of the month was not given", one.seen), false})
		}
	}
	return nil
}

// unordered tells why a detachment is not what two people ordered; empty if it is.
func (a *archives) unordered(one *archive) string {
	digest := month.Digest(one.row.Manifest)
	for _, d := range a.said[one.row.Name] {
		if !bytes.Equal(d.digest, digest[:]) {
			continue
		}
		if !strings.Contains(d.reason, one.row.OrderID.String()) {
			return "the log names another order for it"
		}
		if len(a.signers[one.row.OrderID.String()]) < detachSigners {
			return "the log has no two people who confirmed its order"
		}
		return ""
	}
	return "no entry of the log names this manifest"
}
