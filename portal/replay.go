package portal

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"net/http"

	"mist/registry"
	"mist/registry/idempotency"
)

// Replies keeps answers by Idempotency-Key; *idempotency.Service is one.
type Replies interface {
	Begin(ctx context.Context, c registry.Caller, key string, request [32]byte) (*idempotency.Reply, error)
	Finish(ctx context.Context, c registry.Caller, key string, r idempotency.Reply) error
}

const (
	headerIdempotencyKey = "Idempotency-Key"
	headerReplayed       = "Idempotency-Replayed"
)

// once answers a request with an Idempotency-Key that was sent before with the
// answer it got then. Without the header it is the handler itself. It serves
// the operations whose contract names the header: writes, and no disclosure,
// since an answer given again would be a disclosure of its own.
func (p *portal) once(w http.ResponseWriter, r *http.Request, c registry.Caller, h authenticated) error {
	values := r.Header.Values(headerIdempotencyKey)
	if len(values) == 0 {
		return h(w, r, c)
	}
	if len(values) > 1 || !plainToken(values[0]) {
		return registry.Invalid(registry.FieldError{Entry: "$.idempotency-key", EntryType: "header", Rule: "format",
			Description: "1 to 64 of A-Za-z0-9._- with at least one letter are expected, once"})
	}
	body, err := readBody(r, p.limits.Body)
	if err != nil {
		return err
	}
	digest := sha256.New()
	digest.Write([]byte(r.Method + " " + r.URL.EscapedPath() + "\n"))
	digest.Write(body)
	kept, err := p.replies.Begin(r.Context(), c, values[0], [32]byte(digest.Sum(nil)))
	if err != nil {
		return err
	}
	if kept == nil {
		r.Body = io.NopCloser(bytes.NewReader(body))
		answer := &recorder{header: w.Header()}
		if err := h(answer, r, c); err != nil {
			p.refuse(answer, r, err)
		}
		kept = &idempotency.Reply{Status: answer.status, Location: w.Header().Get("Location"), Body: answer.body.Bytes()}
		// The client may have gone; the answer is kept for its next attempt.
		if err := p.replies.Finish(context.WithoutCancel(r.Context()), c, values[0], *kept); err != nil {
			p.log.Warn("an answer was not kept for repetition", "request_id", c.RequestID, "cause", err.Error())
		}
	} else {
		w.Header().Set(headerReplayed, "true")
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		if kept.Location != "" {
			w.Header().Set("Location", kept.Location)
		}
	}
	w.WriteHeader(kept.Status)
	if _, err := w.Write(kept.Body); err != nil {
		p.log.Debug("client went away", "cause", err.Error())
	}
	return nil
}

// recorder holds an answer back until it is kept.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (r *recorder) Header() http.Header { return r.header }

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(status int) { r.status = status }

// Write implements http.ResponseWriter.
func (r *recorder) Write(b []byte) (int, error) { return r.body.Write(b) }
