package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWhoNeedsAnOrder(t *testing.T) {
	bulk := orderedCommand{name: "jobs-discarded"}
	grave := orderedCommand{name: "unlink-person", demanded: true}
	require.False(t, bulk.needsOrder(profileProduction, map[string]int{"jobs": few}))
	require.True(t, bulk.needsOrder(profileProduction, map[string]int{"jobs": few + 1}))
	require.True(t, bulk.needsOrder(profileProduction, map[string]int{"a": 0, "b": few + 1}))
	require.False(t, bulk.needsOrder(profileSandbox, map[string]int{"jobs": 1000}))
	require.True(t, grave.needsOrder(profileSandbox, map[string]int{"persons": 1}))
	require.Equal(t, []int{1, 1, 10, 100, 1000}, []int{magnitude(0), magnitude(1), magnitude(10), magnitude(11), magnitude(101)})
}
