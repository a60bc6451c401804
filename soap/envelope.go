package soap

// Namespaces of the two SOAP versions.
const (
	NS11 = "http://schemas.xmlsoap.org/soap/envelope/"
	NS12 = "http://www.w3.org/2003/05/soap-envelope"
)

// Version is a SOAP version.
type Version uint8

// Versions.
const (
	V11 Version = 1
	V12 Version = 2
)

// Namespace is the envelope namespace of the version.
func (v Version) Namespace() string {
	if v == V12 {
		return NS12
	}
	return NS11
}

// MediaType is the content type of an unpackaged message of the version.
func (v Version) MediaType() string {
	if v == V12 {
		return "application/soap+xml"
	}
	return "text/xml"
}

// Node is one element inside soap:Header, in document order. The slices point
// into the message and live as long as it does.
type Node struct {
	Space, Local []byte
	// Depth is 1 for a header block, 2 for its children …
	Depth int
	// Start and End bound the whole element in Envelope.Bytes; inner its content.
	Start, End           int
	innerStart, innerEnd int
	// attrs is a range of Envelope.attrs.
	attrStart, attrEnd int
	// plain: the content is one run of text without CDATA, references, comments.
	plain bool
	// leaf: no child elements. mixed: text that is not white space beside child elements.
	leaf, mixed bool
}

// Envelope is a SOAP message taken apart without building a tree: where its
// parts lie, the header blocks, and the one element of the body.
type Envelope struct {
	Version Version
	// Bytes is the message in UTF-8 without byte order mark.
	Bytes []byte
	// Nodes are the elements inside the Header; nil Header and empty Header differ in HasHeader.
	Nodes     []Node
	HasHeader bool
	// Payload is the one element in the Body.
	Payload Payload

	prefix   []byte // of the Envelope element
	startTag span   // <S:Envelope …>
	header   span   // <S:Header>…</S:Header>
	attrs    []attribute
	// headerCopy is the Header as a string, made on first use.
	headerCopy string
	encoded    bool // an encodingStyle attribute on Body or payload

	scan scanner
}

// Text is the character data of a header node: references resolved, never
// trimmed. ok is false when the node has child elements.
func (e *Envelope) Text(n *Node) (text []byte, ok bool) {
	if !n.leaf {
		return nil, false
	}
	raw := e.Bytes[n.innerStart:n.innerEnd]
	if n.plain {
		return raw, true
	}
	return appendText(nil, raw), true
}

// TextString is Text as a string that outlives the message. All plain values
// share one copy of the Header.
func (e *Envelope) TextString(n *Node) (text string, ok bool) {
	if !n.leaf {
		return "", false
	}
	if !n.plain {
		return string(appendText(nil, e.Bytes[n.innerStart:n.innerEnd])), true
	}
	if e.headerCopy == "" {
		e.headerCopy = string(e.Bytes[e.header.start:e.header.end])
	}
	return e.headerCopy[n.innerStart-e.header.start : n.innerEnd-e.header.start], true
}

// Mixed reports whether a node has text other than white space beside child elements.
func (e *Envelope) Mixed(n *Node) bool { return n.mixed }

// Leaf reports whether a node has no child elements.
func (e *Envelope) Leaf(n *Node) bool { return n.leaf }

// Attr gives the value of a node's attribute by namespace ("" for none) and name.
func (e *Envelope) Attr(n *Node, space, local string) (string, bool) {
	for i := n.attrStart; i < n.attrEnd; i++ {
		a := &e.attrs[i]
		if string(a.local) == local && string(a.space) == space && string(a.prefix) != "xmlns" && !(len(a.prefix) == 0 && local == "xmlns") {
			return string(attributeText(e.Bytes[a.value.start:a.value.end])), true
		}
	}
	return "", false
}

// Encoded reports an encodingStyle attribute on the Body or payload element: the
// mark of an RPC-encoded caller. On the Envelope it means nothing: SOAP::Lite
// writes it there whatever it sends, and X-Road lets it pass.
func (e *Envelope) Encoded() bool { return e.encoded }

