// Package c14n writes canonical XML: Canonical XML 1.0, Canonical XML 1.1 and Exclusive XML Canonicalization 1.0, each
// with and without comments, over a whole document, a subtree, or a set of nodes of one xmldom.Document.
//
// The work is linear in the document and in the output, with no recursion. Sets are kept at the level of elements,
// texts, comments and processing instructions: attributes and namespace nodes always follow their element. Transforms
// that would choose single attributes or namespaces are refused before they come here (see package xmldsig).
package c14n

import (
	"errors"
	"slices"
	"strings"

	"mist/signature/xmldom"
)

// Method is a canonicalisation algorithm, named by its URI.
type Method string

// The six methods of XMLDSig 1.1, 6.5.
const (
	Inclusive10             Method = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
	Inclusive10WithComments Method = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315#WithComments"
	Inclusive11             Method = "http://www.w3.org/2006/12/xml-c14n11"
	Inclusive11WithComments Method = "http://www.w3.org/2006/12/xml-c14n11#WithComments"
	Exclusive               Method = "http://www.w3.org/2001/10/xml-exc-c14n#"
	ExclusiveWithComments   Method = "http://www.w3.org/2001/10/xml-exc-c14n#WithComments"
)

// Known reports whether m is one of the six methods.
func (m Method) Known() bool {
	switch m {
	case Inclusive10, Inclusive10WithComments, Inclusive11, Inclusive11WithComments, Exclusive, ExclusiveWithComments:
		return true
	}
	return false
}

// IsExclusive reports whether m is exclusive canonicalisation.
func (m Method) IsExclusive() bool { return m == Exclusive || m == ExclusiveWithComments }

// WithComments reports whether m keeps comments.
func (m Method) WithComments() bool { return strings.HasSuffix(string(m), "#WithComments") }

// ErrUnknownMethod is returned for a Method that is not Known.
var ErrUnknownMethod = errors.New("canonicalising xml: unknown method")

// ErrTooMuchWork is returned when a scattered node set needs more namespace comparisons than the budget allows.
var ErrTooMuchWork = errors.New("canonicalising xml: node set needs too much work")

// ErrTooMuchOutput is returned when the canonical form is out of proportion to the document: exclusive methods repeat a
// namespace name on every sibling that uses it, so a short document can have a canonical form of terabytes.
var ErrTooMuchOutput = errors.New("canonicalising xml: canonical form is out of proportion to the document")

// outputFactor and outputFloor bound the canonical form by the size of the document.
const (
	outputFactor = 16
	outputFloor  = 64 << 10
)

// workBudget bounds namespace comparisons for elements whose parent is not in the set, the only step of this package
// that is not linear. Contiguous sets never come near it.
const workBudget = 20_000_000

// Append appends the canonical form of set to dst. inclusivePrefixes is the PrefixList of InclusiveNamespaces
// ("#default" names the default namespace); it is ignored by the inclusive methods.
func Append(dst []byte, set NodeSet, method Method, inclusivePrefixes []string) ([]byte, error) {
	if !method.Known() {
		return nil, ErrUnknownMethod
	}
	w := &writer{
		out: dst, doc: set.Doc, set: set, exclusive: method.IsExclusive(), comments: method.WithComments() && !set.NoComments,
		version11: method == Inclusive11 || method == Inclusive11WithComments,
		limit:     len(dst) + outputFactor*set.Doc.Size() + outputFloor,
		scope:     make([]int32, set.Doc.Prefixes()), rendered: make([]int32, set.Doc.Prefixes()),
	}
	if w.exclusive {
		for _, p := range inclusivePrefixes {
			if p == "#default" {
				p = ""
			}
			if i, used := set.Doc.PrefixIndex(p); used && i != xmlPrefix {
				w.inclusive = append(w.inclusive, i)
			}
		}
	}
	if err := w.write(); err != nil {
		return nil, err
	}
	return w.out, nil
}

const xmlPrefix = 1 // index of the prefix "xml" in every xmldom.Document

type change struct{ prefix, uri int32 }

type openElement struct {
	id       xmldom.ID
	end      xmldom.ID
	scope    int // length of writer.scopeUndo on entry
	rendered int // length of writer.renderedUndo on entry
	visible  bool
}

type writer struct {
	out       []byte
	doc       *xmldom.Document
	set       NodeSet
	exclusive bool
	version11 bool
	comments  bool
	inclusive []int32 // prefixes treated inclusively by the exclusive methods

	scope        []int32 // by prefix: namespace in scope at the current element
	rendered     []int32 // by prefix: namespace the output has in scope
	scopeUndo    []change
	renderedUndo []change
	open         []openElement
	work         int
	limit        int // of len(out)

	namespaces []change // of the start tag being written
	attributes []xmldom.Attr
	above      []xmldom.Attr // of an ancestor whose xml: attributes are inherited
}

func (w *writer) write() error {
	start, end := w.set.Apex, w.doc.End(w.set.Apex)
	// Namespaces declared above the apex are in scope in it.
	var above []xmldom.ID
	for p := w.doc.Parent(start); p > 0; p = w.doc.Parent(p) {
		above = append(above, p)
	}
	for _, p := range slices.Backward(above) {
		for _, d := range w.doc.Declarations(p) {
			w.scope[d.Prefix] = d.URI
		}
	}
	skip := w.set.skip
	for i := start; i < end; {
		for len(w.open) > 0 && w.open[len(w.open)-1].end <= i {
			w.closeElement()
		}
		if len(skip) > 0 && skip[0] <= i {
			if skip[0] == i {
				i = w.doc.End(i)
			}
			for len(skip) > 0 && skip[0] < i {
				skip = skip[1:]
			}
			continue
		}
		visible := w.set.mask == nil || w.set.mask.has(i)
		switch w.doc.Kind(i) {
		case xmldom.ElementNode:
			if err := w.openElement(i, visible); err != nil {
				return err
			}
		case xmldom.TextNode:
			if visible {
				w.out = appendText(w.out, w.doc.Data(i))
			}
		case xmldom.CommentNode:
			if visible && w.comments {
				w.outside(i, "<!--", w.doc.Data(i), "-->")
			}
		case xmldom.ProcInstNode:
			if visible {
				w.outside(i, "<?", w.doc.Data(i), "?>")
			}
		}
		i++
	}
	for len(w.open) > 0 {
		w.closeElement()
	}
	return nil
}

