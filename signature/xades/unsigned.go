package xades

import (
	"errors"
	"io"
	"strings"

	"mist/signature/c14n"
	"mist/signature/facts"
	"mist/signature/xmldom"
	"mist/signature/xmldsig"
)

const (
	maxTokens       = 256
	maxEncapsulated = 4096
)

// unsignedSignature returns UnsignedSignatureProperties, zero when absent.
func (g *signature) unsignedSignature() xmldom.Node {
	up, _ := g.qualifying.Child(g.ns, "UnsignedProperties")
	usp, n := up.Child(g.ns, "UnsignedSignatureProperties")
	if n > 1 {
		return xmldom.Node{}
	}
	return usp
}

// encapsulated collects the binary values with this name from the unsigned properties, less those of
// counter-signatures, which are signatures of their own.
func (g *signature) encapsulated(local string) [][]byte {
	var out [][]byte
	usp := g.unsignedSignature()
	if usp.IsZero() {
		return nil
	}
	skip := xmldom.ID(0)
	for e := range usp.Descendants() {
		if e.ID() < skip {
			continue
		}
		if e.Is(g.ns, "CounterSignature") {
			skip = g.doc.End(e.ID())
			continue
		}
		if e.Name().Local != local || (e.Name().Space != g.ns && e.Name().Space != NS141) {
			continue
		}
		if b, ok := xmldsig.BinaryValue(e); ok && len(b) > 0 && len(out) < maxEncapsulated {
			out = append(out, b)
		}
	}
	return out
}

// unsigned collects time-stamps, certificates and revocation values (EN 319 132-1, 5.3 to 5.5).
func (g *signature) unsigned() {
	origin := facts.OriginUnsigned
	for _, der := range g.encapsulated("EncapsulatedX509Certificate") {
		if g.parse(der) != nil {
			g.add(facts.Encoded{DER: der, Origin: origin, Signature: g.facts.ID})
		}
	}
	for _, der := range g.encapsulated("EncapsulatedOCSPValue") {
		g.add(facts.Encoded{Kind: facts.KindOCSP, DER: der, Origin: origin, Signature: g.facts.ID})
	}
	for _, der := range g.encapsulated("EncapsulatedCRLValue") {
		g.add(facts.Encoded{Kind: facts.KindCRL, DER: der, Origin: origin, Signature: g.facts.ID})
	}
	for e := range g.signedDataObject().Elements() {
		switch {
		case e.Is(g.ns, "AllDataObjectsTimeStamp"):
			g.tokens(e, facts.TimestampContent, "", g.allDataObjects)
		case e.Is(g.ns, "IndividualDataObjectsTimeStamp"):
			g.tokens(e, facts.TimestampContent, "", g.individualDataObjects)
		}
	}
	for e := range g.unsignedSignature().Elements() {
		name := e.Name()
		if name.Space != g.ns && name.Space != NS141 && name.Space != nsEvidence {
			continue
		}
		g.facts.UnsignedAttributes = append(g.facts.UnsignedAttributes, clip(name.Local))
		switch name.Local {
		case "SignatureTimeStamp":
			g.tokens(e, facts.TimestampSignature, "", g.signatureValue)
		case "SigAndRefsTimeStamp", "SigAndRefsTimeStampV2":
			g.tokens(e, facts.TimestampValidation, "", g.signatureAndRefs)
		case "RefsOnlyTimeStamp", "RefsOnlyTimeStampV2":
			g.tokens(e, facts.TimestampValidation, "", g.refsOnly)
		case "ArchiveTimeStamp":
			kind := facts.ArchiveTypeXAdES
			if name.Space == NS141 {
				kind = facts.ArchiveTypeXAdES141
			}
			g.tokens(e, facts.TimestampArchive, kind, nil)
		}
	}
}

// message writes what a time-stamp covers, canonicalised with the given method where that is needed.
type message func(w io.Writer, stamp xmldom.Node, m c14n.Method, prefixes []string) error

// tokens adds every EncapsulatedTimeStamp of one time-stamp property.
func (g *signature) tokens(stamp xmldom.Node, kind, archive string, covers message) {
	method, prefixes := c14n.Inclusive10, []string(nil)
	if cm, n := stamp.Child(xmldsig.Namespace, "CanonicalizationMethod"); n > 0 {
		uri, _ := cm.Attr("", "Algorithm")
		if uri != "" {
			method = c14n.Method(uri) // an empty Algorithm is met in the wild and means the default
		}
		if in, n := cm.Child(xmldsig.NamespaceEC, "InclusiveNamespaces"); n > 0 {
			list, _ := in.Attr("", "PrefixList")
			prefixes = strings.Fields(list)
		}
	}
	ids := []string{g.facts.ID}
	if id := g.facts.SigningCertificate.Certificate; id != "" {
		ids = append(ids, id)
	}
	for e := range stamp.Elements() {
		if e.Name().Local != "EncapsulatedTimeStamp" || e.Name().Space != g.ns {
			continue
		}
		der, ok := xmldsig.BinaryValue(e)
		if !ok || len(der) == 0 || len(g.out.Tokens) >= maxTokens {
			g.remark("EncapsulatedTimeStamp cannot be read")
			continue
		}
		t := facts.Token{DER: der, Signature: g.facts.ID, Type: kind, ArchiveType: archive, Covers: ids}
		switch {
		case covers == nil:
			t.MessageError = "archive time-stamps are not evaluated"
		case !method.Known():
			t.MessageError = "canonicalisation method of the time-stamp is not a standard one"
		default:
			t.Message = func(w io.Writer) error { return covers(w, stamp, method, prefixes) }
		}
		g.out.Tokens = append(g.out.Tokens, t)
	}
}

