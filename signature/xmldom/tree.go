package xmldom

import (
	"math/bits"
	"sort"
)

// tree holds what the source does not say by itself. A node is the place in the source where it starts (4 bytes; its
// kind is what is written there); an element has 4 bytes more, 8 again when it holds more than one text, and each
// attribute 2. Text and values stay in the source and are decoded when they are read. <v>12</v> costs 13 bytes of tree,
// <a b="c"/> 11.
type tree struct {
	at       column[uint32] // by node: where it starts in the source
	blocks   []block        // by 64 nodes: which of them are elements
	elements column[element]
	groups   column[group]     // by 16 elements
	inner    column[inner]     // of elements that have it, in order
	attrs    column[uint16]    // names of attributes, indexes in Document.names
	many     map[uint32]uint32 // by element: attributes of those that have manyAttributes or more
	owners   column[owner]     // elements that declare namespaces, in document order
	decls    column[uint32]    // prefix<<16 | uri
}

type element struct {
	name  uint16 // index in Document.names
	attrs uint8  // how many attributes; manyAttributes: see tree.many
	flags uint8
}

// Flags of an element. One with none of hasInner and hasText has no children.
const (
	declares = 1 << iota // it declares namespaces
	hasInner             // it has an entry in tree.inner
	hasText              // it holds a single text and nothing else
)

// inner is what is kept of an element that has other children than a single text.
type inner struct {
	end    uint32 // first node after the subtree
	parent uint32
}

// group is what came before 16 elements, and the parent of the first.
type group struct{ attrs, inner, parent uint32 }

const (
	manyAttributes = 255
	groupBits      = 4
)

type block struct {
	bits     uint64 // which nodes are elements
	elements uint32 // before this block
	last     uint32 // the last element before this block, 0 for none
}

type owner struct{ node, first uint32 }

// column is a list that grows without moving: a list of a million entries never exists twice.
type column[T any] struct {
	chunks [][]T
	n      int
}

const chunkBits = 12

func (c *column[T]) get(i uint32) *T { return &c.chunks[i>>chunkBits][i&(1<<chunkBits-1)] }

// push appends v; a first chunk has room for the expected entries.
func (c *column[T]) push(v T, expected int) {
	last := len(c.chunks) - 1
	if last < 0 || len(c.chunks[last]) == 1<<chunkBits {
		room := 1 << chunkBits
		if last < 0 {
			room = min(room, max(expected, 8))
		}
		c.chunks = append(c.chunks, make([]T, 0, room))
		last++
	}
	c.chunks[last] = append(c.chunks[last], v)
	c.n++
}

func (t *tree) isElement(id ID) bool { return t.blocks[id>>6].bits&(1<<(uint(id)&63)) != 0 }

// elementIndex is how many elements there are before id.
func (t *tree) elementIndex(id ID) uint32 {
	b := &t.blocks[id>>6]
	return b.elements + uint32(bits.OnesCount64(b.bits&(1<<(uint(id)&63)-1)))
}

func (t *tree) element(id ID) *element { return t.elements.get(t.elementIndex(id)) }

// previousElement is the last element before id, 0 for none.
func (t *tree) previousElement(id ID) ID {
	b := &t.blocks[id>>6]
	if before := b.bits & (1<<(uint(id)&63) - 1); before != 0 {
		return id&^63 + ID(63-bits.LeadingZeros64(before))
	}
	return ID(b.last)
}

func (t *tree) attributeCount(index uint32) uint32 {
	n := t.elements.get(index).attrs
	if n == manyAttributes {
		return t.many[index]
	}
	return uint32(n)
}

// firstAttribute is the index in attrs of the first attribute of an element.
func (t *tree) firstAttribute(index uint32) uint32 {
	first := t.groups.get(index >> groupBits).attrs
	for i := index &^ (1<<groupBits - 1); i < index; i++ {
		first += t.attributeCount(i)
	}
	return first
}

// innerOf is the entry in inner of an element that has one.
func (t *tree) innerOf(index uint32) *inner {
	n := t.groups.get(index >> groupBits).inner
	for i := index &^ (1<<groupBits - 1); i < index; i++ {
		n += uint32(t.elements.get(i).flags & hasInner / hasInner)
	}
	return t.inner.get(n)
}

