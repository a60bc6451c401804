package sstest_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/fixtures/corpus"
	"mist/registry"
	"mist/soap"
	"mist/soap/xroad"
	"mist/soap/xroad/sstest"
)

var (
	provider = xroad.ClientID{Instance: "SEVDEIR-TEST", Class: "GOV", Member: "42032422", Subsystem: "50_mist_prod"}
	asker    = xroad.ClientID{Instance: "SEVDEIR-TEST", Class: "GOV", Member: "43395033", Subsystem: "DpDiia_cons"}
	service  = xroad.ServiceID{Provider: provider, Code: "GetThing"}
)

// road publishes a provider behind the simulator and gives a caller on the other side.
func road(t *testing.T, p http.Handler, edit func(*sstest.Server)) *xroad.Caller {
	t.Helper()
	back := httptest.NewServer(p)
	t.Cleanup(back.Close)
	ss := &sstest.Server{HTTP: back.Client(), Resolve: func(id xroad.ServiceID) (string, bool) { return back.URL, id.Code != "Unknown" }}
	if edit != nil {
		edit(ss)
	}
	front := httptest.NewServer(ss)
	t.Cleanup(front.Close)
	c, err := soap.NewClient(10*time.Second, nil)
	require.NoError(t, err)
	return &xroad.Caller{URL: front.URL, Client: asker, SOAP: c, NewID: func() string { return registry.SystemSource().NewID().String() }}
}

func echo(t *testing.T) http.Handler {
	t.Helper()
	router, err := xroad.NewRouter(nil, true)
	require.NoError(t, err)
	h, err := soap.New(soap.Handler{Service: router, DetailNS: "urn:mist:test", Source: registry.SystemSource()})
	require.NoError(t, err)
	return h
}

var question = xroad.Call{Service: service, Body: []byte(`<GetThing xmlns="urn:t"><a>ї &amp; 1</a></GetThing>`)}

func TestExchangeThroughTheRoad(t *testing.T) {
	var kept [][]byte
	c := road(t, echo(t), func(s *sstest.Server) {
		s.Exchanged = func(_ context.Context, q, a []byte) error { kept = [][]byte{q, a}; return nil }
	})
	for name, edit := range map[string]func(*xroad.Call){
		"plain":       func(*xroad.Call) {},
		"user":        func(c *xroad.Call) { c.UserID = xroad.Value{Text: " UA<1>& ", Set: true} },
		"empty issue": func(c *xroad.Call) { c.Issue = xroad.Value{Set: true} },
		"version":     func(c *xroad.Call) { c.Service.Version = "v1" },
		"represented": func(c *xroad.Call) { c.Represented = &xroad.Party{Code: "00015622"} },
		"class": func(c *xroad.Call) {
			c.Represented = &xroad.Party{Class: xroad.Value{Text: "COM", Set: true}, Code: "1"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			q := question
			edit(&q)
			a, err := c.Do(context.Background(), q)
			require.NoError(t, err)
			defer a.Close()
			require.True(t, a.HashChecked)
			require.Equal(t, "<a>ї &amp; 1</a>", string(a.Payload.Inner()))
			require.Equal(t, string(a.Request), string(kept[0]))
			require.Contains(t, string(kept[1]), "requestHash")
		})
	}
}

func TestTrembitaProfile(t *testing.T) {
	twelve := question
	twelve.Version = soap.V12
	_, err := road(t, echo(t), nil).Do(context.Background(), twelve)
	require.Error(t, err, "a stock server knows SOAP 1.1 only")
	hash := func(b []byte) []byte { return []byte{byte(len(b)), 1, 2} }
	c := road(t, echo(t), func(s *sstest.Server) {
		s.Profile, s.Hash, s.Algorithm = sstest.Trembita, hash, xroad.AlgorithmGOST34311
	})
	c.Hashes = map[string]func([]byte) []byte{xroad.AlgorithmGOST34311: hash}
	a, err := c.Do(context.Background(), twelve)
	require.NoError(t, err)
	require.True(t, a.HashChecked)
	c.Hashes[xroad.AlgorithmGOST34311] = func([]byte) []byte { return nil }
	_, err = c.Do(context.Background(), twelve)
	var inconsistent *xroad.InconsistentError
	require.ErrorAs(t, err, &inconsistent)
}

