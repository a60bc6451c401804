// Package sealing keeps personal data unreadable at rest: AES-256-GCM bound to
// the place a value belongs to, and keyed blind indexes for look-ups.
//
// Data keys rest wrapped by a key-encryption key that is never in the database
// ([KEK]). The package trusts the keys it is given and nothing in the database:
// a sealed value moved to another row, table or column does not open. Equality of blind
// keys shows in the database by design (docs/THREATS.md).
package sealing

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"sync"
	"sync/atomic"
)

// Layout of a sealed value: version, key id, nonce, ciphertext with tag.
const (
	version    = 1
	headerSize = 1 + 2
	nonceSize  = 12
	// Overhead is by how much a sealed value is longer than the plain one, in bytes.
	Overhead = headerSize + nonceSize + 16
	// BlindSize is the length of a blind key in bytes.
	BlindSize = 16
)

// ErrOpen is the one answer to every value that does not open: wrong key,
// wrong place, changed bytes.
var ErrOpen = errors.New("sealed value does not open")

// Keyring seals and opens. Safe for concurrent use: keys may be added while it
// works, and none is ever taken away.
type Keyring struct {
	random io.Reader
	keys   atomic.Pointer[keys]
	change sync.Mutex // held by who replaces keys
	root   []byte     // of the blind keys

	mu    sync.RWMutex
	blind map[string][]byte // column → HMAC key

	opened sync.Map // table → *atomic.Int64
}

// keys is one state of the ring; it is replaced, never changed.
type keys struct {
	current uint16
	aeads   map[uint16]cipher.AEAD
}

// KeySize is the least length of data keys and of the root of blind keys, in bytes.
const KeySize = 32

// New makes a ring of data keys by id, each of at least [KeySize] bytes;
// current is the one new values are sealed under. The blind index hangs on the
// key with the lowest id.
func New(data map[uint16][]byte, current uint16, random io.Reader) (*Keyring, error) {
	lowest := current
	for id := range data {
		lowest = min(lowest, id)
	}
	return NewRing(data, current, data[lowest], random)
}

// NewRing is [New] with a root of its own for the blind keys, so that look-ups
// do not depend on any data key.
func NewRing(data map[uint16][]byte, current uint16, blindRoot []byte, random io.Reader) (*Keyring, error) {
	if _, ok := data[current]; !ok {
		return nil, errors.New("sealing: the current key is not in the ring")
	}
	if len(blindRoot) < KeySize {
		return nil, errors.New("sealing: the root of the blind keys is shorter than 32 bytes")
	}
	k := &Keyring{random: random, root: blindRoot, blind: map[string][]byte{}}
	k.keys.Store(&keys{current: current, aeads: map[uint16]cipher.AEAD{}})
	for id, key := range data {
		if err := k.Add(id, key); err != nil {
			return nil, err
		}
	}
	return k, nil
}

// Add puts one more data key into the ring; it opens values from now on. A key
// that is there already stays.
func (k *Keyring) Add(id uint16, key []byte) error {
	if len(key) < KeySize {
		return fmt.Errorf("sealing: key %d is shorter than 32 bytes", id)
	}
	derived, err := hkdf.Key(sha256.New, key, nil, "mist sealing v1 data", 32)
	if err != nil {
		return fmt.Errorf("deriving a data key: %w", err)
	}
	aead, err := newGCM(derived)
	if err != nil {
		return err
	}
	k.change.Lock()
	defer k.change.Unlock()
	old := k.keys.Load()
	if _, there := old.aeads[id]; there {
		return nil
	}
	next := &keys{current: old.current, aeads: maps.Clone(old.aeads)}
	next.aeads[id] = aead
	k.keys.Store(next)
	return nil
}

// Use makes a key of the ring the one that new values are sealed under.
func (k *Keyring) Use(id uint16) error {
	k.change.Lock()
	defer k.change.Unlock()
	old := k.keys.Load()
	if _, there := old.aeads[id]; !there {
		return fmt.Errorf("sealing: key %d is not in the ring", id)
	}
	k.keys.Store(&keys{current: id, aeads: old.aeads})
	return nil
}

// Current is the id of the key that new values are sealed under.
func (k *Keyring) Current() uint16 { return k.keys.Load().current }

// Has reports whether the ring holds a key.
func (k *Keyring) Has(id uint16) bool { _, ok := k.keys.Load().aeads[id]; return ok }

// KeyID tells which key a sealed value needs; false for what is no sealed value.
func KeyID(sealed []byte) (uint16, bool) {
	if len(sealed) < Overhead || sealed[0] != version {
		return 0, false
	}
	return binary.BigEndian.Uint16(sealed[1:]), true
}

func newGCM(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// Place says where a value belongs: it is the additional data of the seal.
type Place struct {
	Table string
	Row   string // primary key as text
}

func (p Place) bytes() []byte {
	b := binary.BigEndian.AppendUint16(nil, uint16(len(p.Table)))
	b = append(b, p.Table...)
	return append(b, p.Row...)
}

// Seal encrypts a value for its place.
func (k *Keyring) Seal(p Place, plain []byte) ([]byte, error) {
	ring := k.keys.Load()
	out := make([]byte, headerSize+nonceSize, len(plain)+Overhead)
	out[0] = version
	binary.BigEndian.PutUint16(out[1:], ring.current)
	if _, err := io.ReadFull(k.random, out[headerSize:]); err != nil {
		return nil, fmt.Errorf("sealing: %w", err)
	}
	return ring.aeads[ring.current].Seal(out, out[headerSize:headerSize+nonceSize], plain, p.bytes()), nil
}

// Open decrypts a value found at its place; ErrOpen for anything else.
func (k *Keyring) Open(p Place, sealed []byte) ([]byte, error) {
	id, ok := KeyID(sealed)
	if !ok {
		return nil, ErrOpen
	}
	aead, ok := k.keys.Load().aeads[id]
	if !ok {
		return nil, ErrOpen
	}
	body := sealed[headerSize:]
	plain, err := aead.Open(nil, body[:nonceSize], body[nonceSize:], p.bytes())
	if err != nil {
		return nil, ErrOpen
	}
	k.count(p.Table)
	return plain, nil
}

func (k *Keyring) count(table string) {
	n, ok := k.opened.Load(table)
	if !ok {
		n, _ = k.opened.LoadOrStore(table, new(atomic.Int64))
	}
	n.(*atomic.Int64).Add(1)
}

// Opened counts the values of these tables that the ring has opened, whoever
// asked it to.
func (k *Keyring) Opened(tables ...string) (total int64) {
	for _, t := range tables {
		if n, ok := k.opened.Load(t); ok {
			total += n.(*atomic.Int64).Load()
		}
	}
	return total
}

// Blind is the look-up key of a normalised value: HMAC-SHA-256 under a key of
// its own per column, cut to 16 bytes.
func (k *Keyring) Blind(column, value string) []byte {
	k.mu.RLock()
	key, ok := k.blind[column]
	k.mu.RUnlock()
	if !ok {
		var err error
		if key, err = hkdf.Key(sha256.New, k.root, nil, "mist sealing v1 blind "+column, 32); err != nil {
			panic("sealing: " + err.Error()) // HKDF fails only for absurd lengths
		}
		k.mu.Lock()
		k.blind[column] = key
		k.mu.Unlock()
	}
	m := hmac.New(sha256.New, key)
	m.Write([]byte(value))
	return m.Sum(nil)[:BlindSize]
}
