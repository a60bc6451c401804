package xades

import (
	"slices"
	"strings"

	"mist/signature/facts"
	"mist/signature/xmldom"
	"mist/signature/xmldsig"
)

// Levels of form (EN 319 132-1 and -2).
const (
	LevelNotETSI = "XML-NOT-ETSI"
	LevelBES     = "XAdES-BES"
	LevelEPES    = "XAdES-EPES"
	LevelTx      = "XAdES-T"
	LevelLTx     = "XAdES-LT"
	LevelC       = "XAdES-C"
	LevelX       = "XAdES-X"
	LevelXL      = "XAdES-XL"
	LevelA       = "XAdES-A"
	LevelB       = "XAdES-BASELINE-B"
	LevelT       = "XAdES-BASELINE-T"
	LevelLT      = "XAdES-BASELINE-LT"
	LevelLTA     = "XAdES-BASELINE-LTA"
	LevelERS     = "XAdES-ERS"
)

// level decides the level of form from the material present, by the table of EN 319 132-1, 6.3. It says nothing about
// validity.
func (g *signature) level() string {
	if g.signedProperties.IsZero() || !g.propertiesSigned {
		return LevelNotETSI
	}
	has := func(names ...string) bool {
		return slices.ContainsFunc(names, func(n string) bool { return slices.Contains(g.facts.UnsignedAttributes, n) })
	}
	if !g.formatsComplete() {
		return LevelNotETSI
	}
	evidence := has("SealingEvidenceRecords")
	stamp := has("SignatureTimeStamp")
	refs := has("CompleteCertificateRefs", "CompleteRevocationRefs", "CompleteCertificateRefsV2")
	x := has("SigAndRefsTimeStamp", "RefsOnlyTimeStamp", "SigAndRefsTimeStampV2", "RefsOnlyTimeStampV2")
	certificates := has("CertificateValues", "AnyValidationData")
	revocations := has("RevocationValues", "AnyValidationData")
	archive132, archive141, several := false, false, false
	for e := range g.unsignedSignature().Elements() {
		if e.Is(g.ns, "SignatureTimeStamp") {
			_, n := e.Child(g.ns, "EncapsulatedTimeStamp")
			several = several || n > 1 // baseline wants one token in each (EN 319 132-1, 6.3)
		}
		archive132 = archive132 || e.Is(g.ns, "ArchiveTimeStamp") && g.ns != NS141
		archive141 = archive141 || e.Is(NS141, "ArchiveTimeStamp")
	}
	if g.baseline() && !refs && !x && !several {
		lt := stamp && (certificates || revocations)
		switch {
		case lt && evidence:
			return LevelERS
		case lt && (archive141 || archive132):
			return LevelLTA
		case lt:
			return LevelLT
		case stamp:
			return LevelT
		}
		return LevelB
	}
	ssp := g.signedSignature()
	hasRef := len(g.key.refs) > 0 || keyInfoSigned(g.facts)
	switch {
	case !hasRef:
		return LevelNotETSI
	case evidence && stamp && certificates && revocations:
		return LevelERS
	case (archive132 || archive141) && stamp:
		return LevelA
	case certificates && revocations && x:
		return LevelXL
	case x:
		return LevelX
	case refs && stamp:
		return LevelC
	case certificates && revocations && stamp:
		return LevelLTx
	case stamp:
		return LevelTx
	}
	policy, _ := ssp.Child(g.ns, "SignaturePolicyIdentifier")
	id, _ := policy.Child(g.ns, "SignaturePolicyId")
	if _, n := id.Child(g.ns, "SigPolicyHash"); n > 0 {
		return LevelEPES
	}
	if _, n := policy.Child(g.ns, "SignaturePolicyImplied"); n > 0 {
		return LevelEPES
	}
	return LevelBES
}

func keyInfoSigned(f *facts.Signature) bool {
	return slices.ContainsFunc(f.Digests, func(d facts.DigestMatch) bool { return d.Kind == facts.MatchKeyInfo && d.Intact })
}

// baseline checks the requirements of level B (EN 319 132-1, 6.3).
func (g *signature) baseline() bool {
	if g.ns != NS132 || g.s.KeyInfo.IsZero() || g.key.certificate == nil || len(g.s.References) < 2 {
		return false
	}
	embedded := slices.ContainsFunc(g.key.info.Certificates, func(der []byte) bool { return facts.ID("C", der) == g.key.certificate.ID })
	ssp := g.signedSignature()
	count := func(names ...string) (n int) {
		for e := range ssp.Elements() {
			if e.Name().Space == g.ns && slices.Contains(names, e.Name().Local) {
				n++
			}
		}
		return n
	}
	if !embedded || count("SigningTime") != 1 || count("SigningCertificate", "SigningCertificateV2") != 1 ||
		count("SignaturePolicyIdentifier") > 1 || count("SignerRole", "SignerRoleV2") > 1 || count("SignatureProductionPlace", "SignatureProductionPlaceV2") > 1 {
		return false
	}
	for _, r := range g.key.refs {
		if r.v2 && r.hasURI {
			return false
		}
	}
	return g.formatsGiven()
}

// formatsGiven reports whether each data reference has its DataObjectFormat (EN 319 132-1, 6.3). A signature without
// any is taken as it is, as DSS does; one that describes some of its references and not others is not level B.
func (g *signature) formatsGiven() bool {
	named := map[string]bool{}
	for e := range g.signedDataObject().Elements() {
		if e.Is(g.ns, "DataObjectFormat") {
			ref, _ := e.Attr("", "ObjectReference")
			named[strings.TrimPrefix(ref, "#")] = true
		}
	}
	for _, r := range g.s.References {
		if isSignedPropertiesType(r.Type) || r.Type == TypeCounterSigned || g.isKeyInfo(&r) {
			continue
		}
		if len(named) > 0 && (!named[r.ID] || r.ID == "") {
			return false
		}
	}
	return true
}

func (g *signature) isKeyInfo(r *xmldsig.Reference) bool {
	id, _ := g.s.KeyInfo.Attr("", "Id")
	return id != "" && r.URI == "#"+id
}

// formatsComplete reports whether every DataObjectFormat that is there says something, as the schema demands.
func (g *signature) formatsComplete() bool {
	for e := range g.signedDataObject().Elements() {
		if e.Is(g.ns, "DataObjectFormat") && firstElement(e).IsZero() {
			return false
		}
	}
	return true
}

func firstElement(n xmldom.Node) xmldom.Node {
	for c := range n.Elements() {
		return c
	}
	return xmldom.Node{}
}
