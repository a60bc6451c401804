package connector_test

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/fixtures/population"
	"mist/registry"
	"mist/registry/consent"
	"mist/registry/job"
	"mist/registry/notify"
	"mist/registry/outbox"
	"mist/registry/patient"
	"mist/registry/postgres"
	"mist/registry/postgres/pgtest"
	"mist/registry/push"
	"mist/soap/connector/simulator"
)

// TestDiiaThenSMS tells people by Diia where they consented to it. Whatever
// becomes of Diia, exactly one SMS stands ready or has been taken back: none when
// a device has the notice, one at once when Diia cannot tell, one at its time
// when Diia is silent.
func TestDiiaThenSMS(t *testing.T) {
	dsn := cluster.DSN(t)
	store := pgtest.Open(t, dsn)
	conn := pgtest.Connect(t, dsn)
	count := func(sql string, args ...any) (n int) {
		require.NoError(t, conn.QueryRow(t.Context(), sql, args...).Scan(&n))
		return n
	}
	people := population.New(77)
	for name, c := range map[string]struct {
		consent   string // active, revoked, other (another scope), none
		trouble   simulator.Trouble
		noDevice  bool
		taken     bool
		sms       int // jobs that stand in the end
		hurried   bool
		discarded int
		answered  int
	}{
		"a device has it":          {consent: "active", taken: true, answered: 3},
		"no device has it":         {consent: "active", noDevice: true, taken: true, sms: 1, hurried: true, answered: 3},
		"Diia refuses":             {consent: "active", trouble: simulator.Trouble{Refuse: 1}, taken: true, sms: 1, hurried: true, discarded: 1},
		"Diia is down to the end":  {consent: "active", trouble: simulator.Trouble{Down: 1}, taken: true, sms: 1, discarded: 1},
		"nobody consented":         {consent: "none"},
		"the consent is revoked":   {consent: "revoked"},
		"consented to another use": {consent: "other"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			h := people.Human(20, 80, registry.DateOf(source.Now()))
			p := patient.Person{ID: source.NewID(), Version: 1, LastName: h.LastName, FirstName: h.FirstName, BirthDate: h.BirthDate, Gender: h.Gender,
				TaxID: string(h.RNOKPP), UNZR: string(h.UNZR), Status: patient.StatusActive, InsertedAt: source.Now(), UpdatedAt: source.Now()}
			if c.noDevice {
				w.Add(simulator.World{NoDevice: []string{p.TaxID}})
			}
			w.Fail(c.trouble)
			now := source.Now()
			require.NoError(t, store.Update(t.Context(), func(ctx context.Context, tx *postgres.Tx) error {
				if err := tx.PutPerson(ctx, p); err != nil || c.consent == "none" {
					return err
				}
				scope := consent.ScopeNotice
				if c.consent == "other" {
					scope = consent.ScopeDeclaration
				}
				r := consent.Record{ID: source.NewID(), PersonID: p.ID, Method: consent.CitizenSigned, Recipient: "SANDBOX/GOV/43395033/diia", Purpose: "notice", Scope: []string{scope}, Fields: []string{"notice"},
					GrantedAt: now.Add(-time.Hour), ExpiresAt: now.Add(24 * time.Hour), Status: consent.StatusActive, CreatedAt: now, Container: sha256.Sum256([]byte(name)), Content: sha256.Sum256([]byte(name))}
				if err := tx.PutContainer(ctx, r.Container, []byte(name)); err != nil {
					return err
				}
				if err := tx.InsertConsent(ctx, r); err != nil || c.consent != "revoked" {
					return err
				}
				_, err := tx.RevokeConsent(ctx, r.ID, now)
				return err
			}))
			patience := time.Hour // nothing here depends on how fast the machine is
			if c.trouble.Down > 0 {
				patience = 2 * time.Second
			}
			room, err := push.New(push.Service{Store: postgres.NewPort[push.Tx](store), Source: source, Templates: map[string]string{string(notify.RecordIssued): "issued"},
				Patience: patience, Pause: 20 * time.Millisecond})
			require.NoError(t, err)
			n := notify.Notice{ID: source.NewID(), Channel: notify.SMS, To: "+380501234567", Template: notify.RecordIssued, About: source.NewID(), PersonID: p.ID,
				Values: map[string]string{"what": "Е-направлення", "number": "0000-TEST", "until": "01.01.2030"}}
			jobs := `SELECT count(*) FROM jobs WHERE kind = 'notification.send' AND starts_with(key, $1)`
			for range 2 { // the job may run again after a crash
				taken, err := room.Take(t.Context(), n)
				require.NoError(t, err)
				require.Equal(t, c.taken, taken)
			}
			if !c.taken {
				require.Zero(t, count(`SELECT count(*) FROM outbox_messages WHERE id = $1`, n.ID.String()))
				require.Zero(t, count(jobs, n.About.String()))
				return
			}
			require.Equal(t, 1, count(jobs, n.About.String()), "the SMS stands ready before Diia is asked")
			var ready string
			require.NoError(t, conn.QueryRow(t.Context(), `SELECT key FROM jobs WHERE starts_with(key, $1)`, n.About.String()).Scan(&ready))

			effects := outbox.Effects{}
			room.Effects(effects)
			worker, err := outbox.NewWorker(outbox.WorkerConfig{Store: postgres.NewPort[outbox.WorkTx](store), Source: source, Effects: effects, Poll: 10 * time.Millisecond, Log: slog.New(slog.DiscardHandler),
				Routes: map[outbox.Destination]outbox.Route{push.Diia: {Connector: w.registry[push.Diia], Workers: 2, Timeout: 20 * time.Second, Backoff: job.Backoff{First: 20 * time.Millisecond, Most: 100 * time.Millisecond},
					Failures: 8, Pause: job.Backoff{First: 20 * time.Millisecond, Most: 100 * time.Millisecond}}}})
			require.NoError(t, err)
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() { defer close(done); worker.Run(ctx) }()
			open := `SELECT count(*) FROM outbox_messages WHERE status NOT IN ('answered', 'discarded')`
			require.Eventually(t, func() bool { return count(open) == 0 }, time.Minute, 20*time.Millisecond)
			stop()
			<-done
			require.Equal(t, c.sms, count(jobs, n.About.String()))
			if c.sms > 0 {
				var key string
				require.NoError(t, conn.QueryRow(t.Context(), `SELECT key FROM jobs WHERE starts_with(key, $1)`, n.About.String()).Scan(&key))
				require.Equal(t, c.hurried, key != ready, "the SMS goes at once, or at its time")
			}
			require.Equal(t, c.discarded, count(`SELECT count(*) FROM outbox_messages WHERE id = $1 AND status = 'discarded'`, n.ID.String()), "an operator has nothing to do with it")
			require.Equal(t, 1, count(`SELECT count(*) FROM leaves WHERE kind = 'disclosure.sent' AND subject_id = $1`, p.ID.String()), "what Diia is told stands in the log")
			require.Len(t, w.Seen().Pushes, map[bool]int{true: 1}[c.answered > 0])
		})
	}
}

