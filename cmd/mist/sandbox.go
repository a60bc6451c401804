package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"go.yaml.in/yaml/v3"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/postgres"
	"mist/soap/connector/simulator"
)

// sandboxMark stands in the names of every certificate authority of a sandbox.
const sandboxMark = "Mist ПІСОЧНИЦЯ"

type sandboxFlags struct {
	Dir      string `default:"var/sandbox" env:"MIST_SANDBOX" help:"Folder of the sandbox: keys, certificates, sandbox.json."`
	Database string `default:"" env:"MIST_DATABASE_DIR" help:"Folder of the embedded PostgreSQL (default: pg in the sandbox folder)."`
	REST     string `name:"rest" env:"MIST_REST" help:"REST address (default 127.0.0.1:8080)."`
	SOAP     string `name:"soap" env:"MIST_SOAP" help:"Trembita address (default 127.0.0.1:8081)."`
	Admin    string `name:"admin" env:"MIST_ADMIN" help:"Health and metrics address (default 127.0.0.1:8082)."`
	Echo     bool   `help:"Publish the X-Road echo service under any service id (for conformance runs)."`
	Services string `name:"services" env:"MIST_SERVICES" help:"Address of the test TSA, OCSP responder and OTP window (default 127.0.0.1:8083); fixed when the sandbox is made."`
}

type sandboxCommand struct {
	sandboxFlags `embed:""`
	Demo         bool `help:"Do the three walks once when the server is ready."`
	Prepare      bool `help:"Make the sandbox and its configuration, then stop; mist serve runs it."`
}

type demoCommand struct {
	sandboxFlags `embed:""`
}

// Run implements the command.
func (c *sandboxCommand) Run(e env) error {
	cfg, box, err := c.prepare(e)
	if err != nil || c.Prepare {
		return err
	}
	if !c.Demo {
		return serve(e, cfg, box)
	}
	return withDemo(e, cfg, box, func(err error) error {
		if err != nil {
			return &failure{exitFail, err}
		}
		fmt.Fprintf(e.stdout, "\nСервер працює · The server is running\n  REST     %s\n  SOAP     %s\n  WSDL     %s\n  журнал   %s\n  метрики  %s/metrics\n  усе інше %s\nCtrl-C — зупинити · stop.\n",
			box.public.REST, box.public.SOAP, box.public.WSDL, box.public.Log.URL, box.public.Admin, filepath.Join(box.dir, "sandbox.json"))
		<-e.ctx.Done()
		return nil
	})
}

// Run implements the command.
func (c *demoCommand) Run(e env) error {
	cfg, box, err := c.prepare(e)
	if err != nil {
		return err
	}
	return withDemo(e, cfg, box, func(err error) error {
		if err != nil {
			return &failure{exitFail, err}
		}
		return nil
	})
}

// withDemo serves, does the walks when the server is ready, and calls then;
// the server stops when then returns.
func withDemo(e env, cfg Config, box *sandbox, then func(error) error) error {
	ctx, stop := context.WithCancel(e.ctx)
	defer stop()
	served := make(chan error, 1)
	// The server's log goes to a file: between the steps of the walks it would
	// only be in a reader's way.
	logPath := filepath.Join(box.dir, "mist.log")
	logFile, err := os.OpenFile(logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer logFile.Close()
	server := e
	server.ctx, server.stderr = ctx, logFile
	go func() { served <- serve(server, cfg, box) }()
	select {
	case err := <-served:
		return err
	case <-box.ready:
	}
	fmt.Fprintf(e.stdout, "Журнал сервера · the server's log: %s\n", logPath)
	d, err := newDemo(box.dir, e.stdout)
	if err == nil {
		err = d.run(ctx)
	}
	if ctx.Err() != nil { // Ctrl-C in the middle is no failure of the demo
		return <-served
	}
	done := make(chan error, 1)
	go func() { done <- then(err) }()
	select {
	case err = <-done:
		stop()
		return errors.Join(err, <-served)
	case err := <-served: // a listener failed
		return err
	}
}

// prepare makes the sandbox if there is none and gives its configuration with
// the addresses of the flags.
func (f *sandboxFlags) prepare(e env) (Config, *sandbox, error) {
	dir, err := filepath.Abs(f.Dir)
	if err != nil {
		return Config{}, nil, err
	}
	path := filepath.Join(dir, "mist.yaml")
	box, err := openSandbox(dir)
	if errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintf(e.stdout, "Створюю пісочницю · making a sandbox: %s\n", dir)
		if err := f.make(dir, path); err != nil {
			return Config{}, nil, fmt.Errorf("making the sandbox: %w", err)
		}
		box, err = openSandbox(dir)
	}
	if err != nil {
		return Config{}, nil, err
	}
	cfg, err := loadConfig(path)
	if err != nil {
		return Config{}, nil, &failure{exitUsage, err}
	}
	for given, target := range map[*string]*string{&f.REST: &cfg.REST.Listen, &f.SOAP: &cfg.SOAP.Listen, &f.Admin: &cfg.Admin.Listen} {
		if *given != "" {
			*target = *given
		}
	}
	cfg.Sandbox.Echo = cfg.Sandbox.Echo || f.Echo
	if f.Database != "" {
		if cfg.Database.Embedded, err = filepath.Abs(f.Database); err != nil {
			return Config{}, nil, err
		}
	}
	if f.Services != "" && f.Services != cfg.Sandbox.Services.Listen && !anyPort(f.Services) {
		return Config{}, nil, &failure{exitUsage, fmt.Errorf("the certificates of %s name the services at %s; make another sandbox with --dir for %s", dir, cfg.Sandbox.Services.Listen, f.Services)}
	}
	return cfg, box, nil
}

