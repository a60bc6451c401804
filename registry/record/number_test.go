package record

import (
	"crypto/rand"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
)

// Numbers have their form, every digit comes as often as any other, and two
// are not alike.
func TestRequisition(t *testing.T) {
	source := registry.Source{Clock: time.Now, Random: rand.Reader}
	seen := map[string]bool{}
	count := map[rune]int{}
	const n = 2000
	for range n {
		number := Requisition(source)
		require.Regexp(t, `^[0-9]{4}(-[0-9]{4}){3}$`, number)
		require.False(t, seen[number])
		seen[number] = true
		for _, digit := range number {
			count[digit]++
		}
	}
	for digit := '0'; digit <= '9'; digit++ {
		// 3200 expected; eight standard deviations are 430.
		require.InDelta(t, n*16/10, count[digit], 430, "digit %c", digit)
	}
}

// Symbols of printed numbers come as often as each other, too.
func TestPrintedNumbers(t *testing.T) {
	source := registry.Source{Clock: time.Now, Random: rand.Reader}
	count := map[rune]int{}
	const n = 2000
	for range n {
		require.Regexp(t, `^[0A1E2H3K4M5P6T7X89]{4}(-[0A1E2H3K4M5P6T7X89]{4}){3}$`, Conclusion(source))
		number := Prescription(source)
		require.Regexp(t, `^0000(-[0A1E2H3K4M5P6T7X89]{4}){3}$`, number)
		for _, symbol := range number[4:] {
			count[symbol]++
		}
	}
	for _, symbol := range printed {
		// 1333 expected; eight standard deviations are 284.
		require.InDelta(t, n*12/18, count[symbol], 284, "symbol %c", symbol)
	}
}

func TestPutReachesEveryElement(t *testing.T) {
	o, err := Object([]byte(`{"a":{"s":1},"l":[{"s":1},{"s":2}],"n":null}`))
	require.NoError(t, err)
	Put(o, "x", "a", "s")
	Put(o, "y", "l", "*", "s")
	Put(o, "z", "absent", "*", "s")
	require.NoError(t, Corresponds(o, []byte(`{"a":{"s":"x"},"l":[{"s":"y"},{"s":"y"}],"n":null}`)))
	require.ErrorContains(t, Corresponds(o, []byte(`{"a":{"s":"x"},"l":[{"s":"y"},{"s":"n"}],"n":null}`)), "/l/1/s")
	require.Equal(t, registry.CodeMalformed, registry.CodeOf(Corresponds(o, []byte(`{`))))
	_, err = Object([]byte(`[]`))
	require.Error(t, err)
}
