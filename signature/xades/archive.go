package xades

import (
	"errors"
	"io"

	"mist/signature/c14n"
	"mist/signature/cms"
	"mist/signature/facts"
	"mist/signature/xmldom"
	"mist/signature/xmldsig"
)

var errCanonicalWork = errors.New("time-stamps cover more canonical octets than the document may cost")

// canonical writes the canonical form of an element, within the budget of the document: every archive time-stamp covers
// the ones before it again.
func (g *signature) canonical(w io.Writer, n xmldom.Node, m c14n.Method, prefixes []string) error {
	if g.budget.Canonical < 0 || g.budget.Hashed < 0 {
		return errCanonicalWork
	}
	b, err := c14n.Append(nil, c14n.Subtree(n), m, prefixes)
	if err != nil {
		return err
	}
	g.budget.Canonical -= int64(len(b))
	g.budget.Hashed -= int64(len(b))
	_, err = w.Write(b)
	return err
}

// archive is the message of an archive time-stamp whose covered properties stand beside it (EN 319 132-1, 5.5.2.2;
// TS 101 903 1.4.2, 8.2.1): every reference as it was signed, SignedInfo, SignatureValue, KeyInfo, the unsigned
// properties before the stamp in their order, then the ds:Object elements less the one with the properties. The stamp
// of 1.3.2 leaves out the objects that a reference covers already.
func (g *signature) archive(w io.Writer, stamp xmldom.Node, m c14n.Method, prefixes []string) error {
	referred := map[string]bool{}
	for i := range g.s.References {
		r := &g.s.References[i]
		if len(r.URI) > 1 && r.URI[0] == '#' {
			referred[r.URI[1:]] = true
		}
		if err := g.writeReference(w, r, m); err != nil {
			return err
		}
	}
	for _, e := range []xmldom.Node{g.s.SignedInfo, g.s.ValueElement, g.s.KeyInfo} {
		if e.IsZero() {
			continue
		}
		if err := g.canonical(w, e, m, prefixes); err != nil {
			return err
		}
	}
	for e := range g.unsignedSignature().Elements() {
		if e == stamp {
			break
		}
		if err := g.canonical(w, e, m, prefixes); err != nil {
			return err
		}
	}
	for _, o := range g.s.Objects {
		if o.Contains(g.qualifying) {
			continue
		}
		if id, ok := o.Attr("", "Id"); ok && referred[id] && !stamp.IsZero() && !stamp.Is(NS141, "ArchiveTimeStamp") {
			continue
		}
		if err := g.canonical(w, o, m, prefixes); err != nil {
			return err
		}
	}
	return nil
}

// archives gives each archive time-stamp what it covers: the signature, its certificate, what KeyInfo and the signed
// properties hold, and what the unsigned properties before it hold.
func (g *signature) archives(own []string) {
	var ids []string
	for e := range g.unsignedSignature().Elements() {
		if !isArchive(e) {
			continue
		}
		ids = own[:len(own):len(own)]
		for _, der := range g.key.info.Certificates {
			ids = append(ids, facts.ID("C", der))
		}
		for _, der := range g.key.info.CRLs {
			ids = append(ids, facts.ID("R", der))
		}
		if g.propertiesSigned {
			ids = g.held(ids, g.signedProperties)
		}
		break
	}
	if ids == nil {
		return
	}
	g.archived = map[xmldom.ID][]string{}
	for e := range g.unsignedSignature().Elements() {
		if isArchive(e) {
			g.archived[e.ID()] = ids[:len(ids):len(ids)]
		}
		ids = g.held(ids, e)
		if e.Is(g.ns, "CounterSignature") {
			for c := range e.Elements() {
				if s, err := xmldsig.Parse(c, g.env.Limits.References); err == nil {
					signed, _ := s.CanonicalSignedInfo(nil)
					ids = append(ids, signatureID(signed, s.Value))
				}
			}
		}
	}
}

func isArchive(e xmldom.Node) bool {
	if e.Name().Local != "ArchiveTimeStamp" {
		return false
	}
	switch e.Name().Space {
	case NS141, NS132, NS122, NS111:
		return true
	}
	return false
}

// held appends the ids of the certificates, revocation data and time-stamps that an element holds.
func (g *signature) held(ids []string, within xmldom.Node) []string {
	for e := range within.Descendants() {
		prefix := ""
		switch e.Name().Local {
		case "EncapsulatedX509Certificate", "X509Certificate":
			prefix = "C"
		case "EncapsulatedOCSPValue", "EncapsulatedCRLValue", "X509CRL":
			prefix = "R"
		case "EncapsulatedTimeStamp":
			prefix = "T"
		default:
			continue
		}
		der, ok := xmldsig.BinaryValue(e)
		if !ok || len(der) == 0 {
			continue
		}
		if g.encapsulatedIDs++; g.encapsulatedIDs > maxEncapsulated {
			return ids
		}
		ids = append(ids, facts.ID(prefix, der))
		if prefix == "T" {
			ids = append(ids, cms.TokenHolds(der)...)
		}
	}
	return ids
}
