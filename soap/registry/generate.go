//go:build ignore

// Generate writes the SOAP contract of the registry from the REST contract:
// every operation under /api/ and /oauth/ that speaks JSON becomes an operation
// of the same name, with the same members under the same names. It writes
// wsdl/registry.wsdl and binding.json, the table by which messages are turned.
//
//	go run generate.go ../../portal/openapi.yaml ../../wsdl/registry.wsdl binding.json
package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log"
	"os"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// node is a shape: see soap/registry/binding.go, which reads it.
type node struct {
	Kind   string  `json:"kind"` // object, array, map, string, integer, number, boolean, json
	Type   string  `json:"type,omitempty"`
	Fields []field `json:"fields,omitempty"`
	Item   *node   `json:"item,omitempty"`

	format, doc string
	enum        []string
}

type field struct {
	Name     string `json:"name"`
	Required bool   `json:"-"`
	Node     *node  `json:"node"`
}

type operation struct {
	Name       string   `json:"name"`
	Method     string   `json:"method"`
	Path       string   `json:"path"`
	PathParams []string `json:"path_params,omitempty"`
	Query      []field  `json:"query,omitempty"`
	Repeatable bool     `json:"repeatable,omitempty"`
	Open       bool     `json:"open,omitempty"` // takes no access token
	Body       *node    `json:"body,omitempty"`
	// Answer is the shape of the envelope; nil where the answer is a document
	// whose bytes matter.
	Answer *node `json:"answer,omitempty"`

	summary string
}

var (
	root  *yaml.Node
	types = map[string]*node{}
	order []string
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 4 {
		log.Fatal("usage: generate openapi.yaml registry.wsdl binding.json")
	}
	source, err := os.ReadFile(os.Args[1])
	check(err)
	var doc yaml.Node
	check(yaml.Unmarshal(source, &doc))
	root = doc.Content[0]
	var operations []operation
	paths := get(root, "paths")
	for i := 0; i < len(paths.Content); i += 2 {
		path, item := paths.Content[i].Value, paths.Content[i+1]
		if !strings.HasPrefix(path, "/api/") && !strings.HasPrefix(path, "/oauth/") {
			continue
		}
		for _, method := range []string{"get", "post", "put", "patch", "delete"} {
			if op := get(item, method); op != nil {
				if o, ok := read(path, strings.ToUpper(method), item, op); ok {
					operations = append(operations, o)
				}
			}
		}
	}
	var table bytes.Buffer
	e := json.NewEncoder(&table)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	check(e.Encode(map[string]any{"types": types, "operations": operations}))
	check(os.WriteFile(os.Args[3], table.Bytes(), 0o644))
	check(os.WriteFile(os.Args[2], contract(operations), 0o644))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// get reads a member of a mapping, through references.
func get(n *yaml.Node, name string) *yaml.Node {
	n = deref(n)
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return n.Content[i+1]
		}
	}
	return nil
}

func text(n *yaml.Node, name string) string {
	if v := get(n, name); v != nil {
		return v.Value
	}
	return ""
}

func reference(n *yaml.Node) string {
	if n != nil && n.Kind == yaml.MappingNode && len(n.Content) == 2 && n.Content[0].Value == "$ref" {
		return n.Content[1].Value
	}
	return ""
}

func deref(n *yaml.Node) *yaml.Node {
	for ref := reference(n); ref != ""; ref = reference(n) {
		n = root
		for _, part := range strings.Split(strings.TrimPrefix(ref, "#/"), "/") {
			n = get(n, part)
		}
		if n == nil {
			log.Fatalf("%s leads nowhere", ref)
		}
	}
	return n
}

