package vault

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"mist/registry"
)

// Status of an act.
type Status string

// Statuses: waiting → answered | dead; dead → waiting | discarded.
const (
	StatusWaiting   Status = "waiting"
	StatusAnswered  Status = "answered"
	StatusDead      Status = "dead"
	StatusDiscarded Status = "discarded"
)

// Statuses lists them all.
func Statuses() []Status {
	return []Status{StatusWaiting, StatusAnswered, StatusDead, StatusDiscarded}
}

// Ended reports whether the act is of no further concern to the queue.
func (s Status) Ended() bool { return s == StatusAnswered || s == StatusDiscarded }

// MaxFailures is how many failures of an act are kept, the newest.
const MaxFailures = 20

// Failure is one attempt that failed.
type Failure struct {
	Attempt int       `json:"attempt"`
	At      time.Time `json:"at"`
	Error   string    `json:"error"`
}

// Check is what the edge could judge of a signature by itself.
type Check struct {
	// Indication of EN 319 102-1; Awaiting tells that all but the status of the
	// certificates, which only the network can tell, was found in order.
	Indication    string    `json:"indication"`
	SubIndication string    `json:"sub_indication,omitempty"`
	Awaiting      bool      `json:"awaiting_status,omitempty"`
	SignedAt      time.Time `json:"signed_at,omitzero"` // as the signer claims
	TrustVersion  string    `json:"trust_version"`      // of the trust material that judged
	TrustTakenAt  time.Time `json:"trust_taken_at"`     // when it was brought here
}

// Act is one signed act of the queue; its container is kept beside it.
type Act struct {
	Number     uint64      `json:"number"`
	ID         registry.ID `json:"id"`
	Operation  string      `json:"operation"`
	Path       string      `json:"path"`
	EmployeeID registry.ID `json:"employee_id"`
	// Lane orders: acts of a lane leave one after the other.
	Lane string `json:"lane"`
	// Independent acts do not wait for a dead one before them in their lane.
	Independent bool      `json:"independent,omitempty"`
	Digest      []byte    `json:"digest"` // SHA-256 of the container
	Size        int       `json:"size"`   // bytes of the container
	ReceivedAt  time.Time `json:"received_at"`
	Check       Check     `json:"check"`

	Status   Status    `json:"status"`
	Attempts int       `json:"attempts"`
	DueAt    time.Time `json:"due_at"`
	EndedAt  time.Time `json:"ended_at,omitzero"`
	// Reason why it is dead, AnswerStatus the centre's HTTP status.
	Reason       string    `json:"reason,omitempty"`
	AnswerStatus int       `json:"answer_status,omitempty"`
	Failures     []Failure `json:"failures,omitempty"`
}

// Fail notes a failed attempt.
func (a *Act) Fail(at time.Time, text string) {
	a.Attempts++
	a.Failures = append(a.Failures, Failure{a.Attempts, at, text})
	if n := len(a.Failures) - MaxFailures; n > 0 {
		a.Failures = a.Failures[n:]
	}
}

// Room bounds the queue.
type Room struct {
	Acts  int   // that have not ended
	Bytes int64 // of their containers
}

func (v *Vault) digestKey(digest []byte) []byte { return v.ring.Blind("edge.digests", string(digest)) }

// Put stores an act with its container, on the disk when it returns, and gives
// it a number. The same container again gives the act it was stored as.
func (v *Vault) Put(a Act, container []byte, room Room) (stored Act, repeated bool, err error) {
	digest := sha256.Sum256(container)
	a.Digest, a.Size, a.Status = digest[:], len(container), StatusWaiting
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.ring == nil {
		return Act{}, false, ErrLocked
	}
	key := v.digestKey(a.Digest)
	err = v.db.View(func(tx *bbolt.Tx) error {
		b, err := v.get(tx, bucketDigests, key)
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		if err == nil {
			repeated, err = true, v.getJSON(tx, bucketActs, b, &stored)
		}
		return err
	})
	if err != nil || repeated {
		return stored, repeated, err
	}
	bytes := int64(a.Size)
	for _, other := range v.open {
		bytes += int64(other.Size)
	}
	if len(v.open) >= room.Acts || bytes > room.Bytes {
		return Act{}, false, ErrFull
	}
	c := v.counters
	a.Number, c.NextAct = c.NextAct, c.NextAct+1
	n := number(a.Number)
	err = v.commit(func(tx *bbolt.Tx) error {
		if err := v.put(tx, bucketBodies, n, container); err != nil {
			return err
		}
		if err := v.put(tx, bucketDigests, key, n); err != nil {
			return err
		}
		if err := v.putJSON(tx, bucketActs, n, a); err != nil {
			return err
		}
		return v.putState(tx, "counters", c)
	}, func() { v.counters, v.open[a.Number] = c, a })
	return a, false, err
}

// Container gives the signed bytes of an act.
func (v *Vault) Container(number64 uint64) (b []byte, err error) {
	err = v.view(func(tx *bbolt.Tx) error {
		b, err = v.get(tx, bucketBodies, number(number64))
		if err != nil {
			return fmt.Errorf("container of act %d: %w", number64, err)
		}
		return nil
	})
	return b, err
}

// Answer gives what the centre answered, nil when it has not.
func (v *Vault) Answer(number64 uint64) (b []byte, err error) {
	err = v.view(func(tx *bbolt.Tx) error {
		if b, err = v.get(tx, bucketAnswers, number(number64)); errors.Is(err, ErrNotFound) {
			b, err = nil, nil
		}
		return err
	})
	return b, err
}

