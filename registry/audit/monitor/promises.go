package monitor

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"mist/registry/audit"
)

// promises compares the receipts that were handed in with the log: what was
// promised must be there, with the same bytes, and have its place in time. A
// receipt that is met is not looked at again before the next full pass.
func (m *Monitor) promises(ctx context.Context, src Source) error {
	if m.cfg.Receipts == nil {
		return nil
	}
	receipts, err := m.cfg.Receipts()
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(receipts)) {
		if m.met[name] {
			continue
		}
		r := receipts[name]
		p, err := audit.OpenPromise(r, m.cfg.Key)
		if err != nil {
			m.find(Finding{PromiseBroken, "receipt " + name, fmt.Sprintf("it cannot be judged: %v", err), false})
			continue
		}
		row := "leaf " + p.EntryID.String()
		leaf, numbered, err := src.Leaf(ctx, p.EntryID)
		late := m.cfg.Now().After(p.By)
		if err == nil && leaf == nil && m.past.holds(p.EntryID) {
			var kept bool
			if kept, err = m.kept(ctx, src, p.EntryID, p.Leaf); kept && err == nil {
				m.met[name] = true
				continue
			}
		}
		switch {
		case err != nil:
			return err
		case leaf != nil && audit.LeafHash(leaf.Entry) != p.Leaf:
			m.alarm(PromiseBroken, row, "the log promised other bytes under this id (receipt %s)", name)
		case leaf == nil && late:
			m.alarm(PromiseBroken, row, "the log promised this entry and does not have it (receipt %s)", name)
		case leaf != nil && !numbered && late:
			m.alarm(PromiseBroken, row, "the log promised a place for this entry and has given none (receipt %s)", name)
		case leaf != nil && numbered:
			m.met[name] = true
		}
	}
	return nil
}
