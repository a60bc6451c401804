package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"mist/registry"
)

// Alarm is a state that needs people, with the place of the runbook that says
// what they do.
type Alarm struct {
	Name    string // words joined by underscores; a metric carries it
	Runbook string // heading in docs/RUNBOOK.md
}

// Keeper is somebody who keeps the system.
type Keeper struct {
	Channel Channel
	To      string
}

// Alarms tells keepers when an alarm begins, again while it lasts, and when it
// is over. It sends by the gateways at once and not by a job: the database may
// be what is down. A message that no gateway took is sent with the next report.
type Alarms struct {
	Gateways map[Channel]Gateway
	Keepers  []Keeper
	Source   registry.Source
	// Repeat is how often a lasting alarm is told again; zero means an hour.
	Repeat time.Duration
	Log    *slog.Logger

	mu    sync.Mutex
	state map[string]*lasting
}

type lasting struct {
	since, told time.Time
	firing      bool
	// owed are keepers who have not got the newest message.
	owed map[Keeper]bool
	id   registry.ID
}

// Check refuses keepers whom no gateway could reach.
func (a *Alarms) Check() error {
	for _, k := range a.Keepers {
		switch {
		case k.Channel == SMS && !phoneForm.MatchString(k.To), k.Channel == EMail && !emailForm.MatchString(k.To):
			return errors.New("notify: the address of a keeper is no telephone number or e-mail address")
		case a.Gateways[k.Channel] == nil:
			return fmt.Errorf("notify: keepers are told by %s and no gateway for it is configured", k.Channel)
		}
	}
	return nil
}

// Report says how an alarm stands: cause is nil while all is well.
func (a *Alarms) Report(ctx context.Context, alarm Alarm, cause error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.state == nil {
		a.state = map[string]*lasting{}
	}
	now := a.Source.Now()
	s := a.state[alarm.Name]
	if s == nil {
		s = &lasting{}
		a.state[alarm.Name] = s
	}
	repeat := a.Repeat
	if repeat == 0 {
		repeat = time.Hour
	}
	switch firing := cause != nil; {
	case firing && !s.firing:
		*s = lasting{since: now, firing: true}
		a.owe(s, now)
		a.Log.Error("alarm", "alarm", alarm.Name, "cause", cause.Error(), "runbook", alarm.Runbook)
	case firing && now.Sub(s.told) >= repeat:
		a.owe(s, now)
	case !firing && s.firing:
		s.firing = false
		a.owe(s, now)
		a.Log.Info("alarm is over", "alarm", alarm.Name, "lasted", now.Sub(s.since).Round(time.Second).String())
	}
	if len(s.owed) == 0 {
		return
	}
	template, what := AlarmOn, ""
	if cause != nil {
		what = cause.Error()
	} else {
		template, what = AlarmOff, s.told.Sub(s.since).Round(time.Second).String()
	}
	if len(what) > 300 {
		what = what[:300]
	}
	subject, text, err := template.render(map[string]string{"alarm": alarm.Name, "what": what, "runbook": alarm.Runbook})
	if err != nil {
		a.Log.Error("an alarm could not be worded", "alarm", alarm.Name, "cause", err.Error())
		return
	}
	for k := range s.owed {
		if err := a.Gateways[k.Channel].Send(ctx, Message{ID: s.id, Channel: k.Channel, To: k.To, Subject: subject, Text: text, Template: template}); err != nil {
			a.Log.Warn("an alarm was not taken by the gateway; it is sent again", "alarm", alarm.Name, "channel", string(k.Channel), "cause", err.Error())
			continue
		}
		delete(s.owed, k)
	}
}

func (a *Alarms) owe(s *lasting, now time.Time) {
	s.told, s.owed, s.id = now, map[Keeper]bool{}, a.Source.NewID()
	for _, k := range a.Keepers {
		s.owed[k] = true
	}
}
