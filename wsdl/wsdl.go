// Package wsdl holds the SOAP contracts of Mist: the documents themselves,
// validation of message bodies against their schemas, and a linter that knows
// what real client stacks, X-Road and Trembita need of a contract.
//
// It refuses documents with a document type declaration. It fetches nothing:
// a contract here is whole in one file.
package wsdl

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing/fstest"

	"github.com/beevik/etree"
	"github.com/jacoelho/xsd"
	xsderrors "github.com/jacoelho/xsd/errors"
)

//go:embed *.wsdl consumed/*.wsdl
var files embed.FS

// Namespaces of WSDL 1.1, its SOAP 1.1 binding, XML Schema and X-Road.
const (
	NS            = "http://schemas.xmlsoap.org/wsdl/"
	soapNS        = "http://schemas.xmlsoap.org/wsdl/soap/"
	schemaNS      = "http://www.w3.org/2001/XMLSchema"
	xroadNS       = "http://x-road.eu/xsd/xroad.xsd"
	identifiersNS = "http://x-road.eu/xsd/identifiers"
)

// DiiaNS is the namespace of the Diia service, version 1, as the project names
// it: a URN, for the project owns no domain and nothing is fetched by the name.
// An installation may give its own ([LoadAs]), since Trembita wants the
// organisation's registered domain; ADR 0420.
const DiiaNS = "urn:mist:ws:diia:v1"

// Contract is one WSDL document with its compiled schemas.
type Contract struct {
	// Name is the file name without .wsdl.
	Name string
	// TargetNamespace is the namespace of the body elements.
	TargetNamespace string
	// Operations are the names of the bound operations: the service codes.
	Operations []string

	source   []byte
	location [2]int // of the address inside source
	schema   *xsd.Schema
}

// Diia loads the contract of the Diia service under the project's name.
func Diia() (*Contract, error) { return Load("diia") }

// Load reads one of the contracts of this package.
func Load(name string) (*Contract, error) { return LoadAs(name, "") }

// LoadAs reads a contract and gives it another target namespace, unless empty:
// schemas, messages and answers then carry that one and no other.
func LoadAs(name, namespace string) (*Contract, error) {
	source, err := files.ReadFile(name + ".wsdl")
	if err != nil {
		return nil, fmt.Errorf("there is no contract %q: %w", name, err)
	}
	if namespace != "" {
		if err := checkNamespace(namespace); err != nil {
			return nil, err
		}
		original, err := parse(source)
		if err != nil {
			return nil, fmt.Errorf("reading contract %s: %w", name, err)
		}
		own := original.Root().SelectAttrValue("targetNamespace", "")
		source = bytes.ReplaceAll(source, []byte(`"`+own+`"`), []byte(`"`+namespace+`"`))
	}
	doc, err := parse(source)
	if err != nil {
		return nil, fmt.Errorf("reading contract %s: %w", name, err)
	}
	root := doc.Root()
	c := &Contract{Name: name, TargetNamespace: root.SelectAttrValue("targetNamespace", ""), source: source}
	for _, op := range root.FindElements("binding/operation") {
		c.Operations = append(c.Operations, op.SelectAttrValue("name", ""))
	}
	marker := []byte(`address location="`)
	at := bytes.Index(source, marker)
	if at < 0 {
		return nil, fmt.Errorf("contract %s has no address", name)
	}
	at += len(marker)
	c.location = [2]int{at, at + bytes.IndexByte(source[at:], '"')}
	if c.schema, err = compile(root); err != nil {
		return nil, fmt.Errorf("compiling the schemas of contract %s: %w", name, err)
	}
	return c, nil
}

// checkNamespace demands a name that can stand in a message as it is.
func checkNamespace(name string) error {
	u, err := url.Parse(name)
	named := err == nil && (isWeb(u) || isURN(name))
	if !named || strings.ContainsAny(name, "\"'<>& ") || len(name) > 200 {
		return fmt.Errorf("%q is no name for a contract: an http(s) URI on the organisation's domain or a URN is expected", name)
	}
	return nil
}

