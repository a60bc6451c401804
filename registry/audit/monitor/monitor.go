// Package monitor recounts an audit log from its database, or a replica of it,
// as somebody who trusts only the log's public key, the witnesses' keys and
// what it saw before: it recomputes the tree over every entry, compares acts
// with their leaves, counts the numbers of each writer, looks at the order of
// times and at the log's freshness, and names the row that was touched.
//
// It trusts nothing the database says about itself. What it cannot see by
// itself is a leaf that was removed together with its act before it was
// numbered, as the last one of its writer: for that it takes receipts that the
// log has signed, from who holds them.
package monitor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/audit/month"
)

// Rules a finding can break. A name in use is never given another meaning.
const (
	LeafChanged       = "leaf-changed"       // bytes of a numbered entry are not those in the tree
	LeafColumns       = "leaf-columns"       // a column beside an entry contradicts the entry
	LeafSkipped       = "leaf-skipped"       // a leaf below the cursor was never numbered: forged xid or epoch
	LeafFuture        = "leaf-future"        // a leaf's transaction number lies in the future: it would never be numbered
	EntryMissing      = "entry-missing"      // a place of the tree has no entry, or its leaf is gone
	TileChanged       = "tile-changed"       // a stored tile is not the tree's
	RootMismatch      = "root-mismatch"      // the entries do not give the root that was signed
	CheckpointFalse   = "checkpoint-false"   // a stored checkpoint is not signed, or its row contradicts its note
	CheckpointOrder   = "checkpoint-order"   // numbers or sizes of checkpoints do not follow each other
	HistoryRewritten  = "history-rewritten"  // a checkpoint seen before is not in the log's history
	SplitView         = "split-view"         // the world is shown a checkpoint that this history does not have
	WitnessesMissing  = "witnesses-missing"  // the public checkpoint lacks the quorum
	WriterGap         = "writer-gap"         // a number of a writer is missing: a leaf was taken away
	WriterDuplicate   = "writer-duplicate"   // a writer's number stands twice
	TimeOrder         = "time-order"         // an entry's time does not lie between its checkpoints
	ActWithoutLeaf    = "act-without-leaf"   // an act has no entry of its acceptance
	ActChanged        = "act-changed"        // an act's row contradicts the entry of its acceptance
	ActMissing        = "act-missing"        // an accepted act has no row
	LogStopped        = "log-stopped"        // leaves wait too long, or the public checkpoint is old
	UnsealedUnread    = "unsealed-unread"    // a person's sealed values were opened and no entry tells of it
	UnsealingBook     = "unsealing-book"     // a row of the book of unsealing is not what the log has the digest of
	MonthMissing      = "month-missing"      // a month's table is gone and nobody ordered it
	MonthUnordered    = "month-unordered"    // a month is said to be detached, and the log has no order of two people over what was detached
	MonthChanged      = "month-changed"      // the file of a detached month is not the one that the log names
	MonthKept         = "month-kept"         // a detached month was recounted by its kept hashes alone: no file was given (no alarm)
	PromiseBroken     = "promise-broken"     // a receipt the log signed has no entry, or another one
	WriterInterrupted = "writer-interrupted" // numbers a crash left open (no alarm)
)

// Finding is something that must not be, and the row that shows it.
type Finding struct {
	Rule string `json:"rule"`
	Row  string `json:"row"` // "leaf UUID", "entry 12", "checkpoint 7", "tile 0/3", "act UUID", "writer UUID number 5"
	Text string `json:"text"`
	// Alarm is false for what people should know and need not act on.
	Alarm bool `json:"alarm"`
}

// Report is the outcome of one pass.
type Report struct {
	// Full tells that everything was recounted, else only what came since the
	// pass before.
	Full        bool          `json:"full"`
	Size        int64         `json:"size"` // entries recounted so far
	Acts        int64         `json:"acts"` // acts compared in this pass
	Checkpoints int64         `json:"checkpoints"`
	Findings    []Finding     `json:"findings"`
	More        int           `json:"more"` // findings beyond the limit
	Took        time.Duration `json:"took"` // nanoseconds
	Published   string        `json:"published,omitempty"`
}

// Alarms counts findings that need people.
func (r Report) Alarms() (n int) {
	for _, f := range r.Findings {
		if f.Alarm {
			n++
		}
	}
	return n + r.More
}

