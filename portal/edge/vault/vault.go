// Package vault is the sealed store of a hospital's side: one file, in which
// acts wait for the centre, a copy of the clinic's own patients is kept for
// look-up, and each look-up waits to be reported.
//
// Every value is AES-256-GCM bound to its bucket and key (registry/sealing),
// under a data key that rests wrapped by a passphrase (argon2id). Keys of rows
// are numbers and blind keys: the file names nobody. What is put is on the disk
// when Put answers. Acts are numbered without a gap, so a row that was changed,
// moved or taken away is named when the vault is opened.
//
// It trusts whoever knows the passphrase and nothing in the file. It cannot tell
// that the whole file was replaced by an earlier copy of itself.
package vault

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
	"golang.org/x/crypto/argon2"

	"mist/registry"
	"mist/registry/sealing"
)

// Limits of the file.
const (
	MinPassphrase = 12 // characters
	maxHead       = 4 << 10
	maxMemory     = 1 << 20 // KiB of argon2id
	maxPasses     = 16
	maxLanes      = 16
)

// Errors a user can do something about.
var (
	ErrPassphrase = errors.New("the passphrase does not open this vault")
	ErrLocked     = errors.New("the vault is locked")
	ErrInUse      = errors.New("another mist edge has this vault open")
	ErrFull       = errors.New("the vault is full: nothing was stored")
	ErrNotVault   = errors.New("the file is not a vault of mist edge, or its head was changed")
	ErrNotFound   = errors.New("the vault has no such row")
)

// Cost of the passphrase's argon2id.
type Cost struct {
	Passes uint32 `json:"passes"`
	Memory uint32 `json:"memory_kib"`
	Lanes  uint8  `json:"lanes"`
}

// DefaultCost is the second recommendation of RFC 9106, 4: 64 MiB, 3 passes, 4 lanes.
func DefaultCost() Cost { return Cost{Passes: 3, Memory: 64 << 10, Lanes: 4} }

func (c Cost) check() error {
	if c.Passes < 1 || c.Passes > maxPasses || c.Memory < 8*uint32(max(c.Lanes, 1)) || c.Memory > maxMemory || c.Lanes < 1 || c.Lanes > maxLanes {
		return errors.New("the cost of the passphrase is out of bounds")
	}
	return nil
}

// head is what lies open in the file: how the passphrase opens the rest.
type head struct {
	Version int         `json:"version"`
	Site    registry.ID `json:"site"`
	Cost    Cost        `json:"cost"`
	Salt    []byte      `json:"salt"`
	Wrapped []byte      `json:"wrapped_key"`
}

// readHead reads the open part strictly: its numbers decide how much memory the
// next step takes.
func readHead(b []byte) (h head, err error) {
	if len(b) == 0 || len(b) > maxHead {
		return h, ErrNotVault
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&h); err != nil {
		return head{}, ErrNotVault
	}
	if h.Version != 1 || h.Site.IsZero() || len(h.Salt) != 16 || len(h.Wrapped) != sealing.Overhead+sealing.KeySize || h.Cost.check() != nil {
		return head{}, ErrNotVault
	}
	return h, nil
}

var (
	bucketHead     = []byte("head")
	bucketState    = []byte("state")
	bucketActs     = []byte("acts")
	bucketBodies   = []byte("bodies")
	bucketAnswers  = []byte("answers")
	bucketDigests  = []byte("digests")
	bucketPatients = []byte("patients")
	bucketReads    = []byte("reads")
	buckets        = [][]byte{bucketState, bucketActs, bucketBodies, bucketAnswers, bucketDigests, bucketPatients, bucketReads}
	keyHead        = []byte("v1")
)

// Vault is an open file, locked until [Vault.Unlock]. Safe for concurrent use.
type Vault struct {
	path   string
	db     *bbolt.DB
	head   head
	source registry.Source

	mu       sync.RWMutex // guards what follows; writers of acts hold it
	ring     *sealing.Keyring
	counters counters
	open     map[uint64]Act // acts that have not ended
	damaged  []Damage
	patients map[registry.ID]Patient
}

// counters are the numbers that make a missing row visible.
type counters struct {
	NextAct   uint64 `json:"next_act"`
	FirstAct  uint64 `json:"first_act"` // rows below were let go
	NextRead  uint64 `json:"next_read"`
	FirstRead uint64 `json:"first_read"` // rows below were reported
}

// Damage is a row that does not open, or is not there.
type Damage struct {
	Bucket string `json:"bucket"`
	Row    string `json:"row"`
	Reason string `json:"reason"` // changed, missing
}

func kek(passphrase []byte, h head, source registry.Source) (*sealing.FileKEK, error) {
	key := argon2.IDKey(passphrase, h.Salt, h.Cost.Passes, h.Cost.Memory, h.Cost.Lanes, 32)
	return sealing.NewFileKEK(map[uint16][]byte{1: key}, 1, source.Random)
}

