// Package webtest holds what the tests of every room of pages demand alike.
package webtest

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"

	"mist/portal/web"
)

// calls finds the texts a template names: t "key", and (t "key").
var calls = regexp.MustCompile(`\bt "([^"]+)"`)

// Texts demands of a room's catalogue: both languages complete, every key used
// by a template or by Go code of the folder, every key a template names there,
// and no Latin letter inside a Ukrainian word. prefixes are keys the code puts
// together ("error.").
func Texts(t *testing.T, folder string, prefixes ...string) {
	t.Helper()
	files := os.DirFS(folder)
	all, err := web.ReadTexts(files)
	require.NoError(t, err)
	require.NotEmpty(t, all[web.Ukrainian])

	var used, called strings.Builder
	templates, err := fs.Glob(files, "templates/*.html")
	require.NoError(t, err)
	require.NotEmpty(t, templates)
	code, err := filepath.Glob(filepath.Join(folder, "*.go"))
	require.NoError(t, err)
	below, err := filepath.Glob(filepath.Join(folder, "*", "*.go"))
	require.NoError(t, err)
	code = append(code, below...)
	for i := range templates {
		templates[i] = filepath.Join(folder, templates[i])
	}
	for _, path := range append(templates, code...) {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		used.Write(b)
		if strings.HasSuffix(path, ".html") {
			called.Write(b)
		}
	}
	for key := range all[web.Ukrainian] {
		if composed(key, prefixes) || strings.HasSuffix(key, ".about") {
			continue
		}
		require.True(t, strings.Contains(used.String(), `"`+key+`"`), "the text %q is used nowhere", key)
	}
	for _, m := range calls.FindAllStringSubmatch(called.String(), -1) {
		_, own := all[web.Ukrainian][m[1]]
		_, kit := web.OwnTexts()[m[1]]
		require.True(t, own || kit, "the text %q is used and stands in no catalogue", m[1])
	}
	for key, text := range all[web.Ukrainian] {
		for _, form := range text.All() {
			require.False(t, Mixed(form), "%q mixes Latin and Cyrillic letters in a word: %s", key, form)
		}
	}
}

func composed(key string, prefixes []string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(key, p) {
			return true
		}
	}
	return false
}

// Mixed reports a word with letters of both alphabets, where a look-alike hides.
func Mixed(text string) bool {
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) }) {
		latin := strings.ContainsFunc(word, func(r rune) bool { return unicode.Is(unicode.Latin, r) })
		if latin && strings.ContainsFunc(word, func(r rune) bool { return unicode.Is(unicode.Cyrillic, r) }) {
			return true
		}
	}
	return false
}

// Text fills one text of a catalogue with a whole number {n}.
func Text(t *testing.T, files fs.FS, lang web.Lang, key, n string) string {
	t.Helper()
	all, err := web.ReadTexts(files)
	require.NoError(t, err)
	whole, err := strconv.Atoi(n)
	require.NoError(t, err)
	s, err := all[lang].Fill(lang, key, "n", whole)
	require.NoError(t, err)
	return s
}
