package cert

import (
	"strings"

	"mist/signature/internal/ber"
)

// altNames of a subject, as far as name constraints need them.
type altNames struct {
	dns, email, uri []string
	directory       []Name
	ip              [][]byte
}

func (a *altNames) read(e ber.Element) error {
	for c := e.Children(); !c.Empty(); {
		g, err := c.Next()
		if err != nil {
			return err
		}
		switch g.Tag {
		case 0x81:
			a.email = append(a.email, string(g.Body))
		case 0x82:
			a.dns = append(a.dns, string(g.Body))
		case 0x86:
			a.uri = append(a.uri, string(g.Body))
		case 0x87:
			a.ip = append(a.ip, g.Body)
		case 0xa4:
			n, err := ber.One(g.Body)
			if err != nil {
				return err
			}
			name, err := ParseName(n)
			if err != nil {
				return err
			}
			a.directory = append(a.directory, name)
		}
	}
	return nil
}

// nameConstraints are permitted and excluded subtrees (RFC 5280, 4.2.1.10).
type nameConstraints struct {
	permitted, excluded []subtree
}

type subtree struct {
	tag  byte
	text string
	name Name
	raw  []byte
}

func parseNameConstraints(e ber.Element) (*nameConstraints, error) {
	nc := &nameConstraints{}
	for c := e.Children(); !c.Empty(); {
		list, err := c.Next()
		if err != nil {
			return nil, err
		}
		for s := list.Children(); !s.Empty(); {
			t, err := s.Expect(ber.Sequence)
			if err != nil {
				return nil, err
			}
			tc := t.Children()
			base, err := tc.Next()
			if err != nil {
				return nil, err
			}
			st := subtree{tag: base.Tag, text: string(base.Body), raw: base.Body}
			if base.Tag == 0xa4 {
				n, err := ber.One(base.Body)
				if err != nil {
					return nil, err
				}
				if st.name, err = ParseName(n); err != nil {
					return nil, err
				}
			}
			if list.Tag == 0xa0 {
				nc.permitted = append(nc.permitted, st)
			} else {
				nc.excluded = append(nc.excluded, st)
			}
		}
	}
	return nc, nil
}

// PermitsNames says whether the name constraints of c, if any, allow the
// names of sub.
func (c *Certificate) PermitsNames(sub *Certificate) bool {
	nc := c.nameConstraints
	if nc == nil {
		return true
	}
	check := func(tag byte, match func(subtree) bool) bool {
		any, ok := false, false
		for _, s := range nc.permitted {
			if s.tag == tag {
				any = true
				ok = ok || match(s)
			}
		}
		if any && !ok {
			return false
		}
		for _, s := range nc.excluded {
			if s.tag == tag && match(s) {
				return false
			}
		}
		return true
	}
	for _, n := range append([]Name{sub.Subject}, sub.altNames.directory...) {
		if len(n.Attributes) > 0 && !check(0xa4, func(s subtree) bool { return within(n, s.name) }) {
			return false
		}
	}
	emails := sub.altNames.email
	if sub.Identity.Email != "" {
		emails = append([]string{sub.Identity.Email}, emails...)
	}
	for _, m := range emails {
		if !check(0x81, func(s subtree) bool {
			host := m[strings.LastIndexByte(m, '@')+1:]
			switch {
			case strings.Contains(s.text, "@"):
				return strings.EqualFold(m, s.text)
			case strings.HasPrefix(s.text, "."):
				return hasSuffixFold(host, s.text)
			}
			return strings.EqualFold(host, s.text)
		}) {
			return false
		}
	}
	for _, d := range sub.altNames.dns {
		if !check(0x82, func(s subtree) bool {
			return s.text == "" || strings.EqualFold(d, s.text) || hasSuffixFold(d, "."+strings.TrimPrefix(s.text, "."))
		}) {
			return false
		}
	}
	for _, ip := range sub.altNames.ip {
		if !check(0x87, func(s subtree) bool {
			if len(s.raw) != 2*len(ip) {
				return false
			}
			for i := range ip {
				if (ip[i]^s.raw[i])&s.raw[len(ip)+i] != 0 {
					return false
				}
			}
			return true
		}) {
			return false
		}
	}
	return true
}

func hasSuffixFold(s, suffix string) bool {
	return len(s) >= len(suffix) && strings.EqualFold(s[len(s)-len(suffix):], suffix)
}

// within says whether base is an initial part of n.
func within(n, base Name) bool {
	if len(base.Attributes) > len(n.Attributes) {
		return false
	}
	for i, a := range base.Attributes {
		if n.Attributes[i].OID != a.OID || fold(n.Attributes[i].Value) != fold(a.Value) {
			return false
		}
	}
	return true
}
