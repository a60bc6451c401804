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

// attributeValue reads a quoted value and normalises it (XML 1.0, 3.3.3): literal white space becomes a space,
// character references stay what they name.
func (p *parser) attributeValue() (span, error) {
	if p.pos >= len(p.src) || (p.src[p.pos] != '"' && p.src[p.pos] != '\'') {
		return span{}, p.malformed("attribute value is not quoted")
	}
	quote := p.src[p.pos]
	p.pos++
	length := strings.IndexByte(p.src[p.pos:], quote)
	switch {
	case length < 0:
		return span{}, p.malformed("attribute value has no end")
	case length > p.limits.AttributeBytes:
		return span{}, p.fail(LimitExceeded, "attribute value is too long")
	}
	raw := p.src[p.pos : p.pos+length]
	if strings.ContainsAny(raw, "<&\n\t") {
		out := make([]byte, 0, len(raw))
		end := p.pos + length
		for p.pos < end {
			switch b := p.src[p.pos]; b {
			case '<':
				return span{}, p.malformed("less-than sign in an attribute value")
			case '&':
				var err error
				if out, err = p.reference(out, end); err != nil {
					return span{}, err
				}
				continue
			case '\n', '\t':
				out = append(out, ' ')
			default:
				out = append(out, b)
			}
			p.pos++
		}
		p.pos++
		return p.join(string(out)), nil
	}
	value := span{uint32(p.pos), uint32(length)}
	p.pos += length + 1
	return value, nil
}

// join keeps a value that is not written in one piece.
func (p *parser) join(s string) span {
	p.doc.joined = append(p.doc.joined, s)
	return span{uint32(len(p.doc.joined) - 1), joinedBit}
}

// reference reads a character or predefined entity reference that must end before end.
func (p *parser) reference(out []byte, end int) ([]byte, error) {
	semi := strings.IndexByte(p.src[p.pos:min(end, p.pos+16)], ';')
	if semi < 0 {
		if strings.IndexByte(p.src[p.pos:end], ';') > 0 {
			return nil, p.fail(EntityForbidden, "only the five predefined entities are accepted")
		}
		return nil, p.malformed("ampersand does not start a reference")
	}
	body := p.src[p.pos+1 : p.pos+semi]
	switch body {
	case "amp":
		out = append(out, '&')
	case "lt":
		out = append(out, '<')
	case "gt":
		out = append(out, '>')
	case "quot":
		out = append(out, '"')
	case "apos":
		out = append(out, '\'')
	default:
		if !strings.HasPrefix(body, "#") {
			return nil, p.fail(EntityForbidden, "only the five predefined entities are accepted")
		}
		r, ok := characterReference(body[1:])
		if !ok {
			return nil, p.malformed("character reference names no xml character")
		}
		out = utf8.AppendRune(out, r)
	}
	p.pos += semi + 1
	return out, nil
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
	var joined []byte
	var plain span // the only run so far, kept as a part of the source
	emit := func(from, size int) {
		switch {
		case size == 0:
		case joined != nil:
			joined = append(joined, p.src[from:from+size]...)
		case plain.size == 0:
			plain = span{uint32(from), uint32(size)}
		default:
			first := p.doc.text(plain)
			joined = append(append(make([]byte, 0, len(first)+size+64), first...), p.src[from:from+size]...)
		}
	}
	for p.pos < len(p.src) {
		if p.src[p.pos] == '<' {
			if !strings.HasPrefix(p.src[p.pos:], "<![CDATA[") {
				break
			}
			p.pos += len("<![CDATA[")
			end := strings.Index(p.src[p.pos:], "]]>")
			if end < 0 {
				return p.malformed("CDATA section has no end")
			}
			emit(p.pos, end)
			p.pos += end + len("]]>")
			continue
		}
		end := strings.IndexByte(p.src[p.pos:], '<')
		if end < 0 {
			return p.malformed("document ends inside an element")
		}
		run := p.src[p.pos : p.pos+end]
		if strings.Contains(run, "]]>") {
			return p.malformed("]]> in character data")
		}
		if strings.IndexByte(run, '&') < 0 {
			emit(p.pos, end)
			p.pos += end
			continue
		}
		if joined == nil {
			first := p.doc.text(plain)
			joined = append(make([]byte, 0, len(first)+len(run)), first...)
		}
		for stop := p.pos + end; p.pos < stop; {
			amp := strings.IndexByte(p.src[p.pos:stop], '&')
			if amp < 0 {
				joined = append(joined, p.src[p.pos:stop]...)
				p.pos = stop
				break
			}
			joined = append(joined, p.src[p.pos:p.pos+amp]...)
			p.pos += amp
			var err error
			if joined, err = p.reference(joined, stop); err != nil {
				return err
			}
		}
	}
	switch {
	case len(joined) > 0:
		plain = p.join(string(joined))
	case plain.size == 0:
		return nil
	}
	_, err := p.add(node{kind: TextNode, data: plain})
	return err
}

func (p *parser) comment() error {
	p.pos += len("<!--")
	end := strings.Index(p.src[p.pos:], "--")
	if end < 0 {
		return p.malformed("comment has no end")
	}
	data := span{uint32(p.pos), uint32(end)}
	p.pos += end + 2
	if p.pos >= len(p.src) || p.src[p.pos] != '>' {
		return p.malformed("two hyphens in a comment")
	}
	p.pos++
	_, err := p.add(node{kind: CommentNode, data: data})
	return err
}

func (p *parser) procInst() error {
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
	data := p.src[p.pos : p.pos+end]
	if !spaced && data != "" {
		return p.malformed("white space is missing after a processing instruction target")
	}
	p.pos += end + len("?>")
	if data != "" {
		data = " " + data
	}
	_, err = p.add(node{kind: ProcInstNode, data: p.join(target + data)})
	return err
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
		value := p.doc.text(literal)
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
