package xades

import (
	"strings"

	"mist/signature/facts"
	"mist/signature/xmldom"
	"mist/signature/xmldsig"
)

// references processes every reference of SignedInfo and the manifests they cover.
func (g *signature) references(parent string) {
	g.external = 0
	for i := range g.s.References {
		if r := &g.s.References[i]; isExternal(r) {
			g.external++
		}
	}
	g.processor = &xmldsig.Processor{
		Doc: g.doc, Content: g.content, SBox: g.key.key.SBox(), Limit: g.env.Limits.Document, Budget: g.budget,
	}
	properties, data, manifests, entries, countersigned := 0, 0, 0, 0, 0
	for i := range g.s.References {
		r := &g.s.References[i]
		out := g.processor.Process(g.s, r)
		match := facts.DigestMatch{
			Kind: facts.MatchReference, Name: referenceName(r), Algorithm: string(r.Digest),
			Found: out.Found, Intact: out.Found && out.Intact, Duplicate: out.Duplicate,
		}
		switch {
		case isSignedPropertiesType(r.Type) || !g.signedProperties.IsZero() && out.Target == g.signedProperties:
			match.Kind = facts.MatchSignedProperties
			// The reference must lead to the properties of this very signature; a copy elsewhere is a decoy.
			if out.Found && out.Target != g.signedProperties {
				match.Found, match.Intact = false, false
				g.remark("SignedProperties reference leads elsewhere")
			}
			properties++
			g.propertiesSigned = g.propertiesSigned || match.Found
		case parent != "" && (r.Type == TypeCounterSigned || g.isParentValue(out.Target)):
			match.Kind = facts.MatchCounterSigned
			if out.Found && !g.isParentValue(out.Target) {
				match.Found, match.Intact = false, false
				g.problem(facts.ProblemWrongTarget, "counter-signature covers another signature value")
			}
			countersigned++
			if match.Found {
				g.scope(r, out, facts.ScopeCounterSignature)
			}
		case r.Type == xmldsig.TypeManifest || out.Found && out.Target.Is(xmldsig.Namespace, "Manifest"):
			match.Kind = facts.MatchManifest
			manifests++
			if out.Found && !g.inOwnObject(out.Target) {
				match.Found, match.Intact = false, false
				break
			}
			if match.Found {
				g.markCovered(out.Target)
				g.facts.Digests = append(g.facts.Digests, match)
				entries += g.manifest(out.Target)
				g.outcomeProblem(out)
				continue
			}
		case !g.s.KeyInfo.IsZero() && out.Target == g.s.KeyInfo:
			match.Kind = facts.MatchKeyInfo
		case r.Type == xmldsig.TypeObject && !out.External:
			match.Kind = facts.MatchObject
			data++
			// A reference that says it covers an Object of the signature must lead to one of its own.
			if out.Found && out.Target.Is(xmldsig.Namespace, "Object") && out.Target.Parent() != g.s.Element {
				match.Found, match.Intact = false, false
			}
			if match.Found {
				g.scope(r, out, g.extent(out))
			}
		default:
			data++
			if match.Found {
				g.scope(r, out, g.extent(out))
			}
		}
		g.outcomeProblem(out)
		if out.External && !match.Found && out.Problem == nil && g.givenDigest(r) {
			match.Found, match.Intact = true, true
			g.facts.Scopes = append(g.facts.Scopes, facts.Scope{Kind: facts.ScopeDigest, Name: match.Name})
			g.out.Octets[g.facts.ID] = append(g.out.Octets[g.facts.ID], facts.Octets{})
		}
		g.facts.Digests = append(g.facts.Digests, match)
	}
	switch {
	case parent != "":
		if countersigned == 0 {
			g.problem(facts.ProblemWrongTarget, "counter-signature does not cover the value of its signature")
		}
	case data == 0 && (manifests == 0 || entries == 0):
		g.problem(facts.ProblemNoReference, "no reference covers a data object")
	}
	if properties > 1 {
		g.problem(facts.ProblemAmbiguous, "several references to SignedProperties")
	}
	if !g.propertiesSigned {
		// Nothing vouches for what the certificate references say.
		f := &g.facts.SigningCertificate
		f.ReferencePresent, f.DigestPresent, f.DigestMatch, f.IssuerSerialGiven, f.IssuerSerialMatch = false, false, false, false, false
	}
	g.facts.MessageDigest = g.propertiesSigned
}

func (g *signature) outcomeProblem(out xmldsig.Outcome) {
	if out.Problem != nil {
		g.problem(out.Problem.Code, out.Problem.Detail)
	}
}

func isExternal(r *xmldsig.Reference) bool { return !r.HasURI || r.URI != "" && r.URI[0] != '#' }

