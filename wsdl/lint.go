package wsdl

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/beevik/etree"
)

// Severity of a finding.
type Severity string

// Severities: an error stops some client or the security server, a warning
// makes life harder for someone.
const (
	SeverityError   Severity = "error"
	SeverityWarning Severity = "warning"
)

// Finding is one thing the linter does not like.
type Finding struct {
	Severity Severity
	// Rule is the stable name of the rule; see [Rules].
	Rule string
	// Where is the path of the element.
	Where string
	Text  string
}

// String gives one line.
func (f Finding) String() string {
	return fmt.Sprintf("%s %s %s: %s", f.Severity, f.Rule, f.Where, f.Text)
}

// rules names every rule with what breaks when it is not kept. The interop
// reasons were measured with seven client stacks.
var rules = []struct{ name, why string }{
	{"document", "a well-formed WSDL 1.1 document without DOCTYPE"},
	{"self-contained", "zeep, PHP, node-soap, gSOAP, JAX-WS and Mono stop at a location they cannot fetch"},
	{"xml-namespace", "importing the xml namespace makes zeep download it from www.w3.org"},
	{"identifiers-qualified", "without attributeFormDefault=qualified PHP and gSOAP send objectType without its namespace"},
	{"one-port", "clients take the first port they find; wsimport and Mono generate nothing for SOAP 1.2"},
	{"document-literal", "X-Road requires document/literal"},
	{"wrapped", "clients unwrap only when there is one element part named like the operation"},
	{"references", "a name that differs in one letter stops zeep, PHP, gSOAP, JAX-WS and Mono"},
	{"headers", "headers not declared on input and output cannot be sent or read by generated clients"},
	{"request-hash", "requestHash is written by security servers (PR-MESS 2.2)"},
	{"service-code", "security servers refuse : ; % / \\ and control characters in codes and versions"},
	{"naming", "Trembita wants UpperCamelCase English service names and a target namespace on the publisher's registered domain; until there is a publisher a URN does"},
	{"schema-style", "constructs that at least one client stack reads wrongly"},
	{"identifier-type", "an identifier typed as a number loses its leading zeros"},
	{"soap-action", "the security server refuses an unquoted SOAPAction; an empty one is safe"},
	{"fault", "one declared fault arrives typed in JAX-WS and PHP"},
	{"policy", "WS-Policy and WS-Addressing are not spoken on X-Road"},
	{"version", "X-Road reads the service version from the binding operation"},
	{"title", "X-Road portals show xrd:title of the operation"},
	{"address", "zeep, PHP and node-soap call the address of the document"},
}

// Rules lists the rule names with their reasons.
func Rules() map[string]string {
	out := make(map[string]string, len(rules))
	for _, r := range rules {
		out[r.name] = r.why
	}
	return out
}

// Lint judges a WSDL document by X-Road's and Trembita's rules and by what
// client stacks can read. It never fetches anything.
func Lint(source []byte) []Finding {
	doc, err := parse(source)
	if err != nil {
		return []Finding{{SeverityError, "document", "/", err.Error()}}
	}
	l := &linter{root: doc.Root()}
	l.imports()
	l.schemas()
	l.bindings()
	l.messages()
	l.services()
	slices.SortStableFunc(l.found, func(a, b Finding) int { return strings.Compare(string(a.Severity), string(b.Severity)) })
	return l.found
}

type linter struct {
	root  *etree.Element
	found []Finding
}

func (l *linter) report(s Severity, rule string, e *etree.Element, format string, args ...any) {
	where := e.GetPath()
	if name := e.SelectAttrValue("name", ""); name != "" {
		where += "[" + name + "]"
	}
	l.found = append(l.found, Finding{s, rule, where, fmt.Sprintf(format, args...)})
}

func (l *linter) err(rule string, e *etree.Element, format string, args ...any) {
	l.report(SeverityError, rule, e, format, args...)
}

func (l *linter) warn(rule string, e *etree.Element, format string, args ...any) {
	l.report(SeverityWarning, rule, e, format, args...)
}

// children gives child elements by namespace and name.
func children(e *etree.Element, space, tag string) (out []*etree.Element) {
	for _, c := range e.ChildElements() {
		if c.Tag == tag && c.NamespaceURI() == space {
			out = append(out, c)
		}
	}
	return out
}

// all gives every element below, in document order.
func all(e *etree.Element) (out []*etree.Element) {
	for _, c := range e.ChildElements() {
		out = append(append(out, c), all(c)...)
	}
	return out
}

func (l *linter) imports() {
	for _, e := range all(l.root) {
		space := e.NamespaceURI()
		switch {
		case e.Tag == "import" && space == NS:
			l.err("self-contained", e, "the document imports another; put everything in one file")
		case space == schemaNS && (e.Tag == "import" || e.Tag == "include" || e.Tag == "redefine"):
			if e.SelectAttr("schemaLocation") != nil {
				l.err("self-contained", e, "a schemaLocation; put the schema inline and import by namespace only")
			}
			if e.SelectAttrValue("namespace", "") == "http://www.w3.org/XML/1998/namespace" {
				l.err("xml-namespace", e, "leave xml:lang out of the inlined X-Road schema")
			}
		case strings.Contains(space, "/policy") || strings.Contains(space, "ws-policy"), strings.Contains(space, "/addressing"):
			l.err("policy", e, "WS-Policy or WS-Addressing")
		}
		if e.Tag == "Include" && space == "http://www.w3.org/2004/08/xop/include" {
			l.err("schema-style", e, "an XOP reference in a contract")
		}
	}
}

