package portal

import (
	"encoding/json"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/access"
)

const form = "application/x-www-form-urlencoded"

func oauthAnswer(t *testing.T, w *httptest.ResponseRecorder) map[string]any {
	t.Helper()
	var m map[string]any
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &m), w.Body.String())
	require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
	return m
}

func TestTokenForms(t *testing.T) {
	want := access.Grant{Proof: access.Proof{ClientID: "id", ClientSecret: "s&cret"}, Scope: "a:read", EmployeeID: "e"}
	for name, c := range map[string]struct{ body, media, authorization string }{
		"form":         {"grant_type=client_credentials&client_id=id&client_secret=s%26cret&scope=a%3Aread&employee_id=e&unknown=1", form, ""},
		"json":         {`{"grant_type":"client_credentials","client_id":"id","client_secret":"s&cret","scope":"a:read","employee_id":"e"}`, "application/json", ""},
		"basic":        {"grant_type=client_credentials&scope=a:read&employee_id=e", form, "Basic aWQ6cyUyNmNyZXQ="},
		"basic and id": {"grant_type=client_credentials&client_id=id&scope=a:read&employee_id=e", form, "Basic aWQ6cyUyNmNyZXQ="},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			w := b.do("POST", "/oauth/token", c.body, "Content-Type", c.media, "Authorization", c.authorization)
			require.Equal(t, 200, w.Code, w.Body.String())
			require.Equal(t, want, b.grant)
			require.Equal(t, registry.ChannelREST, b.caller.Channel)
			require.Equal(t, map[string]any{"access_token": "secret-token", "token_type": "Bearer", "expires_in": 3600.0, "scope": "a:read a:write"}, oauthAnswer(t, w))
			require.NotContains(t, b.log.String(), "cret")
		})
	}
}

func TestTokenRefusals(t *testing.T) {
	const good = "grant_type=client_credentials&client_id=id&client_secret=s"
	for name, c := range map[string]struct {
		body, media, authorization string
		err                        error
		status                     int
		code                       string
	}{
		"no grant type": {"client_id=id&client_secret=s", form, "", nil, 400, "invalid_request"},
		"other grant":   {"grant_type=password&client_id=id&client_secret=s", form, "", nil, 400, "unsupported_grant_type"},
		"twice":         {good + "&client_id=other", form, "", nil, 400, "invalid_request"},
		"no secret":     {"grant_type=client_credentials&client_id=id", form, "", nil, 401, "invalid_client"},
		"both ways":     {good, form, "Basic aWQ6cw==", nil, 400, "invalid_request"},
		"bearer":        {good, form, "Bearer x", nil, 401, "invalid_client"},
		"broken form":   {"grant_type=%zz", form, "", nil, 400, "invalid_request"},
		"unknown json":  {`{"grant_type":"client_credentials","clientid":"x"}`, "application/json", "", nil, 400, "invalid_request"},
		"broken json":   {`{"grant_type":`, "application/json", "", nil, 400, "invalid_request"},
		"wrong secret":  {good, form, "", registry.Errorf(registry.CodeUnauthenticated, "invalid client credentials").WithReason("invalid_client"), 401, "invalid_client"},
		"scope":         {good, form, "", registry.Errorf(registry.CodeForbidden, "the client has no scope").WithReason("invalid_scope"), 400, "invalid_scope"},
		"employee":      {good, form, "", registry.Errorf(registry.CodeForbidden, "employee_id …").WithReason("invalid_employee"), 400, "invalid_grant"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.err = c.err
			w := b.do("POST", "/oauth/token", c.body, "Content-Type", c.media, "Authorization", c.authorization)
			require.Equal(t, c.status, w.Code, w.Body.String())
			require.Equal(t, c.code, oauthAnswer(t, w)["error"])
			if c.status == 401 {
				require.Contains(t, w.Header().Get("WWW-Authenticate"), "Basic")
			}
		})
	}
}

func TestTokenTroubleIsInTheEnvelope(t *testing.T) {
	b := newBench(t)
	const good = "grant_type=client_credentials&client_id=id&client_secret=s"
	failure(t, b.do("POST", "/oauth/token", good, "Content-Type", "text/plain"), 415, "content_type_invalid")
	failure(t, b.do("GET", "/oauth/token", ""), 405, "method_not_allowed")
	b.err = registry.Errorf(registry.CodeUnavailable, "busy; ask again")
	failure(t, b.do("POST", "/oauth/token", good, "Content-Type", form, "Authorization", ""), 503, "internal_error")
}

func TestRevoke(t *testing.T) {
	b := newBench(t)
	require.Equal(t, 200, b.do("POST", "/oauth/revoke", "token=abc&token_type_hint=access_token", "Content-Type", form).Code)
	require.Equal(t, "abc", b.revoked)
	b.err = registry.Errorf(registry.CodeNotFound, "not found")
	require.Equal(t, 200, b.do("POST", "/oauth/revoke", "token=def", "Content-Type", form).Code)
	w := b.do("POST", "/oauth/revoke", "x=1", "Content-Type", form)
	require.Equal(t, 400, w.Code)
	require.Equal(t, "invalid_request", oauthAnswer(t, w)["error"])
}
