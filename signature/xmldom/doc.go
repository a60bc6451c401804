// Package xmldom reads an XML document once into an immutable tree that canonicalisation, reference processing and the
// reading of signed properties all share: what is verified and what is read are the same nodes.
//
// It refuses what a signature reader has no use for and attackers do: a document type declaration, entities beyond the
// five predefined ones, undeclared prefixes, duplicate attributes (also by namespace), a second root, characters outside
// XML 1.0 and any construct that is not well-formed (XML 1.0 fifth edition, Namespaces in XML 1.0 third edition). Size,
// depth, nodes, attributes and lengths are bounded by Limits, and the work is linear in the input. It trusts nothing in
// the document: whether an attribute is an identifier is decided here (see Document.ByID), never by a DTD.
package xmldom

import (
	"hash/maphash"
	"iter"
)

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

// Document is one parsed document. It is immutable and safe for concurrent use.
type Document struct {
	source string
	tree
	names    []*nameEntry
	prefixes []string
	uris     []string
	root     ID
	ids      []identified // by hash, then node
	seed     maphash.Seed // of the hashes in ids
	rootEnd  int          // where the end tag of the document element starts, 0 for an empty-element tag
	// Encoding is the character encoding the input was in, upper case ("UTF-8", "UTF-16LE", …).
	Encoding string
}

type nameEntry struct {
	Name
	prefix int32
	space  int32
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
	if id < 0 || int(id) >= d.at.n {
		return Node{}
	}
	return Node{d, id}
}

// Len returns the number of nodes, the document node included.
func (d *Document) Len() int { return d.at.n }

// Size returns the length of the decoded document in bytes.
func (d *Document) Size() int { return len(d.source) }

// Source returns the decoded document and where the end tag of its document element starts; 0 when that element is an
// empty-element tag. A signer inserts an enveloped signature there.
func (d *Document) Source() (text string, rootEnd int) { return d.source, d.rootEnd }

// ElementName returns the name of element id with the indexes of its prefix and namespace.
func (d *Document) ElementName(id ID) (name *Name, prefix, uri int32) {
	n := d.names[d.element(id).name]
	return &n.Name, n.prefix, n.space
}

// Attributes appends the attributes of element id in document order to dst.
func (d *Document) Attributes(dst []Attr, id ID) []Attr {
	index := d.elementIndex(id)
	e := d.elements.get(index)
	if e.attrs == 0 {
		return dst
	}
	next := d.firstAttribute(index)
	for t := d.startTag(id, e); t.next(); {
		if t.declares() {
			continue
		}
		n := d.names[*d.attrs.get(next)]
		next++
		dst = append(dst, Attr{Name: &n.Name, Value: t.value(), PrefixIndex: n.prefix})
	}
	return dst
}

// Declarations appends the namespace declarations written on element id to dst.
func (d *Document) Declarations(dst []NSDecl, id ID) []NSDecl {
	if d.element(id).flags&declares == 0 {
		return dst
	}
	from, to := d.declarations(id)
	for ; from < to; from++ {
		v := *d.decls.get(from)
		dst = append(dst, NSDecl{int32(v >> 16), int32(v & 0xffff)})
	}
	return dst
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

// IsZero reports that n is no node.
func (n Node) IsZero() bool { return n.doc == nil }

// Document returns the document the node belongs to.
func (n Node) Document() *Document { return n.doc }

// ID returns the number of the node in its document.
func (n Node) ID() ID { return n.id }

// Kind returns the node's kind.
func (n Node) Kind() Kind { return n.doc.Kind(n.id) }

// Offset returns where the start tag of an element begins, in bytes of the decoded source; 0 for other nodes.
func (n Node) Offset() int {
	if n.Kind() != ElementNode {
		return 0
	}
	return int(*n.doc.at.get(uint32(n.id)))
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
	if n.doc == nil || n.id == 0 {
		return Node{}
	}
	return Node{n.doc, n.doc.Parent(n.id)}
}

// Contains reports whether m is n or lies below n.
func (n Node) Contains(m Node) bool {
	return n.doc != nil && n.doc == m.doc && m.id >= n.id && m.id < n.doc.End(n.id)
}

// Children yields the child nodes in document order.
func (n Node) Children() iter.Seq[Node] {
	return func(yield func(Node) bool) {
		if n.doc == nil {
			return
		}
		end := n.doc.End(n.id)
		for i := n.id + 1; i < end; i = n.doc.End(i) {
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
		end := n.doc.End(n.id)
		for i := n.id; i < end; i++ {
			if n.doc.isElement(i) && !yield(Node{n.doc, i}) {
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
	index := n.doc.elementIndex(n.id)
	e := n.doc.elements.get(index)
	if e.attrs == 0 {
		return "", false
	}
	next := n.doc.firstAttribute(index)
	for t := n.doc.startTag(n.id, e); t.next(); {
		if t.declares() {
			continue
		}
		if name := n.doc.names[*n.doc.attrs.get(next)]; name.Local == local && name.Space == space {
			return t.value(), true
		}
		next++
	}
	return "", false
}

// Value returns the text of an element that holds nothing but text. ok is false when the element holds child elements,
// comments or processing instructions: a reader that skipped them would see other text than the one that was hashed.
func (n Node) Value() (text string, ok bool) {
	if n.doc == nil {
		return "", false
	}
	switch n.doc.End(n.id) - n.id {
	case 1:
		return "", n.Kind() == ElementNode
	case 2:
		if n.Kind() == ElementNode && n.doc.Kind(n.id+1) == TextNode {
			return n.doc.Data(n.id + 1), true
		}
	}
	return "", false
}

// StringValue returns all text below the node joined, as the XPath string-value does.
func (n Node) StringValue() string {
	if n.doc == nil {
		return ""
	}
	end := n.doc.End(n.id)
	var out []byte
	for i := n.id; i < end; i++ {
		if n.doc.Kind(i) == TextNode {
			if out == nil && (i == end-1) {
				return n.doc.Data(i)
			}
			out = n.doc.AppendData(out, i)
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
		for _, d := range e.doc.Declarations(nil, e.id) {
			if e.doc.prefixes[d.Prefix] == prefix {
				return e.doc.uris[d.URI], e.doc.uris[d.URI] != "" || prefix == ""
			}
		}
	}
	return "", prefix == ""
}
