package xades

import (
	"bytes"
	"errors"
	"math/big"
	"strings"

	"mist/signature/algo"
	"mist/signature/cert"
	"mist/signature/facts"
	"mist/signature/internal/ber"
	"mist/signature/xmldom"
	"mist/signature/xmldsig"
)

// keys is what is known about the key that made a signature.
type keys struct {
	info        xmldsig.KeyInfo
	certificate *cert.Certificate // nil when none was identified
	key         *algo.PublicKey   // of the certificate, or a bare key
	refs        []certRef
}

// certRef is one Cert of SigningCertificate or SigningCertificateV2 (EN 319 132-1, 5.2.2).
type certRef struct {
	digest    algo.Digest
	value     []byte
	v2        bool
	hasURI    bool
	issuerRaw []byte   // DER Name of IssuerSerialV2
	serialRaw []byte   // INTEGER content octets of IssuerSerialV2
	serial    *big.Int // of IssuerSerial
	issuer    string   // of IssuerSerial, as written
}

// keys reads KeyInfo and the signing certificate references and picks the candidate: the signed digest decides. The
// references are read here because the digest of references may need the key's S-box; readSigned drops what they say
// when it turns out that no reference covers them.
func (g *signature) keys(signedInfo []byte) {
	g.key.info = xmldsig.ReadKeyInfo(g.s.KeyInfo)
	attributes := g.certificateRefs()
	f := &g.facts.SigningCertificate
	f.References = attributes

	for _, der := range g.key.info.Certificates {
		if g.parse(der) != nil {
			g.add(facts.Encoded{DER: der, Origin: facts.OriginKeyInfo, Signature: g.facts.ID})
		}
	}
	for _, der := range g.key.info.CRLs {
		g.add(facts.Encoded{Kind: facts.KindCRL, DER: der, Origin: facts.OriginKeyInfo, Signature: g.facts.ID})
	}
	candidates := append([][]byte(nil), g.key.info.Certificates...)
	inKeyInfo := len(candidates)
	candidates = append(candidates, g.encapsulated("EncapsulatedX509Certificate")...)
	if g.env.Certificates != nil {
		query := facts.CertificateRef{}
		for _, r := range g.key.refs {
			query.Digests = append(query.Digests, facts.Digest{Algorithm: string(r.digest), Value: r.value})
			if query.Serial == nil {
				query.Issuer, query.Serial = r.issuerRaw, r.serialRaw
			}
		}
		if len(query.Digests) > 0 {
			candidates = append(candidates, g.env.Certificates(query)...)
		}
		for _, ref := range g.key.info.Refs {
			candidates = append(candidates, g.env.Certificates(ref)...)
		}
		if len(candidates) == 0 {
			// The document brings no certificate and names one by an unusual digest.
			for _, ref := range append(g.key.info.Refs[:len(g.key.info.Refs):len(g.key.info.Refs)], query) {
				ref.Scan = true
				candidates = append(candidates, g.env.Certificates(ref)...)
			}
		}
	}
	if len(g.key.refs) > 0 {
		first := g.key.refs[0]
		f.ReferencePresent = true
		f.DigestPresent = len(first.value) > 0
		f.DigestAlgorithm = string(first.digest)
		f.IssuerSerialGiven = first.serialRaw != nil || first.serial != nil
		f.ChainRefs = len(g.key.refs) > 1
		for _, der := range candidates {
			if c := g.parse(der); c != nil && digestMatches(first.digest, first.value, der, c.Key) {
				g.choose(c)
				f.DigestMatch = true
				f.IssuerSerialMatch = f.IssuerSerialGiven && first.names(c)
				return
			}
		}
	}
	// No reference, or none that matches: KeyInfo is only a hint, and the facts say so.
	var parsed []*cert.Certificate
	for i, der := range candidates {
		if c := g.parse(der); c != nil && (i < inKeyInfo || len(g.key.refs) == 0) {
			parsed = append(parsed, c)
		}
	}
	if len(parsed) > 0 {
		g.choose(g.hinted(parsed, signedInfo))
		f.IssuerSerialMatch = f.IssuerSerialGiven && g.key.refs[0].names(g.key.certificate)
		return
	}
	if g.key.key = g.key.info.Key; g.key.key == nil {
		g.key.key = g.namedKey()
	}
}

