package soap

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// SyntaxError is a message that is not the XML we read: not well-formed
// (XML 1.0, Namespaces in XML 1.0), or with something SOAP forbids (SOAP 1.1
// section 3, SOAP 1.2 part 1 section 5: no document type declaration). It
// gives the place and never repeats text of the message.
type SyntaxError struct {
	Line, Column int
	Problem      string
	// TooLarge tells that a limit was passed; the XML itself may be sound.
	TooLarge bool
}

// Error implements error.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("line %d column %d: %s", e.Line, e.Column, e.Problem)
}

type event uint8

const (
	evEOF event = iota
	evStart
	evEnd
	evText // character data, CDATA or references between two tags; one event per run
)

// span is a half-open range of the scanned bytes.
type span struct{ start, end int }

// binding is one namespace declaration in scope.
type binding struct {
	prefix []byte
	uri    []byte
	depth  int
}

type attribute struct {
	name   []byte // as written
	prefix []byte
	local  []byte
	space  []byte // resolved; empty for an unprefixed attribute
	value  span   // between the quotes, as written
}

type frame struct {
	name   []byte // as written, to match the end tag
	nsBase int    // declarations below this index belong to ancestors
	start  int    // offset of '<'
	inner  int    // offset after the start tag's '>'
}

// scanner is a pull reader of one XML document held in memory as UTF-8. It
// keeps slices of the input and allocates only when a limit of its own small
// stacks grows. It refuses document type declarations, all entities but the
// five predefined, duplicate attributes (by name and by namespace), undeclared
// prefixes, rebinding of xml and xmlns, characters outside XML 1.0 and
// anything after the root but comments and processing instructions.
type scanner struct {
	data []byte
	pos  int

	stack []frame
	ns    []binding
	attrs []attribute

	// Of the element just started or ended.
	prefix, local, space []byte
	elem                 span // end event: the whole element; start event: the start tag
	inner                int  // end event: offset of the first byte after the start tag
	close                int  // end event: offset of the end tag ('<'); equals inner when empty
	empty                bool // start event of <a/>; its end event follows

	text     span // text event: the raw run
	plain    bool // text event: no CDATA, reference, comment or CR inside the run
	blank    bool // text event: white space only
	elements int
	// attributes of the whole message: each is compared with those of its element.
	attributes int
	sawRoot    bool
	pendEnd    bool // an empty-element tag's end event is due
	popNS      int  // truncate ns to this before the next event; -1 none
	err        *SyntaxError
	firstStep  bool
}

// reset prepares the scanner for another document, keeping its stacks.
func (s *scanner) reset(data []byte) {
	*s = scanner{data: data, stack: s.stack[:0], ns: s.ns[:0], attrs: s.attrs[:0], popNS: -1, firstStep: true}
}

const (
	xmlNS   = "http://www.w3.org/XML/1998/namespace"
	xmlnsNS = "http://www.w3.org/2000/xmlns/"
)

// Character classes, ASCII by table; the rest by rune.
const (
	cText  = 1 << iota // may stand in character data without a closer look
	cSpace             // white space
	cNameStart
	cName
	cAttr // may stand in an attribute value without a closer look
)

var class = func() (t [256]uint8) { // a constant table; Go has no constant arrays
	for c := 0x20; c < 0x80; c++ {
		t[c] |= cText | cAttr
	}
	for c := 0x80; c < 0x100; c++ {
		t[c] |= cText | cAttr
	}
	t['<'] &^= cText | cAttr
	t['&'] &^= cText | cAttr
	t[']'] &^= cText
	t['"'] &^= cAttr
	t['\''] &^= cAttr
	t[0xEF] &^= cText | cAttr // U+FFFE and U+FFFF begin with EF BF
	for _, c := range []byte{' ', '\t', '\n'} {
		t[c] |= cSpace | cText | cAttr
	}
	t['\r'] |= cSpace | cAttr
	for c := 'a'; c <= 'z'; c++ {
		t[c] |= cNameStart | cName
		t[c-32] |= cNameStart | cName
	}
	t['_'] |= cNameStart | cName
	for c := '0'; c <= '9'; c++ {
		t[c] |= cName
	}
	t['-'] |= cName
	t['.'] |= cName
	return t
}()

func (s *scanner) fail(at int, problem string) *SyntaxError {
	if s.err == nil {
		s.err = newSyntaxError(s.data, at, problem)
	}
	return s.err
}

func (s *scanner) tooLarge(at int, problem string) *SyntaxError {
	e := s.fail(at, problem)
	e.TooLarge = true
	return e
}

func newSyntaxError(data []byte, at int, problem string) *SyntaxError {
	at = min(at, len(data))
	before := data[:at]
	line := 1 + bytes.Count(before, []byte{'\n'})
	col := 1 + utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:])
	return &SyntaxError{Line: line, Column: col, Problem: problem}
}