func read(path, method string, item, op *yaml.Node) (operation, bool) {
	name := text(op, "operationId")
	o := operation{Name: strings.ToUpper(name[:1]) + name[1:], Method: method, Path: path, summary: text(op, "summary")}
	for _, params := range []*yaml.Node{get(item, "parameters"), get(op, "parameters")} {
		if params == nil {
			continue
		}
		for _, p := range params.Content {
			p = deref(p)
			switch text(p, "in") {
			case "path":
				o.PathParams = append(o.PathParams, text(p, "name"))
			case "query":
				o.Query = append(o.Query, field{text(p, "name"), text(p, "required") == "true", scalar(shape(get(p, "schema"), ""))})
			case "header":
				o.Repeatable = o.Repeatable || text(p, "name") == "Idempotency-Key"
			}
		}
	}
	if security := get(op, "security"); security != nil && len(security.Content) == 0 {
		o.Open = true
	}
	if body := get(op, "requestBody"); body != nil {
		media := get(get(body, "content"), "application/json")
		if media == nil {
			return o, false // a form, or raw bytes of a document
		}
		if schema := get(media, "schema"); !nothing(schema) {
			o.Body = shape(schema, o.Name+"Body")
		}
	}
	speaks := false
	responses := get(op, "responses")
	for i := 0; i < len(responses.Content); i += 2 {
		if !strings.HasPrefix(responses.Content[i].Value, "2") {
			continue
		}
		content := get(responses.Content[i+1], "content")
		if content == nil {
			speaks = true // 204
			continue
		}
		media := get(content, "application/json")
		if media == nil {
			if get(content, "text/html") != nil || get(content, "application/yaml") != nil {
				return o, false
			}
			speaks = true
			continue
		}
		speaks = true
		answer := shape(get(media, "schema"), o.Name+"Answer")
		enveloped := slices.ContainsFunc(deep(answer).Fields, func(f field) bool { return f.Name == "meta" })
		if !enveloped && strings.HasPrefix(path, "/api/") {
			continue // a document: its bytes matter
		}
		if o.Answer == nil {
			o.Answer = answer
		} else {
			o.Answer = merge(o.Answer, answer)
		}
	}
	return o, speaks
}

// nothing reports an object that may have no member at all.
func nothing(schema *yaml.Node) bool {
	properties := get(schema, "properties")
	return text(schema, "type") == "object" && text(schema, "additionalProperties") == "false" && (properties == nil || len(properties.Content) == 0)
}

// scalar makes a query parameter's shape: text, however it is typed.
func scalar(n *node) *node {
	if n.Kind == "array" || n.Kind == "object" || n.Kind == "map" || n.Kind == "json" {
		return &node{Kind: "string"}
	}
	return &node{Kind: n.Kind, format: n.format}
}

func deep(n *node) *node {
	if n.Type != "" && types[n.Type] != nil && n.Kind == "object" && n.Fields == nil {
		return types[n.Type]
	}
	return n
}

// merge makes a shape that both obey.
func merge(a, b *node) *node {
	if a.Type != "" && a.Type == b.Type {
		return a
	}
	a, b = deep(a), deep(b)
	if a.Kind != "object" || b.Kind != "object" {
		if a.Kind == b.Kind {
			return a
		}
		return &node{Kind: "json"}
	}
	out := &node{Kind: "object", Type: a.Type}
	for _, f := range a.Fields {
		if i := slices.IndexFunc(b.Fields, func(g field) bool { return g.Name == f.Name }); i >= 0 {
			f = field{f.Name, f.Required && b.Fields[i].Required, merge(f.Node, b.Fields[i].Node)}
		} else {
			f.Required = false
		}
		out.Fields = append(out.Fields, f)
	}
	for _, f := range b.Fields {
		if !slices.ContainsFunc(a.Fields, func(g field) bool { return g.Name == f.Name }) {
			f.Required = false
			out.Fields = append(out.Fields, f)
		}
	}
	if out.Type != "" {
		types[out.Type] = &node{Kind: "object", Fields: out.Fields}
		return &node{Kind: "object", Type: out.Type}
	}
	return out
}

