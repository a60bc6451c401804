package xades

import (
	"strings"
	"time"

	"mist/signature/algo"
	"mist/signature/facts"
	"mist/signature/xmldom"
	"mist/signature/xmldsig"
)

// signature is the reading of one ds:Signature in progress.
type signature struct {
	*reader
	s       *xmldsig.Signature
	facts   *facts.Signature
	covered map[xmldom.ID]bool

	ns               string      // of QualifyingProperties
	qualifying       xmldom.Node // zero for a plain XML signature
	signedProperties xmldom.Node
	propertiesSigned bool // a reference to signedProperties was found

	key       keys
	processor *xmldsig.Processor
	formats   map[string]string // media type by ObjectReference
	external  int               // references to content outside the document

	archived        map[xmldom.ID][]string            // what archive time-stamps cover, by property
	encapsulatedIDs int                               // objects counted for them
	digested        map[algo.Digest]map[string]string // ids by digest, for complete references
}

func (g *signature) problem(code facts.ProblemCode, detail string) {
	g.facts.Problems = append(g.facts.Problems, facts.Problem{Code: code, Detail: detail})
}

// remark notes a departure from the schema that changes no meaning.
func (g *signature) remark(detail string) {
	g.facts.StructureValid = false
	if g.facts.StructureDetail == "" {
		g.facts.StructureDetail = detail
	}
	g.problem(facts.RemarkStructure, detail)
}

// properties finds the one QualifyingProperties of this signature (EN 319 132-1, 4.3.2). Old Estonian files put it
// into the namespace of XML signatures itself.
func (g *signature) properties() {
	var found []xmldom.Node
	for _, o := range g.s.Objects {
		for c := range o.Elements() {
			name := c.Name()
			switch {
			case name.Local == "QualifyingProperties" && (name.Space == NS132 || name.Space == NS122 || name.Space == NS111 || name.Space == xmldsig.Namespace):
				found = append(found, c)
				g.covered[o.ID()] = true // its parts are accounted for one by one
			case name.Local == "QualifyingPropertiesReference":
				g.problem(facts.ProblemReferenceRefused, "QualifyingPropertiesReference is not followed")
			}
		}
	}
	switch {
	case len(found) == 0:
		return
	case len(found) > 1:
		g.problem(facts.ProblemAmbiguous, "several QualifyingProperties")
		return
	}
	q := found[0]
	target, ok := q.Attr("", "Target")
	switch {
	case !ok && q.Name().Space == xmldsig.Namespace:
	case target == "#"+g.s.ID && g.s.ID != "":
	case strings.TrimPrefix(target, "#") == "":
		g.remark("QualifyingProperties without Target")
	default:
		g.problem(facts.ProblemWrongTarget, "QualifyingProperties of another signature")
		return
	}
	g.ns, g.qualifying = q.Name().Space, q
	sp, n := q.Child(g.ns, "SignedProperties")
	if n > 1 {
		g.problem(facts.ProblemAmbiguous, "several SignedProperties")
		return
	}
	g.signedProperties = sp
	if _, n := q.Child(g.ns, "UnsignedProperties"); n > 1 {
		g.problem(facts.ProblemAmbiguous, "several UnsignedProperties")
		g.qualifying = xmldom.Node{}
	}
}

// signedSignature returns SignedSignatureProperties, zero when properties are absent or not signed.
func (g *signature) signedSignature() xmldom.Node {
	if !g.propertiesSigned {
		return xmldom.Node{}
	}
	n, _ := g.signedProperties.Child(g.ns, "SignedSignatureProperties")
	return n
}

func (g *signature) signedDataObject() xmldom.Node {
	if !g.propertiesSigned {
		return xmldom.Node{}
	}
	n, _ := g.signedProperties.Child(g.ns, "SignedDataObjectProperties")
	return n
}

// only returns the child that may occur once; a second one makes the signature ambiguous.
func (g *signature) only(parent xmldom.Node, local string) (xmldom.Node, bool) {
	c, n := parent.Child(g.ns, local)
	if n > 1 {
		g.problem(facts.ProblemDuplicateAttribute, local)
		return xmldom.Node{}, false
	}
	return c, n == 1
}

