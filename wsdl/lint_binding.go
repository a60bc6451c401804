package wsdl

import (
	"strings"

	"github.com/beevik/etree"
)

const (
	soap12NS      = "http://schemas.xmlsoap.org/wsdl/soap12/"
	httpTransport = "http://schemas.xmlsoap.org/soap/http"
)

func (l *linter) bindings() {
	bindings := children(l.root, NS, "binding")
	if len(bindings) != 1 {
		l.err("one-port", l.root, "there must be exactly one binding, SOAP 1.1")
	}
	for _, b := range bindings {
		if len(children(b, soap12NS, "binding")) > 0 {
			l.err("one-port", b, "a SOAP 1.2 binding; wsimport and Mono generate nothing for it")
			continue
		}
		sb := children(b, soapNS, "binding")
		if len(sb) != 1 || sb[0].SelectAttrValue("transport", "") != httpTransport {
			l.err("document-literal", b, "a SOAP 1.1 binding over HTTP is needed")
			continue
		}
		style := sb[0].SelectAttrValue("style", "document")
		port := l.named("portType", b.SelectAttrValue("type", ""))
		if port == nil {
			l.err("references", b, "its portType does not exist")
		}
		for _, op := range children(b, NS, "operation") {
			l.operation(op, port, style)
		}
	}
}

func (l *linter) operation(op, port *etree.Element, style string) {
	code := op.SelectAttrValue("name", "")
	if badCode(code) {
		l.err("service-code", op, "the operation's name is the service code and has characters that are refused")
	}
	if !upperCamel(code) {
		l.warn("naming", op, "Trembita names services in UpperCamelCase English, version after an underscore")
	}
	if so := children(op, soapNS, "operation"); len(so) != 1 {
		l.err("document-literal", op, "soap:operation is missing")
	} else {
		if so[0].SelectAttrValue("style", style) != "document" {
			l.err("document-literal", op, "the style must be document")
		}
		if a := so[0].SelectAttr("soapAction"); a == nil || a.Value != "" {
			l.warn("soap-action", op, `set soapAction=""`)
		}
	}
	versions := children(op, xroadNS, "version")
	if len(versions) == 0 {
		l.warn("version", op, "no xrd:version")
	}
	for _, v := range versions {
		if badCode(v.Text()) {
			l.err("service-code", v, "the version has characters that are refused")
		}
	}
	for _, direction := range []string{"input", "output"} {
		io := children(op, NS, direction)
		if len(io) != 1 {
			l.err("document-literal", op, "%s is missing", direction)
			continue
		}
		l.bound(io[0], direction)
	}
	l.portOperation(op, port, code)
}

// bound checks one binding input or output: literal body, declared headers.
func (l *linter) bound(io *etree.Element, direction string) {
	body := children(io, soapNS, "body")
	if len(body) != 1 || body[0].SelectAttrValue("use", "") != "literal" {
		l.err("document-literal", io, "one soap:body with use=literal is needed")
	}
	declared := map[string]bool{}
	for _, h := range children(io, soapNS, "header") {
		message := l.named("message", h.SelectAttrValue("message", ""))
		if message == nil {
			l.err("references", h, "its message does not exist: names are compared letter by letter")
			continue
		}
		if h.SelectAttrValue("use", "") != "literal" {
			l.err("document-literal", h, "use=literal is needed")
		}
		var part *etree.Element
		for _, p := range children(message, NS, "part") {
			if p.SelectAttrValue("name", "") == h.SelectAttrValue("part", "") {
				part = p
			}
		}
		if part == nil {
			l.err("references", h, "its message has no such part")
			continue
		}
		prefix, local, _ := strings.Cut(part.SelectAttrValue("element", ""), ":")
		if resolve(part, prefix) != xroadNS {
			continue
		}
		declared[local] = true
		if local == "requestHash" {
			l.err("request-hash", h, "leave requestHash out")
		}
	}
	for _, need := range []string{"client", "service", "id", "protocolVersion"} {
		if !declared[need] {
			l.err("headers", io, "the X-Road header %s is not declared on %s", need, direction)
		}
	}
	if !declared["userId"] {
		l.warn("headers", io, "the X-Road header userId is not declared on %s; Trembita wants it", direction)
	}
}

func (l *linter) portOperation(op, port *etree.Element, code string) {
	if port == nil {
		return
	}
	var pop *etree.Element
	for _, p := range children(port, NS, "operation") {
		if p.SelectAttrValue("name", "") == code {
			pop = p
		}
	}
	if pop == nil {
		l.err("references", op, "the portType has no operation of this name")
		return
	}
	for direction, element := range map[string]string{"input": code, "output": code + "Response"} {
		io := children(pop, NS, direction)
		if len(io) != 1 {
			l.err("references", pop, "%s is missing", direction)
			continue
		}
		message := l.named("message", io[0].SelectAttrValue("message", ""))
		if message == nil {
			l.err("references", io[0], "its message does not exist: names are compared letter by letter")
			continue
		}
		l.wrapper(message, element)
	}
	l.unwrapped(code)
	l.apart(op, code)
	faults := children(pop, NS, "fault")
	if len(faults) != 1 {
		l.warn("fault", pop, "declare one fault with one element")
	}
	for _, f := range faults {
		if l.named("message", f.SelectAttrValue("message", "")) == nil {
			l.err("references", f, "its message does not exist")
		}
	}
	for _, d := range children(pop, NS, "documentation") {
		if len(children(d, xroadNS, "title")) > 0 {
			return
		}
	}
	l.warn("title", pop, "no xrd:title in the documentation")
}

