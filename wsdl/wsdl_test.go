package wsdl_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/wsdl"
	"mist/wsdl/gen/diia"
)

func load(t testing.TB) *wsdl.Contract {
	t.Helper()
	c, err := wsdl.Diia()
	require.NoError(t, err)
	return c
}

func TestDiiaContractIsClean(t *testing.T) {
	c := load(t)
	require.Empty(t, wsdl.Lint(c.Source()))
	require.Equal(t, wsdl.DiiaNS, c.TargetNamespace)
	require.Equal(t, []string{"GetDeclarationByPatient", "GetDeclarationByNumber", "GetDeclarationHistory", "CheckActiveDeclaration",
		"GetDependentDeclarations", "RegisterConsent", "RevokeConsent", "GetConsents", "GetAccessLog", "GetResponseEvidence", "GetPrescriptions", "GetSickLeaves"}, c.Operations)
	at := string(c.At(`https://ss.example:8443/diia?a=1&b="2"`))
	require.Contains(t, at, `<soap:address location="https://ss.example:8443/diia?a=1&amp;b=&quot;2&quot;"/>`)
	require.Empty(t, wsdl.Lint([]byte(at)))
	_, err := wsdl.Load("absent")
	require.Error(t, err)
}

// Every row breaks the clean contract in one place.
func TestLintFindsWhatStopsClients(t *testing.T) {
	clean := string(load(t).Source())
	for _, c := range []struct{ rule, old, new string }{
		{"document", "<wsdl:definitions", "<!DOCTYPE a><wsdl:definitions"},
		{"document", "</wsdl:definitions>", ""},
		{"document", "http://schemas.xmlsoap.org/wsdl/\"", "http://www.w3.org/ns/wsdl\""},
		{"self-contained", `<xs:import namespace="http://x-road.eu/xsd/identifiers"/>`, `<xs:import namespace="http://x-road.eu/xsd/identifiers" schemaLocation="http://x-road.eu/xsd/identifiers.xsd"/>`},
		{"self-contained", "<wsdl:types>", `<wsdl:import namespace="urn:a" location="a.wsdl"/><wsdl:types>`},
		{"xml-namespace", `<xs:import namespace="http://x-road.eu/xsd/identifiers"/>`, `<xs:import namespace="http://x-road.eu/xsd/identifiers"/><xs:import namespace="http://www.w3.org/XML/1998/namespace"/>`},
		{"identifiers-qualified", ` attributeFormDefault="qualified"`, ""},
		{"one-port", `<wsdl:port name="DiiaPort"`, `<wsdl:port name="Second" binding="tns:DiiaBinding"><soap:address location="http://x/"/></wsdl:port><wsdl:port name="DiiaPort"`},
		{"one-port", `xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/"`, `xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap12/"`},
		{"document-literal", `<soap:operation soapAction="" style="document"/>`, `<soap:operation soapAction="" style="rpc"/>`},
		{"document-literal", `<soap:body use="literal"/>`, `<soap:body use="encoded"/>`},
		{"wrapped", `<wsdl:part name="parameters" element="tns:GetDeclarationByPatient"/>`, `<wsdl:part name="parameters" type="tns:PersonIdentity"/>`},
		{"wrapped", `<xs:element name="GetDeclarationByPatient">`, `<xs:element name="Other"/><xs:element name="GetDeclarationByPatient">`},
		{"wrapped", `<wsdl:part name="parameters" element="tns:GetDeclarationByPatient"/>`, `<wsdl:part name="parameters" element="tns:ServiceFault"/>`},
		{"wrapped", `<xs:element name="state" type="tns:ConsentState"`, `<xs:element name="consent" type="tns:ConsentState"`},
		{"wrapped", `<xs:element name="state" type="tns:ConsentState"`, `<xs:element name="Consent" type="tns:Consent"`},
		{"wrapped", `<xs:element name="state" type="tns:ConsentState"`, `<xs:element name="issue" type="tns:ConsentState"`},
		{"references", `<wsdl:message name="requestHeader">`, `<wsdl:message name="requestheader">`},
		{"references", `part="issue"`, `part="Issue"`},
		{"references", `binding="tns:DiiaBinding"`, `binding="tns:Binding"`},
		{"references", `<xs:element name="userId" type="xs:string"/>`, ""},
		{"headers", `<soap:header message="tns:requestHeader" part="client" use="literal"/>`, ""},
		{"request-hash", `<wsdl:part name="issue" element="xrd:issue"/>`, `<wsdl:part name="issue" element="xrd:requestHash"/>`},
		{"service-code", `<xrd:version>v1</xrd:version>`, `<xrd:version>v1/2</xrd:version>`},
		{"naming", `targetNamespace="urn:mist:ws:diia:v1"`, `targetNamespace="NotificationDistributionPush"`},
		{"naming", `urn:mist:ws:diia:v1"`, `http://tempuri.org/"`},
		{"schema-style", `<xs:element name="auditId" type="tns:UUID"/>`, `<xs:element name="auditId" type="tns:UUID" nillable="true"/>`},
		{"schema-style", `<xs:element name="auditId" type="tns:UUID"/>`, `<xs:any/>`},
		{"schema-style", `<xs:element name="auditId" type="tns:UUID"/>`, `<xs:element name="auditId" type="xs:anyType"/>`},
		{"schema-style", `<xs:element name="auditId" type="tns:UUID"/>`, `<xs:element name="auditId" type="xs:gYear"/>`},
		{"schema-style", `<xs:element name="auditId" type="tns:UUID"/>`, `<xs:element name="auditId" type="tns:UUID" default="x"/>`},
		{"schema-style", `<xs:element name="signedConsent"`, `<xs:element xmlns:xmime="http://www.w3.org/2005/05/xmlmime" xmime:expectedContentTypes="a/b" name="signedConsent"`},
		{"identifier-type", `<xs:element name="rnokpp" type="tns:Rnokpp"`, `<xs:element name="rnokpp" type="xs:int"`},
		{"soap-action", `soapAction=""`, `soapAction="urn:x"`},
		{"fault", `<wsdl:fault name="ServiceFault" message="tns:ServiceFaultMessage"/>`, ""},
		{"policy", "<wsdl:types>", `<p:Policy xmlns:p="http://schemas.xmlsoap.org/ws/2004/09/policy"/><wsdl:types>`},
		{"version", "<xrd:version>v1</xrd:version>", ""},
		{"title", "<xrd:title>Декларації пацієнта з сімейним лікарем</xrd:title>", ""},
		{"address", `<soap:address location="http://localhost/diia"/>`, ""},
	} {
		t.Run(c.rule, func(t *testing.T) {
			require.Contains(t, clean, c.old)
			broken := strings.Replace(clean, c.old, c.new, 1)
			if c.rule == "wrapped" && strings.Contains(c.new, "Other") {
				broken = strings.Replace(broken, `element="tns:GetDeclarationByPatient"`, `element="tns:Other"`, 1)
			}
			if c.rule == "naming" && strings.Contains(c.new, "tempuri") {
				broken = strings.ReplaceAll(clean, c.old, c.new)
			}
			findings := wsdl.Lint([]byte(broken))
			var got []string
			for _, f := range findings {
				got = append(got, f.Rule)
				require.Contains(t, wsdl.Rules(), f.Rule)
				require.NotEmpty(t, f.String())
			}
			require.Contains(t, got, c.rule)
		})
	}
}

