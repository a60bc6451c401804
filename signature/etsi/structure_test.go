package etsi_test

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// The structure of TS 119 102-2 v1.4.1 as its clauses 4.3 to 4.5 and annex A
// give it, in a notation of our own: children in order with how often they
// occur, ! before a list of which any may occur any number of times. Simple
// types begin with a small letter. @ is an attribute, @name! a required one.
var structure = map[string]string{
	"Report":        "SignatureValidationReport+:Validation SignatureValidationObjects?:Objects SignatureValidator?:Validator",
	"Validation":    "SignatureIdentifier?:Identifier ValidationConstraintsEvaluationReport?:Constraints ValidationTimeInfo?:TimeInfo SignersDocument?:Document SignatureAttributes?:Attributes SignerInformation?:Signer SignatureQuality?:Quality SignatureValidationProcess?:Process SignatureValidationStatus:Status OtherInformation?:any",
	"Identifier":    "@id:id DigestAlgAndValue?:Digest ds:SignatureValue?:base64 HashOnly:boolean DocHashOnly:boolean DAIdentifier?:string OtherInformation?:any",
	"Digest":        "ds:DigestMethod:Method ds:DigestValue:base64",
	"Method":        "@Algorithm!:uri",
	"Constraints":   "SignatureValidationPolicy?:Policy ValidationConstraint*:Constraint",
	"Policy":        "SignaturePolicyIdentifier:PolicyIdentifier PolicyName?:string FormalPolicyURI?:uri ReadablePolicyURI?:uri FormalPolicyObject?:Reference",
	"Constraint":    "ValidationConstraintIdentifier:uri ValidationConstraintParameter*:Typed ConstraintStatus:ConstraintStatus ValidationStatus?:Status Indications?:any",
	"Typed":         "Type:uri Value:any",
	"TimeInfo":      "ValidationTime:time BestSignatureTime:POE",
	"POE":           "POETime:time TypeOfProof:uri POEObject?:Reference",
	"Document":      "DigestAlgAndValue?:Digest SignersDocumentRepresentation?:Reference SignersDocumentRef?:Reference",
	"Signer":        "@Pseudonym:boolean SignerCertificate:Reference Signer?:string OtherInformation?:any",
	"Quality":       "SignatureQualityInformation+:uri",
	"Process":       "SignatureValidationProcessID?:uri SignatureValidationServicePolicy?:uri SignatureValidationPracticeStatement?:uri OtherInformation?:any",
	"Status":        "MainIndication:uri SubIndication*:uri AssociatedValidationReportData*:Data",
	"Data":          "TrustAnchor?:Reference CertificateChain?:Chain RelatedValidationObject*:Reference RevocationStatusInformation?:Revocation CryptoInformation?:Crypto AdditionalValidationReportData?:Additional",
	"Chain":         "SigningCertificate:Reference IntermediateCertificate*:Reference TrustAnchor?:Reference OtherInformation?:any",
	"Revocation":    "ValidationObjectId:Reference RevocationTime:time RevocationReason?:uri RevocationObject?:Reference OtherInformation?:any",
	"Crypto":        "ValidationObjectId:Reference Algorithm:uri AlgorithmParameters?:Typed SecureAlgorithm:boolean NotAfter?:time OtherInformation?:any",
	"Additional":    "ReportData+:Typed",
	"Objects":       "ValidationObject+:Object",
	"Object":        "@id!:id ObjectType:uri ValidationObjectRepresentation:Representation POE?:POE POEProvisioning?:Provisioning ValidationReport?:Validation",
	"Provisioning":  "POETime:time ValidationObject*:Reference SignatureReference*:SignatureReference",
	"Reference":     "@VOReference!:idrefs",
	"Validator":     "DigitalId+:DigitalID TSPInformation?:any OtherInformation?:any",
	"DSSAttribute":  "AttributeObject*:Reference",
	"SigningTime":   "@Signed:boolean AttributeObject*:Reference Time:time",
	"CertIDs":       "@Signed:boolean AttributeObject*:Reference CertID*:any",
	"DataFormat":    "@Signed:boolean AttributeObject*:Reference ContentType?:uri MimeType?:string",
	"Commitment":    "@Signed:boolean AttributeObject*:Reference CommitmentTypeIdentifier:uri",
	"SigPolicy":     "@Signed:boolean AttributeObject*:Reference SigPolicyId:uri",
	"Roles":         "@Signed:boolean AttributeObject*:Reference RoleDetails+:Role",
	"Role":          "Role:string EndorsementType:endorsement",
	"Stamp":         "@Signed:boolean AttributeObject*:Reference TimeStampValue:time",
	"CounterSigned": "@Signed:boolean AttributeObject*:Reference CounterSignature:SignatureReference",
	"Base":          "@Signed:boolean AttributeObject*:Reference",

	"ConstraintStatus":   "Status:uri OverriddenBy?:uri",
	"SignatureReference": "CanonicalizationMethod?:uri DigestMethod:uri DigestValue:base64",
	"PolicyIdentifier":   "XAdES:SignaturePolicyId:PolicyID",
	"PolicyID":           "XAdES:SigPolicyId:ObjectIdentifier XAdES:SigPolicyHash:Digest",
	"ObjectIdentifier":   "XAdES:Identifier:uri",

	"Representation": "! direct:any base64:base64 DigestAlgAndValue:Digest URI:uri",
	"DigitalID":      "! tsl:X509Certificate:base64 tsl:X509SubjectName:string tsl:X509SKI:base64 tsl:Other:any",
	"Attributes": "! SigningTime:SigningTime SigningCertificate:CertIDs DataObjectFormat:DataFormat CommitmentTypeIndication:Commitment AllDataObjectsTimeStamp:Stamp " +
		"IndividualDataObjectsTimeStamp:Stamp SigPolicyIdentifier:SigPolicy SignerRole:Roles CounterSignature:CounterSigned SignatureTimeStamp:Stamp SigAndRefsTimeStamp:Stamp " +
		"RefsOnlyTimeStamp:Stamp CertificateValues:Base RevocationValues:Base ArchiveTimeStamp:Stamp DocTimeStamp:Stamp",
}