func anyPort(address string) bool {
	_, port, err := net.SplitHostPort(address)
	return err == nil && port == "0"
}

// make writes keys, certificates, people and the configuration. The state file
// comes last: a sandbox that was interrupted is made anew.
func (f *sandboxFlags) make(dir, config string) error {
	source := registry.SystemSource()
	services := f.Services
	if services == "" {
		services = "127.0.0.1:8083"
	}
	// The port is taken now, because it stands in the certificates.
	l, err := bind("services", services)
	if err != nil {
		return err
	}
	services = l.Addr().String()
	if err := l.Close(); err != nil {
		return err
	}
	if host, _, err := net.SplitHostPort(services); err != nil || !isLoopback(host) {
		return &failure{exitUsage, errNotLoopbackSandbox}
	}
	for _, name := range []string{"sealing.key", "otp.key"} {
		if err := writeSandboxSecret(filepath.Join(dir, "keys", name), source.Bytes(32)); err != nil {
			return err
		}
	}
	signerKey, verifierKey, err := audit.GenerateKey(source.Random, sandboxOrigin)
	if err != nil {
		return err
	}
	if err := writeFile(filepath.Join(dir, "keys", "log.key"), []byte(sandboxKeyMark+signerKey+"\n"), 0o600); err != nil {
		return err
	}
	witnessKey, witnessPublic, err := audit.GenerateWitnessKey(source.Random, sandboxWitness)
	if err != nil {
		return err
	}
	if err := writeFile(filepath.Join(dir, "keys", "witness.key"), []byte(sandboxKeyMark+witnessKey+"\n"), 0o600); err != nil {
		return err
	}

	state := populate(source, uint64(source.Now().UnixNano()))
	state.Public.Log.WitnessKey = witnessPublic
	state.Services = services
	state.Public.Log.VerifierKey = verifierKey
	if err := makeAuthority(dir, "http://"+services, state, source); err != nil {
		return err
	}

	c := defaultConfig()
	c.Profile = profileSandbox
	c.Database.Embedded = "pg"
	c.REST.Listen, c.SOAP.Listen, c.Admin.Listen = pick(f.REST, c.REST.Listen), pick(f.SOAP, c.SOAP.Listen), pick(f.Admin, c.Admin.Listen)
	c.REST.CitizenClient, c.REST.AuditorClient, c.REST.OperatorClient = state.Page.String(), state.AuditPage.String(), state.OperatorPage.String()
	// One address plays all clients and people of a sandbox, and load tests are run on it.
	wide := RateConfig{PerSecond: 20_000, Burst: 40_000}
	c.REST.Rates = RatesConfig{Client: wide, User: wide, Login: RateConfig{PerSecond: 500, Burst: 2000}, Address: wide}
	c.SOAP.Service, c.SOAP.Clients, c.SOAP.Attested = sandboxService, []string{sandboxPortal}, []string{sandboxPortal}
	c.SOAP.RegistryClients = []string{sandboxMIS}
	c.SOAP.Compositions.Clients = c.SOAP.Clients
	c.Log.Origin, c.Log.KeyFile = sandboxOrigin, "keys/log.key"
	c.Log.Witnesses, c.Log.Quorum = []WitnessConfig{{Organisation: "sandbox", URL: "http://" + services + "/witness", Key: witnessPublic}}, 1
	c.Log.Clocks = []string{"http://" + services + "/tsa"}
	c.Trust = TrustConfig{Dir: "pki/trust", Hosts: []string{services}, AllowPrivate: true}
	c.Keys = KeysConfig{Sealing: map[uint16]string{1: "keys/sealing.key"}, Current: 1, OTP: "keys/otp.key"}
	c.Media = MediaConfig{Dir: "media"}
	c.Preservation = PreservationConfig{TSA: "http://" + services + "/tsa"}
	for _, o := range state.Public.Organisations {
		if strings.HasPrefix(o.Name, "НСЗУ") {
			c.Seal = SealConfig{KeyFile: o.SealKey, CertFile: o.SealCert, TSA: "http://" + services + "/tsa"}
		}
	}
	c.Sandbox = SandboxConfig{Dir: ".", Services: ListenConfig{Listen: services}, VisibleOTP: true}
	b, err := yaml.Marshal(c)
	if err != nil {
		return err
	}
	if err := writeFile(config, b, 0o644); err != nil {
		return err
	}
	return writeJSONFile(filepath.Join(dir, stateName), state, 0o600)
}