// Errors of the frame. They are faults at once, since every caller of Parse
// answers them the same way.
var (
	errNotEnvelope = &Fault{Class: ClientFault, Code: "InvalidSoap", Reason: "the message is not a SOAP envelope: its root element must be Envelope"}
	errVersion     = &Fault{Class: VersionMismatch, Code: "VersionMismatch", Reason: "the Envelope is in a namespace of neither SOAP 1.1 nor SOAP 1.2"}
	errNoBody      = &Fault{Class: ClientFault, Code: "MissingBody", Reason: "the envelope has no Body"}
	errBodyCount   = &Fault{Class: ClientFault, Code: "InvalidBody", Reason: "the Body must hold exactly one element and no text"}
	errFrame       = &Fault{Class: ClientFault, Code: "InvalidSoap", Reason: "the Envelope must hold one optional Header, then one Body, and nothing else"}
	errHeaderText  = &Fault{Class: ClientFault, Code: "InvalidSoap", Reason: "text between header blocks"}
	errHeaderSize  = &Fault{Class: ClientFault, Code: "TooLarge", Reason: "the SOAP Header is too large"}
	errHeaderNS    = &Fault{Class: ClientFault, Code: "InvalidSoap", Reason: "a header block must be in a namespace"}
)

// Parse takes a message apart. data must stay unchanged while e is in use. It
// returns a *SyntaxError or a *Fault. The whole message is read, the payload
// included, so that what follows works on well-formed XML only.
func (e *Envelope) Parse(data []byte, maxHeader int) error {
	nodes, attrs, sc, scope, own := e.Nodes[:0], e.attrs[:0], e.scan, e.Payload.scope[:0], e.Payload.own[:0]
	*e = Envelope{Bytes: data, Nodes: nodes, attrs: attrs, scan: sc}
	e.Payload.scope, e.Payload.own = scope, own
	s := &e.scan
	s.reset(data)

	ev, err := s.next()
	if err != nil {
		return err
	}
	_ = ev // outside() starts an element or fails
	if string(s.local) != "Envelope" {
		return e.drain(errNotEnvelope)
	}
	switch string(s.space) {
	case NS11:
		e.Version = V11
	case NS12:
		e.Version = V12
	default:
		return e.drain(errVersion)
	}
	e.prefix, e.startTag = s.prefix, s.elem
	if s.empty {
		return e.drain(errNoBody)
	}
	sawBody := false
	for {
		ev, err := s.next()
		if err != nil {
			return err
		}
		switch ev {
		case evText:
			if !s.blank {
				return e.drain(errFrame)
			}
			continue
		case evEnd:
			if !sawBody {
				return e.drain(errNoBody)
			}
			return e.drain(nil)
		}
		ours := string(s.space) == e.Version.Namespace()
		switch {
		case ours && string(s.local) == "Header" && !e.HasHeader && !sawBody:
			e.HasHeader = true
			if err := e.parseHeader(maxHeader); err != nil {
				return e.drain(err)
			}
		case ours && string(s.local) == "Body" && !sawBody:
			sawBody = true
			e.noteEncoding()
			if err := e.parseBody(); err != nil {
				return e.drain(err)
			}
		default:
			return e.drain(errFrame)
		}
	}
}

// drain reads to the end of the message, so that a message that is not
// well-formed is called so whatever else is wrong with it, then gives err.
func (e *Envelope) drain(err error) error {
	if _, ok := err.(*SyntaxError); ok {
		return err
	}
	for {
		ev, serr := e.scan.next()
		if serr != nil {
			return serr
		}
		if ev == evEOF {
			return err
		}
	}
}

// noteEncoding remembers an encodingStyle attribute of the element just started.
func (e *Envelope) noteEncoding() {
	s := &e.scan
	for i := range s.attrs {
		a := &s.attrs[i]
		if string(a.local) == "encodingStyle" && string(a.space) == e.Version.Namespace() && a.value.end > a.value.start {
			e.encoded = true
		}
	}
}

