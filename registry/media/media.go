// Package media keeps documents outside the tables: signed containers, scans,
// printouts; each under the SHA-256 of its bytes, sealed, in files or in an
// S3-compatible store.
//
// It trusts no storage: what comes back must open under the registry's keys at
// its own name and have the digest it is called by. It refuses documents above
// the limit, and links that are not its own, are late, or are used for another
// document.
package media

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"mist/registry"
	"mist/registry/sealing"
)

// MaxSize is the largest document, in bytes.
const MaxSize = 32 << 20

// Errors of a store.
var (
	// ErrNotFound: no document of this digest is kept.
	ErrNotFound = errors.New("no such document")
	// ErrTooLarge: above [MaxSize].
	ErrTooLarge = errors.New("the document is larger than 32 MiB")
	// ErrDamaged: what the storage gave back is not what was put there.
	ErrDamaged = errors.New("the document was damaged or exchanged in the storage")
)

// Storage keeps bytes by name: 64 lower-case hexadecimal digits. Put is whole
// or not at all and durable when it returns; the same name again replaces the
// bytes. Get gives ErrNotFound, and ErrTooLarge above limit bytes. Delete of what
// is not there is no error.
type Storage interface {
	Put(ctx context.Context, name string, b []byte) error
	Get(ctx context.Context, name string, limit int64) ([]byte, error)
	Has(ctx context.Context, name string) (bool, error)
	Delete(ctx context.Context, name string) error
}

// Store seals documents into a storage. Its calls may use the network and
// belong outside transactions: first the document, then the row that names it.
type Store struct {
	storage Storage
	keys    *sealing.Keyring
	// Opened is told of each document that was opened, for the book of unsealing;
	// it may be set before the first use.
	Opened func(ctx context.Context)
}

// New needs both.
func New(storage Storage, keys *sealing.Keyring) (*Store, error) {
	if storage == nil || keys == nil {
		return nil, errors.New("media: a storage and sealing keys are required")
	}
	return &Store{storage: storage, keys: keys, Opened: func(context.Context) {}}, nil
}

// place is the same as in the table of containers, so that sealed bytes can
// move between the two.
func place(name string) sealing.Place { return sealing.Place{Table: "media", Row: name} }

// Put keeps a document and gives its digest. The same document again changes nothing.
func (s *Store) Put(ctx context.Context, b []byte) (registry.Digest, error) {
	if len(b) > MaxSize {
		return registry.Digest{}, ErrTooLarge
	}
	digest := registry.Digest(sha256.Sum256(b))
	name := hex.EncodeToString(digest[:])
	there, err := s.storage.Has(ctx, name)
	if err != nil {
		return registry.Digest{}, fmt.Errorf("looking for a document: %w", err)
	}
	if there {
		return digest, nil
	}
	sealed, err := s.keys.Seal(place(name), b)
	if err != nil {
		return registry.Digest{}, err
	}
	if err := s.storage.Put(ctx, name, sealed); err != nil {
		return registry.Digest{}, fmt.Errorf("keeping a document: %w", err)
	}
	return digest, nil
}

func (s *Store) open(ctx context.Context, name string, sealed []byte) ([]byte, error) {
	b, err := s.keys.Open(place(name), sealed)
	if err == nil {
		s.Opened(ctx)
	}
	return b, err
}

// Get gives a document back; ErrNotFound or ErrDamaged.
func (s *Store) Get(ctx context.Context, digest registry.Digest) ([]byte, error) {
	name := hex.EncodeToString(digest[:])
	sealed, err := s.storage.Get(ctx, name, MaxSize+sealing.Overhead)
	if err != nil {
		return nil, fmt.Errorf("reading a document: %w", err)
	}
	b, err := s.open(ctx, name, sealed)
	if err != nil || registry.Digest(sha256.Sum256(b)) != digest {
		return nil, ErrDamaged
	}
	return b, nil
}

// Reseal seals a document again that lies under another key than the current
// one, and tells whether it did.
func (s *Store) Reseal(ctx context.Context, digest registry.Digest) (bool, error) {
	name := hex.EncodeToString(digest[:])
	sealed, err := s.storage.Get(ctx, name, MaxSize+sealing.Overhead)
	if err != nil {
		return false, fmt.Errorf("reading a document: %w", err)
	}
	if id, ok := sealing.KeyID(sealed); ok && id == s.keys.Current() {
		return false, nil
	}
	b, err := s.open(ctx, name, sealed)
	if err != nil || registry.Digest(sha256.Sum256(b)) != digest {
		return false, ErrDamaged
	}
	if sealed, err = s.keys.Seal(place(name), b); err != nil {
		return false, err
	}
	if err := s.storage.Put(ctx, name, sealed); err != nil {
		return false, fmt.Errorf("keeping a document: %w", err)
	}
	return true, nil
}

// Has reports whether a document is kept.
func (s *Store) Has(ctx context.Context, digest registry.Digest) (bool, error) {
	return s.storage.Has(ctx, hex.EncodeToString(digest[:]))
}

// Delete takes a document out of the storage for good; the caller knows that
// nothing refers to it.
func (s *Store) Delete(ctx context.Context, digest registry.Digest) error {
	if err := s.storage.Delete(ctx, hex.EncodeToString(digest[:])); err != nil {
		return fmt.Errorf("deleting a document: %w", err)
	}
	return nil
}
