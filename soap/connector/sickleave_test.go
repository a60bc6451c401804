package connector_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/job"
	"mist/registry/outbox"
	"mist/registry/postgres"
	"mist/registry/postgres/pgtest"
	"mist/registry/sickleave"
	"mist/soap/connector/simulator"
)

// TestSickLeavesOutliveTheRegister makes conclusions, cancels them before and
// after their export has gone out, and lets the register fail in every way.
// Whatever it did, the queue ends empty, a cancellation comes after its export,
// and the register holds what the registry holds, once.
func TestSickLeavesOutliveTheRegister(t *testing.T) {
	dsn := cluster.DSN(t)
	store := pgtest.Open(t, dsn)
	conn := pgtest.Connect(t, dsn)
	count := func(sql string, args ...any) (n int) {
		require.NoError(t, conn.QueryRow(t.Context(), sql, args...).Scan(&n))
		return n
	}
	hospital := newClinic(t, store, "30000005", 91)
	const (
		open   = `SELECT count(*) FROM outbox_messages WHERE status NOT IN ('answered', 'discarded')`
		failed = `SELECT count(*) FROM outbox_messages WHERE jsonb_array_length(errors) > 0`
		dead   = `SELECT count(*) FROM outbox_messages WHERE status = 'dead'`
	)
	for name, c := range map[string]struct {
		trouble simulator.Trouble // until it was met
		rubbish int               // answers that are none until a message is dead; zero is many
		order   string            // of the simulator about the person
		cancel  string            // before the export goes out, after it failed or was given up; empty: not at all
		given   string            // what an operator does with a dead message: replay, discard

		created, cancelled string // how the errands stand in the end
		holds              *simulator.SickLeave
		answered           int // messages
	}{
		"all is well":            {created: "CREATED", holds: &simulator.SickLeave{Opened: 1, Open: true}, answered: 1},
		"down":                   {trouble: simulator.Trouble{Down: 1}, created: "CREATED", holds: &simulator.SickLeave{Opened: 1, Open: true}, answered: 1},
		"slow":                   {trouble: simulator.Trouble{SlowMS: 3000}, created: "CREATED", holds: &simulator.SickLeave{Opened: 1, Open: true}, answered: 1},
		"rubbish":                {trouble: simulator.Trouble{Rubbish: 1}, created: "CREATED", holds: &simulator.SickLeave{Opened: 1, Open: true}, answered: 1},
		"the answer is lost":     {trouble: simulator.Trouble{Lost: 1}, created: "CREATED", holds: &simulator.SickLeave{Opened: 1, Open: true}, answered: 1},
		"answers twice":          {trouble: simulator.Trouble{Twice: 1}, created: "CREATED", holds: &simulator.SickLeave{Opened: 1, Open: true}, answered: 1},
		"the result comes later": {order: "later", created: "CREATED", holds: &simulator.SickLeave{Opened: 1, Open: true}, answered: 3},
		"it is told of nothing":  {order: "1201", created: "CORRECTION_NEEDED", answered: 1},
		"given up and replayed":  {trouble: simulator.Trouble{Refuse: 1}, given: "replay", created: "CREATED", holds: &simulator.SickLeave{Opened: 1, Open: true}, answered: 1},

		"cancelled before the export went out":    {trouble: simulator.Trouble{Down: 1}, cancel: "before", created: "CREATED", cancelled: "CANCELLED", holds: &simulator.SickLeave{Opened: 1, Cancelled: 1}, answered: 2},
		"cancelled while the answer is lost":      {trouble: simulator.Trouble{Lost: 1}, cancel: "failed", created: "CREATED", cancelled: "CANCELLED", holds: &simulator.SickLeave{Opened: 1, Cancelled: 1}, answered: 2},
		"cancelled while it answers twice":        {trouble: simulator.Trouble{Twice: 1}, cancel: "failed", created: "CREATED", cancelled: "CANCELLED", holds: &simulator.SickLeave{Opened: 1, Cancelled: 1}, answered: 2},
		"cancelled before a result that is late":  {order: "later", cancel: "before", created: "CREATED", cancelled: "CANCELLED", holds: &simulator.SickLeave{Opened: 1, Cancelled: 1}, answered: 4},
		"cancelled when it had been told nothing": {order: "1201", cancel: "end", created: "CORRECTION_NEEDED", answered: 1},
		"cancelled in the queue, then refused":    {order: "1201", cancel: "before", created: "CORRECTION_NEEDED", cancelled: "CANCELLED", answered: 2},
		"taken, given up, cancelled, replayed":    {trouble: simulator.Trouble{Rubbish: 1}, rubbish: 1, cancel: "dead", given: "replay", created: "CREATED", cancelled: "CANCELLED", holds: &simulator.SickLeave{Opened: 1, Cancelled: 1}, answered: 2},
		"taken, given up, cancelled, discarded":   {trouble: simulator.Trouble{Rubbish: 1}, rubbish: 1, cancel: "dead", given: "discard", created: "ERROR", cancelled: "CANCELLED", holds: &simulator.SickLeave{Opened: 1, Cancelled: 1}, answered: 1},
		"given up, cancelled, replayed":           {trouble: simulator.Trouble{Refuse: 1}, cancel: "dead", given: "replay", created: "CREATED", cancelled: "CANCELLED", holds: &simulator.SickLeave{Opened: 1, Cancelled: 1}, answered: 2},
		"given up, cancelled, discarded":          {trouble: simulator.Trouble{Refuse: 1}, cancel: "dead", given: "discard", created: "ERROR", cancelled: "CANCELLED", answered: 1},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := conn.Exec(t.Context(), `TRUNCATE outbox_messages, outbox_destinations`)
			require.NoError(t, err)
			answers := count(`SELECT count(*) FROM leaves WHERE kind = 'message.answered'`)
			w := newWorld(t)
			who := hospital.seen(store, "Заразкова"+strings.Repeat("а", len(c.order)))
			if c.order != "" {
				w.Add(simulator.World{SickLeaves: map[string]string{who.surname: c.order}})
			}
			w.Fail(c.trouble)
			leave := hospital.concluded(store, who, 0, 2, registry.ID{})
			if c.cancel == "before" {
				hospital.cancelled(store, leave)
				require.Equal(t, 1, count(`SELECT count(*) FROM outbox_messages WHERE operation = 'CancelIncident' AND NOT head`), "it waits behind the export")
			}
			rubbish := c.rubbish
			if rubbish == 0 {
				rubbish = 1000
			}
			effects := outbox.Effects{}
			sickleave.Errands{Source: source}.Effects(effects.Add)
			worker, err := outbox.NewWorker(outbox.WorkerConfig{Store: postgres.NewPort[outbox.WorkTx](store), Source: source, Effects: effects, Poll: 10 * time.Millisecond, Log: slog.New(slog.DiscardHandler),
				Routes: map[outbox.Destination]outbox.Route{sickleave.ERLN: {Connector: w.registry[sickleave.ERLN], Workers: 4, Timeout: 2 * time.Second, Backoff: job.Backoff{First: 20 * time.Millisecond, Most: 100 * time.Millisecond},
					Failures: 3, Pause: job.Backoff{First: 20 * time.Millisecond, Most: 100 * time.Millisecond}, Rubbish: rubbish}}})
			require.NoError(t, err)
			ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
			done := make(chan struct{})
			go func() { defer close(done); worker.Run(ctx) }()
			defer func() { stop(); <-done }()
			until := func(what string, ended func() bool) {
				t.Helper()
				require.Eventually(t, func() bool {
					// Questions for a result come after minutes; here they come now.
					_, err := conn.Exec(t.Context(), `UPDATE outbox_messages SET due_at = now() WHERE operation = 'GetIncidentResult' AND status = 'waiting'`)
					return err == nil && ended()
				}, time.Minute, 20*time.Millisecond, what)
			}
			if c.trouble != (simulator.Trouble{}) {
				until("the trouble was not met", func() bool { return count(failed) > 0 })
			}
			if c.given != "" {
				until("nothing was given up", func() bool { return count(dead) == 1 })
			}
			if c.cancel == "failed" || c.cancel == "dead" {
				hospital.cancelled(store, leave)
			}
			w.Fail(simulator.Trouble{})
			if c.given != "" {
				require.Equal(t, 1, count(dead), "nothing passes what is dead")
				require.NoError(t, store.Update(t.Context(), func(ctx context.Context, tx *postgres.Tx) error {
					var id string
					if err := conn.QueryRow(ctx, `SELECT id FROM outbox_messages WHERE status = 'dead'`).Scan(&id); err != nil {
						return err
					}
					message, err := registry.ParseID(id)
					if err != nil {
						return err
					}
					if c.given == "discard" {
						return tx.DiscardMessage(ctx, message)
					}
					return tx.ReplayMessage(ctx, message)
				}))
			}
			until("the queue is not empty", func() bool { return count(open) == 0 })
			if c.cancel == "end" {
				hospital.cancelled(store, leave)
				require.Zero(t, count(open), "what the register does not have is not cancelled there")
			}

			number, final, created, cancelled := hospital.kept(store, leave)
			require.Equal(t, c.cancel == "", final)
			require.Equal(t, c.created, created.IntegrationStatus, "%+v", created)
			require.Equal(t, c.cancelled, cancelled.IntegrationStatus, "%+v", cancelled)
			if created.IntegrationStatus == sickleave.StandsCreated {
				require.NotEmpty(t, created.Details.Number)
			}
			holds := map[string]simulator.SickLeave{}
			if c.holds != nil {
				holds[number] = *c.holds
			}
			seen := w.Seen()
			require.Equal(t, holds, seen.SickLeaves)
			require.Equal(t, c.answered, count(`SELECT count(*) FROM outbox_messages WHERE status = 'answered'`))
			require.Equal(t, c.answered, count(`SELECT count(*) FROM leaves WHERE kind = 'message.answered'`)-answers, "each end has one entry")
			exported, withdrawn := -1, -1
			for i, key := range seen.Order {
				switch {
				case strings.HasSuffix(key, string(sickleave.PostIncident)):
					require.Equal(t, -1, exported, "one export")
					exported = i
				case strings.HasSuffix(key, string(sickleave.CancelIncident)):
					require.Equal(t, -1, withdrawn, "one cancellation")
					withdrawn = i
				}
			}
			if withdrawn >= 0 {
				require.Greater(t, withdrawn, exported, "the cancellation comes after the export")
			}
			require.Equal(t, c.cancelled != "", withdrawn >= 0)
		})
	}
}
