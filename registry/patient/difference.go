package patient

import (
	"slices"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// How two values of one member differ. An operator who compares two records is
// told it in words: people misread and mistype in a few ways, and each speaks
// for one person or for two.
const (
	DiffersMissing    = "missing"    // only one record has a value
	DiffersCase       = "case"       // capital and small letters alone
	DiffersApostrophe = "apostrophe" // form of an apostrophe or hyphen, spaces
	DiffersAlphabet   = "alphabet"   // Latin letters that look like Ukrainian ones
	DiffersLayout     = "layout"     // typed with the keyboard in the other layout
	DiffersDayMonth   = "day_month"  // day and month in each other's place
	DiffersSwapped    = "swapped"    // two neighbouring characters in each other's place
	DiffersOne        = "one"        // one character
	DiffersWholly     = "wholly"     // none of these
)

const latinKeys, ukrainianKeys = "qwertyuiop[]asdfghjkl;'zxcvbnm,.", "йцукенгшщзхїфівапролджєячсмитьбю"

func otherLayout(s string) string {
	from, to := []rune(latinKeys), []rune(ukrainianKeys)
	return strings.Map(func(r rune) rune {
		if i := slices.Index(from, unicode.ToLower(r)); i >= 0 {
			return to[i]
		}
		return unicode.ToLower(r)
	}, s)
}

// Difference says how two values of a member differ; "" when they are equal.
// Several ways at once are told by the first of them that explains the rest.
func Difference(a, b string) string {
	a, b = norm.NFC.String(a), norm.NFC.String(b)
	switch {
	case a == b:
		return ""
	case a == "" || b == "":
		return DiffersMissing
	}
	if dayMonth(a, b) {
		return DiffersDayMonth
	}
	lower := strings.ToLower
	switch {
	case lower(a) == lower(b):
		return DiffersCase
	case NormalizeName(a) == NormalizeName(b):
		return DiffersApostrophe
	case sameShape(a) == sameShape(b):
		return DiffersAlphabet
	case latinWord(a) != latinWord(b) && otherLayout(a) == otherLayout(b):
		return DiffersLayout
	}
	x, y := []rune(sameShape(a)), []rune(sameShape(b))
	switch {
	case swapped(x, y):
		return DiffersSwapped
	case oneApart(x, y):
		return DiffersOne
	}
	return DiffersWholly
}

// sameShape makes look-alike letters equal.
func sameShape(s string) string {
	return lookalike.Replace(strings.NewReplacer("Y", "У", "Ï", "Ї").Replace(NormalizeName(s)))
}

func latinWord(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return unicode.Is(unicode.Latin, r) })
}

// MixesAlphabets gives the Latin letters that stand among Ukrainian ones in a word of a value.
func MixesAlphabets(s string) (letters []string) {
	for _, word := range strings.FieldsFunc(s, func(r rune) bool { return !unicode.IsLetter(r) }) {
		if !strings.ContainsFunc(word, func(r rune) bool { return unicode.Is(unicode.Cyrillic, r) }) {
			continue
		}
		for _, r := range word {
			if unicode.Is(unicode.Latin, r) {
				letters = append(letters, string(r))
			}
		}
	}
	return letters
}

func dayMonth(a, b string) bool {
	x, errX := time.Parse(time.DateOnly, a)
	y, errY := time.Parse(time.DateOnly, b)
	return errX == nil && errY == nil && x.Year() == y.Year() && int(x.Month()) == y.Day() && x.Day() == int(y.Month())
}

func swapped(a, b []rune) bool {
	if len(a) != len(b) {
		return false
	}
	for i := 0; i+1 < len(a); i++ {
		if a[i] != b[i] {
			return a[i] == b[i+1] && a[i+1] == b[i] && slices.Equal(a[i+2:], b[i+2:])
		}
	}
	return false
}

func oneApart(a, b []rune) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	if len(b)-len(a) > 1 {
		return false
	}
	i := 0
	for i < len(a) && a[i] == b[i] {
		i++
	}
	if len(a) == len(b) {
		return i < len(a) && slices.Equal(a[i+1:], b[i+1:])
	}
	return slices.Equal(a[i:], b[i+1:])
}

// Piece is a part of a value that stands in the other value too, or does not.
type Piece struct {
	Text string
	Same bool
}

// maxCompared bounds the characters that are compared one by one.
const maxCompared = 300

// Pieces cuts two values into what they have in common and what they have not,
// in order (longest common subsequence of characters).
func Pieces(a, b string) (x, y []Piece) {
	p, q := []rune(norm.NFC.String(a)), []rune(norm.NFC.String(b))
	if len(p) > maxCompared || len(q) > maxCompared {
		return []Piece{{a, a == b}}, []Piece{{b, a == b}}
	}
	length := make([][]int, len(p)+1)
	for i := range length {
		length[i] = make([]int, len(q)+1)
	}
	for i := len(p) - 1; i >= 0; i-- {
		for j := len(q) - 1; j >= 0; j-- {
			if p[i] == q[j] {
				length[i][j] = length[i+1][j+1] + 1
			} else {
				length[i][j] = max(length[i+1][j], length[i][j+1])
			}
		}
	}
	add := func(list []Piece, r rune, same bool) []Piece {
		if n := len(list); n > 0 && list[n-1].Same == same {
			list[n-1].Text += string(r)
			return list
		}
		return append(list, Piece{string(r), same})
	}
	i, j := 0, 0
	for i < len(p) || j < len(q) {
		switch {
		case i < len(p) && j < len(q) && p[i] == q[j]:
			x, y = add(x, p[i], true), add(y, q[j], true)
			i, j = i+1, j+1
		case j == len(q) || i < len(p) && length[i+1][j] >= length[i][j+1]:
			x = add(x, p[i], false)
			i++
		default:
			y = add(y, q[j], false)
			j++
		}
	}
	return x, y
}
