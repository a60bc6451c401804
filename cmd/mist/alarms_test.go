package main

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/notify"
)

func runbook(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("../../docs/RUNBOOK.md")
	require.NoError(t, err)
	return string(b)
}

// Whoever is woken by an alarm finds its entry in the runbook.
func TestEveryAlarmHasItsRunbook(t *testing.T) {
	text := runbook(t)
	seen := map[string]bool{}
	for _, a := range knownAlarms() {
		require.False(t, seen[a.Name], a.Name)
		seen[a.Name] = true
		require.Contains(t, text, "\n## "+a.Runbook+"\n", a.Name)
	}
	source, err := os.ReadFile("../../registry/audit/monitor/monitor.go")
	require.NoError(t, err)
	rules := 0
	for _, line := range strings.Split(string(source), "\n") {
		name, rest, ok := strings.Cut(line, `= "`)
		rule, _, _ := strings.Cut(rest, `"`)
		if !ok || !strings.Contains(rule, "-") || strings.Contains(name, "(") {
			continue
		}
		rules++
		require.Contains(t, text, "`"+rule+"`", "the runbook says nothing about the monitor's rule %s", rule)
	}
	require.Greater(t, rules, 15)
}

// gauge reads mist_alarm{alarm="log_stopped"}.
func gauge(t *testing.T, from prometheus.Gatherer) float64 {
	t.Helper()
	families, err := from.Gather()
	require.NoError(t, err)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "mist_alarm" && m.GetLabel()[0].GetValue() == "log_stopped" {
				return m.GetGauge().GetValue()
			}
		}
	}
	t.Fatal("there is no such metric")
	return 0
}

type catcher struct{ sent []notify.Message }

func (g *catcher) Send(_ context.Context, m notify.Message) error {
	g.sent = append(g.sent, m)
	return nil
}

func TestAnAlarmIsAMetricAndAMessage(t *testing.T) {
	g := &catcher{}
	metrics := prometheus.NewRegistry()
	a, err := newAlarms(map[notify.Channel]notify.Gateway{notify.EMail: g}, []string{"watch@example.org"}, slog.New(slog.DiscardHandler), metrics)
	require.NoError(t, err)
	a.teller.Source = registry.Source{Clock: registry.SystemSource().Clock, Random: rand.Reader}
	var state error
	a.add(alarmLog, func(context.Context) error { return state })
	a.look(t.Context())
	require.Zero(t, gauge(t, metrics))
	state = errors.New("the public checkpoint is 6s old")
	a.look(t.Context())
	a.look(t.Context())
	require.Equal(t, 1.0, gauge(t, metrics))
	require.Len(t, g.sent, 1)
	require.Contains(t, g.sent[0].Text, "6s old")
	state = nil
	a.look(t.Context())
	require.Zero(t, gauge(t, metrics))
	require.Len(t, g.sent, 2)

	_, err = newAlarms(nil, []string{"watch@example.org"}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	require.Error(t, err, "keepers without a gateway are a fault of the configuration")
}
