package soap

import "bytes"

// Payload is the body element of a message: its name, its exact bytes and the
// namespace declarations it inherits. It lives as long as the message.
type Payload struct {
	Space, Local string
	// Raw is the element exactly as it stood.
	Raw []byte

	prefix []byte
	inner  int // offset of the content in Raw; equals closeAt for an empty element
	close  int // offset of the end tag in Raw; len(Raw) for <a/>
	// scope holds the declarations in force outside the element, innermost
	// last; bodyScope is where those of the Body element itself begin.
	scope     []binding
	bodyScope int
	own       []binding // declarations on the element itself
}

// IsEmpty reports whether the element has no content at all.
func (p *Payload) IsEmpty() bool { return p.inner >= p.close }

// Inner is the content of the element exactly as it stood.
func (p *Payload) Inner() []byte {
	if p.IsEmpty() {
		return nil
	}
	return p.Raw[p.inner:p.close]
}

// Standalone gives the element as a document of its own: the same bytes with
// the inherited namespace declarations added to its start tag.
func (p *Payload) Standalone() []byte {
	out := make([]byte, 0, len(p.Raw)+64*len(p.scope))
	return p.appendWithScope(out, p.scope)
}

// StandaloneAs is Standalone with another local name, for callers that add the
// suffix Request to the name the schema knows.
func (p *Payload) StandaloneAs(local string) []byte {
	q := *p
	q.bodyScope = 0
	return q.AppendRenamed(make([]byte, 0, len(p.Raw)+64*len(p.scope)), local)
}

// nameEnd is the offset after the element's name in Raw.
func (p *Payload) nameEnd() int {
	n := 1 + len(p.Local)
	if len(p.prefix) > 0 {
		n += len(p.prefix) + 1
	}
	return n
}

func (p *Payload) appendWithScope(out []byte, scope []binding) []byte {
	n := p.nameEnd()
	out = append(out, p.Raw[:n]...)
	out = p.appendDeclarations(out, scope)
	return append(out, p.Raw[n:]...)
}

// appendDeclarations writes those of scope that the element inherits and that
// no inner declaration hides.
func (p *Payload) appendDeclarations(out []byte, scope []binding) []byte {
	for i, b := range scope {
		if hides(scope[i+1:], b.prefix) || hides(p.own, b.prefix) {
			continue
		}
		out = append(out, " xmlns"...)
		if len(b.prefix) > 0 {
			out = append(append(out, ':'), b.prefix...)
		}
		out = append(out, `="`...)
		out = appendEscaped(out, b.uri)
		out = append(out, '"')
	}
	return out
}

// AppendRenamed appends the element under another local name: same prefix,
// attributes, content and declarations, the Body's own declarations added. It
// is what an echo answers.
func (p *Payload) AppendRenamed(out []byte, local string) []byte {
	qname := make([]byte, 0, 64)
	if len(p.prefix) > 0 {
		qname = append(append(qname, p.prefix...), ':')
	}
	qname = append(qname, local...)
	out = append(append(out, '<'), qname...)
	out = p.appendDeclarations(out, p.scope[p.bodyScope:])
	if p.IsEmpty() {
		start := bytes.TrimSuffix(p.Raw[p.nameEnd():p.startTagEnd()], []byte(">"))
		return append(append(out, bytes.TrimSuffix(start, []byte("/"))...), "/>"...)
	}
	out = append(out, p.Raw[p.nameEnd():p.close]...)
	out = append(append(out, "</"...), qname...)
	return append(out, '>')
}

func (p *Payload) startTagEnd() int { return p.inner }

func hides(inner []binding, prefix []byte) bool {
	for i := range inner {
		if bytes.Equal(inner[i].prefix, prefix) {
			return true
		}
	}
	return false
}
