package jcs

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"unicode/utf8"
)

// errOutput tells that a text is not what encoding/json writes.
var errOutput = errors.New("not a compact JSON text of encoding/json")

// appendOrdered writes the canonical form of what encoding/json wrote: compact,
// valid, no name twice. It moves members and rewrites only strings with escapes
// and numbers that are not plain integers, so it costs a fraction of Parse and
// Encode. Texts from outside go through Parse.
func appendOrdered(dst, src []byte, depth int) (out, rest []byte, err error) {
	if len(src) == 0 || depth > MaxDepth {
		return nil, nil, errOutput
	}
	switch src[0] {
	case '{':
		return appendOrderedObject(dst, src, depth)
	case '[':
		dst, src = append(dst, '['), src[1:]
		for i := 0; ; i++ {
			if len(src) == 0 {
				return nil, nil, errOutput
			}
			if src[0] == ']' {
				return append(dst, ']'), src[1:], nil
			}
			if i > 0 {
				if src[0] != ',' {
					return nil, nil, errOutput
				}
				dst, src = append(dst, ','), src[1:]
			}
			if dst, src, err = appendOrdered(dst, src, depth+1); err != nil {
				return nil, nil, err
			}
		}
	case '"':
		end := stringEnd(src)
		if end < 0 {
			return nil, nil, errOutput
		}
		dst, err = appendRawString(dst, src[:end])
		return dst, src[end:], err
	}
	end := bytes.IndexAny(src, ",]}")
	if end < 0 {
		end = len(src)
	}
	dst, err = appendRawScalar(dst, src[:end])
	return dst, src[end:], err
}

type rawMember struct{ name, value []byte }

func appendOrderedObject(dst, src []byte, depth int) (out, rest []byte, err error) {
	var few [16]rawMember
	members := few[:0]
	src = src[1:]
	for len(src) > 0 && src[0] != '}' {
		if len(members) > 0 {
			if src[0] != ',' {
				return nil, nil, errOutput
			}
			src = src[1:]
		}
		end := stringEnd(src)
		if end < 0 || end >= len(src) || src[end] != ':' {
			return nil, nil, errOutput
		}
		name := src[:end]
		value := src[end+1:]
		n := valueEnd(value)
		if n <= 0 {
			return nil, nil, errOutput
		}
		members = append(members, rawMember{name, value[:n]})
		src = value[n:]
	}
	if len(src) == 0 {
		return nil, nil, errOutput
	}
	order := compareRawNames
	for _, m := range members {
		if bytes.IndexByte(m.name, '\\') >= 0 || !ascii(m.name) {
			order = compareAnyNames
			break
		}
	}
	slices.SortFunc(members, order)
	dst = append(dst, '{')
	for i, m := range members {
		if i > 0 {
			if order(members[i-1], m) == 0 {
				return nil, nil, errOutput
			}
			dst = append(dst, ',')
		}
		if dst, err = appendRawString(dst, m.name); err != nil {
			return nil, nil, err
		}
		dst = append(dst, ':')
		if dst, _, err = appendOrdered(dst, m.value, depth+1); err != nil {
			return nil, nil, err
		}
	}
	return append(dst, '}'), src[1:], nil
}

// compareRawNames compares quoted ASCII names without their quotes: the closing
// one would come before letters and after a space.
func compareRawNames(a, b rawMember) int {
	return bytes.Compare(a.name[1:len(a.name)-1], b.name[1:len(b.name)-1])
}

func compareAnyNames(a, b rawMember) int {
	var x, y string
	_, _ = json.Unmarshal(a.name, &x), json.Unmarshal(b.name, &y) // they are strings of encoding/json
	return compareUTF16(x, y)
}

func ascii(b []byte) bool {
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// stringEnd is the offset after a quoted string; negative when there is none.
func stringEnd(b []byte) int {
	if len(b) == 0 || b[0] != '"' {
		return -1
	}
	for i := 1; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return -1
}

// valueEnd is the offset after one value.
func valueEnd(b []byte) int {
	depth := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			n := stringEnd(b[i:])
			if n < 0 {
				return -1
			}
			i += n - 1
		case '{', '[':
			depth++
			continue
		case '}', ']':
			if depth == 0 {
				return i
			}
			depth--
		case ',':
			if depth == 0 {
				return i
			}
			continue
		default:
			continue
		}
		if depth == 0 {
			return i + 1
		}
	}
	return len(b)
}

func appendRawString(dst, raw []byte) ([]byte, error) {
	if bytes.IndexByte(raw, '\\') < 0 {
		return append(dst, raw...), nil
	}
	p := parser{s: string(raw)}
	s, err := p.text()
	if err != nil {
		return nil, err
	}
	return appendString(dst, s), nil
}

// Member is one member of an object, its value as it was written.
type Member struct {
	Name  string
	Value []byte
}

// Members splits an object that [Marshal] or [Encode] wrote into its members,
// in their order; values are parts of src. It is for texts of our own: what
// comes from outside goes through [Parse].
func Members(src []byte) ([]Member, error) {
	if len(src) < 2 || src[0] != '{' || src[len(src)-1] != '}' {
		return nil, errOutput
	}
	out := make([]Member, 0, 24)
	for src = src[1:]; src[0] != '}'; {
		if len(out) > 0 {
			if src[0] != ',' {
				return nil, errOutput
			}
			src = src[1:]
		}
		end := stringEnd(src)
		if end < 0 || end+1 >= len(src) || src[end] != ':' {
			return nil, errOutput
		}
		n := valueEnd(src[end+1:])
		if n <= 0 || end+1+n >= len(src) {
			return nil, errOutput
		}
		p := parser{s: string(src[:end])}
		name, err := p.text()
		if err != nil {
			return nil, err
		}
		out = append(out, Member{name, src[end+1 : end+1+n]})
		src = src[end+1+n:]
	}
	if len(src) != 1 {
		return nil, errOutput
	}
	return out, nil
}

// Join writes members as an object, in the order given.
func Join(members []Member) []byte {
	n := 2
	for _, m := range members {
		n += len(m.Name) + len(m.Value) + 4
	}
	b := append(make([]byte, 0, n), '{')
	for i, m := range members {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(appendString(b, m.Name), ':'), m.Value...)
	}
	return append(b, '}')
}

// String writes a string as a canonical value.
func String(s string) []byte { return appendString(nil, s) }

// maxExact is how many digits every integer of that length is exact with.
const maxExact = 15

func appendRawScalar(dst, raw []byte) ([]byte, error) {
	switch string(raw) {
	case "null", "true", "false":
		return append(dst, raw...), nil
	case "-0":
		return append(dst, '0'), nil
	}
	plain := len(raw) > 0 && len(raw) <= maxExact
	for i, c := range raw {
		plain = plain && (c >= '0' && c <= '9' || c == '-' && i == 0)
	}
	if plain {
		return append(dst, raw...), nil
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	if err != nil {
		return nil, errOutput
	}
	return appendNumber(dst, f)
}
