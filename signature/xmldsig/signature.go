// Package xmldsig reads ds:Signature elements (XML Signature 1.1) and processes their references: dereferencing,
// transforms and digests, over one tree that was parsed once.
//
// What it allows is a list: the six canonicalisation methods, enveloped-signature, base64, XPath and XPath Filter 2.0
// as far as they choose whole subtrees (see xpath.go), the relationships of office documents. It refuses, each with a named reason: XSLT, other XPath, HMAC,
// DSA, RetrievalMethod, identifiers that are not unique, references nobody supplied content for. Nothing is fetched.
// It trusts no key: which certificate signed is the caller's question.
package xmldsig

import (
	"encoding/base64"
	"iter"
	"strings"

	"mist/signature/algo"
	"mist/signature/c14n"
	"mist/signature/facts"
	"mist/signature/xmldom"
)

// Namespaces of XML Signature.
const (
	Namespace   = "http://www.w3.org/2000/09/xmldsig#"
	Namespace11 = "http://www.w3.org/2009/xmldsig11#"
	NamespaceEC = "http://www.w3.org/2001/10/xml-exc-c14n#"
)

// Types of references (XMLDSig 1.1, 4.4.3.1).
const (
	TypeObject   = Namespace + "Object"
	TypeManifest = Namespace + "Manifest"
)

// Bounds on the structure of one signature.
const (
	maxTransforms = 8   // "100 chained transforms" has no honest use
	maxXPaths     = 16  // of one XPath Filter 2.0 transform
	maxObjects    = 512 // ds:Object children
)

// Refusal is a structural problem as an error.
type Refusal struct{ facts.Problem }

func (r *Refusal) Error() string {
	return "reading xml signature: " + r.Detail + " (" + string(r.Code) + ")"
}

func refuse(code facts.ProblemCode, detail string) *Refusal {
	return &Refusal{facts.Problem{Code: code, Detail: detail}}
}

func malformed(detail string) *Refusal { return refuse(facts.ProblemMalformed, detail) }

// Signature is one ds:Signature element as written.
type Signature struct {
	Element xmldom.Node
	ID      string // Id attribute, "" when absent

	SignedInfo       xmldom.Node
	Canonicalization c14n.Method
	Prefixes         []string // InclusiveNamespaces of the CanonicalizationMethod
	MethodURI        string
	Scheme           algo.Scheme
	Unsupported      error // why Scheme could not be determined, nil otherwise
	References       []Reference

	ValueElement xmldom.Node
	Value        []byte
	KeyInfo      xmldom.Node // zero when absent
	Objects      []xmldom.Node
}

// Reference is one ds:Reference of SignedInfo or of a Manifest.
type Reference struct {
	Element    xmldom.Node
	ID         string
	URI        string
	HasURI     bool
	Type       string
	Transforms []Transform
	DigestURI  string
	Digest     algo.Digest // "" when not supported
	Value      []byte
}

// Transform is one ds:Transform, its parameters still in the element.
type Transform struct {
	Element   xmldom.Node
	Algorithm string
}

// hmacMethods begin the signature methods that rest on a shared secret: they prove nothing about who signed.
var hmacMethods = []string{Namespace + "hmac-", "http://www.w3.org/2001/04/xmldsig-more#hmac-", "http://www.w3.org/2007/05/xmldsig-more#hmac-"}

// children takes the child elements in order, refusing other content than white space and comments.
type children struct {
	list []xmldom.Node
	next int
}

func elementsOf(n xmldom.Node) (*children, *Refusal) {
	c := &children{}
	for child := range n.Children() {
		switch child.Kind() {
		case xmldom.ElementNode:
			c.list = append(c.list, child)
		case xmldom.TextNode:
			if strings.Trim(n.Document().Data(child.ID()), " \t\n\r") != "" {
				return nil, malformed("text where only elements are allowed")
			}
		}
	}
	return c, nil
}

// take returns the next element when it has this name in the ds namespace.
func (c *children) take(local string) (xmldom.Node, bool) {
	if c.next < len(c.list) && c.list[c.next].Is(Namespace, local) {
		c.next++
		return c.list[c.next-1], true
	}
	return xmldom.Node{}, false
}