// Source is one unchanging snapshot of the log's database.
type Source interface {
	// Checkpoints gives at most limit checkpoints after a number, in order.
	Checkpoints(ctx context.Context, after int64, limit int) ([]CheckpointRow, error)
	// Entries gives the places from ≤ place < below that have a row, in order.
	Entries(ctx context.Context, from, below int64) ([]EntryRow, error)
	// Tiles gives stored tiles of a level by number; absent ones are left out.
	Tiles(ctx context.Context, level int, from, below int64) (map[int64][]byte, error)
	// Unnumbered gives at most limit leaves without a place: all of them, or
	// only those a sequencer that works would number next.
	Unnumbered(ctx context.Context, all bool, limit int) ([]WaitingRow, error)
	// Acts gives at most limit acts after an id, in order.
	Acts(ctx context.Context, after registry.ID, limit int) ([]ActRow, error)
	// MissingActs gives those of the ids that have no act.
	MissingActs(ctx context.Context, ids []registry.ID) ([]registry.ID, error)
	// ActsOf gives the acts with these ids, without their leaves, in any order.
	ActsOf(ctx context.Context, ids []registry.ID) ([]ActRow, error)
	// Months gives the months of the log, oldest first.
	Months(ctx context.Context) ([]MonthRow, error)
	// Place gives the place of a leaf in the tree; false if it has none.
	Place(ctx context.Context, leaf registry.ID) (int64, bool, error)
	// Leaf gives a leaf by its id, nil if there is none, and whether it has a place.
	Leaf(ctx context.Context, id registry.ID) (leaf *Leaf, numbered bool, err error)
	// Unsealings gives at most limit rows of the book of unsealing whose entry
	// follows the id, in that order.
	Unsealings(ctx context.Context, after registry.ID, limit int) ([]UnsealingRow, error)
	// RootAt gives the root that was signed for a size; false if none was.
	RootAt(ctx context.Context, size int64) (tlog.Hash, bool, error)
	// Published gives the newest public note; nil before the first.
	Published(ctx context.Context) (signed []byte, seq int64, err error)
}

// CheckpointRow is a stored checkpoint.
type CheckpointRow struct {
	Seq  int64
	Size int64
	Root []byte
	Note []byte
	At   time.Time
}

// Leaf is a row of the leaves' table.
type Leaf struct {
	ID     registry.ID
	Kind   string
	ActID  registry.ID
	Writer registry.ID
	N      uint64
	Entry  []byte
}

// EntryRow is a place of the tree; Leaf is nil when its leaf is gone.
type EntryRow struct {
	Index  int64
	LeafID registry.ID
	Leaf   *Leaf
}

// WaitingRow is a leaf without a place.
type WaitingRow struct {
	Leaf    Leaf
	Skipped bool // below the cursor of the newest checkpoint
	Future  bool // its transaction has not begun yet
}

// ActRow is an act with the leaf it names; Leaf is nil when there is none.
type ActRow struct {
	ID         registry.ID
	LeafID     registry.ID
	Numbered   bool // the leaf it names has a place
	Kind       string
	Container  []byte
	Content    []byte
	AcceptedAt time.Time
	Leaf       *Leaf
}

// Config of a Monitor. Key and Now are required.
type Config struct {
	Key    note.Verifier
	Quorum audit.Quorum
	Now    func() time.Time
	// Retired are keys of the log that were rotated out: they count for checkpoints
	// before the first one of Key, and never after it.
	Retired []note.Verifier
	// Seen is a checkpoint seen before, for HistoryRewritten; nil for none.
	Seen *audit.Checkpoint
	// Receipts gives what holders of receipts have handed in, told by a name; nil for none.
	Receipts func() (map[string]audit.Receipt, error)
	// Archive opens the file of a detached month ("2026-11"); nil, or a nil file,
	// leaves the month to its kept hashes.
	Archive func(name string) (*month.File, error)
	// Stale is when a waiting leaf or an old public checkpoint is an alarm;
	// zero means 5 s.
	Stale time.Duration
	// Tolerance of times between machines; zero means 5 s.
	Tolerance time.Duration
	// Longest is the longest life of a transaction; zero means 30 s.
	Longest time.Duration
	// MaxFindings bounds a report; zero means 1,000.
	MaxFindings int
}

// Monitor keeps what it has counted between passes. It is not for concurrent use.
type Monitor struct {
	cfg   Config
	tree  counted
	acts  registry.ID // newest act compared
	books registry.ID // entry of the newest row of the book of unsealing compared
	told  map[touched]bool
	met   map[string]bool // receipts whose entry stands in the tree
	rep   *Report
	past  archives
}

// New refuses a half-configured monitor.
func New(c Config) (*Monitor, error) {
	if c.Key == nil || c.Now == nil {
		return nil, errors.New("a monitor needs the log's key and a clock")
	}
	if err := c.Quorum.Check(); err != nil {
		return nil, err
	}
	for d, otherwise := range map[*time.Duration]time.Duration{&c.Stale: 5 * time.Second, &c.Tolerance: 5 * time.Second, &c.Longest: 30 * time.Second} {
		if *d == 0 {
			*d = otherwise
		}
	}
	if c.MaxFindings == 0 {
		c.MaxFindings = 1000
	}
	return &Monitor{cfg: c, told: map[touched]bool{}, met: map[string]bool{}, tree: newCounted()}, nil
}

