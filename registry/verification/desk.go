package verification

import (
	"context"
	"errors"
	"slices"
	"time"
	"unicode/utf8"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/outbox"
	"mist/registry/patient"
)

// Scopes of the NHSU's operators, and of the person.
const (
	ScopeRead  = "person_verification:read"
	ScopeWrite = "person_verification:write"
)

// View is how a person's record is verified.
type View struct {
	PersonID registry.ID `json:"person_id"`
	Status   Status      `json:"verification_status"` // cumulative
	Streams  []State     `json:"streams"`
}

// Read tells how a record is verified, stream by stream.
func (s *Service) Read(ctx context.Context, c registry.Caller, id registry.ID) (v View, err error) {
	if err := c.Require(ScopeRead); err != nil {
		return v, err
	}
	err = s.store.Update(ctx, func(ctx context.Context, tx Tx) (err error) {
		v, err = s.view(ctx, tx, c, id)
		return err
	})
	if err != nil {
		return View{}, err
	}
	return v, nil
}

func (s *Service) view(ctx context.Context, tx Tx, c registry.Caller, id registry.ID) (View, error) {
	p, err := tx.Person(ctx, id)
	if err == nil && p.Version == 0 {
		err = registry.Errorf(registry.CodeNotFound, "not found")
	}
	if err != nil {
		return View{}, err
	}
	v := View{PersonID: id, Status: Status(p.VerificationStatus)}
	if v.Streams, err = tx.Verifications(ctx, id); err != nil {
		return View{}, err
	}
	_, err = tx.Audit(ctx, audit.Entry{Kind: audit.Disclosure, Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID, SubjectID: id,
		LegalBasis: &audit.LegalBasis{Code: audit.BasisStatute}, Fields: []string{"person.verification"}})
	return v, err
}

// Ask puts the questions about a record anew.
func (s *Service) Ask(ctx context.Context, c registry.Caller, id registry.ID) (v View, err error) {
	if err := c.Require(ScopeWrite); err != nil {
		return v, err
	}
	err = s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
		p, err := s.inUse(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := s.Begin(ctx, tx, c, p, ReasonTriggered); err != nil {
			return err
		}
		v, err = s.view(ctx, tx, c, id)
		return err
	})
	if err != nil {
		return View{}, err
	}
	return v, nil
}

func (s *Service) inUse(ctx context.Context, tx Tx, id registry.ID) (patient.Person, error) {
	if err := tx.LockPerson(ctx, id); err != nil {
		return patient.Person{}, err
	}
	p, err := tx.Person(ctx, id)
	switch {
	case err != nil:
		return p, err
	case p.Version == 0:
		return p, registry.Errorf(registry.CodeNotFound, "not found")
	case p.Status != patient.StatusActive:
		return p, registry.Errorf(registry.CodeConflict, "person is not active").WithReason("person_status")
	}
	return p, nil
}

const (
	minComment = 5
	maxComment = 1000
)

// Decide is an operator's word about one stream: a mark is taken away, or
// stands. Only the stream nhs blocks, and only with NOT_VERIFIED.
func (s *Service) Decide(ctx context.Context, c registry.Caller, id registry.ID, stream Stream, status Status, comment string) (v View, err error) {
	if err := c.Require(ScopeWrite); err != nil {
		return v, err
	}
	var fields []registry.FieldError
	if !slices.Contains(Streams(), string(stream)) {
		return v, registry.Errorf(registry.CodeNotFound, "not found")
	}
	if status != Verified && status != NotVerified {
		fields = append(fields, registry.FieldError{Entry: "$.status", Rule: "inclusion", Description: "value is not allowed in enum", Params: []string{string(Verified), string(NotVerified)}})
	}
	if n := utf8.RuneCountInString(comment); n < minComment || n > maxComment {
		fields = append(fields, registry.FieldError{Entry: "$.comment", Rule: "length", Description: "say why in 5 to 1000 characters", Params: []string{"5", "1000"}})
	}
	if len(fields) > 0 {
		return v, registry.Invalid(fields...)
	}
	err = s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
		p, err := s.inUse(ctx, tx, id)
		if err != nil {
			return err
		}
		now := s.Source.Now()
		reason := ReasonManualConfirmed
		if status == NotVerified {
			reason = ReasonManualNotConfirmed
		}
		if err := s.set(ctx, tx, c, p, State{Stream: stream, Status: status, Reason: reason, Comment: comment, Version: p.Version, CheckedAt: now, UpdatedAt: now}); err != nil {
			return err
		}
		v, err = s.view(ctx, tx, c, id)
		return err
	})
	if err != nil {
		return View{}, err
	}
	return v, nil
}

// Page sizes.
const (
	DefaultPageSize = 50
	MaxPageSize     = 100
)

