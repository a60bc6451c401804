package oauth

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/portal"
	"mist/portal/web"
	"mist/portal/web/webtest"
	"mist/registry"
	"mist/registry/access"
)

func TestTexts(t *testing.T) {
	webtest.Texts(t, ".")
	var ukrainian map[string]string
	require.NoError(t, json.Unmarshal(meaningsUkrainian, &ukrainian))
	acts := access.Ukrainian()
	for name, meaning := range access.Meanings() {
		if acts[name] != "" {
			ukrainian[meaning] = acts[name]
		}
		require.NotEmpty(t, ukrainian[meaning], "a person is asked for %q: text/scopes.uk.json lacks %q", name, meaning)
	}
	for _, text := range ukrainian {
		require.False(t, webtest.Mixed(text), text)
	}
}

func shown(t *testing.T, target string, v portal.LoginView) *httptest.ResponseRecorder {
	kit, err := web.New(web.Config{BaseURL: "https://mist.example", Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Clock: time.Now})
	require.NoError(t, err)
	page, err := Add(kit)
	require.NoError(t, err)
	w := httptest.NewRecorder()
	page.ShowLogin(w, httptest.NewRequest("GET", target, nil), v)
	return w
}

// The page says in words what is asked for, escapes what a client calls itself,
// and may lead its form to the client's address and to no other.
func TestLoginPage(t *testing.T) {
	asked := portal.LoginView{Status: 200, Document: []byte(`{"a":1}`), Challenge: &access.Challenge{
		ClientName: "МІС <script>alert(1)</script>", Scope: []string{"person:read"}, RedirectURI: "https://mis.example/cb", ExpiresAt: time.Now()}}
	w := shown(t, "/oauth/authorize?state=s", asked)
	require.Equal(t, 200, w.Code)
	require.Contains(t, w.Body.String(), "МІС &lt;script&gt;")
	require.Contains(t, w.Body.String(), "бачити записи пацієнтів свого закладу")
	require.Contains(t, w.Body.String(), `href="data:application/json;base64,eyJhIjoxfQ`)
	require.Contains(t, w.Body.String(), `href="/oauth/authorize?state=s&amp;ui_locales=en"`, "the other language is the same request")
	csp := w.Header().Get("Content-Security-Policy")
	require.Contains(t, csp, "form-action 'self' https://mis.example;")
	require.Contains(t, csp, "trusted-types 'none'")
	w = shown(t, "/oauth/authorize?ui_locales=en", asked)
	require.Contains(t, w.Body.String(), "By signing you agree")
	require.Contains(t, w.Body.String(), `<html lang="en"`)

	w = shown(t, "/oauth/authorize", portal.LoginView{Status: 422, Trouble: registry.Errorf(registry.CodeInvalid, "redirect_uri is missing")})
	require.Equal(t, 422, w.Code)
	require.Contains(t, w.Body.String(), `role="alert"`)
	require.NotContains(t, w.Body.String(), "<form method=\"post\" action=\"/oauth")

	asked.Positions, asked.Signed = []access.Position{{Role: "DOCTOR", LegalEntityName: "Клініка «А & Б»"}}, []byte{1}
	w = shown(t, "/oauth/authorize", asked)
	require.Contains(t, w.Body.String(), "Клініка «А &amp; Б»")
	require.Contains(t, w.Body.String(), `name="employee_id"`)
}
