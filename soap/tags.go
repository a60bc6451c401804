package soap

import (
	"bytes"
	"unicode/utf8"
)

// ncName reads a name without colon at pos (Namespaces in XML, production 4).
func (s *scanner) ncName(problem string) ([]byte, *SyntaxError) {
	d, start := s.data, s.pos
	i := start
	for i < len(d) {
		c := d[i]
		if c < 0x80 {
			if class[c]&cName == 0 || i == start && class[c]&cNameStart == 0 {
				break
			}
			i++
			continue
		}
		r, n := utf8.DecodeRune(d[i:])
		if !isNameRune(r, i == start) {
			break
		}
		i += n
	}
	if i == start {
		return nil, s.fail(start, problem)
	}
	if i-start > maxNameBytes {
		return nil, s.tooLarge(start, "a name that is too long")
	}
	s.pos = i
	return d[start:i], nil
}

// isNameRune is NameStartChar / NameChar of XML 1.0 fifth edition beyond ASCII.
func isNameRune(r rune, first bool) bool {
	switch {
	case r >= 0xC0 && r <= 0x2FF && r != 0xD7 && r != 0xF7,
		r >= 0x370 && r <= 0x1FFF && r != 0x37E,
		r == 0x200C, r == 0x200D,
		r >= 0x2070 && r <= 0x218F, r >= 0x2C00 && r <= 0x2FEF, r >= 0x3001 && r <= 0xD7FF,
		r >= 0xF900 && r <= 0xFDCF, r >= 0xFDF0 && r <= 0xFFFD, r >= 0x10000 && r <= 0xEFFFF:
		return true
	case first:
		return false
	}
	return r == 0xB7 || r >= 0x300 && r <= 0x36F || r == 0x203F || r == 0x2040
}

// qName reads prefix:local or local at pos.
func (s *scanner) qName(problem string) (prefix, local, whole []byte, err *SyntaxError) {
	start := s.pos
	local, err = s.ncName(problem)
	if err != nil {
		return nil, nil, nil, err
	}
	if s.pos < len(s.data) && s.data[s.pos] == ':' {
		s.pos++
		prefix = local
		if local, err = s.ncName("a name with a colon but no second half"); err != nil {
			return nil, nil, nil, err
		}
		if s.pos < len(s.data) && s.data[s.pos] == ':' {
			return nil, nil, nil, s.fail(s.pos, "a name with two colons")
		}
	}
	return prefix, local, s.data[start:s.pos], nil
}

func (s *scanner) skipSpace() bool {
	start := s.pos
	for s.pos < len(s.data) && class[s.data[s.pos]]&cSpace != 0 {
		s.pos++
	}
	return s.pos > start
}

// startElement reads a start tag or empty-element tag at pos.
func (s *scanner) startElement() (event, error) {
	at := s.pos
	if len(s.stack) >= maxDepth {
		return evEOF, s.tooLarge(at, "elements are nested too deeply")
	}
	if s.elements++; s.elements > maxElements {
		return evEOF, s.tooLarge(at, "too many elements")
	}
	s.pos++
	prefix, local, name, err := s.qName("not an element name after <")
	if err != nil {
		return evEOF, err
	}
	base := len(s.ns)
	s.attrs = s.attrs[:0]
	for {
		spaced := s.skipSpace()
		if s.pos >= len(s.data) {
			return evEOF, s.fail(s.pos, "the message ends inside a tag")
		}
		c := s.data[s.pos]
		if c == '>' {
			s.pos++
			s.empty = false
			break
		}
		if c == '/' {
			if s.pos+1 >= len(s.data) || s.data[s.pos+1] != '>' {
				return evEOF, s.fail(s.pos, "/ inside a tag")
			}
			s.pos += 2
			s.empty = true
			break
		}
		if !spaced {
			return evEOF, s.fail(s.pos, "no blank before an attribute")
		}
		if err := s.attribute(); err != nil {
			return evEOF, err
		}
	}
	s.stack = append(s.stack, frame{name: name, nsBase: base, start: at, inner: s.pos})
	if err := s.resolveAttributes(at); err != nil {
		return evEOF, err
	}
	space, ok := s.lookup(prefix)
	if !ok {
		return evEOF, s.fail(at, "an element with an undeclared prefix")
	}
	if string(space) == xmlnsNS || string(prefix) == "xmlns" {
		return evEOF, s.fail(at, "an element in the namespace of declarations")
	}
	s.prefix, s.local, s.space = prefix, local, space
	s.elem = span{at, s.pos}
	s.pendEnd = s.empty
	return evStart, nil
}