// Change applies f to an act as it is now and keeps the centre's answer where
// there is one. The container of an act that has been answered is let go.
func (v *Vault) Change(number64 uint64, answer []byte, f func(a *Act) error) (a Act, err error) {
	n := number(number64)
	v.mu.Lock()
	defer v.mu.Unlock()
	err = v.commit(func(tx *bbolt.Tx) error {
		a = Act{}
		if err := v.getJSON(tx, bucketActs, n, &a); err != nil {
			return fmt.Errorf("act %d: %w", number64, err)
		}
		if err := f(&a); err != nil {
			return err
		}
		if answer != nil {
			if err := v.put(tx, bucketAnswers, n, answer); err != nil {
				return err
			}
		}
		if a.Status == StatusAnswered {
			if err := tx.Bucket(bucketBodies).Delete(n); err != nil {
				return err
			}
		}
		return v.putJSON(tx, bucketActs, n, a)
	}, func() {
		delete(v.open, number64)
		if !a.Status.Ended() {
			v.open[number64] = a
		}
	})
	return a, err
}

// Open lists the acts that have not ended, oldest first.
func (v *Vault) Open() []Act {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return slices.SortedFunc(maps.Values(v.open), func(a, b Act) int { return int(a.Number) - int(b.Number) })
}

// Filter of a list; an empty Status does not narrow it.
type Filter struct {
	Status Status
	// Before is a number; only older acts are listed. Zero begins with the newest.
	Before uint64
	Limit  int
}

// List gives acts, newest first. Rows that do not open are left out; they stand
// in Damaged.
func (v *Vault) List(f Filter) (list []Act, err error) {
	err = v.view(func(tx *bbolt.Tx) error {
		c := tx.Bucket(bucketActs).Cursor()
		k, _ := c.Last()
		if f.Before > 0 {
			c.Seek(number(f.Before))
			k, _ = c.Prev()
		}
		for ; k != nil && len(list) < f.Limit; k, _ = c.Prev() {
			var a Act
			if v.getJSON(tx, bucketActs, k, &a) == nil && (f.Status == "" || a.Status == f.Status) {
				list = append(list, a)
			}
		}
		return nil
	})
	return list, err
}

// Find gives an act by its id.
func (v *Vault) Find(id registry.ID) (a Act, err error) {
	err = v.view(func(tx *bbolt.Tx) error {
		for c, k := tx.Bucket(bucketActs).Cursor(), []byte(nil); ; {
			if k == nil {
				k, _ = c.Last()
			} else {
				k, _ = c.Prev()
			}
			if k == nil {
				return ErrNotFound
			}
			if v.getJSON(tx, bucketActs, k, &a) == nil && a.ID == id {
				return nil
			}
		}
	})
	return a, err
}

// Forget lets go of acts that ended before a time, oldest first, as far as no
// act that has not ended stands before them: the rest stays without a gap.
func (v *Vault) Forget(before time.Time) (n int, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	c := v.counters
	err = v.commit(func(tx *bbolt.Tx) error {
		c, n = v.counters, 0
		for ; c.FirstAct < c.NextAct; c.FirstAct++ {
			k := number(c.FirstAct)
			var a Act
			if v.getJSON(tx, bucketActs, k, &a) != nil || !a.Status.Ended() || !a.EndedAt.Before(before) {
				break
			}
			for _, b := range [][]byte{bucketActs, bucketBodies, bucketAnswers} {
				if err := tx.Bucket(b).Delete(k); err != nil {
					return err
				}
			}
			if err := tx.Bucket(bucketDigests).Delete(v.digestKey(a.Digest)); err != nil {
				return err
			}
			n++
		}
		return v.putState(tx, "counters", c)
	}, func() { v.counters = c })
	return n, err
}

// checkActs opens every act and the container of each that has not ended, and
// names what is not as it was put.
func (v *Vault) checkActs(tx *bbolt.Tx) {
	for n := v.counters.FirstAct; n < v.counters.NextAct; n++ {
		k := number(n)
		var a Act
		err := v.getJSON(tx, bucketActs, k, &a)
		if err == nil && (a.Number != n || len(a.Digest) != sha256.Size) {
			err = errors.New("another act")
		}
		if err != nil {
			v.damage(bucketActs, fmt.Sprint(n), errors.Is(err, ErrNotFound))
			continue
		}
		if a.Status.Ended() {
			continue
		}
		body, err := v.get(tx, bucketBodies, k)
		if sum := sha256.Sum256(body); err == nil && string(sum[:]) != string(a.Digest) {
			err = errors.New("another container")
		}
		if err != nil {
			v.damage(bucketBodies, fmt.Sprint(n), errors.Is(err, ErrNotFound))
			continue
		}
		v.open[n] = a
	}
	// A row beyond the numbers was put there by somebody else.
	c := tx.Bucket(bucketActs).Cursor()
	for k, _ := c.First(); k != nil; k, _ = c.Next() {
		if len(k) != 8 || binary.BigEndian.Uint64(k) < v.counters.FirstAct || binary.BigEndian.Uint64(k) >= v.counters.NextAct {
			v.damage(bucketActs, fmt.Sprintf("%x", k), false)
		}
	}
}
