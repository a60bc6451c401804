// Package archive takes months out of the audit log: a month that is over is
// exported into a file that proves itself, the file is verified, and by an order
// of two people the month is detached. Places, tiles and checkpoints stay, so
// that the tree stays provable and each entry's hash is kept for ever.
//
// It trusts neither the database nor the file: what goes out must lead to the
// checkpoint that the log signed. It refuses a month that is not over, not
// numbered to its end, or whose file is not proven.
package archive

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/audit/month"
	"mist/registry/order"
)

// channel of operators' commands.
const channel = "operator"

// Month is a month of the log as the database has it.
type Month struct {
	Name            string // "2026-11"
	FromID, BelowID registry.ID
	Over            bool
	Table           bool // it stands among the log's tables
	Bytes           int64
	First, Last     int64 // places
	Entries         int64
	ArchivedAt      time.Time // zero while it stands
	Manifest        []byte
	OrderID         registry.ID
	// AttachedBy is the order by which it came back last; zero while it never did.
	AttachedBy registry.ID
}

// State is what must hold before a month goes.
type State struct {
	Leaves   int64 // of the month
	Numbered int64 // of them: with a place
	Followed int64 // places that searches and access logs have gone through
	Pending  int64 // acts of the month that still wait for their signature's status
}

// Log is the public side of the log, and its places with their entries.
type Log interface {
	Months(ctx context.Context) ([]Month, error)
	// Places gives places from ≤ place < below in their order; entry is nil where
	// the month is detached.
	Places(ctx context.Context, from, below int64, f func(place int64, leaf registry.ID, entry []byte) error) error
	// PublicOver gives the first public checkpoint that covers a place.
	PublicOver(ctx context.Context, place int64) ([]byte, error)
	LogTile(ctx context.Context, t tlog.Tile) ([]byte, error)
	// SignedRoot gives the root that was signed for a size; not-found if none was.
	SignedRoot(ctx context.Context, size int64) (tlog.Hash, error)
}

// Tx is what archiving needs of a transaction.
type Tx interface {
	MonthState(ctx context.Context, from, below registry.ID) (State, error)
	// DetachMonth takes the month's tables out, and drops them if told; the
	// database refuses without a begun order. CodeUnavailable with the reason
	// log_read: try again.
	DetachMonth(ctx context.Context, name string, order registry.ID, manifest []byte, drop bool) error
	Audit(ctx context.Context, e audit.Entry) (audit.Receipt, error)
}

// Store begins and ends transactions.
type Store interface {
	View(ctx context.Context, f func(ctx context.Context, tx Tx) error) error
	Update(ctx context.Context, f func(ctx context.Context, tx Tx) error) error
}

// Service exports and detaches. Seal may be nil: the file then carries no seal.
type Service struct {
	Store Store
	Log   Log
	Key   note.Verifier
	Seal  func(manifest, checkpoint []byte) ([]byte, error)
	// Pause waits between two attempts to detach.
	Pause func(ctx context.Context) error
}

func (s *Service) month(ctx context.Context, name string) (Month, error) {
	list, err := s.Log.Months(ctx)
	if err != nil {
		return Month{}, err
	}
	for _, m := range list {
		if m.Name == name {
			return m, nil
		}
	}
	return Month{}, registry.Errorf(registry.CodeNotFound, "the log has no month %s (mist trail months lists them)", name)
}

