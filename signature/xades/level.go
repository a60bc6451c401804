package xades

import (
	"slices"

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
	if has("SealingEvidenceRecords", "EvidenceRecord") {
		return LevelERS
	}
	stamp := has("SignatureTimeStamp")
	refs := has("CompleteCertificateRefs", "CompleteRevocationRefs", "CompleteCertificateRefsV2")
	x := has("SigAndRefsTimeStamp", "RefsOnlyTimeStamp", "SigAndRefsTimeStampV2", "RefsOnlyTimeStampV2")
	certificates := has("CertificateValues", "AnyValidationData", "TimeStampValidationData")
	revocations := has("RevocationValues", "AnyValidationData", "TimeStampValidationData")
	archive132, archive141 := false, false
	for e := range g.unsignedSignature().Elements() {
		archive132 = archive132 || e.Is(g.ns, "ArchiveTimeStamp") && g.ns != NS141
		archive141 = archive141 || e.Is(NS141, "ArchiveTimeStamp")
	}
	if g.baseline() && !refs && !x {
		lt := stamp && (certificates || revocations)
		switch {
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
	if _, n := ssp.Child(g.ns, "SignaturePolicyIdentifier"); n > 0 {
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
	if g.facts.Parent != "" {
		return true // counter-signatures need no DataObjectFormat
	}
	return g.everyObjectHasFormat()
}

func (g *signature) everyObjectHasFormat() bool {
	formats := map[string]bool{}
	for e := range g.signedDataObject().Elements() {
		if !e.Is(g.ns, "DataObjectFormat") {
			continue
		}
		ref, _ := e.Attr("", "ObjectReference")
		if firstElement(e).IsZero() {
			return false
		}
		formats[ref] = true
	}
	for i := range g.s.References {
		r := &g.s.References[i]
		if isSignedPropertiesType(r.Type) || r.URI == "#"+idOf(g.s.KeyInfo) || r.Type == xmldsig.TypeManifest && formats["#"+r.ID] {
			continue
		}
		if r.Type == TypeCounterSigned {
			continue
		}
		if r.ID == "" || !formats["#"+r.ID] {
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

func idOf(n xmldom.Node) string {
	if n.IsZero() {
		return "\x00"
	}
	id, ok := n.Attr("", "Id")
	if !ok {
		return "\x00"
	}
	return id
}
