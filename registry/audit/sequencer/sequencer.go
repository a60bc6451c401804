// Package sequencer gives every leaf its place in the tree: it takes leaves
// whose transactions are over, numbers them, grows the tree and signs a
// checkpoint, some times a second.
//
// Exactly one sequencer works on a log. An advisory lock chooses it, and a
// compare-and-set on the last checkpoint makes sure: of two that believe
// themselves chosen, one fails. Signing happens with no transaction open.
//
// A checkpoint is public once enough witnesses have cosigned it; without
// witnesses, at once. Numbering does not wait for them: what a witness has seen
// is already durable here, so that a crash between the two never shows the
// witness a tree that this log will not have.
//
// It trusts the database for which transactions are over, and refuses to sign
// when the stored tiles do not give the root it signed before.
package sequencer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"mist/registry"
	"mist/registry/audit"
)

// ErrNotLeader tells that another sequencer works on the log.
var ErrNotLeader = errors.New("another sequencer leads")

// ErrOvertaken tells that another sequencer published first.
var ErrOvertaken = errors.New("another sequencer published a checkpoint")

// Log is where leaves wait and checkpoints are published.
type Log interface {
	// Lead takes the lead, or answers ErrNotLeader.
	Lead(ctx context.Context) (Leader, error)
	// LogTile gives a stored tile, for the proofs that witnesses demand.
	LogTile(ctx context.Context, t tlog.Tile) ([]byte, error)
}

// Leader is the log in the hands of the one that leads. It is lost with its
// connection: every method fails then.
type Leader interface {
	// Last is the newest checkpoint; ok is false before the first.
	Last(ctx context.Context) (p Position, ok bool, err error)
	// Next gives leaves that follow the position and whose transactions are
	// all over, and where the following batch begins. A transaction's leaves
	// are never divided; limit may be exceeded for that.
	Next(ctx context.Context, after Position, limit int) (Batch, error)
	// Edge gives the tiles of audit.Edge(size).
	Edge(ctx context.Context, size int64) ([]audit.TileData, error)
	// Publish stores entries, tiles and checkpoint in one transaction, or
	// answers ErrOvertaken when p.Seq is there already. With p.Public the
	// checkpoint is public by that, else by Announce.
	Publish(ctx context.Context, p Position, first int64, leaves []registry.ID, tiles []audit.TileData) error
	// Announce makes a stored checkpoint public under this note: its own with
	// cosignatures. A later note of the same checkpoint replaces the former.
	Announce(ctx context.Context, seq int64, note []byte, at time.Time) error
	// Resign gives the lead back.
	Resign()
}

// Cursor is the place in the order of transactions up to which leaves are
// taken: everything of earlier epochs, and of this one below XID.
type Cursor struct {
	Epoch int32
	XID   uint64
}

// Position is one published checkpoint.
type Position struct {
	Seq    int64 // 1, 2, 3 …
	Cursor Cursor
	Size   int64
	Root   tlog.Hash
	Note   []byte // the signed checkpoint
	At     time.Time
	Public bool // no witness is waited for
}

// Batch is what one round integrates.
type Batch struct {
	Leaves []Leaf
	Cursor Cursor
	// Full tells that more is waiting.
	Full bool
}

// Leaf is one entry's id and hash.
type Leaf struct {
	ID   registry.ID
	Hash tlog.Hash
}

// Round reports what one round did.
type Round struct {
	Leaves int
	Size   int64
	Took   time.Duration
	Err    error
}

// Config of a Sequencer. Store, Signer and Now are required.
type Config struct {
	Store  Log
	Signer *audit.Signer
	Now    func() time.Time
	// Period between rounds; zero means 200 ms.
	Period time.Duration
	// Batch bounds a round; zero means 8,192 leaves, well under a second of writing.
	Batch int
	// Observe, if set, is told of every round that did something.
	Observe func(Round)
	Log     *slog.Logger

	// Witnesses cosign checkpoints; Quorum of them make one public. Both zero:
	// every checkpoint is public at once.
	Witnesses []Witness
	Quorum    int
	// Renew is how often an unchanged checkpoint is cosigned again, so that its
	// age tells that the log lives; zero means 2 s.
	Renew time.Duration
	// Skew is how far a witness's clock may be from ours; zero means 5 s.
	// Beyond it nothing is numbered: the times of entries would be doubtful.
	Skew time.Duration
	// Clocks are authorities of time; a clock of ours that is further than Skew from
	// any of them numbers nothing. ClockEvery is the pause between two questions;
	// zero means 10 s. ClockRead, if set, is told how far we are ahead of each.
	Clocks     []Clock
	ClockEvery time.Duration
	ClockRead  func(authority string, ahead time.Duration)
	// Cosigned, if set, is told of every answer of a witness.
	Cosigned func(witness string, took time.Duration, err error)
}