const request = `<GetDeclarationByPatient xmlns="` + wsdl.DiiaNS + `"><requestId>4894e35d-bf0f-44a6-867a-8e51f1daa7e0</requestId>` +
	`<person><rnokpp>3126509817</rnokpp><lastName>Тестова</lastName><firstName>Оксана</firstName><birthDate>1985-08-07</birthDate></person>` +
	`<consent><signedConsent>TUlJ</signedConsent></consent><status>active</status></GetDeclarationByPatient>`

func TestValidate(t *testing.T) {
	c := load(t)
	require.NoError(t, c.Validate([]byte(request)))
	for _, twin := range [][2]string{
		{"1985-08-07", "1985-08-07Z"}, // strong-soap adds a zone
		{"1985-08-07", "1985-08-07+03:00"},
		{"<birthDate>1985-08-07</birthDate>", ""},
		{"<consent><signedConsent>TUlJ</signedConsent></consent>", ""},
		{"<rnokpp>3126509817</rnokpp>", "<unzr>19850807-12345</unzr>"},
		{"<rnokpp>3126509817</rnokpp>", "<document><type>PASSPORT</type><number>АА123456</number></document>"},
		{"TUlJ", "TUlJ\nTUlJ"},
	} {
		require.NoError(t, c.Validate([]byte(strings.Replace(request, twin[0], twin[1], 1))), twin[1])
	}
	for _, bad := range [][2]string{
		{"1985-08-07", ""}, {"1985-08-07", "1985-02-30"}, {"1985-08-07", "07.08.1985"},
		{"3126509817", "312650981"}, {"3126509817", "31265O9817"},
		{"<lastName>Тестова</lastName>", ""}, {"Тестова", ""},
		{"<status>active</status>", "<status>unknown</status>"},
		{"<status>active</status>", "<extra/>"},
		{"TUlJ", "***"},
		{"4894e35d", "4894e35"},
		{"<requestId>4894e35d-bf0f-44a6-867a-8e51f1daa7e0</requestId>", ""},
		{"<person>", "<person xmlns=\"urn:other\">"},
	} {
		err := c.Validate([]byte(strings.Replace(request, bad[0], bad[1], 1)))
		var invalid *wsdl.InvalidError
		require.ErrorAs(t, err, &invalid, bad[1])
		require.NotEmpty(t, invalid.Violations[0].Path)
		require.NotEmpty(t, invalid.Violations[0].Rule)
		if len(bad[1]) > 4 {
			require.NotContains(t, err.Error(), bad[1], "values never stand in the error")
		}
	}
}

