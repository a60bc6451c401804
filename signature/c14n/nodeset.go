package c14n

import (
	"slices"

	"mist/signature/xmldom"
)

// NodeSet is a set of nodes of one document: the subtree of Apex, less what was taken out. Attributes and namespace
// nodes are in the set exactly when their element is. The zero NodeSet is not usable; make one with Subtree.
type NodeSet struct {
	Doc  *xmldom.Document
	Apex xmldom.ID
	// NoComments says that comments are not in the set, as for references by bare name (XMLDSig 1.1, 4.4.3.3).
	NoComments bool

	skip []xmldom.ID // subtrees that were taken out, ascending
	mask bitset      // when not nil: the nodes that are in the set (skip still applies)
}

// Subtree returns the set of n and everything below it.
func Subtree(n xmldom.Node) NodeSet { return NodeSet{Doc: n.Document(), Apex: n.ID()} }

// Without returns the set less the subtree of n.
func (s NodeSet) Without(n xmldom.Node) NodeSet {
	if s.Doc != n.Document() {
		return s
	}
	s.skip = slices.Clone(s.skip)
	if at, found := slices.BinarySearch(s.skip, n.ID()); !found {
		s.skip = slices.Insert(s.skip, at, n.ID())
	}
	return s
}

// Filter returns the nodes of the set for which keep is true. keep is called once for each node, in document order.
func (s NodeSet) Filter(keep func(id xmldom.ID) bool) NodeSet {
	mask := make(bitset, (s.Doc.Len()+63)/64)
	for id := range s.All() {
		if keep(id) {
			mask.set(id)
		}
	}
	s.mask, s.skip = mask, nil
	return s
}

// All yields the nodes of the set in document order.
func (s NodeSet) All() func(yield func(xmldom.ID) bool) {
	return func(yield func(xmldom.ID) bool) {
		skip := s.skip
		end := s.Doc.End(s.Apex)
		for i := s.Apex; i < end; {
			for len(skip) > 0 && skip[0] < i {
				skip = skip[1:]
			}
			if len(skip) > 0 && skip[0] == i {
				i = s.Doc.End(i)
				continue
			}
			if (s.mask == nil || s.mask.has(i)) && !(s.NoComments && s.Doc.Kind(i) == xmldom.CommentNode) && !yield(i) {
				return
			}
			i++
		}
	}
}

// Has reports whether the node is in the set.
func (s NodeSet) Has(id xmldom.ID) bool {
	if id < s.Apex || id >= s.Doc.End(s.Apex) || s.mask != nil && !s.mask.has(id) ||
		s.NoComments && s.Doc.Kind(id) == xmldom.CommentNode {
		return false
	}
	for _, k := range s.skip {
		if id >= k && id < s.Doc.End(k) {
			return false
		}
	}
	return true
}

// Empty reports whether no node is left.
func (s NodeSet) Empty() bool {
	for range s.All() {
		return false
	}
	return true
}

// Text yields the text of the set in pieces: what the base64 transform decodes (XMLDSig 1.1, 6.6.2).
func (s NodeSet) Text() func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for id := range s.All() {
			if s.Doc.Kind(id) != xmldom.TextNode {
				continue
			}
			piece, next := s.Doc.TextStart(id)
			if !yield(piece) {
				return
			}
			for next >= 0 {
				if piece, next = s.Doc.TextPiece(next); !yield(piece) {
					return
				}
			}
		}
	}
}

type bitset []uint64

func (b bitset) has(id xmldom.ID) bool { return b[id>>6]&(1<<(uint(id)&63)) != 0 }
func (b bitset) set(id xmldom.ID)      { b[id>>6] |= 1 << (uint(id) & 63) }
