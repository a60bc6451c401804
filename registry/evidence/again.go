package evidence

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/job"
)

// Stored is a report as it rests, opened.
type Stored struct {
	ID        registry.ID
	ActID     registry.ID
	Container registry.Digest
	Digest    string
	// Kept, or Err when it cannot be read any more.
	Kept Kept
	Err  error
}

// Outcomes of judging again.
const (
	SameVerdict = "same"
	Mismatch    = "mismatch" // another report comes out, or the facts were changed
	NoRules     = "no_rules" // the rules it was judged by were never kept
)

// againBatch is how many reports one transaction judges again: some
// milliseconds each.
const againBatch = 20

// Jobs judges every kept report again, a batch at a time, round after round.
func (s *Service) Jobs(every time.Duration) []job.Periodic {
	return []job.Periodic{{Kind: "rejudge_reports", Every: every, Run: s.rejudge}}
}

// rejudge goes over what is due; at most some batches a run, so that it never
// keeps the other periodic work waiting.
func (s *Service) rejudge(ctx context.Context) (total int, err error) {
	for range 10 {
		var bad []string
		n := 0
		err := s.Store.Update(ctx, func(ctx context.Context, tx Tx) error {
			bad, n = nil, 0
			list, err := tx.NextReports(ctx, againBatch)
			if err != nil || len(list) == 0 {
				return err
			}
			n = len(list)
			for _, r := range list {
				outcome, err := s.one(ctx, tx, r)
				if err != nil {
					return err
				}
				if outcome != SameVerdict {
					bad = append(bad, "report "+r.ID.String()+": "+outcome)
				}
				if err := tx.ReportRejudged(ctx, r, outcome); err != nil {
					return err
				}
				if outcome == SameVerdict {
					continue
				}
				if _, err := tx.Audit(ctx, audit.Entry{Kind: Rejudged, Channel: string(registry.ChannelJob), Code: outcome,
					Object: &audit.ObjectRef{Type: "signature_report", ID: r.ID.String()}}); err != nil {
					return err
				}
			}
			_, err = tx.Audit(ctx, audit.Entry{Kind: Rejudged, Channel: string(registry.ChannelJob),
				Object: &audit.ObjectRef{Type: "signature_reports_to", ID: list[n-1].ID.String()}})
			return err
		})
		if err != nil {
			return total, fmt.Errorf("judging kept reports again: %w", err)
		}
		for _, what := range bad {
			s.Alarm(ctx, what)
		}
		if total += n; n < againBatch {
			break
		}
	}
	return total, nil
}

func (s *Service) one(ctx context.Context, tx Tx, r Stored) (outcome string, err error) {
	k := r.Kept
	if r.Err != nil {
		return Mismatch, nil
	}
	rules, err := tx.JudgementRules(ctx, k.Report.Policy.Digest, k.Report.Algorithms)
	if err != nil && registry.AsError(err).Code == registry.CodeNotFound {
		return NoRules, nil
	}
	if err != nil {
		return "", err
	}
	var other *MismatchError
	switch _, err = Rejudge(k, rules, r.Digest); {
	case err == nil:
		return SameVerdict, nil
	case errors.As(err, &other), errors.Is(err, ErrOtherRules):
		return Mismatch, nil
	}
	return "", err
}
