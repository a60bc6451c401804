package portal

import (
	"context"
	"net/http"

	"github.com/go-chi/chi/v5"

	"mist/registry"
	"mist/registry/query"
	checks "mist/registry/verification"
)

// VerificationRoom is what other registers say; *checks.Service is one.
type VerificationRoom interface {
	Read(ctx context.Context, c registry.Caller, id registry.ID) (checks.View, error)
	Ask(ctx context.Context, c registry.Caller, id registry.ID) (checks.View, error)
	Decide(ctx context.Context, c registry.Caller, id registry.ID, stream checks.Stream, status checks.Status, comment string) (checks.View, error)
	List(ctx context.Context, c registry.Caller, stream checks.Stream, status checks.Status, page, size int) ([]checks.Flagged, int, error)
	Entity(ctx context.Context, c registry.Caller, id registry.ID) (checks.EntityState, error)
}

// Verifications are the places of what other registers say of people and clinics.
func Verifications(s VerificationRoom) Room {
	return room(func(p *portal, r chi.Router) {
		const one = "/api/v3/persons/{id}/verification"
		r.Get(one, p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
			v, err := s.Read(r.Context(), c, id)
			if err != nil {
				return err
			}
			return p.answer(w, r, http.StatusOK, v, nil)
		}))
		r.Patch(one+"/actions/ask", p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
			o, _, err := readObject(r, p.limits.SmallBody, true)
			if err != nil {
				return err
			}
			if err := o.fields().done(); err != nil {
				return err
			}
			v, err := s.Ask(r.Context(), c, id)
			if err != nil {
				return err
			}
			return p.answer(w, r, http.StatusOK, v, nil)
		}))
		r.Patch(one+"/actions/decide", p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
			o, _, err := readObject(r, p.limits.SmallBody, false)
			if err != nil {
				return err
			}
			f := o.fields()
			stream, status, comment := f.text("stream", true), f.text("status", true), f.text("comment", true)
			if err := f.done(); err != nil {
				return err
			}
			v, err := s.Decide(r.Context(), c, id, checks.Stream(stream), checks.Status(status), comment)
			if err != nil {
				return err
			}
			return p.answer(w, r, http.StatusOK, v, nil)
		}))
		r.Get("/api/v3/person_verifications", p.member(func(w http.ResponseWriter, r *http.Request, c registry.Caller) error {
			q, err := queryOf(r)
			if err != nil {
				return err
			}
			stream, status := q.text("stream"), q.text("status")
			page, size := q.number("page", 1), q.number("page_size", checks.DefaultPageSize)
			if err := q.done(); err != nil {
				return err
			}
			if status == "" {
				status = string(checks.NotVerified)
			}
			list, total, err := s.List(r.Context(), c, checks.Stream(stream), checks.Status(status), page, size)
			if err != nil {
				return err
			}
			return p.list(w, r, list, query.Paging{Number: page, Size: size, TotalEntries: total, TotalPages: (total + size - 1) / size})
		}))
		r.Get("/api/v3/legal_entities/{id}/edr_verification", p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
			v, err := s.Entity(r.Context(), c, id)
			if err != nil {
				return err
			}
			return p.answer(w, r, http.StatusOK, v, nil)
		}))
	})
}
