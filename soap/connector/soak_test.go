package connector_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/fixtures/population"
	"mist/registry"
	"mist/registry/job"
	"mist/registry/outbox"
	"mist/registry/patient"
	"mist/registry/personlife"
	"mist/registry/postgres"
	"mist/registry/postgres/pgtest"
	"mist/registry/prm"
	"mist/registry/push"
	"mist/registry/sickleave"
	"mist/registry/verification"
	"mist/soap/connector/simulator"
)

var cluster pgtest.Cluster

func TestMain(m *testing.M) { os.Exit(cluster.Run(m)) }

// soakTime is how long acts are made: SOAKTIME, else a few seconds.
func soakTime(t *testing.T) time.Duration {
	text := os.Getenv("SOAKTIME")
	if text == "" {
		return 3 * time.Second
	}
	d, err := time.ParseDuration(text)
	require.NoError(t, err)
	return d
}

// soak is three servers, registers that fail half the time, and what was put.
type soak struct {
	t       *testing.T
	world   world
	stores  []*postgres.Store
	effects outbox.Effects
	checks  *verification.Service

	mu      sync.Mutex // guards what follows
	people  *population.Generator
	put     int                    // messages
	order   map[string][]string    // pushes of each subject in the order they were put
	expects map[registry.ID]string // what the tax register has to say of each person
	leaves  map[registry.ID]bool   // conclusions, and whether they were cancelled

	hospital *clinic
}

// worker starts a server's sender; the registers' circuit opens and closes often.
func (s *soak) worker(store *postgres.Store) (stop func()) {
	routes := map[outbox.Destination]outbox.Route{}
	for d, c := range s.world.registry {
		routes[d] = outbox.Route{Connector: c, Workers: 6, Timeout: 2 * time.Second, Backoff: job.Backoff{First: 20 * time.Millisecond, Most: 200 * time.Millisecond},
			Failures: 8, Pause: job.Backoff{First: 20 * time.Millisecond, Most: 100 * time.Millisecond}, Rubbish: 1000}
	}
	w, err := outbox.NewWorker(outbox.WorkerConfig{Store: postgres.NewPort[outbox.WorkTx](store), Source: source, Routes: routes, Effects: s.effects, Poll: 10 * time.Millisecond, Log: slog.New(slog.DiscardHandler)})
	require.NoError(s.t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(s.t.Context()))
	done := make(chan struct{})
	go func() { defer close(done); w.Run(ctx) }()
	return sync.OnceFunc(func() { cancel(); <-done })
}

// human makes somebody whom the registers know, rightly or by another surname.
func (s *soak) human() (p patient.Person, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.people.Human(20, 80, registry.DateOf(source.Now()))
	p = patient.Person{ID: source.NewID(), Version: 1, LastName: h.LastName, FirstName: h.FirstName, SecondName: h.SecondName, BirthDate: h.BirthDate, Gender: h.Gender,
		TaxID: string(h.RNOKPP), UNZR: string(h.UNZR), Status: patient.StatusActive, VerificationStatus: string(verification.Needed), InsertedAt: source.Now(), UpdatedAt: source.Now()}
	known = s.people.Human(1, 2, registry.DateOf(source.Now())).Gender == "MALE"
	other := simulator.Person{LastName: p.LastName, FirstName: p.FirstName, SecondName: p.SecondName, BirthDate: p.BirthDate, TaxID: p.TaxID, UNZR: p.UNZR}
	if !known {
		other.LastName = "Інакша"
	}
	s.world.Add(simulator.World{People: []simulator.Person{other}})
	return p, known
}

// act is one of the mixed acts, each in one transaction with its messages.
func (s *soak) act(store *postgres.Store, n int, entity registry.ID) {
	c := registry.Caller{Channel: registry.ChannelJob, RequestID: "soak"}
	starter := verification.Starter{Source: source, Terms: verification.DefaultTerms(), Asked: func(d outbox.Destination) bool { return d != push.Diia }}
	switch rand.IntN(4) {
	case 3:
		s.sickLeave(store)
	case 0: // somebody enters the index
		p, known := s.human()
		require.NoError(s.t, store.Update(s.t.Context(), func(ctx context.Context, tx *postgres.Tx) error {
			if err := tx.PutPerson(ctx, p); err != nil {
				return err
			}
			return starter.Begin(ctx, tx, c, p, verification.ReasonInitial)
		}))
		want := string(verification.NotNeeded)
		messages := 2 // УНЗР, death
		if p.Gender == "MALE" {
			want, messages = string(verification.NotVerified), 3
			if known {
				want = string(verification.Verified)
			}
		}
		s.mu.Lock()
		s.put += messages
		s.expects[p.ID] = want
		s.mu.Unlock()
	case 1: // notices about one matter, in order
		subject := fmt.Sprintf("matter %d", n%7)
		s.mu.Lock() // the order of putting is the order of this lock
		defer s.mu.Unlock()
		id := source.NewID()
		m := outbox.Message{ID: id, Destination: push.Diia, Operation: push.Create, Subject: subject, Body: fmt.Appendf(nil, `{"template":"T","id":"%s","rnokpp":"3126509817"}`, id)}
		require.NoError(s.t, store.Update(s.t.Context(), func(ctx context.Context, tx *postgres.Tx) error {
			_, err := outbox.Put(ctx, tx, source, c, m)
			return err
		}))
		s.order[subject] = append(s.order[subject], id.String())
		s.put++
	default: // a clinic's registration; the transaction that fails leaves nothing
		fails := rand.IntN(4) == 0
		err := store.Update(s.t.Context(), func(ctx context.Context, tx *postgres.Tx) error {
			if err := starter.BeginEntity(ctx, tx, c, entity, "30000004", "Клініка"); err != nil {
				return err
			}
			if fails {
				return context.Canceled
			}
			return nil
		})
		if fails {
			require.Error(s.t, err)
			return
		}
		require.NoError(s.t, err)
		s.mu.Lock()
		s.put++
		s.mu.Unlock()
	}
}

