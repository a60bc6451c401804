package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"mist/registry"
	"mist/registry/job"
	"mist/registry/notify"
	"mist/registry/outbox"
	"mist/registry/payment"
	"mist/registry/postgres"
	"mist/registry/push"
	"mist/registry/sickleave"
	"mist/registry/verification"
	"mist/signature/gost34311"
	"mist/soap/connector"
	"mist/soap/connector/simulator"
	"mist/soap/xroad"
)

func nationalHashes() map[string]func([]byte) []byte {
	return map[string]func([]byte) []byte{xroad.AlgorithmGOST34311: func(b []byte) []byte { sum := gost34311.Sum256(b); return sum[:] }}
}

// exchangeRooms is the outbox as this server runs it: routes to registers and the
// effects of their answers. A room that sends adds its effects; a register that
// is configured has a route.
type exchangeRooms struct {
	routes  map[outbox.Destination]outbox.Route
	effects outbox.Effects
	soon    bool // nobody waits for hours in a sandbox
}

// newExchange makes the routes of the configured registers. In a sandbox that
// names none the simulated ones are used.
func (s *server) newExchange(box *sandbox) (*exchangeRooms, error) {
	c := s.cfg.Registers
	if box != nil && c.URL == "" && c.EDR.URL == "" {
		c = box.registers(s)
	}
	s.cfg.Registers = c
	x := &exchangeRooms{routes: map[outbox.Destination]outbox.Route{}, effects: outbox.Effects{}, soon: box != nil}
	sickleave.Errands{Source: s.source}.Effects(x.effects.Add)
	services := map[outbox.Destination]func() (connector.Services, error){
		"dracs": connector.DRACS, "drfo": connector.DRFO, "mvs": connector.MVS, "payments": connector.Payments, "erln": connector.ERLN,
		"diia": func() (connector.Services, error) { return connector.Diia(c.Partner) },
	}
	for name, r := range c.bySOAP() {
		if r.Service == "" {
			continue
		}
		offered, err := services[name]()
		if err != nil {
			return nil, err
		}
		if err := s.addRegister(x, name, r, offered); err != nil {
			return nil, err
		}
	}
	if c.EDR.URL != "" {
		key := func() (string, error) { return readKeyFile(c.EDR.KeyFile, s.cfg.Profile == profileSandbox) }
		if c.EDR.KeyFile == "" {
			key = func() (string, error) { return "sandbox", nil }
		}
		timeout := c.EDR.Timeout
		if timeout == 0 {
			timeout = 30 * time.Second
		}
		x.routes["edr"] = c.EDR.route(&connector.EDR{URL: c.EDR.URL, Key: key, HTTP: &http.Client{
			Timeout: timeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}})
	}
	return x, nil
}

// addRegister makes the route of one register behind the security server.
func (s *server) addRegister(x *exchangeRooms, name outbox.Destination, r RegisterConfig, offered connector.Services) error {
	timeout := r.Timeout
	if timeout == 0 {
		timeout = 30 * time.Second
	}
	wire, err := s.cfg.Registers.client(timeout)
	if err != nil {
		return err
	}
	caller, err := s.cfg.Registers.caller(r, s.cfg.SOAP.Service, wire, s.source)
	if err != nil {
		return err
	}
	provider, err := xroad.ParseClientID(r.Service)
	if err != nil {
		return fmt.Errorf("registers.%s.service: %w", name, err)
	}
	x.routes[name] = r.route(&connector.Register{Caller: caller, Provider: provider, ServiceVersion: r.Version, UserID: s.cfg.Registers.UserID, Services: offered})
	return nil
}

// has tells whether a register is configured.
func (x *exchangeRooms) has(d outbox.Destination) bool { _, ok := x.routes[d]; return ok }

// starter asks the registers that are configured.
func (x *exchangeRooms) starter(source registry.Source) verification.Starter {
	return verification.Starter{Source: source, Terms: verification.DefaultTerms(), Asked: x.has}
}

// paymentPause is how long the paying side has before it is asked what became of
// a register.
const paymentPause = time.Hour