func (c *children) done() bool { return c.next == len(c.list) }

// Parse reads a ds:Signature element by its schema (XMLDSig 1.1, 4.1 to 4.5): children in order, each as often as
// allowed. A second SignedInfo, SignatureValue or KeyInfo is refused: two readings would be possible.
func Parse(e xmldom.Node, maxReferences int) (*Signature, error) {
	s := &Signature{Element: e}
	s.ID, _ = e.Attr("", "Id")
	c, bad := elementsOf(e)
	if bad != nil {
		return nil, bad
	}
	var ok bool
	if s.SignedInfo, ok = c.take("SignedInfo"); !ok {
		return nil, malformed("Signature does not start with SignedInfo")
	}
	if s.ValueElement, ok = c.take("SignatureValue"); !ok {
		return nil, malformed("SignatureValue does not follow SignedInfo")
	}
	s.KeyInfo, _ = c.take("KeyInfo")
	for {
		o, ok := c.take("Object")
		if !ok {
			break
		}
		if len(s.Objects) >= maxObjects {
			return nil, refuse(facts.ProblemLimit, "too many Object elements")
		}
		s.Objects = append(s.Objects, o)
	}
	if !c.done() {
		return nil, refuse(facts.ProblemAmbiguous, "Signature holds elements that do not belong there or occur twice")
	}
	if s.Value, bad = binaryValue(s.ValueElement); bad != nil {
		return nil, malformed("SignatureValue is not base64 text")
	}
	if len(s.Value) == 0 {
		return nil, malformed("SignatureValue is empty")
	}
	if err := s.readSignedInfo(maxReferences); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Signature) readSignedInfo(maxReferences int) error {
	c, bad := elementsOf(s.SignedInfo)
	if bad != nil {
		return bad
	}
	cm, ok := c.take("CanonicalizationMethod")
	if !ok {
		return malformed("SignedInfo does not start with CanonicalizationMethod")
	}
	method, _ := cm.Attr("", "Algorithm")
	s.Canonicalization = c14n.Method(method)
	if !s.Canonicalization.Known() {
		return refuse(facts.ProblemTransformRefused, "CanonicalizationMethod is not one of the six standard methods")
	}
	var err *Refusal
	if s.Prefixes, err = inclusiveNamespaces(cm); err != nil {
		return err
	}
	sm, ok := c.take("SignatureMethod")
	if !ok {
		return malformed("SignatureMethod does not follow CanonicalizationMethod")
	}
	if err := s.readMethod(sm); err != nil {
		return err
	}
	for {
		r, ok := c.take("Reference")
		if !ok {
			break
		}
		if len(s.References) >= maxReferences {
			return refuse(facts.ProblemLimit, "too many references")
		}
		ref, err := parseReference(r)
		if err != nil {
			return err
		}
		s.References = append(s.References, *ref)
	}
	switch {
	case !c.done():
		return refuse(facts.ProblemAmbiguous, "SignedInfo holds elements that do not belong there or occur twice")
	case len(s.References) == 0:
		return refuse(facts.ProblemNoReference, "SignedInfo has no Reference")
	}
	return nil
}

// eddsaContext reads the context of RFC 8032, written by the one implementation that has an element for it.
func (s *Signature) eddsaContext(sm xmldom.Node) error {
	e, n := sm.Child("http://www.aleksey.com/xmlsec/2025/12/xmldsig-more#", "EdDSAContextString")
	if n == 0 {
		return nil
	}
	context, bad := binaryValue(e)
	if n > 1 || bad != nil || len(context) > 255 {
		return malformed("EdDSAContextString is not one short base64 text")
	}
	s.Scheme.Context = string(context)
	return nil
}

const methodPSS = "http://www.w3.org/2007/05/xmldsig-more#rsa-pss"

