// Package jcs reads JSON strictly and writes it in the canonical form of
// RFC 8785 (JSON Canonicalization Scheme).
//
// It refuses what two readers could understand differently: duplicate member
// names, invalid UTF-8, lone surrogates, trailing bytes, numbers beyond the
// range of IEEE 754 double precision, nesting deeper than [MaxDepth]. Signed
// documents are compared in this form, audit entries are stored in it.
package jcs

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Limits of what is read.
const (
	MaxDepth = 64
	MaxSize  = 16 << 20 // bytes
)

// Canonicalize gives the RFC 8785 form of a JSON text.
func Canonicalize(src []byte) ([]byte, error) {
	v, err := Parse(src)
	if err != nil {
		return nil, err
	}
	return Encode(v)
}

// Marshal encodes any Go value as encoding/json would and gives its canonical form.
func Marshal(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	if len(b) > MaxSize {
		return nil, &ParseError{int64(len(b)), "larger than 16 MiB"}
	}
	out, rest, err := appendOrdered(make([]byte, 0, len(b)), b, 0)
	if err != nil || len(rest) > 0 {
		// A value with a MarshalJSON of its own may write what encoding/json does not.
		return Canonicalize(b)
	}
	return out, nil
}

// Encode writes what Parse returns in canonical form.
func Encode(v any) ([]byte, error) {
	return appendValue(make([]byte, 0, 512), v)
}

func appendValue(b []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...), nil
	case bool:
		return strconv.AppendBool(b, v), nil
	case string:
		return appendString(b, v), nil
	case json.Number:
		f, err := v.Float64()
		if err != nil {
			return nil, fmt.Errorf("encoding a number: %w", err)
		}
		return appendNumber(b, f)
	case []any:
		b = append(b, '[')
		for i, e := range v {
			if i > 0 {
				b = append(b, ',')
			}
			var err error
			if b, err = appendValue(b, e); err != nil {
				return nil, err
			}
		}
		return append(b, ']'), nil
	case map[string]any:
		names := make([]string, 0, len(v))
		for k := range v {
			names = append(names, k)
		}
		slices.SortFunc(names, compareUTF16)
		b = append(b, '{')
		for i, k := range names {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendString(b, k)
			b = append(b, ':')
			var err error
			if b, err = appendValue(b, v[k]); err != nil {
				return nil, err
			}
		}
		return append(b, '}'), nil
	}
	return nil, fmt.Errorf("encoding %T: not a JSON value", v)
}

// compareUTF16 orders names by UTF-16 code units (RFC 8785, 3.2.3), which
// differs from byte order only beyond the basic multilingual plane.
func compareUTF16(a, b string) int {
	if below(a) && below(b) {
		return strings.Compare(a, b)
	}
	return slices.Compare(utf16.Encode([]rune(a)), utf16.Encode([]rune(b)))
}

// below tells that no character of s stands where the two orders part: at
// U+E000, whose first byte is 0xee, or above.
func below(s string) bool {
	for i := range len(s) {
		if s[i] >= 0xee {
			return false
		}
	}
	return true
}

func appendString(b []byte, s string) []byte {
	const hexDigits = "0123456789abcdef"
	b = append(b, '"')
	if !utf8.ValidString(s) { // of a program; what was read is valid
		s = string([]rune(s))
	}
	from := 0
	for i := range len(s) {
		r := s[i]
		if r >= ' ' && r != '"' && r != '\\' {
			continue
		}
		b = append(b, s[from:i]...)
		from = i + 1
		switch r {
		case '"', '\\':
			b = append(b, '\\', r)
		case '\b':
			b = append(b, '\\', 'b')
		case '\f':
			b = append(b, '\\', 'f')
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', hexDigits[r>>4], hexDigits[r&15])
		}
	}
	return append(append(b, s[from:]...), '"')
}

// appendNumber writes a double as ECMAScript's Number::toString does (RFC 8785, 3.2.2.3).
func appendNumber(b []byte, f float64) ([]byte, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, errors.New("encoding a number: not finite")
	}
	if f == 0 {
		return append(b, '0'), nil // also minus zero
	}
	abs := math.Abs(f)
	if abs >= 1e-6 && abs < 1e21 {
		return strconv.AppendFloat(b, f, 'f', -1, 64), nil
	}
	s := strconv.FormatFloat(f, 'e', -1, 64)
	mantissa, exp, _ := strings.Cut(s, "e")
	sign := exp[:1]
	digits := strings.TrimLeft(exp[1:], "0")
	return append(b, mantissa+"e"+sign+digits...), nil
}

// Diff lists the JSON pointers (RFC 6901) at which two parsed texts differ, in
// document order of names, at most limit of them. A member that one side lacks
// is named by its own pointer. Values are never shown.
func Diff(a, b any, limit int) []string {
	d := differ{limit: limit}
	d.walk("", a, b)
	return d.out
}

type differ struct {
	out   []string
	limit int
}

func (d *differ) add(ptr string) {
	if len(d.out) < d.limit {
		d.out = append(d.out, ptr)
	}
}

func (d *differ) walk(ptr string, a, b any) {
	switch av := a.(type) {
	case map[string]any:
		bv, ok := b.(map[string]any)
		if !ok {
			d.add(ptr)
			return
		}
		names := make([]string, 0, len(av)+len(bv))
		for k := range av {
			names = append(names, k)
		}
		for k := range bv {
			if _, both := av[k]; !both {
				names = append(names, k)
			}
		}
		slices.SortFunc(names, compareUTF16)
		for _, k := range names {
			sub := ptr + "/" + strings.ReplaceAll(strings.ReplaceAll(k, "~", "~0"), "/", "~1")
			x, inA := av[k]
			y, inB := bv[k]
			if inA && inB {
				d.walk(sub, x, y)
			} else {
				d.add(sub)
			}
		}
	case []any:
		bv, ok := b.([]any)
		if !ok {
			d.add(ptr)
			return
		}
		for i := range max(len(av), len(bv)) {
			sub := ptr + "/" + strconv.Itoa(i)
			if i < len(av) && i < len(bv) {
				d.walk(sub, av[i], bv[i])
			} else {
				d.add(sub)
			}
		}
	case json.Number:
		bn, ok := b.(json.Number)
		if !ok {
			d.add(ptr)
			return
		}
		x, errX := av.Float64()
		y, errY := bn.Float64()
		if errX != nil || errY != nil || x != y {
			d.add(ptr)
		}
	default:
		switch b.(type) {
		case map[string]any, []any, json.Number:
			d.add(ptr)
		default:
			if a != b {
				d.add(ptr)
			}
		}
	}
}
