package access

import (
	"context"

	"mist/registry"
)

// ScopeEdge lets a hospital's key serve its own side: hand in what employees
// signed there, keep a copy of the clinic's patients, report who looked at it.
const ScopeEdge = "edge:sync"

// ActFor lets a hospital's key hand in what an employee of the legal entity
// signed at the hospital's own side. The caller it gives may do what both the
// client system and the employee's role may, of signing alone: who the human
// was is proven by the signature, and by nothing here.
func (s *Service) ActFor(ctx context.Context, c registry.Caller, employeeID string) (registry.Caller, error) {
	if c.KeyID.IsZero() {
		return registry.Caller{}, registry.Errorf(registry.CodeForbidden, "an employee is named by the token; the header is for a hospital's key").WithReason("hospital_key")
	}
	if err := c.Require(ScopeEdge); err != nil {
		return registry.Caller{}, err
	}
	wrong := registry.Errorf(registry.CodeForbidden, "X-Employee-ID is not an approved employee of the key's legal entity").WithReason("invalid_employee")
	id, err := registry.ParseID(employeeID)
	if err != nil {
		return registry.Caller{}, wrong
	}
	err = s.store.View(ctx, func(ctx context.Context, tx Tx) error {
		client, err := tx.Client(ctx, c.ClientID)
		if err != nil {
			return err
		}
		e, err := tx.Employee(ctx, id)
		if registry.CodeOf(err) == registry.CodeNotFound {
			return wrong
		}
		if err != nil {
			return err
		}
		if e.LegalEntityID != c.LegalEntityID || !e.Approved() {
			return wrong
		}
		if err := mayAct(ctx, tx, e.Party.TaxID); err != nil {
			return err
		}
		c.EmployeeID, c.PartyID, c.Role = e.ID, e.Party.ID, e.Type
		c.Scopes = intersect(table.edge, Effective(client, e.Type))
		return nil
	})
	if err != nil {
		return registry.Caller{}, err
	}
	return c, nil
}