// attribute reads one attribute at pos; namespace declarations take effect at once.
func (s *scanner) attribute() *SyntaxError {
	at := s.pos
	if len(s.attrs) >= maxAttributes {
		return s.tooLarge(at, "too many attributes on one element")
	}
	if s.attributes++; s.attributes > maxAllAttributes {
		return s.tooLarge(at, "too many attributes")
	}
	prefix, local, name, err := s.qName("not an attribute name")
	if err != nil {
		return err
	}
	for i := range s.attrs {
		if bytes.Equal(s.attrs[i].name, name) {
			return s.fail(at, "the same attribute twice")
		}
	}
	s.skipSpace()
	if s.pos >= len(s.data) || s.data[s.pos] != '=' {
		return s.fail(s.pos, "an attribute without =")
	}
	s.pos++
	s.skipSpace()
	value, err := s.attributeValue()
	if err != nil {
		return err
	}
	s.attrs = append(s.attrs, attribute{name: name, prefix: prefix, local: local, value: value})
	switch {
	case len(prefix) == 0 && string(local) == "xmlns":
		return s.declare(at, nil, value)
	case string(prefix) == "xmlns":
		return s.declare(at, local, value)
	}
	return nil
}

// attributeValue reads a quoted value at pos; the span is what stands between the quotes.
func (s *scanner) attributeValue() (span, *SyntaxError) {
	d := s.data
	if s.pos >= len(d) || d[s.pos] != '"' && d[s.pos] != '\'' {
		return span{}, s.fail(s.pos, "an attribute value without quotes")
	}
	quote := d[s.pos]
	s.pos++
	start := s.pos
	for s.pos < len(d) {
		c := d[s.pos]
		if class[c]&cAttr != 0 {
			s.pos++
			continue
		}
		switch c {
		case quote:
			v := span{start, s.pos}
			s.pos++
			return v, nil
		case '"', '\'':
			s.pos++
		case '&':
			if err := s.reference(); err != nil {
				return span{}, err
			}
		case '<':
			return span{}, s.fail(s.pos, "< inside an attribute value")
		case 0xEF:
			if err := s.nonCharacter(); err != nil {
				return span{}, err
			}
		default:
			return span{}, s.fail(s.pos, "a control character")
		}
	}
	return span{}, s.fail(start, "an attribute value without end")
}

// declare enters xmlns[:prefix]="…" (Namespaces in XML 1.0, section 3).
func (s *scanner) declare(at int, prefix []byte, value span) *SyntaxError {
	uri := attributeText(s.data[value.start:value.end])
	switch {
	case string(prefix) == "xmlns" || string(uri) == xmlnsNS:
		return s.fail(at, "a declaration of the prefix or namespace xmlns")
	case (string(prefix) == "xml") != (string(uri) == xmlNS):
		return s.fail(at, "a rebinding of the prefix or namespace xml")
	case prefix != nil && len(uri) == 0:
		return s.fail(at, "a prefix declared with an empty namespace")
	}
	if len(s.ns) >= maxNamespaces {
		return s.tooLarge(at, "too many namespace declarations")
	}
	s.ns = append(s.ns, binding{prefix: prefix, uri: uri, depth: len(s.stack)})
	return nil
}

// lookup resolves a prefix; the empty one may be undeclared and means no namespace.
func (s *scanner) lookup(prefix []byte) ([]byte, bool) {
	for i := len(s.ns) - 1; i >= 0; i-- {
		if bytes.Equal(s.ns[i].prefix, prefix) {
			return s.ns[i].uri, true
		}
	}
	if len(prefix) == 0 {
		return nil, true
	}
	if string(prefix) == "xml" {
		return []byte(xmlNS), true
	}
	return nil, false
}

// resolveAttributes gives prefixed attributes their namespace and refuses two
// with the same expanded name.
func (s *scanner) resolveAttributes(at int) *SyntaxError {
	prefixed := 0
	for i := range s.attrs {
		a := &s.attrs[i]
		if len(a.prefix) == 0 || string(a.prefix) == "xmlns" {
			continue
		}
		space, ok := s.lookup(a.prefix)
		if !ok {
			return s.fail(at, "an attribute with an undeclared prefix")
		}
		a.space = space
		prefixed++
	}
	if prefixed < 2 {
		return nil
	}
	for i := range s.attrs {
		for j := range i {
			a, b := &s.attrs[i], &s.attrs[j]
			if len(a.space) > 0 && bytes.Equal(a.local, b.local) && bytes.Equal(a.space, b.space) {
				return s.fail(at, "two attributes with the same namespace and name")
			}
		}
	}
	return nil
}

// endTag reads </name> at pos.
func (s *scanner) endTag() (event, error) {
	at := s.pos
	top := &s.stack[len(s.stack)-1]
	rest := s.data[at+2:]
	if !bytes.HasPrefix(rest, top.name) {
		return evEOF, s.fail(at, "an end tag that does not match its start tag")
	}
	s.pos = at + 2 + len(top.name)
	if s.pos < len(s.data) && s.data[s.pos] != '>' {
		if !s.skipSpace() || s.pos < len(s.data) && s.data[s.pos] != '>' {
			return evEOF, s.fail(at, "an end tag that does not match its start tag")
		}
	}
	if s.pos >= len(s.data) {
		return evEOF, s.fail(s.pos, "the message ends inside a tag")
	}
	s.pos++
	return s.endElement(at, s.pos)
}

