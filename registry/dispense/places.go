package dispense

import "mist/registry/record"

// ScopeReadOwn is a citizen's.
const ScopeReadOwn = "medication_dispense:read_pis"

// Places are where dispenses are found.
func (s *Service) Places() []record.Places {
	return []record.Places{{
		Path: "/api/v3/medication_dispenses", Own: "/api/pis/medication_dispenses", Kind: KindRecord, Scope: ScopeRead, OwnScope: ScopeReadOwn, Reader: s,
		Signed:  map[string]record.SignedAction{"process": s.Process},
		Actions: map[string]record.Action{"reject": s.Reject},
	}}
}
