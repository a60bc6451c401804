package postgres

import (
	"sync"

	"mist/registry"
)

// sealShort seals the short form of a text: what is long in a row costs it
// more than its shortening (ADR 0770).
func (tx *Tx) sealShort(table, row string, text []byte) ([]byte, error) {
	short, err := tx.store.short.Shorten(text)
	if err != nil {
		return nil, tx.fail(err)
	}
	return tx.seal(table, row, short)
}

// openShort opens what sealShort sealed, and texts of before there was a short form.
func (tx *Tx) openShort(table, row string, sealed []byte) ([]byte, error) {
	short, err := tx.open(table, row, sealed)
	if err != nil {
		return nil, err
	}
	return tx.store.short.Restore(short)
}

// keptObjects remembers which objects of reports a transaction of this server
// has kept, so that each signing need not try again.
type keptObjects struct {
	mu  sync.Mutex // guards set
	set map[registry.Digest]struct{}
}

// maxKeptObjects bounds the memory; a set that is full is begun anew.
const maxKeptObjects = 10_000

func (k *keptObjects) has(d registry.Digest) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	_, yes := k.set[d]
	return yes
}

func (k *keptObjects) add(list []registry.Digest) {
	if len(list) == 0 {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.set == nil || len(k.set) >= maxKeptObjects {
		k.set = map[registry.Digest]struct{}{}
	}
	for _, d := range list {
		k.set[d] = struct{}{}
	}
}
