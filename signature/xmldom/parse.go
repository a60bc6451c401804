package xmldom

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// Parse reads one document. src is copied; it may be changed afterwards. Errors are of type *SyntaxError.
func Parse(src []byte, limits Limits) (*Document, error) {
	return ParseOwned(bytes.Clone(src), limits)
}

// ParseOwned is Parse without the copy: the document keeps src, which must never be changed again.
func ParseOwned(src []byte, limits Limits) (*Document, error) {
	limits = limits.withDefaults()
	text, encoding, err := decode(src, limits.Bytes)
	if err != nil {
		return nil, err
	}
	p := &parser{src: text, limits: limits, doc: &Document{source: text, Encoding: encoding, root: None}}
	return p.document()
}

// rawName is what is known of a qualified name as written, before its prefix is resolved.
type rawName struct {
	prefix int32
	colon  int // length of the prefix, 0 without
	// The last resolution: most documents bind a prefix once.
	space int32
	entry uint32
}

type nameKey struct {
	raw   string
	space int32
}

type openElement struct {
	id    ID
	raw   string
	binds int // length of parser.undo when the element was opened
}

type binding struct{ prefix, uri int32 }

type parser struct {
	src    string
	pos    int
	limits Limits
	doc    *Document

	prefixIndex map[string]int32
	uriIndex    map[string]int32
	raws        map[string]*rawName
	nameIndex   map[nameKey]uint32
	bound       []int32 // by prefix index: the namespace in scope, -1 when undeclared
	undo        []binding
	open        []openElement

	declared []int32 // by prefix index: the start tag (by offset) that last declared the prefix
	tag      int32   // offset of the start tag being read
	pending  []pendingAttr
}

type pendingAttr struct {
	raw    string
	name   *rawName
	value  span
	offset int
}

const fewAttributes = 16 // up to here duplicates are found by comparing pairs

func (p *parser) fail(reason Reason, detail string) error {
	return &SyntaxError{Reason: reason, Offset: p.pos, Detail: detail}
}

func (p *parser) malformed(detail string) error { return p.fail(Malformed, detail) }

func (p *parser) document() (*Document, error) {
	d := p.doc
	// Counting markup costs little beside growing the arrays: an element has one or two less-than signs and about as
	// many texts.
	markup := strings.Count(p.src, "<")
	start := markup - strings.Count(p.src, "</")
	d.nodes = make([]node, 1, min(markup+markup/4, p.limits.Nodes)+8)
	d.elements = make([]element, 0, min(start, p.limits.Nodes))
	d.nodes[0] = node{kind: DocumentNode, parent: None}
	p.prefixIndex = map[string]int32{"": 0, "xml": 1}
	p.uriIndex = map[string]int32{"": 0, XMLNamespace: 1}
	d.prefixes = []string{"", "xml"}
	d.uris = []string{"", XMLNamespace}
	p.bound = []int32{0, 1}
	p.declared = []int32{-1, -1}
	p.raws = make(map[string]*rawName, 64)
	p.nameIndex = make(map[nameKey]uint32, 64)

	if strings.HasPrefix(p.src, "<?xml") && len(p.src) > 5 && isSpace(p.src[5]) {
		if err := p.xmlDeclaration(); err != nil {
			return nil, err
		}
	}
	for p.pos < len(p.src) {
		if p.src[p.pos] != '<' {
			if err := p.text(); err != nil {
				return nil, err
			}
			continue
		}
		if err := p.markup(); err != nil {
			return nil, err
		}
	}
	switch {
	case len(p.open) > 0:
		return nil, p.malformed("document ends inside an element")
	case d.root == None:
		return nil, p.malformed("document has no element")
	}
	d.nodes[0].end = ID(len(d.nodes))
	return d, nil
}

func (p *parser) markup() error {
	rest := p.src[p.pos:]
	switch {
	case len(rest) < 2:
		return p.malformed("document ends inside markup")
	case rest[1] == '/':
		return p.endTag()
	case rest[1] == '?':
		return p.procInst()
	case strings.HasPrefix(rest, "<!--"):
		return p.comment()
	case strings.HasPrefix(rest, "<![CDATA["):
		if len(p.open) == 0 {
			return p.malformed("character data outside the document element")
		}
		return p.text()
	case strings.HasPrefix(rest, "<!DOCTYPE"):
		return p.fail(DoctypeForbidden, "document type declarations are refused")
	case rest[1] == '!':
		return p.malformed("unknown markup declaration")
	}
	return p.startTag()
}

func (p *parser) add(n node) (ID, error) {
	if len(p.doc.nodes) > p.limits.Nodes {
		return None, p.fail(LimitExceeded, "too many nodes")
	}
	id := ID(len(p.doc.nodes))
	n.parent, n.end = 0, id+1
	if len(p.open) > 0 {
		n.parent = p.open[len(p.open)-1].id
	}
	p.doc.nodes = append(p.doc.nodes, n)
	return id, nil
}

