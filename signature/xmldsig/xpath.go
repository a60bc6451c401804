package xmldsig

import (
	"strings"

	"mist/signature/c14n"
	"mist/signature/facts"
	"mist/signature/xmldom"
)

// The XPath that is understood is the part that chooses whole subtrees, in linear time.
//
// As an XPath transform (XMLDSig 1.1, 6.6.3), which is evaluated for every node, attribute and namespace node: boolean
// combinations of ancestor-or-self::name, also with a predicate on names and attributes, and the enveloped-signature expression of that clause. These give an
// attribute the answer of its element, so sets stay sets of elements.
//
// As an XPath Filter 2.0 (clause 3.4), which chooses subtrees: location paths from the root, id() or here(), over
// elements and text, with predicates on names and attributes.
//
// Anything else is refused by name: a general evaluator would put exponential work into the hands of the sender.

func refuseXPath(detail string) *Refusal {
	return refuse(facts.ProblemTransformRefused, "xpath: "+detail)
}

// xpath applies an XPath transform.
func (p *Processor) xpath(s *Signature, t *Transform, v *value) *Refusal {
	e, n := t.Element.Child(Namespace, "XPath")
	if n != 1 {
		return malformed("XPath transform without one XPath element")
	}
	text, ok := e.Value()
	if !ok {
		return malformed("XPath element holds more than text")
	}
	if isEnvelopedExpression(e, text) {
		if v.set.Doc != p.Doc {
			return refuse(facts.ProblemTransformRefused, "enveloped-signature on data that is not this document")
		}
		set := v.set.Without(s.Element)
		v.set = &set
		return nil
	}
	tokens, bad := tokenize(text)
	if bad != nil {
		return bad
	}
	f := &filterParser{tokens: tokens, context: e, set: v.set}
	if !p.Budget.steps(int64(v.set.Doc.Len()) * int64(len(tokens)+1)) {
		return refuse(facts.ProblemLimit, "transforms visit too many nodes")
	}
	keep, bad := f.or(0)
	if bad != nil {
		return bad
	}
	if f.pos != len(tokens) {
		return refuseXPath("expression is not one that chooses subtrees by ancestor-or-self")
	}
	p.restrict(v, keep)
	return nil
}

// isEnvelopedExpression recognises "count(ancestor-or-self::dsig:Signature | here()/ancestor::dsig:Signature[1]) >
// count(ancestor-or-self::dsig:Signature)", given in XMLDSig 1.1, 6.6.4 as equal to enveloped-signature.
func isEnvelopedExpression(e xmldom.Node, text string) bool {
	squeezed := strings.Join(strings.Fields(text), "")
	rest, found := strings.CutPrefix(squeezed, "count(ancestor-or-self::")
	if !found {
		return false
	}
	prefix, _, found := strings.Cut(rest, ":Signature|")
	if !found {
		return false
	}
	uri, bound := e.ResolvePrefix(prefix)
	q := prefix + ":Signature"
	return bound && uri == Namespace &&
		squeezed == "count(ancestor-or-self::"+q+"|here()/ancestor::"+q+"[1])>count(ancestor-or-self::"+q+")"
}

// restrict keeps the nodes of the set for which keep is true, and notes whether more than signatures went.
func (p *Processor) restrict(v *value, keep func(xmldom.ID) bool) {
	doc := v.set.Doc
	var signatureEnd xmldom.ID
	set := v.set.Filter(func(id xmldom.ID) bool {
		if doc.Kind(id) == xmldom.ElementNode && id >= signatureEnd && doc.Node(id).Is(Namespace, "Signature") {
			signatureEnd = doc.End(id)
		}
		kept := keep(id)
		if !kept && id >= signatureEnd && id != 0 {
			v.extent = ExtentPart
		}
		return kept
	})
	v.set = &set
}

type expandedName struct{ space, local string }

type bitmap []uint64

func newBitmap(d *xmldom.Document) bitmap { return make(bitmap, (d.Len()+63)/64) }
func (b bitmap) has(id xmldom.ID) bool    { return b[id>>6]&(1<<(uint(id)&63)) != 0 }
func (b bitmap) set(id xmldom.ID)         { b[id>>6] |= 1 << (uint(id) & 63) }
func (b bitmap) setRange(from, to xmldom.ID) {
	for id := from; id < to; id++ {
		b.set(id)
	}
}

// filterParser reads the boolean expressions of an XPath transform.
type filterParser struct {
	tokens  []string
	pos     int
	context xmldom.Node
	set     *c14n.NodeSet
	names   int
}

type predicate func(xmldom.ID) bool

func (f *filterParser) peek() string {
	if f.pos < len(f.tokens) {
		return f.tokens[f.pos]
	}
	return ""
}

func (f *filterParser) accept(token string) bool {
	if f.peek() == token {
		f.pos++
		return true
	}
	return false
}

