package signature

import (
	"time"

	"mist/signature/facts"
)

// formatProblems end in FORMAT_FAILURE.
var formatProblems = map[facts.ProblemCode]bool{
	facts.ProblemAmbiguous: true, facts.ProblemDuplicateID: true, facts.ProblemDuplicateSigner: true,
	facts.ProblemDuplicateAttribute: true, facts.ProblemContentType: true, facts.ProblemContentDiffers: true,
	facts.ProblemMalformed: true, facts.ProblemTrailingData: true, facts.ProblemContainer: true,
	facts.ProblemNoReference: true, facts.ProblemCanonicalization: true, facts.ProblemWrongTarget: true,
}

// refusals end in INDETERMINATE / SIG_CONSTRAINTS_FAILURE with their own code
// as reason: something the verifier does not process is neither good nor bad.
var refusals = map[facts.ProblemCode]bool{
	facts.ProblemAlgorithmUnsupported: true, facts.ProblemTransformRefused: true, facts.ProblemReferenceRefused: true,
	facts.ProblemManifestRefused: true, facts.ProblemKeyRefused: true, facts.ProblemLimit: true,
}

// attributeProblems are rules about signed attributes.
var attributeProblems = map[facts.ProblemCode]bool{
	facts.ProblemNoSignedAttributes: true, facts.ProblemNoSignedProperties: true, facts.ProblemCertificateRefs: true,
	facts.ProblemAlgorithmsDisagree: true, facts.ProblemSignaturePolicyHash: true,
}

func (j *judge) ctx(s *facts.Signature) string {
	if s.Parent != "" {
		return ctxCounter
	}
	return ctxSignature
}

// formatChecking is block FC (5.2.2).
func (j *judge) formatChecking(s *facts.Signature) *builder {
	b := newBlock("FC", s.ID)
	ctx := j.ctx(s)
	for _, p := range append(append([]facts.Problem(nil), j.f.Problems...), s.Problems...) {
		if formatProblems[p.Code] {
			b.must("Format", s.ID, false, failed(FormatFailure).because(string(p.Code)), p.Detail)
		}
	}
	b.must("Format", s.ID, true, failed(FormatFailure), "")
	dup := false
	for _, d := range s.Digests {
		dup = dup || d.Duplicate
	}
	b.check(j.p.rule(ctx, "SignatureDuplicated"), "SignatureDuplicated", s.ID, !dup, failed(FormatFailure), "a reference has several targets")
	b.check(j.p.rule(ctx, "AcceptableFormats"), "AcceptableFormats", s.ID,
		matchAny(j.p.rule(ctx, "AcceptableFormats").Values, s.Level), failed(FormatFailure), s.Level)
	j.container(b, s)
	return b
}

func matchAny(values []string, v string) bool { return contains(values, "*") || contains(values, v) }

// container asks the questions of EN 319 162-1 about an ASiC container.
func (j *judge) container(b *builder, s *facts.Signature) {
	c := j.f.Container
	if c == nil || s.Parent != "" {
		return
	}
	rule := j.p.rules(ctxContainer)
	types := rule.of("AcceptableContainerTypes")
	b.check(types, "AcceptableContainerTypes", "", matchAny(types.Values, c.Type), failed(FormatFailure), c.Type)
	b.check(rule.of("MimeTypeFilePresent"), "MimeTypeFilePresent", "", c.MimetypePresent, failed(FormatFailure), "")
	if c.MimetypePresent {
		m := rule.of("AcceptableMimeTypeFileContent")
		b.check(m, "AcceptableMimeTypeFileContent", "", matchAny(m.Values, c.Mimetype), failed(FormatFailure), "")
	}
	if c.Type == facts.FormatASiCE {
		b.check(rule.of("ManifestFilePresent"), "ManifestFilePresent", "", len(c.Manifests) > 0, failed(FormatFailure), "")
	}
	b.check(rule.of("SignedFilesPresent"), "SignedFilesPresent", "", len(c.ContentFiles) > 0, failed(FormatFailure), "")
	b.check(rule.of("AllFilesSigned"), "AllFilesSigned", "", len(j.f.UnsignedParts) == 0, failed(FormatFailure), "")
}

// identification is block ISC (5.2.3) for any signed token.
func (j *judge) identification(ctx, id string, sc facts.SigningCertificate, attributes bool) *builder {
	b := newBlock("ISC", id)
	rule := j.p.rules(ctx)
	no := indeterminate(NoSigningCertificateFound)
	_, known := j.certs[sc.Certificate]
	if !b.check(j.p.rule(ctx+subSigner, "Recognition"), "Recognition", id, known, no, "") {
		return b
	}
	if !known {
		b.must("Recognition", id, false, no, "")
		return b
	}
	if !attributes {
		return b
	}
	b.check(rule.of("SigningCertificatePresent"), "SigningCertificatePresent", id, sc.ReferencePresent, no, "")
	if sc.ReferencePresent {
		b.check(rule.of("UnicitySigningCertificate"), "UnicitySigningCertificate", id, sc.References <= 1, no, "")
		b.check(rule.of("CertDigestPresent"), "CertDigestPresent", id, sc.DigestPresent, no, "")
		// The certificate the signer named is there, but is not the one that
		// was signed, and its issuer's own key says it was altered: that is a
		// broken file and not a missing certificate.
		if c := j.certs[sc.Certificate]; !sc.DigestMatch && sc.SignerInfoMatch && c.Signature == facts.OutcomeBad {
			no = failed(HashFailure).because("CERTIFICATE_ALTERED")
		}
		b.check(rule.of("CertDigestMatch"), "CertDigestMatch", id, sc.DigestMatch, no, "the signed reference names another certificate")
		no = indeterminate(NoSigningCertificateFound)
		if sc.IssuerSerialGiven {
			b.check(rule.of("IssuerSerialMatch"), "IssuerSerialMatch", id, sc.IssuerSerialMatch, no, "")
		}
	}
	return b
}

