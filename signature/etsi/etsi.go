// Package etsi writes a verification as the XML report of ETSI TS 119 102-2
// v1.4.1: what courts, archives and other member states read. It judges
// nothing: every word comes from the facts, the report and the algorithm table
// that signature.Verify made, and the same result gives the same bytes.
//
// Signed content never enters a report, digests and names do. Certificates,
// revocation data and time-stamps do, so a report names the signer.
package etsi

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"mist/signature"
	"mist/signature/facts"
)

// Namespaces of a report.
const (
	Namespace      = "http://uri.etsi.org/19102/v1.4.1#"
	namespaceDS    = "http://www.w3.org/2000/09/xmldsig#"
	namespaceXAdES = "http://uri.etsi.org/01903/v1.3.2#"
	namespaceTSL   = "http://uri.etsi.org/02231/v2#"
	// own is the beginning of identifiers the standard leaves to the validator:
	// constraints, policies, qualities.
	own = "urn:mist:signature:"
)

// MediaType of a report.
const MediaType = "application/xml"

// Identifiers of TS 119 102-2.
const (
	statusApplied = "urn:etsi:019102:constraintStatus:applied" // 4.3.5.4.2
	poeValidation = "urn:etsi:019102:poetype:validation"       // 4.4.6.2

	processBasic = "urn:etsi:019102:validationprocess:Basic" // 4.3.11
	processLTVM  = "urn:etsi:019102:validationprocess:LTVM"
	processLTA   = "urn:etsi:019102:validationprocess:LTA"

	objectCertificate = "urn:etsi:019102:validationObject:certificate" // 4.4.4
	objectCRL         = "urn:etsi:019102:validationObject:CRL"
	objectOCSP        = "urn:etsi:019102:validationObject:OCSPResponse"
	objectTimestamp   = "urn:etsi:019102:validationObject:timestamp"
	objectSignedData  = "urn:etsi:019102:validationObject:signedData"

	revocationReason = "urn:etsi:019102:revocationReason:" // 4.3.12.6.2, with the word of RFC 5280
)

// ErrNoSignature is returned for a document without a signature: the standard
// has no report of nothing (SignatureValidationReport occurs at least once).
var ErrNoSignature = errors.New("a report of TS 119 102-2 is about signatures, and the document holds none")

// Validator is who made the report (clause 4.5). Certificate is that of the
// validation service; a program without one is named by Name alone.
type Validator struct {
	Name        string
	Certificate []byte // DER
}

// Report writes the report of a result: one SignatureValidationReport for each
// signature, the objects they were judged by, the validator.
func Report(r *signature.Result, by Validator) ([]byte, error) {
	if len(r.Report.Signatures) == 0 {
		return nil, ErrNoSignature
	}
	if len(r.Report.Signatures) != len(r.Facts.Signatures) || len(r.Report.Timestamps) != len(r.Facts.Timestamps) {
		return nil, errors.New("writing an ETSI report: the report is not of these facts")
	}
	table, err := signature.DefaultAlgorithms()
	if err != nil {
		return nil, fmt.Errorf("writing an ETSI report: %w", err)
	}
	w := &writer{f: r.Facts, r: r.Report, table: table, names: map[string]string{}, taken: map[string]bool{}}
	w.index()
	w.raw(`<?xml version="1.0" encoding="UTF-8"?>` + "\n")
	w.open("ValidationReport", "xmlns", Namespace, "xmlns:ds", namespaceDS, "xmlns:XAdES", namespaceXAdES, "xmlns:tsl", namespaceTSL)
	for i := range w.f.Signatures {
		w.signature(&w.f.Signatures[i], &w.r.Signatures[i])
	}
	w.objects()
	w.open("SignatureValidator")
	w.open("DigitalId")
	if len(by.Certificate) > 0 {
		w.bytes("tsl:X509Certificate", by.Certificate)
	} else {
		w.text("tsl:Other", by.Name)
	}
	w.close("DigitalId")
	w.text("OtherInformation", by.Name)
	w.close("SignatureValidator")
	w.close("ValidationReport")
	return w.b.Bytes(), nil
}

