package protocol

import (
	"fmt"
	"strings"
)

// node is a structure element (ISO 32000-1, 14.7): what a screen reader reads
// the page by.
type node struct {
	tag      string
	more     string // further entries of its dictionary
	parent   *node
	children []*node
	content  []mark
	number   int
}

// mark is a marked content sequence of a page.
type mark struct{ page, id int }

func (n *node) child(tag string) *node {
	c := &node{tag: tag, parent: n}
	n.children = append(n.children, c)
	return c
}

// write writes the tree and the tree of parents, page by page; pages are the
// numbers of the page objects.
func (f *file) structure(root *node, pages []int, marks [][]*node) int {
	tree := f.reserve()
	var reserve func(n *node)
	reserve = func(n *node) {
		n.number = f.reserve()
		for _, c := range n.children {
			reserve(c)
		}
	}
	reserve(root)
	var write func(n *node, parent int)
	write = func(n *node, parent int) {
		var kids []string
		for _, m := range n.content {
			kids = append(kids, fmt.Sprintf("<< /Type /MCR /Pg %d 0 R /MCID %d >>", pages[m.page], m.id))
		}
		for _, c := range n.children {
			kids = append(kids, fmt.Sprintf("%d 0 R", c.number))
			write(c, n.number)
		}
		f.set(n.number, "<< /Type /StructElem /S /%s /P %d 0 R /K [%s] %s >>", n.tag, parent, strings.Join(kids, " "), n.more)
	}
	write(root, tree)
	var parents strings.Builder
	for page, list := range marks {
		fmt.Fprintf(&parents, "%d [", page)
		for _, n := range list {
			fmt.Fprintf(&parents, "%d 0 R ", n.number)
		}
		parents.WriteString("] ")
	}
	numbers := f.add("<< /Nums [%s] >>", strings.TrimSpace(parents.String()))
	f.set(tree, "<< /Type /StructTreeRoot /K [%d 0 R] /ParentTree %d 0 R /ParentTreeNextKey %d >>", root.number, numbers, len(marks))
	return tree
}
