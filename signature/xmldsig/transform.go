package xmldsig

import (
	"unsafe"

	"mist/signature/c14n"
	"mist/signature/facts"
	"mist/signature/xmldom"
)

// Transform algorithms (XMLDSig 1.1, 6.6; XPath Filter 2.0).
const (
	Enveloped = Namespace + "enveloped-signature"
	Base64URI = Namespace + "base64"
	XPathURI  = "http://www.w3.org/TR/1999/REC-xpath-19991116"
	Filter2   = "http://www.w3.org/2002/06/xmldsig-filter2"
)

// transform applies one transform of the allow-list.
func (p *Processor) transform(s *Signature, t *Transform, v *value) *Refusal {
	switch m := c14n.Method(t.Algorithm); {
	case m.Known():
		prefixes, bad := inclusiveNamespaces(t.Element)
		if bad != nil {
			return bad
		}
		if bad := p.nodes(v); bad != nil {
			return bad
		}
		return p.canonicalize(v, m, prefixes)
	case t.Algorithm == Enveloped:
		if v.set == nil || v.set.Doc != p.Doc {
			return refuse(facts.ProblemTransformRefused, "enveloped-signature on data that is not this document")
		}
		if s.Element.Contains(p.Doc.Node(v.set.Apex)) {
			return refuse(facts.ProblemTransformRefused, "enveloped-signature on data inside the signature")
		}
		set := v.set.Without(s.Element)
		v.set = &set
		return nil
	case t.Algorithm == Base64URI:
		var decoded []byte
		var err error
		if v.set != nil {
			if !p.Budget.steps(2 * int64(v.set.Doc.End(v.set.Apex)-v.set.Apex)) {
				return refuse(facts.ProblemLimit, "transforms visit too many nodes")
			}
			size := 0
			for piece := range v.set.Text() {
				size += len(piece)
			}
			decoded, err = decodeBase64(size, v.set.Text())
		} else {
			if bad := p.load(v); bad != nil {
				return bad
			}
			decoded, err = DecodeBase64(unsafe.String(unsafe.SliceData(v.octets), len(v.octets)))
		}
		v.set = nil
		if err != nil {
			return refuse(facts.ProblemMalformed, "base64 transform on data that is not base64")
		}
		if !p.Budget.hash(int64(len(decoded))) {
			return refuse(facts.ProblemLimit, "too many octets to hash")
		}
		v.octets = decoded
		return nil
	case t.Algorithm == XPathURI:
		if bad := p.nodes(v); bad != nil {
			return bad
		}
		return p.xpath(s, t, v)
	case t.Algorithm == Relationship:
		return p.relationships(t, v)
	case t.Algorithm == Filter2:
		if bad := p.nodes(v); bad != nil {
			return bad
		}
		return p.filter2(s, t, v)
	}
	return refuse(facts.ProblemTransformRefused, "transform is not on the list of allowed transforms")
}

// nodes turns octets into the node set of a document, parsed as strictly as the signature itself.
func (p *Processor) nodes(v *value) *Refusal {
	if v.set != nil {
		return nil
	}
	if bad := p.load(v); bad != nil {
		return bad
	}
	doc, err := xmldom.ParseShared(v.octets, xmldom.Limits{Bytes: int(min(p.Limit, 1<<30))})
	if err != nil {
		return refuse(facts.ProblemMalformed, "transform needs xml: "+err.Error())
	}
	set := c14n.Subtree(doc.DocumentNode())
	v.set, v.octets = &set, nil
	return nil
}