// index gives every object of the report its xs:ID and finds what certificates
// and time-stamps are by their ids.
func (w *writer) index() {
	w.certs, w.revs, w.stamps = map[string]*facts.Certificate{}, map[string]*facts.Revocation{}, map[string]*facts.Timestamp{}
	for i := range w.f.Signatures {
		w.id(w.f.Signatures[i].ID)
	}
	for i := range w.f.Certificates {
		w.certs[w.f.Certificates[i].ID] = &w.f.Certificates[i]
	}
	for i := range w.f.Revocations {
		w.revs[w.f.Revocations[i].ID] = &w.f.Revocations[i]
	}
	for i := range w.f.Timestamps {
		w.stamps[w.f.Timestamps[i].ID] = &w.f.Timestamps[i]
	}
	w.proofs = map[string]*facts.Timestamp{}
	for i := range w.r.Timestamps {
		t := &w.f.Timestamps[i]
		if w.r.Timestamps[i].Conclusion.Indication != signature.Passed || t.Type == facts.TimestampEvidence {
			continue
		}
		for _, id := range t.Covers {
			if p := w.proofs[id]; p == nil || t.Time.Before(p.Time) {
				w.proofs[id] = t
			}
		}
	}
}

// signature writes SignatureValidationReport (clause 4.3) in the order of its type.
func (w *writer) signature(s *facts.Signature, r *signature.SignatureReport) {
	w.open("SignatureValidationReport")
	w.identifier(s)
	w.constraints(r.Blocks)
	w.open("ValidationTimeInfo")
	w.time("ValidationTime", w.r.Time)
	if r.BestSignatureTime != nil {
		w.poe("BestSignatureTime", *r.BestSignatureTime, r.ProvenBy)
	} else {
		w.poe("BestSignatureTime", w.r.Time, "")
	}
	w.close("ValidationTimeInfo")
	w.document(s)
	w.attributes(s)
	w.signer(s.SigningCertificate.Certificate)
	w.open("SignatureQuality")
	w.text("SignatureQualityInformation", own+"quality:"+quality(r))
	w.close("SignatureQuality")
	w.open("SignatureValidationProcess")
	w.text("SignatureValidationProcessID", process(r.Blocks))
	w.text("OtherInformation", "algorithms "+w.r.Algorithms+"; facts "+w.r.Facts+"; report "+w.r.Digest())
	w.close("SignatureValidationProcess")
	w.status("SignatureValidationStatus", r.Conclusion, func() { w.data(s, r) })
	w.close("SignatureValidationReport")
}

// identifier is clause 4.3.3. HashOnly is never true here: the verifier does
// not take the digest of a signature for the signature.
func (w *writer) identifier(s *facts.Signature) {
	w.open("SignatureIdentifier", "id", w.id(s.ID))
	if len(s.Value) > 0 {
		w.bytes("ds:SignatureValue", s.Value)
	}
	digests := len(s.Scopes) > 0
	for _, c := range s.Scopes {
		digests = digests && c.Kind == facts.ScopeDigest
	}
	w.text("HashOnly", "false")
	w.flag("DocHashOnly", digests)
	w.text("DAIdentifier", s.ID)
	if len(s.ValueSHA256) > 0 {
		w.open("OtherInformation")
		w.open("SignatureReference")
		w.digestOf(s.ValueSHA256)
		w.close("SignatureReference")
		w.close("OtherInformation")
	}
	w.close("SignatureIdentifier")
}

