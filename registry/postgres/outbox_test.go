package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/job"
	"mist/registry/outbox"
	"mist/registry/postgres"
	"mist/registry/postgres/pgtest"
)

// register is another register: it keeps what it was told, by message id, and
// fails as it is told to.
type register struct {
	mu sync.Mutex
	// order is the first arrivals of each subject; times how often each id came.
	order map[string][]string
	times map[registry.ID]int
	fail  func(m outbox.Message, time int) error
	after func(m outbox.Message, time int) error // fails when the message has been taken
}

func newRegister() *register {
	return &register{order: map[string][]string{}, times: map[registry.ID]int{}}
}

func (r *register) Send(_ context.Context, m outbox.Message) (outbox.Reply, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.times[m.ID]++
	n := r.times[m.ID]
	if r.fail != nil {
		if err := r.fail(m, n); err != nil {
			return outbox.Reply{}, err
		}
	}
	known := false
	for _, b := range r.order[m.Subject] {
		known = known || b == string(m.Body)
	}
	if !known {
		r.order[m.Subject] = append(r.order[m.Subject], string(m.Body))
	}
	if r.after != nil {
		if err := r.after(m, n); err != nil {
			return outbox.Reply{}, err
		}
	}
	return outbox.Reply{Body: []byte("taken")}, nil
}

func (r *register) seen(subject string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.order[subject]...)
}

// effects counts what answers changed, in the database: a row of a table that
// stands for a room's.
func testEffects(t *testing.T, s *postgres.Store, dsn string) outbox.Effects {
	t.Helper()
	_, err := pgtest.Connect(t, dsn).Exec(t.Context(), `CREATE TABLE IF NOT EXISTS effects (id uuid, n integer); GRANT ALL ON effects TO mist_app`)
	require.NoError(t, err)
	e := outbox.Effects{}
	e.Add("test", "Note", outbox.Effect{Answered: func(ctx context.Context, tx outbox.WorkTx, m outbox.Message, r outbox.Reply) error {
		if string(r.Body) == "odd" {
			return outbox.Rubbish(errors.New("the answer says nothing"))
		}
		return tx.(*postgres.Tx).Exec(ctx, `INSERT INTO effects VALUES ($1, 1)`, m.ID)
	}})
	return e
}

func startWorker(t *testing.T, s *postgres.Store, route outbox.Route, effects outbox.Effects) (stop func()) {
	t.Helper()
	if route.Backoff == (job.Backoff{}) {
		route.Backoff = job.Backoff{First: 5 * time.Millisecond, Most: 20 * time.Millisecond}
	}
	if route.Pause == (job.Backoff{}) {
		route.Pause = job.Backoff{First: 10 * time.Millisecond, Most: 20 * time.Millisecond}
	}
	w, err := outbox.NewWorker(outbox.WorkerConfig{Store: postgres.NewPort[outbox.WorkTx](s), Source: source, Routes: map[outbox.Destination]outbox.Route{"test": route},
		Effects: effects, Poll: 5 * time.Millisecond, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); w.Run(ctx) }()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(stop)
	return stop
}

func put(t *testing.T, s *postgres.Store, m outbox.Message) (id registry.ID) {
	t.Helper()
	if m.Destination == "" {
		m.Destination, m.Operation = "test", "Note"
	}
	require.NoError(t, s.Update(t.Context(), func(ctx context.Context, tx *postgres.Tx) (err error) {
		id, err = outbox.Put(ctx, tx, source, registry.Caller{Channel: registry.ChannelJob, RequestID: "test"}, m)
		return err
	}))
	return id
}

func messages(t *testing.T, s *postgres.Store, status outbox.Status) []outbox.Info {
	t.Helper()
	d, err := outbox.NewDesk(postgres.NewPort[outbox.DeskTx](s))
	require.NoError(t, err)
	var all []outbox.Info
	for page := 1; ; page++ {
		list, total, err := d.List(t.Context(), outboxOperator, outbox.Filter{Status: status, Page: page, Size: 100})
		require.NoError(t, err)
		if all = append(all, list...); len(all) >= total {
			return all
		}
	}
}

var outboxOperator = registry.Caller{Channel: registry.ChannelREST, RequestID: "test", Scopes: []string{outbox.ScopeRead, outbox.ScopeWrite}}

func countRows(t *testing.T, dsn, sql string, args ...any) (n int) {
	t.Helper()
	require.NoError(t, pgtest.Connect(t, dsn).QueryRow(t.Context(), sql, args...).Scan(&n))
	return n
}

