package xroad_test

import (
	"bytes"
	"context"
	"fmt"
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
	"mist/registry/quota"
	"mist/soap"
	"mist/soap/xroad"
)

var provider = xroad.ClientID{Instance: "SEVDEIR-TEST", Class: "GOV", Member: "42032422", Subsystem: "50_mist_prod"}
var portal = xroad.ClientID{Instance: "SEVDEIR-TEST", Class: "GOV", Member: "43395033", Subsystem: "DpDiia_cons"}

const bodyNS = "urn:mist:test"

// message is a valid X-Road request; cases edit it in one place.
const message = `<?xml version="1.0" encoding="UTF-8"?>
<S:Envelope xmlns:S="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xrd="http://x-road.eu/xsd/xroad.xsd" xmlns:id="http://x-road.eu/xsd/identifiers" xmlns:x="urn:mist:test">
<S:Header>
 <xrd:client id:objectType="SUBSYSTEM"><id:xRoadInstance>SEVDEIR-TEST</id:xRoadInstance><id:memberClass>GOV</id:memberClass><id:memberCode>43395033</id:memberCode><id:subsystemCode>DpDiia_cons</id:subsystemCode></xrd:client>
 <xrd:service id:objectType="SERVICE"><id:xRoadInstance>SEVDEIR-TEST</id:xRoadInstance><id:memberClass>GOV</id:memberClass><id:memberCode>42032422</id:memberCode><id:subsystemCode>50_mist_prod</id:subsystemCode><id:serviceCode>GetThing</id:serviceCode></xrd:service>
 <xrd:userId>UA1234567890</xrd:userId>
 <xrd:id>4894e35d-bf0f-44a6-867a-8e51f1daa7e0</xrd:id>
 <xrd:protocolVersion>4.0</xrd:protocolVersion>
</S:Header>
<S:Body><x:GetThing><x:a>1</x:a></x:GetThing></S:Body>
</S:Envelope>`

func handler(t testing.TB, echo bool, services ...xroad.Service) *soap.Handler {
	t.Helper()
	router, err := xroad.NewRouter(services, echo)
	require.NoError(t, err)
	h, err := soap.New(soap.Handler{Service: router, DetailNS: bodyNS, Source: registry.SystemSource()})
	require.NoError(t, err)
	return h
}

func thing(op xroad.Operation) xroad.Service {
	return xroad.Service{Provider: provider, Code: "GetThing", Versions: []string{"", "v1"}, Namespace: bodyNS,
		Clients: []xroad.ClientID{portal}, Operation: op}
}

func ok(context.Context, *xroad.Request) ([]byte, error) {
	return []byte(`<GetThingResponse xmlns="urn:mist:test"/>`), nil
}

func send(t testing.TB, h http.Handler, contentType string, body []byte) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func faultCode(t testing.TB, w *httptest.ResponseRecorder) string {
	t.Helper()
	require.Equal(t, http.StatusInternalServerError, w.Code, w.Body.String())
	e := new(soap.Envelope)
	require.NoError(t, e.Parse(w.Body.Bytes(), soap.DefaultHeaderBytes), w.Body.String())
	require.True(t, e.IsFault())
	f, err := soap.ReadFault(e)
	require.NoError(t, err)
	require.NotEmpty(t, f.TrackingID)
	return f.Code
}

func headerOf(t testing.TB, doc string) string {
	t.Helper()
	from := strings.Index(doc, ":Header>")
	to := strings.LastIndex(doc, ":Header>")
	require.True(t, from > 0 && to > from, doc)
	return doc[from:to]
}

