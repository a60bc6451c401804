// Package dispute is a citizen's word against a record: "this did not happen".
// A person sees the acts that were signed about them, raises a case over one,
// and gets its number; an operator of the NHSU answers it in words.
//
// A case changes nothing of the act, which stays signed and in the log: it asks.
// There is one open case of a person and an act. What people write is sealed. A
// foreign act or case answers as absent.
package dispute

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"mist/registry"
	"mist/registry/audit"
)

// Scopes: of the citizen, and of the NHSU's operators.
const (
	ScopeOwn   = "dispute:write_pis"
	ScopeRead  = "dispute:read"
	ScopeWrite = "dispute:write"
)

// Kinds of the entries.
const (
	Opened   audit.Kind = "dispute.opened"
	Answered audit.Kind = "dispute.answered"
	// Shown is an operator's reading of what a citizen wrote.
	Shown audit.Kind = "disclosure.dispute"
)

// States of a case and decisions about it.
const (
	StatusOpen     = "open"
	StatusAnswered = "answered"

	Stands   = "stands"   // the record is right, the answer says why
	Mistaken = "mistaken" // the record is wrong, the answer says what follows
)

// citizenPage is how citizens do what they do for themselves (consent.CitizenPage).
const citizenPage = "citizen_page"

// Record is an act that was signed about a person.
type Record struct {
	ActID       registry.ID
	EntryID     registry.ID
	Kind        registry.KindName
	At          time.Time
	Signer      string
	LegalEntity string
}

// Words are what people wrote; sealed at rest.
type Words struct {
	Said   string `json:"said"`
	Answer string `json:"answer,omitempty"`
}

// Case is a dispute over one act.
type Case struct {
	ID         registry.ID
	Number     string
	PersonID   registry.ID
	ActID      registry.ID
	EntryID    registry.ID // of the act
	Kind       registry.KindName
	Words      Words
	Status     string
	Decision   string
	OpenedAt   time.Time
	AnsweredAt time.Time
	AnsweredBy registry.ID
}

// Tx is what the room needs of a transaction.
type Tx interface {
	// SignedAbout gives at most limit acts about a person, newest first.
	SignedAbout(ctx context.Context, person registry.ID, limit int) ([]Record, error)
	// RecordAbout gives one of them; not-found where the act is about nobody or another.
	RecordAbout(ctx context.Context, person, act registry.ID) (Record, error)
	InsertCase(ctx context.Context, c Case) error
	// Case reads one and holds its row.
	Case(ctx context.Context, id registry.ID) (Case, error)
	CasesOf(ctx context.Context, person registry.ID, limit int) ([]Case, error)
	// OpenCases gives open cases, oldest first, without what people wrote, and how many there are.
	OpenCases(ctx context.Context, limit int) ([]Case, int, error)
	AnswerCase(ctx context.Context, c Case) error
	Audit(ctx context.Context, e audit.Entry) (audit.Receipt, error)
}

// Store begins and ends transactions.
type Store interface {
	Update(ctx context.Context, f func(ctx context.Context, tx Tx) error) error
}

// Service is the room.
type Service struct {
	store  Store
	source registry.Source
}

// New refuses a half-configured service.
func New(store Store, source registry.Source) (*Service, error) {
	if store == nil || source.Clock == nil || source.Random == nil {
		return nil, errors.New("dispute: a part is missing")
	}
	return &Service{store, source}, nil
}

const (
	minWords = 10
	maxWords = 2000
	// maxRecords bounds what one page tells.
	maxRecords = 200
)

func words(entry, s string) (string, error) {
	s = strings.TrimSpace(s)
	if n := len([]rune(s)); n < minWords || n > maxWords {
		return s, registry.Invalid(registry.FieldError{Entry: entry, Rule: "length", Description: "say it in words: 10 to 2000 characters", Params: []string{"10", "2000"}})
	}
	return s, nil
}

func citizen(c registry.Caller) (registry.ID, error) {
	if err := c.Require(ScopeOwn); err != nil {
		return registry.ID{}, err
	}
	return c.Patient()
}

func entry(kind audit.Kind, c registry.Caller, person registry.ID, k Case) audit.Entry {
	e := audit.Entry{Kind: kind, Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID, SubjectID: person,
		LegalBasis: &audit.LegalBasis{Code: audit.BasisStatute, Purpose: "dispute"}} // Law 2297-VI, article 8
	if !k.ID.IsZero() {
		e.Object = &audit.ObjectRef{Type: "dispute", ID: k.ID.String()}
	}
	return e
}

func own(kind audit.Kind, c registry.Caller, person registry.ID, k Case) audit.Entry {
	e := entry(kind, c, person, k)
	e.LegalBasis.Method, e.LegalBasis.Purpose = citizenPage, "own_data"
	return e
}

// Records tells a citizen what was signed about them, and their cases.
func (s *Service) Records(ctx context.Context, c registry.Caller) (list []Record, cases []Case, err error) {
	person, err := citizen(c)
	if err != nil {
		return nil, nil, err
	}
	err = s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
		var err error
		if list, err = tx.SignedAbout(ctx, person, maxRecords); err != nil {
			return err
		}
		if cases, err = tx.CasesOf(ctx, person, maxRecords); err != nil {
			return err
		}
		e := own(audit.Disclosure, c, person, Case{})
		e.Fields = []string{"records"}
		_, err = tx.Audit(ctx, e)
		return err
	})
	return list, cases, err
}