// namedKey is the key that the caller gave under the name in KeyInfo.
func (g *signature) namedKey() *algo.PublicKey {
	for _, name := range g.key.info.Names {
		if spki, ok := g.env.Keys[name]; ok {
			key, err := algo.ParsePublicKey(spki)
			if err != nil {
				g.problem(facts.ProblemAlgorithmUnsupported, "the key given for a KeyName cannot be used")
				return nil
			}
			return key
		}
	}
	return nil
}

// maxTries bounds the public key operations spent on guessing.
const maxTries = 8

// hinted picks, of several certificates offered without a signed reference, the one whose key made the signature; when
// there is none, the first that issued none of the others.
func (g *signature) hinted(list []*cert.Certificate, signedInfo []byte) *cert.Certificate {
	if len(list) > 1 && g.s.Unsupported == nil && len(signedInfo) > 0 {
		for _, c := range list[:min(len(list), maxTries)] {
			if c.Key != nil && g.check(c.Key, signedInfo) == nil {
				return c
			}
		}
	}
	for _, c := range list {
		issuer := false
		for _, other := range list {
			issuer = issuer || other != c && other.Issuer.Equal(c.Subject) && !c.SelfIssued()
		}
		if !issuer && !c.Ext.CA {
			return c
		}
	}
	return list[0]
}

func (g *signature) choose(c *cert.Certificate) {
	g.key.certificate, g.key.key = c, c.Key
	g.facts.SigningCertificate.Certificate = c.ID
	g.facts.SigningCertificate.SignerInfoMatch = true
	if bare := g.key.info.Key; bare != nil && c.Key != nil && (bare.Encryption != c.Key.Encryption || bare.Bits != c.Key.Bits) {
		g.remark("KeyValue is another key than that of the certificate")
	}
	g.add(facts.Encoded{DER: c.Raw, Origin: facts.OriginKeyInfo, Signature: g.facts.ID})
}

// certificateRefs reads the references to the signing certificate and returns how many such properties there are.
func (g *signature) certificateRefs() (attributes int) {
	ssp, _ := g.signedProperties.Child(g.ns, "SignedSignatureProperties")
	for e := range ssp.Elements() {
		v2 := e.Is(g.ns, "SigningCertificateV2")
		if !v2 && !e.Is(g.ns, "SigningCertificate") {
			continue
		}
		if attributes++; attributes > 1 {
			g.problem(facts.ProblemCertificateRefs, "several signing certificate properties")
			return attributes
		}
		for c := range e.Elements() {
			if !c.Is(g.ns, "Cert") || len(g.key.refs) >= 64 {
				continue
			}
			if r, ok := g.certRef(c, v2); ok {
				g.key.refs = append(g.key.refs, r)
			} else {
				g.problem(facts.ProblemMalformed, "signing certificate reference cannot be read")
				return attributes
			}
		}
	}
	return attributes
}

func (g *signature) certRef(c xmldom.Node, v2 bool) (certRef, bool) {
	r := certRef{v2: v2}
	_, r.hasURI = c.Attr("", "URI")
	d, n := c.Child(g.ns, "CertDigest")
	method, m := d.Child(xmldsig.Namespace, "DigestMethod")
	value, v := d.Child(xmldsig.Namespace, "DigestValue")
	if n != 1 || m != 1 || v != 1 {
		return r, false
	}
	uri, _ := method.Attr("", "Algorithm")
	r.digest, _ = algo.DigestByURI(uri)
	var ok bool
	if r.value, ok = xmldsig.BinaryValue(value); !ok {
		return r, false
	}
	if is, n := c.Child(g.ns, "IssuerSerialV2"); n == 1 {
		if der, ok := xmldsig.BinaryValue(is); ok {
			r.issuerRaw, r.serialRaw = issuerSerial(der)
		}
	}
	if is, n := c.Child(g.ns, "IssuerSerial"); n == 1 {
		name, _ := is.Child(xmldsig.Namespace, "X509IssuerName")
		number, _ := is.Child(xmldsig.Namespace, "X509SerialNumber")
		r.issuer, _ = name.Value()
		if text, plain := number.Value(); plain && len(text) < 128 {
			r.serial, _ = new(big.Int).SetString(strings.TrimSpace(text), 10)
		}
	}
	return r, true
}

