package xmldsig

import (
	"encoding/base64"
	"math/big"
	"strings"

	"mist/signature/algo"
	"mist/signature/facts"
	"mist/signature/xmldom"
)

// KeyInfo is what ds:KeyInfo offers. All of it is a hint: nothing in it says who signed (XMLDSig 1.1, 4.5).
type KeyInfo struct {
	Certificates [][]byte // DER, in document order
	CRLs         [][]byte
	Refs         []facts.CertificateRef // X509SKI, X509Digest, X509SubjectName, X509IssuerSerial
	Names        []string               // KeyName
	Key          *algo.PublicKey        // a bare key, nil when there is none
	Problem      *facts.Problem         // why key material could not be used
}

const maxCertificates = 64

// ReadKeyInfo reads X509Data, KeyValue, DEREncodedKeyValue and a KeyInfoReference to another KeyInfo of the document.
// RetrievalMethod is refused: it asks the verifier to run transforms to find out whom to believe.
func ReadKeyInfo(e xmldom.Node) KeyInfo {
	var k KeyInfo
	k.read(e, true)
	return k
}

func (k *KeyInfo) problem(code facts.ProblemCode, detail string) {
	if k.Problem == nil {
		k.Problem = &facts.Problem{Code: code, Detail: detail}
	}
}

func (k *KeyInfo) read(e xmldom.Node, follow bool) {
	for c := range e.Elements() {
		switch {
		case c.Is(Namespace, "X509Data"):
			k.x509Data(c)
		case c.Is(Namespace, "KeyName"):
			if name, ok := c.Value(); ok && len(k.Names) < maxCertificates {
				k.Names = append(k.Names, name)
			}
		case c.Is(Namespace, "KeyValue"):
			k.keyValue(c)
		case c.Is(Namespace11, "DEREncodedKeyValue"):
			spki, bad := binaryValue(c)
			if bad != nil {
				k.problem(facts.ProblemMalformed, "DEREncodedKeyValue is not base64 text")
				continue
			}
			key, err := algo.ParsePublicKey(spki)
			k.use(key, err)
		case c.Is(Namespace, "RetrievalMethod"):
			k.problem(facts.ProblemKeyRefused, "RetrievalMethod is refused")
		case c.Is(Namespace11, "KeyInfoReference"):
			uri, _ := c.Attr("", "URI")
			id, found := strings.CutPrefix(uri, "#")
			target, n := e.Document().ByID(id)
			if !found || !follow || n != 1 || !target.Is(Namespace, "KeyInfo") {
				k.problem(facts.ProblemKeyRefused, "KeyInfoReference does not name one KeyInfo of the document")
				continue
			}
			k.read(target, false)
		}
	}
}

func (k *KeyInfo) x509Data(e xmldom.Node) {
	for c := range e.Elements() {
		switch {
		case len(k.Refs) >= maxCertificates:
		case c.Is(Namespace, "X509SubjectName"):
			if name, ok := c.Value(); ok && name != "" {
				k.Refs = append(k.Refs, facts.CertificateRef{SubjectText: name})
			}
			continue
		case c.Is(Namespace, "X509IssuerSerial"):
			name, _ := c.Child(Namespace, "X509IssuerName")
			number, _ := c.Child(Namespace, "X509SerialNumber")
			issuer, ok := name.Value()
			if serial := serialOctets(number); ok && issuer != "" && serial != nil {
				k.Refs = append(k.Refs, facts.CertificateRef{IssuerText: issuer, Serial: serial})
			}
			continue
		}
		der, bad := binaryValue(c)
		switch {
		case c.Is(Namespace, "X509Certificate") && bad == nil && len(k.Certificates) < maxCertificates:
			k.Certificates = append(k.Certificates, der)
		case c.Is(Namespace, "X509CRL") && bad == nil && len(k.CRLs) < maxCertificates:
			k.CRLs = append(k.CRLs, der)
		case c.Is(Namespace, "X509SKI") && bad == nil && len(k.Refs) < maxCertificates:
			k.Refs = append(k.Refs, facts.CertificateRef{KeyID: der})
		case c.Is(Namespace11, "X509Digest") && bad == nil && len(k.Refs) < maxCertificates:
			uri, _ := c.Attr("", "Algorithm")
			if d, err := algo.DigestByURI(uri); err == nil {
				k.Refs = append(k.Refs, facts.CertificateRef{Digests: []facts.Digest{{Algorithm: string(d), Value: der}}})
			}
		}
	}
}

// serialOctets are the content octets of the INTEGER that a decimal serial number is in a certificate; nil for none.
func serialOctets(e xmldom.Node) []byte {
	text, ok := e.Value()
	if text = strings.Trim(text, " \t\r\n"); !ok || len(text) > 128 {
		return nil
	}
	n, ok := new(big.Int).SetString(text, 10)
	if !ok || n.Sign() < 0 {
		return nil
	}
	return n.FillBytes(make([]byte, n.BitLen()/8+1))
}

