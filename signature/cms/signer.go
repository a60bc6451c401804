package cms

import (
	"bytes"
	"crypto/subtle"
	"errors"
	"time"

	"mist/signature/algo"
	"mist/signature/cert"
	"mist/signature/facts"
	"mist/signature/internal/ber"
)

// Scheme resolves the signature algorithm of the signer. digest is the
// message digest algorithm. Problems name a digestAlgorithm that contradicts
// signatureAlgorithm (RFC 8933 demands they agree) or one not supported.
func (s *SignerInfo) Scheme() (scheme algo.Scheme, digest algo.Digest, problems []facts.Problem) {
	unsupported := func(err error) {
		problems = append(problems, facts.Problem{Code: facts.ProblemAlgorithmUnsupported, Detail: err.Error()})
	}
	digest, err := algo.DigestByOID(s.DigestOID)
	if err != nil {
		// Some signers name the signature algorithm here.
		if alt, e := algo.SchemeByOID(s.DigestOID, nil); e == nil && alt.Digest != "" {
			digest = alt.Digest
			problems = append(problems, facts.Problem{Code: facts.RemarkStructure, Detail: "digestAlgorithm names a signature algorithm"})
		} else {
			unsupported(err)
			return
		}
	}
	scheme, err = algo.SchemeByOID(s.SigOID, s.SigParams)
	if err != nil {
		if d, e := algo.DigestByOID(s.SigOID); e == nil && d == digest {
			// Nothing says which kind of key; the certificate must.
			scheme = algo.Scheme{Digest: d}
		}
		unsupported(err)
		return
	}
	switch {
	case scheme.Digest == "":
		scheme.Digest = digest
	case scheme.Encryption == algo.DSTU4145 && scheme.Digest == algo.GOST34311 && isKupyna(digest):
		// Key and signature share one identifier for GOST 34.311 and Kupyna;
		// real signers keep it and say Kupyna in digestAlgorithm only.
		scheme.Digest = digest
	case scheme.Digest != digest && scheme.Encryption != algo.EdDSA:
		problems = append(problems, facts.Problem{Code: facts.ProblemAlgorithmsDisagree,
			Detail: "digestAlgorithm " + string(digest) + ", signatureAlgorithm " + string(scheme.Digest)})
	}
	return
}

func isKupyna(d algo.Digest) bool {
	return d == algo.Kupyna256 || d == algo.Kupyna384 || d == algo.Kupyna512
}

// VerifyValue checks the signature value over the signed attributes, which
// must be there.
func (s *SignerInfo) VerifyValue(key *algo.PublicKey, scheme algo.Scheme) (facts.Outcome, []facts.Problem) {
	if s.SignedRaw == nil {
		return facts.OutcomeUnknown, nil
	}
	// As received: only the context tag becomes SET (RFC 5652, 5.4). 19 % of
	// real Ukrainian signers order attributes otherwise than DER and verify
	// only this way.
	received := append([]byte(nil), s.SignedRaw...)
	received[0] = ber.Set
	err := verify(key, scheme, received, s.Signature)
	if err == nil {
		if ber.IsOrderedSet(received) {
			return facts.OutcomeGood, nil
		}
		return facts.OutcomeGood, []facts.Problem{{Code: facts.RemarkAttributesNotDER}}
	}
	if !errors.Is(err, algo.ErrBadSignature) {
		return outcome(err), nil
	}
	der, derErr := ber.ToDER(received)
	if derErr == nil && !bytes.Equal(der, received) && verify(key, scheme, der, s.Signature) == nil {
		return facts.OutcomeGood, []facts.Problem{{Code: facts.RemarkAttributesReencoded}}
	}
	return facts.OutcomeBad, nil
}

func verify(key *algo.PublicKey, scheme algo.Scheme, message, sig []byte) error {
	return cert.CheckSigned(key, scheme, message, sig)
}

func outcome(err error) facts.Outcome {
	switch {
	case err == nil:
		return facts.OutcomeGood
	case errors.Is(err, algo.ErrBadSignature):
		return facts.OutcomeBad
	}
	return facts.OutcomeUnknown
}

// MessageDigest returns the message-digest attribute; ok is false when there
// is not exactly one value.
func (s *SignerInfo) MessageDigest() (value []byte, present, ok bool) {
	v := Values(s.Signed, AttrMessageDigest)
	if len(v) == 0 {
		return nil, false, false
	}
	if len(v) != 1 || v[0].Tag&^0x20 != ber.OctetString {
		return nil, true, false
	}
	b, err := v[0].Octets()
	return b, true, err == nil
}

