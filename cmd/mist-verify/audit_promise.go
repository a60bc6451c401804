package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mist/registry"
	"mist/registry/audit"
)

// stepPromise asks whether the log kept its word.
const stepPromise = "promise"

// auditKept is a leaf found by its hash, without the entry.
type auditKept struct {
	ID       registry.ID `json:"id"`
	Index    int64       `json:"index"`
	LeafHash string      `json:"leaf_hash"`
	Proof    []string    `json:"proof"`
}

// promise verifies the log's word in the receipt; nil when there is none.
func (r *auditRun) promise() (*audit.Promised, *stop) {
	if r.opt.receipt == nil || r.opt.receipt.Promise == "" {
		return nil, nil
	}
	p, err := audit.OpenPromise(*r.opt.receipt, r.opt.key)
	if err != nil {
		return nil, broken(stepPromise, err)
	}
	r.passed(stepPromise)
	return &p, nil
}

// kept is for who may not read the entry, or is told that there is none: the
// leaf's hash is looked for among all of the log's public tiles.
func (r *auditRun) kept(ctx context.Context, older audit.Checkpoint, seen bool, p audit.Promised) *stop {
	deadline := time.Now().Add(r.opt.wait)
	for {
		r.res.Witnesses, r.res.Checks = nil, r.res.Checks[:1] // the promise; all else is asked anew
		now, signed, s := r.fetchCheckpoint(ctx, -1)
		if s != nil {
			return s
		}
		index, found, err := audit.FindLeaf(ctx, r.log.fetch, now, p.Leaf)
		switch {
		case err != nil:
			return judged(stepPromise, err)
		case found:
			if s := r.consistent(ctx, older, seen, now, signed); s != nil {
				return s
			}
			proof, err := audit.ProveInclusion(ctx, r.log.fetch, now, index, p.Leaf)
			if err != nil {
				return judged(stepInclusion, err)
			}
			r.passed(stepInclusion)
			r.res.Kept = &auditKept{ID: p.EntryID, Index: index, LeafHash: p.Leaf.String(), Proof: []string{}}
			for _, h := range proof {
				r.res.Kept.Proof = append(r.res.Kept.Proof, h.String())
			}
			r.res.Skipped = append(r.res.Skipped, stepEntry)
			return r.keepState(signed)
		case r.seenAt().After(p.By):
			return disproven(stepPromise, fmt.Errorf("the log promised this leaf by %s; the tree of %d entries, complete and signed, does not have it",
				p.By.Format(time.RFC3339), now.Size))
		case time.Now().After(deadline):
			return undecided(stepPromise, fmt.Errorf("the leaf is not in the tree of %d entries yet; the log promised it by %s", now.Size, p.By.Format(time.RFC3339)))
		}
		select {
		case <-ctx.Done():
			return undecided(stepPromise, errors.New("interrupted"))
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// seenAt is when the tree was certainly the log's: the newest of the witnesses'
// times, or, when none were given, our own clock.
func (r *auditRun) seenAt() time.Time {
	if len(r.opt.quorum.Witnesses) == 0 {
		return time.Now()
	}
	var newest time.Time
	for _, w := range r.res.Witnesses {
		if w.Time.After(newest) {
			newest = w.Time
		}
	}
	return newest
}
