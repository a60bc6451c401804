package main

import (
	"cmp"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"mist/registry"
	"mist/registry/outbox"
	"mist/soap"
	"mist/soap/xroad"
)

// RegistersConfig is other registers and how they are reached. One without a
// service is not asked, and what would ask it is switched off.
type RegistersConfig struct {
	// URL is our security server's address for information systems.
	URL string `yaml:"url,omitempty"`
	// Client is who we are there: INSTANCE/CLASS/MEMBER/SUBSYSTEM; empty: soap.service.
	Client string `yaml:"client,omitempty"`
	// UserID stands in the header userId of every message.
	UserID string        `yaml:"user_id,omitempty"`
	TLS    SOAPTLSConfig `yaml:"tls,omitempty"`
	// Poll is the pause between two looks at the outbox.
	Poll time.Duration `yaml:"poll,omitempty"`

	DRACS    RegisterConfig `yaml:"dracs,omitempty"`    // civil register
	DRFO     RegisterConfig `yaml:"drfo,omitempty"`     // tax numbers
	MVS      RegisterConfig `yaml:"mvs,omitempty"`      // demographic register
	Diia     RegisterConfig `yaml:"diia,omitempty"`     // push of the Diia portal
	Payments RegisterConfig `yaml:"payments,omitempty"` // the side that pays
	ERLN     RegisterConfig `yaml:"erln,omitempty"`     // sick leaves of the Pension Fund
	// Partner is our id at Diia; Templates are Diia's names of our texts.
	Partner   string            `yaml:"partner,omitempty"`
	Templates map[string]string `yaml:"templates,omitempty"`
	EDR       EDRConfig         `yaml:"edr,omitempty"` // legal entities
}

// RegisterConfig is one register behind the security server.
type RegisterConfig struct {
	Service string `yaml:"service,omitempty"` // INSTANCE/CLASS/MEMBER/SUBSYSTEM
	Version string `yaml:"version,omitempty"`
	// Client, where this register wants another one than registers.client.
	Client    string `yaml:"client,omitempty"`
	RouteConf `yaml:",inline"`
}

// RouteConf bounds one register; zero values are the defaults of the outbox.
type RouteConf struct {
	Workers int           `yaml:"workers,omitempty"`
	Timeout time.Duration `yaml:"timeout,omitempty"`
	// FirstRetry and LastRetry are the pauses of one message, FirstPause and
	// LastPause those of the circuit after Failures failures one after the other.
	FirstRetry time.Duration `yaml:"first_retry,omitempty"`
	LastRetry  time.Duration `yaml:"last_retry,omitempty"`
	Failures   int           `yaml:"failures,omitempty"`
	FirstPause time.Duration `yaml:"first_pause,omitempty"`
	LastPause  time.Duration `yaml:"last_pause,omitempty"`
}

// EDRConfig is the register of legal entities by its REST interface.
type EDRConfig struct {
	URL       string `yaml:"url,omitempty"`
	KeyFile   string `yaml:"key_file,omitempty"`
	RouteConf `yaml:",inline"`
}

func (r RouteConf) route(c outbox.Connector) outbox.Route {
	route := outbox.Route{Connector: c, Workers: r.Workers, Timeout: r.Timeout, Failures: r.Failures}
	route.Backoff.First, route.Backoff.Most = r.FirstRetry, r.LastRetry
	route.Pause.First, route.Pause.Most = r.FirstPause, r.LastPause
	return route
}

func (r RouteConf) check(name string, add func(format string, args ...any)) {
	if r.Workers < 0 || r.Workers > 64 || r.Failures < 0 || r.Timeout < 0 || r.Timeout > 5*time.Minute {
		add("registers.%s: workers must lie between 0 and 64, timeout between 0 and 5m, failures must not be negative", name)
	}
	for _, p := range [][2]time.Duration{{r.FirstRetry, r.LastRetry}, {r.FirstPause, r.LastPause}} {
		if (p[0] == 0) != (p[1] == 0) || p[0] < 0 || p[1] < p[0] {
			add("registers.%s: pauses are given in pairs, the first not longer than the last", name)
		}
	}
}

