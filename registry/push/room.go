package push

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"

	"mist/registry"
	"mist/registry/consent"
	"mist/registry/job"
	"mist/registry/notify"
	"mist/registry/outbox"
	"mist/registry/patient"
)

// Tx is what the room needs of a transaction.
type Tx interface {
	outbox.Tx
	job.Tx
	// ActiveWithTaxID opens a person's record if it is in use and has a tax
	// number; any other is not opened.
	ActiveWithTaxID(ctx context.Context, id registry.ID) (p patient.Person, found bool, err error)
	// Consented tells whether a repeatable consent of the scope is in force, to
	// whomever; it opens nothing.
	Consented(ctx context.Context, person registry.ID, scope string, now time.Time) (bool, error)
	MessageInfo(ctx context.Context, id registry.ID, lock bool) (outbox.Info, error)
	// DiscardMessage ends a dead message: nobody has to look at it.
	DiscardMessage(ctx context.Context, id registry.ID) error
}

// Store begins and ends transactions.
type Store interface {
	Update(ctx context.Context, f func(ctx context.Context, tx Tx) error) error
}

// Service tells people by Diia before anything else is tried, if they have
// consented to it (scope notice). The SMS stands ready from the beginning and
// goes by itself when Diia has not told the person in time, at once when it says
// that it cannot, and not at all when a device has it: an outage of Diia delays a
// notice by [Service.Patience] and loses none.
type Service struct {
	Store  Store
	Source registry.Source
	// Templates are Diia's names of our texts; a text without one goes by SMS.
	Templates map[string]string
	// Patience is how long Diia has; Pause lies between two questions to it.
	Patience, Pause time.Duration
}

// DefaultPatience and DefaultPause: a code to fetch a medicine with is awaited
// within minutes.
const (
	DefaultPatience = 5 * time.Minute
	DefaultPause    = 20 * time.Second
)

// New refuses a half-configured service.
func New(s Service) (*Service, error) {
	if s.Store == nil || s.Source.Clock == nil || s.Source.Random == nil || s.Patience <= 0 || s.Pause <= 0 {
		return nil, errors.New("push: a part is missing")
	}
	return &s, nil
}

// task is what stands behind each of the three questions.
type task struct {
	// SMS is the notice that goes if Diia does not tell.
	SMS   notify.Notice `json:"sms"`
	Until time.Time     `json:"until"`
}

type creation struct {
	Question
	Task task `json:"task"`
}

type following struct {
	StatusQuestion
	Task task `json:"task"`
}

// beside gives an id of the same notice for another job: the one that runs holds
// its own key until it is done.
func beside(id registry.ID, n byte) registry.ID {
	id[len(id)-1] ^= n
	return id
}

// Take implements [notify.First].
func (s *Service) Take(ctx context.Context, n notify.Notice) (taken bool, err error) {
	template, known := s.Templates[string(n.Template)]
	if !known || n.PersonID.IsZero() {
		return false, nil
	}
	err = s.Store.Update(ctx, func(ctx context.Context, tx Tx) error {
		taken = false
		now := s.Source.Now()
		// First: nobody's record is opened who did not consent.
		if agreed, err := tx.Consented(ctx, n.PersonID, consent.ScopeNotice, now); err != nil || !agreed {
			return err
		}
		switch _, err := tx.MessageInfo(ctx, n.ID, false); {
		case err == nil:
			taken = true
			return nil // this job has run before and did not get to say so
		case registry.CodeOf(err) != registry.CodeNotFound:
			return err
		}
		// Nor anybody's whom Diia cannot know: what is opened is told, and the
		// message leaves the entry of it.
		p, found, err := tx.ActiveWithTaxID(ctx, n.PersonID)
		if err != nil || !found {
			return err
		}
		taken = true
		t := task{SMS: n, Until: now.Add(s.Patience)}
		if !n.Expires.IsZero() && n.Expires.Before(t.Until) {
			t.Until = now.Add(n.Expires.Sub(now) / 2)
		}
		t.SMS.PersonID, t.SMS.ID, t.SMS.NotBefore = registry.ID{}, beside(n.ID, 1), t.Until
		q := creation{Question{Template: template, ID: n.ID.String(), RNOKPP: p.TaxID}, t}
		for _, key := range slices.Sorted(maps.Keys(n.Values)) {
			q.Parameters = append(q.Parameters, Parameter{key, n.Values[key]})
		}
		if err := notify.Enqueue(ctx, tx, s.Source, t.SMS); err != nil {
			return err
		}
		body, err := json.Marshal(q)
		if err != nil {
			return err
		}
		_, err = outbox.Put(ctx, tx, s.Source, caller(n.ID), outbox.Message{ID: n.ID, Destination: Diia, Operation: Create, PersonID: n.PersonID, Fields: []string{"person.tax_id", "notice"},
			Body: body, Deadline: t.Until})
		return err
	})
	return taken && err == nil, err
}

