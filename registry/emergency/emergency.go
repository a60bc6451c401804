// Package emergency is break-glass access: a doctor who treats a patient in
// danger opens the records without anybody's leave, for an hour, with a reason
// in words. The patient is told at once, and the NHSU reviews every case.
//
// It refuses administrators and systems without an employee, and trusts nobody
// afterwards: an access stays open for review until an operator closes it.
package emergency

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"mist/registry"
	"mist/registry/access"
	"mist/registry/audit"
	"mist/registry/job"
	"mist/registry/notify"
	"mist/registry/patient"
	"mist/registry/prm"
)

// Scopes of the operations.
const (
	ScopeCreate      = "emergency_access:create"
	ScopeReviewRead  = "access_review:read"
	ScopeReviewWrite = "access_review:write"
)

// Reasons an access may be opened for.
var reasons = []string{"LIFE_THREAT", "UNCONSCIOUS", "INCAPABLE"}

// Reasons lists the codes.
func Reasons() []string { return slices.Clone(reasons) }

// Access is one break-glass access with its review.
type Access struct {
	ID            registry.ID `json:"id"`
	PersonID      registry.ID `json:"person_id"`
	EmployeeID    registry.ID `json:"employee_id"`
	LegalEntityID registry.ID `json:"legal_entity_id"`
	Reason        string      `json:"reason"`
	Words         Words       `json:"-"`
	OpenedAt      time.Time   `json:"opened_at"`
	ExpiresAt     time.Time   `json:"expires_at"`
	Status        string      `json:"status"` // open, closed: the review
	Decision      string      `json:"decision,omitempty"`
	ReviewedBy    registry.ID `json:"-"`
	ReviewedAt    time.Time   `json:"reviewed_at,omitzero"`
}

// Words are what people wrote; sealed at rest.
type Words struct {
	Explanation string `json:"explanation"`
	Review      string `json:"review,omitempty"`
}

// Tx is what the room needs of a transaction.
type Tx interface {
	job.Tx
	Person(ctx context.Context, id registry.ID) (patient.Person, error)
	LegalEntity(ctx context.Context, id registry.ID) (prm.LegalEntity, error)
	InsertEmergency(ctx context.Context, a Access) error
	// CountEmergencies counts the employee's accesses since a time.
	CountEmergencies(ctx context.Context, employee registry.ID, since time.Time) (int, error)
	// Emergency reads one and holds its row.
	Emergency(ctx context.Context, id registry.ID) (Access, error)
	Emergencies(ctx context.Context, status string, after registry.ID, limit int) ([]Access, error)
	CloseEmergency(ctx context.Context, a Access) error
	Audit(ctx context.Context, e audit.Entry) (audit.Receipt, error)
}

// Store begins and ends transactions.
type Store interface {
	Update(ctx context.Context, f func(ctx context.Context, tx Tx) error) error
}

// Limits of break-glass access.
type Limits struct {
	Life time.Duration
	// PerDay is how many accesses one employee may open in 24 hours.
	PerDay int
}

// DefaultLimits: an hour, ten a day.
func DefaultLimits() Limits { return Limits{Life: time.Hour, PerDay: 10} }

// Service opens and reviews.
type Service struct {
	store  Store
	source registry.Source
	limits Limits
}

// New refuses a half-configured service.
func New(store Store, source registry.Source, limits Limits) (*Service, error) {
	if store == nil || source.Clock == nil || source.Random == nil || limits.Life <= 0 || limits.PerDay <= 0 {
		return nil, errors.New("emergency: a part is missing")
	}
	return &Service{store, source, limits}, nil
}

const (
	minExplanation = 20
	maxWords       = 2000
)

func words(entry, s string, least int) error {
	if n := len([]rune(strings.TrimSpace(s))); n < least || n > maxWords {
		return registry.Invalid(registry.FieldError{Entry: entry, Rule: "length", Description: "say it in words: 20 to 2000 characters"})
	}
	return nil
}

