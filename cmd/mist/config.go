package main

import (
	"bytes"
	"errors"
	"fmt"
	"mist/portal"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"mist/wsdl"
)

// Profiles. What is allowed in a sandbox would be a hole in production.
const (
	profileSandbox    = "sandbox"
	profileProduction = "production"
)

// Config is the whole configuration of a server. It is read once, checked
// before anything starts, and holds secrets only as paths of files.
type Config struct {
	Profile  string         `yaml:"profile"`
	Database DatabaseConfig `yaml:"database"`
	REST     RESTConfig     `yaml:"rest"`
	SOAP     SOAPConfig     `yaml:"soap"`
	Admin    ListenConfig   `yaml:"admin"`
	Log      LogConfig      `yaml:"log"`
	Trust    TrustConfig    `yaml:"trust"`
	Keys     KeysConfig     `yaml:"keys"`
	Media    MediaConfig    `yaml:"media"`
	Limits   LimitsConfig   `yaml:"limits"`
	Jobs     JobsConfig     `yaml:"jobs"`
	Seal     SealConfig     `yaml:"seal,omitempty"`
	// Preservation keeps signatures of acts provable for as long as the acts are kept.
	Preservation PreservationConfig `yaml:"preservation,omitempty"`
	Notify       NotifyConfig       `yaml:"notify,omitempty"`
	Registers    RegistersConfig    `yaml:"registers,omitempty"`
	Sandbox      SandboxConfig      `yaml:"sandbox,omitempty"`
}

// DatabaseConfig names the database: a file with a connection string, or a
// folder in which Mist keeps a PostgreSQL of its own.
type DatabaseConfig struct {
	URLFile string `yaml:"url_file,omitempty"`
	// ServerURLFile is the connection string the server works with: a login that
	// is a member of mist_app alone. url_file is then for migrations, and may
	// be left out where mist migrate is run apart.
	ServerURLFile string `yaml:"server_url_file,omitempty"`
	Embedded      string `yaml:"embedded,omitempty"`
	// MaxConnections bounds the pool.
	MaxConnections int `yaml:"max_connections"`
}

// ListenConfig is one listener.
type ListenConfig struct {
	Listen string `yaml:"listen"`
	// PublicURL is how others reach it; derived from listen when empty.
	PublicURL string `yaml:"public_url,omitempty"`
}

// RESTConfig is the REST listener.
type RESTConfig struct {
	ListenConfig `yaml:",inline"`
	MaxBody      int64 `yaml:"max_body"` // bytes
	// ProxyTellsCertificate believes the header Client-Cert (RFC 9440): only where
	// every request comes through a proxy that sets or removes it.
	ProxyTellsCertificate bool `yaml:"proxy_tells_certificate,omitempty"`
	// Rates bound how often is asked.
	Rates RatesConfig `yaml:"rates"`
	// CitizenClient is the public client of type CABINET under which the citizen's
	// page /me logs people in; without it there is no such page.
	CitizenClient string `yaml:"citizen_client,omitempty"`
	// AuditorClient is the public client of type AUDITOR under which the auditors'
	// pages /audit log people in; without it there are no such pages.
	AuditorClient string `yaml:"auditor_client,omitempty"`
	// OperatorClient is the public client of type NHS under which the operators'
	// pages /ops log people in; without it there are no such pages.
	OperatorClient string `yaml:"operator_client,omitempty"`
}

// RatesConfig bounds requests: of a client system, of a human in it, of an
// address at logins, of an address at what is public.
type RatesConfig struct {
	Client  RateConfig `yaml:"client"`
	User    RateConfig `yaml:"user"`
	Login   RateConfig `yaml:"login"`
	Address RateConfig `yaml:"address"`
}

// RateConfig is a token bucket; per_second 0 is no limit.
type RateConfig struct {
	PerSecond float64 `yaml:"per_second"`
	Burst     int     `yaml:"burst"`
}

func (r RateConfig) rate() portal.Rate { return portal.Rate{PerSecond: r.PerSecond, Burst: r.Burst} }

func defaultRates() RatesConfig {
	l := portal.DefaultLimits()
	of := func(r portal.Rate) RateConfig { return RateConfig{r.PerSecond, r.Burst} }
	return RatesConfig{Client: of(l.Client), User: of(l.User), Login: of(l.Token), Address: of(l.Address)}
}