// whole refuses a month that cannot go as it is.
func (s *Service) whole(ctx context.Context, name string) (m Month, err error) {
	if m, err = s.month(ctx, name); err != nil {
		return m, err
	}
	conflict := func(reason, format string, a ...any) (Month, error) {
		return m, registry.Errorf(registry.CodeConflict, format, a...).WithReason(reason)
	}
	switch {
	case !m.ArchivedAt.IsZero():
		return conflict("month_archived", "the month %s was detached on %s", name, m.ArchivedAt.Format(time.DateOnly))
	case !m.Table:
		return conflict("month_missing", "the table of the month %s is gone and nobody ordered it: run mist monitor, repair nothing", name)
	case !m.Over:
		return conflict("month_not_over", "the month %s is not over", name)
	case m.Entries == 0:
		return conflict("month_empty", "the month %s has no entries", name)
	}
	var st State
	if err = s.Store.View(ctx, func(ctx context.Context, tx Tx) (err error) {
		st, err = tx.MonthState(ctx, m.FromID, m.BelowID)
		return err
	}); err != nil {
		return m, err
	}
	switch {
	case st.Leaves != st.Numbered || st.Numbered != m.Entries:
		return conflict("month_not_numbered", "%d of %d entries of the month %s have a place: wait for the sequencer, or run mist monitor", st.Numbered, st.Leaves, name)
	case st.Followed <= m.Last:
		return conflict("month_not_followed", "searches and access logs have not gone through the month %s yet: wait, or see the server's log", name)
	case st.Pending > 0:
		return conflict("month_pending", "%d acts of the month %s still wait for the status of a certificate", st.Pending, name)
	}
	return m, nil
}

// Export writes the file of a month that is over and proves it while writing;
// the log keeps an entry with the manifest's digest.
func (s *Service) Export(ctx context.Context, name string, to io.Writer) (month.Manifest, error) {
	m, err := s.whole(ctx, name)
	if err != nil {
		return month.Manifest{}, err
	}
	signed, err := s.Log.PublicOver(ctx, m.Last)
	if err != nil {
		return month.Manifest{}, err
	}
	c, err := audit.OpenCheckpoint(signed, s.Key)
	if err != nil {
		return month.Manifest{}, err
	}
	fetch := audit.TileFetch(s.Log.LogTile)
	before, err := audit.CompactAt(ctx, fetch, c, m.First)
	if err != nil {
		return month.Manifest{}, err
	}
	w, err := month.Begin(to, month.Manifest{Origin: c.Origin, Month: name, FromID: m.FromID, BelowID: m.BelowID, First: m.First}, before, c, signed)
	if err != nil {
		return month.Manifest{}, err
	}
	in := month.Manifest{FromID: m.FromID, BelowID: m.BelowID}
	var tile []byte
	tileOf := int64(-1)
	err = s.Log.Places(ctx, m.First, c.Size, func(place int64, leaf registry.ID, entry []byte) error {
		line := month.Line{Index: place}
		if in.Holds(leaf) {
			if entry == nil {
				return &audit.DisprovenError{Claim: fmt.Sprintf("the entry at place %d is gone", place)}
			}
			line.Entry, line.Hash = entry, audit.LeafHash(entry)
			return w.Line(line)
		}
		if n := place / audit.TileWidth; n != tileOf {
			if tile, err = s.Log.LogTile(ctx, tlog.Tile{H: audit.TileHeight, L: 0, N: n, W: int(min(c.Size-n*audit.TileWidth, audit.TileWidth))}); err != nil {
				return err
			}
			tileOf = n
		}
		line.Hash = tlog.Hash(tile[place%audit.TileWidth*tlog.HashSize:])
		return w.Line(line)
	})
	if err != nil {
		return month.Manifest{}, touched(err)
	}
	form, err := w.Finish(s.Seal)
	if err != nil {
		return month.Manifest{}, touched(err)
	}
	made, err := month.ParseManifest(form)
	if err != nil {
		return made, err
	}
	return made, s.Store.Update(ctx, func(ctx context.Context, tx Tx) error {
		digest := month.Digest(form)
		_, err := tx.Audit(ctx, audit.Entry{Kind: month.Exported, Channel: channel, Object: &audit.ObjectRef{Type: month.ObjectType, ID: name, Digest: digest[:]}})
		return err
	})
}

// touched says what a month that does not lead to its checkpoint means.
func touched(err error) error {
	var false_ *audit.DisprovenError
	if errors.As(err, &false_) {
		return registry.Errorf(registry.CodeConflict, "the month is not what the log signed: %s. Detach nothing, run mist monitor", false_.Claim).WithReason("log_touched").WithCause(err)
	}
	return err
}

// Plan verifies the file of a month and that the month can go: the dry run of
// Detach. It gives what would be touched.
func (s *Service) Plan(ctx context.Context, name string, f *month.File) (map[string]int, error) {
	m, err := s.whole(ctx, name)
	if err != nil {
		return nil, err
	}
	return s.effects(ctx, m, f)
}

