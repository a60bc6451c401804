package contract

import (
	"bytes"
	"compress/zlib"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"

	"mist/registry"
)

// PDFType is the only type a contract's document has.
const PDFType = "application/pdf"

// Bounds of what is unpacked of a PDF.
const (
	maxUnpacked = 64 << 20
	maxNesting  = 64
)

// activeNames are the names of what acts by itself or carries another file
// (ISO 32000-1, 7.11.4, 12.6.4, 12.7.8): none of it belongs into a statute.
var activeNames = []string{"/JavaScript", "/Launch", "/EmbeddedFile", "/XFA", "/RichMedia", "/Rendition", "/SubmitForm", "/ImportData", "/GoToE"}

// checkPDF tells a PDF by its bytes (ISO 32000-1, 7.5.2 and 7.5.5), whatever the
// sender calls it, and refuses one that acts by itself. Names are looked for in
// the file and in the objects packed into its object streams (7.5.7); what can
// hide them from us, encryption or another packing, is refused with them. Other
// streams hold no objects and are not unpacked.
func checkPDF(b []byte) error {
	tail := b[max(0, len(b)-1024):]
	if !bytes.HasPrefix(b, []byte("%PDF-")) || !bytes.Contains(tail, []byte("%%EOF")) {
		return registry.Errorf(registry.CodeUnsupportedMedia, "a document of a contract request is a PDF").WithReason("document_type")
	}
	plain := unescaped(b)
	if bytes.Contains(plain, []byte("/Encrypt")) {
		return unread("it is encrypted")
	}
	if err := inactive(plain); err != nil {
		return err
	}
	// Strings may hold what looks like the head of an object, and a comment what
	// looks like a string: each head is read, within a bound.
	left, work := maxUnpacked, 8*len(b)+1<<20
	for at := 0; ; {
		i := bytes.Index(b[at:], []byte("obj"))
		if i < 0 {
			return nil
		}
		headed := isHead(b[:at+i])
		at += i + len("obj")
		if !headed {
			continue
		}
		l := lexer{b: b, at: at}
		d, err := l.value(0)
		if work -= l.at - at; err != nil || work < 0 {
			// A reader may make something of it that we do not.
			return unread(fmt.Sprintf("the object after byte %d is not well formed", at))
		}
		l.space()
		if d.dict == nil || !bytes.HasPrefix(b[l.at:], []byte("stream")) {
			continue
		}
		if err := checkStream(d.dict, b[l.at+len("stream"):], &left); err != nil {
			return err
		}
	}
}

// isHead tells whether what stands before "obj" makes it the head of an object
// (7.3.10): two numbers, or a comment that may hide them.
func isHead(before []byte) bool {
	rest := before
	for range 2 {
		white := bytes.TrimRight(rest, "\x00\t\n\f\r ")
		number := bytes.TrimRight(white, "0123456789")
		if len(white) == len(rest) || len(number) == len(white) {
			line := bytes.TrimRight(rest, "\r\n")
			return len(line) < len(rest) && bytes.IndexByte(line[bytes.LastIndexAny(line, "\r\n")+1:], '%') >= 0
		}
		rest = number
	}
	return true
}

func unread(why string) error {
	return registry.Errorf(registry.CodeUnsupportedMedia, "the PDF cannot be looked through for active content: %s; save it again, best as PDF/A", why).WithReason("document_unread")
}

func inactive(plain []byte) error {
	for _, name := range activeNames {
		if bytes.Contains(plain, []byte(name)) {
			return registry.Errorf(registry.CodeUnsupportedMedia, "a PDF with %s is not taken: save it without active content", name).WithReason("document_active")
		}
	}
	return nil
}

// unescaped writes out the #xx of names (7.3.5). Elsewhere it changes bytes
// nobody looks for.
func unescaped(b []byte) []byte {
	if bytes.IndexByte(b, '#') < 0 {
		return b
	}
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		var c [1]byte
		if b[i] == '#' && i+2 < len(b) {
			if _, err := hex.Decode(c[:], b[i+1:i+3]); err == nil {
				out = append(out, c[0])
				i += 2
				continue
			}
		}
		out = append(out, b[i])
	}
	return out
}

// streamKeys decide whether and how a stream is read as one of objects.
var streamKeys = []string{"Type", "N", "First", "Filter", "DecodeParms", "F"}

