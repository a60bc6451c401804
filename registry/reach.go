package registry

import "context"

// Reach says whose rows a transaction may see: the second wall, held by the
// database whatever the rooms decide (ADR 0731). The zero value sees none.
type Reach struct {
	// All is for jobs, operators and the systems of the centre.
	All bool
	// LegalEntityID is whose drafts, acts and declarations are seen.
	LegalEntityID ID
	// PersonID is the citizen whose own rows are seen.
	PersonID ID
}

// Shares tells that writes under this reach may share a transaction with those
// of others: a clinic's, and those of who sees all.
func (r Reach) Shares() bool { return r.All || !r.LegalEntityID.IsZero() && r.PersonID.IsZero() }

type reachKey struct{}

// WithReach binds the transactions begun under ctx to a reach. Transports bind
// every request, to nothing until they know the caller; what runs without a
// binding is the registry's own work.
func WithReach(ctx context.Context, r Reach) context.Context {
	return context.WithValue(ctx, reachKey{}, r)
}

// ReachOf gives the reach bound to ctx; all of it where none is bound.
func ReachOf(ctx context.Context) Reach {
	if r, ok := ctx.Value(reachKey{}).(Reach); ok {
		return r
	}
	return Reach{All: true}
}
