package cades

import (
	"crypto/sha256"
	"errors"
	"io"

	"mist/signature/algo"
	"mist/signature/cert"
	"mist/signature/cms"
	"mist/signature/facts"
	"mist/signature/internal/ber"
)

// signer adds the facts of one SignerInfo and returns them for amendments.
func (r *reader) signer(m *cms.SignedData, s *cms.SignerInfo, c content, embedded []*cert.Certificate, depth int, shared []facts.Problem) *facts.Signature {
	sig := facts.Signature{
		ID:             r.uniqueID(s.Raw),
		Depth:          depth,
		Name:           c.name,
		Format:         facts.FormatCAdES,
		SignatureValue: facts.OutcomeUnknown,
		StructureValid: true,
		Problems:       append([]facts.Problem(nil), shared...),
		Digests:        []facts.DigestMatch{},
		Scopes:         []facts.Scope{},
		Chain:          []string{},
	}
	value := sha256.Sum256(s.Signature)
	sig.ValueSHA256, sig.Value = value[:], s.Signature

	who, ref, problems := s.Identify(embedded, cms.FindDER(r.env.Certificates))
	sig.SigningCertificate = ref
	sig.Problems = append(sig.Problems, problems...)
	if who != nil {
		r.certificate(who, facts.OriginSignedData, sig.ID)
	}

	if who == nil && r.unreadable {
		sig.Problems = append(sig.Problems, facts.Problem{Code: facts.ProblemMalformed, Detail: "the embedded certificate cannot be read"})
	}

	scheme, digest, problems := s.Scheme()
	sig.Problems = append(sig.Problems, problems...)
	var key *algo.PublicKey
	if who != nil {
		key = who.Key
		sig.Algorithm = facts.Algorithm{Encryption: scheme.Encryption, Digest: string(scheme.Digest)}
		if key != nil {
			sig.Algorithm.KeyBits, sig.Algorithm.Curve = key.Bits, key.Curve
		}
	} else {
		sig.Algorithm = facts.Algorithm{Encryption: scheme.Encryption, Digest: string(scheme.Digest)}
	}

	r.attributes(&sig, m, s)
	octets, values := r.digest(&sig, s, c, digest, key)
	r.out.Octets[sig.ID] = octets

	if key != nil {
		if s.SignedRaw != nil {
			var remarks []facts.Problem
			sig.SignatureValue, remarks = s.VerifyValue(key, scheme)
			sig.Problems = append(sig.Problems, remarks...)
		} else if scheme.Digest == digest {
			// Without signed attributes the signature is over the content.
			for _, v := range values {
				if err := key.VerifyDigest(scheme, v, s.Signature); err == nil {
					sig.SignatureValue = facts.OutcomeGood
					break
				} else if errors.Is(err, algo.ErrBadSignature) {
					sig.SignatureValue = facts.OutcomeBad
				}
			}
		}
	}
	if s.SignedRaw == nil {
		sig.Problems = append(sig.Problems, facts.Problem{Code: facts.ProblemNoSignedAttributes})
	}

	r.unsigned(&sig, m, s, c)
	sig.Level = level(m, s, &sig, who)
	r.out.Signatures = append(r.out.Signatures, sig)
	at := len(r.out.Signatures) - 1
	r.counterSignatures(s, sig.ID, embedded)
	return &r.out.Signatures[at]
}

func (r *reader) uniqueID(raw []byte) string {
	id := facts.ID("S", raw)
	for _, s := range r.out.Signatures {
		if s.ID == id {
			return facts.ID("S", append([]byte(id), raw...))
		}
	}
	return id
}

