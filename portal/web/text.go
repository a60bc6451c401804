package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Lang is a language pages are written in.
type Lang string

// Languages, the first one first.
const (
	Ukrainian Lang = "uk"
	English   Lang = "en"
)

// Langs are the languages every page has.
var Langs = [...]Lang{Ukrainian, English}

// Texts is the catalogue of one language: key → text. A text is a string with
// {name} for values, or an object of plural forms one, few, many chosen by {n}.
type Texts map[string]Text

// Text is one text of the catalogue.
type Text struct {
	forms map[string]string
}

// UnmarshalJSON reads a string, or an object of plural forms.
func (t *Text) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		t.forms = map[string]string{"": one}
		return nil
	}
	if err := json.Unmarshal(b, &t.forms); err != nil {
		return errors.New("a text is a string or an object of plural forms")
	}
	for form := range t.forms {
		if form != "one" && form != "few" && form != "many" {
			return fmt.Errorf("unknown plural form %q", form)
		}
	}
	return nil
}

// Values lists the {names} a text takes.
func (t Text) Values() []string {
	names := map[string]bool{}
	for _, form := range t.forms {
		for _, m := range valuePattern.FindAllStringSubmatch(form, -1) {
			names[m[1]] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// All gives the text in each of its forms.
func (t Text) All() []string { return slices.Sorted(maps.Values(t.forms)) }

var valuePattern = regexp.MustCompile(`\{([a-z_]+)\}`)

// ReadTexts reads text/uk.json and text/en.json and demands that they have the
// same keys, the same values in each and the plural forms of their language.
func ReadTexts(files fs.FS) (map[Lang]Texts, error) { return readTexts(files) }

func readTexts(files fs.FS) (map[Lang]Texts, error) {
	all := map[Lang]Texts{}
	for _, lang := range Langs {
		b, err := fs.ReadFile(files, "text/"+string(lang)+".json")
		if err != nil {
			return nil, fmt.Errorf("reading texts: %w", err)
		}
		texts := Texts{}
		if err := json.Unmarshal(b, &texts); err != nil {
			return nil, fmt.Errorf("reading text/%s.json: %w", lang, err)
		}
		all[lang] = texts
	}
	var errs []error
	for _, key := range slices.Sorted(maps.Keys(all[Ukrainian])) {
		uk, en := all[Ukrainian][key], all[English][key]
		switch {
		case en.forms == nil:
			errs = append(errs, fmt.Errorf("%q has no English text", key))
		case !slices.Equal(uk.Values(), en.Values()):
			errs = append(errs, fmt.Errorf("%q takes %v in Ukrainian and %v in English", key, uk.Values(), en.Values()))
		case len(uk.forms) > 1 && len(uk.forms) != 3 || len(en.forms) > 1 && len(en.forms) != 2:
			errs = append(errs, fmt.Errorf("%q needs one, few and many in Ukrainian, one and many in English", key))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(all[English])) {
		if all[Ukrainian][key].forms == nil {
			errs = append(errs, fmt.Errorf("%q has no Ukrainian text", key))
		}
	}
	return all, errors.Join(errs...)
}

// Fill fills a text with values given as name, value, name, value …
func (t Texts) Fill(lang Lang, key string, values ...any) (string, error) {
	m, known := t[key]
	if !known {
		return "", fmt.Errorf("there is no text %q", key)
	}
	if len(values)%2 != 0 {
		return "", fmt.Errorf("the values of text %q are not pairs", key)
	}
	form := m.forms[""]
	var replace []string
	for i := 0; i < len(values); i += 2 {
		name := fmt.Sprint(values[i])
		text := fmt.Sprint(values[i+1])
		if n, ok := whole(values[i+1]); ok {
			text = number(n)
			if name == "n" && len(m.forms) > 1 {
				form = m.forms[plural(lang, n)]
			}
		}
		replace = append(replace, "{"+name+"}", text)
	}
	return strings.NewReplacer(replace...).Replace(form), nil
}

// text is Fill for keys that were checked at the start; a missing one shows itself.
func (t Texts) text(lang Lang, key string, values ...any) string {
	s, err := t.Fill(lang, key, values...)
	if err != nil {
		return "⟦" + key + "⟧"
	}
	return s
}

func whole(v any) (int64, bool) {
	switch n := v.(type) {
	case int:
		return int64(n), true
	case int64:
		return n, true
	case int32:
		return int64(n), true
	}
	return 0, false
}

// plural names the form of a whole number (CLDR cardinal rules).
func plural(lang Lang, n int64) string {
	n = max(n, -n)
	if lang == English {
		if n == 1 {
			return "one"
		}
		return "many"
	}
	switch one, two := n%10, n%100; {
	case one == 1 && two != 11:
		return "one"
	case one >= 2 && one <= 4 && (two < 12 || two > 14):
		return "few"
	}
	return "many"
}

// number writes thousands apart by a no-break space.
func number(n int64) string {
	s := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, s = "−", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "\u00a0" + s[i:]
	}
	return sign + s
}

// OwnTexts gives the kit's own texts, which every room may use.
func OwnTexts() Texts {
	own, err := readTexts(kitFiles)
	if err != nil {
		return nil
	}
	return own[Ukrainian]
}