// SOAPConfig is the Trembita listener. Without TLS it must be on loopback.
type SOAPConfig struct {
	ListenConfig `yaml:",inline"`
	// TLS demands a pinned certificate of the security server.
	TLS SOAPTLSConfig `yaml:"tls,omitempty"`
	// Allowed are the addresses (CIDR) that may connect; empty: loopback only.
	Allowed []string `yaml:"allowed,omitempty"`
	// RatePerSecond and Burst bound each client's calls; 0 bounds nothing.
	RatePerSecond float64 `yaml:"rate_per_second,omitempty"`
	Burst         int     `yaml:"burst,omitempty"`
	// RequirePurpose refuses requests without a purpose declaration.
	RequirePurpose bool `yaml:"require_purpose,omitempty"`
	// Service is our X-Road address: INSTANCE/CLASS/MEMBER/SUBSYSTEM.
	Service string `yaml:"service"`
	// Namespace is the name of the Diia contract on this installation: Trembita
	// wants a URI on the organisation's registered domain. Empty: the project's URN.
	Namespace string `yaml:"namespace,omitempty"`
	// Attested are the clients whose own e-seal over an attestation counts for
	// the citizen's signature under a consent.
	Attested []string `yaml:"attested,omitempty"`
	// Clients are the X-Road clients that may ask: INSTANCE/CLASS/MEMBER/SUBSYSTEM.
	Clients []string `yaml:"clients"`
	// Compositions is the check of medical conclusions by number.
	Compositions CompositionsConfig `yaml:"compositions,omitempty"`
	// RegistryClients are those that may call the registry's operations by SOAP
	// (/registry), each message with an access token of its own. Empty: none.
	RegistryClients []string `yaml:"registry_clients,omitempty"`
	MaxBody         int64    `yaml:"max_body"` // bytes
}

// SOAPTLSConfig is mutual TLS with a security server: both sides know each
// other's leaf certificate by its digest.
type SOAPTLSConfig struct {
	CertFile string `yaml:"cert_file,omitempty"`
	KeyFile  string `yaml:"key_file,omitempty"`
	// Pinned are SHA-256 digests (hexadecimal) of the security server's leaf
	// certificates: the one in use and, during a rollover, its successor.
	Pinned []string `yaml:"pinned,omitempty"`
}

func (t SOAPTLSConfig) on() bool { return t.CertFile != "" || t.KeyFile != "" || len(t.Pinned) > 0 }

// LogConfig is the audit log.
type LogConfig struct {
	Origin  string `yaml:"origin"`   // first line of every checkpoint
	KeyFile string `yaml:"key_file"` // signed-note signing key
	// Device holds the signing key instead of key_file (builds with the tag pkcs11).
	Device DeviceConfig `yaml:"device,omitempty"`
	// Period is the pause between two runs of the sequencer.
	Period time.Duration `yaml:"period"`
	// Witnesses cosign checkpoints; Quorum of them make one public.
	Witnesses []WitnessConfig `yaml:"witnesses,omitempty"`
	Quorum    int             `yaml:"quorum,omitempty"`
	// Clocks are time-stamp units (RFC 3161): while our clock is more than 5 s from
	// one of them, nothing is numbered.
	Clocks []string `yaml:"clocks,omitempty"`
	// Unwitnessed allows a production log without witnesses: whoever holds its
	// key and database can then rewrite its past.
	Unwitnessed bool `yaml:"unwitnessed,omitempty"`
}

// DeviceConfig names a key in a device behind PKCS #11.
type DeviceConfig struct {
	Module  string `yaml:"module,omitempty"` // the device's library
	Token   string `yaml:"token,omitempty"`  // label of the token
	Key     string `yaml:"key,omitempty"`    // label of the key pair
	PINFile string `yaml:"pin_file,omitempty"`
}

// WitnessConfig is one witness of the log.
type WitnessConfig struct {
	Organisation string `yaml:"organisation"` // who runs it
	URL          string `yaml:"url"`          // submission prefix (C2SP tlog-witness)
	Key          string `yaml:"key"`          // public key: name+hash+data
}

// TrustConfig says whose certificates are believed and where revocation is asked.
type TrustConfig struct {
	Dir string `yaml:"dir"` // CA, TSA and OCSP certificates
	// Hosts the verifier may ask for OCSP and CRL: host or host:port.
	Hosts []string `yaml:"hosts"`
	// AllowPrivate lets the fetcher reach loopback and private addresses (sandbox only).
	AllowPrivate bool `yaml:"allow_private,omitempty"`
}

