// Package upkeep holds the work that time demands: drafts expire, declarations
// end, verification terms run out, finished drafts lose their personal data,
// dismissals are carried through.
//
// Each job works in batches, one transaction each, and takes the job's lock in
// every one of them, so that several servers may run the same jobs; a job that
// was cut off goes on where it stopped. It trusts nobody but the clock.
package upkeep

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/declaration"
	"mist/registry/job"
)

// Draft is what a job needs to know of a draft.
type Draft struct {
	ID       registry.ID
	Kind     registry.KindName
	ActID    registry.ID
	PersonID registry.ID
}

// Tx is what the jobs need of a transaction.
type Tx interface {
	// TryLock takes the named lock until the transaction ends; false when
	// somebody else holds it.
	TryLock(ctx context.Context, name string) (bool, error)
	// ExpireDrafts turns at most limit open drafts past their time into EXPIRED.
	ExpireDrafts(ctx context.Context, now time.Time, limit int) ([]Draft, error)
	// ClearDrafts wipes the personal data of at most limit finished drafts
	// unchanged since before.
	ClearDrafts(ctx context.Context, before time.Time, limit int) ([]Draft, error)
	// CloseEnded closes at most limit active declarations whose last day lies
	// before today.
	CloseEnded(ctx context.Context, today registry.Date, reason string, limit int) ([]declaration.Declaration, error)
	// VerifyOffline makes at most limit declarations active that await
	// verification for the reason "offline" since before.
	VerifyOffline(ctx context.Context, before time.Time, reason string, limit int) ([]declaration.Declaration, error)
	// DismissedWithDeclarations names employees who were dismissed and still
	// have active declarations.
	DismissedWithDeclarations(ctx context.Context, limit int) ([]registry.ID, error)
	PersonsTx
	Audit(ctx context.Context, e audit.Entry) (audit.Receipt, error)
}

// Store begins and ends transactions.
type Store interface {
	Update(ctx context.Context, f func(ctx context.Context, tx Tx) error) error
}

// Terms are the global parameters of the jobs.
type Terms struct {
	// Verification is how long an OFFLINE declaration awaits the NHSU before
	// it counts as verified (verification_request_expiration).
	Verification time.Duration
	// Retention is how long a finished draft keeps its personal data.
	Retention time.Duration
}

// Service runs the jobs.
type Service struct {
	store  Store
	life   *declaration.Life
	source registry.Source
	terms  Terms
}

// New refuses a half-configured service.
func New(store Store, life *declaration.Life, source registry.Source, terms Terms) (*Service, error) {
	if store == nil || life == nil || source.Clock == nil || source.Random == nil || terms.Verification <= 0 || terms.Retention <= 0 {
		return nil, errors.New("upkeep: a part is missing")
	}
	return &Service{store, life, source, terms}, nil
}

// Jobs lists the work; each Run does all of it that is due and tells how much.
func (s *Service) Jobs(every time.Duration) []job.Periodic {
	return []job.Periodic{
		{Kind: "expire_drafts", Every: every, Run: s.expireDrafts},
		{Kind: "close_ended_declarations", Every: every, Run: s.closeEnded},
		{Kind: "verify_offline_declarations", Every: every, Run: s.verifyOffline},
		{Kind: "end_declarations_of_dismissed", Every: every, Run: s.endOfDismissed},
		{Kind: "clear_drafts", Every: every, Run: s.clearDrafts},
		{Kind: "end_relationships", Every: every, Run: s.endRelationships},
		{Kind: "rekey_persons", Every: every, Run: s.rekeyPersons},
	}
}

// batch is how much one transaction does.
const batch = 100

// batches repeats a step until less than a whole batch was left, or another
// server is at it.
func (s *Service) batches(ctx context.Context, name string, step func(ctx context.Context, tx Tx) (int, error)) (total int, err error) {
	for n := batch; n == batch; {
		err := s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
			n = 0
			free, err := tx.TryLock(ctx, "mist job "+name)
			if err != nil || !free {
				return err
			}
			n, err = step(ctx, tx)
			return err
		})
		if err != nil {
			return total, fmt.Errorf("job %s: %w", name, err)
		}
		total += n
	}
	return total, nil
}

// caller of a job; requestID marks one batch in the log.
func (s *Service) caller() registry.Caller {
	return registry.Caller{Channel: registry.ChannelJob, RequestID: "job-" + s.source.NewID().String()}
}

func (s *Service) drafts(ctx context.Context, tx Tx, kind audit.Kind, list []Draft) error {
	c := s.caller()
	for _, d := range list {
		_, err := tx.Audit(ctx, audit.Entry{Kind: kind, Channel: string(c.Channel), RequestID: c.RequestID, SubjectID: d.PersonID,
			Act: &audit.ActRef{ID: d.ActID, Kind: string(d.Kind)}})
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) declarations(ctx context.Context, tx Tx, list []declaration.Declaration) error {
	c := s.caller()
	for _, d := range list {
		_, err := tx.Audit(ctx, audit.Entry{Kind: audit.Kind("declaration." + string(d.Status)), Channel: string(c.Channel), RequestID: c.RequestID,
			SubjectID: d.PersonID, Act: &audit.ActRef{ID: d.ActID, Kind: string(declaration.Name)}, Reason: d.Reason})
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) expireDrafts(ctx context.Context) (int, error) {
	return s.batches(ctx, "expire_drafts", func(ctx context.Context, tx Tx) (int, error) {
		list, err := tx.ExpireDrafts(ctx, s.source.Now(), batch)
		if err == nil {
			err = s.drafts(ctx, tx, "draft.expired", list)
		}
		return len(list), err
	})
}

func (s *Service) clearDrafts(ctx context.Context) (int, error) {
	return s.batches(ctx, "clear_drafts", func(ctx context.Context, tx Tx) (int, error) {
		list, err := tx.ClearDrafts(ctx, s.source.Now().Add(-s.terms.Retention), batch)
		if err == nil {
			err = s.drafts(ctx, tx, "draft.cleared", list)
		}
		return len(list), err
	})
}

func (s *Service) closeEnded(ctx context.Context) (int, error) {
	return s.batches(ctx, "close_ended_declarations", func(ctx context.Context, tx Tx) (int, error) {
		list, err := tx.CloseEnded(ctx, registry.DateOf(s.source.Now()), declaration.ReasonEnded, batch)
		if err == nil {
			err = s.declarations(ctx, tx, list)
		}
		return len(list), err
	})
}

func (s *Service) verifyOffline(ctx context.Context) (int, error) {
	return s.batches(ctx, "verify_offline_declarations", func(ctx context.Context, tx Tx) (int, error) {
		list, err := tx.VerifyOffline(ctx, s.source.Now().Add(-s.terms.Verification), declaration.ReasonVerifiedByTime, batch)
		if err == nil {
			err = s.declarations(ctx, tx, list)
		}
		return len(list), err
	})
}

// endOfDismissed carries through what a crash after a dismissal left.
func (s *Service) endOfDismissed(ctx context.Context) (int, error) {
	var left []registry.ID
	err := s.store.Update(ctx, func(ctx context.Context, tx Tx) (err error) {
		left, err = tx.DismissedWithDeclarations(ctx, batch)
		return err
	})
	total := 0
	for _, id := range left {
		if err != nil {
			break
		}
		var n int
		n, err = s.life.EndOfDismissed(ctx, s.caller(), id)
		total += n
	}
	if err != nil {
		return total, fmt.Errorf("job end_declarations_of_dismissed: %w", err)
	}
	return total, nil
}