func (s *Signature) readMethod(sm xmldom.Node) error {
	s.MethodURI, _ = sm.Attr("", "Algorithm")
	if s.MethodURI == "" {
		return malformed("SignatureMethod has no Algorithm")
	}
	for _, prefix := range hmacMethods {
		if strings.HasPrefix(s.MethodURI, prefix) {
			return refuse(facts.ProblemKeyRefused, "HMAC: a shared secret proves nothing about who signed")
		}
	}
	if s.MethodURI == methodPSS {
		s.Scheme, s.Unsupported = pssParameters(sm)
		return nil
	}
	s.Scheme, s.Unsupported = algo.SchemeByURI(s.MethodURI)
	if s.Unsupported == nil && s.Scheme.Encryption == algo.EdDSA {
		return s.eddsaContext(sm)
	}
	return nil
}

// pssParameters reads pss:RSAPSSParams (RFC 9231, 2.3.9); absent parts take the defaults given there.
func pssParameters(sm xmldom.Node) (algo.Scheme, error) {
	const ns = "http://www.w3.org/2007/05/xmldsig-more#"
	digest := algo.SHA256
	params, n := sm.Child(ns, "RSAPSSParams")
	if n > 1 {
		return algo.Scheme{}, malformed("RSAPSSParams occurs twice")
	}
	digestIn := func(parent xmldom.Node) (algo.Digest, error) {
		dm, n := parent.Child(Namespace, "DigestMethod")
		if n != 1 {
			return "", malformed("RSAPSSParams without one DigestMethod")
		}
		uri, _ := dm.Attr("", "Algorithm")
		return algo.DigestByURI(uri)
	}
	var err error
	if _, n := params.Child(Namespace, "DigestMethod"); n > 0 {
		if digest, err = digestIn(params); err != nil {
			return algo.Scheme{}, err
		}
	}
	mgf := digest
	if m, n := params.Child(ns, "MaskGenerationFunction"); n > 0 {
		if uri, ok := m.Attr("", "Algorithm"); ok && uri != "http://www.w3.org/2007/05/xmldsig-more#MGF1" {
			return algo.Scheme{}, algo.ErrUnsupported
		}
		if _, n := m.Child(Namespace, "DigestMethod"); n > 0 {
			if mgf, err = digestIn(m); err != nil {
				return algo.Scheme{}, err
			}
		}
	}
	salt := digest.New(nil).Size()
	if e, n := params.Child(ns, "SaltLength"); n > 0 {
		text, ok := e.Value()
		if salt, ok = smallNumber(text, ok); !ok {
			return algo.Scheme{}, malformed("SaltLength is not a small number")
		}
	}
	if e, n := params.Child(ns, "TrailerField"); n > 0 {
		text, ok := e.Value()
		if v, ok := smallNumber(text, ok); !ok || v != 1 {
			return algo.Scheme{}, algo.ErrUnsupported
		}
	}
	return algo.SchemePSS(digest, mgf, salt), nil
}

func smallNumber(s string, ok bool) (int, bool) {
	s = strings.Trim(s, " \t\n\r")
	if !ok || s == "" || len(s) > 4 {
		return 0, false
	}
	n := 0
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n, true
}

func parseReference(e xmldom.Node) (*Reference, *Refusal) {
	r := &Reference{Element: e}
	r.ID, _ = e.Attr("", "Id")
	r.URI, r.HasURI = e.Attr("", "URI")
	r.Type, _ = e.Attr("", "Type")
	c, bad := elementsOf(e)
	if bad != nil {
		return nil, bad
	}
	if list, ok := c.take("Transforms"); ok {
		tc, bad := elementsOf(list)
		if bad != nil {
			return nil, bad
		}
		for {
			t, ok := tc.take("Transform")
			if !ok {
				break
			}
			uri, _ := t.Attr("", "Algorithm")
			r.Transforms = append(r.Transforms, Transform{t, uri})
		}
		if !tc.done() {
			return nil, malformed("Transforms holds other elements than Transform")
		}
		if len(r.Transforms) > maxTransforms {
			return nil, refuse(facts.ProblemLimit, "too many transforms")
		}
	}
	dm, ok := c.take("DigestMethod")
	if !ok {
		return nil, malformed("Reference without DigestMethod")
	}
	r.DigestURI, _ = dm.Attr("", "Algorithm")
	r.Digest, _ = algo.DigestByURI(r.DigestURI)
	dv, ok := c.take("DigestValue")
	if !ok {
		return nil, malformed("Reference without DigestValue")
	}
	if !c.done() {
		return nil, refuse(facts.ProblemAmbiguous, "Reference holds elements that do not belong there or occur twice")
	}
	// A DigestValue with a comment in it reads differently in different parsers (CVE-2025-29775).
	if r.Value, bad = binaryValue(dv); bad != nil {
		return nil, malformed("DigestValue is not base64 text")
	}
	if r.Digest != "" && len(r.Value) != r.Digest.New(nil).Size() {
		return nil, malformed("DigestValue has not the length of its digest")
	}
	return r, nil
}

