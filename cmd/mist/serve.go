package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"mist/portal"
	"mist/portal/oauth"
	operatorpages "mist/portal/operator"
	"mist/portal/status"
	"mist/portal/tlog"
	"mist/portal/verify"
	"mist/registry"
	"mist/registry/access"
	"mist/registry/audit"
	"mist/registry/audit/sequencer"
	"mist/registry/dictionary"
	"mist/registry/notify"
	"mist/registry/postgres"
	"mist/registry/postgres/local"
	"mist/registry/sealing"
	"mist/signature"
)

type serveCommand struct {
	Config string `required:"" type:"existingfile" help:"Configuration file (YAML)." env:"MIST_CONFIG"`
}

// Run implements the command.
func (c *serveCommand) Run(e env) error {
	cfg, err := loadConfig(c.Config)
	if err != nil {
		return &failure{exitUsage, err}
	}
	return serve(e, cfg, nil)
}

type configCommand struct {
	Config string `required:"" type:"existingfile" help:"Configuration file (YAML)." env:"MIST_CONFIG"`
}

// Run implements the command.
func (c *configCommand) Run(e env) error {
	cfg, err := loadConfig(c.Config)
	if err != nil {
		return &failure{exitUsage, err}
	}
	b, err := cfg.print()
	if err != nil {
		return err
	}
	if _, err := e.stdout.Write(b); err != nil {
		return err
	}
	if err := cfg.validate(); err != nil {
		return &failure{exitFail, err}
	}
	return nil
}

type migrateCommand struct {
	Config string `required:"" type:"existingfile" help:"Configuration file (YAML)." env:"MIST_CONFIG"`
}

// Run implements the command.
func (c *migrateCommand) Run(e env) error {
	cfg, err := loadConfig(c.Config)
	if err != nil {
		return &failure{exitUsage, err}
	}
	if err := cfg.validate(); err != nil {
		return &failure{exitUsage, err}
	}
	keys, err := loadKeys(cfg)
	if err != nil {
		return err
	}
	dsn, stop, err := database(e.ctx, cfg.Database, newLogger(e))
	if err != nil {
		return err
	}
	defer stop()
	if err := postgres.Migrate(e.ctx, dsn); err != nil {
		return err
	}
	// The first data keys: a server with a login of its own may not make them.
	_, err = postgres.LoadKeys(e.ctx, dsn, keys.kek, rand.Reader)
	return err
}

func newLogger(e env) *slog.Logger {
	return slog.New(slog.NewJSONHandler(e.stderr, &slog.HandlerOptions{Level: slog.LevelInfo}))
}

// server is everything that runs; serve builds it in order and takes it down
// in the reverse order.
type server struct {
	cfg       Config
	log       *slog.Logger
	source    registry.Source
	store     *postgres.Store
	listeners map[string]net.Listener
	closers   []func()
}

func (s *server) onClose(f func()) { s.closers = append(s.closers, f) }

func (s *server) close() {
	for i := len(s.closers) - 1; i >= 0; i-- {
		s.closers[i]()
	}
}

// address of a listener as others reach it.
func (s *server) url(name string, c ListenConfig) string { return publicURL(c, s.listeners[name]) }

// serve runs until the context ends. box is nil outside the sandbox.
func serve(e env, cfg Config, box *sandbox) error {
	if err := cfg.validate(); err != nil {
		return &failure{exitUsage, err}
	}
	if cfg.Profile == profileSandbox && box == nil {
		var err error
		if box, err = openSandbox(cfg.Sandbox.Dir); err != nil {
			return &failure{exitUsage, fmt.Errorf("the sandbox profile needs a sandbox (mist sandbox makes one): %w", err)}
		}
	}
	s := &server{cfg: cfg, log: newLogger(e), source: registry.SystemSource(), listeners: map[string]net.Listener{}}
	defer s.close()

	listens := map[string]string{"rest": cfg.REST.Listen, "soap": cfg.SOAP.Listen, "admin": cfg.Admin.Listen}
	if box != nil {
		listens["services"] = cfg.Sandbox.Services.Listen
	}
	for name, address := range listens {
		l, err := bind(name, address)
		if err != nil {
			return err
		}
		s.listeners[name] = l
		s.onClose(func() { _ = l.Close() })
	}
	return s.run(e, box)
}