// Open opens the records of a patient to the caller's employee.
func (s *Service) Open(ctx context.Context, c registry.Caller, person registry.ID, reason, explanation string) (a Access, err error) {
	if err := c.Require(ScopeCreate); err != nil {
		return a, err
	}
	group := access.Group(c.Role)
	if c.EmployeeID.IsZero() || group != access.GroupFamilyDoctor && group != access.GroupSpecialist {
		return a, registry.Errorf(registry.CodeForbidden, "emergency access is for an employee who treats patients").WithReason("role")
	}
	if !slices.Contains(reasons, reason) {
		return a, registry.Invalid(registry.FieldError{Entry: "$.reason", Rule: "inclusion", Description: "value is not allowed in enum", Params: Reasons()})
	}
	if err := words("$.explanation", explanation, minExplanation); err != nil {
		return a, err
	}
	now := s.source.Now()
	err = s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
		p, err := tx.Person(ctx, person)
		if err != nil {
			return err
		}
		if p.Version == 0 || p.Status != patient.StatusActive {
			return registry.Errorf(registry.CodeNotFound, "not found")
		}
		n, err := tx.CountEmergencies(ctx, c.EmployeeID, now.Add(-24*time.Hour))
		if err != nil {
			return err
		}
		if n >= s.limits.PerDay {
			return registry.Errorf(registry.CodeRateLimited, "this employee has opened %d emergency accesses within a day; the NHSU is asked by telephone", n).WithReason("emergency_limit")
		}
		l, err := tx.LegalEntity(ctx, c.LegalEntityID)
		if err != nil {
			return err
		}
		a = Access{ID: s.source.NewID(), PersonID: p.ID, EmployeeID: c.EmployeeID, LegalEntityID: c.LegalEntityID, Reason: reason,
			Words: Words{Explanation: strings.TrimSpace(explanation)}, OpenedAt: now, ExpiresAt: now.Add(s.limits.Life), Status: "open"}
		if err := tx.InsertEmergency(ctx, a); err != nil {
			return err
		}
		if err := s.tell(ctx, tx, p, l, a); err != nil {
			return err
		}
		_, err = tx.Audit(ctx, entry("access.emergency_opened", c, a))
		return err
	})
	return a, err
}

// tell leaves a notice for the patient, by whatever way they can be reached.
// Who has given none sees the access in their own log of accesses.
func (s *Service) tell(ctx context.Context, tx Tx, p patient.Person, l prm.LegalEntity, a Access) error {
	n := notify.Notice{Channel: notify.SMS, Template: notify.RecordsOpened, About: a.ID,
		Values: map[string]string{"clinic": l.Name, "date": a.OpenedAt.Format("02.01.2006")}}
	switch method := p.AuthMethod(); {
	case method.PhoneNumber != "":
		n.To = method.PhoneNumber
	case len(p.Phones) > 0:
		n.To = p.Phones[0].Number
	case p.Email != "":
		n.Channel, n.To = notify.EMail, p.Email
	default:
		return nil
	}
	return notify.Enqueue(ctx, tx, s.source, n)
}

func entry(kind audit.Kind, c registry.Caller, a Access) audit.Entry {
	sum := audit.ObjectRef{Type: "emergency_access", ID: a.ID.String()}
	return audit.Entry{Kind: kind, Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID, SubjectID: a.PersonID,
		Object: &sum, LegalBasis: &audit.LegalBasis{Code: audit.BasisVitalInterest, Purpose: a.Reason}}
}

// Reviews lists accesses by the state of their review, oldest first.
func (s *Service) Reviews(ctx context.Context, c registry.Caller, status string, after registry.ID, limit int) (list []Access, err error) {
	if err := c.Require(ScopeReviewRead); err != nil {
		return nil, err
	}
	if limit < 1 || limit > 100 {
		return nil, registry.Invalid(registry.FieldError{Entry: "$.limit", EntryType: "query_parameter", Rule: "number", Description: "must lie between 1 and 100"})
	}
	err = s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
		if list, err = tx.Emergencies(ctx, status, after, limit); err != nil {
			return err
		}
		_, err := tx.Audit(ctx, audit.Entry{Kind: "access_review.list", Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID,
			LegalBasis: &audit.LegalBasis{Code: audit.BasisStatute}})
		return err
	})
	if list == nil {
		list = []Access{}
	}
	return list, err
}

// Close ends the review of an access with a decision in words.
func (s *Service) Close(ctx context.Context, c registry.Caller, id registry.ID, decision, comment string) (a Access, err error) {
	if err := c.Require(ScopeReviewWrite); err != nil {
		return a, err
	}
	if decision != "justified" && decision != "unjustified" {
		return a, registry.Invalid(registry.FieldError{Entry: "$.decision", Rule: "inclusion", Description: "value is not allowed in enum", Params: []string{"justified", "unjustified"}})
	}
	if err := words("$.comment", comment, minExplanation); err != nil {
		return a, err
	}
	err = s.store.Update(ctx, func(ctx context.Context, tx Tx) (err error) {
		if a, err = tx.Emergency(ctx, id); err != nil {
			return err
		}
		if a.Status != "open" {
			return registry.Errorf(registry.CodeConflict, "Invalid transition").WithReason("status_" + a.Status)
		}
		a.Status, a.Decision, a.Words.Review, a.ReviewedAt, a.ReviewedBy = "closed", decision, strings.TrimSpace(comment), s.source.Now(), c.ClientID
		if !c.EmployeeID.IsZero() {
			a.ReviewedBy = c.EmployeeID
		}
		if err := tx.CloseEmergency(ctx, a); err != nil {
			return err
		}
		e := entry("access.emergency_reviewed", c, a)
		e.Code = decision
		_, err = tx.Audit(ctx, e)
		return err
	})
	return a, err
}

// Encode gives the words in the form they are sealed in.
func (w Words) Encode() ([]byte, error) { return json.Marshal(w) }

// DecodeWords is the reverse.
func DecodeWords(b []byte) (w Words, err error) { return w, json.Unmarshal(b, &w) }
