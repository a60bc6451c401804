package diia

import (
	"bytes"
	"encoding/base64"
	"slices"
	"unicode/utf8"

	"mist/registry"
	"mist/wsdl/gen/diia"
)

// plainDeclarationByPatient reads the body of the commonest question in the
// form nearly every client writes: the contract's elements in its order, one
// prefix for all, no attributes but namespace declarations, no comments, no
// references, values that obey their types. It takes a part of what the schema
// takes and reads it as the schema's way does (FuzzPlain holds both to that), at
// an eighth of the cost; ok is false for everything else, which goes that way.
func plainDeclarationByPatient(namespace string, doc []byte, into *diia.GetDeclarationByPatient) (ok bool) {
	p := plain{rest: doc}
	if !p.root("GetDeclarationByPatient", namespace) {
		return false
	}
	var person diia.PersonIdentity
	*into = diia.GetDeclarationByPatient{Person: &person}
	into.RequestId = diia.UUID(p.text("requestId", isUUID))
	p.open("person")
	if p.at("rnokpp") {
		person.Rnokpp = diia.Rnokpp(p.text("rnokpp", func(t []byte) bool { return len(t) == 10 && digits(t) }))
	}
	if p.at("unzr") {
		person.Unzr = diia.Unzr(p.text("unzr", func(t []byte) bool { return len(t) == 14 && digits(t[:8]) && t[8] == '-' && digits(t[9:]) }))
	}
	if p.at("document") {
		p.open("document")
		person.Document = &diia.IdentityDocument{Type_: diia.ShortText(p.text("type", isShort)), Number: diia.ShortText(p.text("number", isShort))}
		p.close("document")
	}
	person.LastName = diia.Name(p.text("lastName", isName))
	person.FirstName = diia.Name(p.text("firstName", isName))
	if p.at("patronymic") {
		person.Patronymic = diia.Name(p.text("patronymic", isName))
	}
	if p.at("birthDate") {
		person.BirthDate = p.text("birthDate", isDay)
	}
	p.close("person")
	if p.at("consent") {
		p.open("consent")
		into.Consent = &diia.Consent{}
		if p.at("signedConsent") {
			into.Consent.SignedConsent = p.text("signedConsent", isBase64)
		}
		if p.at("consentId") {
			into.Consent.ConsentId = diia.UUID(p.text("consentId", isUUID))
		}
		p.close("consent")
	}
	for p.at("status") {
		into.Status = append(into.Status, diia.DeclarationStatus(p.text("status", isStatus)))
	}
	if p.at("purposeId") {
		into.PurposeId = diia.ShortText(p.text("purposeId", isShort))
	}
	p.close("GetDeclarationByPatient")
	return !p.failed && len(p.rest) == 0
}

// plain reads elements of one namespace in one prefix.
type plain struct {
	rest   []byte
	prefix []byte // with its colon
	failed bool
}

// root reads the start tag of the document's element and finds what its prefix
// stands for.
func (p *plain) root(name, namespace string) bool {
	end := bytes.IndexByte(p.rest, '>')
	if end < 0 || p.rest[0] != '<' {
		return false
	}
	tag := p.rest[1:end]
	p.rest = p.rest[end+1:]
	qname, attributes, _ := bytes.Cut(tag, []byte(" "))
	at := len(qname) - len(name)
	if at < 0 || string(qname[at:]) != name || at == 1 || at > 0 && qname[at-1] != ':' || bytes.Count(qname, []byte(":")) > 1 {
		return false
	}
	p.prefix = qname[:at]
	declaration := []byte("xmlns")
	if at > 0 {
		declaration = append([]byte("xmlns:"), qname[:at-1]...)
	}
	var seen [][]byte
	bound := false
	for len(attributes) > 0 {
		key, rest, found := bytes.Cut(attributes, []byte(`="`))
		value, after, closed := bytes.Cut(rest, []byte(`"`))
		isNamespace := bytes.Equal(key, []byte("xmlns")) || bytes.HasPrefix(key, []byte("xmlns:")) && isPrefix(key[6:])
		if !found || !closed || !isNamespace || len(seen) == 32 || slices.ContainsFunc(seen, func(k []byte) bool { return bytes.Equal(k, key) }) ||
			len(value) == 0 || !isText(value) || len(after) > 0 && after[0] != ' ' {
			return false
		}
		seen = append(seen, key)
		if bytes.Equal(key, declaration) {
			if string(value) != namespace {
				return false
			}
			bound = true
		}
		if len(after) > 0 {
			after = after[1:]
			if len(after) == 0 {
				return false
			}
		}
		attributes = after
	}
	return bound
}

