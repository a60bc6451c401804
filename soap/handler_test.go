package soap

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/stretchr/testify/require"

	"mist/registry"
)

const testNS = "urn:mist:test"

type serviceFunc func(ctx context.Context, m *Message) (*Answer, error)

func (f serviceFunc) ServeSOAP(ctx context.Context, m *Message) (*Answer, error) { return f(ctx, m) }

// mirror answers the payload under another name, attachments included.
func mirror(_ context.Context, m *Message) (*Answer, error) {
	p := &m.Payload
	return &Answer{AppendBody: func(out []byte) []byte { return p.AppendRenamed(out, p.Local+"Response") }, Attachments: m.Attachments}, nil
}

func newHandler(t testing.TB, s serviceFunc, change func(*Handler)) *Handler {
	t.Helper()
	h := Handler{Service: s, DetailNS: testNS, Source: registry.SystemSource()}
	if change != nil {
		change(&h)
	}
	out, err := New(h)
	require.NoError(t, err)
	return out
}

func post(t testing.TB, h http.Handler, contentType string, body []byte, edit ...func(*http.Request)) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/soap", bytes.NewReader(body))
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	for _, f := range edit {
		f(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// readFaultOf takes a fault answer apart with our own reader and checks its shape.
func readFaultOf(t testing.TB, w *httptest.ResponseRecorder) (class, code string) {
	t.Helper()
	require.Equal(t, http.StatusInternalServerError, w.Code)
	e := new(Envelope)
	require.NoError(t, e.Parse(w.Body.Bytes(), DefaultHeaderBytes), w.Body.String())
	require.True(t, e.IsFault(), w.Body.String())
	require.Equal(t, e.Version.MediaType()+"; charset=UTF-8", w.Header().Get("Content-Type"))
	f, err := ReadFault(e)
	require.NoError(t, err)
	require.NotEmpty(t, f.TrackingID)
	return f.Class.name(V11), f.Code
}

func TestHandlerAnswersInTheRequestsVersion(t *testing.T) {
	h := newHandler(t, mirror, nil)
	for _, v := range []Version{V11, V12} {
		doc := strings.Replace(envelope, NS11, v.Namespace(), 1)
		w := post(t, h, v.MediaType()+"; charset=utf-8", []byte(doc))
		require.Equal(t, http.StatusOK, w.Code)
		require.Equal(t, v.MediaType()+"; charset=UTF-8", w.Header().Get("Content-Type"))
		want := xmlDeclaration + strings.ReplaceAll(doc, "x:op>", "x:opResponse>")
		require.Equal(t, want, w.Body.String())
	}
}

func TestContentTypes(t *testing.T) {
	h := newHandler(t, mirror, nil)
	for _, ct := range []string{
		"text/xml", "text/xml; charset=utf-8", `text/xml;charset="UTF-8"`, "TEXT/XML; Charset=Utf-8", "text/xml; charset='utf-8'",
		`application/soap+xml; charset=utf-8; action="urn:checkunzr"`, "application/soap+xml;action=urn:a:b",
	} {
		require.Equal(t, http.StatusOK, post(t, h, ct, []byte(envelope)).Code, ct)
	}
	for _, ct := range []string{"", "blah", "application/json", "text/html", "text/plain; charset=utf-8", "multipart/form-data; boundary=x"} {
		_, code := readFaultOf(t, post(t, h, ct, []byte(envelope)))
		require.Equal(t, "InvalidContentType", code, ct)
	}
	_, code := readFaultOf(t, post(t, h, "text/xml", []byte(envelope), func(r *http.Request) { r.Header.Add("Content-Type", "text/xml") }))
	require.Equal(t, "InvalidContentType", code)
	_, code = readFaultOf(t, post(t, h, "text/xml", []byte(envelope), func(r *http.Request) { r.Header.Set("Content-Encoding", "gzip") }))
	require.Equal(t, "UnsupportedEncoding", code)
}

// SOAPAction never decides anything, in whatever form it comes.
func TestSOAPActionIsIgnored(t *testing.T) {
	h := newHandler(t, mirror, nil)
	for _, action := range []string{"", `""`, `"urn:x"`, "NotificationCreate", "\"unbalanced"} {
		w := post(t, h, "text/xml", []byte(envelope), func(r *http.Request) { r.Header.Set("SOAPAction", action) })
		require.Equal(t, http.StatusOK, w.Code, action)
	}
}

func TestCharsets(t *testing.T) {
	h := newHandler(t, mirror, nil)
	text := "Шевченко Ґалаґан їжак"
	doc := strings.Replace(envelope, "<x:a>1</x:a>", "<x:a>"+text+"</x:a>", 1)
	utf16le := func(bom bool) []byte {
		var out []byte
		if bom {
			out = []byte{0xFF, 0xFE}
		}
		for _, u := range utf16.Encode([]rune(doc + "")) {
			out = append(out, byte(u), byte(u>>8))
		}
		return out
	}
	cp1251 := func(d string) []byte {
		var out []byte
		for _, r := range d {
			b := byte('?')
			for c := 0; c < 256; c++ {
				if c < 0x80 && rune(c) == r || c >= 0x80 && windows1251(byte(c)) == r {
					b = byte(c)
					break
				}
			}
			out = append(out, b)
		}
		return out
	}
	for _, c := range []struct {
		name, contentType string
		body              []byte
	}{
		{"utf-8", "text/xml; charset=UTF-8", []byte(doc)},
		{"no charset", "text/xml", []byte(doc)},
		{"bom", "text/xml", append([]byte("\xEF\xBB\xBF"), doc...)},
		{"bom and declaration", "text/xml", append([]byte("\xEF\xBB\xBF<?xml version=\"1.0\" encoding=\"utf-8\"?>"), doc...)},
		{"utf-16 with mark", "text/xml; charset=utf-16", utf16le(true)},
		{"utf-16le by parameter", "text/xml; charset=utf-16le", utf16le(false)},
		{"windows-1251 by parameter", "text/xml; charset=windows-1251", cp1251(doc)},
		{"windows-1251 by declaration", "text/xml", cp1251(`<?xml version="1.0" encoding="windows-1251"?>` + doc)},
		{"parameter beats declaration", "text/xml; charset=utf-8", []byte(`<?xml version="1.0" encoding="windows-1251"?>` + doc)},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := post(t, h, c.contentType, c.body)
			require.Equal(t, http.StatusOK, w.Code, w.Body.String())
			require.Contains(t, w.Body.String(), "<x:a>"+text+"</x:a>")
			require.False(t, bytes.HasPrefix(w.Body.Bytes(), []byte("\xEF\xBB\xBF")))
		})
	}
	for name, c := range map[string]struct {
		contentType string
		body        []byte
		code        string
	}{
		"unknown charset": {"text/xml; charset=klingon", []byte(doc), "UnsupportedEncoding"},
		"cp1251 as utf-8": {"text/xml; charset=utf-8", cp1251(doc), "InvalidSoap"},
		"odd utf-16":      {"text/xml; charset=utf-16", append(utf16le(true), 0), "InvalidSoap"},
		"undefined byte":  {"text/xml; charset=windows-1251", append(cp1251(doc), 0x98), "InvalidSoap"},
		"empty":           {"text/xml", nil, "InvalidSoap"},
		"only a mark":     {"text/xml", []byte("\xEF\xBB\xBF"), "InvalidSoap"},
	} {
		_, code := readFaultOf(t, post(t, h, c.contentType, c.body))
		require.Equal(t, c.code, code, name)
	}
}

