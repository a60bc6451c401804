package xmldom

import (
	"strings"
	"unicode/utf8"
)

// Values are decoded from the source each time they are read. Everything here was checked by the parser and is found by
// its delimiters alone.

// tagReader walks the attributes and namespace declarations of one start tag.
type tagReader struct {
	source   string
	pos      int
	raw      string // name of the current attribute as written
	from, to int    // its value as written
}

func (d *Document) startTag(id ID, e *element) tagReader {
	n := d.names[e.name]
	pos := int(*d.at.get(uint32(id))) + 1 + len(n.Local)
	if n.Prefix != "" {
		pos += len(n.Prefix) + 1
	}
	return tagReader{source: d.source, pos: pos}
}

func (t *tagReader) next() bool {
	s, i := t.source, t.pos
	for isSpace(s[i]) {
		i++
	}
	if s[i] == '>' || s[i] == '/' {
		return false
	}
	start := i
	for s[i] != '=' && !isSpace(s[i]) {
		i++
	}
	t.raw = s[start:i]
	for s[i] != '"' && s[i] != '\'' {
		i++
	}
	t.from = i + 1
	t.to = t.from + strings.IndexByte(s[t.from:], s[i])
	t.pos = t.to + 1
	return true
}

func (t *tagReader) declares() bool { return isDeclaration(t.raw) }

func isDeclaration(raw string) bool {
	return strings.HasPrefix(raw, "xmlns") && (len(raw) == 5 || raw[5] == ':')
}

func (t *tagReader) value() string { return attributeValue(t.source[t.from:t.to]) }

// attributeValue normalises a value as XML 1.0, 3.3.3 says for CDATA: literal white space becomes a space, character
// references stay what they name.
func attributeValue(raw string) string {
	plain := true
	for i := range len(raw) {
		if c := raw[i]; c == '&' || c == '\n' || c == '\t' {
			plain = false
			break
		}
	}
	if plain {
		return raw
	}
	out := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); {
		switch c := raw[i]; c {
		case '&':
			piece, length, _, _ := reference(raw[i:])
			out = append(out, piece...)
			i += length
			continue
		case '\n', '\t':
			out = append(out, ' ')
		default:
			out = append(out, c)
		}
		i++
	}
	return string(out)
}

const (
	cdataStart = "<![CDATA["
	cdataEnd   = "]]>"
)

// plainText is the text that starts at a place in the source, when it is written in one piece without references.
func (d *Document) plainText(at int) (string, bool) {
	if d.source[at] == '<' {
		return "", false
	}
	end := strings.IndexByte(d.source[at:], '<')
	s := d.source[at : at+end]
	if strings.IndexByte(s, '&') >= 0 || strings.HasPrefix(d.source[at+end:], cdataStart) {
		return "", false
	}
	return s, true
}

const pieceBytes = 512 // a longer look ahead for the next reference would be quadratic in a text full of them

// TextPiece returns the next piece of a text node and where the piece after it starts, -1 after the last. The first
// piece starts at TextStart. Pieces may be empty and may end inside a character.
func (d *Document) TextPiece(pos int) (piece string, next int) {
	rest := d.source[pos:]
	switch {
	case rest[0] == '&':
		var length int
		piece, length, _, _ = reference(rest)
		next = pos + length
	case strings.HasPrefix(rest, cdataStart):
		rest = rest[len(cdataStart):]
		end := strings.Index(rest, cdataEnd)
		piece, next = rest[:end], pos+len(cdataStart)+end+len(cdataEnd)
	default:
		piece = rest[:min(len(rest), pieceBytes)]
		if end := strings.IndexByte(piece, '<'); end >= 0 {
			piece = piece[:end]
		}
		if end := strings.IndexByte(piece, '&'); end >= 0 {
			piece = piece[:end]
		}
		next = pos + len(piece)
	}
	if d.source[next] == '<' && !strings.HasPrefix(d.source[next:], cdataStart) {
		next = -1
	}
	return piece, next
}

// TextStart returns the text of text node id when it is written in one piece, and else where its first piece starts.
func (d *Document) TextStart(id ID) (text string, pieces int) {
	at := int(*d.at.get(uint32(id)))
	if s, ok := d.plainText(at); ok {
		return s, -1
	}
	return "", at
}

// Data returns the text of a text node or comment, or "target data" of a processing instruction.
func (d *Document) Data(id ID) string {
	if d.Kind(id) == TextNode {
		if s, ok := d.plainText(int(*d.at.get(uint32(id)))); ok {
			return s
		}
		return string(d.AppendData(nil, id))
	}
	return d.markupData(id)
}

// AppendData appends what Data returns to dst.
func (d *Document) AppendData(dst []byte, id ID) []byte {
	if d.Kind(id) != TextNode {
		return append(dst, d.markupData(id)...)
	}
	text, next := d.TextStart(id)
	dst = append(dst, text...)
	for next >= 0 {
		text, next = d.TextPiece(next)
		dst = append(dst, text...)
	}
	return dst
}

func (d *Document) markupData(id ID) string {
	at := *d.at.get(uint32(id))
	switch d.Kind(id) {
	case CommentNode:
		rest := d.source[at+4:]
		return rest[:strings.Index(rest, "--")]
	case ProcInstNode:
		rest := d.source[at+2:]
		rest = rest[:strings.Index(rest, "?>")]
		target := strings.IndexAny(rest, " \t\n\r")
		if target < 0 {
			return rest
		}
		data := strings.TrimLeft(rest[target:], " \t\n\r")
		if data == "" {
			return rest[:target]
		}
		return rest[:target] + " " + data
	}
	return ""
}

// reference reads a character or predefined entity reference at the start of s. length is 0 when it is none, and then
// reason and detail say why.
func reference(s string) (piece string, length int, reason Reason, detail string) {
	semi := strings.IndexByte(s[:min(len(s), 16)], ';')
	if semi < 0 {
		if strings.IndexByte(s, ';') > 0 {
			return "", 0, EntityForbidden, "only the five predefined entities are accepted"
		}
		return "", 0, Malformed, "ampersand does not start a reference"
	}
	switch body := s[1:semi]; body {
	case "amp":
		piece = "&"
	case "lt":
		piece = "<"
	case "gt":
		piece = ">"
	case "quot":
		piece = `"`
	case "apos":
		piece = "'"
	default:
		if !strings.HasPrefix(body, "#") {
			return "", 0, EntityForbidden, "only the five predefined entities are accepted"
		}
		r, ok := characterReference(body[1:])
		if !ok {
			return "", 0, Malformed, "character reference names no xml character"
		}
		piece = string(r)
	}
	return piece, semi + 1, "", ""
}

func characterReference(s string) (rune, bool) {
	base := rune(10)
	if strings.HasPrefix(s, "x") {
		base, s = 16, s[1:]
	}
	if s == "" {
		return 0, false
	}
	var r rune
	for i := range len(s) {
		var v rune
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			v = rune(c - '0')
		case base == 16 && c >= 'a' && c <= 'f':
			v = rune(c-'a') + 10
		case base == 16 && c >= 'A' && c <= 'F':
			v = rune(c-'A') + 10
		default:
			return 0, false
		}
		if r = r*base + v; r > utf8.MaxRune {
			return 0, false
		}
	}
	isChar := r == '\t' || r == '\n' || r == '\r' || r >= 0x20 && r <= 0xD7FF || r >= 0xE000 && r <= 0xFFFD || r >= 0x10000
	return r, isChar
}