// attributes reads the signed attributes that EN 319 122-1 names.
func (r *reader) attributes(sig *facts.Signature, m *cms.SignedData, s *cms.SignerInfo) {
	problem := func(code facts.ProblemCode, detail string) {
		sig.Problems = append(sig.Problems, facts.Problem{Code: code, Detail: detail})
	}
	count := map[string]int{}
	for _, a := range s.Signed {
		count[a.OID]++
		// Each attribute at most once, and one value each (RFC 5652, 11).
		switch {
		case count[a.OID] != 2:
		case a.OID == cms.AttrSigningCert || a.OID == cms.AttrSigningCertV2:
			problem(facts.ProblemCertificateRefs, a.OID+" occurs twice")
		default:
			problem(facts.ProblemDuplicateAttribute, a.OID)
		}
	}
	if t, ok := s.SigningTime(); ok {
		sig.ClaimedSigningTime = facts.TimePtr(t)
	}
	if v := cms.Values(s.Signed, cms.AttrContentType); s.SignedRaw != nil {
		switch {
		case len(v) != 1:
			problem(facts.ProblemContentType, "content-type attribute is not there once")
		default:
			oid, err := v[0].OID()
			sig.ContentType = oid
			if err != nil || (sig.Parent == "" && oid != m.ContentType) {
				problem(facts.ProblemContentType, "content-type attribute differs from eContentType")
			}
		}
	}
	if _, present, ok := s.MessageDigest(); present {
		sig.MessageDigest = true
		if !ok {
			problem(facts.ProblemDuplicateAttribute, "message-digest has not exactly one value")
		}
	}
	if v := cms.Values(s.Signed, cms.AttrMimeType); len(v) == 1 {
		if t, err := v[0].Text(); err == nil {
			sig.MediaType = t
		}
	}
	if v := cms.Values(s.Signed, cms.AttrPolicyID); len(v) == 1 {
		sig.Policy = policy(v[0])
	}
	for _, v := range cms.Values(s.Signed, cms.AttrCommitmentType) {
		c := v.Children()
		if id, err := c.Expect(ber.OID); err == nil {
			if oid, err := id.OID(); err == nil {
				sig.CommitmentTypes = append(sig.CommitmentTypes, oid)
			}
		}
	}
	for _, a := range s.Unsigned {
		sig.UnsignedAttributes = append(sig.UnsignedAttributes, a.OID)
	}
}

// policy reads SignaturePolicy (EN 319 122-1, 5.2.9); documents of policies
// are not fetched.
func policy(v ber.Element) *facts.SignaturePolicy {
	if v.Tag == ber.Null {
		return &facts.SignaturePolicy{Implied: true}
	}
	p := &facts.SignaturePolicy{}
	c := v.Children()
	if id, err := c.Expect(ber.OID); err == nil {
		p.ID, _ = id.OID()
	}
	return p
}

// digest compares the message digest with the content and records the scope.
func (r *reader) digest(sig *facts.Signature, s *cms.SignerInfo, c content, d algo.Digest, key *algo.PublicKey) ([]facts.Octets, [][]byte) {
	match := facts.DigestMatch{Kind: facts.MatchMessageDigest, Name: c.name, Algorithm: string(d)}
	want, present, ok := s.MessageDigest()
	if !c.present {
		if present && ok && r.digestGiven(want, d) {
			match.Found, match.Intact = true, true
			sig.Scopes = append(sig.Scopes, facts.Scope{Kind: facts.ScopeDigest})
			sig.Digests = append(sig.Digests, match)
			return []facts.Octets{{}}, nil
		}
		sig.Digests = append(sig.Digests, match)
		return nil, nil
	}
	match.Found = true
	sha, values, err := c.digests(d, key)
	if err != nil {
		match.Found = false
		sig.Digests = append(sig.Digests, match)
		return nil, nil
	}
	if s.SignedRaw == nil {
		// The signature is over the content itself; VerifyValue decides.
		match.Intact = true
	}
	for _, v := range values {
		if present && ok && cms.DigestEqual(v, want) {
			match.Intact = true
		}
	}
	sig.Digests = append(sig.Digests, match)
	sig.Scopes = append(sig.Scopes, facts.Scope{
		Kind: facts.ScopeFull, Name: c.name, MediaType: sig.MediaType, Size: c.size(), SHA256: sha[:],
	})
	return []facts.Octets{{Open: c.open, Size: c.size(), SHA256: sha}}, values
}

// digestGiven says whether the caller vouches for detached content by digest.
func (r *reader) digestGiven(want []byte, d algo.Digest) bool {
	for _, g := range r.env.ContentDigests {
		if g.Algorithm == string(d) && cms.DigestEqual(g.Value, want) {
			return true
		}
	}
	return false
}