// contextInitialisation is block VCI (5.2.4): which signature policy the
// signer named, if any. The validation policy is always ours.
func (j *judge) contextInitialisation(s *facts.Signature) *builder {
	b := newBlock("VCI", s.ID)
	ctx := j.ctx(s)
	acceptable := j.p.rule(ctx, "AcceptablePolicies")
	named := "NO_POLICY"
	if s.Policy != nil {
		named = "ANY_POLICY"
		if s.Policy.Implied {
			named = "IMPLICIT_POLICY"
		}
	}
	ok := contains(acceptable.Values, named) || s.Policy != nil && (contains(acceptable.Values, s.Policy.ID) || contains(acceptable.Values, "ANY_POLICY"))
	b.check(acceptable, "AcceptablePolicies", s.ID, ok, indeterminate(PolicyProcessingError), "")
	if s.Policy != nil && !s.Policy.Implied {
		b.check(j.p.rule(ctx, "PolicyAvailable"), "PolicyAvailable", s.ID, s.Policy.Identified, indeterminate(SignaturePolicyNotAvailable), "")
		b.check(j.p.rule(ctx, "PolicyHashMatch"), "PolicyHashMatch", s.ID, s.Policy.HashMatch, indeterminate(PolicyProcessingError), "")
	}
	return b
}

// cryptography is block CV (5.2.7): data found, digests equal, value holds.
// The three findings are never merged.
func (j *judge) cryptography(ctx, id string, digests []facts.DigestMatch, value facts.Outcome, problems []facts.Problem) *builder {
	b := newBlock("CV", id)
	rule := j.p.rules(ctx)
	for _, d := range digests {
		if d.Kind == facts.MatchManifestEntry {
			b.check(rule.of("ManifestEntryObjectExistence"), "ManifestEntryObjectExistence", id, d.Found, indeterminate(SignedDataNotFound), d.Name)
			continue
		}
		if !b.check(rule.of("ReferenceDataExistence"), "ReferenceDataExistence", id, d.Found, indeterminate(SignedDataNotFound), d.Name) {
			return b
		}
	}
	for _, d := range digests {
		if d.Kind == facts.MatchManifestEntry {
			if d.Found {
				b.check(rule.of("ManifestEntryObjectIntact"), "ManifestEntryObjectIntact", id, d.Intact, failed(HashFailure), d.Name)
			}
			continue
		}
		if d.Found {
			b.check(rule.of("ReferenceDataIntact"), "ReferenceDataIntact", id, d.Intact, failed(HashFailure), d.Name)
		}
	}
	for _, p := range problems {
		if refusals[p.Code] {
			b.must("Supported", id, false, indeterminate(SigConstraintsFailure).because(string(p.Code)), p.Detail)
		}
	}
	if value == facts.OutcomeUnknown {
		b.must("Supported", id, false, indeterminate(SigConstraintsFailure).because(string(facts.ProblemAlgorithmUnsupported)),
			"the signature value could not be computed")
	}
	b.check(rule.of("SignatureIntact"), "SignatureIntact", id, value == facts.OutcomeGood, failed(SigCryptoFailure), "")
	return b
}