// DigestEqual compares full digests.
func DigestEqual(a, b []byte) bool {
	return len(a) > 0 && len(a) == len(b) && subtle.ConstantTimeCompare(a, b) == 1
}

// SigningTime returns the claimed signing time.
func (s *SignerInfo) SigningTime() (time.Time, bool) {
	v := Values(s.Signed, AttrSigningTime)
	if len(v) != 1 {
		return time.Time{}, false
	}
	t, err := v[0].Time()
	return t, err == nil
}

// signingCertRef is the first ESSCertID(v2) of a signing-certificate attribute.
type signingCertRef struct {
	digest    algo.Digest
	oid       string
	value     []byte
	issuerRaw []byte // GeneralNames directory name, DER Name
	serialRaw []byte
	count     int // certificate ids in the attribute
}

// certRefs reads the signing-certificate attributes, v2 first.
func (s *SignerInfo) certRefs() (refs []signingCertRef, attributes int, problems []facts.Problem) {
	for _, oid := range []string{AttrSigningCertV2, AttrSigningCert} {
		for _, a := range Find(s.Signed, oid) {
			attributes++
			for _, v := range a.Values {
				r, err := readCertRef(v, oid == AttrSigningCertV2)
				if err != nil {
					problems = append(problems, facts.Problem{Code: facts.ProblemMalformed, Detail: "signing-certificate attribute"})
					continue
				}
				refs = append(refs, r)
			}
		}
	}
	return
}

func readCertRef(v ber.Element, v2 bool) (signingCertRef, error) {
	var r signingCertRef
	if err := v.Is(ber.Sequence); err != nil {
		return r, err
	}
	c := v.Children()
	list, err := c.Expect(ber.Sequence)
	if err != nil {
		return r, err
	}
	ids := list.Children()
	first, err := ids.Expect(ber.Sequence)
	if err != nil {
		return r, err
	}
	r.count = 1
	for !ids.Empty() {
		if _, err := ids.Next(); err != nil {
			return r, err
		}
		r.count++
	}
	f := first.Children()
	r.digest = algo.SHA1
	if v2 {
		r.digest = algo.SHA256
		if a, ok, err := f.Optional(ber.Sequence); err != nil {
			return r, err
		} else if ok {
			oid, _, err := algorithm(a)
			if err != nil {
				return r, err
			}
			r.oid = oid
			if r.digest, err = algo.DigestByOID(oid); err != nil {
				r.digest = ""
			}
		}
	}
	h, err := f.Expect(ber.OctetString)
	if err != nil {
		return r, err
	}
	r.value = h.Body
	if is, ok, err := f.Optional(ber.Sequence); err != nil {
		return r, err
	} else if ok {
		ic := is.Children()
		names, err := ic.Expect(ber.Sequence)
		if err != nil {
			return r, err
		}
		for n := names.Children(); !n.Empty(); {
			g, err := n.Next()
			if err != nil {
				return r, err
			}
			if g.Tag == 0xa4 {
				r.issuerRaw = g.Body
			}
		}
		serial, err := ic.Expect(ber.Integer)
		if err != nil {
			return r, err
		}
		r.serialRaw = serial.Body
	}
	return r, nil
}

// Finder looks up certificates that are not in the message.
type Finder func(facts.CertificateRef) []*cert.Certificate

// FindDER makes a Finder of a look-up that returns DER.
func FindDER(f func(facts.CertificateRef) [][]byte) Finder {
	if f == nil {
		return nil
	}
	return func(ref facts.CertificateRef) []*cert.Certificate {
		var out []*cert.Certificate
		for _, der := range f(ref) {
			if c, err := cert.Parse(der); err == nil {
				out = append(out, c)
			}
		}
		return out
	}
}

