package jcs

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// ParseError tells where a text stops being acceptable JSON.
type ParseError struct {
	Offset int64 // in bytes, from the beginning
	Reason string
}

// Error implements error.
func (e *ParseError) Error() string {
	return "JSON, byte " + strconv.FormatInt(e.Offset, 10) + ": " + e.Reason
}

// Reasons of a parser.
const (
	reasonEnd    = "unexpected end"
	reasonSyntax = "syntax error"
)

// Parse reads one JSON text into nil, bool, json.Number, string, []any and
// map[string]any.
//
// It is written by hand: encoding/json's token reader, which knows neither
// doubled names nor lone surrogates, took a tenth of a declaration's flow.
// Strings share the memory of one copy of the text.
func Parse(src []byte) (any, error) {
	if len(src) > MaxSize {
		return nil, &ParseError{int64(len(src)), "larger than 16 MiB"}
	}
	if !utf8.Valid(src) {
		return nil, &ParseError{int64(invalidUTF8(src)), "not valid UTF-8"}
	}
	p := parser{s: string(src)}
	p.space()
	v, err := p.value(0)
	if err != nil {
		return nil, err
	}
	if p.space(); p.i < len(p.s) {
		return nil, p.fail("bytes after the JSON text")
	}
	return v, nil
}

// parser stands at byte i of s, which is valid UTF-8.
type parser struct {
	s string
	i int
}

func (p *parser) fail(reason string) error { return &ParseError{int64(p.i), reason} }

// syntax is the error of a byte that may not stand here, or of none left.
func (p *parser) syntax() error {
	if p.i >= len(p.s) {
		return p.fail(reasonEnd)
	}
	return p.fail(reasonSyntax)
}

func (p *parser) space() {
	for p.i < len(p.s) {
		switch p.s[p.i] {
		case ' ', '\t', '\n', '\r':
			p.i++
		default:
			return
		}
	}
}

// next takes the byte c after white space; false when another stands there.
func (p *parser) next(c byte) bool {
	p.space()
	if p.i < len(p.s) && p.s[p.i] == c {
		p.i++
		return true
	}
	return false
}

func (p *parser) value(depth int) (any, error) {
	if depth > MaxDepth {
		return nil, p.fail("nested too deeply")
	}
	if p.i >= len(p.s) {
		return nil, p.fail(reasonEnd)
	}
	switch c := p.s[p.i]; {
	case c == '{':
		return p.object(depth)
	case c == '[':
		return p.list(depth)
	case c == '"':
		return p.text()
	case c == 't':
		return true, p.word("true")
	case c == 'f':
		return false, p.word("false")
	case c == 'n':
		return nil, p.word("null")
	case c == '-' || '0' <= c && c <= '9':
		return p.number()
	}
	return nil, p.fail(reasonSyntax)
}

func (p *parser) word(w string) error {
	for k := range len(w) {
		if p.i >= len(p.s) || p.s[p.i] != w[k] {
			return p.syntax()
		}
		p.i++
	}
	return nil
}

func (p *parser) list(depth int) (any, error) {
	p.i++
	list := []any{}
	if p.next(']') {
		return list, nil
	}
	for {
		p.space()
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
		if p.next(',') {
			continue
		}
		if !p.next(']') {
			return nil, p.syntax()
		}
		return list, nil
	}
}

func (p *parser) object(depth int) (any, error) {
	p.i++
	object := map[string]any{}
	if p.next('}') {
		return object, nil
	}
	for {
		if p.space(); p.i >= len(p.s) || p.s[p.i] != '"' {
			return nil, p.syntax()
		}
		name, err := p.text()
		if err != nil {
			return nil, err
		}
		if _, twice := object[name]; twice {
			return nil, p.fail("member name stands twice in one object")
		}
		if !p.next(':') {
			return nil, p.syntax()
		}
		p.space()
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		object[name] = v
		if p.next(',') {
			continue
		}
		if !p.next('}') {
			return nil, p.syntax()
		}
		return object, nil
	}
}