func TestMessageIsSentWithItsCauseAndEndsWithItsEffect(t *testing.T) {
	t.Parallel()
	dsn := cluster.DSN(t)
	s := pgtest.Open(t, dsn)
	r := newRegister()
	effects := testEffects(t, s, dsn)
	boom := errors.New("no")
	require.ErrorIs(t, s.Update(t.Context(), func(ctx context.Context, tx *postgres.Tx) error {
		_, err := outbox.Put(ctx, tx, source, registry.Caller{}, outbox.Message{Destination: "test", Operation: "Note", Body: []byte("rolled back")})
		require.NoError(t, err)
		return boom
	}), boom)
	person := source.NewID()
	id := put(t, s, outbox.Message{Destination: "test", Operation: "Note", Subject: "a", PersonID: person, Fields: []string{"person.tax_id"}, Body: []byte("clear words")})
	put(t, s, outbox.Message{ID: id, Destination: "test", Operation: "Note", Subject: "a", PersonID: person, Fields: []string{"person.tax_id"}, Body: []byte("clear words")})
	require.Len(t, messages(t, s, ""), 1, "an id is put once")
	require.Zero(t, countRows(t, dsn, `SELECT count(*) FROM outbox_messages WHERE position('clear'::bytea IN body) > 0`), "what it carries is sealed")

	startWorker(t, s, outbox.Route{Connector: r}, effects)
	require.Eventually(t, func() bool { return len(messages(t, s, outbox.StatusAnswered)) == 1 }, wait, tick)
	require.Equal(t, []string{"clear words"}, r.seen("a"))
	require.Equal(t, 1, countRows(t, dsn, `SELECT count(*) FROM effects WHERE id = $1`, id.String()))
	require.Equal(t, 1, countRows(t, dsn, `SELECT count(*) FROM outbox_messages WHERE body IS NULL`), "and wiped when it has ended")
	require.Equal(t, 2, countRows(t, dsn, `SELECT count(*) FROM leaves WHERE kind = 'disclosure.sent'`), "each who puts it leaves an entry")
	require.Equal(t, 1, countRows(t, dsn, `SELECT count(*) FROM leaves WHERE kind = 'message.answered'`))
}

