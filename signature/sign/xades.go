package sign

import (
	"context"
	"crypto/ecdsa"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/url"
	"strings"
	"time"

	"mist/signature/algo"
	"mist/signature/c14n"
	"mist/signature/cert"
	"mist/signature/facts"
	"mist/signature/internal/ber"
	"mist/signature/xades"
	"mist/signature/xmldom"
	"mist/signature/xmldsig"
)

// XAdESOptions of an XML signature (EN 319 132-1): level B, with a TSA level T, with CRLs or OCSPs and a Chain level LT.
// Detached and MediaType of Options are not used here.
type XAdESOptions struct {
	Options
	// Canonicalization is used for everything; zero is exclusive canonicalisation.
	Canonicalization c14n.Method
	// XPathFilter writes the enveloped transform as XPath Filter 2.0, which takes out every signature of the document,
	// so that several can sign in parallel.
	XPathFilter bool
}

// DataObject is a file to be signed from outside the signature. Name is its file name, or the URI to be referred to.
type DataObject struct {
	Name      string
	MediaType string
	Content   facts.Source
}

// XAdESEnveloped signs an XML document in UTF-8 as a whole and puts the signature at the end of its document element.
func XAdESEnveloped(ctx context.Context, signer Signer, document []byte, o XAdESOptions) ([]byte, error) {
	doc, err := xmldom.Parse(document, xmldom.Limits{})
	if err != nil {
		return nil, fmt.Errorf("reading the document to sign: %w", err)
	}
	if doc.Encoding != "UTF-8" {
		return nil, fmt.Errorf("reading the document to sign: encoding is %s, not UTF-8", doc.Encoding)
	}
	text, end := doc.Source()
	if end == 0 {
		return nil, errors.New("reading the document to sign: the document element is empty")
	}
	d, err := newDraft(signer, o)
	if err != nil {
		return nil, err
	}
	transform := `<ds:Transform Algorithm="` + xmldsig.Enveloped + `"/>`
	if o.XPathFilter {
		transform = `<ds:Transform Algorithm="` + xmldsig.Filter2 + `"><dsig-xpath:XPath xmlns:dsig-xpath="` + xmldsig.Filter2 +
			`" Filter="subtract">/descendant::ds:Signature</dsig-xpath:XPath></ds:Transform>`
	}
	d.add("", "text/xml", transform+d.canonical())
	d.before, d.after = text[:end], text[end:]
	return d.sign(ctx, nil)
}

// XAdESEnveloping signs any content and carries it in base64 in the signature.
func XAdESEnveloping(ctx context.Context, signer Signer, content []byte, mediaType string, o XAdESOptions) ([]byte, error) {
	d, err := newDraft(signer, o)
	if err != nil {
		return nil, err
	}
	d.objects = `<ds:Object Id="` + d.id + `-object" Encoding="` + xmldsig.Base64URI + `">` + xmldsig.Base64(content) + `</ds:Object>`
	d.addTyped("#"+d.id+"-object", mediaType, xmldsig.TypeObject, `<ds:Transform Algorithm="`+xmldsig.Base64URI+`"/>`)
	return d.sign(ctx, nil)
}

// XAdESDetached signs files that stay outside the signature.
func XAdESDetached(ctx context.Context, signer Signer, o XAdESOptions, objects ...DataObject) ([]byte, error) {
	d, err := detached(signer, o, objects)
	if err != nil {
		return nil, err
	}
	return d.sign(ctx, contentOf(objects))
}

func detached(signer Signer, o XAdESOptions, objects []DataObject) (*draft, error) {
	if len(objects) == 0 {
		return nil, errors.New("signing: no data object")
	}
	d, err := newDraft(signer, o)
	if err != nil {
		return nil, err
	}
	for _, obj := range objects {
		if obj.Name == "" || strings.HasPrefix(obj.Name, "#") {
			return nil, errors.New("signing: a detached data object needs a name")
		}
		d.add(referenceURI(obj.Name), obj.MediaType, "")
	}
	return d, nil
}

// referenceURI percent-encodes a file name; a URI with a scheme stays as it is.
func referenceURI(name string) string {
	if u, err := url.Parse(name); err == nil && u.Scheme != "" {
		return name
	}
	return (&url.URL{Path: name}).EscapedPath()
}