// text reads a string; the parser stands at its opening quote.
func (p *parser) text() (string, error) {
	p.i++
	from := p.i
	for ; p.i < len(p.s); p.i++ {
		switch c := p.s[p.i]; {
		case c == '"':
			p.i++
			return p.s[from : p.i-1], nil
		case c == '\\':
			return p.escaped(from)
		case c < ' ':
			return "", p.fail(reasonSyntax)
		}
	}
	return "", p.fail(reasonEnd)
}

// escaped reads the rest of a string from its first escape on.
func (p *parser) escaped(from int) (string, error) {
	b := make([]byte, 0, p.i-from+64)
	b = append(b, p.s[from:p.i]...)
	for p.i < len(p.s) {
		c := p.s[p.i]
		switch {
		case c == '"':
			p.i++
			return string(b), nil
		case c < ' ':
			return "", p.fail(reasonSyntax)
		case c != '\\':
			end := p.i + 1
			for end < len(p.s) && p.s[end] != '"' && p.s[end] != '\\' && p.s[end] >= ' ' {
				end++
			}
			b = append(b, p.s[p.i:end]...)
			p.i = end
			continue
		}
		p.i++
		if p.i >= len(p.s) {
			return "", p.fail(reasonEnd)
		}
		at := strings.IndexByte(`"\/bfnrtu`, p.s[p.i])
		if at < 0 {
			return "", p.fail(reasonSyntax)
		}
		if at < 8 {
			b = append(b, "\"\\/\b\f\n\r\t"[at])
			p.i++
			continue
		}
		r, err := p.unicode()
		if err != nil {
			return "", err
		}
		b = utf8.AppendRune(b, r)
	}
	return "", p.fail(reasonEnd)
}

// unicode reads uXXXX, both halves of a surrogate pair. A half alone is refused:
// other readers replace it silently, and two texts would become one.
func (p *parser) unicode() (rune, error) {
	start := p.i - 1
	r, err := p.hex4()
	if err != nil || !utf16.IsSurrogate(r) {
		return r, err
	}
	if r < 0xdc00 && strings.HasPrefix(p.s[p.i:], `\u`) {
		p.i++
		low, err := p.hex4()
		if err != nil {
			return 0, err
		}
		if both := utf16.DecodeRune(r, low); both != utf8.RuneError {
			return both, nil
		}
	}
	p.i = start
	return 0, p.fail("lone surrogate in a string")
}

// hex4 reads four hexadecimal digits after the u at which the parser stands.
func (p *parser) hex4() (rune, error) {
	p.i++
	var r rune
	for range 4 {
		if p.i >= len(p.s) {
			return 0, p.fail(reasonEnd)
		}
		c := p.s[p.i]
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, p.fail(reasonSyntax)
		}
		r = r<<4 | rune(c)
		p.i++
	}
	return r, nil
}

func (p *parser) digits() bool {
	from := p.i
	for p.i < len(p.s) && '0' <= p.s[p.i] && p.s[p.i] <= '9' {
		p.i++
	}
	return p.i > from
}

// number reads a number as RFC 8259, 6 writes it and keeps its text.
func (p *parser) number() (any, error) {
	from := p.i
	if p.s[p.i] == '-' {
		p.i++
	}
	switch {
	case p.i < len(p.s) && p.s[p.i] == '0':
		p.i++
	case !p.digits():
		return nil, p.syntax()
	}
	simple := true
	if p.i < len(p.s) && p.s[p.i] == '.' {
		p.i++
		simple = false
		if !p.digits() {
			return nil, p.syntax()
		}
	}
	if p.i < len(p.s) && (p.s[p.i] == 'e' || p.s[p.i] == 'E') {
		p.i++
		simple = false
		if p.i < len(p.s) && (p.s[p.i] == '+' || p.s[p.i] == '-') {
			p.i++
		}
		if !p.digits() {
			return nil, p.syntax()
		}
	}
	n := json.Number(p.s[from:p.i])
	if simple && len(n) < 100 {
		return n, nil
	}
	if f, err := n.Float64(); err != nil || math.IsInf(f, 0) {
		return nil, p.fail("number out of range")
	}
	return n, nil
}

// invalidUTF8 gives the place of the first byte that is not valid UTF-8.
func invalidUTF8(src []byte) int {
	for i := 0; i < len(src); {
		r, n := utf8.DecodeRune(src[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return -1
}