func (p *parser) startTag() error {
	start := p.pos
	p.pos++
	raw, err := p.qname()
	if err != nil {
		return err
	}
	if len(p.open) == 0 && p.doc.root != None {
		return p.malformed("second document element")
	}
	if len(p.open) >= p.limits.Depth {
		return p.fail(LimitExceeded, "elements are nested too deep")
	}
	name, err := p.rawName(raw)
	if err != nil {
		return err
	}
	p.tag = int32(start)
	undo := len(p.undo)
	declStart := len(p.doc.decls)
	empty, err := p.attributes()
	if err != nil {
		return err
	}
	space := p.bound[name.prefix]
	if space < 0 {
		return p.fail(NamespaceInvalid, "element prefix is not declared")
	}
	e := element{
		name: p.intern(raw, name, space), offset: uint32(start), attr: uint32(len(p.doc.attrs)), nattr: uint16(len(p.pending)),
		decl: uint32(declStart), ndecl: uint16(len(p.doc.decls) - declStart),
	}
	for i := range p.pending {
		a := &p.pending[i]
		space := int32(0)
		if a.name.prefix != 0 {
			if space = p.bound[a.name.prefix]; space < 0 {
				p.pos = a.offset
				return p.fail(NamespaceInvalid, "attribute prefix is not declared")
			}
		}
		p.doc.attrs = append(p.doc.attrs, attribute{p.intern(a.raw, a.name, space), a.value})
	}
	attrs := p.doc.attrs[e.attr:]
	if err := p.distinct(attrs); err != nil {
		return err
	}
	id, err := p.add(node{kind: ElementNode, data: span{from: uint32(len(p.doc.elements))}})
	if err != nil {
		return err
	}
	p.doc.elements = append(p.doc.elements, e)
	if p.doc.root == None {
		p.doc.root = id
	}
	for _, a := range attrs {
		if isIdentifier(&p.doc.names[a.name].Name) {
			p.identify(p.doc.text(a.value), id)
		}
	}
	if empty {
		p.unbind(undo)
		return nil
	}
	p.open = append(p.open, openElement{id: id, raw: raw, binds: undo})
	return nil
}

// isIdentifier is the project's own rule for what an ID attribute is; see Document.ByID.
func isIdentifier(n *Name) bool {
	switch n.Space {
	case "":
		return n.Local == "Id" || n.Local == "ID" || n.Local == "id"
	case XMLNamespace:
		return n.Local == "id"
	case wsuNamespace:
		return n.Local == "Id"
	}
	return false
}

func (p *parser) identify(value string, id ID) {
	if p.doc.ids == nil {
		p.doc.ids = make(map[string]identified, 16)
	}
	e, found := p.doc.ids[value]
	if !found {
		e.node = id
	}
	e.count++
	p.doc.ids[value] = e
}

// distinct refuses two attributes with one expanded name (Namespaces in XML, 6.3).
func (p *parser) distinct(attrs []attribute) error {
	if len(attrs) <= fewAttributes {
		for i := range attrs {
			a := p.doc.names[attrs[i].name]
			for j := range i {
				if b := p.doc.names[attrs[j].name]; a.Local == b.Local && a.space == b.space {
					return p.fail(AttributeRepeated, "attribute occurs twice")
				}
			}
		}
		return nil
	}
	type expanded struct {
		local string
		space int32
	}
	seen := make(map[expanded]struct{}, len(attrs))
	for i := range attrs {
		n := p.doc.names[attrs[i].name]
		k := expanded{n.Local, n.space}
		if _, twice := seen[k]; twice {
			return p.fail(AttributeRepeated, "attribute occurs twice")
		}
		seen[k] = struct{}{}
	}
	return nil
}

// attributes reads up to the end of a start tag, filling pending and the namespace bindings.
func (p *parser) attributes() (empty bool, err error) {
	p.pending = p.pending[:0]
	declStart := len(p.doc.decls)
	for {
		spaced := p.skipSpace()
		if p.pos >= len(p.src) {
			return false, p.malformed("document ends inside a start tag")
		}
		switch p.src[p.pos] {
		case '>':
			p.pos++
			return false, nil
		case '/':
			if p.pos+1 >= len(p.src) || p.src[p.pos+1] != '>' {
				return false, p.malformed("stray solidus in a start tag")
			}
			p.pos += 2
			return true, nil
		}
		if !spaced {
			return false, p.malformed("white space is missing before an attribute")
		}
		if len(p.pending)+len(p.doc.decls)-declStart >= p.limits.Attributes {
			return false, p.fail(LimitExceeded, "too many attributes on one element")
		}
		offset := p.pos
		raw, err := p.qname()
		if err != nil {
			return false, err
		}
		p.skipSpace()
		if p.pos >= len(p.src) || p.src[p.pos] != '=' {
			return false, p.malformed("attribute without a value")
		}
		p.pos++
		p.skipSpace()
		value, err := p.attributeValue()
		if err != nil {
			return false, err
		}
		if raw == "xmlns" || strings.HasPrefix(raw, "xmlns:") {
			if err := p.declare(raw, p.doc.text(value)); err != nil {
				return false, err
			}
			continue
		}
		name, err := p.rawName(raw)
		if err != nil {
			return false, err
		}
		p.pending = append(p.pending, pendingAttr{raw, name, value, offset})
	}
}