// Requests a provider has to accept; the Header comes back byte for byte.
func TestValidHeaders(t *testing.T) {
	h := handler(t, false, thing(ok))
	repl := func(old, new string) string {
		require.Contains(t, message, old)
		return strings.Replace(message, old, new, 1)
	}
	user := "<xrd:userId>UA1234567890</xrd:userId>"
	for name, doc := range map[string]string{
		"plain":                      message,
		"no userId":                  repl(user, ""),
		"empty userId":               repl(user, "<xrd:userId/>"),
		"empty issue":                repl(user, "<xrd:issue></xrd:issue>"),
		"issue with white space":     repl(user, "<xrd:issue> a\n\tb </xrd:issue>"),
		"entities and cdata":         repl(user, "<xrd:userId>&lt;&#34;<![CDATA[&]]>&quot;</xrd:userId>"),
		"custom block":               repl(user, `<c:own xmlns:c="urn:c" a="1"><c:b/>text<c:b/></c:own>`),
		"unknown xroad block":        repl(user, "<xrd:xml><![CDATA[<a/>]]></xrd:xml>"),
		"represented party":          repl(user, `<r:representedParty xmlns:r="http://x-road.eu/xsd/representation.xsd"><r:partyClass>COM</r:partyClass><r:partyCode>M3</r:partyCode></r:representedParty>`),
		"represented code only":      repl(user, `<r:representedParty xmlns:r="http://x-road.eu/xsd/representation.xsd"><r:partyCode>M3</r:partyCode></r:representedParty>`),
		"security server":            repl(user, `<xrd:securityServer id:objectType="SERVER"><id:xRoadInstance>I</id:xRoadInstance><id:memberClass>C</id:memberClass><id:memberCode>M</id:memberCode><id:serverCode>S</id:serverCode></xrd:securityServer>`),
		"security token":             repl(user, `<t:securityToken xmlns:t="http://x-road.eu/xsd/security-token.xsd" tokenType="urn:ietf:params:oauth:token-type:jwt">a.b.c</t:securityToken>`),
		"comments":                   repl(user, "<!--Optional:-->"+user+"<?pi x?>"),
		"protocol 4.1":               repl("4.0", "4.1"),
		"protocol 4.x":               repl("4.0", "4.x"),
		"attribute on version":       repl("<xrd:protocolVersion>", `<xrd:protocolVersion test="&#35;">`),
		"version v1":                 repl("</id:serviceCode>", "</id:serviceCode><id:serviceVersion>v1</id:serviceVersion>"),
		"request suffix":             strings.ReplaceAll(message, "x:GetThing>", "x:GetThingRequest>"),
		"unqualified objectType":     repl(`id:objectType="SUBSYSTEM"`, `objectType="SUBSYSTEM"`),
		"must understand known":      repl("<xrd:id>", `<xrd:id S:mustUnderstand="1">`),
		"must understand another":    repl(user, `<c:own xmlns:c="urn:c" S:mustUnderstand="1" S:actor="urn:other"/>`),
		"must not understand":        repl(user, `<c:own xmlns:c="urn:c" S:mustUnderstand="0"/>`),
		"children in another order":  repl("<id:memberClass>GOV</id:memberClass><id:memberCode>43395033</id:memberCode>", "<id:memberCode>43395033</id:memberCode><id:memberClass>GOV</id:memberClass>"),
		"declarations on each child": repl("<id:xRoadInstance>", `<id:xRoadInstance xmlns:id="http://x-road.eu/xsd/identifiers">`),
		"soap 1.2":                   strings.Replace(message, "http://schemas.xmlsoap.org/soap/envelope/", soap.NS12, 1),
		"cyrillic and apostrophes":   repl("UA1234567890", "Об’єднання ʼ ' 🙂"),
		"no white space":             strings.ReplaceAll(message, "\n", ""),
	} {
		t.Run(name, func(t *testing.T) {
			w := send(t, h, "text/xml", []byte(doc))
			require.Equal(t, http.StatusOK, w.Code, w.Body.String())
			require.Equal(t, headerOf(t, doc), headerOf(t, w.Body.String()))
			require.Contains(t, w.Body.String(), "GetThingResponse")
		})
	}
}

