package notify

import (
	"context"
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/job"
)

type outbox struct{ jobs []job.Job }

func (o *outbox) Enqueue(_ context.Context, j job.Job) error {
	o.jobs = append(o.jobs, j)
	return nil
}

func (o *outbox) Withdraw(context.Context, job.Kind, string) error { return nil }

type gateway struct {
	err  error
	sent []Message
}

func (g *gateway) Send(_ context.Context, m Message) error {
	g.sent = append(g.sent, m)
	return g.err
}

func TestNoticeIsSentInUkrainian(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	source := registry.Source{Clock: func() time.Time { return now }, Random: rand.Reader}
	var box outbox
	var sms gateway
	s, err := NewSender(source, map[Channel]Gateway{SMS: &sms})
	require.NoError(t, err)
	about := source.NewID()
	good := Notice{Channel: SMS, To: "+380671234567", Template: OTP, Values: map[string]string{"code": "1236", "minutes": "15"}, About: about, Expires: now.Add(time.Minute)}
	require.NoError(t, Enqueue(t.Context(), &box, source, good))
	require.Len(t, box.jobs, 1)
	require.Contains(t, box.jobs[0].Key, about.String())
	require.NotContains(t, box.jobs[0].Key, "671234567")

	send := s.Handlers()[SendKind]
	require.NoError(t, send(t.Context(), box.jobs[0]))
	require.Len(t, sms.sent, 1)
	require.Equal(t, "Код підтвердження: 1236. Назвіть його лише лікарю, який оформлює Ваш запит. Діє 15 хв.", sms.sent[0].Text)
	first := sms.sent[0].ID
	require.False(t, first.IsZero())

	// A failure is tried again under the same id; a notice past its time is dropped.
	sms.err = errors.New("busy")
	require.ErrorIs(t, send(t.Context(), box.jobs[0]), sms.err)
	require.Equal(t, first, sms.sent[1].ID)
	now = now.Add(time.Minute)
	require.NoError(t, send(t.Context(), box.jobs[0]))
	require.Len(t, sms.sent, 2)

	for what, change := range map[string]func(*Notice){
		"telephone":     func(n *Notice) { n.To = "0671234567" },
		"e-mail":        func(n *Notice) { n.Channel = EMail },
		"no channel":    func(n *Notice) { n.Channel = "pigeon" },
		"no text":       func(n *Notice) { n.Template = "x" },
		"lacks a value": func(n *Notice) { n.Values = map[string]string{"code": "1"} },
		"has no place":  func(n *Notice) { n.Values = map[string]string{"code": "1", "minutes": "1", "name": "x"} },
	} {
		n := good
		change(&n)
		err := Enqueue(t.Context(), &box, source, n)
		require.ErrorContains(t, err, what)
		require.NotContains(t, err.Error(), "671234567")
	}
	require.Len(t, box.jobs, 1)

	// No gateway: dead at once, to be replayed when there is one.
	mail := Notice{Channel: EMail, To: "a@example.org", Template: DeclarationSigned, Values: map[string]string{"number": "0001-{x}\nA"}, About: about}
	require.NoError(t, Enqueue(t.Context(), &box, source, mail))
	err = send(t.Context(), box.jobs[1])
	require.True(t, job.IsPermanent(err))
	require.NotContains(t, err.Error(), "example.org")
	_, text, err := mail.Template.render(mail.Values)
	require.NoError(t, err)
	require.Contains(t, text, "№ 0001-xA з лікарем")
}
