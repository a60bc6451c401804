package query

import (
	"testing"

	"github.com/stretchr/testify/require"

	"mist/registry"
)

func TestCursors(t *testing.T) {
	for _, c := range []Cursor{{1, 2, 3}, {1, 1<<64 - 1, 1<<63 - 1}, {}} {
		back, err := ParseCursor(c.String())
		require.NoError(t, err)
		require.Equal(t, c, back)
	}
	first, err := ParseCursor("")
	require.NoError(t, err)
	require.Equal(t, Cursor{}, first)
	for _, bad := range []string{"1", "1-2", "1-2-3-4", "1-2-3 ", "01-2-3", "-1-2-3", "1-2--3", "a-b-c", "1-99999999999999999999999-3"} {
		_, err := ParseCursor(bad)
		require.Equal(t, registry.CodeInvalid, registry.CodeOf(err), bad)
	}
}
