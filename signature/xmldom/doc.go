// Package xmldom reads an XML document once into an immutable tree that canonicalisation, reference processing and the
// reading of signed properties all share: what is verified and what is read are the same nodes.
//
// It refuses what a signature reader has no use for and attackers do: a document type declaration, entities beyond the
// five predefined ones, undeclared prefixes, duplicate attributes (also by namespace), a second root, characters outside
// XML 1.0 and any construct that is not well-formed (XML 1.0 fifth edition, Namespaces in XML 1.0 third edition). Size,
// depth, nodes, attributes and lengths are bounded by Limits, and the work is linear in the input. It trusts nothing in
// the document: whether an attribute is an identifier is decided here (see Document.ByID), never by a DTD.
package xmldom

import "iter"

// XML and Namespaces in XML, the two reserved bindings.
const (
	XMLNamespace   = "http://www.w3.org/XML/1998/namespace"
	XMLNSNamespace = "http://www.w3.org/2000/xmlns/"
)

// wsuNamespace is the WS-Security utility namespace whose Id attribute SOAP signatures use (WSS 1.1.1, 4.2).
const wsuNamespace = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"

// Kind says what a node is.
type Kind uint8

// The kinds of nodes of the XPath data model that are kept as nodes; attributes and namespaces belong to elements.
const (
	DocumentNode Kind = iota
	ElementNode
	TextNode
	CommentNode
	ProcInstNode
)

// ID names a node inside its document. IDs are given in document order: a node's subtree is the range [ID, End).
type ID int32

// None is the ID of no node.
const None ID = -1

// Name is an expanded name together with the prefix it was written with.
type Name struct {
	Prefix string // "" when unprefixed
	Local  string
	Space  string // namespace URI, "" for none
}

// Attr is one attribute that is not a namespace declaration; Value is normalised as XML 1.0, 3.3.3 says for CDATA.
type Attr struct {
	Name  *Name
	Value string
	// PrefixIndex is the document-wide number of the prefix (0 is the empty prefix), for canonicalisers.
	PrefixIndex int32
}

// NSDecl is one namespace declaration; Prefix and URI are indexes into Prefix and URI of the document.
type NSDecl struct {
	Prefix int32
	URI    int32
}

// node, element and attribute hold offsets instead of strings: a document of a million nodes stays small and has
// nothing for the garbage collector to look at.
type node struct {
	kind   Kind
	parent ID
	end    ID   // first ID after the subtree
	data   span // text, comment, PI; elements: from is the index in Document.elements
}

type element struct {
	name         uint32 // index in Document.names
	offset       uint32 // of the start tag in the decoded source
	attr, decl   uint32 // first in Document.attrs and Document.decls
	nattr, ndecl uint16
}

type attribute struct {
	name  uint32 // index in Document.names
	value span
}

// span is a part of the source, or, with the joined bit in size, an index in Document.joined.
type span struct{ from, size uint32 }

const joinedBit = 1 << 31

func (d *Document) text(s span) string {
	if s.size&joinedBit != 0 {
		return d.joined[s.from]
	}
	return d.source[s.from : s.from+s.size]
}

func (d *Document) element(id ID) *element { return &d.elements[d.nodes[id].data.from] }

type nameEntry struct {
	Name
	prefix int32
	space  int32
}

// Document is one parsed document. It is immutable and safe for concurrent use.
type Document struct {
	source   string
	nodes    []node
	elements []element
	attrs    []attribute
	joined   []string // values that are not written in one piece
	decls    []NSDecl
	names    []*nameEntry
	prefixes []string
	uris     []string
	root     ID
	ids      map[string]identified
	rootEnd  int // where the end tag of the document element starts, 0 for an empty-element tag
	// Encoding is the character encoding the input was in, upper case ("UTF-8", "UTF-16LE", …).
	Encoding string
}

type identified struct {
	node  ID
	count int
}

// Node is a handle on one node. The zero Node is no node; its methods that return nodes return the zero Node.
type Node struct {
	doc *Document
	id  ID
}

// Root returns the document element.
func (d *Document) Root() Node { return Node{d, d.root} }

// DocumentNode returns the node above the document element.
func (d *Document) DocumentNode() Node { return Node{d, 0} }