func TestRequestHashIsNotEchoed(t *testing.T) {
	h := handler(t, false, thing(ok))
	hash := `<xrd:requestHash algorithmId="urn:a">AAAA</xrd:requestHash>`
	doc := strings.Replace(message, "<xrd:protocolVersion>", hash+"<xrd:protocolVersion>", 1)
	w := send(t, h, "text/xml", []byte(doc))
	require.Equal(t, http.StatusOK, w.Code)
	require.Equal(t, headerOf(t, message), headerOf(t, w.Body.String()))
}

// Every row breaks the valid message in one place.
func TestInvalidHeaders(t *testing.T) {
	h := handler(t, false, thing(ok))
	require.Equal(t, http.StatusOK, send(t, h, "text/xml", []byte(message)).Code)
	client := message[strings.Index(message, "<xrd:client"):strings.Index(message, "<xrd:service")]
	for _, c := range []struct{ name, old, new, code string }{
		{"no header", message[strings.Index(message, "<S:Header>"):strings.Index(message, "<S:Body>")], "", "MissingHeader"},
		{"no client", client, "", "MissingHeaderField"},
		{"double client", client, client + client, "DuplicateHeaderField"},
		{"no id", "<xrd:id>4894e35d-bf0f-44a6-867a-8e51f1daa7e0</xrd:id>", "", "MissingHeaderField"},
		{"empty id", "<xrd:id>4894e35d-bf0f-44a6-867a-8e51f1daa7e0</xrd:id>", "<xrd:id/>", "MissingHeaderField"},
		{"double id", "<xrd:id>", "<xrd:id>other</xrd:id><xrd:id>", "DuplicateHeaderField"},
		{"long id", "4894e35d", strings.Repeat("4", 300), "InvalidXml"},
		{"element in id", "4894e35d", "<xrd:b/>", "InvalidXml"},
		{"double userId", "<xrd:userId>", "<xrd:userId/><xrd:userId>", "DuplicateHeaderField"},
		{"double issue", "<xrd:userId>", "<xrd:issue/><xrd:issue/><xrd:userId>", "DuplicateHeaderField"},
		{"no version", "<xrd:protocolVersion>4.0</xrd:protocolVersion>", "", "MissingHeaderField"},
		{"double version", "<xrd:protocolVersion>4.0", "<xrd:protocolVersion>4.0</xrd:protocolVersion><xrd:protocolVersion>4.0", "DuplicateHeaderField"},
		{"version foo", ">4.0<", ">foo<", "InvalidProtocolVersion"},
		{"version 3.5", ">4.0<", ">3.5<", "InvalidProtocolVersion"},
		{"version 5.0", ">4.0<", ">5.0<", "InvalidProtocolVersion"},
		{"version 4", ">4.0<", ">4<", "InvalidProtocolVersion"},
		{"version 40.0", ">4.0<", ">40.0<", "InvalidProtocolVersion"},
		{"version with blanks", ">4.0<", "> 4.0 <", "InvalidProtocolVersion"},
		{"no objectType", ` id:objectType="SERVICE"`, "", "InvalidXml"},
		{"objectType SERVER", `id:objectType="SUBSYSTEM"`, `id:objectType="SERVER"`, "InvalidXml"},
		{"objectType of another namespace", `id:objectType="SUBSYSTEM"`, `xrd:objectType="SUBSYSTEM"`, "InvalidXml"},
		{"two objectTypes", `id:objectType="SUBSYSTEM"`, `id:objectType="SUBSYSTEM" objectType="MEMBER"`, "DuplicateHeaderField"},
		{"member with subsystem", `id:objectType="SUBSYSTEM"`, `id:objectType="MEMBER"`, "InvalidXml"},
		{"subsystem without code", "<id:subsystemCode>DpDiia_cons</id:subsystemCode>", "", "MissingHeaderField"},
		{"double member code", "<id:memberCode>43395033</id:memberCode>", "<id:memberCode>43395033</id:memberCode><id:memberCode>43395033</id:memberCode>", "DuplicateHeaderField"},
		{"empty member code", "<id:memberCode>43395033</id:memberCode>", "<id:memberCode></id:memberCode>", "MissingHeaderField"},
		{"no service code", "<id:serviceCode>GetThing</id:serviceCode>", "", "MissingHeaderField"},
		{"stray identifier child", "<id:serviceCode>", "<id:serverCode>x</id:serverCode><id:serviceCode>", "InvalidXml"},
		{"identifier child of another namespace", "<id:memberClass>GOV</id:memberClass><id:memberCode>43395033", "<xrd:memberClass>GOV</xrd:memberClass><id:memberCode>43395033", "InvalidXml"},
		{"slash in a code", ">43395033<", ">433/95033<", "InvalidXml"},
		{"zero-width in a code", ">43395033<", ">433\u200B95033<", "InvalidXml"},
		{"text between children", "<id:memberClass>", "x<id:memberClass>", "InvalidXml"},
		{"unknown service", ">GetThing<", ">GetOther<", "UnknownService"},
		{"unknown version", "</id:serviceCode>", "</id:serviceCode><id:serviceVersion>v2</id:serviceVersion>", "UnknownService"},
		{"another instance", `SERVICE"><id:xRoadInstance>SEVDEIR-TEST`, `SERVICE"><id:xRoadInstance>SEVDEIR`, "WrongAddressee"},
		{"another member", ">42032422<", ">42032423<", "WrongAddressee"},
		{"another subsystem", ">50_mist_prod<", ">51_mist_prod<", "WrongAddressee"},
		{"leading zero lost", ">42032422<", ">042032422<", "WrongAddressee"},
		{"client not on the list", ">DpDiia_cons<", ">Other_cons<", "AccessDenied"},
		{"client of another instance", `SUBSYSTEM"><id:xRoadInstance>SEVDEIR-TEST`, `SUBSYSTEM"><id:xRoadInstance>SEVDEIR`, "AccessDenied"},
		{"body element", "<x:GetThing><x:a>1</x:a></x:GetThing>", "<x:GetOther/>", "InconsistentHeaders"},
		{"body element prefix", "<x:GetThing><x:a>1</x:a></x:GetThing>", "<x:GetThings/>", "InconsistentHeaders"},
		{"body namespace", `<x:GetThing><x:a>1</x:a></x:GetThing>`, `<GetThing xmlns="urn:other"/>`, "InconsistentHeaders"},
		{"rpc", "<S:Body>", `<S:Body S:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/">`, "UnsupportedEncodingStyle"},
		{"must understand", "<xrd:userId>", `<c:own xmlns:c="urn:c" S:mustUnderstand="1"/><xrd:userId>`, "MustUnderstand"},
		{"must understand nonsense", "<xrd:userId>", `<c:own xmlns:c="urn:c" S:mustUnderstand="yes"/><xrd:userId>`, "InvalidSoap"},
		{"double represented party", "<xrd:userId>", strings.Repeat(`<r:representedParty xmlns:r="http://x-road.eu/xsd/representation.xsd"><r:partyCode>M</r:partyCode></r:representedParty>`, 2) + "<xrd:userId>", "DuplicateHeaderField"},
		{"represented party without code", "<xrd:userId>", `<r:representedParty xmlns:r="http://x-road.eu/xsd/representation.xsd"/><xrd:userId>`, "MissingHeaderField"},
		{"security server type", "<xrd:userId>", `<xrd:securityServer/><xrd:userId>`, "InvalidXml"},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.Contains(t, message, c.old)
			bad := strings.Replace(message, c.old, c.new, 1)
			w := send(t, h, "text/xml", []byte(bad))
			require.Equal(t, c.code, faultCode(t, w), w.Body.String())
		})
	}
}

