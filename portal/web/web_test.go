package web_test

import (
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/stretchr/testify/require"

	"mist/portal/web"
	"mist/portal/web/webtest"
	"mist/registry"
)

func TestTexts(t *testing.T) {
	webtest.Texts(t, ".", "trust.for.", "error.", "login.", "verdict.", "answer.", "report.")
	all := web.OwnTexts()
	for _, code := range registry.Codes() {
		require.Contains(t, all, "error."+string(code))
		require.Contains(t, all, "error."+string(code)+".advice")
	}
	require.True(t, webtest.Mixed("Киїv"))
	require.False(t, webtest.Mixed("Київ і Lviv"))
}

const sample = `{{define "main"}}<h1>{{t "found" "n" .Data.N}}</h1><p>{{.Data.Name}}</p><p>{{mark "good" .Data.Name}} {{hash .Data.Hash}} {{masked .Data.Number}}
{{moment .Data.At}} {{day "2026-11-21"}} {{number .Data.N}}</p>{{template "problems" .Data.Problems}}{{template "field" .Data.Field}}{{template "pager" .Data.Pager}}{{end}}`

type sampleData struct {
	N                  int
	Name, Hash, Number string
	At                 time.Time
	Problems           []web.Problem
	Field              web.Field
	Pager              web.Pager
}

func room(uk, en string) fstest.MapFS {
	return fstest.MapFS{
		"templates/sample.html": {Data: []byte(sample)},
		"text/uk.json":          {Data: []byte(uk)}, "text/en.json": {Data: []byte(en)},
	}
}

const (
	foundUK = `{"found": {"one": "{n} лікар", "few": "{n} лікарі", "many": "{n} лікарів"}}`
	foundEN = `{"found": {"one": "{n} doctor", "many": "{n} doctors"}}`
)

func kit(t *testing.T, base string) *web.Kit {
	k, err := web.New(web.Config{BaseURL: base, Sandbox: true, Log: slog.New(slog.DiscardHandler),
		Clock: func() time.Time { return time.Date(2026, 11, 21, 10, 1, 5, 0, time.UTC) }})
	require.NoError(t, err)
	return k
}