// next gives the next event. After an error it keeps giving that error.
func (s *scanner) next() (event, error) {
	if s.err != nil {
		return evEOF, s.err
	}
	if s.popNS >= 0 {
		s.ns = s.ns[:s.popNS]
		s.popNS = -1
	}
	if s.pendEnd {
		s.pendEnd = false
		return s.endElement(s.pos, s.pos)
	}
	if s.firstStep {
		s.firstStep = false
		if err := s.prolog(); err != nil {
			return evEOF, err
		}
	}
	if len(s.stack) > 0 {
		return s.content()
	}
	return s.outside()
}

// outside reads what may stand before and after the root element.
func (s *scanner) outside() (event, error) {
	for {
		for s.pos < len(s.data) && class[s.data[s.pos]]&cSpace != 0 {
			s.pos++
		}
		if s.pos == len(s.data) {
			if !s.sawRoot {
				return evEOF, s.fail(s.pos, "no element in the message")
			}
			return evEOF, nil
		}
		if s.data[s.pos] != '<' {
			if s.sawRoot {
				return evEOF, s.fail(s.pos, "text after the root element")
			}
			return evEOF, s.fail(s.pos, "text before the root element")
		}
		skipped, err := s.skipMarkup()
		if err != nil {
			return evEOF, err
		}
		if skipped {
			continue
		}
		if s.sawRoot {
			return evEOF, s.fail(s.pos, "a second root element")
		}
		s.sawRoot = true
		return s.startElement()
	}
}

// content reads inside the root element.
func (s *scanner) content() (event, error) {
	start := s.pos
	plain, blank := true, true
	d := s.data
	for {
		// Most of a message is white space between tags and plain text: two
		// tight loops over the table, nothing else decided in them.
		i := s.pos
		if blank {
			for i < len(d) && class[d[i]]&(cSpace|cText) == cSpace|cText {
				i++
			}
		}
		if i < len(d) && class[d[i]]&cText != 0 {
			blank = false
			for i < len(d) && class[d[i]]&cText != 0 {
				i++
			}
		}
		s.pos = i
		if i >= len(d) {
			return evEOF, s.fail(i, "the message ends inside an element")
		}
		c := d[i]
		switch c {
		case '<':
			if bytes.HasPrefix(d[s.pos:], cdataOpen) {
				end := bytes.Index(d[s.pos+9:], cdataClose)
				if end < 0 {
					return evEOF, s.fail(s.pos, "a CDATA section without end")
				}
				if err := s.checkChars(s.pos+9, s.pos+9+end); err != nil {
					return evEOF, err
				}
				if end > 0 {
					blank = false
				}
				plain = false
				s.pos += 9 + end + 3
				continue
			}
			at := s.pos
			skipped, err := s.skipMarkup()
			if err != nil {
				return evEOF, err
			}
			if skipped {
				plain = false
				continue
			}
			if at > start {
				s.text, s.plain, s.blank = span{start, at}, plain, blank
				return evText, nil
			}
			if s.pos+1 < len(d) && d[s.pos+1] == '/' {
				return s.endTag()
			}
			return s.startElement()
		case '&':
			if err := s.reference(); err != nil {
				return evEOF, err
			}
			plain, blank = false, false
		case ']':
			if bytes.HasPrefix(d[s.pos:], cdataClose) {
				return evEOF, s.fail(s.pos, "]]> in character data")
			}
			blank = false
			s.pos++
		case '\r':
			plain = false
			s.pos++
		case 0xEF:
			if err := s.nonCharacter(); err != nil {
				return evEOF, err
			}
			blank = false
		default:
			return evEOF, s.fail(s.pos, "a control character")
		}
	}
}

var (
	cdataOpen  = []byte("<![CDATA[")
	cdataClose = []byte("]]>")
	commentEnd = []byte("--")
	piEnd      = []byte("?>")
	nonChars   = [2][]byte{[]byte("\uFFFE"), []byte("\uFFFF")}
)

// nonCharacter steps over a character that begins with EF unless it is U+FFFE or U+FFFF.
func (s *scanner) nonCharacter() *SyntaxError {
	rest := s.data[s.pos:]
	if bytes.HasPrefix(rest, nonChars[0]) || bytes.HasPrefix(rest, nonChars[1]) {
		return s.fail(s.pos, "a character XML does not allow")
	}
	s.pos += 3 // the input is valid UTF-8, and EF begins three bytes
	return nil
}