// wrapName binds the wrapped key to the vault and to the price of guessing.
func (h head) wrapName() string {
	return fmt.Sprintf("mist edge vault %s argon2id %d %d %d", h.Site, h.Cost.Passes, h.Cost.Memory, h.Cost.Lanes)
}

// CheckPassphrase refuses what is guessed too soon.
func CheckPassphrase(p []byte) error {
	if n := len([]rune(string(p))); n < MinPassphrase {
		return fmt.Errorf("a passphrase has at least %d characters; this one has %d", MinPassphrase, n)
	}
	return nil
}

// Create makes a new vault; a file that is there already is left as it is.
func Create(path string, passphrase []byte, cost Cost, source registry.Source) error {
	if err := errors.Join(CheckPassphrase(passphrase), cost.check()); err != nil {
		return err
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is there already; a vault is never overwritten", path)
	}
	h := head{Version: 1, Site: source.NewID(), Cost: cost, Salt: source.Bytes(16)}
	key := source.Bytes(sealing.KeySize)
	k, err := kek(passphrase, h, source)
	if err != nil {
		return err
	}
	if h.Wrapped, err = k.Wrap(context.Background(), h.wrapName(), key); err != nil {
		return err
	}
	plain, err := json.Marshal(h)
	if err != nil {
		return err
	}
	// Made aside and put in place when it is whole: a power cut leaves none, or all of it.
	part := path + ".part"
	if err := os.Remove(part); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	db, err := bbolt.Open(part, 0o600, &bbolt.Options{Timeout: time.Second})
	if err != nil {
		return fmt.Errorf("making the vault: %w", err)
	}
	v := &Vault{db: db, head: h, source: source}
	err = v.unlockWith(key, func() error {
		return db.Update(func(tx *bbolt.Tx) error {
			for _, name := range buckets {
				if _, err := tx.CreateBucket(name); err != nil {
					return err
				}
			}
			b, err := tx.CreateBucket(bucketHead)
			if err != nil {
				return err
			}
			if err := b.Put(keyHead, plain); err != nil {
				return err
			}
			return v.putState(tx, "counters", counters{NextAct: 1, FirstAct: 1, NextRead: 1, FirstRead: 1})
		})
	})
	if err := errors.Join(err, db.Close()); err != nil {
		return fmt.Errorf("making the vault: %w", err)
	}
	if err := os.Rename(part, path); err != nil {
		return err
	}
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// Options of an open vault.
type Options struct {
	// MaxSize bounds the file, in bytes; zero is 4 GiB.
	MaxSize int
	// Wait for another program to close the file; zero is one second.
	Wait time.Duration
}

// Open opens the file, locked.
func Open(path string, o Options, source registry.Source) (*Vault, error) {
	if o.MaxSize == 0 {
		o.MaxSize = 4 << 30
	}
	if o.Wait == 0 {
		o.Wait = time.Second
	}
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("opening the vault (mist edge init makes one): %w", err)
	}
	db, err := openDB(path, o)
	if err != nil {
		return nil, err
	}
	v := &Vault{path: path, db: db, source: source}
	err = db.View(func(tx *bbolt.Tx) (err error) {
		b := tx.Bucket(bucketHead)
		if b == nil {
			return ErrNotVault
		}
		for _, name := range buckets {
			if tx.Bucket(name) == nil {
				return ErrNotVault
			}
		}
		v.head, err = readHead(b.Get(keyHead))
		return err
	})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return v, nil
}

// openDB turns what the store says, and its panics over broken pages, into our errors.
func openDB(path string, o Options) (db *bbolt.DB, err error) {
	defer func() {
		if recover() != nil {
			err = ErrNotVault
		}
	}()
	db, err = bbolt.Open(path, 0o600, &bbolt.Options{Timeout: o.Wait, MaxSize: o.MaxSize})
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, ErrInUse
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrChecksum), errors.Is(err, bolterrors.ErrVersionMismatch):
		return nil, ErrNotVault
	case err != nil:
		return nil, fmt.Errorf("opening the vault: %w", err)
	}
	return db, nil
}

// Close closes the file. The keys are forgotten.
func (v *Vault) Close() error {
	v.Lock()
	return v.db.Close()
}

// Site names this vault to the centre.
func (v *Vault) Site() registry.ID { return v.head.Site }

// Unlocked reports whether the vault can be read.
func (v *Vault) Unlocked() bool {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.ring != nil
}

// Check tells whether a passphrase opens the vault, and changes nothing.
func (v *Vault) Check(passphrase []byte) error { _, err := v.key(passphrase); return err }

func (v *Vault) key(passphrase []byte) ([]byte, error) {
	k, err := kek(passphrase, v.head, v.source)
	if err != nil {
		return nil, err
	}
	key, err := k.Unwrap(context.Background(), v.head.wrapName(), v.head.Wrapped)
	if err != nil {
		return nil, ErrPassphrase
	}
	return key, nil
}