// Record tells one of them.
func (s *Service) Record(ctx context.Context, c registry.Caller, act registry.ID) (r Record, err error) {
	person, err := citizen(c)
	if err != nil {
		return r, err
	}
	err = s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
		var err error
		if r, err = tx.RecordAbout(ctx, person, act); err != nil {
			return err
		}
		e := own(audit.Disclosure, c, person, Case{})
		e.Fields = []string{"records"}
		_, err = tx.Audit(ctx, e)
		return err
	})
	return r, err
}

// Open raises a case: this did not happen.
func (s *Service) Open(ctx context.Context, c registry.Caller, act registry.ID, said string) (k Case, err error) {
	person, err := citizen(c)
	if err != nil {
		return k, err
	}
	if said, err = words("$.said", said); err != nil {
		return k, err
	}
	err = s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
		r, err := tx.RecordAbout(ctx, person, act)
		if err != nil {
			return err
		}
		k = Case{ID: s.source.NewID(), Number: s.number(), PersonID: person, ActID: act, EntryID: r.EntryID, Kind: r.Kind, Words: Words{Said: said}, Status: StatusOpen, OpenedAt: s.source.Now()}
		if err := tx.InsertCase(ctx, k); err != nil {
			return err
		}
		_, err = tx.Audit(ctx, own(Opened, c, person, k))
		return err
	})
	return k, err
}

// letters of a case's number: none that is taken for another by eye or ear.
const letters = "23456789CDFGHJKMNPQRTVWXYZ"

// number is eight letters in two groups, to be told by telephone.
func (s *Service) number() string {
	b := s.source.Bytes(8)
	for i := range b {
		b[i] = letters[int(b[i])%len(letters)]
	}
	return string(b[:4]) + "-" + string(b[4:])
}

// Own tells a citizen a case of theirs.
func (s *Service) Own(ctx context.Context, c registry.Caller, id registry.ID) (k Case, err error) {
	person, err := citizen(c)
	if err != nil {
		return k, err
	}
	err = s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
		var err error
		if k, err = tx.Case(ctx, id); err == nil && k.PersonID != person {
			err = registry.Errorf(registry.CodeNotFound, "not found")
		}
		if err != nil {
			return err
		}
		e := own(audit.Disclosure, c, person, k)
		e.Fields = []string{"records"}
		_, err = tx.Audit(ctx, e)
		return err
	})
	return k, err
}

// pageSize is how many open cases an operator is shown.
const pageSize = 100

// List gives open cases, oldest first, and how many there are. What people
// wrote is not told in a list.
func (s *Service) List(ctx context.Context, c registry.Caller) (list []Case, total int, err error) {
	if err := c.Require(ScopeRead); err != nil {
		return nil, 0, err
	}
	err = s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
		var err error
		list, total, err = tx.OpenCases(ctx, pageSize)
		return err
	})
	return list, total, err
}

// Get tells an operator a case with what the citizen wrote; the citizen sees
// that it was read.
func (s *Service) Get(ctx context.Context, c registry.Caller, id registry.ID) (k Case, err error) {
	if err := c.Require(ScopeRead); err != nil {
		return k, err
	}
	err = s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
		var err error
		if k, err = tx.Case(ctx, id); err != nil {
			return err
		}
		e := entry(Shown, c, k.PersonID, k)
		e.Fields = []string{"dispute"}
		_, err = tx.Audit(ctx, e)
		return err
	})
	return k, err
}

// Answer ends a case with a decision in words.
func (s *Service) Answer(ctx context.Context, c registry.Caller, id registry.ID, decision, answer string) (k Case, err error) {
	if err := c.Require(ScopeWrite); err != nil {
		return k, err
	}
	if decision != Stands && decision != Mistaken {
		return k, registry.Invalid(registry.FieldError{Entry: "$.decision", Rule: "inclusion", Description: "value is not allowed in enum", Params: []string{Stands, Mistaken}})
	}
	if answer, err = words("$.answer", answer); err != nil {
		return k, err
	}
	err = s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
		var err error
		if k, err = tx.Case(ctx, id); err != nil {
			return err
		}
		if k.Status != StatusOpen {
			return registry.Errorf(registry.CodeConflict, "Invalid transition").WithReason("status_" + k.Status)
		}
		k.Status, k.Decision, k.Words.Answer, k.AnsweredAt, k.AnsweredBy = StatusAnswered, decision, answer, s.source.Now(), c.EmployeeID
		if err := tx.AnswerCase(ctx, k); err != nil {
			return err
		}
		e := entry(Answered, c, k.PersonID, k)
		e.Code = decision
		_, err = tx.Audit(ctx, e)
		return err
	})
	return k, err
}

// Encode gives the words in the form they are sealed in.
func (w Words) Encode() ([]byte, error) { return json.Marshal(w) }

// DecodeWords is the reverse.
func DecodeWords(b []byte) (w Words, err error) { return w, json.Unmarshal(b, &w) }
