package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
)

// A changed folder is taken over, an unreadable one changes nothing, and a
// sandbox root is refused by every other profile.
func TestTrustIsTakenOverWithoutRestart(t *testing.T) {
	dir := t.TempDir()
	state := populate(registry.SystemSource(), 1)
	require.NoError(t, makeAuthority(dir, "http://127.0.0.1:1", state, registry.SystemSource()))
	from := filepath.Join(dir, "pki", "trust")
	folder := filepath.Join(dir, "folder")
	put := func(name string) {
		b, err := os.ReadFile(filepath.Join(from, name))
		require.NoError(t, err)
		require.NoError(t, writeFile(filepath.Join(folder, name), b, 0o644))
	}
	put("root-dstu.pem")
	cfg := goodConfig()
	cfg.Trust.Dir = folder
	_, err := openTrust(t.Context(), cfg, slog.New(slog.DiscardHandler), time.Now)
	require.ErrorContains(t, err, "sandbox root")

	cfg.Profile = profileSandbox
	k, err := openTrust(t.Context(), cfg, slog.New(slog.DiscardHandler), time.Now)
	require.NoError(t, err)
	before := k.store.Snapshot()
	k.refresh(t.Context())
	require.Same(t, before, k.store.Snapshot(), "nothing new")
	put("root-ecdsa.pem")
	k.refresh(t.Context())
	after := k.store.Snapshot()
	require.Len(t, after.Anchors(), len(before.Anchors())+1)
	require.NoError(t, os.RemoveAll(folder))
	k.refresh(t.Context())
	require.Same(t, after, k.store.Snapshot(), "the former material stays in force")
}