var spaces = map[string]string{
	"": "http://uri.etsi.org/19102/v1.4.1#", "ds": "http://www.w3.org/2000/09/xmldsig#",
	"XAdES": "http://uri.etsi.org/01903/v1.3.2#", "tsl": "http://uri.etsi.org/02231/v2#",
}

type element struct {
	name     xml.Name
	attrs    map[string]string
	text     string
	children []*element
}

func parse(b []byte) (*element, error) {
	d := xml.NewDecoder(bytes.NewReader(b))
	root := &element{}
	for stack := []*element{root}; ; {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			return root.children[0], nil
		}
		if err != nil {
			return nil, err
		}
		top := stack[len(stack)-1]
		switch t := tok.(type) {
		case xml.StartElement:
			e := &element{name: t.Name, attrs: map[string]string{}}
			for _, a := range t.Attr {
				if a.Name.Space != "xmlns" && a.Name.Local != "xmlns" {
					e.attrs[a.Name.Local] = a.Value
				}
			}
			top.children = append(top.children, e)
			stack = append(stack, e)
		case xml.EndElement:
			stack = stack[:len(stack)-1]
		case xml.CharData:
			top.text += string(t)
		}
	}
}

// checker holds what identifies and what refers.
type checker struct {
	ids  map[string]bool
	refs []string
}

// check holds a document against the structure.
func check(b []byte) error {
	root, err := parse(b)
	if err != nil {
		return err
	}
	if root.name != (xml.Name{Space: spaces[""], Local: "ValidationReport"}) {
		return fmt.Errorf("the root is %v", root.name)
	}
	c := &checker{ids: map[string]bool{}}
	if err := c.complex(root, "Report", "ValidationReport"); err != nil {
		return err
	}
	for _, r := range c.refs {
		if !c.ids[r] {
			return fmt.Errorf("nothing has the id %q", r)
		}
	}
	return nil
}

type item struct {
	name     xml.Name
	kind     string
	min, max int
}