func TestMethods(t *testing.T) {
	h := newHandler(t, mirror, func(h *Handler) {
		h.Contract = func(address string) []byte { return []byte("<w at='" + address + "'/>") }
	})
	do := func(method, target string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, target, strings.NewReader(envelope)))
		return w
	}
	for _, m := range []string{"GET", "PUT", "DELETE", "PATCH", "TRACE", "OPTIONS", "HEAD"} {
		w := do(m, "http://host:81/soap")
		require.Equal(t, http.StatusMethodNotAllowed, w.Code, m)
		require.Equal(t, "GET, POST", w.Header().Get("Allow"))
	}
	w := do("GET", "http://host:81/soap?wsdl")
	require.Equal(t, http.StatusOK, w.Code)
	require.Equal(t, "text/xml; charset=UTF-8", w.Header().Get("Content-Type"))
	require.Equal(t, "<w at='http://host:81/soap'/>", w.Body.String())
	require.Equal(t, http.StatusOK, do("GET", "/soap?WSDL").Code)
	require.Empty(t, do("HEAD", "http://host:81/soap?wsdl").Body.String())
}

func TestFaultsOfOperations(t *testing.T) {
	var log bytes.Buffer
	for _, c := range []struct {
		name        string
		err         error
		class, code string
	}{
		{"registry error", registry.Errorf(registry.CodeForbidden, "no"), "Client", "AccessDenied"},
		{"foreign error", errors.New("sql: secret"), "Server", "Internal"},
		{"internal detail", registry.Errorf(registry.CodeInternal, "pq: secret"), "Server", "Internal"},
		{"deadline", context.DeadlineExceeded, "Server", "Timeout"},
		{"fault", Faultf("X", "y"), "Client", "X"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHandler(t, func(context.Context, *Message) (*Answer, error) { return nil, c.err }, func(h *Handler) {
				h.Log = slog.New(slog.NewTextHandler(&log, nil))
			})
			for _, v := range []Version{V11, V12} {
				w := post(t, h, "text/xml", []byte(strings.Replace(envelope, NS11, v.Namespace(), 1)))
				class, code := readFaultOf(t, w)
				require.Equal(t, c.class, class)
				require.Equal(t, c.code, code)
				require.NotContains(t, w.Body.String(), "secret")
				require.Contains(t, w.Body.String(), `<x:h a="1">v</x:h>`) // headers are echoed
			}
		})
	}
	require.Contains(t, log.String(), "secret")

	h := newHandler(t, func(context.Context, *Message) (*Answer, error) { panic("boom") }, nil)
	class, code := readFaultOf(t, post(t, h, "text/xml", []byte(envelope)))
	require.Equal(t, "Server Internal", class+" "+code)
	require.Equal(t, http.StatusInternalServerError, post(t, h, "text/xml", []byte(envelope)).Code)
}