// wrapper checks the document/literal wrapped convention of one message.
func (l *linter) wrapper(message *etree.Element, want string) {
	parts := children(message, NS, "part")
	if len(parts) != 1 {
		l.err("wrapped", message, "a body message has one part; headers live in a message of their own")
		return
	}
	q := parts[0].SelectAttrValue("element", "")
	if q == "" {
		l.err("wrapped", parts[0], "the part must have element, not type")
		return
	}
	prefix, local, ok := strings.Cut(q, ":")
	if !ok {
		prefix, local = "", q
	}
	if local != want {
		l.err("wrapped", parts[0], "the element must be named %s", want)
	}
	if l.declaration(resolve(parts[0], prefix), local) == nil {
		l.err("references", parts[0], "no schema declares the element %s", local)
	}
}

// declaration finds a global element of the inline schemas.
func (l *linter) declaration(space, local string) *etree.Element {
	for _, s := range l.root.FindElements("types/schema") {
		if s.SelectAttrValue("targetNamespace", "") != space {
			continue
		}
		for _, e := range children(s, schemaNS, "element") {
			if e.SelectAttrValue("name", "") == local {
				return e
			}
		}
	}
	return nil
}

// unwrapped compares what a request and its answer hold: clients that unwrap
// make parameters of both, and JAX-WS stops where two have one name, the case of
// the first letter aside, and are not the same element.
func (l *linter) unwrapped(operation string) {
	target := l.root.SelectAttrValue("targetNamespace", "")
	request, answer := l.declaration(target, operation), l.declaration(target, operation+"Response")
	if request == nil || answer == nil {
		return
	}
	type parameter struct{ name, kind string }
	asked := map[string]parameter{}
	for _, e := range request.FindElements("complexType/sequence/element") {
		p := parameter{e.SelectAttrValue("name", ""), e.SelectAttrValue("type", "")}
		asked[lowerFirst(p.name)] = p
	}
	for _, e := range answer.FindElements("complexType/sequence/element") {
		p := parameter{e.SelectAttrValue("name", ""), e.SelectAttrValue("type", "")}
		if q, both := asked[lowerFirst(p.name)]; both && p != q {
			l.err("wrapped", e, "the request has another element called %s; wsimport makes one parameter of each name", q.name)
		}
	}
}

// apart compares the parts of headers with the elements of request and answer:
// wsimport -XadditionalHeaders makes parameters of both, and stops where two
// have one name. The name of a part stands in no message, so it is the one to change.
func (l *linter) apart(op *etree.Element, operation string) {
	target := l.root.SelectAttrValue("targetNamespace", "")
	inside := map[string]bool{}
	for _, name := range []string{operation, operation + "Response"} {
		if d := l.declaration(target, name); d != nil {
			for _, e := range d.FindElements("complexType/sequence/element") {
				inside[lowerFirst(e.SelectAttrValue("name", ""))] = true
			}
		}
	}
	for _, io := range append(children(op, NS, "input"), children(op, NS, "output")...) {
		for _, h := range children(io, soapNS, "header") {
			if part := h.SelectAttrValue("part", ""); inside[lowerFirst(part)] {
				l.err("wrapped", h, "the body has an element %s too; wsimport makes one parameter of each name: call the part otherwise", part)
				return
			}
		}
	}
}

func lowerFirst(s string) string {
	if s == "" {
		return ""
	}
	return strings.ToLower(s[:1]) + s[1:]
}

// messages checks header messages: element parts of X-Road's namespace that its schema declares.
func (l *linter) messages() {
	for _, m := range children(l.root, NS, "message") {
		for _, p := range children(m, NS, "part") {
			if p.SelectAttr("type") != nil {
				l.err("wrapped", p, "the part must have element, not type")
				continue
			}
			prefix, local, _ := strings.Cut(p.SelectAttrValue("element", ""), ":")
			if resolve(p, prefix) != xroadNS {
				continue
			}
			found := false
			for _, s := range l.root.FindElements("types/schema") {
				if s.SelectAttrValue("targetNamespace", "") == xroadNS {
					for _, e := range children(s, schemaNS, "element") {
						found = found || e.SelectAttrValue("name", "") == local
					}
				}
			}
			if !found {
				l.err("references", p, "the inlined X-Road schema does not declare %s", local)
			}
		}
	}
}

func (l *linter) services() {
	services := children(l.root, NS, "service")
	if len(services) != 1 {
		l.err("one-port", l.root, "there must be exactly one service")
		return
	}
	ports := children(services[0], NS, "port")
	if len(ports) != 1 {
		l.err("one-port", services[0], "there must be exactly one port")
	}
	for _, p := range ports {
		if l.named("binding", p.SelectAttrValue("binding", "")) == nil {
			l.err("references", p, "its binding does not exist")
		}
		address := children(p, soapNS, "address")
		if len(address) != 1 || !strings.HasPrefix(address[0].SelectAttrValue("location", ""), "http") {
			l.err("address", p, "a soap:address with an http(s) location is needed")
		}
	}
}

// named finds a top-level element by a qualified name of the target namespace.
func (l *linter) named(tag, qname string) *etree.Element {
	prefix, local, ok := strings.Cut(qname, ":")
	if !ok {
		prefix, local = "", qname
	}
	if space := resolve(l.root, prefix); space != l.root.SelectAttrValue("targetNamespace", "") {
		return nil
	}
	for _, e := range children(l.root, NS, tag) {
		if e.SelectAttrValue("name", "") == local {
			return e
		}
	}
	return nil
}

func upperCamel(s string) bool {
	name, _, _ := strings.Cut(s, "_")
	if name == "" || name[0] < 'A' || name[0] > 'Z' {
		return false
	}
	return !strings.ContainsFunc(name, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9')
	})
}
