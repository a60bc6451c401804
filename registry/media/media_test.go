package media_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"net/url"
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
		require.Error(t, storage.Delete(ctx, name), name)
	}
	gone, err := s.Put(ctx, []byte("скан запиту, якого ніхто не підписав"))
	require.NoError(t, err)
	for range 2 { // the second time there is nothing left
		require.NoError(t, s.Delete(ctx, gone))
		there, err := s.Has(ctx, gone)
		require.NoError(t, err)
		require.False(t, there)
	}
	_, err = s.Put(ctx, make([]byte, media.MaxSize+1))
	require.ErrorIs(t, err, media.ErrTooLarge)
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

func TestLinks(t *testing.T) {
	now := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	links, err := media.NewLinks(bytes.Repeat([]byte{3}, 32), func() time.Time { return now })
	require.NoError(t, err)
	one, other := registry.ID{1}, registry.ID{2}
	parts := func(link string) (until, mac string) {
		q, err := url.ParseQuery(link)
		require.NoError(t, err)
		return q.Get("until"), q.Get("mac")
	}
	until, mac := parts(links.Sign("PUT", one, time.Minute))
	require.NoError(t, links.Check("PUT", one, until, mac))
	foreign, err := media.NewLinks(bytes.Repeat([]byte{4}, 32), func() time.Time { return now })
	require.NoError(t, err)
	foreignUntil, foreignMac := parts(foreign.Sign("PUT", one, time.Minute))
	for name, c := range map[string]struct {
		method     string
		document   registry.ID
		until, mac string
	}{
		"another method": {"GET", one, until, mac}, "another document": {"PUT", other, until, mac}, "longer life": {"PUT", one, "2" + until[1:], mac},
		"no mac": {"PUT", one, until, ""}, "no time": {"PUT", one, "", mac}, "another key": {"PUT", one, foreignUntil, foreignMac},
	} {
		require.Equal(t, "link_foreign", registry.AsError(links.Check(c.method, c.document, c.until, c.mac)).Reason, name)
	}
	now = now.Add(time.Minute)
	require.NoError(t, links.Check("PUT", one, until, mac))
	now = now.Add(time.Second)
	require.Equal(t, "link_expired", registry.AsError(links.Check("PUT", one, until, mac)).Reason)
	until, mac = parts(links.Sign("GET", one, 1000*time.Hour))
	now = now.Add(media.MaxLinkLife + time.Second)
	require.Equal(t, "link_expired", registry.AsError(links.Check("GET", one, until, mac)).Reason, "no link lives longer than an hour")
	_, err = media.NewLinks(make([]byte, 16), time.Now)
	require.Error(t, err)
}

// A rotation seals again what lies under an earlier key, and nothing else.
func TestReseal(t *testing.T) {
	files, err := media.OpenFiles(filepath.Join(t.TempDir(), "media"))
	require.NoError(t, err)
	ring := keyring(t)
	s, err := media.New(files, ring)
	require.NoError(t, err)
	digest, err := s.Put(t.Context(), []byte("скан"))
	require.NoError(t, err)
	changed, err := s.Reseal(t.Context(), digest)
	require.NoError(t, err)
	require.False(t, changed)
	require.NoError(t, ring.Add(2, bytes.Repeat([]byte{8}, 32)))
	require.NoError(t, ring.Use(2))
	changed, err = s.Reseal(t.Context(), digest)
	require.NoError(t, err)
	require.True(t, changed)
	raw, err := files.Get(t.Context(), nameOf(digest), 1000)
	require.NoError(t, err)
	id, _ := sealing.KeyID(raw)
	require.EqualValues(t, 2, id)
	got, err := s.Get(t.Context(), digest)
	require.NoError(t, err)
	require.Equal(t, "скан", string(got))
	_, err = s.Reseal(t.Context(), registry.Digest{1})
	require.ErrorIs(t, err, media.ErrNotFound)
}
