package media_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/media"
	"mist/registry/sealing"
)

func keyring(t *testing.T) *sealing.Keyring {
	t.Helper()
	k, err := sealing.New(map[uint16][]byte{1: bytes.Repeat([]byte{7}, 32)}, 1, rand.Reader)
	require.NoError(t, err)
	return k
}

func nameOf(d registry.Digest) string { return hex.EncodeToString(d[:]) }

// storageKeeps is what every storage does. raw reads the stored bytes past the
// registry, and overwrite changes them.
func storageKeeps(t *testing.T, storage media.Storage) {
	t.Helper()
	ctx := t.Context()
	s, err := media.New(storage, keyring(t))
	require.NoError(t, err)
	doc := append([]byte("скан документа 3278011533 "), make([]byte, 3<<20)...)
	_, err = rand.Read(doc[64:])
	require.NoError(t, err)

	want := registry.Digest(sha256.Sum256(doc))
	there, err := s.Has(ctx, want)
	require.NoError(t, err)
	require.False(t, there)
	_, err = s.Get(ctx, want)
	require.ErrorIs(t, err, media.ErrNotFound)

	var wg sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs { // the same document from several clients at once
		wg.Go(func() { _, errs[i] = s.Put(ctx, doc) })
	}
	wg.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
	got, err := s.Get(ctx, want)
	require.NoError(t, err)
	require.True(t, bytes.Equal(doc, got))

	raw, err := storage.Get(ctx, nameOf(want), media.MaxSize+100)
	require.NoError(t, err)
	require.False(t, bytes.Contains(raw, []byte("3278011533")), "plain text in the storage")
	_, err = storage.Get(ctx, nameOf(want), 1000)
	require.ErrorIs(t, err, media.ErrTooLarge)

	// The document of another name does not pass for this one.
	other, err := s.Put(ctx, []byte("інший документ"))
	require.NoError(t, err)
	require.NoError(t, storage.Put(ctx, nameOf(other), raw))
	_, err = s.Get(ctx, other)
	require.ErrorIs(t, err, media.ErrDamaged)
	raw[len(raw)/2] ^= 1
	require.NoError(t, storage.Put(ctx, nameOf(want), raw))
	_, err = s.Get(ctx, want)
	require.ErrorIs(t, err, media.ErrDamaged)

	for _, name := range []string{"", "../" + nameOf(want)[3:], strings.ToUpper(nameOf(want)), nameOf(want) + "0", strings.Repeat("g", 64)} {
		require.Error(t, storage.Put(ctx, name, []byte("x")), name)
		_, err := storage.Get(ctx, name, 10)
		require.Error(t, err, name)
		_, err = storage.Has(ctx, name)
		require.Error(t, err, name)
	}
	_, err = s.Put(ctx, make([]byte, media.MaxSize+1))
	require.ErrorIs(t, err, media.ErrTooLarge)
	linksServe(t, storage)
}

func TestFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "media")
	files, err := media.OpenFiles(dir)
	require.NoError(t, err)
	storageKeeps(t, files)
	left, err := os.ReadDir(filepath.Join(dir, "incoming"))
	require.NoError(t, err)
	require.Empty(t, left, "temporary files stayed")
	require.NoError(t, filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		require.NoError(t, err)
		require.Zero(t, info.Mode().Perm()&0o077, "%s is open to others", path)
		return nil
	}))
	_, err = media.New(nil, keyring(t))
	require.Error(t, err)
}

func linksServe(t *testing.T, storage media.Storage) {
	t.Helper()
	s, err := media.New(storage, keyring(t))
	require.NoError(t, err)
	now := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	links := &media.Links{Store: s, Key: bytes.Repeat([]byte{3}, 32), Clock: func() time.Time { return now }}
	server := httptest.NewServer(links)
	defer server.Close()
	links.Base = server.URL + "/media/"
	do := func(method, link string, body []byte) (int, []byte, http.Header) {
		r, err := http.NewRequestWithContext(context.Background(), method, link, bytes.NewReader(body))
		require.NoError(t, err)
		answer, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		defer answer.Body.Close()
		b, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		return answer.StatusCode, b, answer.Header
	}
	doc := []byte(`<svg onload="alert(1)"/>` + time.Now().String())
	digest := registry.Digest(sha256.Sum256(doc))
	up, down := links.Upload(digest, time.Minute), links.Download(digest, time.Minute)

	status, _, _ := do(http.MethodGet, down, nil)
	require.Equal(t, http.StatusNotFound, status)
	status, _, _ = do(http.MethodPut, up, []byte("another document"))
	require.Equal(t, http.StatusUnprocessableEntity, status)
	status, _, _ = do(http.MethodPut, up, make([]byte, media.MaxSize+1))
	require.Equal(t, http.StatusRequestEntityTooLarge, status)
	for range 2 { // and again after a lost answer
		status, body, _ := do(http.MethodPut, up, doc)
		require.Equal(t, http.StatusNoContent, status, string(body))
	}
	status, got, header := do(http.MethodGet, down, nil)
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, doc, got)
	require.Equal(t, "application/octet-stream", header.Get("Content-Type"))
	require.Equal(t, "nosniff", header.Get("X-Content-Type-Options"))
	require.Contains(t, header.Get("Content-Disposition"), "attachment")

	other := registry.Digest(sha256.Sum256([]byte("x")))
	for name, c := range map[string]struct{ method, link string }{
		"upload link for reading":   {http.MethodGet, up},
		"download link for writing": {http.MethodPut, down},
		"another document":          {http.MethodGet, strings.Replace(down, nameOf(digest), nameOf(other), 1)},
		"longer life":               {http.MethodGet, strings.Replace(down, "until=1", "until=2", 1)},
		"no mac":                    {http.MethodGet, down[:strings.Index(down, "&mac")]},
		"deletion":                  {http.MethodDelete, down},
	} {
		status, body, _ := do(c.method, c.link, doc)
		require.Equal(t, http.StatusForbidden, status, name)
		require.Contains(t, string(body), `"error"`, name)
	}
	now = now.Add(59 * time.Second)
	status, _, _ = do(http.MethodGet, down, nil)
	require.Equal(t, http.StatusOK, status)
	now = now.Add(2 * time.Second)
	status, _, _ = do(http.MethodGet, down, nil)
	require.Equal(t, http.StatusForbidden, status, "expired")
	long := links.Download(digest, 1000*time.Hour)
	now = now.Add(media.MaxLinkLife + time.Second)
	status, _, _ = do(http.MethodGet, long, nil)
	require.Equal(t, http.StatusForbidden, status, "no link lives longer than an hour")
}