// Pass recounts what came since the last pass, or everything. A finding is
// told once by passes over what is new, and again by each full pass. An error
// means that the source could not be read: nothing is known then.
func (m *Monitor) Pass(ctx context.Context, src Source, full bool) (Report, error) {
	began := m.cfg.Now()
	if full || m.tree.diverged {
		full = true
		m.tree, m.acts, m.books, m.told, m.met = newCounted(), registry.ID{}, registry.ID{}, map[touched]bool{}, map[string]bool{}
		m.past = archives{}
	}
	full = full || m.tree.size == 0 && m.tree.seq == 0
	m.rep = &Report{Full: full}
	defer m.past.close()
	for _, step := range []func(context.Context, Source) error{
		m.months, m.recount, func(ctx context.Context, src Source) error { return m.waiting(ctx, src, full) },
		m.compareActs, m.published, m.seen, m.promises, m.unsealed, m.archived,
	} {
		if err := step(ctx, src); err != nil {
			return Report{}, fmt.Errorf("recounting the log: %w", err)
		}
	}
	m.rep.Size, m.rep.Took = m.tree.size, m.cfg.Now().Sub(began)
	return *m.rep, nil
}

func (m *Monitor) alarm(rule, row, format string, args ...any) {
	m.find(Finding{rule, row, fmt.Sprintf(format, args...), true})
}

// touched names a finding: a row is told once for each rule it breaks.
type touched struct{ rule, row string }

func (m *Monitor) find(f Finding) {
	if m.told[touched{f.Rule, f.Row}] {
		return
	}
	if len(m.rep.Findings) >= m.cfg.MaxFindings {
		m.rep.More++
		return
	}
	m.told[touched{f.Rule, f.Row}] = true
	m.rep.Findings = append(m.rep.Findings, f)
}

// published judges what the world is shown.
func (m *Monitor) published(ctx context.Context, src Source) error {
	signed, seq, err := src.Published(ctx)
	if err != nil {
		return err
	}
	row := fmt.Sprintf("checkpoint %d", seq)
	if signed == nil {
		if m.tree.size > 0 {
			m.alarm(LogStopped, "log", "no checkpoint is public")
		}
		return nil
	}
	m.rep.Published = string(signed)
	c, cosigned, err := audit.OpenWitnessed(signed, m.cfg.Key, m.cfg.Quorum)
	var short *audit.QuorumError
	switch {
	case errors.As(err, &short):
		m.alarm(WitnessesMissing, row, "%v", err)
	case err != nil:
		m.alarm(CheckpointFalse, row, "the public checkpoint: %v", err)
		return nil
	}
	if err := m.inHistory(ctx, src, c, SplitView, row); err != nil {
		return err
	}
	if len(m.cfg.Quorum.Witnesses) > 0 {
		// The witnesses' word, not the row's: the newest of them tells how fresh it is.
		var at time.Time
		for _, w := range cosigned {
			if w.Time.After(at) {
				at = w.Time
			}
		}
		if age := m.cfg.Now().Sub(at); age > m.cfg.Stale+m.cfg.Tolerance {
			m.alarm(LogStopped, row, "the newest cosignature is older than %v", (m.cfg.Stale + m.cfg.Tolerance).Round(time.Second))
		}
	}
	return nil
}

// Shown judges a checkpoint that somebody was shown elsewhere, over HTTP say.
func (m *Monitor) Shown(ctx context.Context, src Source, signed []byte) ([]Finding, error) {
	m.rep = &Report{}
	c, err := audit.OpenCheckpoint(signed, m.cfg.Key)
	if err != nil {
		m.alarm(CheckpointFalse, "shown checkpoint", "%v", err)
		return m.rep.Findings, nil
	}
	err = m.inHistory(ctx, src, c, SplitView, fmt.Sprintf("shown checkpoint of %d entries", c.Size))
	return m.rep.Findings, err
}

// seen compares with the checkpoint of last time.
func (m *Monitor) seen(ctx context.Context, src Source) error {
	if m.cfg.Seen == nil {
		return nil
	}
	return m.inHistory(ctx, src, *m.cfg.Seen, HistoryRewritten, fmt.Sprintf("seen checkpoint of %d entries", m.cfg.Seen.Size))
}

// Remember takes the checkpoint that must stay in the history from now on.
func (m *Monitor) Remember(c audit.Checkpoint) { m.cfg.Seen = &c }