// counterSignatures adds the counter-signatures of a signer: each signs the
// parent's signature value (RFC 5652, 11.4) and never improves the parent.
func (r *reader) counterSignatures(parent *cms.SignerInfo, parentID string, embedded []*cert.Certificate) {
	for _, v := range cms.Values(parent.Unsigned, cms.AttrCounterSignature) {
		if len(r.out.Signatures) >= r.env.Limits.Signatures {
			return
		}
		s, err := cms.ParseSigner(v.Full)
		if err != nil {
			r.out.Problems = append(r.out.Problems, facts.Problem{Code: facts.RemarkStructure, Detail: "counter-signature cannot be read"})
			continue
		}
		sig := facts.Signature{
			ID: r.uniqueID(s.Raw), Parent: parentID, Format: facts.FormatCAdES,
			SignatureValue: facts.OutcomeUnknown, StructureValid: true, Chain: []string{},
		}
		value := sha256.Sum256(s.Signature)
		sig.ValueSHA256, sig.Value = value[:], s.Signature
		who, ref, problems := s.Identify(embedded, cms.FindDER(r.env.Certificates))
		sig.SigningCertificate = ref
		sig.Problems = append(sig.Problems, problems...)
		scheme, digest, problems := s.Scheme()
		sig.Problems = append(sig.Problems, problems...)
		sig.Algorithm = facts.Algorithm{Encryption: scheme.Encryption, Digest: string(scheme.Digest)}
		if t, ok := s.SigningTime(); ok {
			sig.ClaimedSigningTime = facts.TimePtr(t)
		}
		match := facts.DigestMatch{Kind: facts.MatchCounterSigned, Algorithm: string(digest), Found: true}
		if want, present, ok := s.MessageDigest(); present {
			sig.MessageDigest = true
			if ok && digest.Known() {
				match.Intact = cms.DigestEqual(want, digest.Sum(parent.Signature))
				if !match.Intact && who != nil && digest == algo.GOST34311 && who.Key.SBox() != nil {
					h := digest.New(who.Key.SBox())
					h.Write(parent.Signature)
					match.Intact = cms.DigestEqual(want, h.Sum(nil))
				}
			}
		}
		sig.Digests = []facts.DigestMatch{match}
		over := sha256.Sum256(parent.Signature)
		sig.Scopes = []facts.Scope{{Kind: facts.ScopeCounterSignature, Name: parentID, Size: int64(len(parent.Signature)), SHA256: over[:]}}
		r.out.Octets[sig.ID] = []facts.Octets{facts.OctetsOf(parent.Signature)}
		if who != nil {
			r.certificate(who, facts.OriginSignedData, sig.ID)
			if who.Key != nil && s.SignedRaw != nil {
				sig.Algorithm.KeyBits, sig.Algorithm.Curve = who.Key.Bits, who.Key.Curve
				var remarks []facts.Problem
				sig.SignatureValue, remarks = s.VerifyValue(who.Key, scheme)
				sig.Problems = append(sig.Problems, remarks...)
			}
		}
		sig.Level = "CAdES-COUNTER-SIGNATURE"
		r.unsigned(&sig, nil, s, content{present: true, bytes: parent.Signature})
		r.out.Signatures = append(r.out.Signatures, sig)
	}
}

