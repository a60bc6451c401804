package diia

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"mist/portal/gateway"
	"mist/registry"
	"mist/wsdl"
)

// The two contracts of the Diia service have the same operations.
func TestTheTwinHasEveryOperation(t *testing.T) {
	contract, err := wsdl.Diia()
	require.NoError(t, err)
	doc, err := openapi3.NewLoader().LoadFromData(spec)
	require.NoError(t, err)
	require.NoError(t, doc.Validate(t.Context()))
	require.Len(t, doc.Paths.Map(), len(contract.Operations))
	for _, name := range contract.Operations {
		item := doc.Paths.Value("/" + name)
		require.NotNil(t, item, name)
		properties := item.Post.RequestBody.Value.Content["application/json"].Schema.Value.Properties
		for _, member := range members[name] {
			require.Contains(t, properties, member, name)
		}
		for property := range properties {
			if property != "request_id" && property != "person" {
				require.Contains(t, members[name], property, name)
			}
		}
	}
}

func serve(t *testing.T, path, kind, body string, header http.Header) *httptest.ResponseRecorder {
	t.Helper()
	h, err := New(Config{Queries: struct{ Queries }{}, Now: time.Now})
	require.NoError(t, err)
	own := gateway.Member{Instance: "A", Class: "GOV", Code: "1", Subsystem: "x"}
	guard := gateway.Config{Service: own, Clients: []gateway.Member{own}, Refuse: Refuse}
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	r.Header = header.Clone()
	if r.Header == nil {
		r.Header = http.Header{"X-Road-Client": {"A/GOV/1/x"}}
	}
	r.Header.Set("Content-Type", kind)
	w := httptest.NewRecorder()
	guard.Handler(h).ServeHTTP(w, r)
	return w
}

const id = `"request_id":"0190a000-0000-7000-8000-000000000001"`

// Every one of these is refused before anything is asked: the disclosure
// service of this test would panic.
func TestBadQuestionsAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		path, kind, body string
		header           http.Header
		status           int
		part             string
	}{
		"no JSON":           {"/GetConsents", "application/json", `{`, nil, 400, "malformed"},
		"another type":      {"/GetConsents", "text/xml", `{}`, nil, 415, "unsupported"},
		"unknown member":    {"/GetConsents", "application/json", `{` + id + `,"person":{},"page":1}`, nil, 422, "$.page"},
		"unknown in person": {"/GetConsents", "application/json", `{` + id + `,"person":{"x":1}}`, nil, 400, "malformed"},
		"no request id":     {"/GetConsents", "application/json", `{"person":{}}`, nil, 422, "$.request_id"},
		"no person":         {"/GetConsents", "application/json", `{` + id + `}`, nil, 422, "$.person"},
		"no dependant":      {"/GetDependentDeclarations", "application/json", `{` + id + `,"person":{}}`, nil, 422, "$.dependant"},
		"not base64":        {"/GetConsents", "application/json", `{` + id + `,"person":{},"consent":{"signed":"*"}}`, nil, 400, "malformed"},
		"another subject": {"/GetConsents", "application/json", `{` + id + `,"person":{"rnokpp":"3126509817"}}`,
			http.Header{"X-Road-Client": {"A/GOV/1/x"}, "Uxp-Subject-Id": {"2597666070"}}, 409, "subject_mismatch"},
		"too large": {"/GetConsents", "application/json", `{"x":"` + strings.Repeat("a", maxBody) + `"}`, nil, 413, "too_large"},
	} {
		t.Run(name, func(t *testing.T) {
			w := serve(t, c.path, c.kind, c.body, c.header)
			require.Equal(t, c.status, w.Code, w.Body.String())
			require.Contains(t, w.Body.String(), c.part)
		})
	}
}

func TestEveryCodeHasAStatus(t *testing.T) {
	for _, code := range registry.Codes() {
		w := httptest.NewRecorder()
		Refuse(w, nil, registry.Errorf(code, "why"))
		require.Equal(t, code == registry.CodeInternal, w.Code == http.StatusInternalServerError, code)
	}
}