// declarations is the range in decls of an element that declares namespaces.
func (t *tree) declarations(id ID) (from, to uint32) {
	i := uint32(sort.Search(t.owners.n, func(i int) bool { return t.owners.get(uint32(i)).node >= uint32(id) }))
	from, to = t.owners.get(i).first, uint32(t.decls.n)
	if int(i)+1 < t.owners.n {
		to = t.owners.get(i + 1).first
	}
	return from, to
}

// addNode adds a node that starts at a place in the source.
func (t *tree) addNode(at, expected int) ID {
	id := ID(t.at.n)
	t.at.push(uint32(at), expected)
	if id&63 == 0 {
		b := block{elements: uint32(t.elements.n)}
		if id > 0 {
			b.last = uint32(t.previousElement(id - 1))
			if t.isElement(id - 1) {
				b.last = uint32(id - 1)
			}
		}
		t.blocks = append(t.blocks, b)
	}
	return id
}

// addElement adds an element; its attributes and declarations were added before.
func (t *tree) addElement(at, expected int, name uint16, parent ID, attrs, firstDecl int) ID {
	id := t.addNode(at, expected)
	t.blocks[id>>6].bits |= 1 << (uint(id) & 63)
	index := uint32(t.elements.n)
	if index&(1<<groupBits-1) == 0 {
		t.groups.push(group{uint32(t.attrs.n - attrs), uint32(t.inner.n), uint32(parent)}, expected>>groupBits)
	}
	e := element{name: name, attrs: uint8(min(attrs, manyAttributes))}
	if e.attrs == manyAttributes {
		if t.many == nil {
			t.many = map[uint32]uint32{}
		}
		t.many[index] = uint32(attrs)
	}
	if t.decls.n > firstDecl {
		e.flags = declares
		t.owners.push(owner{uint32(id), uint32(firstDecl)}, 8)
	}
	t.elements.push(e, expected)
	return id
}

// addInner gives an entry in inner to an element that is about to get another child than a single text. It is the last
// element so far, so the entries are in the order of elements; its entry is filled by the caller at the end tag.
func (t *tree) addInner(index uint32, parent ID, expected int) uint32 {
	e := t.elements.get(index)
	e.flags = e.flags&^hasText | hasInner
	t.inner.push(inner{parent: uint32(parent)}, expected)
	return uint32(t.inner.n - 1)
}

// Kind returns the kind of node id.
func (d *Document) Kind(id ID) Kind {
	if d.isElement(id) {
		return ElementNode
	}
	if id == 0 {
		return DocumentNode
	}
	switch at := *d.at.get(uint32(id)); {
	case d.source[at] != '<' || d.source[at+2] == '[': // <![CDATA[
		return TextNode
	case d.source[at+1] == '?':
		return ProcInstNode
	}
	return CommentNode
}

// Parent returns the parent of node id, None for the document node.
func (d *Document) Parent(id ID) ID {
	if id == 0 {
		return None
	}
	// An element without an entry in inner is no ancestor of another; a group of them knows the parent of its first.
	p := ID(0)
	for at := id; ; {
		if d.isElement(at) {
			index := d.elementIndex(at)
			if d.elements.get(index).flags&hasInner != 0 {
				p = ID(d.innerOf(index).parent)
				break
			}
			if index&(1<<groupBits-1) == 0 {
				p = ID(d.groups.get(index >> groupBits).parent)
				break
			}
		}
		at = d.previousElement(at)
		if at == 0 {
			return 0
		}
		if d.End(at) > id {
			return at
		}
	}
	for p != 0 {
		in := d.innerOf(d.elementIndex(p))
		if ID(in.end) > id {
			break
		}
		p = ID(in.parent)
	}
	return p
}

// End returns the first ID after the subtree of id.
func (d *Document) End(id ID) ID {
	if d.isElement(id) {
		index := d.elementIndex(id)
		switch flags := d.elements.get(index).flags; {
		case flags&hasInner != 0:
			return ID(d.innerOf(index).end)
		case flags&hasText != 0:
			return id + 2
		}
	} else if id == 0 {
		return ID(d.at.n)
	}
	return id + 1
}