// KeysConfig holds paths of secret keys.
type KeysConfig struct {
	// Sealing holds the key-encryption keys by id, 32 bytes each in hexadecimal:
	// they wrap the data keys in the database. Current wraps, the others unwrap.
	Sealing map[uint16]string `yaml:"sealing"`
	Current uint16            `yaml:"current"`
	OTP     string            `yaml:"otp"`
}

// LimitsConfig bounds lives and waits.
type LimitsConfig struct {
	DraftTTL time.Duration `yaml:"draft_ttl"`
	OTPTTL   time.Duration `yaml:"otp_ttl"`
	OTPTries int           `yaml:"otp_tries"`
	// OTPCodes is how many codes may be sent for one request.
	OTPCodes int `yaml:"otp_codes"`
	// PendingRetry is the pause between two questions for a certificate's status
	// that could not be had; after PendingTerm the signed act is refused.
	PendingRetry time.Duration `yaml:"pending_retry"`
	PendingTerm  time.Duration `yaml:"pending_term"`
	TokenTTL     time.Duration `yaml:"token_ttl"`
	Replay       time.Duration `yaml:"replay"`
	// VerificationTerm is how long an OFFLINE declaration awaits the NHSU.
	VerificationTerm time.Duration `yaml:"verification_term"`
	// DraftRetention is how long a finished draft keeps personal data.
	DraftRetention time.Duration `yaml:"draft_retention"`
	// SearchClient and SearchUser are how many person searches an hour a client
	// system and one of its users may make.
	SearchClient int `yaml:"search_client"`
	SearchUser   int `yaml:"search_user"`
	// Misses is how many questions about nobody one Trembita client may ask in a
	// minute; 0 bounds nothing.
	Misses int `yaml:"misses"`
	// Upkeep is the pause between two rounds of the jobs.
	Upkeep     time.Duration `yaml:"upkeep"`
	ReadHeader time.Duration `yaml:"read_header"`
	Read       time.Duration `yaml:"read"`
	Write      time.Duration `yaml:"write"`
	Drain      time.Duration `yaml:"drain"`
	// Linger is how long a stopping server goes on taking requests while /ready says
	// 503 already, so that a balancer before several servers notices in time.
	Linger time.Duration `yaml:"linger,omitempty"`
}

// SandboxConfig switches on what only a sandbox may have.
type SandboxConfig struct {
	// Dir holds the test PKI, keys and sandbox.json.
	Dir string `yaml:"dir,omitempty"`
	// Services is the listener of the test TSA, the OCSP responder and the OTP window.
	Services ListenConfig `yaml:"services,omitempty"`
	// VisibleOTP opens the OTP window.
	VisibleOTP bool `yaml:"visible_otp,omitempty"`
	// Echo publishes the X-Road echo service.
	Echo bool `yaml:"echo,omitempty"`
}

// defaultConfig has every value that has a sensible default.
func defaultConfig() Config {
	return Config{
		Profile:  profileProduction,
		Database: DatabaseConfig{MaxConnections: 16},
		REST:     RESTConfig{ListenConfig: ListenConfig{Listen: "127.0.0.1:8080"}, MaxBody: 12 << 20, Rates: defaultRates()},
		SOAP:     SOAPConfig{ListenConfig: ListenConfig{Listen: "127.0.0.1:8081"}, MaxBody: 12 << 20},
		Admin:    ListenConfig{Listen: "127.0.0.1:8082"},
		Log:      LogConfig{Period: 200 * time.Millisecond},
		Jobs:     defaultJobs(),
		Limits: LimitsConfig{
			DraftTTL: 24 * time.Hour, OTPTTL: 15 * time.Minute, OTPTries: 3, OTPCodes: 5, PendingRetry: time.Minute, PendingTerm: 72 * time.Hour, TokenTTL: time.Hour, Replay: 24 * time.Hour,
			VerificationTerm: 30 * 24 * time.Hour, DraftRetention: 90 * 24 * time.Hour, Upkeep: time.Minute, SearchClient: 1000, SearchUser: 100, Misses: 300,
			ReadHeader: 5 * time.Second, Read: 30 * time.Second, Write: 60 * time.Second, Drain: 20 * time.Second,
		},
	}
}

// ConfigError names every setting that is wrong.
type ConfigError struct{ Problems []string }

// Error implements error.
func (e *ConfigError) Error() string { return "configuration: " + strings.Join(e.Problems, "; ") }

var typeName = regexp.MustCompile(`not found in type [A-Za-z.]+`)

