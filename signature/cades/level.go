package cades

import (
	"bytes"

	"mist/signature/algo"
	"mist/signature/cert"
	"mist/signature/cms"
	"mist/signature/facts"
)

// Levels of form (EN 319 122-1 and -2).
const (
	LevelNotETSI = "CMS-NOT-ETSI"
	LevelBES     = "CAdES-BES"
	LevelEPES    = "CAdES-EPES"
	LevelTx      = "CAdES-T"
	LevelC       = "CAdES-C"
	LevelX       = "CAdES-X"
	LevelXL      = "CAdES-XL"
	LevelA       = "CAdES-A"
	LevelB       = "CAdES-BASELINE-B"
	LevelT       = "CAdES-BASELINE-T"
	LevelLT      = "CAdES-BASELINE-LT"
	LevelLTA     = "CAdES-BASELINE-LTA"
	LevelERS     = "CAdES-ERS"
)

// level decides the level of form from the material present. It says nothing
// about validity.
func level(m *cms.SignedData, s *cms.SignerInfo, sig *facts.Signature, who *cert.Certificate) string {
	signed := func(oid string) int { return cms.Count(s.Signed, oid) }
	unsigned := func(oid string) bool { return cms.Count(s.Unsigned, oid) > 0 }
	if s.SignedRaw == nil || signed(cms.AttrMessageDigest) != 1 || signed(cms.AttrSigningCert)+signed(cms.AttrSigningCertV2) == 0 {
		return LevelNotETSI
	}
	// A reference by SHA-1 belongs into the first version of the attribute, by
	// any other digest into the second (EN 319 122-1, 5.2.2).
	if signed(cms.AttrSigningCertV2) > 0 && sig.SigningCertificate.DigestAlgorithm == string(algo.SHA1) {
		return LevelNotETSI
	}
	stamp := unsigned(cms.AttrSignatureTimestamp)
	refs := unsigned(cms.AttrCompleteCertRefs) || unsigned(cms.AttrCompleteRevRefs)
	values := unsigned(cms.AttrCertValues) || unsigned(cms.AttrRevValues)
	x := unsigned(cms.AttrCTimestamp) || unsigned(cms.AttrCertCRLTimestamp)
	archiveOld := unsigned(cms.AttrArchiveTimestamp) || unsigned(cms.AttrArchiveTimestampV2)
	archive := unsigned(cms.AttrArchiveTimestampV3)
	// An evidence record of the internal kind goes with attached content, of the
	// external kind with detached content (RFC 5276); another one is none.
	evidence := m.Attached && unsigned(cms.AttrEvidenceRecord) || !m.Attached && unsigned(cms.AttrEvidenceRecordExt)

	embedded := false
	if who != nil {
		for _, der := range m.Certificates {
			embedded = embedded || bytes.Equal(der, who.Raw)
		}
	}
	baseline := embedded && signed(cms.AttrContentType) == 1 && sig.ContentType == cms.OIDData && signed(cms.AttrSigningTime) == 1 &&
		signed(cms.AttrSigningCert)+signed(cms.AttrSigningCertV2) == 1 &&
		signed(cms.AttrPolicyID) <= 1 && signed(cms.AttrSignerAttributes)+signed(cms.AttrSignerAttributesV2) <= 1 &&
		!refs && !values && !x && !archiveOld
	if baseline {
		lt := stamp && len(m.CRLs)+len(m.OCSPs) > 0
		switch {
		case lt && evidence:
			return LevelERS
		case lt && archive:
			return LevelLTA
		case lt:
			return LevelLT
		case stamp:
			return LevelT
		}
		return LevelB
	}
	// The extended levels build on each other: C needs T, X needs C, XL needs
	// X, A needs XL (EN 319 122-2).
	switch {
	case stamp && refs && x && values && (archive || archiveOld):
		return LevelA
	case stamp && refs && x && values:
		return LevelXL
	case stamp && refs && x:
		return LevelX
	case stamp && refs:
		return LevelC
	case stamp && (archive || archiveOld):
		return LevelA
	case stamp:
		return LevelTx
	case signed(cms.AttrPolicyID) > 0:
		return LevelEPES
	}
	return LevelBES
}