// Identify finds the signer's certificate (EN 319 102-1, 5.2.3.4): the signed
// reference decides by digest; the signer identifier alone only when there is
// no reference. Candidates are the embedded certificates, then the finder's.
func (s *SignerInfo) Identify(embedded []*cert.Certificate, find Finder) (*cert.Certificate, facts.SigningCertificate, []facts.Problem) {
	var f facts.SigningCertificate
	refs, attributes, problems := s.certRefs()
	f.References = attributes
	f.ReferencePresent = len(refs) > 0
	candidates := embedded
	var chosen *cert.Certificate
	if len(refs) > 0 {
		chosen = s.referenced(embedded, refs[0])
	}
	if find != nil && chosen == nil && (len(refs) > 0 || !s.namesOne(embedded)) {
		q := facts.CertificateRef{Issuer: s.IssuerRaw, Serial: s.SerialRaw, KeyID: s.KeyID}
		for _, r := range refs {
			q.Digests = append(q.Digests, facts.Digest{Algorithm: string(r.digest), Value: r.value})
		}
		more := find(q)
		candidates = append(candidates[:len(candidates):len(candidates)], more...)
		if len(refs) > 0 {
			chosen = s.referenced(more, refs[0])
		}
	}
	if len(refs) > 0 {
		f.DigestPresent = len(refs[0].value) > 0
		f.DigestAlgorithm = string(refs[0].digest)
		f.IssuerSerialGiven = refs[0].serialRaw != nil
		f.ChainRefs = refs[0].count > 1
		// Several attributes must name the same certificate.
		for _, r := range refs[1:] {
			if chosen != nil && !r.matches(chosen) {
				problems = append(problems, facts.Problem{Code: facts.ProblemCertificateRefs})
				break
			}
		}
		if chosen != nil {
			f.Certificate = chosen.ID
			f.DigestMatch = true
			f.IssuerSerialMatch = f.IssuerSerialGiven && bytes.Equal(refs[0].serialRaw, chosen.SerialRaw) && sameName(refs[0].issuerRaw, chosen)
			f.SignerInfoMatch = s.names(chosen)
			if !f.SignerInfoMatch {
				// The unsigned identifier says one certificate and the signed
				// reference another: two readings.
				problems = append(problems, facts.Problem{Code: facts.ProblemAmbiguous, Detail: "signer identifier and signed certificate reference differ"})
			}
			return chosen, f, problems
		}
	}
	// No reference, or none that matches: the signer identifier names the
	// certificate, and the facts say that the digest does not.
	for _, c := range candidates {
		if !s.names(c) {
			continue
		}
		if chosen != nil && chosen.ID != c.ID {
			f.Ambiguous = true
			continue
		}
		chosen = c
	}
	if chosen == nil {
		return nil, f, problems
	}
	if f.Ambiguous && len(refs) == 0 {
		return nil, f, problems
	}
	f.Certificate = chosen.ID
	f.SignerInfoMatch = true
	f.IssuerSerialMatch = f.IssuerSerialGiven && bytes.Equal(refs[0].serialRaw, chosen.SerialRaw)
	return chosen, f, problems
}

// referenced finds the certificate a signed reference names by its digest. The
// one the signer identifier names is tried first: it is nearly always the one,
// and GOST 34.311 over each certificate of a message is dear.
func (s *SignerInfo) referenced(list []*cert.Certificate, r signingCertRef) *cert.Certificate {
	for _, named := range []bool{true, false} {
		for _, c := range list {
			if s.names(c) == named && r.matches(c) {
				return c
			}
		}
	}
	return nil
}

// namesOne says whether the signer identifier names a certificate of the list.
func (s *SignerInfo) namesOne(list []*cert.Certificate) bool {
	for _, c := range list {
		if s.names(c) {
			return true
		}
	}
	return false
}

func (r signingCertRef) matches(c *cert.Certificate) bool {
	if !r.digest.Known() {
		return false
	}
	if r.digest == algo.SHA256 {
		return DigestEqual(r.value, c.SHA256[:])
	}
	if r.digest == algo.GOST34311 {
		return DigestEqual(r.value, c.GOST34311()) || c.Key.OwnSBox() != nil && DigestEqual(r.value, c.GOST34311Own())
	}
	return DigestEqual(r.value, r.digest.Sum(c.Raw))
}

func sameName(raw []byte, c *cert.Certificate) bool {
	if raw == nil {
		return false
	}
	if bytes.Equal(raw, c.Issuer.Raw) {
		return true
	}
	e, err := ber.One(raw)
	if err != nil {
		return false
	}
	n, err := cert.ParseName(e)
	return err == nil && n.Equal(c.Issuer)
}

// names says whether the signer identifier names c.
func (s *SignerInfo) names(c *cert.Certificate) bool {
	if s.KeyID != nil {
		return len(c.Ext.SubjectKeyID) > 0 && bytes.Equal(s.KeyID, c.Ext.SubjectKeyID)
	}
	return bytes.Equal(s.SerialRaw, c.SerialRaw) && (bytes.Equal(s.IssuerRaw, c.Issuer.Raw) || sameName(s.IssuerRaw, c))
}
