// Package directory is what everybody may know of providers: legal entities,
// places of service and doctors, and whether a doctor takes patients.
//
// Answers come from an index in memory that is made anew every few seconds, so
// that a public read costs no query; when the database cannot be asked, the
// last good one stands and says of when it is. Nothing personal is in it: no
// private phone, no number of anybody, and of patients no count but tens of
// free places. A clinic hidden by decision is not in it at all.
package directory

import (
	"context"
	"errors"
	"sync"
	"time"
	"unicode/utf8"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/prm"
)

// ScopeHide is the right to hide a clinic from the directory.
const ScopeHide = "legal_entity:hide"

// Accepting says whether a doctor takes new patients.
type Accepting string

// What is told of it.
const (
	Open         Accepting = "open"
	Full         Accepting = "full"
	NotAnnounced Accepting = "not_announced"
)

// Provider is a legal entity.
type Provider struct {
	ID       registry.ID `json:"id"`
	Name     string      `json:"name"`
	EDRPOU   string      `json:"edrpou"`
	Type     string      `json:"type"`
	Address  string      `json:"address"`
	Phones   []prm.Phone `json:"phones"`
	Email    string      `json:"email"`
	Website  string      `json:"website,omitempty"`
	Licence  string      `json:"license_number,omitempty"`
	Contract string      `json:"contract_number,omitempty"` // with the NHSU, in force
}

// Place is a division.
type Place struct {
	ID            registry.ID      `json:"id"`
	LegalEntityID registry.ID      `json:"legal_entity_id"`
	Name          string           `json:"name"`
	Type          string           `json:"type"`
	Area          string           `json:"area,omitempty"`
	Settlement    string           `json:"settlement,omitempty"`
	Address       string           `json:"address"`
	Phones        []prm.Phone      `json:"phones"`
	Email         string           `json:"email"`
	Hours         prm.WorkingHours `json:"working_hours,omitempty"`
	Location      *prm.Location    `json:"location,omitempty"`
}

// Doctor is a doctor at a place.
type Doctor struct {
	ID         registry.ID `json:"id"`
	LastName   string      `json:"last_name"`
	FirstName  string      `json:"first_name"`
	SecondName string      `json:"second_name,omitempty"`
	Speciality string      `json:"speciality"`
	Accepting  Accepting   `json:"accepting"`
	// FreePlaces is rounded down to tens, so that nobody can count patients.
	FreePlaces int `json:"free_places"`
	// Adults and Children tell whom the speciality may take.
	Adults      bool        `json:"adults"`
	Children    bool        `json:"children"`
	DivisionID  registry.ID `json:"division_id"`
	Division    string      `json:"division_name"`
	Provider    string      `json:"legal_entity_name"`
	LegalEntity registry.ID `json:"legal_entity_id"`
	Address     string      `json:"address"`
	Settlement  string      `json:"settlement,omitempty"`
}

// Row is a doctor as the database has one. Count stays in the room.
type Row struct {
	Doctor
	Type  string
	Count int // declarations of all positions of the party
}

// Data is all of it as the database has it.
type Data struct {
	Providers []Provider
	Places    []Place
	Rows      []Row
}

// Tx is what the room needs of a transaction.
type Tx interface {
	// Directory reads all that may be shown.
	Directory(ctx context.Context) (Data, error)
	LegalEntity(ctx context.Context, id registry.ID) (prm.LegalEntity, error)
	// SetHidden marks a legal entity as hidden, or not; changed tells if it was other.
	SetHidden(ctx context.Context, legalEntity registry.ID, hidden bool, reason string) (changed bool, err error)
	Audit(ctx context.Context, e audit.Entry) (audit.Receipt, error)
}

// Store begins and ends transactions.
type Store interface {
	View(ctx context.Context, f func(ctx context.Context, tx Tx) error) error
	Update(ctx context.Context, f func(ctx context.Context, tx Tx) error) error
}

// Limits of declarations by speciality in office (domain notes 1.3): who has
// none takes no declarations.
var limits = map[string]int{"THERAPIST": 2000, "FAMILY_DOCTOR": 1800, "PEDIATRICIAN": 900}

