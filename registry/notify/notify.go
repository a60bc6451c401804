// Package notify tells people: by SMS or e-mail, in Ukrainian, through a
// gateway that is plugged in. A notice is enqueued in the transaction of what
// it tells of, sealed like every job, and sent by a job that tries again until
// the gateway took it or the notice has lost its sense.
//
// It refuses addresses that no gateway could use. It trusts the gateway to
// send a message of one id once, and nobody with its text: neither text nor
// address stands in a log, an error or a metric.
package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"time"

	"mist/registry"
	"mist/registry/job"
)

// Channel is the way a message goes.
type Channel string

// Channels.
const (
	SMS   Channel = "sms"
	EMail Channel = "email"
)

// SendKind is the kind of the job that sends one notice.
const SendKind job.Kind = "notification.send"

// Notice is what somebody shall be told.
type Notice struct {
	// ID is the same at every attempt, so that a gateway can drop a second
	// copy. It may be left zero.
	ID       registry.ID `json:"id"`
	Channel  Channel     `json:"channel"`
	To       string      `json:"to"` // +380… or an e-mail address
	Template Template    `json:"template"`
	// Values fill the template's places.
	Values map[string]string `json:"values,omitempty"`
	// About is the request or act the notice belongs to; operators see it.
	About registry.ID `json:"about"`
	// PersonID is whom it tells, where Diia may tell them first; zero: nobody asks.
	PersonID registry.ID `json:"person_id,omitzero"`
	// NotBefore is the earliest time; zero is at once.
	NotBefore time.Time `json:"not_before,omitzero"`
	// Expires is when it is no longer worth sending; zero is never.
	Expires time.Time `json:"expires,omitzero"`
}

// Message is a notice as a gateway sends it.
type Message struct {
	ID       registry.ID
	Channel  Channel
	To       string
	Subject  string // of an e-mail
	Text     string
	Template Template
	About    registry.ID
}

// Gateway sends messages. An error is tried again unless it is of
// [job.Permanent]; its text must not repeat address or message. A gateway must
// take the same message id twice without sending twice, where its provider can.
type Gateway interface {
	Send(ctx context.Context, m Message) error
}

var (
	phoneForm = regexp.MustCompile(`^\+38[0-9]{10}$`)
	emailForm = regexp.MustCompile(`^[^@\s<>"]{1,64}@[^@\s<>"]{1,190}$`)
)

// Enqueue leaves the notice to be sent when the transaction has committed.
func Enqueue(ctx context.Context, tx job.Tx, source registry.Source, n Notice) error {
	if n.ID.IsZero() {
		n.ID = source.NewID()
	}
	switch {
	case n.Channel == SMS && !phoneForm.MatchString(n.To):
		return errors.New("notify: the address is not a Ukrainian telephone number")
	case n.Channel == EMail && !emailForm.MatchString(n.To):
		return errors.New("notify: the address is not an e-mail address")
	case n.Channel != SMS && n.Channel != EMail:
		return fmt.Errorf("notify: no channel %q", n.Channel)
	}
	if _, _, err := n.Template.render(n.Values); err != nil {
		return err
	}
	args, err := json.Marshal(n)
	if err != nil {
		return fmt.Errorf("encoding a notice: %w", err)
	}
	return tx.Enqueue(ctx, job.Job{Kind: SendKind, Key: Key(n.About, n.ID), Args: args, RunAt: n.NotBefore})
}

// Withdraw takes back the notices about something that were not sent yet.
func Withdraw(ctx context.Context, tx job.Tx, about registry.ID) error {
	return tx.Withdraw(ctx, SendKind, about.String()+"/")
}

// Key is the job's key: what the notice is about, then its own id.
func Key(about, id registry.ID) string { return about.String() + "/" + id.String() }

// Sender sends what was enqueued.
type Sender struct {
	gateways map[Channel]Gateway
	source   registry.Source
	first    First
}

// First may tell somebody by a better way than the notice's channel; what it
// takes is its own to bring to an end.
type First interface {
	Take(ctx context.Context, n Notice) (taken bool, err error)
}

// Try tells the sender, before it is used, who may take notices first.
func (s *Sender) Try(f First) { s.first = f }

// NewSender takes the gateways by channel; a channel without one leaves its
// notices dead, to be replayed when there is one.
func NewSender(source registry.Source, gateways map[Channel]Gateway) (*Sender, error) {
	if source.Clock == nil {
		return nil, errors.New("notify: a clock is needed")
	}
	return &Sender{gateways: gateways, source: source}, nil
}

// Handlers of the jobs of this room.
func (s *Sender) Handlers() job.Handlers { return job.Handlers{SendKind: s.send} }

func (s *Sender) send(ctx context.Context, j job.Job) error {
	var n Notice
	if err := json.Unmarshal(j.Args, &n); err != nil {
		return job.Permanent(errors.New("the notice is not readable"))
	}
	if !n.Expires.IsZero() && !s.source.Now().Before(n.Expires) {
		return nil
	}
	if s.first != nil && !n.PersonID.IsZero() {
		if taken, err := s.first.Take(ctx, n); err != nil || taken {
			return err
		}
	}
	subject, text, err := n.Template.render(n.Values)
	if err != nil {
		return job.Permanent(err)
	}
	gateway, ok := s.gateways[n.Channel]
	if !ok {
		return job.Permanent(fmt.Errorf("no gateway for %s is configured (notify.%s)", n.Channel, n.Channel))
	}
	return gateway.Send(ctx, Message{ID: n.ID, Channel: n.Channel, To: n.To, Subject: subject, Text: text, Template: n.Template, About: n.About})
}
