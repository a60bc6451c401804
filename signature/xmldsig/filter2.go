package xmldsig

import (
	"strings"

	"mist/signature/facts"
	"mist/signature/xmldom"
)

// filter2 applies an XPath Filter 2.0 transform: each XPath chooses subtrees, which are intersected with, taken from
// or added to what is left (XPath Filter 2.0, 3.4).
func (p *Processor) filter2(s *Signature, t *Transform, v *value) *Refusal {
	doc := v.set.Doc
	filter := newBitmap(doc)
	filter.setRange(0, xmldom.ID(doc.Len()))
	count := 0
	for e := range t.Element.Elements() {
		if !e.Is(Filter2, "XPath") {
			return malformed("XPath Filter 2.0 transform holds other elements than XPath")
		}
		if count++; count > maxXPaths {
			return refuse(facts.ProblemLimit, "too many XPath filters")
		}
		text, ok := e.Value()
		if !ok {
			return malformed("XPath element holds more than text")
		}
		tokens, bad := tokenize(text)
		if bad != nil {
			return bad
		}
		if !p.Budget.steps(int64(doc.Len()) * int64(len(tokens)+2)) {
			return refuse(facts.ProblemLimit, "transforms visit too many nodes")
		}
		path := &pathParser{tokens: tokens, context: e, doc: doc, here: e}
		if doc != p.Doc {
			path.here = xmldom.Node{} // here() is not in the document that is filtered
		}
		chosen, bad := path.union()
		if bad != nil {
			return bad
		}
		expanded := newBitmap(doc)
		for id, end := xmldom.ID(0), xmldom.ID(doc.Len()); id < end; {
			if chosen.has(id) {
				expanded.setRange(id, doc.End(id))
				id = doc.End(id)
				continue
			}
			id++
		}
		op, _ := e.Attr("", "Filter")
		for i := range filter {
			switch op {
			case "intersect":
				filter[i] &= expanded[i]
			case "subtract":
				filter[i] &^= expanded[i]
			case "union":
				filter[i] |= expanded[i]
			default:
				return malformed("XPath filter is none of intersect, subtract, union")
			}
		}
	}
	if count == 0 {
		return malformed("XPath Filter 2.0 transform without XPath")
	}
	p.restrict(v, filter.has)
	return nil
}

// pathParser reads and evaluates location paths. Every step is one pass over the document.
type pathParser struct {
	tokens  []string
	pos     int
	context xmldom.Node // for prefixes
	here    xmldom.Node
	doc     *xmldom.Document
}

func (p *pathParser) peek() string {
	if p.pos < len(p.tokens) {
		return p.tokens[p.pos]
	}
	return ""
}

func (p *pathParser) accept(tokens ...string) bool {
	for i, t := range tokens {
		if p.pos+i >= len(p.tokens) || p.tokens[p.pos+i] != t {
			return false
		}
	}
	p.pos += len(tokens)
	return true
}

func (p *pathParser) union() (bitmap, *Refusal) {
	out := newBitmap(p.doc)
	for {
		one, bad := p.path()
		if bad != nil {
			return nil, bad
		}
		for i := range out {
			out[i] |= one[i]
		}
		if !p.accept("|") {
			break
		}
	}
	if p.pos != len(p.tokens) {
		return nil, refuseXPath("location path is not understood")
	}
	return out, nil
}

func (p *pathParser) path() (bitmap, *Refusal) {
	at := newBitmap(p.doc)
	switch {
	case p.accept("id", "("):
		literal := p.peek()
		if !strings.HasPrefix(literal, "'") {
			return nil, refuseXPath("id() needs a string")
		}
		p.pos++
		if !p.accept(")") {
			return nil, refuseXPath("parentheses do not match")
		}
		for _, id := range strings.Fields(literal[1:]) {
			n, count := p.doc.ByID(id)
			if count > 1 {
				return nil, refuse(facts.ProblemDuplicateID, "referenced identifier occurs more than once")
			}
			if count == 1 {
				at.set(n.ID())
			}
		}
	case p.accept("here", "(", ")"):
		if p.here.IsZero() {
			return nil, refuseXPath("here() is not in the filtered document")
		}
		at.set(p.here.ID())
	default:
		at.set(0)
		if p.accept("/") {
			if p.pos == len(p.tokens) || p.peek() == "|" {
				return at, nil
			}
		} else if p.accept("//") {
			at = p.axis("descendant-or-self", at)
		}
		var bad *Refusal
		if at, bad = p.step(at); bad != nil {
			return nil, bad
		}
	}
	for {
		if p.accept("//") {
			at = p.axis("descendant-or-self", at)
		} else if !p.accept("/") {
			return at, nil
		}
		var bad *Refusal
		if at, bad = p.step(at); bad != nil {
			return nil, bad
		}
	}
}

