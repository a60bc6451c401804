package portal

import (
	"context"
	"net/http"

	"github.com/go-chi/chi/v5"

	"mist/registry"
	"mist/registry/query"
)

// Events is the feed of status changes; *query.Feed is one.
type Events interface {
	Events(ctx context.Context, c registry.Caller, after string, limit int) ([]query.Event, error)
}

func (p *portal) eventRoutes(r chi.Router, events Events) {
	r.Get("/api/v3/events", p.member(func(w http.ResponseWriter, r *http.Request, c registry.Caller) error {
		q, err := queryOf(r)
		if err != nil {
			return err
		}
		after, limit := q.text("after"), q.number("limit", query.DefaultPageSize)
		if err := q.done(); err != nil {
			return err
		}
		list, err := events.Events(r.Context(), c, after, limit)
		if err != nil {
			return err
		}
		more := len(list) == limit
		return p.list(w, r, list, query.Paging{Size: limit, HasMore: &more})
	}))
}