// xmllint is the second opinion on the same documents. It is laxer on
// xs:base64Binary (it takes ***), so that stays out of the comparison.
func TestValidateAgreesWithXmllint(t *testing.T) {
	tool, err := exec.LookPath("xmllint")
	if err != nil {
		t.Skip("xmllint is not installed")
	}
	source := string(load(t).Source())
	from := strings.LastIndex(source, "<xs:schema")
	to := strings.LastIndex(source, "</xs:schema>") + len("</xs:schema>")
	schema := strings.Replace(source[from:to], "<xs:schema", `<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:tns="`+wsdl.DiiaNS+`"`, 1)
	dir := t.TempDir()
	xsd := filepath.Join(dir, "s.xsd")
	require.NoError(t, os.WriteFile(xsd, []byte(schema), 0o600))
	c := load(t)
	for _, edit := range [][2]string{
		{"", ""}, {"1985-08-07", "1985-02-30"}, {"1985-08-07", "1985-08-07Z"}, {"<lastName>Тестова</lastName>", ""},
		{"Тестова", ""}, {"TUlJ", "TU lJ"}, {"<status>active</status>", "<status>active</status><status>closed</status>"},
		{"<person>", "text<person>"}, {"<rnokpp>", "<rnokpp a='1'>"},
	} {
		doc := strings.Replace(request, edit[0], edit[1], 1)
		file := filepath.Join(dir, "d.xml")
		require.NoError(t, os.WriteFile(file, []byte(doc), 0o600))
		out, foreign := exec.Command(tool, "--noout", "--schema", xsd, file).CombinedOutput()
		require.Equal(t, foreign == nil, c.Validate([]byte(doc)) == nil, "%q: %s", edit[1], out)
	}
}