func (s *Service) effects(ctx context.Context, m Month, f *month.File) (map[string]int, error) {
	refused := func(format string, a ...any) (map[string]int, error) {
		return nil, registry.Errorf(registry.CodeConflict, format, a...).WithReason("month_file")
	}
	have := f.Manifest
	if have.Month != m.Name || have.FromID != m.FromID || have.BelowID != m.BelowID {
		return refused("the file is of the month %s of %s, with other bounds than the log's %s", have.Month, have.Origin, m.Name)
	}
	if have.Entries != m.Entries || have.First != m.First || have.Last != m.Last {
		return refused("the file holds %d entries from place %d to %d, the log %d from %d to %d", have.Entries, have.First, have.Last, m.Entries, m.First, m.Last)
	}
	c, err := f.Verify(s.Key, nil)
	if err != nil {
		return refused("the file is not proven: %v", err)
	}
	root, err := s.Log.SignedRoot(ctx, c.Size)
	if err != nil || root != c.Root {
		return refused("the file's checkpoint of %d entries is not in this log's history", c.Size)
	}
	return map[string]int{"entries": int(have.Entries), "acts": int(have.Acts)}, nil
}

// Parameters are what the order of two people is given over.
func Parameters(name string, f *month.File, drop bool) map[string]string {
	digest := month.Digest(f.Form)
	return map[string]string{"month": name, "manifest_sha256": hex.EncodeToString(digest[:]), "drop": strconv.FormatBool(drop)}
}

// attempts bounds how often Detach looks for a moment in which nobody reads.
const attempts = 60

// Detach takes the month out, by the order o. Cut off and begun again it finds
// the month gone by the same order, and is done.
func (s *Service) Detach(ctx context.Context, o order.Order, name string, f *month.File, drop bool) error {
	if m, err := s.month(ctx, name); err != nil {
		return err
	} else if !m.ArchivedAt.IsZero() && m.OrderID == o.ID && bytes.Equal(m.Manifest, f.Form) {
		return nil
	}
	digest := month.Digest(f.Form)
	return s.quietly(ctx, func() error {
		return s.Store.Update(ctx, func(ctx context.Context, tx Tx) error {
			if err := tx.DetachMonth(ctx, name, o.ID, f.Form, drop); err != nil {
				return err
			}
			_, err := tx.Audit(ctx, audit.Entry{Kind: month.Detached, Channel: channel, Object: &audit.ObjectRef{Type: month.ObjectType, ID: name, Digest: digest[:]},
				Reason: "order " + o.ID.String()})
			return err
		})
	})
}

// Replan is Plan for an order that was begun: of a month that this order took
// out already it gives what was ordered.
func (s *Service) Replan(ctx context.Context, o order.Order, name string, f *month.File) (map[string]int, error) {
	if m, err := s.month(ctx, name); err == nil && !m.ArchivedAt.IsZero() && !o.ID.IsZero() && m.OrderID == o.ID && bytes.Equal(m.Manifest, f.Form) {
		return o.Effects, nil
	}
	return s.Plan(ctx, name, f)
}

// ReasonGone tells an entry whose month was detached from one the log never had.
const ReasonGone = "month_archived"

// GoneError tells what is known of an entry whose month was detached.
type GoneError struct {
	Place int64
	Entry registry.ID
	Month string
	At    time.Time // of the detaching
}

// Error says where the entry is.
func (e *GoneError) Error() string {
	return fmt.Sprintf("entry %s stands at place %d of the tree; its month %s was archived on %s and lies in the file of that month: mist-verify audit --month FILE %[1]s",
		e.Entry, e.Place, e.Month, e.At.Format(time.DateOnly))
}

// Gone is what is answered about an entry whose month was detached: not-found,
// with a *GoneError as its cause.
func Gone(place int64, leaf registry.ID, of, at time.Time) error {
	gone := &GoneError{place, leaf, of.Format("2006-01"), at}
	return registry.Errorf(registry.CodeNotFound, "%s", gone.Error()).WithReason(ReasonGone).WithCause(gone)
}
