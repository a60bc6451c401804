package portal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strings"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"mist/registry"
	"mist/registry/journal"
)

// request is what the middleware knows about one request. It is made by
// identify, filled by later steps of the same goroutine and read by observe.
type request struct {
	id     string
	portal *portal
	// operation is what the contract says of the request, once its caller is known.
	operation *operation
	clientID  registry.ID
	// err is the refusal that was answered, for the access log.
	err *registry.Error
}

type requestKey struct{}

func requestOf(r *http.Request) *request {
	q, ok := r.Context().Value(requestKey{}).(*request)
	if !ok {
		panic("portal: a handler runs outside the middleware")
	}
	return q
}

const headerRequestID = "X-Request-ID"

// identify takes the caller's request id when it is a sane token, else makes
// one, and tells it in the answer.
func (p *portal) identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get(headerRequestID)
		if len(r.Header.Values(headerRequestID)) != 1 || !saneRequestID(id) {
			id = p.source.NewID().String()
		}
		w.Header().Set(headerRequestID, id)
		// Until somebody is authenticated the database shows no rows of anybody.
		r = r.WithContext(registry.WithReach(r.Context(), registry.Reach{}))
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), requestKey{}, &request{id: id, portal: p})))
	})
}

// saneRequestID accepts a plain token that has not the shape of a person's
// identifier: request ids stand in logs and in the audit tree, and nobody's
// number must get there by mistake. Who sends one gets an id of ours instead.
func saneRequestID(s string) bool {
	return plainToken(s) && !registry.MayHoldIdentifier(s)
}

// plainToken accepts 1 to 64 letters, digits, dots, dashes and underscores, one
// of them a letter.
func plainToken(s string) bool {
	if len(s) == 0 || len(s) > 64 {
		return false
	}
	letter := false
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z':
			letter = true
		case c >= '0' && c <= '9', c == '-', c == '_', c == '.':
		default:
			return false
		}
	}
	return letter
}

// observe counts and logs each request once. The log has the route's pattern,
// never the path, a query, a header or a body: those may name a person.
func (p *portal) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := p.source.Clock()
		p.metrics.inFlight.Inc()
		defer p.metrics.inFlight.Dec()
		ww := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
		ctx, books := registry.WithLedger(r.Context())
		r = r.WithContext(ctx)
		next.ServeHTTP(ww, r)

		status := ww.Status()
		if status == 0 {
			status = http.StatusOK
		}
		took := p.source.Clock().Sub(began)
		route := chi.RouteContext(r.Context()).RoutePattern()
		if route == "" {
			route = "unmatched"
		}
		p.metrics.seen(route, r.Method, status, took)
		books.Close(status < http.StatusBadRequest, knownMethod(r.Method)+" "+route)

		q := requestOf(r)
		attrs := []slog.Attr{
			slog.String("request_id", q.id), slog.String("method", knownMethod(r.Method)), slog.String("route", route),
			slog.Int("status", status), slog.Int("bytes", ww.BytesWritten()), slog.Duration("took", took),
		}
		if !q.clientID.IsZero() {
			attrs = append(attrs, slog.Any("client", q.clientID))
			line := journal.Line{Client: q.clientID, At: began, RequestID: q.id, Method: knownMethod(r.Method), Route: route, Status: status, Took: took}
			if q.err != nil {
				line.Type, line.Reason = problems[q.err.Code].kind, q.err.Reason
			}
			p.journal.Add(line)
		}
		level := slog.LevelInfo
		if q.err != nil {
			attrs = append(attrs, slog.String("code", string(q.err.Code)))
			if q.err.Reason != "" {
				attrs = append(attrs, slog.String("reason", q.err.Reason))
			}
			if q.err.Code == registry.CodeUnauthenticated || q.err.Code == registry.CodeRateLimited {
				// Whoever knocks without a key is found by address alone.
				attrs = append(attrs, slog.String("remote", remoteHost(r)))
			}
			if q.err.Err != nil {
				attrs = append(attrs, slog.String("cause", q.err.Err.Error()))
			}
			if status >= 500 && q.err.Reason != reasonGone {
				level = slog.LevelError
			}
		}
		p.log.LogAttrs(r.Context(), level, "rest request", attrs...)
	})
}

// knownMethod keeps a caller from writing words of its own into log and metrics.
func knownMethod(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return m
	}
	return "OTHER"
}

func remoteHost(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// recover answers a panic as an internal error. http.ErrAbortHandler is the
// server's own way to cut a connection and goes through.
func (p *portal) recover(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if v == http.ErrAbortHandler {
				panic(v)
			}
			p.log.LogAttrs(r.Context(), slog.LevelError, "panic in a handler",
				slog.String("request_id", requestOf(r).id), slog.String("panic", fmt.Sprint(v)), slog.String("stack", string(debug.Stack())))
			if ww, ok := w.(middleware.WrapResponseWriter); ok && ww.Status() != 0 {
				// Half an answer must not look like a whole one.
				panic(http.ErrAbortHandler)
			}
			p.refuse(w, r, registry.Errorf(registry.CodeInternal, "panic"))
		}()
		next.ServeHTTP(w, r)
	})
}

// harden sets the headers of an interface for programs: nothing is cached,
// framed, sniffed or executed.
func (p *portal) harden(next http.Handler) http.Handler {
	tls := strings.HasPrefix(p.base, "https://")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		if tls {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		next.ServeHTTP(w, r)
	})
}

// deadline bounds the work on one request; rooms see it through the context.
func (p *portal) deadline(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), p.limits.Timeout)
		defer cancel()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// handler answers a request or returns why it does not.
type handler func(w http.ResponseWriter, r *http.Request) error

// public turns a handler into the router's form.
func (p *portal) public(h handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			p.refuse(w, r, err)
		}
	}
}

// reasonGone marks a request whose caller closed the connection: nobody reads
// the answer and it is no failure of ours.
const reasonGone = "client_gone"

// slowed translates what a context's end looks like from below.
func (p *portal) slowed(r *http.Request, err error) error {
	switch ended := r.Context().Err(); {
	case registry.CodeOf(err) != registry.CodeInternal && registry.CodeOf(err) != registry.CodeUnavailable:
		return err
	case errors.Is(ended, context.DeadlineExceeded):
		return registry.Errorf(registry.CodeUnavailable, "the request took longer than %s; send it again", p.limits.Timeout).
			WithReason("timeout").WithCause(err)
	case errors.Is(ended, context.Canceled):
		return registry.Errorf(registry.CodeUnavailable, "the caller went away").WithReason(reasonGone).WithCause(err)
	}
	return err
}
