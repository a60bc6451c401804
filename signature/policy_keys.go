package signature

import "sort"

// Contexts of policy rules.
const (
	ctxContainer  = "container"
	ctxSignature  = "signature"
	ctxCounter    = "counter-signature"
	ctxTimestamp  = "timestamp"
	ctxRevocation = "revocation"

	subSigner = ".signer"
	subCA     = ".ca"
)

// policyKeys names every rule the judgement knows, by context. Names are
// those of the DSS constraint file where it has one, so that people who know
// that file can read ours; the rest are marked.
var policyKeys = func() map[string]map[string]bool {
	set := func(lists ...[]string) map[string]bool {
		m := map[string]bool{}
		for _, l := range lists {
			for _, k := range l {
				m[k] = true
			}
		}
		return m
	}
	container := []string{
		"AcceptableContainerTypes", "MimeTypeFilePresent", "AcceptableMimeTypeFileContent",
		"ManifestFilePresent", "SignedFilesPresent", "FilenameAdherence", "AllFilesSigned",
	}
	basic := []string{
		"ReferenceDataExistence", "ReferenceDataIntact", "ReferenceDataNameMatch",
		"ManifestEntryObjectExistence", "ManifestEntryObjectGroup", "ManifestEntryObjectIntact",
		"ManifestEntryNameMatch", "SignatureIntact", "SignatureDuplicated",
		"ProspectiveCertificateChain", "SignerInformationStore", "Cryptographic",
	}
	attributes := []string{
		"SigningCertificatePresent", "UnicitySigningCertificate", "SigningCertificateRefersCertificateChain",
		"SigningCertificateDigestAlgorithm", "CertDigestPresent", "CertDigestMatch", "IssuerSerialMatch",
		"KeyIdentifierMatch", "SigningTime", "SigningTimeInCertRange",
		"MessageDigestOrSignedPropertiesPresent", "EllipticCurveKeySize",
	}
	signature := []string{
		"StructuralValidation", "AcceptablePolicies", "PolicyAvailable", "PolicyHashMatch", "AcceptableFormats",
		// Not in DSS:
		"AcceptableLevels",     // values: level names
		"FullScope",            // the signature covers one whole object
		"SignedAttributes",     // a CMS signer without signed attributes
		"TimestampRequired",    // a valid signature or content time-stamp
		"ClaimedTimeSkew",      // |claimed time - time-stamp| at most Duration
		"ClaimedTimeInPast",    // claimed time at most Duration after the validation time
		"QualifiedCertificate", // QC statement, European or Ukrainian
		"QualifiedDevice",      // key in a qualified device
		"SignerKind",           // values: natural-person, employee, seal
	}
	timestamp := []string{
		"TimestampDelay", "RevocationTimeAgainstBestSignatureTime",
		"BestSignatureTimeBeforeExpirationDateOfSigningCertificate", "Coherence",
		"TSAGeneralNameContentMatch", "AtsHashIndex", "ContainerSignedAndTimestampedFilesCovered",
	}
	revocation := []string{
		"UnknownStatus", "ThisUpdatePresent", "RevocationIssuerKnown", "RevocationIssuerValidAtProductionTime",
		"RevocationAfterCertificateIssuance", "RevocationHasInformationAboutCertificate",
		"OCSPResponderIdMatch", "SelfIssuedOCSP",
		"NotInFuture", // not in DSS: thisUpdate at most Duration after the validation time
	}
	certificate := []string{
		"Recognition", "Signature", "NotExpired", "SunsetDate", "AuthorityInfoAccessPresent",
		"RevocationDataSkip", "RevocationInfoAccessPresent", "RevocationDataAvailable",
		"AcceptableRevocationDataFound", "CRLNextUpdatePresent", "RevocationFreshness", "KeyUsage",
		"ExtendedKeyUsage", "PolicyTree", "NameConstraints", "AuthorityKeyIdentifierPresent",
		"SubjectKeyIdentifierPresent", "NoRevAvail", "SupportedCriticalExtensions", "ForbiddenExtensions",
		"IssuerName", "SerialNumberPresent", "NotRevoked", "NotOnHold", "RevocationIssuerNotExpired",
		"NotSelfSigned", "UsePseudonym", "Cryptographic", "CA", "MaxPathLength",
		// Not in DSS:
		"ExtendedKeyUsageCriticalAlone", // RFC 3161, 2.3: timeStamping, critical and the only one
		"OnlineStatus",                  // an OCSP answer, values: good
	}
	keys := map[string]map[string]bool{
		ctxContainer:  set(container),
		ctxSignature:  set(basic, attributes, signature),
		ctxCounter:    set(basic, attributes, signature),
		ctxTimestamp:  set(basic, attributes, timestamp),
		ctxRevocation: set(basic, attributes, revocation),
	}
	for _, c := range []string{ctxSignature, ctxCounter, ctxTimestamp, ctxRevocation} {
		keys[c+subSigner] = set(certificate)
		keys[c+subCA] = set(certificate)
	}
	return keys
}()

// RuleNames lists every rule a policy may set, sorted.
func RuleNames() []string {
	set := map[string]bool{}
	for _, rules := range policyKeys {
		for k := range rules {
			set[k] = true
		}
	}
	out := make([]string, 0, len(set))
	for k := range set {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}
