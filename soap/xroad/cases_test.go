package xroad_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/soap"
	"mist/soap/xroad"
)

// conformanceCase is one line of the list of what a first-class provider does.
// want is ok or the stable code of a fault; edit makes the message from the
// valid one; check looks further at an answer.
type conformanceCase struct {
	number      string
	what        string
	contentType string
	edit        func(string) []byte
	want        string
	check       func(t *testing.T, request []byte, w *httptest.ResponseRecorder)
}

const userID = "<xrd:userId>UA1234567890</xrd:userId>"

func plain(s string) []byte { return []byte(s) }

// swap replaces text that must be there.
func swap(pairs ...string) func(string) []byte {
	return func(s string) []byte {
		for i := 0; i < len(pairs); i += 2 {
			if !strings.Contains(s, pairs[i]) {
				panic("the valid message has no " + pairs[i])
			}
			s = strings.ReplaceAll(s, pairs[i], pairs[i+1])
		}
		return []byte(s)
	}
}

func cut(from, to string) func(string) []byte {
	return func(s string) []byte {
		a := strings.Index(s, from)
		return []byte(s[:a] + s[a+strings.Index(s[a:], to)+len(to):])
	}
}

func multipart(soapHead string, parts ...string) func(string) []byte {
	return func(s string) []byte {
		out := "--b\r\n" + soapHead + "\r\n\r\n" + s
		for _, p := range parts {
			out += "\r\n--b\r\n" + p
		}
		return []byte(out + "\r\n--b--\r\n")
	}
}

const (
	swa  = `multipart/related; type="text/xml"; boundary="b"`
	mtom = `multipart/related; type="application/xop+xml"; start-info="text/xml"; boundary="b"`
	head = "Content-Type: text/xml; charset=UTF-8"
	incl = `<xop:Include xmlns:xop="http://www.w3.org/2004/08/xop/include" href="cid:a%20b"/>`
)

func echoes(text string) func(*testing.T, []byte, *httptest.ResponseRecorder) {
	return func(t *testing.T, _ []byte, w *httptest.ResponseRecorder) { require.Contains(t, w.Body.String(), text) }
}