func TestHeaderValues(t *testing.T) {
	var got *xroad.Header
	h := handler(t, false, thing(func(ctx context.Context, r *xroad.Request) ([]byte, error) {
		got = r.Header
		return ok(ctx, r)
	}))
	doc := strings.Replace(message, "<xrd:userId>UA1234567890</xrd:userId>", `<xrd:userId> UA 1&amp;2 </xrd:userId><xrd:issue/>
<t:securityToken xmlns:t="http://x-road.eu/xsd/security-token.xsd" t:tokenType="urn:jwt">a.b.c</t:securityToken>
<r:representedParty xmlns:r="http://x-road.eu/xsd/representation.xsd"><r:partyCode>00015622</r:partyCode></r:representedParty>`, 1)
	require.Equal(t, http.StatusOK, send(t, h, "text/xml", []byte(doc)).Code)
	require.Equal(t, portal, got.Client)
	require.Equal(t, xroad.ServiceID{Provider: provider, Code: "GetThing"}, got.Service)
	require.Equal(t, "4894e35d-bf0f-44a6-867a-8e51f1daa7e0", got.ID)
	require.Equal(t, xroad.Value{Text: " UA 1&2 ", Set: true}, got.UserID)
	require.Equal(t, xroad.Value{Set: true}, got.Issue)
	require.Equal(t, "00015622", got.Represented.Code)
	require.False(t, got.Represented.Class.Set)
	require.Equal(t, "a.b.c", string(*got.SecurityToken))
	require.Equal(t, "urn:jwt", got.TokenType)
	require.NotContains(t, fmt.Sprintf("%v %s", *got.SecurityToken, *got.SecurityToken), "a.b.c")
}

