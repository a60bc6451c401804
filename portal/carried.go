package portal

import (
	"bytes"
	"context"
	"net/http"

	"mist/registry"
)

// Carried is a request that came inside a message of another transport: SOAP
// of Trembita. It passes through the same handlers as any other.
type Carried struct {
	Channel registry.Channel
	// Client is the X-Road subsystem that carried it.
	Client string
	// Refusal is set when the answer is an error: what was refused, in the
	// registry's words.
	Refusal *registry.Error
}

type carriedKey struct{}

func carriedBy(ctx context.Context) *Carried {
	m, _ := ctx.Value(carriedKey{}).(*Carried)
	return m
}

// Carry lets a handler answer a carried request and gives its status and body.
func Carry(h http.Handler, r *http.Request, m *Carried) (status int, body []byte) {
	w := &carriedAnswer{header: http.Header{}}
	h.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), carriedKey{}, m)))
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.status, w.body.Bytes()
}

// carriedAnswer keeps an answer in memory.
type carriedAnswer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (w *carriedAnswer) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter.
func (w *carriedAnswer) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

// Write implements http.ResponseWriter.
func (w *carriedAnswer) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(b)
}