// parseHeader records the elements of the Header just started.
func (e *Envelope) parseHeader(maxHeader int) error {
	s := &e.scan
	start := s.elem.start
	open := [maxDepth]int{} // node index by depth
	depth := 0
	for {
		ev, err := s.next()
		if err != nil {
			return err
		}
		if s.pos-start > maxHeader {
			return errHeaderSize
		}
		switch ev {
		case evStart:
			if depth == 0 && len(s.space) == 0 {
				return errHeaderNS
			}
			if len(e.Nodes) >= maxHeaderNodes {
				return errHeaderSize
			}
			if depth > 0 {
				e.Nodes[open[depth-1]].leaf = false
			}
			from := len(e.attrs)
			e.attrs = append(e.attrs, s.attrs...)
			open[depth] = len(e.Nodes)
			depth++
			e.Nodes = append(e.Nodes, Node{
				Space: s.space, Local: s.local, Depth: depth, Start: s.elem.start,
				attrStart: from, attrEnd: len(e.attrs), plain: true, leaf: true,
			})
		case evText:
			if depth == 0 {
				if !s.blank {
					return errHeaderText
				}
				continue
			}
			n := &e.Nodes[open[depth-1]]
			if !s.plain {
				n.plain = false
			}
			if !s.blank {
				n.mixed = true
			}
		case evEnd:
			if depth == 0 {
				e.header = span{start, s.elem.end}
				return nil
			}
			depth--
			n := &e.Nodes[open[depth]]
			n.End, n.innerStart, n.innerEnd = s.elem.end, s.inner, s.close
			n.mixed = n.mixed && !n.leaf
		}
	}
}

// parseBody reads the Body just started and remembers its one element.
func (e *Envelope) parseBody() error {
	s := &e.scan
	p := &e.Payload
	bodyNS := 0
	for bodyNS < len(s.ns) && s.ns[bodyNS].depth < 1 {
		bodyNS++
	}
	depth, count := 0, 0
	startTag := span{}
	for {
		ev, err := s.next()
		if err != nil {
			return err
		}
		switch ev {
		case evStart:
			if depth == 0 {
				if count++; count > 1 {
					return errBodyCount
				}
				e.noteEncoding()
				base := s.stack[len(s.stack)-1].nsBase
				p.scope = append(p.scope, s.ns[:base]...)
				p.bodyScope = bodyNS
				p.own = append(p.own, s.ns[base:]...)
				p.prefix = s.prefix
				p.Space, p.Local = string(s.space), string(s.local)
				startTag = s.elem
			}
			depth++
		case evText:
			if depth == 0 && !s.blank {
				return errBodyCount
			}
		case evEnd:
			if depth == 0 {
				if count != 1 {
					return errBodyCount
				}
				return nil
			}
			if depth--; depth == 0 {
				p.Raw = e.Bytes[startTag.start:s.elem.end]
				p.inner = s.inner - startTag.start
				p.close = s.close - startTag.start
			}
		}
	}
}

// IsFault reports whether the body element is a soap:Fault.
func (e *Envelope) IsFault() bool {
	return e.Payload.Local == "Fault" && e.Payload.Space == e.Version.Namespace()
}

// AppendOpen appends the request's own Envelope start tag and Header, byte for
// byte, without the header block spans of skip (in order), and opens a Body.
// Copying bytes is what keeps every header verbatim: order, prefixes, white
// space, blocks we know nothing of.
func (e *Envelope) AppendOpen(out []byte, skip ...*Node) []byte {
	out = append(out, e.Bytes[e.startTag.start:e.startTag.end]...)
	if e.HasHeader {
		at := e.header.start
		for _, n := range skip {
			out = append(out, e.Bytes[at:n.Start]...)
			at = n.End
		}
		out = append(out, e.Bytes[at:e.header.end]...)
	}
	return e.appendTag(out, "<", "Body")
}

// AppendClose closes what AppendOpen opened.
func (e *Envelope) AppendClose(out []byte) []byte {
	return e.appendTag(e.appendTag(out, "</", "Body"), "</", "Envelope")
}

func (e *Envelope) appendTag(out []byte, open, local string) []byte {
	out = append(out, open...)
	if len(e.prefix) > 0 {
		out = append(append(out, e.prefix...), ':')
	}
	return append(append(out, local...), '>')
}

// appendEscaped appends text for use in content or a double-quoted attribute.
func appendEscaped(out, text []byte) []byte {
	for _, c := range text {
		switch c {
		case '<':
			out = append(out, "&lt;"...)
		case '>':
			out = append(out, "&gt;"...)
		case '&':
			out = append(out, "&amp;"...)
		case '"':
			out = append(out, "&quot;"...)
		case '\r':
			out = append(out, "&#xD;"...)
		case '\n', '\t':
			if c == '\n' {
				out = append(out, "&#xA;"...)
			} else {
				out = append(out, "&#x9;"...)
			}
		default:
			out = append(out, c)
		}
	}
	return out
}
