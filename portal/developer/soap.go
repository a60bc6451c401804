package developer

import (
	"fmt"
	"net/http"
	"strings"

	"mist/portal/web"
)

// soapOperation is a service code with the operation of REST it is the twin of.
type soapOperation struct {
	Code, ID string
	Summary  phrase
}

// soap lists the operations of the registry's contract behind Trembita.
func (p *pages) soap(w http.ResponseWriter, q *web.Request) error {
	data := struct {
		SOAP
		Twin string
		List []soapOperation
	}{SOAP: p.SOAP, Twin: p.soapTwin()}
	summaries := map[string]string{}
	for _, item := range p.doc.Paths.Map() {
		for _, op := range item.Operations() {
			summaries[op.OperationID] = op.Summary
		}
	}
	for _, code := range p.SOAP.Operations {
		id := strings.ToLower(code[:1]) + code[1:]
		data.List = append(data.List, soapOperation{code, id, p.texts.in(q, summaries[id])})
	}
	return q.Render(w, web.Page{Template: "soap", Title: q.T("soap.title"), Data: data})
}

// soapTwin is the first read of the start page as a message of X-Road 4.0; "" where no client is known.
func (p *pages) soapTwin() string {
	client, service := strings.Split(p.SOAP.Client, "/"), strings.Split(p.SOAP.Service, "/")
	if len(client) != 4 || len(service) != 4 {
		return ""
	}
	identifier := func(parts []string) string {
		var b strings.Builder
		for i, tag := range []string{"xRoadInstance", "memberClass", "memberCode", "subsystemCode"} {
			fmt.Fprintf(&b, "<id:%s>%s</id:%s>", tag, parts[i], tag)
		}
		return b.String()
	}
	return fmt.Sprintf(`curl -s '%s' -H 'Content-Type: text/xml; charset=UTF-8' -H 'SOAPAction: ""' -d '<S:Envelope xmlns:S="http://schemas.xmlsoap.org/soap/envelope/" xmlns:x="http://x-road.eu/xsd/xroad.xsd" xmlns:id="http://x-road.eu/xsd/identifiers">
 <S:Header>
  <x:client id:objectType="SUBSYSTEM">%s</x:client>
  <x:service id:objectType="SERVICE">%s<id:serviceCode>ListDictionaries</id:serviceCode></x:service>
  <x:id>'$(date +%%s%%N)'</x:id><x:userId>developer</x:userId><x:protocolVersion>4.0</x:protocolVersion>
 </S:Header>
 <S:Body><ListDictionaries xmlns="%s"><name>GENDER</name></ListDictionaries></S:Body>
</S:Envelope>'`, p.SOAP.Address, identifier(client), identifier(service), p.SOAP.Namespace)
}
