package registry

import (
	"slices"
	"strings"
)

// lookalike maps Cyrillic capitals to the Latin ones that print the same: the
// series of a passport stands in certificates in either alphabet
// (ehealth.api issues 324, 345).
var lookalike = strings.NewReplacer(
	"А", "A", "В", "B", "С", "C", "Е", "E", "Н", "H", "І", "I", "К", "K", "М", "M", "О", "O", "Р", "P", "Т", "T", "Х", "X", "У", "Y",
)

// latin is the official transliteration (Cabinet of Ministers, resolution 55 of
// 2010): the other way issuers write a series.
var latin = strings.NewReplacer(
	"А", "A", "Б", "B", "В", "V", "Г", "H", "Ґ", "G", "Д", "D", "Е", "E", "Є", "YE", "Ж", "ZH", "З", "Z", "И", "Y", "І", "I", "Ї", "YI",
	"Й", "Y", "К", "K", "Л", "L", "М", "M", "Н", "N", "О", "O", "П", "P", "Р", "R", "С", "S", "Т", "T", "У", "U", "Ф", "F", "Х", "KH",
	"Ц", "TS", "Ч", "CH", "Ш", "SH", "Щ", "SHCH", "Ю", "YU", "Я", "YA",
)

// SameIdentifier compares identifiers without spaces and case; letters are
// equal when they look alike in the two alphabets, or when one identifier is
// the transliteration of the other. Digits are compared as they are.
func SameIdentifier(certificate, party string) bool {
	plain := func(s string) string { return strings.ToUpper(strings.Join(strings.Fields(s), "")) }
	a, b := plain(certificate), plain(party)
	return a != "" && (lookalike.Replace(a) == lookalike.Replace(b) || latin.Replace(a) == latin.Replace(b))
}

// LatinForms gives the ways a number of the registry may stand in a certificate,
// itself first: as it is, by look, by the official transliteration.
func LatinForms(number string) []string {
	list := []string{number}
	for _, form := range []string{lookalike.Replace(number), latin.Replace(number)} {
		if !slices.Contains(list, form) {
			list = append(list, form)
		}
	}
	return list
}

// ukrainian are the letters a series may be written in.
const ukrainian = "АБВГҐДЕЄЖЗИІЇЙКЛМНОПРСТУФХЦЧШЩЬЮЯ"

// SeriesOf gives the numbers of passports that a number in a certificate may
// stand for ([SameIdentifier]), itself first: series of two Ukrainian letters. More
// than one person may have one of them: a caller has to look at the name, too.
func SeriesOf(certificate string) []string {
	n := strings.ToUpper(strings.Join(strings.Fields(certificate), ""))
	list := []string{n}
	digits := strings.IndexFunc(n, func(r rune) bool { return r >= '0' && r <= '9' })
	if digits <= 0 {
		return list
	}
	for _, first := range ukrainian {
		for _, second := range ukrainian {
			if s := string(first) + string(second); s != n[:digits] && SameIdentifier(n[:digits], s) {
				list = append(list, s+n[digits:])
			}
		}
	}
	return list
}