func (k *KeyInfo) use(key *algo.PublicKey, err error) {
	switch {
	case err != nil:
		k.problem(facts.ProblemAlgorithmUnsupported, "key in KeyInfo is not supported")
	case k.Key == nil:
		k.Key = key
	default:
		k.problem(facts.ProblemAmbiguous, "several bare keys in KeyInfo")
	}
}

func (k *KeyInfo) keyValue(e xmldom.Node) {
	for c := range e.Elements() {
		switch {
		case c.Is(Namespace, "RSAKeyValue"):
			modulus, n := c.Child(Namespace, "Modulus")
			exponent, m := c.Child(Namespace, "Exponent")
			if n != 1 || m != 1 {
				k.problem(facts.ProblemMalformed, "RSAKeyValue without one modulus and one exponent")
				continue
			}
			nb, bad1 := binaryValue(modulus)
			eb, bad2 := binaryValue(exponent)
			if bad1 != nil || bad2 != nil || len(nb) > 4096 || len(eb) > 64 {
				k.problem(facts.ProblemMalformed, "RSAKeyValue is not base64 text of a key")
				continue
			}
			key, err := algo.NewRSA("1.2.840.113549.1.1.1", algo.RSA, new(big.Int).SetBytes(nb), new(big.Int).SetBytes(eb))
			k.use(key, err)
		case c.Is(Namespace11, "ECKeyValue"):
			k.ecKeyValue(c)
		case c.Is("http://www.w3.org/2001/04/xmldsig-more#", "ECDSAKeyValue"):
			k.ecdsaKeyValue(c)
		case c.Is(Namespace, "DSAKeyValue"):
			k.problem(facts.ProblemAlgorithmUnsupported, "DSA is refused")
		}
	}
}

const oidECPublicKey = "1.2.840.10045.2.1"

func (k *KeyInfo) ecKeyValue(e xmldom.Node) {
	curve, n := e.Child(Namespace11, "NamedCurve")
	point, m := e.Child(Namespace11, "PublicKey")
	if n != 1 || m != 1 {
		k.problem(facts.ProblemAlgorithmUnsupported, "ECKeyValue without a named curve")
		return
	}
	uri, _ := curve.Attr("", "URI")
	oid, _ := strings.CutPrefix(uri, "urn:oid:")
	b, bad := binaryValue(point)
	if bad != nil || len(b) > 512 {
		k.problem(facts.ProblemMalformed, "ECKeyValue is not base64 text of a point")
		return
	}
	key, err := algo.NewEC(oidECPublicKey, oid, b)
	k.use(key, err)
}

// ecdsaKeyValue reads the form of RFC 4050, which writes coordinates as decimal numbers.
func (k *KeyInfo) ecdsaKeyValue(e xmldom.Node) {
	const ns = "http://www.w3.org/2001/04/xmldsig-more#"
	params, _ := e.Child(ns, "DomainParameters")
	curve, n := params.Child(ns, "NamedCurve")
	point, m := e.Child(ns, "PublicKey")
	x, nx := point.Child(ns, "X")
	y, ny := point.Child(ns, "Y")
	if n != 1 || m != 1 || nx != 1 || ny != 1 {
		k.problem(facts.ProblemAlgorithmUnsupported, "ECDSAKeyValue without a named curve")
		return
	}
	urn, _ := curve.Attr("", "URN")
	oid, _ := strings.CutPrefix(urn, "urn:oid:")
	xs, _ := x.Attr("", "Value")
	ys, _ := y.Attr("", "Value")
	size := map[string]int{"1.2.840.10045.3.1.7": 32, "1.3.132.0.34": 48, "1.3.132.0.35": 66, "1.3.132.0.33": 28}[oid]
	xi, okx := new(big.Int).SetString(xs, 10)
	yi, oky := new(big.Int).SetString(ys, 10)
	if size == 0 || len(xs) > 200 || len(ys) > 200 || !okx || !oky || xi.Sign() < 0 || yi.Sign() < 0 || xi.BitLen() > 8*size || yi.BitLen() > 8*size {
		k.problem(facts.ProblemAlgorithmUnsupported, "ECDSAKeyValue is not a point of a supported curve")
		return
	}
	b := make([]byte, 1+2*size)
	b[0] = 4
	xi.FillBytes(b[1 : 1+size])
	yi.FillBytes(b[1+size:])
	key, err := algo.NewEC(oidECPublicKey, oid, b)
	k.use(key, err)
}

// BinaryValue decodes the base64 text of an element; ok is false when it holds anything else.
func BinaryValue(e xmldom.Node) (b []byte, ok bool) {
	b, bad := binaryValue(e)
	return b, bad == nil
}

// Base64 encodes as XML signatures write binary values.
func Base64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }
