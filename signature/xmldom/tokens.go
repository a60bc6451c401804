package xmldom

import (
	"strings"
	"unicode/utf8"
)

func isSpace(b byte) bool { return b == ' ' || b == '\n' || b == '\t' || b == '\r' }

func (p *parser) skipSpace() bool {
	start := p.pos
	for p.pos < len(p.src) && isSpace(p.src[p.pos]) {
		p.pos++
	}
	return p.pos > start
}

// nameByte classes ASCII bytes: 1 may start a name, 2 may continue one.
var nameByte = func() (t [128]byte) {
	for c := 'a'; c <= 'z'; c++ {
		t[c], t[c-32] = 3, 3
	}
	for c := '0'; c <= '9'; c++ {
		t[c] = 2
	}
	t['_'], t[':'] = 3, 3
	t['-'], t['.'] = 2, 2
	return t
}()

// isNameStart is production [4] of XML 1.0 without the colon.
func isNameStart(r rune) bool {
	if r < 128 {
		return r != ':' && nameByte[r]&1 != 0
	}
	return r >= 0xC0 && r <= 0xD6 || r >= 0xD8 && r <= 0xF6 || r >= 0xF8 && r <= 0x2FF || r >= 0x370 && r <= 0x37D ||
		r >= 0x37F && r <= 0x1FFF || r >= 0x200C && r <= 0x200D || r >= 0x2070 && r <= 0x218F ||
		r >= 0x2C00 && r <= 0x2FEF || r >= 0x3001 && r <= 0xD7FF || r >= 0xF900 && r <= 0xFDCF ||
		r >= 0xFDF0 && r <= 0xFFFD || r >= 0x10000 && r <= 0xEFFFF
}

// isNameChar is production [4a] without the colon, for characters beyond ASCII.
func isNameChar(r rune) bool {
	return isNameStart(r) || r == 0xB7 || r >= 0x300 && r <= 0x36F || r >= 0x203F && r <= 0x2040
}

func (p *parser) qname() (string, error) {
	start := p.pos
	for p.pos < len(p.src) {
		b := p.src[p.pos]
		if b < 128 {
			if nameByte[b] == 0 || p.pos == start && nameByte[b]&1 == 0 {
				break
			}
			p.pos++
			continue
		}
		r, n := utf8.DecodeRuneInString(p.src[p.pos:])
		if !isNameChar(r) || p.pos == start && !isNameStart(r) {
			break
		}
		p.pos += n
	}
	switch {
	case p.pos == start:
		return "", p.malformed("name expected")
	case p.pos-start > p.limits.NameBytes:
		return "", p.fail(LimitExceeded, "name is too long")
	}
	return p.src[start:p.pos], nil
}

// attributeValue reads a quoted value and returns it as written; see the function attributeValue.
func (p *parser) attributeValue() (string, error) {
	if p.pos >= len(p.src) || (p.src[p.pos] != '"' && p.src[p.pos] != '\'') {
		return "", p.malformed("attribute value is not quoted")
	}
	quote := p.src[p.pos]
	p.pos++
	length := strings.IndexByte(p.src[p.pos:], quote)
	switch {
	case length < 0:
		return "", p.malformed("attribute value has no end")
	case length > p.limits.AttributeBytes:
		return "", p.fail(LimitExceeded, "attribute value is too long")
	}
	start, end := p.pos, p.pos+length
	for p.pos < end {
		switch p.src[p.pos] {
		case '<':
			return "", p.malformed("less-than sign in an attribute value")
		case '&':
			if err := p.reference(end); err != nil {
				return "", err
			}
		default:
			p.pos++
		}
	}
	p.pos++
	return p.src[start:end], nil
}

// reference checks a character or predefined entity reference that must end before end, and goes past it.
func (p *parser) reference(end int) error {
	_, length, reason, detail := reference(p.src[p.pos:end])
	if length == 0 {
		return p.fail(reason, detail)
	}
	p.pos += length
	return nil
}