// announce turns a count into what may be told.
func (r Row) announce() Doctor {
	d := r.Doctor
	d.Adults, d.Children = d.Speciality != "PEDIATRICIAN", d.Speciality != "THERAPIST"
	limit, ok := limits[d.Speciality]
	switch {
	case !ok || r.Type != "DOCTOR":
		d.Accepting = NotAnnounced
	case r.Count >= limit:
		d.Accepting = Full
	default:
		d.Accepting, d.FreePlaces = Open, (limit-r.Count)/10*10
	}
	return d
}

// Service keeps the index.
type Service struct {
	store  Store
	source registry.Source
	pause  time.Duration

	mu      sync.Mutex // guards what follows
	index   *Index
	due     time.Time // when the index is to be made anew
	working bool
	// first orders those who wait for an index.
	first sync.Mutex
}

// New refuses a half-configured service. pause is the least time between two
// readings of the database.
func New(store Store, source registry.Source, pause time.Duration) (*Service, error) {
	if store == nil || source.Clock == nil || pause <= 0 {
		return nil, errors.New("directory: a part is missing")
	}
	return &Service{store: store, source: source, pause: pause}, nil
}

// Index gives the directory as it was read last. Readers never wait for a new
// one but for the first.
func (s *Service) Index(ctx context.Context) (*Index, error) {
	now := s.source.Clock()
	s.mu.Lock()
	index, start := s.index, s.index != nil && !s.working && !now.Before(s.due)
	s.working = s.working || start
	s.mu.Unlock()
	if start {
		go func() {
			working, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
			defer cancel()
			_, _ = s.load(working) // the last good index stands
		}()
	}
	if index != nil {
		return index, nil
	}
	s.first.Lock()
	defer s.first.Unlock()
	s.mu.Lock()
	index = s.index
	s.mu.Unlock()
	if index != nil {
		return index, nil
	}
	return s.load(ctx)
}

// load reads the database and makes the index. Reading takes at most a
// twentieth of the time, however large the registry.
func (s *Service) load(ctx context.Context) (*Index, error) {
	began := s.source.Clock()
	var data Data
	err := s.store.View(ctx, func(ctx context.Context, tx Tx) (err error) {
		data, err = tx.Directory(ctx)
		return err
	})
	var index *Index
	if err == nil {
		index = newIndex(data, began.UTC())
	}
	now := s.source.Clock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.working, s.due = false, now.Add(max(s.pause, 20*now.Sub(began)))
	if err != nil {
		return nil, err
	}
	s.index = index
	return index, nil
}

// Hide takes a clinic out of the directory by decision, or shows it again. The
// change is seen at once here, on other servers after their next reading.
func (s *Service) Hide(ctx context.Context, c registry.Caller, id registry.ID, hidden bool, reason string) error {
	if err := c.Require(ScopeHide); err != nil {
		return err
	}
	if n := utf8.RuneCountInString(reason); n < 3 || n > 500 {
		return registry.Invalid(registry.FieldError{Entry: "$.reason", Rule: "length", Description: "expected 3 to 500 characters that say why"})
	}
	err := s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
		if _, err := tx.LegalEntity(ctx, id); err != nil {
			return err
		}
		changed, err := tx.SetHidden(ctx, id, hidden, reason)
		if err != nil {
			return err
		}
		if !changed {
			return registry.Errorf(registry.CodeConflict, "Invalid transition").WithReason(map[bool]string{true: "hidden", false: "shown"}[hidden])
		}
		kind := audit.Kind("directory.shown")
		if hidden {
			kind = "directory.hidden"
		}
		_, err = tx.Audit(ctx, audit.Entry{Kind: kind, Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID,
			Object: &audit.ObjectRef{Type: "legal_entity", ID: id.String()}})
		return err
	})
	if err != nil {
		return err
	}
	s.first.Lock()
	defer s.first.Unlock()
	_, err = s.load(ctx)
	return err
}