// readSigned reads the signed properties of EN 319 132-1, 5.2, once a reference is known to cover them.
func (g *signature) readSigned() {
	if g.facts.Parent == "" && !g.propertiesSigned {
		g.problem(facts.ProblemNoSignedProperties, "no reference covers SignedProperties")
	}
	ssp := g.signedSignature()
	if e, ok := g.only(ssp, "SigningTime"); ok {
		text, plain := e.Value()
		if t, err := parseTime(text); plain && err == nil {
			g.facts.ClaimedSigningTime = facts.TimePtr(t)
		} else {
			g.remark("SigningTime is not a time")
		}
	}
	if e, ok := g.only(ssp, "SignaturePolicyIdentifier"); ok {
		g.facts.Policy = g.policy(e)
	}
	for _, local := range []string{"SignerRole", "SignerRoleV2"} {
		role, _ := g.only(ssp, local)
		claimed, _ := role.Child(g.ns, "ClaimedRoles")
		for c := range claimed.Elements() {
			if text, plain := c.Value(); plain && c.Is(g.ns, "ClaimedRole") {
				g.facts.ClaimedRoles = append(g.facts.ClaimedRoles, clip(strings.TrimSpace(text)))
			}
		}
	}
	g.formats = map[string]string{}
	for e := range g.signedDataObject().Elements() {
		switch {
		case e.Is(g.ns, "DataObjectFormat"):
			ref, _ := e.Attr("", "ObjectReference")
			mime, _ := e.Child(g.ns, "MimeType")
			if text, plain := mime.Value(); plain && strings.HasPrefix(ref, "#") {
				g.formats[ref[1:]] = clip(strings.TrimSpace(text))
			}
		case e.Is(g.ns, "CommitmentTypeIndication"):
			id, _ := e.Child(g.ns, "CommitmentTypeId")
			ident, _ := id.Child(g.ns, "Identifier")
			if text, plain := ident.Value(); plain {
				g.facts.CommitmentTypes = append(g.facts.CommitmentTypes, clip(strings.TrimSpace(text)))
			}
		}
	}
	for i := range g.facts.Scopes {
		sc := &g.facts.Scopes[i]
		for _, r := range g.s.References {
			if t := g.formats[r.ID]; t != "" && r.ID != "" && referenceName(&r) == sc.Name {
				sc.MediaType = t
			}
		}
		if len(g.facts.Scopes) == 1 {
			g.facts.MediaType = sc.MediaType
		}
	}
}

// policy reads SignaturePolicyIdentifier (EN 319 132-1, 5.2.9). Policy documents are not fetched; one that is stored
// in the signature is compared with the signed digest.
func (g *signature) policy(e xmldom.Node) *facts.SignaturePolicy {
	if _, n := e.Child(g.ns, "SignaturePolicyImplied"); n > 0 {
		return &facts.SignaturePolicy{Implied: true}
	}
	p := &facts.SignaturePolicy{}
	id, _ := e.Child(g.ns, "SignaturePolicyId")
	sigID, _ := id.Child(g.ns, "SigPolicyId")
	ident, _ := sigID.Child(g.ns, "Identifier")
	text, _ := ident.Value()
	p.ID = clip(strings.TrimSpace(text))
	if strings.HasPrefix(p.ID, "http:") || strings.HasPrefix(p.ID, "https:") {
		p.URL = p.ID
	}
	quals, _ := id.Child(g.ns, "SigPolicyQualifiers")
	for q := range quals.Elements() {
		uri, _ := q.Child(g.ns, "SPURI")
		if text, plain := uri.Value(); plain && text != "" {
			p.URL = clip(strings.TrimSpace(text))
		}
	}
	p.ID = strings.TrimPrefix(p.ID, "urn:oid:")
	return p
}

// parseTime reads xs:dateTime, and the dotted dates of old Estonian files.
func parseTime(s string) (time.Time, error) {
	s = strings.TrimSpace(s)
	var err error
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006.01.02T15:04:05Z"} {
		var t time.Time
		if t, err = time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, err
}
