package directory

import (
	"slices"
	"sort"
	"strings"
	"unicode"
)

// words finds rows by the beginnings of their words: in Ukrainian whatever the
// apostrophe and the look-alike letter, in Latin spelling, and typed with the
// keyboard in the other layout.
type words struct {
	rows map[string][]int32
	list []string // sorted
}

func (w *words) add(row int, texts ...string) {
	if w.rows == nil {
		w.rows = map[string][]int32{}
	}
	for _, text := range texts {
		for _, word := range strings.Fields(fold(text)) {
			for _, form := range []string{word, latin(word)} {
				if list := w.rows[form]; len(list) == 0 || list[len(list)-1] != int32(row) {
					w.rows[form] = append(list, int32(row))
				}
			}
		}
	}
}

func (w *words) sort() {
	w.list = make([]string, 0, len(w.rows))
	for word := range w.rows {
		w.list = append(w.list, word)
	}
	slices.Sort(w.list)
}

// maxWords bounds how many words of a search are looked at.
const maxWords = 8

// narrow keeps the rows that have every word typed.
func (w *words) narrow(found set, typed string) {
	list := strings.Fields(fold(typed))
	if len(list) > maxWords {
		list = list[:maxWords]
	}
	for _, word := range list {
		hit := make(set, len(found))
		w.collect(hit, word)
		if other := fold(layout(word)); other != word {
			w.collect(hit, other)
		}
		found.and(hit)
	}
}

func (w *words) collect(hit set, word string) {
	forms := []string{word}
	if l := latin(word); l != word {
		forms = append(forms, l)
	}
	for _, form := range forms {
		for i := sort.SearchStrings(w.list, form); i < len(w.list) && strings.HasPrefix(w.list[i], form); i++ {
			for _, row := range w.rows[w.list[i]] {
				hit.put(int(row))
			}
		}
	}
}

var alike = strings.NewReplacer("ї", "і", "й", "і", "и", "і", "є", "е", "ґ", "г", "ё", "е", "ы", "і", "э", "е", "ъ", "", "ь", "")

// fold makes words equal that people write differently: case, apostrophes,
// і, ї, й and и, є and е, ґ and г, soft signs. Other signs part words.
func fold(s string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(s) {
		switch {
		case r == '\'' || r == '’' || r == 'ʼ' || r == '`':
		case unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("[];", r): // х, ї, ж of the Ukrainian layout
			b.WriteRune(r)
		default:
			b.WriteByte(' ')
		}
	}
	return one.Replace(alike.Replace(b.String()))
}

// one sound written by two letters: Київ and Киев, Kyiv and Kiev.
var one = strings.NewReplacer("іі", "і", "іе", "і", "ii", "i", "ie", "i")

// latin writes a folded word in Latin letters as passports do (resolution 55 of
// 2010), without what fold makes equal anyway.
var toLatin = strings.NewReplacer("зг", "zh", "а", "a", "б", "b", "в", "v", "г", "h", "д", "d", "е", "e", "ж", "zh", "з", "z", "і", "i", "к", "k", "л", "l",
	"м", "m", "н", "n", "о", "o", "п", "p", "р", "r", "с", "s", "т", "t", "у", "u", "ф", "f", "х", "kh", "ц", "ts", "ч", "ch", "ш", "sh", "щ", "shch", "ю", "iu", "я", "ia")

// sameLatin makes the ways of writing one sound equal: yu and iu, y and i.
var sameLatin = strings.NewReplacer("y", "i", "g", "h", "w", "v", "j", "i")

func latin(word string) string { return one.Replace(sameLatin.Replace(toLatin.Replace(word))) }

// layout reads Latin keys as the Ukrainian layout has them: rbtd is київ.
func layout(word string) string {
	return strings.Map(func(r rune) rune {
		if i := strings.IndexRune(`qwertyuiop[]asdfghjkl;zxcvbnm`, r); i >= 0 {
			return []rune("йцукенгшщзхїфівапролджячсмить")[i]
		}
		return r
	}, word)
}