func TestBudgetEndsAnOperation(t *testing.T) {
	h := newHandler(t, func(ctx context.Context, _ *Message) (*Answer, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}, func(h *Handler) { h.Limits.Budget = 10 * time.Millisecond })
	class, code := readFaultOf(t, post(t, h, "text/xml", []byte(envelope)))
	require.Equal(t, "Server Timeout", class+" "+code)
}

func TestEnvelopeLimit(t *testing.T) {
	h := newHandler(t, mirror, func(h *Handler) { h.Limits.EnvelopeBytes = 4096 })
	pad := func(n int) []byte {
		return []byte(strings.Replace(envelope, "<x:a>1<", "<x:a>"+strings.Repeat("a", n-len(envelope)+1)+"<", 1))
	}
	require.Len(t, pad(4096), 4096)
	require.Equal(t, http.StatusOK, post(t, h, "text/xml", pad(4096)).Code)
	for _, edit := range []func(*http.Request){
		func(*http.Request) {},
		func(r *http.Request) { r.ContentLength = -1 }, // chunked
	} {
		_, code := readFaultOf(t, post(t, h, "text/xml", pad(4097), edit))
		require.Equal(t, "TooLarge", code)
	}
}

func TestFaultTableIsComplete(t *testing.T) {
	for _, code := range registry.Codes() {
		row, ok := faultTable[code]
		require.True(t, ok, "registry code %s has no fault", code)
		require.NotEmpty(t, row.Code)
		require.NotEmpty(t, row.Reason)
		f := FaultOf(registry.Errorf(code, ""))
		require.Equal(t, row.Code, f.Code)
		require.Equal(t, row.Class, f.Class)
	}
	require.Len(t, faultTable, len(registry.Codes()))
}

func TestFaultsKeepFields(t *testing.T) {
	f := FaultOf(registry.Invalid(registry.FieldError{Entry: "/a/b[2]", Rule: "pattern", Description: "x"}))
	require.Equal(t, "SchemaValidation", f.Code)
	out := string(f.AppendBody(nil, V11, []byte("S"), testNS))
	require.Contains(t, out, "<field><path>/a/b[2]</path><rule>pattern</rule></field>")
}

func related(parts ...string) []byte {
	return []byte("--b\r\n" + strings.Join(parts, "\r\n--b\r\n") + "\r\n--b--\r\n")
}

const relatedType = `multipart/related; type="text/xml"; boundary="b"`