func (p *pathParser) step(at bitmap) (bitmap, *Refusal) {
	if p.accept(".") {
		return at, nil
	}
	axis := "child"
	if p.pos+1 < len(p.tokens) && p.tokens[p.pos+1] == "::" {
		axis = p.tokens[p.pos]
		p.pos += 2
	}
	switch axis {
	case "child", "descendant", "descendant-or-self", "self", "parent", "ancestor", "ancestor-or-self":
	default:
		return nil, refuseXPath("axis is not understood")
	}
	var test predicate
	switch {
	case p.accept("*"):
		test = func(id xmldom.ID) bool { return p.doc.Kind(id) == xmldom.ElementNode }
	case p.accept("node", "(", ")"):
		test = func(xmldom.ID) bool { return true }
	case p.accept("text", "(", ")"):
		test = func(id xmldom.ID) bool { return p.doc.Kind(id) == xmldom.TextNode }
	default:
		name, bad := nameTest(p.context, p.peek())
		if bad != nil {
			return nil, bad
		}
		p.pos++
		test = func(id xmldom.ID) bool { return p.doc.Node(id).Is(name.space, name.local) }
	}
	if strings.HasPrefix(axis, "ancestor") && p.accept("[", "1", "]") {
		return p.nearest(at, axis == "ancestor-or-self", test)
	}
	out := p.axis(axis, at)
	tests := []predicate{test}
	for p.accept("[") {
		q, bad := p.or(0)
		if bad != nil {
			return nil, bad
		}
		if !p.accept("]") {
			return nil, refuseXPath("predicate is not understood")
		}
		tests = append(tests, q)
	}
	for i, word := range out {
		for bit := 0; word>>bit != 0; bit++ {
			id := xmldom.ID(i<<6 | bit)
			if !out.has(id) {
				continue
			}
			for _, t := range tests {
				if !t(id) {
					out[i] &^= 1 << bit
					break
				}
			}
		}
	}
	return out, nil
}

// nearest goes from a single node to its first ancestor that passes the test.
func (p *pathParser) nearest(at bitmap, self bool, test predicate) (bitmap, *Refusal) {
	out := newBitmap(p.doc)
	found := 0
	for id := xmldom.ID(0); int(id) < p.doc.Len(); id++ {
		if !at.has(id) {
			continue
		}
		if found++; found > 1 {
			return nil, refuseXPath("position on more than one starting node")
		}
		a := id
		if !self {
			a = p.doc.Parent(a)
		}
		for ; a > 0; a = p.doc.Parent(a) {
			if test(a) {
				out.set(a)
				break
			}
		}
	}
	return out, nil
}

func (p *pathParser) axis(axis string, at bitmap) bitmap {
	out := newBitmap(p.doc)
	covered := xmldom.ID(0) // descendants below this were added already
	for id, end := xmldom.ID(0), xmldom.ID(p.doc.Len()); id < end; id++ {
		if !at.has(id) {
			continue
		}
		switch axis {
		case "self":
			out.set(id)
		case "child":
			for c := id + 1; c < p.doc.End(id); c = p.doc.End(c) {
				out.set(c)
			}
		case "descendant", "descendant-or-self":
			if axis == "descendant-or-self" {
				out.set(id)
			}
			out.setRange(max(id+1, covered), max(p.doc.End(id), covered))
			covered = max(covered, p.doc.End(id))
		case "parent":
			if up := p.doc.Parent(id); up != xmldom.None {
				out.set(up)
			}
		case "ancestor", "ancestor-or-self":
			if axis == "ancestor-or-self" {
				out.set(id)
			}
			for up := p.doc.Parent(id); up != xmldom.None && (!out.has(up) || at.has(up)); up = p.doc.Parent(up) {
				out.set(up)
			}
		}
	}
	return out
}