func isWeb(u *url.URL) bool { return (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" }

// urn is the form of RFC 8141 without components: urn:NID:NSS.
var urn = regexp.MustCompile(`^urn:[a-z0-9][a-z0-9-]{0,30}[a-z0-9]:[A-Za-z0-9._~!$()*+,;=:@/-]+$`)

func isURN(name string) bool { return urn.MatchString(name) }

// At gives the document with its address set, which is what zeep, PHP and
// node-soap call unless told otherwise.
func (c *Contract) At(address string) []byte {
	var attr bytes.Buffer
	for _, r := range address {
		switch r {
		case '<':
			attr.WriteString("&lt;")
		case '&':
			attr.WriteString("&amp;")
		case '"':
			attr.WriteString("&quot;")
		default:
			attr.WriteRune(r)
		}
	}
	out := make([]byte, 0, len(c.source)+attr.Len())
	out = append(out, c.source[:c.location[0]]...)
	out = append(out, attr.Bytes()...)
	return append(out, c.source[c.location[1]:]...)
}

// Source is the document as it is in the project.
func (c *Contract) Source() []byte { return bytes.Clone(c.source) }

// Violation is one place where a body breaks the schema. It holds no value of the body.
type Violation struct {
	Path string // /GetDeclarationByPatient/person/birthDate, without namespaces
	Rule string // the code of XML Schema part 1 appendix C or part 2, such as cvc-pattern-valid
}

// InvalidError tells that a body does not obey the contract.
type InvalidError struct{ Violations []Violation }

// Error implements error.
func (e *InvalidError) Error() string {
	var places []string
	for _, v := range e.Violations {
		places = append(places, v.Path+" ("+v.Rule+")")
	}
	return "the body breaks its schema at " + strings.Join(places, ", ")
}

// braces are the namespaces in the validator's paths.
var braces = regexp.MustCompile(`\{[^}]*\}`)

// maxToken lets signed containers through; the envelope limit has bounded them before.
const maxToken = 16 << 20

// maxViolations bounds what one answer lists.
const maxViolations = 20

// Validate checks a body element, as a document of its own, against the
// schemas. The caller has refused document type declarations before: the
// validator passes over them. The error is an *InvalidError.
func (c *Contract) Validate(doc []byte) error {
	err := c.schema.Validate(bytes.NewReader(doc))
	if err == nil {
		return nil
	}
	found, ok := xsderrors.AsValidations(err)
	if !ok {
		return fmt.Errorf("validating a body: %w", err)
	}
	invalid := new(InvalidError)
	for _, v := range found {
		if len(invalid.Violations) == maxViolations {
			break
		}
		invalid.Violations = append(invalid.Violations, Violation{Path: braces.ReplaceAllString(v.Path, ""), Rule: v.Code})
	}
	return invalid
}

// compile makes one schema set of the schemas inside types. Each becomes a
// document of its own with the declarations it inherited, and imports by
// namespace get a location inside the set.
func compile(definitions *etree.Element) (*xsd.Schema, error) {
	fsys := fstest.MapFS{}
	where := map[string]string{}
	var schemas []*etree.Element
	for _, s := range definitions.FindElements("types/schema") {
		if s.NamespaceURI() == schemaNS {
			schemas = append(schemas, s)
			where[s.SelectAttrValue("targetNamespace", "")] = fmt.Sprintf("s%d.xsd", len(schemas))
		}
	}
	if len(schemas) == 0 {
		return nil, errors.New("there is no schema in types")
	}
	set := xsd.NewSchemaSet(xsd.NewLoadOptions().WithAllowMissingImportLocations(true))
	for i, s := range schemas {
		alone := s.Copy()
		for outer := s.Parent(); outer != nil; outer = outer.Parent() {
			for _, a := range outer.Attr {
				declared := a.Space == "xmlns" || a.Space == "" && a.Key == "xmlns"
				if declared && alone.SelectAttr(a.FullKey()) == nil {
					alone.CreateAttr(a.FullKey(), a.Value)
				}
			}
		}
		for _, imp := range alone.SelectElements("import") {
			if file := where[imp.SelectAttrValue("namespace", "")]; file != "" {
				imp.CreateAttr("schemaLocation", file)
			}
		}
		doc := etree.NewDocument()
		doc.SetRoot(alone)
		b, err := doc.WriteToBytes()
		if err != nil {
			return nil, err
		}
		fsys[fmt.Sprintf("s%d.xsd", i+1)] = &fstest.MapFile{Data: b}
	}
	// The last schema imports the others; loading each root twice is an error.
	if err := set.AddFS(fsys, fmt.Sprintf("s%d.xsd", len(schemas))); err != nil {
		return nil, err
	}
	return set.CompileWithRuntimeOptions(xsd.NewRuntimeOptions().WithInstanceMaxTokenSize(maxToken))
}

// parse reads a WSDL document and refuses what no contract has.
func parse(source []byte) (*etree.Document, error) {
	doc := etree.NewDocument()
	if err := doc.ReadFromBytes(source); err != nil {
		return nil, err
	}
	for _, tok := range doc.Child {
		if _, ok := tok.(*etree.Directive); ok {
			return nil, errors.New("the document has a document type declaration")
		}
	}
	root := doc.Root()
	if root == nil || root.Tag != "definitions" || root.NamespaceURI() != NS {
		return nil, errors.New("the root element is not definitions of WSDL 1.1")
	}
	return doc, nil
}
