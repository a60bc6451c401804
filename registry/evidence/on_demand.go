package evidence

import (
	"context"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/trail"
)

// Again judges the report of one entry again from what is kept, now, and notes
// the outcome. An entry whose judgement is not kept is not found.
func (s *Service) Again(ctx context.Context, c registry.Caller, entry registry.ID) (outcome string, err error) {
	if err := c.Require(trail.Scope); err != nil {
		return "", err
	}
	err = s.Store.Update(ctx, func(ctx context.Context, tx Tx) error {
		r, err := tx.Record(ctx, entry)
		if err != nil {
			return err
		}
		if r.Act == nil || r.Report == nil {
			return registry.Errorf(registry.CodeNotFound, "no judgement stands behind this entry")
		}
		stored, found, err := tx.StoredReport(ctx, r.Act.Container, r.Report.Digest)
		if err != nil {
			return err
		}
		if !found {
			return registry.Errorf(registry.CodeNotFound, "the judgement of this entry is not kept")
		}
		if outcome, err = s.one(ctx, tx, stored); err != nil {
			return err
		}
		if err := tx.NoteRejudged(ctx, stored.ID, outcome); err != nil {
			return err
		}
		_, err = tx.Audit(ctx, audit.Entry{Kind: Rejudged, Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID, Code: outcome,
			Object: &audit.ObjectRef{Type: "signature_report", ID: stored.ID.String()}})
		return err
	})
	if err == nil && outcome != SameVerdict {
		s.Alarm(ctx, "entry "+entry.String()+": "+outcome)
	}
	return outcome, err
}