// outside writes a comment or processing instruction; outside the document element a line feed separates it.
func (w *writer) outside(i xmldom.ID, before, data, after string) {
	top := w.doc.Parent(i) == 0
	root := w.doc.Root().ID()
	if top && i > root {
		w.out = append(w.out, '\n')
	}
	w.out = append(w.out, before...)
	w.out = appendMarkup(w.out, data)
	w.out = append(w.out, after...)
	if top && i < root {
		w.out = append(w.out, '\n')
	}
}

func (w *writer) openElement(i xmldom.ID, visible bool) error {
	o := openElement{id: i, end: w.doc.End(i), scope: len(w.scopeUndo), rendered: len(w.renderedUndo), visible: visible}
	decls := w.doc.Declarations(i)
	for _, d := range decls {
		w.scopeUndo = append(w.scopeUndo, change{d.Prefix, w.scope[d.Prefix]})
		w.scope[d.Prefix] = d.URI
	}
	if visible {
		orphan := len(w.open) == 0 || !w.open[len(w.open)-1].visible
		if err := w.startTag(i, decls, orphan); err != nil {
			return err
		}
	}
	w.open = append(w.open, o)
	return nil
}

func (w *writer) closeElement() {
	o := w.open[len(w.open)-1]
	w.open = w.open[:len(w.open)-1]
	if o.visible {
		name, _, _ := w.doc.ElementName(o.id)
		w.out = append(w.out, '<', '/')
		w.out = appendName(w.out, name)
		w.out = append(w.out, '>')
	}
	for j := len(w.scopeUndo) - 1; j >= o.scope; j-- {
		w.scope[w.scopeUndo[j].prefix] = w.scopeUndo[j].uri
	}
	w.scopeUndo = w.scopeUndo[:o.scope]
	for j := len(w.renderedUndo) - 1; j >= o.rendered; j-- {
		w.rendered[w.renderedUndo[j].prefix] = w.renderedUndo[j].uri
	}
	w.renderedUndo = w.renderedUndo[:o.rendered]
}

// render notes that the start tag declares the prefix, when the output does not have the binding yet.
func (w *writer) render(prefix int32) {
	uri := w.scope[prefix]
	if w.rendered[prefix] == uri || prefix == xmlPrefix {
		return
	}
	w.renderedUndo = append(w.renderedUndo, change{prefix, w.rendered[prefix]})
	w.rendered[prefix] = uri
	w.namespaces = append(w.namespaces, change{prefix, uri})
}

func (w *writer) startTag(i xmldom.ID, decls []xmldom.NSDecl, orphan bool) error {
	name, prefix, _ := w.doc.ElementName(i)
	w.namespaces, w.attributes = w.namespaces[:0], w.doc.Attributes(w.attributes[:0], i)
	switch {
	case w.exclusive:
		w.render(prefix)
		for j := range w.attributes {
			if p := w.attributes[j].PrefixIndex; p != 0 {
				w.render(p)
			}
		}
		for _, p := range w.inclusive {
			w.render(p)
		}
		if w.work += len(w.inclusive); w.work > workBudget {
			return ErrTooMuchWork
		}
	case orphan:
		// Between the nearest element in the output and this one anything may have been declared.
		for p := range w.scope {
			w.render(int32(p))
		}
		if w.work += len(w.scope); w.work > workBudget {
			return ErrTooMuchWork
		}
		if err := w.inheritXMLAttributes(i); err != nil {
			return err
		}
	default:
		for _, d := range decls {
			w.render(d.Prefix)
		}
	}
	if len(w.namespaces) > 1 {
		slices.SortFunc(w.namespaces, func(a, b change) int {
			return strings.Compare(w.doc.Prefix(a.prefix), w.doc.Prefix(b.prefix))
		})
	}
	if len(w.attributes) > 1 {
		slices.SortFunc(w.attributes, func(a, b xmldom.Attr) int {
			if c := strings.Compare(a.Name.Space, b.Name.Space); c != 0 {
				return c
			}
			return strings.Compare(a.Name.Local, b.Name.Local)
		})
	}
	if len(w.out) > w.limit {
		return ErrTooMuchOutput
	}
	w.out = append(w.out, '<')
	w.out = appendName(w.out, name)
	for _, n := range w.namespaces {
		w.out = append(w.out, " xmlns"...)
		if n.prefix != 0 {
			w.out = append(w.out, ':')
			w.out = append(w.out, w.doc.Prefix(n.prefix)...)
		}
		w.out = append(w.out, '=', '"')
		w.out = appendAttribute(w.out, w.doc.URI(n.uri))
		w.out = append(w.out, '"')
	}
	for j := range w.attributes {
		w.out = append(w.out, ' ')
		w.out = appendName(w.out, w.attributes[j].Name)
		w.out = append(w.out, '=', '"')
		w.out = appendAttribute(w.out, w.attributes[j].Value)
		w.out = append(w.out, '"')
	}
	w.out = append(w.out, '>')
	return nil
}