func (c RegistersConfig) bySOAP() map[outbox.Destination]RegisterConfig {
	return map[outbox.Destination]RegisterConfig{"dracs": c.DRACS, "drfo": c.DRFO, "mvs": c.MVS, "diia": c.Diia, "payments": c.Payments, "erln": c.ERLN}
}

func (c RegistersConfig) check(add func(format string, args ...any), sandbox bool) {
	for name, r := range c.bySOAP() {
		r.check(string(name), add)
		if r.Service == "" {
			continue
		}
		for what, text := range map[string]string{"service": r.Service, "client": r.Client} {
			if text != "" && strings.Count(text, "/") != 3 {
				add("registers.%s.%s must be INSTANCE/CLASS/MEMBER/SUBSYSTEM", name, what)
			}
		}
		if c.URL == "" {
			add("registers.url, the security server's address, is needed for registers.%s", name)
		}
	}
	if c.Client != "" && strings.Count(c.Client, "/") != 3 {
		add("registers.client must be INSTANCE/CLASS/MEMBER/SUBSYSTEM")
	}
	if c.Diia.Service != "" && c.Partner == "" {
		add("registers.partner, our id at Diia, is needed for registers.diia")
	}
	c.EDR.check("edr", add)
	if c.EDR.URL != "" && (c.EDR.KeyFile == "" && !sandbox || !strings.HasPrefix(c.EDR.URL, "https://") && !sandbox) {
		add("registers.edr: an https url and key_file are needed together")
	}
	if strings.HasPrefix(c.URL, "http://") && !sandbox && len(c.TLS.Pinned) > 0 || strings.HasPrefix(c.URL, "https://") && len(c.TLS.Pinned) == 0 {
		add("registers.tls.pinned, the digest of the security server's certificate, goes with an https registers.url")
	}
	if c.Poll < 0 || c.Poll > time.Minute {
		add("registers.poll must lie between 0 and 1m")
	}
}

// client makes the connection to the security server.
func (c RegistersConfig) client(timeout time.Duration) (*soap.Client, error) {
	if len(c.TLS.Pinned) == 0 {
		return soap.NewClient(timeout, nil)
	}
	t := &soap.ClientTLS{}
	for _, text := range c.TLS.Pinned {
		b, err := hex.DecodeString(strings.ReplaceAll(text, ":", ""))
		if err != nil || len(b) != 32 {
			return nil, fmt.Errorf("registers.tls.pinned: a SHA-256 digest in hexadecimal is expected")
		}
		t.PinnedServers = append(t.PinnedServers, [32]byte(b))
	}
	t.Certificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		if c.TLS.CertFile == "" {
			return &tls.Certificate{}, nil
		}
		pair, err := tls.LoadX509KeyPair(c.TLS.CertFile, c.TLS.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("reading our certificate: %w", err)
		}
		return &pair, nil
	}
	return soap.NewClient(timeout, t)
}

// caller is who asks one register.
func (c RegistersConfig) caller(r RegisterConfig, own string, wire *soap.Client, source registry.Source) (*xroad.Caller, error) {
	name := own
	for _, given := range []string{c.Client, r.Client} {
		if given != "" {
			name = given
		}
	}
	id, err := xroad.ParseClientID(name)
	if err != nil {
		return nil, fmt.Errorf("registers.client: %w", err)
	}
	return &xroad.Caller{URL: c.URL, Client: id, SOAP: wire, Hashes: nationalHashes(), NewID: func() string { return source.NewID().String() }}, nil
}

// clients is who we are towards every register.
func (c RegistersConfig) clients(own string) ([]xroad.ClientID, error) {
	var list []xroad.ClientID
	names := []string{cmp.Or(c.Client, own)}
	for _, r := range c.bySOAP() {
		if r.Client != "" {
			names = append(names, r.Client)
		}
	}
	for _, name := range names {
		id, err := xroad.ParseClientID(name)
		if err != nil {
			return nil, fmt.Errorf("registers.client: %w", err)
		}
		list = append(list, id)
	}
	return list, nil
}