func contentOf(objects []DataObject) func(string) (facts.Source, bool) {
	return func(uri string) (facts.Source, bool) {
		for _, obj := range objects {
			if referenceURI(obj.Name) == uri {
				return obj.Content, true
			}
		}
		return nil, false
	}
}

// draft is a signature under construction. render writes it with what is known so far; each step parses the rendered
// form again, so that digests are taken over the very octets that are delivered.
type draft struct {
	XAdESOptions
	signer      Signer
	certificate *cert.Certificate
	digest      algo.Digest
	method      string
	id          string

	refs           []draftRef
	before, after  string // around the signature
	objects        string
	propertyDigest string
	value          string
	unsigned       string
}

type draftRef struct{ uri, kind, mediaType, transforms, digest string }

// xmlMethods are the signature methods written, by encryption and digest (RFC 9231; ДСТУ 4145 as Дія writes it).
var xmlMethods = map[string]map[algo.Digest]string{
	algo.DSTU4145: {
		algo.GOST34311: "http://www.w3.org/2001/04/xmldsig-more#dstu4145-gost34311",
		algo.Kupyna256: "http://www.w3.org/2001/04/xmldsig-more#dstu4145-dstu7564-256",
		algo.Kupyna384: "http://www.w3.org/2001/04/xmldsig-more#dstu4145-dstu7564-384",
		algo.Kupyna512: "http://www.w3.org/2001/04/xmldsig-more#dstu4145-dstu7564-512",
	},
	algo.ECDSA: {
		algo.SHA256: "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256",
		algo.SHA384: "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384",
		algo.SHA512: "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512",
	},
	algo.RSA: {
		algo.SHA256: "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
		algo.SHA384: "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384",
		algo.SHA512: "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512",
	},
}

func newDraft(signer Signer, o XAdESOptions) (*draft, error) {
	c, err := signer.certificate()
	if err != nil {
		return nil, fmt.Errorf("signing XAdES: %w", err)
	}
	if o.Time.IsZero() {
		return nil, errors.New("signing XAdES: the signing time is needed")
	}
	if o.Canonicalization == "" {
		o.Canonicalization = c14n.Exclusive
	}
	if !o.Canonicalization.Known() {
		return nil, c14n.ErrUnknownMethod
	}
	d := &draft{XAdESOptions: o, signer: signer, certificate: c, digest: signer.Key.Digest()}
	d.method = xmlMethods[signer.Key.encryption()][d.digest]
	if d.method == "" {
		return nil, fmt.Errorf("signing XAdES with digest %s: %w", d.digest, algo.ErrUnsupported)
	}
	id := make([]byte, 12)
	if _, err := io.ReadFull(signer.random(), id); err != nil {
		return nil, fmt.Errorf("making an identifier: %w", err)
	}
	d.id = "id-" + hex.EncodeToString(id)
	return d, nil
}

func (d *draft) canonical() string {
	return `<ds:Transform Algorithm="` + string(d.Canonicalization) + `"/>`
}

func (d *draft) add(uri, mediaType, transforms string) { d.addTyped(uri, mediaType, "", transforms) }

func (d *draft) addTyped(uri, mediaType, kind, transforms string) {
	if mediaType == "" {
		mediaType = "application/octet-stream"
	}
	d.refs = append(d.refs, draftRef{uri: uri, kind: kind, mediaType: mediaType, transforms: transforms})
}

var escapeXML = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "\t", "&#x9;", "\n", "&#xA;", "\r", "&#xD;")

func (d *draft) reference(id, uri, kind, transforms, digest string) string {
	var b strings.Builder
	b.WriteString(`<ds:Reference`)
	if id != "" {
		b.WriteString(` Id="` + id + `"`)
	}
	if kind != "" {
		b.WriteString(` Type="` + kind + `"`)
	}
	b.WriteString(` URI="` + escapeXML.Replace(uri) + `">`)
	if transforms != "" {
		b.WriteString(`<ds:Transforms>` + transforms + `</ds:Transforms>`)
	}
	b.WriteString(`<ds:DigestMethod Algorithm="` + d.digest.URI() + `"/><ds:DigestValue>` + digest + `</ds:DigestValue></ds:Reference>`)
	return b.String()
}

