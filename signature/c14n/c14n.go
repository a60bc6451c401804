// Package c14n writes canonical XML: Canonical XML 1.0, Canonical XML 1.1 and Exclusive XML Canonicalization 1.0, each
// with and without comments, over a whole document, a subtree, or a set of nodes of one xmldom.Document.
//
// The work is linear in the document and in the output, with no recursion. Sets are kept at the level of elements,
// texts, comments and processing instructions: attributes and namespace nodes always follow their element. Transforms
// that would choose single attributes or namespaces are refused before they come here (see package xmldsig).
package c14n

import (
	"errors"
	"io"
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
	w, err := newWriter(set, method, inclusivePrefixes)
	if err != nil {
		return nil, err
	}
	w.out = dst
	w.limit += len(dst)
	for !w.done {
		if err := w.step(); err != nil {
			return nil, err
		}
	}
	return w.out, nil
}

// windowBytes is about how much of a canonical form a Reader holds.
const windowBytes = 32 << 10

// Reader reads the canonical form of a node set without holding it: large documents are hashed and read that way.
type Reader struct {
	w   *writer
	pos int // in w.out
	err error
}

// NewReader returns a reader of what Append would append. Errors of Append come out of Read.
func NewReader(set NodeSet, method Method, inclusivePrefixes []string) (*Reader, error) {
	w, err := newWriter(set, method, inclusivePrefixes)
	if err != nil {
		return nil, err
	}
	w.out = make([]byte, 0, windowBytes+windowBytes/4)
	return &Reader{w: w}, nil
}

func (r *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if err := r.fill(); err != nil {
		return 0, err
	}
	n := copy(p, r.w.out[r.pos:])
	r.pos += n
	return n, nil
}

// WriteTo hands the windows to dst as they are.
func (r *Reader) WriteTo(dst io.Writer) (total int64, err error) {
	for {
		if err := r.fill(); err != nil {
			if err == io.EOF {
				err = nil
			}
			return total, err
		}
		n, err := dst.Write(r.w.out[r.pos:])
		r.pos += n
		total += int64(n)
		if err != nil {
			return total, err
		}
	}
}

// fill makes sure that something can be read.
func (r *Reader) fill() error {
	if r.pos < len(r.w.out) {
		return nil
	}
	r.w.limit -= len(r.w.out)
	r.w.out, r.pos = r.w.out[:0], 0
	for len(r.w.out) < windowBytes && !r.w.done && r.err == nil {
		r.err = r.w.step()
	}
	switch {
	case r.err != nil:
		r.w.out = r.w.out[:0] // what stands before an error is not to be used
		return r.err
	case len(r.w.out) == 0:
		return io.EOF
	}
	return nil
}

func newWriter(set NodeSet, method Method, inclusivePrefixes []string) (*writer, error) {
	if !method.Known() {
		return nil, ErrUnknownMethod
	}
	w := &writer{
		doc: set.Doc, set: set, exclusive: method.IsExclusive(), comments: method.WithComments() && !set.NoComments,
		version11: method == Inclusive11 || method == Inclusive11WithComments,
		limit:     outputFactor*set.Doc.Size() + outputFloor,
		scope:     make([]int32, set.Doc.Prefixes()), rendered: make([]int32, set.Doc.Prefixes()),
		next: set.Apex, end: set.Doc.End(set.Apex), skip: set.skip, text: -1,
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
	// Namespaces declared above the apex are in scope in it.
	var above []xmldom.ID
	for p := w.doc.Parent(set.Apex); p > 0; p = w.doc.Parent(p) {
		above = append(above, p)
	}
	for _, p := range slices.Backward(above) {
		w.decls = w.doc.Declarations(w.decls[:0], p)
		for _, d := range w.decls {
			w.scope[d.Prefix] = d.URI
		}
	}
	return w, nil
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
	decls      []xmldom.NSDecl
	above      []xmldom.Attr // of an ancestor whose xml: attributes are inherited

	next, end xmldom.ID // what is to be written
	skip      []xmldom.ID
	rest      string // of the text being written
	text      int    // where the next piece of it starts, -1 for none
	done      bool
}

// step writes one node or a window of text.
func (w *writer) step() error {
	switch {
	case w.rest != "":
		n := min(len(w.rest), windowBytes)
		w.out = appendText(w.out, w.rest[:n])
		w.rest = w.rest[n:]
		return w.bounded()
	case w.text >= 0:
		w.rest, w.text = w.doc.TextPiece(w.text)
		return nil
	}
	i := w.next
	for len(w.open) > 0 && w.open[len(w.open)-1].end <= i {
		w.closeElement()
	}
	if i >= w.end {
		w.done = true
		return nil
	}
	if len(w.skip) > 0 && w.skip[0] <= i {
		if w.skip[0] == i {
			w.next = w.doc.End(i)
			i = w.next
		}
		for len(w.skip) > 0 && w.skip[0] < i {
			w.skip = w.skip[1:]
		}
		return nil
	}
	w.next++
	visible := w.set.mask == nil || w.set.mask.has(i)
	switch w.doc.Kind(i) {
	case xmldom.ElementNode:
		return w.openElement(i, visible)
	case xmldom.TextNode:
		if visible {
			w.rest, w.text = w.doc.TextStart(i)
			if len(w.rest) <= windowBytes {
				w.out, w.rest = appendText(w.out, w.rest), ""
			}
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
	return nil
}

func (w *writer) bounded() error {
	if len(w.out) > w.limit {
		return ErrTooMuchOutput
	}
	return nil
}

// outside writes a comment or processing instruction; outside the document element a line feed separates it.
func (w *writer) outside(i xmldom.ID, before, data, after string) {
	root := w.doc.Root().ID()
	top := i < root || i >= w.doc.End(root)
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
	w.decls = w.doc.Declarations(w.decls[:0], i)
	for _, d := range w.decls {
		w.scopeUndo = append(w.scopeUndo, change{d.Prefix, w.scope[d.Prefix]})
		w.scope[d.Prefix] = d.URI
	}
	if visible {
		orphan := len(w.open) == 0 || !w.open[len(w.open)-1].visible
		if err := w.startTag(i, orphan); err != nil {
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

func (w *writer) startTag(i xmldom.ID, orphan bool) error {
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
		for _, d := range w.decls {
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
	if err := w.bounded(); err != nil {
		return err
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
