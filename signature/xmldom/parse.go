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

// ParseOwned is Parse without the copy: src belongs to the document, which may change it; nobody else may.
func ParseOwned(src []byte, limits Limits) (*Document, error) { return parse(src, limits, true) }

// ParseShared is Parse without the copy of bytes that nobody changes, neither the document nor anyone else.
func ParseShared(src []byte, limits Limits) (*Document, error) { return parse(src, limits, false) }

func parse(src []byte, limits Limits, owned bool) (*Document, error) {
	limits = limits.withDefaults()
	text, encoding, err := decode(src, limits.Bytes, owned)
	if err != nil {
		return nil, err
	}
	p := &parser{src: text, limits: limits, expected: len(text) / 24, doc: &Document{source: text, Encoding: encoding, root: None}}
	return p.document()
}

// rawName is what is known of a qualified name as written, before its prefix is resolved.
type rawName struct {
	prefix int32
	colon  int32 // length of the prefix, 0 without
	// The last resolution: most documents bind a prefix once.
	space int32
	entry uint16
}

type nameKey struct {
	raw   string
	space int32
}

type openElement struct {
	id    ID
	index uint32 // among the elements
	inner uint32 // index in tree.inner plus one, 0 while it has none
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
	raws        map[string]uint32 // index in rawNames
	rawNames    []rawName
	nameIndex   map[nameKey]uint16 // of names that were resolved to several namespaces
	bound       []int32            // by prefix index: the namespace in scope, -1 when undeclared
	undo        []binding
	open        []openElement

	declared []int32 // by prefix index: the start tag (by offset) that last declared the prefix
	tag      int32   // offset of the start tag being read
	pending  []pendingAttr

	expected int // roughly how many nodes the document may have, for the first allocations
	idNodes  column[uint32]
	idAttrs  int
}

type pendingAttr struct {
	raw    string
	name   uint32 // index in rawNames
	entry  uint16 // index in Document.names, once resolved
	offset int
}

const fewAttributes = 16 // up to here duplicates are found by comparing pairs

func (p *parser) fail(reason Reason, detail string) error {
	return &SyntaxError{Reason: reason, Offset: p.pos, Detail: detail}
}

func (p *parser) malformed(detail string) error { return p.fail(Malformed, detail) }