// shape reads a schema. Objects become named types: their component's name, or
// the name of the place where they stand.
func shape(n *yaml.Node, place string) *node {
	if ref := reference(n); ref != "" {
		name := ref[strings.LastIndex(ref, "/")+1:]
		if types[name] != nil {
			return &node{Kind: types[name].Kind, Type: name}
		}
		place = name
		n = deref(n)
	}
	if all := get(n, "allOf"); all != nil {
		out := &node{Kind: "object"}
		for i, part := range all.Content {
			p := deep(shape(part, fmt.Sprintf("%sPart%d", place, i)))
			if p.Kind != "object" {
				return p
			}
			for _, f := range p.Fields {
				if !slices.ContainsFunc(out.Fields, func(g field) bool { return g.Name == f.Name }) {
					out.Fields = append(out.Fields, f)
				}
			}
		}
		return named(out, place)
	}
	for _, key := range []string{"oneOf", "anyOf"} {
		list := get(n, key)
		if list == nil {
			continue
		}
		var out *node
		for i, part := range list.Content {
			p := shape(part, fmt.Sprintf("%sChoice%d", place, i))
			switch {
			case out == nil:
				out = p
			case out.Kind == "object" && p.Kind == "object":
				out = merge(&node{Kind: "object", Fields: deep(out).Fields}, p)
			default:
				if p.Kind == "string" || out.Kind == "string" {
					out = &node{Kind: "string"}
				} else {
					out = &node{Kind: "json"}
				}
			}
		}
		if out.Kind == "object" && out.Type == "" {
			return named(out, place)
		}
		return out
	}
	out := &node{doc: text(n, "description"), format: text(n, "format")}
	switch kind := text(n, "type"); kind {
	case "object":
		out.Kind = "object"
		properties := get(n, "properties")
		if properties == nil || len(properties.Content) == 0 {
			extra := get(n, "additionalProperties")
			if extra != nil && extra.Kind == yaml.MappingNode && len(extra.Content) > 0 {
				return &node{Kind: "map", Item: shape(extra, place+"Value")}
			}
			return &node{Kind: "json"}
		}
		var required []string
		if r := get(n, "required"); r != nil {
			for _, v := range r.Content {
				required = append(required, v.Value)
			}
		}
		for i := 0; i < len(properties.Content); i += 2 {
			name := properties.Content[i].Value
			out.Fields = append(out.Fields, field{name, slices.Contains(required, name), shape(properties.Content[i+1], place+camel(name))})
		}
		return named(out, place)
	case "array":
		return &node{Kind: "array", Item: shape(get(n, "items"), place+"Item")}
	case "string", "integer", "number", "boolean":
		out.Kind = kind
		if enum := get(n, "enum"); enum != nil {
			for _, v := range enum.Content {
				out.enum = append(out.enum, v.Value)
			}
		}
		return out
	}
	return &node{Kind: "json"}
}

func named(n *node, place string) *node {
	if place == "" {
		log.Fatal("an object without a name")
	}
	if types[place] == nil {
		order = append(order, place)
	}
	types[place] = &node{Kind: "object", Fields: n.Fields}
	return &node{Kind: "object", Type: place}
}

var word = regexp.MustCompile(`[^A-Za-z0-9]+`)

func camel(s string) string {
	var b strings.Builder
	for _, part := range word.Split(s, -1) {
		if part != "" {
			b.WriteString(strings.ToUpper(part[:1]) + part[1:])
		}
	}
	return b.String()
}

func escape(s string) string {
	var b bytes.Buffer
	check(xml.EscapeText(&b, []byte(strings.Join(strings.Fields(s), " "))))
	return b.String()
}

// typeName is the schema type of a shape. Texts that hold digits are texts.
func typeName(n *node) string {
	switch n.Kind {
	case "object":
		return "tns:" + n.Type
	case "integer":
		return "xs:long"
	case "number":
		return "xs:decimal"
	case "boolean":
		return "xs:boolean"
	}
	switch n.format {
	case "date":
		return "xs:date"
	case "date-time":
		return "xs:dateTime"
	}
	return "xs:string"
}

// element writes one element with its occurrence.
func element(b *bytes.Buffer, indent, name string, n *node, optional bool, owner string) {
	occurs := ""
	if optional {
		occurs = ` minOccurs="0"`
	}
	switch n.Kind {
	case "array":
		fmt.Fprintf(b, "%s<xs:element name=\"%s\" type=\"tns:%s\"%s/>\n", indent, name, listOf(n, owner+camel(name)), occurs)
	case "map":
		fmt.Fprintf(b, "%s<xs:element name=\"%s\" type=\"tns:%s\"%s/>\n", indent, name, mapOf(n, owner+camel(name)), occurs)
	default:
		note := ""
		if len(n.enum) > 0 {
			note = strings.Join(n.enum, " | ")
		} else if n.Kind == "json" {
			note = "JSON (RFC 8259)"
		}
		if note != "" {
			fmt.Fprintf(b, "%s<xs:element name=\"%s\" type=\"%s\"%s><xs:annotation><xs:documentation>%s</xs:documentation></xs:annotation></xs:element>\n", indent, name, typeName(n), occurs, escape(note))
		} else {
			fmt.Fprintf(b, "%s<xs:element name=\"%s\" type=\"%s\"%s/>\n", indent, name, typeName(n), occurs)
		}
	}
}

var (
	extra     bytes.Buffer // list and map types
	extraSeen = map[string]bool{}
)

