package postgres

import (
	"context"
	"slices"
	"strings"

	"mist/registry"
)

// setReach tells the database whose rows the transaction may see; it travels
// with BEGIN. A connection begins with all of them, so that the registry's own
// work pays nothing.
const setReach = `SELECT set_config('mist.reach', $1, true), set_config('mist.legal_entity', $2, true), set_config('mist.person', $3, true)`

func reachArgs(r registry.Reach) []any {
	word := "own"
	if r.All {
		word = "all"
	}
	return []any{word, r.LegalEntityID.String(), r.PersonID.String()}
}

// setReachOfSeveral is setReach for clinics whose acts share a transaction.
const setReachOfSeveral = `SELECT set_config('mist.reach', 'several', true), set_config('mist.legal_entities', $1, true)`

func clinicList(ids []registry.ID) string {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = id.String()
	}
	slices.Sort(texts)
	return "{" + strings.Join(slices.Compact(texts), ",") + "}"
}

// across lets the statements of one method see rows of all legal entities
// whatever the caller's reach: for what the registry itself has to know to keep
// its rules, as that a patient has a declaration elsewhere. Nothing that such a
// method gives may be shown to the caller as it is. Use: defer tx.across()()
func (tx *Tx) across() (back func()) {
	tx.wide++
	return func() { tx.wide-- }
}

// Everywhere is the port for rooms whose work crosses legal entities by its
// nature: logins, the patient index, consented disclosures. They decide alone
// what a caller is told.
func (p Port[T]) Everywhere() Port[T] {
	p.everywhere = true
	return p
}

func (p Port[T]) bind(ctx context.Context) context.Context {
	if p.everywhere {
		return registry.WithReach(ctx, registry.Reach{All: true})
	}
	return ctx
}