func caller(id registry.ID) registry.Caller {
	return registry.Caller{Channel: registry.ChannelJob, RequestID: id.String()}
}

// Effects are what Diia's answers change.
func (s *Service) Effects(to outbox.Effects) {
	for operation, answered := range map[outbox.Operation]func(ctx context.Context, tx Tx, m outbox.Message, t task, r outbox.Reply) error{
		Create: s.created, Distribution: s.distributed, Delivery: s.delivered,
	} {
		to.Add(Diia, operation, outbox.Effect{
			Answered: outbox.As(func(ctx context.Context, tx Tx, m outbox.Message, r outbox.Reply) error {
				t, err := taskOf(m)
				if err != nil {
					return err
				}
				return answered(ctx, tx, m, t, r)
			}),
			Dead: outbox.AsDead(func(ctx context.Context, tx Tx, m outbox.Message, _ outbox.Reason) error {
				if t, err := taskOf(m); err == nil {
					if err := s.hurry(ctx, tx, t); err != nil {
						return err
					}
				}
				// The SMS tells: no operator has to.
				return tx.DiscardMessage(ctx, m.ID)
			}),
		})
	}
}

func taskOf(m outbox.Message) (task, error) {
	var b struct {
		Task task `json:"task"`
	}
	if err := json.Unmarshal(m.Body, &b); err != nil || b.Task.SMS.Template == "" {
		return task{}, outbox.Rubbish(errors.New("the message holds no notice"))
	}
	return b.Task, nil
}

func (s *Service) ask(ctx context.Context, tx Tx, o outbox.Operation, distribution string, t task) error {
	at := s.Source.Now().Add(s.Pause)
	if !at.Before(t.Until) {
		return nil // the SMS goes by itself
	}
	b, err := json.Marshal(following{StatusQuestion{distribution}, t})
	if err != nil {
		return err
	}
	_, err = outbox.Put(ctx, tx, s.Source, registry.Caller{}, outbox.Message{Destination: Diia, Operation: o, Body: b, NotBefore: at, Deadline: t.Until})
	return err
}

func (s *Service) created(ctx context.Context, tx Tx, _ outbox.Message, t task, r outbox.Reply) error {
	var a Created
	if err := json.Unmarshal(r.Body, &a); err != nil || a.DistributionID == "" {
		return outbox.Rubbish(errors.New("the answer names no distribution"))
	}
	return s.ask(ctx, tx, Distribution, a.DistributionID, t)
}

func (s *Service) distributed(ctx context.Context, tx Tx, m outbox.Message, t task, r outbox.Reply) error {
	var a Distributed
	var q following
	if err := errors.Join(json.Unmarshal(r.Body, &a), json.Unmarshal(m.Body, &q)); err != nil {
		return outbox.Rubbish(errors.New("the answer cannot be read"))
	}
	switch a.Status {
	case "pending", "in-progress":
		return s.ask(ctx, tx, Distribution, q.DistributionID, t)
	case "sent", "closed":
		return s.ask(ctx, tx, Delivery, q.DistributionID, t)
	}
	return outbox.Rubbish(errors.New("the answer has no state of a distribution"))
}

// delivered: read beats sent beats everything else, as ЕСОЗ counts devices (3.5).
func (s *Service) delivered(ctx context.Context, tx Tx, _ outbox.Message, t task, r outbox.Reply) error {
	var a Delivered
	if err := json.Unmarshal(r.Body, &a); err != nil {
		return outbox.Rubbish(errors.New("the answer cannot be read"))
	}
	if slices.Contains(a.Devices, "read") || slices.Contains(a.Devices, "sent") {
		return tx.Withdraw(ctx, notify.SendKind, notify.Key(t.SMS.About, t.SMS.ID))
	}
	return s.hurry(ctx, tx, t)
}

// hurry sends the SMS now; one whose time has come goes by itself.
func (s *Service) hurry(ctx context.Context, tx Tx, t task) error {
	if !s.Source.Now().Before(t.Until) {
		return nil
	}
	if err := tx.Withdraw(ctx, notify.SendKind, notify.Key(t.SMS.About, t.SMS.ID)); err != nil {
		return err
	}
	t.SMS.ID, t.SMS.NotBefore = beside(t.SMS.ID, 2), time.Time{}
	return notify.Enqueue(ctx, tx, s.Source, t.SMS)
}
