package composition_test

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/beevik/etree"
	"github.com/stretchr/testify/require"

	"mist/registry"
	core "mist/registry/composition"
	"mist/registry/query"
	"mist/soap"
	"mist/soap/composition"
	"mist/soap/xroad"
	"mist/soap/xroad/sstest"
	"mist/wsdl"
)

var (
	provider = xroad.ClientID{Instance: "SEVDEIR-TEST", Class: "GOV", Member: "42032422", Subsystem: "50_mist_prod"}
	portal   = xroad.ClientID{Instance: "SEVDEIR-TEST", Class: "GOV", Member: "43395033", Subsystem: "DpDiia_cons"}
)

// recorded stands in for the disclosure service: this is about the binding.
// The service itself is tried with a real store in registry/query.
type recorded struct {
	asked  query.CompositionQuestion
	caller registry.Caller
	answer query.CompositionAnswer
	err    error
}

func (r *recorded) Composition(_ context.Context, c registry.Caller, q query.CompositionQuestion) (query.CompositionAnswer, error) {
	r.asked, r.caller = q, c
	return r.answer, r.err
}

func road(t *testing.T, r *recorded, purpose bool) (ask func(service xroad.ServiceID, body string) (*xroad.Answer, error), contract *wsdl.Contract) {
	t.Helper()
	contract, err := wsdl.Load("composition")
	require.NoError(t, err)
	services, err := composition.Services(composition.Config{Provider: provider, Clients: []xroad.ClientID{portal}, Contract: contract, Queries: r, RequirePurpose: purpose})
	require.NoError(t, err)
	router, err := xroad.NewRouter(services, false)
	require.NoError(t, err)
	h, err := soap.New(soap.Handler{Service: router, DetailNS: contract.TargetNamespace, Source: registry.SystemSource()})
	require.NoError(t, err)
	back := httptest.NewServer(h)
	t.Cleanup(back.Close)
	front := httptest.NewServer(&sstest.Server{HTTP: back.Client(), Resolve: func(xroad.ServiceID) (string, bool) { return back.URL, true }})
	t.Cleanup(front.Close)
	caller := &xroad.Caller{URL: front.URL, Client: portal, SOAP: &soap.Client{HTTP: front.Client()}, NewID: func() string { return "m-1" }}
	return func(service xroad.ServiceID, body string) (*xroad.Answer, error) {
		return caller.Do(t.Context(), xroad.Call{Service: service, Body: []byte(body)})
	}, contract
}

const number = "0A1B-2222-3333-ZZZZ"

func asked(element, identity string) string {
	return `<c:` + element + ` xmlns:c="urn:mist:ws:composition:v1"><c:identificationInfo>` + identity + `</c:identificationInfo><c:docNumb>` + number + `</c:docNumb></c:` + element + `>`
}

const byNumber = "<c:taxRNOKPP>0126509817</c:taxRNOKPP>" // zeros at the beginning stay