// What is refused is dead at once, what is no answer after some, what does not
// come by its deadline; what comes after a while is not. The dead ones hold
// back what follows them, until an operator replays or discards.
func TestDeadMessages(t *testing.T) {
	t.Parallel()
	dsn := cluster.DSN(t)
	s := pgtest.Open(t, dsn)
	r := newRegister()
	var mu sync.Mutex
	healed := false
	r.fail = func(m outbox.Message, n int) error {
		mu.Lock()
		defer mu.Unlock()
		switch string(m.Body) {
		case "refused":
			if !healed {
				return outbox.Refused("NO_SUCH_SERVICE", errors.New("the register refuses: NO_SUCH_SERVICE"))
			}
		case "rubbish":
			return outbox.Rubbish(errors.New("a page of a proxy"))
		case "late":
			return errors.New("busy")
		case "panics":
			panic("3126509817")
		case "slow to come":
			if n < 4 {
				return errors.New("busy")
			}
		}
		return nil
	}
	effects := testEffects(t, s, dsn)
	refused := put(t, s, outbox.Message{Subject: "r", Body: []byte("refused")})
	behind := put(t, s, outbox.Message{Subject: "r", Body: []byte("behind")})
	rubbish := put(t, s, outbox.Message{Subject: "x", Body: []byte("rubbish")})
	panics := put(t, s, outbox.Message{Body: []byte("panics")})
	late := put(t, s, outbox.Message{Subject: "l", Body: []byte("late"), Deadline: source.Now().Add(300 * time.Millisecond)})
	slow := put(t, s, outbox.Message{Subject: "s", Body: []byte("slow to come")})
	unknown := put(t, s, outbox.Message{Destination: "test", Operation: "Nothing"})
	startWorker(t, s, outbox.Route{Connector: r, Rubbish: 3, Failures: 1000}, effects)
	require.Eventually(t, func() bool {
		return len(messages(t, s, outbox.StatusDead)) == 5 && len(messages(t, s, outbox.StatusAnswered)) == 1
	}, wait, tick)
	reasons := map[registry.ID]outbox.Info{}
	for _, i := range messages(t, s, "") {
		reasons[i.ID] = i
	}
	require.Equal(t, outbox.ReasonRefused, reasons[refused].Reason)
	require.Equal(t, "NO_SUCH_SERVICE", reasons[refused].Code)
	require.Equal(t, outbox.ReasonRubbish, reasons[rubbish].Reason)
	require.Equal(t, 3, reasons[rubbish].Attempt)
	require.Equal(t, outbox.ReasonRubbish, reasons[panics].Reason)
	require.NotContains(t, reasons[panics].Errors[0].Error, "3126509817")
	require.Equal(t, outbox.ReasonDeadline, reasons[late].Reason)
	require.Equal(t, outbox.ReasonUnknown, reasons[unknown].Reason)
	require.Equal(t, outbox.StatusAnswered, reasons[slow].Status)
	require.Equal(t, 4, reasons[slow].Attempt)
	require.Equal(t, outbox.StatusWaiting, reasons[behind].Status)
	require.True(t, reasons[behind].Behind)

	d, err := outbox.NewDesk(postgres.NewPort[outbox.DeskTx](s))
	require.NoError(t, err)
	_, err = d.Replay(t.Context(), registry.Caller{}, refused, false)
	require.Equal(t, registry.CodeForbidden, registry.CodeOf(err))
	_, err = d.Replay(t.Context(), outboxOperator, slow, false)
	require.Equal(t, registry.CodeConflict, registry.CodeOf(err))
	_, err = d.Replay(t.Context(), outboxOperator, source.NewID(), false)
	require.Equal(t, registry.CodeNotFound, registry.CodeOf(err))
	info, err := d.Replay(t.Context(), outboxOperator, refused, true)
	require.NoError(t, err)
	require.Equal(t, outbox.StatusDead, info.Status)
	require.Len(t, messages(t, s, outbox.StatusDead), 5, "a dry run changes nothing")
	mu.Lock()
	healed = true
	mu.Unlock()
	_, err = d.Replay(t.Context(), outboxOperator, refused, false)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return len(r.seen("r")) == 2 }, wait, tick)
	require.Equal(t, []string{"refused", "behind"}, r.seen("r"))

	after := put(t, s, outbox.Message{Subject: "x", Body: []byte("after")})
	_, err = d.Discard(t.Context(), outboxOperator, rubbish, false)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		i, err := d.Get(t.Context(), outboxOperator, after)
		return err == nil && i.Status == outbox.StatusAnswered
	}, wait, tick)
	require.Equal(t, []string{"after"}, r.seen("x"), "what was discarded was never taken")
}

// A register that is down gets one message a pause and no more; messages of
// another one go on. When it is back all are taken.
func TestCircuitBreaker(t *testing.T) {
	t.Parallel()
	dsn := cluster.DSN(t)
	s := pgtest.Open(t, dsn)
	r := newRegister()
	var mu sync.Mutex
	down, calls := true, 0
	r.fail = func(outbox.Message, int) error {
		mu.Lock()
		defer mu.Unlock()
		if calls++; down {
			return errors.New("connection refused")
		}
		return nil
	}
	for i := range 50 {
		put(t, s, outbox.Message{Body: fmt.Append(nil, i)})
	}
	startWorker(t, s, outbox.Route{Connector: r, Workers: 2, Failures: 3, Pause: job.Backoff{First: 300 * time.Millisecond, Most: 300 * time.Millisecond}}, testEffects(t, s, dsn))
	states := func() outbox.State {
		list, err := s.OutboxStates(t.Context())
		require.NoError(t, err)
		require.Len(t, list, 1)
		return list[0]
	}
	require.Eventually(t, func() bool { return states().Circuit == "open" }, wait, tick)
	before := states().Failures
	require.Eventually(t, func() bool { return states().Failures >= before+2 }, wait, tick)
	mu.Lock()
	// Each further failure is one probe, whatever is due.
	require.LessOrEqual(t, calls, states().Failures+2)
	down = false
	mu.Unlock()
	require.Contains(t, states().Error, "connection refused")
	require.Eventually(t, func() bool { return len(messages(t, s, outbox.StatusAnswered)) == 50 }, wait, tick)
	require.Equal(t, "closed", states().Circuit)
	require.Zero(t, states().Failures)

	// An operator's pause holds everything, and nothing is lost.
	d, err := outbox.NewDesk(postgres.NewPort[outbox.DeskTx](s))
	require.NoError(t, err)
	_, err = d.Pause(t.Context(), outboxOperator, "nobody", true)
	require.Equal(t, registry.CodeNotFound, registry.CodeOf(err))
	state, err := d.Pause(t.Context(), outboxOperator, "test", true)
	require.NoError(t, err)
	require.Equal(t, "paused", state.Circuit)
	put(t, s, outbox.Message{Body: []byte("paused")})
	for range 4 {
		time.Sleep(50 * time.Millisecond)
		require.Len(t, messages(t, s, outbox.StatusAnswered), 50)
	}
	_, err = d.Pause(t.Context(), outboxOperator, "test", false)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return len(messages(t, s, outbox.StatusAnswered)) == 51 }, wait, tick)
}