// or reads the boolean expression of a predicate.
func (p *pathParser) or(depth int) (predicate, *Refusal) {
	left, bad := p.and(depth)
	for bad == nil && p.accept("or") {
		var right predicate
		if right, bad = p.and(depth); bad == nil {
			l := left
			left = func(id xmldom.ID) bool { return l(id) || right(id) }
		}
	}
	return left, bad
}

func (p *pathParser) and(depth int) (predicate, *Refusal) {
	left, bad := p.test(depth)
	for bad == nil && p.accept("and") {
		var right predicate
		if right, bad = p.test(depth); bad == nil {
			l := left
			left = func(id xmldom.ID) bool { return l(id) && right(id) }
		}
	}
	return left, bad
}

func (p *pathParser) test(depth int) (predicate, *Refusal) {
	if depth > maxExpressionDepth {
		return nil, refuseXPath("expression is nested too deep")
	}
	switch {
	case p.accept("not", "("):
		inner, bad := p.or(depth + 1)
		if bad != nil {
			return nil, bad
		}
		if !p.accept(")") {
			return nil, refuseXPath("parentheses do not match")
		}
		return func(id xmldom.ID) bool { return !inner(id) }, nil
	case p.accept("("):
		inner, bad := p.or(depth + 1)
		if bad != nil {
			return nil, bad
		}
		if !p.accept(")") {
			return nil, refuseXPath("parentheses do not match")
		}
		return inner, nil
	case p.accept("starts-with", "("), p.accept("contains", "("):
		contains := p.tokens[p.pos-2] == "contains"
		value, bad := p.stringOf()
		if bad != nil {
			return nil, bad
		}
		if !p.accept(",") || !strings.HasPrefix(p.peek(), "'") {
			return nil, refuseXPath("string expected")
		}
		literal := p.peek()[1:]
		p.pos++
		if !p.accept(")") {
			return nil, refuseXPath("parentheses do not match")
		}
		return func(id xmldom.ID) bool {
			s, ok := value(id)
			return ok && (contains && strings.Contains(s, literal) || strings.HasPrefix(s, literal))
		}, nil
	}
	value, bad := p.stringOf()
	if bad != nil {
		return nil, bad
	}
	switch {
	case p.accept("="), p.accept("!="):
		equal := p.tokens[p.pos-1] == "="
		if !strings.HasPrefix(p.peek(), "'") {
			return nil, refuseXPath("string expected")
		}
		literal := p.peek()[1:]
		p.pos++
		return func(id xmldom.ID) bool { s, ok := value(id); return ok && (s == literal) == equal }, nil
	}
	return func(id xmldom.ID) bool { s, ok := value(id); return ok && s != "" }, nil
}

// stringOf reads name(), local-name(), namespace-uri() or @name; ok is false for an attribute that is absent.
func (p *pathParser) stringOf() (func(xmldom.ID) (string, bool), *Refusal) {
	nameOf := func(pick func(xmldom.Name) string) func(xmldom.ID) (string, bool) {
		return func(id xmldom.ID) (string, bool) { return pick(p.doc.Node(id).Name()), true }
	}
	switch {
	case p.accept("name", "(", ")"):
		return nameOf(func(n xmldom.Name) string {
			if n.Prefix != "" {
				return n.Prefix + ":" + n.Local
			}
			return n.Local
		}), nil
	case p.accept("local-name", "(", ")"):
		return nameOf(func(n xmldom.Name) string { return n.Local }), nil
	case p.accept("namespace-uri", "(", ")"):
		return nameOf(func(n xmldom.Name) string { return n.Space }), nil
	case p.accept("@"):
		name, bad := nameTest(p.context, p.peek())
		if bad != nil {
			return nil, bad
		}
		p.pos++
		return func(id xmldom.ID) (string, bool) { return p.doc.Node(id).Attr(name.space, name.local) }, nil
	}
	return nil, refuseXPath("predicate is not understood")
}