func TestValidationComesBeforeTheOperation(t *testing.T) {
	s := thing(func(context.Context, *xroad.Request) ([]byte, error) { panic("reached") })
	var seen []string
	s.Validate = func(doc []byte) error {
		seen = append(seen, string(doc))
		return registry.Invalid(registry.FieldError{Entry: "/GetThing/a", Rule: "type"})
	}
	h := handler(t, false, s)
	require.Equal(t, "SchemaValidation", faultCode(t, send(t, h, "text/xml", []byte(message))))
	suffixed := strings.ReplaceAll(message, "x:GetThing>", "x:GetThingRequest>")
	require.Equal(t, "SchemaValidation", faultCode(t, send(t, h, "text/xml", []byte(suffixed))))
	require.Len(t, seen, 2)
	require.True(t, strings.HasPrefix(seen[0], "<x:GetThing xmlns:S="), seen[0])
	require.True(t, strings.HasPrefix(seen[1], "<x:GetThing xmlns:S="), seen[1])
}

func TestRouterRefusesBadConfiguration(t *testing.T) {
	good := thing(ok)
	for name, edit := range map[string]func(*xroad.Service){
		"provider":  func(s *xroad.Service) { s.Provider.Class = "" },
		"code":      func(s *xroad.Service) { s.Code = "a/b" },
		"operation": func(s *xroad.Service) { s.Operation = nil },
		"versions":  func(s *xroad.Service) { s.Versions = nil },
		"twice":     func(s *xroad.Service) { s.Versions = []string{"v1", "v1"} },
		"clients":   func(s *xroad.Service) { s.AnyClient = true },
		"trail":     func(s *xroad.Service) { s.Joined = true },
	} {
		s := good
		edit(&s)
		_, err := xroad.NewRouter([]xroad.Service{s}, false)
		require.Error(t, err, name)
	}
	_, err := xroad.NewRouter(nil, false)
	require.Error(t, err)
	_, err = xroad.NewRouter([]xroad.Service{good}, false)
	require.NoError(t, err)
}

// The quota of a client is asked before its message is looked at.
func TestQuotaIsPerClient(t *testing.T) {
	now := time.Unix(1000, 0)
	s := thing(ok)
	other := xroad.ClientID{Instance: "SEVDEIR-TEST", Class: "GOV", Member: "00015622", Subsystem: "DpDiia_cons"}
	s.Clients = append(s.Clients, other)
	var err error
	s.Quota, err = quota.New(2, 3, func() time.Time { return now }, s.Clients[0].String(), other.String())
	require.NoError(t, err)
	h := handler(t, false, s)
	ask := func(doc string) string {
		if w := send(t, h, "text/xml", []byte(doc)); w.Code != http.StatusOK {
			return faultCode(t, w)
		}
		return "ok"
	}
	for range 3 {
		require.Equal(t, "ok", ask(message))
	}
	require.Equal(t, "RateLimited", ask(message))
	require.Equal(t, "ok", ask(strings.Replace(message, ">43395033<", ">00015622<", 1)))
	now = now.Add(500 * time.Millisecond)
	require.Equal(t, "ok", ask(message))
	require.Equal(t, "RateLimited", ask(message))
}

