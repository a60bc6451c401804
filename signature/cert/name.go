package cert

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"mist/signature/internal/ber"
)

// Attribute of a distinguished name.
type Attribute struct {
	OID   string
	Value string
	raw   ber.Element
}

// Name is a distinguished name with its original encoding.
type Name struct {
	Raw        []byte
	Attributes []Attribute // in encoded order; multi-valued RDNs flattened
	canonical  string
}

// ParseName reads a Name; an empty one is allowed.
func ParseName(e ber.Element) (Name, error) {
	if err := e.Is(ber.Sequence); err != nil {
		return Name{}, err
	}
	n := Name{Raw: e.Full, Attributes: make([]Attribute, 0, 8)}
	canon := make([]byte, 0, len(e.Full)+len(e.Full)/2)
	for c := e.Children(); !c.Empty(); {
		rdn, err := c.Expect(ber.Set)
		if err != nil {
			return Name{}, err
		}
		canon = append(canon, '/')
		for a := rdn.Children(); !a.Empty(); {
			atv, err := a.Expect(ber.Sequence)
			if err != nil {
				return Name{}, err
			}
			p := atv.Children()
			id, err := p.Expect(ber.OID)
			if err != nil {
				return Name{}, err
			}
			oid, err := id.OID()
			if err != nil {
				return Name{}, err
			}
			v, err := p.Next()
			if err != nil {
				return Name{}, err
			}
			text, err := v.Text()
			if err != nil {
				text = fmt.Sprintf("#%x", v.Full)
			}
			n.Attributes = append(n.Attributes, Attribute{OID: oid, Value: text, raw: v})
			// The NUL after a value keeps values apart: one inside a value
			// is written with a mark.
			canon = append(append(canon, oid...), '=')
			canon = append(appendFolded(canon, text), 0)
			if len(n.Attributes) > 64 {
				return Name{}, fmt.Errorf("%w: more than 64 attributes in a name", ber.ErrSyntax)
			}
		}
	}
	n.canonical = string(canon)
	return n, nil
}

// appendFolded appends the comparison form of RFC 5280, 7.1 in short: case and
// white space at the ends or repeated do not count.
func appendFolded(b []byte, s string) []byte {
	start, space := len(b), false
	for i := 0; i < len(s); {
		r, size := rune(s[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(s[i:])
		}
		i += size
		switch {
		case r == ' ' || unicode.IsSpace(r):
			space = true
			continue
		case space && len(b) > start:
			b = append(b, ' ')
		}
		space = false
		switch {
		case 'A' <= r && r <= 'Z' || 'А' <= r && r <= 'Я':
			r += 0x20 // as unicode.ToLower says; nearly all letters of our names
		case r < utf8.RuneSelf || 'а' <= r && r <= 'ї':
		default:
			r = unicode.ToLower(r)
		}
		b = utf8.AppendRune(b, r)
		if r == 0 {
			b = append(b, 1)
		}
	}
	return b
}

func fold(s string) string { return string(appendFolded(make([]byte, 0, len(s)), s)) }

// Equal compares names: bytes first, then the folded attributes, as issuers
// change string types between a CA certificate and what it issues.
func (n Name) Equal(m Name) bool {
	return bytes.Equal(n.Raw, m.Raw) || n.canonical == m.canonical
}

// Key is a map key: equal for names that are Equal.
func (n Name) Key() string { return n.canonical }

// Get returns the first value of an attribute.
func (n Name) Get(oid string) string {
	for _, a := range n.Attributes {
		if a.OID == oid {
			return a.Value
		}
	}
	return ""
}

// Attribute types.
const (
	oidCommonName   = "2.5.4.3"
	oidSurname      = "2.5.4.4"
	oidSerialNumber = "2.5.4.5"
	oidCountry      = "2.5.4.6"
	oidLocality     = "2.5.4.7"
	oidRegion       = "2.5.4.8"
	oidOrganization = "2.5.4.10"
	oidUnit         = "2.5.4.11"
	oidTitle        = "2.5.4.12"
	oidGivenName    = "2.5.4.42"
	oidPseudonym    = "2.5.4.65"
	oidOrgID        = "2.5.4.97"
	oidEmail        = "1.2.840.113549.1.9.1"
)

var shortNames = map[string]string{
	oidCommonName: "CN", oidSurname: "SN", oidSerialNumber: "serialNumber", oidCountry: "C",
	oidLocality: "L", oidRegion: "ST", oidOrganization: "O", oidUnit: "OU", oidTitle: "title",
	oidGivenName: "GN", oidOrgID: "organizationIdentifier", oidEmail: "emailAddress",
	"2.5.4.9": "street", "0.9.2342.19200300.100.1.25": "DC",
}

// String is the RFC 4514 form, most specific attribute first.
func (n Name) String() string {
	var b strings.Builder
	for i := len(n.Attributes) - 1; i >= 0; i-- {
		a := n.Attributes[i]
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		short, ok := shortNames[a.OID]
		if !ok {
			short = a.OID
		}
		b.WriteString(short)
		b.WriteByte('=')
		b.WriteString(escape(a.Value))
	}
	return b.String()
}

func escape(s string) string {
	if plainName(s) {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		switch {
		case strings.ContainsRune(`,+"\<>;`, r), i == 0 && (r == '#' || r == ' '):
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\%02X`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// plainName says whether s needs no escaping; most names do not.
func plainName(s string) bool {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case ',', '+', '"', '\\', '<', '>', ';', 0x7f:
			return false
		default:
			if c < ' ' || i == 0 && (c == '#' || c == ' ') {
				return false
			}
		}
	}
	return true
}