// Both generations, by each address and name of the element, through a
// security server's rules; every answer obeys the contract.
func TestGenerations(t *testing.T) {
	r := &recorded{answer: query.CompositionAnswer{Organisation: "КНП «Перше» & друзі", Record: core.Record{
		Number: number, Type: "TEMP_DISABILITY", Category: "SICKNESS", Status: core.Amended, Date: registry.Date{Year: 2026, Month: 11, Day: 20}, Start: registry.Date{Year: 2026, Month: 11, Day: 21}}}}
	ask, contract := road(t, r, false)
	for _, c := range []struct {
		code, version, element string
		generation             core.Generation
	}{
		{"PublicGetComposition", "", "PublicGetComposition", core.V1},
		{"PublicGetComposition", "v1", "PublicGetCompositionRequest", core.V1},
		{"PublicGetCompositionV2", "", "PublicGetCompositionV2", core.V2},
		{"PublicGetCompositionV2", "v2", "PublicGetCompositionV2Request", core.V2},
	} {
		a, err := ask(xroad.ServiceID{Provider: provider, Code: c.code, Version: c.version}, asked(c.element, byNumber))
		require.NoError(t, err, c.element)
		require.Equal(t, query.CompositionQuestion{Number: number, Identity: core.Identity{TaxID: "0126509817"}, Generation: c.generation}, r.asked)
		require.Equal(t, portal.String(), r.caller.XRoad)
		doc := etree.NewDocument()
		require.NoError(t, doc.ReadFromBytes(a.Payload.Standalone()))
		require.NoError(t, contract.Validate(a.Payload.Standalone()), "%s", a.Payload.Raw)
		text := func(path string) string {
			if e := doc.FindElement(path); e != nil {
				return e.Text()
			}
			return ""
		}
		require.Equal(t, "0126509817", text("//identificationInfo/taxRNOKPP"), "the request is echoed")
		require.Equal(t, number, text("//medicalDocument/docNumb"))
		require.Equal(t, "КНП «Перше» & друзі", text("//medicalDocument/docOrgName"))
		require.Equal(t, "2026-11-20 2026-11-21 ", text("//docDate")+" "+text("//validityPeriodStart")+" "+text("//validityPeriodEnd"))
		require.Nil(t, doc.FindElement("//error"))
		require.NotContains(t, string(a.Payload.Raw), "SICKNESS", "the category tells of the illness")
		status := ""
		if c.generation == core.V2 {
			status = "AMENDED"
		}
		require.Equal(t, status, text("//status"))
		a.Close()
	}
	// The published name of the second generation begins with the first one's code.
	_, err := ask(xroad.ServiceID{Provider: provider, Code: "PublicGetComposition", Version: "v2"}, asked("PublicGetCompositionRequestV2", byNumber))
	var other *xroad.InconsistentError
	require.ErrorAs(t, err, &other, "our own client wants the answer named after the code")
	require.Equal(t, core.V2, r.asked.Generation)
}

func TestIdentitiesAndRefusals(t *testing.T) {
	r := &recorded{answer: query.CompositionAnswer{Code: core.NotFound}}
	ask, contract := road(t, r, true)
	first := xroad.ServiceID{Provider: provider, Code: "PublicGetComposition"}
	with := func(identity string) string {
		return strings.Replace(asked("PublicGetComposition", identity), "</c:docNumb>", "</c:docNumb><c:purposeId>9K9J65I75ILCLMPDUIRXS</c:purposeId>", 1)
	}
	for identity, want := range map[string]core.Identity{
		"<c:UNZR>19850807-01234</c:UNZR>": {UNZR: "19850807-01234"},
		"<c:identityDocument><c:documentNumber>КС639891</c:documentNumber></c:identityDocument>":                                              {Document: true, DocumentNumber: "КС639891"},
		"<c:identityDocument><c:documentType>NATIONAL_ID</c:documentType><c:documentNumber>001234567</c:documentNumber></c:identityDocument>": {Document: true, DocumentType: "NATIONAL_ID", DocumentNumber: "001234567"},
	} {
		a, err := ask(first, with(identity))
		require.NoError(t, err)
		require.Equal(t, want, r.asked.Identity)
		require.NoError(t, contract.Validate(a.Payload.Standalone()))
		require.Contains(t, string(a.Payload.Raw), "<errorCode>404</errorCode>")
		require.NotContains(t, string(a.Payload.Raw), "medicalDocument")
		a.Close()
	}
	var fault *soap.Fault
	for body, code := range map[string]string{
		asked("PublicGetComposition", byNumber):                         "PurposeRequired",
		with("<c:identityDocument/>"):                                   "SubjectRequired",
		with("<c:taxRNOKPP>126509817</c:taxRNOKPP>"):                    "SchemaValidation",
		with("<c:UNZR>1985-08-07</c:UNZR>"):                             "SchemaValidation",
		strings.Replace(with(byNumber), "9K9J65I75ILCLMPDUIRXS", "", 1): "PurposeRequired",
	} {
		_, err := ask(first, body)
		require.ErrorAs(t, err, &fault)
		require.Equal(t, code, fault.Code)
		require.NotContains(t, fault.Reason, "126509817")
	}
	r.err = registry.Errorf(registry.CodeRateLimited, "wait")
	_, err := ask(first, with(byNumber))
	require.ErrorAs(t, err, &fault)
	require.Equal(t, "RateLimited", fault.Code)
	_, err = ask(xroad.ServiceID{Provider: provider, Code: "PublicGetComposition", Version: "v3"}, with(byNumber))
	require.ErrorAs(t, err, &fault)
	require.Equal(t, "UnknownService", fault.Code)
}

func TestConfigIsChecked(t *testing.T) {
	_, err := composition.Services(composition.Config{})
	require.Error(t, err)
}