func serve(t *testing.T, base string) *httptest.Server {
	k := kit(t, base)
	r, err := k.Room("sample", room(foundUK, foundEN))
	require.NoError(t, err)
	data := sampleData{N: 1234, Name: `<script>alert(1)</script>`, Hash: strings.Repeat("ab", 32), Number: "2222222225",
		At: time.Date(2026, 11, 21, 10, 1, 5, 0, time.UTC), Problems: []web.Problem{{Field: "name", Text: "прізвище?"}},
		Field: web.Field{Name: "name", Label: "Name", Value: `"><img src=x onerror=alert(1)>`, Error: "wrong", Hint: "as in the passport", Required: true},
		Pager: web.Pager{Next: "/uk/sample?after=1"}}
	r.Get("/sample", func(w http.ResponseWriter, q *web.Request) error {
		data := data
		if q.URL.Query().Get("n") == "2" {
			data.N = 2
		}
		return q.Render(w, web.Page{Template: "sample", Title: "t", Data: data})
	})
	r.Get("/fails/{how}", func(_ http.ResponseWriter, q *web.Request) error {
		switch q.Param("how") {
		case "rule":
			return registry.Errorf(registry.CodeRuleViolated, "a rule says no")
		case "panic":
			panic("secret of the panic")
		}
		return errors.New("secret of the database")
	})
	r.Post("/form", func(w http.ResponseWriter, q *web.Request) error {
		if _, err := q.Form(); err != nil {
			return err
		}
		q.Redirect(w, "/sample")
		return nil
	})
	mux := chi.NewRouter()
	k.Routes(mux)
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

var stay = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

func get(t *testing.T, address string, header ...string) (*http.Response, string) {
	return ask(t, http.MethodGet, address, "", header...)
}

func ask(t *testing.T, method, address, body string, header ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequest(method, address, strings.NewReader(body))
	require.NoError(t, err)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	a, err := stay.Do(r)
	require.NoError(t, err)
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	require.NoError(t, err)
	return a, string(b)
}

func TestPage(t *testing.T) {
	s := serve(t, "http://mist.example")
	a, page := get(t, s.URL+"/uk/sample?q=%22%3E%3Cscript%3E")
	require.Equal(t, http.StatusOK, a.StatusCode)
	require.Equal(t, "text/html; charset=utf-8", a.Header.Get("Content-Type"))
	require.Equal(t, "no-store", a.Header.Get("Cache-Control"))
	require.Contains(t, page, `<html lang="uk">`)
	require.Contains(t, page, "<h1>1\u00a0234 лікарі</h1>")
	require.Contains(t, page, "21.11.2026, 12:01:05</time>")
	require.Contains(t, page, `datetime="2026-11-21T10:01:05Z"`)
	require.Contains(t, page, "••••2225")
	require.NotContains(t, page, "2222222225")
	require.Contains(t, page, strings.Repeat("ab", 32))
	require.Contains(t, page, "ПІСОЧНИЦЯ")
	require.Contains(t, page, `aria-describedby="name-error name-hint"`)
	// What the reader or the data bring stays text.
	require.NotContains(t, page, "<script>alert")
	require.NotContains(t, page, "<img")
	for _, m := range regexp.MustCompile(`<script[^>]*>`).FindAllString(page, -1) {
		require.Regexp(t, `^<script type="module" src="/assets/[a-z.0-9-]+\.js">$`, m)
	}
	require.NotRegexp(t, `\son[a-z]+=|\sstyle=|javascript:`, strings.ReplaceAll(page, "onerror=alert(1)", ""))
	// The switch of languages keeps the page and the query.
	require.Contains(t, page, `href="/en/sample?q=%22%3E%3Cscript%3E"`)

	_, page = get(t, s.URL+"/en/sample?n=2")
	require.Contains(t, page, "<h1>2 doctors</h1>")
	require.Contains(t, page, "SANDBOX")
}

func TestSecurityHeaders(t *testing.T) {
	s := serve(t, "https://mist.example")
	for _, path := range []string{"/uk/sample", "/uk/nowhere", "/en/fails/panic"} {
		a, _ := get(t, s.URL+path)
		csp := a.Header.Get("Content-Security-Policy")
		for _, part := range []string{"default-src 'none'", "script-src 'self';", "style-src 'self';", "form-action 'self';", "base-uri 'none'", "frame-ancestors 'none'",
			"require-trusted-types-for 'script'", "trusted-types 'none'"} {
			require.Contains(t, csp, part, path)
		}
		require.NotContains(t, csp, "unsafe")
		require.Equal(t, "no-referrer", a.Header.Get("Referrer-Policy"))
		require.Equal(t, "nosniff", a.Header.Get("X-Content-Type-Options"))
		require.Equal(t, "max-age=31536000", a.Header.Get("Strict-Transport-Security"))
	}
}

func TestErrorPages(t *testing.T) {
	s := serve(t, "http://mist.example")
	for path, want := range map[string]struct {
		status int
		text   string
	}{
		"/uk/nowhere":     {404, "Такої сторінки немає"},
		"/en/nowhere/too": {404, "There is no such page"},
		"/en/fails/rule":  {422, "a rule says no"},
		"/uk/fails/panic": {500, "Сталася наша помилка"},
		"/en/fails/other": {500, "Something went wrong on our side"},
	} {
		a, page := get(t, s.URL+path)
		require.Equal(t, want.status, a.StatusCode, path)
		require.Contains(t, page, want.text, path)
		require.NotContains(t, page, "secret of", path)
	}
}

func TestAddressWithoutLanguage(t *testing.T) {
	s := serve(t, "http://mist.example")
	for accept, to := range map[string]string{"": "/uk/sample?n=2", "en-GB,en;q=0.9": "/en/sample?n=2", "en,uk;q=0.5": "/uk/sample?n=2", "de": "/uk/sample?n=2"} {
		a, _ := get(t, s.URL+"/sample?n=2", "Accept-Language", accept)
		require.Equal(t, http.StatusFound, a.StatusCode)
		require.Equal(t, to, a.Header.Get("Location"), accept)
	}
	// A path that looks like another host stays on this one.
	a, _ := get(t, s.URL+"//evil.example")
	require.NotContains(t, a.Header.Get("Location"), "//evil")
}

func TestFormOfAnotherSiteIsRefused(t *testing.T) {
	s := serve(t, "http://mist.example")
	form := url.Values{"a": {"b"}}.Encode()
	kind := []string{"Content-Type", "application/x-www-form-urlencoded"}
	a, _ := ask(t, http.MethodPost, s.URL+"/uk/form", form, append(kind, "Sec-Fetch-Site", "cross-site")...)
	require.Equal(t, http.StatusForbidden, a.StatusCode)
	a, _ = ask(t, http.MethodPost, s.URL+"/uk/form", form, append(kind, "Origin", "https://evil.example")...)
	require.Equal(t, http.StatusForbidden, a.StatusCode)
	a, _ = ask(t, http.MethodPost, s.URL+"/uk/form", form, append(kind, "Sec-Fetch-Site", "same-origin")...)
	require.Equal(t, http.StatusSeeOther, a.StatusCode)
	require.Equal(t, "/uk/sample", a.Header.Get("Location"))
	a, _ = ask(t, http.MethodPost, s.URL+"/uk/form", strings.Repeat("a", 65<<10), kind...)
	require.Equal(t, http.StatusRequestEntityTooLarge, a.StatusCode)
}

func TestTheme(t *testing.T) {
	s := serve(t, "https://mist.example")
	for back, want := range map[string]string{"/uk/sample?n=2": "/uk/sample?n=2", "//evil.example": "/uk/", "https://evil.example": "/uk/", "/uk/\\evil": "/uk/"} {
		a, _ := ask(t, http.MethodPost, s.URL+"/uk/theme", url.Values{"theme": {"dark"}, "back": {back}}.Encode(), "Content-Type", "application/x-www-form-urlencoded")
		require.Equal(t, http.StatusSeeOther, a.StatusCode)
		require.Equal(t, want, a.Header.Get("Location"))
		c := a.Cookies()[0]
		require.True(t, c.Secure && c.HttpOnly && c.SameSite == http.SameSiteLaxMode)
	}
	_, page := get(t, s.URL+"/uk/sample", "Cookie", "mist_theme=dark")
	require.Contains(t, page, `data-theme="dark"`)
	_, page = get(t, s.URL+"/uk/sample", "Cookie", "mist_theme=x")
	require.NotContains(t, page, "data-theme")
}

func TestAssetsHaveTheirDigest(t *testing.T) {
	s := serve(t, "http://mist.example")
	_, page := get(t, s.URL+"/uk/sample")
	css := regexp.MustCompile(`/assets/mist\.[0-9a-f]{12}\.css`).FindString(page)
	a, sheet := get(t, s.URL+css)
	require.Equal(t, http.StatusOK, a.StatusCode)
	require.Equal(t, "public, max-age=31536000, immutable", a.Header.Get("Cache-Control"))
	require.NotContains(t, sheet, "http")
	a, _ = get(t, s.URL+"/assets/other.css")
	require.Equal(t, http.StatusNotFound, a.StatusCode)
}

// A room with a hole in its texts does not start; its twin above does.
func TestRoomIsRefused(t *testing.T) {
	for name, files := range map[string]fs.FS{
		"no English":      room(foundUK, `{}`),
		"no Ukrainian":    room(`{}`, foundEN),
		"other values":    room(`{"a": "{n}"}`, `{"a": "{m}"}`),
		"missing plural":  room(`{"a": {"one": "{n}", "many": "{n}"}}`, `{"a": {"one": "{n}", "many": "{n}"}}`),
		"unknown plural":  room(`{"a": {"dual": "{n}"}}`, `{"a": "{n}"}`),
		"a text of ours":  room(`{"site.name": "Я"}`, `{"site.name": "I"}`),
		"no main":         fstest.MapFS{"templates/a.html": {Data: []byte("x")}, "text/uk.json": {Data: []byte("{}")}, "text/en.json": {Data: []byte("{}")}},
		"broken template": fstest.MapFS{"templates/a.html": {Data: []byte("{{")}, "text/uk.json": {Data: []byte("{}")}, "text/en.json": {Data: []byte("{}")}},
		"no texts":        fstest.MapFS{},
	} {
		_, err := kit(t, "http://mist.example").Room("x", files)
		require.Error(t, err, name)
	}
	_, err := kit(t, "http://mist.example").Room("x", room(foundUK, foundEN))
	require.NoError(t, err)
}

func TestPlurals(t *testing.T) {
	for n, want := range map[string]string{"1": "1 лікар", "2": "2 лікарі", "5": "5 лікарів", "11": "11 лікарів", "12": "12 лікарів", "21": "21 лікар", "22": "22 лікарі",
		"111": "111 лікарів", "1001": "1\u00a0001 лікар"} {
		require.Equal(t, want, webtest.Text(t, room(foundUK, foundEN), web.Ukrainian, "found", n), n)
	}
	require.Equal(t, "1 doctor", webtest.Text(t, room(foundUK, foundEN), web.English, "found", "1"))
}
