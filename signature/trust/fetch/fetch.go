// Package fetch is the only network code under signature: it asks OCSP
// responders and loads CRLs and issuer certificates over HTTP.
//
// It believes nobody's address: only listed hosts are asked, also after a
// redirect; the address a name resolves to is judged at the moment of
// connecting, so that a name cannot move to a private network (DNS rebinding);
// answers are bounded in size and time. What comes back is bytes for the
// verifier to judge.
package fetch

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Limits of one answer.
const (
	MaxOCSP        = 256 << 10 // bytes
	MaxCRL         = 64 << 20
	MaxCertificate = 1 << 20
	MaxList        = 32 << 20
	maxRedirects   = 3
)

// RefusedError tells that an address was not asked, and why.
type RefusedError struct{ Host, Reason string }

// Error implements error.
func (e *RefusedError) Error() string { return "not asking " + e.Host + ": " + e.Reason }

// Config of a Fetcher.
type Config struct {
	// Hosts that may be asked: "host" (ports 80 and 443) or "host:port".
	Hosts []string
	// AllowPrivate lets connections reach loopback and private addresses; for
	// a sandbox whose responder is on this machine.
	AllowPrivate bool
	// Timeout of one question; zero means 10 s.
	Timeout time.Duration
	// Roots are the authorities of https servers; nil means the system's.
	Roots *x509.CertPool
}

// Fetcher implements signature.Fetcher. Safe for concurrent use.
type Fetcher struct {
	hosts  []string
	client *http.Client
}

// New makes a fetcher. An empty list of hosts refuses everything.
func New(c Config) (*Fetcher, error) {
	f := &Fetcher{}
	for _, h := range c.Hosts {
		if h == "" || strings.ContainsAny(h, "/@*") {
			return nil, fmt.Errorf("fetch: %q is not a host or host:port", h)
		}
		f.hosts = append(f.hosts, strings.ToLower(h))
	}
	if c.Timeout == 0 {
		c.Timeout = 10 * time.Second
	}
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	if !c.AllowPrivate {
		// Control runs after name resolution, for the very address connected to.
		dialer.Control = func(_, address string, _ syscall.RawConn) error { return publicOnly(address) }
	}
	f.client = &http.Client{
		Timeout: c.Timeout,
		Transport: &http.Transport{
			DialContext: dialer.DialContext, TLSHandshakeTimeout: 5 * time.Second, ResponseHeaderTimeout: c.Timeout,
			MaxResponseHeaderBytes: 16 << 10, MaxIdleConnsPerHost: 64, IdleConnTimeout: time.Minute, DisableCompression: true,
			TLSClientConfig: &tls.Config{RootCAs: c.Roots, MinVersion: tls.VersionTLS12},
		},
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) > maxRedirects {
				return &RefusedError{r.URL.Host, "too many redirects"}
			}
			return f.allowed(r.URL)
		},
	}
	return f, nil
}

func publicOnly(address string) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return &RefusedError{address, "not an address"}
	}
	ip := ap.Addr().Unmap()
	shared := netip.MustParsePrefix("100.64.0.0/10") // carrier-grade NAT, RFC 6598
	if !ip.IsGlobalUnicast() || ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast() || shared.Contains(ip) {
		return &RefusedError{address, "private address"}
	}
	return nil
}

func (f *Fetcher) allowed(u *url.URL) error {
	host := strings.ToLower(u.Hostname())
	port := u.Port()
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return &RefusedError{u.Host, "scheme " + u.Scheme}
	case u.User != nil:
		return &RefusedError{u.Host, "credentials in the address"}
	case port != "" && slices.Contains(f.hosts, net.JoinHostPort(host, port)):
		return nil
	case (port == "" || port == "80" || port == "443") && slices.Contains(f.hosts, host):
		return nil
	}
	return &RefusedError{u.Host, "the host is not on the list"}
}

// OCSP posts a request (RFC 6960, A.1).
func (f *Fetcher) OCSP(ctx context.Context, address string, request []byte) ([]byte, error) {
	return f.do(ctx, http.MethodPost, address, request, "application/ocsp-request", MaxOCSP)
}

// CRL loads a revocation list.
func (f *Fetcher) CRL(ctx context.Context, address string) ([]byte, error) {
	return f.do(ctx, http.MethodGet, address, nil, "", MaxCRL)
}

// Certificate loads the answer of a caIssuers address.
func (f *Fetcher) Certificate(ctx context.Context, address string) ([]byte, error) {
	return f.do(ctx, http.MethodGet, address, nil, "", MaxCertificate)
}

// List loads a trusted list.
func (f *Fetcher) List(ctx context.Context, address string) ([]byte, error) {
	return f.do(ctx, http.MethodGet, address, nil, "", MaxList)
}

func (f *Fetcher) do(ctx context.Context, method, address string, body []byte, contentType string, limit int64) ([]byte, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, &RefusedError{"the address", "it is not a URL"}
	}
	if err := f.allowed(u); err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	resp, err := f.client.Do(r)
	if err != nil {
		var refused *RefusedError
		if errors.As(err, &refused) {
			return nil, refused
		}
		return nil, fmt.Errorf("asking %s: %w", u.Host, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s", u.Host, resp.Status)
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return nil, fmt.Errorf("reading the answer of %s: %w", u.Host, err)
	}
	if int64(len(b)) > limit {
		return nil, &RefusedError{u.Host, fmt.Sprintf("the answer is larger than %d bytes", limit)}
	}
	return b, nil
}