func conformanceCases() []conformanceCase {
	member := swap(`id:objectType="SUBSYSTEM"`, `id:objectType="MEMBER"`, "<id:subsystemCode>DpDiia_cons</id:subsystemCode>", "")
	version := "</id:serviceCode><id:serviceVersion>v1</id:serviceVersion>"
	return []conformanceCase{
		{"1", "member-level client", "", member, "ok", nil},
		{"2", "subsystem client and service", "", plain, "ok", nil},
		{"3", "default namespace", "", swap("<S:", "<", "</S:", "</", "xmlns:S=", "xmlns="), "ok", nil},
		{"4", "representedParty and issue", "", swap(userID, `<xrd:issue>i-1</xrd:issue><r:representedParty xmlns:r="http://x-road.eu/xsd/representation.xsd"><r:partyCode>M3</r:partyCode></r:representedParty>`), "ok", nil},
		{"5", "no userId", "", swap(userID, ""), "ok", nil},
		{"6", "empty issue", "", swap(userID, "<xrd:issue/>"), "ok", nil},
		{"7", "multi-line issue, userId first", "", swap(userID, "<xrd:issue>a\n  b\n</xrd:issue>"), "ok", nil},
		{"8", "serviceVersion", "", swap("</id:serviceCode>", version), "ok", nil},
		{"9", "securityServer", "", swap(userID, `<xrd:securityServer id:objectType="SERVER"><id:xRoadInstance>I</id:xRoadInstance><id:memberClass>C</id:memberClass><id:memberCode>M</id:memberCode><id:serverCode>S</id:serverCode></xrd:securityServer>`), "ok", nil},
		{"10", "securityToken", "", swap(userID, `<t:securityToken xmlns:t="http://x-road.eu/xsd/security-token.xsd" tokenType="urn:ietf:params:oauth:token-type:jwt">a.b.c</t:securityToken>`), "ok", nil},
		{"11", "custom header block", "", swap(userID, `<c:own xmlns:c="urn:c" c:a="1"><c:b>x</c:b></c:own>`), "ok", nil},
		{"12", "header order", "", func(s string) []byte {
			v := "<xrd:protocolVersion>4.0</xrd:protocolVersion>"
			return []byte(strings.Replace(strings.Replace(s, v, "", 1), "<S:Header>", "<S:Header>"+v, 1))
		}, "ok", nil},
		{"13", "declarations on each element", "", swap("<id:memberCode>", `<id:memberCode xmlns:id="http://x-road.eu/xsd/identifiers">`), "ok", nil},
		{"14", "requestHash in a request", "", swap("<xrd:protocolVersion>", `<xrd:requestHash algorithmId="urn:a">AA==</xrd:requestHash><xrd:protocolVersion>`), "ok",
			func(t *testing.T, _ []byte, w *httptest.ResponseRecorder) {
				require.NotContains(t, w.Body.String(), "requestHash")
			}},
		{"15", "protocolVersion 4.x", "", swap(">4.0<", ">4.x<"), "ok", nil},
		{"16", "wrapper with suffix Request", "", swap("x:GetThing>", "x:GetThingRequest>"), "ok", echoes("x:GetThingResponse>")},
		{"17", "no white space", "", swap("\n", ""), "ok", nil},
		{"18", "CDATA and references", "", swap("<x:a>1</x:a>", "<x:a><![CDATA[<1>]]>&lt;&#50;</x:a>", "UA1234567890", "<![CDATA[<&>]]>&quot;"), "ok", echoes("<x:a><![CDATA[<1>]]>&lt;&#50;</x:a>")},
		{"19", "byte order mark", "", func(s string) []byte { return []byte("\xEF\xBB\xBF" + s) }, "ok", nil},
		{"20", "no charset", "text/xml", plain, "ok", nil},
		{"21", "windows-1251", "text/xml; charset=windows-1251", func(s string) []byte {
			return bytes.ReplaceAll([]byte(strings.Replace(s, "<x:a>1<", "<x:a>#<", 1)), []byte("#"), []byte{0xBF}) // ї
		}, "ok", echoes("<x:a>ї</x:a>")},
		{"22", "no XML declaration", "", swap(`<?xml version="1.0" encoding="UTF-8"?>`+"\n", ""), "ok", nil},
		{"23", "comments and processing instructions", "", swap(userID, "<!--Optional:-->"+userID+"<?x y?>", "<x:a>", "<!--?--><x:a>"), "ok", nil},
		{"24", "SOAPAction in every form", "", plain, "ok", nil},
		{"25", "chunked body", "", plain, "ok", nil},
		{"26", "SOAP 1.2", `application/soap+xml; charset=UTF-8; action="urn:checkunzr"`, swap("http://schemas.xmlsoap.org/soap/envelope/", soap.NS12), "ok",
			func(t *testing.T, _ []byte, w *httptest.ResponseRecorder) {
				require.Equal(t, "application/soap+xml; charset=UTF-8", w.Header().Get("Content-Type"))
			}},
		{"27", "SOAP 1.2 fault", "application/soap+xml", swap("http://schemas.xmlsoap.org/soap/envelope/", soap.NS12, ">4.0<", ">foo<"), "InvalidProtocolVersion",
			func(t *testing.T, _ []byte, w *httptest.ResponseRecorder) {
				require.Contains(t, w.Body.String(), "f:Sender")
			}},
		{"29", "request wrapper of old protocols", "", swap("<x:a>1</x:a>", "<request><name>foo</name></request>"), "ok", echoes("<request><name>foo</name></request>")},
		{"30", "Cyrillic, apostrophes, emoji", "", swap("UA1234567890", "Об’єкт ʼ ' 🙂", "<x:a>1<", "<x:a>Ґалаґан ї 🙂<"), "ok", echoes("<x:a>Ґалаґан ї 🙂</x:a>")},
		{"31", "not XML", "", func(string) []byte { return nil }, "InvalidSoap", nil},
		{"31b", "text", "", func(string) []byte { return []byte("hello") }, "InvalidSoap", nil},
		{"32", "root is not Envelope", "", func(string) []byte { return []byte("<a/>") }, "InvalidSoap", nil},
		{"33", "no Header", "", cut("<S:Header>", "</S:Header>"), "MissingHeader", nil},
		{"34", "no Body", "", cut("<S:Body>", "</S:Body>"), "MissingBody", nil},
		{"35", "two body elements", "", swap("</S:Body>", "<x:GetThing/></S:Body>"), "InvalidBody", nil},
		{"36", "empty Body", "", cut("<x:GetThing>", "</x:GetThing>"), "InvalidBody", nil},
		{"37", "body is not the service", "", swap("x:GetThing>", "x:FindThing>"), "InconsistentHeaders", nil},
		{"38", "no service, no id", "", func(s string) []byte {
			return cut("<xrd:service", "</xrd:service>")(string(cut("<xrd:id>", "</xrd:id>")(s)))
		}, "MissingHeaderField", nil},
		{"39", "two clients", "", func(s string) []byte {
			a, b := strings.Index(s, "<xrd:client"), strings.Index(s, "<xrd:service")
			return []byte(s[:b] + s[a:b] + s[b:])
		}, "DuplicateHeaderField", nil},
		{"40", "identifier part twice", "", swap("<id:memberCode>43395033</id:memberCode>", "<id:memberCode>1</id:memberCode><id:memberCode>43395033</id:memberCode>"), "DuplicateHeaderField", nil},
		{"41", "no objectType", "", swap(` id:objectType="SERVICE"`, ""), "InvalidXml", nil},
		{"42", "objectType SERVER on client", "", swap(`id:objectType="SUBSYSTEM"`, `id:objectType="SERVER"`), "InvalidXml", nil},
		{"43", "no protocolVersion", "", cut("<xrd:protocolVersion>", "</xrd:protocolVersion>"), "MissingHeaderField", nil},
		{"44", "protocolVersion foo", "", swap(">4.0<", ">foo<"), "InvalidProtocolVersion", nil},
		{"45", "protocolVersion 3.5", "", swap(">4.0<", ">3.5<"), "InvalidProtocolVersion", nil},
		{"46", "unknown service", "", swap("GetThing", "GetNothing"), "UnknownService", nil},
		{"47", "unknown version", "", swap("</id:serviceCode>", "</id:serviceCode><id:serviceVersion>v9</id:serviceVersion>"), "UnknownService", nil},
		{"47b", "protocolVersion xxx", "", swap(">4.0<", ">xxx<"), "InvalidProtocolVersion", nil},
		{"48", "service of another member", "", swap(">42032422<", ">00032684<"), "WrongAddressee", nil},
		{"49", "client not on the list", "", swap(">DpDiia_cons<", ">Other_cons<"), "AccessDenied", nil},
		{"50", "DOCTYPE", "", swap("<S:Envelope", "<!DOCTYPE a [<!ENTITY b SYSTEM \"file:///etc/passwd\">]><S:Envelope"), "InvalidSoap", nil},
		{"50b", "billion laughs", "", func(s string) []byte {
			d := "<!DOCTYPE l [<!ENTITY l0 \"lol\">"
			for i := 1; i < 10; i++ {
				d += fmt.Sprintf("<!ENTITY l%d \"%s\">", i, strings.Repeat(fmt.Sprintf("&l%d;", i-1), 10))
			}
			return []byte(strings.Replace(strings.Replace(s, "<S:Envelope", d+"]><S:Envelope", 1), "<x:a>1<", "<x:a>&l9;<", 1))
		}, "InvalidSoap", nil},
		{"51", "RPC encoding", "", swap("<x:GetThing>", `<x:GetThing S:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/">`), "UnsupportedEncodingStyle", nil},
		{"52", "content type blah", "blah", plain, "InvalidContentType", nil},
		{"52b", "content type application/json", "application/json", plain, "InvalidContentType", nil},
		{"52c", "no content type", "-", plain, "InvalidContentType", nil},
		{"54", "oversize envelope", "", func(s string) []byte {
			return []byte(strings.Replace(s, "<x:a>1<", "<x:a>"+strings.Repeat("1", soap.DefaultEnvelopeBytes)+"<", 1))
		}, "TooLarge", nil},
		{"55", "mustUnderstand", "", swap(userID, `<c:own xmlns:c="urn:c" S:mustUnderstand="1"/>`), "MustUnderstand", nil},
		{"56", "payload breaks its schema", "", swap("<x:a>1<", "<x:a>secret<"), "SchemaValidation",
			func(t *testing.T, _ []byte, w *httptest.ResponseRecorder) {
				require.NotContains(t, w.Body.String(), "secret")
				require.Contains(t, w.Body.String(), "<path>/GetThing/a</path>")
			}},
		{"57", "internal error", "", swap("<x:a>1<", "<x:a>500<"), "Internal",
			func(t *testing.T, _ []byte, w *httptest.ResponseRecorder) {
				require.NotContains(t, w.Body.String(), "SELECT")
				require.Contains(t, w.Body.String(), "f:Server")
			}},
		{"58", "one attachment", swa, multipart(head, "Content-Type: text/plain\r\nContent-ID: <1>\r\n\r\nx"), "ok", nil},
		{"59", "several attachments", swa, multipart(head, "Content-Type: text/plain\r\n\r\nx", "Content-Type: text/plain\r\n\r\ny"), "ok", nil},
		{"60", "nested multipart", swa, multipart(head, "Content-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\nContent-Type: text/plain\r\n\r\n\xEF\xBB\xBFx\r\n--c--"), "ok", nil},
		{"60b", "mark inside the SOAP part", swa, func(s string) []byte { return multipart(head)("\xEF\xBB\xBF" + s) }, "ok", nil},
		{"61", "MTOM", mtom, func(s string) []byte {
			return multipart(`Content-Type: application/xop+xml; type="text/xml"`, "Content-Type: application/octet-stream\r\nContent-ID: <a b>\r\nContent-Transfer-Encoding: binary\r\n\r\n\x00\x01")(strings.Replace(s, "<x:a>1<", "<x:a>"+incl+"<", 1))
		}, "ok", nil},
		{"62", "swaRef", swa, func(s string) []byte {
			return multipart(head, "Content-Type: text/plain\r\nContent-ID: 1\r\n\r\nx")(strings.Replace(s, "<x:a>1<", "<x:a>cid:1<", 1))
		}, "ok", nil},
		{"63", "multipart with SOAP only", swa, multipart(head), "ok", nil},
		{"64", "faulty SOAP in the first part", swa, func(s string) []byte { return multipart(head)(strings.Replace(s, "xrd:id>", "xrd:ib>", 2)) }, "MissingHeaderField", nil},
		{"65", "first part is not SOAP", swa, multipart("Content-Type: text/plain"), "InvalidContentType", nil},
		{"66", "attachment without type", swa, multipart(head, "Cont-Type: text/plain\r\n\r\nx"), "InvalidContentType", nil},
		{"67", "boundaries do not match", `multipart/related; boundary="bb"`, multipart(head), "MimeParsingFailed", nil},
		{"68", "empty multipart", swa, func(string) []byte { return []byte("--b--\r\n") }, "MissingSoap", nil},
		{"69", "dangling cid", mtom, func(s string) []byte {
			return multipart(`Content-Type: application/xop+xml; type="text/xml"`, "Content-Type: a/b\r\nContent-ID: <c>\r\n\r\nx")(strings.Replace(s, "<x:a>1<", "<x:a>"+incl+"<", 1))
		}, "InvalidAttachmentRef", nil},
		{"69b", "Content-ID twice", swa, multipart(head, "Content-Type: a/b\r\nContent-ID: <c>\r\n\r\nx", "Content-Type: a/b\r\nContent-ID: <c>\r\n\r\nx"), "InvalidAttachmentRef", nil},
		{"89", "leading zeros are kept", "", swap(">43395033<", ">00015622<"), "ok", nil},
		{"90", "message of another instance", "", swap(`SERVICE"><id:xRoadInstance>SEVDEIR-TEST`, `SERVICE"><id:xRoadInstance>SEVDEIR`), "WrongAddressee", nil},
	}
}

