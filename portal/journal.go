package portal

import (
	"net/http"

	"github.com/go-chi/chi/v5"

	"mist/registry"
	"mist/registry/query"
)

// journalRoutes serves a client its own lines. Any token will do: the lines
// are about the system that holds it.
func (p *portal) journalRoutes(r chi.Router) {
	r.Get("/api/v3/request_log", p.member(func(w http.ResponseWriter, r *http.Request, c registry.Caller) error {
		list, err := p.journal.Of(r.Context(), c.ClientID)
		if err != nil {
			return err
		}
		n := len(list)
		return p.list(w, r, list, query.Paging{Number: 1, Size: max(n, 1), TotalEntries: n, TotalPages: 1})
	}))
}
