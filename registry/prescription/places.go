package prescription

import (
	"context"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/record"
)

// Places are where prescriptions are found.
func (s *Service) Places() []record.Places {
	return []record.Places{{
		Path: "/api/v3/medication_requests", Own: "/api/pis/medication_requests", Kind: KindRecord, Scope: ScopeRead, OwnScope: ScopeReadOwn, Reader: s,
		Signed:  map[string]record.SignedAction{"reject": s.Reject},
		Actions: map[string]record.Action{"resend": s.Resend, "block": s.Block, "unblock": s.Unblock},
		Found:   map[string]func(ctx context.Context, c registry.Caller, body []byte) (record.Shown, error){"search": s.Search},
	}}
}

// DataToBeSigned is the document that a rejection repeats, with the reason
// beside it.
func (s *Service) DataToBeSigned(ctx context.Context, c registry.Caller, id registry.ID) (b []byte, err error) {
	if err := c.Require(ScopeReject); err != nil {
		return nil, err
	}
	err = s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
		p, err := s.reachable(ctx, tx, c, id, false)
		if err != nil {
			return err
		}
		if err := p.Usable(); err != nil {
			return err
		}
		if b, err = p.Body.Document.ToBeSigned(); err != nil {
			return err
		}
		e := record.Entry(c, audit.Disclosure, p.Record)
		e.Fields, e.LegalBasis = []string{string(KindRecord)}, &audit.LegalBasis{Code: audit.BasisStatute}
		_, err = tx.Audit(ctx, e)
		return err
	})
	return b, err
}