// gcPercent lets the heap, some 30 MB of live data, grow fivefold between
// collections: at Go's own 100 the collector takes a sixth of the processor
// time of a signing step. GOGC in the environment wins.
const gcPercent = 400

// run builds the parts on open listeners and serves.
func (s *server) run(e env, box *sandbox) error {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	cfg, ctx := s.cfg, e.ctx
	keys, err := loadKeys(cfg)
	if err != nil {
		return err
	}
	trusted, err := openTrust(ctx, cfg, s.log, s.source.Clock)
	if err != nil {
		return err
	}
	dsn, ring, stop, err := servingDatabase(ctx, cfg, keys.kek, s.log)
	if err != nil {
		return err
	}
	s.onClose(stop)
	s.store, err = postgres.Open(ctx, dsn, postgres.Options{
		Source: s.source, Keys: ring, MaxConns: int32(cfg.Database.MaxConnections), Log: s.log,
	})
	if err != nil {
		return err
	}
	s.onClose(func() {
		// Its own time limit: the context of the server has ended.
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if err := s.store.Close(closing); err != nil {
			s.log.Warn("closing the store", "cause", err.Error())
		}
	})

	if err := trusted.record(ctx, s.store, s.source); err != nil {
		return err
	}
	verifier, err := trusted.verifier()
	if err != nil {
		return err
	}
	go trusted.run(ctx)

	s.followKeys(ctx, keys.kek)

	metrics := newMetrics()
	gateways, err := cfg.Notify.gateways(countMessages(metrics))
	if err != nil {
		return err
	}
	if box != nil {
		box.messages.store = s.store
		for _, channel := range []notify.Channel{notify.SMS, notify.EMail} {
			if gateways[channel] == nil {
				gateways[channel] = box.messages
			}
		}
		if err := box.load(ctx, s.store); err != nil {
			return err
		}
	}
	policies, err := signature.ParsePolicyTable(policyTable)
	if err != nil {
		return err
	}
	documents, err := s.newDocuments(ctx, ring, keys.otp)
	if err != nil {
		return err
	}
	dictionaries, err := dictionary.New(postgres.NewPort[dictionary.Tx](s.store), s.source)
	if err != nil {
		return err
	}
	if box != nil {
		if err := box.openRegisters(s); err != nil {
			return err
		}
	}
	exchanges, err := s.newExchange(box)
	if err != nil {
		return err
	}
	made := parts{s.store, s.source, verifier, policies, documents.media, keys.otp, cfg.Limits, dictionaries, exchanges.starter(s.source)}
	acts, err := actKinds(made)
	if err != nil {
		return err
	}
	lives := access.DefaultLives()
	lives.Access = cfg.Limits.TokenTTL
	accessService, err := access.New(access.Config{
		Store: postgres.NewPort[access.Tx](s.store).Everywhere(), Walled: postgres.NewPort[access.Tx](s.store), Verifier: verifier, Policies: policies, Source: s.source, Lives: lives, Key: keys.otp,
		Audience: s.url("rest", cfg.REST.ListenConfig), Profile: keyProfile(cfg),
	})
	if err != nil {
		return err
	}
	disclosures, err := s.newDisclosures(trusted, policies)
	if err != nil {
		return err
	}

	refused := &refusals{}
	seq, err := sequencer.New(cfg.Log.clocked(cfg.Log.witnessed(sequencer.Config{Store: s.store, Signer: keys.log, Now: s.source.Clock, Period: cfg.Log.Period, Log: s.log}, metrics, refused), metrics))
	if err != nil {
		return err
	}
	sequencing, stopSequencing := context.WithCancel(context.WithoutCancel(ctx))
	sequenced := make(chan struct{})
	go func() {
		defer close(sequenced)
		if err := seq.Run(sequencing); err != nil {
			s.log.Error("the sequencer stopped", "cause", err.Error())
		}
	}()
	// Last of the work: what the drained requests wrote is still sequenced.
	s.onClose(func() { stopSequencing(); <-sequenced })

	metrics.MustRegister(newLogCollector(s.store, s.source.Clock), trusted.warnings, trusted.failures)
	logHandler, err := tlog.New(tlog.Config{Store: s.store, Authorize: authorizeAuditor(accessService, box != nil), Refuse: portal.Refuse, Log: s.log})
	if err != nil {
		return err
	}
	rooms, err := newRooms(s.store, s.source, keys.otp, cfg.Limits, exchanges)
	if err != nil {
		return err
	}
	rooms.checks.Effects(exchanges.effects)
	rooms.payments.Effects(exchanges.effects)
	providers, err := newProviderRooms(made, rooms.life.EndOfDismissed)
	if err != nil {
		return err
	}
	pages, err := s.newPages(providers)
	if err != nil {
		return err
	}
	if err := s.addCitizenPage(pages, accessService, rooms.disputes, &acts); err != nil {
		return err
	}
	failed := &mismatches{}
	proofs, err := s.openEvidence(ctx, keys.log.Verifier(), verifier, policies, metrics, failed)
	if err != nil {
		return err
	}
	exports, err := s.newExports(proofs.Sealer)
	if err != nil {
		return err
	}
	if err := s.addAuditorPages(pages, accessService, keys.log.Verifier(), proofs, exports, trusted.material); err != nil {
		return err
	}
	if err := s.addOperatorPages(pages, accessService, operatorpages.Config{Jobs: rooms.desk, Merges: rooms.personLife, Trust: trusted.material, Cases: rooms.disputes, Messages: rooms.messages, Checks: rooms.checks, Payments: rooms.payments}); err != nil {
		return err
	}
	citizens, err := pis(made)
	if err != nil {
		return err
	}
	loginPage, err := oauth.Add(pages)
	if err != nil {
		return err
	}
	requests, err := s.keepRequests(ctx)
	if err != nil {
		return err
	}
	if err := s.addDeveloperPages(pages, verifier, accessService, requests, box); err != nil {
		return err
	}
	if err := verify.Add(pages, verify.Config{Trust: trusted.store, Sign: keys.log.Material, LogKey: keys.log.Verifier(), Clock: s.source.Clock}); err != nil {
		return err
	}
	if err := status.Add(ctx, pages, status.Config{Metrics: metrics, Clock: s.source.Clock, Parts: []status.Part{
		{Name: "database", Ask: s.store.Ping}, {Name: "log", Ask: s.logHealth(seq)}, {Name: "witnesses", Ask: refused.err},
		{Name: "clock", Ask: func(context.Context) error { return seq.ClockError() }},
		{Name: "providers", Ask: func(context.Context) error { return trusted.material.Answering() }}}}); err != nil {
		return err
	}
	rest, err := portal.New(acts.serve(rooms.serve(documents.serve(providers.serve(portal.Config{
		Rooms: []portal.Room{citizens, portal.Parties(accessService)},
		Pages: pages, LoginPage: loginPage, Journal: requests, Receipts: keys.log,
		BaseURL: s.url("rest", cfg.REST.ListenConfig), Access: accessService, APIKeys: accessService, Signatures: verifier, Source: s.source, Log: s.log,
		ProxyTellsCertificate: cfg.REST.ProxyTellsCertificate,
		Limits:                portalLimits(cfg), Metrics: metrics, Public: map[string]http.Handler{"/log/": http.StripPrefix("/log", logHandler)},
	})))))
	if err != nil {
		return err
	}
	s.followLog(ctx)
	trembita, err := s.newTrembita(disclosures, rest, metrics)
	if err != nil {
		return err
	}

	told, err := s.newPush(exchanges)
	if err != nil {
		return err
	}
	periodicSending, err := s.runOutbox(ctx, exchanges, metrics)
	if err != nil {
		return err
	}
	sender, err := notify.NewSender(s.source, gateways)
	if err != nil {
		return err
	}
	if told != nil {
		sender.Try(told)
	}
	periodic := append(rooms.upkeep.Jobs(cfg.Limits.Upkeep), providers.jobs(cfg.Limits.Upkeep)...)
	periodic = append(periodic, acts.jobs(cfg.Limits.Upkeep)...)
	periodic = append(periodic, documents.jobs(cfg.Limits.Upkeep)...)
	periodic = append(periodic, requests.Jobs(cfg.Limits.Upkeep)...)
	periodic = append(periodic, rooms.personLife.Job(cfg.Limits.Upkeep), s.store.MonthsJob(cfg.Limits.Upkeep))
	periodic = append(append(periodic, periodicSending...), rooms.checks.Periodic(cfg.Limits.Upkeep)...)
	handlers := rooms.handlers().Add(sender.Handlers()).Add(acts.handlers).Add(exports.Handlers()).Add(rooms.checks.Handlers())
	seals, err := s.newSeals(s.store)
	if err != nil {
		return err
	}
	watch, err := newAlarms(gateways, cfg.Notify.Keepers, s.log, metrics)
	if err != nil {
		return err
	}
	watch.add(alarmDatabase, s.store.Ping)
	watch.add(alarmLog, s.logHealth(seq))
	watch.add(alarmClock, func(context.Context) error { return seq.ClockError() })
	watch.add(alarmWitness, refused.err)
	watch.add(alarmEvidence, failed.err)
	watch.add(alarmJobs, deadJobs(s.store))
	dead, stuck, down := outboxAlarms(s.store, s.source.Clock, exchanges.has)
	watch.add(alarmOutboxDead, dead)
	watch.add(alarmOutboxStuck, stuck)
	watch.add(alarmRegisterDown, down)
	watch.add(alarmMonths, monthsAhead(s.store))
	preserving, archiveEnds, err := s.preserve(verifier)
	if err != nil {
		return err
	}
	periodic = append(periodic, preserving...)
	if archiveEnds != nil {
		watch.add(alarmPreservation, archiveEnds)
	}
	go watch.run(ctx)
	go s.keepUnsealing(ctx)
	go s.store.FollowTokens(ctx)
	periodic = append(append(periodic, proofs.Jobs(cfg.Limits.Upkeep)...), exports.Jobs(cfg.Limits.Upkeep)...)
	if seals != nil {
		handlers, periodic = handlers.Add(seals.Handlers()), append(periodic, seals.Jobs(cfg.Limits.Upkeep)...)
	}
	rooms.desk.Does(handlers)
	if err := s.runJobs(ctx, handlers, periodic, metrics); err != nil {
		return err
	}

	all := &endpoints{limits: cfg.Limits, log: s.log}
	all.add("rest", s.listeners["rest"], rest)
	all.serveBy("soap", s.listeners["soap"], trembita)
	all.add("admin", s.listeners["admin"], adminHandler(metrics, all.draining.Load, []check{
		{"database", s.store.Ping},
		{"log", s.logHealth(seq)},
	}))
	if box != nil {
		stopWitness, err := box.openWitness(cfg, keys.log.Origin(), s.source.Clock, s.log)
		if err != nil {
			return err
		}
		s.onClose(stopWitness)
		all.add("services", s.listeners["services"], box.handler())
		if err := box.announce(s); err != nil {
			return err
		}
	}
	s.log.Info("mist serves", "profile", cfg.Profile, "rest", s.url("rest", cfg.REST.ListenConfig), "soap", s.url("soap", cfg.SOAP.ListenConfig))
	if box != nil {
		box.isReady()
	}
	return all.serve(ctx)
}