// Generated types must come from the contract as it is now: make verify
// regenerates, this test tells a forgotten run without the generator.
func TestGeneratedTypesAreCurrent(t *testing.T) {
	b, err := os.ReadFile("gen/diia/types.go")
	require.NoError(t, err)
	sum := sha256.Sum256(load(t).Source())
	require.Contains(t, string(b), "// SHA-256 of the contract: "+hex.EncodeToString(sum[:]), "run go generate ./wsdl/gen")
}

func TestGeneratedTypesRoundTrip(t *testing.T) {
	var in diia.GetDeclarationByPatient
	require.NoError(t, xml.Unmarshal([]byte(request), &in))
	require.Equal(t, "1985-08-07", in.Person.BirthDate)
	require.Equal(t, []diia.DeclarationStatus{diia.DeclarationStatusActive}, in.Status)
	require.Equal(t, "TUlJ", in.Consent.SignedConsent)
	require.Equal(t, wsdl.DiiaNS, in.XMLName.Space)
	out, err := xml.Marshal(in)
	require.NoError(t, err)
	require.NoError(t, load(t).Validate(out))

	// Required elements stay even when they are empty or false.
	answer := diia.GetDeclarationByPatientResponse{
		Result:      &diia.Result{Code: "OK", RequestId: in.RequestId, AnsweredAt: "2026-11-21T12:00:00+02:00"},
		Declaration: []diia.Declaration{{Division: &diia.Division{}}, {}},
		AuditId:     in.RequestId,
	}
	answer.XMLName = xml.Name{Space: wsdl.DiiaNS, Local: "GetDeclarationByPatientResponse"}
	out, err = xml.Marshal(answer)
	require.NoError(t, err)
	require.Contains(t, string(out), "<mountainGroup>false</mountainGroup>")
	require.NoError(t, load(t).Validate(out))
}

// An installation on Trembita names the contract by its own domain: the whole
// document and its schemas follow, and only good names are taken.
func TestNamespaceOfAnInstallation(t *testing.T) {
	const own = "https://registry.example.gov.ua/ws/diia/v1"
	c, err := wsdl.LoadAs("diia", own)
	require.NoError(t, err)
	require.Equal(t, own, c.TargetNamespace)
	require.Empty(t, wsdl.Lint(c.Source()))
	require.NotContains(t, string(c.Source()), wsdl.DiiaNS)
	require.NoError(t, c.Validate([]byte(strings.Replace(request, wsdl.DiiaNS, own, 1))))
	require.Error(t, c.Validate([]byte(request)), "the project's name is another contract's now")
	for _, bad := range []string{"diia", "urn:x", `https://a"b/`, "ftp://a/b", "https:///x", "urn:mist:<a>", "https://a b/"} {
		_, err := wsdl.LoadAs("diia", bad)
		require.Error(t, err, bad)
	}
}

func FuzzLint(f *testing.F) {
	c, err := wsdl.Diia()
	require.NoError(f, err)
	f.Add(c.Source())
	f.Add([]byte(`<definitions xmlns="http://schemas.xmlsoap.org/wsdl/"><types/></definitions>`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		for _, finding := range wsdl.Lint(doc) {
			require.NotEmpty(t, finding.Rule)
		}
	})
}

func BenchmarkValidate(b *testing.B) {
	c := load(b)
	doc := []byte(request)
	b.ReportAllocs()
	for b.Loop() {
		if err := c.Validate(doc); err != nil {
			b.Fatal(err)
		}
	}
}

// A service code is unique in a subsystem, whatever contract it stands in: the
// security server knows services by their code alone.
func TestServiceCodesAreUnique(t *testing.T) {
	in := map[string]string{}
	for _, name := range []string{"diia", "composition", "registry"} {
		c, err := wsdl.Load(name)
		require.NoError(t, err)
		require.NotEmpty(t, c.Operations)
		for _, code := range c.Operations {
			require.Empty(t, in[code], "%s stands in %s too", code, name)
			in[code] = name
		}
	}
}
