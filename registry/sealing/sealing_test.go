package sealing_test

import (
	"bytes"
	"crypto/rand"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/registry/sealing"
)

func key(b byte) []byte { return bytes.Repeat([]byte{b}, 32) }

func TestSealedValueOpensOnlyAtItsPlace(t *testing.T) {
	k, err := sealing.New(map[uint16][]byte{1: key(1)}, 1, rand.Reader)
	require.NoError(t, err)
	here := sealing.Place{Table: "persons", Row: "a"}
	sealed, err := k.Seal(here, []byte("Тестова Особа"))
	require.NoError(t, err)
	require.NotContains(t, string(sealed), "Тестова")

	plain, err := k.Open(here, sealed)
	require.NoError(t, err)
	require.Equal(t, "Тестова Особа", string(plain))

	for name, p := range map[string]sealing.Place{
		"another row":   {Table: "persons", Row: "b"},
		"another table": {Table: "drafts", Row: "a"},
		"shifted split": {Table: "person", Row: "sa"},
	} {
		_, err := k.Open(p, sealed)
		require.ErrorIs(t, err, sealing.ErrOpen, name)
	}
	for i := range sealed {
		changed := bytes.Clone(sealed)
		changed[i] ^= 1
		_, err := k.Open(here, changed)
		require.ErrorIs(t, err, sealing.ErrOpen, "byte %d", i)
	}
}

func TestRotationKeepsOldValuesAndLookups(t *testing.T) {
	p := sealing.Place{Table: "t", Row: "r"}
	before, err := sealing.New(map[uint16][]byte{1: key(1)}, 1, rand.Reader)
	require.NoError(t, err)
	old, err := before.Seal(p, []byte("x"))
	require.NoError(t, err)

	after, err := sealing.New(map[uint16][]byte{1: key(1), 2: key(2)}, 2, rand.Reader)
	require.NoError(t, err)
	plain, err := after.Open(p, old)
	require.NoError(t, err)
	require.Equal(t, "x", string(plain))
	fresh, err := after.Seal(p, []byte("x"))
	require.NoError(t, err)
	_, err = before.Open(p, fresh)
	require.ErrorIs(t, err, sealing.ErrOpen)
	require.Equal(t, before.Blind("tax_id", "1"), after.Blind("tax_id", "1"))
	require.NotEqual(t, after.Blind("tax_id", "1"), after.Blind("unzr", "1"))
}

func TestShortKeysAreRefused(t *testing.T) {
	_, err := sealing.New(map[uint16][]byte{1: key(1)[:31]}, 1, rand.Reader)
	require.Error(t, err)
	_, err = sealing.New(map[uint16][]byte{1: key(1)}, 2, rand.Reader)
	require.Error(t, err)
}

func TestKeysAreTakenUpWhileTheRingWorks(t *testing.T) {
	k, err := sealing.NewRing(map[uint16][]byte{1: key(1)}, 1, key(9), rand.Reader)
	require.NoError(t, err)
	p := sealing.Place{Table: "t", Row: "r"}
	old, err := k.Seal(p, []byte("x"))
	require.NoError(t, err)
	require.Error(t, k.Use(2))
	require.NoError(t, k.Add(2, key(2)))
	require.Equal(t, uint16(1), k.Current(), "known is not yet used")
	require.NoError(t, k.Use(2))
	fresh, err := k.Seal(p, []byte("x"))
	require.NoError(t, err)
	for id, sealed := range map[uint16][]byte{1: old, 2: fresh} {
		got, ok := sealing.KeyID(sealed)
		require.True(t, ok)
		require.Equal(t, id, got)
		plain, err := k.Open(p, sealed)
		require.NoError(t, err)
		require.Equal(t, "x", string(plain))
	}
	require.Error(t, k.Add(3, key(3)[:31]))
	// Look-ups hang on the root alone.
	other, err := sealing.NewRing(map[uint16][]byte{7: key(7)}, 7, key(9), rand.Reader)
	require.NoError(t, err)
	require.Equal(t, k.Blind("tax_id", "1"), other.Blind("tax_id", "1"))
}

func TestDataKeysOpenUnderTheirKeyEncryptionKeyAlone(t *testing.T) {
	first, err := sealing.NewFileKEK(map[uint16][]byte{1: key(1)}, 1, rand.Reader)
	require.NoError(t, err)
	wrapped, err := first.Wrap(t.Context(), "5", key(5))
	require.NoError(t, err)
	require.NotContains(t, string(wrapped), string(key(5)[:8]))
	got, err := first.Unwrap(t.Context(), "5", wrapped)
	require.NoError(t, err)
	require.Equal(t, key(5), got)
	require.True(t, first.Current(wrapped))

	_, err = first.Unwrap(t.Context(), "6", wrapped)
	require.ErrorIs(t, err, sealing.ErrUnwrap, "under another name")
	other, err := sealing.NewFileKEK(map[uint16][]byte{1: key(2)}, 1, rand.Reader)
	require.NoError(t, err)
	_, err = other.Unwrap(t.Context(), "5", wrapped)
	require.ErrorIs(t, err, sealing.ErrUnwrap, "under another key")
	both, err := sealing.NewFileKEK(map[uint16][]byte{1: key(1), 2: key(2)}, 2, rand.Reader)
	require.NoError(t, err)
	require.False(t, both.Current(wrapped))
	got, err = both.Unwrap(t.Context(), "5", wrapped)
	require.NoError(t, err)
	require.Equal(t, key(5), got)
	_, err = sealing.NewFileKEK(map[uint16][]byte{1: key(1)[:31]}, 1, rand.Reader)
	require.Error(t, err)
}
