package connector_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/job"
	"mist/registry/outbox"
	"mist/registry/payment"
	"mist/registry/postgres"
	"mist/registry/postgres/pgtest"
	"mist/soap/connector/simulator"
)

// iban gives a Ukrainian account with right check digits.
func iban(n int) string {
	body := fmt.Sprintf("3223130000026%012d", n)
	for check := 2; check < 99; check++ {
		if s := fmt.Sprintf("UA%02d%s", check, body); payment.ValidIBAN(s) {
			return s
		}
	}
	return ""
}

// TestPaymentsReconcile sends registers of payments to a paying side that is
// down, loses its answers (so that it is asked twice) or answers with rubbish
// half the time, by two servers. In the end the books are equal: each register
// was taken once and to the kopeck, each line is what the paying side said of it,
// and whatever does not meet has its name.
func TestPaymentsReconcile(t *testing.T) {
	dsn := cluster.DSN(t)
	stores := []*postgres.Store{pgtest.Open(t, dsn), pgtest.Open(t, dsn)}
	conn := pgtest.Connect(t, dsn)
	// Who the officers are is the rooms' of people; here they are two ids.
	_, err := conn.Exec(t.Context(), `ALTER TABLE payment_registers DROP CONSTRAINT payment_registers_proposed_by_fkey, DROP CONSTRAINT payment_registers_approved_by_fkey`)
	require.NoError(t, err)
	w := newWorld(t)
	effects := outbox.Effects{}
	room, err := payment.NewService(postgres.NewPort[payment.Tx](stores[0]), source, 10*time.Millisecond, func(outbox.Destination) bool { return true })
	require.NoError(t, err)
	room.Effects(effects)
	officer := func() registry.Caller {
		return registry.Caller{PartyID: source.NewID(), Channel: registry.ChannelREST, RequestID: "payments", Scopes: []string{payment.ScopeRead, payment.ScopeWrite}}
	}
	first, second := officer(), officer()

	_, err = room.Propose(t.Context(), first, payment.Capitation, "2026-10", []payment.SentLine{{EDRPOU: "00000006", Account: "UA00", Amount: 0, Purpose: "x"}})
	require.Equal(t, registry.CodeInvalid, registry.CodeOf(err))
	require.Len(t, registry.AsError(err).Fields, 3)

	const registers, kinds = 12, 5 // a line that is paid, rejected, paid less, of which nothing is said, with a strange one beside it
	var ids []registry.ID
	total := int64(0)
	for i := range registers {
		var lines []payment.SentLine
		for k := range kinds {
			lines = append(lines, payment.SentLine{EDRPOU: "00000006", Account: iban(i*kinds + k), Amount: int64(10000*(k+1) + i), Purpose: fmt.Sprintf("Договір 0000-TEST-%04d", i)})
		}
		if i%2 == 0 { // half of them meet in everything
			lines = lines[:2]
		} else {
			w.Add(simulator.World{Short: []string{lines[2].Account}, Silent: []string{lines[3].Account}, Strange: []string{lines[4].Account}})
		}
		w.Add(simulator.World{Unpaid: []string{lines[1].Account}})
		r, err := room.Propose(t.Context(), first, payment.Reimbursement, "2026-10", lines)
		require.NoError(t, err)
		_, err = room.Agree(t.Context(), first, r.ID)
		require.Equal(t, "four_eyes", registry.AsError(err).Reason)
		_, err = room.Agree(t.Context(), second, r.ID)
		require.NoError(t, err)
		_, err = room.Agree(t.Context(), second, r.ID)
		require.Equal(t, registry.CodeConflict, registry.CodeOf(err), "agreed to once")
		ids, total = append(ids, r.ID), total+r.Total
	}

	w.Fail(simulator.Trouble{Down: 0.2, Lost: 0.2, Rubbish: 0.1})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{}, len(stores))
	for _, store := range stores {
		worker, err := outbox.NewWorker(outbox.WorkerConfig{Store: postgres.NewPort[outbox.WorkTx](store), Source: source, Effects: effects, Poll: 10 * time.Millisecond, Log: slog.New(slog.DiscardHandler),
			Routes: map[outbox.Destination]outbox.Route{payment.Payments: {Connector: w.registry[payment.Payments], Workers: 3, Timeout: 20 * time.Second, Backoff: job.Backoff{First: 10 * time.Millisecond, Most: 50 * time.Millisecond},
				Failures: 8, Pause: job.Backoff{First: 10 * time.Millisecond, Most: 50 * time.Millisecond}, Rubbish: 1000}}})
		require.NoError(t, err)
		go func() { worker.Run(ctx); done <- struct{}{} }()
	}
	count := func(sql string) (n int) {
		require.NoError(t, conn.QueryRow(t.Context(), sql).Scan(&n))
		return n
	}
	require.Eventually(t, func() bool {
		return count(`SELECT count(*) FROM payment_registers WHERE status NOT IN ('RECONCILED', 'DIFFERENT')`) == 0 && count(`SELECT count(*) FROM outbox_messages WHERE status <> 'answered'`) == 0
	}, 3*time.Minute, 50*time.Millisecond, "the queue is empty in the end")
	stop()
	for range stores {
		<-done
	}

	theirs, seen := int64(0), w.Seen()
	require.Len(t, seen.Payments, registers, "each register was taken once")
	for _, p := range seen.Payments {
		theirs += p["total"].(int64)
	}
	require.Equal(t, total, theirs, "to the kopeck")
	for i, id := range ids {
		r, err := room.Get(t.Context(), first, id)
		require.NoError(t, err)
		require.Equal(t, payment.LinePaid, r.Lines[0].State)
		require.Equal(t, payment.LineRejected, r.Lines[1].State)
		require.NotEmpty(t, r.Lines[1].Reason)
		if i%2 == 0 {
			require.Equal(t, payment.Reconciled, r.Status)
			require.Empty(t, r.Differences)
			continue
		}
		require.Equal(t, payment.Different, r.Status)
		require.ElementsMatch(t, []payment.Difference{
			{Kind: payment.Amount, Number: 3, Ours: r.Lines[2].Amount, Theirs: r.Lines[2].Amount - 100},
			{Kind: payment.Missing, Number: 4, Ours: r.Lines[3].Amount},
			{Kind: payment.Twice, Number: 5, Ours: r.Lines[4].Amount, Theirs: r.Lines[4].Amount},
			{Kind: payment.Extra, Number: 9005, Theirs: 100},
		}, r.Differences)
		require.Equal(t, payment.LineWaiting, r.Lines[2].State, "nobody knows what was paid")
		require.Equal(t, payment.LinePaid, r.Lines[4].State)
	}
	// Proposed, agreed, taken, pending, done: one entry for each change of a register.
	require.Equal(t, registers, count(`SELECT count(*) FROM leaves WHERE kind = 'payment_register.proposed'`))
	require.Equal(t, 4*registers, count(`SELECT count(*) FROM leaves WHERE kind = 'payment_register.changed'`))
	t.Logf("%d registers, %d calls of the paying side: books are equal", registers, seen.Calls)
}