func listOf(n *node, place string) string {
	name := place + "List"
	if n.Item.Kind == "object" {
		name = n.Item.Type + "List"
	}
	if !extraSeen[name] {
		extraSeen[name] = true
		var b bytes.Buffer
		fmt.Fprintf(&b, "      <xs:complexType name=\"%s\">\n        <xs:sequence>\n", name)
		item := "          <xs:element name=\"item\" type=\"%s\" minOccurs=\"0\" maxOccurs=\"unbounded\"/>\n"
		switch n.Item.Kind {
		case "array":
			fmt.Fprintf(&b, item, "tns:"+listOf(n.Item, place+"Item"))
		case "map":
			fmt.Fprintf(&b, item, "tns:"+mapOf(n.Item, place+"Item"))
		default:
			fmt.Fprintf(&b, item, typeName(n.Item))
		}
		b.WriteString("        </xs:sequence>\n      </xs:complexType>\n")
		extra.Write(b.Bytes())
	}
	return name
}

func mapOf(n *node, place string) string {
	name := place + "Map"
	if !extraSeen[name] {
		extraSeen[name] = true
		var b bytes.Buffer
		fmt.Fprintf(&b, "      <xs:complexType name=\"%sEntry\">\n        <xs:sequence>\n          <xs:element name=\"key\" type=\"xs:string\"/>\n", name)
		element(&b, "          ", "value", n.Item, false, place)
		b.WriteString("        </xs:sequence>\n      </xs:complexType>\n")
		fmt.Fprintf(&b, "      <xs:complexType name=\"%s\">\n        <xs:sequence>\n          <xs:element name=\"entry\" type=\"tns:%sEntry\" minOccurs=\"0\" maxOccurs=\"unbounded\"/>\n        </xs:sequence>\n      </xs:complexType>\n", name, name)
		extra.Write(b.Bytes())
	}
	return name
}