// loadConfig reads a YAML file over the defaults. Unknown keys are refused.
// Relative paths are relative to the file.
func loadConfig(path string) (Config, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("reading the configuration: %w", err)
	}
	c := defaultConfig()
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	if err := d.Decode(&c); err != nil {
		// The library speaks of Go types; an operator knows keys.
		text := strings.NewReplacer("yaml: unmarshal errors:\n  ", "").Replace(err.Error())
		return Config{}, fmt.Errorf("reading the configuration %s: %s", path, typeName.ReplaceAllString(text, "is not a setting"))
	}
	base, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return Config{}, err
	}
	resolve := func(p *string) {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(base, *p)
		}
	}
	for _, p := range []*string{&c.Database.URLFile, &c.Database.ServerURLFile, &c.Database.Embedded, &c.Log.KeyFile, &c.Log.Device.PINFile, &c.Trust.Dir, &c.Keys.OTP, &c.Sandbox.Dir, &c.SOAP.TLS.CertFile, &c.SOAP.TLS.KeyFile,
		&c.Media.Dir, &c.Media.S3.AccessKeyFile, &c.Media.S3.SecretKeyFile, &c.Notify.SMS.TokenFile, &c.Seal.KeyFile, &c.Seal.CertFile, &c.Notify.EMail.PasswordFile, &c.Registers.TLS.CertFile, &c.Registers.TLS.KeyFile, &c.Registers.EDR.KeyFile} {
		resolve(p)
	}
	if c.Profile == profileSandbox && c.Media == (MediaConfig{}) {
		c.Media.Dir = filepath.Join(base, "media") // a sandbox of before there were documents
	}
	for id, p := range c.Keys.Sealing {
		resolve(&p)
		c.Keys.Sealing[id] = p
	}
	return c, nil
}

