package xmldom

import (
	"cmp"
	"hash/maphash"
	"slices"
	"sort"
)

// identified is one identifier attribute: the hash of its value and its element.
type identified struct{ hash, node uint32 }

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

// identifiers calls f with the value of each identifier attribute of an element.
func (d *Document) identifiers(id ID, f func(value string)) {
	index := d.elementIndex(id)
	next := d.firstAttribute(index)
	for t := d.startTag(id, d.elements.get(index)); t.next(); {
		if t.declares() {
			continue
		}
		if isIdentifier(&d.names[*d.attrs.get(next)].Name) {
			f(t.value())
		}
		next++
	}
}

// hash is seeded, so nobody can write a document whose identifiers all collide.
func (d *Document) hash(value string) uint32 { return uint32(maphash.String(d.seed, value)) }

// index builds ids from the elements that have identifier attributes.
func (d *Document) index(nodes *column[uint32], attributes int) {
	if attributes == 0 {
		return
	}
	d.seed = maphash.MakeSeed()
	d.ids = make([]identified, 0, attributes)
	for i := range uint32(nodes.n) {
		node := *nodes.get(i)
		d.identifiers(ID(node), func(value string) { d.ids = append(d.ids, identified{d.hash(value), node}) })
	}
	slices.SortFunc(d.ids, func(a, b identified) int {
		return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.node, b.node))
	})
}

// ByID returns the element that carries the identifier, and how many attributes in the document carry that value.
// Identifiers are the attributes Id, ID and id without namespace, xml:id and wsu:Id: the names that signature formats
// and signed documents use. A caller that resolves a reference must refuse every count but one.
func (d *Document) ByID(id string) (Node, int) {
	if len(d.ids) == 0 {
		return Node{}, 0
	}
	hash := d.hash(id)
	first, count, last := None, 0, None
	for i := sort.Search(len(d.ids), func(i int) bool { return d.ids[i].hash >= hash }); i < len(d.ids) && d.ids[i].hash == hash; i++ {
		node := ID(d.ids[i].node)
		if node == last {
			continue // all attributes of an element are looked at together
		}
		last = node
		d.identifiers(node, func(value string) {
			if value != id {
				return
			}
			if count == 0 {
				first = node
			}
			count++
		})
	}
	if count == 0 {
		return Node{}, 0
	}
	return Node{d, first}, count
}

// DuplicateIDs returns at most limit identifiers that occur more than once, in no particular order.
func (d *Document) DuplicateIDs(limit int) []string {
	var out []string
	for i := 0; i < len(d.ids) && len(out) < limit; {
		j := i + 1
		for j < len(d.ids) && d.ids[j].hash == d.ids[i].hash {
			j++
		}
		if j > i+1 {
			counts, last, hash := map[string]int{}, None, d.ids[i].hash
			for ; i < j; i++ {
				if node := ID(d.ids[i].node); node != last {
					last = node
					d.identifiers(node, func(value string) {
						if d.hash(value) == hash {
							counts[value]++
						}
					})
				}
			}
			for value, n := range counts {
				if n > 1 && len(out) < limit {
					out = append(out, value)
				}
			}
		}
		i = j
	}
	return out
}
