// Package sealing keeps personal data unreadable at rest: AES-256-GCM bound to
// the place a value belongs to, and keyed blind indexes for look-ups.
//
// It trusts the master key it is given and nothing in the database: a sealed
// value moved to another row, table or column does not open. Equality of blind
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
	"sync"
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

// Keyring seals and opens. Safe for concurrent use.
type Keyring struct {
	random  io.Reader
	current uint16
	aeads   map[uint16]cipher.AEAD
	master  []byte

	mu    sync.RWMutex
	blind map[string][]byte // column → HMAC key
}

// New derives the keys from master keys of at least 32 bytes, by id; current
// is the one new values are sealed under. The blind index hangs on the master
// key with the lowest id, so that look-ups survive a rotation of data keys.
func New(masters map[uint16][]byte, current uint16, random io.Reader) (*Keyring, error) {
	if _, ok := masters[current]; !ok {
		return nil, errors.New("sealing: the current key is not in the ring")
	}
	k := &Keyring{random: random, current: current, aeads: map[uint16]cipher.AEAD{}, blind: map[string][]byte{}}
	lowest := current
	for id, m := range masters {
		if len(m) < 32 {
			return nil, fmt.Errorf("sealing: key %d is shorter than 32 bytes", id)
		}
		key, err := hkdf.Key(sha256.New, m, nil, "mist sealing v1 data", 32)
		if err != nil {
			return nil, fmt.Errorf("deriving a data key: %w", err)
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, err
		}
		if k.aeads[id], err = cipher.NewGCM(block); err != nil {
			return nil, err
		}
		lowest = min(lowest, id)
	}
	k.master = masters[lowest]
	return k, nil
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
	out := make([]byte, headerSize+nonceSize, len(plain)+Overhead)
	out[0] = version
	binary.BigEndian.PutUint16(out[1:], k.current)
	if _, err := io.ReadFull(k.random, out[headerSize:]); err != nil {
		return nil, fmt.Errorf("sealing: %w", err)
	}
	return k.aeads[k.current].Seal(out, out[headerSize:headerSize+nonceSize], plain, p.bytes()), nil
}

// Open decrypts a value found at its place; ErrOpen for anything else.
func (k *Keyring) Open(p Place, sealed []byte) ([]byte, error) {
	if len(sealed) < Overhead || sealed[0] != version {
		return nil, ErrOpen
	}
	aead, ok := k.aeads[binary.BigEndian.Uint16(sealed[1:])]
	if !ok {
		return nil, ErrOpen
	}
	body := sealed[headerSize:]
	plain, err := aead.Open(nil, body[:nonceSize], body[nonceSize:], p.bytes())
	if err != nil {
		return nil, ErrOpen
	}
	return plain, nil
}

// Blind is the look-up key of a normalised value: HMAC-SHA-256 under a key of
// its own per column, cut to 16 bytes.
func (k *Keyring) Blind(column, value string) []byte {
	k.mu.RLock()
	key, ok := k.blind[column]
	k.mu.RUnlock()
	if !ok {
		var err error
		if key, err = hkdf.Key(sha256.New, k.master, nil, "mist sealing v1 blind "+column, 32); err != nil {
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
