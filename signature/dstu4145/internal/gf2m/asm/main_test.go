package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestGenerated checks that the assembly in the package is what this command
// writes.
func TestGenerated(t *testing.T) {
	for name, text := range map[string][]byte{"clmul_amd64.s": clmulFile(), "vector_amd64.s": vectorFile()} {
		b, err := os.ReadFile("../" + name)
		require.NoError(t, err)
		require.Equal(t, string(text), string(b), name)
	}
}
