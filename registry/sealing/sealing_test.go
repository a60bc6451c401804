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