// Sequencer runs until its context ends.
type Sequencer struct {
	cfg    Config
	clocks clocks

	mu      sync.Mutex // guards what follows
	alive   time.Time  // end of the last good round, or of the last look at the one who leads
	stopped error
	skewed  error // the clock is doubtful: nothing is numbered
}

// New refuses a half-configured sequencer.
func New(cfg Config) (*Sequencer, error) {
	if cfg.Store == nil || cfg.Signer == nil || cfg.Now == nil {
		return nil, errors.New("sequencer: store, signer and clock are required")
	}
	if cfg.Period == 0 {
		cfg.Period = 200 * time.Millisecond
	}
	if cfg.Batch == 0 {
		cfg.Batch = 8192
	}
	if cfg.Observe == nil {
		cfg.Observe = func(Round) {}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Renew == 0 {
		cfg.Renew = 2 * time.Second
	}
	if cfg.Skew == 0 {
		cfg.Skew = 5 * time.Second
	}
	if cfg.ClockEvery == 0 {
		cfg.ClockEvery = 10 * time.Second
	}
	if cfg.ClockRead == nil {
		cfg.ClockRead = func(string, time.Duration) {}
	}
	if cfg.Cosigned == nil {
		cfg.Cosigned = func(string, time.Duration, error) {}
	}
	if cfg.Quorum < 0 || cfg.Quorum > len(cfg.Witnesses) || cfg.Quorum == 0 && len(cfg.Witnesses) > 0 {
		return nil, fmt.Errorf("sequencer: a quorum of %d cannot be had from %d witnesses", cfg.Quorum, len(cfg.Witnesses))
	}
	return &Sequencer{cfg: cfg, alive: cfg.Now()}, nil
}

// stopError is a finding after which nothing may be signed any more.
type stopError struct{ err error }

func (e *stopError) Error() string { return "sequencing stopped: " + e.err.Error() }
func (e *stopError) Unwrap() error { return e.err }

// Run leads whenever it can, until ctx ends. It returns early, with an error,
// only when signing on would cover up a change of the log: stored tiles that
// do not give the signed root, or a log of another origin. That is for people
// to judge; restarting changes nothing.
func (s *Sequencer) Run(ctx context.Context) error {
	watching, stop := context.WithCancel(ctx)
	var asked sync.WaitGroup
	asked.Go(func() { s.watchClocks(watching) })
	defer asked.Wait()
	defer stop()
	for {
		leader, err := s.cfg.Store.Lead(ctx)
		if err == nil {
			err = s.lead(ctx, leader)
			leader.Resign()
		}
		var stop *stopError
		if errors.As(err, &stop) {
			s.mu.Lock()
			s.stopped = err
			s.mu.Unlock()
			s.cfg.Log.Error("sequencing stopped: the log needs people", "err", err)
			return err
		}
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, ErrNotLeader) {
			s.beat()
		} else {
			s.cfg.Log.Warn("sequencing interrupted", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(5 * s.cfg.Period):
		}
	}
}

func (s *Sequencer) beat() {
	now := s.cfg.Now()
	s.mu.Lock()
	s.alive = now
	s.mu.Unlock()
}

// Healthy reports whether this sequencer works: it has finished a round, or
// seen that another one leads, within the given time, and has not stopped for
// good. That leaves do not wait too long is the store's LogState to tell.
func (s *Sequencer) Healthy(within time.Duration) error {
	now := s.cfg.Now()
	if err := s.authorityError(now); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped != nil {
		return s.stopped
	}
	if s.skewed != nil {
		return s.skewed
	}
	if idle := now.Sub(s.alive); idle > within {
		return fmt.Errorf("the sequencer has finished no round for %v", idle.Round(time.Millisecond))
	}
	return nil
}

func (s *Sequencer) lead(ctx context.Context, l Leader) error {
	last, err := s.first(ctx, l)
	if err != nil {
		return err
	}
	pub := publisher{s: s}
	defer pub.stop()
	tick := time.NewTicker(s.cfg.Period)
	defer tick.Stop()
	for {
		full := false
		if s.clockError() == nil {
			began := s.cfg.Now()
			next, leaves, more, err := s.round(ctx, l, last)
			if err != nil && ctx.Err() != nil {
				return nil
			}
			if leaves > 0 || err != nil {
				s.cfg.Observe(Round{Leaves: leaves, Size: next.Size, Took: s.cfg.Now().Sub(began), Err: err})
			}
			if err != nil {
				return err
			}
			last, full = next, more
		}
		pub.step(ctx, l, last)
		s.beat()
		if full {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case answer := <-pub.answers:
			if err := pub.take(ctx, l, answer); err != nil {
				return err
			}
		case <-tick.C:
		}
	}
}

// first finds the newest checkpoint, or publishes the one of the empty tree.
func (s *Sequencer) first(ctx context.Context, l Leader) (Position, error) {
	last, ok, err := l.Last(ctx)
	if err != nil {
		return Position{}, fmt.Errorf("reading the last checkpoint: %w", err)
	}
	if ok {
		origin, _, _ := bytes.Cut(last.Note, []byte("\n"))
		if string(origin) != s.cfg.Signer.Origin() {
			return Position{}, &stopError{fmt.Errorf("the log's origin is %q, the key is of %q", origin, s.cfg.Signer.Origin())}
		}
		return last, nil
	}
	return s.publish(ctx, l, Position{Seq: 1, Root: audit.EmptyRoot()}, 0, nil, nil)
}

// round integrates one batch after last.
func (s *Sequencer) round(ctx context.Context, l Leader, last Position) (next Position, leaves int, full bool, err error) {
	batch, err := l.Next(ctx, last, s.cfg.Batch)
	if err != nil {
		return last, 0, false, fmt.Errorf("reading leaves: %w", err)
	}
	if len(batch.Leaves) == 0 {
		last.Cursor = batch.Cursor
		return last, 0, batch.Full, nil
	}
	// Version 7 ids order a batch by time.
	slices.SortFunc(batch.Leaves, func(a, b Leaf) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	edge, err := l.Edge(ctx, last.Size)
	if err != nil {
		return last, 0, false, fmt.Errorf("reading the tree's edge: %w", err)
	}
	hashes := make([]tlog.Hash, len(batch.Leaves))
	ids := make([]registry.ID, len(batch.Leaves))
	for i, leaf := range batch.Leaves {
		hashes[i], ids[i] = leaf.Hash, leaf.ID
	}
	growth, err := audit.Grow(last.Size, last.Root, edge, hashes)
	if err != nil {
		return last, 0, false, &stopError{err}
	}
	next = Position{Seq: last.Seq + 1, Cursor: batch.Cursor, Size: growth.Size, Root: growth.Root}
	next, err = s.publish(ctx, l, next, last.Size, ids, growth.Tiles)
	if err != nil {
		return last, 0, false, err
	}
	return next, len(ids), batch.Full, nil
}

// publish signs and stores a checkpoint.
func (s *Sequencer) publish(ctx context.Context, l Leader, p Position, first int64, ids []registry.ID, tiles []audit.TileData) (Position, error) {
	signed, err := s.cfg.Signer.Sign(p.Size, p.Root)
	if err != nil {
		return Position{}, err
	}
	p.Note, p.At, p.Public = signed, s.cfg.Now().UTC().Truncate(time.Microsecond), len(s.cfg.Witnesses) == 0
	if err := l.Publish(ctx, p, first, ids, tiles); err != nil {
		return Position{}, fmt.Errorf("publishing checkpoint %d: %w", p.Seq, err)
	}
	return p, nil
}