// unsigned collects time-stamps, certificates and revocation values.
func (r *reader) unsigned(sig *facts.Signature, m *cms.SignedData, s *cms.SignerInfo, c content) {
	covers := []string{sig.ID}
	if id := sig.SigningCertificate.Certificate; id != "" {
		covers = append(covers, id)
	}
	token := func(v ber.Element, kind, archive string, message func(io.Writer) error, why string) {
		if len(r.out.Tokens) < maxTokens {
			r.out.Tokens = append(r.out.Tokens, facts.Token{
				DER: v.Full, Signature: sig.ID, Type: kind, ArchiveType: archive,
				Message: message, MessageError: why, Covers: covers,
			})
		}
	}
	for _, v := range cms.Values(s.Signed, cms.AttrContentTimestamp) {
		if c.present {
			token(v, facts.TimestampContent, "", c.writeTo, "")
		} else {
			token(v, facts.TimestampContent, "", nil, "content is not there")
		}
	}
	for _, v := range cms.Values(s.Unsigned, cms.AttrSignatureTimestamp) {
		token(v, facts.TimestampSignature, "", func(w io.Writer) error { _, err := w.Write(s.Signature); return err }, "")
	}
	// A stamp over signature and references covers the signature's time-stamps; one
	// over references alone says nothing about the signature, which can be younger.
	alone := covers
	for _, v := range cms.Values(s.Unsigned, cms.AttrSignatureTimestamp) {
		covers = append(append(covers[:len(covers):len(covers)], facts.ID("T", v.Full)), cms.TokenHolds(v.Full)...)
	}
	for _, v := range cms.Values(s.Unsigned, cms.AttrCTimestamp) {
		token(v, facts.TimestampValidation, "", func(w io.Writer) error { return writeReferences(w, s, true) }, "")
	}
	covers = nil
	for _, v := range cms.Values(s.Unsigned, cms.AttrCertCRLTimestamp) {
		token(v, facts.TimestampValidation, "", func(w io.Writer) error { return writeReferences(w, s, false) }, "")
	}
	covers = alone
	const later = "archive time-stamps are not evaluated"
	for _, a := range []struct{ oid, kind string }{
		{cms.AttrArchiveTimestamp, facts.ArchiveTypeV2}, {cms.AttrArchiveTimestampV2, facts.ArchiveTypeV2},
	} {
		for _, v := range cms.Values(s.Unsigned, a.oid) {
			token(v, facts.TimestampArchive, a.kind, nil, later)
		}
	}
	for _, v := range cms.Values(s.Unsigned, cms.AttrArchiveTimestampV3) {
		if m != nil && c.present {
			r.archive(v, sig, m, s, c, covers)
		} else {
			token(v, facts.TimestampArchive, facts.ArchiveTypeV3, nil, "content is not there")
		}
	}
	for _, v := range cms.Values(s.Unsigned, cms.AttrCertValues) {
		certificateValues(v, func(der []byte) {
			if c, err := r.parse(der); err == nil {
				r.certificate(c, facts.OriginUnsigned, sig.ID)
			}
		})
	}
	for _, v := range cms.Values(s.Unsigned, cms.AttrRevValues) {
		r.revocationValues(v, sig.ID)
	}
}

// writeReferences writes what the two time-stamps over references cover
// (EN 319 122-1, A.1.5.1 and A.1.5.2): attribute type and values in their
// order, without the SEQUENCE header.
func writeReferences(w io.Writer, s *cms.SignerInfo, withSignature bool) error {
	write := func(oid string) error {
		for _, a := range cms.Find(s.Unsigned, oid) {
			if _, err := w.Write(a.Body); err != nil {
				return err
			}
		}
		return nil
	}
	oids := []string{cms.AttrCompleteCertRefs, cms.AttrCompleteRevRefs}
	if withSignature {
		if _, err := w.Write(s.Signature); err != nil {
			return err
		}
		oids = append([]string{cms.AttrSignatureTimestamp}, oids...)
	}
	for _, oid := range oids {
		if err := write(oid); err != nil {
			return err
		}
	}
	return nil
}

// revocationValues adds RevocationValues.
func (r *reader) revocationValues(v ber.Element, sig string) {
	revocationValuesOf(v, func(kind string, der []byte) {
		r.add(&r.out.Revocations, facts.Encoded{Kind: kind, DER: der, Origin: facts.OriginUnsigned, Signature: sig})
	})
}

// revocationValuesOf reads RevocationValues: crlVals [0], ocspVals [1].
func revocationValuesOf(v ber.Element, add func(kind string, der []byte)) {
	for c := v.Children(); !c.Empty(); {
		f, err := c.Next()
		if err != nil {
			return
		}
		kind := ""
		switch f.Tag {
		case 0xa0:
			kind = facts.KindCRL
		case 0xa1:
			kind = facts.KindOCSP
		default:
			continue
		}
		list, err := ber.One(f.Body)
		if err != nil {
			continue
		}
		for k := list.Children(); !k.Empty(); {
			e, err := k.Next()
			if err != nil {
				break
			}
			add(kind, e.Full)
		}
	}
}
