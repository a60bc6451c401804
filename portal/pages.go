package portal

import (
	"net/http"

	"github.com/go-chi/chi/v5"

	"mist/registry"
)

// Pages are routes for people beside the REST ones; *web.Kit is one. They run
// behind the portal's middleware (request id, log, metrics, panics, deadline)
// and set their own headers.
type Pages interface {
	Routes(r chi.Router)
}

// RequestID gives the id of a request, "" outside the portal's middleware.
func RequestID(r *http.Request) string {
	if q, ok := r.Context().Value(requestKey{}).(*request); ok {
		return q.id
	}
	return ""
}

// StatusOf gives the HTTP status of a code, the same for programs and people.
func StatusOf(code registry.Code) int {
	if pr, known := problems[code]; known {
		return pr.status
	}
	return http.StatusInternalServerError
}

// Observed turns any error into the registry's own and hands it to the access
// log; whoever answers with it writes the body.
func Observed(r *http.Request, err error) *registry.Error {
	q, ok := r.Context().Value(requestKey{}).(*request)
	if !ok {
		return registry.AsError(err)
	}
	q.err = registry.AsError(q.portal.slowed(r, err))
	return q.err
}

// Refuse answers with an error in the envelope, for handlers of Config.Public.
func Refuse(w http.ResponseWriter, r *http.Request, err error) {
	requestOf(r).portal.refuse(w, r, err)
}

// Spec is the contract as it is served.
func Spec() []byte { return spec }

// ErrorKind is one error.type of answers with what it means by default.
type ErrorKind struct {
	Code    registry.Code
	Status  int
	Type    string
	Message string
}

// ErrorKinds lists every code with its status and type, in the order of the codes.
func ErrorKinds() []ErrorKind {
	var out []ErrorKind
	for _, code := range registry.Codes() {
		pr := problems[code]
		out = append(out, ErrorKind{code, pr.status, pr.kind, pr.message})
	}
	return out
}