// Node returns the handle of a node ID.
func (d *Document) Node(id ID) Node {
	if id < 0 || int(id) >= len(d.nodes) {
		return Node{}
	}
	return Node{d, id}
}

// Len returns the number of nodes, the document node included.
func (d *Document) Len() int { return len(d.nodes) }

// Size returns the length of the decoded document in bytes.
func (d *Document) Size() int { return len(d.source) }

// Source returns the decoded document and where the end tag of its document element starts; 0 when that element is an
// empty-element tag. A signer inserts an enveloped signature there.
func (d *Document) Source() (text string, rootEnd int) { return d.source, d.rootEnd }

// Kind returns the kind of node id.
func (d *Document) Kind(id ID) Kind { return d.nodes[id].kind }

// Parent returns the parent of node id, None for the document node.
func (d *Document) Parent(id ID) ID { return d.nodes[id].parent }

// End returns the first ID after the subtree of id.
func (d *Document) End(id ID) ID { return d.nodes[id].end }

// Data returns the text of a text node or comment, or "target data" of a processing instruction.
func (d *Document) Data(id ID) string { return d.text(d.nodes[id].data) }

// ElementName returns the name of element id with the indexes of its prefix and namespace.
func (d *Document) ElementName(id ID) (name *Name, prefix, uri int32) {
	n := d.names[d.element(id).name]
	return &n.Name, n.prefix, n.space
}

// Attributes appends the attributes of element id in document order to dst.
func (d *Document) Attributes(dst []Attr, id ID) []Attr {
	e := d.element(id)
	for _, a := range d.attrs[e.attr : e.attr+uint32(e.nattr)] {
		n := d.names[a.name]
		dst = append(dst, Attr{Name: &n.Name, Value: d.text(a.value), PrefixIndex: n.prefix})
	}
	return dst
}

// Declarations returns the namespace declarations written on element id. The slice must not be changed.
func (d *Document) Declarations(id ID) []NSDecl {
	e := d.element(id)
	end := e.decl + uint32(e.ndecl)
	return d.decls[e.decl:end:end]
}

// Prefix returns the prefix with this index; index 0 is the empty prefix, 1 is "xml".
func (d *Document) Prefix(i int32) string { return d.prefixes[i] }

// URI returns the namespace name with this index; index 0 is "no namespace", 1 the XML namespace.
func (d *Document) URI(i int32) string { return d.uris[i] }

// Prefixes returns how many prefixes the document uses.
func (d *Document) Prefixes() int { return len(d.prefixes) }

// PrefixIndex returns the index of a prefix, and whether the document uses it.
func (d *Document) PrefixIndex(prefix string) (int32, bool) {
	for i, p := range d.prefixes {
		if p == prefix {
			return int32(i), true
		}
	}
	return 0, false
}

// ByID returns the element that carries the identifier, and how many attributes in the document carry that value.
// Identifiers are the attributes Id, ID and id without namespace, xml:id and wsu:Id: the names that signature formats
// and signed documents use. A caller that resolves a reference must refuse every count but one.
func (d *Document) ByID(id string) (Node, int) {
	e, ok := d.ids[id]
	if !ok {
		return Node{}, 0
	}
	return Node{d, e.node}, e.count
}

// DuplicateIDs returns the identifiers that occur more than once, in no particular order.
func (d *Document) DuplicateIDs() []string {
	var out []string
	for id, e := range d.ids {
		if e.count > 1 {
			out = append(out, id)
		}
	}
	return out
}

// IsZero reports that n is no node.
func (n Node) IsZero() bool { return n.doc == nil }

// Document returns the document the node belongs to.
func (n Node) Document() *Document { return n.doc }

// ID returns the number of the node in its document.
func (n Node) ID() ID { return n.id }

// Kind returns the node's kind.
func (n Node) Kind() Kind { return n.doc.nodes[n.id].kind }

// Offset returns where the start tag of an element begins, in bytes of the decoded source; 0 for other nodes.
func (n Node) Offset() int {
	if n.Kind() != ElementNode {
		return 0
	}
	return int(n.doc.element(n.id).offset)
}

// Name returns an element's name; the zero Name for other kinds.
func (n Node) Name() Name {
	if n.doc == nil || n.Kind() != ElementNode {
		return Name{}
	}
	return n.doc.names[n.doc.element(n.id).name].Name
}