func writeCanonical(w io.Writer, n xmldom.Node, m c14n.Method, prefixes []string) error {
	b, err := c14n.Append(nil, c14n.Subtree(n), m, prefixes)
	if err != nil {
		return err
	}
	_, err = w.Write(b)
	return err
}

// policyXRoad is the profile of signatures of security servers of X-Road.
const policyXRoad = "1.3.6.1.4.1.3516.16.2"

// signatureValue is the message of a signature time-stamp: the canonical SignatureValue element (EN 319 132-1, 5.3).
// Security servers of X-Road stamp the octets of the value instead; their signed policy says that they are such.
func (g *signature) signatureValue(w io.Writer, _ xmldom.Node, m c14n.Method, prefixes []string) error {
	if p := g.facts.Policy; p != nil && p.ID == policyXRoad {
		_, err := w.Write(g.s.Value)
		return err
	}
	return writeCanonical(w, g.s.ValueElement, m, prefixes)
}

// allDataObjects is every reference but the one to the properties, in order (EN 319 132-1, 5.2.8.1).
func (g *signature) allDataObjects(w io.Writer, _ xmldom.Node, m c14n.Method, _ []string) error {
	for i := range g.s.References {
		r := &g.s.References[i]
		if isSignedPropertiesType(r.Type) {
			continue
		}
		if err := g.writeReference(w, r, m); err != nil {
			return err
		}
	}
	return nil
}

var errInclude = errors.New("element Include of a time-stamp names no reference of the signature")

// individualDataObjects is the references named by Include elements (EN 319 132-1, 5.2.8.2).
func (g *signature) individualDataObjects(w io.Writer, stamp xmldom.Node, m c14n.Method, _ []string) error {
	for e := range stamp.Elements() {
		if !e.Is(g.ns, "Include") {
			continue
		}
		uri, _ := e.Attr("", "URI")
		found := false
		for i := range g.s.References {
			if r := &g.s.References[i]; r.ID != "" && uri == "#"+r.ID && !found {
				found = true
				if err := g.writeReference(w, r, m); err != nil {
					return err
				}
			}
		}
		if !found {
			return errInclude
		}
	}
	return nil
}

func (g *signature) writeReference(w io.Writer, r *xmldsig.Reference, m c14n.Method) error {
	return g.processor.Write(w, g.s, r, m)
}

// signatureAndRefs is SignatureValue, then signature time-stamps and complete references in document order
// (EN 319 132-1, A.1.5.1).
func (g *signature) signatureAndRefs(w io.Writer, stamp xmldom.Node, m c14n.Method, prefixes []string) error {
	if err := writeCanonical(w, g.s.ValueElement, m, prefixes); err != nil {
		return err
	}
	return g.writeUnsigned(w, stamp, m, prefixes, "SignatureTimeStamp", "CompleteCertificateRefs", "CompleteRevocationRefs",
		"CompleteCertificateRefsV2", "AttributeCertificateRefs", "AttributeRevocationRefs", "AttributeCertificateRefsV2")
}

// refsOnly is the complete references (EN 319 132-1, A.1.5.2).
func (g *signature) refsOnly(w io.Writer, stamp xmldom.Node, m c14n.Method, prefixes []string) error {
	return g.writeUnsigned(w, stamp, m, prefixes, "CompleteCertificateRefs", "CompleteRevocationRefs", "CompleteCertificateRefsV2",
		"AttributeCertificateRefs", "AttributeRevocationRefs", "AttributeCertificateRefsV2")
}

func (g *signature) writeUnsigned(w io.Writer, stamp xmldom.Node, m c14n.Method, prefixes []string, names ...string) error {
	for e := range g.unsignedSignature().Elements() {
		if e == stamp {
			return nil // what comes after the time-stamp cannot be covered by it
		}
		for _, name := range names {
			if e.Name().Local == name {
				if err := writeCanonical(w, e, m, prefixes); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// counterSignatures returns the ds:Signature elements of CounterSignature properties (EN 319 132-1, 5.2.7.2).
func (g *signature) counterSignatures() []xmldom.Node {
	var out []xmldom.Node
	for e := range g.unsignedSignature().Elements() {
		if !e.Is(g.ns, "CounterSignature") {
			continue
		}
		for c := range e.Elements() {
			if c.Is(xmldsig.Namespace, "Signature") {
				out = append(out, c)
			}
		}
	}
	return out
}