// asking makes the rooms that ask other registers.
func asking(store *postgres.Store, source registry.Source, x *exchangeRooms, deaths verification.Deaths) (*verification.Service, *payment.Service, error) {
	checks, err := verification.New(postgres.NewPort[verification.Tx](store).Everywhere(), x.starter(source), deaths)
	if err != nil {
		return nil, nil, err
	}
	pause := paymentPause
	if x.soon {
		pause = time.Second
	}
	payments, err := payment.NewService(postgres.NewPort[payment.Tx](store).Everywhere(), source, pause, x.has)
	return checks, payments, err
}

// newPush tells people by Diia first; nil where Diia is not configured.
func (s *server) newPush(x *exchangeRooms) (*push.Service, error) {
	if !x.has(push.Diia) {
		return nil, nil
	}
	c := push.Service{Store: postgres.NewPort[push.Tx](s.store).Everywhere(), Source: s.source, Templates: s.cfg.Registers.Templates, Patience: push.DefaultPatience, Pause: push.DefaultPause}
	if x.soon {
		c.Patience, c.Pause = 10*time.Second, 200*time.Millisecond
	}
	p, err := push.New(c)
	if err == nil {
		p.Effects(x.effects)
	}
	return p, err
}

// runOutbox sends until the context ends, and waits for what is under way.
func (s *server) runOutbox(ctx context.Context, x *exchangeRooms, to prometheus.Registerer) ([]job.Periodic, error) {
	sent := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "mist_outbox_sent_total", Help: "Attempts to send messages to other registers by destination, operation and outcome: answered, retried, dead, stale."},
		[]string{"destination", "operation", "outcome"})
	took := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "mist_outbox_seconds", Help: "How long attempts took.", Buckets: []float64{.02, .1, .5, 2, 10, 30}}, []string{"destination"})
	to.MustRegister(sent, took, newOutboxCollector(s.store, s.source.Clock))
	w, err := outbox.NewWorker(outbox.WorkerConfig{
		Store: postgres.NewPort[outbox.WorkTx](s.store).Everywhere(), Source: s.source, Routes: x.routes, Effects: x.effects, Poll: s.cfg.Registers.Poll, Log: s.log,
		Observe: func(o outbox.Sent) {
			sent.WithLabelValues(string(o.Destination), string(o.Operation), o.Outcome).Inc()
			took.WithLabelValues(string(o.Destination)).Observe(o.Took.Seconds())
		},
	})
	if err != nil {
		return nil, err
	}
	sending, stop := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() { defer close(done); w.Run(sending) }()
	s.onClose(func() { stop(); <-done })
	return w.Periodic(s.cfg.Limits.Upkeep), nil
}

// outboxCollector tells how the queue stands when metrics are scraped.
type outboxCollector struct {
	store                 *postgres.Store
	now                   func() time.Time
	messages, oldest, off *prometheus.Desc
}

func newOutboxCollector(store *postgres.Store, now func() time.Time) *outboxCollector {
	return &outboxCollector{store, now,
		prometheus.NewDesc("mist_outbox_messages", "Messages that are not ended by destination and status: waiting, sending, retrying, dead.", []string{"destination", "status"}, nil),
		prometheus.NewDesc("mist_outbox_oldest_seconds", "Age of the oldest message that is not ended, by destination.", []string{"destination"}, nil),
		prometheus.NewDesc("mist_outbox_circuit_open", "1 while nothing is sent to a destination: its circuit is open, or it is paused.", []string{"destination"}, nil)}
}

// Describe implements prometheus.Collector.
func (c *outboxCollector) Describe(out chan<- *prometheus.Desc) {
	out <- c.messages
	out <- c.oldest
	out <- c.off
}

// Collect implements prometheus.Collector.
func (c *outboxCollector) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	states, err := c.store.OutboxStates(ctx)
	if err != nil {
		return
	}
	for _, s := range states {
		for status, n := range s.Counts {
			out <- prometheus.MustNewConstMetric(c.messages, prometheus.GaugeValue, float64(n), string(s.Destination), string(status))
		}
		age, off := 0.0, 0.0
		if !s.Oldest.IsZero() {
			age = c.now().Sub(s.Oldest).Seconds()
		}
		if s.Circuit != "closed" {
			off = 1
		}
		out <- prometheus.MustNewConstMetric(c.oldest, prometheus.GaugeValue, age, string(s.Destination))
		out <- prometheus.MustNewConstMetric(c.off, prometheus.GaugeValue, off, string(s.Destination))
	}
}

