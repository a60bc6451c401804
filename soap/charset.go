package soap

import (
	"bytes"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// decodeCharset turns a message as received into UTF-8 without byte order
// mark. A byte order mark decides first, then the charset parameter of the
// content type, then the XML declaration, then UTF-8 (RFC 7303 section 3).
// UTF-8 input is returned as it is, not copied.
func decodeCharset(data []byte, charset string) ([]byte, *Fault) {
	switch {
	case bytes.HasPrefix(data, []byte("\xEF\xBB\xBF")):
		return data[3:], nil
	case bytes.HasPrefix(data, []byte("\xFF\xFE")):
		return decodeUTF16(data[2:], false)
	case bytes.HasPrefix(data, []byte("\xFE\xFF")):
		return decodeUTF16(data[2:], true)
	}
	if charset == "" {
		charset = declaredEncoding(data)
	}
	switch strings.ToLower(charset) {
	case "", "utf-8", "utf8", "us-ascii", "ascii":
		return data, nil
	case "utf-16", "utf-16be": // without mark, utf-16 is big-endian (RFC 2781 section 4.3)
		return decodeUTF16(data, true)
	case "utf-16le":
		return decodeUTF16(data, false)
	case "iso-8859-1", "latin1":
		return decodeSingleByte(data, func(c byte) rune { return rune(c) })
	case "windows-1251", "cp1251":
		return decodeSingleByte(data, windows1251)
	case "iso-8859-5":
		return decodeSingleByte(data, iso8859dash5)
	}
	return nil, Faultf("UnsupportedEncoding", "the character encoding is not supported; send UTF-8")
}

// declaredEncoding reads the encoding of an ASCII-compatible XML declaration.
func declaredEncoding(data []byte) string {
	if !bytes.HasPrefix(data, []byte("<?xml")) {
		return ""
	}
	end := bytes.Index(data[:min(len(data), 256)], piEnd)
	if end < 0 {
		return ""
	}
	_, rest, found := bytes.Cut(data[:end], []byte("encoding"))
	if !found {
		return ""
	}
	rest = bytes.TrimLeft(rest, " \t\r\n=")
	if len(rest) < 2 || rest[0] != '"' && rest[0] != '\'' {
		return ""
	}
	value, _, _ := bytes.Cut(rest[1:], rest[:1])
	return string(value)
}

func decodeUTF16(data []byte, bigEndian bool) ([]byte, *Fault) {
	bad := Faultf("InvalidSoap", "bytes that are not UTF-16")
	if len(data)%2 != 0 {
		return nil, bad
	}
	out := make([]byte, 0, len(data)/2+len(data)/8)
	unit := func(i int) rune {
		if bigEndian {
			return rune(data[i])<<8 | rune(data[i+1])
		}
		return rune(data[i+1])<<8 | rune(data[i])
	}
	for i := 0; i < len(data); i += 2 {
		r := unit(i)
		if utf16.IsSurrogate(r) {
			if i+3 >= len(data) {
				return nil, bad
			}
			i += 2
			if r = utf16.DecodeRune(r, unit(i)); r == utf8.RuneError {
				return nil, bad
			}
		}
		out = utf8.AppendRune(out, r)
	}
	return out, nil
}

func decodeSingleByte(data []byte, table func(byte) rune) ([]byte, *Fault) {
	out := make([]byte, 0, len(data)+len(data)/2)
	for _, c := range data {
		if c < 0x80 {
			out = append(out, c)
			continue
		}
		r := table(c)
		if r == utf8.RuneError {
			return nil, Faultf("InvalidSoap", "a byte the declared character encoding does not define")
		}
		out = utf8.AppendRune(out, r)
	}
	return out, nil
}

// windows1251 is the Cyrillic code page still sent by older Ukrainian systems;
// source: the IANA registration of windows-1251.
func windows1251(c byte) rune {
	if c >= 0xC0 {
		return 0x0410 + rune(c-0xC0)
	}
	const high = "ЂЃ‚ѓ„…†‡€‰Љ‹ЊЌЋЏђ‘’“”•–—\uFFFD™љ›њќћџ\u00A0ЎўЈ¤Ґ¦§Ё©Є«¬\u00AD®Ї°±Ііґµ¶·ё№є»јЅѕї"
	return nth(high, int(c)-0x80)
}

// iso8859dash5 is ISO/IEC 8859-5.
func iso8859dash5(c byte) rune {
	switch {
	case c <= 0xA0 || c == 0xAD:
		return rune(c)
	case c == 0xF0:
		return '№'
	case c == 0xFD:
		return '§'
	}
	return 0x0360 + rune(c)
}

func nth(s string, n int) rune {
	for _, r := range s {
		if n == 0 {
			return r
		}
		n--
	}
	return utf8.RuneError
}

// DecodeCharset turns a document of another encoding into UTF-8; false when
// the encoding is not one of those that messages come in.
func DecodeCharset(data []byte, charset string) ([]byte, bool) {
	text, fault := decodeCharset(data, charset)
	return text, fault == nil
}