// maxCheckpointAge is when the log counts as stopped.
const maxCheckpointAge = 5 * time.Second

// database gives the owner's connection string and what to do at the end.
func database(ctx context.Context, c DatabaseConfig, log *slog.Logger) (dsn string, stop func(), err error) {
	dsn, err = connectionString(c.URLFile, "DATABASE_URL")
	switch {
	case err != nil:
		return "", nil, err
	case dsn != "":
		return dsn, func() {}, nil
	case c.Embedded == "":
		return "", nil, errors.New("this needs the connection string of the tables' owner: give database.url_file")
	}
	server, err := local.Start(ctx, local.Config{Dir: c.Embedded, Log: log})
	if err != nil {
		return "", nil, err
	}
	stop = func() {
		if err := server.Stop(); err != nil {
			log.Warn("stopping PostgreSQL", "cause", err.Error())
		}
	}
	if err := server.EnsureDatabase(ctx, "mist"); err != nil {
		stop()
		return "", nil, err
	}
	return server.DSN("mist"), stop, nil
}

type serverKeys struct {
	kek sealing.KEK
	otp []byte
	log *audit.Signer
}

func loadKeys(cfg Config) (serverKeys, error) {
	sandboxed := cfg.Profile == profileSandbox
	masters := map[uint16][]byte{}
	for id, path := range cfg.Keys.Sealing {
		key, err := readSecret(path, sandboxed)
		if err != nil {
			return serverKeys{}, err
		}
		masters[id] = key
	}
	kek, err := sealing.NewFileKEK(masters, cfg.Keys.Current, rand.Reader)
	if err != nil {
		return serverKeys{}, err
	}
	otp, err := readSecret(cfg.Keys.OTP, sandboxed)
	if err != nil {
		return serverKeys{}, err
	}
	signer, err := cfg.Log.signer(sandboxed)
	if err != nil {
		return serverKeys{}, err
	}
	return serverKeys{kek, otp, signer}, nil
}

