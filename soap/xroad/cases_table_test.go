package xroad_test

import (
	"bufio"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// cases.tsv says which test shows each of the 107 cases of a first-class X-Road provider. This test keeps it true: every
// number is there, every test that is named exists, and every line of the table of messages stands in it.
func TestConformanceTable(t *testing.T) {
	f, err := os.Open("cases.tsv")
	require.NoError(t, err)
	defer f.Close()
	number := regexp.MustCompile(`^(\d+)([a-z]?)$`)
	seen, shown, tests := map[int]bool{}, map[string]bool{}, map[string]int{}
	last := 0
	lines := bufio.NewScanner(f)
	require.True(t, lines.Scan())
	require.Equal(t, "number\twhat\ttests", lines.Text())
	for lines.Scan() {
		cells := strings.Split(lines.Text(), "\t")
		require.Len(t, cells, 3, lines.Text())
		m := number.FindStringSubmatch(cells[0])
		require.NotNil(t, m, lines.Text())
		n, err := strconv.Atoi(m[1])
		require.NoError(t, err)
		require.GreaterOrEqual(t, n, last, "the table is in order")
		require.NotEmpty(t, cells[1])
		last, seen[n], shown[cells[0]] = n, true, true
		for _, test := range strings.Split(cells[2], "; ") {
			tests[test]++
		}
	}
	require.NoError(t, lines.Err())
	for n := 1; n <= 107; n++ {
		require.True(t, seen[n], "case %d has no test", n)
	}
	for _, c := range conformanceCases() {
		require.True(t, shown[c.number], "case %s of the messages is not in the table", c.number)
	}
	for test := range tests {
		folder, name, found := strings.Cut(test, " ")
		require.True(t, found, test)
		dir := filepath.Join("..", "..", filepath.FromSlash(folder))
		if strings.HasSuffix(name, ".txtar") {
			_, err := os.Stat(filepath.Join(dir, name))
			require.NoError(t, err, test)
			continue
		}
		require.True(t, declares(t, dir, name), "%s does not exist", test)
	}
	t.Logf("score: x-road cases with their tests %d/107, %d tests and scripts", len(seen), len(tests))
}

// declares reports whether a test of the package in dir has this name.
func declares(t *testing.T, dir, name string) bool {
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	require.NoError(t, err)
	for _, file := range files {
		b, err := os.ReadFile(file)
		require.NoError(t, err)
		if strings.Contains(string(b), "\nfunc "+name+"(t *testing.T)") {
			return true
		}
	}
	return false
}
