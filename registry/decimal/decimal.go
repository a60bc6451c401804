// Package decimal is exact numbers of money and of quantities of drugs: at
// most four digits after the point, no binary fractions anywhere. Sums and
// comparisons are those of integers; what has to be rounded is rounded half
// away from zero to kopiykas, in one place.
//
// It refuses exponents, more digits than it keeps, and amounts beyond [Max].
package decimal

import (
	"errors"
	"math/big"
	"strconv"
	"strings"
)

// Decimal is a number in ten-thousandths: 1.5 is 15000. Add and compare with
// the operators of integers.
type Decimal int64

const (
	digits = 4
	scale  = 10_000
	// kopiykas is how many ten-thousandths are the least coin.
	kopiyka = 100
)

// Max bounds what is read: a thousand million. Sums of a document stay far
// within an int64, and values within the 15 digits that RFC 8785 writes exactly.
const Max Decimal = 1_000_000_000 * scale

// ErrForm tells that a text is not a number this package keeps.
var ErrForm = errors.New("not a decimal number of at most four digits after the point")

// Of makes a whole number.
func Of(n int64) Decimal { return Decimal(n) * scale }

// Parse reads -12.3456: no exponent, no sign but minus, no empty parts.
func Parse(s string) (Decimal, error) {
	negative := strings.HasPrefix(s, "-")
	whole, fraction, point := strings.Cut(strings.TrimPrefix(s, "-"), ".")
	if !plain(whole) || len(whole) > 10 || point && (!plain(fraction) || len(strings.TrimRight(fraction, "0")) > digits) || len(whole) > 1 && whole[0] == '0' {
		return 0, ErrForm
	}
	fraction = strings.TrimRight(fraction, "0")
	n, err := strconv.ParseInt(whole+fraction+strings.Repeat("0", digits-len(fraction)), 10, 64)
	if err != nil || Decimal(n) > Max {
		return 0, ErrForm
	}
	if negative {
		n = -n
	}
	return Decimal(n), nil
}

func plain(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// String writes no more digits than are needed: 12.5.
func (d Decimal) String() string {
	sign, n := "", int64(d)
	if n < 0 {
		sign, n = "-", -n
	}
	whole, rest := strconv.FormatInt(n/scale, 10), strconv.FormatInt(scale+n%scale, 10)[1:]
	if rest = strings.TrimRight(rest, "0"); rest != "" {
		return sign + whole + "." + rest
	}
	return sign + whole
}

// Fixed writes two digits after the point, as reports of money do.
func (d Decimal) Fixed() string {
	n := int64(d.Round())
	sign := ""
	if n < 0 {
		sign, n = "-", -n
	}
	return sign + strconv.FormatInt(n/scale, 10) + "." + strconv.FormatInt(scale+n%scale, 10)[1:3]
}

// MarshalJSON writes a JSON number.
func (d Decimal) MarshalJSON() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalJSON reads a JSON number; a text is none.
func (d *Decimal) UnmarshalJSON(b []byte) error { return d.ReadNumber(string(b)) }

// ReadNumber reads the text of a JSON number (package document).
func (d *Decimal) ReadNumber(text string) (err error) {
	*d, err = Parse(text)
	return err
}

// MultipleOf reports that d is a whole multiple of a positive step.
func (d Decimal) MultipleOf(step Decimal) bool { return step > 0 && d%step == 0 }

// Round rounds to kopiykas, half away from zero.
func (d Decimal) Round() Decimal {
	return Decimal(divide(big.NewInt(int64(d)), big.NewInt(kopiyka)) * kopiyka)
}

// MulDiv gives d·m/by rounded to kopiykas once, at the end; what is beyond Max
// is Max.
func (d Decimal) MulDiv(m, by Decimal) Decimal {
	if by == 0 {
		return 0
	}
	product := new(big.Int).Mul(big.NewInt(int64(d)), big.NewInt(int64(m)))
	divisor := new(big.Int).Mul(big.NewInt(int64(by)), big.NewInt(kopiyka))
	if new(big.Int).Abs(product).Cmp(new(big.Int).Mul(new(big.Int).Abs(divisor), big.NewInt(int64(Max)/kopiyka))) > 0 {
		if product.Sign()*divisor.Sign() < 0 {
			return -Max
		}
		return Max
	}
	return Decimal(divide(product, divisor) * kopiyka)
}

// divide rounds half away from zero.
func divide(a, b *big.Int) int64 {
	negative := a.Sign()*b.Sign() < 0
	a, b = new(big.Int).Abs(a), new(big.Int).Abs(b)
	q := new(big.Int).Add(a, new(big.Int).Rsh(b, 1))
	q.Quo(q, b)
	if negative {
		q.Neg(q)
	}
	return q.Int64()
}
