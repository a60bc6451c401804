package soap

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Transport is how the listener for security servers is guarded. It stands
// apart from every other listener: nobody but a security server belongs here.
type Transport struct {
	// Certificate and its key are shown to the security server, which knows
	// them by exact copy. nil serves plain HTTP, for a loopback or a peer on
	// the allow-list only.
	Certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	// PinnedClients are SHA-256 digests of the leaf certificates (DER) allowed
	// to connect: the security server's internal TLS certificate, and its
	// successor during a rollover. Not empty demands mutual TLS. Security
	// servers sign these certificates themselves, so no CA is involved.
	PinnedClients [][32]byte
	// Allowed are the addresses that may connect; empty allows loopback only.
	Allowed []netip.Prefix
	// ReadHeader, Read, Write, Idle are time limits of a connection; zero means the default.
	ReadHeader, Read, Write, Idle time.Duration
	// MaxConnections bounds open connections; zero means the default.
	MaxConnections int
}

// Defaults of Transport. Write covers the longest budget of an operation.
const (
	DefaultReadHeader     = 5 * time.Second
	DefaultRead           = 30 * time.Second
	DefaultWrite          = 60 * time.Second
	DefaultIdle           = 2 * time.Minute
	DefaultMaxConnections = 1024
	maxHTTPHeaderBytes    = 16 << 10
)

// maxPins: one certificate in use and its successor.
const maxPins = 2

func (t Transport) check() error {
	switch {
	case len(t.PinnedClients) > 0 && t.Certificate == nil:
		return errors.New("pinned client certificates need a server certificate")
	case len(t.PinnedClients) > maxPins:
		return fmt.Errorf("at most %d client certificates can be pinned: the one in use and its successor", maxPins)
	case t.Certificate != nil && len(t.PinnedClients) == 0:
		return errors.New("TLS without pinned client certificates lets anybody in; pin the security server's certificate")
	}
	for _, p := range t.Allowed {
		if t.Certificate == nil && p.Bits() < 8 {
			return fmt.Errorf("plain HTTP must not be open to %s", p)
		}
	}
	return nil
}

func orDefault(d, def time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return def
}

// Server serves SOAP to security servers.
type Server struct {
	http      *http.Server
	transport Transport
	log       *slog.Logger
}

// NewServer guards handler with the transport's rules.
func NewServer(handler http.Handler, t Transport, log *slog.Logger) (*Server, error) {
	if err := t.check(); err != nil {
		return nil, fmt.Errorf("soap listener: %w", err)
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &Server{transport: t, log: log}
	s.http = &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: orDefault(t.ReadHeader, DefaultReadHeader),
		ReadTimeout:       orDefault(t.Read, DefaultRead),
		WriteTimeout:      orDefault(t.Write, DefaultWrite),
		IdleTimeout:       orDefault(t.Idle, DefaultIdle),
		MaxHeaderBytes:    maxHTTPHeaderBytes,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		// X-Road speaks HTTP/1.1; HTTP/2 would only widen what can be attacked.
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){},
	}
	if t.Certificate != nil {
		s.http.TLSConfig = &tls.Config{
			MinVersion:     tls.VersionTLS12,
			GetCertificate: t.Certificate,
			NextProtos:     []string{"http/1.1"},
			// The chain is not checked on purpose: the leaf itself is pinned.
			ClientAuth:            tls.RequireAnyClientCert,
			VerifyPeerCertificate: s.verifyPin,
			// A resumed session would skip the pin after a rollover.
			SessionTicketsDisabled: true,
		}
	}
	return s, nil
}

// Pin is the digest of a certificate as PinnedClients wants it.
func Pin(c *x509.Certificate) [32]byte { return sha256.Sum256(c.Raw) }

func (s *Server) verifyPin(raw [][]byte, _ [][]*x509.Certificate) error {
	if len(raw) > 0 && slices.Contains(s.transport.PinnedClients, sha256.Sum256(raw[0])) {
		return nil
	}
	return errors.New("the client certificate is not one of the pinned ones")
}

// Serve answers on l until Shutdown. It closes l.
func (s *Server) Serve(l net.Listener) error {
	limit := s.transport.MaxConnections
	if limit <= 0 {
		limit = DefaultMaxConnections
	}
	guarded := &guardedListener{Listener: l, allowed: s.allowed, slots: make(chan struct{}, limit), log: s.log, done: make(chan struct{})}
	var err error
	if s.http.TLSConfig != nil {
		err = s.http.ServeTLS(guarded, "", "")
	} else {
		err = s.http.Serve(guarded)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// Shutdown stops accepting and waits for the answers under way.
func (s *Server) Shutdown(ctx context.Context) error { return s.http.Shutdown(ctx) }

func (s *Server) allowed(a netip.Addr) bool {
	if len(s.transport.Allowed) == 0 {
		return a.IsLoopback()
	}
	return slices.ContainsFunc(s.transport.Allowed, func(p netip.Prefix) bool { return p.Contains(a) })
}

// guardedListener drops connections from addresses not on the list before a
// byte of them is read, and holds back when all slots are taken.
type guardedListener struct {
	net.Listener
	allowed func(netip.Addr) bool
	slots   chan struct{}
	done    chan struct{}
	once    sync.Once
	log     *slog.Logger
}

// Accept implements net.Listener.
func (g *guardedListener) Accept() (net.Conn, error) {
	select {
	case g.slots <- struct{}{}:
	case <-g.done:
		return nil, net.ErrClosed
	}
	for {
		c, err := g.Listener.Accept()
		if err != nil {
			<-g.slots
			return nil, err
		}
		ap, err := netip.ParseAddrPort(c.RemoteAddr().String())
		if err == nil && g.allowed(ap.Addr().Unmap()) {
			return &countedConn{Conn: c, release: func() { <-g.slots }}, nil
		}
		g.log.Warn("connection from an address that is not on the list", "address", c.RemoteAddr().String())
		c.Close()
	}
}

// Close implements net.Listener. It may be called more than once.
func (g *guardedListener) Close() error {
	g.once.Do(func() { close(g.done) })
	return g.Listener.Close()
}

type countedConn struct {
	net.Conn
	once    sync.Once
	release func()
}

// Close implements net.Conn and frees the slot once.
func (c *countedConn) Close() error {
	c.once.Do(c.release)
	return c.Conn.Close()
}