func contract(operations []operation) []byte {
	var schema bytes.Buffer
	slices.Sort(order)
	order = slices.Compact(order)
	for _, name := range order {
		fmt.Fprintf(&schema, "      <xs:complexType name=\"%s\">\n        <xs:sequence>\n", name)
		for _, f := range types[name].Fields {
			element(&schema, "          ", f.Name, f.Node, !f.Required, name)
		}
		schema.WriteString("        </xs:sequence>\n      </xs:complexType>\n")
	}
	for _, o := range operations {
		fmt.Fprintf(&schema, "      <xs:element name=\"%s\">\n        <xs:complexType>\n          <xs:sequence>\n", o.Name)
		in := "            "
		element(&schema, in, "access_token", &node{Kind: "string"}, o.Open, o.Name)
		if o.Repeatable {
			element(&schema, in, "idempotency_key", &node{Kind: "string"}, true, o.Name)
		}
		for _, p := range o.PathParams {
			element(&schema, in, p, &node{Kind: "string"}, false, o.Name)
		}
		for _, q := range o.Query {
			element(&schema, in, q.Name, q.Node, !q.Required, o.Name)
		}
		if o.Body != nil {
			element(&schema, in, "body", o.Body, true, o.Name)
		}
		schema.WriteString("          </xs:sequence>\n        </xs:complexType>\n      </xs:element>\n")
		fmt.Fprintf(&schema, "      <xs:element name=\"%sResponse\">\n        <xs:complexType>\n          <xs:sequence>\n", o.Name)
		if o.Answer == nil {
			fmt.Fprintf(&schema, "%s<xs:element name=\"content\" type=\"xs:base64Binary\" minOccurs=\"0\"/>\n", in)
		} else {
			for _, f := range deep(o.Answer).Fields {
				element(&schema, in, f.Name, f.Node, !f.Required, o.Name+"Answer")
			}
		}
		schema.WriteString("          </xs:sequence>\n        </xs:complexType>\n      </xs:element>\n")
	}
	// The parts that do not depend on the operations are those of the Diia contract.
	frame, err := os.ReadFile(strings.TrimSuffix(os.Args[2], "registry.wsdl") + "diia.wsdl")
	check(err)
	between := func(from, to string) string {
		i := bytes.Index(frame, []byte(from))
		j := bytes.Index(frame[i:], []byte(to))
		if i < 0 || j < 0 {
			log.Fatalf("diia.wsdl has no %s", from)
		}
		return string(frame[i : i+j])
	}
	headerSchemas := between("    <xs:schema targetNamespace=\"http://x-road.eu/xsd/identifiers\"", "    <xs:schema targetNamespace=\"urn:mist:ws:diia:v1\"")
	// Operations have members called id: the header's part is called otherwise,
	// for wsimport makes one parameter of each name.
	headerMessage := strings.Replace(between("  <wsdl:message name=\"requestHeader\">", "</wsdl:message>"), `part name="id"`, `part name="messageId"`, 1) + "</wsdl:message>\n"
	faultElement := between("      <xs:complexType name=\"FaultField\"", "\n      </xs:complexType>") + "\n      </xs:complexType>\n" +
		between("      <xs:element name=\"ServiceFault\"", "\n      </xs:element>") + "\n      </xs:element>\n"
	var b bytes.Buffer
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>
<!-- Generated from portal/openapi.yaml by soap/registry/generate.go. DO NOT EDIT. -->
<wsdl:definitions name="RegistryService"
    targetNamespace="urn:mist:ws:registry:v1"
    xmlns:tns="urn:mist:ws:registry:v1"
    xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/"
    xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/"
    xmlns:xs="http://www.w3.org/2001/XMLSchema"
    xmlns:xrd="http://x-road.eu/xsd/xroad.xsd"
    xmlns:id="http://x-road.eu/xsd/identifiers">
  <wsdl:types>
`)
	b.WriteString(headerSchemas)
	b.WriteString("    <xs:schema targetNamespace=\"urn:mist:ws:registry:v1\" elementFormDefault=\"qualified\">\n")
	b.Write(extra.Bytes())
	b.Write(schema.Bytes())
	b.WriteString(faultElement)
	b.WriteString("    </xs:schema>\n  </wsdl:types>\n")
	b.WriteString(headerMessage)
	for _, o := range operations {
		fmt.Fprintf(&b, "  <wsdl:message name=\"%sRequest\"><wsdl:part name=\"parameters\" element=\"tns:%s\"/></wsdl:message>\n", o.Name, o.Name)
		fmt.Fprintf(&b, "  <wsdl:message name=\"%sResponse\"><wsdl:part name=\"parameters\" element=\"tns:%sResponse\"/></wsdl:message>\n", o.Name, o.Name)
	}
	b.WriteString("  <wsdl:message name=\"ServiceFaultMessage\"><wsdl:part name=\"fault\" element=\"tns:ServiceFault\"/></wsdl:message>\n  <wsdl:portType name=\"RegistryPort\">\n")
	for _, o := range operations {
		fmt.Fprintf(&b, `    <wsdl:operation name="%s">
      <wsdl:documentation><xrd:title>%s</xrd:title></wsdl:documentation>
      <wsdl:input message="tns:%sRequest"/>
      <wsdl:output message="tns:%sResponse"/>
      <wsdl:fault name="ServiceFault" message="tns:ServiceFaultMessage"/>
    </wsdl:operation>
`, o.Name, escape(o.summary), o.Name, o.Name)
	}
	b.WriteString("  </wsdl:portType>\n  <wsdl:binding name=\"RegistryBinding\" type=\"tns:RegistryPort\">\n    <soap:binding style=\"document\" transport=\"http://schemas.xmlsoap.org/soap/http\"/>\n")
	headers := ""
	for _, part := range []string{"client", "service", "messageId", "userId", "issue", "protocolVersion"} {
		headers += fmt.Sprintf("        <soap:header message=\"tns:requestHeader\" part=\"%s\" use=\"literal\"/>\n", part)
	}
	for _, o := range operations {
		fmt.Fprintf(&b, `    <wsdl:operation name="%s">
      <soap:operation soapAction="" style="document"/>
      <xrd:version>v1</xrd:version>
      <wsdl:input>
        <soap:body use="literal"/>
%s      </wsdl:input>
      <wsdl:output>
        <soap:body use="literal"/>
%s      </wsdl:output>
      <wsdl:fault name="ServiceFault">
        <soap:fault name="ServiceFault" use="literal"/>
      </wsdl:fault>
    </wsdl:operation>
`, o.Name, headers, headers)
	}
	b.WriteString(`  </wsdl:binding>
  <wsdl:service name="RegistryService">
    <wsdl:port name="RegistryPort" binding="tns:RegistryBinding">
      <soap:address location="http://localhost/registry"/>
    </wsdl:port>
  </wsdl:service>
</wsdl:definitions>
`)
	return b.Bytes()
}
