// Package verification is what other registers say of a person's record: one
// stream a register, each with status and reason, and the record's cumulative
// status made of them (ЕСОЗ 6.2).
//
// Questions leave by the outbox in the transaction of the act that made them
// needed, answers are written in the transaction that ends their message. It
// trusts no answer with more than a mark: only a record of death that names the
// person in three ways takes a record out of use; everything else is for people
// to look at. What a register told stays sealed.
package verification

import (
	"context"
	"errors"
	"slices"
	"time"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/job"
	"mist/registry/outbox"
	"mist/registry/patient"
	"mist/registry/personlife"
)

// Stream is one register's word about a person.
type Stream string

// Streams, by the names of ЕСОЗ 6.2.
const (
	StreamDRFO       Stream = "drfo"
	StreamUNZR       Stream = "unzr"
	StreamDeath      Stream = "dracs_death"
	StreamBirth      Stream = "dracs_birth"
	StreamNameChange Stream = "dracs_name_change"
	StreamNHS        Stream = "nhs" // by hand
)

// Streams lists them all.
func Streams() []string {
	return []string{string(StreamDRFO), string(StreamUNZR), string(StreamDeath), string(StreamBirth), string(StreamNameChange), string(StreamNHS)}
}

// Status of a stream, and of all together.
type Status string

// Statuses.
const (
	Verified      Status = "VERIFIED"
	NotVerified   Status = "NOT_VERIFIED"
	Needed        Status = "VERIFICATION_NEEDED"
	NotNeeded     Status = "VERIFICATION_NOT_NEEDED"
	ChangesNeeded Status = "CHANGES_NEEDED"
)

// Reason of a status.
type Reason string

// Reasons (ЕСОЗ 6.2 and domain notes 1.1).
const (
	ReasonInitial            Reason = "INITIAL"
	ReasonAuto               Reason = "AUTO"             // a register's word
	ReasonDataAbsent         Reason = "AUTO_DATA_ABSENT" // nothing to ask about
	ReasonTriggered          Reason = "ONLINE_TRIGGERED" // an operator asked
	ReasonManualConfirmed    Reason = "MANUAL_CONFIRMED" // an operator looked
	ReasonManualNotConfirmed Reason = "MANUAL_NOT_CONFIRMED"
)

// State of one stream of a person. Result and Comment are sealed at rest.
type State struct {
	Stream Stream `json:"stream"`
	Status Status `json:"status"`
	Reason Reason `json:"reason"`
	// Result is the register's answer as a word; dead when the question was given up.
	Result string `json:"result,omitempty"`
	// Comment is an operator's, or what a register told that people must compare.
	Comment string `json:"comment,omitempty"`
	// Version of the record it speaks of.
	Version   int       `json:"version"`
	CheckedAt time.Time `json:"checked_at,omitzero"`
	UpdatedAt time.Time `json:"updated_at"`
	// DueAt is when it is asked again by itself; zero: never.
	DueAt time.Time `json:"due_at,omitzero"`
}

// Cumulative is the status of a record by its streams (ЕСОЗ 6.2): not needed
// ones do not count; NOT_VERIFIED comes from people alone and is kept.
func Cumulative(list []State) Status {
	verified, needed := 0, false
	for _, s := range list {
		switch {
		case s.Stream == StreamNHS && s.Status == NotVerified:
			return NotVerified
		case s.Status == NotVerified:
			return ChangesNeeded
		case s.Status == Needed:
			needed = true
		case s.Status == Verified:
			verified++
		}
	}
	if needed || verified == 0 {
		return Needed
	}
	return Verified
}

// BeginTx is what an act needs to have its person checked.
type BeginTx interface {
	outbox.Tx
	PutVerification(ctx context.Context, person registry.ID, s State) error
	Verifications(ctx context.Context, person registry.ID) ([]State, error)
	// SetVerificationStatus changes the cumulative status and nothing else.
	SetVerificationStatus(ctx context.Context, person registry.ID, status Status) error
}

// Tx is what the room needs of a transaction.
type Tx interface {
	BeginTx
	LockPerson(ctx context.Context, id registry.ID) error
	Person(ctx context.Context, id registry.ID) (patient.Person, error)
	FindPerson(ctx context.Context, q patient.Query) (patient.Person, bool, error)
	// DueVerifications names at most limit people of whom a stream is due.
	DueVerifications(ctx context.Context, now time.Time, limit int) ([]registry.ID, error)
	// FlaggedVerifications lists streams of a status, of one stream or of all.
	FlaggedVerifications(ctx context.Context, stream Stream, status Status, page, size int) ([]Flagged, int, error)
	// FeedDay reads and locks the last day a feed was asked for; zero when never.
	FeedDay(ctx context.Context, feed outbox.Operation) (registry.Date, error)
	SetFeedDay(ctx context.Context, feed outbox.Operation, day registry.Date) error
	PutEntityCheck(ctx context.Context, legalEntity registry.ID, e EntityState) error
	EntityCheck(ctx context.Context, legalEntity registry.ID) (EntityState, bool, error)
	job.Tx
}

// Flagged is a stream of a person that people should look at.
type Flagged struct {
	PersonID registry.ID `json:"person_id"`
	State
}

// Store begins and ends transactions.
type Store interface {
	Update(ctx context.Context, f func(ctx context.Context, tx Tx) error) error
}

// Deaths takes a record out of use; *personlife.Service is one.
type Deaths interface {
	Deactivate(ctx context.Context, c registry.Caller, id registry.ID, d personlife.Deactivation) (patient.Person, error)
}

// Terms of the checks.
type Terms struct {
	// Validity is how long a word of a register counts
	// (DRFO_PERSON_VALIDATION_PERIOD_DAYS); after a dead question it is asked
	// again after Retry.
	Validity, Retry time.Duration
}

