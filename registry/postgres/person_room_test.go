package postgres_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The index is a room that could move out: only its own files name its tables
// in SQL. Three others may, because they see to every table there is.
func TestOnlyTheIndexReadsItsTables(t *testing.T) {
	tables := regexp.MustCompile(`\b(persons|person_keys|person_relationships|person_versions|person_merges|search_questions|search_budgets)\b`)
	own := func(name string) bool { return strings.HasPrefix(name, "person") || name == "search.go" }
	everyTable := []string{"reseal.go", "datakeys.go", "unsealing.go"}
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	named := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") || slices.Contains(everyTable, name) {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		ast.Inspect(f, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return true
			}
			text, err := strconv.Unquote(lit.Value)
			require.NoError(t, err)
			if found := tables.FindString(text); found != "" {
				named++
				require.True(t, own(name), "%s names %s: ask the index by a method of its files", name, found)
			}
			return true
		})
	}
	require.Greater(t, named, 20, "nothing was looked at")
	// Other rooms' tables refer to persons by key and hold nothing of theirs.
	migrations, err := filepath.Glob("migrations/*.sql")
	require.NoError(t, err)
	require.NotEmpty(t, migrations)
	for _, name := range migrations {
		b, err := os.ReadFile(name)
		require.NoError(t, err)
		for _, view := range regexp.MustCompile(`(?is)CREATE (MATERIALIZED )?VIEW.*?;`).FindAllString(string(b), -1) {
			require.False(t, tables.MatchString(view), "%s: a view over the index", name)
		}
	}
}