// ManifestReferences reads the references of a ds:Manifest.
func ManifestReferences(manifest xmldom.Node, maxReferences int) ([]Reference, error) {
	c, bad := elementsOf(manifest)
	if bad != nil {
		return nil, bad
	}
	var out []Reference
	for {
		e, ok := c.take("Reference")
		if !ok {
			break
		}
		if len(out) >= maxReferences {
			return nil, refuse(facts.ProblemLimit, "too many references in a manifest")
		}
		r, err := parseReference(e)
		if err != nil {
			return nil, err
		}
		out = append(out, *r)
	}
	if !c.done() || len(out) == 0 {
		return nil, malformed("Manifest is not a list of references")
	}
	return out, nil
}

// CanonicalSignedInfo appends the octets that the signature value signs.
func (s *Signature) CanonicalSignedInfo(dst []byte) ([]byte, error) {
	return c14n.Append(dst, c14n.Subtree(s.SignedInfo), s.Canonicalization, s.Prefixes)
}

// inclusiveNamespaces reads the PrefixList parameter of exclusive canonicalisation.
func inclusiveNamespaces(e xmldom.Node) ([]string, *Refusal) {
	in, n := e.Child(NamespaceEC, "InclusiveNamespaces")
	if n == 0 {
		return nil, nil
	}
	if n > 1 {
		return nil, malformed("InclusiveNamespaces occurs twice")
	}
	list, _ := in.Attr("", "PrefixList")
	prefixes := strings.Fields(list)
	if len(prefixes) > 256 {
		return nil, refuse(facts.ProblemLimit, "PrefixList is too long")
	}
	return prefixes, nil
}

// binaryValue decodes the base64 text of an element that holds nothing else.
func binaryValue(e xmldom.Node) ([]byte, *Refusal) {
	text, ok := e.Value()
	if !ok {
		return nil, malformed("element holds more than text")
	}
	b, err := DecodeBase64(text)
	if err != nil {
		return nil, malformed("not base64")
	}
	return b, nil
}

// DecodeBase64 decodes xs:base64Binary: the standard alphabet with padding, white space anywhere.
func DecodeBase64(s string) ([]byte, error) {
	if strings.ContainsAny(s, " \t\n\r") {
		s = strings.Map(func(r rune) rune {
			switch r {
			case ' ', '\t', '\n', '\r':
				return -1
			}
			return r
		}, s)
	}
	return base64.StdEncoding.DecodeString(s)
}

// decodeBase64 is DecodeBase64 of text that comes in pieces, size octets in all; only the result is held.
func decodeBase64(size int, pieces iter.Seq[string]) ([]byte, error) {
	out := make([]byte, 0, base64.StdEncoding.DecodedLen(size))
	var window [4 << 10]byte
	held, ended := 0, false
	var failed error
	flush := func(all bool) {
		n := held &^ 3
		if all {
			n = held
		}
		if n == 0 || failed != nil {
			return
		}
		if ended {
			failed = base64.CorruptInputError(len(out)) // something stands behind the padding
			return
		}
		var err error
		if out, err = base64.StdEncoding.AppendDecode(out, window[:n]); err != nil {
			failed = err
		}
		ended = window[n-1] == '='
		held = copy(window[:], window[n:held])
	}
	for piece := range pieces {
		for i := 0; i < len(piece) && failed == nil; i++ {
			switch c := piece[i]; c {
			case ' ', '\t', '\n', '\r':
			default:
				window[held] = c
				if held++; held == len(window) {
					flush(false)
				}
			}
		}
		if failed != nil {
			return nil, failed
		}
	}
	flush(true)
	return out, failed
}