// validate checks everything that can be checked before something starts.
func (c Config) validate() error {
	var problems []string
	add := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	sandbox := c.Profile == profileSandbox
	if !sandbox && c.Profile != profileProduction {
		add("profile must be %s or %s", profileSandbox, profileProduction)
	}
	if (c.Database.URLFile == "" && c.Database.ServerURLFile == "") == (c.Database.Embedded == "") {
		add("database: give url_file or embedded, one of them")
	}
	if c.Database.MaxConnections < 4 {
		add("database.max_connections: at least 4 are needed")
	}
	for name, listen := range map[string]string{"rest": c.REST.Listen, "soap": c.SOAP.Listen, "admin": c.Admin.Listen} {
		if _, _, err := net.SplitHostPort(listen); err != nil {
			add("%s.listen: %q is not host:port", name, listen)
		}
	}
	for name, listen := range map[string]string{"soap": c.SOAP.Listen, "admin": c.Admin.Listen} {
		if host, _, err := net.SplitHostPort(listen); err == nil && !isLoopback(host) && !(name == "soap" && c.SOAP.TLS.on()) {
			add("%s.listen: %s is not a loopback address; put the security server or a proxy with mutual TLS before it", name, listen)
		}
	}
	if strings.Count(c.SOAP.Service, "/") != 3 {
		add("soap.service must be INSTANCE/CLASS/MEMBER/SUBSYSTEM")
	}
	if t := c.SOAP.TLS; t.on() && (t.CertFile == "" || t.KeyFile == "" || len(t.Pinned) == 0) {
		add("soap.tls: cert_file, key_file and pinned are needed together")
	}
	if c.SOAP.RatePerSecond < 0 || c.SOAP.RatePerSecond > 0 && c.SOAP.Burst < 1 {
		add("soap.burst must be at least 1 where soap.rate_per_second is set")
	}
	for _, client := range c.SOAP.Compositions.Clients {
		if strings.Count(client, "/") != 3 {
			add("soap.compositions.clients: %q is not INSTANCE/CLASS/MEMBER/SUBSYSTEM", client)
		}
	}
	for _, client := range c.SOAP.Clients {
		if strings.Count(client, "/") != 3 {
			add("soap.clients: %q is not INSTANCE/CLASS/MEMBER/SUBSYSTEM", client)
		}
	}
	for _, client := range c.SOAP.RegistryClients {
		if strings.Count(client, "/") != 3 {
			add("soap.registry_clients: %q is not INSTANCE/CLASS/MEMBER/SUBSYSTEM", client)
		}
	}
	for _, client := range c.SOAP.Attested {
		if !slices.Contains(c.SOAP.Clients, client) {
			add("soap.attested: %q is not among soap.clients", client)
		}
	}
	if _, err := wsdl.LoadAs("diia", c.SOAP.Namespace); err != nil {
		add("soap.namespace: %v", err)
	}
	if c.Limits.Misses < 0 {
		add("limits.misses must not be negative")
	}
	for name, r := range map[string]RateConfig{"client": c.REST.Rates.Client, "user": c.REST.Rates.User, "login": c.REST.Rates.Login, "address": c.REST.Rates.Address} {
		if r.PerSecond < 0 || r.PerSecond > 0 && r.Burst < 1 {
			add("rest.rates.%s: burst must be at least 1 where per_second is set", name)
		}
	}
	if c.REST.MaxBody < 1<<10 || c.SOAP.MaxBody < 1<<10 {
		add("max_body: at least 1024 bytes")
	}
	if c.Log.Origin == "" || strings.ContainsAny(c.Log.Origin, " +\n") {
		add("log.origin must be a name without spaces or plus signs")
	}
	if c.Log.Period < 10*time.Millisecond || c.Log.Period > 10*time.Second {
		add("log.period must lie between 10ms and 10s")
	}
	c.Log.checkWitnesses(add, sandbox)
	for _, address := range c.Log.Clocks {
		if u, err := url.Parse(address); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			add("log.clocks: %q is not the http address of a time-stamp unit", address)
		}
	}
	if d := c.Log.Device; d != (DeviceConfig{}) && (c.Log.KeyFile != "" || d.Module == "" || d.Token == "" || d.Key == "" || d.PINFile == "") {
		add("log.device: module, token, key and pin_file are needed together, and no log.key_file beside them")
	}
	if c.Log.Device == (DeviceConfig{}) && c.Log.KeyFile == "" {
		add("log.key_file is missing")
	}
	for name, path := range map[string]string{"trust.dir": c.Trust.Dir, "keys.otp": c.Keys.OTP} {
		if path == "" {
			add("%s is missing", name)
		}
	}
	c.Media.check(add)
	c.Registers.check(add, sandbox)
	if _, ok := c.Keys.Sealing[c.Keys.Current]; !ok {
		add("keys.current names no key of keys.sealing")
	}
	for name, d := range map[string]time.Duration{
		"draft_ttl": c.Limits.DraftTTL, "otp_ttl": c.Limits.OTPTTL, "token_ttl": c.Limits.TokenTTL, "replay": c.Limits.Replay,
		"pending_retry": c.Limits.PendingRetry, "pending_term": c.Limits.PendingTerm,
		"verification_term": c.Limits.VerificationTerm, "draft_retention": c.Limits.DraftRetention, "upkeep": c.Limits.Upkeep,
		"read_header": c.Limits.ReadHeader, "read": c.Limits.Read, "write": c.Limits.Write, "drain": c.Limits.Drain,
	} {
		if d <= 0 {
			add("limits.%s must be positive", name)
		}
	}
	if c.Limits.SearchClient < 1 || c.Limits.SearchUser < 1 {
		add("limits.search_client and limits.search_user must be at least 1")
	}
	if c.Limits.OTPCodes < 1 || c.Limits.OTPCodes > 20 {
		add("limits.otp_codes must lie between 1 and 20")
	}
	if c.Limits.OTPTries < 1 || c.Limits.OTPTries > 10 {
		add("limits.otp_tries must lie between 1 and 10")
	}
	c.Jobs.check(add)
	c.Seal.check(add)
	c.Preservation.check(add)
	c.Notify.check(add)
	if sandbox {
		if c.Sandbox.Dir == "" || c.Sandbox.Services.Listen == "" {
			add("sandbox.dir and sandbox.services.listen are needed in the sandbox profile")
		}
	} else {
		if c.Sandbox != (SandboxConfig{}) {
			add("sandbox: visible OTP, echo service, test TSA and OCSP belong to the sandbox profile alone")
		}
		if c.Trust.AllowPrivate {
			add("trust.allow_private belongs to the sandbox profile alone")
		}
	}
	if len(problems) > 0 {
		slices.Sort(problems)
		return &ConfigError{problems}
	}
	return nil
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// print gives the effective configuration. Secrets stand in files, so it holds
// their paths and never their content.
func (c Config) print() ([]byte, error) { return yaml.Marshal(c) }

var errNotLoopbackSandbox = errors.New("a sandbox serves loopback addresses only")
