package soap

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// selfSigned makes a certificate as a security server makes its internal one.
func selfSigned(t testing.TB, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// start serves h with the transport and gives the address.
func start(t testing.TB, h http.Handler, tr Transport) string {
	t.Helper()
	s, err := NewServer(h, tr, nil)
	require.NoError(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second) // a connection that never spoke counts as busy for 5 s
		defer cancel()
		require.NoError(t, s.Shutdown(ctx))
		require.NoError(t, <-done)
	})
	return l.Addr().String()
}

func TestPinnedClients(t *testing.T) {
	ours, current, next, stranger := selfSigned(t, "mist"), selfSigned(t, "ss"), selfSigned(t, "ss-next"), selfSigned(t, "other")
	addr := start(t, newHandler(t, mirror, nil), Transport{
		Certificate:   func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &ours, nil },
		PinnedClients: [][32]byte{Pin(current.Leaf), Pin(next.Leaf)},
	})
	call := func(version uint16, certs ...tls.Certificate) error {
		pool := x509.NewCertPool()
		pool.AddCert(ours.Leaf)
		c := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
			DisableKeepAlives: true,
			TLSClientConfig:   &tls.Config{RootCAs: pool, ServerName: "localhost", Certificates: certs, MaxVersion: version, MinVersion: tls.VersionTLS10},
		}}
		resp, err := c.Post("https://"+addr+"/", "text/xml", strings.NewReader(envelope))
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK || resp.ProtoMajor != 1 {
			return fmt.Errorf("status %s %s", resp.Proto, resp.Status)
		}
		return nil
	}
	require.NoError(t, call(tls.VersionTLS13, current))
	require.NoError(t, call(tls.VersionTLS12, current))
	require.NoError(t, call(tls.VersionTLS13, next), "the successor of a rollover")
	require.Error(t, call(tls.VersionTLS13), "no certificate")
	require.Error(t, call(tls.VersionTLS13, stranger), "unknown certificate")
	require.Error(t, call(tls.VersionTLS11, current), "old TLS")
	resp, err := http.Post("http://"+addr+"/", "text/xml", strings.NewReader(envelope))
	if err == nil {
		resp.Body.Close()
		require.Equal(t, http.StatusBadRequest, resp.StatusCode, "plain HTTP on a TLS port")
	}
}

func TestTransportRefusesHalfConfiguration(t *testing.T) {
	cert := selfSigned(t, "mist")
	get := func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &cert, nil }
	for name, tr := range map[string]Transport{
		"pins without certificate": {PinnedClients: [][32]byte{{}}},
		"certificate without pins": {Certificate: get},
		"too many pins":            {Certificate: get, PinnedClients: make([][32]byte, 3)},
		"plain and open":           {Allowed: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}},
	} {
		_, err := NewServer(http.NotFoundHandler(), tr, nil)
		require.Error(t, err, name)
	}
}

func TestAddressesNotOnTheListAreDropped(t *testing.T) {
	addr := start(t, newHandler(t, mirror, nil), Transport{Allowed: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}})
	c, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.SetDeadline(time.Now().Add(5*time.Second)))
	_, err = c.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
	own := start(t, newHandler(t, mirror, nil), Transport{})
	resp, err := http.Post("http://"+own+"/", "text/xml", strings.NewReader(envelope))
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, http.StatusOK, resp.StatusCode)
}

// Slow connections are closed, and others are served meanwhile.
func TestSlowConnectionsAreClosed(t *testing.T) {
	addr := start(t, newHandler(t, mirror, nil), Transport{ReadHeader: 300 * time.Millisecond, Read: 600 * time.Millisecond, Idle: 300 * time.Millisecond})
	head := "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nContent-Length: 100000\r\n"
	starts := map[string]string{
		"nothing sent":   "",
		"half a header":  head,
		"half a body":    head + "\r\n" + envelope,
		"chunk promised": "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n<a",
	}
	var conns []net.Conn
	for range 25 {
		for _, s := range starts {
			c, err := net.Dial("tcp", addr)
			require.NoError(t, err)
			defer c.Close()
			_, err = io.WriteString(c, s)
			require.NoError(t, err)
			conns = append(conns, c)
		}
	}
	resp, err := http.Post("http://"+addr+"/", "text/xml", strings.NewReader(envelope))
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, http.StatusOK, resp.StatusCode)
	deadline := time.Now().Add(4 * time.Second)
	for _, c := range conns {
		require.NoError(t, c.SetReadDeadline(deadline))
		_, err := io.Copy(io.Discard, c)
		var ne net.Error
		require.False(t, err != nil && asTimeout(err, &ne), "a slow connection is still open")
	}
}

func asTimeout(err error, ne *net.Error) bool {
	e, ok := err.(net.Error)
	*ne = e
	return ok && e.Timeout()
}