func (l *linter) schemas() {
	types := children(l.root, NS, "types")
	if len(types) != 1 {
		l.err("self-contained", l.root, "there must be one types element with inline schemas")
		return
	}
	target := l.root.SelectAttrValue("targetNamespace", "")
	if u, err := url.Parse(target); err != nil || !isWeb(u) && !isURN(target) {
		l.err("naming", l.root, "the target namespace must be an absolute http(s) URI, or a URN before the publisher is known")
	} else if strings.HasSuffix(u.Host, "tempuri.org") {
		l.err("naming", l.root, "tempuri.org belongs to nobody; use the organisation's registered domain")
	}
	own := false
	for _, s := range children(types[0], schemaNS, "schema") {
		switch s.SelectAttrValue("targetNamespace", "") {
		case identifiersNS:
			if s.SelectAttrValue("attributeFormDefault", "") != "qualified" {
				l.err("identifiers-qualified", s, `set attributeFormDefault="qualified"`)
			}
			if s.SelectAttrValue("elementFormDefault", "") != "qualified" {
				l.err("identifiers-qualified", s, `set elementFormDefault="qualified"`)
			}
		case xroadNS:
		default:
			own = own || s.SelectAttrValue("targetNamespace", "") == target
			l.ownSchema(s)
		}
	}
	if !own {
		l.err("self-contained", types[0], "no schema of the target namespace")
	}
}

// plainTypes are the built-in types every client stack reads alike.
var plainTypes = []string{"string", "int", "long", "boolean", "decimal", "date", "dateTime", "base64Binary", "token", "normalizedString"}

func (l *linter) ownSchema(s *etree.Element) {
	if s.SelectAttrValue("elementFormDefault", "") != "qualified" {
		l.err("schema-style", s, `set elementFormDefault="qualified"`)
	}
	for _, e := range all(s) {
		if e.NamespaceURI() != schemaNS {
			continue
		}
		switch e.Tag {
		case "any", "anyAttribute":
			l.err("schema-style", e, "content of any kind arrives as raw XML or not at all")
		case "choice":
			l.warn("schema-style", e, "choice becomes an Item member in .NET; prefer optional elements and a rule")
		case "complexContent":
			l.warn("schema-style", e, "derived types need xsi:type, which clients handle differently")
		case "attribute":
			l.warn("schema-style", e, "prefer elements: node-soap and SOAP::Lite hide attributes")
		case "element":
			l.element(e)
		}
		if t := e.SelectAttrValue("type", ""); t != "" {
			l.typeOf(e, t)
		}
		if b := e.SelectAttrValue("base", ""); b != "" {
			l.typeOf(e, b)
		}
	}
}

func (l *linter) element(e *etree.Element) {
	if e.SelectAttrValue("nillable", "false") == "true" {
		l.err("schema-style", e, `nillable means null, absent or empty, by client; use minOccurs="0"`)
	}
	if e.SelectAttr("default") != nil || e.SelectAttr("fixed") != nil {
		l.err("schema-style", e, "default and fixed are filled in by some clients only")
	}
	for _, a := range e.Attr {
		if a.Key == "expectedContentTypes" {
			l.err("schema-style", e, "PHP, Mono and node-soap cannot read MTOM answers; use plain base64Binary")
		}
	}
	for _, r := range e.SelectAttrValue("name", "") {
		if r > 0x7E {
			l.err("schema-style", e, "element names must be ASCII")
			break
		}
	}
}

// identifierNames mark elements that hold digits but are no numbers.
var identifierNames = []string{"rnokpp", "unzr", "edrpou", "drfo", "taxid", "passport", "phone", "documentnumber", "zip"}

func (l *linter) typeOf(e *etree.Element, qname string) {
	prefix, local, ok := strings.Cut(qname, ":")
	if !ok {
		prefix, local = "", qname
	}
	if resolve(e, prefix) != schemaNS {
		return
	}
	if local == "anyType" || local == "anySimpleType" {
		l.err("schema-style", e, "%s arrives as raw XML or not at all", local)
		return
	}
	if !slices.Contains(plainTypes, local) {
		l.warn("schema-style", e, "xs:%s is not among the types every client reads alike", local)
	}
	number := local == "decimal" || strings.HasSuffix(strings.ToLower(local), "int") || strings.HasSuffix(local, "long") || strings.HasSuffix(strings.ToLower(local), "integer")
	name := strings.ToLower(e.SelectAttrValue("name", ""))
	if number && slices.ContainsFunc(identifierNames, func(id string) bool { return strings.Contains(name, id) }) {
		l.err("identifier-type", e, "type it as xs:string: leading zeros are significant")
	}
}

// resolve gives the namespace a prefix means at e.
func resolve(e *etree.Element, prefix string) string {
	for ; e != nil; e = e.Parent() {
		for _, a := range e.Attr {
			if prefix == "" && a.Space == "" && a.Key == "xmlns" || prefix != "" && a.Space == "xmlns" && a.Key == prefix {
				return a.Value
			}
		}
	}
	return ""
}

func badCode(s string) bool {
	return s == "" || strings.ContainsFunc(s, func(r rune) bool {
		return r < 0x20 || r == 0x7F || r == 0x200B || r == 0xFEFF || strings.ContainsRune(`:;%/\`, r)
	})
}