// DefaultTerms are those of ЕСОЗ 3.6.
func DefaultTerms() Terms { return Terms{180 * 24 * time.Hour, 24 * time.Hour} }

// Starter puts the questions about a person. The zero value asks nobody.
type Starter struct {
	Source registry.Source
	Terms  Terms
	// Asked tells which registers are configured.
	Asked func(outbox.Destination) bool
}

// adultAge and womanAge: births are asked for children, and tax numbers not for
// women of 16 and older, whose surname may differ there (ЕСОЗ 3.6).
const (
	childAge = 14
	womanAge = 16
)

// nameFields are what a question by names tells.
var nameFields = []string{"person.names", "person.birth"}

// Begin writes the streams of a record anew and puts the questions: for a new
// record, for one whose identity changed, or because someone asks (reason).
func (s Starter) Begin(ctx context.Context, tx BeginTx, c registry.Caller, p patient.Person, reason Reason) error {
	if s.Asked == nil || p.Status != patient.StatusActive {
		return nil
	}
	now := s.Source.Now()
	before, err := tx.Verifications(ctx, p.ID)
	if err != nil {
		return err
	}
	states := map[Stream]State{}
	for _, b := range before {
		states[b.Stream] = b
	}
	for _, q := range s.questions(p, registry.DateOf(now)) {
		state := State{Stream: q.stream, Status: NotNeeded, Reason: ReasonDataAbsent, Version: p.Version, UpdatedAt: now}
		if q.operation != "" {
			state.Status, state.Reason, state.DueAt = Needed, reason, now.Add(s.Terms.Retry+outbox.Patience)
			if _, err := outbox.Put(ctx, tx, s.Source, c, outbox.Message{Destination: q.to, Operation: q.operation, PersonID: p.ID, Fields: q.fields, Body: q.body}); err != nil {
				return err
			}
		}
		states[q.stream] = state
		if err := tx.PutVerification(ctx, p.ID, state); err != nil {
			return err
		}
	}
	return s.sum(ctx, tx, p, states)
}

// sum writes the cumulative status if it changed.
func (s Starter) sum(ctx context.Context, tx BeginTx, p patient.Person, states map[Stream]State) error {
	list := make([]State, 0, len(states))
	for _, state := range states {
		list = append(list, state)
	}
	if status := Cumulative(list); string(status) != p.VerificationStatus {
		return tx.SetVerificationStatus(ctx, p.ID, status)
	}
	return nil
}

type question struct {
	stream    Stream
	to        outbox.Destination
	operation outbox.Operation // empty: nothing to ask
	fields    []string
	body      []byte
}

// questions are those of the configured registers about a record.
func (s Starter) questions(p patient.Person, today registry.Date) (list []question) {
	name := NameQuery{p.LastName, p.FirstName, p.SecondName, p.BirthDate}
	age := p.BirthDate.YearsAt(today)
	add := func(stream Stream, to outbox.Destination, o outbox.Operation, ask bool, body any, fields ...string) {
		if !s.Asked(to) {
			return
		}
		q := question{stream: stream, to: to}
		if ask {
			q.operation, q.body, q.fields = o, encode(body), append(slices.Clone(nameFields), fields...)
		}
		list = append(list, q)
	}
	woman := p.Gender == "FEMALE" && age >= womanAge
	add(StreamDRFO, DRFO, CheckTaxNumber, p.TaxID != "" && !woman, NumberQuery{name, p.TaxID, p.Version}, "person.tax_id")
	add(StreamUNZR, MVS, CheckUNZR, p.UNZR != "", NumberQuery{name, p.UNZR, p.Version}, "person.unzr")
	add(StreamDeath, DRACS, DeathByName, true, name)
	add(StreamBirth, DRACS, BirthByName, age < childAge && certificate(p) != "", name)
	return list
}

func certificate(p patient.Person) string {
	for _, d := range p.Documents {
		if d.Type == "BIRTH_CERTIFICATE" {
			return d.Number
		}
	}
	return ""
}

// Service is the room.
type Service struct {
	Starter
	store  Store
	deaths Deaths
}

// New refuses a half-configured service.
func New(store Store, starter Starter, deaths Deaths) (*Service, error) {
	if store == nil || deaths == nil || starter.Source.Clock == nil || starter.Source.Random == nil || starter.Terms.Validity <= 0 || starter.Terms.Retry <= 0 || starter.Asked == nil {
		return nil, errors.New("verification: a part is missing")
	}
	return &Service{starter, store, deaths}, nil
}

// system is on whose account answers are written.
func (s *Service) system(request string) registry.Caller {
	return registry.Caller{Channel: registry.ChannelJob, RequestID: request, Scopes: []string{personlife.ScopeDeactivate}}
}

// changed is the kind of the entry of a stream that changed.
const changed audit.Kind = "verification.changed"

// set writes one stream of a held record and the cumulative status.
func (s *Service) set(ctx context.Context, tx Tx, c registry.Caller, p patient.Person, state State) error {
	list, err := tx.Verifications(ctx, p.ID)
	if err != nil {
		return err
	}
	states := map[Stream]State{}
	for _, b := range list {
		states[b.Stream] = b
	}
	states[state.Stream] = state
	if err := tx.PutVerification(ctx, p.ID, state); err != nil {
		return err
	}
	if err := s.sum(ctx, tx, p, states); err != nil {
		return err
	}
	_, err = tx.Audit(ctx, audit.Entry{Kind: changed, Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID, SubjectID: p.ID,
		Object: &audit.ObjectRef{Type: "verification", ID: string(state.Stream)}, Code: string(state.Status), Reason: string(state.Reason)})
	return err
}