// constraints is clause 4.3.5: the policy by identifier and digest, then every
// question that was put, in the order it was.
func (w *writer) constraints(blocks []signature.Block) {
	w.open("ValidationConstraintsEvaluationReport")
	w.open("SignatureValidationPolicy")
	w.open("SignaturePolicyIdentifier")
	w.open("XAdES:SignaturePolicyId")
	w.open("XAdES:SigPolicyId")
	w.text("XAdES:Identifier", own+"policy:"+part(w.r.Policy.ID)+":"+part(w.r.Policy.Version))
	w.close("XAdES:SigPolicyId")
	w.open("XAdES:SigPolicyHash")
	w.sha256(unhex(strings.TrimPrefix(w.r.Policy.Digest, "sha256:")))
	w.close("XAdES:SigPolicyHash")
	w.close("XAdES:SignaturePolicyId")
	w.close("SignaturePolicyIdentifier")
	w.text("PolicyName", w.r.Policy.ID+" "+w.r.Policy.Version)
	w.close("SignatureValidationPolicy")
	w.asked(blocks)
	w.close("ValidationConstraintsEvaluationReport")
}

func (w *writer) asked(blocks []signature.Block) {
	for i := range blocks {
		b := &blocks[i]
		for _, c := range b.Checks {
			w.open("ValidationConstraint")
			w.text("ValidationConstraintIdentifier", own+"constraint:"+part(b.Name)+":"+part(c.Name))
			if c.Subject != "" {
				w.open("ValidationConstraintParameter")
				w.text("Type", own+"subject")
				w.text("Value", c.Subject)
				w.close("ValidationConstraintParameter")
			}
			w.open("ConstraintStatus")
			w.text("Status", statusApplied)
			w.close("ConstraintStatus")
			// A question that does not conclude its block is passed, and the
			// remark it leaves stands beside.
			concluded := signature.Conclusion{Indication: signature.Passed}
			if c.Status == signature.StatusNotOK {
				concluded = b.Conclusion
			}
			w.status("ValidationStatus", concluded, nil)
			if c.Status != signature.StatusOK {
				w.text("Indications", strings.TrimSuffix(string(c.Status)+": "+c.Detail, ": "))
			}
			w.close("ValidationConstraint")
		}
		w.asked(b.Blocks)
	}
}

// document is clause 4.3.7: the digest of what was signed, never the content.
func (w *writer) document(s *facts.Signature) {
	var ids []string
	var last facts.Scope
	for i, c := range s.Scopes {
		if len(c.SHA256) > 0 {
			ids = append(ids, w.scopeID(s, i))
			last = c
		}
	}
	if len(ids) == 0 {
		return
	}
	w.open("SignersDocument")
	if len(ids) == 1 {
		w.open("DigestAlgAndValue")
		w.sha256(last.SHA256)
		w.close("DigestAlgAndValue")
	}
	w.empty("SignersDocumentRepresentation", "VOReference", strings.Join(ids, " "))
	w.close("SignersDocument")
}

func (w *writer) scopeID(s *facts.Signature, i int) string {
	return w.id(fmt.Sprintf("D-%s-%d", s.ID, i))
}

// signer is clause 4.3.9; the certificate says who it is.
func (w *writer) signer(id string) {
	c := w.certs[id]
	if c == nil {
		return
	}
	if c.Identity.Pseudonym != "" {
		w.open("SignerInformation", "Pseudonym", "true")
	} else {
		w.open("SignerInformation")
	}
	w.empty("SignerCertificate", "VOReference", w.id(id))
	name := c.Identity.CommonName
	if name == "" {
		name = c.Subject
	}
	w.text("Signer", name)
	w.close("SignerInformation")
}

// quality is clause 4.3.10: the kinds of the Ukrainian law (2155-VIII).
func quality(r *signature.SignatureReport) string {
	kind := "signature"
	if r.Seal {
		kind = "seal"
	}
	if r.Qualified {
		return "qualified-electronic-" + kind
	}
	return "electronic-" + kind
}

// process is how far validation went (clause 4.3.11): the last process of the
// report that was run.
func process(blocks []signature.Block) string {
	id := processBasic
	for _, b := range blocks {
		switch b.Name {
		case "TIME":
			id = processLTVM
		case "PAST":
			id = processLTA
		}
	}
	return id
}