// conformingProvider is a strict service behind the same handler as in
// production, with a schema of one digit run and a member-level client.
func conformingProvider(t *testing.T) http.Handler {
	s := thing(func(_ context.Context, r *xroad.Request) ([]byte, error) {
		doc, err := r.Document()
		if err != nil {
			return nil, err
		}
		if bytes.Contains(doc, []byte(">500<")) {
			return nil, errors.New("SELECT * FROM persons: connection refused")
		}
		return r.Payload.AppendRenamed(nil, "GetThingResponse"), nil
	})
	s.Clients = append(s.Clients,
		xroad.ClientID{Instance: "SEVDEIR-TEST", Class: "GOV", Member: "43395033"},
		xroad.ClientID{Instance: "SEVDEIR-TEST", Class: "GOV", Member: "00015622", Subsystem: "DpDiia_cons"})
	s.Validate = func(doc []byte) error {
		if bytes.Contains(doc, []byte("secret")) {
			return registry.Invalid(registry.FieldError{Entry: "/GetThing/a", Rule: "cvc-pattern-valid"})
		}
		return nil
	}
	return handler(t, false, s)
}

// TestConformanceCases prints the score over the list of messages; cases.tsv says where the others of the 107 cases are
// tested: REST, transport, replay, evidence containers.
func TestConformanceCases(t *testing.T) {
	h := conformingProvider(t)
	require.Equal(t, http.StatusOK, send(t, h, "text/xml; charset=utf-8", []byte(message)).Code, "the unedited message passes")
	cases, passed := conformanceCases(), 0
	for _, c := range cases {
		good := t.Run(c.number+" "+c.what, func(t *testing.T) {
			body := c.edit(message)
			ct := c.contentType
			if ct == "" {
				ct = "text/xml; charset=utf-8"
			}
			for i, action := range []string{"absent", "", `""`, `"urn:x"`, "NotificationCreate"} {
				r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
				if ct != "-" {
					r.Header.Set("Content-Type", ct)
				}
				if i > 0 {
					r.Header.Set("SOAPAction", action)
				}
				if c.number == "25" {
					r.ContentLength = -1
				}
				w := httptest.NewRecorder()
				start := time.Now()
				h.ServeHTTP(w, r)
				require.Less(t, time.Since(start), 500*time.Millisecond)
				if c.want == "ok" {
					require.Equal(t, http.StatusOK, w.Code, w.Body.String())
					if !strings.HasPrefix(ct, "multipart") && !strings.Contains(ct, "1251") && c.number != "14" && c.number != "3" {
						require.Equal(t, headerOf(t, string(body)), headerOf(t, w.Body.String()))
					}
				} else {
					require.Equal(t, c.want, faultCode(t, w), w.Body.String())
				}
				if c.check != nil {
					c.check(t, body, w)
				}
				if c.number != "24" {
					break
				}
			}
		})
		if good {
			passed++
		}
	}
	t.Logf("score: x-road provider cases %d/%d", passed, len(cases))
}