// render writes the document with the signature in its present state. Digests that are not known yet are zeros.
func (d *draft) render() string {
	zeros := xmldsig.Base64(make([]byte, d.digest.New(nil).Size()))
	orZeros := func(s string) string {
		if s == "" {
			return zeros
		}
		return s
	}
	var b strings.Builder
	b.WriteString(d.before)
	b.WriteString(`<ds:Signature xmlns:ds="` + xmldsig.Namespace + `" Id="` + d.id + `"><ds:SignedInfo><ds:CanonicalizationMethod Algorithm="` +
		string(d.Canonicalization) + `"/><ds:SignatureMethod Algorithm="` + d.method + `"/>`)
	for i, r := range d.refs {
		b.WriteString(d.reference(d.refID(i), r.uri, r.kind, r.transforms, orZeros(r.digest)))
	}
	b.WriteString(d.reference("", "#"+d.id+"-properties", xades.TypeSignedProperties, d.canonical(), orZeros(d.propertyDigest)))
	b.WriteString(`</ds:SignedInfo><ds:SignatureValue Id="` + d.id + `-value">` + orZeros(d.value) + `</ds:SignatureValue>`)
	b.WriteString(`<ds:KeyInfo><ds:X509Data><ds:X509Certificate>` + xmldsig.Base64(d.certificate.Raw) + `</ds:X509Certificate></ds:X509Data></ds:KeyInfo>`)
	b.WriteString(`<ds:Object><xades:QualifyingProperties xmlns:xades="` + xades.NS132 + `" Target="#` + d.id + `">`)
	b.WriteString(d.signedProperties())
	if d.unsigned != "" {
		b.WriteString(`<xades:UnsignedProperties><xades:UnsignedSignatureProperties>` + d.unsigned + `</xades:UnsignedSignatureProperties></xades:UnsignedProperties>`)
	}
	b.WriteString(`</xades:QualifyingProperties></ds:Object>` + d.objects + `</ds:Signature>`)
	b.WriteString(d.after)
	return b.String()
}

func (d *draft) refID(i int) string { return fmt.Sprintf("%s-ref%d", d.id, i) }

func (d *draft) signedProperties() string {
	c := d.certificate
	var b strings.Builder
	b.WriteString(`<xades:SignedProperties Id="` + d.id + `-properties"><xades:SignedSignatureProperties><xades:SigningTime>` +
		d.Time.UTC().Format(time.RFC3339) + `</xades:SigningTime><xades:SigningCertificateV2><xades:Cert><xades:CertDigest>` +
		`<ds:DigestMethod Algorithm="` + d.digest.URI() + `"/><ds:DigestValue>` + xmldsig.Base64(d.digest.Sum(c.Raw)) +
		`</ds:DigestValue></xades:CertDigest><xades:IssuerSerialV2>` + xmldsig.Base64(IssuerSerial(c)) +
		`</xades:IssuerSerialV2></xades:Cert></xades:SigningCertificateV2></xades:SignedSignatureProperties><xades:SignedDataObjectProperties>`)
	for i, r := range d.refs {
		b.WriteString(`<xades:DataObjectFormat ObjectReference="#` + d.refID(i) + `"><xades:MimeType>` +
			escapeXML.Replace(r.mediaType) + `</xades:MimeType></xades:DataObjectFormat>`)
	}
	b.WriteString(`</xades:SignedDataObjectProperties></xades:SignedProperties>`)
	return b.String()
}

// parse reads the rendered form back as a verifier does.
func (d *draft) parse() (*xmldom.Document, *xmldsig.Signature, error) {
	doc, err := xmldom.Parse([]byte(d.render()), xmldom.Limits{})
	if err != nil {
		return nil, nil, fmt.Errorf("reading back the signature: %w", err)
	}
	element, n := doc.ByID(d.id)
	if n != 1 {
		return nil, nil, errors.New("signing: the identifier of the signature is not unique")
	}
	s, err := xmldsig.Parse(element, 1024)
	return doc, s, err
}

