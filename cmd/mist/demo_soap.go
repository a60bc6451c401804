package main

import (
	"bytes"
	"encoding/xml"
	"strings"
	"text/template"
)

var queryEnvelope = template.Must(template.New("envelope").Funcs(template.FuncMap{"x": escapeXML}).Parse(`<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xrd="http://x-road.eu/xsd/xroad.xsd" xmlns:id="http://x-road.eu/xsd/identifiers" xmlns:d="urn:mist:ws:diia:v1">
  <soapenv:Header>
    <xrd:client id:objectType="SUBSYSTEM"><id:xRoadInstance>{{x (index .Client 0)}}</id:xRoadInstance><id:memberClass>{{x (index .Client 1)}}</id:memberClass><id:memberCode>{{x (index .Client 2)}}</id:memberCode><id:subsystemCode>{{x (index .Client 3)}}</id:subsystemCode></xrd:client>
    <xrd:service id:objectType="SERVICE"><id:xRoadInstance>{{x (index .Service 0)}}</id:xRoadInstance><id:memberClass>{{x (index .Service 1)}}</id:memberClass><id:memberCode>{{x (index .Service 2)}}</id:memberCode><id:subsystemCode>{{x (index .Service 3)}}</id:subsystemCode><id:serviceCode>GetDeclarationByPatient</id:serviceCode><id:serviceVersion>v1</id:serviceVersion></xrd:service>
    <xrd:userId>UA{{x .Person.RNOKPP}}</xrd:userId>
    <xrd:id>{{x .ID}}</xrd:id>
    <xrd:protocolVersion>4.0</xrd:protocolVersion>
  </soapenv:Header>
  <soapenv:Body>
    <d:GetDeclarationByPatient>
      <d:requestId>{{x .ID}}</d:requestId>
      <d:person><d:rnokpp>{{x .Person.RNOKPP}}</d:rnokpp><d:lastName>{{x (index .Name 0)}}</d:lastName><d:firstName>{{x (index .Name 1)}}</d:firstName><d:birthDate>{{x .Person.BirthDate}}</d:birthDate></d:person>
      <d:consent><d:signedConsent>{{.Consent}}</d:signedConsent></d:consent>
    </d:GetDeclarationByPatient>
  </soapenv:Body>
</soapenv:Envelope>
`))

func escapeXML(s string) (string, error) {
	var b bytes.Buffer
	err := xml.EscapeText(&b, []byte(s))
	return b.String(), err
}

// envelope writes the SOAP question of walk 2; consent is base64.
func (d *demo) envelope(p sandboxPerson, id, consent string) ([]byte, error) {
	var b bytes.Buffer
	err := queryEnvelope.Execute(&b, map[string]any{
		"Client": strings.Split(d.box.XRoad.Client, "/"), "Service": strings.Split(d.box.XRoad.Service, "/"),
		"Person": p, "Name": strings.Fields(p.Name), "ID": id, "Consent": consent,
	})
	return b.Bytes(), err
}