// Case 70 and 71: what an attachment holds comes back byte for byte.
func TestConformanceAttachmentBytes(t *testing.T) {
	binary := make([]byte, 300<<10)
	_, err := rand.Read(binary)
	require.NoError(t, err)
	var got [][32]byte
	s := thing(func(_ context.Context, r *xroad.Request) ([]byte, error) {
		got = nil
		for _, id := range []string{"cid:bin", "cid:b64", "cid:qp"} {
			a, err := r.Message.Attachment(id)
			if err != nil {
				return nil, err
			}
			in, err := a.Open()
			if err != nil {
				return nil, err
			}
			b, err := io.ReadAll(in)
			if err != nil {
				return nil, err
			}
			got = append(got, sha256.Sum256(b))
		}
		return []byte(`<GetThingResponse xmlns="urn:mist:test"/>`), nil
	})
	h := handler(t, false, s)
	body := multipart(head,
		"Content-Type: application/octet-stream\r\nContent-ID: <bin>\r\nContent-Transfer-Encoding: binary\r\n\r\n"+string(binary),
		"Content-Type: text/plain\r\nContent-ID: <b64>\r\nContent-Transfer-Encoding: base64\r\n\r\n0YfQuCA=\r\n",
		"Content-Type: text/plain\r\nContent-ID: <qp>\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\na=3Db=\r\nc")(message)
	w := send(t, h, swa, body)
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	require.Equal(t, [][32]byte{sha256.Sum256(binary), sha256.Sum256([]byte("чи ")), sha256.Sum256([]byte("a=bc"))}, got)
}