// endElement closes the innermost element, whose end tag starts at close.
func (s *scanner) endElement(close, end int) (event, error) {
	top := s.stack[len(s.stack)-1]
	s.stack = s.stack[:len(s.stack)-1]
	s.popNS = top.nsBase
	s.elem = span{top.start, end}
	s.inner, s.close = top.inner, close
	return evEnd, nil
}

// prolog reads an XML declaration at the very beginning, if there is one
// (production 23). The bytes are UTF-8 by now, whatever it says.
func (s *scanner) prolog() *SyntaxError {
	if !utf8.Valid(s.data) {
		return s.fail(firstInvalid(s.data), "bytes that are not UTF-8")
	}
	d := s.data
	if !bytes.HasPrefix(d, []byte("<?xml")) || len(d) < 6 || class[d[5]]&cSpace == 0 {
		return nil
	}
	s.pos = 5
	seen := 0
	for {
		spaced := s.skipSpace()
		if bytes.HasPrefix(d[s.pos:], piEnd) {
			if seen == 0 {
				return s.fail(s.pos, "an XML declaration without version")
			}
			s.pos += 2
			return nil
		}
		if !spaced {
			return s.fail(s.pos, "a malformed XML declaration")
		}
		at := s.pos
		name, err := s.ncName("a malformed XML declaration")
		if err != nil {
			return err
		}
		s.skipSpace()
		if s.pos >= len(d) || d[s.pos] != '=' {
			return s.fail(s.pos, "a malformed XML declaration")
		}
		s.pos++
		s.skipSpace()
		v, err := s.attributeValue()
		if err != nil {
			return err
		}
		value := d[v.start:v.end]
		switch {
		case string(name) == "version" && seen == 0:
			if string(value) != "1.0" {
				return s.fail(at, "an XML version other than 1.0")
			}
			seen = 1
		case string(name) == "encoding" && seen == 1:
			if !isEncodingName(value) {
				return s.fail(at, "a malformed encoding name")
			}
			seen = 2
		case string(name) == "standalone" && (seen == 1 || seen == 2):
			if string(value) != "yes" && string(value) != "no" {
				return s.fail(at, "standalone that is neither yes nor no")
			}
			seen = 3
		default:
			return s.fail(at, "a malformed XML declaration")
		}
	}
}

// isEncodingName is production [81] EncName.
func isEncodingName(b []byte) bool {
	for i, c := range b {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (i == 0 || class[c]&cName == 0) {
			return false
		}
	}
	return len(b) > 0
}

func firstInvalid(b []byte) int {
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return len(b)
}

// attributeText is the value of an attribute written as raw: references
// resolved, white space normalised (XML 1.0 section 3.3.3). It returns raw
// itself when there is nothing to do.
func attributeText(raw []byte) []byte {
	if bytes.IndexByte(raw, '&') < 0 && !bytes.ContainsAny(raw, "\t\n\r") {
		return raw
	}
	out := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; c {
		case '&':
			r, n := resolveReference(raw[i:])
			if n == 0 {
				return raw // unreachable: the scanner has checked every reference
			}
			out = utf8.AppendRune(out, r)
			i += n - 1
		case '\r':
			if i+1 < len(raw) && raw[i+1] == '\n' {
				i++
			}
			out = append(out, ' ')
		case '\t', '\n':
			out = append(out, ' ')
		default:
			out = append(out, c)
		}
	}
	return out
}

// appendText appends the character data of raw, which the scanner has checked
// and which holds no elements: references resolved, CDATA opened, comments and
// processing instructions left out, line ends as LF (XML 1.0 section 2.11).
func appendText(out, raw []byte) []byte {
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; c {
		case '&':
			r, n := resolveReference(raw[i:])
			if n == 0 {
				return out // unreachable, as above
			}
			out = utf8.AppendRune(out, r)
			i += n - 1
		case '\r':
			if i+1 < len(raw) && raw[i+1] == '\n' {
				i++
			}
			out = append(out, '\n')
		case '<':
			rest := raw[i:]
			switch {
			case bytes.HasPrefix(rest, cdataOpen):
				end := bytes.Index(rest, cdataClose)
				for _, c := range bytes.ReplaceAll(rest[9:end], []byte("\r\n"), []byte("\n")) {
					if c == '\r' {
						c = '\n'
					}
					out = append(out, c)
				}
				i += end + 2
			case bytes.HasPrefix(rest, []byte("<!--")):
				i += 4 + bytes.Index(rest[4:], []byte("-->")) + 2
			default:
				i += bytes.Index(rest, piEnd) + 1
			}
		default:
			out = append(out, c)
		}
	}
	return out
}
