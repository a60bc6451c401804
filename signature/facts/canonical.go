package facts

import (
	"encoding/base64"
	"io"
	"strconv"
	"time"
	"unicode/utf8"
)

// WriteDigestForm writes the form of the facts that the digest in a report is
// taken over: byte for byte the JSON of encoding/json with Certificate.DER,
// Revocation.DER, Timestamp.Token and Signature.Value left out: their ids, and
// ValueSHA256, are the SHA-256 of
// those bytes. It is written out by hand as every verification needs it and
// reflection cost a sixth of one; a test fills every field of every type and
// compares. It panics for times outside the years 0 to 9999, which no reader
// makes. The writer is a hash: its errors are not looked at.
func (f *Facts) WriteDigestForm(to io.Writer) {
	w := &writer{b: make([]byte, 0, 2*flushAt), to: to}
	w.open()
	w.number("version", int64(f.Version))
	w.key("document")
	w.document(&f.Document)
	if f.Container != nil {
		w.key("container")
		w.container(f.Container)
	}
	list(w, "signatures", f.Signatures, (*writer).signature)
	list(w, "timestamps", f.Timestamps, (*writer).timestamp)
	list(w, "certificates", f.Certificates, (*writer).certificate)
	list(w, "revocations", f.Revocations, (*writer).revocation)
	w.strings("unsignedParts", f.UnsignedParts)
	w.problems("problems", f.Problems)
	w.optional("trustVersion", f.TrustVersion)
	w.close()
	w.to.Write(w.b)
}

// flushAt is how much text is kept before it goes to the hash.
const flushAt = 2 << 10

// writer appends JSON as encoding/json writes it with its default of escaping
// HTML characters. Field methods named optional… leave out empty values
// (omitempty); the others write them.
type writer struct {
	b  []byte
	to io.Writer
}

func (w *writer) open()  { w.b = append(w.b, '{') }
func (w *writer) close() { w.b = append(w.b, '}') }

// key starts a field; names are plain ASCII.
func (w *writer) key(name string) {
	if w.b[len(w.b)-1] != '{' {
		w.b = append(w.b, ',')
	}
	w.b = append(w.b, '"')
	w.b = append(w.b, name...)
	w.b = append(w.b, '"', ':')
}

func (w *writer) text(name, s string) {
	w.key(name)
	w.quote(s)
}

func (w *writer) optional(name, s string) {
	if s != "" {
		w.text(name, s)
	}
}

func (w *writer) number(name string, n int64) {
	w.key(name)
	w.b = strconv.AppendInt(w.b, n, 10)
}

func (w *writer) flag(name string, v bool) {
	w.key(name)
	w.b = strconv.AppendBool(w.b, v)
}

func (w *writer) optionalFlag(name string, v bool) {
	if v {
		w.flag(name, v)
	}
}

func (w *writer) flagPtr(name string, v *bool) {
	if v != nil {
		w.flag(name, *v)
	}
}

func (w *writer) numberPtr(name string, v *int) {
	if v != nil {
		w.number(name, int64(*v))
	}
}

func (w *writer) time(name string, t time.Time) {
	w.key(name)
	w.b = append(w.b, '"')
	var err error
	if w.b, err = t.AppendText(w.b); err != nil {
		panic("facts: " + err.Error())
	}
	w.b = append(w.b, '"')
}

func (w *writer) timePtr(name string, t *time.Time) {
	if t != nil {
		w.time(name, *t)
	}
}

func (w *writer) bytes(name string, v []byte) {
	w.key(name)
	if v == nil {
		w.b = append(w.b, "null"...)
		return
	}
	w.b = append(w.b, '"')
	w.b = base64.StdEncoding.AppendEncode(w.b, v)
	w.b = append(w.b, '"')
}

func (w *writer) optionalBytes(name string, v []byte) {
	if len(v) > 0 {
		w.bytes(name, v)
	}
}

func (w *writer) strings(name string, v []string) {
	w.key(name)
	if v == nil {
		w.b = append(w.b, "null"...)
		return
	}
	w.b = append(w.b, '[')
	for i, s := range v {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		w.quote(s)
	}
	w.b = append(w.b, ']')
}

func (w *writer) optionalStrings(name string, v []string) {
	if len(v) > 0 {
		w.strings(name, v)
	}
}

// list writes a field of objects, null when the list is nil.
func list[T any](w *writer, name string, v []T, item func(*writer, *T)) {
	w.key(name)
	if v == nil {
		w.b = append(w.b, "null"...)
		return
	}
	w.b = append(w.b, '[')
	for i := range v {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		item(w, &v[i])
		if n := len(w.b) - 1; n >= flushAt {
			w.to.Write(w.b[:n])
			w.b[0] = w.b[n] // key looks at the last character
			w.b = w.b[:1]
		}
	}
	w.b = append(w.b, ']')
}

func optionalList[T any](w *writer, name string, v []T, item func(*writer, *T)) {
	if len(v) > 0 {
		list(w, name, v, item)
	}
}

// plain are the ASCII characters that stand for themselves.
var plain = func() (t [256]bool) {
	for c := byte(' '); c < utf8.RuneSelf; c++ {
		t[c] = c != '"' && c != '\\' && c != '<' && c != '>' && c != '&'
	}
	return t
}()

// quote writes a string literal: encoding/json escapes quotes, backslashes,
// control characters, <, >, &, U+2028, U+2029 and replaces invalid UTF-8.
func (w *writer) quote(s string) {
	const hex = "0123456789abcdef"
	b := append(w.b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if plain[c] {
			i++
			continue
		}
		if c < utf8.RuneSelf {
			b = append(b, s[start:i]...)
			switch c {
			case '"', '\\':
				b = append(b, '\\', c)
			case '\b':
				b = append(b, `\b`...)
			case '\f':
				b = append(b, `\f`...)
			case '\n':
				b = append(b, `\n`...)
			case '\r':
				b = append(b, `\r`...)
			case '\t':
				b = append(b, `\t`...)
			default:
				b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			}
			i++
			start = i
			continue
		}
		if c >= 0xc2 && c <= 0xdf && i+1 < len(s) && s[i+1]&0xc0 == 0x80 {
			i += 2 // two octets, Cyrillic among them: never special
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			b = append(append(b, s[start:i]...), `\ufffd`...)
			start = i + n
		case r == '\u2028' || r == '\u2029':
			b = append(append(b, s[start:i]...), `\u202`...)
			b = append(b, hex[r&15])
			start = i + n
		}
		i += n
	}
	b = append(b, s[start:]...)
	w.b = append(b, '"')
}
