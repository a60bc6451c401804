package gateway

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"mist/registry"
	"mist/registry/quota"
)

// Config is who may pass.
type Config struct {
	// Service is our own address.
	Service Member
	// Clients may ask; nobody else.
	Clients []Member
	// Quota bounds each client's calls over all transports; nil bounds nothing.
	Quota *quota.Clients
	// RequirePurpose refuses requests that declare no purpose of processing (the monitoring of access to personal data).
	RequirePurpose bool
	// Refuse writes an error in the manner of the listener.
	Refuse func(w http.ResponseWriter, r *http.Request, err error)
}

type callKey struct{}

// From gives what the headers of a request said; false outside a gateway.
func From(ctx context.Context) (Call, bool) {
	c, ok := ctx.Value(callKey{}).(Call)
	return c, ok
}

// Caller is the client system for the rooms of the registry; scopes are the caller's of this to give.
func (c Call) Caller() registry.Caller {
	out := registry.Caller{Channel: registry.ChannelREST, XRoad: c.Client.String(), UserID: c.UserID, RequestID: c.RequestID}
	if registry.MayHoldIdentifier(out.RequestID) {
		out.RequestID = "" // it stands in entries; the message has a name of its own there
	}
	return out
}

// Handler stands before next: it answers what may not pass, and hands on the rest with its Call. The answer carries no
// header of X-Road: those are the security server's to write.
func (g Config) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodTrace {
			w.Header().Set("Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		w = &cleaned{ResponseWriter: w}
		c, err := Read(r.Header)
		if err == nil {
			err = g.admit(c)
		}
		if err == nil {
			err = g.Quota.Admit(c.Client.String())
		}
		if err != nil {
			g.Refuse(w, r, err)
			return
		}
		r = r.WithContext(context.WithValue(r.Context(), callKey{}, c))
		// Servers join the base address and the path as texts.
		if strings.HasPrefix(r.URL.Path, "//") {
			u := *r.URL
			u.Path, u.RawPath = "/"+strings.TrimLeft(u.Path, "/"), ""
			r.URL = &u
		}
		next.ServeHTTP(w, r)
	})
}

func (g Config) admit(c Call) error {
	switch {
	case c.Service != (Member{}) && c.Service != g.Service:
		return registry.Errorf(registry.CodeForbidden, "the request is addressed to another system").WithReason("wrong_addressee")
	case c.Client.Instance != g.Service.Instance:
		return registry.Errorf(registry.CodeForbidden, "the client is of another X-Road instance").WithReason("wrong_instance")
	case !slices.Contains(g.Clients, c.Client):
		return registry.Errorf(registry.CodeForbidden, "the client system may not use this service").WithReason("client_not_listed")
	case g.RequirePurpose && len(c.Purposes) == 0:
		return registry.Errorf(registry.CodeForbidden, "the header Uxp-Purpose-Ids must name the declared purpose of processing").WithReason("purpose_required")
	}
	return nil
}

// cleaned drops headers of X-Road from an answer before it is written.
type cleaned struct {
	http.ResponseWriter
	done bool
}

func (c *cleaned) clean() {
	if c.done {
		return
	}
	c.done = true
	for name := range c.Header() {
		if strings.HasPrefix(strings.ToLower(name), "x-road-") || strings.HasPrefix(strings.ToLower(name), "uxp-") {
			c.Header().Del(name)
		}
	}
}

func (c *cleaned) WriteHeader(status int) {
	c.clean()
	c.ResponseWriter.WriteHeader(status)
}

func (c *cleaned) Write(b []byte) (int, error) {
	c.clean()
	return c.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (c *cleaned) Unwrap() http.ResponseWriter { return c.ResponseWriter }
