package contract

import (
	"context"
	"errors"
	"unicode/utf8"

	"mist/registry"
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

// Employees lists the doctors of a contract with their limits.
func (s *Service) Employees(ctx context.Context, c registry.Caller, id registry.ID) (list []EmployeeDivision, err error) {
	if _, err := s.Contract(ctx, c, id); err != nil {
		return nil, err
	}
	err = s.Store.View(ctx, func(ctx context.Context, tx Tx) error { list, err = tx.ContractEmployees(ctx, id); return err })
	return list, err
}

// Suspend stops a contract for a time, or lets it go on.
func (s *Service) Suspend(ctx context.Context, c registry.Caller, id registry.ID, suspended bool, reason string) (Contract, error) {
	return s.change(ctx, c, id, ScopeContractUpdate, reason, func(k *Contract) error {
		if k.Suspended == suspended {
			return registry.Errorf(registry.CodeConflict, "Invalid transition").WithReason("suspended")
		}
		k.Suspended, k.StatusReason = suspended, reason
		return nil
	})
}

// End terminates a contract by the NHSU's decision.
func (s *Service) End(ctx context.Context, c registry.Caller, id registry.ID, reason string) (Contract, error) {
	return s.change(ctx, c, id, ScopeContractTerminate, reason, func(k *Contract) error {
		k.Status, k.StatusReason = "TERMINATED", reason
		return nil
	})
}

func (s *Service) change(ctx context.Context, c registry.Caller, id registry.ID, scope, reason string, f func(k *Contract) error) (k Contract, err error) {
	if err := c.Require(scope); err != nil {
		return k, err
	}
	if n := utf8.RuneCountInString(reason); n < 3 || n > 3000 {
		return k, registry.Invalid(registry.FieldError{Entry: "$.status_reason", Rule: "length", Description: "expected 3 to 3000 characters that say why"})
	}
	err = s.Store.Update(ctx, func(ctx context.Context, tx Tx) error {
		if k, err = tx.Contract(ctx, id, true); err != nil {
			return err
		}
		if !c.Allows(ScopeReadNHS) {
			return errNotFound
		}
		if k.Status != "VERIFIED" {
			return registry.Errorf(registry.CodeConflict, "Not active contract can't be updated").WithReason("status_" + k.Status)
		}
		if err := f(&k); err != nil {
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

// EndAll is the job that ends contracts past their last day and open requests
// whose start has passed.
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
			n = max(len(contracts), len(requests))
			return nil
		})
		if err != nil {
			return total, err
		}
		total += n
	}
	return total, nil
}