// text reads character data, references and CDATA sections up to the next other markup, as one text node.
func (p *parser) text() error {
	start := p.pos
	if len(p.open) == 0 {
		p.skipSpace()
		if p.pos == start || p.pos < len(p.src) && p.src[p.pos] != '<' {
			return p.malformed("character data outside the document element")
		}
		return nil
	}
	written := false // something that is not an empty CDATA section
	for p.pos < len(p.src) {
		if p.src[p.pos] == '<' {
			if !strings.HasPrefix(p.src[p.pos:], cdataStart) {
				break
			}
			p.pos += len(cdataStart)
			end := strings.Index(p.src[p.pos:], cdataEnd)
			if end < 0 {
				return p.malformed("CDATA section has no end")
			}
			written = written || end > 0
			p.pos += end + len(cdataEnd)
			continue
		}
		written = true
		end := strings.IndexByte(p.src[p.pos:], '<')
		if end < 0 {
			return p.malformed("document ends inside an element")
		}
		run := p.src[p.pos : p.pos+end]
		if strings.Contains(run, cdataEnd) {
			return p.malformed("]]> in character data")
		}
		for stop := p.pos + end; p.pos < stop; {
			amp := strings.IndexByte(p.src[p.pos:stop], '&')
			if amp < 0 {
				p.pos = stop
				break
			}
			p.pos += amp
			if err := p.reference(stop); err != nil {
				return err
			}
		}
	}
	if !written {
		return nil
	}
	return p.add(start, true)
}

func (p *parser) comment() error {
	start := p.pos
	p.pos += len("<!--")
	end := strings.Index(p.src[p.pos:], "--")
	if end < 0 {
		return p.malformed("comment has no end")
	}
	p.pos += end + 2
	if p.pos >= len(p.src) || p.src[p.pos] != '>' {
		return p.malformed("two hyphens in a comment")
	}
	p.pos++
	return p.add(start, false)
}

func (p *parser) procInst() error {
	start := p.pos
	p.pos += len("<?")
	target, err := p.qname()
	if err != nil {
		return err
	}
	if strings.IndexByte(target, ':') >= 0 || strings.EqualFold(target, "xml") {
		return p.malformed("processing instruction target is reserved")
	}
	spaced := p.skipSpace()
	end := strings.Index(p.src[p.pos:], "?>")
	if end < 0 {
		return p.malformed("processing instruction has no end")
	}
	if !spaced && end > 0 {
		return p.malformed("white space is missing after a processing instruction target")
	}
	p.pos += end + len("?>")
	return p.add(start, false)
}

// xmlDeclaration reads production [23]; version 1.1 is refused because its character rules differ.
func (p *parser) xmlDeclaration() error {
	p.pos = len("<?xml")
	order := 0
	for {
		spaced := p.skipSpace()
		if strings.HasPrefix(p.src[p.pos:], "?>") {
			p.pos += 2
			if order == 0 {
				return p.malformed("xml declaration without a version")
			}
			return nil
		}
		if !spaced {
			return p.malformed("xml declaration is not well-formed")
		}
		name, err := p.qname()
		if err != nil {
			return err
		}
		p.skipSpace()
		if p.pos >= len(p.src) || p.src[p.pos] != '=' {
			return p.malformed("xml declaration is not well-formed")
		}
		p.pos++
		p.skipSpace()
		literal, err := p.attributeValue()
		if err != nil {
			return err
		}
		value := attributeValue(literal)
		switch {
		case name == "version" && order == 0:
			if value != "1.0" {
				return p.malformed("xml version is not 1.0")
			}
			order = 1
		case name == "encoding" && order == 1:
			if !isEncodingName(value) {
				return p.malformed("encoding name is not well-formed")
			}
			order = 2
		case name == "standalone" && (order == 1 || order == 2):
			if value != "yes" && value != "no" {
				return p.malformed("standalone is neither yes nor no")
			}
			order = 3
		default:
			return p.malformed("xml declaration is not well-formed")
		}
	}
}

func isEncodingName(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || !(c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-')) {
			return false
		}
	}
	return s != ""
}
