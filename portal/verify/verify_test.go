package verify

import (
	"compress/gzip"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"

	"mist/portal/verify/offline"
	"mist/portal/web"
	"mist/portal/web/webtest"
	"mist/registry/audit"
	"mist/signature/facts"
	"mist/signature/pki"
	"mist/signature/sign"
	"mist/signature/trust"
)

func TestTexts(t *testing.T) { webtest.Texts(t, ".") }

// house is a site with this room alone and people who can sign.
type house struct {
	t     *testing.T
	url   string
	key   string
	store *trust.Store
	root  pki.Issuer
	who   pki.Issuer
	now   time.Time
	clock time.Time
	fail  error
	ready bool
}

func newHouse(t *testing.T) *house {
	private, _, err := note.GenerateKey(rand.Reader, "log.test/mist")
	require.NoError(t, err)
	signer, err := audit.NewSigner("log.test/mist", private)
	require.NoError(t, err)
	h := &house{t: t, key: signer.Verifier(), now: time.Now().UTC().Truncate(time.Second)}
	h.clock = h.now
	issue := func(p pki.Template, by *pki.Issuer) pki.Issuer {
		p.NotBefore, p.NotAfter = h.now.AddDate(-1, 0, 0), h.now.AddDate(1, 0, 0)
		k, err := sign.GenerateKey(sign.KindDSTU257, rand.Reader)
		require.NoError(t, err)
		c, err := pki.Issue(p, k, by, rand.Reader)
		require.NoError(t, err)
		return pki.Issuer{Certificate: c, Key: k}
	}
	h.root = issue(pki.Template{Profile: pki.Root, Subject: pki.Subject{CommonName: "Тестовий КНЕДП <b>&amp;</b>"}}, nil)
	h.who = issue(pki.Template{Profile: pki.Person, Subject: pki.Subject{CommonName: "Вигадана О.І.", Surname: "Вигадана", GivenName: "Олена <img src=x onerror=alert(1)>", RNOKPP: "2222222225"}}, &h.root)
	h.store = trust.NewStore(h.snapshot(true))
	kit, err := web.New(web.Config{BaseURL: "http://mist.example", Log: slog.New(slog.DiscardHandler), Clock: func() time.Time { return h.now }})
	require.NoError(t, err)
	sign := func(m audit.Material) (string, error) {
		if h.fail != nil {
			return "", h.fail
		}
		return signer.Material(m)
	}
	require.NoError(t, Add(kit, Config{Trust: h.store, Sign: sign, LogKey: h.key, Clock: func() time.Time { return h.clock }}))
	require.Error(t, Add(kit, Config{}))
	r := chi.NewRouter()
	kit.Routes(r)
	s := httptest.NewServer(r)
	t.Cleanup(s.Close)
	h.url = s.URL
	_, err = built.ReadFile("built/worker.js")
	h.ready = err == nil
	return h
}

func (h *house) snapshot(lists bool) *trust.Snapshot {
	var crls []*trust.CRL
	if lists {
		der, err := pki.IssueCRL(pki.CRL{Number: 1, ThisUpdate: h.now.Add(-time.Minute), NextUpdate: h.now.Add(time.Hour)}, h.root, rand.Reader)
		require.NoError(h.t, err)
		l, err := trust.ParseCRL(der)
		require.NoError(h.t, err)
		crls = append(crls, l)
	}
	return trust.NewSnapshot("test", []trust.Anchor{{Certificate: h.root.Certificate, Trust: []facts.Trust{{Source: "test", Purposes: []string{"signer", "tsa", "ocsp"}}}}}, nil, crls)
}

// get asks as a browser does, with an encoding or none.
func (h *house) get(path, encoding string) (*http.Response, []byte) {
	q, err := http.NewRequest(http.MethodGet, h.url+path, nil)
	require.NoError(h.t, err)
	q.Header.Set("Accept-Encoding", encoding)
	a, err := http.DefaultTransport.RoundTrip(q)
	require.NoError(h.t, err)
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	require.NoError(h.t, err)
	return a, b
}

