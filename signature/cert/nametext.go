package cert

import (
	"encoding/hex"
	"strings"
	"unicode/utf8"

	"mist/signature/internal/ber"
)

// maxNameText bounds a distinguished name written as text.
const maxNameText = 4096

// textTypes are the attribute types by the words met in written names (RFC 4514, 3; RFC 2253; what Java, .NET, OpenSSL
// and national signers write), upper case.
var textTypes = map[string]string{
	"CN": oidCommonName, "SN": oidSurname, "SURNAME": oidSurname, "SERIALNUMBER": oidSerialNumber, "C": oidCountry,
	"L": oidLocality, "ST": oidRegion, "S": oidRegion, "SP": oidRegion, "O": oidOrganization, "OU": oidUnit,
	"T": oidTitle, "TITLE": oidTitle, "G": oidGivenName, "GN": oidGivenName, "GIVENNAME": oidGivenName,
	"PSEUDONYM": oidPseudonym, "ORGANIZATIONIDENTIFIER": oidOrgID, "E": oidEmail, "EMAIL": oidEmail,
	"EMAILADDRESS": oidEmail, "STREET": "2.5.4.9", "STREETADDRESS": "2.5.4.9", "POSTALCODE": "2.5.4.17",
	"DC": "0.9.2342.19200300.100.1.25", "UID": "0.9.2342.19200300.100.1.1", "DNQ": "2.5.4.46", "DNQUALIFIER": "2.5.4.46",
}

// TextKeys returns the keys (Name.Key) of the names that a text of RFC 4514 can mean: read from the most specific
// attribute, as the RFC says, and from the least, as some signers write. Nothing when it is no such text.
func TextKeys(s string) []string {
	if len(s) > maxNameText || !utf8.ValidString(s) {
		return nil
	}
	var rdns []string // canonical forms, as written
	s = strings.TrimSpace(s)
	rdn := "/"
	for s != "" {
		kind, rest, found := strings.Cut(s, "=")
		oid := attributeType(strings.TrimSpace(kind))
		if !found || oid == "" {
			return nil
		}
		value, end, ok := textValue(rest)
		if !ok {
			return nil
		}
		rdn += oid + "=" + fold(value) + "\x00"
		s = ""
		if end < len(rest) {
			if s = strings.TrimSpace(rest[end+1:]); s == "" {
				return nil
			}
			if rest[end] == '+' {
				continue
			}
		}
		rdns = append(rdns, rdn)
		rdn = "/"
	}
	if len(rdns) == 0 || len(rdns) > 64 {
		return nil
	}
	forward := strings.Join(rdns, "")
	var reverse strings.Builder
	for i := len(rdns) - 1; i >= 0; i-- {
		reverse.WriteString(rdns[i])
	}
	if reverse.String() == forward {
		return []string{forward}
	}
	return []string{reverse.String(), forward}
}

func attributeType(s string) string {
	s = strings.ToUpper(s)
	if oid, ok := textTypes[s]; ok {
		return oid
	}
	s = strings.TrimPrefix(s, "OID.")
	dots := 0
	for i := range len(s) {
		switch {
		case s[i] == '.':
			dots++
		case s[i] < '0' || s[i] > '9':
			return ""
		}
	}
	if dots == 0 {
		return ""
	}
	return s
}

// textValue reads an attribute value up to a separator, which stands at end.
func textValue(s string) (value string, end int, ok bool) {
	start := len(s) - len(strings.TrimLeft(s, " "))
	rest := s[start:]
	if strings.HasPrefix(rest, "#") {
		stop := strings.IndexAny(rest, ",+;")
		if stop < 0 {
			stop = len(rest)
		}
		der, err := hex.DecodeString(strings.TrimSpace(rest[1:stop]))
		if err != nil {
			return "", 0, false
		}
		e, err := ber.One(der)
		if err != nil {
			return "", 0, false
		}
		text, err := e.Text()
		return text, start + stop, err == nil
	}
	quoted := strings.HasPrefix(rest, `"`)
	i := 0
	if quoted {
		i = 1
	}
	var b []byte
	keep := 0 // length of b up to which spaces are part of the value
	for ; i < len(rest); i++ {
		switch c := rest[i]; {
		case c == '\\':
			if i+1 == len(rest) {
				return "", 0, false
			}
			if i+2 < len(rest) {
				if d, err := hex.DecodeString(rest[i+1 : i+3]); err == nil {
					b = append(b, d[0])
					i += 2
					keep = len(b)
					continue
				}
			}
			i++
			b = append(b, rest[i])
			keep = len(b)
		case quoted && c == '"':
			tail := strings.TrimLeft(rest[i+1:], " ")
			if tail != "" && !strings.ContainsRune(",+;", rune(tail[0])) {
				return "", 0, false
			}
			return string(b), len(s) - len(tail), utf8.Valid(b)
		case !quoted && (c == ',' || c == '+' || c == ';'):
			return trimmed(b, keep), start + i, utf8.Valid(b)
		default:
			b = append(b, c)
		}
	}
	return trimmed(b, keep), len(s), !quoted && utf8.Valid(b)
}

// trimmed drops the spaces after a value; those before keep were escaped and belong to it.
func trimmed(b []byte, keep int) string {
	return string(b[:keep]) + strings.TrimRight(string(b[keep:]), " ")
}
