package signature_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// docs/attacks.md and the tests are equal: every attack of the catalogue has
// its row, every row an answer and a test that exists, every named case is one.
func TestCatalogueOfAttacks(t *testing.T) {
	page, err := os.ReadFile("../docs/attacks.md")
	require.NoError(t, err)
	row := regexp.MustCompile(`^\| (\d+) \| (.+) \| (.+) \| (.+) \|$`)
	shown := regexp.MustCompile("`([a-z0-9/-]+) (Test\\w+|\\w+\\.txtar)(?: \"([^\"]+)\")?`")
	sources := map[string]string{}
	source := func(folder string) string {
		if s, ok := sources[folder]; ok {
			return s
		}
		files, err := filepath.Glob(filepath.Join("..", folder, "*_test.go"))
		require.NoError(t, err)
		var all strings.Builder
		for _, f := range files {
			b, err := os.ReadFile(f)
			require.NoError(t, err)
			all.Write(b)
		}
		sources[folder] = all.String()
		return sources[folder]
	}
	next := 1
	for _, line := range strings.Split(string(page), "\n") {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| # ") {
			continue
		}
		m := row.FindStringSubmatch(line)
		require.NotNil(t, m, line)
		n, err := strconv.Atoi(m[1])
		require.NoError(t, err)
		require.Equal(t, next, n, "rows stand in order, each once")
		next++
		found := shown.FindAllStringSubmatch(m[4], -1)
		require.NotEmpty(t, found, line)
		rest := shown.ReplaceAllString(m[4], "")
		require.Empty(t, strings.Trim(rest, ", "), "row %d: %q names no test", n, rest)
		for _, f := range found {
			folder, name, part := f[1], f[2], f[3]
			if strings.HasSuffix(name, ".txtar") {
				_, err := os.Stat(filepath.Join("..", folder, name))
				require.NoError(t, err, "row %d", n)
				continue
			}
			require.True(t, strings.Contains(source(folder), "\nfunc "+name+"(t *testing.T) {"), "row %d: %s has no %s", n, folder, name)
			// The cases stand in the function or in a table of its package.
			named := part == "" || strings.Contains(source(folder), `"`+part) || strings.Contains(source(folder), `"/`+part)
			require.True(t, named, "row %d: %s %s has no case %q", n, folder, name, part)
		}
	}
	require.Equal(t, 89, next, "88 attacks")
}
