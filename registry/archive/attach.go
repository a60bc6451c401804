package archive

import (
	"bytes"
	"context"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/audit/month"
	"mist/registry/order"
)

// AttachTx is what bringing a month back needs of a transaction.
type AttachTx interface {
	// BeginAttach makes the tables in which the month is built up, or finds them;
	// kept tells that the rows it was detached with are still there. The database
	// refuses without a begun order.
	BeginAttach(ctx context.Context, name string, order registry.ID) (kept bool, err error)
	// KeptTies gives whom the entries with these ids were about, of persons whose
	// record is in use, from the rows the month was detached with.
	KeptTies(ctx context.Context, name string, ids []registry.ID) (map[registry.ID]Tie, error)
	// PutBack writes entries into the month that is built up, unless they are
	// there, and refuses when what is there differs.
	PutBack(ctx context.Context, name string, entries []Returned) error
	// CountBack counts a page of what was put back after an id; last is zero at the end.
	CountBack(ctx context.Context, name string, after registry.ID) (n int64, last registry.ID, err error)
	// AttachMonth puts the month among the log's tables. CodeUnavailable with the
	// reason log_read: try again.
	AttachMonth(ctx context.Context, name string, order registry.ID) error
	Audit(ctx context.Context, e audit.Entry) (audit.Receipt, error)
}

// AttachStore begins and ends transactions of Attach.
type AttachStore interface {
	Update(ctx context.Context, f func(ctx context.Context, tx AttachTx) error) error
}

// Tie is whom an entry is about, with the salt of its commitment.
type Tie struct {
	Person registry.ID
	Salt   []byte
}

// Returned is an entry that comes back.
type Returned struct {
	Place int64
	Bytes []byte
	Entry audit.Entry
	Tie   Tie // zero: none is known
}

// attachPart is how many entries one transaction puts back.
const attachPart = 1000

// PlanAttach verifies the file of a month that is away against the log's own
// history: the dry run of Attach. It gives what would come back.
func (s *Service) PlanAttach(ctx context.Context, o order.Order, f *month.File) (map[string]int, error) {
	m, err := s.month(ctx, f.Manifest.Month)
	if err != nil {
		return nil, err
	}
	if m.Table && !o.ID.IsZero() && m.AttachedBy == o.ID {
		return o.Effects, nil // by this order, which was cut off at its end
	}
	if err := s.away(m, f); err != nil {
		return nil, err
	}
	return s.effects(ctx, m, f)
}

// away refuses a file that is not of what was detached.
func (s *Service) away(m Month, f *month.File) error {
	switch {
	case m.Table:
		return registry.Errorf(registry.CodeConflict, "the month %s is attached", m.Name).WithReason("month_attached")
	case m.ArchivedAt.IsZero():
		return registry.Errorf(registry.CodeConflict, "the table of the month %s is gone and nobody ordered it: run mist monitor, repair nothing", m.Name).WithReason("month_missing")
	case !bytes.Equal(m.Manifest, f.Form):
		return registry.Errorf(registry.CodeConflict, "the file is another one than that with which the month %s was detached", m.Name).WithReason("month_file")
	}
	return nil
}

// AttachParameters are what the order of two people is given over.
func AttachParameters(f *month.File) map[string]string {
	p := Parameters(f.Manifest.Month, f, false)
	delete(p, "drop")
	return p
}

// Attach brings the month back, by the order o: every entry from the verified
// file, and nothing but its ties to persons from rows that were kept. Cut off and
// begun again it goes on. Searches and access logs find the month again.
func (s *Service) Attach(ctx context.Context, o order.Order, back AttachStore, f *month.File) error {
	name := f.Manifest.Month
	m, err := s.month(ctx, name)
	if err != nil {
		return err
	}
	if m.Table && m.AttachedBy == o.ID {
		return nil
	}
	if err := s.away(m, f); err != nil {
		return err
	}
	var kept bool
	if err := back.Update(ctx, func(ctx context.Context, tx AttachTx) (err error) {
		kept, err = tx.BeginAttach(ctx, name, o.ID)
		return err
	}); err != nil {
		return err
	}
	part := make([]Returned, 0, attachPart)
	put := func() error {
		if len(part) == 0 {
			return nil
		}
		defer func() { part = part[:0] }()
		return back.Update(ctx, func(ctx context.Context, tx AttachTx) error {
			if kept {
				if err := tie(ctx, tx, name, part); err != nil {
					return err
				}
			}
			return tx.PutBack(ctx, name, part)
		})
	}
	// Read again from the file and proven again as it is read: what the plan
	// verified may have been exchanged since. What was put back of a file that
	// turns out false is attached by nobody.
	if _, err := f.Verify(s.Key, func(l month.Line, e audit.Entry) error {
		if l.Entry == nil {
			return nil
		}
		part = append(part, Returned{Place: l.Index, Bytes: l.Entry, Entry: e})
		if len(part) == attachPart {
			return put()
		}
		return nil
	}); err != nil {
		return touched(err)
	}
	if err := put(); err != nil {
		return err
	}
	var n int64
	for after := (registry.ID{}); ; {
		var some int64
		if err := back.Update(ctx, func(ctx context.Context, tx AttachTx) (err error) {
			some, after, err = tx.CountBack(ctx, name, after)
			return err
		}); err != nil {
			return err
		}
		if n += some; after.IsZero() {
			break
		}
	}
	if n != f.Manifest.Entries {
		return registry.Errorf(registry.CodeConflict, "%d entries were put back, the manifest of the month %s counts %d: somebody wrote beside this command; run mist monitor", n, name, f.Manifest.Entries).WithReason("log_touched")
	}
	digest := month.Digest(f.Form)
	return s.quietly(ctx, func() error {
		return back.Update(ctx, func(ctx context.Context, tx AttachTx) error {
			if err := tx.AttachMonth(ctx, name, o.ID); err != nil {
				return err
			}
			_, err := tx.Audit(ctx, audit.Entry{Kind: month.Attached, Channel: channel, Object: &audit.ObjectRef{Type: month.ObjectType, ID: name, Digest: digest[:]},
				Reason: "order " + o.ID.String()})
			return err
		})
	})
}

// tie brings back whom entries are about, where the commitment in the entry says
// that it is so.
func tie(ctx context.Context, tx AttachTx, name string, part []Returned) error {
	var ids []registry.ID
	for i := range part {
		part[i].Tie = Tie{}
		if part[i].Entry.Subject != nil {
			ids = append(ids, part[i].Entry.ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	ties, err := tx.KeptTies(ctx, name, ids)
	if err != nil {
		return err
	}
	for i, one := range part {
		t, ok := ties[one.Entry.ID]
		if !ok {
			continue
		}
		if !bytes.Equal(audit.Commitment(t.Salt, t.Person), one.Entry.Subject) {
			return registry.Errorf(registry.CodeConflict, "entry %s is about somebody else than the rows say that were kept of the month %s: run mist monitor", one.Entry.ID, name).WithReason("log_touched")
		}
		part[i].Tie = t
	}
	return nil
}

// quietly does what needs a moment in which nobody reads the log.
func (s *Service) quietly(ctx context.Context, do func() error) (err error) {
	for range attempts {
		if err = do(); err == nil || registry.AsError(err).Reason != "log_read" {
			return err
		}
		if err := s.Pause(ctx); err != nil {
			return err
		}
	}
	return err
}
