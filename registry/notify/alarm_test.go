package notify_test

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/notify"
)

type gate struct {
	down bool
	sent []notify.Message
}

func (g *gate) Send(_ context.Context, m notify.Message) error {
	if g.down {
		return errors.New("the gateway is away")
	}
	g.sent = append(g.sent, m)
	return nil
}

// An alarm is told once when it begins, again after an hour, and when it is
// over; a gateway that was away gets it with the next report.
func TestAlarms(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	sms, mail := &gate{}, &gate{down: true}
	a := &notify.Alarms{
		Gateways: map[notify.Channel]notify.Gateway{notify.SMS: sms, notify.EMail: mail},
		Keepers:  []notify.Keeper{{notify.SMS, "+380501234567"}, {notify.EMail, "watch@example.org"}},
		Source:   registry.Source{Clock: func() time.Time { return now }, Random: rand.Reader}, Log: slog.New(slog.DiscardHandler),
	}
	require.NoError(t, a.Check())
	alarm := notify.Alarm{Name: "log_stopped", Runbook: "Sequencing stopped / checkpoint mismatch"}
	report := func(err error) { a.Report(t.Context(), alarm, err) }
	report(nil)
	require.Empty(t, sms.sent)
	report(errors.New("an entry has waited 6s for a checkpoint"))
	require.Len(t, sms.sent, 1)
	require.Contains(t, sms.sent[0].Text, "log_stopped")
	require.Contains(t, sms.sent[0].Text, "waited 6s")
	require.Contains(t, sms.sent[0].Text, alarm.Runbook)
	report(errors.New("an entry has waited 7s for a checkpoint"))
	require.Len(t, sms.sent, 1, "what lasts is not told each time")
	require.Empty(t, mail.sent)
	mail.down = false
	report(errors.New("an entry has waited 8s for a checkpoint"))
	require.Len(t, mail.sent, 1)
	require.Equal(t, sms.sent[0].ID, mail.sent[0].ID)
	now = now.Add(time.Hour)
	report(errors.New("an entry has waited 1h for a checkpoint"))
	require.Len(t, sms.sent, 2)
	now = now.Add(time.Minute)
	report(nil)
	require.Len(t, sms.sent, 3)
	require.Contains(t, sms.sent[2].Text, "знято")
	require.Contains(t, sms.sent[2].Text, "1h1m")
	report(nil)
	require.Len(t, sms.sent, 3)
	report(errors.New("again"))
	require.Len(t, sms.sent, 4, "a second time is a new alarm")

	for _, k := range []notify.Keeper{{notify.SMS, "12"}, {notify.EMail, "nobody"}, {"pigeon", "x"}} {
		b := &notify.Alarms{Gateways: a.Gateways, Keepers: []notify.Keeper{k}}
		require.Error(t, b.Check())
	}
}