func (d *draft) sign(ctx context.Context, content func(string) (facts.Source, bool)) ([]byte, error) {
	if err := d.digests(content); err != nil {
		return nil, err
	}
	_, s, err := d.parse()
	if err != nil {
		return nil, err
	}
	message, err := s.CanonicalSignedInfo(nil)
	if err != nil {
		return nil, err
	}
	value, err := d.signer.Key.Sign(d.signer.random(), message)
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	if k, ok := d.signer.Key.std.(*ecdsa.PrivateKey); ok {
		if value, err = plainECDSA(value, (k.Curve.Params().N.BitLen()+7)/8); err != nil {
			return nil, err
		}
	}
	d.value = xmldsig.Base64(value)
	if err := d.extend(ctx); err != nil {
		return nil, err
	}
	return []byte(d.render()), nil
}

func (d *draft) digests(content func(string) (facts.Source, bool)) error {
	doc, s, err := d.parse()
	if err != nil {
		return err
	}
	p := &xmldsig.Processor{Doc: doc, Content: content, Limit: facts.DefaultLimits.Document, Budget: xmldsig.NewBudget(facts.DefaultLimits.Hashed, doc.Size())}
	for i := range s.References {
		sum, err := p.Sum(s, &s.References[i])
		if err != nil {
			return fmt.Errorf("hashing what is signed: %w", err)
		}
		if i < len(d.refs) {
			d.refs[i].digest = xmldsig.Base64(sum)
		} else {
			d.propertyDigest = xmldsig.Base64(sum)
		}
	}
	return nil
}

// extend adds the time-stamp of level T and the values of level LT.
func (d *draft) extend(ctx context.Context) error {
	if d.TSA != nil {
		_, s, err := d.parse()
		if err != nil {
			return err
		}
		message, err := c14n.Append(nil, c14n.Subtree(s.ValueElement), d.Canonicalization, nil)
		if err != nil {
			return err
		}
		digest := d.TSADigest
		if digest == "" {
			digest = d.digest
		}
		token, err := stamp(ctx, d.TSA, digest, digest.Sum(message), d.signer.random())
		if err != nil {
			return fmt.Errorf("signature time-stamp: %w", err)
		}
		d.unsigned += `<xades:SignatureTimeStamp Id="` + d.id + `-stamp"><ds:CanonicalizationMethod Algorithm="` + string(d.Canonicalization) +
			`"/><xades:EncapsulatedTimeStamp>` + xmldsig.Base64(token) + `</xades:EncapsulatedTimeStamp></xades:SignatureTimeStamp>`
	}
	crls := encapsulate("CRLValues", "EncapsulatedCRLValue", d.CRLs)
	ocsps := encapsulate("OCSPValues", "EncapsulatedOCSPValue", d.OCSPs)
	if crls+ocsps != "" {
		d.unsigned += encapsulate("CertificateValues", "EncapsulatedX509Certificate", d.signer.Chain) +
			`<xades:RevocationValues>` + crls + ocsps + `</xades:RevocationValues>`
	}
	return nil
}

func encapsulate(outer, inner string, list [][]byte) string {
	if len(list) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("<xades:" + outer + ">")
	for _, der := range list {
		b.WriteString("<xades:" + inner + ">" + xmldsig.Base64(der) + "</xades:" + inner + ">")
	}
	b.WriteString("</xades:" + outer + ">")
	return b.String()
}

// plainECDSA turns Ecdsa-Sig-Value into r || s of fixed length (XMLDSig 1.1, 6.4.3).
func plainECDSA(der []byte, size int) ([]byte, error) {
	e, err := ber.One(der)
	if err != nil {
		return nil, fmt.Errorf("reading an ECDSA signature: %w", err)
	}
	out := make([]byte, 2*size)
	c := e.Children()
	for i := range 2 {
		v, err := c.Expect(ber.Integer)
		if err != nil {
			return nil, fmt.Errorf("reading an ECDSA signature: %w", err)
		}
		var n *big.Int
		if n, err = v.Int(); err != nil || n.BitLen() > 8*size {
			return nil, errors.New("reading an ECDSA signature: number out of range")
		}
		n.FillBytes(out[i*size : (i+1)*size])
	}
	return out, nil
}
