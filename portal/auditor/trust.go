package auditor

import (
	"net/http"

	"mist/portal/web"
	"mist/portal/web/trusted"
	"mist/registry"
)

// overviewRows is how much of the expiry table the overview shows.
const overviewRows = 10

// trust shows what signatures are judged by, each change with its entry.
func (r *room) trust(w http.ResponseWriter, q *web.Request, c registry.Caller) error {
	st, err := r.Trust.State(q.Context(), c)
	if err != nil {
		return err
	}
	return q.Render(w, web.Page{Template: "trust", Title: q.T("audit.trust.title"), Data: trusted.Show(q, st, "/audit/entries/")})
}
