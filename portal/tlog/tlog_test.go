package tlog_test

import (
	"context"
	"crypto/rand"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/portal/tlog"
	"mist/registry"
	"mist/registry/audit"
	"mist/registry/audit/sequencer"
	"mist/registry/postgres"
	"mist/registry/postgres/pgtest"
)

var cluster pgtest.Cluster

func TestMain(m *testing.M) { os.Exit(cluster.Run(m)) }

func get(t *testing.T, url, token string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res, string(b)
}

func TestLogIsShown(t *testing.T) {
	s := cluster.Store(t)
	private, public, err := audit.GenerateKey(rand.Reader, "log.example")
	require.NoError(t, err)
	signer, err := audit.NewSigner("log.example", private)
	require.NoError(t, err)
	h, err := tlog.New(tlog.Config{Store: s, Authorize: func(r *http.Request) error {
		switch r.Header.Get("Authorization") {
		case "Bearer auditor":
			return nil
		case "":
			return registry.Errorf(registry.CodeUnauthenticated, "a token is needed")
		}
		return registry.Errorf(registry.CodeForbidden, "no right")
	}})
	require.NoError(t, err)
	server := httptest.NewServer(http.StripPrefix("/log", h))
	defer server.Close()
	url := server.URL + "/log/"

	res, _ := get(t, url+"checkpoint", "")
	require.Equal(t, 404, res.StatusCode, "before the first checkpoint")

	write := func(n int) (receipts []audit.Receipt) {
		require.NoError(t, s.Update(t.Context(), func(ctx context.Context, tx *postgres.Tx) error {
			receipts = nil
			for range n {
				r, err := tx.Audit(ctx, audit.Entry{Kind: audit.OperatorCommand, Channel: "job"})
				if err != nil {
					return err
				}
				receipts = append(receipts, r)
			}
			return nil
		}))
		return receipts
	}
	first := write(300)
	res, body := get(t, url+"entry/"+first[0].EntryID.String(), "auditor")
	require.Equal(t, 200, res.StatusCode)
	require.Empty(t, res.Header.Get(tlog.IndexHeader), "it waits for its checkpoint")
	require.Equal(t, first[0].LeafHash, audit.LeafHash([]byte(body)).String(), "the receipt's hash is the entry's")

	q, err := sequencer.New(sequencer.Config{Store: s, Signer: signer, Now: time.Now, Period: 5 * time.Millisecond})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { _ = q.Run(ctx) }()
	key, err := audit.ReadVerifier(public)
	require.NoError(t, err)
	var c audit.Checkpoint
	require.Eventually(t, func() bool {
		_, body = get(t, url+"checkpoint", "")
		c, err = audit.OpenCheckpoint([]byte(body), key)
		return err == nil && c.Size == 300
	}, 10*time.Second, 10*time.Millisecond)

	res, _ = get(t, url+"checkpoint", "")
	require.Equal(t, "*", res.Header.Get("Access-Control-Allow-Origin"))
	require.Equal(t, "no-cache", res.Header.Get("Cache-Control"))
	for path, size := range map[string]int{"tile/0/000": 8192, "tile/0/001.p/44": 44 * 32, "tile/0/000.p/7": 7 * 32, "tile/1/000.p/1": 32} {
		res, body = get(t, url+path, "")
		require.Equal(t, 200, res.StatusCode, path)
		require.Len(t, body, size, path)
		require.Contains(t, res.Header.Get("Cache-Control"), "immutable")
		require.Equal(t, "*", res.Header.Get("Access-Control-Allow-Origin"))
	}
	for _, path := range []string{"tile/0/001", "tile/0/001.p/45", "tile/1/000", "tile/2/000.p/1", "tile/8/0/000", "tile/entries/000", "tile/0/../0/000", "tile/", "nothing", ""} {
		res, _ = get(t, url+path, "")
		require.Equal(t, 404, res.StatusCode, path)
	}

	res, body = get(t, url+"entry/"+first[7].EntryID.String(), "auditor")
	require.Equal(t, 200, res.StatusCode)
	index := res.Header.Get(tlog.IndexHeader)
	require.NotEmpty(t, index)
	require.Equal(t, "no-store", res.Header.Get("Cache-Control"))
	require.Empty(t, res.Header.Get("Access-Control-Allow-Origin"))
	_, again := get(t, url+"entry/"+index, "auditor")
	require.Equal(t, body, again, "by its place as by its id")

	for name, want := range map[string]int{"": 401, "somebody": 403} {
		res, body = get(t, url+"entry/"+first[7].EntryID.String(), name)
		require.Equal(t, want, res.StatusCode)
		require.NotContains(t, body, "operator.command")
		res, _ = get(t, url+"entry/0", name)
		require.Equal(t, want, res.StatusCode)
	}
	for name, want := range map[string]int{"019a0000-0000-7000-8000-000000000001": 404, "300": 404, "-1": 400, "x": 400, strings.Repeat("9", 30): 400} {
		res, _ = get(t, url+"entry/"+name, "auditor")
		require.Equal(t, want, res.StatusCode, name)
	}
	res, err = http.Post(url+"checkpoint", "text/plain", nil)
	require.NoError(t, err)
	defer res.Body.Close()
	require.Equal(t, 405, res.StatusCode)
}

func TestHalfConfiguredIsRefused(t *testing.T) {
	_, err := tlog.New(tlog.Config{Store: (*postgres.Store)(nil)})
	require.Error(t, err)
}