func TestConnectionsAreBounded(t *testing.T) {
	addr := start(t, newHandler(t, mirror, nil), Transport{MaxConnections: 2, Idle: time.Second})
	exchange := func(c net.Conn) error {
		if err := c.SetDeadline(time.Now().Add(300 * time.Millisecond)); err != nil {
			return err
		}
		if _, err := fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			return err
		}
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			return err
		}
		return resp.Body.Close()
	}
	var open []net.Conn
	for range 2 {
		c, err := net.Dial("tcp", addr)
		require.NoError(t, err)
		defer c.Close()
		require.NoError(t, exchange(c))
		open = append(open, c)
	}
	third, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	defer third.Close()
	require.Error(t, exchange(third), "waits for a slot")
	open[0].Close()
	fourth, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	defer fourth.Close()
	third.Close()
	require.Eventually(t, func() bool {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			return false
		}
		defer c.Close()
		return exchange(c) == nil
	}, 3*time.Second, 50*time.Millisecond)
}

// The header of a request is bounded and smuggling shapes are refused.
func TestHTTPAttacks(t *testing.T) {
	addr := start(t, newHandler(t, mirror, nil), Transport{})
	raw := func(request string) string {
		c, err := net.Dial("tcp", addr)
		require.NoError(t, err)
		defer c.Close()
		require.NoError(t, c.SetDeadline(time.Now().Add(3*time.Second)))
		_, err = io.WriteString(c, request)
		require.NoError(t, err)
		answer, _ := io.ReadAll(c) // the server may reset after its answer
		status, _, _ := strings.Cut(string(answer), "\r\n")
		return status
	}
	good := fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", len(envelope), envelope)
	require.Equal(t, "HTTP/1.1 200 OK", raw(good))
	chunked := fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(envelope), envelope)
	require.Equal(t, "HTTP/1.1 200 OK", raw(chunked))
	for name, c := range map[string][2]string{
		"header too large":         {strings.Replace(good, "Host: x", "Host: x\r\nA: "+strings.Repeat("a", 64<<10), 1), "431"},
		"two lengths":              {strings.Replace(good, "Host: x", "Host: x\r\nContent-Length: 5", 1), "400"},
		"negative length":          {strings.Replace(good, fmt.Sprintf("Length: %d", len(envelope)), "Length: -1", 1), "400"},
		"unknown transfer coding":  {strings.Replace(chunked, "chunked", "gzip", 1), "501"},
		"two hosts":                {strings.Replace(good, "Host: x", "Host: x\r\nHost: y", 1), "400"},
		"blank in a header name":   {strings.Replace(good, "Host: x", "Host : x", 1), "400"},
		"trace":                    {"TRACE / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "405"},
		"connect":                  {"CONNECT x:1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "405"},
		"not http":                 {"<Envelope/>\r\n\r\n", "400"},
		"body shorter than length": {good[:len(good)-20], ""},
	} {
		status := raw(c[0])
		require.Contains(t, status, c[1], name)
		require.NotContains(t, status, "200", name)
	}
	require.Equal(t, "HTTP/1.1 200 OK", raw(good))
}

// A client that sends all of an oversize message before it reads gets the
// fault, not a reset connection.
func TestOversizeMessageGetsItsFault(t *testing.T) {
	addr := start(t, newHandler(t, mirror, nil), Transport{})
	body := strings.Replace(envelope, "<x:a>1<", "<x:a>"+strings.Repeat("1", 13<<20)+"<", 1)
	for _, head := range []string{fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body), fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(body), body)} {
		c, err := net.Dial("tcp", addr)
		require.NoError(t, err)
		defer c.Close()
		require.NoError(t, c.SetDeadline(time.Now().Add(10*time.Second)))
		_, err = io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nConnection: close\r\n"+head)
		require.NoError(t, err)
		answer, err := io.ReadAll(c)
		require.NoError(t, err)
		require.Contains(t, string(answer), "<code>TooLarge</code>")
	}
}

func TestShutdownLetsAnswersFinish(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	h := newHandler(t, func(ctx context.Context, m *Message) (*Answer, error) {
		close(entered)
		<-leave
		return mirror(ctx, m)
	}, nil)
	s, err := NewServer(h, Transport{}, nil)
	require.NoError(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	status := make(chan int, 1)
	go func() {
		resp, err := http.Post("http://"+l.Addr().String()+"/", "text/xml", strings.NewReader(envelope))
		if err != nil {
			status <- 0
			return
		}
		resp.Body.Close()
		status <- resp.StatusCode
	}()
	<-entered
	down := make(chan error, 1)
	go func() { down <- s.Shutdown(context.Background()) }()
	require.NoError(t, <-served)
	close(leave)
	require.Equal(t, http.StatusOK, <-status)
	require.NoError(t, <-down)
}