// List is the work of operators: streams of a status, oldest first.
func (s *Service) List(ctx context.Context, c registry.Caller, stream Stream, status Status, page, size int) (list []Flagged, total int, err error) {
	if err := c.Require(ScopeRead); err != nil {
		return nil, 0, err
	}
	wrong := func(entry string, allowed ...string) error {
		return registry.Invalid(registry.FieldError{Entry: "$." + entry, EntryType: "query_parameter", Rule: "inclusion", Description: "value is not allowed in enum", Params: allowed})
	}
	statuses := []string{string(Verified), string(NotVerified), string(Needed), string(NotNeeded)}
	switch {
	case stream != "" && !slices.Contains(Streams(), string(stream)):
		return nil, 0, wrong("stream", Streams()...)
	case !slices.Contains(statuses, string(status)):
		return nil, 0, wrong("status", statuses...)
	case page < 1 || size < 1 || size > MaxPageSize:
		return nil, 0, registry.Invalid(registry.FieldError{Entry: "$.page_size", EntryType: "query_parameter", Rule: "number", Description: "pages are counted from 1 and hold 1 to 100", Params: []string{"1", "100"}})
	}
	err = s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
		if list, total, err = tx.FlaggedVerifications(ctx, stream, status, page, size); err != nil {
			return err
		}
		for _, f := range list {
			_, err := tx.Audit(ctx, audit.Entry{Kind: audit.Disclosure, Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID, SubjectID: f.PersonID,
				LegalBasis: &audit.LegalBasis{Code: audit.BasisStatute}, Fields: []string{"person.verification"}})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, 0, err
	}
	return list, total, nil
}

// EntityState is what the register of legal entities says of a clinic.
type EntityState struct {
	// Status: VERIFICATION_NEEDED until it answers, VERIFIED, NOT_VERIFIED.
	Status Status `json:"status"`
	// Result: registered, none, closed (another state), name (registered under another name), dead …
	Result    string `json:"result,omitempty"`
	Name      string `json:"name,omitempty"` // in the register
	StateText string `json:"state_text,omitempty"`
	// Asked is the name we compared with.
	Asked     string      `json:"-"`
	CheckedAt time.Time   `json:"checked_at,omitzero"`
	UpdatedAt time.Time   `json:"updated_at"`
	Message   registry.ID `json:"-"`
}

// EntityTx is what the registration of a clinic needs to have it checked.
type EntityTx interface {
	outbox.Tx
	PutEntityCheck(ctx context.Context, legalEntity registry.ID, e EntityState) error
}

var errEntity = errors.New("verification: the question names no legal entity")

// BeginEntity puts the question about a clinic whose registration was accepted.
func (s Starter) BeginEntity(ctx context.Context, tx EntityTx, c registry.Caller, id registry.ID, code, name string) error {
	if s.Asked == nil || !s.Asked(EDR) {
		return nil
	}
	if id.IsZero() || code == "" {
		return errEntity
	}
	now := s.Source.Now()
	message := s.Source.NewID()
	if err := tx.PutEntityCheck(ctx, id, EntityState{Status: Needed, Asked: name, UpdatedAt: now, Message: message}); err != nil {
		return err
	}
	_, err := outbox.Put(ctx, tx, s.Source, c, outbox.Message{ID: message, Destination: EDR, Operation: FindLegalEntity, Subject: id.String(), Body: encode(EntityQuestion{EntityQuery{code}, id})})
	return err
}

func (s *Service) entityAnswered(ctx context.Context, tx Tx, m outbox.Message, r outbox.Reply) error {
	q, err := decode[EntityQuestion](m.Body)
	if err != nil {
		return err
	}
	a, err := decode[Entity](r.Body)
	if err != nil {
		return err
	}
	before, ok, err := tx.EntityCheck(ctx, q.LegalEntityID)
	if err != nil || !ok || before.Message != m.ID {
		return err // a newer question is on its way
	}
	now := s.Source.Now()
	e := EntityState{Status: NotVerified, Result: "none", Name: a.Name, StateText: a.StateText, Asked: before.Asked, CheckedAt: now, UpdatedAt: now, Message: m.ID}
	switch {
	case !a.Found:
	case a.State != EDRRegistered:
		e.Result = "closed"
	case patient.NormalizeName(a.Name) != patient.NormalizeName(before.Asked):
		e.Result = "name"
	default:
		e.Status, e.Result = Verified, "registered"
	}
	return s.putEntity(ctx, tx, q.LegalEntityID, m, e)
}

func (s *Service) entityDead(ctx context.Context, tx Tx, m outbox.Message, reason outbox.Reason) error {
	q, err := decode[EntityQuestion](m.Body)
	if err != nil {
		return nil // nobody to write it to
	}
	before, ok, err := tx.EntityCheck(ctx, q.LegalEntityID)
	if err != nil || !ok || before.Message != m.ID {
		return err
	}
	before.Result, before.UpdatedAt = "dead "+string(reason), s.Source.Now()
	return s.putEntity(ctx, tx, q.LegalEntityID, m, before)
}

func (s *Service) putEntity(ctx context.Context, tx Tx, id registry.ID, m outbox.Message, e EntityState) error {
	if err := tx.PutEntityCheck(ctx, id, e); err != nil {
		return err
	}
	_, err := tx.Audit(ctx, audit.Entry{Kind: changed, Channel: string(registry.ChannelJob), RequestID: m.ID.String(), Object: &audit.ObjectRef{Type: "legal_entity", ID: id.String()}, Code: string(e.Status), Reason: e.Result})
	return err
}

// Entity tells what the register of legal entities says of a clinic: to the
// NHSU of any, to a clinic's own systems of itself.
func (s *Service) Entity(ctx context.Context, c registry.Caller, id registry.ID) (e EntityState, err error) {
	if err := c.Require("legal_entity:read"); err != nil {
		return e, err
	}
	if !c.Allows(ScopeRead) && c.LegalEntityID != id {
		return e, registry.Errorf(registry.CodeNotFound, "not found")
	}
	ok := false
	err = s.store.Update(ctx, func(ctx context.Context, tx Tx) (err error) {
		e, ok, err = tx.EntityCheck(ctx, id)
		return err
	})
	if err == nil && !ok {
		err = registry.Errorf(registry.CodeNotFound, "not found")
	}
	return e, err
}
