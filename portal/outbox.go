package portal

import (
	"context"
	"net/http"

	"github.com/go-chi/chi/v5"

	"mist/registry"
	"mist/registry/outbox"
	"mist/registry/query"
)

// OutboxDesk is where operators see to messages; *outbox.Desk is one.
type OutboxDesk interface {
	List(ctx context.Context, c registry.Caller, f outbox.Filter) ([]outbox.Info, int, error)
	Get(ctx context.Context, c registry.Caller, id registry.ID) (outbox.Info, error)
	Replay(ctx context.Context, c registry.Caller, id registry.ID, dryRun bool) (outbox.Info, error)
	Discard(ctx context.Context, c registry.Caller, id registry.ID, dryRun bool) (outbox.Info, error)
	Destinations(ctx context.Context, c registry.Caller) ([]outbox.State, error)
	Pause(ctx context.Context, c registry.Caller, to outbox.Destination, paused bool) (outbox.State, error)
}

type messageChange struct {
	Message outbox.Info `json:"message"`
	DryRun  bool        `json:"dry_run"`
}

// Outbox are the places of messages to other registers.
func Outbox(desk OutboxDesk) Room {
	return room(func(p *portal, r chi.Router) {
		const all = "/api/v3/outbox/messages"
		r.Get(all, p.member(func(w http.ResponseWriter, r *http.Request, c registry.Caller) error {
			q, err := queryOf(r)
			if err != nil {
				return err
			}
			f := outbox.Filter{Destination: outbox.Destination(q.text("destination")), Operation: outbox.Operation(q.text("operation")), Subject: q.text("subject"),
				Status: outbox.Status(q.text("status")), Page: q.number("page", 1), Size: q.number("page_size", outbox.DefaultPageSize)}
			if err := q.done(); err != nil {
				return err
			}
			list, total, err := desk.List(r.Context(), c, f)
			if err != nil {
				return err
			}
			return p.list(w, r, list, query.Paging{Number: f.Page, Size: f.Size, TotalEntries: total, TotalPages: (total + f.Size - 1) / f.Size})
		}))
		r.Get(all+"/{id}", p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
			info, err := desk.Get(r.Context(), c, id)
			if err != nil {
				return err
			}
			return p.answer(w, r, http.StatusOK, info, nil)
		}))
		for action, change := range map[string]func(OutboxDesk, context.Context, registry.Caller, registry.ID, bool) (outbox.Info, error){
			"replay": OutboxDesk.Replay, "discard": OutboxDesk.Discard} {
			r.Patch(all+"/{id}/actions/"+action, p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
				o, _, err := readObject(r, p.limits.SmallBody, true)
				if err != nil {
					return err
				}
				fields := o.fields()
				dryRun := fields.boolean("dry_run")
				if err := fields.done(); err != nil {
					return err
				}
				info, err := change(desk, r.Context(), c, id, dryRun)
				if err != nil {
					return err
				}
				return p.answer(w, r, http.StatusOK, messageChange{info, dryRun}, nil)
			}))
		}
		const destinations = "/api/v3/outbox/destinations"
		r.Get(destinations, p.member(func(w http.ResponseWriter, r *http.Request, c registry.Caller) error {
			list, err := desk.Destinations(r.Context(), c)
			if err != nil {
				return err
			}
			return p.list(w, r, list, query.Paging{Number: 1, Size: max(len(list), 1), TotalEntries: len(list), TotalPages: 1})
		}))
		for action, paused := range map[string]bool{"pause": true, "resume": false} {
			r.Patch(destinations+"/{destination}/actions/"+action, p.member(func(w http.ResponseWriter, r *http.Request, c registry.Caller) error {
				o, _, err := readObject(r, p.limits.SmallBody, true)
				if err != nil {
					return err
				}
				if err := o.fields().done(); err != nil {
					return err
				}
				state, err := desk.Pause(r.Context(), c, outbox.Destination(chi.URLParam(r, "destination")), paused)
				if err != nil {
					return err
				}
				return p.answer(w, r, http.StatusOK, state, nil)
			}))
		}
	})
}