// acceptance is block SAV (5.2.8) for a signature, at time at.
func (j *judge) acceptance(s *facts.Signature, at time.Time) *builder {
	b := newBlock("SAV", s.ID)
	ctx := j.ctx(s)
	rule := j.p.rules(ctx)
	no := indeterminate(SigConstraintsFailure)
	b.check(rule.of("StructuralValidation"), "StructuralValidation", s.ID, s.StructureValid, no, s.StructureDetail)
	for _, p := range s.Problems {
		if attributeProblems[p.Code] {
			r := Rule{Level: LevelFail}
			if p.Code == facts.ProblemNoSignedAttributes {
				r = rule.of("SignedAttributes")
			}
			b.check(r, "SignedAttributes", s.ID, false, no.because(string(p.Code)), p.Detail)
		}
	}
	b.check(rule.of("SigningTime"), "SigningTime", s.ID, s.ClaimedSigningTime != nil, no, "")
	c := j.certs[s.SigningCertificate.Certificate]
	if s.ClaimedSigningTime != nil && c != nil {
		t := *s.ClaimedSigningTime
		b.check(rule.of("SigningTimeInCertRange"), "SigningTimeInCertRange", s.ID, !t.Before(c.NotBefore) && !t.After(c.NotAfter), no, "")
		past := rule.of("ClaimedTimeInPast")
		b.check(past, "ClaimedTimeInPast", s.ID, !t.After(j.now.Add(time.Duration(past.Duration))), no, "claimed signing time lies in the future")
	}
	b.check(rule.of("MessageDigestOrSignedPropertiesPresent"), "MessageDigestOrSignedPropertiesPresent", s.ID, s.MessageDigest, no, "")
	levels := rule.of("AcceptableLevels")
	b.check(levels, "AcceptableLevels", s.ID, matchAny(levels.Values, s.Level), no, s.Level)
	full := len(s.Scopes) == 1 && s.Scopes[0].Kind == facts.ScopeFull
	b.check(rule.of("FullScope"), "FullScope", s.ID, full, no.because(ReasonNotFullScope), "")
	if c != nil {
		b.check(rule.of("QualifiedCertificate"), "QualifiedCertificate", s.ID, qualifiedCertificate(c), no, "")
		b.check(rule.of("QualifiedDevice"), "QualifiedDevice", s.ID, c.Ext.QC.SSCD, no, "")
		kinds := rule.of("SignerKind")
		b.check(kinds, "SignerKind", s.ID, matchAny(kinds.Values, SignerKind(c)), no, SignerKind(c))
	}
	j.claimedSkew(b, s)
	j.algorithms(b, rule.of("Cryptographic"), s.ID, s.Algorithm, at)
	for _, d := range s.Digests {
		if d.Found && d.Algorithm != "" {
			j.digestAlgorithm(b, rule.of("Cryptographic"), s.ID, d.Algorithm, at)
		}
	}
	return b
}

// claimedSkew compares the claimed time with each sound time-stamp close to
// signing (content and signature stamps) and asks for one when required.
func (j *judge) claimedSkew(b *builder, s *facts.Signature) {
	ctx := j.ctx(s)
	skew, required := j.p.rule(ctx, "ClaimedTimeSkew"), j.p.rule(ctx, "TimestampRequired")
	if skew.Level == LevelIgnore && required.Level == LevelIgnore {
		return
	}
	near, found := true, false
	for _, id := range s.Timestamps {
		t := j.stamps[id]
		if t == nil || t.Type != facts.TimestampContent && t.Type != facts.TimestampSignature || !j.stampPassed(t) {
			continue
		}
		found = true
		if s.ClaimedSigningTime != nil && s.ClaimedSigningTime.Sub(t.Time).Abs() > time.Duration(skew.Duration) {
			near = false
		}
	}
	b.check(required, "TimestampRequired", s.ID, found, indeterminate(SigConstraintsFailure), "no valid content or signature time-stamp")
	b.check(skew, "ClaimedTimeSkew", s.ID, near, indeterminate(SigConstraintsFailure), "claimed time and time-stamp are too far apart")
}

// algorithms is the algorithm part of SAV and of XCV: at time at, are digest
// and key still relied upon? If not, only a proof of existence before the end
// date can help.
func (j *judge) algorithms(b *builder, r Rule, id string, a facts.Algorithm, at time.Time) bool {
	f := j.table.token(a, at)
	if f.soft {
		r = Rule{Level: j.table.LevelAfterUpdate}
	}
	return b.check(r, "Cryptographic", id, f.ok, indeterminate(CryptoConstraintsFailureNoPOE).because("CRYPTOGRAPHIC"), f.detail)
}

func (j *judge) digestAlgorithm(b *builder, r Rule, id, name string, at time.Time) {
	f := j.table.digest(name, at)
	if f.soft {
		r = Rule{Level: j.table.LevelAfterUpdate}
	}
	b.check(r, "Cryptographic", id, f.ok, indeterminate(CryptoConstraintsFailureNoPOE).because("CRYPTOGRAPHIC"), f.detail)
}

// Kinds of signer, as policies name them.
const (
	SignerNaturalPerson = "natural-person"
	SignerEmployee      = "employee"
	SignerSeal          = "seal"
)

// SignerKind reads from a certificate who it was issued to: a person, a
// person as employee of an organisation, or an organisation for its seal.
func SignerKind(c *facts.Certificate) string {
	if isSeal(c) {
		return SignerSeal
	}
	if c.Identity.EDRPOU != "" && c.Identity.EDRPOU != c.Identity.RNOKPP {
		return SignerEmployee
	}
	return SignerNaturalPerson
}

func isSeal(c *facts.Certificate) bool {
	for _, t := range c.Ext.QC.Types {
		switch t {
		case "eseal":
			return true
		case "esign":
			return false
		}
	}
	if contains(c.Ext.ExtKeyUsage, "1.2.804.2.1.1.1.3.9") {
		return true
	}
	i := c.Identity
	return i.Organization != "" && i.EDRPOU != "" && i.Surname == "" && i.GivenName == "" && i.RNOKPP == ""
}

func qualifiedCertificate(c *facts.Certificate) bool { return c.Ext.QC.Compliance || c.Ext.QC.UA }