// A provider that breaks a rule is refused as a security server refuses it.
func TestBadProvidersAreRefused(t *testing.T) {
	good := echo(t)
	respond := func(status int, contentType string, edit func(string) string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			rec := httptest.NewRecorder()
			good.ServeHTTP(rec, r)
			body := rec.Body.String()
			if edit != nil {
				body = edit(body)
			}
			w.Header()["Content-Type"] = nil
			if contentType != "" {
				w.Header().Set("Content-Type", contentType)
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		})
	}
	replace := func(old, new string) func(string) string {
		return func(s string) string {
			require.Contains(t, s, old)
			return strings.Replace(s, old, new, 1)
		}
	}
	q := question
	q.ID, q.UserID, q.Issue = "m-1", xroad.Value{Text: "u", Set: true}, xroad.Value{Set: true}
	_, err := road(t, respond(200, "text/xml", nil), nil).Do(context.Background(), q)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		h    http.Handler
		code string
	}{
		"404":              {respond(404, "text/xml", nil), "HttpError"},
		"202":              {respond(202, "text/xml", nil), "HttpError"},
		"no content type":  {respond(200, "", nil), "InvalidContentType"},
		"html":             {respond(500, "text/html", nil), "InvalidContentType"},
		"soap 1.2 type":    {respond(200, "application/soap+xml", nil), "InvalidContentType"},
		"empty":            {respond(200, "text/xml", func(string) string { return "" }), "InvalidSoap"},
		"other id":         {respond(200, "text/xml", replace(">m-1<", ">m-2<")), "InconsistentHeaders"},
		"trimmed user":     {respond(200, "text/xml", replace(">u<", "> u<")), "InconsistentHeaders"},
		"issue dropped":    {respond(200, "text/xml", replace("<xrd:issue></xrd:issue>", "")), "InconsistentHeaders"},
		"client dropped":   {respond(200, "text/xml", replace("xrd:client ", "xrd:Client ")), ""},
		"second id":        {respond(200, "text/xml", replace("<xrd:id>", "<xrd:id>m-1</xrd:id><xrd:id>")), "DuplicateHeaderField"},
		"header gone":      {respond(200, "text/xml", func(s string) string { return s[:strings.Index(s, "<S:Header>")] + s[strings.Index(s, "<S:Body>"):] }), "MissingHeader"},
		"another response": {respond(200, "text/xml", func(s string) string { return strings.ReplaceAll(s, "GetThingResponse", "OtherResponse") }), "InconsistentHeaders"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := road(t, c.h, nil).Do(context.Background(), q)
			var f *soap.Fault
			require.ErrorAs(t, err, &f)
			require.Equal(t, soap.ServerFault, f.Class)
			require.True(t, strings.HasPrefix(f.Code, "Server.ServerProxy.ServiceFailed."+c.code), f.Code)
		})
	}
}

func TestFaultsTravelUnchanged(t *testing.T) {
	q := question
	q.Body = []byte(`<Other xmlns="urn:t"/>`)
	router, err := xroad.NewRouter([]xroad.Service{{Provider: provider, Code: "GetThing", Versions: []string{""}, Namespace: "urn:t", AnyClient: true,
		Operation: func(context.Context, *xroad.Request) ([]byte, error) {
			return nil, registry.Errorf(registry.CodeUnavailable, "later")
		}}}, false)
	require.NoError(t, err)
	h, err := soap.New(soap.Handler{Service: router, DetailNS: "urn:mist:test", Source: registry.SystemSource()})
	require.NoError(t, err)
	c := road(t, h, nil)
	_, err = c.Do(context.Background(), question)
	var f *soap.Fault
	require.ErrorAs(t, err, &f)
	require.Equal(t, "Unavailable later", f.Code+" "+f.Reason)
	require.NotEmpty(t, f.TrackingID)
	_, err = c.Do(context.Background(), q)
	require.ErrorAs(t, err, &f)
	require.Contains(t, f.Code, "InconsistentHeaders")
	unknown := question
	unknown.Service.Code, unknown.Body = "Unknown", []byte(`<Unknown xmlns="urn:t"/>`)
	_, err = c.Do(context.Background(), unknown)
	require.ErrorAs(t, err, &f)
	require.Contains(t, f.Code, "UnknownService")
}

func TestSlowProviderTimesOut(t *testing.T) {
	slow := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	})
	_, err := road(t, slow, func(s *sstest.Server) { s.Timeout = 50 * time.Millisecond }).Do(context.Background(), question)
	var f *soap.Fault
	require.ErrorAs(t, err, &f)
	require.Contains(t, f.Code, "NetworkError")
}

// What the corpus sends gets the same outcome with the road between, apart
// from what a stock server refuses before a provider sees it.
func TestCorpusThroughTheRoad(t *testing.T) {
	dir := corpus.Dir(t, "xroad")
	c := road(t, echo(t), func(s *sstest.Server) { s.Profile = sstest.Trembita })
	ran := 0
	for _, row := range corpus.Manifest(t, dir) {
		if row["expect"] != "ok" || strings.Contains(row["file"], "deser-test3") {
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, row["file"]))
		require.NoError(t, err)
		resp, err := http.Post(c.URL, row["content_type"], strings.NewReader(string(b)))
		require.NoError(t, err)
		answer, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, resp.StatusCode, row["file"]+": "+string(answer))
		require.Contains(t, string(answer), "requestHash")
		ran++
	}
	corpus.Count(t, "xroad", ran, 0)
}
