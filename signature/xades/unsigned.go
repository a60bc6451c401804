package xades

import (
	"errors"
	"io"
	"slices"
	"strings"

	"mist/signature/algo"
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
	own := []string{g.facts.ID}
	if id := g.facts.SigningCertificate.Certificate; id != "" {
		own = append(own, id)
	}
	g.archives(own)
	for e := range g.signedDataObject().Elements() {
		switch {
		case e.Is(g.ns, "AllDataObjectsTimeStamp"):
			g.tokens(e, facts.TimestampContent, "", own, g.allDataObjects)
		case e.Is(g.ns, "IndividualDataObjectsTimeStamp"):
			g.tokens(e, facts.TimestampContent, "", own, g.individualDataObjects)
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
			g.tokens(e, facts.TimestampSignature, "", own, g.signatureValue)
		case "SigAndRefsTimeStamp", "SigAndRefsTimeStampV2":
			g.tokens(e, facts.TimestampValidation, "", g.referred(own, e), g.signatureAndRefs)
		case "RefsOnlyTimeStamp", "RefsOnlyTimeStampV2":
			g.tokens(e, facts.TimestampValidation, "", g.referred(nil, e), g.refsOnly)
		case "ArchiveTimeStamp":
			kind := facts.ArchiveTypeXAdES
			if name.Space == NS141 {
				kind = facts.ArchiveTypeXAdES141
			}
			g.tokens(e, facts.TimestampArchive, kind, g.archived[e.ID()], g.archive)
		}
	}
}

// message writes what a time-stamp covers, canonicalised with the given method where that is needed.
type message func(w io.Writer, stamp xmldom.Node, m c14n.Method, prefixes []string) error

// tokens adds every EncapsulatedTimeStamp of one time-stamp property.
func (g *signature) tokens(stamp xmldom.Node, kind, archive string, ids []string, covers message) {
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
		case !method.Known():
			t.MessageError = "canonicalisation method of the time-stamp is not a standard one"
		default:
			t.Message = func(w io.Writer) error { return covers(w, stamp, method, prefixes) }
		}
		g.out.Tokens = append(g.out.Tokens, t)
	}
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
	return g.canonical(w, g.s.ValueElement, m, prefixes)
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

// referenceProperties are the properties that a stamp over references covers: the second form of the stamp goes with the
// second form of the references (EN 319 132-1, A.1.5; TS 101 903 1.4.2, 7.5).
func referenceProperties(stamp string) []string {
	if strings.HasSuffix(stamp, "V2") {
		return []string{"CompleteCertificateRefsV2", "CompleteRevocationRefs", "AttributeCertificateRefsV2", "AttributeRevocationRefs"}
	}
	return []string{"CompleteCertificateRefs", "CompleteRevocationRefs", "AttributeCertificateRefs", "AttributeRevocationRefs"}
}

// signatureAndRefs is SignatureValue, then signature time-stamps and complete references in document order
// (EN 319 132-1, A.1.5.1).
func (g *signature) signatureAndRefs(w io.Writer, stamp xmldom.Node, m c14n.Method, prefixes []string) error {
	if err := g.canonical(w, g.s.ValueElement, m, prefixes); err != nil {
		return err
	}
	return g.writeUnsigned(w, stamp, m, prefixes, append(referenceProperties(stamp.Name().Local), "SignatureTimeStamp"))
}

// refsOnly is the complete references (EN 319 132-1, A.1.5.2).
func (g *signature) refsOnly(w io.Writer, stamp xmldom.Node, m c14n.Method, prefixes []string) error {
	return g.writeUnsigned(w, stamp, m, prefixes, referenceProperties(stamp.Name().Local))
}

func (g *signature) writeUnsigned(w io.Writer, stamp xmldom.Node, m c14n.Method, prefixes, names []string) error {
	for e := range g.unsignedSignature().Elements() {
		if e == stamp {
			return nil // what comes after the time-stamp cannot be covered by it
		}
		if slices.Contains(names, e.Name().Local) {
			if err := g.canonical(w, e, m, prefixes); err != nil {
				return err
			}
		}
	}
	return nil
}

// referred adds what a stamp over references covers: with the signature (own is not empty) its time-stamps, and the
// certificates and revocation data whose digests the references give. A stamp over references alone says nothing about
// the signature: its references can be older than the signature itself. Digests that can be made to collide name nothing.
func (g *signature) referred(own []string, stamp xmldom.Node) []string {
	ids := own[:len(own):len(own)]
	names := referenceProperties(stamp.Name().Local)
	for e := range g.unsignedSignature().Elements() {
		if e == stamp {
			break
		}
		if len(own) > 0 && e.Is(g.ns, "SignatureTimeStamp") {
			ids = g.held(ids, e)
		}
		if !slices.Contains(names, e.Name().Local) {
			continue
		}
		for d := range e.Descendants() {
			if l := d.Name().Local; l != "CertDigest" && l != "DigestAlgAndValue" {
				continue
			}
			method, _ := d.Child(xmldsig.Namespace, "DigestMethod")
			uri, _ := method.Attr("", "Algorithm")
			digest, err := algo.DigestByURI(uri)
			value, _ := d.Child(xmldsig.Namespace, "DigestValue")
			sum, ok := xmldsig.BinaryValue(value)
			if err != nil || !ok || digest == algo.SHA1 || digest == algo.MD5 {
				continue
			}
			if id := g.byDigest(digest)[string(sum)]; id != "" {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

// byDigest indexes what the signature brings by the digest that references give.
func (g *signature) byDigest(d algo.Digest) map[string]string {
	if have := g.digested[d]; have != nil {
		return have
	}
	out := map[string]string{}
	for prefix, list := range map[string][]facts.Encoded{"C": g.out.Certificates, "R": g.out.Revocations} {
		for _, e := range list {
			if e.Signature == g.facts.ID {
				out[string(d.Sum(e.DER))] = facts.ID(prefix, e.DER)
			}
		}
	}
	if g.digested == nil {
		g.digested = map[algo.Digest]map[string]string{}
	}
	g.digested[d] = out
	return out
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