func (m *Monitor) inHistory(ctx context.Context, src Source, c audit.Checkpoint, rule, row string) error {
	root, ok, err := src.RootAt(ctx, c.Size)
	switch {
	case err != nil:
		return err
	case c.Size > m.tree.size && !ok:
		m.alarm(rule, row, "it has more entries than the log, which has %d", m.tree.size)
	case !ok:
		m.alarm(rule, row, "the log has no checkpoint of that size")
	case root != c.Root:
		m.alarm(rule, row, "the log's checkpoint of that size has another root")
	}
	return nil
}

// waiting judges leaves without a place.
func (m *Monitor) waiting(ctx context.Context, src Source, all bool) error {
	rows, err := src.Unnumbered(ctx, all, 10*m.cfg.MaxFindings)
	if err != nil {
		return err
	}
	now := m.cfg.Now()
	pending := map[number]bool{}
	for _, w := range rows {
		row := "leaf " + w.Leaf.ID.String()
		pending[number{w.Leaf.Writer, w.Leaf.N}] = true
		e, err := audit.Decode(w.Leaf.Entry)
		switch {
		case w.Skipped:
			m.alarm(LeafSkipped, row, "it lies below the cursor of the newest checkpoint and has no place: its transaction number was changed, or it was put in by hand")
		case w.Future:
			m.alarm(LeafFuture, row, "its transaction number is of a transaction that has not begun: it would wait for ever")
		case err != nil:
			m.alarm(LeafColumns, row, "its bytes are no entry: %v", err)
		default:
			m.columns(w.Leaf, e)
			if age := now.Sub(e.Time); age > m.cfg.Stale {
				m.alarm(LogStopped, row, "it has waited longer than %v for its place", m.cfg.Stale)
			}
		}
	}
	m.tree.gaps(m, now, pending)
	return nil
}

const batch = 4096

// compareActs compares each act with the entry of its acceptance.
func (m *Monitor) compareActs(ctx context.Context, src Source) error {
	for {
		rows, err := src.Acts(ctx, m.acts, batch)
		if err != nil {
			return err
		}
		for _, a := range rows {
			m.act(a)
			m.acts = a.ID
		}
		m.rep.Acts += int64(len(rows))
		if len(rows) < batch {
			// Ids follow the time they were made, not of their commit: the next
			// pass looks at the last ones again.
			m.acts = before(m.acts, m.cfg.Longest)
			return nil
		}
	}
}

func (m *Monitor) act(a ActRow) {
	row := "act " + a.ID.String()
	if a.Leaf == nil && a.Numbered && m.past.holdsAct(a.LeafID) {
		return // its entry is compared where the month's file is read
	}
	if a.Leaf == nil {
		m.alarm(ActWithoutLeaf, row, "the leaf it names does not exist")
		return
	}
	e, err := audit.Decode(a.Leaf.Entry)
	switch {
	case err != nil:
		m.alarm(ActWithoutLeaf, row, "the leaf it names holds no entry")
	case e.Act == nil || e.Act.ID != a.ID || e.Kind != audit.ActAccepted || e.ID != a.LeafID:
		m.alarm(ActWithoutLeaf, row, "the leaf it names does not accept it")
	case e.Act.Kind != a.Kind, string(e.Act.Container) != string(a.Container), string(e.Act.Content) != string(a.Content):
		m.alarm(ActChanged, row, "kind or digests differ from the entry of its acceptance")
	case e.Time.Sub(a.AcceptedAt).Abs() > m.cfg.Longest+m.cfg.Tolerance:
		m.alarm(ActChanged, row, "its time of acceptance is not the entry's")
	}
}

// before gives an id with an earlier time (RFC 9562, version 7).
func before(id registry.ID, d time.Duration) registry.ID {
	var ms int64
	for _, b := range id[:6] {
		ms = ms<<8 | int64(b)
	}
	ms = max(ms-d.Milliseconds(), 0)
	var out registry.ID
	for i := range 6 {
		out[i] = byte(ms >> (8 * (5 - i)))
	}
	return out
}

// columns compares the columns of a leaf's row with its entry.
func (m *Monitor) columns(l Leaf, e audit.Entry) {
	wrong := ""
	switch {
	case e.ID != l.ID:
		wrong = "id"
	case string(e.Kind) != l.Kind:
		wrong = "kind"
	case e.Writer.ID != l.Writer || e.Writer.N != l.N:
		wrong = "writer"
	case !l.ActID.IsZero() && (e.Act == nil || e.Act.ID != l.ActID):
		wrong = "act_id"
	}
	if wrong != "" {
		m.alarm(LeafColumns, "leaf "+l.ID.String(), "its column %s contradicts its entry", wrong)
	}
}