// slow is who is off work and whose results come at the second question.
const slow = "Пізня"

// sickLeave is a visit and its conclusion, perhaps a continuation of it, and
// perhaps the cancellation of what is newest: by servers that take turns, while
// the messages before are under way.
func (s *soak) sickLeave(store *postgres.Store) {
	surname, each := "", 1
	if rand.IntN(5) == 0 {
		surname, each = slow, 3 // two questions for the result
	}
	who := s.hospital.seen(store, surname)
	signed := []registry.ID{s.hospital.concluded(store, who, 0, 2, registry.ID{})}
	if rand.IntN(2) == 0 {
		signed = append(signed, s.hospital.concluded(s.stores[rand.IntN(len(s.stores))], who, 3, 5, signed[0]))
	}
	cancelled := rand.IntN(len(signed) + 1)
	for i := range cancelled {
		s.hospital.cancelled(s.stores[rand.IntN(len(s.stores))], signed[len(signed)-1-i])
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put += each*len(signed) + cancelled
	for i, id := range signed {
		s.leaves[id] = i >= len(signed)-cancelled
	}
}

// sickLeavesAgree compares the conclusions of the registry with the register's
// book: each was opened there once, by the time it was continued or cancelled.
func (s *soak) sickLeavesAgree(book map[string]simulator.SickLeave) (cancelled int) {
	want := map[string]simulator.SickLeave{}
	numbers := map[string]bool{}
	for id, gone := range s.leaves {
		number, final, created, withdrawn := s.hospital.kept(s.stores[0], id)
		require.Equal(s.t, !gone, final)
		require.Equal(s.t, sickleave.StandsCreated, created.IntegrationStatus, "%+v", created)
		require.False(s.t, numbers[created.Details.Number], "two conclusions have one sick leave")
		numbers[created.Details.Number] = true
		want[number] = simulator.SickLeave{Opened: 1, Open: true}
		if gone {
			cancelled++
			require.Equal(s.t, sickleave.StandsCancelled, withdrawn.IntegrationStatus, "%+v", withdrawn)
			want[number] = simulator.SickLeave{Opened: 1, Cancelled: 1}
		}
	}
	require.Equal(s.t, want, book)
	return cancelled
}

// TestRegistersSoak makes mixed acts while registers fail half the time and are
// restarted, and servers are stopped in the middle. It ends with an empty queue
// and equal books: each message was taken by its register once by its id, in
// its subject's order, and has had its effect once. SOAKTIME says how long.
func TestRegistersSoak(t *testing.T) {
	dsn := cluster.DSN(t)
	s := &soak{t: t, world: newWorld(t), people: population.New(uint64(time.Now().UnixNano())), order: map[string][]string{}, expects: map[registry.ID]string{}, leaves: map[registry.ID]bool{}, effects: outbox.Effects{}}
	for range 3 {
		s.stores = append(s.stores, pgtest.Open(t, dsn))
	}
	conn := pgtest.Connect(t, dsn)
	_, err := conn.Exec(t.Context(), `CREATE TABLE effects (id uuid); GRANT ALL ON effects TO mist_app`)
	require.NoError(t, err)
	life, err := personlife.New(postgres.NewPort[personlife.Tx](s.stores[0]), source)
	require.NoError(t, err)
	s.checks, err = verification.New(postgres.NewPort[verification.Tx](s.stores[0]), verification.Starter{Source: source, Terms: verification.DefaultTerms(), Asked: func(outbox.Destination) bool { return true }}, life)
	require.NoError(t, err)
	s.checks.Effects(s.effects)
	sickleave.Errands{Source: source}.Effects(s.effects.Add)
	s.hospital = newClinic(t, s.stores[0], "30000005", uint64(time.Now().UnixNano())+1)
	s.world.Add(simulator.World{SickLeaves: map[string]string{slow: "later"}})
	s.effects.Add(push.Diia, push.Create, outbox.Effect{Answered: func(ctx context.Context, tx outbox.WorkTx, m outbox.Message, _ outbox.Reply) error {
		return tx.(*postgres.Tx).Enqueue(ctx, job.Job{Kind: "soak.effect", Key: m.ID.String() + "/" + source.NewID().String()})
	}})
	entity := source.NewID()
	require.NoError(t, s.stores[0].Update(t.Context(), func(ctx context.Context, tx *postgres.Tx) error {
		return tx.PutLegalEntity(ctx, prm.LegalEntity{ID: entity, Name: "Клініка", EDRPOU: "30000004", Type: "PRIMARY_CARE", Status: "ACTIVE"})
	}))
	s.world.Add(simulator.World{Entities: []simulator.Entity{{Code: "30000004", Name: "КЛІНІКА", State: 1, StateText: "зареєстровано"}}})
	half := simulator.Trouble{Down: 0.3, Lost: 0.15, Rubbish: 0.1, SlowMS: 2}
	s.world.Fail(half)

	length := soakTime(t)
	until := time.Now().Add(length)
	stops := make([]func(), len(s.stores))
	for i, store := range s.stores {
		stops[i] = s.worker(store)
	}
	var acting sync.WaitGroup
	for i := range 3 {
		acting.Go(func() {
			for n := 0; time.Now().Before(until); n++ {
				s.act(s.stores[i], n, entity)
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
	acting.Go(func() {
		for n := 0; time.Now().Before(until); n++ {
			time.Sleep(400 * time.Millisecond)
			s.world.Fail(simulator.Trouble{Down: 1}) // the registers are restarted
			stops[n%3]()
			time.Sleep(100 * time.Millisecond)
			stops[n%3] = s.worker(s.stores[n%3])
			s.world.Fail(half)
		}
	})
	acting.Wait()
	// What is left is sent while half still fails.
	count := func(sql string, args ...any) (n int) {
		require.NoError(t, conn.QueryRow(t.Context(), sql, args...).Scan(&n))
		return n
	}
	require.Eventually(t, func() bool {
		// Questions for a result come after minutes; here they come now.
		_, err := conn.Exec(t.Context(), `UPDATE outbox_messages SET due_at = now() WHERE operation = 'GetIncidentResult' AND status = 'waiting' AND due_at > now()`)
		require.NoError(t, err)
		return count(`SELECT count(*) FROM outbox_messages WHERE status <> 'answered'`) == 0
	}, 2*time.Minute+2*length, 100*time.Millisecond, "the queue is not empty")
	for _, stop := range stops {
		stop()
	}

	seen := s.world.Seen()
	answered := count(`SELECT count(*) FROM outbox_messages WHERE status = 'answered'`)
	require.Equal(t, s.put, answered, "messages put and answered")
	entities := count(`SELECT count(*) FROM outbox_messages WHERE destination = 'edr'`)
	require.Equal(t, s.put-entities, seen.Messages, "messages taken by registers, each id once")
	require.Equal(t, s.put, count(`SELECT count(*) FROM leaves WHERE kind = 'message.answered'`), "entries of ends")
	require.Equal(t, s.put-entities-len(seen.Pushes), count(`SELECT count(*) FROM leaves WHERE kind = 'disclosure.sent'`), "entries of disclosures")
	pushes := 0
	taken := map[string][]string{}
	for _, p := range seen.Pushes {
		for subject, ids := range s.order {
			for _, id := range ids {
				if id == p.ID {
					taken[subject] = append(taken[subject], id)
				}
			}
		}
	}
	for subject, ids := range s.order {
		require.Equal(t, ids, taken[subject], "the order of %s", subject)
		pushes += len(ids)
	}
	require.Equal(t, pushes, count(`SELECT count(*) FROM jobs WHERE kind = 'soak.effect'`), "effects of pushes")
	for id, want := range s.expects {
		var got string
		require.NoError(t, conn.QueryRow(t.Context(), `SELECT status FROM person_verifications WHERE person_id = $1 AND stream = 'drfo'`, id.String()).Scan(&got))
		require.Equal(t, want, got)
	}
	require.Zero(t, count(`SELECT count(*) FROM person_verifications WHERE status = 'VERIFICATION_NEEDED'`))
	if entities > 0 {
		require.Equal(t, 1, count(`SELECT count(*) FROM legal_entity_checks WHERE status = 'VERIFIED' AND result = 'registered'`))
	}
	cancelled := s.sickLeavesAgree(seen.SickLeaves)
	t.Logf("%s of acts: %d messages (%d people, %d pushes in %d orders, %d clinics, %d sick leaves of which %d cancelled), %d calls, each message taken and done once",
		length, s.put, len(s.expects), pushes, len(s.order), entities, len(s.leaves), cancelled, seen.Calls)
}
