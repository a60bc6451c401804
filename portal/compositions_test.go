package portal

import "mist/registry/record"

// noConclusions stand where addresses of conclusions are looked for.
type noConclusions struct{ Conclusions }

// Places implements Conclusions.
func (noConclusions) Places() record.Places {
	return record.Places{Path: "/api/v3/compositions", Own: "/api/pis/compositions", Signed: map[string]record.SignedAction{"cancel": nil}, Actions: map[string]record.Action{"erln": nil}}
}