// isPrefix is narrower than a name of XML, and leaves what begins with "xml" to
// the other way.
func isPrefix(t []byte) bool {
	for i, c := range t {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_'
		if !letter && (i == 0 || !(c >= '0' && c <= '9' || c == '-' || c == '.')) {
			return false
		}
	}
	return len(t) > 0 && !(len(t) >= 3 && bytes.EqualFold(t[:3], []byte("xml")))
}

// tag takes what begins the rest, behind white space.
func (p *plain) tag(before, name string, take bool) bool {
	rest := bytes.TrimLeft(p.rest, " \t\n")
	n := len(before) + len(p.prefix) + len(name) + 1
	if p.failed || len(rest) < n || string(rest[:len(before)]) != before || !bytes.Equal(rest[len(before):len(before)+len(p.prefix)], p.prefix) ||
		string(rest[n-1-len(name):n-1]) != name || rest[n-1] != '>' {
		return false
	}
	if take {
		p.rest = rest[n:]
	}
	return true
}

func (p *plain) at(name string) bool { return p.tag("<", name, false) }

func (p *plain) open(name string) { p.failed = !p.tag("<", name, true) || p.failed }

func (p *plain) close(name string) { p.failed = !p.tag("</", name, true) || p.failed }

// text reads an element of text.
func (p *plain) text(name string, valid func([]byte) bool) string {
	p.open(name)
	end := bytes.IndexByte(p.rest, '<')
	if p.failed || end < 0 {
		p.failed = true
		return ""
	}
	text := p.rest[:end]
	// White space before an end tag would be the text's.
	if p.rest = p.rest[end:]; !p.tag("</", name, true) || !valid(text) || !isText(text) {
		p.failed = true
	}
	return string(text)
}

// isText reports characters of XML that need no second thought: no references,
// no carriage returns, no end of a section, nothing outside of Unicode.
func isText(t []byte) bool {
	ascii := true
	for _, c := range t {
		if c < 0x20 && c != '\n' && c != '\t' || c == '&' || c == '<' || c == '>' {
			return false
		}
		ascii = ascii && c < 0x80
	}
	return ascii || utf8.Valid(t) && !bytes.Contains(t, []byte("\uFFFE")) && !bytes.Contains(t, []byte("\uFFFF"))
}

func digits(t []byte) bool {
	return !slices.ContainsFunc(t, func(c byte) bool { return c < '0' || c > '9' })
}

func isUUID(t []byte) bool {
	_, err := registry.ParseID(string(t))
	return err == nil
}

func isName(t []byte) bool { n := utf8.RuneCount(t); return n >= 1 && n <= 255 }

func isShort(t []byte) bool { n := utf8.RuneCount(t); return n >= 1 && n <= 64 }

func isDay(t []byte) bool {
	if len(t) != len("2006-01-02") || t[0] == '0' {
		return false
	}
	_, err := registry.ParseDate(string(t))
	return err == nil
}

func isStatus(t []byte) bool {
	switch string(t) {
	case "active", "pending_verification", "terminated", "closed", "rejected":
		return true
	}
	return false
}

// isBase64 takes the form without white space, and of the last group what a
// strict reader takes.
func isBase64(t []byte) bool {
	if len(t) == 0 || len(t)%4 != 0 {
		return false
	}
	var last [3]byte
	if _, err := base64.StdEncoding.Strict().Decode(last[:], t[len(t)-4:]); err != nil {
		return false
	}
	for _, c := range t[:len(t)-4] {
		if !base64Digit[c] {
			return false
		}
	}
	return base64Digit[t[len(t)-4]] && base64Digit[t[len(t)-3]]
}

var base64Digit = func() (is [256]bool) {
	for _, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/" {
		is[c] = true
	}
	return is
}()

// checked is the schema check of an operation, spared for bodies in the plain
// form.
func (b *binding) checked(code string, schema func([]byte) error) func([]byte) error {
	if code != "GetDeclarationByPatient" {
		return schema
	}
	return func(doc []byte) error {
		if plainDeclarationByPatient(b.Contract.TargetNamespace, doc, new(diia.GetDeclarationByPatient)) {
			return nil
		}
		return schema(doc)
	}
}
