package legalentity

import (
	"context"
	"slices"
	"unicode/utf8"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/prm"
)

// EndingTx is what the end of a legal entity needs of a transaction.
type EndingTx interface {
	// BlockClients blocks the clients of a legal entity and revokes their tokens.
	BlockClients(ctx context.Context, legalEntity registry.ID) error
	// EndPlaces turns divisions INACTIVE and open employee requests EXPIRED.
	EndPlaces(ctx context.Context, legalEntity registry.ID) error
	// TerminateContracts ends contracts and gives their ids.
	TerminateContracts(ctx context.Context, legalEntity registry.ID, reason string) ([]registry.ID, error)
	// ApprovedEmployees names at most limit of them and holds their rows.
	ApprovedEmployees(ctx context.Context, legalEntity registry.ID, limit int) ([]registry.ID, error)
	DismissEmployee(ctx context.Context, id registry.ID, on registry.Date, reason string) error
	// EndedWithEmployees names legal entities that ended and still employ.
	EndedWithEmployees(ctx context.Context, limit int) ([]registry.ID, error)
	InsertRelated(ctx context.Context, from, to registry.ID, reason string) error
}

// transitions of a legal entity's status by hand.
var transitions = map[string][]string{
	"ACTIVE":    {"SUSPENDED", "CLOSED", "REORGANIZED"},
	"SUSPENDED": {"ACTIVE", "CLOSED", "REORGANIZED"},
}

const maxReason = 500

func checkReason(reason string) error {
	if n := utf8.RuneCountInString(reason); n < 3 || n > maxReason {
		return registry.Invalid(registry.FieldError{Entry: "$.reason", Rule: "length", Description: "expected 3 to 500 characters that say why"})
	}
	return nil
}

// change reads one with its row held, changes it and records that.
func (s *Service) change(ctx context.Context, c registry.Caller, id registry.ID, kind audit.Kind,
	f func(ctx context.Context, tx Tx, l *prm.LegalEntity) error) (l prm.LegalEntity, err error) {
	err = s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
		if err := tx.LockLegalEntity(ctx, id); err != nil {
			return err
		}
		if l, err = tx.LegalEntity(ctx, id); err != nil {
			return err
		}
		if err := f(ctx, tx, &l); err != nil {
			return err
		}
		l.UpdatedAt = s.source.Now()
		if err := tx.PutLegalEntity(ctx, l); err != nil {
			return err
		}
		e := entry(c, kind, "legal_entity", id)
		e.Reason = "status_" + l.Status
		_, err := tx.Audit(ctx, e)
		return err
	})
	return l, err
}

// Verify sets the NHSU's flags: reviewed, verified (only what was reviewed can
// be verified), and a comment.
func (s *Service) Verify(ctx context.Context, c registry.Caller, id registry.ID, reviewed, verified bool, comment string) (prm.LegalEntity, error) {
	if err := c.Require(ScopeVerify); err != nil {
		return prm.LegalEntity{}, err
	}
	if utf8.RuneCountInString(comment) > maxReason {
		return prm.LegalEntity{}, registry.Invalid(registry.FieldError{Entry: "$.nhs_comment", Rule: "length", Description: "expected at most 500 characters"})
	}
	return s.change(ctx, c, id, "legal_entity.verified", func(_ context.Context, _ Tx, l *prm.LegalEntity) error {
		if l.Status != "ACTIVE" && l.Status != "SUSPENDED" {
			return transition(l.Status)
		}
		if verified && !reviewed {
			return registry.Errorf(registry.CodeConflict, "Legal entity should be reviewed first").WithReason("not_reviewed")
		}
		l.NHSReviewed, l.NHSVerified, l.NHSComment = reviewed, verified, comment
		return nil
	})
}

func transition(from string) error {
	return registry.Errorf(registry.CodeConflict, "Invalid transition").WithReason("status_" + from)
}

// SetStatus suspends, activates or closes by the NHSU's decision. Closing ends
// divisions, contracts, access and, in batches, the employees.
func (s *Service) SetStatus(ctx context.Context, c registry.Caller, id registry.ID, to, reason string) (prm.LegalEntity, error) {
	if err := c.Require(ScopeDeactivate); err != nil {
		return prm.LegalEntity{}, err
	}
	if err := checkReason(reason); err != nil {
		return prm.LegalEntity{}, err
	}
	if to == "REORGANIZED" { // a merge says into whom
		return prm.LegalEntity{}, transition(to)
	}
	l, err := s.change(ctx, c, id, "legal_entity.status", func(ctx context.Context, tx Tx, l *prm.LegalEntity) error {
		return s.move(ctx, tx, c, l, to, reason)
	})
	if err == nil && to == "CLOSED" {
		_, err = s.End(ctx, c, id)
	}
	return l, err
}