// Unlock opens the vault and looks at every act and patient: what does not open
// is told by [Vault.Damaged] and stays as it is; the rest is served.
func (v *Vault) Unlock(passphrase []byte) error {
	key, err := v.key(passphrase)
	if err != nil {
		return err
	}
	return v.unlockWith(key, v.load)
}

func (v *Vault) unlockWith(key []byte, then func() error) error {
	ring, err := sealing.New(map[uint16][]byte{1: key}, 1, v.source.Random)
	if err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.ring != nil {
		return nil
	}
	v.ring = ring
	if err := then(); err != nil {
		v.forget()
		return err
	}
	return nil
}

// Lock forgets the keys and what was read with them.
func (v *Vault) Lock() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.forget()
}

func (v *Vault) forget() {
	v.ring, v.open, v.damaged, v.patients, v.counters = nil, nil, nil, nil, counters{}
}

// Damaged names the rows that were changed, moved or taken away.
func (v *Vault) Damaged() []Damage {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return append([]Damage(nil), v.damaged...)
}

// load reads what is kept in memory while the vault is unlocked.
func (v *Vault) load() error {
	v.open, v.patients, v.damaged = map[uint64]Act{}, map[registry.ID]Patient{}, nil
	return v.db.View(func(tx *bbolt.Tx) error {
		if err := v.getState(tx, "counters", &v.counters); err != nil {
			return err
		}
		c := v.counters
		if c.FirstAct < 1 || c.NextAct < c.FirstAct || c.FirstRead < 1 || c.NextRead < c.FirstRead {
			return fmt.Errorf("state row %q: %w", "counters", sealing.ErrOpen)
		}
		v.checkActs(tx)
		v.checkReads(tx)
		return v.loadPatients(tx)
	})
}

func (v *Vault) damage(bucket []byte, row string, missing bool) {
	reason := "changed"
	if missing {
		reason = "missing"
	}
	v.damaged = append(v.damaged, Damage{string(bucket), row, reason})
}

func number(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

func place(bucket, key []byte) sealing.Place {
	return sealing.Place{Table: "edge." + string(bucket), Row: string(key)}
}

// put seals a value for its place.
func (v *Vault) put(tx *bbolt.Tx, bucket, key, plain []byte) error {
	sealed, err := v.ring.Seal(place(bucket, key), plain)
	if err != nil {
		return err
	}
	return tx.Bucket(bucket).Put(key, sealed)
}

// get opens a value at its place: ErrNotFound when there is none.
func (v *Vault) get(tx *bbolt.Tx, bucket, key []byte) ([]byte, error) {
	sealed := tx.Bucket(bucket).Get(key)
	if sealed == nil {
		return nil, ErrNotFound
	}
	return v.ring.Open(place(bucket, key), sealed)
}

func (v *Vault) putJSON(tx *bbolt.Tx, bucket, key []byte, value any) error {
	b, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return v.put(tx, bucket, key, b)
}

func (v *Vault) getJSON(tx *bbolt.Tx, bucket, key []byte, value any) error {
	b, err := v.get(tx, bucket, key)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, value)
}

func (v *Vault) putState(tx *bbolt.Tx, name string, value any) error {
	return v.putJSON(tx, bucketState, []byte(name), value)
}

func (v *Vault) getState(tx *bbolt.Tx, name string, value any) error {
	if err := v.getJSON(tx, bucketState, []byte(name), value); err != nil {
		return fmt.Errorf("state row %q: %w", name, err)
	}
	return nil
}

// State reads a small value of the program; it is left as it is when there is none.
func (v *Vault) State(name string, value any) error {
	return v.view(func(tx *bbolt.Tx) error {
		err := v.getState(tx, name, value)
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		return err
	})
}

// SetState keeps a small value of the program.
func (v *Vault) SetState(name string, value any) error {
	return v.update(func(tx *bbolt.Tx) error { return v.putState(tx, name, value) })
}

func (v *Vault) view(f func(tx *bbolt.Tx) error) error {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if v.ring == nil {
		return ErrLocked
	}
	return v.db.View(f)
}

// update commits f, on the disk when it returns. f changes nothing in memory;
// what has to follow a commit is done by then, under the same lock.
func (v *Vault) update(f func(tx *bbolt.Tx) error, then ...func()) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.commit(f, then...)
}

// commit is update for who holds the lock.
func (v *Vault) commit(f func(tx *bbolt.Tx) error, then ...func()) error {
	if v.ring == nil {
		return ErrLocked
	}
	if err := v.db.Update(f); err != nil {
		if errors.Is(err, bolterrors.ErrMaxSizeReached) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG) {
			return ErrFull
		}
		return err
	}
	for _, done := range then {
		done()
	}
	return nil
}
