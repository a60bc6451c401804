package registry

import (
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"mist/registry"
	"mist/soap/xroad"
	"mist/wsdl"
)

// notBySOAP are operations that stay with REST, each with its reason.
var notBySOAP = map[string]string{
	"GetSpec":       "the REST contract itself",
	"AuthorizePage": "a page for people",
	"Authorize":     "the form of that page",
	"PutDocument":   "a pre-signed link: bytes go to the media store",
	"GetDocument":   "a pre-signed link: bytes come from the media store",
}

func restOperations(t *testing.T) (names []string) {
	t.Helper()
	b, err := os.ReadFile("../../portal/openapi.yaml")
	require.NoError(t, err)
	var doc struct {
		Paths map[string]map[string]any `yaml:"paths"`
	}
	require.NoError(t, yaml.Unmarshal(b, &doc))
	for _, item := range doc.Paths {
		for _, op := range item {
			if fields, ok := op.(map[string]any); ok {
				if id, ok := fields["operationId"].(string); ok {
					names = append(names, strings.ToUpper(id[:1])+id[1:])
				}
			}
		}
	}
	return names
}

// Every act kind and every read is reachable by SOAP as by REST.
func TestEveryOperationOfRESTIsOneOfSOAP(t *testing.T) {
	contract, err := wsdl.Load("registry")
	require.NoError(t, err)
	rest := restOperations(t)
	require.Greater(t, len(rest), 40)
	for _, name := range rest {
		if notBySOAP[name] == "" {
			require.Contains(t, contract.Operations, name, "portal/openapi.yaml has it, wsdl/registry.wsdl does not: run go generate ./soap/registry")
		}
	}
	for _, name := range contract.Operations {
		require.Contains(t, rest, name, "wsdl/registry.wsdl has it, portal/openapi.yaml does not: run go generate ./soap/registry")
	}
	for _, f := range wsdl.Lint(contract.Source()) {
		require.NotEqual(t, wsdl.SeverityError, f.Severity, f.String())
	}
}

// Every kind of act can be drafted, signed and looked at by SOAP.
func TestEveryOperationIsBound(t *testing.T) {
	contract, err := wsdl.Load("registry")
	require.NoError(t, err)
	provider, err := xroad.ParseClientID("A/GOV/1/x")
	require.NoError(t, err)
	services, err := Services(Config{Provider: provider, Clients: []xroad.ClientID{provider}, Contract: contract, Backend: nobody{}})
	require.NoError(t, err)
	require.Len(t, services, len(contract.Operations))
	_, err = Services(Config{})
	require.Error(t, err)
}

type nobody struct{}

func (nobody) Do(context.Context, Call) ([]byte, error) { return nil, nil }

func testBindings(t *testing.T) *bindings {
	t.Helper()
	b := &bindings{}
	require.NoError(t, json.Unmarshal([]byte(`{"types":{"Thing":{"kind":"object","fields":[
 {"name":"text","node":{"kind":"string"}},{"name":"count","node":{"kind":"integer"}},{"name":"share","node":{"kind":"number"}},
 {"name":"yes","node":{"kind":"boolean"}},{"name":"list","node":{"kind":"array","item":{"kind":"object","type":"Thing"}}},
 {"name":"map","node":{"kind":"map","item":{"kind":"string"}}},{"name":"free","node":{"kind":"json"}}]}}}`), b))
	return b
}

// What goes out comes back: no value changes on the way through XML.
func TestValuesSurviveTheWay(t *testing.T) {
	b := testBindings(t)
	shape := &node{Kind: "object", Type: "Thing"}
	for _, text := range []string{
		`{}`,
		`{"text":"<a>&amp; \"Ґанок\" ]]>","count":9007199254740993,"share":0.1,"yes":true}`,
		`{"list":[],"map":{}}`,
		`{"list":[{"text":"1"},{"list":[{"text":""}]}],"map":{"a b":"1","<":"2"},"free":{"x":[1,2.50,null]},"yes":false}`,
	} {
		o := operation{Name: "Get", Answer: shape}
		out, err := b.answer(o, "urn:x", []byte(text))
		require.NoError(t, err)
		e, err := parse(out)
		require.NoError(t, err)
		v, err := b.value(shape, e, "$")
		require.NoError(t, err)
		back, err := json.Marshal(v)
		require.NoError(t, err)
		require.JSONEq(t, text, string(back))
		if strings.Contains(text, "9007199254740993") {
			require.Contains(t, string(back), "9007199254740993")
		}
	}
}

func TestBadValuesAreNamed(t *testing.T) {
	b := testBindings(t)
	shape := &node{Kind: "object", Type: "Thing"}
	for doc, entry := range map[string]string{
		`<Get><free>{</free></Get>`:   "$.free",
		`<Get><free>1 2</free></Get>`: "$.free",
		`<Get><map><entry><key>a</key><value>1</value></entry><entry><key>a</key><value>2</value></entry></map></Get>`: "$.map",
	} {
		e, err := parse([]byte(doc))
		require.NoError(t, err)
		_, err = b.value(shape, e, "$")
		refused := registry.AsError(err)
		require.Equal(t, registry.CodeInvalid, refused.Code)
		require.Equal(t, entry, refused.Fields[0].Entry)
	}
	_, err := parse([]byte("<a>" + strings.Repeat("<b/>", maxElements) + "</a>"))
	require.ErrorContains(t, err, "elements")
	_, err = b.answer(operation{Name: "Get", Answer: shape}, "urn:x", []byte(`{"list":{}}`))
	require.ErrorContains(t, err, "list")
}
