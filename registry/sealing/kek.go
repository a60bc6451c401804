package sealing

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// KEK wraps data keys. It is the port for whatever keeps the one key that is
// not in the database: a file, a PKCS#11 token, a key management service. Its
// calls may use the network and are never made inside a transaction.
type KEK interface {
	// Wrap encrypts a key under the current key-encryption key; name is bound to it.
	Wrap(ctx context.Context, name string, key []byte) ([]byte, error)
	// Unwrap gives the key back; ErrUnwrap when it was wrapped by another
	// key-encryption key, under another name, or was changed.
	Unwrap(ctx context.Context, name string, wrapped []byte) ([]byte, error)
	// Current reports whether the key-encryption key of this wrapping is the
	// one that Wrap uses.
	Current(wrapped []byte) bool
}

// ErrUnwrap is the one answer to every wrapped key that does not open.
var ErrUnwrap = errors.New("data key does not open under the key-encryption keys given")

// FileKEK is a [KEK] over keys read from files: AES-256-GCM, the id of the
// key-encryption key and a random nonce before the ciphertext.
type FileKEK struct {
	ring    *Keyring
	current uint16
}

// NewFileKEK takes key-encryption keys of at least 32 bytes by id; current
// wraps, the others only unwrap.
func NewFileKEK(keks map[uint16][]byte, current uint16, random io.Reader) (*FileKEK, error) {
	derived := make(map[uint16][]byte, len(keks))
	for id, k := range keks {
		if len(k) < KeySize {
			return nil, fmt.Errorf("key-encryption key %d is shorter than 32 bytes", id)
		}
		// Apart from every other use of the same file.
		var err error
		if derived[id], err = hkdf.Key(sha256.New, k, binary.BigEndian.AppendUint16(nil, id), "mist sealing v1 key-encryption key", 32); err != nil {
			return nil, fmt.Errorf("deriving a key-encryption key: %w", err)
		}
	}
	ring, err := New(derived, current, random)
	if err != nil {
		return nil, fmt.Errorf("key-encryption keys: %w", err)
	}
	return &FileKEK{ring, current}, nil
}

func wrapPlace(name string) Place { return Place{Table: "data_keys", Row: name} }

// Wrap implements KEK.
func (f *FileKEK) Wrap(_ context.Context, name string, key []byte) ([]byte, error) {
	return f.ring.Seal(wrapPlace(name), key)
}

// Unwrap implements KEK.
func (f *FileKEK) Unwrap(_ context.Context, name string, wrapped []byte) ([]byte, error) {
	key, err := f.ring.Open(wrapPlace(name), wrapped)
	if err != nil {
		return nil, ErrUnwrap
	}
	return key, nil
}

// Current implements KEK.
func (f *FileKEK) Current(wrapped []byte) bool {
	id, ok := KeyID(wrapped)
	return ok && id == f.current
}
