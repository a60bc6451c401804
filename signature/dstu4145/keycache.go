package dstu4145

import (
	"container/list"
	"errors"
	"sync"
)

// precomputeAt is how often a key must be asked for before its tables are made.
// Making them costs as much as some twenty verifications save.
const precomputeAt = 3

// KeyCache keeps the keys used last, so that a key of a certification
// authority, time-stamp or OCSP service is parsed once and, when seen again,
// verifies from tables. It holds at most the given number of keys, about 60 kB
// each once their tables are made. It is safe for concurrent use.
type KeyCache struct {
	max int

	mu    sync.Mutex
	byKey map[string]*list.Element // guarded by mu; values are *cachedKey
	order *list.List               // guarded by mu; the key used last in front
}

type cachedKey struct {
	spki string
	key  *PublicKey
	uses int
}

// NewKeyCache returns a cache of at most size keys, size at least 1.
func NewKeyCache(size int) (*KeyCache, error) {
	if size < 1 {
		return nil, errors.New("dstu4145: key cache needs room for at least one key")
	}
	return &KeyCache{max: size, byKey: make(map[string]*list.Element), order: list.New()}, nil
}

// ParsePKIXPublicKey is the function of that name with the cache in front: the
// same bytes give the same *PublicKey while they stay in the cache.
func (c *KeyCache) ParsePKIXPublicKey(spki []byte) (*PublicKey, error) {
	if k, ready := c.lookup(spki); k != nil {
		if ready {
			k.Precompute()
		}
		return k, nil
	}
	k, err := ParsePKIXPublicKey(spki)
	if err != nil {
		return nil, err
	}
	return c.insert(k), nil
}

// lookup returns the key, if it is there, and whether its tables are due.
func (c *KeyCache) lookup(spki []byte) (*PublicKey, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.byKey[string(spki)]
	if !ok {
		return nil, false
	}
	c.order.MoveToFront(e)
	entry := e.Value.(*cachedKey)
	entry.uses++
	return entry.key, entry.uses >= precomputeAt
}

// insert adds k unless another goroutine was faster, and drops the key unused
// for longest.
func (c *KeyCache) insert(k *PublicKey) *PublicKey {
	c.mu.Lock()
	defer c.mu.Unlock()
	id := string(k.spki)
	if e, ok := c.byKey[id]; ok {
		return e.Value.(*cachedKey).key
	}
	c.byKey[id] = c.order.PushFront(&cachedKey{spki: id, key: k, uses: 1})
	if c.order.Len() > c.max {
		last := c.order.Back()
		c.order.Remove(last)
		delete(c.byKey, last.Value.(*cachedKey).spki)
	}
	return k
}

// Len returns the number of keys held.
func (c *KeyCache) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.order.Len()
}
