package portal

import (
	"context"
	"net/http"

	"github.com/go-chi/chi/v5"

	"mist/registry"
	"mist/registry/job"
	"mist/registry/query"
)

// JobDesk is where operators see to jobs; *job.Desk is one.
type JobDesk interface {
	List(ctx context.Context, c registry.Caller, f job.Filter) ([]job.Info, int, error)
	Get(ctx context.Context, c registry.Caller, id registry.ID) (job.Info, error)
	Replay(ctx context.Context, c registry.Caller, id registry.ID, dryRun bool) (job.Info, error)
	Discard(ctx context.Context, c registry.Caller, id registry.ID, dryRun bool) (job.Info, error)
}

type jobChange struct {
	Job    job.Info `json:"job"`
	DryRun bool     `json:"dry_run"`
}

func (p *portal) jobRoutes(r chi.Router, desk JobDesk) {
	r.Get("/api/v3/jobs", p.member(func(w http.ResponseWriter, r *http.Request, c registry.Caller) error {
		q, err := queryOf(r)
		if err != nil {
			return err
		}
		f := job.Filter{Kind: job.Kind(q.text("kind")), Key: q.text("key"), Status: job.Status(q.text("status")), Page: q.number("page", 1), Size: q.number("page_size", job.DefaultPageSize)}
		if err := q.done(); err != nil {
			return err
		}
		list, total, err := desk.List(r.Context(), c, f)
		if err != nil {
			return err
		}
		return p.list(w, r, list, query.Paging{Number: f.Page, Size: f.Size, TotalEntries: total, TotalPages: (total + f.Size - 1) / f.Size})
	}))
	r.Get("/api/v3/jobs/{id}", p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
		info, err := desk.Get(r.Context(), c, id)
		if err != nil {
			return err
		}
		return p.answer(w, r, http.StatusOK, info, nil)
	}))
	for action, change := range map[string]func(context.Context, registry.Caller, registry.ID, bool) (job.Info, error){"replay": desk.Replay, "discard": desk.Discard} {
		r.Patch("/api/v3/jobs/{id}/actions/"+action, p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
			o, _, err := readObject(r, p.limits.SmallBody, true)
			if err != nil {
				return err
			}
			fields := o.fields()
			dryRun := fields.boolean("dry_run")
			if err := fields.done(); err != nil {
				return err
			}
			info, err := change(r.Context(), c, id, dryRun)
			if err != nil {
				return err
			}
			return p.answer(w, r, http.StatusOK, jobChange{info, dryRun}, nil)
		}))
	}
}
