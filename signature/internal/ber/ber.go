// Package ber reads BER and DER (X.690) the way a verifier must: nothing is
// copied, every element knows its original encoding, lengths and depth are
// bounded, and no amount of nesting in the input grows the stack.
//
// It refuses trailing bytes where one element is expected, tags above 30,
// lengths that do not fit the input, and indefinite lengths nested deeper
// than MaxDepth. It accepts BER (indefinite and non-minimal lengths,
// constructed strings) because real signers emit it; IsDER tells.
package ber

import (
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// MaxDepth bounds nesting of indefinite lengths and of re-encoding.
const MaxDepth = 32

// Universal tags with the constructed bit where it belongs to them.
const (
	Boolean         = 0x01
	Integer         = 0x02
	BitString       = 0x03
	OctetString     = 0x04
	Null            = 0x05
	OID             = 0x06
	Enumerated      = 0x0a
	UTF8String      = 0x0c
	NumericString   = 0x12
	PrintableString = 0x13
	T61String       = 0x14
	IA5String       = 0x16
	UTCTime         = 0x17
	GeneralizedTime = 0x18
	VisibleString   = 0x1a
	UniversalString = 0x1c
	BMPString       = 0x1e
	Sequence        = 0x30
	Set             = 0x31
)

// ErrSyntax is wrapped by every error of this package.
var ErrSyntax = errors.New("not valid BER")

func syntax(format string, a ...any) error {
	return fmt.Errorf("%w: %s", ErrSyntax, fmt.Sprintf(format, a...))
}

// Element is one encoded value. Full and Body share memory with the input.
type Element struct {
	Tag        byte // identifier octet: class, constructed bit, number
	Full       []byte
	Body       []byte // without end-of-contents octets
	Indefinite bool
}

// Read takes one element off the front of b.
func Read(b []byte) (Element, []byte, error) {
	tag, head, length, indefinite, err := header(b)
	if err != nil {
		return Element{}, nil, err
	}
	if !indefinite {
		end := head + length
		return Element{Tag: tag, Full: b[:end:end], Body: b[head:end:end]}, b[end:], nil
	}
	end, err := endOfContents(b[head:])
	if err != nil {
		return Element{}, nil, err
	}
	body := head + end
	full := body + 2
	return Element{Tag: tag, Full: b[:full:full], Body: b[head:body:body], Indefinite: true}, b[full:], nil
}

// header reads identifier and length octets; length is checked against b.
func header(b []byte) (tag byte, head, length int, indefinite bool, err error) {
	if len(b) < 2 {
		return 0, 0, 0, false, syntax("truncated header")
	}
	tag = b[0]
	if tag&0x1f == 0x1f {
		return 0, 0, 0, false, syntax("tag number above 30")
	}
	l := b[1]
	switch {
	case l < 0x80:
		head, length = 2, int(l)
	case l == 0x80:
		if tag&0x20 == 0 {
			return 0, 0, 0, false, syntax("indefinite length of a primitive value")
		}
		return tag, 2, 0, true, nil
	default:
		n := int(l & 0x7f)
		if n > 8 || len(b) < 2+n {
			return 0, 0, 0, false, syntax("bad length")
		}
		var v uint64
		for _, c := range b[2 : 2+n] {
			v = v<<8 | uint64(c)
		}
		if v > uint64(len(b)) {
			return 0, 0, 0, false, syntax("length %d exceeds the input", v)
		}
		head, length = 2+n, int(v)
	}
	if length > len(b)-head {
		return 0, 0, 0, false, syntax("length %d exceeds the input", length)
	}
	return tag, head, length, false, nil
}

// endOfContents finds the end-of-contents octets that close an indefinite
// value whose content starts at b, without recursion.
func endOfContents(b []byte) (int, error) {
	pos, open := 0, 1
	for {
		rest := b[pos:]
		if len(rest) >= 2 && rest[0] == 0 && rest[1] == 0 {
			open--
			if open == 0 {
				return pos, nil
			}
			pos += 2
			continue
		}
		_, head, length, indefinite, err := header(rest)
		if err != nil {
			return 0, err
		}
		if indefinite {
			open++
			if open > MaxDepth {
				return 0, syntax("nested deeper than %d", MaxDepth)
			}
			pos += head
			continue
		}
		pos += head + length
	}
}

// One reads exactly one element; anything after it is an error.
func One(b []byte) (Element, error) {
	e, rest, err := Read(b)
	if err != nil {
		return Element{}, err
	}
	if len(rest) != 0 {
		return Element{}, ErrTrailing
	}
	return e, nil
}

// ErrTrailing is returned for bytes after the value.
var ErrTrailing = fmt.Errorf("%w: bytes after the value", ErrSyntax)

// Cursor walks the children of a constructed value.
type Cursor struct{ rest []byte }

// Children of e, which must be constructed.
func (e Element) Children() Cursor {
	if e.Tag&0x20 == 0 {
		return Cursor{}
	}
	return Cursor{e.Body}
}

// Over walks the elements that stand one after another in b.
func Over(b []byte) Cursor { return Cursor{b} }

// Empty says whether nothing is left.
func (c *Cursor) Empty() bool { return len(c.rest) == 0 }

// Rest is what is left, encoded.
func (c *Cursor) Rest() []byte { return c.rest }

// Peek returns the next tag, or 0 at the end.
func (c *Cursor) Peek() byte {
	if len(c.rest) == 0 {
		return 0
	}
	return c.rest[0]
}

// Next takes the next element.
func (c *Cursor) Next() (Element, error) {
	if len(c.rest) == 0 {
		return Element{}, syntax("value missing")
	}
	e, rest, err := Read(c.rest)
	if err != nil {
		return Element{}, err
	}
	c.rest = rest
	return e, nil
}

// Expect takes the next element and checks its tag.
func (c *Cursor) Expect(tag byte) (Element, error) {
	e, err := c.Next()
	if err != nil {
		return e, err
	}
	if e.Tag != tag {
		return e, syntax("tag 0x%02x where 0x%02x is expected", e.Tag, tag)
	}
	return e, nil
}

// Optional takes the next element if it has the tag.
func (c *Cursor) Optional(tag byte) (Element, bool, error) {
	if c.Peek() != tag || c.Empty() {
		return Element{}, false, nil
	}
	e, err := c.Next()
	return e, err == nil, err
}

// End checks that nothing is left.
func (c *Cursor) End() error {
	if len(c.rest) != 0 {
		return syntax("unexpected value with tag 0x%02x", c.rest[0])
	}
	return nil
}

// Is checks the tag.
func (e Element) Is(tag byte) error {
	if e.Tag != tag {
		return syntax("tag 0x%02x where 0x%02x is expected", e.Tag, tag)
	}
	return nil
}

// String content of an OCTET STRING, also constructed (BER), also under an
// implicit context tag. A primitive value is not copied.
func (e Element) Octets() ([]byte, error) {
	if e.Tag&0x20 == 0 {
		return e.Body, nil
	}
	// The content is shorter than its encoding: memory is taken once.
	out := make([]byte, 0, len(e.Body))
	// Segments may be constructed again; a stack of cursors instead of recursion.
	stack := []Cursor{{e.Body}}
	for len(stack) > 0 {
		c := &stack[len(stack)-1]
		if c.Empty() {
			stack = stack[:len(stack)-1]
			continue
		}
		s, err := c.Next()
		if err != nil {
			return nil, err
		}
		switch s.Tag {
		case OctetString:
			out = append(out, s.Body...)
		case OctetString | 0x20:
			if len(stack) >= MaxDepth {
				return nil, syntax("nested deeper than %d", MaxDepth)
			}
			stack = append(stack, Cursor{s.Body})
		default:
			return nil, syntax("tag 0x%02x inside an octet string", s.Tag)
		}
	}
	return out, nil
}

// Bits of a BIT STRING with a whole number of octets.
func (e Element) Bits() ([]byte, error) {
	if e.Tag != BitString || len(e.Body) == 0 {
		return nil, syntax("not a bit string")
	}
	if e.Body[0] != 0 {
		return nil, syntax("bit string with %d unused bits", e.Body[0])
	}
	return e.Body[1:], nil
}

// Int of an INTEGER of at most 8 KiB; negative values are kept negative.
func (e Element) Int() (*big.Int, error) {
	if e.Tag != Integer && e.Tag != Enumerated {
		return nil, syntax("not an integer")
	}
	return IntOf(e.Body)
}

// IntOf reads the content octets of an INTEGER.
func IntOf(b []byte) (*big.Int, error) {
	if len(b) == 0 || len(b) > 8192 {
		return nil, syntax("integer of %d octets", len(b))
	}
	v := new(big.Int).SetBytes(b)
	if b[0]&0x80 != 0 {
		v.Sub(v, new(big.Int).Lsh(big.NewInt(1), uint(len(b))*8))
	}
	return v, nil
}

// Small is a non-negative INTEGER below 2^31.
func (e Element) Small() (int, error) {
	v, err := e.Int()
	if err != nil {
		return 0, err
	}
	if v.Sign() < 0 || v.BitLen() > 31 {
		return 0, syntax("integer out of range")
	}
	return int(v.Int64()), nil
}

// Bool of a BOOLEAN.
func (e Element) Bool() (bool, error) {
	if e.Tag != Boolean || len(e.Body) != 1 {
		return false, syntax("not a boolean")
	}
	return e.Body[0] != 0, nil
}

// OID in dotted form.
func (e Element) OID() (string, error) {
	if e.Tag != OID {
		return "", syntax("not an object identifier")
	}
	return OIDOf(e.Body)
}

// OIDOf decodes the content octets of an OBJECT IDENTIFIER.
func OIDOf(b []byte) (string, error) {
	if s, ok := common[string(b)]; ok {
		return s, nil
	}
	if len(b) == 0 || len(b) > 64 || b[len(b)-1]&0x80 != 0 {
		return "", syntax("bad object identifier")
	}
	out := make([]byte, 0, 32)
	var v uint64
	first := true
	for _, c := range b {
		if v > 1<<56 {
			return "", syntax("object identifier arc too large")
		}
		v = v<<7 | uint64(c&0x7f)
		if c&0x80 != 0 {
			continue
		}
		if first {
			top := min(v/40, 2)
			out = strconv.AppendUint(out, top, 10)
			v -= top * 40
			first = false
		}
		out = append(out, '.')
		out = strconv.AppendUint(out, v, 10)
		v = 0
	}
	return string(out), nil
}

// Text of any character string type.
func (e Element) Text() (string, error) {
	b := e.Body
	switch e.Tag {
	case UTF8String:
		if !utf8.Valid(b) {
			return "", syntax("not UTF-8")
		}
		return string(b), nil
	case PrintableString, IA5String, NumericString, VisibleString:
		// Ukrainian issuers put UTF-8 here at times; bytes above 127 that are
		// valid UTF-8 are read as such, others as Latin-1.
		if utf8.Valid(b) {
			return string(b), nil
		}
		return latin1(b), nil
	case T61String:
		return latin1(b), nil
	case BMPString:
		if len(b)%2 != 0 {
			return "", syntax("BMPString of odd length")
		}
		u := make([]uint16, len(b)/2)
		for i := range u {
			u[i] = uint16(b[2*i])<<8 | uint16(b[2*i+1])
		}
		return string(utf16.Decode(u)), nil
	case UniversalString:
		if len(b)%4 != 0 {
			return "", syntax("UniversalString of bad length")
		}
		r := make([]rune, len(b)/4)
		for i := range r {
			r[i] = rune(b[4*i])<<24 | rune(b[4*i+1])<<16 | rune(b[4*i+2])<<8 | rune(b[4*i+3])
		}
		return string(r), nil
	}
	return "", syntax("tag 0x%02x is not a string", e.Tag)
}

func latin1(b []byte) string {
	r := make([]rune, len(b))
	for i, c := range b {
		r[i] = rune(c)
	}
	return string(r)
}

// Time of a UTCTime or GeneralizedTime, in UTC.
func (e Element) Time() (time.Time, error) {
	if t, ok := e.plainTime(); ok {
		return t, nil
	}
	s := string(e.Body)
	var layouts []string
	switch e.Tag {
	case UTCTime:
		layouts = []string{"060102150405Z", "0601021504Z", "060102150405-0700", "0601021504-0700"}
	case GeneralizedTime:
		layouts = []string{"20060102150405Z", "20060102150405.999999999Z", "20060102150405-0700", "200601021504Z"}
	default:
		return time.Time{}, syntax("tag 0x%02x is not a time", e.Tag)
	}
	if len(s) > 40 {
		return time.Time{}, syntax("time too long")
	}
	for _, l := range layouts {
		t, err := time.Parse(l, s)
		if err != nil {
			continue
		}
		if e.Tag == UTCTime && t.Year() >= 2050 {
			t = t.AddDate(-100, 0, 0)
		}
		return t.UTC(), nil
	}
	return time.Time{}, syntax("bad time")
}

// plainTime reads the one form DER allows, YYMMDDhhmmssZ or YYYYMMDDhhmmssZ,
// without the general parser; the rest is left to Time.
func (e Element) plainTime() (time.Time, bool) {
	b := e.Body
	year := 0
	switch {
	case e.Tag == UTCTime && len(b) == 13:
		year = digits(b[:2]) + 1900
		if year < 1950 {
			year += 100
		}
	case e.Tag == GeneralizedTime && len(b) == 15:
		year = digits(b[:4])
		b = b[2:]
	default:
		return time.Time{}, false
	}
	month, day, hour, minute, second := digits(b[2:4]), digits(b[4:6]), digits(b[6:8]), digits(b[8:10]), digits(b[10:12])
	if b[12] != 'Z' || year < 1900 || month < 1 || day < 1 || hour < 0 || minute < 0 || second < 0 || hour > 23 || minute > 59 || second > 59 {
		return time.Time{}, false
	}
	t := time.Date(year, time.Month(month), day, hour, minute, second, 0, time.UTC)
	return t, t.Day() == day && int(t.Month()) == month
}

// digits reads decimal digits; anything else gives a large negative number.
func digits(b []byte) int {
	n := 0
	for _, c := range b {
		if c < '0' || c > '9' {
			return -1 << 20
		}
		n = n*10 + int(c-'0')
	}
	return n
}
