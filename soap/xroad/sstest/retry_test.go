package sstest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/soap"
	"mist/soap/xroad"
	"mist/soap/xroad/sstest"
)

// What may pass is asked again under the same id; what is refused for good is not.
func TestTemporary(t *testing.T) {
	for name, c := range map[string]struct {
		provider http.HandlerFunc
		edit     func(*sstest.Server)
		want     bool
	}{
		"provider down":     {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }, nil, true},
		"provider too slow": {func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body); <-r.Context().Done() }, func(s *sstest.Server) { s.Timeout = 50 * time.Millisecond }, true},
		"no SOAP":           {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }, nil, false},
		"broken envelope": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/xml")
			_, _ = io.WriteString(w, "<a")
		}, nil, false},
		"service not known": {func(http.ResponseWriter, *http.Request) {}, func(s *sstest.Server) { s.Resolve = func(xroad.ServiceID) (string, bool) { return "", false } }, false},
		"log cannot be kept": {echo(t).ServeHTTP, func(s *sstest.Server) {
			s.Exchanged = func(context.Context, []byte, []byte) error { return errors.New("disk full") }
		}, true},
	} {
		_, err := road(t, c.provider, c.edit).Do(t.Context(), question)
		require.Error(t, err, name)
		require.Equal(t, c.want, xroad.Temporary(err), "%s: %v", name, err)
	}
	for _, refusal := range []error{registry.Errorf(registry.CodeForbidden, "no"), registry.Errorf(registry.CodeInvalid, "no"), registry.Errorf(registry.CodeAlreadyDone, "no")} {
		require.False(t, xroad.Temporary(soap.FaultOf(refusal)))
	}
	for _, trouble := range []error{registry.Errorf(registry.CodeUnavailable, "later"), registry.Errorf(registry.CodeRateLimited, "later"), errors.New("x")} {
		require.True(t, xroad.Temporary(soap.FaultOf(trouble)))
	}
	require.False(t, xroad.Temporary(nil))
	require.False(t, xroad.Temporary(fmt.Errorf("x: %w", &xroad.InconsistentError{Field: "id"})))
	for code, want := range map[int]bool{404: false, 301: false, 429: true, 503: true} {
		require.Equal(t, want, xroad.Temporary(fmt.Errorf("x: %w", &soap.StatusError{Code: code})))
	}
	for code, want := range map[string]bool{"Server.ServerProxy.AccessDenied": false, "server.serverproxy.access_denied": false, "Server.ClientProxy.NetworkError": true, "server.clientproxy.network_error": true} {
		require.Equal(t, want, xroad.Temporary(&soap.Fault{Class: soap.ServerFault, Code: code}), code)
	}
	c, err := soap.NewClient(time.Second, nil)
	require.NoError(t, err)
	_, err = c.Post(t.Context(), "http://127.0.0.1:1/", soap.V11, []byte("<a/>"))
	require.True(t, xroad.Temporary(err), "nobody listens: %v", err)
}

// A call that is repeated keeps its id, in both versions of SOAP, so that the
// provider's stored answer comes back.
func TestRepetitionKeepsItsID(t *testing.T) {
	for _, version := range []soap.Version{soap.V11, soap.V12} {
		var tries atomic.Int32
		seen := map[string]int{}
		answering := echo(t)
		c := road(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			b, err := io.ReadAll(r.Body)
			require.NoError(t, err)
			seen[string(b)]++
			if tries.Add(1) < 3 {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			again := httptest.NewRequest(http.MethodPost, "/", http.NoBody)
			again.Header, again.Body = r.Header, io.NopCloser(bytes.NewReader(b))
			answering.ServeHTTP(w, again)
		}), func(s *sstest.Server) { s.Profile = sstest.Trembita })
		call := question
		call.ID, call.Version = "outbox-1", version
		var answer *xroad.Answer
		var err error
		for range 5 {
			if answer, err = c.Do(t.Context(), call); !xroad.Temporary(err) {
				break
			}
		}
		require.NoError(t, err)
		require.Equal(t, version, answer.Version)
		require.Equal(t, "outbox-1", answer.Header.ID)
		require.Len(t, seen, 1, "the same message, byte for byte")
		answer.Close()
	}
}