const maxExpressionDepth = 8

func (f *filterParser) or(depth int) (predicate, *Refusal) {
	left, bad := f.and(depth)
	for bad == nil && f.accept("or") {
		var right predicate
		if right, bad = f.and(depth); bad == nil {
			l := left
			left = func(id xmldom.ID) bool { return l(id) || right(id) }
		}
	}
	return left, bad
}

func (f *filterParser) and(depth int) (predicate, *Refusal) {
	left, bad := f.term(depth)
	for bad == nil && f.accept("and") {
		var right predicate
		if right, bad = f.term(depth); bad == nil {
			l := left
			left = func(id xmldom.ID) bool { return l(id) && right(id) }
		}
	}
	return left, bad
}

func (f *filterParser) term(depth int) (predicate, *Refusal) {
	if depth > maxExpressionDepth {
		return nil, refuseXPath("expression is nested too deep")
	}
	negate := f.accept("not")
	if negate || f.peek() == "(" {
		if !f.accept("(") {
			return nil, refuseXPath("not without parentheses")
		}
		inner, bad := f.or(depth + 1)
		if bad != nil {
			return nil, bad
		}
		if !f.accept(")") {
			return nil, refuseXPath("parentheses do not match")
		}
		if negate {
			return func(id xmldom.ID) bool { return !inner(id) }, nil
		}
		return inner, nil
	}
	if !f.accept("ancestor-or-self") || !f.accept("::") {
		return nil, refuseXPath("only ancestor-or-self::name is understood in an XPath transform")
	}
	name, bad := nameTest(f.context, f.peek())
	if bad != nil {
		return nil, bad
	}
	f.pos++
	doc := f.set.Doc
	condition := func(xmldom.ID) bool { return true }
	if f.peek() == "[" {
		// A predicate on the element, such as [@Id='x'].
		p := &pathParser{tokens: f.tokens, pos: f.pos + 1, context: f.context, doc: doc}
		if condition, bad = p.or(depth + 1); bad != nil {
			return nil, bad
		}
		if !p.accept("]") {
			return nil, refuseXPath("predicate is not understood")
		}
		f.pos = p.pos
	}
	if f.names++; f.names > 8 {
		return nil, refuseXPath("too many names")
	}
	in := newBitmap(doc)
	for id := xmldom.ID(0); int(id) < doc.Len(); {
		if doc.Kind(id) == xmldom.ElementNode && doc.Node(id).Is(name.space, name.local) && condition(id) {
			in.setRange(id, doc.End(id))
			id = doc.End(id)
			continue
		}
		id++
	}
	return in.has, nil
}

// nameTest resolves a qualified name; without a prefix it is in no namespace (XPath 1.0, 2.3).
func nameTest(context xmldom.Node, qname string) (expandedName, *Refusal) {
	if !isQName(qname) {
		return expandedName{}, refuseXPath("element name expected")
	}
	prefix, local, prefixed := strings.Cut(qname, ":")
	if !prefixed {
		return expandedName{"", qname}, nil
	}
	uri, bound := context.ResolvePrefix(prefix)
	if !bound {
		return expandedName{}, refuseXPath("prefix is not declared")
	}
	return expandedName{uri, local}, nil
}

func isQName(s string) bool {
	return s != "" && s[0] != '\'' && (s[0] == '_' || s[0] >= 'a' && s[0] <= 'z' || s[0] >= 'A' && s[0] <= 'Z' || s[0] >= 0x80)
}

// tokenize splits an expression; string literals are kept with a leading apostrophe, names keep one colon inside.
func tokenize(s string) ([]string, *Refusal) {
	if len(s) > 4096 {
		return nil, refuse(facts.ProblemLimit, "xpath expression is too long")
	}
	var out []string
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
		case c == '\'' || c == '"':
			end := strings.IndexByte(s[i+1:], c)
			if end < 0 {
				return nil, refuseXPath("string has no end")
			}
			out = append(out, "'"+s[i+1:i+1+end])
			i += end + 2
		case strings.HasPrefix(s[i:], "//"), strings.HasPrefix(s[i:], "::"), strings.HasPrefix(s[i:], "!="), strings.HasPrefix(s[i:], ".."):
			out = append(out, s[i:i+2])
			i += 2
		case isNameByte(c):
			start := i
			for i < len(s) && (isNameByte(s[i]) || s[i] == ':' && i+1 < len(s) && isNameByte(s[i+1]) && s[i-1] != ':' && !strings.HasPrefix(s[i:], "::")) {
				i++
			}
			out = append(out, s[start:i])
		default:
			out = append(out, s[i:i+1])
			i++
		}
		if len(out) > 256 {
			return nil, refuse(facts.ProblemLimit, "xpath expression is too long")
		}
	}
	return out, nil
}

func isNameByte(c byte) bool {
	return c == '_' || c == '-' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}