// status is ValidationStatusType, clause 4.3.4.
func (w *writer) status(name string, c signature.Conclusion, more func()) {
	w.open(name)
	w.text("MainIndication", c.Indication.URI())
	if c.SubIndication != "" {
		w.text("SubIndication", c.SubIndication.URI())
	}
	if more != nil {
		more()
	}
	w.close(name)
}

// data is AssociatedValidationReportData, clause 4.3.12.
func (w *writer) data(s *facts.Signature, r *signature.SignatureReport) {
	w.open("AssociatedValidationReportData")
	w.chain(r.Chain)
	signer := w.certs[first(r.Chain)]
	if signer != nil {
		var ids []string
		for _, info := range signer.Revocation {
			if w.revs[info.Revocation] != nil {
				ids = append(ids, w.id(info.Revocation))
			}
		}
		if len(ids) > 0 {
			w.empty("RelatedValidationObject", "VOReference", strings.Join(ids, " "))
		}
		w.revoked(signer)
	}
	at := w.r.Time
	if r.BestSignatureTime != nil {
		at = *r.BestSignatureTime
	}
	w.crypto(w.id(s.ID), s.Algorithm, at)
	w.extra(r.Conclusion)
	w.close("AssociatedValidationReportData")
}

func (w *writer) chain(chain []string) {
	var known []string
	for _, id := range chain {
		if w.certs[id] != nil {
			known = append(known, id)
		}
	}
	if len(known) == 0 {
		return
	}
	anchor := known[len(known)-1]
	if len(w.certs[anchor].Trusted) == 0 {
		anchor = ""
	}
	if anchor != "" {
		w.empty("TrustAnchor", "VOReference", w.id(anchor))
	}
	w.open("CertificateChain")
	w.empty("SigningCertificate", "VOReference", w.id(known[0]))
	for i, id := range known[1:] {
		if i < len(known)-2 || anchor == "" {
			w.empty("IntermediateCertificate", "VOReference", w.id(id))
		}
	}
	if anchor != "" {
		w.empty("TrustAnchor", "VOReference", w.id(anchor))
	}
	w.close("CertificateChain")
}

func (w *writer) revoked(c *facts.Certificate) {
	for _, info := range c.Revocation {
		if info.Status != facts.StatusRevoked || info.RevokedAt == nil || w.revs[info.Revocation] == nil {
			continue
		}
		w.open("RevocationStatusInformation")
		w.empty("ValidationObjectId", "VOReference", w.id(c.ID))
		w.time("RevocationTime", *info.RevokedAt)
		if info.Reason != "" {
			w.text("RevocationReason", revocationReason+part(info.Reason))
		}
		w.empty("RevocationObject", "VOReference", w.id(info.Revocation))
		w.close("RevocationStatusInformation")
		return
	}
}

func (w *writer) crypto(id string, a facts.Algorithm, at time.Time) {
	ok, until := w.table.Reliable(a, at)
	w.open("CryptoInformation")
	w.empty("ValidationObjectId", "VOReference", id)
	w.text("Algorithm", algorithm(a))
	if a.KeyBits > 0 {
		w.open("AlgorithmParameters")
		w.text("Type", own+"key-size-in-bits")
		w.text("Value", fmt.Sprint(a.KeyBits))
		w.close("AlgorithmParameters")
	}
	w.flag("SecureAlgorithm", ok)
	if !until.IsZero() {
		w.time("NotAfter", until)
	}
	w.close("CryptoInformation")
}

// extra tells what the sub-indication does not: the reason as a machine word,
// and when it is worth asking again.
func (w *writer) extra(c signature.Conclusion) {
	if c.Reason == "" && c.RetryAfter == nil {
		return
	}
	w.open("AdditionalValidationReportData")
	put := func(kind, value string) {
		w.open("ReportData")
		w.text("Type", own+kind)
		w.text("Value", value)
		w.close("ReportData")
	}
	if c.Reason != "" {
		put("reason", c.Reason)
	}
	if c.RetryAfter != nil {
		put("retry-after", c.RetryAfter.UTC().Format(time.RFC3339))
	}
	w.close("AdditionalValidationReportData")
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}