// The alarms of the outbox.
var (
	alarmOutboxDead   = notify.Alarm{Name: "outbox_dead", Runbook: "Messages to other registers are dead"}
	alarmOutboxStuck  = notify.Alarm{Name: "outbox_stuck", Runbook: "Messages to another register wait too long"}
	alarmRegisterDown = notify.Alarm{Name: "register_down", Runbook: "Another register does not answer"}
)

// How long a message may wait, and a circuit be open, before people are told.
const (
	outboxPatience  = 6 * time.Hour
	circuitPatience = 15 * time.Minute
)

// outboxAlarms asks how the queue stands.
func outboxAlarms(store *postgres.Store, now func() time.Time, known func(outbox.Destination) bool) (dead, stuck, down func(ctx context.Context) error) {
	over := func(judge func(s outbox.State) error) func(ctx context.Context) error {
		return func(ctx context.Context) error {
			states, err := store.OutboxStates(ctx)
			if err != nil {
				return nil // the alarm of the database tells
			}
			for _, s := range states {
				if err := judge(s); err != nil {
					return err
				}
			}
			return nil
		}
	}
	dead = over(func(s outbox.State) error {
		if n := s.Counts[outbox.StatusDead]; n > 0 {
			return fmt.Errorf("%d messages to %s are dead", n, s.Destination)
		}
		return nil
	})
	stuck = over(func(s outbox.State) error {
		waiting := s.Counts[outbox.StatusWaiting] + s.Counts[outbox.StatusRetrying] + s.Counts[outbox.StatusSending]
		switch age := now().Sub(s.Oldest); {
		case waiting > 0 && !known(s.Destination):
			return fmt.Errorf("%d messages wait for %s, which is not configured", waiting, s.Destination)
		case waiting > 0 && age > outboxPatience:
			return fmt.Errorf("a message to %s has waited %s", s.Destination, age.Round(time.Minute))
		}
		return nil
	})
	down = over(func(s outbox.State) error {
		if age := now().Sub(s.OpenedAt); !s.OpenedAt.IsZero() && age > circuitPatience {
			return fmt.Errorf("%s does not answer since %s ago: %s", s.Destination, age.Round(time.Minute), s.Error)
		}
		return nil
	})
	return dead, stuck, down
}

// registers are the sandbox's own, behind its services listener.
func (b *sandbox) registers(s *server) RegistersConfig {
	at := "http://" + s.listeners["services"].Addr().String() + "/registers/"
	r := func(name string) RegisterConfig {
		// Short pauses: nobody waits for hours in a sandbox.
		return RegisterConfig{Service: simulator.Providers[name].String(), RouteConf: RouteConf{
			Timeout: 5 * time.Second, FirstRetry: 200 * time.Millisecond, LastRetry: 5 * time.Second, FirstPause: time.Second, LastPause: 5 * time.Second}}
	}
	c := RegistersConfig{URL: at, UserID: "mist", Poll: 100 * time.Millisecond, DRACS: r("dracs"), DRFO: r("drfo"), MVS: r("mvs"), Diia: r("diia"), Payments: r("payments"), ERLN: r("erln"), Partner: "mist", Templates: map[string]string{}}
	for _, t := range notify.Templates() {
		c.Templates[string(t)] = "mist_" + string(t)
	}
	c.EDR = EDRConfig{URL: at + "edr", RouteConf: c.DRFO.RouteConf}
	return c
}

// openRegisters makes the simulated registers, which know the sandbox's people.
func (b *sandbox) openRegisters(s *server) (err error) {
	if b.others, err = simulator.New(s.source, s.log); err != nil {
		return err
	}
	var w simulator.World
	for _, p := range b.state.Persons {
		w.People = append(w.People, simulator.Person{LastName: p.Person.LastName, FirstName: p.Person.FirstName, SecondName: p.Person.SecondName,
			BirthDate: p.Person.BirthDate, TaxID: p.Person.TaxID, UNZR: p.Person.UNZR})
	}
	for _, l := range b.state.LegalEntities {
		w.Entities = append(w.Entities, simulator.Entity{Code: string(l.EDRPOU), Name: l.Name, State: 1, StateText: "зареєстровано"})
	}
	b.others.Add(w)
	return nil
}