// checkStream looks into a stream that a reader could take for one of objects:
// readers go by N and First and not by the type.
func checkStream(dict map[string]value, data []byte, left *int) error {
	_, first := dict["First"]
	_, n := dict["N"]
	if !first && !n && dict["Type"].name != "ObjStm" {
		return nil
	}
	filters := dict["Filter"].list
	if f := dict["Filter"]; f.name != "" {
		filters = []value{f}
	} else if f.other {
		return unread("a stream of objects is packed in a way it tells elsewhere")
	}
	if len(filters) == 0 {
		return nil // it stands open in the file
	}
	_, predicted := dict["DecodeParms"]
	if _, outside := dict["F"]; len(filters) > 1 || filters[0].name != "FlateDecode" || predicted || outside {
		return unread("a stream of objects is packed otherwise than by FlateDecode")
	}
	z, err := zlib.NewReader(bytes.NewReader(bytes.TrimLeft(data, " \t\r\n")))
	if err != nil {
		return unread("a stream of objects does not unpack")
	}
	// A stream that breaks off is looked at as far as it goes: so do readers.
	plain, err := io.ReadAll(io.LimitReader(z, int64(*left)+1))
	if err != nil && len(plain) == 0 {
		return unread("a stream of objects does not unpack")
	}
	if *left -= len(plain); *left < 0 {
		return unread(fmt.Sprintf("its objects unpack to more than %d MiB", maxUnpacked>>20))
	}
	return inactive(unescaped(plain))
}

// value is an object of a PDF as far as it matters here.
type value struct {
	name  string
	dict  map[string]value
	list  []value
	other bool // a number, a string, a reference …
}

var errPDF = errors.New("not well formed")

// lexer reads the objects of ISO 32000-1, 7.3.
type lexer struct {
	b  []byte
	at int
}

func isSpace(c byte) bool { return bytes.IndexByte([]byte("\x00\t\n\f\r "), c) >= 0 }
func isDelimiter(c byte) bool {
	return bytes.IndexByte([]byte("()<>[]{}/%"), c) >= 0
}

// space passes over white space and comments.
func (l *lexer) space() {
	for l.at < len(l.b) {
		switch {
		case isSpace(l.b[l.at]):
			l.at++
		case l.b[l.at] == '%':
			for l.at < len(l.b) && l.b[l.at] != '\n' && l.b[l.at] != '\r' {
				l.at++
			}
		default:
			return
		}
	}
}

func (l *lexer) begins(s string) bool {
	if !bytes.HasPrefix(l.b[l.at:], []byte(s)) {
		return false
	}
	l.at += len(s)
	return true
}

// word reads regular characters; none is no word.
func (l *lexer) word() string {
	from := l.at
	for l.at < len(l.b) && !isSpace(l.b[l.at]) && !isDelimiter(l.b[l.at]) {
		l.at++
	}
	return string(l.b[from:l.at])
}

func (l *lexer) value(depth int) (value, error) {
	l.space()
	switch {
	case depth > maxNesting || l.at >= len(l.b):
		return value{}, errPDF
	case l.begins("<<"):
		return l.dict(depth)
	case l.begins("["):
		return l.array(depth)
	case l.begins("/"):
		return value{name: string(unescaped([]byte(l.word())))}, nil
	case l.begins("<"):
		end := bytes.IndexByte(l.b[l.at:], '>')
		if end < 0 {
			return value{}, errPDF
		}
		l.at += end + 1
		return value{other: true}, nil
	case l.begins("("):
		return value{other: true}, l.text()
	}
	if l.word() == "" {
		return value{}, errPDF
	}
	// "12 0 R" is one value of three words (7.3.10).
	back := l.at
	l.space()
	l.word()
	l.space()
	if l.word() != "R" {
		l.at = back
	}
	return value{other: true}, nil
}

func (l *lexer) dict(depth int) (value, error) {
	d := map[string]value{}
	for {
		l.space()
		if l.begins(">>") {
			return value{dict: d}, nil
		}
		if !l.begins("/") {
			return value{}, errPDF
		}
		key := string(unescaped([]byte(l.word())))
		v, err := l.value(depth + 1)
		if err != nil {
			return value{}, err
		}
		if _, twice := d[key]; twice && slices.Contains(streamKeys, key) {
			return value{}, errPDF // readers differ in which one counts
		}
		d[key] = v
	}
}

func (l *lexer) array(depth int) (value, error) {
	out := value{list: []value{}}
	for {
		l.space()
		if l.begins("]") {
			return out, nil
		}
		v, err := l.value(depth + 1)
		if err != nil {
			return value{}, err
		}
		out.list = append(out.list, v)
	}
}

// text passes over a literal string (7.3.4.2).
func (l *lexer) text() error {
	for open := 1; l.at < len(l.b); l.at++ {
		switch l.b[l.at] {
		case '\\':
			l.at = min(l.at+1, len(l.b)-1)
		case '(':
			open++
		case ')':
			if open--; open == 0 {
				l.at++
				return nil
			}
		}
	}
	return errPDF
}
