package etsi

import (
	"strings"

	"mist/signature/facts"
)

// attributes is clause 4.3.8 with annex A: what the signature says of itself.
func (w *writer) attributes(s *facts.Signature) {
	mark := w.b.Len()
	w.open("SignatureAttributes")
	inside := w.b.Len()
	if s.ClaimedSigningTime != nil {
		w.open("SigningTime", "Signed", "true")
		w.time("Time", *s.ClaimedSigningTime)
		w.close("SigningTime")
	}
	if c := s.SigningCertificate; c.ReferencePresent {
		w.open("SigningCertificate", "Signed", "true")
		if c.DigestMatch && w.certs[c.Certificate] != nil {
			w.empty("AttributeObject", "VOReference", w.id(c.Certificate))
		}
		w.close("SigningCertificate")
	}
	if s.ContentType != "" || s.MediaType != "" {
		w.open("DataObjectFormat", "Signed", "true")
		if s.ContentType != "" {
			w.text("ContentType", uri(s.ContentType))
		}
		if s.MediaType != "" {
			w.text("MimeType", s.MediaType)
		}
		w.close("DataObjectFormat")
	}
	for _, c := range s.CommitmentTypes {
		w.open("CommitmentTypeIndication", "Signed", "true")
		w.text("CommitmentTypeIdentifier", uri(c))
		w.close("CommitmentTypeIndication")
	}
	if p := s.Policy; p != nil && !p.Implied {
		w.open("SigPolicyIdentifier", "Signed", "true")
		w.text("SigPolicyId", uri(p.ID))
		w.close("SigPolicyIdentifier")
	}
	if len(s.ClaimedRoles) > 0 {
		w.open("SignerRole", "Signed", "true")
		for _, role := range s.ClaimedRoles {
			w.open("RoleDetails")
			w.text("Role", role)
			w.text("EndorsementType", "claimed")
			w.close("RoleDetails")
		}
		w.close("SignerRole")
	}
	for i := range w.f.Signatures {
		if c := &w.f.Signatures[i]; c.Parent == s.ID && len(c.ValueSHA256) > 0 {
			w.open("CounterSignature", "Signed", "false")
			w.open("CounterSignature")
			w.digestOf(c.ValueSHA256)
			w.close("CounterSignature")
			w.close("CounterSignature")
		}
	}
	for _, id := range s.Timestamps {
		t := w.stamps[id]
		if t == nil {
			continue
		}
		name, signed := stampName(t, s.ID)
		if name == "" {
			continue
		}
		w.open(name, "Signed", signed)
		w.empty("AttributeObject", "VOReference", w.id(id))
		w.time("TimeStampValue", t.Time)
		w.close(name)
	}
	var certs, revs []string
	for _, id := range s.Certificates {
		if c := w.certs[id]; c != nil && has(c.Origins, facts.OriginUnsigned) {
			certs = append(certs, w.id(id))
		}
	}
	for _, id := range s.Revocations {
		if r := w.revs[id]; r != nil && r.Origin == facts.OriginUnsigned {
			revs = append(revs, w.id(id))
		}
	}
	w.values("CertificateValues", certs)
	w.values("RevocationValues", revs)
	if w.b.Len() == inside {
		w.b.Truncate(mark) // the type wants at least one attribute
		w.depth--
		return
	}
	w.close("SignatureAttributes")
}

func (w *writer) values(name string, ids []string) {
	if len(ids) == 0 {
		return
	}
	w.open(name, "Signed", "false")
	w.empty("AttributeObject", "VOReference", strings.Join(ids, " "))
	w.close(name)
}

// stampName is the element of annex A for a time-stamp of the signature.
func stampName(t *facts.Timestamp, signature string) (name, signed string) {
	switch t.Type {
	case facts.TimestampContent:
		return "AllDataObjectsTimeStamp", "true"
	case facts.TimestampSignature:
		return "SignatureTimeStamp", "false"
	case facts.TimestampValidation:
		if has(t.Covers, signature) {
			return "SigAndRefsTimeStamp", "false"
		}
		return "RefsOnlyTimeStamp", "false"
	case facts.TimestampArchive, facts.TimestampContainer:
		return "ArchiveTimeStamp", "false"
	case facts.TimestampDocument:
		return "DocTimeStamp", "false"
	}
	return "", ""
}

func has(list []string, s string) bool {
	for _, v := range list {
		if v == s {
			return true
		}
	}
	return false
}