// UTF-16 with a byte order mark never turns into mojibake.
func TestConformanceUTF16(t *testing.T) {
	h := conformingProvider(t)
	out := []byte{0xFF, 0xFE}
	for _, u := range utf16.Encode([]rune(strings.Replace(message, "UA1234567890", "Об’єкт 🙂", 1))) {
		out = append(out, byte(u), byte(u>>8))
	}
	w := send(t, h, "text/xml; charset=UTF-16", out)
	require.Equal(t, http.StatusOK, w.Code)
	require.Contains(t, w.Body.String(), "<xrd:userId>Об’єкт 🙂</xrd:userId>")
}

// The runner that scores any provider gives ours the full score and a provider
// that always answers 200 a low one.
func TestConformanceRunner(t *testing.T) {
	dir := t.TempDir()
	cases := map[string][2]string{
		"good.soap":   {"ok", message},
		"double.soap": {"client-fault", string(swap("<xrd:id>", "<xrd:id>1</xrd:id><xrd:id>")(message))},
		"either.soap": {"either", string(swap(` id:objectType="SERVICE"`, ` objectType="SERVICE"`)(message))},
	}
	manifest := "file\twhat\tcontent_type\texpect\n"
	for name, c := range cases {
		writeFile(t, dir, name, c[1])
		manifest += name + "\tx\ttext/xml; charset=UTF-8\t" + c[0] + "\n"
	}
	writeFile(t, dir, "MANIFEST.tsv", manifest)
	run := func(h http.Handler) (xroad.Score, string) {
		server := httptest.NewServer(h)
		defer server.Close()
		score, err := xroad.Conformance(t.Context(), server.Client(), server.URL, dir)
		require.NoError(t, err)
		var out bytes.Buffer
		_, err = score.WriteTo(&out)
		require.NoError(t, err)
		return score, out.String()
	}
	score, out := run(handler(t, true))
	require.Equal(t, 3, score.Passed, out)
	require.Equal(t, "score: x-road messages 3/3\n", out)
	score, out = run(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/xml")
		_, _ = io.Copy(w, r.Body) // sends the request back: right headers, wrong body
	}))
	require.Zero(t, score.Passed, out)
	require.Contains(t, out, "miss: double.soap")
	_, err := xroad.Conformance(t.Context(), http.DefaultClient, "http://127.0.0.1:1/", t.TempDir())
	require.Error(t, err)
}
