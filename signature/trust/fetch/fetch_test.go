package fetch_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/signature/trust/fetch"
)

func TestOnlyListedHostsAreAsked(t *testing.T) {
	var asked atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		switch r.URL.Path {
		case "/away":
			http.Redirect(w, r, "http://elsewhere.example/crl", http.StatusFound)
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusFound)
		case "/big":
			_, _ = w.Write(make([]byte, fetch.MaxOCSP+1))
		case "/slow":
			select {
			case <-r.Context().Done():
			case <-time.After(5 * time.Second):
			}
		case "/missing":
			http.NotFound(w, r)
		default:
			_, _ = w.Write([]byte("ok"))
		}
	}))
	defer s.Close()
	host := strings.TrimPrefix(s.URL, "http://")
	f, err := fetch.New(fetch.Config{Hosts: []string{host}, AllowPrivate: true, Timeout: 300 * time.Millisecond})
	require.NoError(t, err)
	b, err := f.OCSP(t.Context(), s.URL, []byte("question"))
	require.NoError(t, err)
	require.Equal(t, "ok", string(b))

	for _, path := range []string{"/away", "/loop", "/big"} {
		_, err = f.OCSP(t.Context(), s.URL+path, nil)
		var refused *fetch.RefusedError
		require.ErrorAs(t, err, &refused, path)
	}
	for _, path := range []string{"/missing", "/slow"} {
		_, err = f.CRL(t.Context(), s.URL+path)
		require.Error(t, err, path)
	}

	before := asked.Load()
	for what, address := range map[string]string{
		"another host": "http://elsewhere.example/", "another port": "http://127.0.0.1:1/", "another scheme": "ftp://" + host + "/",
		"a file": "file:///etc/passwd", "credentials": "http://u:p@" + host + "/", "no address": "://",
	} {
		_, err := f.Certificate(t.Context(), address)
		var refused *fetch.RefusedError
		require.ErrorAs(t, err, &refused, what)
	}
	// The twin without leave for private addresses refuses this machine although the host is listed.
	public, err := fetch.New(fetch.Config{Hosts: []string{host}})
	require.NoError(t, err)
	_, err = public.CRL(t.Context(), s.URL)
	var refused *fetch.RefusedError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, before, asked.Load())
	_, err = fetch.New(fetch.Config{Hosts: []string{"*.example"}})
	require.Error(t, err)
}