// readKeyFile reads a secret file. A secret of a sandbox opens nothing else.
func readKeyFile(path string, sandboxed bool) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("reading a key: %w", err)
	}
	rest, marked := strings.CutPrefix(string(b), sandboxKeyMark)
	if marked && !sandboxed {
		return "", &failure{exitUsage, fmt.Errorf("%s is a sandbox key; this profile needs one of its own", path)}
	}
	return strings.TrimSpace(rest), nil
}

func readSecret(path string, sandboxed bool) ([]byte, error) {
	text, err := readKeyFile(path, sandboxed)
	if err != nil {
		return nil, err
	}
	key, err := hex.DecodeString(text)
	if err != nil || len(key) < 32 {
		return nil, fmt.Errorf("%s must hold at least 32 bytes in hexadecimal", path)
	}
	return key, nil
}

// authorizeAuditor lets clients with the scope audit:read see entries. In the
// sandbox entries are open, so that a newcomer can follow the demo.
func authorizeAuditor(a *access.Service, open bool) func(r *http.Request) error {
	return func(r *http.Request) error {
		if open && r.Header.Get("Authorization") == "" {
			return nil
		}
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok {
			return registry.Errorf(registry.CodeUnauthenticated, "a token with the scope audit:read is needed")
		}
		caller, err := a.Authenticate(r.Context(), token, nil)
		if err != nil {
			return err
		}
		return caller.Require("audit:read")
	}
}

func portalLimits(cfg Config) portal.Limits {
	l := portal.DefaultLimits()
	l.Body = cfg.REST.MaxBody
	r := cfg.REST.Rates
	l.Client, l.User, l.Token, l.Address = r.Client.rate(), r.User.rate(), r.Login.rate(), r.Address.rate()
	return l
}
