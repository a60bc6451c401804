package audit_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// docs/attacks_trail.md and the tests are equal: every row names tests that
// exist and, where they hold many, cases that do. And no case of sabotage is
// without its row.
func TestCatalogueOfAttacksOnTheTrail(t *testing.T) {
	root := filepath.Join("..", "..")
	page, err := os.ReadFile(filepath.Join(root, "docs", "attacks_trail.md"))
	require.NoError(t, err)
	row := regexp.MustCompile(`^\| (\d+) \| (.+) \| (.+) \| (.+) \|$`)
	shown := regexp.MustCompile("`([a-z0-9/-]+) (Test\\w+|\\w+\\.txtar)(?: \"([^\"]+)\")?`")
	sources := map[string]string{}
	source := func(folder string) string {
		if s, ok := sources[folder]; ok {
			return s
		}
		files, err := filepath.Glob(filepath.Join(root, folder, "*_test.go"))
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
	named := map[string]bool{}
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
		require.Empty(t, strings.Trim(shown.ReplaceAllString(m[4], ""), ", "), "row %d names what is no test", n)
		for _, f := range found {
			folder, name, part := f[1], f[2], f[3]
			named[name+" "+part] = true
			if strings.HasSuffix(name, ".txtar") {
				_, err := os.Stat(filepath.Join(root, folder, name))
				require.NoError(t, err, "row %d", n)
				continue
			}
			require.Contains(t, source(folder), "\nfunc "+name+"(t *testing.T) {", "row %d: %s has no %s", n, folder, name)
			require.True(t, part == "" || strings.Contains(source(folder), `"`+part+`"`), "row %d: %s %s has no case %q", n, folder, name, part)
		}
	}
	require.Equal(t, 38, next, "37 attacks")

	cases := regexp.MustCompile(`(?m)^\t\t"([^"]+)": \{(?:seen: true, )?sabotage:`).FindAllStringSubmatch(source("registry/postgres"), -1)
	require.GreaterOrEqual(t, len(cases), 27)
	for _, c := range cases {
		require.True(t, named["TestSabotageIsNamed "+c[1]], "the case %q stands in no row", c[1])
	}
	cases = regexp.MustCompile(`(?m)^\t\t"([^"]+)": func\(m \*turned\)`).FindAllStringSubmatch(source("registry/postgres"), -1)
	require.GreaterOrEqual(t, len(cases), 15)
	for _, c := range cases {
		require.True(t, named["TestSabotageOfMonthsIsNamed "+c[1]], "the case %q stands in no row", c[1])
	}
}