func referenceName(r *xmldsig.Reference) string { return clip(r.URI) }

// isParentValue reports whether n is the SignatureValue of the signature that this one counter-signs.
func (g *signature) isParentValue(n xmldom.Node) bool {
	if n.IsZero() || !n.Is(xmldsig.Namespace, "SignatureValue") {
		return false
	}
	for e := g.s.Element.Parent(); !e.IsZero(); e = e.Parent() {
		if e.Is(xmldsig.Namespace, "Signature") {
			return n.Parent() == e
		}
	}
	return false
}

// inOwnObject reports whether n stands in an Object of this signature.
func (g *signature) inOwnObject(n xmldom.Node) bool {
	for _, o := range g.s.Objects {
		if o.Contains(n) {
			return true
		}
	}
	return false
}

// givenDigest says whether the caller vouches for detached content by its digest.
func (g *signature) givenDigest(r *xmldsig.Reference) bool {
	for _, d := range g.env.ContentDigests {
		if d.Algorithm == string(r.Digest) && string(d.Value) == string(r.Value) {
			return true
		}
	}
	return false
}

// extent decides between FULL and PARTIAL. FULL is: a whole detached object; the whole document, less signatures; an
// Object of a signature that is itself the document. Everything else is a part of something larger that a reader
// could take for signed.
func (g *signature) extent(out xmldsig.Outcome) string {
	switch {
	case out.Extent != xmldsig.ExtentWhole:
		return facts.ScopePartial
	case out.External:
		return facts.ScopeFull
	case out.Target == g.doc.DocumentNode() || out.Target == g.doc.Root():
		return facts.ScopeFull
	case g.s.Element == g.doc.Root():
		for _, o := range g.s.Objects {
			if out.Target == o || out.Target.Parent() == o && onlyElement(o) {
				return facts.ScopeFull
			}
		}
	}
	return facts.ScopePartial
}

// onlyElement reports whether n holds one element and nothing else but white space.
func onlyElement(n xmldom.Node) bool {
	elements := 0
	for c := range n.Children() {
		switch {
		case c.Kind() == xmldom.ElementNode:
			elements++
		case strings.Trim(n.Document().Data(c.ID()), " \t\n\r") != "":
			return false
		}
	}
	return elements == 1
}

func (g *signature) markCovered(n xmldom.Node) {
	if n.IsZero() {
		return
	}
	for e := n; !e.IsZero(); e = e.Parent() {
		if e.Is(xmldsig.Namespace, "Object") {
			g.covered[e.ID()] = true
			break
		}
	}
	for e := range n.Descendants() {
		// A reference to the whole document takes its own signature out, so its objects are not covered by it.
		if e.Is(xmldsig.Namespace, "Object") && !g.s.Element.Contains(e) {
			g.covered[e.ID()] = true
		}
	}
}

func (g *signature) scope(r *xmldsig.Reference, out xmldsig.Outcome, kind string) {
	g.markCovered(out.Target)
	sc := facts.Scope{Kind: kind, Name: referenceName(r), Size: out.Octets.Size, SHA256: out.Octets.SHA256[:]}
	for _, t := range r.Transforms {
		sc.Transforms = append(sc.Transforms, t.Algorithm)
	}
	g.facts.Scopes = append(g.facts.Scopes, sc)
	g.out.Octets[g.facts.ID] = append(g.out.Octets[g.facts.ID], out.Octets)
}

// manifest processes the entries of a ds:Manifest that is signed directly, and returns how many were found. An entry
// that is absent does not break the signature (XMLDSig 1.1, 5.1); one that differs is reported.
func (g *signature) manifest(m xmldom.Node) (found int) {
	refs, err := xmldsig.ManifestReferences(m, g.env.Limits.References)
	if err != nil {
		g.problem(facts.ProblemManifestRefused, "manifest cannot be read")
		return 0
	}
	for i := range refs {
		r := &refs[i]
		if r.Type == xmldsig.TypeManifest {
			g.problem(facts.ProblemManifestRefused, "manifest in a manifest")
			continue
		}
		out := g.processor.Process(g.s, r)
		g.facts.Digests = append(g.facts.Digests, facts.DigestMatch{
			Kind: facts.MatchManifestEntry, Name: referenceName(r), Algorithm: string(r.Digest),
			Found: out.Found, Intact: out.Found && out.Intact, Duplicate: out.Duplicate,
		})
		if out.Problem != nil && out.Problem.Code == facts.ProblemDuplicateID {
			g.outcomeProblem(out)
		}
		if out.Found {
			found++
			g.scope(r, out, g.extent(out))
		}
	}
	return found
}
