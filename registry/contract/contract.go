package contract

import (
	"context"
	"errors"
	"unicode/utf8"

	"mist/registry"
	"mist/registry/document"
	"mist/registry/prm"
)

// Contract reads one of the own legal entity, or any for the NHSU.
func (s *Service) Contract(ctx context.Context, c registry.Caller, id registry.ID) (k Contract, err error) {
	if err := c.Require(ScopeContractRead); err != nil {
		return k, err
	}
	err = s.Store.View(ctx, func(ctx context.Context, tx Tx) error { k, err = tx.Contract(ctx, id, false); return err })
	if err == nil && !sees(c, k.LegalEntityID) {
		return Contract{}, errNotFound
	}
	return k, err
}

// Contracts lists a page.
func (s *Service) Contracts(ctx context.Context, c registry.Caller, f prm.Filter) (list []Contract, total int, err error) {
	if err := errors.Join(c.Require(ScopeContractRead), f.Validate()); err != nil {
		return nil, 0, err
	}
	if !narrow(c, &f) {
		return nil, 0, nil
	}
	err = s.Store.View(ctx, func(ctx context.Context, tx Tx) error { list, total, err = tx.Contracts(ctx, f); return err })
	return list, total, err
}

// Employees lists the doctors of a contract with their limits, or those whose
// work under it has ended.
func (s *Service) Employees(ctx context.Context, c registry.Caller, id registry.ID, ended bool) (list []ContractEmployee, err error) {
	if _, err := s.Contract(ctx, c, id); err != nil {
		return nil, err
	}
	err = s.Store.View(ctx, func(ctx context.Context, tx Tx) error { list, err = tx.ContractEmployees(ctx, id, ended); return err })
	return list, err
}

// Suspend stops a contract for a time, or lets it go on.
func (s *Service) Suspend(ctx context.Context, c registry.Caller, id registry.ID, suspended bool, reason string) (Contract, error) {
	if err := checkWords(c, ScopeContractUpdate, reason); err != nil {
		return Contract{}, err
	}
	return s.change(ctx, c, id, ScopeContractUpdate, func(_ context.Context, _ Tx, k *Contract) error {
		if k.Suspended == suspended {
			return registry.Errorf(registry.CodeConflict, "Invalid transition").WithReason("suspended")
		}
		k.Suspended, k.StatusReason = suspended, reason
		return nil
	})
}

// longestProlongation is how far a contract may be carried on at once, in years:
// a request is for a year as well.
const longestProlongation = 1

// Prolongate carries a contract on by the NHSU's decision, to a later last day.
func (s *Service) Prolongate(ctx context.Context, c registry.Caller, id registry.ID, end registry.Date) (k Contract, err error) {
	return s.change(ctx, c, id, ScopeContractUpdate, func(ctx context.Context, tx Tx, k *Contract) error {
		if err := checkProlongation(*k, end, registry.DateOf(s.Source.Now())); err != nil {
			return err
		}
		l, err := tx.LegalEntity(ctx, k.LegalEntityID)
		if err != nil {
			return err
		}
		if !l.Active() {
			return registry.Errorf(registry.CodeConflict, "Contractor legal entity is not active").WithReason("legal_entity_status")
		}
		k.EndDate = end
		return nil
	})
}

func checkProlongation(k Contract, end, today registry.Date) error {
	var f document.Faults
	switch {
	case end.Before(today) || end == today:
		f.Add("$.end_date", "invalid", "End date should be greater then now")
	case end.Before(k.EndDate) || end == k.EndDate:
		f.Add("$.end_date", "invalid", "End date should be greater then contract end date")
	case k.EndDate.AddDate(longestProlongation, 0, 0).Before(end):
		f.Add("$.end_date", "invalid", "A contract is carried on by at most a year")
	}
	return f.Err()
}

// End terminates a contract by the NHSU's decision.
func (s *Service) End(ctx context.Context, c registry.Caller, id registry.ID, reason string) (Contract, error) {
	if err := checkWords(c, ScopeContractTerminate, reason); err != nil {
		return Contract{}, err
	}
	return s.change(ctx, c, id, ScopeContractTerminate, func(ctx context.Context, tx Tx, k *Contract) error {
		k.Status, k.StatusReason = "TERMINATED", reason
		return tx.EndWorkOfContract(ctx, k.ID, registry.DateOf(s.Source.Now()))
	})
}

// checkWords demands the right first, then a reason in words.
func checkWords(c registry.Caller, scope, reason string) error {
	if err := c.Require(scope); err != nil {
		return err
	}
	if n := utf8.RuneCountInString(reason); n < 3 || n > 3000 {
		return registry.Invalid(registry.FieldError{Entry: "$.status_reason", Rule: "length", Description: "expected 3 to 3000 characters that say why"})
	}
	return nil
}

func notVerified(k Contract) error {
	return registry.Errorf(registry.CodeConflict, "Not active contract can't be updated").WithReason("status_" + k.Status)
}

// change is a step of the NHSU alone.
func (s *Service) change(ctx context.Context, c registry.Caller, id registry.ID, scope string, f func(ctx context.Context, tx Tx, k *Contract) error) (k Contract, err error) {
	if err := c.Require(scope); err != nil {
		return k, err
	}
	err = s.Store.Update(ctx, func(ctx context.Context, tx Tx) error {
		if k, err = tx.Contract(ctx, id, true); err != nil {
			return err
		}
		if !sees(c, k.LegalEntityID) {
			return errNotFound
		}
		if !c.Allows(ScopeReadNHS) {
			return registry.Errorf(registry.CodeForbidden, "Legal entity is not allowed to this action by client_id").WithReason("side")
		}
		if k.Status != "VERIFIED" {
			return notVerified(k)
		}
		if err := f(ctx, tx, &k); err != nil {
			return err
		}
		k.UpdatedAt = s.Source.Now()
		if err := tx.UpdateContract(ctx, k); err != nil {
			return err
		}
		_, err = tx.Audit(ctx, entry(c, "contract.changed", "contract", id, k.Status))
		return err
	})
	return k, err
}

const endBatch = 100

// EndAll is the job that ends contracts past their last day, open requests
// whose start has passed, and the work of dismissed doctors.
func (s *Service) EndAll(ctx context.Context) (total int, err error) {
	c := registry.Caller{Channel: registry.ChannelJob, RequestID: "job-" + s.Source.NewID().String()}
	for n := endBatch; n >= endBatch; {
		err := s.Store.Update(ctx, func(ctx context.Context, tx Tx) error {
			n = 0
			free, err := tx.TryLock(ctx, "mist job end_contracts")
			if err != nil || !free {
				return err
			}
			contracts, requests, err := tx.EndContracts(ctx, registry.DateOf(s.Source.Now()), endBatch)
			if err != nil {
				return err
			}
			for _, id := range contracts {
				if _, err := tx.Audit(ctx, entry(c, "contract.terminated", "contract", id, "TERMINATED")); err != nil {
					return err
				}
			}
			for _, id := range requests {
				if _, err := tx.Audit(ctx, entry(c, "contract_request.terminated", "contract_request", id, "TERMINATED")); err != nil {
					return err
				}
			}
			work, err := tx.EndWorkOfDismissed(ctx, endBatch)
			if err != nil {
				return err
			}
			for _, id := range work {
				if _, err := tx.Audit(ctx, entry(c, "contract.employee_changed", "contract", id, "")); err != nil {
					return err
				}
			}
			n = max(len(contracts), len(requests), len(work))
			return nil
		})
		if err != nil {
			return total, err
		}
		total += n
	}
	return total, nil
}
