package xmldom

import (
	"bytes"
	"encoding/binary"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"

	"golang.org/x/text/encoding/charmap"
)

// legacyCharsets are the one-byte encodings met in signed documents of the corpora and of Ukrainian offices. They are
// decoded to UTF-8 before parsing, as canonical XML requires; every byte must be assigned.
var legacyCharsets = map[string]*charmap.Charmap{
	"ISO-8859-1": charmap.ISO8859_1, "ISO-8859-2": charmap.ISO8859_2, "ISO-8859-5": charmap.ISO8859_5,
	"WINDOWS-1250": charmap.Windows1250, "WINDOWS-1251": charmap.Windows1251, "WINDOWS-1252": charmap.Windows1252,
	"KOI8-U": charmap.KOI8U,
}

// decode returns the document as UTF-8 without byte order mark, with line ends normalised (XML 1.0, 2.11) and every
// character checked against production [2] Char.
// Octets that belong to the parser (owned) are normalised where they are; others are never written to.
func decode(src []byte, limit int, owned bool) (text, encoding string, err error) {
	refuse := func(detail string) (string, string, error) {
		return "", "", &SyntaxError{Reason: EncodingRefused, Detail: detail}
	}
	if len(src) > limit {
		return "", "", &SyntaxError{Reason: LimitExceeded, Offset: limit, Detail: "document is longer than the limit"}
	}
	var utf8Text []byte
	encoding = "UTF-8"
	bom := false
	switch {
	case bytes.HasPrefix(src, []byte{0, 0, 0xFE, 0xFF}), bytes.HasPrefix(src, []byte{0xFF, 0xFE, 0, 0}),
		bytes.HasPrefix(src, []byte{0, 0, 0, '<'}), bytes.HasPrefix(src, []byte{'<', 0, 0, 0}):
		return refuse("utf-32 is not supported; send utf-8")
	case bytes.HasPrefix(src, []byte{0xFE, 0xFF}):
		encoding, bom, src = "UTF-16BE", true, src[2:]
	case bytes.HasPrefix(src, []byte{0xFF, 0xFE}):
		encoding, bom, src = "UTF-16LE", true, src[2:]
	case bytes.HasPrefix(src, []byte{0, '<'}):
		encoding = "UTF-16BE"
	case bytes.HasPrefix(src, []byte{'<', 0}):
		encoding = "UTF-16LE"
	case bytes.HasPrefix(src, []byte{0xEF, 0xBB, 0xBF}):
		bom, src = true, src[3:]
	}
	if encoding != "UTF-8" {
		var order binary.ByteOrder = binary.BigEndian
		if encoding == "UTF-16LE" {
			order = binary.LittleEndian
		}
		var ok bool
		if utf8Text, ok = decodeUTF16(src, order); !ok {
			return refuse("not well-formed utf-16")
		}
		if declared := declaredEncoding(utf8Text); declared != "" && declared != "UTF-16" && declared != encoding {
			return refuse("declared encoding contradicts the byte order mark or the octets")
		}
	} else {
		utf8Text = src
		switch declared := declaredEncoding(src); {
		case declared == "" || declared == "UTF-8" || declared == "US-ASCII" || declared == "ASCII":
		case bom:
			return refuse("declared encoding contradicts the utf-8 byte order mark")
		default:
			cm, known := legacyCharsets[declared]
			if !known {
				return refuse("declared encoding is not supported; send utf-8")
			}
			encoding = declared
			out := make([]byte, 0, len(src)+len(src)/2)
			for _, b := range src {
				r := cm.DecodeByte(b)
				if r == utf8.RuneError {
					return refuse("byte is not assigned in the declared encoding")
				}
				out = utf8.AppendRune(out, r)
			}
			utf8Text = out
		}
	}
	if len(utf8Text) > limit {
		return "", "", &SyntaxError{Reason: LimitExceeded, Offset: limit, Detail: "document is longer than the limit"}
	}
	if !utf8.Valid(utf8Text) {
		return refuse("not well-formed utf-8")
	}
	carriageReturns := false
	for i, b := range utf8Text {
		switch {
		case b >= 0x20 && b != 0xEF:
		case b == '\n' || b == '\t':
		case b == '\r':
			carriageReturns = true
		case b == 0xEF && (utf8Text[i+1] != 0xBF || utf8Text[i+2] < 0xBE):
		default:
			return "", "", &SyntaxError{Reason: Malformed, Offset: i, Detail: "character not allowed in xml"}
		}
	}
	if carriageReturns {
		out := utf8Text[:0]
		if !owned {
			out = make([]byte, 0, len(utf8Text))
		}
		for i, b := range utf8Text {
			if b == '\r' {
				if i+1 < len(utf8Text) && utf8Text[i+1] == '\n' {
					continue
				}
				b = '\n'
			}
			out = append(out, b)
		}
		utf8Text = out
	}
	// Nobody changes the octets from here on (see ParseOwned and ParseShared), so they may back the string.
	return unsafe.String(unsafe.SliceData(utf8Text), len(utf8Text)), encoding, nil
}

func decodeUTF16(src []byte, order binary.ByteOrder) ([]byte, bool) {
	if len(src)%2 != 0 {
		return nil, false
	}
	out := make([]byte, 0, len(src)/2+len(src)/4)
	for i := 0; i < len(src); i += 2 {
		r := rune(order.Uint16(src[i:]))
		if utf16.IsSurrogate(r) {
			if i+4 > len(src) {
				return nil, false
			}
			i += 2
			if r = utf16.DecodeRune(r, rune(order.Uint16(src[i:]))); r == utf8.RuneError {
				return nil, false
			}
		}
		out = utf8.AppendRune(out, r)
	}
	return out, true
}

// declaredEncoding reads the encoding of the XML declaration, upper case, or "". It only picks the decoder; the
// declaration is read in full, and strictly, by the parser.
func declaredEncoding(b []byte) string {
	if !bytes.HasPrefix(b, []byte("<?xml")) {
		return ""
	}
	end := bytes.Index(b[:min(len(b), 200)], []byte("?>"))
	if end < 0 {
		return ""
	}
	decl := b[:end]
	at := bytes.Index(decl, []byte("encoding"))
	if at < 0 {
		return ""
	}
	rest := bytes.TrimLeft(decl[at+len("encoding"):], " \t\r\n")
	if len(rest) == 0 || rest[0] != '=' {
		return ""
	}
	rest = bytes.TrimLeft(rest[1:], " \t\r\n")
	if len(rest) < 2 || (rest[0] != '"' && rest[0] != '\'') {
		return ""
	}
	stop := bytes.IndexByte(rest[1:], rest[0])
	if stop < 0 {
		return ""
	}
	return strings.ToUpper(string(rest[1 : 1+stop]))
}