// TestNobodyIsOpenedWhomDiiaCannotKnow: a record is opened only when the message
// that tells it leaves, with its entry. A record that cannot be opened shows
// whether somebody tries.
func TestNobodyIsOpenedWhomDiiaCannotKnow(t *testing.T) {
	dsn := cluster.DSN(t)
	store := pgtest.Open(t, dsn)
	conn := pgtest.Connect(t, dsn)
	room, err := push.New(push.Service{Store: postgres.NewPort[push.Tx](store), Source: source, Templates: map[string]string{string(notify.RecordIssued): "issued"}, Patience: time.Hour, Pause: time.Minute})
	require.NoError(t, err)
	people := population.New(78)
	for name, c := range map[string]struct {
		change func(p *patient.Person)
		taken  bool // the record is opened, and its entry stands
	}{
		"has a tax number": {func(*patient.Person) {}, true},
		"has none":         {func(p *patient.Person) { p.TaxID = "" }, false},
		"is not in use":    {func(p *patient.Person) { p.Status = patient.StatusInactive }, false},
	} {
		t.Run(name, func(t *testing.T) {
			h := people.Human(20, 80, registry.DateOf(source.Now()))
			now := source.Now()
			p := patient.Person{ID: source.NewID(), Version: 1, LastName: h.LastName, FirstName: h.FirstName, BirthDate: h.BirthDate, Gender: h.Gender, TaxID: string(h.RNOKPP), Status: patient.StatusActive, InsertedAt: now, UpdatedAt: now}
			c.change(&p)
			require.NoError(t, store.Update(t.Context(), func(ctx context.Context, tx *postgres.Tx) error {
				r := consent.Record{ID: source.NewID(), PersonID: p.ID, Method: consent.CitizenSigned, Recipient: "SANDBOX/GOV/43395033/diia", Purpose: "notice", Scope: []string{consent.ScopeNotice}, Fields: []string{"notice"},
					GrantedAt: now.Add(-time.Hour), ExpiresAt: now.Add(24 * time.Hour), Status: consent.StatusActive, CreatedAt: now, Container: sha256.Sum256([]byte(name)), Content: sha256.Sum256([]byte(name))}
				if err := tx.PutPerson(ctx, p); err != nil {
					return err
				}
				if err := tx.PutContainer(ctx, r.Container, []byte(name)); err != nil {
					return err
				}
				return tx.InsertConsent(ctx, r)
			}))
			entries := func() (n int) {
				require.NoError(t, conn.QueryRow(t.Context(), `SELECT count(*) FROM leaves WHERE kind = 'disclosure.sent' AND subject_id = $1`, p.ID.String()).Scan(&n))
				return n
			}
			n := notify.Notice{ID: source.NewID(), Channel: notify.SMS, To: "+380501234567", Template: notify.RecordIssued, About: source.NewID(), PersonID: p.ID,
				Values: map[string]string{"what": "Е-направлення", "number": "0000-TEST", "until": "01.01.2030"}}
			taken, err := room.Take(t.Context(), n)
			require.NoError(t, err)
			require.Equal(t, c.taken, taken)
			require.Equal(t, map[bool]int{true: 1}[c.taken], entries())

			_, err = conn.Exec(t.Context(), `UPDATE persons SET body = '\x00' WHERE id = $1`, p.ID.String())
			require.NoError(t, err)
			taken, err = room.Take(t.Context(), n)
			require.NoError(t, err, "the job that runs again opens nobody again")
			require.Equal(t, c.taken, taken)
			n.ID = source.NewID()
			_, err = room.Take(t.Context(), n)
			require.Equal(t, c.taken, err != nil, "only who is told of is opened")
			require.Equal(t, map[bool]int{true: 1}[c.taken], entries())
		})
	}
}