// Three servers, many subjects, a register that fails before and after it has
// taken a message, servers that are stopped in the middle: every message is
// taken once, in its subject's order, and has its effect once.
func TestOrderOfASubjectHoldsWithThreeWorkers(t *testing.T) {
	t.Parallel()
	dsn := cluster.DSN(t)
	s := pgtest.Open(t, dsn)
	r := newRegister()
	r.fail = func(outbox.Message, int) error {
		if rand.IntN(3) == 0 {
			return errors.New("busy")
		}
		return nil
	}
	r.after = func(outbox.Message, int) error {
		if rand.IntN(4) == 0 {
			return errors.New("the answer was lost")
		}
		return nil
	}
	effects := testEffects(t, s, dsn)
	const subjects, each = 12, 12
	route := outbox.Route{Connector: r, Workers: 3, Failures: 50}
	stores := []*postgres.Store{pgtest.Open(t, dsn), pgtest.Open(t, dsn), pgtest.Open(t, dsn)}
	var stops []func()
	for _, o := range stores {
		stops = append(stops, startWorker(t, o, route, effects))
	}
	var putting sync.WaitGroup
	for i := range subjects {
		putting.Go(func() {
			for n := range each {
				put(t, s, outbox.Message{Subject: fmt.Sprintf("subject %d", i), Body: fmt.Append(nil, i, "/", n)})
			}
		})
	}
	// A server ends and another begins while messages are under way.
	stops[0]()
	startWorker(t, stores[0], route, effects)
	putting.Wait()
	require.Eventually(t, func() bool {
		return countRows(t, dsn, `SELECT count(*) FROM outbox_messages WHERE status <> 'answered'`) == 0
	}, wait, 5*tick)
	for i := range subjects {
		var want []string
		for n := range each {
			want = append(want, fmt.Sprint(i, "/", n))
		}
		require.Equal(t, want, r.seen(fmt.Sprintf("subject %d", i)))
	}
	require.Equal(t, subjects*each, countRows(t, dsn, `SELECT count(*) FROM effects`))
	require.Equal(t, subjects*each, countRows(t, dsn, `SELECT count(DISTINCT id) FROM effects`))
}

// A server that dies with a message loses its lease; who comes too late with
// an answer changes nothing.
func TestLeaseOfADeadServer(t *testing.T) {
	t.Parallel()
	dsn := cluster.DSN(t)
	s := pgtest.Open(t, dsn)
	effects := testEffects(t, s, dsn)
	id := put(t, s, outbox.Message{Subject: "a", Body: []byte("1")})
	port := postgres.NewPort[outbox.WorkTx](s)
	claim := func(lease time.Duration) (list []outbox.Claimed) {
		require.NoError(t, port.Update(t.Context(), func(ctx context.Context, tx outbox.WorkTx) (err error) {
			list, err = tx.ClaimMessages(ctx, "test", 5, lease)
			return err
		}))
		return list
	}
	first := claim(200 * time.Millisecond)
	require.Len(t, first, 1)
	require.Equal(t, "1", string(first[0].Body))
	require.Empty(t, claim(time.Minute), "a lease keeps others away")
	r := newRegister()
	startWorker(t, s, outbox.Route{Connector: r}, effects)
	require.Eventually(t, func() bool { return len(messages(t, s, outbox.StatusAnswered)) == 1 }, wait, tick)
	require.NoError(t, port.Update(t.Context(), func(ctx context.Context, tx outbox.WorkTx) error {
		held, err := tx.HoldMessage(ctx, first[0].Message)
		require.False(t, held)
		return err
	}))
	require.Equal(t, 1, countRows(t, dsn, `SELECT count(*) FROM effects WHERE id = $1`, id.String()))
	require.Equal(t, 2, messages(t, s, "")[0].Attempt)
}