// issuerSerial reads the IssuerSerial of RFC 5035: GeneralNames with one directoryName, and the serial number.
func issuerSerial(der []byte) (issuer, serial []byte) {
	e, err := ber.One(der)
	if err != nil || e.Tag != ber.Sequence {
		return nil, nil
	}
	c := e.Children()
	names, err := c.Expect(ber.Sequence)
	if err != nil {
		return nil, nil
	}
	for n := names.Children(); !n.Empty(); {
		g, err := n.Next()
		if err != nil {
			return nil, nil
		}
		if g.Tag == 0xa4 {
			issuer = g.Body
		}
	}
	number, err := c.Expect(ber.Integer)
	if err != nil {
		return nil, nil
	}
	return issuer, number.Body
}

// names reports whether issuer and serial number, where given, are those of c. Issuer names of the old form are text
// in many dialects, so only the serial number is compared there.
func (r certRef) names(c *cert.Certificate) bool {
	if r.serialRaw != nil {
		if !bytes.Equal(r.serialRaw, c.SerialRaw) {
			return false
		}
		e, err := ber.One(r.issuerRaw)
		if err != nil {
			return false
		}
		n, err := cert.ParseName(e)
		return err == nil && n.Equal(c.Issuer)
	}
	return r.serial != nil && r.serial.Cmp(c.Serial) == 0
}

// verify checks the signature value over the canonical SignedInfo.
func (g *signature) verify(signedInfo []byte) {
	f := g.facts
	f.Algorithm = facts.Algorithm{Encryption: g.s.Scheme.Encryption, Digest: string(g.s.Scheme.Digest)}
	if f.Algorithm.Encryption == algo.PlainECDSA {
		// In XML every ECDSA value is r || s (XMLDSig 1.1, 6.4.3); policies know the algorithm by one name.
		f.Algorithm.Encryption = algo.ECDSA
	}
	if g.s.Unsupported != nil {
		var refused *xmldsig.Refusal
		if errors.As(g.s.Unsupported, &refused) {
			g.problem(refused.Code, refused.Detail)
		} else {
			g.problem(facts.ProblemAlgorithmUnsupported, clip("signature method "+g.s.MethodURI))
		}
		return
	}
	key := g.key.key
	if key == nil {
		if p := g.key.info.Problem; p != nil {
			g.problem(p.Code, p.Detail)
		}
		return
	}
	f.Algorithm.KeyBits, f.Algorithm.Curve = key.Bits, key.Curve
	if len(signedInfo) == 0 {
		return
	}
	err := g.check(key, signedInfo)
	switch {
	case err == nil:
		f.SignatureValue = facts.OutcomeGood
	case errors.Is(err, algo.ErrBadSignature):
		f.SignatureValue = facts.OutcomeBad
	default:
		g.problem(facts.ProblemAlgorithmUnsupported, "key and signature method do not go together")
	}
}

func (g *signature) check(key *algo.PublicKey, signedInfo []byte) error {
	err := cert.CheckSigned(key, g.s.Scheme, signedInfo, g.s.Value)
	if errors.Is(err, algo.ErrBadSignature) && g.s.Scheme.Encryption == algo.PlainECDSA && g.s.Value[0] == ber.Sequence {
		// Some signers write the DER form of CMS instead of r || s; both forms name the same two numbers.
		asn1 := g.s.Scheme
		asn1.Encryption = algo.ECDSA
		return cert.CheckSigned(key, asn1, signedInfo, g.s.Value)
	}
	return err
}
