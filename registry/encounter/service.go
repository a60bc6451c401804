package encounter

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"mist/registry"
	"mist/registry/abac"
	"mist/registry/audit"
	"mist/registry/document"
	"mist/registry/intake"
	"mist/registry/prm"
	"mist/registry/record"
)

// Store begins and ends transactions.
type Store interface {
	View(ctx context.Context, f func(ctx context.Context, tx Tx) error) error
	Update(ctx context.Context, f func(ctx context.Context, tx Tx) error) error
}

// Service takes packages and tells them.
type Service struct {
	*record.Reader
	packages, cancels *intake.Submissions[Tx]
	store             Store
	kind              Kind
}

// New refuses a half-configured service.
func New(packages, cancels *intake.Submissions[Tx], reader *record.Reader, store Store, kind Kind) (*Service, error) {
	if packages == nil || cancels == nil || reader == nil || store == nil || kind.Terms == nil || kind.Source.Clock == nil {
		return nil, errors.New("encounter: a part is missing")
	}
	return &Service{reader, packages, cancels, store, kind}, nil
}

// Create takes a signed package.
func (s *Service) Create(ctx context.Context, c registry.Caller, container []byte) (record.Shown, audit.Receipt, error) {
	return shown(s.packages.Submit(ctx, c, container))
}

func shown(out intake.Outcome, err error) (record.Shown, audit.Receipt, error) {
	if err != nil {
		return record.Shown{}, audit.Receipt{}, err
	}
	return out.Resource.(record.Shown), out.Receipt, nil
}

// Cancel takes an encounter back by a signed package.
func (s *Service) Cancel(ctx context.Context, c registry.Caller, id registry.ID, container []byte) (record.Shown, audit.Receipt, error) {
	if err := c.Require(ScopeCancel); err != nil {
		return record.Shown{}, audit.Receipt{}, err
	}
	var act registry.ID
	err := s.store.View(ctx, func(ctx context.Context, tx Tx) error {
		r, err := tx.RecordByID(ctx, record.KindEncounter, id, false)
		if err == nil && r.LegalEntityID != c.LegalEntityID {
			err = record.ErrNotFound
		}
		act = r.ActID
		return err
	})
	if err != nil {
		return record.Shown{}, audit.Receipt{}, err
	}
	return shown(s.cancels.SubmitFor(ctx, c, act, container))
}

// CloseEpisode ends a course of treatment: by whoever leads it.
func (s *Service) CloseEpisode(ctx context.Context, c registry.Caller, id registry.ID, reason string) (r record.Record, err error) {
	if err := c.Require(ScopeEpisodeWrite); err != nil {
		return r, err
	}
	terms, err := s.kind.Terms(ctx)
	if err != nil {
		return r, err
	}
	if err := checkClosing(reason, terms.Lists); err != nil {
		return r, err
	}
	err = s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
		if r, err = tx.RecordByID(ctx, record.KindEpisode, id, true); err != nil {
			return err
		}
		now := s.kind.Source.Now()
		d := abac.Decision{Rule: abac.RuleNone}
		if r.LegalEntityID == c.LegalEntityID {
			if d, err = abac.Decide(ctx, tx, c, r.Resource(), abac.Write, now); err != nil {
				return err
			}
		}
		if !d.Allowed {
			return record.ErrNotFound
		}
		if r.Status != EpisodeActive {
			return registry.Errorf(registry.CodeConflict, "Invalid transition").WithReason("status_" + r.Status)
		}
		var b EpisodeBody
		if err := json.Unmarshal(r.Body, &b); err != nil {
			return fmt.Errorf("reading an episode: %w", err)
		}
		b.Period.End = now
		if r.Body, err = json.Marshal(b); err != nil {
			return fmt.Errorf("writing an episode: %w", err)
		}
		r.Status, r.Reason, r.UpdatedAt = EpisodeClosed, reason, now
		if err := tx.MoveRecord(ctx, r); err != nil {
			return err
		}
		e := record.Entry(c, "episode.closed", r)
		e.Reason = d.Reason()
		_, err := tx.Audit(ctx, e)
		return err
	})
	return r, err
}

func checkClosing(reason string, lists prm.Lists) error {
	var f document.Faults
	if !lists.Has(listClosing, reason) {
		f.Add("$.closing_reason", "inclusion", "value is not allowed in enum", listClosing)
	}
	return f.Err()
}