// checkChars refuses characters XML does not allow in data[from:to].
func (s *scanner) checkChars(from, to int) *SyntaxError {
	for i := from; i < to; i++ {
		c := s.data[i]
		if c >= 0x20 && c != 0xEF || class[c]&cSpace != 0 {
			continue
		}
		if c != 0xEF {
			return s.fail(i, "a control character")
		}
		rest := s.data[i:to]
		if bytes.HasPrefix(rest, nonChars[0]) || bytes.HasPrefix(rest, nonChars[1]) {
			return s.fail(i, "a character XML does not allow")
		}
	}
	return nil
}

// skipMarkup steps over a comment or processing instruction at pos and reports
// whether there was one. Document type declarations end here.
func (s *scanner) skipMarkup() (bool, error) {
	d := s.data[s.pos:]
	if len(d) < 2 {
		return false, s.fail(s.pos, "the message ends inside a tag")
	}
	switch d[1] {
	case '!':
		switch {
		case bytes.HasPrefix(d, []byte("<!--")):
			end := bytes.Index(d[4:], commentEnd)
			if end < 0 {
				return false, s.fail(s.pos, "a comment without end")
			}
			if 4+end+2 >= len(d) || d[4+end+2] != '>' {
				return false, s.fail(s.pos+4+end, "-- inside a comment")
			}
			if err := s.checkChars(s.pos+4, s.pos+4+end); err != nil {
				return false, err
			}
			s.pos += 4 + end + 3
			return true, nil
		case bytes.HasPrefix(d, []byte("<!DOCTYPE")):
			return false, s.fail(s.pos, "a document type declaration; SOAP messages must not have one")
		}
		return false, s.fail(s.pos, "unknown markup after <!")
	case '?':
		at := s.pos
		s.pos += 2
		target, err := s.ncName("a processing instruction without target")
		if err != nil {
			return false, err
		}
		if len(target) == 3 && (target[0]|0x20) == 'x' && (target[1]|0x20) == 'm' && (target[2]|0x20) == 'l' {
			return false, s.fail(at, "an XML declaration that is not at the very beginning")
		}
		end := bytes.Index(s.data[s.pos:], piEnd)
		if end < 0 {
			return false, s.fail(at, "a processing instruction without end")
		}
		if end > 0 && class[s.data[s.pos]]&cSpace == 0 {
			return false, s.fail(s.pos, "a processing instruction's target must end with a blank")
		}
		if err := s.checkChars(s.pos, s.pos+end); err != nil {
			return false, err
		}
		s.pos += end + 2
		return true, nil
	}
	return false, nil
}

// reference checks an entity or character reference at pos and steps over it.
func (s *scanner) reference() *SyntaxError {
	_, n := resolveReference(s.data[s.pos:])
	if n == 0 {
		return s.fail(s.pos, "an entity other than lt, gt, amp, quot, apos, or a bad character reference")
	}
	s.pos += n
	return nil
}

// resolveReference reads &…; at the start of b: the character and the length,
// or a zero length when it is not one of the allowed references.
func resolveReference(b []byte) (rune, int) {
	// The two that stand in every escaped document first: a message can be full of them.
	if len(b) > 3 && b[3] == ';' && b[2] == 't' {
		switch b[1] {
		case 'l':
			return '<', 4
		case 'g':
			return '>', 4
		}
	}
	limit := min(len(b), 12)
	semi := bytes.IndexByte(b[:limit], ';')
	if semi < 2 {
		return 0, 0
	}
	name := b[1:semi]
	switch string(name) {
	case "lt":
		return '<', semi + 1
	case "gt":
		return '>', semi + 1
	case "amp":
		return '&', semi + 1
	case "quot":
		return '"', semi + 1
	case "apos":
		return '\'', semi + 1
	}
	if name[0] != '#' || len(name) < 2 {
		return 0, 0
	}
	digits, base := name[1:], rune(10)
	if digits[0] == 'x' {
		digits, base = digits[1:], 16
	}
	if len(digits) == 0 {
		return 0, 0
	}
	var r rune
	for _, c := range digits {
		var v rune
		switch {
		case c >= '0' && c <= '9':
			v = rune(c - '0')
		case base == 16 && c >= 'a' && c <= 'f':
			v = rune(c-'a') + 10
		case base == 16 && c >= 'A' && c <= 'F':
			v = rune(c-'A') + 10
		default:
			return 0, 0
		}
		if r = r*base + v; r > utf8.MaxRune {
			return 0, 0
		}
	}
	if !isXMLChar(r) {
		return 0, 0
	}
	return r, semi + 1
}

// isXMLChar is production [2] Char of XML 1.0.
func isXMLChar(r rune) bool {
	return r == '\t' || r == '\n' || r == '\r' || r >= 0x20 && r <= 0xD7FF || r >= 0xE000 && r <= 0xFFFD || r >= 0x10000 && r <= 0x10FFFF
}