func TestClientID(t *testing.T) {
	c, err := xroad.ParseClientID("SEVDEIR-TEST/GOV/00015622/3_MJU_prod")
	require.NoError(t, err)
	require.Equal(t, "00015622", c.Member)
	require.Equal(t, "SEVDEIR-TEST/GOV/00015622/3_MJU_prod", c.String())
	for _, bad := range []string{"", "a/b", "a/b/c/d/e", "a//c", "a/b/c:d", "a/b/c\u200B"} {
		_, err := xroad.ParseClientID(bad)
		require.Error(t, err, bad)
	}
}

// The echo answers under any identifier but those of published services.
func TestEchoLeavesServicesAlone(t *testing.T) {
	h := handler(t, true, thing(ok))
	other := strings.Replace(message, ">42032422<", ">00000001<", 1)
	w := send(t, h, "text/xml", []byte(other))
	require.Equal(t, http.StatusOK, w.Code)
	require.Contains(t, w.Body.String(), "<x:GetThingResponse><x:a>1</x:a></x:GetThingResponse>")
	six := strings.Replace(other, ">4.0<", ">6.0<", 1)
	require.Equal(t, http.StatusOK, send(t, h, "text/xml", []byte(six)).Code)
	require.Equal(t, "InvalidProtocolVersion", faultCode(t, send(t, h, "text/xml", []byte(strings.Replace(message, ">4.0<", ">6.0<", 1)))))
	require.Equal(t, "UnknownService", faultCode(t, send(t, h, "text/xml", []byte(strings.Replace(message, ">GetThing<", ">Get<", 1)))))
}

// The corpus: every message is answered as its manifest says, headers echoed
// byte for byte on every success.
func TestConformanceCorpus(t *testing.T) {
	dir := corpus.Dir(t, "xroad")
	h := handler(t, true)
	ran := 0
	for _, row := range corpus.Manifest(t, dir) {
		body, err := os.ReadFile(filepath.Join(dir, row["file"]))
		require.NoError(t, err)
		ran++
		t.Run(row["file"], func(t *testing.T) {
			w := send(t, h, row["content_type"], body)
			switch row["expect"] {
			case "ok":
				require.Equal(t, http.StatusOK, w.Code, w.Body.String())
			case "client-fault":
				require.Equal(t, http.StatusInternalServerError, w.Code, w.Body.String())
				code := faultCode(t, w)
				require.NotEqual(t, "Internal", code)
				t.Log(code)
			default:
				require.Equal(t, "either", row["expect"])
			}
			if w.Code == http.StatusOK {
				require.Equal(t, "text/xml; charset=UTF-8", w.Header().Get("Content-Type"))
				if !strings.Contains(row["file"], "utf16") {
					require.Contains(t, string(body), headerOf(t, w.Body.String()))
				}
			} else {
				require.NotEqual(t, "Internal", faultCode(t, w))
			}
		})
	}
	corpus.Count(t, "xroad", ran, 0)

	server := httptest.NewServer(h)
	defer server.Close()
	score, err := xroad.Conformance(t.Context(), server.Client(), server.URL, dir)
	require.NoError(t, err)
	var out strings.Builder
	_, err = score.WriteTo(&out)
	require.NoError(t, err)
	t.Log(out.String())
	require.Equal(t, len(score.Cases), score.Passed, out.String())
}

func writeFile(t testing.TB, dir, name, content string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
}
