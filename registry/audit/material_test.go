package audit

import (
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// A statement is opened by the log's key alone, whole, and is neither a
// checkpoint nor a promise.
func TestMaterialIsSigned(t *testing.T) {
	private, _, err := note.GenerateKey(rand.Reader, "log.test/mist")
	require.NoError(t, err)
	s, err := NewSigner("log.test/mist", private)
	require.NoError(t, err)
	key, err := ReadVerifier(s.Verifier())
	require.NoError(t, err)
	want := Material{Version: "trust@0011", SHA256: [32]byte{1, 2, 3}, Time: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)}
	signed, err := s.Material(want)
	require.NoError(t, err)
	got, err := OpenMaterial(signed, key)
	require.NoError(t, err)
	require.Equal(t, want, got)

	var not *NotSignedError
	_, err = OpenMaterial(strings.Replace(signed, "0011", "0012", 1), key)
	require.ErrorAs(t, err, &not)
	strange, _, err := note.GenerateKey(rand.Reader, "log.test/mist")
	require.NoError(t, err)
	other, err := NewSigner("log.test/mist", strange)
	require.NoError(t, err)
	forged, err := other.Material(want)
	require.NoError(t, err)
	_, err = OpenMaterial(forged, key)
	require.ErrorAs(t, err, &not)

	checkpoint, err := s.Sign(3, tlog.Hash{})
	require.NoError(t, err)
	_, err = OpenMaterial(string(checkpoint), key)
	require.ErrorIs(t, err, ErrMaterial)
	_, err = OpenCheckpoint([]byte(signed), key)
	require.Error(t, err)
	_, err = s.Material(Material{Version: "a\nb"})
	require.ErrorIs(t, err, ErrMaterial)
}