// Is reports whether n is an element with this expanded name.
func (n Node) Is(space, local string) bool {
	if n.doc == nil || n.Kind() != ElementNode {
		return false
	}
	e := n.doc.names[n.doc.element(n.id).name]
	return e.Local == local && e.Space == space
}

// Parent returns the parent node; the zero Node above the document node.
func (n Node) Parent() Node {
	if n.doc == nil || n.doc.nodes[n.id].parent == None {
		return Node{}
	}
	return Node{n.doc, n.doc.nodes[n.id].parent}
}

// Contains reports whether m is n or lies below n.
func (n Node) Contains(m Node) bool {
	return n.doc != nil && n.doc == m.doc && m.id >= n.id && m.id < n.doc.nodes[n.id].end
}

// Children yields the child nodes in document order.
func (n Node) Children() iter.Seq[Node] {
	return func(yield func(Node) bool) {
		if n.doc == nil {
			return
		}
		end := n.doc.nodes[n.id].end
		for i := n.id + 1; i < end; i = n.doc.nodes[i].end {
			if !yield(Node{n.doc, i}) {
				return
			}
		}
	}
}

// Elements yields the child elements in document order.
func (n Node) Elements() iter.Seq[Node] {
	return func(yield func(Node) bool) {
		for c := range n.Children() {
			if c.Kind() == ElementNode && !yield(c) {
				return
			}
		}
	}
}

// Descendants yields n itself, if it is an element, and every element below it in document order.
func (n Node) Descendants() iter.Seq[Node] {
	return func(yield func(Node) bool) {
		if n.doc == nil {
			return
		}
		end := n.doc.nodes[n.id].end
		for i := n.id; i < end; i++ {
			if n.doc.nodes[i].kind == ElementNode && !yield(Node{n.doc, i}) {
				return
			}
		}
	}
}

// Child returns the only child element with this name; count tells how many there are, and the node is the first.
func (n Node) Child(space, local string) (first Node, count int) {
	for c := range n.Elements() {
		if c.Is(space, local) {
			if count == 0 {
				first = c
			}
			count++
		}
	}
	return first, count
}

// Attr returns the value of the attribute with this expanded name.
func (n Node) Attr(space, local string) (string, bool) {
	if n.doc == nil || n.Kind() != ElementNode {
		return "", false
	}
	e := n.doc.element(n.id)
	for _, a := range n.doc.attrs[e.attr : e.attr+uint32(e.nattr)] {
		if name := n.doc.names[a.name]; name.Local == local && name.Space == space {
			return n.doc.text(a.value), true
		}
	}
	return "", false
}

// Value returns the text of an element that holds nothing but text. ok is false when the element holds child elements,
// comments or processing instructions: a reader that skipped them would see other text than the one that was hashed.
func (n Node) Value() (text string, ok bool) {
	if n.doc == nil {
		return "", false
	}
	e := &n.doc.nodes[n.id]
	switch int(e.end - n.id) {
	case 1:
		return "", e.kind == ElementNode
	case 2:
		if c := &n.doc.nodes[n.id+1]; c.kind == TextNode {
			return n.doc.text(c.data), true
		}
	}
	return "", false
}

// StringValue returns all text below the node joined, as the XPath string-value does.
func (n Node) StringValue() string {
	if n.doc == nil {
		return ""
	}
	end := n.doc.nodes[n.id].end
	var out []byte
	for i := n.id; i < end; i++ {
		if e := &n.doc.nodes[i]; e.kind == TextNode {
			if out == nil && (i == end-1) {
				return n.doc.text(e.data)
			}
			out = append(out, n.doc.text(e.data)...)
		}
	}
	return string(out)
}

// ResolvePrefix returns the namespace bound to the prefix at element n, and whether it is bound.
func (n Node) ResolvePrefix(prefix string) (uri string, ok bool) {
	if prefix == "xml" {
		return XMLNamespace, true
	}
	for e := n; !e.IsZero() && e.Kind() == ElementNode; e = e.Parent() {
		for _, d := range e.doc.Declarations(e.id) {
			if e.doc.prefixes[d.Prefix] == prefix {
				return e.doc.uris[d.URI], e.doc.uris[d.URI] != "" || prefix == ""
			}
		}
	}
	return "", prefix == ""
}
