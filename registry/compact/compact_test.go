package compact_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/registry/compact"
)

func compactor(t testing.TB) *compact.Compactor {
	c, err := compact.New()
	require.NoError(t, err)
	return c
}

// Texts of the registry become short, any text comes back as it was, and what
// was kept before there were frames is given back.
func TestRoundTrip(t *testing.T) {
	c := compactor(t)
	words, err := os.ReadFile("dictionary-1.txt")
	require.NoError(t, err)
	for _, text := range [][]byte{nil, []byte("{"), []byte("щось інше"), words, bytes.Repeat([]byte{0x28, 0xb5, 0x2f, 0xfd}, 9), bytes.Repeat(words, 9)} {
		short, err := c.Shorten(text)
		require.NoError(t, err)
		back, err := c.Restore(short)
		require.NoError(t, err)
		require.Equal(t, string(text), string(back))
	}
	short, err := c.Shorten(words)
	require.NoError(t, err)
	require.Less(t, len(short), len(words)/100, "the dictionary is not used")
	old := []byte(`{"result":{}}`)
	same, err := c.Restore(old)
	require.NoError(t, err)
	require.Equal(t, old, same)
}

// What was kept must be read for decades: the dictionary of a number never
// changes, and a frame of today stays readable.
func TestDictionaryNeverChanges(t *testing.T) {
	words, err := os.ReadFile("dictionary-1.txt")
	require.NoError(t, err)
	sum := sha256.Sum256(words)
	require.Equal(t, "0bb23de671c7d1ec3980218a8c3c19552fab2e416eeb5ea3635964bd26c7ff32", hex.EncodeToString(sum[:]))
	frame, err := hex.DecodeString("28b52ffd0000950000107b7d040057b064e0bd0b9212d3b0367505")
	require.NoError(t, err)
	text, err := compactor(t).Restore(frame)
	require.NoError(t, err)
	require.Equal(t, `{"status":"APPROVED","conclusion":{"indication":"TOTAL-PASSED"}}`, string(text))
}

// Torn and foreign frames are refused, and so are frames that would fill the memory.
func TestRefused(t *testing.T) {
	c := compactor(t)
	short, err := c.Shorten([]byte(`{"status":"APPROVED"}`))
	require.NoError(t, err)
	_, err = c.Restore(short[:len(short)-3])
	require.Error(t, err)
	_, err = c.Restore([]byte("\x28\xb5\x2f\xfd нісенітниця"))
	require.Error(t, err)
	_, err = c.Shorten(make([]byte, compact.Max+1))
	require.Error(t, err)
}

// The zstd program reads our frames with the file.
func TestForeignProgram(t *testing.T) {
	zstd, err := exec.LookPath("zstd")
	if err != nil {
		t.Skip("no zstd program on this machine")
	}
	short, err := compactor(t).Shorten([]byte(`{"status":"APPROVED","birth_country":"Україна"}`))
	require.NoError(t, err)
	frame := filepath.Join(t.TempDir(), "frame.zst")
	require.NoError(t, os.WriteFile(frame, short, 0o600))
	out, err := exec.Command(zstd, "-d", "-c", "-D", "dictionary-1.txt", frame).Output()
	require.NoError(t, err)
	require.Equal(t, `{"status":"APPROVED","birth_country":"Україна"}`, string(out))
}

func FuzzRestore(f *testing.F) {
	c := compactor(f)
	short, err := c.Shorten([]byte(`{"status":"APPROVED","conclusion":{"indication":"TOTAL-PASSED"}}`))
	require.NoError(f, err)
	f.Add(short)
	f.Add([]byte("\x28\xb5\x2f\xfd"))
	f.Fuzz(func(t *testing.T, b []byte) {
		text, err := c.Restore(b)
		if err != nil {
			return
		}
		again, err := c.Shorten(text)
		require.NoError(t, err)
		back, err := c.Restore(again)
		require.NoError(t, err)
		require.True(t, bytes.Equal(text, back))
	})
}
