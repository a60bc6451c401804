package operator

import (
	"net/http"

	"mist/portal/web"
	"mist/portal/web/trusted"
	"mist/registry"
)

// trust shows what signatures are judged by. Operators do not read the log, so
// the entries of changes are named, not linked.
func (r *room) trust(w http.ResponseWriter, q *web.Request, c registry.Caller) error {
	st, err := r.Trust.State(q.Context(), c)
	if err != nil {
		return err
	}
	return q.Render(w, web.Page{Template: "trust", Title: q.T("ops.trust.title"), Data: trusted.Show(q, st, "")})
}