func TestAttachments(t *testing.T) {
	random := make([]byte, 700<<10)
	_, err := rand.Read(random)
	require.NoError(t, err)
	soap := "Content-Type: text/xml; charset=UTF-8\r\nContent-ID: <root>\r\n\r\n" + envelope
	dir := t.TempDir()
	var got [][32]byte
	var ids []string
	h := newHandler(t, func(ctx context.Context, m *Message) (*Answer, error) {
		got, ids = nil, nil
		for _, a := range m.Attachments {
			r, err := a.Open()
			require.NoError(t, err)
			b, err := io.ReadAll(r)
			require.NoError(t, err)
			require.Equal(t, a.Size, int64(len(b)))
			got, ids = append(got, sha256.Sum256(b)), append(ids, a.ContentID)
		}
		return mirror(ctx, m)
	}, func(h *Handler) { h.SpillDir = dir })
	body := related(soap,
		"Content-Type: application/octet-stream\r\nContent-ID: <big@x>\r\nContent-Transfer-Encoding: binary\r\n\r\n"+string(random),
		"Content-Type: text/plain\r\nContent-ID: small\r\n\r\nline\r\n\r\n--c\r\n",
		"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\naGVs\r\n bG8=\r\n",
		"Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nh=65llo",
		"Content-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\nContent-Type: text/plain\r\n\r\nin\r\n--c--",
		"Content-Type: text/plain\r\n\r\n",
	)
	w := post(t, h, relatedType, body)
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	sum := func(s string) [32]byte { return sha256.Sum256([]byte(s)) }
	require.Equal(t, [][32]byte{sha256.Sum256(random), sum("line\r\n\r\n--c\r\n"), sum("hello"), sum("hello"),
		sum("--c\r\nContent-Type: text/plain\r\n\r\nin\r\n--c--"), sum("")}, got)
	require.Equal(t, []string{"big@x", "small", "", "", "", ""}, ids)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left, "spill files are unlinked")

	// The answer carried them back; read it as a request would be read.
	want := got
	w2 := post(t, h, w.Header().Get("Content-Type"), w.Body.Bytes())
	require.Equal(t, http.StatusOK, w2.Code, w2.Body.String())
	require.Equal(t, want, got)
}

func TestMultipartFormsInTheWild(t *testing.T) {
	h := newHandler(t, func(_ context.Context, m *Message) (*Answer, error) {
		return mirror(t.Context(), &Message{Envelope: m.Envelope})
	}, nil)
	soap := "Content-Type: application/xop+xml; type=\"application/soap+xml\"\n\n" + envelope
	lf := func(boundary, tail string) []byte {
		return []byte("preamble\n--" + boundary + "\n" + soap + "\n--" + boundary + tail)
	}
	for name, c := range map[string]struct {
		contentType string
		body        []byte
	}{
		"lf only":          {"multipart/related; boundary=b", lf("b", "--")},
		"epilogue":         {"multipart/related; boundary=b", lf("b", "--\nepilogue --b")},
		"padding":          {"multipart/related; boundary=b", lf("b", "--  \n")},
		"unquoted colons":  {"Multipart/Related; boundary=:gkMa5K:; type='application/xop+xml'; start-info=text/xml", lf(":gkMa5K:", "--")},
		"single quotes":    {"multipart/related; type='text/xml'; boundary='b'", lf("b", "--")},
		"bom in soap part": {"multipart/related; boundary=b", bytes.Replace(lf("b", "--"), []byte("<S:Env"), []byte("\xEF\xBB\xBF<S:Env"), 1)},
	} {
		w := post(t, h, c.contentType, c.body)
		require.Equal(t, http.StatusOK, w.Code, name+w.Body.String())
	}
	soapPart := "Content-Type: text/xml\r\n\r\n" + envelope
	for name, c := range map[string]struct {
		contentType string
		body        []byte
		code        string
	}{
		"no boundary":             {"multipart/related", related(soapPart), "InvalidContentType"},
		"other boundary":          {"multipart/related; boundary=c", related(soapPart), "MimeParsingFailed"},
		"longer boundary":         {"multipart/related; boundary=bb", related(soapPart), "MimeParsingFailed"},
		"no close delimiter":      {relatedType, bytes.TrimSuffix(related(soapPart), []byte("--\r\n")), "MimeParsingFailed"},
		"truncated":               {relatedType, related(soapPart)[:200], "MimeParsingFailed"},
		"empty":                   {relatedType, []byte("--b--\r\n"), "MissingSoap"},
		"soap part not xml":       {relatedType, related("Content-Type: text/plain\r\n\r\n" + envelope), "InvalidContentType"},
		"soap part without type":  {relatedType, related("X-A: b\r\n\r\n" + envelope), "InvalidContentType"},
		"attachment without type": {relatedType, related(soapPart, "X-A: b\r\n\r\n"), "InvalidContentType"},
		"part without header":     {relatedType, []byte("--b\r\n--b--\r\n"), "InvalidContentType"},
		"bad header line":         {relatedType, related(soapPart, "Content-Type: a/b\r\nno colon\r\n\r\n"), "InvalidContentType"},
		"two types":               {relatedType, related(soapPart, "Content-Type: a/b\r\nContent-Type: a/c\r\n\r\n"), "InvalidContentType"},
		"same id twice":           {relatedType, related(soapPart, "Content-Type: a/b\r\nContent-ID: <i>\r\n\r\n", "Content-Type: a/b\r\nContent-ID: i\r\n\r\n"), "InvalidAttachmentRef"},
		"unknown encoding":        {relatedType, related(soapPart, "Content-Type: a/b\r\nContent-Transfer-Encoding: x-gzip\r\n\r\n"), "InvalidContentType"},
		"header too large":        {relatedType, related(soapPart, "Content-Type: a/b\r\nX: "+strings.Repeat("x", 20<<10)+"\r\n\r\n"), "TooLarge"},
		"many parts":              {relatedType, related(soapPart, strings.Repeat("Content-Type: a/b\r\n\r\n\r\n--b\r\n", 60)+"Content-Type: a/b\r\n\r\n"), "TooLarge"},
		"faulty soap":             {relatedType, related("Content-Type: text/xml\r\n\r\n<a>"), "InvalidSoap"},
		"bad base64":              {relatedType, related(soapPart, "Content-Type: a/b\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!"), "InvalidSoap"},
	} {
		w := post(t, h, c.contentType, c.body)
		_, code := readFaultOf(t, w)
		require.Equal(t, c.code, code, name)
	}
}

