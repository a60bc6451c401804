package registry

import (
	"log/slog"
	"strconv"
	"strings"
)

// RNOKPP is the registration number of a taxpayer's account card (РНОКПП):
// ten digits with a check digit. It masks itself in logs and when printed with %v.
type RNOKPP string

// Valid checks form and check digit: weights −1,5,7,9,4,6,10,5,7 over the
// first nine digits, ((Σ mod 11) mod 10) is the tenth. 0000000000 is refused.
func (r RNOKPP) Valid() bool {
	if len(r) != 10 || r == "0000000000" {
		return false
	}
	weights := [9]int{-1, 5, 7, 9, 4, 6, 10, 5, 7}
	sum := 0
	for i := range 10 {
		if r[i] < '0' || r[i] > '9' {
			return false
		}
		if i < 9 {
			sum += weights[i] * int(r[i]-'0')
		}
	}
	return ((sum%11+11)%11)%10 == int(r[9]-'0')
}

// String masks all but the last four digits. Use string(r) where the value itself is meant.
func (r RNOKPP) String() string { return Mask(string(r)) }

// LogValue implements slog.LogValuer.
func (r RNOKPP) LogValue() slog.Value { return slog.StringValue(r.String()) }

// UNZR is the unique number of a record in the demographic register (УНЗР):
// YYYYMMDD-NNNNN, the first part being the birth date.
type UNZR string

// Valid checks the form only. The last digit is said to be a check digit, but
// published samples break every published rule, so it is not judged.
func (u UNZR) Valid() bool {
	if len(u) != 14 || u[8] != '-' {
		return false
	}
	for i := range 14 {
		if i != 8 && (u[i] < '0' || u[i] > '9') {
			return false
		}
	}
	_, err := ParseDate(string(u[:4]) + "-" + string(u[4:6]) + "-" + string(u[6:8]))
	return err == nil
}

// MatchesBirthDate reports whether the first eight digits are this date.
func (u UNZR) MatchesBirthDate(d Date) bool {
	return u.Valid() && strings.ReplaceAll(d.String(), "-", "") == string(u[:8])
}

// String masks the number.
func (u UNZR) String() string { return Mask(string(u)) }

// LogValue implements slog.LogValuer.
func (u UNZR) LogValue() slog.Value { return slog.StringValue(u.String()) }

// EDRPOU is the code of a legal entity in the state register (ЄДРПОУ): eight
// digits with a check digit; a sole proprietor (ФОП) uses the ten-digit РНОКПП.
// It is public and does not mask itself.
type EDRPOU string

// Valid checks the eight-digit code with its check digit, or a ten-digit РНОКПП.
// Weights are 1..7 (7,1..6 for codes between 30000000 and 60000000); when the
// sum mod 11 is ten every weight grows by two; a second ten means zero.
func (e EDRPOU) Valid() bool {
	if len(e) == 10 {
		return RNOKPP(e).Valid()
	}
	n, err := strconv.Atoi(string(e))
	if len(e) != 8 || err != nil || n < 0 || e[0] == '+' || e[0] == '-' {
		return false
	}
	weights := [7]int{1, 2, 3, 4, 5, 6, 7}
	if n >= 30000000 && n <= 60000000 {
		weights = [7]int{7, 1, 2, 3, 4, 5, 6}
	}
	check := func(add int) int {
		sum := 0
		for i, w := range weights {
			sum += (w + add) * int(e[i]-'0')
		}
		return sum % 11
	}
	c := check(0)
	if c == 10 {
		c = check(2)
	}
	return c%10 == int(e[7]-'0')
}

// Mask hides all but the last four characters of an identifier: ••••••4321.
func Mask(s string) string {
	r := []rune(s)
	if len(r) <= 4 {
		return strings.Repeat("•", len(r))
	}
	return strings.Repeat("•", len(r)-4) + string(r[len(r)-4:])
}