// declare binds a prefix (Namespaces in XML, 3 and 5).
func (p *parser) declare(raw, uri string) error {
	local := ""
	if raw != "xmlns" {
		local = raw[len("xmlns:"):]
		if first, _ := utf8.DecodeRuneInString(local); local == "" || !isNameStart(first) || strings.IndexByte(local, ':') >= 0 {
			return p.fail(NamespaceInvalid, "not a namespace prefix")
		}
	}
	switch {
	case local == "xmlns":
		return p.fail(NamespaceInvalid, "prefix xmlns cannot be declared")
	case (local == "xml") != (uri == XMLNamespace):
		return p.fail(NamespaceInvalid, "the xml prefix and its namespace belong together")
	case uri == XMLNSNamespace:
		return p.fail(NamespaceInvalid, "the xmlns namespace cannot be bound")
	case local != "" && uri == "":
		return p.fail(NamespaceInvalid, "a prefix cannot be undeclared in namespaces 1.0")
	}
	prefix, err := p.prefix(local)
	if err != nil {
		return err
	}
	u, found := p.uriIndex[uri]
	if !found {
		if len(p.doc.uris) >= p.limits.Namespaces {
			return p.fail(LimitExceeded, "too many namespaces")
		}
		u = int32(len(p.doc.uris))
		p.uriIndex[uri] = u
		p.doc.uris = append(p.doc.uris, uri)
	}
	if p.declared[prefix] == p.tag {
		return p.fail(AttributeRepeated, "namespace prefix is declared twice")
	}
	p.declared[prefix] = p.tag
	p.undo = append(p.undo, binding{prefix, p.bound[prefix]})
	p.bound[prefix] = u
	p.doc.decls = append(p.doc.decls, NSDecl{prefix, u})
	return nil
}

func (p *parser) unbind(to int) {
	for i := len(p.undo) - 1; i >= to; i-- {
		p.bound[p.undo[i].prefix] = p.undo[i].uri
	}
	p.undo = p.undo[:to]
}

func (p *parser) prefix(s string) (int32, error) {
	if i, found := p.prefixIndex[s]; found {
		return i, nil
	}
	if len(p.doc.prefixes) >= p.limits.Namespaces {
		return 0, p.fail(LimitExceeded, "too many namespace prefixes")
	}
	i := int32(len(p.doc.prefixes))
	p.prefixIndex[s] = i
	p.doc.prefixes = append(p.doc.prefixes, s)
	p.bound = append(p.bound, -1)
	p.declared = append(p.declared, -1)
	return i, nil
}

func (p *parser) rawName(raw string) (*rawName, error) {
	if r := p.raws[raw]; r != nil {
		return r, nil
	}
	r := &rawName{space: -2}
	if i := strings.IndexByte(raw, ':'); i >= 0 {
		if i == 0 || i == len(raw)-1 || strings.IndexByte(raw[i+1:], ':') >= 0 {
			return nil, p.fail(NamespaceInvalid, "not a qualified name")
		}
		if first, _ := utf8.DecodeRuneInString(raw[i+1:]); !isNameStart(first) {
			return nil, p.fail(NamespaceInvalid, "not a qualified name")
		}
		if raw[:i] == "xmlns" {
			return nil, p.fail(NamespaceInvalid, "the xmlns prefix names no element or attribute")
		}
		var err error
		if r.prefix, err = p.prefix(raw[:i]); err != nil {
			return nil, err
		}
		r.colon = i
	}
	p.raws[raw] = r
	return r, nil
}

// intern returns the index of the expanded name in Document.names.
func (p *parser) intern(raw string, r *rawName, space int32) uint32 {
	if r.space == space {
		return r.entry
	}
	k := nameKey{raw, space}
	entry, found := p.nameIndex[k]
	if !found {
		e := &nameEntry{prefix: r.prefix, space: space}
		e.Local, e.Space = raw, p.doc.uris[space]
		if r.colon > 0 {
			e.Prefix, e.Local = raw[:r.colon], raw[r.colon+1:]
		}
		entry = uint32(len(p.doc.names))
		p.doc.names = append(p.doc.names, e)
		p.nameIndex[k] = entry
	}
	r.space, r.entry = space, entry
	return entry
}

func (p *parser) endTag() error {
	if len(p.open) == 0 {
		return p.malformed("end tag without start tag")
	}
	top := p.open[len(p.open)-1]
	start := p.pos
	rest := p.src[p.pos+2:]
	if !strings.HasPrefix(rest, top.raw) {
		return p.malformed("end tag does not match its start tag")
	}
	p.pos += 2 + len(top.raw)
	p.skipSpace()
	if p.pos >= len(p.src) || p.src[p.pos] != '>' {
		return p.malformed("end tag does not match its start tag")
	}
	p.pos++
	if len(p.open) == 1 {
		p.doc.rootEnd = start
	}
	p.doc.nodes[top.id].end = ID(len(p.doc.nodes))
	p.open = p.open[:len(p.open)-1]
	p.unbind(top.binds)
	return nil
}