func TestAttachmentReferences(t *testing.T) {
	atts := []*Attachment{{ContentID: "a b@x"}, {ContentID: "plain"}}
	a, fault := attachmentByRef(atts, "cid:a%20b@x")
	require.Nil(t, fault)
	require.Same(t, atts[0], a)
	for _, ref := range []string{"cid:none", "plain", "http://x/", "cid:%zz"} {
		_, fault := attachmentByRef(atts, ref)
		require.Equal(t, "InvalidAttachmentRef", fault.Code)
	}
}

func FuzzHandler(f *testing.F) {
	f.Add("text/xml", []byte(envelope))
	f.Add(relatedType, related("Content-Type: text/xml\r\n\r\n"+envelope, "Content-Type: a/b\r\nContent-Transfer-Encoding: base64\r\n\r\nYQ=="))
	f.Add("multipart/related; boundary=:a:", []byte("--:a:\nContent-Type: text/xml\n\n"+envelope+"\n--:a:--"))
	f.Add("text/xml; charset=utf-16", []byte("\xFF\xFE<\x00a\x00"))
	h := newHandler(f, mirror, func(h *Handler) {
		h.Limits = Limits{EnvelopeBytes: 64 << 10, AttachmentBytes: 64 << 10, TotalBytes: 128 << 10, SpillBytes: 1 << 10}
	})
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		w := post(t, h, contentType, body)
		if w.Code == http.StatusOK {
			return
		}
		_, code := readFaultOf(t, w)
		require.NotEqual(t, "Internal", code)
	})
}

// A message with a long body must not leave parts of itself in the next answer.
func TestBuffersDoNotLeakBetweenMessages(t *testing.T) {
	h := newHandler(t, mirror, nil)
	first := strings.Replace(envelope, "<x:a>1<", "<x:a>"+strings.Repeat("secret ", 1000)+"<", 1)
	for range 20 {
		require.Equal(t, http.StatusOK, post(t, h, "text/xml", []byte(first)).Code)
		w := post(t, h, "text/xml", []byte(envelope))
		require.NotContains(t, w.Body.String(), "secret")
		require.NotContains(t, post(t, h, "nothing", []byte("x")).Body.String(), "secret")
	}
}
