package xroad_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"mist/soap/xroad"
)

type nowhere struct{ h http.Header }

func (n nowhere) Header() http.Header         { return n.h }
func (n nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (n nowhere) WriteHeader(int)             {}

// BenchmarkHandler is a message through handler, headers and router, without HTTP.
func BenchmarkHandler(b *testing.B) {
	answer := []byte(`<GetThingResponse xmlns="urn:mist:test">` + strings.Repeat("<a>значення</a>", 90) + `</GetThingResponse>`)
	h := handler(b, false, thing(func(context.Context, *xroad.Request) ([]byte, error) { return answer, nil }))
	doc := strings.Replace(message, "<x:a>1</x:a>", strings.Repeat("<x:a>значення 1</x:a>\n   ", 20), 1)
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	r.Header.Set("Content-Type", "text/xml; charset=UTF-8")
	r.ContentLength = int64(len(doc))
	body := strings.NewReader(doc)
	w := nowhere{http.Header{}}
	b.ReportAllocs()
	b.SetBytes(int64(len(doc)))
	for b.Loop() {
		body.Reset(doc)
		r.Body = io.NopCloser(body)
		h.ServeHTTP(w, r)
	}
}
