package vault

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.etcd.io/bbolt"

	"mist/registry"
	"mist/registry/patient"
)

// Patient is what a clinic looks up about its own patients. It names a person.
type Patient struct {
	ID                registry.ID   `json:"id"`
	LastName          string        `json:"last_name"`
	FirstName         string        `json:"first_name"`
	SecondName        string        `json:"second_name,omitempty"`
	BirthDate         registry.Date `json:"birth_date"`
	Gender            string        `json:"gender"`
	TaxID             string        `json:"tax_id,omitempty"`
	UNZR              string        `json:"unzr,omitempty"`
	DeclarationID     registry.ID   `json:"declaration_id"`
	DeclarationNumber string        `json:"declaration_number"`
	EmployeeID        registry.ID   `json:"employee_id"`
	DivisionID        registry.ID   `json:"division_id"`
}

// Read is one look-up at the edge, to be reported to the centre's trail.
type Read struct {
	Number     uint64      `json:"number"`
	PersonID   registry.ID `json:"person_id"`
	EmployeeID registry.ID `json:"employee_id"`
	Purpose    string      `json:"purpose"`
	At         time.Time   `json:"at"`
}

func (v *Vault) loadPatients(tx *bbolt.Tx) error {
	c := tx.Bucket(bucketPatients).Cursor()
	for k, _ := c.First(); k != nil; k, _ = c.Next() {
		var p Patient
		if err := v.getJSON(tx, bucketPatients, k, &p); err != nil {
			v.damage(bucketPatients, fmt.Sprintf("%x", k), false)
			continue
		}
		v.patients[p.ID] = p
	}
	return nil
}

func (v *Vault) patientKey(id registry.ID) []byte { return v.ring.Blind("edge.patients", id.String()) }

// KeepPatients replaces the copy by a page of it: of first everything that was
// there is let go in the same commit.
func (v *Vault) KeepPatients(list []Patient, first bool) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.commit(func(tx *bbolt.Tx) error {
		if first {
			if err := empty(tx, bucketPatients); err != nil {
				return err
			}
		}
		for _, p := range list {
			if err := v.putJSON(tx, bucketPatients, v.patientKey(p.ID), p); err != nil {
				return err
			}
		}
		return nil
	}, func() {
		if first {
			v.patients = map[registry.ID]Patient{}
		}
		for _, p := range list {
			v.patients[p.ID] = p
		}
	})
}

// WipePatients lets the whole copy go. The key of the pages is the same as
// before; what the disk keeps of freed pages is sealed.
func (v *Vault) WipePatients() error { return v.KeepPatients(nil, true) }

func empty(tx *bbolt.Tx, bucket []byte) error {
	if err := tx.DeleteBucket(bucket); err != nil {
		return err
	}
	_, err := tx.CreateBucket(bucket)
	return err
}

// Patients counts the copy.
func (v *Vault) Patients() int {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return len(v.patients)
}

// Question names a patient: by TaxID or UNZR or the centre's id, or by the last
// name with the day of birth.
type Question struct {
	ID          registry.ID
	TaxID, UNZR string
	LastName    string
	BirthDate   registry.Date
}

func (q Question) fits(p Patient) bool {
	switch {
	case !q.ID.IsZero():
		return p.ID == q.ID
	case q.TaxID != "":
		return p.TaxID == q.TaxID
	case q.UNZR != "":
		return p.UNZR == q.UNZR
	}
	return patient.NormalizeName(p.LastName) == patient.NormalizeName(q.LastName) && p.BirthDate == q.BirthDate
}

// MaxReads bounds the look-ups that wait to be reported: beyond it nothing is
// told, because it could not be accounted for.
const MaxReads = 100_000

// Look finds patients, at most limit, and notes each as read: the notes are on
// the disk before anything is told.
func (v *Vault) Look(q Question, employee registry.ID, purpose string, limit int) (list []Patient, more bool, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.ring == nil {
		return nil, false, ErrLocked
	}
	for _, p := range v.patients {
		if q.fits(p) {
			list = append(list, p)
		}
	}
	slices.SortFunc(list, func(a, b Patient) int {
		return strings.Compare(a.LastName+a.FirstName+a.ID.String(), b.LastName+b.FirstName+b.ID.String())
	})
	if more = len(list) > limit; more {
		list = list[:limit]
	}
	if len(list) == 0 {
		return nil, false, nil
	}
	c := v.counters
	if c.NextRead-c.FirstRead+uint64(len(list)) > MaxReads {
		return nil, false, ErrFull
	}
	now := v.source.Now()
	err = v.commit(func(tx *bbolt.Tx) error {
		c = v.counters
		for _, p := range list {
			r := Read{c.NextRead, p.ID, employee, purpose, now}
			if err := v.putJSON(tx, bucketReads, number(r.Number), r); err != nil {
				return err
			}
			c.NextRead++
		}
		return v.putState(tx, "counters", c)
	}, func() { v.counters = c })
	if err != nil {
		return nil, false, err
	}
	return list, more, nil
}

// Reads gives the oldest look-ups that are not reported yet, without a gap: it
// stops before a row that does not open.
func (v *Vault) Reads(limit int) (list []Read, err error) {
	err = v.view(func(tx *bbolt.Tx) error {
		for n := v.counters.FirstRead; n < v.counters.NextRead && len(list) < limit; n++ {
			var r Read
			if err := v.getJSON(tx, bucketReads, number(n), &r); err != nil {
				return fmt.Errorf("read %d: %w", n, err)
			}
			list = append(list, r)
		}
		return nil
	})
	return list, err
}

// WaitingReads counts the look-ups that are not reported yet.
func (v *Vault) WaitingReads() int {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return int(v.counters.NextRead - v.counters.FirstRead)
}

// Reported lets go of the look-ups up to a number: the centre has them.
func (v *Vault) Reported(last uint64) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	c := v.counters
	if last+1 < c.FirstRead || last >= c.NextRead {
		return fmt.Errorf("the centre speaks of look-up %d; those waiting are %d to %d", last, c.FirstRead, c.NextRead-1)
	}
	return v.commit(func(tx *bbolt.Tx) error {
		for c = v.counters; c.FirstRead <= last; c.FirstRead++ {
			if err := tx.Bucket(bucketReads).Delete(number(c.FirstRead)); err != nil {
				return err
			}
		}
		return v.putState(tx, "counters", c)
	}, func() { v.counters = c })
}

func (v *Vault) checkReads(tx *bbolt.Tx) {
	for n := v.counters.FirstRead; n < v.counters.NextRead; n++ {
		var r Read
		if err := v.getJSON(tx, bucketReads, number(n), &r); err != nil {
			v.damage(bucketReads, fmt.Sprint(n), errors.Is(err, ErrNotFound))
		}
	}
	c := tx.Bucket(bucketReads).Cursor()
	for k, _ := c.First(); k != nil; k, _ = c.Next() {
		if len(k) != 8 || binary.BigEndian.Uint64(k) < v.counters.FirstRead || binary.BigEndian.Uint64(k) >= v.counters.NextRead {
			v.damage(bucketReads, fmt.Sprintf("%x", k), false)
		}
	}
}