func pick(given, otherwise string) string {
	if given != "" {
		return given
	}
	return otherwise
}

// sandboxOrigin names the log of a sandbox.
const sandboxOrigin = "mist.sandbox"

// sandbox is the running side: people to load, test services, sandbox.json.
type sandbox struct {
	dir       string
	state     *sandboxState
	messages  *messageWindow
	authority *authority
	ready     chan struct{}
	readyOnce sync.Once
	public    sandboxFile
	witness   http.Handler
	others    *simulator.Simulator // registers of others
}

// openSandbox reads a sandbox made earlier; fs.ErrNotExist when there is none.
func openSandbox(dir string) (*sandbox, error) {
	state, err := loadState(dir)
	if err != nil {
		return nil, err
	}
	a, err := openAuthority(dir)
	if err != nil {
		return nil, err
	}
	if err := a.writeCRLs(filepath.Join(dir, "pki", "trust")); err != nil {
		return nil, err
	}
	return &sandbox{dir: dir, state: state, messages: newMessageWindow(), authority: a, ready: make(chan struct{})}, nil
}

// load puts clinics, people and clients into an empty registry, once, in one
// transaction.
func (b *sandbox) load(ctx context.Context, store *postgres.Store) error {
	first := b.state.LegalEntities[0].ID
	err := store.View(ctx, func(ctx context.Context, tx *postgres.Tx) error {
		_, err := tx.LegalEntity(ctx, first)
		return err
	})
	if err == nil {
		return nil
	}
	if registry.CodeOf(err) != registry.CodeNotFound {
		return fmt.Errorf("looking for the sandbox's rows: %w", err)
	}
	err = store.Update(ctx, func(ctx context.Context, tx *postgres.Tx) error {
		for _, l := range b.state.LegalEntities {
			if err := tx.PutLegalEntity(ctx, l); err != nil {
				return err
			}
		}
		for _, d := range b.state.Divisions {
			if err := tx.PutDivision(ctx, d); err != nil {
				return err
			}
		}
		for _, e := range b.state.Employees {
			if err := tx.PutEmployee(ctx, e); err != nil {
				return err
			}
		}
		for _, p := range b.state.Persons {
			p.Person.Status, p.Person.VerificationStatus = p.Status, p.VerificationStatus
			p.Person.InsertedAt, p.Person.UpdatedAt = time.Now(), time.Now()
			if err := tx.PutPerson(ctx, p.Person); err != nil {
				return err
			}
		}
		for _, c := range b.state.Clients {
			if err := tx.PutClient(ctx, c); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("loading the sandbox's rows: %w", err)
	}
	return loadMedications(ctx, store)
}

// announce writes sandbox.json with the addresses of this run.
func (b *sandbox) announce(s *server) error {
	b.public = b.state.Public
	services := "http://" + s.listeners["services"].Addr().String()
	b.public.REST = s.url("rest", s.cfg.REST.ListenConfig)
	b.public.SOAP = s.url("soap", s.cfg.SOAP.ListenConfig) + "/"
	b.public.WSDL = b.public.SOAP + "?wsdl"
	b.public.Admin = s.url("admin", s.cfg.Admin)
	b.public.TSA, b.public.OCSP, b.public.OTPURL = services+"/tsa", services+"/ocsp", services+"/otp"
	b.public.MessagesURL = services + "/messages"
	b.public.RegistersURL = services + "/registers"
	b.public.Trust = filepath.Join(b.dir, "pki", "trust")
	b.public.Log.URL = b.public.REST + "/log"
	return writeJSONFile(filepath.Join(b.dir, "sandbox.json"), b.public, 0o600)
}

// isReady tells the demo that the listeners are open and sandbox.json is written.
func (b *sandbox) isReady() { b.readyOnce.Do(func() { close(b.ready) }) }

// handler serves the test TSA, the OCSP responder and the OTP window.
func (b *sandbox) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /otp", b.messages.code)
	mux.Handle("/registers/", http.StripPrefix("/registers", b.others))
	mux.HandleFunc("GET /messages", b.messages.list)
	mux.Handle("/witness/", http.StripPrefix("/witness", b.witness))
	dark := &darkness{}
	mux.Handle("/ocsp", dark.over(exchangeHandler("application/ocsp-request", "application/ocsp-response", b.authority.ocsp)))
	mux.Handle("/ocsp/revoke", exchangeHandler("application/pkix-cert", "application/json", b.authority.revoke))
	mux.HandleFunc("POST /ocsp/off", dark.turn(true))
	mux.HandleFunc("POST /ocsp/on", dark.turn(false))
	mux.Handle("/tsa", exchangeHandler("application/timestamp-query", "application/timestamp-reply", b.authority.tsa))
	return mux
}