func items(model string) (list []item, attributes map[string]string) {
	attributes = map[string]string{}
	for _, word := range strings.Fields(strings.TrimPrefix(model, "!")) {
		at := strings.LastIndex(word, ":")
		name, kind := word[:at], word[at+1:]
		if rest, ok := strings.CutPrefix(name, "@"); ok {
			attributes[rest] = kind
			continue
		}
		one := item{kind: kind, min: 1, max: 1}
		switch name[len(name)-1] {
		case '?':
			one.min = 0
		case '*':
			one.min, one.max = 0, 1<<30
		case '+':
			one.max = 1 << 30
		}
		prefix, local, found := strings.Cut(strings.TrimRight(name, "?*+"), ":")
		if !found {
			prefix, local = "", prefix
		}
		one.name = xml.Name{Space: spaces[prefix], Local: local}
		list = append(list, one)
	}
	return list, attributes
}

func (c *checker) complex(e *element, kind, path string) error {
	model, known := structure[kind]
	if !known {
		return fmt.Errorf("%s: the test has no structure %q", path, kind)
	}
	if strings.TrimSpace(e.text) != "" {
		return fmt.Errorf("%s holds text", path)
	}
	list, attributes := items(model)
	for name, want := range attributes {
		v, given := e.attrs[strings.TrimSuffix(name, "!")]
		if !given {
			if strings.HasSuffix(name, "!") {
				return fmt.Errorf("%s lacks the attribute %s", path, name)
			}
			continue
		}
		if err := c.simple(v, want); err != nil {
			return fmt.Errorf("%s/@%s: %w", path, name, err)
		}
	}
	for name := range e.attrs {
		if attributes[name] == "" && attributes[name+"!"] == "" {
			return fmt.Errorf("%s has a foreign attribute %s", path, name)
		}
	}
	if strings.HasPrefix(model, "!") {
		if len(e.children) == 0 {
			return fmt.Errorf("%s is empty", path)
		}
		for _, child := range e.children {
			i := slices.IndexFunc(list, func(i item) bool { return i.name == child.name })
			if i < 0 {
				return fmt.Errorf("%s holds %s", path, child.name.Local)
			}
			if err := c.one(child, list[i].kind, path); err != nil {
				return err
			}
		}
		return nil
	}
	rest := e.children
	for _, i := range list {
		n := 0
		for n < i.max && len(rest) > 0 && rest[0].name == i.name {
			if err := c.one(rest[0], i.kind, path); err != nil {
				return err
			}
			rest, n = rest[1:], n+1
		}
		if n < i.min {
			return fmt.Errorf("%s lacks %s", path, i.name.Local)
		}
	}
	if len(rest) > 0 {
		return fmt.Errorf("%s: %s is out of place", path, rest[0].name.Local)
	}
	return nil
}

func (c *checker) one(e *element, kind, path string) error {
	path += "/" + e.name.Local
	if kind[0] < 'a' {
		return c.complex(e, kind, path)
	}
	if kind == "any" {
		return nil
	}
	if len(e.children) > 0 || len(e.attrs) > 0 {
		return fmt.Errorf("%s is a simple type", path)
	}
	if err := c.simple(e.text, kind); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

var ncname = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9._-]*$`)

func (c *checker) simple(v, kind string) error {
	bad := fmt.Errorf("%q is no %s", v, kind)
	switch kind {
	case "string":
	case "boolean":
		if v != "true" && v != "false" {
			return bad
		}
	case "endorsement":
		if v != "claimed" && v != "certified" && v != "signed" {
			return bad
		}
	case "time":
		if _, err := time.Parse(time.RFC3339, v); err != nil {
			return err
		}
	case "base64":
		if b, err := base64.StdEncoding.DecodeString(v); err != nil || len(b) == 0 {
			return bad
		}
	case "uri":
		if u, err := url.Parse(v); err != nil || u.Scheme == "" || strings.ContainsAny(v, " \t\n") {
			return bad
		}
	case "id":
		if !ncname.MatchString(v) || c.ids[v] {
			return bad
		}
		c.ids[v] = true
	case "idrefs":
		if v == "" {
			return bad
		}
		c.refs = append(c.refs, strings.Fields(v)...)
	default:
		return fmt.Errorf("the test has no simple type %q", kind)
	}
	return nil
}