func (s *Service) move(ctx context.Context, tx Tx, c registry.Caller, l *prm.LegalEntity, to, reason string) error {
	if !slices.Contains(transitions[l.Status], to) {
		return transition(l.Status)
	}
	l.Status, l.StatusReason = to, reason
	if to != "CLOSED" && to != "REORGANIZED" {
		return nil
	}
	if err := tx.BlockClients(ctx, l.ID); err != nil {
		return err
	}
	if err := tx.EndPlaces(ctx, l.ID); err != nil {
		return err
	}
	for kind, end := range map[string]func(context.Context, registry.ID, string) ([]registry.ID, error){
		"contract": tx.TerminateContracts, "contract_request": tx.TerminateContractRequests,
	} {
		ended, err := end(ctx, l.ID, "AUTO_DEACTIVATION_LEGAL_ENTITY")
		if err != nil {
			return err
		}
		for _, id := range ended {
			if _, err := tx.Audit(ctx, entry(c, audit.Kind(kind+".terminated"), kind, id)); err != nil {
				return err
			}
		}
	}
	return nil
}

// Merge ends one legal entity for another of the same type: REORGANIZED, with
// a pointer to its successor.
func (s *Service) Merge(ctx context.Context, c registry.Caller, from, to registry.ID, reason string) (prm.LegalEntity, error) {
	if err := c.Require(ScopeMerge); err != nil {
		return prm.LegalEntity{}, err
	}
	if err := checkReason(reason); err != nil {
		return prm.LegalEntity{}, err
	}
	if from == to {
		return prm.LegalEntity{}, registry.Invalid(registry.FieldError{Entry: "$.merged_to", Rule: "exclusion", Description: "a legal entity cannot be merged into itself"})
	}
	l, err := s.change(ctx, c, from, "legal_entity.merged", func(ctx context.Context, tx Tx, l *prm.LegalEntity) error {
		survivor, err := tx.LegalEntity(ctx, to)
		if registry.CodeOf(err) == registry.CodeNotFound || err == nil && (survivor.Status != "ACTIVE" || survivor.Type != l.Type) {
			return registry.Invalid(registry.FieldError{Entry: "$.merged_to", Rule: "invalid", Description: "the successor must be an ACTIVE legal entity of the same type"})
		}
		if err != nil {
			return err
		}
		if err := s.move(ctx, tx, c, l, "REORGANIZED", reason); err != nil {
			return err
		}
		l.MergedTo = to
		return tx.InsertRelated(ctx, from, to, reason)
	})
	if err == nil {
		_, err = s.End(ctx, c, from)
	}
	return l, err
}

// endBatch is how many employees one transaction dismisses.
const endBatch = 100

// End dismisses the employees of a legal entity that has ended, in batches;
// their declarations end after them (job end_declarations_of_dismissed).
func (s *Service) End(ctx context.Context, c registry.Caller, id registry.ID) (total int, err error) {
	for n := endBatch; n == endBatch; {
		err := s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
			n = 0
			list, err := tx.ApprovedEmployees(ctx, id, endBatch)
			if err != nil {
				return err
			}
			for _, employee := range list {
				if err := tx.DismissEmployee(ctx, employee, registry.DateOf(s.source.Now()), "legal_entity_ended"); err != nil {
					return err
				}
				if _, err := tx.Audit(ctx, entry(c, "employee.dismissed", "employee", employee)); err != nil {
					return err
				}
			}
			n = len(list)
			return nil
		})
		if err != nil {
			return total, err
		}
		total += n
	}
	return total, nil
}

// EndAll is the job that finishes what a crash after a decision left.
func (s *Service) EndAll(ctx context.Context) (total int, err error) {
	var left []registry.ID
	err = s.store.Update(ctx, func(ctx context.Context, tx Tx) (err error) {
		left, err = tx.EndedWithEmployees(ctx, endBatch)
		return err
	})
	for _, id := range left {
		if err != nil {
			break
		}
		var n int
		n, err = s.End(ctx, registry.Caller{Channel: registry.ChannelJob, RequestID: "job-" + s.source.NewID().String()}, id)
		total += n
	}
	return total, err
}
