package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestGenerated checks that the assembly in the package is what this command
// writes.
func TestGenerated(t *testing.T) {
	b, err := os.ReadFile("../blocks_amd64.s")
	require.NoError(t, err)
	require.Equal(t, string(file()), string(b))
}