func (p *parser) document() (*Document, error) {
	d := p.doc
	d.addNode(0, p.expected)
	p.prefixIndex = map[string]int32{"": 0, "xml": 1}
	p.uriIndex = map[string]int32{"": 0, XMLNamespace: 1}
	d.prefixes = []string{"", "xml"}
	d.uris = []string{"", XMLNamespace}
	p.bound = []int32{0, 1}
	p.declared = []int32{-1, -1}
	p.raws = make(map[string]uint32, 64)

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
	d.index(&p.idNodes, p.idAttrs)
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

// room refuses a node beyond the limit.
func (p *parser) room() error {
	if p.doc.at.n > p.limits.Nodes {
		return p.fail(LimitExceeded, "too many nodes")
	}
	return nil
}

// add adds a node that is no element.
func (p *parser) add(at int, text bool) error {
	if err := p.room(); err != nil {
		return err
	}
	p.child(text)
	p.doc.addNode(at, p.expected)
	return nil
}

// parent is the innermost open element, 0 outside the document element.
func (p *parser) parent(of int) ID {
	if of == 0 {
		return 0
	}
	return p.open[of-1].id
}

// child tells the innermost open element that it gets a child.
func (p *parser) child(text bool) {
	depth := len(p.open)
	if depth == 0 {
		return
	}
	top := &p.open[depth-1]
	if top.inner > 0 {
		return
	}
	if text && p.doc.at.n == int(top.id)+1 {
		p.doc.elements.get(top.index).flags |= hasText
		return
	}
	top.inner = p.doc.addInner(top.index, p.parent(depth-1), p.expected/4) + 1
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
	declStart := p.doc.decls.n
	empty, err := p.attributes()
	if err != nil {
		return err
	}
	prefix := p.rawNames[name].prefix
	space := p.bound[prefix]
	if space < 0 {
		return p.fail(NamespaceInvalid, "element prefix is not declared")
	}
	entry, err := p.intern(raw, name, space)
	if err != nil {
		return err
	}
	ids := 0
	for i := range p.pending {
		a := &p.pending[i]
		space := int32(0)
		if prefix := p.rawNames[a.name].prefix; prefix != 0 {
			if space = p.bound[prefix]; space < 0 {
				p.pos = a.offset
				return p.fail(NamespaceInvalid, "attribute prefix is not declared")
			}
		}
		if a.entry, err = p.intern(a.raw, a.name, space); err != nil {
			return err
		}
		if isIdentifier(&p.doc.names[a.entry].Name) {
			ids++
		}
	}
	if err := p.distinct(p.pending); err != nil {
		return err
	}
	if err := p.room(); err != nil {
		return err
	}
	for i := range p.pending {
		p.doc.attrs.push(p.pending[i].entry, p.expected)
	}
	p.child(false)
	index := uint32(p.doc.elements.n)
	id := p.doc.addElement(start, p.expected, entry, p.parent(len(p.open)), len(p.pending), declStart)
	if p.doc.root == None {
		p.doc.root = id
	}
	if ids > 0 {
		p.idNodes.push(uint32(id), 8)
		p.idAttrs += ids
	}
	if empty {
		p.unbind(undo)
		return nil
	}
	p.open = append(p.open, openElement{id: id, index: index, raw: raw, binds: undo})
	return nil
}

// distinct refuses two attributes with one expanded name (Namespaces in XML, 6.3).
func (p *parser) distinct(attrs []pendingAttr) error {
	if len(attrs) <= fewAttributes {
		for i := range attrs {
			a := p.doc.names[attrs[i].entry]
			for j := range i {
				if b := p.doc.names[attrs[j].entry]; a.Local == b.Local && a.space == b.space {
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
		n := p.doc.names[attrs[i].entry]
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
	declStart := p.doc.decls.n
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
		if len(p.pending)+p.doc.decls.n-declStart >= p.limits.Attributes {
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
		if isDeclaration(raw) {
			if err := p.declare(raw, attributeValue(value)); err != nil {
				return false, err
			}
			continue
		}
		name, err := p.rawName(raw)
		if err != nil {
			return false, err
		}
		p.pending = append(p.pending, pendingAttr{raw: raw, name: name, offset: offset})
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
	p.doc.decls.push(uint32(prefix)<<16|uint32(u), 16)
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

// rawName returns the index in rawNames of a name as written.
func (p *parser) rawName(raw string) (uint32, error) {
	if i, found := p.raws[raw]; found {
		return i, nil
	}
	r := rawName{space: -2}
	if i := strings.IndexByte(raw, ':'); i >= 0 {
		if i == 0 || i == len(raw)-1 || strings.IndexByte(raw[i+1:], ':') >= 0 {
			return 0, p.fail(NamespaceInvalid, "not a qualified name")
		}
		if first, _ := utf8.DecodeRuneInString(raw[i+1:]); !isNameStart(first) {
			return 0, p.fail(NamespaceInvalid, "not a qualified name")
		}
		if raw[:i] == "xmlns" {
			return 0, p.fail(NamespaceInvalid, "the xmlns prefix names no element or attribute")
		}
		var err error
		if r.prefix, err = p.prefix(raw[:i]); err != nil {
			return 0, err
		}
		r.colon = int32(i)
	}
	i := uint32(len(p.rawNames))
	p.raws[raw] = i
	p.rawNames = append(p.rawNames, r)
	return i, nil
}

// intern returns the index of the expanded name in Document.names.
func (p *parser) intern(raw string, name uint32, space int32) (uint16, error) {
	r := &p.rawNames[name]
	if r.space == space {
		return r.entry, nil
	}
	if r.space >= 0 {
		// A name that means several things is looked up each time its meaning changes.
		if p.nameIndex == nil {
			p.nameIndex = make(map[nameKey]uint16, 16)
		}
		p.nameIndex[nameKey{raw, r.space}] = r.entry
		if entry, found := p.nameIndex[nameKey{raw, space}]; found {
			r.space, r.entry = space, entry
			return entry, nil
		}
	}
	if len(p.doc.names) > p.limits.Names {
		return 0, p.fail(LimitExceeded, "too many different names")
	}
	e := &nameEntry{prefix: r.prefix, space: space}
	e.Local, e.Space = raw, p.doc.uris[space]
	if r.colon > 0 {
		e.Prefix, e.Local = raw[:r.colon], raw[r.colon+1:]
	}
	r.space, r.entry = space, uint16(len(p.doc.names))
	p.doc.names = append(p.doc.names, e)
	return r.entry, nil
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
	if top.inner > 0 {
		p.doc.inner.get(top.inner - 1).end = uint32(p.doc.at.n)
	}
	p.open = p.open[:len(p.open)-1]
	p.unbind(top.binds)
	return nil
}