// What is served opens with the log's key; it is signed anew when it changes and
// once an hour, and not for each reader.
func TestMaterialIsServedSigned(t *testing.T) {
	h := newHouse(t)
	a, b := h.get("/uk/verify/material", "identity")
	require.Equal(t, http.StatusOK, a.StatusCode)
	require.Equal(t, "application/json", a.Header.Get("Content-Type"))
	c, err := offline.Open(b, h.key, func() time.Time { return h.now })
	require.NoError(t, err)
	require.Equal(t, h.store.Snapshot().Version(), c.State().Version)
	require.Equal(t, h.now, c.State().Signed)

	a, packed := h.get("/uk/verify/material", "gzip, zstd;q=0")
	require.Equal(t, "gzip", a.Header.Get("Content-Encoding"))
	z, err := gzip.NewReader(strings.NewReader(string(packed)))
	require.NoError(t, err)
	plain, err := io.ReadAll(z)
	require.NoError(t, err)
	require.Equal(t, b, plain)

	h.clock = h.now.Add(59 * time.Minute)
	_, same := h.get("/en/verify/material", "")
	require.Equal(t, b, same)
	h.clock = h.now.Add(time.Hour)
	_, later := h.get("/uk/verify/material", "")
	require.NotEqual(t, b, later)
	h.store.Replace(h.snapshot(false))
	_, changed := h.get("/uk/verify/material", "")
	var m offline.Served
	require.NoError(t, json.Unmarshal(changed, &m))
	require.Contains(t, m.Statement, h.store.Snapshot().Version())

	h.fail = errors.New("the device is away")
	h.store.Replace(h.snapshot(true))
	a, _ = h.get("/uk/verify/material", "")
	require.Equal(t, http.StatusServiceUnavailable, a.StatusCode)
}

// The policies: the page may ask two addresses and its worker none.
func TestPolicies(t *testing.T) {
	h := newHouse(t)
	a, b := h.get("/uk/verify", "")
	if !h.ready {
		require.Equal(t, http.StatusServiceUnavailable, a.StatusCode)
		require.Contains(t, string(b), "make build")
		t.Skip("this build has no compiled verifier (make build): its policies are not looked at")
	}
	require.Equal(t, http.StatusOK, a.StatusCode)
	policy := a.Header.Get("Content-Security-Policy")
	host := strings.TrimPrefix(h.url, "http://")
	require.Regexp(t, `connect-src `+host+`/uk/verify/code/mist\.[0-9a-f]{12}\.wasm `+host+`/uk/verify/material; `, policy)
	require.Contains(t, policy, "trusted-types mist-worker")
	require.Contains(t, policy, "worker-src 'self'")
	require.NotContains(t, policy, "unsafe")
	home, _ := h.get("/uk/", "")
	require.Contains(t, home.Header.Get("Content-Security-Policy"), "connect-src 'self'; ")
	require.Contains(t, home.Header.Get("Content-Security-Policy"), "trusted-types 'none'")

	words := map[string]string{}
	for _, name := range []string{"worker", "code"} {
		_, rest, found := strings.Cut(string(b), "data-"+name+`="`)
		require.True(t, found)
		words[name], _, _ = strings.Cut(rest, `"`)
	}
	a, script := h.get(words["worker"], "")
	require.Equal(t, "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'none'", a.Header.Get("Content-Security-Policy"))
	require.Contains(t, string(script), "mistVerify")
	a, code := h.get(words["code"], "")
	require.Equal(t, "application/wasm", a.Header.Get("Content-Type"))
	require.Contains(t, a.Header.Get("Cache-Control"), "immutable")
	require.Equal(t, "\x00asm", string(code[:4]))
	for _, encoding := range []string{"gzip", "zstd"} {
		a, packed := h.get(words["code"], encoding)
		require.Equal(t, encoding, a.Header.Get("Content-Encoding"))
		require.Less(t, len(packed), len(code)/3)
	}
	a, _ = h.get("/uk/verify/code/worker.js", "")
	require.Equal(t, http.StatusNotFound, a.StatusCode)
}
